//! Mistakes that happened, or nearly: each of these tests failed when it was written.

use std::fmt::Write as _;
use std::time::Duration;

use gatekeeper_core::request::{Cause, Status};
use gatekeeper_local::function::Function;
use gatekeeper_local::world::{Options, World};
use local_aws::State;

use crate::support::*;

const OTHER: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";

/// `n` connections of one account each, all from before Gatekeeper, and none with an entry.
fn connected(n: u32, settings: &str, entries: &str) -> String {
    let mut text = format!("services:\n  - service_id: {SERVICE}\nconnections:\n");
    for n in 1..=n {
        let _ = writeln!(
            text,
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"{n:012}\", state: available}}",
            endpoint(n)
        );
    }
    let _ = write!(
        text,
        "policy:\n  entries:\n    - {{service_id: \"*\", principal: \"999999999999\", effect: allow}}\n{entries}  settings:\n    - {{service_id: \"*\", {settings}}}\n"
    );
    text
}

/// A world that one run has looked through and the next has audited.
async fn audited(options: Options, text: &str) -> World {
    let world = world_with(options, text).await;
    runs(&world, 1).await;
    world.reconcile().await;
    world
}

#[tokio::test]
async fn a_run_that_sees_a_part_revokes_and_ends_the_alarm() {
    let mut options = options();
    options.limits.page = 5;
    options.limits.slice = 5;
    let world = audited(
        options,
        &connected(
            24,
            "revoke: enforce, revoke_grace_hours: 0, revoke_at_most: 10",
            "",
        ),
    )
    .await;
    assert_eq!(alarms(&world, "too_many_revocations", "alarm_started"), 1);
    for n in 1..=24 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    // Two pages, then the run's time is up.
    slow(&world, "DescribeVpcEndpointConnections", 134);
    for _ in 0..6 {
        minutes_pass(&world, 5);
        world.reconcile_within(Duration::from_secs(300)).await;
    }
    for n in 1..=24 {
        assert_eq!(
            state(&world, n),
            Some(State::Available),
            "24 are more than 10"
        );
    }
}

#[tokio::test]
async fn a_deny_that_expired_during_the_run_revokes_nobody() {
    let mut options = options();
    options.limits.page = 5;
    let deny = "    - {service_id: \"*\", principal: \"*\", effect: allow}\n    - {service_id: \"*\", principal: \"000000000001\", effect: deny, expires_at: \"2026-11-20T12:15:00Z\"}\n";
    let world = audited(
        options,
        &connected(6, "revoke: enforce, revoke_grace_hours: 0", deny),
    )
    .await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking));
    minutes_pass(&world, 8);
    // 12:13. Each description takes a minute and a half; the second page comes after 12:15.
    slow(&world, "DescribeVpcEndpointConnections", 90);
    world.reconcile().await;

    assert_ne!(state(&world, 1), Some(State::Rejected));
}

#[tokio::test]
async fn revert_revokes_what_the_policy_allowed_for_long_though_revoke_is_off() {
    let world = world_of(WORLD).await;
    settings(&world, "out_of_band: revert, revoke: off").await;
    world.reconcile().await;
    minutes_pass(&world, 5);
    allow(&world, "*", "000000000003").await;
    somebody_accepts(&world, 3);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    hours_pass(&world, 24 * 365);
    remove(&world, "*", "allow", "000000000003").await;
    runs(&world, 2).await;

    assert_ne!(
        state(&world, 3),
        Some(State::Rejected),
        "revoke is off, and it was within the policy"
    );
}

#[tokio::test]
async fn a_console_reject_in_the_grace_period_is_out_of_band() {
    let world = audited(options(), &connected(2, "revoke: enforce", "")).await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking));
    minutes_pass(&world, 5);
    somebody_rejects(&world, 1);
    minutes_pass(&world, 5);
    world.reconcile().await;
    let last = history(&world, 1).await.pop().unwrap();

    assert_eq!(last.cause, Cause::OutOfBand);
}

