//! Publishing to SNS: one message for people and machines alike, ten in a call. What is meant for one
//! approver goes to a topic of its own, to which nobody subscribes without a filter policy: a link in
//! an announcement would be everybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use gatekeeper_core::message::{Audience, Message};
use serde_json::json;

use super::AnnouncementsConfig;
use crate::clients::Clients;
use crate::error::{Error, Permanent, Retryable, failed};

/// SNS takes this many messages in one `PublishBatch`.
const ENTRIES_PER_CALL: usize = 10;
/// SNS takes 256 KiB in one call, all messages together; this leaves room for attributes.
const BYTES_PER_CALL: usize = 240 * 1024;

/// Publishes messages.
#[derive(Debug)]
pub(super) struct Publisher {
    client: aws_sdk_sns::Client,
    announcements: String,
    approvals: Option<String>,
}

/// A message, with its text as it is e-mailed. The text may hold a link, so that none of it shows.
pub(super) struct OutgoingMessage {
    pub(super) message: Message,
    pub(super) text: String,
}

impl OutgoingMessage {
    /// What everybody may read.
    pub(super) fn announcement(message: Message) -> Self {
        Self {
            text: message.text.clone(),
            message,
        }
    }
}

impl std::fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutgoingMessage({}, …)", self.message.id)
    }
}

/// What became of a number of messages.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// These are out, by their ids.
    pub(super) sent: BTreeSet<String>,
    /// What went wrong with the others, if anything.
    pub(super) failures: Vec<Arc<Error>>,
}

impl Publisher {
    pub(super) fn new(clients: &Clients, config: &AnnouncementsConfig) -> Self {
        Self {
            client: clients.sns.clone(),
            announcements: config.announcements_topic.clone(),
            approvals: config
                .approvals
                .as_ref()
                .map(|approvals| approvals.topic.clone()),
        }
    }

    /// Publishes as many as it can while there is time. What fails stays where it was, and so does
    /// what follows a call that failed: SNS that does not answer must not use up an invocation.
    pub(super) async fn publish(
        &self,
        messages: Vec<OutgoingMessage>,
        in_time: impl Fn() -> bool,
    ) -> Published {
        let mut published = Published::default();
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut topic = self.announcements.as_str();
        for outgoing in messages {
            let body = body(&outgoing);
            let OutgoingMessage { message, .. } = outgoing;
            let Some(of_message) = self.topic_of(&message) else {
                // Approvers cannot be asked by e-mail any more; what is left of such e-mails goes.
                published.sent.insert(message.id);
                continue;
            };
            let is_full = batch.len() == ENTRIES_PER_CALL || bytes + body.len() > BYTES_PER_CALL;
            if is_full || of_message != topic {
                if !in_time() {
                    published.failures.push(Retryable::OutOfTime.into());
                    return published;
                }
                let batch = std::mem::take(&mut batch);
                if !self.publish_batch(topic, batch, &mut published).await {
                    return published;
                }
                bytes = 0;
                topic = of_message;
            }
            bytes += body.len();
            batch.push((message, body));
        }
        self.publish_batch(topic, batch, &mut published).await;
        published
    }

    /// Where a message goes; none if there is no such topic.
    fn topic_of(&self, message: &Message) -> Option<&str> {
        match message.to {
            Audience::Everybody => Some(&self.announcements),
            Audience::Approver(_) => self.approvals.as_deref(),
        }
    }

    /// Publishes one batch; false if SNS does not answer, or not us.
    async fn publish_batch(
        &self,
        topic: &str,
        batch: Vec<(Message, String)>,
        published: &mut Published,
    ) -> bool {
        if batch.is_empty() {
            return true;
        }
        let mut entries = Vec::new();
        let mut waiting = BTreeMap::new();
        for (index, (message, body)) in batch.into_iter().enumerate() {
            let id = index.to_string();
            match entry(&id, &message, body) {
                Ok(entry) => {
                    entries.push(entry);
                    waiting.insert(id, message);
                }
                Err(error) => published.failures.push(error.into()),
            }
        }
        let sent = self
            .client
            .publish_batch()
            .topic_arn(topic)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await;
        match sent {
            Ok(output) => {
                for entry in output.failed() {
                    waiting.remove(entry.id());
                    let said = format!("{}: {}", entry.code(), entry.message().unwrap_or_default());
                    published
                        .failures
                        .push(Retryable::Publish(said.into()).into());
                }
                // Only what SNS names as sent counts as sent.
                for entry in output.successful() {
                    if let Some(message) = entry.id().and_then(|id| waiting.remove(id)) {
                        published.sent.insert(message.id);
                    }
                }
                true
            }
            Err(error) => {
                let error = failed("PublishBatch", error, Retryable::Publish);
                // What SNS does not take for what is in it says nothing of what comes after.
                let is_refused = matches!(&*error, Error::Permanent(Permanent::RefusedCall { .. }));
                published.failures.push(error);
                is_refused
            }
        }
    }
}

/// The document for machines and the text for people, chosen by SNS for each subscriber's protocol.
fn body(outgoing: &OutgoingMessage) -> String {
    let mut body = json!({ "default": outgoing.message.document, "email": outgoing.text });
    if let (Some(notification), Some(fields)) =
        (&outgoing.message.notification, body.as_object_mut())
    {
        // Amazon Q Developer subscribes by HTTPS.
        fields.insert("https".to_owned(), json!(notification));
    }
    body.to_string()
}

fn entry(id: &str, message: &Message, body: String) -> Result<PublishBatchRequestEntry, Permanent> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(id)
        .subject(&message.subject)
        .message_structure("json")
        .message(body);
    for (name, value) in &message.attributes {
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
