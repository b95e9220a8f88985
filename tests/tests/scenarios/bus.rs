//! An EventBridge bus as a second sink: each announcement is put there once, and neither sink waits
//! for the other.

use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::event::DetailType;
use gatekeeper_core::outbox::OutboxKey;
use gatekeeper_core::request::Status;
use gatekeeper_local::world::{EVENT_BUS, World};
use local_aws::{BusEvent, Fault, FaultKind};
use serde_json::Value;

use crate::announcements::kept;
use crate::support::*;

/// Three accounts ask: one unknown, one allowed, one denied. Two may decide; one of them is
/// reachable in Slack only.
const ASKED: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*"]
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001"}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  entries:
    - {service_id: "*", principal: "000000000001", effect: allow}
    - {service_id: "*", principal: "000000000002", effect: deny, customer: Example GmbH}
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
"#;

async fn world_with_bus(text: &str) -> World {
    let mut options = options();
    options.event_bus = true;
    world_with(options, text).await
}

fn on_bus(world: &World) -> Vec<BusEvent> {
    world.events.put_on(EVENT_BUS)
}

/// The contents of documents, in a fixed order.
fn sorted(documents: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut texts: Vec<String> = documents.into_iter().map(|it| it.to_string()).collect();
    texts.sort();
    texts
}

fn details(world: &World) -> Vec<Value> {
    on_bus(world)
        .into_iter()
        .map(|event| event.detail)
        .collect()
}

/// How many events on the bus are about an endpoint.
fn about(world: &World, n: u32) -> usize {
    let details = details(world);
    let of = |detail: &&Value| detail["endpoint_id"] == endpoint(n).as_str();
    details.iter().filter(of).count()
}

fn arn(n: u32) -> String {
    format!("arn:aws:ec2:us-east-1:{n:012}:vpc-endpoint/{}", endpoint(n))
}

/// Makes the bus answer the next tries for these endpoints with this code.
fn refuse(world: &World, code: &str, endpoints: &[u32], times: u32) {
    let kind = FaultKind::Unsuccessful {
        code: code.to_owned(),
        message: "injected".to_owned(),
        items: endpoints.iter().copied().map(arn).collect(),
    };
    let fault = Fault::new("PutEvents", kind);
    world.events.inject(fault.times(times));
}

