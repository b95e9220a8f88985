//! Connections that the policy no longer allows: reported, announced, and revoked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatekeeper_core::request::{Actor, Status};
use gatekeeper_local::world::World;
use local_aws::State;

use crate::support::*;

/// These are connected already: three consumers, each with an entry of its own.
fn connected(settings: &str) -> String {
    format!(
        r#"
services:
  - service_id: {SERVICE}
connections:
  - {{endpoint_id: vpce-00000000000000001, service_id: {SERVICE}, owner: "000000000001"}}
  - {{endpoint_id: vpce-00000000000000002, service_id: {SERVICE}, owner: "000000000002"}}
  - {{endpoint_id: vpce-00000000000000003, service_id: {SERVICE}, owner: "000000000003"}}
policy:
  entries:
    - {{service_id: {SERVICE}, principal: "000000000001", effect: allow, customer: One Ltd}}
    - {{service_id: {SERVICE}, principal: "000000000002", effect: allow}}
    - {{service_id: "*", principal: "000000000003", effect: allow}}
  settings:
    - {{service_id: "*", {settings}}}
"#
    )
}

async fn all_accepted(settings: &str) -> World {
    let world = world_of(&connected(settings)).await;
    world.reconcile().await;
    for n in 1..=3 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    hours_pass(&world, 1);
    world
}

#[tokio::test]
async fn by_default_nothing_is_revoked_or_announced() {
    let world = all_accepted("review_hours: 1").await;
    remove(&world, SERVICE, "allow", "000000000001").await;
    for _ in 0..3 {
        world.reconcile().await;
        hours_pass(&world, 25);
    }
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(state(&world, 1), Some(State::Available));
    assert_eq!(announcements_of(&world, 1), ["accepted"]);
}

#[tokio::test]
async fn report_announces_once_what_would_be_revoked_and_changes_nothing() {
    let world = all_accepted("revoke: report").await;
    remove(&world, SERVICE, "allow", "000000000001").await;
    for _ in 0..3 {
        world.reconcile().await;
        hours_pass(&world, 25);
    }
    assert_eq!(path(&world, 1).await, "- > accepting > accepted");
    assert_eq!(state(&world, 1), Some(State::Available));
    assert_eq!(announcements_of(&world, 1), ["accepted", "would_revoke"]);
    let last = documents(&world).pop().unwrap();
    assert_eq!(last["verdict"]["rule"], serde_json::Value::Null);
    // The entry comes back and is removed again: this is announced again.
    allow(&world, SERVICE, "000000000001").await;
    world.reconcile().await;
    remove(&world, SERVICE, "allow", "000000000001").await;
    world.reconcile().await;
    assert_eq!(
        announcements_of(&world, 1),
        ["accepted", "would_revoke", "would_revoke"]
    );
    assert_eq!(world.ec2.calls_of("RejectVpcEndpointConnections"), 0);
}

#[tokio::test]
async fn enforce_announces_first_and_revokes_when_the_grace_period_is_over() {
    let world = all_accepted("revoke: enforce").await;
    remove(&world, SERVICE, "allow", "000000000001").await;
    world.reconcile().await;
    let found = request(&world, 1).await.unwrap();
    assert_eq!(found.status, Status::Revoking);
    let due = world
        .clock
        .now()
        .checked_add(Duration::from_secs(24 * 3600));
    assert_eq!(found.due, due.ok());
    assert_eq!(
        announcements_of(&world, 1),
        ["accepted", "revocation_started"]
    );

    hours_pass(&world, 23);
    world.reconcile().await;
    assert_eq!(
        state(&world, 1),
        Some(State::Available),
        "not before its time"
    );

    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(state(&world, 1), Some(State::Rejected));
    assert_eq!(
        path(&world, 1).await,
        "- > accepting > accepted > revoking > rejected"
    );
    assert_eq!(
        announcements_of(&world, 1),
        ["accepted", "revocation_started", "revoked"]
    );
    assert_eq!(
        request(&world, 1).await.unwrap().decided_by,
        Actor::Policy(None)
    );
    for n in 2..=3 {
        assert_eq!(
            state(&world, n),
            Some(State::Available),
            "{n} is still allowed"
        );
    }
}

