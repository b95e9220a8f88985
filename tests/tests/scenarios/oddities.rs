//! Rare behaviour of AWS: answers that lag or leave things out, items that somebody edited by hand,
//! events that come late.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::{Actor, Status};
use local_aws::{Caller, Fault, FaultKind, NewConnection, NewEndpoint, State};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_deny_for_an_organizations_path_is_not_overtaken_by_an_allow() {
    let world = world_of(WORLD).await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "o-1/r-ab12/ou-ab12-1111/*", effect: deny}"#,
    )
    .await;
    handle(&world, batch_of(5)).await;
    // It is unknown whether the deny concerns the account, so people are notified.
    let request = request(&world, 1).await.unwrap();
    assert_eq!(request.status, Status::InReview);
    assert!(
        request.verdict.reason.contains("o-1/r-ab12/ou-ab12-1111"),
        "{}",
        request.verdict.reason
    );
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
}

#[tokio::test]
async fn an_endpoint_that_a_lagging_answer_leaves_out_is_not_gone() {
    let world = world_of(OPEN).await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000001", effect: allow}"#,
    )
    .await;
    let consumer = Caller::new("000000000001", "us-east-1");
    let made = world
        .ec2
        .create_endpoint(&consumer, NewEndpoint::new(SERVICE))
        .unwrap();
    let id = made.endpoint_id.parse().unwrap();
    handle(&world, requested(&id)).await;
    // EC2's answers fall behind, to a time before the endpoint existed.
    world.clock.advance(Duration::from_secs(2));
    world
        .ec2
        .set_options(|options| options.describe_lag = Duration::from_secs(30));
    handle(&world, requested(&id)).await;
    world.reconcile().await;
    let request = world.request(&id).await.unwrap().unwrap();
    assert_eq!(request.status, Status::Accepted);
}

#[tokio::test]
async fn a_connection_that_cannot_be_understood_is_left_alone_and_not_gone() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    // EC2 lists it in an invalid Region.
    let odd = NewConnection::new(SERVICE, "000000000001")
        .endpoint_id(endpoint(1).as_str())
        .region("Mars")
        .state(State::Available);
    world.ec2.put_connection(odd).unwrap();
    world.clock.advance(LATER);
    world.reconcile().await;
    handle(&world, batch_of(1)).await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_all_decided(&world, "one that cannot be read").await;
}

#[tokio::test]
async fn a_decision_whose_claim_has_run_out_is_not_carried_out() {
    let world = Arc::new(world_of(WORLD).await);
    let calls = Calls::of(&world);
    let clock = world.clock.clone();
    // Recording takes so long that another handler may have claimed the request.
    calls.after(READS + 1, move || clock.advance(Duration::from_secs(115)));
    let deadline = gatekeeper_aws::clock::Deadline::after(&world.clock, Duration::from_secs(900));
    let answer = world
        .handler()
        .handle(requested(&endpoint(1)), deadline)
        .await;
    assert_eq!(answer.failed[0].1.error_type(), "Retryable.ClaimEnded");
    assert!(
        !world
            .ec2
            .calls()
            .contains_key("AcceptVpcEndpointConnections")
    );
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_all_decided(&world, "taken up again").await;
}

#[tokio::test]
async fn a_decision_is_not_tried_again_after_its_claim_has_run_out() {
    let world = Arc::new(world_of(WORLD).await);
    world.ec2.inject(Fault::new(
        "AcceptVpcEndpointConnections",
        FaultKind::InternalError,
    ));
    let calls = Calls::of(&world);
    let clock = world.clock.clone();
    // EC2 takes long to fail; a second try would come after the claim ended.
    calls.after(READS + 2, move || clock.advance(Duration::from_secs(115)));
    let deadline = gatekeeper_aws::clock::Deadline::after(&world.clock, Duration::from_secs(900));
    let answer = world
        .handler()
        .handle(requested(&endpoint(1)), deadline)
        .await;
    assert_eq!(answer.failed[0].1.error_type(), "Retryable.Enforce");
    assert_eq!(world.ec2.calls()["AcceptVpcEndpointConnections"], 1);
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_all_decided(&world, "taken up again").await;
}

