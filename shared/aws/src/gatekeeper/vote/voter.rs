//! Voters and the answers that they get.

use gatekeeper_core::approver::{Ineligible, SlackUserId};
use gatekeeper_core::ballot::{Listed, RequestDetails};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::vote::{Channel, Unrecorded};

/// A voter, and how we know who it is.
#[derive(Clone)]
pub enum Voter {
    /// The approver to whom the link was sent.
    Link {
        /// The token of the link.
        token: String,
        /// The last characters of the endpoint's id, typed by a person: no scanner types them.
        typed: String,
    },
    /// A person in Slack, whose signature was checked.
    Slack {
        user: SlackUserId,
        /// The connection that the button was for.
        endpoint_id: EndpointId,
        /// The number of its review.
        review: u64,
    },
    /// A caller of AWS, as STS names them.
    Iam {
        /// The caller's ARN.
        arn: String,
        endpoint_id: EndpointId,
    },
}

/// The result of a vote.
#[derive(Debug, Clone)]
pub enum Voted {
    /// It is recorded, and more approvals are needed.
    Waiting(Box<RequestDetails>),
    /// It decided, and EC2 has carried it out.
    Decided(Box<RequestDetails>),
    /// It decided. That is recorded, and EC2 is asked again until it has carried it out.
    Recorded(Box<RequestDetails>),
    /// It decided, but had no effect: something else had happened meanwhile.
    Overtaken(Box<RequestDetails>),
    /// Nothing was recorded, and the vote can be cast again.
    Unrecorded(Unrecorded, Box<RequestDetails>),
    /// The approver had voted so before, or may no longer vote so.
    Already(Box<RequestDetails>),
    /// The review was decided, or over, before.
    TooLate(Box<RequestDetails>),
    /// The approver may not decide this review.
    Ineligible(Ineligible, Box<RequestDetails>),
    /// The service is no longer managed.
    Unmanaged(Box<RequestDetails>),
    /// The typed characters are not the end of the endpoint's id.
    Mistyped(Box<RequestDetails>),
    /// The link has expired, or the review's time is over.
    Expired,
    /// The link or the review does not exist, or is of no more use, or its recipient is no longer
    /// an approver.
    Invalid,
    /// The voter is no approver.
    NotAnApprover,
}

impl Voted {
    /// Adds the other requests that a link lists.
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
    /// Leaves out the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link { .. } => f.write_str("Link(…)"),
            Self::Slack { user, .. } => write!(f, "Slack({user})"),
            Self::Iam { arn, .. } => write!(f, "Iam({arn})"),
        }
    }
}
