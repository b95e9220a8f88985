//! Connection notifications as the simulator keeps them. The operations are in `notifications`.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::caller::Caller;
use crate::xml::Xml;

/// The events that a connection notification can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConnectionEvent {
    /// The provider accepted.
    Accept,
    /// A consumer created an interface endpoint.
    Connect,
    /// A consumer deleted its endpoint.
    Delete,
    /// The provider rejected.
    Reject,
}

impl ConnectionEvent {
    pub const ALL: [Self; 4] = [Self::Accept, Self::Connect, Self::Delete, Self::Reject];

    /// The name in `ConnectionEvents`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Connect => "Connect",
            Self::Delete => "Delete",
            Self::Reject => "Reject",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A subscription of an SNS topic to the events of a service or of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// `vpce-nfn-…`.
    pub id: String,
    pub owner: String,
    pub region: String,
    /// The service that it is about, if it is about a service.
    pub service_id: Option<String>,
    /// The endpoint that it is about, if it is about an endpoint.
    pub endpoint_id: Option<String>,
    pub topic_arn: String,
    /// The events that it publishes.
    pub events: Vec<ConnectionEvent>,
    /// `Enabled` if so, else `Disabled`: then it publishes nothing.
    pub enabled: bool,
}

impl Notification {
    pub(crate) fn is_own(&self, caller: &Caller) -> bool {
        self.owner == caller.account && self.region == caller.region
    }

    pub(crate) fn state(&self) -> &'static str {
        if self.enabled { "Enabled" } else { "Disabled" }
    }

    pub(crate) fn write(&self, xml: &mut Xml) {
        xml.text("connectionNotificationId", &self.id);
        xml.optional("serviceId", self.service_id.as_deref());
        xml.optional("vpcEndpointId", self.endpoint_id.as_deref());
        xml.text("connectionNotificationType", TYPE);
        xml.text("connectionNotificationArn", &self.topic_arn);
        xml.texts("connectionEvents", "item", &self.events);
        xml.text("connectionNotificationState", self.state());
        xml.text("serviceRegion", &self.region);
    }
}

pub(crate) const TYPE: &str = "Topic";

/// A message that EC2 publishes to an SNS topic when something happens to a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionNotification {
    pub topic_arn: String,
    pub event: ConnectionEvent,
    pub service_id: String,
    pub endpoint_id: String,
    pub body: String,
}

/// The facts that the body of a message can be made of.
#[derive(Debug, Clone)]
pub struct NotificationFacts {
    pub event: ConnectionEvent,
    /// `vpce-nfn-…`.
    pub notification_id: String,
    pub topic_arn: String,
    /// `vpce-svc-…`.
    pub service_id: String,
    pub service_region: String,
    /// `vpce-…`.
    pub endpoint_id: String,
    /// The consumer's account.
    pub endpoint_owner: String,
    pub at: Timestamp,
}

/// The default body. **It is invented**: AWS documents none, and no public sample was found. Nothing may depend on
/// more of it than that the ids are somewhere in the text, and better not on that.
pub fn invented_body(facts: &NotificationFacts) -> String {
    json!({
        "event": facts.event.as_str(),
        "connectionNotificationId": facts.notification_id,
        "serviceId": facts.service_id,
        "serviceRegion": facts.service_region,
        "vpcEndpointId": facts.endpoint_id,
        "vpcEndpointOwner": facts.endpoint_owner,
        "timestamp": facts.at.to_string(),
    })
    .to_string()
}