#[tokio::test]
async fn a_policy_that_comes_back_in_time_undoes_it() {
    let world = all_accepted("revoke: enforce, revoke_grace_hours: 2").await;
    remove(&world, SERVICE, "allow", "000000000001").await;
    world.reconcile().await;
    hours_pass(&world, 1);
    allow(&world, SERVICE, "000000000001").await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    hours_pass(&world, 48);
    world.reconcile().await;
    assert_eq!(state(&world, 1), Some(State::Available));
    assert_eq!(
        announcements_of(&world, 1),
        ["accepted", "revocation_started", "revocation_undone"]
    );
    // The same happens if the service no longer revokes.
    remove(&world, SERVICE, "allow", "000000000001").await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking));
    settings(&world, "revoke: report").await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(world.ec2.calls_of("RejectVpcEndpointConnections"), 0);
}

#[tokio::test]
async fn an_entry_that_expires_is_revoked_without_an_edit() {
    let world = all_accepted("revoke: enforce, revoke_grace_hours: 0").await;
    put_policy(
        &world,
        &format!(
            r#"{{service_id: {SERVICE}, principal: "000000000001", effect: allow, expires_at: "2026-11-20T15:00:00Z"}}"#
        ),
    )
    .await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    hours_pass(&world, 2);
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking), "found");
    assert_eq!(
        state(&world, 1),
        Some(State::Available),
        "and not yet seen twice"
    );
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(state(&world, 1), Some(State::Rejected));
}

#[tokio::test]
async fn a_deny_and_a_region_taken_away_are_revoked_and_a_lower_limit_is_not() {
    let world = all_accepted("revoke: enforce, revoke_grace_hours: 0").await;
    for entry in [
        r#"{service_id: "*", principal: "000000000003", effect: deny, reason: fraud}"#.to_owned(),
        format!(
            r#"{{service_id: {SERVICE}, principal: "000000000002", effect: allow, regions: [eu-west-1]}}"#
        ),
        format!(
            r#"{{service_id: {SERVICE}, principal: "000000000001", effect: allow, max_connections: 0}}"#
        ),
    ] {
        put_policy(&world, &entry).await;
    }
    runs(&world, 2).await;
    assert_eq!(
        state(&world, 1),
        Some(State::Available),
        "a limit cuts nobody"
    );
    assert_eq!(state(&world, 2), Some(State::Rejected));
    assert_eq!(state(&world, 3), Some(State::Rejected));
    let reason = &history(&world, 3).await[2].reason;
    assert!(
        reason.contains("is denied on every service: fraud."),
        "{reason}"
    );
}

#[tokio::test]
async fn s7_if_more_than_one_run_may_revoke_none_is_revoked_and_it_is_announced() {
    let world = all_accepted("revoke: enforce, revoke_grace_hours: 0, revoke_at_most: 1").await;
    for n in 1..=2 {
        remove(&world, SERVICE, "allow", &format!("00000000000{n}")).await;
    }
    for _ in 0..3 {
        let done = world.reconcile().await;
        assert_eq!(done.services[0].revocations_held, Some(true));
        minutes_pass(&world, 5);
    }
    for n in 1..=3 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    let held = |kind| alarms(&world, "too_many_revocations", kind);
    assert_eq!(
        (held("alarm_started"), held("alarm_ended")),
        (1, 0),
        "announced once"
    );

    // With a limit that fits, the revocations begin; with one that does not, none does.
    settings(
        &world,
        "revoke: enforce, revoke_grace_hours: 1, revoke_at_most: 2",
    )
    .await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking));
    assert_eq!(held("alarm_ended"), 1);
    hours_pass(&world, 1);
    settings(
        &world,
        "revoke: enforce, revoke_grace_hours: 1, revoke_at_most: 1",
    )
    .await;
    world.reconcile().await;
    assert_eq!(world.ec2.calls_of("RejectVpcEndpointConnections"), 0);
    settings(
        &world,
        "revoke: enforce, revoke_grace_hours: 1, revoke_at_most: 2",
    )
    .await;
    minutes_pass(&world, 5);
    world.reconcile().await;
    for n in 1..=2 {
        assert_eq!(state(&world, n), Some(State::Rejected));
    }
    assert_eq!(state(&world, 3), Some(State::Available));
}

