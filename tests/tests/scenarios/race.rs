//! Two functions handle the same connection at the same time, many times.

use std::sync::Arc;

use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;

use crate::support::*;

/// Both instances get the same batch at the same time.
async fn both_at_once(world: &World) {
    let (first, second) = (world.another_handler(), world.another_handler());
    let deadline = deadline(world);
    let (a, b) = tokio::join!(
        first.handle(batch_of(5), deadline),
        second.handle(batch_of(5), deadline)
    );
    assert!(a.failed.is_empty(), "{:?}", a.failed);
    assert!(b.failed.is_empty(), "{:?}", b.failed);
    world.announce().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wins_and_the_other_stops() {
    for round in 0..25 {
        let world = world_of(WORLD).await;
        both_at_once(&world).await;
        assert_all_decided(&world, &format!("round {round}")).await;
        assert_eq!(path(&world, 1).await, "- > accepting > accepted");
        assert_eq!(path(&world, 2).await, "- > rejecting > rejected");
        // One asked EC2 for each connection; the other saw the claim.
        let asked: Vec<String> = world
            .ec2
            .log()
            .iter()
            .filter(|call| {
                call.action.ends_with("EndpointConnections") && !call.action.starts_with("Describe")
            })
            .flat_map(|call| {
                call.params
                    .iter()
                    .filter(|(name, _)| name.starts_with("VpcEndpointId."))
                    .map(|(_, id)| id.clone())
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut once = asked.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(
            asked.len(),
            once.len(),
            "round {round}: each endpoint is asked for once"
        );
        assert!(announced(&world).values().all(|times| *times == 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_exact_under_races() {
    let mut text = WORLD.to_owned();
    for n in 6..=12 {
        text = text.replacen(
            "connections:",
            &format!("connections:\n  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000004\"}}", endpoint(n)),
            1,
        );
    }
    let text = text.replace("max_connections: 1", "max_connections: 3");
    for round in 0..10 {
        let world = world_of(&text).await;
        let handlers: Vec<_> = (0..3).map(|_| world.another_handler()).collect();
        let deadline = deadline(&world);
        // Each endpoint comes alone, to whichever instance is next.
        let mut tasks = Vec::new();
        for n in 4..=12 {
            let handler = Arc::clone(&handlers[n as usize % 3]);
            tasks.push(tokio::spawn(async move {
                handler.handle(requested(&endpoint(n)), deadline).await
            }));
        }
        for task in tasks {
            let answer = task.await.unwrap();
            assert!(answer.failed.is_empty(), "{:?}", answer.failed);
        }
        let mut accepted = 0;
        for n in 4..=12 {
            match status(&world, n).await {
                Some(Status::Accepted) => accepted += 1,
                Some(Status::InReview) => {}
                other => panic!("round {round}: {n} is {other:?}"),
            }
            history(&world, n).await;
        }
        assert_eq!(accepted, 3, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_and_schedule_do_not_get_in_each_others_way() {
    for round in 0..10 {
        let world = world_of(WORLD).await;
        let handler = world.another_handler();
        let deadline = deadline(&world);
        let (answer, done) = tokio::join!(handler.handle(batch_of(5), deadline), world.reconcile());
        assert!(answer.failed.is_empty() && done.failed.is_empty());
        assert_all_decided(&world, &format!("round {round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_that_the_policy_settles_is_settled_by_one() {
    for round in 0..15 {
        let world = world_of(WORLD).await;
        handle(&world, batch_of(3)).await;
        put_policy(
            &world,
            r#"{service_id: "*", principal: "000000000003", effect: allow}"#,
        )
        .await;
        both_at_once(&world).await;
        assert_eq!(
            path(&world, 3).await,
            "- > in_review > accepting > accepted",
            "round {round}"
        );
        let announced = announced(&world);
        let accepted = (format!("{}#00000003", endpoint(3)), "accepted".to_owned());
        assert_eq!(
            announced.get(&accepted),
            Some(&1),
            "round {round}: {announced:?}"
        );
    }
}
