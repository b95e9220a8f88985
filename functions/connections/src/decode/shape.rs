//! Finds out which known event a document is, by the fields that its sender always writes.

use serde_json::{Map, Value};

type Object = Map<String, Value>;

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
    /// This is strict, because the text of an SNS notification may be any document: one that may be
    /// no event must be searched for ids.
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
}
