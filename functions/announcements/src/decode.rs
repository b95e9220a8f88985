//! Decodes which items of the outbox an invocation is about. This is pure.
//!
//! The event's form: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use gatekeeper_core::outbox::OutboxKey;
use serde_json::Value;

/// Why the function is invoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// By the requests table's stream.
    Stream(Vec<Record>),
    /// By the schedule, or by hand.
    Schedule,
}

/// One record of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number by which the record is handed back. Only a record that somebody made by hand has
    /// none.
    pub sequence_number: Option<String>,
    /// The item; `None` if the record is about something other than the outbox.
    pub key: Option<OutboxKey>,
}

/// Reads the payload of an invocation. Any payload that is no stream event means the schedule.
#[must_use]
pub fn decode(payload: &Value) -> Invocation {
    let records = payload.get("Records").and_then(Value::as_array);
    match records.filter(|records| records.iter().any(is_of_a_stream)) {
        Some(records) => Invocation::Stream(records.iter().map(record).collect()),
        None => Invocation::Schedule,
    }
}

fn is_of_a_stream(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:dynamodb")
}

fn record(record: &Value) -> Record {
    let change = record.get("dynamodb");
    let number = change.and_then(|change| change.get("SequenceNumber")?.as_str());
    Record {
        // Lambda takes an empty one as the whole batch.
        sequence_number: number
            .filter(|number| !number.is_empty())
            .map(str::to_owned),
        key: change.and_then(key),
    }
}

fn key(change: &Value) -> Option<OutboxKey> {
    let attribute = |name: &str| change.get("Keys")?.get(name)?.get("S")?.as_str();
    Some(OutboxKey {
        partition: attribute("pk")?.parse().ok()?,
        id: attribute("sk")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inserted(pk: &str, number: &str) -> Value {
        json!({
            "eventSource": "aws:dynamodb",
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": {"pk": {"S": pk}, "sk": {"S": "vpce-0123456789abcdef0#00000001.1"}},
                "SequenceNumber": number,
            },
        })
    }

    #[test]
    fn a_record_says_which_item_it_is_about() {
        let payload = json!({ "Records": [
            inserted("outbox#a", "1"), inserted("outbox", "2"), inserted("vpce-1", ""), {"odd": 1},
        ] });
        let Invocation::Stream(records) = decode(&payload) else {
            panic!("of the stream")
        };
        let numbers: Vec<Option<&str>> = records
            .iter()
            .map(|record| record.sequence_number.as_deref())
            .collect();
        assert_eq!(numbers, [Some("1"), Some("2"), None, None]);
        let keys: Vec<Option<String>> = records
            .iter()
            .map(|record| Some(record.key.as_ref()?.partition.to_string()))
            .collect();
        assert_eq!(keys, [Some("outbox#a".to_owned()), None, None, None]);
    }

    #[test]
    fn any_other_payload_means_the_schedule() {
        for payload in [
            json!({}),
            json!(null),
            json!({"Records": []}),
            json!({"source": "aws.scheduler"}),
            json!({"Records": [{"eventSource": "aws:sqs"}]}),
        ] {
            assert_eq!(decode(&payload), Invocation::Schedule, "{payload}");
        }
    }
}
