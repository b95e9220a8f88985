//! Voters, and how they are known.

use gatekeeper_core::approver::SlackUserId;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::vote::Channel;

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
    /// A caller of AWS, whose signature API Gateway checked.
    Iam {
        /// The caller's ARN, as STS names them.
        arn: String,
        endpoint_id: EndpointId,
        /// The number of the review that was shown. `None` stands for the open one.
        review: Option<u64>,
    },
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
