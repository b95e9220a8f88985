use std::sync::{Arc, Mutex};

use local_aws::{Fault, FaultKind, Message, NewSubscription};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::world::*;

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:q";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

fn topic(world: &World) -> String {
    let arn = world.sns("CreateTopic", &[("Name", "t")]).one("TopicArn");
    assert_eq!(arn, "arn:aws:sns:us-east-1:123456789012:t");
    arn
}

/// Follows the links in all mails that ask whether a subscription is wanted.
fn confirm_all(world: &World) {
    let tokens = world.sns.inbox().into_iter().filter_map(|mail| mail.token);
    for token in tokens {
        world.sns.confirm_by_link(&token).unwrap();
    }
}

#[test]
fn topics() {
    let world = World::new();
    let arn = topic(&world);
    assert_eq!(
        world.sns("CreateTopic", &[("Name", "t")]).one("TopicArn"),
        arn,
        "the same again"
    );
    for name in ["", "a b", "a.fifo", &"x".repeat(257)] {
        assert_eq!(
            world.sns("CreateTopic", &[("Name", name)]).status,
            400,
            "{name}"
        );
    }
    let named = [
        ("Name", "n"),
        ("Attributes.entry.1.key", "DisplayName"),
        ("Attributes.entry.1.value", "N"),
    ];
    let other = world.sns("CreateTopic", &named).one("TopicArn");
    let attributes = world.sns("GetTopicAttributes", &[("TopicArn", &other)]);
    assert!(
        attributes
            .body
            .contains("<key>DisplayName</key><value>N</value>"),
        "{attributes:?}"
    );
    assert_eq!(
        world.sns("ListTopics", &[]).all("TopicArn"),
        [other.clone(), arn.clone()]
    );
    for n in 0..100 {
        world.sns.put_topic(&format!("z{n:03}")).unwrap();
    }
    let first = world.sns("ListTopics", &[]);
    let second = world.sns("ListTopics", &[("NextToken", &first.one("NextToken"))]);
    assert_eq!(
        (
            first.all("TopicArn").len(),
            second.all("TopicArn").len(),
            second.one("NextToken").as_str()
        ),
        (100, 2, "")
    );
    assert_eq!(
        world.sns("ListTopics", &[("NextToken", "x")]).outcome(),
        (400, "InvalidParameter".to_owned())
    );
    world.sns(
        "Subscribe",
        &[
            ("TopicArn", &arn),
            ("Protocol", "email"),
            ("Endpoint", "a@example.com"),
        ],
    );
    assert_eq!(world.sns("DeleteTopic", &[("TopicArn", &arn)]).status, 200);
    assert_eq!(
        world.sns("DeleteTopic", &[("TopicArn", &arn)]).status,
        200,
        "idempotent"
    );
    assert!(world.sns.subscriptions().is_empty());
    for (arn, status, code) in [
        ("", 400, "InvalidParameter"),
        ("t", 400, "InvalidParameter"),
        (&arn, 404, "NotFound"),
        (
            "arn:aws:sns:eu-west-1:123456789012:t",
            400,
            "InvalidParameter",
        ),
        (
            "arn:aws:sns:us-east-1:444455556666:t",
            403,
            "AuthorizationError",
        ),
    ] {
        let answer = world.sns("Publish", &[("TopicArn", arn), ("Message", "m")]);
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{arn}");
    }
    let answer = world.sns("Nothing", &[]);
    assert_eq!(answer.outcome(), (400, "InvalidAction".to_owned()));
    assert_eq!(answer.one("Type"), "Sender");
    assert!(
        answer
            .body
            .contains("<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error>")
    );
    assert_eq!(answer.one("RequestId").len(), 36);
}

