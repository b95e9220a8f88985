//! Which of the known events a document is, told by the fields that its sender always writes.

use std::borrow::Cow;

use gatekeeper_core::hint::Hint;
use serde_json::{Map, Value};

use super::{
    Decoded, Ignored, Malformed, OwnRoles, cloudtrail, connection_requested, notification,
};

type Object = Map<String, Value>;

/// How deep events may lie inside one another. Real ones need three: an EventBridge event in an SNS
/// notification in an SQS record.
pub(super) const DEEPEST: usize = 6;

/// Where in a body we are, and who we are.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    pub(super) own_roles: &'a OwnRoles,
    depth: usize,
}

impl<'a> Within<'a> {
    pub(super) fn new(own_roles: &'a OwnRoles) -> Self {
        Self {
            own_roles,
            depth: 0,
        }
    }

    /// Whether it is the body itself, and not inside another event.
    pub(super) fn is_outermost(self) -> bool {
        self.depth == 0
    }

    /// One event further in.
    pub(super) fn deeper(self) -> Result<Self, Malformed> {
        if self.depth == DEEPEST {
            return Err(Malformed::TooDeep { most: DEEPEST });
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

/// A known event.
pub(super) enum Shape<'a> {
    /// `{"Records": […]}` of records that we know: Lambda's events of SQS and SNS, and CloudTrail's
    /// log files.
    Records(&'a [Value]),
    /// One record of SQS's event for Lambda.
    Queued(&'a Object),
    /// SNS's envelope, as it is delivered to SQS, or from within SNS's event for Lambda.
    Sns(&'a Object),
    /// An event on an EventBridge bus.
    EventBridge {
        source: &'a str,
        detail_type: &'a str,
        event: &'a Object,
    },
    /// CloudTrail's record of an API call.
    CloudTrail(&'a Object),
}

impl<'a> Shape<'a> {
    /// Strict, because the text of an SNS notification may be any document: one that is not surely an
    /// event must be left to be searched for ids.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        let object = value.as_object()?;
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let sender = text("eventSource").or_else(|| text("EventSource"));
        if let Some(records) = object.get("Records").and_then(Value::as_array) {
            return records
                .iter()
                .any(|record| Shape::of(record).is_some())
                .then_some(Self::Records(records));
        }
        if sender == Some("aws:sqs") {
            return Some(Self::Queued(object));
        }
        if sender == Some("aws:sns") {
            return Some(Self::Sns(object.get("Sns")?.as_object()?));
        }
        if let Some("Notification" | "SubscriptionConfirmation" | "UnsubscribeConfirmation") =
            text("Type")
        {
            return (object.contains_key("TopicArn") || object.contains_key("Message"))
                .then_some(Self::Sns(object));
        }
        if let (Some(source), Some(detail_type)) = (text("source"), text("detail-type")) {
            return Some(Self::EventBridge {
                source,
                detail_type,
                event: object,
            });
        }
        let of_an_api = sender.is_some_and(|sender| {
            let sender = sender.to_ascii_lowercase();
            sender.ends_with(".amazonaws.com") || sender.ends_with(".amazonaws.com.cn")
        });
        (of_an_api && text("eventName").is_some()).then_some(Self::CloudTrail(object))
    }

    pub(super) fn read(self, within: Within<'_>) -> Result<Decoded, Malformed> {
        match self {
            Self::Records(records) => {
                let within = within.deeper()?;
                together(records.iter().map(|record| read_value(record, within)))
            }
            Self::Queued(record) => match record.get("body") {
                Some(Value::String(body)) => read_text(body, within.deeper()?),
                _ => Err(Malformed::field(
                    "the SQS record",
                    "body",
                    "is missing or is not a text",
                )),
            },
            Self::Sns(envelope) => notification::read(envelope, within),
            Self::EventBridge {
                source,
                detail_type,
                event,
            } => match (source, detail_type) {
                ("privatelink.gatekeeper", "Connection Requested") => {
                    connection_requested::read(event)
                }
                (source, name) if is_of_cloudtrail(name) => {
                    if source.eq_ignore_ascii_case("aws.ec2") {
                        cloudtrail::read_event(event, within)
                    } else {
                        Ok(Decoded::Ignored(Ignored::OtherCall))
                    }
                }
                _ => Ok(Decoded::Ignored(Ignored::OtherEvent)),
            },
            Self::CloudTrail(call) => cloudtrail::read(call, within.own_roles),
        }
    }
}

/// Whether an event tells of what CloudTrail recorded: `AWS API Call via CloudTrail` and its like.
fn is_of_cloudtrail(detail_type: &str) -> bool {
    let name = detail_type.to_ascii_lowercase();
    name.starts_with("aws ") && name.ends_with(" via cloudtrail")
}

/// Reads a text that must be an event, or the text of a notification without SNS's envelope, which is
/// how it comes where the subscription has raw message delivery.
pub(super) fn read_text(text: &str, within: Within<'_>) -> Result<Decoded, Malformed> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => read_value(&value, within),
        Err(error) => notification::read_bare(&Value::from(text))
            .ok_or_else(|| Malformed::not_json(text, &error)),
    }
}

fn read_value(value: &Value, within: Within<'_>) -> Result<Decoded, Malformed> {
    let bare = || notification::read_bare(value);
    match Shape::of(value).map(|shape| shape.read(within)) {
        // As in SNS's envelope: the ids in what looks like an event of AWS's own count.
        Some(Ok(ignored @ Decoded::Ignored(Ignored::OtherEvent))) => Ok(bare().unwrap_or(ignored)),
        Some(read) => read,
        None => bare().ok_or_else(|| Malformed::not_an_event(value)),
    }
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

/// The `detail` of an EventBridge event: an object, or an object as text, which is what a careless
/// `PutEvents` through some other tool makes of it.
pub(super) fn detail_of<'a>(
    name: &'static str,
    event: &'a Object,
) -> Result<Cow<'a, Object>, Malformed> {
    let detail = match event.get("detail") {
        Some(Value::Object(detail)) => Some(Cow::Borrowed(detail)),
        Some(Value::String(text)) => serde_json::from_str(text).ok().map(Cow::Owned),
        _ => None,
    };
    detail.ok_or_else(|| Malformed::field(name, "detail", "is not an object"))
}
