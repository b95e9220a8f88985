//! Transit gateway network function attachments in a world: connections that are no endpoint's. Gatekeeper does not
//! judge them; what it says of them can be seen.

use std::fmt;
use std::str::FromStr;

use gatekeeper_core::connection::ConnectionState;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::written::{Misfit, Shape, Typed, Value};
use local_aws::{Ec2, NewAttachment};

use super::item::{called, read_with};
use super::parts::{StateName, state_of};
use super::problem::BadWorld;
use super::yaml::Node;
use crate::error::WorldError;

const EXPECTED: &str =
    "a transit gateway attachment id: tgw-attach- and 8 or 17 lower-case hex digits";

/// `tgw-attach-` and 8 or 17 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttachmentId(String);

impl AttachmentId {
    /// As AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttachmentId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let digits = text.strip_prefix("tgw-attach-");
        let is_valid = digits.is_some_and(|digits| {
            matches!(digits.len(), 8 | 17)
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        is_valid.then(|| Self(text.to_owned())).ok_or(EXPECTED)
    }
}

impl Typed for AttachmentId {
    const SHAPE: Shape = Shape::Id(EXPECTED);

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let read = value.as_text().and_then(|text| text.parse().ok());
        read.ok_or_else(|| Misfit::new(value.shown(), format!("write {}", shape.expected())))
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An attachment to a service for Gateway Load Balancer endpoints, as EC2 has it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its id.
    pub attachment_id: AttachmentId,
    /// The service.
    pub service_id: ServiceId,
    /// The account that owns it.
    pub owner: AccountId,
    /// The endpoints with which EC2 lists it, one for each zone. None: it is listed once, without an endpoint.
    pub endpoint_ids: Vec<EndpointId>,
    /// Its state.
    pub state: ConnectionState,
}

/// What somebody accepts, rejects or deletes: an endpoint's connection, or an attachment's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An endpoint.
    Endpoint(EndpointId),
    /// A transit gateway attachment.
    Attachment(AttachmentId),
}

impl Typed for Subject {
    const SHAPE: Shape = Shape::Id("the id of an endpoint or of a transit gateway attachment");

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        match value.as_text() {
            Some(text) if text.starts_with("tgw-") => {
                AttachmentId::read(value, &AttachmentId::SHAPE).map(Self::Attachment)
            }
            _ => EndpointId::read(value, &EndpointId::SHAPE).map(Self::Endpoint),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl Subject {
    /// In a sentence.
    pub(super) fn named(&self) -> String {
        match self {
            Self::Endpoint(id) => format!("the endpoint {id}"),
            Self::Attachment(id) => format!("the attachment {id}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(id) => id.fmt(f),
            Self::Attachment(id) => id.fmt(f),
        }
    }
}

impl Attachment {
    pub(super) fn read(node: &Node) -> Result<Self, BadWorld> {
        let name = called(node, "the attachment", "attachment_id");
        read_with(node, &name, "a key of an attachment", |reader| {
            let attachment_id = reader.required("attachment_id");
            let service_id = reader.required("service_id");
            let owner = reader.required("owner");
            let endpoint_ids = reader.optional("endpoint_ids").unwrap_or_default();
            let StateName(state) = reader.optional("state").unwrap_or_default();
            Some(Self {
                attachment_id: attachment_id?,
                service_id: service_id?,
                owner: owner?,
                endpoint_ids,
                state,
            })
        })
    }

    pub(super) fn put_into(&self, ec2: &Ec2) -> Result<(), WorldError> {
        let endpoints = self.endpoint_ids.iter().map(EndpointId::as_str);
        ec2.put_attachment(
            NewAttachment::new(self.service_id.as_str(), self.owner.as_str())
                .attachment_id(self.attachment_id.as_str())
                .endpoint_ids(endpoints)
                .state(state_of(&self.state)),
        )
        .map(drop)
        .map_err(|error| WorldError::Make("an attachment", error.to_string()))
    }
}
