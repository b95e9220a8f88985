//! What is decided, recorded, enforced and announced when nothing goes wrong.

use gatekeeper_core::request::{Actor, Cause, Status};
use local_aws::State;
use serde_json::Value;

use crate::support::*;

#[tokio::test]
async fn a_batch_is_decided_with_as_few_calls_as_the_budget_allows() {
    // This leaves out the limited consumer, because counting its usage takes one more read, once.
    let world = world_of(WORLD).await;
    let answer = handle(&world, batch_of(2)).await;
    assert!(answer.failed.is_empty() && answer.given_up.is_empty());
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    let ec2 = world.ec2.calls();
    assert_eq!(ec2["DescribeVpcEndpointConnections"], 1);
    assert_eq!(ec2["DescribeVpcEndpointServiceConfigurations"], 1);
    assert_eq!(ec2["AcceptVpcEndpointConnections"], 1);
    assert_eq!(ec2["RejectVpcEndpointConnections"], 1);
    assert_eq!(ec2.values().sum::<u64>(), 4);
    assert_eq!(world.sns.calls()["PublishBatch"], 1);
    let dynamodb = world.dynamodb.calls();
    // Two for each decision that is enforced. The test's own reads of the status are not among
    // them.
    assert_eq!(dynamodb["TransactWriteItems"], 4);
    assert_eq!(dynamodb["BatchWriteItem"], 1);
}

#[tokio::test]
async fn notifying_people_costs_a_look_at_who_may_decide_and_their_approval_emails() {
    let world = world_of(WORLD).await;
    let answer = handle(&world, batch_of(3)).await;
    assert!(answer.failed.is_empty() && answer.given_up.is_empty());
    let dynamodb = world.dynamodb.calls();
    // The first look at who is subscribed is remembered.
    assert_eq!(dynamodb["TransactWriteItems"], 6);
    // The denies for Organizations paths of the service and of `*`, and the approvers three times:
    // to record who is notified, to check whom e-mail reaches, and when they are notified.
    assert_eq!(dynamodb["Query"], 5);
    // The approval e-mails take a call of their own, after their links were written; the outbox is
    // emptied once.
    assert_eq!(world.sns.calls()["PublishBatch"], 2);
    assert_eq!(dynamodb["BatchWriteItem"], 2);
}

#[tokio::test]
async fn all_of_it_is_recorded_and_announced() {
    let world = world_of(WORLD).await;
    let answer = handle(&world, batch_of(5)).await;
    assert!(answer.failed.is_empty());
    assert_all_decided(&world, "one batch").await;
    assert_eq!(path(&world, 1).await, "- > accepting > accepted");
    assert_eq!(path(&world, 2).await, "- > rejecting > rejected");
    assert_eq!(path(&world, 3).await, "- > in_review");

    let rows = history(&world, 1).await;
    assert_eq!(rows[0].cause, Cause::Judged);
    assert_eq!(
        rows[0].actor.to_string(),
        format!("the rule \"allow 000000000001 on {SERVICE}\"")
    );
    assert_eq!(rows[1].cause, Cause::Enforced);
    let ec2 = rows[1].ec2.as_ref().unwrap();
    assert_eq!(ec2.code, "ok");
    assert!(ec2.request_id.is_some(), "AWS's request id is kept");

    // People get text, machines a document, and filter policies attributes.
    let mails = world.sns.inbox_of(gatekeeper_local::world::READER);
    let accepted = mails
        .iter()
        .find(|mail| mail.message.contains("was accepted"))
        .unwrap();
    assert_eq!(
        accepted.subject.as_deref(),
        Some("PrivateLink accepted: 000000000001 on vpce-svc-0a1b2c3d4e5f60718")
    );
    for (name, value) in [
        ("kind", "accepted"),
        ("service_id", SERVICE),
        ("account_id", "000000000001"),
        ("status", "accepted"),
    ] {
        let attribute = serde_json::to_value(&accepted.attributes[name]).unwrap();
        assert_eq!(attribute["Value"], value, "{name}");
    }
    let published = world.sns.published();
    let outer: Value = serde_json::from_str(&published[0].message).unwrap();
    let document: Value = serde_json::from_str(outer["default"].as_str().unwrap()).unwrap();
    assert_eq!(document["schema"], "privatelink-gatekeeper/announcement/1");
}

