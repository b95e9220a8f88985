use local_aws::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::world::*;

const BUS: &str = "arn:aws:events:us-east-1:123456789012:event-bus/security";

fn put(world: &World, entries: &[Value]) -> JsonAnswer {
    let body = json!({ "Entries": entries }).to_string();
    let target = "AWSEvents.PutEvents";
    world
        .post_json("/events/", "AKIAPROVIDER", "us-east-1", target, &body)
        .unwrap()
}

fn entry(n: u32) -> Value {
    json!({
        "EventBusName": BUS,
        "Source": "example",
        "DetailType": "Example",
        "Resources": [format!("arn:example:{n}")],
        "Detail": format!("{{\"n\":{n}}}"),
        "Time": 1_700_000_000,
    })
}

fn with(n: u32, name: &str, value: &Value) -> Value {
    let mut entry = entry(n);
    entry[name] = value.clone();
    entry
}

/// The code of each entry; empty for one that is taken.
fn codes(answer: &JsonAnswer) -> Vec<String> {
    let entries = answer.body["Entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            assert!(entry["EventId"].is_string() != entry["ErrorCode"].is_string());
            entry["ErrorCode"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn events_lie_on_the_bus_that_they_are_put_on() {
    let world = World::new();
    assert_eq!(world.events.put_bus("security"), BUS);
    let answer = put(&world, &[entry(1), with(2, "EventBusName", &Value::Null)]);
    assert_eq!(answer.body["FailedEntryCount"], 0);
    let on_bus = world.events.put_on("security");
    assert_eq!(on_bus.len(), 1);
    assert_eq!(on_bus[0].id, answer.body["Entries"][0]["EventId"]);
    assert_eq!(on_bus[0].detail, json!({ "n": 1 }));
    assert_eq!(on_bus[0].resources, ["arn:example:1"]);
    assert_eq!(
        (on_bus[0].account.as_str(), on_bus[0].time),
        (PROVIDER, Some(1.7e9))
    );
    assert_eq!(world.events.put_on("default").len(), 1);

    let of_other = world
        .events
        .put_bus("arn:aws:events:us-east-1:444455556666:event-bus/security");
    put(&world, &[with(3, "EventBusName", &json!(of_other))]);
    assert_eq!(world.events.put_on(&of_other).len(), 1, "another account's");
    assert_eq!(world.events.put_on(BUS).len(), 1);
}

#[test]
fn what_aws_loses_in_silence_is_lost_in_silence() {
    let world = World::new();
    let answer = put(&world, &[entry(1)]);
    assert_eq!(codes(&answer), [""], "there is no such bus");
    world.events.put_bus("security");
    put(&world, &[with(2, "DetailType", &json!("x".repeat(129)))]);
    assert_eq!(world.events.put_on(BUS).len(), 0);
    put(&world, &[with(2, "DetailType", &json!("x".repeat(128)))]);
    assert_eq!(world.events.put_on(BUS).len(), 1);
}

#[test]
fn each_entry_is_answered_for_by_itself() {
    let world = World::new();
    world.events.put_bus("security");
    let answer = put(
        &world,
        &[
            entry(1),
            with(2, "Source", &json!("aws.ec2")),
            with(3, "Source", &json!("")),
            with(4, "DetailType", &Value::Null),
            with(5, "Detail", &Value::Null),
            with(6, "Detail", &json!("[]")),
            with(7, "Detail", &json!("{")),
            entry(8),
        ],
    );
    assert_eq!(
        codes(&answer),
        [
            "",
            "NotAuthorizedForSourceException",
            "InvalidArgument",
            "InvalidArgument",
            "InvalidArgument",
            "MalformedDetail",
            "MalformedDetail",
            "",
        ]
    );
    assert_eq!(answer.body["FailedEntryCount"], 6);
    assert_eq!(world.events.put_on(BUS).len(), 2);
}

#[test]
fn a_call_has_ten_entries_and_256_kb_at_the_most() {
    let world = World::new();
    world.events.put_bus("security");
    let entries = |n| (0..n).map(entry).collect::<Vec<_>>();
    let invalid = (400, "ValidationException".to_owned());
    for n in [0, 11] {
        assert_eq!(put(&world, &entries(n)).outcome(), invalid, "{n}");
    }
    assert_eq!(codes(&put(&world, &entries(10))), [""; 10]);
    // 14 for the time, 7 for each of source and detail type, 13 for the resource.
    let of = |bytes: usize| {
        let detail = format!("{{\"a\":\"{}\"}}", "ä".repeat((bytes - 8) / 2));
        with(1, "Detail", &json!(detail))
    };
    let most = 256 * 1024 - 41;
    let odd = put(&world, &[of(most - 1)]);
    assert_eq!(codes(&odd), [""]);
    assert_eq!(put(&world, &[of(most + 3)]).outcome(), invalid);
}

#[test]
fn single_entries_can_be_made_to_fail() {
    let world = World::new();
    world.events.put_bus("security");
    let kind = |items: &[&str]| FaultKind::Unsuccessful {
        code: "ThrottlingException".to_owned(),
        message: "injected".to_owned(),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
    };
    let fault = kind(&["arn:example:2"]);
    world.events.inject(Fault::new("PutEvents", fault));
    assert_eq!(codes(&put(&world, &[entry(1)])), [""], "not about this one");
    let answer = put(&world, &[entry(1), entry(2), entry(3)]);
    assert_eq!(codes(&answer), ["", "ThrottlingException", ""]);
    assert_eq!(codes(&put(&world, &[entry(2)])), [""], "once");
    world.events.inject(Fault::new("PutEvents", kind(&[])));
    assert_eq!(
        codes(&put(&world, &[entry(1), entry(2)])),
        ["ThrottlingException"; 2]
    );
    assert_eq!(world.events.put_on(BUS).len(), 4);
}
