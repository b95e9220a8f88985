use super::*;
use crate::alarm::AlarmKind;
use crate::announcement::AnnouncementKind;
use crate::approver::ApproverId;
use crate::fixtures::{at, request};
use crate::messages::Messages;
use crate::outbox::Part;
use crate::reach::{ReachFinding, Subscriber};
use crate::request::Status;
use crate::watch::Finding;

fn home() -> Home {
    "arn:aws:sns:eu-central-1:111122223333:announcements"
        .parse()
        .unwrap()
}

fn alice() -> ApproverId {
    "alice@example.com".parse().unwrap()
}

/// A review with two announcements and an e-mail to Alice.
fn item() -> OutboxItem {
    let review = request(Status::InReview);
    let messages = Messages::of_note(&review, AnnouncementKind::ReviewOpened, at(0))
        .and_note(&review, AnnouncementKind::QuorumOutOfReach, at(0))
        .and_ask(AnnouncementKind::ReviewOpened, [alice()].into());
    OutboxItem::of_change(&review, &messages, at(0)).unwrap()
}

fn with_bus(mut item: OutboxItem) -> OutboxItem {
    item.with_bus(true);
    item
}

/// Marks everything as sent, except on the bus.
fn sent_elsewhere(item: &mut OutboxItem) {
    for message in item.announcements_due().unwrap() {
        item.sent(Part::Everybody(message.id));
    }
    item.sent(Part::Approver(alice()));
}

#[test]
fn an_event_holds_the_document_of_the_topic_and_names_what_it_is_about() {
    let item = with_bus(item());
    let (events, messages) = (
        item.events_due(&home()).unwrap(),
        item.announcements_due().unwrap(),
    );
    assert_eq!(events.len(), 2);
    for (event, message) in events.iter().zip(messages) {
        assert_eq!((&event.id, &event.detail), (&message.id, &message.document));
        assert_eq!((event.at, event.detail_type), (at(0), DetailType::ALL[0]));
        // The service belongs to the deployment, the endpoint to the consumer.
        assert_eq!(
            event.resources,
            [
                "arn:aws:ec2:eu-central-1:111122223333:vpc-endpoint-service/vpce-svc-0a1b2c3d4e5f60718",
                "arn:aws:ec2:eu-central-1:012345678901:vpc-endpoint/vpce-0123456789abcdef0",
            ]
        );
    }
}

#[test]
fn alarms_are_events_of_their_own_types() {
    let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
    let alarm = Alarm::new(
        &service,
        Finding::AnyoneMayAsk,
        AlarmKind::AlarmEnded,
        at(0),
    );
    let reach = |finding| ReachAlarm::new(finding, AlarmKind::AlarmStarted, at(0));
    let subscription = Subscriber {
        arn: "arn:aws:sns:eu-central-1:111122223333:approvals:1".to_owned(),
        protocol: "email".to_owned(),
        endpoint: "eve@example.com".to_owned(),
    };
    let elsewhere = reach(ReachFinding::SubscriptionElsewhere {
        subscription,
        approver: alice(),
    });
    let unreached = reach(ReachFinding::ApproverNotReached { approver: alice() });
    for (item, detail_type, about) in [
        (
            OutboxItem::of_finding(alarm),
            DetailType::ServiceAlarm,
            Some(
                "arn:aws:ec2:eu-central-1:111122223333:vpc-endpoint-service/vpce-svc-0a1b2c3d4e5f60718",
            ),
        ),
        (
            OutboxItem::of_reach(elsewhere),
            DetailType::ReachAlarm,
            Some("arn:aws:sns:eu-central-1:111122223333:approvals:1"),
        ),
        (
            OutboxItem::of_reach(unreached),
            DetailType::ReachAlarm,
            None,
        ),
    ] {
        let item = with_bus(item);
        let events = item.events_due(&home()).unwrap();
        let [event] = events.as_slice() else {
            panic!("one")
        };
        assert_eq!(event.detail_type, detail_type);
        assert_eq!(event.resources, about.into_iter().collect::<Vec<_>>());
        let message = item.announcements_due().unwrap().remove(0);
        assert_eq!((&event.id, &event.detail), (&message.id, &message.document));
    }
}

#[test]
fn an_approval_email_is_no_event() {
    let review = request(Status::InReview);
    let asked = with_bus(OutboxItem::of_review(&review, &alice(), at(0)));
    assert!(asked.events_due(&home()).unwrap().is_empty());
    assert!(!asked.is_event_left());
    assert_eq!(asked.emails_due(at(0)).count(), 1);
}

#[test]
fn an_item_is_done_when_the_bus_has_everything_or_there_is_no_bus() {
    let mut item = item();
    sent_elsewhere(&mut item);
    assert!(item.is_done() && item.events_due(&home()).unwrap().is_empty());

    item.with_bus(true);
    assert!(!item.is_done() && item.is_event_left());
    let [first, second] = item.events_due(&home()).unwrap().try_into().unwrap();
    item.sent(Part::OnBus(first.id.clone()));
    assert_eq!(
        item.events_due(&home()).unwrap(),
        std::slice::from_ref(&second)
    );
    // A second call keeps the results.
    item.with_bus(true);
    assert_eq!(item.events_due(&home()).unwrap().len(), 1);
    item.refused(
        Part::OnBus(second.id.clone()),
        second.id.clone(),
        "MalformedDetail".to_owned(),
    );
    assert!(item.is_done() && item.is_refused());
    let refused: Vec<_> = item.all_refused().collect();
    assert_eq!(
        refused,
        [("the event bus", &second.id, &"MalformedDetail".to_owned())]
    );

    let mut waiting = with_bus(self::item());
    sent_elsewhere(&mut waiting);
    waiting.with_bus(false);
    assert!(waiting.is_done(), "a bus that is gone holds up nothing");
}