#[tokio::test]
async fn s2_an_empty_policy_and_one_that_cannot_be_read_revoke_nothing() {
    let world = all_accepted("revoke: enforce, revoke_grace_hours: 0, on_unlisted: reject").await;
    for (scope, n) in [(SERVICE, 1), (SERVICE, 2), ("*", 3)] {
        remove(&world, scope, "allow", &format!("00000000000{n}")).await;
    }
    runs(&world, 3).await;
    for n in 1..=3 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted), "empty");
    }
    // One entry is back, and one cannot be read: it might be the one that allows the others.
    allow(&world, SERVICE, "000000000001").await;
    malformed(&world, SERVICE, "allow#000000000002").await;
    for _ in 0..3 {
        let done = world.reconcile().await;
        assert!(done.failed.is_empty(), "{done:?}");
        minutes_pass(&world, 5);
    }
    for n in 1..=3 {
        assert_eq!(
            status(&world, n).await,
            Some(Status::Accepted),
            "unreadable"
        );
    }
    remove(&world, SERVICE, "allow", "000000000002").await;
    world.reconcile().await;
    assert_eq!(
        status(&world, 3).await,
        Some(Status::Revoking),
        "whole again"
    );
}

/// Runs reconcile and puts the entry of account 1 back after the nth call. Answers the calls before
/// that, or `None` if there were fewer.
async fn comes_back_after(world: &Arc<World>, n: usize) -> Option<Vec<String>> {
    let calls = Calls::of(world);
    let came_back = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Handle::current();
    let (own, flag) = (Arc::clone(world), Arc::clone(&came_back));
    calls.after(n, move || {
        flag.store(true, Ordering::SeqCst);
        tokio::task::block_in_place(|| runtime.block_on(allow(&own, SERVICE, "000000000001")));
    });
    world.reconcile().await;
    calls.after(usize::MAX / 2, || {});
    let came_back = came_back.load(Ordering::SeqCst);
    came_back.then(|| calls.seen().into_iter().take(n).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_comes_back_before_the_decision_is_recorded_still_wins() {
    let decided = |before: &[String]| {
        before
            .iter()
            .any(|call| call == "dynamodb:TransactWriteItems")
    };
    for cuts in [false, true] {
        for n in 1.. {
            let world = Arc::new(all_accepted("revoke: enforce, revoke_grace_hours: 0").await);
            remove(&world, SERVICE, "allow", "000000000001").await;
            if cuts {
                world.reconcile().await;
                minutes_pass(&world, 5);
            }
            let Some(before) = comes_back_after(&world, n).await else {
                break;
            };
            if decided(&before) {
                break;
            }
            let expected: &[Status] = match cuts {
                false => &[Status::Accepted],
                // It was seen to be allowed, or the next run will see it.
                true => &[Status::Accepted, Status::Revoking],
            };
            let status = status(&world, 1).await.unwrap();
            assert!(
                expected.contains(&status),
                "{status} though it came back after {before:?}"
            );
            assert_eq!(state(&world, 1), Some(State::Available), "after {before:?}");
        }
    }
}

#[tokio::test]
async fn a_run_that_is_killed_while_it_revokes_is_finished_by_the_next() {
    let ready = async || {
        let world = all_accepted("revoke: enforce, revoke_grace_hours: 1").await;
        for n in 1..=2 {
            remove(&world, SERVICE, "allow", &format!("00000000000{n}")).await;
        }
        world.reconcile().await;
        hours_pass(&world, 2);
        world
    };
    reconcile_killed_everywhere(ready, async |world, killed_after| {
        runs(world, 2).await;
        for n in 1..=2 {
            assert_eq!(
                state(world, n),
                Some(State::Rejected),
                "killed after {killed_after}"
            );
            let path = path(world, n).await;
            assert_eq!(path, "- > accepting > accepted > revoking > rejected");
            assert_eq!(
                announcements_of(world, n),
                ["accepted", "revocation_started", "revoked"]
            );
        }
        assert_eq!(state(world, 3), Some(State::Available));
    })
    .await;
}

#[tokio::test]
async fn an_edit_begins_a_revocation_at_once_and_looks_at_nobody_else() {
    let world = all_accepted("revoke: enforce, revoke_grace_hours: 0").await;
    remove(&world, SERVICE, "allow", "000000000001").await;
    world.ec2.reset_calls();
    edited(&world).await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking));
    assert_eq!(
        announcements_of(&world, 1),
        ["accepted", "revocation_started"]
    );
    let listed: Vec<String> = world
        .ec2
        .log()
        .iter()
        .filter(|call| call.action == "DescribeVpcEndpointConnections")
        .map(|call| {
            call.param("Filter.1.Value.1")
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(
        listed,
        ["000000000001"],
        "one description, of that consumer's connections"
    );
    // The edit revokes nothing by itself, however often it is delivered.
    minutes_pass(&world, 5);
    remove(&world, SERVICE, "allow", "000000000009").await;
    allow(&world, SERVICE, "000000000009").await;
    put_policy(
        &world,
        &format!("{{service_id: {SERVICE}, principal: \"000000000001\", effect: deny}}"),
    )
    .await;
    edited(&world).await;
    assert_eq!(state(&world, 1), Some(State::Available));
    world.reconcile().await;
    assert_eq!(state(&world, 1), Some(State::Rejected));
}

/// How often it was announced that revocation is withheld, and that it no longer is; and the
/// metric.
fn withheld(world: &World) -> (usize, usize, Option<f64>) {
    let announced = |kind| alarms(world, "allowlist_empty", kind);
    let metrics = world
        .gatekeeper(gatekeeper_local::function::Function::Reconcile)
        .metrics();
    (
        announced("alarm_started"),
        announced("alarm_ended"),
        metrics.last("RevocationsWithheld"),
    )
}

async fn without_entries(settings: &str) -> World {
    let world = all_accepted(settings).await;
    for (scope, account) in [(SERVICE, 1), (SERVICE, 2), ("*", 3)] {
        remove(&world, scope, "allow", &format!("{account:012}")).await;
    }
    edited(&world).await;
    runs(&world, 3).await;
    for n in 1..=3 {
        assert_eq!(
            status(&world, n).await,
            Some(Status::Accepted),
            "nobody is revoked"
        );
    }
    world
}

#[tokio::test]
async fn a_revocation_withheld_for_an_empty_allowlist_is_one_alarm() {
    // It ends when there is an entry again, or nothing would be revoked.
    let world = without_entries("revoke: enforce, revoke_grace_hours: 0").await;
    assert_eq!(withheld(&world), (1, 0, Some(1.0)));
    let mail = world.sns.inbox().pop().unwrap().message;
    assert!(mail.contains("deny its account"), "{mail}");
    for n in 1..=3 {
        allow(&world, "*", &format!("{n:012}")).await;
    }
    runs(&world, 2).await;
    assert_eq!(withheld(&world), (1, 1, Some(0.0)));

    let world = without_entries("revoke: enforce, revoke_grace_hours: 0").await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000001", effect: deny}"#,
    )
    .await;
    settings(
        &world,
        "revoke: enforce, revoke_grace_hours: 0, revoke_at_most: 1",
    )
    .await;
    runs(&world, 1).await;
    assert_eq!(withheld(&world).1, 1, "a deny is an entry");

    let world = without_entries("revoke: enforce, revoke_grace_hours: 0").await;
    settings(&world, "revoke: off").await;
    runs(&world, 2).await;
    assert_eq!(withheld(&world), (1, 1, Some(0.0)));
}

#[tokio::test]
async fn an_empty_allowlist_is_no_alarm_where_nothing_would_be_revoked() {
    for settings in ["revoke: off", "revoke: report", "out_of_band: revert"] {
        let world = without_entries(settings).await;
        assert_eq!(withheld(&world), (0, 0, Some(0.0)), "{settings}");
    }
    // A connection that approvers accepted needs no entry.
    let world = world_of(&format!(
        "services:\n  - service_id: {SERVICE}\nconnections:\n  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}\npolicy:\n  settings:\n    - {{service_id: \"*\", revoke: enforce}}\n  approvers:\n    - {{id: alice@example.com, services: [\"*\"]}}\n",
        endpoint(1)
    ))
    .await;
    world.reconcile().await;
    vote(&world, &by_link(&world, "alice", 1), &approval()).await;
    runs(&world, 3).await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(withheld(&world), (0, 0, Some(0.0)));
}
