//! Announcements and alarms out of the queue's records.
//!
//! The queue is subscribed to the announcements' topic: a record holds the document itself (raw message
//! delivery), or SNS's envelope with the document as its message.

use gatekeeper_core::{alarm, announcement, reach};
use gatekeeper_core::{alarm::Alarm, announcement::Announcement};
use serde_json::Value;

/// How much of a record an error shows.
const SHOWN: usize = 80;
/// How much of what the parser says an error shows.
const SAID: usize = 160;

/// One record of the queue.
#[derive(Debug)]
pub struct Record {
    /// SQS's `messageId`, by which a record is given back to the queue.
    pub id: Option<String>,
    /// What it tells of.
    pub news: Result<News, Malformed>,
}

/// What is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something about a connection.
    Announcement(Box<Announcement>),
    /// Something about a service.
    Alarm(Box<Alarm>),
    /// Something about who gets approval e-mail. It belongs to no service, so to none's channel, and is not
    /// shown.
    Reach,
}

/// Why a record cannot be read. It will not read better the next time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not what SQS hands over.
    #[error("the invocation is no batch of records from a queue")]
    NotABatch,
    /// A record without a body.
    #[error("the record has no body of text")]
    NoBody,
    /// The body is no JSON object.
    #[error("the body is not a JSON object: {0}")]
    NotAnObject(String),
    /// It is SNS's, and no notification.
    #[error("the body is SNS's {0}, not a notification")]
    NotANotification(String),
    /// It is not what we announce, or is of a later version.
    #[error("the document's schema is {0}, which is none that is understood here")]
    Schema(String),
    /// It is what we announce, with something wrong in it.
    #[error("the document cannot be read: {0}")]
    Document(String),
}

/// Splits an invocation into its records and reads each: a bad one spoils no other.
///
/// # Errors
/// [`Malformed::NotABatch`].
pub fn decode(mut payload: Value) -> Result<Vec<Record>, Malformed> {
    let records = payload.get_mut("Records").and_then(Value::as_array_mut);
    let records = records.ok_or(Malformed::NotABatch)?;
    let read = |mut record: Value| Record {
        id: text(&record, "messageId").map(str::to_owned),
        news: match record.get_mut("body").map(Value::take) {
            Some(Value::String(body)) => news(&body),
            _ => Err(Malformed::NoBody),
        },
    };
    Ok(std::mem::take(records).into_iter().map(read).collect())
}

/// Reads the body of a record.
///
/// # Errors
/// [`Malformed`], with what is wrong.
pub fn news(body: &str) -> Result<News, Malformed> {
    let outer = object(body)?;
    let document = match (text(&outer, "Type"), text(&outer, "Message")) {
        (Some("Notification"), Some(message)) => object(message)?,
        (Some(other), _) => return Err(Malformed::NotANotification(shortened(other))),
        (None, _) => outer,
    };
    let wrong = |error: serde_json::Error| Malformed::Document(printable(&error.to_string(), SAID));
    match text(&document, "schema") {
        Some(announcement::SCHEMA) => serde_json::from_value(document)
            .map(|read| News::Announcement(Box::new(read)))
            .map_err(wrong),
        Some(alarm::SCHEMA) => serde_json::from_value(document)
            .map(|read| News::Alarm(Box::new(read)))
            .map_err(wrong),
        Some(reach::SCHEMA) => Ok(News::Reach),
        Some(other) => Err(Malformed::Schema(shortened(other))),
        None => Err(Malformed::Schema("missing".to_owned())),
    }
}

fn object(text: &str) -> Result<Value, Malformed> {
    let value = serde_json::from_str(text).ok().filter(Value::is_object);
    value.ok_or_else(|| Malformed::NotAnObject(shortened(text)))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn shortened(text: &str) -> String {
    printable(text, SHOWN)
}

/// The beginning of a text from outside, fit for one line of a log.
fn printable(text: &str, most: usize) -> String {
    let begin = text.chars().take(most);
    let mut shown: String = begin.flat_map(char::escape_debug).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
