//! Decodes a stream's event: what was edited, and whom that concerns. This is pure.
//!
//! Each record is read alone, so that a malformed one does not affect the others. The event's form:
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use gatekeeper_aws::tables::{decode_acknowledgement_image, decode_image};
use gatekeeper_core::acknowledgement::ACKNOWLEDGEMENTS;
use gatekeeper_core::edit::{concerned, subject_of, subject_of_key};
use gatekeeper_core::hint::Subject;
use gatekeeper_core::policy::{Entry, PolicyItem};
use gatekeeper_core::policy_key::{Meaning, PolicyKey};
use serde_json::{Value, json};

pub use crate::malformed::{Malformed, NotAStreamEvent};

/// One record of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number by which the record is handed back. Only a record that somebody made by hand has
    /// none.
    pub sequence_number: Option<String>,
    /// The edit that it reports.
    pub edit: Edit,
}

/// One edit of the allowlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// Whose connections are to be looked at; `None` if the edit can change nothing for anybody.
    pub subject: Option<Subject>,
    /// What is wrong with the item now, most often that it cannot be understood. Somebody must act.
    pub malformed: Option<Malformed>,
    /// What was wrong with the item before this edit corrected or removed it.
    pub corrected: Option<Malformed>,
    /// The item's key, if judging does not read it: decisions have to know of it.
    pub unexpected_key: Option<PolicyKey>,
    /// The entry, if DynamoDB's time to live deleted it.
    pub purged: Option<Entry>,
}

/// Reads the payload of an invocation.
///
/// # Errors
/// [`NotAStreamEvent`] if no record in it is one of a DynamoDB stream.
pub fn decode(payload: &Value) -> Result<Vec<Record>, NotAStreamEvent> {
    payload
        .get("Records")
        .and_then(Value::as_array)
        .filter(|records| records.iter().any(is_of_a_stream))
        .map(|records| records.iter().map(record).collect())
        .ok_or_else(|| NotAStreamEvent::new(payload))
}

fn is_of_a_stream(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:dynamodb")
}

fn record(record: &Value) -> Record {
    let change = record
        .get("dynamodb")
        .filter(|change| change.is_object() && is_of_a_stream(record));
    let Some(change) = change else {
        return Record {
            sequence_number: None,
            edit: Edit {
                malformed: Some(Malformed::not_a_record(record)),
                ..Edit::default()
            },
        };
    };
    let sequence_number = change
        .get("SequenceNumber")
        .and_then(Value::as_str)
        // Lambda takes an empty one as the whole batch.
        .filter(|number| !number.is_empty())
        .map(ToOwned::to_owned);
    let name = record.get("eventName").and_then(Value::as_str);
    let key = policy_key(change);
    if key.is_some_and(|key| key.service_id == ACKNOWLEDGEMENTS) {
        return Record {
            sequence_number,
            edit: edit_of_acknowledgement(change, name),
        };
    }
    let before = image(change, "OldImage", name != Some("INSERT"));
    let after = image(change, "NewImage", name != Some("REMOVE"));
    let purged = match &before {
        Ok(Some(PolicyItem::Entry(entry))) if is_by_time_to_live(record) => Some(entry.clone()),
        _ => None,
    };
    Record {
        sequence_number,
        edit: Edit {
            purged,
            unexpected_key: policy_key(change)
                .filter(|key| key.meaning() != Some(Meaning::Expected)),
            ..edit(change, before, after)
        },
    }
}

/// Whether DynamoDB's time to live deleted the item. In a Region that gets the deletion from
/// another one, the record does not say so.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html>
fn is_by_time_to_live(record: &Value) -> bool {
    let says =
        |pointer: &str, word: &str| record.pointer(pointer).and_then(Value::as_str) == Some(word);
    says("/eventName", "REMOVE")
        && says("/userIdentity/type", "Service")
        && says("/userIdentity/principalId", "dynamodb.amazonaws.com")
}

type Image = Result<Option<PolicyItem>, Malformed>;

/// An edit of an acknowledgement decides nothing; the next run of reconcile reads it.
fn edit_of_acknowledgement(change: &Value, name: Option<&str>) -> Edit {
    let read = |name, expected| side(change, name, expected, decode_acknowledgement_image).err();
    let malformed = read("NewImage", name != Some("REMOVE"));
    let corrected = read("OldImage", name != Some("INSERT"));
    // A missing image is the stream's fault, and no edit corrects it.
    let corrected = corrected.filter(|wrong| matches!(wrong, Malformed::Acknowledgement { .. }));
    Edit {
        corrected: corrected.filter(|_| malformed.is_none()),
        malformed,
        ..Edit::default()
    }
}

fn image(change: &Value, name: &'static str, expected: bool) -> Image {
    side(change, name, expected, decode_image)
}

/// One side of an edit; `None` if the item did not exist then.
fn side<T, E: Into<Malformed>>(
    change: &Value,
    name: &'static str,
    expected: bool,
    read: fn(&Value) -> Result<T, E>,
) -> Result<Option<T>, Malformed> {
    match change.get(name).filter(|image| !image.is_null()) {
        Some(image) => read(image).map(Some).map_err(Into::into),
        None if expected => Err(Malformed::no_image(&item_name(change), name)),
        None => Ok(None),
    }
}

fn edit(change: &Value, before: Image, after: Image) -> Edit {
    let (earlier, now) = match (before, after) {
        (Ok(before), Ok(after)) => {
            let malformed = after.as_ref().and_then(Malformed::of);
            let corrected = before.as_ref().and_then(Malformed::of);
            return Edit {
                subject: concerned(before.as_ref(), after.as_ref()),
                corrected: corrected.filter(|_| malformed.is_none()),
                malformed,
                ..Edit::default()
            };
        }
        (before, after) => (before.err(), after.err()),
    };
    // A missing image is the stream's fault, and no edit corrects it.
    let (corrected, missing) = match earlier {
        Some(Malformed::Item { .. }) if now.is_none() => (earlier, None),
        other => (None, other),
    };
    Edit {
        // One side cannot be read, so anything may have changed for those whom the key names.
        subject: key_of(change)
            .as_ref()
            .map(subject_of)
            .or_else(|| subject_of_key(&policy_key(change)?)),
        malformed: now.or(missing),
        corrected,
        ..Edit::default()
    }
}

/// The places of the item's key: one of its own, and the images.
const KEYS: [&str; 3] = ["Keys", "NewImage", "OldImage"];

/// An item with the record's key and nothing else, if the key can be read.
fn key_of(change: &Value) -> Option<PolicyItem> {
    KEYS.iter().find_map(|place| {
        let attribute = |name: &str| change.get(place)?.get(name);
        let key = json!({"service_id": attribute("service_id")?, "rule": attribute("rule")?});
        decode_image(&key).ok()
    })
}

/// The texts of the record's key.
fn policy_key(change: &Value) -> Option<PolicyKey> {
    Some(PolicyKey::new(
        key_text(change, "service_id")?,
        key_text(change, "rule")?,
    ))
}

fn key_text<'a>(change: &'a Value, name: &str) -> Option<&'a str> {
    KEYS.iter()
        .find_map(|place| change.get(place)?.get(name)?.get("S")?.as_str())
}

fn item_name(change: &Value) -> String {
    let text = |name: &str| key_text(change, name).unwrap_or("?");
    PolicyKey::new(text("service_id"), text("rule")).to_string()
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
