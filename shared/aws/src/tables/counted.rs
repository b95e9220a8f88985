//! Items in which all instances count.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::item::{Item, number};
use super::keys::encode;
use super::{Db, Key, UnreadableItem};
use crate::error::{Error, Retryable};

/// How often a write is tried if other instances count in the item at the same time.
const ATTEMPTS: u32 = 8;
/// How long an item is kept after the last count.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Serialize, Deserialize)]
struct CountedItem<T> {
    pk: String,
    sk: String,
    /// How often it was written.
    revision: u64,
    #[serde(flatten)]
    counted: T,
    /// Epoch seconds after which DynamoDB may delete the item. Only housekeeping; no decision
    /// depends on it.
    purge_at: i64,
}

impl Db {
    /// Counts in an item, and writes it if that changed it. If another instance was first, `count`
    /// is called again. Answers the result of `count`. `what` describes the item's content, as a
    /// clause.
    pub(super) async fn count<T, A>(
        &self,
        key: &Key,
        retryable: Retryable,
        what: &str,
        count: impl Fn(&mut T, Timestamp) -> A,
    ) -> Result<A, Arc<Error>>
    where
        T: Clone + Default + PartialEq + Serialize + DeserializeOwned,
    {
        let call = self.writing(
            "dynamodb:PutItem",
            retryable,
            format!("{what} could not be written down"),
        );
        let unread = format!("{what} could not be read");
        for _ in 0..ATTEMPTS {
            let items = self.read([key.clone()].into(), &unread).await?;
            let item = items.get(key).cloned();
            let before = item.map(|item| decode::<T>(key, item)).transpose();
            let before = before.map_err(|error| error.read_in(self.step))?;
            let (revision, before) = before.unwrap_or_default();
            let now = self.clock.now();
            let mut counted = before.clone();
            let answer = count(&mut counted, now);
            if counted == before {
                return Ok(answer);
            }
            let (pk, sk) = key.values();
            let item = encode(
                key,
                CountedItem {
                    pk,
                    sk,
                    revision: revision + 1,
                    counted,
                    purge_at: now.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second(),
                },
            );
            let item = item.map_err(|error| error.written_in(self.step_of_writes()))?;
            let put = self
                .client
                .put_item()
                .table_name(&self.requests)
                .set_item(Some(item));
            let put = match revision {
                0 => put.condition_expression("attribute_not_exists(pk)"),
                _ => put
                    .condition_expression("revision = :revision")
                    .expression_attribute_values(":revision", number(revision)),
            };
            match put.send().await {
                Ok(_) => return Ok(answer),
                Err(error) if is_overtaken(error.as_service_error()) => {}
                Err(error) => return Err(call.failed(error)),
            }
        }
        Err(call
            .passes("others count in the same item all the time")
            .into())
    }
}

fn decode<T: DeserializeOwned>(key: &Key, item: Item) -> Result<(u64, T), UnreadableItem> {
    let read: CountedItem<T> =
        serde_dynamo::from_item(item).map_err(|error| UnreadableItem::new(key, error))?;
    Ok((read.revision, read.counted))
}

fn is_overtaken(error: Option<&PutItemError>) -> bool {
    matches!(
        error,
        Some(PutItemError::ConditionalCheckFailedException(_))
    )
}
