use local_aws::{Caller, NewRule, RuleState};
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
    let rule = world.events.put_rule(NewRule::new(NAME, PATTERN)).unwrap();
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
fn rules_are_put_changed_and_deleted() {
    let world = World::new();
    let put = |input: Value| call(&world, "PutRule", &input);
    let full = json!({
        "Name": NAME,
        "EventPattern": PATTERN,
        "ScheduleExpression": "rate(5 minutes)",
        "State": "DISABLED",
        "Description": "d",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "Tags": [{ "Key": "k", "Value": "v" }],
    });
    assert_eq!(put(full).body, json!({ "RuleArn": ARN }));
    let rule = world.events.rule(NAME).unwrap();
    assert_eq!(rule.state, RuleState::Disabled);
    assert_eq!(rule.event_pattern.as_deref(), Some(PATTERN));
    assert_eq!(rule.schedule_expression.as_deref(), Some("rate(5 minutes)"));
    assert_eq!(rule.description.as_deref(), Some("d"));
    assert!(rule.role_arn.is_some());
    for (action, expected) in [("EnableRule", "ENABLED"), ("DisableRule", "DISABLED")] {
        let answer = call(&world, action, &json!({ "Name": NAME }));
        assert_eq!((answer.status, answer.body), (200, json!({})));
        assert_eq!(state(&world), expected);
    }
    put(json!({ "Name": NAME, "EventPattern": PATTERN }));
    assert_eq!(state(&world), "ENABLED", "what is left out is not kept");
    let rule = world.events.rule(NAME).unwrap();
    assert_eq!((rule.description, rule.schedule_expression), (None, None));
    for _ in 0..2 {
        let answer = call(&world, "DeleteRule", &json!({ "Name": NAME }));
        assert_eq!(answer.outcome(), refused(200, ""));
        assert!(world.events.rules().is_empty());
    }
    for action in ["DescribeRule", "EnableRule", "DisableRule"] {
        let answer = call(&world, action, &json!({ "Name": NAME }));
        assert_eq!(answer.outcome(), refused(400, "ResourceNotFoundException"));
        let expected = "Rule connection-events does not exist on EventBus default.";
        assert_eq!(answer.body["message"], expected, "{action}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let world = World::new();
    let with = |field: &str, value: Value| {
        let mut input = json!({ "Name": NAME, "EventPattern": PATTERN });
        input[field] = value;
        call(&world, "PutRule", &input).outcome()
    };
    for (field, value, code) in [
        ("Name", Value::Null, "ValidationException"),
        ("Name", json!(""), "ValidationException"),
        ("Name", json!("a b"), "ValidationException"),
        ("Name", json!("x".repeat(65)), "ValidationException"),
        ("Name", json!(1), "SerializationException"),
        ("State", json!("Enabled"), "ValidationException"),
        ("EventPattern", Value::Null, "ValidationException"),
        ("EventPattern", json!("{"), "InvalidEventPatternException"),
        (
            "EventPattern",
            json!(r#"{"source": "aws.ec2"}"#),
            "InvalidEventPatternException",
        ),
        ("ScheduleExpression", json!("5"), "ValidationException"),
        ("EventBusName", json!("a b"), "ValidationException"),
        ("EventBusName", json!("b"), "ResourceNotFoundException"),
    ] {
        let outcome = with(field, value.clone());
        assert_eq!(outcome, refused(400, code), "{field} {value}");
    }
    assert!(world.events.rules().is_empty());
    for action in ["DescribeRule", "EnableRule", "DisableRule", "DeleteRule"] {
        for (input, code) in [
            (json!({}), "ValidationException"),
            (json!({ "Name": "a/b" }), "ValidationException"),
            (
                json!({ "Name": NAME, "EventBusName": "b" }),
                "ResourceNotFoundException",
            ),
        ] {
            let answer = call(&world, action, &input);
            assert_eq!(answer.outcome(), refused(400, code), "{action} {input}");
        }
    }
    let unknown = call(&world, "TestEventPattern", &json!({}));
    assert_eq!(unknown.outcome(), refused(400, "UnknownOperationException"));
    for (name, pattern, code) in [
        (NAME, "[]", "InvalidEventPatternException"),
        ("", PATTERN, "ValidationException"),
    ] {
        let error = world.events.put_rule(NewRule::new(name, pattern));
        assert_eq!(error.unwrap_err().code, code);
    }
}

#[test]
fn accounts_regions_and_buses_are_apart() {
    let world = World::new();
    let bus = "arn:aws:events:us-east-1:123456789012:event-bus/b";
    world.events.put_rule(NewRule::new(NAME, PATTERN)).unwrap();
    let abroad = Caller::new(PROVIDER, "eu-west-1");
    let rule = world
        .events
        .put_rule_as(&abroad, NewRule::new("abroad", PATTERN))
        .unwrap();
    assert_eq!(
        rule.arn,
        "arn:aws:events:eu-west-1:123456789012:rule/abroad"
    );
    let other = NewRule::new("other", PATTERN).event_bus("b");
    let other = world.events.put_rule(other).unwrap();
    assert_eq!(other.event_bus, "b");
    // On buses of the same name, elsewhere.
    for (account, region) in [(PROVIDER, "eu-west-1"), (OTHER, "us-east-1")] {
        let rule = NewRule::new("other", PATTERN).event_bus("b");
        let owner = Caller::new(account, region);
        world.events.put_rule_as(&owner, rule).unwrap();
    }
    let elsewhere = "arn:aws:events:eu-west-1:123456789012:rule/b/other";
    let find = |key: &str, region: &str, name: &str, bus: Option<&str>| {
        let input = json!({ "Name": name, "EventBusName": bus });
        let answer = call_as(&world, key, region, "DescribeRule", &input);
        let arn = answer.body["Arn"].as_str();
        arn.map_or(answer.outcome().1, str::to_owned)
    };
    let none = "ResourceNotFoundException";
    for (key, region, name, bus, expected) in [
        (PROVIDER, "us-east-1", NAME, None, ARN),
        (PROVIDER, "us-east-1", NAME, Some("default"), ARN),
        (PROVIDER, "us-east-1", NAME, Some("b"), none),
        (PROVIDER, "eu-west-1", NAME, None, none),
        (OTHER, "us-east-1", NAME, None, none),
        (PROVIDER, "eu-west-1", "abroad", None, rule.arn.as_str()),
        (PROVIDER, "us-east-1", "other", None, none),
        (PROVIDER, "us-east-1", "other", Some("b"), &other.arn),
        (PROVIDER, "us-east-1", "other", Some(bus), &other.arn),
        (PROVIDER, "eu-west-1", "other", Some(bus), none),
        (PROVIDER, "eu-west-1", "other", Some("b"), elsewhere),
        (PROVIDER, "eu-central-1", "other", Some("b"), none),
        (OTHER, "us-east-1", "other", Some(bus), none),
    ] {
        let found = find(key, region, name, bus);
        assert_eq!(found, expected, "{key} {region} {name} {bus:?}");
    }
    let put = json!({ "Name": "n", "EventPattern": PATTERN, "EventBusName": bus });
    let answer = call(&world, "PutRule", &put);
    let expected = "arn:aws:events:us-east-1:123456789012:rule/b/n";
    assert_eq!(answer.body["RuleArn"], expected);
    assert!(world.events.delete_rule(expected));
    assert_eq!(world.events.rules().len(), 5);
}

#[test]
fn rules_are_listed_by_prefix_and_paged() {
    let world = World::new();
    for n in 0..12 {
        let rule = NewRule::new(format!("a-{n:02}"), PATTERN);
        let rule = if n == 3 {
            rule.state(RuleState::Disabled)
        } else {
            rule
        };
        world.events.put_rule(rule).unwrap();
    }
    let b = NewRule::new("b", PATTERN);
    world.events.put_rule(b.clone()).unwrap();
    for (account, region) in [(OTHER, "us-east-1"), (PROVIDER, "eu-west-1")] {
        let owner = Caller::new(account, region);
        world.events.put_rule_as(&owner, b.clone()).unwrap();
    }
    world.events.put_rule(b.event_bus("bus")).unwrap();
    let list = |input: Value| call(&world, "ListRules", &input);
    let names = |answer: &JsonAnswer| -> Vec<String> {
        let rules = answer.body["Rules"].as_array().unwrap().iter();
        rules
            .map(|rule| rule["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = list(json!({}));
    assert_eq!(
        (names(&all).len(), &all.body["NextToken"]),
        (13, &Value::Null)
    );
    assert_eq!(all.body["Rules"][3]["State"], "DISABLED");
    assert_eq!(
        all.body["Rules"][12],
        json!({
            "Name": "b",
            "Arn": "arn:aws:events:us-east-1:123456789012:rule/b",
            "EventPattern": PATTERN,
            "State": "ENABLED",
            "EventBusName": "default",
        })
    );
    for (input, expected) in [
        (json!({ "NamePrefix": "a-0" }), 10),
        (json!({ "NamePrefix": "b" }), 1),
        (json!({ "NamePrefix": "x" }), 0),
        (json!({ "EventBusName": "bus" }), 1),
        (json!({ "EventBusName": "bus", "NamePrefix": "a" }), 0),
    ] {
        assert_eq!(names(&list(input.clone())).len(), expected, "{input}");
    }
    let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), Value::Null);
    loop {
        let page = list(json!({ "NamePrefix": "a-", "Limit": 5, "NextToken": token }));
        sizes.push(names(&page).len());
        assert!(sizes.len() < 20, "it goes on for ever");
        seen.extend(names(&page));
        token = page.body["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(sizes, [5, 5, 2]);
    let expected: Vec<String> = (0..12).map(|n| format!("a-{n:02}")).collect();
    assert_eq!(seen, expected);
    for (input, code) in [
        (json!({ "Limit": 0 }), "ValidationException"),
        (json!({ "Limit": 101 }), "ValidationException"),
        (json!({ "Limit": -1 }), "ValidationException"),
        (json!({ "NamePrefix": "a b" }), "ValidationException"),
        (json!({ "NextToken": "x" }), "InvalidToken"),
        (json!({ "EventBusName": "x" }), "ResourceNotFoundException"),
    ] {
        let outcome = list(input.clone()).outcome();
        assert_eq!(outcome, refused(400, code), "{input}");
    }
}
