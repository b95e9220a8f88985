//! Edits of the allowlist, through the table's stream and the function `policy-changes`: they act
//! at once, and only on connections that they concern.

use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::Fault;
use gatekeeper_local::world::World;
use local_aws::State;

use crate::support::*;

const OTHER: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";

/// Two services with two consumers each, whom no entry names.
async fn two_services() -> World {
    let world = world_of(&format!(
        r#"
services:
  - service_id: {SERVICE}
  - service_id: {OTHER}
connections:
  - {{endpoint_id: vpce-00000000000000001, service_id: {SERVICE}, owner: "000000000001"}}
  - {{endpoint_id: vpce-00000000000000002, service_id: {SERVICE}, owner: "000000000002"}}
  - {{endpoint_id: vpce-00000000000000003, service_id: {OTHER}, owner: "000000000001"}}
  - {{endpoint_id: vpce-00000000000000004, service_id: {OTHER}, owner: "000000000002"}}
"#
    ))
    .await;
    world.reconcile().await;
    minutes_pass(&world, 5);
    world.ec2.reset_calls();
    world
}

async fn accepted(world: &World) -> Vec<u32> {
    let mut accepted = Vec::new();
    for n in 1..=4 {
        if status(world, n).await == Some(Status::Accepted) {
            accepted.push(n);
        }
    }
    accepted
}

/// The filter values of EC2's lists.
fn listed(world: &World) -> Vec<String> {
    world
        .ec2
        .log()
        .iter()
        .filter(|call| call.action == "DescribeVpcEndpointConnections")
        .map(|call| {
            let values = call
                .params
                .iter()
                .filter(|(name, _)| name.contains("Value"));
            let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
            values.join(" ")
        })
        .collect()
}

#[tokio::test]
async fn an_entry_settles_the_reviews_that_it_covers_and_looks_at_no_others() {
    let everybody = format!("{{service_id: {SERVICE}, principal: \"*\", effect: allow}}");
    let one_endpoint =
        r#"{service_id: "*", principal: vpce-00000000000000004, effect: allow}"#.to_owned();
    let one_here = format!("{{service_id: {SERVICE}, principal: \"000000000001\", effect: allow}}");
    let one_everywhere =
        r#"{service_id: "*", principal: "000000000001", effect: allow}"#.to_owned();
    for (entry, expected, looked_at) in [
        (one_here, vec![1], format!("000000000001 {SERVICE}")),
        (one_everywhere, vec![1, 3], "000000000001".to_owned()),
        (one_endpoint, vec![4], "vpce-00000000000000004".to_owned()),
        (everybody, vec![1, 2], SERVICE.to_owned()),
    ] {
        let world = two_services().await;
        put_policy(&world, &entry).await;
        edited(&world).await;
        assert_eq!(accepted(&world).await, expected, "{entry}");
        assert_eq!(listed(&world), [looked_at], "{entry}");
    }
}

#[tokio::test]
async fn a_hundred_edits_are_one_look() {
    let world = two_services().await;
    for n in 1..=100 {
        allow(&world, "*", &format!("{n:012}")).await;
    }
    edited(&world).await;
    assert_eq!(accepted(&world).await, [1, 2, 3, 4]);
    assert_eq!(listed(&world).len(), 1);
}

#[tokio::test]
async fn a_service_that_begins_to_reject_the_unlisted_does_so_at_once() {
    let world = two_services().await;
    settings(&world, "on_unlisted: reject").await;
    edited(&world).await;
    for n in 1..=4 {
        assert_eq!(status(&world, n).await, Some(Status::Rejected));
        assert_eq!(state(&world, n), Some(State::Rejected));
    }
}

#[tokio::test]
async fn an_edit_that_nobody_can_read_changes_nothing_and_holds_up_no_other() {
    let world = two_services().await;
    malformed(&world, SERVICE, "allow#000000000001").await;
    allow(&world, SERVICE, "000000000002").await;
    edited(&world).await;
    assert_eq!(accepted(&world).await, [2]);
    // A corrected item is an edit like any other.
    allow(&world, SERVICE, "000000000001").await;
    edited(&world).await;
    assert_eq!(accepted(&world).await, [1, 2]);
}

#[tokio::test]
async fn an_edit_that_fails_for_a_while_comes_again() {
    let world = two_services().await;
    allow(&world, SERVICE, "000000000001").await;
    world
        .dynamodb
        .inject("BatchGetItem", Fault::InternalError, u32::MAX);
    assert_eq!(world.follow_edits().await.unwrap(), 1, "given back");
    world.dynamodb.clear_faults();
    assert_eq!(accepted(&world).await, [0_u32; 0]);
    edited(&world).await;
    assert_eq!(accepted(&world).await, [1]);
}
