//! Items of the allowlist whose keys judging does not read: a deny among them must not be ignored.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::State;

use crate::support::*;

/// One service on which everybody is allowed. The keys below are about account 1 only.
const EVERYBODY_IS_ALLOWED: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001"}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
policy:
  entries:
    - {service_id: "*", principal: "*", effect: allow}
"#;

const NAME: &str = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718";
const ARN: &str =
    "arn:aws:ec2:us-east-1:111122223333:vpc-endpoint-service/vpce-svc-0a1b2c3d4e5f60718";

/// What a key means for account 1, and for account 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It is understood: account 1 is rejected, account 2 accepted.
    Holds,
    /// Account 1 stays undecided, account 2 is accepted.
    OneWaits,
    /// Both stay undecided.
    BothWait,
    /// Both are accepted.
    Nobody,
}

const KEYS: &[(&str, &str, Expected)] = &[
    ("*", "deny#arn:aws:iam::000000000001:root", Expected::Holds),
    (
        SERVICE,
        "deny#arn:aws:iam::000000000001:root",
        Expected::Holds,
    ),
    ("*", "deny#000000000001 ", Expected::Holds),
    ("*", " deny#000000000001", Expected::Holds),
    (SERVICE, "deny# 000000000001\n", Expected::Holds),
    ("*", "deny#vpce-00000000000000001\t", Expected::Holds),
    ("* ", "deny#000000000001", Expected::Holds),
    (
        " vpce-svc-0a1b2c3d4e5f60718",
        "deny#000000000001",
        Expected::Holds,
    ),
    ("*", "deny#0000-0000-0001", Expected::OneWaits),
    ("*", "Deny#000000000001", Expected::OneWaits),
    (SERVICE, "DENY#000000000001", Expected::OneWaits),
    ("*", "deny:000000000001", Expected::OneWaits),
    (
        "*",
        "deny#arn:aws:iam::000000000001:role/x",
        Expected::OneWaits,
    ),
    ("*", "deny#VPCE-00000000000000001", Expected::OneWaits),
    (NAME, "deny#000000000001", Expected::OneWaits),
    (ARN, "deny#000000000001", Expected::OneWaits),
    (
        "VPCE-SVC-0A1B2C3D4E5F60718",
        "deny#000000000001",
        Expected::OneWaits,
    ),
    ("*", "Deny#*", Expected::BothWait),
    (
        SERVICE,
        "deny#000000000001,000000000003",
        Expected::BothWait,
    ),
    (NAME, "deny#*", Expected::BothWait),
    ("*", "Settings", Expected::BothWait),
    ("*", "Allow#000000000001", Expected::Nobody),
    (
        SERVICE,
        "allow#arn:aws:iam::000000000001:root",
        Expected::Nobody,
    ),
    ("payments", "deny#000000000001", Expected::Nobody),
    (
        "vpce-svc-0bbbbbbbbbbbbbbbb",
        "Deny#000000000001",
        Expected::Nobody,
    ),
];

async fn put_key(world: &World, service_id: &str, rule: &str) {
    put_item(world, service_id, rule, &[]).await;
}

async fn put_item(world: &World, service_id: &str, rule: &str, more: &[(&str, AttributeValue)]) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table())
        .item("service_id", text(service_id))
        .item("rule", text(rule));
    for (name, value) in more {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
}

async fn delete_key(world: &World, service_id: &str, rule: &str) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    world
        .tables()
        .delete_item()
        .table_name(world.allowlist_table())
        .key("service_id", text(service_id))
        .key("rule", text(rule))
        .send()
        .await
        .unwrap();
}

