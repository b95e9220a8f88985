use super::store::Topic;
use super::{Request, Sns, errors};
use crate::caller::Caller;
use crate::error::AwsError;

/// The attributes in `Attributes.entry.N.key` and `.value`.
pub(crate) fn attributes(req: &Request<'_>) -> std::collections::BTreeMap<String, String> {
    let entries = req.params.items("Attributes").into_iter();
    entries
        .filter_map(|entry| {
            Some((
                entry.filled("key")?.to_owned(),
                entry.get("value").unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// The ARN of the parameter `name`, if it is a topic's, in the Region of the call.
pub(crate) fn topic_arn<'a>(req: &Request<'a>, name: &str) -> Result<&'a str, AwsError> {
    let arn = req
        .params
        .filled(name)
        .ok_or_else(|| errors::missing(name))?;
    let fields: Vec<&str> = arn.split(':').collect();
    if fields.len() < 6 {
        return Err(errors::invalid(&format!(
            "{name} Reason: An ARN must have at least 6 elements, not {}",
            fields.len()
        )));
    }
    if fields.len() != 6 || fields.get(3) != Some(&req.caller.region.as_str()) {
        return Err(errors::invalid(name));
    }
    Ok(arn)
}

/// The topic of the parameter `name`, if the caller may use it. Topic policies are not modelled: the owner may.
pub(crate) fn own_topic(req: &Request<'_>, name: &str) -> Result<String, AwsError> {
    let arn = topic_arn(req, name)?;
    if arn.split(':').nth(4) != Some(req.caller.account.as_str()) {
        return Err(errors::unauthorized(&req.caller.arn, req.action, arn));
    }
    Ok(arn.to_owned())
}

/// Adds a topic of the caller's, or answers the one of that name.
pub(crate) fn put(sns: &Sns, caller: &Caller, name: &str) -> Result<Topic, AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 256 || !name.chars().all(allowed) {
        // FIFO topics, whose names end in `.fifo`, are not modelled; e-mail cannot subscribe to them anyway.
        return Err(errors::invalid("Topic Name"));
    }
    let arn = format!("arn:aws:sns:{}:{}:{name}", caller.region, caller.account);
    let topic = Topic {
        arn: arn.clone(),
        owner: caller.account.clone(),
        region: caller.region.clone(),
        attributes: std::collections::BTreeMap::new(),
    };
    Ok(sns.store().topics.entry(arn).or_insert(topic).clone())
}

pub(crate) fn create(req: &Request<'_>) -> Result<String, AwsError> {
    let name = req
        .params
        .filled("Name")
        .ok_or_else(|| errors::missing("Name"))?;
    let topic = put(req.sns, req.caller, name)?;
    let given = attributes(req);
    if let Some(topic) = req.sns.store().topics.get_mut(&topic.arn) {
        topic.attributes.extend(given);
    }
    Ok(req.answer(|xml| xml.text("TopicArn", &topic.arn)))
}

pub(crate) fn list(req: &Request<'_>) -> Result<String, AwsError> {
    let store = req.sns.store();
    let own = store.topics.keys().filter(|arn| {
        store.topics.get(*arn).is_some_and(|topic| {
            topic.owner == req.caller.account && topic.region == req.caller.region
        })
    });
    let (arns, token) = req.page(own.collect())?;
    Ok(req.answer(|xml| {
        xml.list("Topics", "member", arns, |xml, arn| {
            xml.text("TopicArn", arn);
        });
        xml.optional("NextToken", token);
    }))
}

pub(crate) fn get_attributes(req: &Request<'_>) -> Result<String, AwsError> {
    let arn = own_topic(req, "TopicArn")?;
    let store = req.sns.store();
    let topic = store.topics.get(&arn).ok_or_else(errors::no_topic)?;
    let mut attributes = topic.attributes.clone();
    attributes.insert("TopicArn".to_owned(), arn.clone());
    attributes.insert("Owner".to_owned(), topic.owner.clone());
    let all = store.of_topic(&arn);
    let (pending, confirmed): (Vec<_>, Vec<_>) = all.partition(|(_, it)| it.pending);
    let deleted = store.deleted.get(&arn).copied().unwrap_or_default();
    for (name, count) in [
        ("SubscriptionsConfirmed", confirmed.len().to_string()),
        ("SubscriptionsPending", pending.len().to_string()),
        ("SubscriptionsDeleted", deleted.to_string()),
    ] {
        attributes.insert(name.to_owned(), count);
    }
    Ok(req.answer(|xml| super::write_map(xml, "Attributes", &attributes)))
}

pub(crate) fn delete(req: &Request<'_>) -> Result<String, AwsError> {
    let arn = own_topic(req, "TopicArn")?;
    let mut store = req.sns.store();
    store.topics.remove(&arn);
    store
        .subscriptions
        .retain(|_, subscription| subscription.topic_arn != arn);
    Ok(req.done())
}
