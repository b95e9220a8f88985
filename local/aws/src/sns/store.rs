use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::delivery::Delivery;
use super::message::Published;
use super::policy::Policy;

/// How many messages and deliveries are kept.
const HISTORY: usize = 100_000;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// `arn:aws:sns:<region>:<account>:<name>`.
    pub arn: String,
    /// The account that owns it.
    pub owner: String,
    /// The Region that it is in.
    pub region: String,
    /// As it was created: `DisplayName`, `KmsMasterKeyId`, …; kept, without effect.
    pub attributes: BTreeMap<String, String>,
}

/// A subscription. All are confirmed from the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subscription {
    /// The topic's ARN and a UUID.
    pub arn: String,
    /// The topic.
    pub topic_arn: String,
    /// The account that owns it.
    pub owner: String,
    /// `email`, `email-json`, `http`, `https`, `lambda` or `sqs`.
    pub protocol: String,
    /// The address.
    pub endpoint: String,
    /// The attributes that were set: `FilterPolicy`, `FilterPolicyScope`, `RawMessageDelivery`, ….
    pub attributes: BTreeMap<String, String>,
    #[serde(skip)]
    pub(crate) policy: Option<Policy>,
}

impl Subscription {
    pub(crate) fn is_raw(&self) -> bool {
        self.attributes
            .get("RawMessageDelivery")
            .is_some_and(|raw| raw == "true")
    }

    /// Whether the policy looks into the message rather than at its attributes.
    pub(crate) fn filters_body(&self) -> bool {
        self.attributes
            .get("FilterPolicyScope")
            .is_some_and(|scope| scope == "MessageBody")
    }
}

/// All that there is.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) topics: BTreeMap<String, Topic>,
    /// By number, that is, by age.
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
    pub(crate) last_number: u64,
    pub(crate) inbox: VecDeque<Delivery>,
    pub(crate) published: VecDeque<Published>,
}

impl Store {
    pub(crate) fn of_topic(&self, arn: &str) -> impl Iterator<Item = (u64, &Subscription)> {
        let subscriptions = self.subscriptions.iter();
        subscriptions
            .filter(move |(_, subscription)| subscription.topic_arn == arn)
            .map(|(number, it)| (*number, it))
    }

    pub(crate) fn subscription_mut(&mut self, arn: &str) -> Option<&mut Subscription> {
        self.subscriptions
            .values_mut()
            .find(|subscription| subscription.arn == arn)
    }

    pub(crate) fn keep(
        &mut self,
        published: Published,
        deliveries: impl IntoIterator<Item = Delivery>,
    ) {
        self.published.push_back(published);
        self.inbox.extend(deliveries);
        while self.published.len() > HISTORY {
            self.published.pop_front();
        }
        while self.inbox.len() > HISTORY {
            self.inbox.pop_front();
        }
    }
}