#[test]
fn subscriptions() {
    let world = World::new();
    let arn = topic(&world);
    let subscribe = |protocol: &str, endpoint: &str, attributes: &[(&str, &str)]| {
        let mut params = vec![
            ("TopicArn", arn.as_str()),
            ("Protocol", protocol),
            ("Endpoint", endpoint),
            ("ReturnSubscriptionArn", "true"),
        ];
        let names: Vec<(String, String)> = (1..=attributes.len())
            .map(|n| {
                (
                    format!("Attributes.entry.{n}.key"),
                    format!("Attributes.entry.{n}.value"),
                )
            })
            .collect();
        for ((key, value), (name, text)) in attributes.iter().zip(&names) {
            params.push((name, key));
            params.push((text, value));
        }
        world.sns("Subscribe", &params)
    };
    for (protocol, endpoint) in [
        ("email", "a@example.com"),
        ("email-json", "a@example.com"),
        ("sqs", QUEUE),
        ("lambda", FUNCTION),
        ("https", "https://example.com/hook"),
    ] {
        let answer = subscribe(protocol, endpoint, &[]);
        assert!(
            answer
                .one("SubscriptionArn")
                .starts_with(&format!("{arn}:")),
            "{protocol}: {answer:?}"
        );
        assert_eq!(
            subscribe(protocol, endpoint, &[]).one("SubscriptionArn"),
            answer.one("SubscriptionArn")
        );
    }
    let invalid = (400, "InvalidParameter".to_owned());
    for (protocol, endpoint) in [
        ("email", "nobody"),
        ("email", "@example.com"),
        ("sqs", FUNCTION),
        ("lambda", QUEUE),
        ("https", "http://example.com"),
        ("fax", "1"),
        ("email", ""),
    ] {
        assert_eq!(
            subscribe(protocol, endpoint, &[]).outcome(),
            invalid,
            "{protocol} {endpoint}"
        );
    }
    for attributes in [
        [("FilterPolicy", "{")],
        [("FilterPolicy", "{\"a\": \"b\"}")],
        [("FilterPolicy", "{\"a\": {\"b\": [1]}}")],
        [("FilterPolicyScope", "Everything")],
        [("RawMessageDelivery", "true")],
        [("Colour", "red")],
    ] {
        assert_eq!(
            subscribe("email", "b@example.com", &attributes).outcome(),
            invalid,
            "{attributes:?}"
        );
    }
    assert_eq!(
        subscribe(
            "email",
            "a@example.com",
            &[("FilterPolicy", "{\"a\": [\"b\"]}")]
        )
        .outcome(),
        invalid
    );
    assert_eq!(
        world
            .sns("ListSubscriptionsByTopic", &[("TopicArn", &arn)])
            .all("Endpoint")
            .len(),
        5
    );
    confirm_all(&world);
    let all = world.sns("ListSubscriptions", &[]);
    assert_eq!(
        all.all("Protocol"),
        ["email", "email-json", "sqs", "lambda", "https"]
    );
    assert_eq!(all.one("Owner"), PROVIDER);

    let id = all.one("SubscriptionArn");
    let get = || {
        world
            .sns("GetSubscriptionAttributes", &[("SubscriptionArn", &id)])
            .body
    };
    let set = |name: &str, value: &str| {
        let params = [
            ("SubscriptionArn", id.as_str()),
            ("AttributeName", name),
            ("AttributeValue", value),
        ];
        world.sns("SetSubscriptionAttributes", &params).outcome()
    };
    assert!(get().contains("<key>PendingConfirmation</key><value>false</value>"));
    assert_eq!(
        set("FilterPolicy", "{\"a\": [\"b\"]}"),
        (200, String::new())
    );
    assert!(get().contains("<key>FilterPolicyScope</key><value>MessageAttributes</value>"));
    assert_eq!(set("FilterPolicy", "{"), invalid);
    assert_eq!(set("RawMessageDelivery", "true"), invalid);
    assert_eq!(set("FilterPolicy", ""), (200, String::new()));
    assert!(!get().contains("FilterPolicy"));
    assert_eq!(
        world.sns("Unsubscribe", &[("SubscriptionArn", &id)]).status,
        200
    );
    assert_eq!(
        world
            .sns("Unsubscribe", &[("SubscriptionArn", "x")])
            .outcome(),
        invalid
    );
    let gone = (404, "NotFound".to_owned());
    assert_eq!(
        world
            .sns("GetSubscriptionAttributes", &[("SubscriptionArn", &id)])
            .outcome(),
        gone
    );
    assert_eq!(set("FilterPolicy", ""), gone);
    assert_eq!(world.sns.subscriptions().len(), 4);
}