#[tokio::test]
async fn duplicates_in_any_order_change_nothing() {
    let world = world_of(WORLD).await;
    for _ in 0..3 {
        let mut batch = batch_of(5);
        batch["Records"].as_array_mut().unwrap().reverse();
        assert!(handle(&world, batch).await.failed.is_empty());
        world.clock.advance(LATER);
    }
    world.reconcile().await;
    assert_all_decided(&world, "three times and a reconcile").await;
    assert!(announced(&world).values().all(|times| *times == 1));
    assert_eq!(world.ec2.calls()["AcceptVpcEndpointConnections"], 1);
}

#[tokio::test]
async fn others_decisions_are_recorded_and_left() {
    let world = world_of(
        r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: available}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: rejected}
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: expired}
  - {endpoint_id: vpce-00000000000000004, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: pending}
"#,
    )
    .await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
    assert_eq!(status(&world, 3).await, None);
    assert_eq!(status(&world, 4).await, Some(Status::Accepted));
    assert_eq!(history(&world, 1).await[0].cause, Cause::OutOfBand);
    assert!(
        !world
            .ec2
            .calls()
            .contains_key("AcceptVpcEndpointConnections")
    );
    assert!(
        !world
            .ec2
            .calls()
            .contains_key("RejectVpcEndpointConnections")
    );
}

#[tokio::test]
async fn an_endpoint_that_vanishes_is_gone_and_frees_its_place() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    let (held, waits) = if status(&world, 4).await == Some(Status::Accepted) {
        (4, 5)
    } else {
        (5, 4)
    };
    world.ec2.delete_endpoint(endpoint(held).as_str());
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, held).await, Some(Status::Gone));
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(
        status(&world, waits).await,
        Some(Status::Accepted),
        "the place is free again"
    );
    assert_eq!(
        path(&world, waits).await,
        "- > in_review > accepting > accepted"
    );
}

#[tokio::test]
async fn connections_that_were_there_before_count_against_the_limit() {
    let world = world_of(
        r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001"}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: available}
policy:
  entries:
    - {service_id: "*", principal: "000000000001", effect: allow, max_connections: 1}
"#,
    )
    .await;
    handle(&world, batch_of(1)).await;
    assert_eq!(status(&world, 1).await, Some(Status::InReview));
    assert_eq!(state(&world, 1), Some(State::PendingAcceptance));
}

#[tokio::test]
async fn somebody_elses_decision_is_recorded_with_their_name() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(3)).await;
    let alice = "arn:aws:iam::111122223333:user/alice";
    world.ec2.set_options(|options| options.cloudtrail = true);
    let console = world.ec2.provider().with_arn(alice);
    world
        .ec2
        .accept(&console, SERVICE, [endpoint(3).as_str()])
        .unwrap();
    tokio::task::yield_now().await;
    world.clock.advance(LATER);
    world.drain().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    let rows = history(&world, 3).await;
    assert_eq!(rows.last().unwrap().actor, Actor::Iam(alice.to_owned()));
    assert_eq!(rows.last().unwrap().cause, Cause::OutOfBand);
}

#[tokio::test]
async fn services_that_are_not_managed_are_left_alone() {
    let world = world_of(WORLD).await;
    world
        .ec2
        .change_service(SERVICE, |service| service.tags.clear());
    assert!(handle(&world, batch_of(5)).await.failed.is_empty());
    world.clock.advance(LATER);
    world.reconcile().await;
    for n in 1..=5 {
        assert_eq!(status(&world, n).await, None);
        assert_eq!(state(&world, n), Some(State::PendingAcceptance));
    }
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_ids_filtered_either_way() {
    let mut options = options();
    options.ec2.empty_pages = true;
    options.ec2.page_size = 2;
    let world = world_with(options, WORLD).await;
    world.reconcile().await;
    assert_all_decided(&world, "empty pages").await;

    let mut options = crate::support::options();
    options.ec2.reject_endpoint_id_filter = true;
    let world = world_with(options, WORLD).await;
    assert!(handle(&world, batch_of(5)).await.failed.is_empty());
    assert_all_decided(&world, "EC2 refuses the filter by endpoint").await;
}

#[tokio::test]
async fn ec2s_lag_is_not_taken_for_drift() {
    let mut options = options();
    options.ec2.describe_lag = std::time::Duration::from_secs(20);
    let world = world_with(options, WORLD).await;
    handle(&world, batch_of(5)).await;
    // EC2 still shows all of them as pending.
    world.reconcile().await;
    world.clock.advance(std::time::Duration::from_secs(30));
    world.reconcile().await;
    assert_all_decided(&world, "lag").await;
    assert_eq!(world.ec2.calls()["AcceptVpcEndpointConnections"], 1);
}