async fn seen(world: &World) -> Expected {
    let one = (status(world, 1).await, state(world, 1));
    let two = (status(world, 2).await, state(world, 2));
    let accepted = |seen: &(Option<Status>, Option<State>)| {
        seen.0 == Some(Status::Accepted) && seen.1 != Some(State::PendingAcceptance)
    };
    let waits = (None, Some(State::PendingAcceptance));
    match (one, two) {
        ((Some(Status::Rejected), Some(State::Rejected)), two) if accepted(&two) => Expected::Holds,
        (one, two) if one == waits && accepted(&two) => Expected::OneWaits,
        (one, two) if one == waits && two == waits => Expected::BothWait,
        (one, two) if accepted(&one) && accepted(&two) => Expected::Nobody,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deny_under_an_unexpected_key_accepts_nobody() {
    for (service_id, rule, expected) in KEYS {
        let world = world_of(EVERYBODY_IS_ALLOWED).await;
        put_key(&world, service_id, rule).await;
        edited(&world).await;
        handle(&world, batch_of(2)).await;
        assert_eq!(seen(&world).await, *expected, "{service_id:?} {rule:?}");
        // It stays so, and is logged in each run.
        for _ in 0..2 {
            world.reconcile().await;
            assert_eq!(seen(&world).await, *expected, "{service_id:?} {rule:?}");
            minutes_pass(&world, 70);
        }
    }
}

#[tokio::test]
async fn the_first_decision_sees_it_even_without_an_event_of_the_stream() {
    for (service_id, rule, expected) in KEYS {
        let is_elsewhere = !["*", SERVICE].contains(service_id);
        let world = new_world_with(options(), EVERYBODY_IS_ALLOWED).await;
        put_key(&world, service_id, rule).await;
        world.forget_edits().unwrap();
        if is_elsewhere {
            // In which other partitions there is something is found by the first run of reconcile.
            world.reconcile().await;
        } else {
            handle(&world, batch_of(2)).await;
        }
        assert_eq!(seen(&world).await, *expected, "{service_id:?} {rule:?}");
    }
}

#[tokio::test]
async fn reconcile_finds_within_an_hour_what_the_stream_lost_and_within_a_day_elsewhere() {
    for (service_id, hours) in [("*", 1), (SERVICE, 1), (NAME, 24), ("* ", 24)] {
        let world = world_of(OPEN).await;
        allow(&world, "*", "*").await;
        world.reconcile().await;
        minutes_pass(&world, 5);
        put_key(&world, service_id, "Deny#000000000001").await;
        world.forget_edits().unwrap();
        hours_pass(&world, hours);
        world.reconcile().await;
        somebody_asks(&world, 1, "000000000001");
        somebody_asks(&world, 2, "000000000002");
        handle(&world, batch_of(2)).await;
        assert_eq!(seen(&world).await, Expected::OneWaits, "{service_id:?}");
    }
}

#[tokio::test]
async fn a_decision_does_not_depend_on_a_state_that_is_two_hours_old() {
    let world = world_of(EVERYBODY_IS_ALLOWED).await;
    put_key(&world, "*", "Deny#000000000001").await;
    world.forget_edits().unwrap();
    hours_pass(&world, 2);
    handle(&world, batch_of(2)).await;
    assert_eq!(seen(&world).await, Expected::OneWaits);
    // Only its age makes the remembered state too old: a younger one would have been believed.
    let world = world_of(EVERYBODY_IS_ALLOWED).await;
    put_key(&world, "*", "Deny#000000000001").await;
    world.forget_edits().unwrap();
    minutes_pass(&world, 119);
    handle(&world, batch_of(2)).await;
    assert_eq!(seen(&world).await, Expected::Nobody);
}

#[tokio::test]
async fn a_correction_decides_at_once() {
    for (service_id, rule) in [
        ("*", "Deny#000000000001"),
        (NAME, "deny#000000000001"),
        (SERVICE, "Deny#*"),
        ("*", "deny#0000-0000-0001"),
    ] {
        let world = world_of(EVERYBODY_IS_ALLOWED).await;
        put_key(&world, service_id, rule).await;
        edited(&world).await;
        handle(&world, batch_of(2)).await;
        assert_ne!(seen(&world).await, Expected::Nobody, "{rule}");
        delete_key(&world, service_id, rule).await;
        edited(&world).await;
        assert_eq!(seen(&world).await, Expected::Nobody, "{service_id} {rule}");
    }
}

#[tokio::test]
async fn a_deny_that_is_understood_holds_with_its_conditions() {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let list = |value: &str| AttributeValue::L(vec![text(value)]);
    for (name, value, expected) in [
        ("expires_at", text("2020-01-01T00:00:00Z"), Expected::Nobody),
        ("expires_at", text("2099-01-01T00:00:00Z"), Expected::Holds),
        ("regions", list("us-east-1"), Expected::Holds),
        ("regions", list("eu-west-1"), Expected::Nobody),
        // Another mistake in it keeps account 1 undecided.
        (
            "max_connections",
            AttributeValue::N("1".to_owned()),
            Expected::OneWaits,
        ),
        ("expires", text("2020-01-01T00:00:00Z"), Expected::OneWaits),
    ] {
        let world = world_of(EVERYBODY_IS_ALLOWED).await;
        let item = [(name, value.clone())];
        put_item(&world, "*", "deny#arn:aws:iam::000000000001:root", &item).await;
        edited(&world).await;
        handle(&world, batch_of(2)).await;
        assert_eq!(seen(&world).await, expected, "{name} {value:?}");
    }
}

#[tokio::test]
async fn a_connection_is_revoked_only_by_a_key_that_is_understood() {
    for (rule, expected) in [
        ("deny#arn:aws:iam::000000000001:root", Status::Rejected),
        ("Deny#000000000001", Status::Accepted),
    ] {
        let world = world_of(EVERYBODY_IS_ALLOWED).await;
        settings(&world, "revoke: enforce, revoke_grace_hours: 1").await;
        handle(&world, batch_of(2)).await;
        assert_eq!(seen(&world).await, Expected::Nobody);
        put_key(&world, "*", rule).await;
        edited(&world).await;
        for _ in 0..4 {
            hours_pass(&world, 1);
            world.reconcile().await;
        }
        assert_eq!(status(&world, 1).await, Some(expected), "{rule}");
        assert_eq!(status(&world, 2).await, Some(Status::Accepted), "{rule}");
    }
}

/// Writes an item, and runs policy-changes, between the reading for a decision and its writing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_and_a_new_key_cannot_pass_each_other() {
    for (service_id, rule, expected) in [
        ("*", "Deny#000000000001", Expected::OneWaits),
        (NAME, "deny#000000000001", Expected::OneWaits),
        ("*", "deny#arn:aws:iam::000000000001:root", Expected::Holds),
    ] {
        let world = Arc::new(world_of(EVERYBODY_IS_ALLOWED).await);
        let calls = Calls::of(&world);
        let (own, runtime) = (Arc::clone(&world), tokio::runtime::Handle::current());
        calls.after(READS, move || {
            tokio::task::block_in_place(|| {
                runtime.block_on(async {
                    put_key(&own, service_id, rule).await;
                    edited(&own).await;
                });
            });
        });
        handle(&world, batch_of(2)).await;
        assert_eq!(seen(&world).await, expected, "{service_id} {rule}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_depends_on_the_deny_that_it_read_under_an_unexpected_key() {
    // It is expired when it is read, and valid when the decision is written.
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let expired = [("expires_at", text("2020-01-01T00:00:00Z"))];
    let world = Arc::new(world_of(OPEN).await);
    allow(&world, "*", "*").await;
    let rule = "deny#000000000001 ";
    put_item(&world, "*", rule, &expired).await;
    edited(&world).await;
    somebody_asks(&world, 1, "000000000001");
    somebody_asks(&world, 2, "000000000002");
    let calls = Calls::of(&world);
    let (own, runtime) = (Arc::clone(&world), tokio::runtime::Handle::current());
    // One more read: the deny itself.
    calls.after(READS + 1, move || {
        tokio::task::block_in_place(|| runtime.block_on(put_key(&own, "*", rule)));
    });
    handle(&world, batch_of(2)).await;
    assert_eq!(seen(&world).await, Expected::Holds);
}

#[tokio::test]
async fn if_keys_cannot_be_read_or_remembered_nothing_is_decided() {
    use gatekeeper_local::dynamodb::Fault;
    for operation in ["Query", "PutItem"] {
        let world = new_world_with(options(), EVERYBODY_IS_ALLOWED).await;
        world
            .dynamodb
            .inject(operation, Fault::InternalError, 1_000);
        let answer = handle(&world, batch_of(2)).await;
        assert_eq!(given_back(answer).len(), 2, "{operation}");
        assert_eq!(seen(&world).await, Expected::BothWait, "{operation}");
        world.dynamodb.clear_faults();
        handle(&world, batch_of(2)).await;
        assert_eq!(seen(&world).await, Expected::Nobody, "{operation}");
    }
}

#[tokio::test]
async fn an_edit_that_cannot_be_remembered_is_delivered_again() {
    use gatekeeper_local::dynamodb::Fault;
    let world = world_of(EVERYBODY_IS_ALLOWED).await;
    put_key(&world, "*", "Deny#000000000001").await;
    world
        .dynamodb
        .inject("PutItem", Fault::InternalError, 1_000);
    assert!(world.follow_edits().await.unwrap() > 0, "it comes again");
    assert_eq!(
        seen(&world).await,
        Expected::BothWait,
        "nobody was decided by it"
    );
    world.dynamodb.clear_faults();
    edited(&world).await;
    handle(&world, batch_of(2)).await;
    assert_eq!(seen(&world).await, Expected::OneWaits);
}

#[tokio::test]
async fn the_remembered_keys_are_written_only_when_they_change() {
    let world = world_of(EVERYBODY_IS_ALLOWED).await;
    handle(&world, batch_of(2)).await;
    put_key(&world, "*", "Allow#000000000009").await;
    edited(&world).await;
    world.dynamodb.reset_calls();
    // The same item with another customer: no key changed.
    let about = [("customer", AttributeValue::S("Example".to_owned()))];
    put_item(&world, "*", "Allow#000000000009", &about).await;
    edited(&world).await;
    // Entries with keys that judging reads concern nobody here.
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000009", effect: allow}"#,
    )
    .await;
    edited(&world).await;
    let puts = world
        .dynamodb
        .calls()
        .get("PutItem")
        .copied()
        .unwrap_or_default();
    assert_eq!(puts, 2, "the test's own");
}

#[tokio::test]
async fn a_hand_edited_state_is_replaced() {
    let world = world_of(EVERYBODY_IS_ALLOWED).await;
    put_key(&world, "*", "Deny#000000000001").await;
    world.forget_edits().unwrap();
    world
        .tables()
        .put_item()
        .table_name(world.requests_table())
        .item("pk", AttributeValue::S("unexpected-keys#*".to_owned()))
        .item("sk", AttributeValue::S("unexpected-keys".to_owned()))
        .item("revision", AttributeValue::S("none".to_owned()))
        .send()
        .await
        .unwrap();
    handle(&world, batch_of(2)).await;
    assert_eq!(seen(&world).await, Expected::OneWaits);
}

#[tokio::test]
async fn it_is_logged_in_every_run_until_it_is_corrected() {
    let world = world_of(EVERYBODY_IS_ALLOWED).await;
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    let count = || metrics.last("UnexpectedPolicyKeys");
    world.reconcile().await;
    assert_eq!(count(), Some(0.0));
    for key in [
        "deny#000000000005 ",
        "Deny#000000000006",
        "Allow#000000000007",
    ] {
        put_key(&world, "*", key).await;
    }
    edited(&world).await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(300));
        world.reconcile().await;
        assert_eq!(count(), Some(3.0));
    }
    for key in [
        "deny#000000000005 ",
        "Deny#000000000006",
        "Allow#000000000007",
    ] {
        delete_key(&world, "*", key).await;
    }
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(count(), Some(0.0));
    for kind in ["alarm_started", "alarm_ended"] {
        assert_eq!(alarms(&world, "unexpected_policy_keys", kind), 1, "{kind}");
    }
}

#[tokio::test]
async fn people_cannot_approve_an_account_that_a_key_may_be_meant_to_deny() {
    let world = world_of(OPEN).await;
    approver(&world, r#"{id: alice@example.com, services: ["*"]}"#).await;
    for n in 1..=2 {
        somebody_asks(&world, n, &format!("{n:012}"));
    }
    world.reconcile().await;
    put_key(&world, "*", "Deny#000000000001").await;
    edited(&world).await;
    for n in 1..=2 {
        vote(&world, &by_link(&world, "alice", n), &approval()).await;
    }
    assert_eq!(status(&world, 1).await, Some(Status::InReview));
    assert_eq!(state(&world, 1), Some(State::PendingAcceptance));
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    // A rejection needs no policy.
    vote(&world, &by_link(&world, "alice", 1), &rejection()).await;
    assert_eq!(status(&world, 1).await, Some(Status::Rejected));
}
