use std::collections::BTreeMap;

use super::confirmation;
use super::errors;
use super::param::{attributes, own_topic, subscription_arn};
use super::policy::Policy;
use super::store::{Before, Subscription};
use super::world::{Request, Sns, write_map};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::xml::Xml;

#[derive(Debug, Clone)]
#[must_use]
pub struct NewSubscription {
    pub(crate) topic_arn: String,
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl NewSubscription {
    /// Subscribes `endpoint` to a topic by `protocol`: `email`, `email-json`, `http`, `https`, `lambda` or `sqs`.
    pub fn new(
        topic_arn: impl Into<String>,
        protocol: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        Self {
            topic_arn: topic_arn.into(),
            protocol: protocol.into(),
            endpoint: endpoint.into(),
            attributes: BTreeMap::new(),
        }
    }

    /// With an attribute: `FilterPolicy`, `FilterPolicyScope`, `RawMessageDelivery`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// With a filter policy on the message attributes, in JSON.
    pub fn filter_policy(self, policy: impl Into<String>) -> Self {
        self.attribute("FilterPolicy", policy)
    }
}

/// Whether an address has the form that its protocol needs.
fn check_endpoint(protocol: &str, endpoint: &str) -> Result<(), AwsError> {
    let (fine, what) = match protocol {
        "email" | "email-json" => {
            let parts = endpoint.split_once('@');
            let fine = parts.is_some_and(|(user, host)| {
                !user.is_empty() && !host.is_empty() && !host.contains('@')
            });
            (fine, "Email address")
        }
        "sqs" => (endpoint.starts_with("arn:aws:sqs:"), "SQS endpoint ARN"),
        "lambda" => (
            endpoint.starts_with("arn:aws:lambda:"),
            "Lambda endpoint ARN",
        ),
        "http" | "https" => {
            let fine = endpoint
                .strip_prefix(protocol)
                .is_some_and(|rest| rest.starts_with("://"));
            (fine, "Endpoint must match the specified protocol")
        }
        _ => {
            return Err(errors::invalid(&format!(
                "Amazon SNS does not support this protocol string: {protocol}"
            )));
        }
    };
    if fine {
        Ok(())
    } else {
        Err(errors::invalid(what))
    }
}

/// Checks the attributes of a subscription by this protocol, and reads its filter policy.
fn check_attributes(
    protocol: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<Option<Policy>, AwsError> {
    for (name, value) in attributes {
        match name.as_str() {
            "FilterPolicyScope"
                if !["MessageAttributes", "MessageBody"].contains(&value.as_str()) =>
            {
                return Err(errors::invalid("FilterPolicyScope: Invalid value"));
            }
            "RawMessageDelivery" if !["true", "false"].contains(&value.as_str()) => {
                return Err(errors::invalid(
                    "Attributes Reason: RawMessageDelivery: Invalid value",
                ));
            }
            "RawMessageDelivery"
                if value == "true" && !["http", "https", "sqs"].contains(&protocol) =>
            {
                return Err(errors::invalid(&format!(
                    "Attributes Reason: Delivery protocol [{protocol}] does not support raw message delivery."
                )));
            }
            // Kept, without effect.
            "FilterPolicy" | "FilterPolicyScope" | "RawMessageDelivery" | "DeliveryPolicy"
            | "RedrivePolicy" => {}
            _ => return Err(errors::invalid("AttributeName")),
        }
    }
    let nested = attributes
        .get("FilterPolicyScope")
        .is_some_and(|scope| scope == "MessageBody");
    let policy = attributes
        .get("FilterPolicy")
        .filter(|policy| !policy.is_empty());
    let policy = policy
        .map(|policy| Policy::parse(policy, nested))
        .transpose();
    policy.map_err(|why| errors::invalid(&format!("FilterPolicy: {why}")))
}

/// Adds a subscription, or answers the existing one. If it is not `confirmed`, SNS asks the endpoint to confirm, each
/// time.
pub(crate) fn put(
    sns: &Sns,
    caller: &Caller,
    new: NewSubscription,
    confirmed: bool,
) -> Result<Subscription, AwsError> {
    check_endpoint(&new.protocol, &new.endpoint)?;
    let policy = check_attributes(&new.protocol, &new.attributes)?;
    let mut store = sns.store();
    if !store.topics.contains_key(&new.topic_arn) {
        return Err(errors::no_topic());
    }
    let now = sns.now();
    let mut all = store.subscriptions.values_mut();
    let same = all.find(|other| {
        other.topic_arn == new.topic_arn
            && other.protocol == new.protocol
            && other.endpoint == new.endpoint
    });
    if let Some(same) = same {
        if same.attributes != new.attributes && !new.attributes.is_empty() {
            return Err(errors::invalid(
                "Attributes Reason: Subscription already exists with different attributes",
            ));
        }
        if same.pending && confirmed {
            same.pending = false;
            same.confirmation_was_authenticated = true;
        }
        let same = same.clone();
        if let (true, Some(token)) = (same.pending, &same.token) {
            store
                .inbox
                .push_back(confirmation::request(sns, &same, token));
        }
        return Ok(same);
    }
    let subscription = Subscription {
        arn: format!("{}:{}", new.topic_arn, sns.ids().uuid()),
        topic_arn: new.topic_arn,
        owner: caller.account.clone(),
        protocol: new.protocol,
        endpoint: new.endpoint,
        attributes: new.attributes,
        pending: !confirmed,
        confirmation_was_authenticated: confirmed,
        authenticate_on_unsubscribe: false,
        policy,
        before: Before {
            policy: None,
            filters_body: false,
            until: now,
        },
        token: (!confirmed).then(|| sns.ids().hex(64)),
        since: now,
    };
    if let Some(token) = &subscription.token {
        let request = confirmation::request(sns, &subscription, token);
        store.inbox.push_back(request);
    }
    store.last_number += 1;
    let number = store.last_number;
    store.subscriptions.insert(number, subscription.clone());
    Ok(subscription)
}

pub(crate) fn subscribe(req: &Request<'_>) -> Result<String, AwsError> {
    let topic_arn = own_topic(req, "TopicArn")?;
    let protocol = req
        .params
        .filled("Protocol")
        .ok_or_else(|| errors::missing("Protocol"))?;
    let endpoint = req
        .params
        .filled("Endpoint")
        .ok_or_else(|| errors::invalid("Endpoint"))?;
    let new = NewSubscription {
        topic_arn,
        protocol: protocol.to_owned(),
        endpoint: endpoint.to_owned(),
        attributes: attributes(req),
    };
    let confirmed = !confirmation::is_asked(&new.protocol);
    let subscription = put(req.simulator, req.caller, new, confirmed)?;
    // "If the API request parameter `ReturnSubscriptionArn` is true, then the value is always the subscription ARN."
    let always = req.params.get("ReturnSubscriptionArn") == Some("true");
    let arn = if subscription.pending && !always {
        "pending confirmation"
    } else {
        &subscription.arn
    };
    Ok(req.answer(|xml| xml.text("SubscriptionArn", arn)))
}

fn write_list<'a>(
    req: &Request<'_>,
    found: impl Iterator<Item = &'a Subscription>,
) -> Result<String, AwsError> {
    let (found, token) = req.page(found.collect())?;
    let write = |xml: &mut Xml, subscription: &Subscription| {
        let arn = if subscription.pending {
            "PendingConfirmation"
        } else {
            &subscription.arn
        };
        xml.text("SubscriptionArn", arn);
        xml.text("Owner", &subscription.owner);
        xml.text("Protocol", &subscription.protocol);
        xml.text("Endpoint", &subscription.endpoint);
        xml.text("TopicArn", &subscription.topic_arn);
    };
    Ok(req.answer(|xml| {
        xml.list("Subscriptions", "member", found, write);
        xml.optional("NextToken", token);
    }))
}

pub(crate) fn list(req: &Request<'_>) -> Result<String, AwsError> {
    let store = req.simulator.store();
    let region = format!("arn:aws:sns:{}:", req.caller.region);
    let own = store.subscriptions.values().filter(|subscription| {
        subscription.owner == req.caller.account && subscription.topic_arn.starts_with(&region)
    });
    write_list(req, own)
}

pub(crate) fn list_by_topic(req: &Request<'_>) -> Result<String, AwsError> {
    let arn = own_topic(req, "TopicArn")?;
    let store = req.simulator.store();
    if !store.topics.contains_key(&arn) {
        return Err(errors::no_topic());
    }
    write_list(
        req,
        store.of_topic(&arn).map(|(_, subscription)| subscription),
    )
}

pub(crate) fn get_attributes(req: &Request<'_>) -> Result<String, AwsError> {
    let arn = subscription_arn(req)?;
    let mut store = req.simulator.store();
    let subscription = store
        .subscription_mut(arn)
        .ok_or_else(errors::no_subscription)?;
    let mut all = subscription.attributes.clone();
    let filtered = all.contains_key("FilterPolicy");
    let mut put = |name: &str, value: &str| {
        all.entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    };
    put("SubscriptionArn", &subscription.arn);
    put("TopicArn", &subscription.topic_arn);
    put("Owner", &subscription.owner);
    put("Protocol", &subscription.protocol);
    put("Endpoint", &subscription.endpoint);
    let text = |flag: bool| if flag { "true" } else { "false" };
    put(
        "ConfirmationWasAuthenticated",
        text(subscription.confirmation_was_authenticated),
    );
    put("PendingConfirmation", text(subscription.pending));
    put("RawMessageDelivery", "false");
    put("SubscriptionPrincipal", &req.caller.arn);
    if filtered {
        put("FilterPolicyScope", "MessageAttributes");
    }
    Ok(req.answer(|xml| write_map(xml, "Attributes", &all)))
}

pub(crate) fn set_attributes(req: &Request<'_>) -> Result<String, AwsError> {
    let arn = subscription_arn(req)?;
    let name = req
        .params
        .filled("AttributeName")
        .ok_or_else(|| errors::missing("AttributeName"))?;
    let value = req.params.get("AttributeValue").unwrap_or_default();
    let now = req.simulator.now();
    let mut store = req.simulator.store();
    let delay = store.filter_delay;
    let subscription = store
        .subscription_mut(arn)
        .ok_or_else(errors::no_subscription)?;
    let mut changed = subscription.attributes.clone();
    if name == "FilterPolicy" && (value.is_empty() || value == "{}") {
        changed.remove(name);
    } else {
        changed.insert(name.to_owned(), value.to_owned());
    }
    let policy = check_attributes(&subscription.protocol, &changed)?;
    if name.starts_with("FilterPolicy") {
        // The filter that holds now stays in force until the delay is over.
        let (before, filters_body) = subscription.filter(now, delay);
        subscription.before = Before {
            policy: before.cloned(),
            filters_body,
            until: now,
        };
    }
    subscription.policy = policy;
    subscription.attributes = changed;
    Ok(req.done())
}