#[test]
fn a_message_reaches_each_protocol_in_its_form() {
    let world = World::new();
    let arn = topic(&world);
    let (sink, mut deliveries) = unbounded_channel();
    world.sns.set_delivery_sink(sink);
    let raw = "arn:aws:sqs:us-east-1:123456789012:raw";
    for new in [
        NewSubscription::new(&arn, "email", "a@example.com"),
        NewSubscription::new(&arn, "sqs", QUEUE),
        NewSubscription::new(&arn, "sqs", raw).attribute("RawMessageDelivery", "true"),
        NewSubscription::new(&arn, "lambda", FUNCTION),
    ] {
        world.sns.subscribe(new).unwrap();
    }
    let text = json!({ "default": "d", "email": "mail <&>", "lambda": "l" }).to_string();
    let answer = world.sns(
        "Publish",
        &[
            ("TopicArn", &arn),
            ("Message", &text),
            ("Subject", "s"),
            ("MessageStructure", "json"),
            ("MessageAttributes.entry.1.Name", "approver"),
            ("MessageAttributes.entry.1.Value.DataType", "String"),
            ("MessageAttributes.entry.1.Value.StringValue", "alice"),
        ],
    );
    let id = answer.one("MessageId");
    let inbox = world.sns.inbox();
    assert_eq!(
        inbox
            .iter()
            .map(|delivery| delivery.message.as_str())
            .collect::<Vec<_>>(),
        ["mail <&>", "d", "d", "l"]
    );
    assert!(
        inbox
            .iter()
            .all(|delivery| delivery.message_id == id && delivery.subject.as_deref() == Some("s"))
    );
    assert_eq!(inbox[0].body(), "mail <&>");
    assert_eq!(inbox[2].body(), "d");
    let attributes = json!({ "approver": { "Type": "String", "Value": "alice" } });
    let envelope: Value = serde_json::from_str(&inbox[1].body()).unwrap();
    assert_eq!(envelope["Type"], "Notification");
    assert_eq!(
        (
            &envelope["TopicArn"],
            &envelope["Message"],
            &envelope["Subject"]
        ),
        (&json!(arn), &json!("d"), &json!("s"))
    );
    assert_eq!(envelope["Timestamp"], "2026-01-01T00:00:00.000Z");
    assert_eq!(envelope["MessageAttributes"], attributes);
    let record = &inbox[3].lambda_event()["Records"][0];
    assert_eq!(
        (&record["EventSource"], &record["Sns"]["Message"]),
        (&json!("aws:sns"), &json!("l"))
    );
    assert_eq!(record["Sns"]["MessageAttributes"], attributes);
    let sunk: Vec<String> = std::iter::from_fn(|| deliveries.try_recv().ok())
        .map(|delivery| delivery.endpoint)
        .collect();
    assert_eq!(sunk, [QUEUE, raw, FUNCTION]);

    let published = world.sns.published();
    assert_eq!(
        (
            published.len(),
            published[0].json,
            published[0].message.as_str()
        ),
        (1, true, text.as_str())
    );
    let listed: Value = serde_json::from_str(&world.get("/sns/inbox").body).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let listed: Value =
        serde_json::from_str(&world.get("/sns/inbox?endpoint=a%40example.com").body).unwrap();
    assert_eq!(
        (&listed[0]["message"], &listed[0]["protocol"]),
        (&json!("mail <&>"), &json!("email"))
    );
    assert_eq!(listed[0]["at"], "2026-01-01T00:00:00Z");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    world.sns.clear_inbox();
    assert!(world.sns.inbox().is_empty() && world.sns.published().is_empty());
}

