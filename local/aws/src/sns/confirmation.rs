//! Who wants to be subscribed: confirming, and unsubscribing. Anybody who has the link can do both, unless the
//! subscription was confirmed with `AuthenticateOnUnsubscribe`.

use super::delivery::{Delivery, DeliveryKind};
use super::errors;
use super::param::{own_topic, subscription_arn, topic_arn};
use super::store::Subscription;
use super::world::{Request, Sns};
use crate::caller::Caller;
use crate::error::AwsError;

/// Whether SNS asks the endpoint to confirm a subscription. It does not ask functions and queues of the same account.
pub(crate) fn is_asked(protocol: &str) -> bool {
    !matches!(protocol, "lambda" | "sqs")
}

/// The message with the link that confirms a subscription. SNS sends it before any other.
pub(crate) fn request(sns: &Sns, subscription: &Subscription, token: &str) -> Delivery {
    let topic = &subscription.topic_arn;
    let url = format!(
        "{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}",
        sns.base_url()
    );
    let message = if subscription.protocol == "email" {
        format!(
            "You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm this subscription, click or visit the \
             link below (If this was in error no action is necessary):\n{url}\n"
        )
    } else {
        format!(
            "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL \
             included in this message."
        )
    };
    Delivery {
        kind: DeliveryKind::SubscriptionConfirmation,
        subject: Some("AWS Notification - Subscription Confirmation".to_owned()),
        token: Some(token.to_owned()),
        ..of_sns(sns, subscription, message, url)
    }
}

/// "A final cancellation message is delivered to the endpoint". The link in it, which subscribes again, leads nowhere
/// here.
fn cancellation(sns: &Sns, subscription: &Subscription) -> Delivery {
    let message = format!(
        "Your subscription to the topic below has been deactivated:\n{}\n",
        subscription.arn
    );
    Delivery {
        kind: DeliveryKind::UnsubscribeConfirmation,
        subject: Some("AWS Notification - Unsubscribe Confirmation".to_owned()),
        ..of_sns(sns, subscription, message, String::new())
    }
}

/// A message of SNS itself, not of the topic.
fn of_sns(sns: &Sns, subscription: &Subscription, message: String, url: String) -> Delivery {
    Delivery {
        kind: DeliveryKind::Notification,
        subscription_arn: subscription.arn.clone(),
        protocol: subscription.protocol.clone(),
        endpoint: subscription.endpoint.clone(),
        topic_arn: subscription.topic_arn.clone(),
        message_id: sns.ids().uuid(),
        subject: None,
        message,
        attributes: std::collections::BTreeMap::new(),
        raw: false,
        token: None,
        url,
        at: sns.now(),
    }
}

/// Confirms the subscription that a token was sent for, and answers its ARN. `authenticated` says that the call was
/// signed. A subscription that is confirmed already stays as it is; AWS does not document whether it would protect it
/// then.
pub(crate) fn confirm(
    sns: &Sns,
    topic: Option<&str>,
    token: &str,
    authenticated: bool,
    protect: bool,
) -> Result<String, AwsError> {
    let now = sns.now();
    let mut store = sns.store();
    if topic.is_some_and(|topic| !store.topics.contains_key(topic)) {
        return Err(errors::no_topic());
    }
    let mut all = store.subscriptions.values_mut();
    let found = all.find(|subscription| {
        subscription.token.as_deref() == Some(token)
            && topic.is_none_or(|topic| subscription.topic_arn == topic)
    });
    let subscription = found.ok_or_else(|| errors::invalid("Token"))?;
    if subscription.pending {
        subscription.pending = false;
        subscription.since = now;
        subscription.confirmation_was_authenticated = authenticated;
        subscription.authenticate_on_unsubscribe = authenticated && protect;
    }
    Ok(subscription.arn.clone())
}

/// Removes a subscription. `caller` is who signed the call, if somebody did.
pub(crate) fn remove(sns: &Sns, arn: &str, caller: Option<&Caller>) -> Result<(), AwsError> {
    let mut store = sns.store();
    let Some(subscription) = store.subscription_mut(arn).cloned() else {
        // A subscription that is not there counts as deleted.
        return Ok(());
    };
    if subscription.pending {
        let why = "SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation";
        return Err(errors::invalid(why));
    }
    let topic_owner = store.topics.get(&subscription.topic_arn);
    let topic_owner = topic_owner.map(|topic| topic.owner.clone());
    let is_owner =
        |account: &String| *account == subscription.owner || topic_owner.as_ref() == Some(account);
    let by_owner = caller.is_some_and(|caller| is_owner(&caller.account));
    let protected = subscription.authenticate_on_unsubscribe || !is_asked(&subscription.protocol);
    if protected && !by_owner {
        let who = caller.map_or("anonymous", |caller| caller.arn.as_str());
        return Err(errors::unauthorized(who, "Unsubscribe", arn));
    }
    store.remove(arn);
    if !by_owner {
        store.inbox.push_back(cancellation(sns, &subscription));
    }
    Ok(())
}

pub(crate) fn confirm_call(req: &Request<'_>) -> Result<String, AwsError> {
    let topic = if req.signed {
        own_topic(req, "TopicArn")?
    } else {
        topic_arn(req, "TopicArn")?.to_owned()
    };
    let token = req.params.filled("Token");
    let token = token.ok_or_else(|| errors::missing("Token"))?;
    let protect = match req.params.filled("AuthenticateOnUnsubscribe") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(errors::invalid("AuthenticateOnUnsubscribe")),
    };
    // "This call requires an AWS signature only when the `AuthenticateOnUnsubscribe` flag is set to "true"."
    if protect && !req.signed {
        return Err(errors::unauthorized("anonymous", req.action, &topic));
    }
    let arn = confirm(req.simulator, Some(&topic), token, req.signed, protect)?;
    Ok(req.answer(|xml| xml.text("SubscriptionArn", arn)))
}

pub(crate) fn unsubscribe_call(req: &Request<'_>) -> Result<String, AwsError> {
    let caller = req.signed.then_some(req.caller);
    remove(req.simulator, subscription_arn(req)?, caller)?;
    Ok(req.done())
}
