//! The outbox: messages that are not sent yet. Each item is written in the transaction of the
//! change that it announces, and deleted once everything in it is sent. So a crash loses none, and
//! none announces a change that did not happen.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use gatekeeper_core::outbox::{OutboxItem, OutboxKey, Partition};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::db::{ROUNDS, WRITES_PER_CALL};
use super::item::{Item, all_of, number, text};
use super::keys::encode;
use super::{Db, Key, Unencodable, UnreadableItem};
use crate::error::{Call, Error, Retryable};

/// How long what was put aside is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How many partitions are read at the same time.
const PARTITIONS_AT_ONCE: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    pk: String,
    sk: String,
    /// The item's revision, which the next write requires.
    revision: u64,
    /// The item as JSON; only these functions read it.
    item: String,
}

/// The item under a key of the outbox.
#[derive(Debug)]
pub(crate) enum Left {
    /// A readable item.
    Item(Box<OutboxItem>),
    /// An item that cannot be read.
    Unreadable(UnreadableItem),
}

pub(super) fn encode_outbox(item: &OutboxItem) -> Result<Item, Unencodable> {
    let key = Key::Outbox(item.key());
    let (pk, sk) = key.values();
    let document = serde_json::to_string(item);
    let document = document.map_err(|error| Unencodable::new(format!("the item {key}"), error))?;
    encode(
        &key,
        Stored {
            pk,
            sk,
            revision: item.delivery.revision,
            item: document,
        },
    )
}

fn decode(item: Item) -> Left {
    let name = |name: &str| {
        let value = item.get(name).and_then(|value| value.as_s().ok());
        value.map_or("?", String::as_str).to_owned()
    };
    let named = format!("{} / {}", name("pk"), name("sk"));
    let stored: Result<Stored, _> = serde_dynamo::from_item(item);
    let read = stored
        .map_err(|error| error.to_string())
        .and_then(|stored| serde_json::from_str(&stored.item).map_err(|error| error.to_string()));
    match read {
        Ok(item) => Left::Item(Box::new(item)),
        Err(detail) => Left::Unreadable(UnreadableItem::new(named, detail)),
    }
}

/// Reads and writes the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    db: Db,
}

impl Outbox {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The items that are still under these keys, in their order; `None` where it was sent.
    pub(crate) async fn outbox_items(
        &self,
        keys: &[OutboxKey],
    ) -> Result<Vec<Option<Left>>, Arc<Error>> {
        let keys: Vec<Key> = keys.iter().cloned().map(Key::Outbox).collect();
        let what = "what is left to be sent could not be read";
        let items = self.db.read(keys.iter().cloned().collect(), what).await?;
        let found = keys.iter().map(|key| items.get(key).cloned().map(decode));
        Ok(found.collect())
    }

    /// All items of the outbox.
    pub(crate) async fn whole_outbox(&self) -> Result<Vec<Left>, Arc<Error>> {
        let read = Partition::all().map(|partition| {
            let query = self
                .db
                .client
                .query()
                .table_name(&self.db.requests)
                .consistent_read(true)
                .key_condition_expression("pk = :outbox")
                .expression_attribute_values(":outbox", text(partition.to_string()));
            let what = format!("what is left to be sent could not be read ({partition})");
            let call = Call::new(self.db.step, "dynamodb:Query", Retryable::Outbox, what);
            all_of(query, call).boxed()
        });
        let mut partitions = stream::iter(read).buffered(PARTITIONS_AT_ONCE);
        let mut left = Vec::new();
        while let Some(items) = partitions.next().await {
            left.extend(items?.into_iter().map(decode));
        }
        Ok(left)
    }

