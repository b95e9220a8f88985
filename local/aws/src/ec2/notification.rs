use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::config::Ec2Options;
use super::filter::Filters;
use super::service::{ServiceKind, is_id};
use super::store::Store;
use super::{Request, Unsuccessful, errors};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::query::Params;
use crate::xml::Xml;

/// What a connection notification can be about.
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Accept, Self::Connect, Self::Delete, Self::Reject];

    /// As in `ConnectionEvents`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Connect => "Connect",
            Self::Delete => "Delete",
            Self::Reject => "Reject",
        }
    }

    fn parse(text: &str) -> Option<Self> {
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
    /// The account that made it.
    pub owner: String,
    /// The Region that it is in.
    pub region: String,
    /// The service that it is about, if it is about a service.
    pub service_id: Option<String>,
    /// The endpoint that it is about, if it is about an endpoint.
    pub endpoint_id: Option<String>,
    /// Where it publishes to.
    pub topic_arn: String,
    /// What it publishes.
    pub events: Vec<ConnectionEvent>,
    /// `Enabled` if so, else `Disabled`: then it publishes nothing.
    pub enabled: bool,
}

impl Notification {
    fn is_own(&self, caller: &Caller) -> bool {
        self.owner == caller.account && self.region == caller.region
    }

    fn state(&self) -> &'static str {
        if self.enabled { "Enabled" } else { "Disabled" }
    }

    fn write(&self, xml: &mut Xml) {
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

/// The only type there is.
const TYPE: &str = "Topic";

/// What EC2 publishes to an SNS topic when something happens to a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionNotification {
    /// The topic to publish to.
    pub topic_arn: String,
    /// What happened.
    pub event: ConnectionEvent,
    /// To which service's connection.
    pub service_id: String,
    /// Of which endpoint.
    pub endpoint_id: String,
    /// The message.
    pub body: String,
}

