use jiff::Timestamp;

use super::client_token;
use super::errors;
use super::filter::{Filter, Filters};
use super::notification::{
    ConnectionEvent, ConnectionNotification, Notification, NotificationFacts, TYPE,
};
use super::options::Ec2Options;
use super::service::{ServiceKind, is_id};
use super::store::Store;
use super::unsuccessful::{Unsuccessful, write_unsuccessful};
use super::world::Request;
use crate::error::AwsError;
use crate::query::Params;

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
    let mut store = req.simulator.store();
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
    let made = client_token::created(req, &store)?;
    let made = made.and_then(|id| store.notifications.get(&id).cloned());
    let notification = made.unwrap_or_else(|| Notification {
        id: req.simulator.ids().ec2("vpce-nfn-"),
        owner: req.caller.account.clone(),
        region: req.caller.region.clone(),
        service_id: service_id.map(str::to_owned),
        endpoint_id: endpoint_id.map(str::to_owned),
        topic_arn: topic_arn.to_owned(),
        events,
        enabled: true,
    });
    client_token::creates(req, &mut store, &notification.id);
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
    let store = req.simulator.store();
    if let Some(id) = only {
        let own = store
            .notifications
            .get(id)
            .filter(|notification| notification.is_own(req.caller));
        own.ok_or_else(|| errors::no_notification(id))?;
    }
    req.dry_run()?;
    let has = |filter: &Filter, id: &Option<String>| id.as_ref().is_some_and(|id| filter.has(id));
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
    let mut store = req.simulator.store();
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
    let mut store = req.simulator.store();
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
    Ok(req.answer(|xml| write_unsuccessful(xml, &failed)))
}
