//! Reviews that wait: reminders at growing pauses, and none when there is nothing to decide.

use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;

use crate::support::*;

fn reminders(world: &gatekeeper_local::world::World, n: u32) -> usize {
    documents(world)
        .iter()
        .filter(|document| document["endpoint_id"] == endpoint(n).as_str())
        .filter(|document| document["kind"] == "review_reminder")
        .count()
}

#[tokio::test]
async fn people_are_reminded_after_4_12_and_28_hours_and_not_more_often() {
    let world = world_of(WORLD).await;
    settings(&world, "remind_hours: 4").await;
    world.reconcile().await;
    let mut announced = Vec::new();
    for hour in 1..=30 {
        hours_pass(&world, 1);
        let before = reminders(&world, 3);
        world.reconcile().await;
        world.reconcile().await;
        if reminders(&world, 3) > before {
            assert_eq!(reminders(&world, 3), before + 1);
            announced.push(hour);
        }
    }
    assert_eq!(announced, [4, 12, 28]);
    history(&world, 3).await;
    assert_eq!(
        path(&world, 3).await,
        "- > in_review",
        "a reminder is no transition"
    );
}

#[tokio::test]
async fn nobody_is_reminded_of_a_decided_review() {
    let world = world_of(WORLD).await;
    settings(&world, "remind_hours: 4").await;
    world.reconcile().await;
    hours_pass(&world, 3);
    allow(&world, "*", "000000000003").await;
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    for _ in 0..10 {
        hours_pass(&world, 4);
        world.reconcile().await;
    }
    assert_eq!(reminders(&world, 3), 0);
}

#[tokio::test]
async fn functions_that_run_at_the_same_time_remind_once() {
    let world = world_of(WORLD).await;
    settings(&world, "remind_hours: 4").await;
    world.reconcile().await;
    hours_pass(&world, 4);
    let (one, two) = (
        world.instance(Function::Reconcile, 1),
        world.instance(Function::Reconcile, 2),
    );
    let until = deadline(&world);
    tokio::join!(one.reconcile(until), two.reconcile(until));
    world.reconcile().await;
    assert_eq!(reminders(&world, 3), 1);
}

#[tokio::test]
async fn the_reason_that_people_read_stays_true_while_it_waits() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000003", effect: allow, regions: [eu-west-1]}"#,
    )
    .await;
    world.reconcile().await;
    let request = request(&world, 3).await.unwrap();
    assert!(
        request.verdict.reason.contains("only from eu-west-1"),
        "{request:?}"
    );
    assert_eq!(request.version, 1);
    assert_eq!(documents(&world).len(), 5, "and nothing is announced");
}