/// What a message body can be made of.
#[derive(Debug, Clone)]
pub struct NotificationFacts {
    /// What happened.
    pub event: ConnectionEvent,
    /// `vpce-nfn-…`.
    pub notification_id: String,
    /// The topic.
    pub topic_arn: String,
    /// `vpce-svc-…`.
    pub service_id: String,
    /// The Region of the service.
    pub service_region: String,
    /// `vpce-…`.
    pub endpoint_id: String,
    /// The consumer's account.
    pub endpoint_owner: String,
    /// When.
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

/// The messages that `event` on an endpoint causes. "You can create a connection notification for interface
/// endpoints only": the others cause none.
pub(crate) fn due(
    store: &Store,
    options: &Ec2Options,
    endpoint_id: &str,
    event: ConnectionEvent,
    at: Timestamp,
) -> Vec<ConnectionNotification> {
    let endpoint = store.endpoint(endpoint_id);
    let Some(endpoint) = endpoint.filter(|endpoint| endpoint.kind == ServiceKind::Interface) else {
        return Vec::new();
    };
    let concerns = |notification: &&Notification| {
        let service = notification.service_id.as_ref() == Some(&endpoint.service_id);
        let own = notification.endpoint_id.as_ref() == Some(&endpoint.id);
        notification.enabled && notification.events.contains(&event) && (service || own)
    };
    let message = |notification: &Notification| ConnectionNotification {
        topic_arn: notification.topic_arn.clone(),
        event,
        service_id: endpoint.service_id.clone(),
        endpoint_id: endpoint.id.clone(),
        body: (options.notification_body)(&NotificationFacts {
            event,
            notification_id: notification.id.clone(),
            topic_arn: notification.topic_arn.clone(),
            service_id: endpoint.service_id.clone(),
            service_region: endpoint.service_region.clone(),
            endpoint_id: endpoint.id.clone(),
            endpoint_owner: endpoint.owner.clone(),
            at,
        }),
    };
    store
        .notifications
        .values()
        .filter(concerns)
        .map(message)
        .collect()
}

fn events(params: &Params) -> Result<Vec<ConnectionEvent>, AwsError> {
    let why = "Valid values are Accept, Connect, Delete, and Reject.";
    let texts = params.list("ConnectionEvents");
    let parsed = texts.iter().map(|text| {
        ConnectionEvent::parse(text)
            .ok_or_else(|| errors::invalid_value(text, "ConnectionEvents", why))
    });
    let mut events = parsed.collect::<Result<Vec<_>, _>>()?;
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

fn topic(params: &Params) -> Result<Option<&str>, AwsError> {
    let Some(arn) = params.filled("ConnectionNotificationArn") else {
        return Ok(None);
    };
    let fields: Vec<&str> = arn.split(':').collect();
    if fields.len() == 6 && arn.starts_with("arn:aws") && fields.get(2) == Some(&"sns") {
        Ok(Some(arn))
    } else {
        Err(errors::invalid_value(
            arn,
            "ConnectionNotificationArn",
            "It must be the ARN of an SNS topic.",
        ))
    }
}

pub(crate) fn create(req: &Request<'_>) -> Result<String, AwsError> {
    let params = req.params;
    let topic_arn = topic(params)?.ok_or_else(|| errors::missing("ConnectionNotificationArn"))?;
    let events = events(params)?;
    if events.is_empty() {
        return Err(errors::missing("ConnectionEvents"));
    }
    let (service_id, endpoint_id) = (params.filled("ServiceId"), params.filled("VpcEndpointId"));
    let mut store = req.ec2.store();
    match (service_id, endpoint_id) {
        (None, None) => return Err(errors::missing("ServiceId")),
        (Some(_), Some(_)) => {
            return Err(errors::invalid_combination(
                "Specify either ServiceId or VpcEndpointId, but not both",
            ));
        }
        (Some(id), None) => {
            if !is_id(id, "vpce-svc-") {
                return Err(errors::malformed_service(id));
            }
            store
                .own_service(req.caller, id)
                .ok_or_else(|| errors::no_service(id))?;
        }
        (None, Some(id)) => {
            if !is_id(id, "vpce-") {
                return Err(errors::malformed_endpoint(id));
            }
            let own = store
                .endpoint(id)
                .filter(|endpoint| endpoint.owner == req.caller.account);
            own.ok_or_else(|| errors::no_endpoint(id))?;
        }
    }
    req.dry_run()?;
    let made = store.created(req)?;
    let made = made.and_then(|id| store.notifications.get(&id).cloned());
    let notification = made.unwrap_or_else(|| Notification {
        id: req.ec2.ids().ec2("vpce-nfn-"),
        owner: req.caller.account.clone(),
        region: req.caller.region.clone(),
        service_id: service_id.map(str::to_owned),
        endpoint_id: endpoint_id.map(str::to_owned),
        topic_arn: topic_arn.to_owned(),
        events,
        enabled: true,
    });
    store.creates(req, &notification.id);
    store
        .notifications
        .insert(notification.id.clone(), notification.clone());
    Ok(req.answer(|xml| {
        xml.element("connectionNotification", |xml| notification.write(xml));
        xml.optional("clientToken", params.get("ClientToken"));
    }))
}

pub(crate) fn describe(req: &Request<'_>) -> Result<String, AwsError> {
    let known = [
        "connection-notification-arn",
        "connection-notification-id",
        "connection-notification-state",
        "connection-notification-type",
        "service-id",
        "vpc-endpoint-id",
    ];
    let filters = Filters::parse(req.params, &known)?;
    let page = req.page("DescribeVpcEndpointConnectionNotifications")?;
    let only = req.params.filled("ConnectionNotificationId");
    let store = req.ec2.store();
    if let Some(id) = only {
        let own = store
            .notifications
            .get(id)
            .filter(|notification| notification.is_own(req.caller));
        own.ok_or_else(|| errors::no_notification(id))?;
    }
    req.dry_run()?;
    let has = |filter: &super::filter::Filter, id: &Option<String>| {
        id.as_ref().is_some_and(|id| filter.has(id))
    };
    let found: Vec<&Notification> = store
        .notifications
        .values()
        .filter(|notification| notification.is_own(req.caller))
        .filter(|notification| only.is_none_or(|only| notification.id == only))
        .filter(|notification| {
            filters.all(|filter| match filter.name.as_str() {
                "connection-notification-arn" => filter.has(&notification.topic_arn),
                "connection-notification-id" => filter.has(&notification.id),
                "connection-notification-state" => filter.has(notification.state()),
                "connection-notification-type" => filter.has(TYPE),
                "service-id" => has(filter, &notification.service_id),
                _ => has(filter, &notification.endpoint_id),
            })
        })
        .collect();
    let (found, token) = page.of(found, |notification| notification.id.clone());
    Ok(req.answer(|xml| {
        xml.list(
            "connectionNotificationSet",
            "item",
            found,
            |xml, notification| notification.write(xml),
        );
        xml.optional("nextToken", token);
    }))
}

pub(crate) fn modify(req: &Request<'_>) -> Result<String, AwsError> {
    let params = req.params;
    let name = "ConnectionNotificationId";
    let id = params.filled(name).ok_or_else(|| errors::missing(name))?;
    let (topic_arn, events) = (topic(params)?, events(params)?);
    let mut store = req.ec2.store();
    let own = store
        .notifications
        .get_mut(id)
        .filter(|notification| notification.is_own(req.caller));
    let notification = own.ok_or_else(|| errors::no_notification(id))?;
    req.dry_run()?;
    if let Some(topic_arn) = topic_arn {
        topic_arn.clone_into(&mut notification.topic_arn);
    }
    if !events.is_empty() {
        notification.events = events;
    }
    Ok(req.answer(|xml| xml.text("return", true)))
}

pub(crate) fn delete(req: &Request<'_>) -> Result<String, AwsError> {
    let ids = req.params.list("ConnectionNotificationId");
    if ids.is_empty() {
        return Err(errors::missing("ConnectionNotificationId"));
    }
    req.dry_run()?;
    let mut store = req.ec2.store();
    let mut failed = Vec::new();
    for id in &ids {
        let own = store
            .notifications
            .get(id)
            .is_some_and(|notification| notification.is_own(req.caller));
        if own {
            store.notifications.remove(id);
        } else {
            failed.push(Unsuccessful::new(id, &errors::no_notification(id)));
        }
    }
    Ok(req.answer(|xml| super::write_unsuccessful(xml, &failed)))
}
