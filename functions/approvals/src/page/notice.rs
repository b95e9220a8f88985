//! Pages that say nothing of any request.

/// What such a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The link opens nothing: it never did, or does no longer. Which, nobody is told who only has
    /// the link.
    Invalid,
    /// The link's or the review's time is over.
    Expired,
    /// Something that we need did not answer. A vote may have been recorded.
    Unavailable,
    /// There is no such page.
    Nowhere,
    /// The path is known, and not for this method.
    Method,
    /// More was sent than any form of ours holds.
    TooLarge,
    /// The form was sent from a page that is not ours.
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
            Self::TooLarge => "That was too much",
            Self::CrossSite => "Sent from another page",
        }
    }

    pub(super) fn paragraphs(self) -> &'static [&'static str] {
        match self {
            Self::Invalid => &[
                "It was used and its review is over, it was copied without its end, or it is no longer \
                 yours to use.",
                "If you voted with it, your vote was recorded, and there is nothing left to do. If not, \
                 open the link in the newest message about this connection.",
            ],
            Self::Expired => &[
                "Nothing can be decided with it any more, and opening it changed nothing.",
                "If the connection still waits for people, the next reminder brings a new link.",
            ],
            Self::Unavailable => &[
                "Something this page needs did not answer. If you were only looking, nothing has changed.",
                "If you sent your decision, it may or may not have been recorded. Trying again is \
                 safe: a vote counts once. Reload this page in a moment, and let the browser send \
                 the form again if it asks.",
            ],
            Self::Nowhere => &["Approvers decide by the links that they are sent."],
            Self::Method => &["Links are opened, and forms are sent. Nothing else is understood."],
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