#[test]
fn the_topic_and_the_bus_do_not_affect_each_other() {
    let mut item = with_bus(item());
    let [first, second] = item.events_due(&home()).unwrap().try_into().unwrap();
    item.sent(Part::OnBus(first.id.clone()));
    item.refused(Part::OnBus(second.id.clone()), second.id, String::new());
    assert_eq!(item.announcements_due().unwrap().len(), 2);
    let mut item = with_bus(self::item());
    item.sent(Part::Everybody(first.id.clone()));
    item.refused(Part::Everybody(String::new()), first.id, String::new());
    assert_eq!(item.events_due(&home()).unwrap().len(), 2);
}

#[test]
fn the_records_of_two_instances_are_merged() {
    let (mut one, mut other) = (with_bus(item()), with_bus(item()));
    let [first, second] = one.events_due(&home()).unwrap().try_into().unwrap();
    one.sent(Part::OnBus(first.id));
    other.sent(Part::OnBus(second.id));
    assert!(!one.clone().and(&other).is_event_left());
    let mut unaware = item();
    unaware.sent(Part::Approver(alice()));
    let both = unaware.and(&one);
    assert_eq!(both.events_due(&home()).unwrap().len(), 1);
}

#[test]
fn a_bus_that_takes_nothing_is_given_up_after_a_day() {
    let day = 24 * 3600;
    let mut item = with_bus(item());
    let first = item.events_due(&home()).unwrap().remove(0);
    item.sent(Part::OnBus(first.id.clone()));
    assert!(!item.give_up_on_bus("forbidden", at(day - 1)));
    assert!(item.is_event_left() && !item.is_refused());
    assert!(item.give_up_on_bus("forbidden", at(day)));
    let refused: Vec<_> = item
        .all_refused()
        .map(|(_, id, why)| (id, why.as_str()))
        .collect();
    assert_eq!(refused.len(), 1, "only what is not there: {refused:?}");
    assert_ne!(refused[0].0, &first.id);
    assert_eq!(refused[0].1, "forbidden");
    assert!(
        !item.give_up_on_bus("forbidden", at(day)),
        "nothing is left"
    );
    assert!(!self::item().give_up_on_bus("forbidden", at(day)), "no bus");
}

#[test]
fn an_events_size_is_eventbridges_count() {
    let event = Event {
        id: "not counted".to_owned(),
        at: at(0),
        detail_type: DetailType::ServiceAlarm,
        resources: vec!["ab".to_owned(), "c".to_owned()],
        detail: "{\"a\":\"ä\"}".to_owned(),
    };
    assert_eq!(event.size(), 14 + 22 + 13 + 3 + 10);
}

#[test]
fn a_bus_is_named_by_its_arn_and_is_in_its_region() {
    for (text, is_one) in [
        (
            "arn:aws:events:eu-central-1:111122223333:event-bus/default",
            true,
        ),
        (
            "arn:aws-us-gov:events:us-gov-west-1:111122223333:event-bus/a/b.c-d_E",
            true,
        ),
        (
            "arn:aws-cn:events:cn-north-1:111122223333:event-bus/x",
            true,
        ),
        ("default", false),
        ("", false),
        ("arn:aws:events:eu-central-1:111122223333:event-bus/", false),
        (
            "arn:aws:events:eu-central-1:111122223333:event-bus/a b",
            false,
        ),
        (
            "arn:aws:events:eu-central-1:111122223333:event-bus/a:b",
            false,
        ),
        (
            "arn:aws:events:eu-central-1:111122223333:rule/default",
            false,
        ),
        ("arn:aws:events:eu-central-1:1111:event-bus/default", false),
        ("arn:aws:events::111122223333:event-bus/default", false),
        (
            "arn:aws:sns:eu-central-1:111122223333:event-bus/default",
            false,
        ),
        (
            "arn:azure:events:eu-central-1:111122223333:event-bus/default",
            false,
        ),
        (
            " arn:aws:events:eu-central-1:111122223333:event-bus/default",
            false,
        ),
    ] {
        assert_eq!(text.parse::<BusArn>().is_ok(), is_one, "{text}");
    }
    let long = |length| {
        format!(
            "arn:aws:events:eu-west-1:111122223333:event-bus/{}",
            "x".repeat(length)
        )
    };
    assert!(long(256).parse::<BusArn>().is_ok() && long(257).parse::<BusArn>().is_err());
    let bus: BusArn = long(1).parse().unwrap();
    assert!(bus.is_in(&"eu-west-1".parse().unwrap()));
    assert!(!bus.is_in(&"eu-west-2".parse().unwrap()));
}

#[test]
fn the_deployments_place_is_read_from_an_arn() {
    assert_eq!(
        home().service("vpce-svc-1"),
        "arn:aws:ec2:eu-central-1:111122223333:vpc-endpoint-service/vpce-svc-1"
    );
    for text in [
        "",
        "topic",
        "arn:aws:sns",
        "arn:x:sns:eu-central-1:111122223333:t",
    ] {
        assert!(text.parse::<Home>().is_err(), "{text}");
    }
}
