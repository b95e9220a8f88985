//! Splits Lambda's payload into records.

use serde_json::Value;

use super::Malformed;

/// One record from the queue, or from a direct invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// SQS's `messageId`, by which a record is given back to the queue.
    pub id: Option<String>,
    /// The text that [`decode`](super::decode) reads.
    pub body: String,
}

/// The records of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// A batch from an SQS queue: a record that failed is named by its id, and is delivered again.
    Queue(Vec<Record>),
    /// EventBridge or SNS invoked the function directly: only the whole can be tried again.
    Direct(Vec<Record>),
}

/// Splits the payload of an invocation. It does not look into the records:
/// [`decode`](super::decode) finds out whether a record is valid, so that a bad one does not affect
/// the others.
///
/// # Errors
/// [`Malformed::NotAnEvent`] if the payload is no object, or has no records in its `Records`.
pub fn invocation(mut payload: Value) -> Result<Invocation, Malformed> {
    match records_in(&mut payload) {
        Some(records) => Ok(batch(records)),
        None if payload.is_object() && payload.get("Records").is_none() => {
            Ok(Invocation::Direct(vec![itself(&payload)]))
        }
        None => Err(Malformed::not_an_event(&payload)),
    }
}

/// Any document expanded to single records, to feed a queue with: an event of SQS gives the bodies
/// of its records, any other event with `Records` the records, everything else itself. Nothing is
/// left out: an invalid part stays a record, which [`decode`](super::decode) finds malformed.
///
/// A JSON array is one record here. A caller that reads files of arrays splits them first.
#[must_use]
pub fn records_of(mut document: Value) -> Vec<Record> {
    match records_in(&mut document) {
        Some(records) => records.into_iter().map(record).collect(),
        None => vec![itself(&document)],
    }
}

/// Takes the records out of an event, if it has some.
fn records_in(event: &mut Value) -> Option<Vec<Value>> {
    let records = event.get_mut("Records")?.as_array_mut()?;
    (!records.is_empty()).then(|| std::mem::take(records))
}

fn batch(records: Vec<Value>) -> Invocation {
    // Lambda never mixes sources in one batch; one record from a queue means that a queue waits for
    // the answer.
    let queue = records.iter().any(is_queued);
    let records = records.into_iter().map(record).collect();
    if queue {
        Invocation::Queue(records)
    } else {
        Invocation::Direct(records)
    }
}

fn is_queued(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs")
}

fn record(mut record: Value) -> Record {
    if !is_queued(&record) {
        return itself(&record);
    }
    let id = record
        .get("messageId")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned);
    match record.get_mut("body").map(Value::take) {
        Some(Value::String(body)) => Record { id, body },
        body => {
            // SQS never does this. Keep the record whole, so that decoding says what is wrong with
            // it.
            if let (Some(body), Some(fields)) = (body, record.as_object_mut()) {
                fields.insert("body".to_owned(), body);
            }
            Record {
                id,
                body: record.to_string(),
            }
        }
    }
}

fn itself(value: &Value) -> Record {
    Record {
        id: None,
        body: value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{OwnRoles, decode};
    use serde_json::json;

    fn record(id: Option<&str>, body: &str) -> Record {
        Record {
            id: id.map(ToOwned::to_owned),
            body: body.to_owned(),
        }
    }

    #[test]
    fn a_batch_from_a_queue_keeps_ids_and_bodies() {
        let batch = json!({"Records": [
            {"messageId": "1", "eventSource": "aws:sqs", "body": "not json"},
            {"messageId": "2", "eventSource": "aws:sqs", "body": "{\"a\":1}", "attributes": {}},
            {"eventSource": "aws:sqs", "body": ""},
        ]});
        let records = vec![
            record(Some("1"), "not json"),
            record(Some("2"), "{\"a\":1}"),
            record(None, ""),
        ];
        assert_eq!(
            invocation(batch.clone()),
            Ok(Invocation::Queue(records.clone()))
        );
        assert_eq!(records_of(batch), records);
    }

    #[test]
    fn a_record_without_a_body_does_not_affect_the_others() {
        let batch = json!({"Records": [
            {"messageId": "1", "eventSource": "aws:sqs"},
            {"messageId": "2", "eventSource": "aws:sqs", "body": {"a": 1}},
            {"messageId": "3", "eventSource": "aws:sqs", "body": "fine"},
            "rubbish",
        ]});
        let Ok(Invocation::Queue(records)) = invocation(batch) else {
            panic!("not a queue");
        };
        let ids: Vec<_> = records.iter().map(|record| record.id.as_deref()).collect();
        assert_eq!(ids, [Some("1"), Some("2"), Some("3"), None]);
        assert_eq!(records[2].body, "fine");
        for lacking in &records[..2] {
            assert_eq!(
                decode(&lacking.body, &OwnRoles::default())
                    .unwrap_err()
                    .to_string(),
                "in the SQS record, `body` is missing or is not a text"
            );
        }
    }

    #[test]
    fn sns_and_eventbridge_invoke_directly() {
        let sns = json!({"EventSource": "aws:sns", "Sns": {"Message": ""}});
        let both = json!({"Records": [sns, sns]});
        let records = vec![
            record(None, &sns.to_string()),
            record(None, &sns.to_string()),
        ];
        assert_eq!(
            invocation(both.clone()),
            Ok(Invocation::Direct(records.clone()))
        );
        assert_eq!(records_of(both), records);

        let event = json!({"source": "aws.ec2", "detail-type": "x", "detail": {}});
        let records = vec![record(None, &event.to_string())];
        assert_eq!(
            invocation(event.clone()),
            Ok(Invocation::Direct(records.clone()))
        );
        assert_eq!(records_of(event), records);
    }

    #[test]
    fn a_payload_that_cannot_be_an_event_is_malformed_and_stays_one_record() {
        for payload in [
            json!(null),
            json!(42),
            json!("text"),
            json!([]),
            json!([{"eventSource": "aws:sqs", "body": ""}]),
            json!({"Records": []}),
            json!({"Records": {"eventSource": "aws:sqs"}}),
        ] {
            assert_eq!(
                invocation(payload.clone()).unwrap_err(),
                Malformed::not_an_event(&payload)
            );
            let records = records_of(payload.clone());
            assert_eq!(records, [record(None, &payload.to_string())]);
            assert!(decode(&records[0].body, &OwnRoles::default()).is_err());
        }
        // An object might be anything; decoding finds out.
        let records = vec![record(None, "{}")];
        assert_eq!(
            invocation(json!({})),
            Ok(Invocation::Direct(records.clone()))
        );
        assert_eq!(records_of(json!({})), records);
    }
}