async fn put_request_item(world: &gatekeeper_local::world::World, n: u32, name: &str, value: &str) {
    world
        .tables()
        .update_item()
        .table_name(world.requests_table())
        .key("pk", AttributeValue::S(endpoint(n).to_string()))
        .key("sk", AttributeValue::S("request".to_owned()))
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_request_that_cannot_be_read_fails_alone() {
    let world = world_of(WORLD).await;
    put_request_item(&world, 1, "status", "enchanted").await;
    // One request whose endpoint EC2 lists, and one whose endpoint it does not.
    put_request_item(&world, 9, "status", "enchanted").await;
    let mut batch = batch_of(5);
    let other = json!({"messageId": "m9", "eventSource": "aws:sqs", "body": requested(&endpoint(9)).to_string()});
    batch["Records"].as_array_mut().unwrap().push(other);
    let answer = handle(&world, batch).await;
    assert!(
        answer
            .failed
            .iter()
            .all(|(_, e)| e.error_type() == "Permanent.MalformedRequest")
    );
    assert_eq!(given_back(answer), ["m1", "m9"]);
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn a_request_that_was_deleted_by_hand_is_reported() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    world
        .tables()
        .delete_item()
        .table_name(world.requests_table())
        .key("pk", AttributeValue::S(endpoint(3).to_string()))
        .key("sk", AttributeValue::S("request".to_owned()))
        .send()
        .await
        .unwrap();
    let answer = handle(&world, batch_of(5)).await;
    let said = gatekeeper_aws::error::chain(&*answer.failed[0].1);
    assert!(said.contains("its history goes further"), "{said}");
    assert_eq!(given_back(answer), ["m3"]);
}

#[tokio::test]
async fn usage_that_no_connection_has_is_corrected() {
    let text = WORLD.replace(
        "policy:",
        "  - {endpoint_id: vpce-00000000000000008, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: \"000000000004\", state: available}\npolicy:",
    );
    let world = world_of(&text).await;
    // An event makes it count before reconcile has ever seen it, and then it is deleted.
    handle(&world, requested(&endpoint(4))).await;
    assert_eq!(status(&world, 4).await, Some(Status::InReview));
    world.ec2.set_state(endpoint(8).as_str(), State::Deleted);
    world.clock.advance(LATER);
    world.reconcile().await;
    let limited = [status(&world, 4).await, status(&world, 5).await];
    assert!(limited.contains(&Some(Status::Accepted)), "{limited:?}");
    assert!(limited.contains(&Some(Status::InReview)), "{limited:?}");
}

#[tokio::test]
async fn an_unknown_actor_is_named_when_cloudtrail_reports() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    let alice = "arn:aws:iam::111122223333:user/alice";
    let console = world.ec2.provider().with_arn(alice);
    world.ec2.set_options(|options| options.cloudtrail = true);
    world
        .ec2
        .accept(&console, SERVICE, [endpoint(3).as_str()])
        .unwrap();
    world.clock.advance(LATER);
    // The schedule comes before CloudTrail.
    world.reconcile().await;
    assert_eq!(request(&world, 3).await.unwrap().decided_by, Actor::Unknown);
    world.clock.advance(LATER);
    world.drain().await;
    assert_eq!(
        request(&world, 3).await.unwrap().decided_by,
        Actor::Iam(alice.to_owned())
    );
    history(&world, 3).await;
}

#[tokio::test]
async fn a_change_at_ec2_is_recorded_even_if_the_policy_cannot_be_read() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(3)).await;
    world
        .tables()
        .put_item()
        .table_name(world.allowlist_table())
        .item("service_id", AttributeValue::S("*".to_owned()))
        .item("rule", AttributeValue::S("settings".to_owned()))
        .item("on_unlisted", AttributeValue::S("rejekt".to_owned()))
        .send()
        .await
        .unwrap();
    world.ec2.set_state(endpoint(3).as_str(), State::Available);
    world.clock.advance(LATER);
    world.reconcile().await;
    let request = request(&world, 3).await.unwrap();
    assert_eq!(request.status, Status::Accepted);
    assert!(
        request.verdict.reason.contains("settings"),
        "{}",
        request.verdict.reason
    );
    assert_eq!(status(&world, 4).await, None, "and nothing is decided");
}

#[tokio::test]
async fn a_failure_behind_an_event_without_ids_comes_back_too() {
    let world = world_of(WORLD).await;
    world
        .ec2
        .inject(Fault::new("AcceptVpcEndpointConnections", FaultKind::Throttle).always());
    let body = json!({"Type": "Notification", "TopicArn": "t", "Message": "{}"}).to_string();
    let batch = json!({"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": body}]});
    let answer = handle(&world, batch).await;
    assert_eq!(given_back(answer), ["m1"]);
}

#[tokio::test]
async fn a_service_that_is_gone_is_not_queried_for_each_endpoint() {
    let world = Arc::new(world_of(WORLD).await);
    let calls = Calls::of(&world);
    let own = Arc::clone(&world);
    calls.after(READS + 1, move || {
        own.ec2
            .change_service(SERVICE, |service| service.owner = "999999999999".to_owned());
    });
    let answer = handle(&world, batch_of(1)).await;
    assert_eq!(answer.failed[0].1.error_type(), "Permanent.RefusedCall");
    assert_eq!(world.ec2.calls()["AcceptVpcEndpointConnections"], 1);
    assert_eq!(status(&world, 1).await, Some(Status::Accepting));
}

#[tokio::test]
async fn connections_from_before_gatekeeper_are_recorded_without_announcement_unless_denied() {
    let text = WORLD.replace(
        "owner: \"000000000001\"}",
        "owner: \"000000000001\", state: available}",
    );
    let text = text.replace(
        "owner: \"000000000002\"}",
        "owner: \"000000000002\", state: available}",
    );
    let world = world_of(&text).await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    let announced: Vec<String> = announced(&world)
        .into_keys()
        .map(|(id, kind)| format!("{id} {kind}"))
        .collect();
    assert!(
        !announced
            .iter()
            .any(|one| one.starts_with(endpoint(1).as_str())),
        "{announced:?}"
    );
    assert!(
        announced.contains(&format!("{}#00000001 accepted_out_of_band", endpoint(2))),
        "{announced:?}"
    );
}
