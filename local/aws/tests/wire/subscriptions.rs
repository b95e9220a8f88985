//! Subscriptions that are asked for, confirmed, protected, ended and suspended.

use std::time::Duration;

use local_aws::{Delivery, DeliveryKind, Message, NewSubscription};
use serde_json::Value;

use crate::world::*;

const ALICE: &str = "alice@example.com";

fn topic(world: &World) -> String {
    world.sns.put_topic("t").unwrap()
}

/// Subscribes Alice over the wire, and answers the ARN and the mail that asks her.
fn ask(world: &World, topic: &str) -> (String, Delivery) {
    let answer = world.sns(
        "Subscribe",
        &[
            ("TopicArn", topic),
            ("Protocol", "email"),
            ("Endpoint", ALICE),
            ("ReturnSubscriptionArn", "true"),
        ],
    );
    let mail = world.sns.inbox_of(ALICE).pop().unwrap();
    (answer.one("SubscriptionArn"), mail)
}

fn confirm(world: &World, key: &str, topic: &str, token: &str, protect: &str) -> Answer {
    let params = [
        ("TopicArn", topic),
        ("Token", token),
        ("AuthenticateOnUnsubscribe", protect),
    ];
    world
        .post("/sns", key, "us-east-1", "ConfirmSubscription", &params)
        .unwrap()
}

/// The attributes of a subscription or a topic.
fn attributes(world: &World, arn: &str) -> Vec<(String, String)> {
    let (action, name) = if arn.split(':').count() == 7 {
        ("GetSubscriptionAttributes", "SubscriptionArn")
    } else {
        ("GetTopicAttributes", "TopicArn")
    };
    let answer = world.sns(action, &[(name, arn)]);
    answer
        .all("key")
        .into_iter()
        .zip(answer.all("value"))
        .collect()
}

fn attribute(world: &World, arn: &str, name: &str) -> String {
    let all = attributes(world, arn).into_iter();
    let mut values = all.filter(|(key, _)| key == name);
    values.next().map(|(_, value)| value).unwrap_or_default()
}

/// How many subscriptions a topic says are confirmed, pending and deleted.
fn counts(world: &World, topic: &str) -> String {
    let count = |what: &str| attribute(world, topic, &format!("Subscriptions{what}"));
    [count("Confirmed"), count("Pending"), count("Deleted")].join(" ")
}

