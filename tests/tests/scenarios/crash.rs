//! A function is killed after any of its calls: the event's redelivery finishes the work, and so
//! does reconcile alone.

use gatekeeper_core::request::Status;
use local_aws::State;

use crate::support::*;

/// Kills the function after its nth call, for every n, and lets `finish` run afterwards.
async fn killed_everywhere(finish: impl AsyncFn(&World)) {
    let mut points = 0;
    for n in 1.. {
        let world = world_of(WORLD).await;
        let calls = Calls::of(&world);
        if let Some(answer) = crash_after(&world, &calls, n, batch_of(5)).await {
            assert!(answer.failed.is_empty());
            assert!(n > 10, "there were points to kill it at");
            break;
        }
        let context = format!("killed after {}", calls.seen().join(", "));
        // Nothing is announced before EC2 did it.
        for (id, kind) in announced(&world).keys() {
            let n = (1..=5)
                .find(|n| id.starts_with(endpoint(*n).as_str()))
                .unwrap();
            match kind.as_str() {
                "accepted" => assert_ne!(
                    state(&world, n),
                    Some(State::PendingAcceptance),
                    "{context}"
                ),
                "rejected" => assert_eq!(state(&world, n), Some(State::Rejected), "{context}"),
                _ => {}
            }
        }
        world.clock.advance(LATER);
        finish(&world).await;
        assert_all_decided(&world, &context).await;
        points += 1;
    }
    assert!(points > 10);
}

use gatekeeper_local::world::World;

#[tokio::test]
async fn redelivery_finishes_the_work_after_a_crash() {
    killed_everywhere(async |world| {
        requeue(world, &batch_of(5));
        let drained = world.drain().await;
        assert!(drained.failures.is_empty() && drained.dead.is_empty());
    })
    .await;
}

#[tokio::test]
async fn reconcile_alone_finishes_the_work_after_a_crash() {
    killed_everywhere(async |world| {
        let done = world.reconcile().await;
        assert!(done.failed.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_killed_again_and_again_still_ends_right() {
    for step in 1..=6 {
        let world = world_of(WORLD).await;
        let calls = Calls::of(&world);
        let mut lives = 0;
        while crash_after(&world, &calls, step, batch_of(5))
            .await
            .is_none()
        {
            world.clock.advance(LATER);
            lives += 1;
            if lives > 60 {
                // The function never gets far with so few calls; the schedule finishes it.
                break;
            }
        }
        world.clock.advance(LATER);
        world.reconcile().await;
        assert_all_decided(&world, &format!("killed every {step} calls")).await;
    }
}

#[tokio::test]
async fn a_decision_that_the_policy_withdrew_before_ec2_was_asked_is_not_accepted() {
    let world = world_of(WORLD).await;
    let calls = Calls::of(&world);
    // Find the transaction that records the decision, and die right after it.
    for n in 1.. {
        assert!(
            crash_after(&world, &calls, n, requested(&endpoint(1)))
                .await
                .is_none(),
            "never recorded"
        );
        if status(&world, 1).await == Some(Status::Accepting) {
            break;
        }
        world.clock.advance(LATER);
    }
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000001", effect: deny}"#,
    )
    .await;
    world.clock.advance(LATER);
    requeue(&world, &batch_of(1));
    world.drain().await;
    assert_eq!(status(&world, 1).await, Some(Status::Rejected));
    assert_eq!(
        path(&world, 1).await,
        "- > accepting > rejecting > rejected"
    );
    assert!(
        !world
            .ec2
            .calls()
            .contains_key("AcceptVpcEndpointConnections")
    );
}
