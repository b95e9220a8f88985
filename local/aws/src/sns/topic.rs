use super::errors;
use super::param::{attributes, own_topic};
use super::store::Topic;
use super::world::{Request, Sns, write_map};
use crate::caller::Caller;
use crate::error::AwsError;

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
    let topic = put(req.simulator, req.caller, name)?;
    let given = attributes(req);
    if let Some(topic) = req.simulator.store().topics.get_mut(&topic.arn) {
        topic.attributes.extend(given);
    }
    Ok(req.answer(|xml| xml.text("TopicArn", &topic.arn)))
}

pub(crate) fn list(req: &Request<'_>) -> Result<String, AwsError> {
    let store = req.simulator.store();
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
    let store = req.simulator.store();
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
    Ok(req.answer(|xml| write_map(xml, "Attributes", &attributes)))
}

pub(crate) fn delete(req: &Request<'_>) -> Result<String, AwsError> {
    let arn = own_topic(req, "TopicArn")?;
    let mut store = req.simulator.store();
    store.topics.remove(&arn);
    store
        .subscriptions
        .retain(|_, subscription| subscription.topic_arn != arn);
    Ok(req.done())
}
