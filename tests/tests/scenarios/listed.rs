//! Services that are managed because they are listed, not by their tag: each function decides for
//! them without asking EC2 for the managed services.

use gatekeeper_aws::config::Managed;
use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;
use serde_json::json;

use crate::support::*;

/// A world whose calls to EC2 are counted from now on.
async fn listed() -> World {
    let mut options = options();
    options.managed = Managed::Listed(vec![SERVICE.parse().unwrap()]);
    let world = world_with(options, WORLD).await;
    world.ec2.reset_calls();
    world
}

/// The same, with a review of the endpoints 3 and 5.
async fn reviewed() -> World {
    let world = listed().await;
    world.reconcile().await;
    world.ec2.reset_calls();
    world
}

async fn statuses<const N: usize>(world: &World, of: [u32; N]) -> [Option<Status>; N] {
    let mut statuses = [None; N];
    for (status, n) in statuses.iter_mut().zip(of) {
        *status = self::status(world, n).await;
    }
    statuses
}

/// Both decisions were carried out, without a look at the services' tags.
fn assert_decided_blindly(world: &World) {
    let calls = world.ec2.calls();
    assert_eq!(calls.get("AcceptVpcEndpointConnections"), Some(&1));
    assert_eq!(calls.get("RejectVpcEndpointConnections"), Some(&1));
    assert_eq!(calls.get("DescribeVpcEndpointServiceConfigurations"), None);
}

const ACCEPTED: Option<Status> = Some(Status::Accepted);
const REJECTED: Option<Status> = Some(Status::Rejected);

#[tokio::test]
async fn an_event_about_a_listed_service_is_decided() {
    let world = listed().await;
    handle(&world, batch_of(2)).await;
    assert_eq!(statuses(&world, [1, 2]).await, [ACCEPTED, REJECTED]);
    assert_decided_blindly(&world);
}

#[tokio::test]
async fn a_notification_that_names_no_service_stands_for_those_that_publish_there() {
    let world = listed().await;
    let topic = "arn:aws:sns:us-east-1:111122223333:somewhere";
    let connect = [local_aws::ConnectionEvent::Connect];
    world.ec2.put_notification(SERVICE, topic, connect).unwrap();
    let announced =
        json!({ "Type": "Notification", "TopicArn": topic, "Message": "nothing to go by" });
    handle(&world, announced).await;
    assert_all_decided(&world, "the topic's service").await;
    let calls = world.ec2.calls();
    assert_eq!(
        calls.get("DescribeVpcEndpointConnectionNotifications"),
        Some(&1)
    );
    assert_eq!(calls.get("DescribeVpcEndpointServiceConfigurations"), None);
}

#[tokio::test]
async fn reconcile_decides_for_a_listed_service() {
    let world = listed().await;
    world.reconcile().await;
    assert_all_decided(&world, "reconcile").await;
}

#[tokio::test]
async fn an_edit_decides_for_a_listed_service() {
    let world = reviewed().await;
    allow(&world, SERVICE, "000000000003").await;
    let deny = r#"{service_id: "*", principal: "000000000004", effect: deny}"#;
    put_policy(&world, deny).await;
    edited(&world).await;
    let limited = statuses(&world, [4, 5]).await;
    assert_eq!(status(&world, 3).await, ACCEPTED);
    assert!(limited.contains(&REJECTED), "{limited:?}");
    assert_decided_blindly(&world);
}

#[tokio::test]
async fn a_vote_that_the_policy_has_overtaken_has_it_decide_for_a_listed_service() {
    let world = reviewed().await;
    allow(&world, SERVICE, "000000000003").await;
    let voted = vote(&world, &by_link(&world, "alice", 3), &rejection()).await;
    assert_eq!(word(&voted), "too late");
    assert_eq!(status(&world, 3).await, ACCEPTED);
    let calls = world.ec2.calls();
    assert_eq!(calls.get("DescribeVpcEndpointServiceConfigurations"), None);
}

#[tokio::test]
async fn votes_decide_for_a_listed_service() {
    let world = reviewed().await;
    let waiting = match status(&world, 4).await {
        Some(Status::InReview) => 4,
        _ => 5,
    };
    let (one, other) = (
        by_link(&world, "alice", 3),
        by_link(&world, "alice", waiting),
    );
    vote(&world, &one, &approval()).await;
    vote(&world, &other, &rejection()).await;
    assert_eq!(statuses(&world, [3, waiting]).await, [ACCEPTED, REJECTED]);
    assert_decided_blindly(&world);
}
