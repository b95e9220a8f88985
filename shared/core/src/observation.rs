//! EC2's answer about an endpoint, with the facts that events add.

use std::sync::Arc;

use jiff::Timestamp;

use crate::caller::Caller;
use crate::connection::{Connection, Phase};
use crate::ids::EndpointId;
use crate::policy::Entry;

/// EC2's answer about one endpoint, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub endpoint_id: EndpointId,
    /// The connection; `None` if EC2 does not list the endpoint.
    pub connection: Option<Connection>,
    /// A time not later than the call to EC2: the answer cannot contradict anything recorded since.
    pub seen_at: Timestamp,
    /// Who accepted or rejected it, by AWS CloudTrail's events.
    pub callers: Vec<Caller>,
    /// The entries that DynamoDB has just deleted at their `purge_at`, if an event says so.
    pub purged: Arc<[Entry]>,
}

impl Observation {
    /// A connection as EC2 listed it.
    #[must_use]
    pub fn of(connection: Connection, seen_at: Timestamp) -> Self {
        Self {
            endpoint_id: connection.endpoint_id.clone(),
            connection: Some(connection),
            seen_at,
            callers: Vec::new(),
            purged: Arc::default(),
        }
    }

    /// An endpoint that EC2 does not list.
    #[must_use]
    pub fn unlisted(endpoint_id: EndpointId, seen_at: Timestamp) -> Self {
        Self {
            endpoint_id,
            connection: None,
            seen_at,
            callers: Vec::new(),
            purged: Arc::default(),
        }
    }

    /// The phase of its state. An endpoint that EC2 does not list has ended.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let connection = self.connection.as_ref();
        connection.map_or(Phase::Ended, |connection| connection.state.phase())
    }
}
