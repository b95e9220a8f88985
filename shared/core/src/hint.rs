//! What an event may tell us: where to look. Never who owns an endpoint or whether it may connect.

use crate::ids::{AccountId, EndpointId, ServiceId};

/// One event, reduced to what can be used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What is said to have happened.
    pub kind: HintKind,
    /// Where to look.
    pub subject: Subject,
    /// The IAM ARN that AWS CloudTrail names as the caller, kept for the record of a decision that
    /// somebody else made.
    pub actor: Option<String>,
}

/// What is said to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
