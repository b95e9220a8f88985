use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::reach;
use gatekeeper_core::watch::Finding;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn announcement() -> Value {
    json!({
        "schema": "privatelink-gatekeeper/announcement/1",
        "id": "vpce-0123456789abcdef0#00000001",
        "kind": "review_opened",
        "at": "2026-11-20T12:00:00Z",
        "service_id": "vpce-svc-0a1b2c3d4e5f60718",
        "endpoint_id": "vpce-0123456789abcdef0",
        "account_id": "012345678901",
        "region": "eu-central-1",
        "status": "in_review",
        "previous_status": null,
        "decided_by": {"kind": "policy", "name": null},
        "verdict": {"decision": "review", "rule": null, "failed": [], "reason": "Nobody is listed."},
        "reason": "Nobody is listed.",
        "since": "2026-11-20T12:00:00Z",
    })
}

fn an_alarm() -> Value {
    let service: ServiceId = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
    let finding = Finding::AcceptanceNotRequired;
    let alarm = Alarm::new(
        &service,
        finding,
        alarm::AlarmKind::AlarmStarted,
        Timestamp::UNIX_EPOCH,
    );
    serde_json::to_value(alarm).unwrap()
}

fn wrapped(document: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "1",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:announcements",
        "Subject": "PrivateLink review needed", "Message": document.to_string(),
        "Timestamp": "2026-11-20T12:00:01.000Z",
        "MessageAttributes": {"kind": {"Type": "String", "Value": "review_opened"}},
    })
}

fn batch(bodies: &[Value]) -> Value {
    let record = |(index, body): (usize, &Value)| json!({"messageId": format!("m-{index}"), "eventSource": "aws:sqs", "body": body});
    let records: Vec<Value> = bodies.iter().enumerate().map(record).collect();
    json!({ "Records": records })
}

#[test]
fn documents_are_read_raw_and_out_of_snss_envelope() {
    for document in [announcement(), an_alarm()] {
        let raw = news(&document.to_string()).unwrap();
        assert_eq!(news(&wrapped(&document).to_string()), Ok(raw.clone()));
        match raw {
            News::Announcement(read) => {
                assert_eq!(read.endpoint_id.as_str(), "vpce-0123456789abcdef0");
            }
            News::Alarm(read) => assert_eq!(read.finding, Finding::AcceptanceNotRequired),
            News::Reach => panic!("about no service"),
        }
    }
}

#[test]
fn what_is_told_of_who_gets_approval_email_is_known_and_belongs_to_no_channel() {
    let approver = "bob@example.com".parse().unwrap();
    let finding = reach::ReachFinding::ApproverNotReached { approver };
    let kind = alarm::AlarmKind::AlarmStarted;
    let alarm = reach::ReachAlarm::new(finding, kind, Timestamp::UNIX_EPOCH);
    let document = serde_json::to_value(alarm).unwrap();
    assert_eq!(news(&wrapped(&document).to_string()), Ok(News::Reach));
}

#[test]
fn a_bad_record_spoils_no_other() {
    let text = |value: &Value| Value::String(value.to_string());
    let mut later = announcement();
    later["schema"] = json!("privatelink-gatekeeper/announcement/2");
    let mut odd = announcement();
    odd["kind"] = json!("celebrated");
    let records = decode(batch(&[
        text(&announcement()),
        json!("not json"),
        json!(17),
        json!("[]"),
        text(&later),
        text(&odd),
        text(&json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen"})),
        text(&json!({"kind": "review_opened"})),
        text(&wrapped(&an_alarm())),
    ]))
    .unwrap();
    let ids: Vec<&str> = records
        .iter()
        .map(|record| record.id.as_deref().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "m-0", "m-1", "m-2", "m-3", "m-4", "m-5", "m-6", "m-7", "m-8"
        ]
    );
    let said: Vec<String> = records
        .iter()
        .map(|record| match &record.news {
            Ok(_) => "read".to_owned(),
            Err(malformed) => malformed.to_string(),
        })
        .collect();
    assert_eq!(said[0], "read");
    assert_eq!(said[1], "the body is not a JSON object: not json");
    assert_eq!(said[2], "the record has no body of text");
    assert_eq!(said[3], "the body is not a JSON object: []");
    assert!(said[4].contains("announcement/2"), "{}", said[4]);
    assert!(said[5].contains("celebrated"), "{}", said[5]);
    assert!(said[6].contains("SubscriptionConfirmation"), "{}", said[6]);
    assert!(said[7].contains("missing"), "{}", said[7]);
    assert_eq!(said[8], "read");
    for payload in [
        json!({}),
        json!([]),
        json!("Records"),
        json!({"Records": {}}),
    ] {
        assert_eq!(decode(payload).unwrap_err(), Malformed::NotABatch);
    }
}

#[test]
fn what_is_said_does_not_grow_with_the_record() {
    let long = "\u{202e}\n".repeat(100_000);
    for body in [
        long.clone(),
        json!({"schema": long}).to_string(),
        json!({"Type": long}).to_string(),
        json!({"schema": announcement::SCHEMA, "kind": long}).to_string(),
    ] {
        let said = news(&body).unwrap_err().to_string();
        assert!(said.len() < 1500, "{}", said.len());
        assert!(!said.contains(['\n', '\u{202e}']), "{said}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body: String, name in "schema|Type|Message|kind", value: String) {
        let _ = news(&body);
        let mut document = announcement();
        document[name.as_str()] = json!(value);
        let _ = news(&document.to_string());
        let _ = news(&wrapped(&json!({name: value})).to_string());
        let _ = decode(json!({"Records": [{"body": body}, body]}));
    }
}
