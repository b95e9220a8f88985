//! A hint is what an event may tell us: where to look. It never says who owns an endpoint or
//! whether it may connect.

mod budget;
mod by_endpoint;

use crate::ids::{AccountId, EndpointId, PrincipalArn, ServiceId};

pub use budget::{Budget, MOST_ENDPOINTS, MOST_IN_BATCH, MOST_SERVICES, MOST_TOPICS};
pub use by_endpoint::{ByEndpoint, Said};

/// One event, reduced to its usable parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hint {
    pub kind: HintKind,
    pub subject: Subject,
    /// The principal who accepted or rejected, from AWS CloudTrail's event of our own account: kept
    /// for the record of a decision that somebody else made. No other event names anybody.
    pub actor: Option<PrincipalArn>,
}

/// What happened, according to the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HintKind {
    /// A consumer asked for a connection.
    Requested,
    /// Somebody accepted a connection.
    Accepted,
    /// Somebody rejected a connection.
    Rejected,
    /// A consumer deleted an endpoint.
    Deleted,
    /// The policy was edited in a way that can change decisions about the subject's connections.
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
        /// The service; every managed service if `None`.
        service_id: Option<ServiceId>,
        /// The account that owns the endpoints.
        account_id: AccountId,
    },
    /// Every connection of one service.
    Service(ServiceId),
    /// The Transit Gateway attachments of one service; of every managed service if `None`.
    Attachments(Option<ServiceId>),
    /// Every connection of the services whose connection notification publishes to this topic.
    Topic(String),
    /// Every connection of every managed service.
    Everything,
}

impl Subject {
    /// The endpoints that it names; empty if it stands for more than it names.
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
