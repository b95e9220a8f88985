//! Every kind of record as a table; and decoding never panics.

use gatekeeper_core::hint::HintKind;
use proptest::prelude::*;

use super::*;
use crate::batch::Batch;

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
const ENDPOINT: &str = "vpce-0123456789abcdef0";
const ACCOUNT: &str = "012345678901";

/// An item in DynamoDB JSON with this key and more.
fn item(service_id: &str, rule: &str, more: Value) -> Value {
    let mut item = json!({"service_id": {"S": service_id}, "rule": {"S": rule}});
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

fn allow(max: u32) -> Value {
    item(
        SERVICE,
        "allow#012345678901",
        json!({"max_connections": {"N": max.to_string()}}),
    )
}

/// An item that cannot be understood: a misspelt condition.
fn misspelt() -> Value {
    item(
        SERVICE,
        "allow#012345678901",
        json!({"max_conections": {"N": "1"}}),
    )
}

/// A record as Lambda delivers it.
fn event(name: &str, old: Option<Value>, new: Option<Value>) -> Value {
    let any = new.as_ref().or(old.as_ref()).unwrap();
    let mut change = json!({
        "ApproximateCreationDateTime": 1_795_000_000.0,
        "Keys": {"service_id": any["service_id"], "rule": any["rule"]},
        "SequenceNumber": "4421584500000000017450439091",
        "SizeBytes": 81,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    for (name, image) in [("OldImage", old), ("NewImage", new)] {
        if let Some(image) = image {
            change[name] = image;
        }
    }
    json!({
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": change,
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:111122223333:table/allowlist/stream/2026-11-20T12:00:00.000",
    })
}

fn inserted(new: Value) -> Value {
    event("INSERT", None, Some(new))
}

fn modified(old: Value, new: Value) -> Value {
    event("MODIFY", Some(old), Some(new))
}

fn removed(old: Value) -> Value {
    event("REMOVE", Some(old), None)
}

fn decoded(records: &[Value]) -> Vec<Record> {
    decode(&json!({ "Records": records })).unwrap()
}

fn edit_of(record: &Value) -> Edit {
    let mut records = decoded(std::slice::from_ref(record));
    assert_eq!(records.len(), 1);
    records.remove(0).edit
}

fn concerns(subject: Subject) -> Edit {
    Edit {
        subject: Some(subject),
        ..Edit::default()
    }
}

fn consumer() -> Subject {
    Subject::Consumer {
        service_id: Some(SERVICE.parse().unwrap()),
        account_id: ACCOUNT.parse().unwrap(),
    }
}

#[test]
fn an_edit_names_whom_it_concerns() {
    let service = || Subject::Service(SERVICE.parse().unwrap());
    let endpoints = Subject::Endpoints {
        service_id: None,
        endpoint_ids: vec![ENDPOINT.parse().unwrap()],
    };
    let settings = |more: Value| item("*", "settings", more);
    for (record, edit) in [
        (inserted(allow(1)), concerns(consumer())),
        (modified(allow(1), allow(2)), concerns(consumer())),
        (removed(allow(1)), concerns(consumer())),
        (modified(allow(1), allow(1)), Edit::default()),
        (
            modified(
                allow(1),
                item(
                    SERVICE,
                    "allow#012345678901",
                    json!({"max_connections": {"N": "1"}, "customer": {"S": "Example Ltd"}}),
                ),
            ),
            Edit::default(),
        ),
        (
            inserted(item("*", &format!("deny#{ENDPOINT}"), json!({}))),
            concerns(endpoints),
        ),
        (
            removed(item(
                SERVICE,
                "allow#o-1/r-ab12/*",
                json!({"regions": {"SS": ["us-east-1"]}}),
            )),
            concerns(service()),
        ),
        (
            inserted(item(SERVICE, "allow#*", json!({}))),
            concerns(service()),
        ),
        (
            modified(
                settings(json!({})),
                settings(json!({"on_unlisted": {"S": "reject"}})),
            ),
            concerns(Subject::Everything),
        ),
        (
            modified(
                settings(json!({})),
                settings(json!({"remind_hours": {"N": "4"}})),
            ),
            Edit::default(),
        ),
    ] {
        assert_eq!(edit_of(&record), edit, "{record}");
    }
}

/// An entry that ends, and may be deleted at this second.
fn ending(purge_at: &str, expires_at: Option<&str>) -> Value {
    let mut item = item(
        SERVICE,
        "allow#012345678901",
        json!({"purge_at": {"N": purge_at}}),
    );
    if let Some(end) = expires_at {
        item["expires_at"] = json!({ "S": end });
    }
    item
}

#[test]
fn a_deletion_by_dynamodb_is_an_edit_that_is_marked_as_such() {
    let by = |kind: &str, principal: &str| json!({"type": kind, "principalId": principal});
    let of_dynamodb = by("Service", "dynamodb.amazonaws.com");
    let purged_rule = |record: &Value| {
        let edit = edit_of(record);
        assert_eq!(edit.subject, Some(consumer()), "{record}");
        edit.purged.map(|entry| entry.rule().to_string())
    };
    let mut record = removed(allow(1));
    assert_eq!(purged_rule(&record), None, "somebody removed it");
    record["userIdentity"] = of_dynamodb.clone();
    let rule = format!("allow {ACCOUNT} on {SERVICE}");
    assert_eq!(purged_rule(&record), Some(rule));
    for other in [
        by("service", "dynamodb.amazonaws.com"),
        by("Service", "DynamoDB.amazonaws.com"),
        by("Service", "dynamodb.amazonaws.com.example.com"),
        by("Service", "dynamodb.amazonaws.com "),
        by("AssumedRole", "dynamodb.amazonaws.com"),
        by("Service", "replication.dynamodb.amazonaws.com"),
        json!({"principalId": "dynamodb.amazonaws.com"}),
        json!({"type": "Service"}),
        json!("dynamodb.amazonaws.com"),
        json!(null),
    ] {
        record["userIdentity"] = other;
        assert_eq!(purged_rule(&record), None, "{record}");
    }
    // Only a deletion counts.
    let mut put = inserted(allow(1));
    put["userIdentity"] = of_dynamodb.clone();
    assert_eq!(purged_rule(&put), None);
    let mut changed = modified(allow(1), allow(2));
    changed["userIdentity"] = of_dynamodb.clone();
    assert_eq!(purged_rule(&changed), None);
    // An item that could not be understood does not tell whom it allowed.
    let mut record = removed(misspelt());
    record["userIdentity"] = of_dynamodb;
    assert_eq!(purged_rule(&record), None);
}

#[test]
fn an_entry_that_may_be_deleted_before_it_ends_is_reported_and_holds() {
    let end = Some("2027-01-15T08:00:00Z");
    let seconds = "1800000000";
    for (item, expected) in [
        (ending("1800000001", end), None),
        (ending(seconds, end), Some("is not after expires_at")),
        (ending("1799999999", end), Some("is not after expires_at")),
        (ending(seconds, None), Some("stands without expires_at")),
        (ending("-1", end), Some("is before 1970")),
        (ending("1800000001000", end), Some("not milliseconds")),
    ] {
        for record in [inserted(item.clone()), modified(allow(1), item.clone())] {
            let edit = edit_of(&record);
            assert_eq!(edit.subject, Some(consumer()), "{record}");
            let said = edit.malformed.map(|wrong| wrong.to_string());
            assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
            if let (Some(said), Some(expected)) = (said, expected) {
                let named = format!("the allowlist item {SERVICE} / allow#{ACCOUNT} is wrong: ");
                assert!(
                    said.starts_with(&named) && said.contains(expected),
                    "{said}"
                );
            }
        }
        // After it is removed or corrected, nothing is wrong any more.
        for record in [removed(item.clone()), modified(item.clone(), allow(1))] {
            let edit = edit_of(&record);
            assert_eq!(edit.malformed, None, "{record}");
            assert_eq!(edit.corrected.is_some(), expected.is_some(), "{record}");
        }
    }
    // A malformed number is reported and stops what it concerns, like every wrong type.
    for number in ["1800000000.5", "1E+40"] {
        let said = edit_of(&inserted(ending(number, end))).malformed.unwrap();
        let said = said.to_string();
        assert!(
            said.contains("cannot be understood: purge_at is "),
            "{said}"
        );
        assert!(
            said.contains("a whole number of seconds since 1970"),
            "{said}"
        );
    }
}

#[test]
fn when_an_entry_may_be_deleted_concerns_nobody() {
    let end = Some("2027-01-15T08:00:00Z");
    let record = modified(ending("1800000001", end), ending("1800000002", end));
    assert_eq!(edit_of(&record), Edit::default());
}

#[test]
fn an_item_that_cannot_be_understood_is_reported_and_the_others_are_looked_at() {
    let why = format!(
        "the allowlist item {SERVICE} / allow#{ACCOUNT} cannot be understood: max_conections is not an attribute of an entry; did you mean max_connections?"
    );
    let why = Some(why.as_str());
    let elsewhere = |rule: &str| item(SERVICE, rule, json!({"note": {"S": "x"}}));
    let unnamed = json!({"service_id": {"S": SERVICE}, "rule": {"N": "1"}});
    let no_rule = format!("the allowlist item {SERVICE} / permit#1 cannot be understood: ");
    let without = |mut record: Value, image: &str| {
        record["dynamodb"].as_object_mut().unwrap().remove(image);
        record
    };
    let missing = |image: &str| {
        format!(
            "the record has no {image} of {SERVICE} / allow#{ACCOUNT}; the stream must carry new and old images"
        )
    };
    let (no_old, no_new) = (missing("OldImage"), missing("NewImage"));
    let keys_only = without(
        without(modified(allow(1), allow(2)), "OldImage"),
        "NewImage",
    );
    for (record, subject, malformed, corrected) in [
        // The other side names whom the edit concerned.
        (modified(allow(1), misspelt()), Some(consumer()), why, None),
        (modified(misspelt(), allow(1)), Some(consumer()), None, why),
        // The key does.
        (inserted(misspelt()), Some(consumer()), why, None),
        (removed(misspelt()), Some(consumer()), None, why),
        (
            modified(misspelt(), misspelt()),
            Some(consumer()),
            why,
            None,
        ),
        (
            removed(elsewhere("settings")),
            Some(Subject::Service(SERVICE.parse().unwrap())),
            None,
            Some(
                "the allowlist item vpce-svc-0a1b2c3d4e5f60718 / settings cannot be understood: note is not a setting; take it out",
            ),
        ),
        // A key that judging does not read concerns those whom it certainly names, here nobody in
        // particular.
        (
            inserted(elsewhere("permit#1")),
            Some(Subject::Service(SERVICE.parse().unwrap())),
            Some(no_rule.as_str()),
            None,
        ),
        (
            removed(elsewhere("permit#1")),
            Some(Subject::Service(SERVICE.parse().unwrap())),
            None,
            Some(no_rule.as_str()),
        ),
        // Nothing says where to look.
        (
            inserted(unnamed),
            None,
            Some("the allowlist item vpce-svc-0a1b2c3d4e5f60718 / ? cannot be understood: "),
            None,
        ),
        // A stream that does not carry both images.
        (
            without(modified(allow(1), allow(2)), "OldImage"),
            Some(consumer()),
            Some(no_old.as_str()),
            None,
        ),
        (
            without(modified(allow(1), allow(1)), "NewImage"),
            Some(consumer()),
            Some(no_new.as_str()),
            None,
        ),
        (keys_only, Some(consumer()), Some(no_new.as_str()), None),
        // An event of an unknown kind must have both.
        (
            event("REPLACE", None, Some(allow(1))),
            Some(consumer()),
            Some(no_old.as_str()),
            None,
        ),
    ] {
        let edit = edit_of(&record);
        assert_eq!(edit.subject, subject, "{record}");
        for (said, expected) in [(edit.malformed, malformed), (edit.corrected, corrected)] {
            let said = said.map(|said| said.to_string());
            assert_eq!(said.is_some(), expected.is_some(), "{record}: {said:?}");
            if let (Some(said), Some(expected)) = (said, expected) {
                assert!(said.starts_with(expected), "{record}: {said}");
            }
        }
    }
}

#[test]
fn the_key_is_found_at_any_of_its_places() {
    for spoilt in [
        json!(null),
        json!({}),
        json!([]),
        json!({"service_id": {"S": SERVICE}}),
        json!({"service_id": {"S": SERVICE}, "rule": {"N": "1"}}),
    ] {
        for mut record in [inserted(misspelt()), removed(misspelt())] {
            record["dynamodb"]["Keys"] = spoilt.clone();
            assert_eq!(edit_of(&record).subject, Some(consumer()), "{record}");
        }
    }
    let mut record = inserted(misspelt());
    record["dynamodb"]["NewImage"] = json!("gone");
    assert_eq!(edit_of(&record).subject, Some(consumer()));
}

#[test]
fn a_malformed_record_does_not_affect_the_others() {
    let mut foreign = inserted(allow(1));
    foreign["eventSource"] = json!("aws:sqs");
    let mut empty = inserted(allow(1));
    empty["dynamodb"] = json!("nothing");
    let bad = [
        json!(null),
        json!("text"),
        json!({}),
        json!({"eventSource": "aws:dynamodb"}),
        foreign,
        empty,
    ];
    let mut records = bad.to_vec();
    records.push(inserted(allow(1)));
    let decoded = decoded(&records);
    assert_eq!(decoded.len(), bad.len() + 1);
    let (good, rest) = decoded.split_last().unwrap();
    assert_eq!(good.edit, concerns(consumer()));
    assert_eq!(
        good.sequence_number.as_deref(),
        Some("4421584500000000017450439091")
    );
    for (record, bad) in rest.iter().zip(&bad) {
        assert_eq!(record.sequence_number, None, "{bad}");
        assert_eq!(record.edit.subject, None, "{bad}");
        assert!(
            matches!(record.edit.malformed, Some(Malformed::NotARecord { .. })),
            "{bad}"
        );
    }
}

#[test]
fn only_a_nonempty_text_is_a_sequence_number() {
    for number in [json!(""), json!(17), json!(null)] {
        let mut record = inserted(allow(1));
        record["dynamodb"]["SequenceNumber"] = number;
        let records = decoded(&[record]);
        assert_eq!(records[0].sequence_number, None);
        assert_eq!(records[0].edit, concerns(consumer()));
    }
}

#[test]
fn a_payload_that_is_no_stream_event_is_refused_as_a_whole() {
    let queue = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{}"}]});
    let bare = inserted(allow(1));
    for payload in [
        json!(null),
        json!({}),
        json!([]),
        json!("text"),
        json!({"Records": []}),
        json!({"Records": {}}),
        json!({"Records": [{}]}),
        queue,
        bare,
    ] {
        let error = decode(&payload).unwrap_err().to_string();
        let said = "this is no event of the allowlist table's stream, so nothing was done: ";
        assert!(error.starts_with(said), "{error}");
        assert!(error.len() < 700, "{error}");
    }
}

#[test]
fn an_error_does_not_grow_with_its_record() {
    let long = "x".repeat(400_000);
    let image = item("*", "settings", json!({"on_unlisted": {"S": long}}));
    let nameless = json!({"eventSource": "aws:dynamodb", "eventName": "INSERT",
        "dynamodb": {"Keys": {"service_id": {"S": long}, "rule": {"S": long}}}});
    let foreign = json!({ "long": long });
    for record in [inserted(image), nameless, foreign.clone()] {
        let records = decoded(&[inserted(allow(1)), record]);
        let malformed = records[1].edit.malformed.as_ref().unwrap().to_string();
        assert!(malformed.len() < 700, "{}", malformed.len());
    }
    assert!(decode(&foreign).unwrap_err().to_string().len() < 700);
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "Records",
            "eventSource",
            "eventName",
            "dynamodb",
            "Keys",
            "OldImage",
            "NewImage",
            "SequenceNumber",
            "service_id",
            "rule",
            "max_connections",
            "on_unlisted",
            "regions",
            "S",
            "N",
            "SS",
            "B",
            "M",
            "L",
            "NULL",
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
    ];
    let text = prop_oneof![
        prop::sample::select(vec![
            "aws:dynamodb",
            "INSERT",
            "MODIFY",
            "REMOVE",
            SERVICE,
            "*",
            "settings",
            "allow#012345678901",
            "deny#o-1/*",
            "1",
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| (n.to_string(), item))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, item)| (name.replace('~', "~0").replace('/', "~1"), item))
            .collect(),
        _ => Vec::new(),
    };
    for (name, item) in inner {
        places(item, &format!("{at}/{name}"), all);
    }
}

/// Reads a payload, and checks properties of any payload: there is an answer, it has every record,
/// and each error is a short sentence.
fn survives(payload: &Value) -> Result<(), TestCaseError> {
    let records = match decode(payload) {
        Ok(records) => records,
        Err(error) => {
            prop_assert!(error.to_string().len() < 1000);
            return Ok(());
        }
    };
    prop_assert_eq!(records.len(), payload["Records"].as_array().unwrap().len());
    for record in &records {
        let edit = &record.edit;
        for malformed in [&edit.malformed, &edit.corrected].into_iter().flatten() {
            prop_assert!(malformed.to_string().len() < 2000, "{}", malformed);
        }
    }
    let batch = Batch::new(records);
    prop_assert!(
        batch
            .hints()
            .iter()
            .all(|hint| hint.kind == HintKind::PolicyEdited && hint.actor.is_none())
    );
    let done: Vec<_> = batch.hints().iter().map(|_| Ok(())).collect();
    let response = batch.answer(&done).into_response();
    prop_assert!(response.is_ok_and(|response| response.batch_item_failures.is_empty()));
    Ok(())
}

fn real_event() -> Value {
    json!({"Records": [
        inserted(allow(1)),
        modified(misspelt(), item("*", "settings", json!({"on_unlisted": {"S": "reject"}}))),
        removed(item("*", "deny#*", json!({"regions": {"SS": ["us-east-1"]}}))),
    ]})
}

proptest! {
    #[test]
    fn any_json_is_read_without_panic(value in any_json()) {
        survives(&value)?;
        survives(&json!({"Records": [inserted(allow(1)), value]}))?;
    }

    #[test]
    fn any_image_is_read_without_panic(old in any_json(), new in any_json()) {
        let mut record = modified(allow(1), allow(1));
        record["dynamodb"]["OldImage"] = old;
        record["dynamodb"]["NewImage"] = new;
        survives(&json!({"Records": [record]}))?;
    }

    #[test]
    fn any_change_to_a_real_event_is_read_without_panic(
        place in any::<prop::sample::Index>(),
        other in any_json(),
    ) {
        let mut payload = real_event();
        let mut all = Vec::new();
        places(&payload, "", &mut all);
        *payload.pointer_mut(place.get(&all[..]).as_str()).unwrap() = other;
        survives(&payload)?;
    }

    /// What one record holds never changes how another is read.
    #[test]
    fn records_are_read_one_by_one(value in any_json()) {
        let beside = decoded(&[value, inserted(allow(1))]);
        let alone = decoded(&[inserted(allow(1))]);
        prop_assert_eq!(&beside[1..], &alone[..]);
    }
}

#[test]
fn an_unexpected_key_is_reported_and_concerns_those_whom_it_names() {
    let account = || {
        Some(Subject::Consumer {
            service_id: Some(SERVICE.parse().unwrap()),
            account_id: ACCOUNT.parse().unwrap(),
        })
    };
    let arn = format!("deny#arn:aws:iam::{ACCOUNT}:root");
    let name = format!("com.amazonaws.vpce.us-east-1.{SERVICE}");
    let capital = format!("Deny#{ACCOUNT}");
    let deny = format!("deny#{ACCOUNT}");
    let allow = format!("Allow#{ACCOUNT}");
    for (service_id, rule, subject, is_malformed) in [
        (SERVICE, arn.as_str(), account(), false),
        (SERVICE, capital.as_str(), account(), true),
        (name.as_str(), deny.as_str(), account(), true),
        (SERVICE, allow.as_str(), None, true),
        ("payments", deny.as_str(), None, true),
    ] {
        let key = PolicyKey::new(service_id, rule);
        let written = edit_of(&inserted(item(service_id, rule, json!({}))));
        assert_eq!(written.unexpected_key, Some(key.clone()));
        assert_eq!(written.subject, subject, "{key}");
        assert_eq!(written.malformed.is_some(), is_malformed, "{key}");
        let taken_away = edit_of(&removed(item(service_id, rule, json!({}))));
        assert_eq!(taken_away.unexpected_key, Some(key.clone()));
        assert_eq!(taken_away.subject, subject, "{key}");
    }
    for rule in [deny.as_str(), "settings", "allow#*"] {
        let edit = edit_of(&inserted(item(SERVICE, rule, json!({}))));
        assert_eq!(edit.unexpected_key, None, "{rule}");
    }
}

#[test]
fn an_acknowledgement_concerns_nobody_and_an_invalid_one_is_reported() {
    let rule = format!("anyone_may_ask#{SERVICE}");
    let whole = || {
        json!({
            "evidence": {"SS": ["*"]},
            "acknowledged_by": {"S": "alice@example.com"},
            "until": {"S": "2027-01-31T00:00:00Z"},
        })
    };
    let edit = edit_of(&inserted(item("acknowledgements", &rule, whole())));
    assert_eq!(edit, Edit::default());
    let edit = edit_of(&removed(item("acknowledgements", &rule, whole())));
    assert_eq!(edit, Edit::default());

    let mut wrong = whole();
    wrong["until"] = json!({"N": "5"});
    for (rule, attributes, said) in [
        (
            rule.as_str(),
            wrong,
            "until is a number; write when it ends",
        ),
        (
            "settings",
            whole(),
            "rule is \"settings\"; write <finding>#<service>",
        ),
        ("deny#*", whole(), "What can be acknowledged is"),
    ] {
        let spoiled = item("acknowledgements", rule, attributes);
        let edit = edit_of(&inserted(spoiled.clone()));
        let malformed = edit.malformed.clone().unwrap();
        let key = format!("acknowledgements / {rule}");
        assert!(malformed.to_string().contains(&key), "{malformed}");
        assert!(malformed.to_string().contains(said), "{malformed}");
        assert_eq!(
            (&edit.subject, &edit.unexpected_key),
            (&None, &None),
            "{rule}"
        );
        let taken_away = edit_of(&removed(spoiled));
        assert_eq!(taken_away.corrected, Some(malformed), "{rule}");
        assert_eq!(
            (taken_away.subject, taken_away.malformed),
            (None, None),
            "{rule}"
        );
    }
}
