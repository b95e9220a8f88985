//! Announcements on their way. Each is written in the transaction of the transition it tells of and
//! deleted once published, so none is lost to a crash and none is told that did not happen.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use gatekeeper_core::announcement::Announcement;
use gatekeeper_core::ids::EndpointId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::OUTBOX;
use super::requests::encode;
use super::{Item, Key, Tables, all_of, text};
use crate::clock::jittered;
use crate::error::{Error, Permanent, Retryable, failed};

/// DynamoDB takes this many writes in one `BatchWriteItem`.
const WRITES_PER_CALL: usize = 25;
const ROUNDS: u32 = 6;

/// An announcement, and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct OutboxRow {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) version: u64,
    pub(crate) announcement: Announcement,
}

#[derive(Debug, Serialize, Deserialize)]
struct OutboxItem {
    pk: String,
    sk: String,
    endpoint_id: EndpointId,
    version: u64,
    at: Timestamp,
    /// The document as it is published: nothing here but the publisher reads it.
    document: String,
}

impl OutboxRow {
    pub(super) fn encode(&self) -> Result<Item, Permanent> {
        let (pk, sk) = Key::Outbox(self.endpoint_id.clone(), self.version).values();
        let document = serde_json::to_string(&self.announcement)
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        encode(OutboxItem {
            pk,
            sk,
            endpoint_id: self.endpoint_id.clone(),
            version: self.version,
            at: self.announcement.at,
            document,
        })
    }

    fn decode(item: Item) -> Option<Self> {
        let item: OutboxItem = serde_dynamo::from_item(item).ok()?;
        Some(Self {
            announcement: serde_json::from_str(&item.document).ok()?,
            endpoint_id: item.endpoint_id,
            version: item.version,
        })
    }
}

impl Tables {
    /// Announcements written before a moment and not published since: a crash left them.
    pub(crate) async fn left_in_outbox(
        &self,
        before: Timestamp,
    ) -> Result<Vec<OutboxRow>, Arc<Error>> {
        let query = self
            .client
            .query()
            .table_name(&self.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :outbox")
            .expression_attribute_values(":outbox", text(OUTBOX));
        let mut rows = Vec::new();
        for item in all_of(query, Retryable::Outbox).await? {
            match OutboxRow::decode(item) {
                Some(row) if row.announcement.at < before => rows.push(row),
                Some(_) => {}
                None => tracing::error!("an item of the outbox cannot be read and is left there"),
            }
        }
        Ok(rows)
    }

    /// The announcement of a request's version, if it is still unpublished.
    pub(crate) fn outbox_row(items: &super::Items, key: &Key) -> Option<OutboxRow> {
        items.get(key).cloned().and_then(OutboxRow::decode)
    }

    /// Deletes published announcements.
    pub(crate) async fn clear_outbox(&self, rows: &[OutboxRow]) -> Result<(), Arc<Error>> {
        for chunk in rows.chunks(WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for row in chunk {
                let key = Key::Outbox(row.endpoint_id.clone(), row.version).item();
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

    async fn write_all(&self, mut writes: Vec<WriteRequest>) -> Result<(), Arc<Error>> {
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
        let left = format!(
            "DynamoDB left out {} deletions time and again",
            writes.len()
        );
        Err(Retryable::Outbox(left.into()).into())
    }
}
