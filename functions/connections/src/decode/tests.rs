//! Every kind of event, alone, wrapped, and from a direct invocation; and decoding never panics.

use std::time::{Duration, Instant};

use gatekeeper_core::hint::{Hint, HintKind, MOST_ENDPOINTS, MOST_SERVICES, MOST_TOPICS, Subject};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
const ONE: &str = "vpce-0123456789abcdef0";
const TWO: &str = "vpce-0fedcba9876543210";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:privatelink-connections";
const ADMIN: &str = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_NetworkAdmin_0123456789abcdef/alice@example.com";

macro_rules! fixtures {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../../tests/fixtures/events/", $name, ".json")))),+]
    };
}

const SINGLE: [(&str, &str); 17] = fixtures![
    "sns-notification-json",
    "sns-notification-text",
    "sns-notification-empty",
    "sns-lambda-record",
    "sns-subscription-confirmation",
    "sns-eventbridge",
    "cloudtrail-create-forwarded",
    "cloudtrail-create-aws-service",
    "cloudtrail-delete-forwarded",
    "cloudtrail-accept",
    "cloudtrail-accept-items",
    "cloudtrail-accept-own",
    "cloudtrail-accept-denied",
    "cloudtrail-reject-partly",
    "cloudtrail-record",
    "connection-requested",
    "other-event",
];

const BATCHES: [(&str, &str); 5] = fixtures![
    "sns-lambda-event",
    "sqs-sns-notification",
    "sqs-cloudtrail-accept",
    "sqs-connection-requested",
    "sqs-sns-eventbridge",
];

fn own_roles() -> OwnRoles {
    OwnRoles::parse(["arn:aws:iam::111122223333:role/gatekeeper/connections"]).unwrap()
}

fn decoded(body: &str) -> Result<Decoded, Malformed> {
    decode(body, &own_roles())
}

fn hint(kind: HintKind, subject: Subject, actor: Option<&str>) -> Decoded {
    Decoded::Hints(vec![Hint {
        kind,
        subject,
        actor: actor.map(|arn| arn.parse().unwrap()),
    }])
}

fn endpoints(service_id: Option<&str>, ids: &[&str]) -> Subject {
    Subject::Endpoints {
        service_id: service_id.map(|id| id.parse().unwrap()),
        endpoint_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
    }
}

fn topic() -> Subject {
    Subject::Topic(TOPIC.to_owned())
}

/// The content of each single event.
fn expected(name: &str) -> Decoded {
    let one = || endpoints(Some(SERVICE), &[ONE]);
    match name {
        "sns-notification-json" | "sns-lambda-record" => hint(HintKind::Requested, one(), None),
        "sns-notification-text" => hint(HintKind::Unspecified, one(), None),
        "sns-notification-empty" => hint(HintKind::Unspecified, topic(), None),
        "sns-subscription-confirmation" => Decoded::Ignored(Ignored::SubscriptionConfirmation),
        "cloudtrail-create-forwarded" => hint(HintKind::Requested, one(), None),
        "cloudtrail-create-aws-service" => Decoded::Ignored(Ignored::OtherService),
        "cloudtrail-delete-forwarded" => {
            hint(HintKind::Deleted, endpoints(None, &[ONE, TWO]), None)
        }
        "cloudtrail-accept" => hint(HintKind::Accepted, one(), Some(ADMIN)),
        // Not by EventBridge, or not by it alone.
        "cloudtrail-record" | "sns-eventbridge" => hint(HintKind::Accepted, one(), None),
        "cloudtrail-accept-items" => hint(
            HintKind::Accepted,
            endpoints(Some(SERVICE), &[ONE, TWO]),
            Some(ADMIN),
        ),
        "cloudtrail-accept-own" => Decoded::Ignored(Ignored::OwnCall),
        "cloudtrail-accept-denied" => Decoded::Ignored(Ignored::CallFailed),
        "cloudtrail-reject-partly" => hint(HintKind::Rejected, one(), Some(ADMIN)),
        "connection-requested" => hint(HintKind::Requested, one(), None),
        "other-event" => Decoded::Ignored(Ignored::OtherEvent),
        other => panic!("no expectation for {other}"),
    }
}

