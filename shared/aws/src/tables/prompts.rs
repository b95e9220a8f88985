//! Our messages in Slack: prompts of reviews, which are kept up to date, and notices, which are
//! posted once.
//!
//! Slack cannot guarantee that something is posted only once. So the poster claims the item first,
//! and then writes into it where the message is. If a claim ends without that, it is unknown
//! whether there is a message.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_core::grouping::Prompted;
use gatekeeper_core::ids::EndpointId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{Item, all_of, number, text};
use super::keys::PROMPT;
use super::keys::encode;
use super::{Db, Key, Unencodable, UnreadableItem};
use crate::error::{Error, Retryable};

/// How long an item is kept after the last change of its message.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Our message in Slack, existing or planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    key: Key,
    /// How often it was written; 0 if it does not exist yet.
    revision: u64,
    /// The number of the review that it shows; `None` for a notice.
    pub review: Option<u64>,
    /// The other reviews that the same message shows.
    pub others: Vec<Prompted>,
    /// The review in whose message this one is shown, among the others of that.
    pub with: Option<Prompted>,
    /// The channel of the message.
    pub channel: SlackChannelId,
    /// Slack's id of the message in the channel; `None` if it is not known to exist.
    pub ts: Option<String>,
    /// Since when the message may exist without our knowing.
    pub doubtful_since: Option<Timestamp>,
    /// Until when the poster has claimed it.
    pub claimed_until: Option<Timestamp>,
    /// The revision of the request that it shows.
    pub shown: u64,
    /// Whether it shows how the review ended. Then it no longer changes.
    pub is_over: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct PostingItem {
    pk: String,
    sk: String,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<Prompted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    with: Option<Prompted>,
    channel: SlackChannelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doubtful_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_until: Option<Timestamp>,
    #[serde(default)]
    shown: u64,
    #[serde(default)]
    is_over: bool,
    /// Epoch seconds after which DynamoDB may delete the item. Only housekeeping; no decision
    /// depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
}

impl Posting {
    /// The message of a review that has none in this channel yet.
    #[must_use]
    pub fn prompt(endpoint: &EndpointId, review: u64, channel: &SlackChannelId) -> Self {
        Self {
            review: Some(review),
            is_over: false,
            ..Self::new(
                Key::Prompt(endpoint.clone(), review, channel.clone()),
                channel,
            )
        }
    }

    fn new(key: Key, channel: &SlackChannelId) -> Self {
        Self {
            key,
            revision: 0,
            review: None,
            others: Vec::new(),
            with: None,
            channel: channel.clone(),
            ts: None,
            doubtful_since: None,
            claimed_until: None,
            shown: 0,
            is_over: false,
        }
    }

    /// Whether nothing is known of it yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.revision == 0
    }

    /// Whether one message shows this and other reviews.
    #[must_use]
    pub fn is_together(&self) -> bool {
        self.with.is_some() || !self.others.is_empty()
    }

    /// Whether somebody has claimed it.
    #[must_use]
    pub fn is_claimed(&self, now: Timestamp) -> bool {
        self.claimed_until.is_some_and(|until| now < until)
    }

    fn read(key: Key, item: Item) -> Result<Self, UnreadableItem> {
        let item: PostingItem =
            serde_dynamo::from_item(item).map_err(|error| UnreadableItem::new(&key, error))?;
        Ok(Self {
            key,
            revision: item.revision,
            review: item.review,
            others: item.others,
            with: item.with,
            channel: item.channel,
            ts: item.ts,
            doubtful_since: item.doubtful_since,
            claimed_until: item.claimed_until,
            shown: item.shown,
            is_over: item.is_over,
        })
    }
}

/// Reads and writes our messages in Slack.
#[derive(Debug, Clone)]
pub struct Postings {
    pub(super) db: Db,
}

impl Postings {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The messages of all reviews of an endpoint's connection, oldest review first.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or an item is invalid.
    pub async fn prompts(&self, endpoint: &EndpointId) -> Result<Vec<Posting>, Arc<Error>> {
        let query = self
            .db
            .client
            .query()
            .table_name(&self.db.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(format!("{PROMPT}{endpoint}")));
        let mut prompts = Vec::new();
        let what = format!("the messages in Slack about {endpoint} could not be read");
        let call = self.db.reading("dynamodb:Query", what);
        for item in all_of(query, call).await? {
            let read = prompt_key(endpoint, &item).and_then(|key| Posting::read(key, item));
            prompts.push(read.map_err(|error| error.read_in(self.db.step))?);
        }
        Ok(prompts)
    }