/// The answer to a link that somebody follows without being signed in.
fn follow(world: &World, query: &str) -> Answer {
    world.get(&format!("/sns/?{query}"))
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_subscription_by_mail_gets_nothing_until_it_is_confirmed() {
    let world = World::new();
    let topic = topic(&world);
    let (arn, mail) = ask(&world, &topic);
    let subscribe = [
        ("TopicArn", topic.as_str()),
        ("Protocol", "email"),
        ("Endpoint", ALICE),
    ];
    let again = world.sns("Subscribe", &subscribe).one("SubscriptionArn");
    assert_eq!(again, "pending confirmation");
    let mails = world.sns.inbox_of(ALICE);
    assert_eq!(mails.len(), 2, "she is asked again");
    assert_eq!(mails[1].token, mail.token);
    assert_eq!(mail.kind, DeliveryKind::SubscriptionConfirmation);
    let token = mail.token.clone().unwrap();
    assert_eq!(token.len(), 64);
    assert!(mail.message.contains(&mail.url) && mail.url.contains(&token));
    assert_eq!(attribute(&world, &arn, "PendingConfirmation"), "true");
    assert_eq!(
        attribute(&world, &arn, "ConfirmationWasAuthenticated"),
        "false"
    );
    assert_eq!(counts(&world, &topic), "0 1 0");
    let list = || world.sns("ListSubscriptionsByTopic", &[("TopicArn", &topic)]);
    assert_eq!(list().one("SubscriptionArn"), "PendingConfirmation");
    let unsubscribe = world.sns("Unsubscribe", &[("SubscriptionArn", &arn)]);
    assert_eq!(unsubscribe.outcome(), refused(400, "InvalidParameter"));
    assert!(unsubscribe.one("Message").contains("pending confirmation"));
    world.sns.publish(&topic, &Message::new("early")).unwrap();
    assert_eq!(world.sns.inbox_of(ALICE).len(), 2);

    let answer = confirm(&world, PROVIDER, &topic, &token, "false");
    assert_eq!(answer.one("SubscriptionArn"), arn);
    assert_eq!(attribute(&world, &arn, "PendingConfirmation"), "false");
    assert_eq!(
        attribute(&world, &arn, "ConfirmationWasAuthenticated"),
        "true"
    );
    assert_eq!(counts(&world, &topic), "1 0 0");
    assert_eq!(list().one("SubscriptionArn"), arn);
    world.sns.publish(&topic, &Message::new("late")).unwrap();
    let mail = world.sns.inbox_of(ALICE).pop().unwrap();
    assert_eq!(
        (mail.kind, mail.message.as_str()),
        (DeliveryKind::Notification, "late")
    );
    assert_eq!(
        world.sns("Subscribe", &subscribe).one("SubscriptionArn"),
        arn
    );
    assert_eq!(
        world.sns.inbox_of(ALICE).len(),
        3,
        "she is not asked any more"
    );
}

#[test]
fn http_endpoints_are_asked_and_functions_and_queues_are_not() {
    let world = World::new();
    let topic = topic(&world);
    for (protocol, endpoint, asked) in [
        ("http", "http://example.com", true),
        ("https", "https://example.com", true),
        ("email-json", ALICE, true),
        ("sqs", "arn:aws:sqs:us-east-1:123456789012:q", false),
        (
            "lambda",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            false,
        ),
    ] {
        let params = [
            ("TopicArn", topic.as_str()),
            ("Protocol", protocol),
            ("Endpoint", endpoint),
        ];
        let answer = world.sns("Subscribe", &params).one("SubscriptionArn");
        assert_eq!(answer == "pending confirmation", asked, "{protocol}");
        let inbox = world.sns.inbox_of(endpoint);
        assert_eq!(inbox.len(), usize::from(asked), "{protocol}");
        for request in inbox {
            let envelope: Value = serde_json::from_str(&request.body()).unwrap();
            assert_eq!(envelope["Type"], "SubscriptionConfirmation");
            assert_eq!(envelope["Token"], request.token.clone().unwrap());
            assert_eq!(envelope["SubscribeURL"], request.url);
            assert_eq!(envelope["UnsubscribeURL"], Value::Null);
        }
    }
    assert_eq!(counts(&world, &topic), "2 3 0");
    let confirmed = NewSubscription::new(&topic, "https", "https://example.com");
    world.sns.subscribe(confirmed).unwrap();
    assert_eq!(
        counts(&world, &topic),
        "3 2 0",
        "in process nobody is asked"
    );
}

#[test]
fn a_token_confirms_its_own_subscription_for_two_days() {
    let world = World::new();
    let topic = topic(&world);
    let other = world.sns.put_topic("other").unwrap();
    let (_, mail) = ask(&world, &topic);
    let token = mail.token.unwrap();
    for (key, topic, token, protect, status, code) in [
        (
            PROVIDER,
            other.as_str(),
            token.as_str(),
            "false",
            400,
            "InvalidParameter",
        ),
        (PROVIDER, &topic, "x", "false", 400, "InvalidParameter"),
        (PROVIDER, &topic, "", "false", 400, "ValidationError"),
        (PROVIDER, &topic, &token, "yes", 400, "InvalidParameter"),
        (OTHER, &topic, &token, "false", 403, "AuthorizationError"),
        (PROVIDER, "t", &token, "false", 400, "InvalidParameter"),
        (
            PROVIDER,
            "arn:aws:sns:us-east-1:123456789012:none",
            &token,
            "false",
            404,
            "NotFound",
        ),
    ] {
        let answer = confirm(&world, key, topic, token, protect);
        assert_eq!(answer.outcome(), refused(status, code), "{topic} {protect}");
    }
    let protect = format!(
        "Action=ConfirmSubscription&TopicArn={topic}&Token={token}&AuthenticateOnUnsubscribe=true"
    );
    assert_eq!(
        follow(&world, &protect).outcome(),
        refused(403, "AuthorizationError"),
        "protecting takes a signature"
    );
    assert_eq!(counts(&world, &topic), "0 1 0");
    world.advance(48 * 3600);
    assert_eq!(counts(&world, &topic), "0 1 0");
    world.advance(1);
    assert_eq!(counts(&world, &topic), "0 0 0");
    let late = confirm(&world, PROVIDER, &topic, &token, "false");
    assert_eq!(late.outcome(), refused(400, "InvalidParameter"));
    let (_, mail) = ask(&world, &topic);
    assert_ne!(mail.token.unwrap(), token, "a new one, with a new token");
}

#[test]
fn whoever_has_the_link_can_confirm_and_unsubscribe() {
    let world = World::new();
    let topic = topic(&world);
    let (arn, mail) = ask(&world, &topic);
    world.sns.set_base_url("http://sns.example");
    let query = mail.url.split_once("/?").unwrap().1;
    assert_eq!(follow(&world, query).one("SubscriptionArn"), arn);
    assert_eq!(
        attribute(&world, &arn, "ConfirmationWasAuthenticated"),
        "false"
    );
    let signed = confirm(&world, PROVIDER, &topic, &mail.token.unwrap(), "true");
    assert_eq!(signed.one("SubscriptionArn"), arn);
    assert_eq!(
        attribute(&world, &arn, "ConfirmationWasAuthenticated"),
        "false",
        "too late to protect it"
    );
    world.sns.publish(&topic, &Message::new("m")).unwrap();
    let mail = world.sns.inbox_of(ALICE).pop().unwrap();
    let link = mail.url.strip_prefix("http://sns.example/?").unwrap();
    assert_eq!(mail.envelope()["UnsubscribeURL"], mail.url);
    assert_eq!(follow(&world, link).status, 200);
    assert_eq!(counts(&world, &topic), "0 0 1");
    let last = world.sns.inbox_of(ALICE).pop().unwrap();
    assert_eq!(last.kind, DeliveryKind::UnsubscribeConfirmation);
    assert_eq!(follow(&world, link).status, 200, "it is gone already");
    assert_eq!(counts(&world, &topic), "0 0 1");
}

#[test]
fn a_protected_subscription_is_ended_by_its_owner_only() {
    let world = World::new();
    let topic = topic(&world);
    let (arn, mail) = ask(&world, &topic);
    confirm(&world, PROVIDER, &topic, &mail.token.unwrap(), "true");
    assert_eq!(
        attribute(&world, &arn, "ConfirmationWasAuthenticated"),
        "true"
    );
    let denied = refused(403, "AuthorizationError");
    let link = format!("Action=Unsubscribe&SubscriptionArn={arn}");
    assert_eq!(follow(&world, &link).outcome(), denied);
    let unsubscribe = |key: &str, arn: &str| {
        let params = [("SubscriptionArn", arn)];
        world
            .post("/sns", key, "us-east-1", "Unsubscribe", &params)
            .unwrap()
            .outcome()
    };
    assert_eq!(unsubscribe(OTHER, &arn), denied);
    let error = world.sns.unsubscribe_by_link(&arn).unwrap_err();
    assert_eq!((error.status, error.code), denied);
    assert_eq!(counts(&world, &topic), "1 0 0");
    let mails = world.sns.inbox().len();
    assert_eq!(unsubscribe(PROVIDER, &arn), refused(200, ""));
    assert_eq!(counts(&world, &topic), "0 0 1");
    assert_eq!(
        world.sns.inbox().len(),
        mails,
        "who owns it needs no mail about it"
    );
    let queue = NewSubscription::new(&topic, "sqs", "arn:aws:sqs:us-east-1:123456789012:q");
    let queue = world.sns.subscribe(queue).unwrap();
    assert!(world.sns.unsubscribe_by_link(&queue.arn).is_err());
    assert!(world.sns.subscriptions()[0].confirmation_was_authenticated);
}

#[test]
fn links_can_be_followed_in_process() {
    let world = World::new();
    let topic = topic(&world);
    let (arn, mail) = ask(&world, &topic);
    assert!(
        world.sns.unsubscribe_by_link(&arn).is_err(),
        "not confirmed"
    );
    assert!(world.sns.confirm_by_link("x").is_err());
    assert_eq!(
        world.sns.confirm_by_link(&mail.token.unwrap()),
        Ok(arn.clone())
    );
    let subscription = &world.sns.subscriptions()[0];
    assert!(!subscription.pending && !subscription.authenticate_on_unsubscribe);
    assert_eq!(world.sns.unsubscribe_by_link(&arn), Ok(()));
    assert!(world.sns.subscriptions().is_empty());
}

/// Publishes so many messages at once, and answers how many Alice got.
fn publish(world: &World, topic: &str, count: usize) -> usize {
    let before = world.sns.inbox_of(ALICE).len();
    for _ in 0..count {
        world.sns.publish(topic, &Message::new("m")).unwrap();
    }
    world.sns.inbox_of(ALICE).len() - before
}

#[test]
fn more_than_ten_mails_in_a_second_are_noted() {
    let world = World::new();
    let topic = topic(&world);
    let queue = "arn:aws:sqs:us-east-1:123456789012:q";
    for (protocol, endpoint) in [("email", ALICE), ("sqs", queue)] {
        let new = NewSubscription::new(&topic, protocol, endpoint);
        world.sns.subscribe(new).unwrap();
    }
    assert_eq!(publish(&world, &topic, 10), 10);
    world.clock.advance(Duration::from_millis(1000));
    assert_eq!(publish(&world, &topic, 5), 5);
    world.clock.advance(Duration::from_millis(999));
    assert_eq!(publish(&world, &topic, 5), 5);
    assert!(world.sns.overrun(ALICE).is_empty());
    assert_eq!(publish(&world, &topic, 1), 1, "it is noted, no more");
    assert_eq!(world.sns.overrun(ALICE), [world.clock.now()]);
    assert!(world.sns.overrun(queue).is_empty(), "queues take more");
    assert_eq!(world.sns.inbox_of(queue).len(), 21);
}

#[test]
fn a_subscription_that_gets_too_much_is_suspended_if_that_is_on() {
    let world = World::new();
    let topic = topic(&world);
    let new = NewSubscription::new(&topic, "email", ALICE);
    world.sns.subscribe(new).unwrap();
    world.sns.set_suspend_overruns(true);
    assert_eq!(publish(&world, &topic, 15), 10);
    assert_eq!(counts(&world, &topic), "0 1 0");
    assert_eq!(world.sns.overrun(ALICE).len(), 1, "then it gets nothing");
    world.advance(3600);
    assert_eq!(publish(&world, &topic, 1), 0);
    let (_, mail) = ask(&world, &topic);
    world.sns.confirm_by_link(&mail.token.unwrap()).unwrap();
    assert_eq!(publish(&world, &topic, 11), 10);
    world.advance(48 * 3600 + 1);
    assert_eq!(counts(&world, &topic), "0 0 0");
}

/// Sets a subscription's attribute over the wire.
fn set(world: &World, arn: &str, name: &str, value: &str) {
    let params = [
        ("SubscriptionArn", arn),
        ("AttributeName", name),
        ("AttributeValue", value),
    ];
    let answer = world.sns("SetSubscriptionAttributes", &params);
    assert_eq!(answer.status, 200);
}

/// Whether Alice gets a message for this approver.
fn gets(world: &World, topic: &str, approver: &str) -> bool {
    let before = world.sns.inbox_of(ALICE).len();
    let message = Message::new("{}").attribute("approver", approver);
    world.sns.publish(topic, &message).unwrap();
    world.sns.inbox_of(ALICE).len() > before
}

#[test]
fn a_filter_policy_holds_at_once_or_after_as_long_as_it_is_told_to_take() {
    const MINE: &str = r#"{"approver":["alice@example.com"]}"#;
    const BOBS: &str = r#"{"approver":["bob@example.com"]}"#;
    let quarter = 15 * 60;
    let world = World::new();
    let topic = topic(&world);
    let new = NewSubscription::new(&topic, "email", ALICE).filter_policy(MINE);
    let arn = world.sns.subscribe(new.clone()).unwrap().arn;
    assert!(!gets(&world, &topic, "bob@example.com"), "at once");
    world.sns.unsubscribe_by_link(&arn).unwrap();

    world.sns.set_filter_delay(Some(Duration::from_secs(900)));
    let arn = world.sns.subscribe(new).unwrap().arn;
    assert!(
        gets(&world, &topic, "bob@example.com"),
        "no filter holds yet"
    );
    world.advance(quarter - 1);
    assert!(gets(&world, &topic, "bob@example.com"));
    world.advance(1);
    assert!(!gets(&world, &topic, "bob@example.com"));
    assert!(gets(&world, &topic, ALICE));

    // A change: the one before goes on holding, whatever the attribute says already.
    set(&world, &arn, "FilterPolicy", BOBS);
    assert_eq!(attribute(&world, &arn, "FilterPolicy"), BOBS);
    assert!(gets(&world, &topic, ALICE) && !gets(&world, &topic, "bob@example.com"));
    // One more while the last does not hold yet.
    world.advance(quarter - 1);
    set(&world, &arn, "FilterPolicyScope", "MessageBody");
    assert!(gets(&world, &topic, ALICE));
    world.advance(quarter);
    assert!(!gets(&world, &topic, ALICE) && !gets(&world, &topic, "bob@example.com"));
    set(&world, &arn, "FilterPolicy", "");
    assert!(!gets(&world, &topic, ALICE));
    world.advance(quarter);
    assert!(gets(&world, &topic, ALICE));
    // A change of another attribute holds at once.
    set(&world, &arn, "DeliveryPolicy", "{}");
    assert!(gets(&world, &topic, ALICE));
}

#[test]
fn a_filter_policy_settles_while_its_subscription_waits_to_be_confirmed() {
    let world = World::new();
    let topic = topic(&world);
    world.sns.set_filter_delay(Some(Duration::from_secs(900)));
    let answer = world.sns(
        "Subscribe",
        &[
            ("TopicArn", topic.as_str()),
            ("Protocol", "email"),
            ("Endpoint", ALICE),
            ("ReturnSubscriptionArn", "true"),
            ("Attributes.entry.1.key", "FilterPolicy"),
            (
                "Attributes.entry.1.value",
                r#"{"approver":["alice@example.com"]}"#,
            ),
        ],
    );
    let arn = answer.one("SubscriptionArn");
    let token = world.sns.inbox_of(ALICE).pop().unwrap().token.unwrap();
    world.advance(900);
    confirm(&world, PROVIDER, &topic, &token, "true");
    assert!(!gets(&world, &topic, "bob@example.com"));
    assert!(gets(&world, &topic, ALICE));
    // What a look at it reads.
    for (name, expected) in [
        ("FilterPolicy", r#"{"approver":["alice@example.com"]}"#),
        ("FilterPolicyScope", "MessageAttributes"),
        ("PendingConfirmation", "false"),
        ("ConfirmationWasAuthenticated", "true"),
        ("Protocol", "email"),
        ("Endpoint", ALICE),
    ] {
        assert_eq!(attribute(&world, &arn, name), expected, "{name}");
    }
}

#[test]
fn subscriptions_of_a_topic_come_a_hundred_at_a_time() {
    let world = World::new();
    let topic = topic(&world);
    for n in 0..230 {
        let new = NewSubscription::new(&topic, "email", format!("{n}@example.com"));
        world.sns.subscribe(new).unwrap();
    }
    let mut token = String::new();
    let mut sizes = Vec::new();
    loop {
        let params = [("TopicArn", topic.as_str()), ("NextToken", &token)];
        let page = world.sns("ListSubscriptionsByTopic", &params);
        sizes.push(page.all("SubscriptionArn").len());
        match page.all("NextToken").pop() {
            Some(next) => token = next,
            None => break,
        }
    }
    assert_eq!(sizes, [100, 100, 30]);
}
