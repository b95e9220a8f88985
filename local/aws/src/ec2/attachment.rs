//! Transit gateway network function attachments: since 2026-11-17 the other way into a service for Gateway Load Balancer
//! endpoints. What AWS publishes is its API model. How a provider sees the connection of an attachment is not in it:
//! [`AttachmentListing`] offers what the model allows.

use jiff::Timestamp;
use serde::Serialize;

use super::state::State;

/// How `DescribeVpcEndpointConnections` lists the connection of an attachment. AWS has not published it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttachmentListing {
    /// Once, without an endpoint's id and owner.
    #[default]
    WithoutEndpoint,
    /// Once for each Availability Zone, with an endpoint's id and owner beside the attachment's.
    PerZone,
    /// Once for each Availability Zone, with an endpoint's id and no owner of it.
    PerZoneWithoutOwner,
}

/// The transit gateway attachment of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attached {
    /// `tgw-attach-…`.
    pub(crate) id: String,
    pub(crate) gateway: String,
    pub(crate) zones: Vec<String>,
    /// Whether the endpoint is listed without its owner.
    pub(crate) without_owner: bool,
}

/// A transit gateway attachment to a service, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// `tgw-attach-…`.
    pub attachment_id: String,
    /// `vpce-svc-…`.
    pub service_id: String,
    pub owner: String,
    pub state: State,
    pub created_at: Timestamp,
    /// The endpoints with which it is listed; `None` if it is listed once, without one.
    pub endpoint_ids: Vec<String>,
}

/// An attachment to be put into the world, without the checks that come with creating one.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewAttachment {
    pub(crate) service_id: String,
    pub(crate) owner: String,
    pub(crate) attachment_id: Option<String>,
    pub(crate) endpoint_ids: Vec<String>,
    pub(crate) without_owner: bool,
    pub(crate) state: State,
    pub(crate) created_at: Option<Timestamp>,
}

impl NewAttachment {
    /// An attachment of the account `owner` to a service, in state `pendingAcceptance`, listed without an endpoint.
    pub fn new(service_id: impl Into<String>, owner: impl Into<String>) -> Self {
        Self {
            service_id: service_id.into(),
            owner: owner.into(),
            attachment_id: None,
            endpoint_ids: Vec::new(),
            without_owner: false,
            state: State::PendingAcceptance,
            created_at: None,
        }
    }

    /// With this id rather than a made one; an attachment with the same id is replaced.
    pub fn attachment_id(mut self, id: impl Into<String>) -> Self {
        self.attachment_id = Some(id.into());
        self
    }

    /// Listed once for each of these endpoints, as for the Availability Zones, with the endpoint's id.
    pub fn endpoint_ids(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.endpoint_ids = ids.into_iter().map(Into::into).collect();
        self
    }

    /// The endpoints are listed without their owner.
    pub fn without_endpoint_owner(mut self) -> Self {
        self.without_owner = true;
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
}
