//! Transit gateway network function attachments in a world: connections that are no endpoint's. Gatekeeper does not
//! judge them; what it says of them can be seen.

use std::fmt;
use std::str::FromStr;

use gatekeeper_core::connection::ConnectionState;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use local_aws::{Ec2, NewAttachment, State};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{BadWorld, Known, bad, known_state, line_of, waiting};
use crate::world::WorldError;

/// `tgw-attach-` and 8 or 17 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct AttachmentId(String);

impl AttachmentId {
    /// As AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttachmentId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("tgw-attach-");
        let valid = digits.is_some_and(|digits| {
            matches!(digits.len(), 8 | 17)
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a transit gateway attachment id: tgw-attach- and 8 or 17 lower-case hex digits"
            ))
        }
    }
}

impl TryFrom<String> for AttachmentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An attachment to a service for Gateway Load Balancer endpoints, as EC2 has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its id.
    pub attachment_id: AttachmentId,
    /// The service.
    pub service_id: ServiceId,
    /// The account that owns it.
    pub owner: AccountId,
    /// The endpoints with which EC2 lists it, one for each zone. None: it is listed once, without an endpoint.
    #[serde(default)]
    pub endpoint_ids: Vec<EndpointId>,
    /// Its state.
    #[serde(default = "waiting")]
    pub state: ConnectionState,
}

/// What somebody accepts, rejects or deletes: an endpoint's connection, or an attachment's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Subject {
    /// An endpoint.
    Endpoint(EndpointId),
    /// A transit gateway attachment.
    Attachment(AttachmentId),
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with("tgw-") {
            return text.parse().map(Self::Attachment);
        }
        let endpoint: Result<EndpointId, _> = text.parse();
        endpoint
            .map(Self::Endpoint)
            .map_err(|error| error.to_string())
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

impl Known {
    /// Checks an attachment against what was named before it.
    pub(super) fn attachment(
        &mut self,
        written: Spanned<Attachment>,
    ) -> Result<Attachment, BadWorld> {
        let line = line_of(&written);
        let attachment = written.value;
        let id = &attachment.attachment_id;
        match self.services.get(&attachment.service_id) {
            None => {
                return Err(bad(
                    line,
                    format!(
                        "the attachment {id} is to the service {}, which is not among the services",
                        attachment.service_id
                    ),
                ));
            }
            Some(false) => {
                return Err(bad(
                    line,
                    format!(
                        "the attachment {id} is to the service {}, which takes none; give it `gateway_load_balancer: true`",
                        attachment.service_id
                    ),
                ));
            }
            Some(true) => {}
        }
        known_state(&attachment.state)
            .map_err(|why| bad(line, format!("the attachment {id} is {why}")))?;
        for endpoint in &attachment.endpoint_ids {
            self.subject(
                line,
                Subject::Endpoint(endpoint.clone()),
                &attachment.service_id,
            )?;
        }
        let subject = Subject::Attachment(id.clone());
        self.subject(line, subject, &attachment.service_id)?;
        Ok(attachment)
    }
}

pub(super) fn put_attachment(ec2: &Ec2, attachment: &Attachment) -> Result<(), WorldError> {
    let state = State::parse(attachment.state.as_str()).unwrap_or(State::PendingAcceptance);
    let service = attachment.service_id.as_str();
    let endpoints = attachment.endpoint_ids.iter().map(EndpointId::as_str);
    ec2.put_attachment(
        NewAttachment::new(service, attachment.owner.as_str())
            .attachment_id(attachment.attachment_id.as_str())
            .endpoint_ids(endpoints)
            .state(state),
    )
    .map(drop)
    .map_err(|error| WorldError::Make("an attachment", error.to_string()))
}
