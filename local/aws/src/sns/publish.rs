use std::collections::HashSet;

use serde_json::Value;

use super::delivery::{Delivery, DeliveryKind};
use super::errors;
use super::message::{MOST_BYTES, Message, Published};
use super::param::own_topic;
use super::policy::Policy;
use super::store::Subscription;
use super::world::{Request, Sns};
use crate::error::AwsError;
use crate::query::Params;

const MOST_ENTRIES: usize = 10;

/// Publishes a message to a topic of any account, and answers the id.
pub(crate) fn publish(sns: &Sns, topic_arn: &str, message: &Message) -> Result<String, AwsError> {
    let mut store = sns.store();
    if !store.topics.contains_key(topic_arn) {
        return Err(errors::no_topic());
    }
    let texts = message.check()?;
    let (at, message_id) = (sns.now(), sns.ids().uuid());
    let base_url = sns.base_url();
    let deliver = |subscription: &Subscription| Delivery {
        kind: DeliveryKind::Notification,
        subscription_arn: subscription.arn.clone(),
        protocol: subscription.protocol.clone(),
        endpoint: subscription.endpoint.clone(),
        topic_arn: topic_arn.to_owned(),
        message_id: message_id.clone(),
        subject: message.subject.clone(),
        message: texts.of(&subscription.protocol).to_owned(),
        attributes: message.attributes.clone(),
        raw: subscription.is_raw(),
        token: None,
        url: format!(
            "{base_url}/?Action=Unsubscribe&SubscriptionArn={}",
            subscription.arn
        ),
        at,
    };
    let delay = store.filter_delay;
    let wants = |subscription: &Subscription| {
        let (policy, filters_body) = subscription.filter(at, delay);
        policy.is_none_or(|policy| {
            lets_through(
                policy,
                filters_body,
                message,
                texts.of(&subscription.protocol),
            )
        })
    };
    let mut deliveries: Vec<Delivery> = store
        .of_topic(topic_arn)
        .map(|(_, subscription)| subscription)
        .filter(|subscription| !subscription.pending && wants(subscription))
        .map(deliver)
        .collect();
    deliveries.retain(|delivery| {
        let mail = matches!(delivery.protocol.as_str(), "email" | "email-json");
        if !mail || store.count_mail(&delivery.endpoint, at) || !store.suspend_overruns {
            return true;
        }
        if let Some(suspended) = store.subscription_mut(&delivery.subscription_arn) {
            suspended.pending = true;
            suspended.since = at;
            suspended.token.get_or_insert_with(|| sns.ids().hex(64));
        }
        false
    });
    sns.deliver(&deliveries);
    let published = Published {
        message_id: message_id.clone(),
        topic_arn: topic_arn.to_owned(),
        subject: message.subject.clone(),
        message: message.text.clone(),
        json: message.json,
        attributes: message.attributes.clone(),
        at,
    };
    store.keep(published.clone(), deliveries);
    drop(store);
    sns.tell(&published);
    Ok(message_id)
}

/// Whether a filter policy lets a message through; `text` is the message's for the subscription's protocol.
fn lets_through(policy: &Policy, filters_body: bool, message: &Message, text: &str) -> bool {
    if !filters_body {
        return policy.matches(&message.attribute_values());
    }
    // Only a JSON object can match.
    match serde_json::from_str(text) {
        Ok(Value::Object(body)) => policy.matches(&body),
        _ => false,
    }
}

pub(crate) fn publish_call(req: &Request<'_>) -> Result<String, AwsError> {
    let name = ["TopicArn", "TargetArn"]
        .into_iter()
        .find(|name| req.params.filled(name).is_some());
    // Text messages and mobile push are not modelled.
    let why = "TopicArn or TargetArn Reason: no value for required parameter";
    let topic_arn = own_topic(req, name.ok_or_else(|| errors::invalid(why))?)?;
    let message = Message::parse(req.params)?;
    let message_id = publish(req.simulator, &topic_arn, &message)?;
    Ok(req.answer(|xml| xml.text("MessageId", message_id)))
}

pub(crate) fn batch_call(req: &Request<'_>) -> Result<String, AwsError> {
    let topic_arn = own_topic(req, "TopicArn")?;
    if !req.simulator.store().topics.contains_key(&topic_arn) {
        return Err(errors::no_topic());
    }
    let entries = req.params.items("PublishBatchRequestEntries");
    check_batch(&entries)?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in &entries {
        let id = entry.get("Id").unwrap_or_default();
        if let Some(fault) = req.item_fault.filter(|fault| fault.covers(id)) {
            failed.push((id, fault.code.clone(), fault.message.clone(), false));
            continue;
        }
        match Message::parse(entry).and_then(|message| publish(req.simulator, &topic_arn, &message))
        {
            Ok(message_id) => done.push((id, message_id)),
            Err(error) => failed.push((id, error.code, error.message, true)),
        }
    }
    Ok(req.answer(|xml| {
        xml.list("Successful", "member", done, |xml, (id, message_id)| {
            xml.text("Id", id);
            xml.text("MessageId", message_id);
        });
        xml.list(
            "Failed",
            "member",
            failed,
            |xml, (id, code, message, sender)| {
                xml.text("Id", id);
                xml.text("Code", code);
                xml.text("Message", message);
                xml.text("SenderFault", sender);
            },
        );
    }))
}

fn check_batch(entries: &[Params]) -> Result<(), AwsError> {
    if entries.is_empty() {
        return Err(errors::empty_batch());
    }
    if entries.len() > MOST_ENTRIES {
        return Err(errors::too_many_entries());
    }
    let ids: Vec<&str> = entries
        .iter()
        .map(|entry| entry.get("Id").unwrap_or_default())
        .collect();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if ids
        .iter()
        .any(|id| id.is_empty() || id.len() > 80 || !id.chars().all(allowed))
    {
        return Err(errors::invalid_entry_id());
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(errors::ids_not_distinct());
    }
    let bytes = entries
        .iter()
        .filter_map(|entry| Some(Message::parse(entry).ok()?.bytes()));
    if bytes.sum::<usize>() > MOST_BYTES {
        return Err(errors::batch_too_long());
    }
    Ok(())
}