/// How many entries each call had, in order.
fn entries_of_calls(world: &World) -> Vec<usize> {
    let calls = world.events.log().into_iter();
    calls
        .filter(|call| call.action == "PutEvents")
        .map(|call| {
            let names = call.params.iter().map(|(name, _)| name);
            names.filter(|name| name.ends_with(".Detail")).count()
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_put_on_any_bus_by_default() {
    let world = world_of(ASKED).await;
    world.reconcile().await;
    assert!(documents(&world).len() >= 3);
    assert_eq!(world.events.calls_of("PutEvents"), 0);
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn every_announcement_is_on_the_bus_once_and_no_approvers_email_is() {
    let world = world_with_bus(ASKED).await;
    world.reconcile().await;
    let (alice, bob) = (by_link(&world, "alice", 3), by_link(&world, "bob", 3));
    vote(&world, &alice, &approval()).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    // A customer is revoked, somebody decides on the console, an endpoint is deleted.
    remove(&world, "*", "allow", "000000000001").await;
    settings(&world, "revoke: enforce").await;
    edited(&world).await;
    somebody_asks(&world, 4, "000000000004");
    somebody_accepts(&world, 4);
    runs(&world, 4).await;
    // One approver becomes unreachable.
    for subscription in world.sns.subscriptions() {
        if subscription.endpoint == "bob@example.com" {
            world.sns.unsubscribe_by_link(&subscription.arn).unwrap();
        }
    }
    runs(&world, 2).await;

    let events = on_bus(&world);
    assert_eq!(sorted(details(&world)), sorted(documents(&world)));
    let mut types: Vec<&str> = events.iter().map(|it| it.detail_type.as_str()).collect();
    types.sort_unstable();
    types.dedup();
    let mut all = DetailType::ALL.map(DetailType::as_str);
    all.sort_unstable();
    assert_eq!(types, all, "of every kind");
    for event in &events {
        let schema = event.detail["schema"].as_str().unwrap();
        let detail_type = match schema.split('/').nth(1).unwrap() {
            "announcement" => "Connection Announcement",
            "alarm" => "Service Alarm",
            _ => "Reach Alarm",
        };
        assert_eq!(event.detail_type, detail_type);
        assert_eq!(event.source, "privatelink.gatekeeper");
        let at: jiff::Timestamp = event.detail["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            event.time,
            Some(f64::from(u32::try_from(at.as_second()).unwrap()))
        );
        if event.detail["endpoint_id"].is_string() {
            let account = event.detail["account_id"].as_str().unwrap();
            let id = event.detail["endpoint_id"].as_str().unwrap();
            let endpoint = format!("arn:aws:ec2:us-east-1:{account}:vpc-endpoint/{id}");
            let service =
                format!("arn:aws:ec2:us-east-1:111122223333:vpc-endpoint-service/{SERVICE}");
            assert_eq!(event.resources, [service, endpoint]);
        }
    }
    // Links are only for their recipients.
    let all = format!("{events:?}");
    for name in ["alice", "bob"] {
        let token = token(&world, name, 3);
        assert!(!all.contains(&token), "{name}'s link");
    }
    assert!(!all.contains("/a/"));
    drop(bob);
    assert_eq!(kept(&world, "outbox#").await, 0);
    assert_eq!(kept(&world, "refused").await, 0);
}

#[tokio::test]
async fn only_the_failed_event_of_ten_is_put_again() {
    let world = world_with_bus(OPEN).await;
    settings(&world, "on_unlisted: reject").await;
    edited(&world).await;
    for n in 1..=10 {
        somebody_asks(&world, n, &format!("{n:012}"));
    }
    for code in ["ThrottlingException", "InternalFailure"] {
        refuse(&world, code, &[7], 1);
    }
    world.reconcile_alone().await;
    world.events.reset_calls();
    world.announce().await.unwrap();
    for n in 1..=10 {
        assert_eq!(announcements_of(&world, n), ["rejected"], "{n}");
        assert_eq!(about(&world, n), 1, "{n}");
    }
    let calls = entries_of_calls(&world);
    let first = calls.iter().take_while(|count| **count == 10).count();
    assert!(first >= 1, "ten in a call: {calls:?}");
    assert_eq!(
        calls[calls.len() - 2..],
        [1, 1],
        "one, and once more: {calls:?}"
    );
    assert_eq!(sorted(details(&world)), sorted(documents(&world)));
    assert_eq!(kept(&world, "outbox#").await, 0);
    assert_eq!(kept(&world, "refused").await, 0);
}

#[tokio::test]
async fn an_event_that_the_bus_refuses_for_good_is_put_aside_and_everything_else_is_sent() {
    // Once by the entry, and once by the whole call.
    let of_call = FaultKind::Refused {
        code: "ValidationException".to_owned(),
        message: "injected".to_owned(),
        items: vec![arn(1)],
    };
    let of_entry = FaultKind::Unsuccessful {
        code: "MalformedDetail".to_owned(),
        message: "injected".to_owned(),
        items: vec![arn(1)],
    };
    for kind in [of_entry, of_call] {
        let world = world_with_bus(ASKED).await;
        let context = format!("{kind:?}");
        world.events.inject(Fault::new("PutEvents", kind).always());
        world.reconcile().await;
        assert_eq!(announcements_of(&world, 1), ["accepted"], "{context}");
        assert_eq!(about(&world, 1), 0, "{context}");
        for n in [2, 3] {
            assert_eq!(about(&world, n), 1, "{context}: {n}");
        }
        assert_eq!(approval_emails(&world, "alice", 3).len(), 1, "{context}");
        assert_eq!(
            kept(&world, "outbox#").await,
            0,
            "{context}: it is not tried again"
        );
        assert_eq!(kept(&world, "refused").await, 1, "{context}");
        let metrics = world.announcements().metrics();
        assert_eq!(metrics.last("RefusedMessages"), Some(1.0), "{context}");
        let before = world.events.calls_of("PutEvents");
        minutes_pass(&world, 10);
        world.sweep().await;
        assert_eq!(world.events.calls_of("PutEvents"), before, "{context}");
    }
}

#[tokio::test]
async fn while_sns_is_down_nothing_is_put_twice() {
    let world = world_with_bus(ASKED).await;
    world
        .sns
        .inject(Fault::new("PublishBatch", FaultKind::Throttle).always());
    world.reconcile().await;
    minutes_pass(&world, 6);
    world.sweep().await;
    assert!(documents(&world).is_empty());
    let put = sorted(details(&world));
    assert!(put.len() >= 3);
    world.sns.clear_faults();
    minutes_pass(&world, 1);
    world.sweep().await;
    assert_eq!(sorted(documents(&world)), put);
    assert_eq!(sorted(details(&world)), put, "once");
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn while_a_bus_is_down_nothing_is_announced_twice() {
    for kind in [
        FaultKind::Throttle,
        FaultKind::InternalError,
        FaultKind::Unauthorized,
        FaultKind::Hang,
    ] {
        let world = world_with_bus(ASKED).await;
        let context = format!("{kind:?}");
        world.events.inject(Fault::new("PutEvents", kind).always());
        world.reconcile().await;
        minutes_pass(&world, 6);
        world.sweep().await;
        assert!(details(&world).is_empty(), "{context}");
        let announced = sorted(documents(&world));
        assert_eq!(approval_emails(&world, "alice", 3).len(), 1, "{context}");
        assert!(kept(&world, "outbox#").await >= 3, "{context}");
        world.events.clear_faults();
        minutes_pass(&world, 1);
        world.sweep().await;
        assert_eq!(sorted(documents(&world)), announced, "{context}: once");
        assert_eq!(sorted(details(&world)), announced, "{context}");
        assert_eq!(approval_emails(&world, "alice", 3).len(), 1, "{context}");
        assert_eq!(kept(&world, "outbox#").await, 0, "{context}");
        assert_eq!(kept(&world, "refused").await, 0, "{context}");
    }
}

#[tokio::test]
async fn a_bus_that_denies_us_access_is_an_alarm_and_is_given_up_after_a_day() {
    let world = world_with_bus(ASKED).await;
    let refused = |world: &World| world.announcements().metrics().last("RefusedMessages");
    refuse(&world, "NotAuthorizedForDetailTypeException", &[], u32::MAX);
    world.reconcile().await;
    let metrics = world.announcements().metrics();
    let forbidden = ("error_type", "Permanent.Forbidden");
    assert_eq!(metrics.last_of("StepFailures", forbidden), Some(1.0));
    assert_eq!(
        metrics.last_of("StepFailures", ("step", "announce")),
        Some(1.0)
    );
    let waiting = kept(&world, "outbox#").await;
    assert_eq!(waiting, documents(&world).len(), "who mends it gets it all");
    hours_pass(&world, 23);
    world.sweep().await;
    assert_eq!(kept(&world, "outbox#").await, waiting);
    assert_eq!(refused(&world), None);
    hours_pass(&world, 2);
    world.sweep().await;
    assert_eq!(kept(&world, "outbox#").await, 0, "nothing piles up");
    assert_eq!(kept(&world, "refused").await, waiting);
    assert_eq!(refused(&world), Some(1.0));
    assert_eq!(
        sorted(documents(&world)).len(),
        waiting,
        "and was announced once"
    );
}

#[tokio::test]
async fn no_call_is_begun_that_could_outlast_the_invocation() {
    let world = world_with_bus(ASKED).await;
    world.reconcile_alone().await;
    let keys: Vec<OutboxKey> = world
        .outbox_records()
        .unwrap()
        .iter()
        .map(|record| {
            let key = |name: &str| record["dynamodb"]["Keys"][name]["S"].as_str().unwrap();
            OutboxKey {
                partition: key("pk").parse().unwrap(),
                id: key("sk").to_owned(),
            }
        })
        .collect();
    let late = Deadline::after(&world.clock, Duration::from_secs(20));
    let handled = world.announcements().handle(&keys, late).await;
    assert_eq!(world.events.calls_of("PutEvents"), 0);
    let announced = documents(&world).len();
    assert!(announced >= 3, "everything is announced all the same");
    let is_late = |handled: &Result<(), std::sync::Arc<gatekeeper_aws::error::Error>>| {
        handled.as_ref().is_err_and(|error| error.is_out_of_time())
    };
    assert!(handled.iter().all(is_late), "{handled:?}");
    minutes_pass(&world, 5);
    world.sweep().await;
    assert_eq!(sorted(details(&world)), sorted(documents(&world)));
    assert_eq!(kept(&world, "outbox#").await, 0);
}