#[tokio::test]
async fn a_connection_that_somebody_accepts_before_it_was_seen_is_announced_and_reverted() {
    let world = world_of(WORLD).await;
    settings(&world, "out_of_band: revert").await;
    for _ in 0..20 {
        world.reconcile().await;
        hours_pass(&world, 1);
    }
    somebody_asks(&world, 77, "000000000077");
    somebody_accepts(&world, 77);
    runs(&world, 4).await;

    assert_ne!(
        announcements_of(&world, 77),
        Vec::<String>::new(),
        "nothing is announced"
    );
    assert_eq!(state(&world, 77), Some(State::Rejected));
}

#[tokio::test]
async fn a_place_that_a_refused_try_frees_goes_to_the_next_that_waits() {
    let world = world_of(&format!(
        r#"
services:
  - service_id: {SERVICE}
connections:
  - {{endpoint_id: {}, service_id: {SERVICE}, owner: "000000000004"}}
policy:
  entries:
    - {{service_id: "*", principal: "000000000004", effect: deny}}
"#,
        endpoint(4)
    ))
    .await;
    world.reconcile().await;
    assert_eq!(status(&world, 4).await, Some(Status::Rejected));
    minutes_pass(&world, 5);
    somebody_asks(&world, 5, "000000000004");
    remove(&world, "*", "deny", "000000000004").await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000004", effect: allow, max_connections: 1}"#,
    )
    .await;
    edited(&world).await;

    assert_eq!(status(&world, 5).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_slow_watch_keeps_nobody_from_being_decided() {
    let mut text = String::from("services:\n");
    for n in 0..16 {
        let _ = writeln!(text, "  - service_id: vpce-svc-{n:017x}");
    }
    let _ = writeln!(
        text,
        "connections:\n  - {{endpoint_id: {}, service_id: vpce-svc-00000000000000000, owner: \"000000000001\"}}",
        endpoint(1)
    );
    text.push_str(
        "policy:\n  entries:\n    - {service_id: \"*\", principal: \"*\", effect: allow}\n",
    );
    let world = world_of(&text).await;
    // The time of a call that is never answered: 20 s.
    slow(&world, "DescribeVpcEndpointServicePermissions", 20);
    runs(&world, 3).await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_claim_that_runs_out_does_not_end_the_run_for_the_others() {
    let mut options = options();
    options.limits.enforce_batch = 10;
    let mut text =
        format!("services:\n  - service_id: {SERVICE}\n  - service_id: {OTHER}\nconnections:\n");
    for n in 1..=100 {
        let _ = writeln!(
            text,
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}",
            endpoint(n)
        );
    }
    let _ = writeln!(
        text,
        "  - {{endpoint_id: {}, service_id: {OTHER}, owner: \"000000000002\"}}",
        endpoint(101)
    );
    text.push_str("policy:\n  entries:\n    - {service_id: \"*\", principal: \"000000000001\", effect: allow}\n");
    let world = world_with(options, &text).await;
    world.ec2.inject(
        local_aws::Fault::new(
            "AcceptVpcEndpointConnections",
            local_aws::FaultKind::InternalError,
        )
        .always(),
    );
    slow(&world, "AcceptVpcEndpointConnections", 6);
    for _ in 0..4 {
        world.reconcile_within(Duration::from_secs(300)).await;
        minutes_pass(&world, 5);
    }
    assert_eq!(status(&world, 101).await, Some(Status::InReview));
}

#[tokio::test]
async fn many_that_vanish_do_not_overrun_the_time_out() {
    let world = world_of(&connected(900, "on_unlisted: review", "")).await;
    world.reconcile().await;

    for n in 1..=900 {
        world.ec2.delete_endpoint(endpoint(n).as_str());
    }
    hours_pass(&world, 24 * 30);
    world.ec2.reset_calls();
    let before = world.clock.now();
    world.reconcile_within(Duration::from_secs(25)).await;
    let spent = world.clock.now().duration_since(before).as_secs_f64();

    assert!(spent < 25.0);
}

#[tokio::test]
async fn vanished_endpoints_that_there_was_no_time_for_leave_the_service_unfinished() {
    let world = world_of(&connected(60, "on_unlisted: review", "")).await;
    world.reconcile().await;
    for n in 1..=60 {
        world.ec2.delete_endpoint(endpoint(n).as_str());
    }
    hours_pass(&world, 24 * 30);
    let clock = world.clock.clone();
    world
        .dynamodb
        .set_on_call(Some(std::sync::Arc::new(move |action: &str| {
            if action == "TransactWriteItems" {
                clock.advance(Duration::from_secs(2));
            }
        })));
    let mut runs = 0;
    loop {
        runs += 1;
        let done = world.reconcile_within(Duration::from_secs(60)).await;
        assert!(done.failed.is_empty(), "{done:?}");
        if done.unfinished.is_empty() {
            break;
        }
        minutes_pass(&world, 5);
        assert!(runs < 10, "each run gets somewhere");
    }
    for n in 1..=60 {
        assert_eq!(status(&world, n).await, Some(Status::Gone), "{n}");
    }
    assert!(runs > 1, "once was enough");
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_does_not_end_the_alarm() {
    let world = audited(
        options(),
        &connected(3, "revoke: enforce, revoke_at_most: 1", ""),
    )
    .await;
    assert_eq!(alarms(&world, "too_many_revocations", "alarm_started"), 1);
    malformed(&world, SERVICE, "allow#000000000003").await;
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(alarms(&world, "too_many_revocations", "alarm_ended"), 0);
}

#[tokio::test]
async fn a_service_that_no_longer_revokes_restores_even_if_the_policy_is_empty() {
    let world = audited(options(), &connected(1, "revoke: enforce", "")).await;
    assert_eq!(status(&world, 1).await, Some(Status::Revoking));
    remove(&world, "*", "allow", "999999999999").await;
    settings(&world, "revoke: off").await;
    world.reconcile().await;

    hours_pass(&world, 24 * 100);
    allow(&world, "*", "999999999999").await;
    settings(&world, "revoke: enforce").await;
    world.reconcile().await;
    assert_ne!(
        state(&world, 1),
        Some(State::Rejected),
        "without a new grace period"
    );
}

#[tokio::test]
async fn a_resumed_run_with_time_left_looks_at_the_first_pages_too() {
    let mut options = options();
    options.limits.page = 5;
    options.limits.slice = 5;
    let text = connected(
        24,
        "on_unlisted: review",
        "    - {service_id: \"*\", principal: \"*\", effect: allow}\n",
    )
    .replace(", state: available", "");
    let world = world_with(options, &text).await;
    slow(&world, "DescribeVpcEndpointConnections", 134);
    world.reconcile_within(Duration::from_secs(300)).await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    world.ec2.set_on_call(None);
    somebody_rejects(&world, 1);
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Rejected));
}

#[tokio::test]
async fn a_connection_from_before_is_not_reverted_even_if_cloudtrail_names_the_actor() {
    let world = world_of(&world_with_a_connection_from_before()).await;
    settings(&world, "out_of_band: revert").await;
    world.reconcile().await;
    minutes_pass(&world, 5);
    let hint = gatekeeper_core::hint::Hint {
        kind: gatekeeper_core::hint::HintKind::Accepted,
        subject: gatekeeper_core::hint::Subject::Endpoints {
            service_id: Some(SERVICE.parse().unwrap()),
            endpoint_ids: vec![endpoint(3)],
        },
        actor: Some("arn:aws:iam::111122223333:user/alice".parse().unwrap()),
    };
    for handled in world
        .gatekeeper(Function::Connections)
        .handle(&[hint], deadline(&world))
        .await
    {
        handled.unwrap();
    }
    runs(&world, 3).await;

    assert_eq!(state(&world, 3), Some(State::Available));
}
