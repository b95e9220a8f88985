//! The function `connections` against every kind of record, good and bad.

use gatekeeper_core::request::Status;
use serde_json::{Value, json};

use crate::support::*;

fn sqs(bodies: &[&str]) -> Value {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| json!({"messageId": format!("m{n}"), "eventSource": "aws:sqs", "body": body}))
        .collect();
    json!({ "Records": records })
}

fn sns(message: &str) -> Value {
    json!({
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:us-east-1:111122223333:somewhere",
        "Message": message,
    })
}

#[tokio::test]
async fn a_malformed_record_does_not_poison_its_batch() {
    let world = world_of(WORLD).await;
    let good: Vec<String> = (1..=5)
        .map(|n| requested(&endpoint(n)).to_string())
        .collect();
    let bad = json!({
        "source": "privatelink.gatekeeper",
        "detail-type": "Connection Requested",
        "detail": {"endpoint_id": "vpce-nope"},
    })
    .to_string();
    let bodies = [
        good[0].as_str(),
        "not json",
        good[1].as_str(),
        "{}",
        good[2].as_str(),
        bad.as_str(),
        good[3].as_str(),
        "",
        good[4].as_str(),
    ];
    let answer = handle(&world, sqs(&bodies)).await;
    let given_up: Vec<usize> = answer.given_up.iter().map(|(at, _)| *at).collect();
    assert_eq!(given_up, [1, 3, 5, 7]);
    let said = answer.given_up[2].1.to_string();
    assert!(
        said.contains("endpoint_id") && said.contains("vpce-nope"),
        "{said}"
    );
    assert!(given_back(answer).is_empty(), "none comes back");
    assert_all_decided(&world, "with rubbish around it").await;
}

#[tokio::test]
async fn an_undocumented_sns_body_is_a_wake_up_call() {
    let long = "x".repeat(256 * 1024);
    for body in ["{}", "not json", "", long.as_str(), "[1,2]", "null"] {
        for payload in [
            sqs(&[&sns(body).to_string()]),
            json!({"Records": [{"EventSource": "aws:sns", "Sns": sns(body)}]}),
            sns(body),
        ] {
            let world = world_of(WORLD).await;
            let answer = handle(&world, payload).await;
            assert!(answer.failed.is_empty() && answer.given_up.is_empty());
            assert_all_decided(&world, &body.chars().take(20).collect::<String>()).await;
        }
    }
}

#[tokio::test]
async fn a_topic_stands_for_the_services_that_publish_to_it() {
    let two = WORLD.replacen(
        "services:",
        "services:\n  - service_id: vpce-svc-0ffffffffffffffff",
        1,
    );
    let two = two.replacen(
        "connections:",
        "connections:\n  - {endpoint_id: vpce-00000000000000009, service_id: vpce-svc-0ffffffffffffffff, owner: \"000000000001\"}",
        1,
    );
    let world = world_of(&two).await;
    let topic = "arn:aws:sns:us-east-1:111122223333:somewhere";
    world
        .ec2
        .put_notification(SERVICE, topic, [local_aws::ConnectionEvent::Connect])
        .unwrap();
    let answer = handle(&world, sns("nothing to go by")).await;
    assert!(answer.failed.is_empty());
    assert_all_decided(&world, "the topic's service").await;
    assert_eq!(
        status(&world, 9).await,
        None,
        "the other service was not looked at"
    );
}

#[tokio::test]
async fn a_deletion_without_an_endpoint_makes_us_look_at_all_open_requests() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    assert!(world.ec2.delete_endpoint(endpoint(1).as_str()));
    // Until EC2 no longer lists it.
    world
        .clock
        .advance(std::time::Duration::from_secs(2_000_000));
    let answer = handle(&world, sns(r#"{"Event": "Delete"}"#)).await;
    assert!(answer.failed.is_empty());
    assert_eq!(status(&world, 1).await, Some(Status::Gone));
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
}

#[tokio::test]
async fn an_endpoint_that_ec2_does_not_know_is_no_failure() {
    let world = world_of(WORLD).await;
    let answer = handle(&world, batch_of(9)).await;
    assert!(answer.failed.is_empty());
    assert_all_decided(&world, "and four that do not exist").await;
}

#[tokio::test]
async fn an_endpoint_that_ec2_lists_only_a_moment_later_is_found() {
    let mut options = options();
    options.ec2.describe_lag = std::time::Duration::from_secs(2);
    let world = world_with(options, OPEN).await;
    let consumer = local_aws::Caller::new("000000000003", "us-east-1");
    let made = world
        .ec2
        .create_endpoint(&consumer, local_aws::NewEndpoint::new(SERVICE))
        .unwrap();
    let id = made.endpoint_id.parse().unwrap();
    let answer = handle(&world, requested(&id)).await;
    assert!(answer.failed.is_empty());
    assert!(world.request(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn our_own_calls_are_not_mistaken_for_others() {
    let world = world_of(WORLD).await;
    world.ec2.set_options(|options| options.cloudtrail = true);
    handle(&world, batch_of(5)).await;
    tokio::task::yield_now().await;
    assert!(!world.queue.is_empty(), "CloudTrail tells of our calls");
    let calls = world.ec2.calls();
    world.clock.advance(LATER);
    world.drain().await;
    assert_eq!(world.ec2.calls(), calls, "nothing was looked at again");
    assert_all_decided(&world, "after our own echo").await;
}

#[tokio::test]
async fn a_direct_invocation_that_fails_fails_as_a_whole() {
    let world = world_of(WORLD).await;
    world.dynamodb.inject(
        "BatchGetItem",
        gatekeeper_local::dynamodb::Fault::InternalError,
        100,
    );
    let answer = handle(&world, requested(&endpoint(1))).await;
    let error = answer.into_response().unwrap_err();
    assert_eq!(error.error_type(), "Retryable.ReadTables");
}
