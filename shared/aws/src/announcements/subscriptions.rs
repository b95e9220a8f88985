//! The subscriptions to a topic, as SNS lists them now.

use std::sync::Arc;

use aws_sdk_sns::operation::get_subscription_attributes::GetSubscriptionAttributesError;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use gatekeeper_core::reach::{Subscriber, Subscription};

use crate::error::{Call, Error, Retryable, Step};
use crate::paging::Pages;

/// SNS lists a hundred in a page. A topic with more than this is none of ours.
const MOST_PAGES: usize = 50;
/// How many subscriptions are described at the same time.
const AT_ONCE: usize = 8;

#[derive(Debug)]
pub(crate) struct Subscriptions {
    client: aws_sdk_sns::Client,
    /// The step that needs the subscriptions.
    step: Step,
}

impl Subscriptions {
    pub(crate) fn new(client: aws_sdk_sns::Client, step: Step) -> Self {
        Self { client, step }
    }

    /// The call that lists the subscriptions to a topic.
    fn listing(&self, topic: &str) -> Call {
        let operation = "sns:ListSubscriptionsByTopic";
        let what = format!("who is subscribed to {topic} could not be looked at");
        Call::new(self.step, operation, Retryable::WatchServices, what)
    }

    /// The confirmed subscriptions to a topic, each with its filter policy: all of them, or an
    /// error. A subscription that is not confirmed gets nothing, and SNS says no more about it.
    pub(crate) async fn confirmed(&self, topic: &str) -> Result<Vec<Subscription>, Arc<Error>> {
        let mut subscribers = Vec::new();
        let mut pages = Pages::default();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let (listed, next) = self.page(topic, token).await?;
            subscribers.extend(listed);
            token = pages
                .next(next.as_deref())
                .map_err(|error| self.listing(topic).passes(error))?;
            if token.is_none() {
                return self.described(subscribers).await;
            }
        }
        let more = format!("the topic has more than {} subscriptions", MOST_PAGES * 100);
        Err(self.listing(topic).passes(more).into())
    }

    /// Whether a topic has a confirmed subscription other than these queues.
    pub(crate) async fn is_subscribed(
        &self,
        topic: &str,
        own_queues: &[String],
    ) -> Result<bool, Arc<Error>> {
        let mut pages = Pages::default();
        let mut token = None;
        loop {
            let (listed, next) = self.page(topic, token).await?;
            let mut listed = listed.iter();
            if listed.any(|subscriber| !own_queues.contains(&subscriber.endpoint)) {
                return Ok(true);
            }
            token = pages
                .next(next.as_deref())
                .map_err(|error| self.listing(topic).passes(error))?;
            if token.is_none() {
                return Ok(false);
            }
        }
    }

    /// The confirmed subscriptions of a page, and the next page's token. For one that waits or was
    /// ended, SNS has `PendingConfirmation` or `Deleted` in place of the ARN.
    async fn page(
        &self,
        topic: &str,
        token: Option<String>,
    ) -> Result<(Vec<Subscriber>, Option<String>), Arc<Error>> {
        let call = self.client.list_subscriptions_by_topic();
        let page = call
            .topic_arn(topic)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| self.listing(topic).failed(error))?;
        let listed = page.subscriptions.unwrap_or_default();
        let listed = listed.into_iter().filter_map(|listed| {
            let arn = listed
                .subscription_arn
                .filter(|arn| arn.starts_with("arn:"))?;
            Some(Subscriber {
                arn,
                protocol: listed.protocol.unwrap_or_default(),
                endpoint: listed.endpoint.unwrap_or_default(),
            })
        });
        Ok((listed.collect(), page.next_token))
    }

    async fn described(
        &self,
        subscribers: Vec<Subscriber>,
    ) -> Result<Vec<Subscription>, Arc<Error>> {
        let described = subscribers.into_iter().map(|it| self.describe(it).boxed());
        let described = stream::iter(described.collect::<Vec<_>>()).buffered(AT_ONCE);
        let described: Vec<Option<Subscription>> = described.try_collect().await?;
        Ok(described.into_iter().flatten().collect())
    }

    /// A subscription with its filter policy; `None` if it was ended meanwhile, or is not
    /// confirmed.
    async fn describe(&self, subscriber: Subscriber) -> Result<Option<Subscription>, Arc<Error>> {
        let call = Call::new(
            self.step,
            "sns:GetSubscriptionAttributes",
            Retryable::WatchServices,
            format!("the subscription {} could not be looked at", subscriber.arn),
        );
        let asked = self.client.get_subscription_attributes();
        let mut attributes = match asked.subscription_arn(&subscriber.arn).send().await {
            Ok(answer) => answer
                .attributes
                .ok_or_else(|| call.refused("SNS answered without attributes"))?,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetSubscriptionAttributesError::is_not_found_exception) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(call.failed(error)),
        };
        if attributes
            .get("PendingConfirmation")
            .is_some_and(|pending| pending == "true")
        {
            return Ok(None);
        }
        Ok(Some(Subscription {
            subscriber,
            filter_policy: attributes.remove("FilterPolicy"),
            filter_scope: attributes.remove("FilterPolicyScope"),
        }))
    }
}
