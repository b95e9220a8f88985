//! All services of AWS answer over the same router, each in its own words.

use local_aws::{Control, Fault, FaultKind, NewOrganization, NewRule};

use crate::world::*;

const EVENTS: &str = "AWSEvents.";
const ORGANIZATIONS: &str = "AWSOrganizationsV20161128.";
const SECRETS: &str = "secretsmanager.";

const BUS: &str = "arn:aws:events:us-east-1:123456789012:event-bus/security";
const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/r";

/// A world in which all calls of [`CALLS`] succeed.
fn world() -> World {
    let world = World::new();
    let organization = NewOrganization::new();
    world.organizations.put_organization(organization).unwrap();
    let rule = NewRule::new("r", r#"{"source": ["aws.ec2"]}"#);
    let _ = world.events.put_rule(rule);
    world.secrets.put_secret("s", "the value").unwrap();
    world.sns.put_topic("t").unwrap();
    world
}

/// One call of a service that speaks JSON: its prefix, the action and the body; and what IAM's refusal names.
const CALLS: [(&str, &str, &str, &str); 4] = [
    (
        ORGANIZATIONS,
        "ListParents",
        r#"{"ChildId": "123456789012"}"#,
        "resource: *",
    ),
    (EVENTS, "DescribeRule", r#"{"Name": "r"}"#, RULE),
    (
        EVENTS,
        "PutEvents",
        r#"{"Entries": [{"EventBusName": "security"}]}"#,
        BUS,
    ),
    (
        SECRETS,
        "GetSecretValue",
        r#"{"SecretId": "s"}"#,
        "resource: s",
    ),
];

fn control<'w>(world: &'w World, prefix: &str) -> &'w Control {
    match prefix {
        ORGANIZATIONS => &world.organizations,
        EVENTS => &world.events,
        _ => &world.secrets,
    }
}

fn call(world: &World, prefix: &str, target: &str, body: &str) -> JsonAnswer {
    let path = match prefix {
        ORGANIZATIONS => "/organizations",
        EVENTS => "/events",
        _ => "/secrets",
    };
    world
        .post_json(path, PROVIDER, "us-east-1", target, body)
        .unwrap()
}

#[test]
fn faults_are_answered_in_the_words_of_each_service() {
    let world = world();
    for (prefix, action, body, resource) in CALLS {
        let (throttled, internal, text) = match prefix {
            ORGANIZATIONS => ("TooManyRequestsException", "ServiceException", "Message"),
            EVENTS => ("ThrottlingException", "InternalException", "message"),
            _ => ("ThrottlingException", "InternalServiceError", "Message"),
        };
        let refused = FaultKind::Refused {
            code: "InvalidInputException".to_owned(),
            message: "m".to_owned(),
            items: Vec::new(),
        };
        for (kind, status, code) in [
            (FaultKind::Throttle, 400, throttled),
            (FaultKind::InternalError, 500, internal),
            (FaultKind::Unavailable, 503, "ServiceUnavailable"),
            (FaultKind::Unauthorized, 400, "AccessDeniedException"),
            (refused, 400, "InvalidInputException"),
        ] {
            control(&world, prefix).inject(Fault::new(action, kind));
            let answer = call(&world, prefix, &format!("{prefix}{action}"), body);
            assert_eq!(answer.outcome(), (status, code.to_owned()), "{action}");
            let fields = answer.body.as_object().unwrap();
            assert_eq!(fields.len(), 2, "a code and a text: {answer:?}");
            let text = fields[text].as_str().unwrap();
            let named = text.contains(resource);
            assert_eq!(named, code == "AccessDeniedException", "{text}");
        }
        let answer = call(&world, prefix, &format!("{prefix}{action}"), body);
        assert_eq!(answer.status, 200, "{action}: the faults are used up");
        let log = control(&world, prefix).log();
        let errors = log.iter().filter(|call| call.action == action);
        let errors: Vec<_> = errors.map(|call| call.error.as_deref()).collect();
        assert_eq!(errors.len(), 6);
        assert_eq!((errors[0], errors[5]), (Some(throttled), None));
    }
}

#[test]
fn sns_answers_faults_in_xml() {
    let world = world();
    let topic = "arn:aws:sns:us-east-1:123456789012:t";
    let publish = || world.sns("Publish", &[("TopicArn", topic), ("Message", "m")]);
    for (kind, status, code, side) in [
        (FaultKind::Throttle, 400, "Throttling", "Sender"),
        (FaultKind::InternalError, 500, "InternalError", "Receiver"),
        (
            FaultKind::Unavailable,
            503,
            "ServiceUnavailable",
            "Receiver",
        ),
        (FaultKind::Unauthorized, 403, "AuthorizationError", "Sender"),
    ] {
        world.sns.inject(Fault::new("Publish", kind));
        let answer = publish();
        assert_eq!(answer.outcome(), (status, code.to_owned()));
        assert_eq!(answer.one("Type"), side);
    }
    assert!(world.sns.published().is_empty());
    assert_eq!(publish().status, 200);
    assert_eq!(world.sns.calls_of("Publish"), 5);
}

#[test]
fn what_is_no_call_is_refused() {
    let world = world();
    for (prefix, action, body, _) in CALLS {
        let target = format!("{prefix}{action}");
        for body in ["{", "[]", "\"a\""] {
            let outcome = call(&world, prefix, &target, body).outcome();
            assert_eq!(outcome, (400, "SerializationException".to_owned()));
        }
        for target in [
            &format!("{prefix}CreateAccount"),
            &format!("Other.{action}"),
            &format!("{action}x"),
            "",
        ] {
            let outcome = call(&world, prefix, target, body).outcome();
            let unknown = (400, "UnknownOperationException".to_owned());
            assert_eq!(outcome, unknown, "{target}");
        }
    }
    for body in [r#"{"ChildId": 12}"#, r#"{"MaxResults": "1"}"#] {
        let target = format!("{ORGANIZATIONS}ListParents");
        let outcome = call(&world, ORGANIZATIONS, &target, body).outcome();
        assert_eq!(outcome, (400, "SerializationException".to_owned()));
    }
    // Clients may leave out the body of a call without parameters.
    let target = format!("{ORGANIZATIONS}DescribeOrganization");
    assert_eq!(call(&world, ORGANIZATIONS, &target, "").status, 200);
}
