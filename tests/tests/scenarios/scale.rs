//! Many connections: few calls, no service starves, and a run whose time is up is continued by the
//! next.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::{Options, World};

use crate::support::*;

const SMALL: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";

/// `many` connections to one service, which come first, and three to another.
fn world_text(many: u32) -> String {
    let mut text =
        format!("services:\n  - service_id: {SERVICE}\n  - service_id: {SMALL}\nconnections:\n");
    for n in 1..=many + 3 {
        let service = if n <= many { SERVICE } else { SMALL };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  - {{endpoint_id: {}, service_id: {service}, owner: \"{:012}\"}}",
            endpoint(n),
            n % 40 + 1
        );
    }
    text.push_str(
        "policy:\n  entries:\n    - {service_id: \"*\", principal: \"*\", effect: allow}\n",
    );
    text
}

fn throttled() -> Options {
    let mut options = options();
    options.ec2.throttling = true;
    options.limits.page = 100;
    options.limits.slice = 50;
    options
}

/// How many of the endpoints in a range are accepted.
async fn accepted(world: &World, from: u32, to: u32) -> usize {
    let range: BTreeSet<String> = (from..=to).map(|n| endpoint(n).to_string()).collect();
    let items = world
        .tables()
        .query()
        .table_name(world.requests_table())
        .index_name("open")
        .key_condition_expression("open_service_id = :service");
    let mut accepted = 0;
    for service in [SERVICE, SMALL] {
        let items = items
            .clone()
            .expression_attribute_values(":service", AttributeValue::S(service.to_owned()))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap();
        accepted += items
            .iter()
            .filter(|item| item["status"].as_s().unwrap() == "accepted")
            .filter(|item| range.contains(item["pk"].as_s().unwrap()))
            .count();
    }
    accepted
}

#[tokio::test]
async fn a_thousand_take_twenty_calls_and_seconds_not_a_thousand() {
    let world = world_with(throttled(), &world_text(1000)).await;
    let begun = world.clock.now();
    let done = world.reconcile().await;
    assert!(
        done.unfinished.is_empty() && done.failed.is_empty(),
        "{done:?}"
    );
    assert_eq!(accepted(&world, 1, 1003).await, 1003);
    let calls = world.ec2.calls_of("AcceptVpcEndpointConnections");
    assert_eq!(calls, 1000_u64.div_ceil(50) + 1);
    let throttled = world
        .ec2
        .log()
        .iter()
        .filter(|call| call.error.is_some())
        .count();
    assert_eq!(throttled, 0, "the documented rate is kept");
    let spent = world.clock.now().duration_since(begun).as_secs_f64();
    assert!((10.0..15.0).contains(&spent), "{spent} s");
}

#[tokio::test]
async fn a_run_whose_time_is_up_stops_in_good_order_and_the_next_continues() {
    let world = world_with(throttled(), &world_text(1500)).await;
    let mut runs = 0;
    loop {
        runs += 1;
        let done = world.reconcile_within(Duration::from_secs(16)).await;
        assert!(done.failed.is_empty(), "{done:?}");
        if runs == 1 {
            assert_eq!(
                accepted(&world, 1501, 1503).await,
                3,
                "the small service does not wait"
            );
            assert_eq!(
                done.unfinished.len(),
                1,
                "{done:?} at {}",
                world.clock.now()
            );
        }
        if done.unfinished.is_empty() {
            break;
        }
        minutes_pass(&world, 5);
        assert!(runs < 10, "{done:?}");
    }
    assert!(runs > 1, "once was enough");
    assert_eq!(accepted(&world, 1, 1503).await, 1503);
    // Each page was listed once, except those that a run had to leave a second time, and the first
    // pages, which the run that continued behind them had time for.
    let pages = world
        .ec2
        .log()
        .iter()
        .filter(|call| call.action == "DescribeVpcEndpointConnections")
        .filter(|call| call.params.iter().any(|(_, value)| value == SERVICE))
        .count();
    assert!(pages < 2 * 15 + 3 * runs, "{pages} pages in {runs} runs");
    // The next run begins at the beginning.
    let done = world.reconcile().await;
    assert_eq!(
        done.services
            .iter()
            .map(|report| report.connections)
            .sum::<usize>(),
        1503
    );
}

#[tokio::test]
async fn a_pass_begins_anew_when_ec2_has_forgotten_its_token() {
    let world = world_with(throttled(), &world_text(300)).await;
    let left_over = serde_json::json!([{ "service_id": SERVICE, "token": "no such token" }]);
    world
        .tables()
        .put_item()
        .table_name(world.requests_table())
        .item("pk", AttributeValue::S("state".to_owned()))
        .item("sk", AttributeValue::S("reconcile".to_owned()))
        .item("unfinished", attribute(&left_over))
        .send()
        .await
        .unwrap();
    let done = world.reconcile().await;
    assert!(done.failed.is_empty(), "{done:?}");
    assert_eq!(accepted(&world, 1, 303).await, 303);
}

#[tokio::test]
async fn vanished_endpoints_are_found_by_a_resumed_run_too() {
    let world = world_with(throttled(), &world_text(900)).await;
    let done = world.reconcile_within(Duration::from_secs(15)).await;
    assert_eq!(done.unfinished.len(), 1, "{done:?}");
    assert_eq!(status(&world, 7).await, Some(Status::Accepted));
    world.ec2.delete_endpoint(endpoint(7).as_str());
    minutes_pass(&world, 60 * 24 * 30);
    assert_eq!(state(&world, 7), None, "not listed any more");
    let done = world.reconcile().await;
    assert!(done.unfinished.is_empty(), "{done:?}");
    assert!(
        done.services
            .iter()
            .any(|report| report.connections < 800 && report.connections > 3),
        "it went on where the first one stopped: {done:?}"
    );
    assert_eq!(status(&world, 7).await, Some(Status::Gone));
    assert_eq!(accepted(&world, 1, 903).await, 902);
}

fn attribute(value: &serde_json::Value) -> AttributeValue {
    match value {
        serde_json::Value::Array(items) => AttributeValue::L(items.iter().map(attribute).collect()),
        serde_json::Value::Object(map) => AttributeValue::M(
            map.iter()
                .map(|(name, value)| (name.clone(), attribute(value)))
                .collect(),
        ),
        other => AttributeValue::S(other.as_str().unwrap_or_default().to_owned()),
    }
}

/// This many strangers ask each of four services. One customer is allowed and has not connected
/// yet.
fn strangers_text(many: u32, approvers: u32) -> String {
    let mut text = "services:\n".to_owned();
    for service in 1..=4 {
        let _ = writeln!(text, "  - service_id: vpce-svc-{service:017x}");
    }
    text.push_str("connections:\n");
    for n in 1..=4 * many {
        let _ = writeln!(
            text,
            "  - {{endpoint_id: {}, service_id: vpce-svc-{:017x}, owner: \"{n:012}\"}}",
            endpoint(n),
            n % 4 + 1
        );
    }
    text.push_str("policy:\n  approvers:\n");
    for n in 1..=approvers {
        let _ = writeln!(
            text,
            "    - {{id: person{n}@example.com, services: [\"*\"]}}"
        );
    }
    text
}

#[tokio::test]
async fn deciding_takes_as_long_however_many_people_have_to_be_notified() {
    const MANY: u32 = 40;
    const CUSTOMER: u32 = 4 * MANY + 1;
    let mut took = Vec::new();
    for approvers in [0, 1, 12] {
        let world = world_with(throttled(), &strangers_text(MANY, approvers)).await;
        let since = |moment| world.clock.now().duration_since(moment).as_millis();
        let begun = world.clock.now();
        world.reconcile_alone().await;
        for n in 1..=4 * MANY {
            let status = status(&world, n).await;
            assert_eq!(status, Some(Status::InReview), "{n}, in the first run");
        }
        // Functions that the stream starts do not sleep for anybody either.
        world.announce().await.unwrap();
        let reviews = since(begun);
        let asked = |n: u32| world.sns.inbox_of(&format!("person{n}@example.com")).len();
        let waiting: usize = (1..=approvers).map(|n| 4 * MANY as usize - asked(n)).sum();
        assert!(
            waiting >= 150 * approvers as usize,
            "{waiting} e-mails wait"
        );

        // Somebody is denied, and a customer connects, while people are still to be notified.
        let edit = world.clock.now();
        put_policy(
            &world,
            r#"{service_id: "*", principal: "000000000007", effect: deny}"#,
        )
        .await;
        edited(&world).await;
        assert_eq!(status(&world, 7).await, Some(Status::Rejected));
        let deny = since(edit);
        let account = "999999999999";
        allow(&world, "*", account).await;
        edited(&world).await;
        let come = world.clock.now();
        let new = local_aws::NewConnection::new(format!("vpce-svc-{:017x}", 1), account);
        let new = new.endpoint_id(endpoint(CUSTOMER).as_str());
        world.ec2.put_connection(new).unwrap();
        let one = serde_json::json!({
            "source": "privatelink.gatekeeper",
            "detail-type": "Connection Requested",
            "detail": {"endpoint_id": endpoint(CUSTOMER)},
        });
        world.queue.send(one.to_string());
        world.drain().await;
        assert_eq!(status(&world, CUSTOMER).await, Some(Status::Accepted));
        let metrics = world.gatekeeper(Function::Connections).metrics();
        let latency = metrics.last_of("DecisionLatency", ("outcome", "accepted"));
        assert!(latency.is_some(), "it is measured");
        let still = (1..=approvers)
            .map(|n| 4 * MANY as usize - asked(n))
            .sum::<usize>();
        assert!(
            still >= 150 * approvers as usize,
            "{still} e-mails wait still"
        );
        took.push((reviews, deny, since(come), latency));
    }
    assert_eq!(took[0], took[1], "one approver");
    assert_eq!(took[0], took[2], "a dozen");
    let (reviews, deny, accept, _) = took[0];
    assert!(
        reviews < 30_000 && deny < 5_000 && accept < 5_000,
        "{took:?}"
    );
}
