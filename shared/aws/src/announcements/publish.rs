//! Publishes to SNS: one message for people and machines alike, ten in a call. Approval e-mails go
//! to a topic of their own, to which everybody subscribes with a filter policy, because a link in
//! an announcement would reach everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use gatekeeper_core::message::{Audience, Message};
use serde_json::json;

use super::AnnouncementsConfig;
use crate::clients::Clients;
use crate::error::{Call, Error, Retryable, Step, chain};

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

/// A message, with its text for e-mail. The text may hold a link, so debug output leaves it out.
pub(super) struct OutgoingMessage {
    pub(super) message: Message,
    pub(super) text: String,
}

impl OutgoingMessage {
    /// A message that everybody may read.
    pub(super) fn announcement(message: Message) -> Self {
        Self {
            text: message.text.to_string(),
            message,
        }
    }
}

impl std::fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutgoingMessage({}, …)", self.message.id)
    }
}

/// The result for a number of messages.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The ids of the messages that were sent.
    pub(super) sent: BTreeSet<String>,
    /// The messages that SNS refuses for good, by their ids, with the reason.
    pub(super) refused: BTreeMap<String, String>,
    /// The errors of the others, if any.
    pub(super) failures: Vec<Arc<Error>>,
}

/// What SNS made of a call.
enum PublishResult {
    /// It says of each message what became of it, or will do so when it is asked again.
    Taken,
    /// It refuses the call because of a message in it, for this reason.
    Refused(String),
    /// It does not answer, or refuses us.
    None,
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

    /// Publishes as many messages as it can while there is time. Messages that fail stay in the
    /// outbox, and so do the messages after a call that failed: SNS must not use up an invocation
    /// by not answering.
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
                // Approval e-mail has been switched off; drop the e-mails that are left.
                published.sent.insert(message.id);
                continue;
            };
            let is_full = batch.len() == ENTRIES_PER_CALL || bytes + body.len() > BYTES_PER_CALL;
            if is_full || of_message != topic {
                if !in_time() {
                    let before = format!("{} messages were published", batch.len());
                    let error = Error::out_of_time(Step::Announce, before);
                    published.failures.push(error.into());
                    return published;
                }
                let batch = std::mem::take(&mut batch);
                if !self.publish_all(topic, batch, &mut published).await {
                    return published;
                }
                bytes = 0;
                topic = of_message;
            }
            bytes += body.len();
            batch.push((message, body));
        }
        self.publish_all(topic, batch, &mut published).await;
        published
    }

    /// The topic of a message; `None` if there is no such topic.
    fn topic_of(&self, message: &Message) -> Option<&str> {
        match message.to {
            Audience::Everybody => Some(&self.announcements),
            Audience::Approver(_) => self.approvals.as_deref(),
        }
    }

    /// Publishes one batch; false if SNS does not answer, or refuses us. If it refuses the call
    /// because of one message, each message is tried alone.
    async fn publish_all(
        &self,
        topic: &str,
        batch: Vec<(Message, String)>,
        published: &mut Published,
    ) -> bool {
        match self.publish_batch(topic, &batch, published).await {
            PublishResult::Taken => return true,
            PublishResult::None => return false,
            PublishResult::Refused(_) => {}
        }
        for one in &batch {
            let alone = std::slice::from_ref(one);
            match self.publish_batch(topic, alone, published).await {
                PublishResult::Taken => {}
                PublishResult::None => return false,
                PublishResult::Refused(why) => _ = published.refused.insert(one.0.id.clone(), why),
            }
        }
        true
    }

    async fn publish_batch(
        &self,
        topic: &str,
        batch: &[(Message, String)],
        published: &mut Published,
    ) -> PublishResult {
        if batch.is_empty() {
            return PublishResult::Taken;
        }
        let mut entries = Vec::new();
        let mut waiting = BTreeMap::new();
        for (index, (message, body)) in batch.iter().enumerate() {
            let id = index.to_string();
            match entry(&id, message, body.clone()) {
                Ok(entry) => {
                    entries.push(entry);
                    waiting.insert(id, message.clone());
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
                    let message = waiting.remove(entry.id());
                    let said = entry.message().unwrap_or_default();
                    match message {
                        Some(message) if entry.sender_fault() && is_of_message(entry.code()) => {
                            let why = format!("{}: {said}", entry.code());
                            published.refused.insert(message.id, why);
                        }
                        message => {
                            let id = message.map_or("?".to_owned(), |message| message.id);
                            let error = publishing(&id, topic).passes(said);
                            let error = error.with_code(entry.code());
                            published.failures.push(error.into());
                        }
                    }
                }
                // Only a message that SNS names as sent counts as sent.
                for entry in output.successful() {
                    if let Some(message) = entry.id().and_then(|id| waiting.remove(id)) {
                        published.sent.insert(message.id);
                    }
                }
                PublishResult::Taken
            }
            Err(error) => {
                let messages = match batch {
                    [(one, _)] => one.id.clone(),
                    many => format!("{} messages", many.len()),
                };
                let error = publishing(&messages, topic).failed(error);
                let is_refused = error.is_refused_call();
                if !is_refused || !is_of_message(error.code().unwrap_or_default()) {
                    published.failures.push(error);
                    // A refused call does not mean that the next one fails, too.
                    return match is_refused {
                        true => PublishResult::Taken,
                        false => PublishResult::None,
                    };
                }
                PublishResult::Refused(chain(&*error))
            }
        }
    }
}

/// Whether SNS refuses the call because of a message in it, and always will.
/// <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
fn is_of_message(code: &str) -> bool {
    let codes = [
        "BatchRequestTooLong",
        "InvalidParameter",
        "ParameterValueInvalid",
    ];
    let code = code.strip_suffix("Exception").unwrap_or(code);
    let code = code.rsplit('.').next().unwrap_or(code);
    codes.contains(&code)
}

/// The document for machines and the text for people. SNS chooses by each subscriber's protocol.
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

/// The call that publishes messages.
fn publishing(messages: &str, topic: &str) -> Call {
    let what = format!("{messages} could not be published to {topic}");
    Call::new(Step::Announce, "sns:PublishBatch", Retryable::Publish, what)
}

fn entry(id: &str, message: &Message, body: String) -> Result<PublishBatchRequestEntry, Error> {
    let wrong = |error| Error::unencodable(Step::Announce, &message.id, error);
    let mut entry = PublishBatchRequestEntry::builder()
        .id(id)
        .subject(&*message.subject)
        .message_structure("json")
        .message(body);
    for (name, value) in &message.attributes {
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .map_err(wrong)?;
        entry = entry.message_attributes(name, attribute);
    }
    entry.build().map_err(wrong)
}
