//! What an event may tell us: where to look. Never who owns an endpoint or whether it may connect.

mod budget;
mod by_endpoint;

use crate::ids::{AccountId, EndpointId, PrincipalArn, ServiceId};

pub use budget::{Budget, MOST_ENDPOINTS, MOST_IN_BATCH, MOST_SERVICES, MOST_TOPICS};
pub use by_endpoint::{ByEndpoint, Said};

/// One event, reduced to what can be used of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hint {
    /// What is said to have happened.
    pub kind: HintKind,
    /// Where to look.
    pub subject: Subject,
    /// Who accepted or rejected, by AWS CloudTrail's event of our own account: kept for the record of
    /// a decision that somebody else made. No other event names anybody.
    pub actor: Option<PrincipalArn>,
}

/// What is said to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HintKind {
    /// A consumer asked for a connection.
    Requested,
    /// Somebody accepted one.
    Accepted,
    /// Somebody rejected one.
    Rejected,
    /// A consumer deleted an endpoint.
    Deleted,
    /// The policy was edited in a way that can change what becomes of the subject's connections.
    PolicyEdited,
    /// Something happened; the event does not say what.
    Unspecified,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// These endpoints, of this service if the event named it. Never empty.
    Endpoints {
        /// The service that the event named.
        service_id: Option<ServiceId>,
        /// The endpoints that the event named, each once.
        endpoint_ids: Vec<EndpointId>,
    },
    /// Every connection of one consumer.
    Consumer {
        /// To this service; none for every managed service.
        service_id: Option<ServiceId>,
        /// The account that owns the endpoints.
        account_id: AccountId,
    },
    /// Every connection of one service.
    Service(ServiceId),
    /// The Transit Gateway attachments of one service; none for every managed service.
    Attachments(Option<ServiceId>),
    /// Every connection of the services whose connection notification publishes to this topic.
    Topic(String),
    /// Every connection of every managed service.
    Everything,
}

impl Subject {
    /// The endpoints that it names; none if it stands for more than it names.
    #[must_use]
    pub fn endpoints(&self) -> &[EndpointId] {
        match self {
            Self::Endpoints { endpoint_ids, .. } => endpoint_ids,
            Self::Consumer { .. }
            | Self::Service(_)
            | Self::Attachments(_)
            | Self::Topic(_)
            | Self::Everything => &[],
        }
    }
}
