use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::delivery::Delivery;
use super::message::Published;
use super::policy::Policy;
use crate::clock::{after, before};

/// How many messages and deliveries are kept.
const HISTORY: usize = 100_000;

/// More to one address are too many (Developer Guide, "Email notifications").
const MAILS_PER_SECOND: usize = 10;

/// "Confirmation tokens are valid for two days" (API reference, `Subscribe`). A subscription that is not confirmed in
/// time disappears.
const TOKEN_LIFE: Duration = Duration::from_hours(48);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// `arn:aws:sns:<region>:<account>:<name>`.
    pub arn: String,
    pub owner: String,
    pub region: String,
    /// `DisplayName`, `KmsMasterKeyId` and the like. They are kept and have no effect.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subscription {
    /// The topic's ARN and a UUID.
    pub arn: String,
    pub topic_arn: String,
    pub owner: String,
    /// `email`, `email-json`, `http`, `https`, `lambda` or `sqs`.
    pub protocol: String,
    pub endpoint: String,
    /// The attributes that were set: `FilterPolicy`, `FilterPolicyScope`, `RawMessageDelivery`, ….
    pub attributes: BTreeMap<String, String>,
    /// Whether it waits to be confirmed. Until then it gets nothing.
    pub pending: bool,
    /// Whether it was confirmed by a signed call rather than by a link.
    pub confirmation_was_authenticated: bool,
    /// Only who owns it, or the topic, can end it.
    pub authenticate_on_unsubscribe: bool,
    #[serde(skip)]
    pub(crate) policy: Option<Policy>,
    /// The filter before the last change, see [`Sns::set_filter_delay`](super::Sns::set_filter_delay).
    #[serde(skip)]
    pub(crate) before: Before,
    /// The token that confirms it.
    #[serde(skip)]
    pub(crate) token: Option<String>,
    /// When it became pending or confirmed.
    #[serde(skip)]
    pub(crate) since: Timestamp,
}

/// The filter of a subscription before the last change. A new subscription had none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Before {
    pub(crate) policy: Option<Policy>,
    pub(crate) filters_body: bool,
    /// When it was changed.
    pub(crate) until: Timestamp,
}

impl Subscription {
    /// Whether it has been waiting too long to be confirmed.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.pending && now > after(self.since, TOKEN_LIFE)
    }

    /// The filter policy by which a message is delivered at this time, and whether it looks into the message.
    pub(crate) fn filter(
        &self,
        now: Timestamp,
        delay: Option<Duration>,
    ) -> (Option<&Policy>, bool) {
        let holds = delay.is_none_or(|delay| now >= after(self.before.until, delay));
        if holds {
            (self.policy.as_ref(), self.filters_body())
        } else {
            (self.before.policy.as_ref(), self.before.filters_body)
        }
    }

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

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) topics: BTreeMap<String, Topic>,
    /// By number; a later one has a higher number.
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
    pub(crate) last_number: u64,
    pub(crate) inbox: VecDeque<Delivery>,
    pub(crate) published: VecDeque<Published>,
    /// How many subscriptions of a topic were ended.
    pub(crate) deleted: HashMap<String, u64>,
    pub(crate) suspend_overruns: bool,
    /// How long a filter policy takes until it holds; `None` if it holds at once.
    pub(crate) filter_delay: Option<Duration>,
    /// Addresses that got too much, and when.
    pub(crate) overruns: Vec<(String, Timestamp)>,
    /// When an address got its latest messages.
    mails: HashMap<String, VecDeque<Timestamp>>,
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

    pub(crate) fn remove(&mut self, arn: &str) {
        let deleted = &mut self.deleted;
        self.subscriptions.retain(|_, subscription| {
            let ended = subscription.arn == arn;
            if ended {
                *deleted.entry(subscription.topic_arn.clone()).or_default() += 1;
            }
            !ended
        });
    }

    /// Counts a mail to an address; `false` if more than ten came in the second that ends now.
    pub(crate) fn count_mail(&mut self, address: &str, at: Timestamp) -> bool {
        let mails = self.mails.entry(address.to_owned()).or_default();
        let begin = before(at, Duration::from_secs(1));
        while mails.front().is_some_and(|mail| *mail <= begin) {
            mails.pop_front();
        }
        mails.push_back(at);
        let fits = mails.len() <= MAILS_PER_SECOND;
        if !fits {
            self.overruns.push((address.to_owned(), at));
        }
        fits
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
