//! What a service's settings change.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::{Actor, Cause, Status};
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{NewChannel, State};

use crate::logs;
use crate::slack::{CHANNEL, Workspace};
use crate::support::*;

fn world_text(settings: &str) -> String {
    WORLD.replace(
        "policy:",
        &format!("policy:\n  settings:\n    - {{service_id: \"*\", {settings}}}"),
    )
}

#[tokio::test]
async fn a_review_without_an_answer_is_rejected_at_its_deadline_if_the_service_says_so() {
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
        "Nobody decided by 2026-11-20 14:00 UTC, and the service rejects reviews at their deadline."
    );
    // Other requests do not change.
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_review_is_kept_past_its_deadline_by_default() {
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
async fn others_decisions_are_announced_unless_the_service_only_records_them() {
    for (settings, expected) in [
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
        assert_eq!(count, expected, "{settings}");
    }
}

/// Writes a service's settings, or those of `*`, attribute by attribute.
async fn put_settings(world: &World, scope: &str, attributes: &[(&str, AttributeValue)]) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table())
        .item("service_id", text(scope))
        .item("rule", text("settings"));
    for (name, value) in attributes {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
}

#[tokio::test]
async fn a_setting_without_effect_stops_nothing_and_is_reported_until_it_is_corrected() {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let last = |world: &World, function, name| world.gatekeeper(function).metrics().last(name);
    for (attribute, value, shown) in [
        ("slack_channel", text("#settings-3-4"), "#settings-3-4"),
        (
            "name",
            AttributeValue::N("34000034".to_owned()),
            "the number 34000034",
        ),
    ] {
        for scope in ["*", SERVICE] {
            let world = world_of(WORLD).await;
            let item = format!("{scope} / settings");
            logs::keep(shown);
            let announced = || {
                let lines = logs::kept(shown).into_iter();
                let names = |line: &String| line.contains(&item) && line.contains(attribute);
                lines.filter(names).count()
            };
            let before = announced();
            let others = ("review_hours", AttributeValue::N("2".to_owned()));
            put_settings(&world, scope, &[(attribute, value.clone()), others.clone()]).await;
            edited(&world).await;
            assert_eq!(
                last(&world, Function::PolicyChanges, "MalformedPolicyEdits"),
                Some(1.0)
            );
            assert_eq!(announced(), before + 1, "{item}: logged when it is written");
            world.reconcile().await;
            assert_all_decided(&world, &item).await;
            let deadline = request(&world, 3).await.unwrap().deadline;
            assert!(deadline.is_some(), "{item}: the other settings hold");
            assert_eq!(
                last(&world, Function::Reconcile, "IgnoredSettings"),
                Some(1.0)
            );
            assert_eq!(announced(), before + 2, "{item}: logged in each run");
            put_settings(&world, scope, &[others]).await;
            edited(&world).await;
            world.reconcile().await;
            assert_eq!(
                last(&world, Function::Reconcile, "IgnoredSettings"),
                Some(0.0)
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_attribute_still_makes_settings_unreadable() {
    let world = world_of(WORLD).await;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let odd = [("slack_channel", text("#x")), ("slack_chanel", text("C0X"))];
    put_settings(&world, "*", &odd).await;
    edited(&world).await;
    world.reconcile().await;
    for n in 1..=5 {
        assert_eq!(status(&world, n).await, None);
    }
}

#[tokio::test]
async fn a_review_is_shown_in_the_next_best_channel_if_its_services_own_is_invalid() {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    for (of_all, shown_in) in [
        (text("C0ALL"), "C0ALL"),
        (AttributeValue::L(Vec::new()), CHANNEL),
        (text("general"), CHANNEL),
    ] {
        let mut space = Workspace::of(WORLD).await;
        space.slack.put_channel(NewChannel::new("C0ALL", "all"));
        put_settings(&space.world, "*", &[("slack_channel", of_all)]).await;
        let own = [
            ("slack_channel", text("#payments")),
            ("name", text("two\nlines")),
        ];
        put_settings(&space.world, SERVICE, &own).await;
        space.world.reconcile().await;
        assert_eq!(space.deliver().await, [""; 0]);
        let shown = space.slack.messages(shown_in);
        let asks = shown.iter().filter(|it| !it.buttons().is_empty());
        assert_eq!(asks.count(), 2, "{shown_in}");
    }
}
