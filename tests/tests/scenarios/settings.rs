//! What a service's settings change.

use std::time::Duration;

use gatekeeper_core::request::{Actor, Cause, Status};
use local_aws::State;

use crate::support::*;

fn world_text(settings: &str) -> String {
    WORLD.replace(
        "policy:",
        &format!("policy:\n  settings:\n    - {{service_id: \"*\", {settings}}}"),
    )
}

#[tokio::test]
async fn a_review_that_nobody_answers_is_rejected_at_its_deadline_where_the_service_says_so() {
    let world = world_of(&world_text("review_hours: 2, on_deadline: reject")).await;
    handle(&world, batch_of(3)).await;
    world.clock.advance(Duration::from_secs(2 * 3600 - 60));
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    world.clock.advance(Duration::from_secs(120));
    world.reconcile().await;
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > rejecting > rejected"
    );
    assert_eq!(state(&world, 3), Some(State::Rejected));
    let rows = history(&world, 3).await;
    assert_eq!(rows[1].cause, Cause::Deadline);
    assert_eq!(rows[1].actor, Actor::Schedule);
    assert_eq!(
        rows[1].reason,
        "Nobody decided by 2026-11-20T14:00:00Z, and the service rejects reviews at their deadline."
    );
    // Nobody else's request is touched.
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_review_is_kept_past_its_deadline_where_nothing_else_is_said() {
    for settings in [
        "review_hours: 2",
        "review_hours: 2, on_deadline: keep",
        "on_deadline: reject",
    ] {
        let world = world_of(&world_text(settings)).await;
        handle(&world, batch_of(3)).await;
        world.clock.advance(Duration::from_secs(1_000_000));
        world.reconcile().await;
        assert_eq!(path(&world, 3).await, "- > in_review", "{settings}");
        assert_eq!(
            state(&world, 3),
            Some(State::PendingAcceptance),
            "{settings}"
        );
    }
}

#[tokio::test]
async fn a_review_that_the_allowlist_covers_by_now_is_accepted_though_its_deadline_passed() {
    let world = world_of(&world_text("review_hours: 2, on_deadline: reject")).await;
    handle(&world, batch_of(3)).await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000003", effect: allow}"#,
    )
    .await;
    world.clock.advance(Duration::from_secs(1_000_000));
    world.reconcile().await;
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > accepting > accepted"
    );
}

#[tokio::test]
async fn what_somebody_else_decided_is_told_unless_the_service_only_records_it() {
    for (settings, told) in [
        ("on_unlisted: review", 1),
        ("out_of_band: alert", 1),
        ("out_of_band: record", 0),
    ] {
        let world = world_of(&world_text(settings)).await;
        handle(&world, batch_of(3)).await;
        let provider = world.ec2.provider();
        world
            .ec2
            .accept(&provider, SERVICE, [endpoint(3).as_str()])
            .unwrap();
        world.clock.advance(LATER);
        world.reconcile().await;
        assert_eq!(
            path(&world, 3).await,
            "- > in_review > accepted",
            "{settings}"
        );
        let kinds = announced(&world).into_keys().map(|(_, kind)| kind);
        let count = kinds.filter(|kind| kind == "accepted_out_of_band").count();
        assert_eq!(count, told, "{settings}");
    }
}
