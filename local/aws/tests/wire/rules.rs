use local_aws::{NewRule, RuleState};
use serde_json::{Value, json};

use crate::world::*;

const NAME: &str = "connection-events";
const PATTERN: &str =
    r#"{"source": ["aws.ec2"], "detail": {"eventName": ["AcceptVpcEndpointConnections"]}}"#;
const ARN: &str = "arn:aws:events:us-east-1:123456789012:rule/connection-events";

fn call_as(world: &World, key: &str, region: &str, action: &str, input: &Value) -> JsonAnswer {
    let (target, body) = (format!("AWSEvents.{action}"), input.to_string());
    world
        .post_json("/events/", key, region, &target, &body)
        .unwrap()
}

fn call(world: &World, action: &str, input: &Value) -> JsonAnswer {
    call_as(world, "AKIAPROVIDER", "us-east-1", action, input)
}

/// The state of [`NAME`], or the code of the error.
fn state(world: &World) -> String {
    let answer = call(world, "DescribeRule", &json!({ "Name": NAME }));
    let state = answer.body["State"].as_str();
    state.map_or(answer.outcome().1, str::to_owned)
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_rule_is_there_and_enabled_or_not() {
    let world = World::new();
    assert_eq!(state(&world), "ResourceNotFoundException");
    let rule = world.events.put_rule(NewRule::new(NAME, PATTERN));
    assert_eq!(rule.arn, ARN);
    let answer = call(&world, "DescribeRule", &json!({ "Name": NAME }));
    assert_eq!(
        answer.body,
        json!({
            "Name": NAME,
            "Arn": ARN,
            "EventPattern": PATTERN,
            "State": "ENABLED",
            "EventBusName": "default",
            "CreatedBy": PROVIDER,
        })
    );
    assert!(world.events.disable_rule(NAME));
    assert_eq!(state(&world), "DISABLED");
    assert!(world.events.enable_rule(ARN), "by its ARN");
    assert_eq!(state(&world), "ENABLED");
    let all = RuleState::EnabledWithAllCloudTrailManagementEvents;
    assert!(world.events.set_rule_state(NAME, all));
    assert_eq!(
        state(&world),
        "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    );
    assert!(world.events.delete_rule(NAME));
    assert_eq!(state(&world), "ResourceNotFoundException");
    assert!(!world.events.enable_rule(NAME) && !world.events.delete_rule(NAME));
    assert_eq!(world.events.rule(NAME), None);
}

#[test]
fn what_is_wrong_is_refused() {
    let world = World::new();
    for (action, input, code) in [
        ("DescribeRule", json!({}), "ValidationException"),
        (
            "DescribeRule",
            json!({ "Name": 1 }),
            "SerializationException",
        ),
        (
            "DescribeRule",
            json!({ "Name": NAME, "EventBusName": "b" }),
            "ResourceNotFoundException",
        ),
        ("TestEventPattern", json!({}), "UnknownOperationException"),
    ] {
        let answer = call(&world, action, &input);
        assert_eq!(answer.outcome(), refused(400, code), "{action} {input}");
    }
    let answer = call(&world, "DescribeRule", &json!({ "Name": NAME }));
    let expected = "Rule connection-events does not exist on EventBus default.";
    assert_eq!(answer.body["message"], expected);
}

#[test]
fn accounts_regions_and_buses_are_apart() {
    let world = World::new();
    let _ = world.events.put_rule(NewRule::new(NAME, PATTERN));
    let bus = world.events.put_bus("b");
    for (key, region, bus, expected) in [
        (PROVIDER, "us-east-1", None, ARN),
        (PROVIDER, "us-east-1", Some("default"), ARN),
        (
            PROVIDER,
            "us-east-1",
            Some("b"),
            "ResourceNotFoundException",
        ),
        (
            PROVIDER,
            "us-east-1",
            Some(bus.as_str()),
            "ResourceNotFoundException",
        ),
        (PROVIDER, "eu-west-1", None, "ResourceNotFoundException"),
        (OTHER, "us-east-1", None, "ResourceNotFoundException"),
        (
            OTHER,
            "us-east-1",
            Some(bus.as_str()),
            "ResourceNotFoundException",
        ),
    ] {
        let input = json!({ "Name": NAME, "EventBusName": bus });
        let answer = call_as(&world, key, region, "DescribeRule", &input);
        let arn = answer.body["Arn"].as_str();
        let found = arn.map_or(answer.outcome().1, str::to_owned);
        assert_eq!(found, expected, "{key} {region} {bus:?}");
    }
}
