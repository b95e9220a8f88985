//! Messages on their way. Each is written in the transaction of what it tells of and deleted once
//! published, so none is lost to a crash and none is told that did not happen.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use gatekeeper_core::announcement::Kind;
use gatekeeper_core::message::Message;
use gatekeeper_core::request::Request;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::OUTBOX;
use super::requests::encode;
use super::{Item, Key, Tables, all_of, text};
use crate::clock::jittered;
use crate::error::{Error, Permanent, Retryable, failed};

/// DynamoDB takes this many writes in one `BatchWriteItem`.
pub(super) const WRITES_PER_CALL: usize = 25;
const ROUNDS: u32 = 6;

#[derive(Debug, Serialize, Deserialize)]
struct OutboxItem {
    pk: String,
    /// The message's id.
    sk: String,
    at: Timestamp,
    /// The message as it is published: nothing here but the publisher reads it.
    message: String,
}

pub(super) fn encode_message(message: &Message) -> Result<Item, Permanent> {
    let (pk, sk) = Key::Outbox(message.id.clone()).values();
    encode(OutboxItem {
        pk,
        sk,
        at: message.at,
        message: serde_json::to_string(message)
            .map_err(|error| Permanent::Encode(Box::new(error)))?,
    })
}

fn decode_message(item: Item) -> Option<Message> {
    let item: OutboxItem = serde_dynamo::from_item(item).ok()?;
    serde_json::from_str(&item.message).ok()
}

impl Tables {
    /// Messages written before a moment and not published since: a crash left them.
    pub(crate) async fn left_in_outbox(
        &self,
        before: Timestamp,
    ) -> Result<Vec<Message>, Arc<Error>> {
        let query = self
            .client
            .query()
            .table_name(&self.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :outbox")
            .expression_attribute_values(":outbox", text(OUTBOX));
        let mut messages = Vec::new();
        for item in all_of(query, Retryable::Outbox).await? {
            match decode_message(item) {
                Some(message) if message.at < before => messages.push(message),
                Some(_) => {}
                None => tracing::error!("an item of the outbox cannot be read and is left there"),
            }
        }
        Ok(messages)
    }

    /// Where the announcement of a request's last transition would lie, and the letters to those who
    /// were asked when it was a review that opened.
    pub(crate) fn outbox_keys(request: &Request) -> Vec<Key> {
        let id = format!("{}#{:08}", request.endpoint_id, request.version);
        let opened = format!("{id}.{}.{}", request.revision, Kind::ReviewOpened.as_str());
        let letters = request
            .asked
            .iter()
            .map(|approver| Key::Outbox(format!("{opened}@{approver}")));
        letters.chain([Key::Outbox(id.clone())]).collect()
    }

    /// A message, if it is still unpublished.
    pub(crate) fn outbox_message(items: &super::Items, key: &Key) -> Option<Message> {
        items.get(key).cloned().and_then(decode_message)
    }

    /// Deletes published messages.
    pub(crate) async fn clear_outbox(&self, messages: &[Message]) -> Result<(), Arc<Error>> {
        for chunk in messages.chunks(WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for message in chunk {
                let key = Key::Outbox(message.id.clone()).item();
                let delete = DeleteRequest::builder()
                    .set_key(Some(key))
                    .build()
                    .map_err(|error| Permanent::Encode(Box::new(error)))?;
                writes.push(WriteRequest::builder().delete_request(delete).build());
            }
            self.write_all(writes).await?;
        }
        Ok(())
    }

    pub(super) async fn write_all(&self, mut writes: Vec<WriteRequest>) -> Result<(), Arc<Error>> {
        let mut pause = Duration::from_millis(50);
        for _ in 0..ROUNDS {
            let output = self
                .client
                .batch_write_item()
                .request_items(&self.requests, writes)
                .send()
                .await
                .map_err(|error| failed("BatchWriteItem", error, Retryable::Outbox))?;
            let left = output.unprocessed_items.unwrap_or_default();
            writes = left.into_values().flatten().collect();
            if writes.is_empty() {
                return Ok(());
            }
            self.clock.sleep(jittered(pause)).await;
            pause *= 2;
        }
        let left = format!("DynamoDB left out {} writes time and again", writes.len());
        Err(Retryable::Outbox(left.into()).into())
    }
}
