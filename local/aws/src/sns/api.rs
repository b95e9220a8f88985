//! The methods for worlds and tests, in process. None of it is counted, logged or disturbed by faults.

use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use super::delivery::Delivery;
use super::message::{Message, Published};
use super::store::{Subscription, Topic};
use super::subscription::NewSubscription;
use super::world::{OnPublish, Sns};
use super::{confirmation, publish, subscription, topic};
use crate::control::lock;
use crate::error::AwsError;
use crate::http;
use crate::query::Params;

impl Sns {
    /// Answers SNS's calls at every path except `/inbox`, which is the inbox as JSON (`GET /inbox?endpoint=…`). Under a
    /// prefix, mount it with [`Router::nest_service`], as [`Ec2::router`](crate::Ec2::router).
    pub fn router(&self) -> Router {
        let sns = self.clone();
        let inbox = get(move |uri: Uri| async move {
            let deliveries = match Params::parse(uri.query(), b"").get("endpoint") {
                Some(endpoint) => sns.inbox_of(endpoint),
                None => sns.inbox(),
            };
            let json = serde_json::to_string_pretty(&deliveries).unwrap_or_default();
            ([(CONTENT_TYPE, "application/json")], json)
        });
        http::router(self.clone()).route("/inbox", inbox)
    }

    /// Adds a topic of the default account in the default Region, if it is not there, and answers its ARN.
    ///
    /// # Errors
    /// `InvalidParameter` if the name is none for a topic.
    pub fn put_topic(&self, name: &str) -> Result<String, AwsError> {
        Ok(topic::put(self, self.home(), name)?.arn)
    }

    /// Where the router can be reached, without a slash at the end: the links in later messages lead there. Until then
    /// they lead to `http://127.0.0.1`, where nothing is.
    pub fn set_base_url(&self, url: impl Into<String>) {
        *lock(&self.data().base_url) = Some(url.into());
    }

    pub fn topics(&self) -> Vec<Topic> {
        self.store().topics.values().cloned().collect()
    }

    /// Adds a subscription. It is confirmed at once, whatever its protocol; over HTTP, `Subscribe` asks by e-mail first.
    ///
    /// # Errors
    /// `NotFound` if there is no such topic, `InvalidParameter` if the rest is not right.
    pub fn subscribe(&self, new: NewSubscription) -> Result<Subscription, AwsError> {
        subscription::put(self, self.home(), new, true)
    }

    /// Confirms the subscription that this token was sent for, as a click on the link in the mail does: without a
    /// signature. Answers its ARN.
    ///
    /// # Errors
    /// `InvalidParameter` if there is no such token (any more).
    pub fn confirm_by_link(&self, token: &str) -> Result<String, AwsError> {
        confirmation::confirm(self, None, token, false, false)
    }

    /// Unsubscribes, as a click on the link in a mail does: without a signature. What is not there is unsubscribed.
    ///
    /// # Errors
    /// `AuthorizationError` if the subscription was confirmed with `AuthenticateOnUnsubscribe`, or is a function's or a
    /// queue's; `InvalidParameter` if it is not confirmed.
    pub fn unsubscribe_by_link(&self, subscription_arn: &str) -> Result<(), AwsError> {
        confirmation::remove(self, subscription_arn, None)
    }

    /// Unsubscribes, as the owner of the topic does.
    pub fn unsubscribe(&self, subscription_arn: &str) {
        self.store().remove(subscription_arn);
    }

    /// All subscriptions, oldest first.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.store().subscriptions.values().cloned().collect()
    }

    /// Publishes a message to any topic, as an AWS service does, and answers its id.
    ///
    /// # Errors
    /// `NotFound` if there is no such topic, `InvalidParameter` if the message breaks a rule.
    pub fn publish(&self, topic_arn: &str, message: &Message) -> Result<String, AwsError> {
        publish::publish(self, topic_arn, message)
    }

    /// All deliveries, oldest first; of very many, the latest 100,000.
    pub fn inbox(&self) -> Vec<Delivery> {
        self.store().inbox.iter().cloned().collect()
    }

    /// The deliveries to one address, oldest first.
    pub fn inbox_of(&self, endpoint: &str) -> Vec<Delivery> {
        let store = self.store();
        store
            .inbox
            .iter()
            .filter(|delivery| delivery.endpoint == endpoint)
            .cloned()
            .collect()
    }

    /// All messages that were accepted, whether or not anybody got them, oldest first.
    pub fn published(&self) -> Vec<Published> {
        self.store().published.iter().cloned().collect()
    }

    pub fn clear_inbox(&self) {
        let mut store = self.store();
        store.inbox.clear();
        store.published.clear();
    }

    /// When this address got a message by e-mail although it had got ten within the second before, oldest first. SNS
    /// suspends a subscription that gets more than that (Developer Guide, "Email notifications").
    pub fn overrun(&self, address: &str) -> Vec<Timestamp> {
        let store = self.store();
        let overruns = store.overruns.iter().filter(|(to, _)| to == address);
        overruns.map(|(_, at)| *at).collect()
    }

    /// From now on, a subscription by e-mail that gets more than ten messages in a second is suspended: it does not get
    /// them, and has to be confirmed again within two days. Off at first.
    pub fn set_suspend_overruns(&self, on: bool) {
        self.store().suspend_overruns = on;
    }

    /// How long a filter policy takes to hold after it is set, also for a subscription that is not confirmed yet. Until
    /// then the policy before it decides; a new subscription gets all messages. "Additions or changes to a subscription
    /// filter policy require up to 15 minutes to fully take effect" (Developer Guide, "Amazon SNS subscription filter
    /// policies"). `None`, the default, means at once, which AWS allows as well.
    pub fn set_filter_delay(&self, delay: Option<Duration>) {
        self.store().filter_delay = delay;
    }

    /// Where deliveries to functions and queues (protocols `lambda` and `sqs`) go as well as into the inbox.
    pub fn set_delivery_sink(&self, sink: UnboundedSender<Delivery>) {
        *lock(&self.data().deliveries) = Some(sink);
    }

    /// Sets or removes the hook that is called with each accepted message, even if no subscription gets it.
    pub fn set_on_publish(&self, hook: Option<OnPublish>) {
        *lock(&self.data().on_publish) = hook;
    }
}
