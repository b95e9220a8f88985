//! `max_connections`: a connection that waits for a place gets it when one is free, and usage
//! follows EC2.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::Status;
use serde_json::json;

use crate::support::*;

/// The two endpoints of account 4, of which one may connect: the one that did, and the other.
async fn one_of_two(world: &gatekeeper_local::world::World) -> (u32, u32) {
    match status(world, 4).await {
        Some(Status::Accepted) => (4, 5),
        _ => (5, 4),
    }
}

async fn usage(world: &gatekeeper_local::world::World, account: &str) -> BTreeSet<String> {
    let item = world
        .tables()
        .get_item()
        .table_name(world.requests_table())
        .key(
            "pk",
            AttributeValue::S(format!("usage#{SERVICE}#{account}")),
        )
        .key("sk", AttributeValue::S("usage".to_owned()))
        .send()
        .await
        .unwrap()
        .item
        .unwrap_or_default();
    match item.get("endpoints") {
        Some(AttributeValue::Ss(ids)) => ids.iter().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

async fn write_usage(world: &gatekeeper_local::world::World, account: &str, ids: &[&str]) {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    world
        .tables()
        .put_item()
        .table_name(world.requests_table())
        .item(
            "pk",
            AttributeValue::S(format!("usage#{SERVICE}#{account}")),
        )
        .item("sk", AttributeValue::S("usage".to_owned()))
        .item(
            "counted_at",
            AttributeValue::S("2026-11-20T12:00:00Z".to_owned()),
        )
        .item("endpoints", AttributeValue::Ss(ids))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_place_that_is_freed_goes_at_once_to_the_next_that_waits() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    let (accepted, waiting) = one_of_two(&world).await;
    let reason = request(&world, waiting).await.unwrap().verdict.reason;
    assert!(reason.contains("for 1 connection at most"), "{reason}");
    minutes_pass(&world, 5);
    world.ec2.delete_endpoint(endpoint(accepted).as_str());
    handle(
        &world,
        json!({
            "version": "0", "source": "privatelink.gatekeeper", "detail-type": "Connection Requested",
            "detail": { "service_id": SERVICE, "endpoint_id": endpoint(accepted) },
        }),
    )
    .await;
    assert_eq!(status(&world, accepted).await, Some(Status::Gone));
    assert_eq!(
        status(&world, waiting).await,
        Some(Status::Accepted),
        "by the event that freed the place"
    );
    assert_eq!(
        usage(&world, "000000000004").await,
        BTreeSet::from([endpoint(waiting).to_string()])
    );
}

#[tokio::test]
async fn a_limit_that_is_raised_accepts_those_that_wait() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000004", effect: allow, max_connections: 2}"#,
    )
    .await;
    edited(&world).await;
    for n in 4..=5 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    assert_eq!(usage(&world, "000000000004").await.len(), 2);
}

#[tokio::test]
async fn reconcile_corrects_usage_from_ec2() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    let (accepted, waiting) = one_of_two(&world).await;
    let truth = BTreeSet::from([endpoint(accepted).to_string()]);
    // Usage counts an endpoint that never existed, and does not count the one that is connected.
    write_usage(&world, "000000000004", &["vpce-0dddddddddddddddd"]).await;
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(usage(&world, "000000000004").await, truth);
    assert_eq!(
        status(&world, waiting).await,
        Some(Status::InReview),
        "the limit holds"
    );
    // Correct usage is left alone.
    world.dynamodb.reset_calls();
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(world.dynamodb.calls().get("UpdateItem"), None);
}

#[tokio::test]
async fn usage_that_takes_long_to_correct_does_not_overrun_the_time_out() {
    let mut text = format!("services:\n  - service_id: {SERVICE}\nconnections:\n");
    for n in 1..=20 {
        let _ = writeln!(
            text,
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"{n:012}\"}}",
            endpoint(n)
        );
    }
    text.push_str(
        "policy:\n  entries:\n    - {service_id: \"*\", principal: \"*\", effect: allow}\n",
    );
    let world = world_of(&text).await;
    world.reconcile().await;
    for n in 1..=20 {
        write_usage(&world, &format!("{n:012}"), &["vpce-0dddddddddddddddd"]).await;
    }
    slow(&world, "DescribeVpcEndpointConnections", 10);
    for runs in 1.. {
        minutes_pass(&world, 5);
        let before = world.clock.now();
        let done = world.reconcile_within(Duration::from_secs(60)).await;
        let spent = world.clock.now().duration_since(before).as_secs_f64();
        assert!(spent <= 60.0, "{spent} s");
        assert!(done.failed.is_empty(), "{done:?}");
        if done.unfinished.is_empty() {
            break;
        }
        assert!(runs < 10, "each run gets somewhere");
    }
    for n in 1..=20 {
        let truth = BTreeSet::from([endpoint(n).to_string()]);
        assert_eq!(usage(&world, &format!("{n:012}")).await, truth, "{n}");
    }
}

#[tokio::test]
async fn votes_that_suffice_by_now_accept_a_connection_beyond_the_limit() {
    let world = world_of(OPEN).await;
    for name in ["alice", "bob"] {
        let item = format!("{{id: {name}@example.com, services: [\"*\"]}}");
        approver(&world, &item).await;
    }
    let entry =
        r#"{service_id: "*", principal: "000000000001", effect: allow, max_connections: 1}"#;
    put_policy(&world, entry).await;
    settings(&world, "approvals_required: 2").await;
    somebody_asks(&world, 2, "000000000001");
    world.reconcile().await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    somebody_asks(&world, 1, "000000000001");
    world.reconcile().await;
    let voted = vote(&world, &by_link(&world, "alice", 1), &approval()).await;
    assert_eq!(word(&voted), "waiting");
    settings(&world, "approvals_required: 1").await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
}
