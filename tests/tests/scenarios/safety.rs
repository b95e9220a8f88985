//! The safety rules S1 to S8 of the design that this version has; each test fails if its rule is
//! broken. (S7 is about revocation, which is not there yet; what others decided is tested with the
//! decisions, and races have a file of their own.)

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::Fault;
use gatekeeper_local::world::World;
use local_aws::{NewConnection, NewService, State};
use serde_json::json;

use crate::support::*;

/// Runs something against the world between reading the policy and recording the decision.
async fn between_reading_and_recording(
    world: Arc<World>,
    act: impl AsyncFnOnce(&World) + Send + 'static,
) where
    World: Send + Sync,
{
    let calls = Calls::of(&world);
    let runtime = tokio::runtime::Handle::current();
    let own = Arc::clone(&world);
    calls.after(READS, move || {
        tokio::task::block_in_place(|| runtime.block_on(act(&own)));
    });
    let answer = handle(&world, requested(&endpoint(1))).await;
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    // The keys and the denies are requested at the same time, and answered in either order.
    let mut reads = calls.seen()[READS - 3..READS].to_vec();
    reads.sort_unstable();
    assert_eq!(
        reads,
        ["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Query"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_an_allow_that_is_gone_when_the_decision_is_recorded_accepts_nothing() {
    let world = Arc::new(world_of(WORLD).await);
    between_reading_and_recording(Arc::clone(&world), async |world| {
        let rule = gatekeeper_core::policy::Rule {
            service_id: SERVICE.parse().unwrap(),
            principal: "000000000001".parse().unwrap(),
            effect: gatekeeper_core::policy::Effect::Allow,
        };
        world.remove_entry(&rule).await.unwrap();
    })
    .await;
    assert_eq!(path(&world, 1).await, "- > in_review");
    assert_eq!(state(&world, 1), Some(State::PendingAcceptance));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_an_allow_that_is_narrowed_meanwhile_accepts_nothing() {
    let world = Arc::new(world_of(WORLD).await);
    between_reading_and_recording(Arc::clone(&world), async |world| {
        let narrower = format!(
            r#"{{service_id: {SERVICE}, principal: "000000000001", effect: allow, regions: [eu-west-1]}}"#
        );
        put_policy(world, &narrower).await;
    })
    .await;
    assert_eq!(path(&world, 1).await, "- > in_review");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_a_deny_that_comes_before_the_decision_is_recorded_still_wins() {
    for principal in ["000000000001", "*", "vpce-00000000000000001"] {
        let world = Arc::new(world_of(WORLD).await);
        between_reading_and_recording(Arc::clone(&world), async move |world| {
            let deny = format!(r#"{{service_id: "*", principal: "{principal}", effect: deny}}"#);
            put_policy(world, &deny).await;
        })
        .await;
        assert_eq!(
            path(&world, 1).await,
            "- > rejecting > rejected",
            "{principal}"
        );
    }
}

#[tokio::test]
async fn s2_a_policy_that_cannot_be_read_decides_nothing() {
    for fault in [
        Fault::Throttle,
        Fault::InternalError,
        Fault::Forbidden,
        Fault::Unprocessed,
    ] {
        // An allow, a deny, and a service that rejects the unlisted: none of them may act.
        let text = WORLD.replace(
            "policy:",
            "policy:\n  settings:\n    - {service_id: \"*\", on_unlisted: reject}",
        );
        let world = world_of(&text).await;
        world.dynamodb.inject("BatchGetItem", fault.clone(), 1_000);
        let answer = handle(&world, batch_of(5)).await;
        assert_eq!(
            given_back(answer).len(),
            5,
            "{fault:?}: all of it comes back"
        );
        world.reconcile().await;
        for n in 1..=5 {
            assert_eq!(
                state(&world, n),
                Some(State::PendingAcceptance),
                "{fault:?}"
            );
        }
        world.dynamodb.clear_faults();
        handle(&world, batch_of(5)).await;
        assert_eq!(status(&world, 1).await, Some(Status::Accepted), "{fault:?}");
        assert_eq!(status(&world, 3).await, Some(Status::Rejected), "{fault:?}");
    }
}

#[tokio::test]
async fn s2_an_item_that_cannot_be_understood_stops_what_it_concerns_and_nothing_else() {
    let world = world_of(WORLD).await;
    let put = |rule: &'static str, name: &'static str, value: &'static str| {
        world
            .tables()
            .put_item()
            .table_name(world.allowlist_table())
            .item("service_id", AttributeValue::S("*".to_owned()))
            .item("rule", AttributeValue::S(rule.to_owned()))
            .item(name, AttributeValue::S(value.to_owned()))
            .send()
    };
    // A misspelt condition: if it were ignored, the deny would not expire and the allow would not
    // end.
    put("deny#000000000001", "expires", "2020-01-01T00:00:00Z")
        .await
        .unwrap();
    put("allow#000000000003", "regions", "eu-central-1")
        .await
        .unwrap();
    let answer = handle(&world, batch_of(5)).await;
    let mut kinds: Vec<&str> = answer.failed.iter().map(|(_, e)| e.error_type()).collect();
    kinds.dedup();
    assert_eq!(kinds, ["Permanent.MalformedPolicy"]);
    assert_eq!(given_back(answer), ["m1", "m3"]);
    assert_eq!(state(&world, 1), Some(State::PendingAcceptance));
    assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
}

#[tokio::test]
async fn s2_an_empty_table_reviews_everything() {
    let empty = WORLD.split("policy:").next().unwrap();
    let world = world_of(empty).await;
    handle(&world, batch_of(5)).await;
    world.clock.advance(LATER);
    world.reconcile().await;
    for n in 1..=5 {
        assert_eq!(status(&world, n).await, Some(Status::InReview));
        assert_eq!(state(&world, n), Some(State::PendingAcceptance));
    }
}

#[tokio::test]
async fn s4_the_owner_is_who_ec2_says_whatever_an_event_says() {
    let world = world_of(WORLD).await;
    // The endpoint belongs to the denied account; the event claims that it is the allowed one's.
    let lie = json!({
        "source": "aws.ec2",
        "detail-type": "AWS API Call via CloudTrail",
        "account": "000000000001",
        "detail": {
            "eventSource": "ec2.amazonaws.com",
            "eventName": "CreateVpcEndpoint",
            "recipientAccountId": "000000000001",
            "userIdentity": {"accountId": "000000000001", "arn": "arn:aws:iam::000000000001:root"},
            "requestParameters": {"CreateVpcEndpointRequest": {
                "ServiceName": format!("com.amazonaws.vpce.us-east-1.{SERVICE}")}},
            "responseElements": {"CreateVpcEndpointResponse": {"vpcEndpoint": {
                "vpcEndpointId": endpoint(2), "ownerId": "000000000001"}}},
        },
    });
    handle(&world, lie).await;
    let claims = json!({
        "Type": "Notification",
        "Message": json!({"VpcEndpointId": endpoint(3), "VpcEndpointOwner": "000000000001"}).to_string(),
    });
    handle(&world, claims).await;
    assert_eq!(
        request(&world, 2).await.unwrap().account_id.as_str(),
        "000000000002"
    );
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn s6_there_is_one_history_row_for_each_transition() {
    let world = world_of(WORLD).await;
    for _ in 0..3 {
        handle(&world, batch_of(5)).await;
        world.clock.advance(LATER);
        world.reconcile().await;
    }
    let scan = world
        .tables()
        .scan()
        .table_name(world.requests_table())
        .send()
        .await
        .unwrap();
    let rows = scan
        .items()
        .iter()
        .filter(|item| item["sk"].as_s().unwrap().starts_with("history#"))
        .count();
    let versions: u64 = scan
        .items()
        .iter()
        .filter(|item| item["sk"].as_s().unwrap() == "request")
        .map(|item| item["version"].as_n().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(u64::try_from(rows).unwrap(), versions);
    assert_eq!(versions, 2 + 2 + 1 + 2 + 1);
    for n in 1..=5 {
        history(&world, n).await;
    }
}

#[tokio::test]
async fn s8_a_connection_without_an_event_is_found_within_one_period() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    assert_all_decided(&world, "every event lost").await;
}

#[tokio::test]
async fn s8_gateway_load_balancer_endpoints_send_no_event_and_are_found() {
    let world = world_of(WORLD).await;
    let service = "vpce-svc-0bbbbbbbbbbbbbbbb";
    world.ec2.put_service(
        NewService::new()
            .id(service)
            .gateway_load_balancer()
            .tag("privatelink-gatekeeper", "managed"),
    );
    let new = NewConnection::new(service, "000000000004").endpoint_id(endpoint(40).as_str());
    world.ec2.put_connection(new).unwrap();
    // The list of managed services may be a minute old.
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, 40).await, Some(Status::Accepted));
}

#[tokio::test]
async fn s8_one_service_that_fails_does_not_hold_up_the_others() {
    let world = world_of(WORLD).await;
    let first = "vpce-svc-00000000000000000";
    world.ec2.put_service(
        NewService::new()
            .id(first)
            .tag("privatelink-gatekeeper", "managed"),
    );
    // The first page asked for is the first service's.
    world.ec2.inject(
        local_aws::Fault::new(
            "DescribeVpcEndpointConnections",
            local_aws::FaultKind::InternalError,
        )
        .times(3),
    );
    let done = world.reconcile().await;
    assert_eq!(done.failed.len(), 1);
    assert_all_decided(&world, "the other service").await;
}

#[tokio::test]
async fn no_secret_reaches_an_error() {
    let world = world_of(WORLD).await;
    world.dynamodb.inject("*", Fault::Forbidden, 1_000);
    let answer = handle(&world, batch_of(1)).await;
    let error = &answer.failed[0].1;
    for said in [gatekeeper_aws::error::chain(&**error), format!("{error:?}")] {
        assert!(!said.contains(gatekeeper_local::world::SECRET), "{said}");
        assert!(!said.contains("Signature="), "{said}");
    }
}