#[test]
fn filter_policies_choose_who_gets_what() {
    let world = World::new();
    let arn = topic(&world);
    for (name, policy, scope) in [
        ("all", "", "MessageAttributes"),
        (
            "alice",
            "{\"approver\": [\"alice@example.com\"]}",
            "MessageAttributes",
        ),
        (
            "big",
            "{\"size\": [{\"numeric\": [\">=\", 10]}]}",
            "MessageAttributes",
        ),
        ("list", "{\"tags\": [\"b\"]}", "MessageAttributes"),
        (
            "body",
            "{\"o\": {\"k\": [{\"prefix\": \"v\"}]}}",
            "MessageBody",
        ),
    ] {
        let mut new = NewSubscription::new(&arn, "email", format!("{name}@example.com"))
            .attribute("FilterPolicyScope", scope);
        if !policy.is_empty() {
            new = new.filter_policy(policy);
        }
        world.sns.subscribe(new).unwrap();
    }
    type Attributes<'a> = &'a [(&'a str, &'a str, &'a str)];
    let cases: &[(&str, Attributes<'_>, &str)] = &[
        ("m", &[], "all"),
        (
            "m",
            &[("approver", "String", "alice@example.com")],
            "all alice",
        ),
        ("m", &[("approver", "String", "bob@example.com")], "all"),
        ("m", &[("size", "Number", "10")], "all big"),
        ("m", &[("size", "String", "10")], "all"),
        (
            "m",
            &[("tags", "String.Array", "[\"a\", \"b\"]")],
            "all list",
        ),
        ("m", &[("tags", "String.Array", "not json")], "all"),
        ("m", &[("approver", "Binary", "YWxpY2U=")], "all"),
        (
            "{\"o\": {\"k\": \"vw\"}}",
            &[("size", "Number", "11")],
            "all big body",
        ),
        ("{\"o\": {\"k\": \"w\"}}", &[], "all"),
    ];
    for (text, attributes, expected) in cases {
        world.sns.clear_inbox();
        let mut params = vec![
            ("TopicArn".to_owned(), arn.as_str()),
            ("Message".to_owned(), *text),
        ];
        for ((name, data_type, value), n) in attributes.iter().zip(1..) {
            let prefix = format!("MessageAttributes.entry.{n}");
            let field = if *data_type == "Binary" {
                "BinaryValue"
            } else {
                "StringValue"
            };
            params.push((format!("{prefix}.Name"), name));
            params.push((format!("{prefix}.Value.DataType"), data_type));
            params.push((format!("{prefix}.Value.{field}"), value));
        }
        let params: Vec<(&str, &str)> = params
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        assert_eq!(world.sns("Publish", &params).status, 200);
        let inbox = world.sns.inbox();
        let names: Vec<&str> = inbox
            .iter()
            .filter_map(|delivery| delivery.endpoint.split('@').next())
            .collect();
        assert_eq!(names.join(" "), *expected, "{text} {attributes:?}");
        assert_eq!(world.sns.published().len(), 1);
    }
}

#[test]
fn batches_fail_in_part_or_as_a_whole() {
    let world = World::new();
    let arn = topic(&world);
    world
        .sns
        .subscribe(NewSubscription::new(&arn, "email", "a@example.com"))
        .unwrap();
    let batch = |entries: &[(&str, &str)]| {
        let mut params = vec![("TopicArn".to_owned(), arn.as_str())];
        for ((id, text), n) in entries.iter().zip(1..) {
            params.push((format!("PublishBatchRequestEntries.member.{n}.Id"), id));
            params.push((
                format!("PublishBatchRequestEntries.member.{n}.Message"),
                text,
            ));
        }
        let params: Vec<(&str, &str)> = params
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        world.sns("PublishBatch", &params)
    };
    let answer = batch(&[("a", "one"), ("b", ""), ("c", "three")]);
    assert_eq!(
        (answer.status, answer.all("Id")),
        (200, vec!["a".to_owned(), "c".to_owned(), "b".to_owned()])
    );
    assert_eq!(
        (answer.all("Code"), answer.one("SenderFault").as_str()),
        (vec!["InvalidParameter".to_owned()], "true")
    );
    assert_eq!(world.sns.inbox().len(), 2);

    let eleven: Vec<(String, &str)> = (0..11).map(|n| (n.to_string(), "m")).collect();
    let eleven: Vec<(&str, &str)> = eleven
        .iter()
        .map(|(id, text)| (id.as_str(), *text))
        .collect();
    let half = "x".repeat(128 * 1024 + 1);
    for (entries, code) in [
        (&[][..], "EmptyBatchRequest"),
        (&eleven, "TooManyEntriesInBatchRequest"),
        (&[("a", "m"), ("a", "m")], "BatchEntryIdsNotDistinct"),
        (&[("a b", "m")], "InvalidBatchEntryId"),
        (&[("", "m")], "InvalidBatchEntryId"),
        (&[("a", &half), ("b", &half)], "BatchRequestTooLong"),
    ] {
        assert_eq!(batch(entries).outcome(), (400, code.to_owned()));
    }
    assert_eq!(batch(&eleven[..10]).all("MessageId").len(), 10);
    assert_eq!(world.sns.published().len(), 12);

    world.sns.inject(Fault::new(
        "PublishBatch",
        FaultKind::Unsuccessful {
            code: "InternalError".to_owned(),
            message: "m".to_owned(),
            items: vec!["b".to_owned()],
        },
    ));
    let answer = batch(&[("a", "m"), ("b", "m")]);
    assert_eq!(
        (answer.all("Code"), answer.one("SenderFault").as_str()),
        (vec!["InternalError".to_owned()], "false")
    );
    assert_eq!(world.sns.published().len(), 13);
}

#[test]
fn what_is_published_in_process_is_delivered() {
    let world = World::new();
    let arn = topic(&world);
    let id = world
        .sns
        .publish(&arn, &Message::new("m").subject("s").attribute("a", "b"))
        .unwrap();
    assert_eq!(world.sns.published()[0].message_id, id);
    let nowhere = world
        .sns
        .publish("arn:aws:sns:us-east-1:1:x", &Message::new("m"))
        .unwrap_err();
    assert_eq!((nowhere.status, nowhere.code.as_str()), (404, "NotFound"));
    assert_eq!(
        world.sns.publish(&arn, &Message::new("")).unwrap_err().code,
        "InvalidParameter"
    );
}

#[test]
fn a_hook_is_called_with_what_was_accepted_and_nothing_else() {
    let world = World::new();
    let arn = topic(&world);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (received, sns) = (Arc::clone(&seen), world.sns.clone());
    world.sns.set_on_publish(Some(Arc::new(move |published| {
        // It may look at what there is: nothing is locked.
        assert_eq!(sns.published().last(), Some(published));
        received.lock().unwrap().push(published.message.clone());
    })));
    world.sns.publish(&arn, &Message::new("one")).unwrap();
    assert!(world.sns.publish(&arn, &Message::new("")).is_err());
    world.sns.set_on_publish(None);
    world.sns.publish(&arn, &Message::new("two")).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["one"]);
}
