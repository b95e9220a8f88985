//! Reads a body, and event after event that lies in it.

use gatekeeper_core::hint::Hint;
use serde_json::Value;

use super::decoded::{Decoded, Ignored, Nested, Read};
use super::malformed::Malformed;
use super::own_roles::OwnRoles;
use super::shape::Shape;
use super::{cloudtrail, connection_requested, notification};

/// How deep events may lie inside one another. Real ones need three: an EventBridge event in an SNS
/// notification in an SQS record.
pub(super) const DEEPEST: usize = 6;

/// Reads the body of a record.
pub(super) fn read(body: &str, own_roles: &OwnRoles) -> Result<Decoded, Malformed> {
    read_text(body, own_roles, 0)
}

/// Reads a text that must be an event, or the text of a notification without SNS's envelope, which is
/// how it comes where the subscription has raw message delivery.
fn read_text(text: &str, own_roles: &OwnRoles, depth: usize) -> Result<Decoded, Malformed> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => read_value(&value, own_roles, depth),
        Err(error) => notification::read_bare(&Value::from(text))
            .ok_or_else(|| Malformed::not_json(text, &error)),
    }
}

fn read_value(value: &Value, own_roles: &OwnRoles, depth: usize) -> Result<Decoded, Malformed> {
    let bare = || notification::read_bare(value);
    match Shape::of(value).map(|shape| read_event(&shape, own_roles, depth)) {
        // As in SNS's envelope: the ids in what looks like an event of AWS's own count.
        Some(Ok(ignored @ Decoded::Ignored(Ignored::OtherEvent))) => Ok(bare().unwrap_or(ignored)),
        Some(read) => read,
        None => bare().ok_or_else(|| Malformed::not_an_event(value)),
    }
}

/// Reads an event and what it carries. Only this function goes deeper.
fn read_event(shape: &Shape<'_>, own_roles: &OwnRoles, depth: usize) -> Result<Decoded, Malformed> {
    let deeper = || match depth {
        DEEPEST => Err(Malformed::TooDeep { most: DEEPEST }),
        depth => Ok(depth + 1),
    };
    match read_alone(shape, own_roles, depth == 0)? {
        Read::Decoded(decoded) => Ok(decoded),
        Read::Nested(Nested::Records(records)) => {
            let depth = deeper()?;
            let records = records.iter();
            together(records.map(|record| read_value(record, own_roles, depth)))
        }
        Read::Nested(Nested::Text(text)) => read_text(text, own_roles, deeper()?),
        Read::Nested(Nested::Message {
            message,
            notification,
            names_ids,
        }) => {
            let Some(inner) = Shape::of(&message) else {
                return Ok(notification);
            };
            match read_event(&inner, own_roles, deeper()?) {
                // Should AWS write its notification like an event of its own, the ids in it still count.
                // Records of API calls are left alone: our own calls must not wake us up again.
                Ok(Decoded::Ignored(Ignored::OtherEvent)) if names_ids => Ok(notification),
                read => read,
            }
        }
    }
}

/// Reads an event without what it carries.
fn read_alone<'a>(
    shape: &Shape<'a>,
    own_roles: &OwnRoles,
    is_outermost: bool,
) -> Result<Read<'a>, Malformed> {
    let decoded = match *shape {
        Shape::Records(records) => return Ok(Read::Nested(Nested::Records(records))),
        Shape::Queued(record) => {
            return match record.get("body") {
                Some(Value::String(body)) => Ok(Read::Nested(Nested::Text(body))),
                _ => Err(Malformed::field(
                    "the SQS record",
                    "body",
                    "is missing or is not a text",
                )),
            };
        }
        Shape::Sns(envelope) => return Ok(notification::read(envelope)),
        Shape::EventBridge {
            source,
            detail_type,
            event,
        } => match (source, detail_type) {
            ("privatelink.gatekeeper", "Connection Requested") => {
                connection_requested::read(event)?
            }
            (source, name) if is_of_cloudtrail(name) => {
                if source.eq_ignore_ascii_case("aws.ec2") {
                    cloudtrail::read_event(event, own_roles, is_outermost)?
                } else {
                    Decoded::Ignored(Ignored::OtherCall)
                }
            }
            _ => Decoded::Ignored(Ignored::OtherEvent),
        },
        Shape::CloudTrail(call) => cloudtrail::read(call, own_roles)?,
    };
    Ok(Read::Decoded(decoded))
}

/// Whether an event tells of what CloudTrail recorded: `AWS API Call via CloudTrail` and its like.
fn is_of_cloudtrail(detail_type: &str) -> bool {
    let name = detail_type.to_ascii_lowercase();
    name.starts_with("aws ") && name.ends_with(" via cloudtrail")
}

/// Several events in one record: all their hints. Without any, what is wrong with the first that is
/// malformed, else why the first was ignored.
fn together(
    events: impl Iterator<Item = Result<Decoded, Malformed>>,
) -> Result<Decoded, Malformed> {
    let mut hints: Vec<Hint> = Vec::new();
    let mut ignored = None;
    let mut malformed = None;
    for event in events {
        match event {
            Ok(Decoded::Hints(more)) => hints.extend(more),
            Ok(Decoded::Ignored(why)) => {
                ignored.get_or_insert(why);
            }
            Err(error) => {
                malformed.get_or_insert(error);
            }
        }
    }
    match (malformed, ignored) {
        _ if !hints.is_empty() => Ok(Decoded::Hints(hints)),
        (Some(error), _) => Err(error),
        (None, Some(why)) => Ok(Decoded::Ignored(why)),
        (None, None) => Ok(Decoded::Ignored(Ignored::OtherEvent)),
    }
}