    /// Deletes items that are sent.
    pub(crate) async fn clear_outbox(&self, sent: &[OutboxKey]) -> Result<(), Arc<Error>> {
        for chunk in sent.chunks(WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for key in chunk {
                let delete = DeleteRequest::builder()
                    .set_key(Some(Key::Outbox(key.clone()).item()))
                    .build()
                    .map_err(|error| Unencodable::new("the deletion of what is sent", error))
                    .map_err(|error| error.written_in(self.db.step_of_writes()))?;
                writes.push(WriteRequest::builder().delete_request(delete).build());
            }
            let what = "what is sent could not be deleted from the outbox";
            self.db.write_all(writes, Retryable::Outbox, what).await?;
        }
        Ok(())
    }

    /// Puts aside an item with a part that SNS or the event bus refused for good, for people to
    /// look at.
    pub(crate) async fn put_aside(&self, item: &OutboxItem) -> Result<(), Arc<Error>> {
        let (pk, sk) = Key::Refused(item.id.clone()).values();
        let aside = encode_outbox(item);
        let mut aside = aside.map_err(|error| error.written_in(self.db.step_of_writes()))?;
        aside.insert("pk".to_owned(), text(pk));
        aside.insert("sk".to_owned(), text(sk));
        let kept = self
            .db
            .clock
            .now()
            .checked_add(KEPT)
            .unwrap_or(Timestamp::MAX);
        aside.insert("purge_at".to_owned(), number(kept.as_second()));
        self.db
            .client
            .put_item()
            .table_name(&self.db.requests)
            .set_item(Some(aside))
            .send()
            .await
            .map(drop)
            .map_err(|error| {
                let what = format!("{}, which SNS refused, could not be put aside", item.id);
                let call = self.db.writing("dynamodb:PutItem", Retryable::Outbox, what);
                call.failed(error)
            })
    }

    /// Records the progress of an item. If another instance wrote meanwhile, both records are
    /// merged.
    pub(crate) async fn note_delivery(&self, item: &mut OutboxItem) -> Result<(), Arc<Error>> {
        let what = format!("how far {} is sent could not be written down", item.id);
        let call = self.db.writing("dynamodb:PutItem", Retryable::Outbox, what);
        for _ in 0..ROUNDS {
            let before = item.delivery.revision;
            item.delivery.revision += 1;
            let encoded = encode_outbox(item);
            let encoded = encoded.map_err(|error| error.written_in(self.db.step_of_writes()))?;
            let sent = self
                .db
                .client
                .put_item()
                .table_name(&self.db.requests)
                .set_item(Some(encoded))
                .condition_expression("revision = :revision")
                .expression_attribute_values(":revision", number(before))
                .send()
                .await;
            match sent {
                Ok(_) => return Ok(()),
                Err(error) if is_overtaken(error.as_service_error()) => {}
                Err(error) => return Err(call.failed(error)),
            }
            let now = self.outbox_items(&[item.key()]).await?.pop().flatten();
            *item = match now {
                Some(Left::Item(now)) => item.clone().and(&now),
                // The other instance has sent the rest.
                None => return Ok(()),
                Some(Left::Unreadable(error)) => return Err(error.read_in(self.db.step).into()),
            };
            if item.is_done() {
                return self.clear_outbox(&[item.key()]).await;
            }
        }
        Err(call.passes("others kept writing the same item").into())
    }

    /// Puts items into the outbox, whether or not they exist already.
    pub(crate) async fn put_in_outbox(&self, items: &[OutboxItem]) -> Result<(), Arc<Error>> {
        for chunk in items.chunks(WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for item in chunk {
                let put = encode_outbox(item).and_then(|item| {
                    let put = PutRequest::builder().set_item(Some(item)).build();
                    put.map_err(|error| Unencodable::new("an item of the outbox", error))
                });
                let put = put.map_err(|error| error.written_in(self.db.step_of_writes()))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
            let what = "open reviews could not be put into the outbox for whom e-mail reaches now";
            self.db.write_all(writes, Retryable::Outbox, what).await?;
        }
        Ok(())
    }
}

fn is_overtaken(error: Option<&PutItemError>) -> bool {
    matches!(
        error,
        Some(PutItemError::ConditionalCheckFailedException(_))
    )
}
