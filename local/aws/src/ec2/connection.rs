//! Connections as worlds and tests see them. The operations are in `connections`.

use jiff::Timestamp;
use serde::Serialize;

use super::state::State;

/// One consumer endpoint's link to an endpoint service, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// `vpce-svc-…`.
    pub service_id: String,
    /// `vpce-…`.
    pub endpoint_id: String,
    /// The consumer's account.
    pub owner: String,
    /// The Region that the endpoint is in.
    pub region: String,
    pub state: State,
    pub created_at: Timestamp,
    /// `vpce-con-…`.
    pub connection_id: String,
    /// `ipv4`, `ipv6` or `dualstack`.
    pub ip_address_type: String,
}

/// A connection to be put into the world, without the notifications and checks that come with creating an endpoint.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewConnection {
    pub(crate) service_id: String,
    pub(crate) owner: String,
    pub(crate) endpoint_id: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) state: State,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) ip_address_type: String,
}

impl NewConnection {
    /// A connection to a service from an endpoint of the account `owner`, in state `pendingAcceptance`.
    pub fn new(service_id: impl Into<String>, owner: impl Into<String>) -> Self {
        Self {
            service_id: service_id.into(),
            owner: owner.into(),
            endpoint_id: None,
            region: None,
            state: State::PendingAcceptance,
            created_at: None,
            ip_address_type: "ipv4".to_owned(),
        }
    }

    /// With this id rather than a made one; an endpoint with the same id is replaced.
    pub fn endpoint_id(mut self, id: impl Into<String>) -> Self {
        self.endpoint_id = Some(id.into());
        self
    }

    /// From an endpoint in this Region rather than in the service's.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// In this state, as if for ever.
    pub fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Created at this time; without it, now.
    pub fn created_at(mut self, at: Timestamp) -> Self {
        self.created_at = Some(at);
        self
    }

    /// `ipv4` (the default), `ipv6` or `dualstack`.
    pub fn ip_address_type(mut self, kind: impl Into<String>) -> Self {
        self.ip_address_type = kind.into();
        self
    }
}