    /// The messages of these reviews in a channel, in this order.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or an item is invalid.
    pub async fn postings(
        &self,
        reviews: &[Prompted],
        channel: &SlackChannelId,
    ) -> Result<Vec<Posting>, Arc<Error>> {
        let key =
            |(endpoint, review): &Prompted| Key::Prompt(endpoint.clone(), *review, channel.clone());
        let what = "which messages show these reviews in Slack could not be read";
        let keys = reviews.iter().map(key).collect();
        let items = self.db.read(keys, what).await?;
        let mut postings = Vec::new();
        for prompted in reviews {
            let key = key(prompted);
            postings.push(match items.get(&key).cloned() {
                Some(item) => {
                    let read = Posting::read(key, item);
                    read.map_err(|error| error.read_in(self.db.step))?
                }
                None => Posting::prompt(&prompted.0, prompted.1, channel),
            });
        }
        Ok(postings)
    }

    /// The notice under this id; a new one for `channel` if there is none yet.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item is invalid.
    pub async fn notice(&self, id: &str, channel: &SlackChannelId) -> Result<Posting, Arc<Error>> {
        let key = Key::Notice(id.to_owned());
        let what = format!("whether {id} is told in Slack could not be read");
        let items = self.db.read([key.clone()].into(), &what).await?;
        Ok(match items.get(&key).cloned() {
            Some(item) => Posting::read(key, item).map_err(|error| error.read_in(self.db.step))?,
            None => Posting::new(key, channel),
        })
    }

    /// Writes the item of a message, unless somebody else has written it since it was read. Answers
    /// whether it did; `posting` is then as it was written.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn put_posting(&self, posting: &mut Posting) -> Result<bool, Arc<Error>> {
        let next = posting.revision.saturating_add(1);
        let item = self.encode_posting(posting, next);
        let item = item.map_err(|error| error.written_in(self.db.step_of_writes()))?;
        let put = self
            .db
            .client
            .put_item()
            .table_name(&self.db.requests)
            .set_item(Some(item));
        let put = if posting.revision == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("revision = :revision")
                .expression_attribute_values(":revision", number(posting.revision))
        };
        match put.send().await {
            Ok(_) => {
                posting.revision = next;
                Ok(true)
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => {
                let what = format!(
                    "what is posted to Slack could not be written down ({})",
                    posting.key
                );
                let call = self
                    .db
                    .writing("dynamodb:PutItem", Retryable::RememberPosting, what);
                Err(call.failed(error))
            }
        }
    }

    fn encode_posting(&self, posting: &Posting, revision: u64) -> Result<Item, Unencodable> {
        let (pk, sk) = posting.key.values();
        // A review may stay open without a limit.
        let ends = posting.review.is_none() || posting.is_over;
        let purge_at = self.db.clock.now().checked_add(KEPT).ok();
        let item = PostingItem {
            pk,
            sk,
            revision,
            review: posting.review,
            others: posting.others.clone(),
            with: posting.with.clone(),
            channel: posting.channel.clone(),
            ts: posting.ts.clone(),
            doubtful_since: posting.doubtful_since,
            claimed_until: posting.claimed_until,
            shown: posting.shown,
            is_over: posting.is_over,
            purge_at: purge_at.filter(|_| ends).map(Timestamp::as_second),
        };
        encode(&posting.key, item)
    }
}

/// The key of a prompt that was found by its partition.
fn prompt_key(endpoint: &EndpointId, item: &Item) -> Result<Key, UnreadableItem> {
    let sort = item.get("sk").and_then(|sk| sk.as_s().ok());
    let parts = sort.and_then(|sk| sk.split_once('#'));
    let key = parts.and_then(|(review, channel)| {
        let (review, channel) = (review.parse().ok()?, channel.parse().ok()?);
        Some(Key::Prompt(endpoint.clone(), review, channel))
    });
    key.ok_or_else(|| {
        let sort = sort.map_or("?", String::as_str);
        let item = format!("{PROMPT}{endpoint} / {sort}");
        UnreadableItem::new(item, "its sort key is no prompt's")
    })
}