/// The same from a sender whom we do not believe about names.
fn nameless(said: Decoded) -> Decoded {
    match said {
        Decoded::Hints(mut hints) => {
            hints.iter_mut().for_each(|hint| hint.actor = None);
            Decoded::Hints(hints)
        }
        ignored @ Decoded::Ignored(_) => ignored,
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn queued(bodies: &[&str]) -> Value {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(
            |(n, body)| json!({"messageId": n.to_string(), "eventSource": "aws:sqs", "body": body}),
        )
        .collect();
    json!({ "Records": records })
}

fn notified(message: &str) -> Value {
    json!({"Type": "Notification", "TopicArn": TOPIC, "Message": message})
}

fn by_sns(message: &str) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": notified(message)}]})
}

fn handed_over(payload: Value) -> (bool, Vec<Result<Decoded, Malformed>>) {
    let (queue, records) = match invocation(payload).unwrap() {
        Invocation::Queue(records) => (true, records),
        Invocation::Direct(records) => (false, records),
    };
    let read = records.iter().map(|record| decoded(&record.body));
    (queue, read.collect())
}

#[test]
fn each_event_says_the_same_alone_and_in_every_wrapping_but_for_names() {
    for (name, text) in SINGLE {
        let said = expected(name);
        assert_eq!(decoded(text), Ok(said.clone()), "{name}");
        assert_eq!(
            handed_over(parsed(text)),
            (false, vec![Ok(said.clone())]),
            "{name} handed over by EventBridge"
        );
        assert_eq!(
            handed_over(queued(&[text, text])),
            (true, vec![Ok(said.clone()), Ok(said.clone())]),
            "{name} in a queue"
        );
        // The sender of a wrapped event could write any name into it.
        let said = nameless(said);
        assert_eq!(
            handed_over(by_sns(text)),
            (false, vec![Ok(said.clone())]),
            "{name} handed over by SNS"
        );
        let enveloped = notified(text).to_string();
        assert_eq!(
            handed_over(queued(&[&enveloped])),
            (true, vec![Ok(said.clone())]),
            "{name} by SNS in a queue"
        );
        let batch = queued(&[text]).to_string();
        assert_eq!(
            handed_over(queued(&[&batch])),
            (true, vec![Ok(said)]),
            "{name} in a queue in a queue"
        );
    }
}

#[test]
fn batches_are_read_as_lambda_delivers_them() {
    let one = || endpoints(Some(SERVICE), &[ONE]);
    let anything = || hint(HintKind::Unspecified, topic(), None);
    for (name, text) in BATCHES {
        let queue = name.starts_with("sqs-");
        let said = match name {
            "sns-lambda-event" => vec![hint(HintKind::Requested, one(), None), anything()],
            "sqs-sns-notification" => vec![
                hint(HintKind::Requested, one(), None),
                anything(),
                anything(),
            ],
            "sqs-cloudtrail-accept" => vec![hint(HintKind::Accepted, one(), Some(ADMIN))],
            _ => vec![hint(HintKind::Requested, one(), None)],
        };
        let said: Vec<_> = said.into_iter().map(Ok).collect();
        assert_eq!(handed_over(parsed(text)), (queue, said.clone()), "{name}");
        let records = records_of(parsed(text));
        let read: Vec<_> = records.iter().map(|record| decoded(&record.body)).collect();
        assert_eq!(read, said, "{name}");
        assert!(records.iter().all(|record| record.id.is_some() == queue));
    }
}

#[test]
fn a_body_that_is_no_event_is_malformed_in_one_short_sentence() {
    let none = "the JSON is none of the events that are understood here: ";
    let text = "the body is not JSON and names neither an endpoint nor a service ";
    for (body, sentence) in [
        ("", "the body is empty".to_owned()),
        (" \n", "the body is empty".to_owned()),
        ("{}", format!("{none}{{}}")),
        ("42", format!("{none}42")),
        ("null", format!("{none}null")),
        ("[]", format!("{none}[]")),
        (r#"{"foo":1}"#, format!(r#"{none}{{"foo":1}}"#)),
        (r#"{"Records":[]}"#, format!(r#"{none}{{"Records":[]}}"#)),
        (
            r#"{"Records":[{}]}"#,
            format!(r#"{none}{{"Records":[{{}}]}}"#),
        ),
        ("\"a word\"", format!("{none}\"a word\"")),
        (
            r#"{"id":"vpce-nfn-0a1b2c3d","event":"please Accept"}"#,
            format!(r#"{none}{{"event":"please Accept","id":"vpce-nfn-0a1b2c3d"}}"#),
        ),
        (
            r#"{"Type":"Notification"}"#,
            format!(r#"{none}{{"Type":"Notification"}}"#),
        ),
        (
            r#"{"eventSource":"aws:s3","eventName":"x"}"#,
            format!(r#"{none}{{"eventName":"x","eventSource":"aws:s3"}}"#),
        ),
        (
            "not\njson",
            format!("{text}(expected ident at line 1 column 2): not\\njson"),
        ),
        (
            "{\"cut\":",
            format!("{text}(EOF while parsing a value at line 1 column 7): {{\"cut\":"),
        ),
    ] {
        assert_eq!(decoded(body).unwrap_err().to_string(), sentence, "{body:?}");
    }
    let long = decoded(&"é".repeat(256 * 1024)).unwrap_err().to_string();
    assert!(long.ends_with(&format!("{}…", "é".repeat(80))), "{long}");
}

#[test]
fn events_are_nested_only_so_deep() {
    let inside = |levels: usize| {
        let mut body = "at the bottom".to_owned();
        for _ in 0..levels {
            body = notified(&body).to_string();
        }
        body
    };
    // The outermost one is inside nothing.
    assert_eq!(
        decoded(&inside(nested::DEEPEST + 1)),
        Ok(hint(HintKind::Unspecified, topic(), None))
    );
    let error = decoded(&inside(nested::DEEPEST + 2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "events lie inside one another more than 6 deep"
    );
    let mut batch = queued(&[SINGLE[0].1]);
    for _ in 0..4 {
        batch = queued(&[&batch.to_string()]);
    }
    assert!(matches!(
        decoded(&batch.to_string()),
        Err(Malformed::TooDeep { .. })
    ));
    // JSON that is nested deeper than the parser allows counts as text.
    let brackets = "[".repeat(100_000);
    assert!(matches!(decoded(&brackets), Err(Malformed::NotJson { .. })));
    assert!(decoded(&notified(&brackets).to_string()).is_ok());
}

#[test]
fn several_events_in_one_body_give_all_their_hints() {
    let accept = parsed(SINGLE[9].1);
    let bad = json!({"source": "privatelink.gatekeeper", "detail-type": "Connection Requested", "detail": {}});
    let body = |bodies: &[&Value]| {
        let texts: Vec<String> = bodies.iter().map(ToString::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        queued(&texts).to_string()
    };
    let other = parsed(SINGLE[16].1);
    let mixed = json!({"Records": [{"not": "known"}, accept]}).to_string();
    let accepted = nameless(expected("cloudtrail-accept"));
    assert_eq!(decoded(&mixed), Ok(accepted.clone()));
    // The same event twice counts once.
    assert_eq!(
        decoded(&body(&[&bad, &accept, &other, &accept])),
        Ok(accepted)
    );
    let delete = parsed(SINGLE[8].1);
    let Ok(Decoded::Hints(hints)) = decoded(&body(&[&bad, &accept, &other, &delete])) else {
        panic!("no hints");
    };
    assert_eq!(hints.len(), 2);
    assert!(matches!(
        decoded(&body(&[&other, &bad])),
        Err(Malformed::Field { .. })
    ));
    assert_eq!(
        decoded(&body(&[&other])),
        Ok(Decoded::Ignored(Ignored::OtherEvent))
    );
}

#[test]
fn no_claim_about_an_owner_changes_the_result() {
    let mut changed = 0;
    for (name, text) in SINGLE {
        let mut other = text.to_owned();
        for field in ["ownerId", "accountId", "account", "recipientAccountId"] {
            let said = format!("\"{field}\": \"444455556666\"");
            changed += other.matches(&said).count();
            other = other.replace(&said, &format!("\"{field}\": \"999999999999\""));
        }
        assert_eq!(decoded(&other), Ok(expected(name)), "{name}");
    }
    assert!(changed >= 10, "{changed}");
}

/// An accept as EventBridge delivers it, with a change.
fn accept_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = parsed(SINGLE[9].1);
    change(&mut event);
    event
}

fn actor_of(body: &Value) -> Option<String> {
    match decoded(&body.to_string()) {
        Ok(Decoded::Hints(hints)) => {
            let [hint] = &hints[..] else {
                panic!("{hints:?}")
            };
            hint.actor.as_ref().map(ToString::to_string)
        }
        other => panic!("{other:?} from {body}"),
    }
}

#[test]
fn only_eventbridge_with_a_call_in_our_own_account_names_anybody() {
    let own = accept_with(|_| {});
    assert_eq!(actor_of(&own).as_deref(), Some(ADMIN));
    let text = own.to_string();
    let enveloped = notified(&text);
    for body in [
        // Without EventBridge's shape.
        own["detail"].clone(),
        json!({"Records": [own["detail"]]}),
        json!({"Records": [own]}),
        // Inside SNS's envelope, at any level.
        enveloped.clone(),
        by_sns(&text),
        by_sns(&enveloped.to_string()),
        notified(&own["detail"].to_string()),
        notified(&enveloped.to_string()),
        notified(&queued(&[&text]).to_string()),
        notified(&json!({"Records": [own]}).to_string()),
        queued(&[&enveloped.to_string()]),
        // A queue's record in another's body.
        queued(&[&text]),
        json!({"eventSource": "aws:sqs", "body": text}),
        // Only PutEvents can make this, and it cannot send in the name of aws.ec2.
        accept_with(|event| event["detail"] = json!(event["detail"].to_string())),
    ] {
        assert_eq!(actor_of(&body), None, "{body}");
    }
}

#[test]
fn a_call_in_another_account_or_in_an_unknown_one_names_nobody() {
    let account = |path: &'static str, value: Value| {
        accept_with(move |event| *event.pointer_mut(path).unwrap() = value)
    };
    let without = |path: &'static str, name: &'static str| {
        accept_with(move |event| {
            let part = event.pointer_mut(path).unwrap().as_object_mut().unwrap();
            part.remove(name).unwrap();
        })
    };
    for body in [
        account("/account", json!("444455556666")),
        account("/account", json!(111_122_223_333_u64)),
        account("/account", json!("111122223333 ")),
        account("/detail/recipientAccountId", json!("444455556666")),
        account("/detail/recipientAccountId", json!(null)),
        account("/detail/recipientAccountId", json!(["111122223333"])),
        without("", "account"),
        without("/detail", "recipientAccountId"),
    ] {
        assert_eq!(actor_of(&body), None, "{body}");
    }
    // Without its roles the deployment does not know its account.
    let own = accept_with(|_| {}).to_string();
    let Ok(Decoded::Hints(hints)) = decode(&own, &OwnRoles::default()) else {
        panic!("no hints");
    };
    assert_eq!(hints[0].actor, None);
}

#[test]
fn only_a_principal_of_our_own_account_is_a_name() {
    let by = |identity: Value| accept_with(|event| event["detail"]["userIdentity"] = identity);
    for good in [
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:user/alice",
        "arn:aws-us-gov:sts::111122223333:assumed-role/NetworkAdmin/alice@example.com",
        "arn:aws:sts::111122223333:federated-user/alice",
    ] {
        let named = actor_of(&by(json!({"type": "IAMUser", "arn": good})));
        assert_eq!(named.as_deref(), Some(good));
    }
    let long = format!("arn:aws:iam::111122223333:user/{}", "x".repeat(5000));
    for bad in [
        json!({"arn": "arn:aws:iam::999999999999:user/evil", "accountId": "111122223333"}),
        json!({"arn": "alice@example.com"}),
        json!({"arn": "x\nDecided by  alice@example.com"}),
        json!({"arn": "arn:aws:iam::111122223333:user/a\nDecided by  bob"}),
        json!({"arn": "arn:aws:s3:::111122223333"}),
        json!({"arn": long}),
        json!({"arn": ["arn:aws:iam::111122223333:user/alice"]}),
        json!({"type": "AWSAccount", "principalId": "AIDA:x", "accountId": "111122223333"}),
        json!({"type": "AWSService", "invokedBy": "vpce.amazonaws.com"}),
        json!({}),
        json!(null),
        json!("arn:aws:iam::111122223333:user/alice"),
    ] {
        assert_eq!(actor_of(&by(bad.clone())), None, "{bad}");
    }
    // Creating and deleting endpoints decides nothing.
    for name in ["CreateVpcEndpoint", "DeleteVpcEndpoints"] {
        let call = accept_with(|event| event["detail"]["eventName"] = json!(name));
        assert_eq!(actor_of(&call), None, "{name}");
    }
}

/// With raw message delivery, SNS sends a notification's text without an envelope.
#[test]
fn a_notification_without_its_envelope_means_the_same() {
    let everything = |kind| hint(kind, Subject::Everything, None);
    let one = |kind, service| hint(kind, endpoints(service, &[ONE]), None);
    let service = Some(SERVICE);
    for (text, said) in [
        (format!("{ONE} asks"), one(HintKind::Unspecified, None)),
        (
            format!("Endpoint:\n{ONE}\nService:\ncom.amazonaws.vpce.eu-central-1.{SERVICE}\n"),
            one(HintKind::Unspecified, service),
        ),
        (
            json!({"vpcEndpointId": ONE, "serviceId": SERVICE, "event": "Connect"}).to_string(),
            one(HintKind::Requested, service),
        ),
        (
            json!([{"a": {"b": [ONE]}}, "REJECT"]).to_string(),
            one(HintKind::Rejected, None),
        ),
        (json!(ONE).to_string(), one(HintKind::Unspecified, None)),
        (
            format!("{{\"cut\": \"{ONE}\", "),
            one(HintKind::Unspecified, None),
        ),
        (
            format!("about {SERVICE}"),
            hint(
                HintKind::Unspecified,
                Subject::Service(SERVICE.parse().unwrap()),
                None,
            ),
        ),
        // There are no ids, but a word that only a notification has as a field.
        (
            json!({"event": "Connect"}).to_string(),
            everything(HintKind::Requested),
        ),
        ("Accept".to_owned(), everything(HintKind::Accepted)),
        // It looks like an event of AWS's own.
        (
            json!({"source": "aws.vpce", "detail-type": "Connection State Change",
                "detail": {"event": "Connect", "vpcEndpointId": ONE}})
            .to_string(),
            one(HintKind::Requested, None),
        ),
    ] {
        assert_eq!(decoded(&text), Ok(said.clone()), "{text}");
        assert_eq!(
            handed_over(queued(&[&text])),
            (true, vec![Ok(said)]),
            "{text}"
        );
    }
    // The ids in a malformed known event do not count.
    let bad = json!({"source": "privatelink.gatekeeper", "detail-type": "Connection Requested",
        "detail": {"endpoint_id": "vpce-nope", "note": ONE}});
    assert!(matches!(
        decoded(&bad.to_string()),
        Err(Malformed::Field { .. })
    ));
}

/// A record causes only a bounded number of look-ups, however large it is and however events are
/// nested in it.
#[test]
fn no_record_causes_more_look_ups_than_its_budget() {
    let id = |n: usize| format!("vpce-{n:017x}");
    let deletion = |n: usize| {
        let ids: Vec<String> = (n * 100..(n + 1) * 100).map(id).collect();
        json!({"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": {
            "eventSource": "ec2.amazonaws.com", "eventName": "DeleteVpcEndpoints",
            "requestParameters": {"x": ids.join(" ")}}})
    };
    let accept = |n: usize| {
        json!({"eventSource": "ec2.amazonaws.com", "eventName": "AcceptVpcEndpointConnections",
            "requestParameters": {"ServiceId": format!("vpce-svc-{n:017x}"), "VpcEndpointId": id(n)}})
    };
    let by_topic = |n: usize| json!({"Type": "Notification", "TopicArn": format!("arn:aws:sns:{n}"), "Message": ""});
    let batches: [Vec<Value>; 3] = [
        (0..90).map(deletion).collect(),
        (0..1000).map(accept).collect(),
        (0..1000).map(by_topic).collect(),
    ];
    for batch in batches {
        let bodies: Vec<String> = batch.iter().map(Value::to_string).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let nested = queued(&bodies).to_string();
        for body in [nested.clone(), notified(&nested).to_string()] {
            let Ok(Decoded::Hints(hints)) = decoded(&body) else {
                panic!("no hints");
            };
            let ids: usize = hints
                .iter()
                .map(|hint| hint.subject.endpoints().len())
                .sum();
            assert!(ids <= MOST_ENDPOINTS, "{ids}");
            let others = hints
                .iter()
                .filter(|hint| hint.subject.endpoints().is_empty());
            assert!(others.count() <= MOST_SERVICES + MOST_TOPICS + 1);
            // Everything is looked through for the rest, so that it is not forgotten.
            assert!(hints.iter().any(|hint| hint.subject == Subject::Everything));
        }
    }
}

#[test]
fn the_largest_bodies_are_read_quickly() {
    const SIZE: usize = 1024 * 1024;
    let ids: String = (0..SIZE / 14).map(|n| format!("vpce-{n:08x} ")).collect();
    let services: String = (0..SIZE / 18)
        .map(|n| format!("vpce-svc-{n:08x} "))
        .collect();
    let numbers = format!("[{}0]", "0,".repeat(SIZE / 2));
    let objects = format!("[{}{{}}]", "{\"a\":\"vpce-\"},".repeat(SIZE / 14));
    let failures: Vec<Value> = (0..SIZE / 40)
        .map(|n| json!({"resourceId": format!("vpce-{n:08x}")}))
        .collect();
    let call = json!({"eventSource": "ec2.amazonaws.com", "eventName": "RejectVpcEndpointConnections",
        "requestParameters": {"x": ids}, "responseElements": {"unsuccessful": failures}});
    let records: Vec<Value> = (0..SIZE / 100).map(|_| notified("")).collect();
    let start = Instant::now();
    for message in [
        "x".repeat(SIZE),
        "vpce-".repeat(SIZE / 5),
        "\u{0}\u{10ffff}".repeat(SIZE / 5),
        ids,
        services,
        numbers,
        objects,
        call.to_string(),
        json!({ "Records": records }).to_string(),
        "[".repeat(SIZE),
    ] {
        decoded(&notified(&message).to_string()).unwrap();
        let _ = decoded(&message);
    }
    // 20 readings of 1 MiB, four times the default limit of a queue. Quadratic work would take
    // minutes; the limit is generous because the tests run unoptimised on shared machines.
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        proptest::sample::select(vec![
            "Records",
            "body",
            "eventSource",
            "EventSource",
            "Sns",
            "Type",
            "TopicArn",
            "Message",
            "Subject",
            "source",
            "detail-type",
            "detail",
            "eventName",
            "errorCode",
            "userIdentity",
            "requestParameters",
            "responseElements",
            "unsuccessful",
            "resourceId",
            "VpcEndpointId",
            "vpcEndpoint",
            "ServiceName",
            "service_id",
            "endpoint_id",
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
    ];
    let text = prop_oneof![
        proptest::sample::select(vec![
            "aws:sqs",
            "aws:sns",
            "Notification",
            "aws.ec2",
            "AWS API Call via CloudTrail",
            "privatelink.gatekeeper",
            "Connection Requested",
            "ec2.amazonaws.com",
            "CreateVpcEndpoint",
            "DeleteVpcEndpoints",
            "AcceptVpcEndpointConnections",
            ONE,
            SERVICE,
            TOPIC,
            "{\"Type\":\"Notification\",\"Message\":\"{}\"}",
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{n}"), all);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(item, &format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

/// Reads it in every way, and checks properties of any result.
fn survives(value: &Value) -> Result<(), TestCaseError> {
    let text = value.to_string();
    sound(&decoded(&text), &text)?;
    sound(&decoded(&notified(&text).to_string()), &text)?;
    for record in records_of(value.clone()) {
        sound(&decoded(&record.body), &text)?;
    }
    if let Ok(Invocation::Queue(records) | Invocation::Direct(records)) = invocation(value.clone())
    {
        prop_assert!(!records.is_empty());
        for record in records {
            sound(&decoded(&record.body), &text)?;
        }
    }
    Ok(())
}

fn sound(read: &Result<Decoded, Malformed>, text: &str) -> Result<(), TestCaseError> {
    match read {
        Ok(Decoded::Hints(hints)) => {
            prop_assert!(!hints.is_empty(), "{}", text);
            for hint in hints {
                match &hint.subject {
                    Subject::Endpoints { endpoint_ids, .. } => {
                        prop_assert!((1..=MOST_ENDPOINTS).contains(&endpoint_ids.len()));
                        for id in endpoint_ids {
                            prop_assert!(text.contains(id.as_str()), "{} is not in {}", id, text);
                        }
                    }
                    Subject::Topic(arn) => prop_assert!(arn.starts_with("arn:")),
                    Subject::Service(_) | Subject::Attachments(_) | Subject::Everything => {}
                    // EC2 says who owns an endpoint (S4).
                    Subject::Consumer { .. } => prop_assert!(false, "{:?}", hint),
                }
            }
        }
        Ok(Decoded::Ignored(_)) => {}
        Err(error) => {
            let sentence = error.to_string();
            prop_assert!(sentence.len() < 2000, "{}", sentence);
            prop_assert!(!sentence.contains(char::is_control), "{:?}", sentence);
        }
    }
    Ok(())
}

/// An event that EventBridge replays from its archive has one more field.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive.html>
#[test]
fn a_replayed_event_means_what_it_meant_the_first_time() {
    let mut replayed = 0;
    for (name, text) in SINGLE {
        let mut event = parsed(text);
        if event.get("detail-type").is_none() {
            continue;
        }
        event["replay-name"] = json!("after-the-outage");
        assert_eq!(
            decoded(&event.to_string()).unwrap(),
            expected(name),
            "{name}"
        );
        replayed += 1;
    }
    assert!(replayed > 5, "{replayed}");
}

proptest! {
    #[test]
    fn any_json_is_read_without_panic(value in any_json()) {
        survives(&value)?;
    }

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        sound(&decoded(&text), &text)?;
        // A notification is never malformed, unless its text is an event.
        let read = decoded(&notified(&text).to_string());
        prop_assert!(matches!(read, Ok(Decoded::Hints(_))), "{:?}", read);
    }

    #[test]
    fn any_change_to_a_real_event_is_read_without_panic(
        which in 0..SINGLE.len() + BATCHES.len(),
        place in any::<proptest::sample::Index>(),
        other in any_json(),
    ) {
        let (_, text) = SINGLE.iter().chain(&BATCHES).nth(which).unwrap();
        let mut event = parsed(text);
        let mut all = Vec::new();
        places(&event, "", &mut all);
        *event.pointer_mut(place.get(&all[..]).as_str()).unwrap() = other;
        survives(&event)?;
    }

    #[test]
    fn any_part_of_a_real_event_is_read_without_panic(
        which in 0..SINGLE.len() + BATCHES.len(),
        at in any::<proptest::sample::Index>(),
    ) {
        let (_, text) = SINGLE.iter().chain(&BATCHES).nth(which).unwrap();
        let end = at.index(text.len());
        let cut = String::from_utf8_lossy(&text.as_bytes()[..end]);
        sound(&decoded(&cut), &cut)?;
        prop_assert!(decoded(&notified(&cut).to_string()).is_ok());
    }
}
