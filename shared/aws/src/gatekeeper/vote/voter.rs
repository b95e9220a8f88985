//! Who votes, and what they are told.

use gatekeeper_core::approver::{Ineligible, SlackUserId};
use gatekeeper_core::ballot::{Listed, RequestDetails};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::vote::{Channel, Unrecorded};

/// Who votes, and how we know.
#[derive(Clone)]
pub enum Voter {
    /// Whoever the link was sent to.
    Link {
        /// The token, as it stands in the link that was opened.
        token: String,
        /// The last characters of the endpoint's id, as they were typed: no machine does.
        typed: String,
    },
    /// A person in Slack, whose signature was checked.
    Slack {
        /// Who.
        user: SlackUserId,
        /// Which connection the button was for.
        endpoint_id: EndpointId,
        /// Which of its reviews.
        review: u64,
    },
    /// A caller of AWS, as STS names them.
    Iam {
        /// The caller's ARN.
        arn: String,
        /// Which connection.
        endpoint_id: EndpointId,
    },
}

/// What became of a vote.
#[derive(Debug, Clone)]
pub enum Voted {
    /// It is recorded, and more approvals are needed.
    Waiting(Box<RequestDetails>),
    /// It decided, and EC2 has done it.
    Decided(Box<RequestDetails>),
    /// It decided; that is recorded, and EC2 will be asked again until it has done it.
    Recorded(Box<RequestDetails>),
    /// It decided, and came to nothing: something else had happened meanwhile.
    Overtaken(Box<RequestDetails>),
    /// Nothing was recorded, and it can be cast again.
    Unrecorded(Unrecorded, Box<RequestDetails>),
    /// They had said so before, or may not say it any more.
    Already(Box<RequestDetails>),
    /// It was decided, or over, before.
    TooLate(Box<RequestDetails>),
    /// They may not decide this one.
    Ineligible(Ineligible, Box<RequestDetails>),
    /// Its service is not looked after any more.
    Unmanaged(Box<RequestDetails>),
    /// What they typed is not the end of the endpoint's id.
    Mistyped(Box<RequestDetails>),
    /// Their link, or the review's time, is over.
    Expired,
    /// There is no such link or review, or it is of no more use, or whoever it was for is no approver any more.
    Invalid,
    /// They are no approver.
    NotAnApprover,
}

impl Voted {
    /// With the other requests that a link lists.
    pub(super) fn listing(mut self, others: Vec<Listed>) -> Self {
        match &mut self {
            Self::Waiting(details)
            | Self::Decided(details)
            | Self::Recorded(details)
            | Self::Overtaken(details)
            | Self::Unrecorded(_, details)
            | Self::Already(details)
            | Self::TooLate(details)
            | Self::Ineligible(_, details)
            | Self::Unmanaged(details)
            | Self::Mistyped(details) => details.others = others,
            Self::Expired | Self::Invalid | Self::NotAnApprover => {}
        }
        self
    }
}

impl Voter {
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Link { .. } => Channel::Email,
            Self::Slack { .. } => Channel::Slack,
            Self::Iam { .. } => Channel::Iam,
        }
    }
}

impl std::fmt::Debug for Voter {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link { .. } => f.write_str("Link(…)"),
            Self::Slack { user, .. } => write!(f, "Slack({user})"),
            Self::Iam { arn, .. } => write!(f, "Iam({arn})"),
        }
    }
}
