//! Pages that say nothing about any request.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The link opens nothing. The page does not say whether it ever did, because its reader may not
    /// be the approver.
    Invalid,
    /// The link has expired, or the review's deadline has passed.
    Expired,
    /// Something that the page needs did not answer. A vote may have been recorded.
    Unavailable,
    /// There is no such page.
    Nowhere,
    /// The path is known, but not for this method.
    Method,
    /// More was sent than the form holds.
    TooLarge,
    /// The form was sent from another site's page.
    CrossSite,
}

impl Notice {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Invalid | Self::Nowhere => 404,
            Self::Expired => 410,
            Self::Unavailable => 503,
            Self::Method => 405,
            Self::TooLarge => 413,
            Self::CrossSite => 403,
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Invalid => "This link does not work",
            Self::Expired => "This link has expired",
            Self::Unavailable => "Not possible right now",
            Self::Nowhere => "There is nothing here",
            Self::Method => "This cannot be done here",
            Self::TooLarge => "Too much was sent",
            Self::CrossSite => "Sent from another page",
        }
    }

    pub(super) fn paragraphs(self) -> &'static [&'static str] {
        match self {
            Self::Invalid => &[
                "Its review is over, it was copied without its end, or you are no longer entered as an approver.",
                "If you voted with it, your vote was recorded, and there is nothing left to do. If not, \
                 open the link in the newest message about this connection.",
            ],
            Self::Expired => &[
                "You can no longer decide with it, and opening it changed nothing.",
                "If the connection is still in review, the next reminder has a new link.",
            ],
            Self::Unavailable => &[
                "Something this page needs did not answer. If you were only looking, nothing has changed.",
                "If you sent your decision, it may or may not have been recorded. Trying again is \
                 safe: a vote counts once. Reload this page in a moment, and let the browser send \
                 the form again if it asks.",
            ],
            Self::Nowhere => &["Approvers decide with the links in their e-mails."],
            Self::Method => {
                &["Open the link, or send the form. Other HTTP methods are not supported."]
            }
            Self::TooLarge => &[
                "More was sent than the form holds, and nothing was decided. Go back, shorten the \
                 reason, and send it again.",
            ],
            Self::CrossSite => &[
                "A decision counts only when it is sent from the page that your link opens, and this \
                 one was sent from elsewhere. Nothing was decided.",
                "Open the link in your message, and decide there.",
            ],
        }
    }
}
