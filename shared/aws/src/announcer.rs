//! Publishing to SNS: one message for people and machines alike, ten in a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use gatekeeper_core::announcement::Announcement;
use serde_json::json;

use crate::clients::Clients;
use crate::config::Config;
use crate::error::{Error, Permanent, Retryable, failed};
use crate::tables::OutboxRow;

/// SNS takes this many messages in one `PublishBatch`.
const ENTRIES_PER_CALL: usize = 10;
/// SNS takes 256 KiB in one call, all messages together; this leaves room for attributes.
const BYTES_PER_CALL: usize = 240 * 1024;

/// Publishes announcements.
#[derive(Debug)]
pub(crate) struct Announcer {
    client: aws_sdk_sns::Client,
    topic: String,
}

/// What became of a number of announcements.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// These are out.
    pub(crate) sent: Vec<OutboxRow>,
    /// What went wrong with the others, if anything.
    pub(crate) failures: Vec<Arc<Error>>,
}

impl Announcer {
    pub(crate) fn new(clients: &Clients, config: &Config) -> Self {
        Self {
            client: clients.sns.clone(),
            topic: config.announcements_topic.clone(),
        }
    }

    /// Publishes as many as it can. What fails stays where it was.
    pub(crate) async fn publish(&self, rows: Vec<OutboxRow>) -> Published {
        let mut published = Published::default();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for row in rows {
            let message = match message(&row.announcement) {
                Ok(message) => message,
                Err(error) => {
                    published.failures.push(error.into());
                    continue;
                }
            };
            if batch.len() == ENTRIES_PER_CALL || bytes + message.len() > BYTES_PER_CALL {
                self.publish_batch(std::mem::take(&mut batch), &mut published).await;
                bytes = 0;
            }
            bytes += message.len();
            batch.push((row, message));
        }
        self.publish_batch(batch, &mut published).await;
        published
    }

    async fn publish_batch(&self, batch: Vec<(OutboxRow, String)>, published: &mut Published) {
        if batch.is_empty() {
            return;
        }
        let mut entries = Vec::new();
        let mut waiting = BTreeMap::new();
        for (index, (row, message)) in batch.into_iter().enumerate() {
            let id = index.to_string();
            match entry(&id, &row.announcement, message) {
                Ok(entry) => {
                    entries.push(entry);
                    waiting.insert(id, row);
                }
                Err(error) => published.failures.push(error.into()),
            }
        }
        let sent = self
            .client
            .publish_batch()
            .topic_arn(&self.topic)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await;
        match sent {
            Ok(output) => {
                for entry in output.failed() {
                    waiting.remove(entry.id());
                    let said = format!("{}: {}", entry.code(), entry.message().unwrap_or_default());
                    published.failures.push(Retryable::Publish(said.into()).into());
                }
                // Only what SNS names as sent counts as sent.
                for entry in output.successful() {
                    if let Some(row) = entry.id().and_then(|id| waiting.remove(id)) {
                        published.sent.push(row);
                    }
                }
            }
            Err(error) => {
                published
                    .failures
                    .push(failed("PublishBatch", error, Retryable::Publish));
            }
        }
    }
}

/// The document for machines and the text for people, chosen by SNS for each subscriber's protocol.
fn message(announcement: &Announcement) -> Result<String, Permanent> {
    let encoding = |error: serde_json::Error| Permanent::Encode(Box::new(error));
    let document = serde_json::to_string(announcement).map_err(encoding)?;
    serde_json::to_string(&json!({ "default": document, "email": announcement.text() }))
        .map_err(encoding)
}

fn entry(
    id: &str,
    announcement: &Announcement,
    message: String,
) -> Result<PublishBatchRequestEntry, Permanent> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(id)
        .subject(announcement.subject())
        .message_structure("json")
        .message(message);
    for (name, value) in [
        ("kind", announcement.kind.as_str()),
        ("service_id", announcement.service_id.as_str()),
        ("account_id", announcement.account_id.as_str()),
        ("status", announcement.status.as_str()),
    ] {
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        entry = entry.message_attributes(name, attribute);
    }
    entry
        .build()
        .map_err(|error| Permanent::Encode(Box::new(error)))
}
