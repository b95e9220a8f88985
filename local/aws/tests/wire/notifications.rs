use std::sync::Arc;

use local_aws::{Caller, ConnectionEvent, ConnectionNotification, NewEndpoint, NewService};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::world::*;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:requests";
const CREATE: &str = "CreateVpcEndpointConnectionNotification";
const DESCRIBE: &str = "DescribeVpcEndpointConnectionNotifications";
const MODIFY: &str = "ModifyVpcEndpointConnectionNotification";
const DELETE: &str = "DeleteVpcEndpointConnectionNotifications";

fn listen(world: &World) -> UnboundedReceiver<ConnectionNotification> {
    let (sink, messages) = unbounded_channel();
    world.ec2.set_notification_sink(sink);
    messages
}

fn drain<T>(messages: &mut UnboundedReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| messages.try_recv().ok()).collect()
}

#[test]
fn each_event_is_published_once() {
    let world = World::new();
    let mut messages = listen(&world);
    let (service, _) = world.service(0);
    let (other, _) = world.service(1);
    world
        .ec2
        .put_notification(&service, TOPIC, ConnectionEvent::ALL)
        .unwrap();
    world
        .ec2
        .put_notification(&other, TOPIC, ConnectionEvent::ALL)
        .unwrap();
    let consumer = Caller::new(CONSUMER, "us-east-1");
    let id = world
        .ec2
        .create_endpoint(&consumer, NewEndpoint::new(&service))
        .unwrap()
        .endpoint_id;
    world.decide(ACCEPT, &service, &[&id, NO_ENDPOINT]);
    world.decide(ACCEPT, &service, &[&id]);
    world.decide(REJECT, &service, &[&id]);
    world.ec2_as(
        CONSUMER,
        "us-east-1",
        "DeleteVpcEndpoints",
        &[("VpcEndpointId.1", &id)],
    );
    world.ec2_as(
        CONSUMER,
        "us-east-1",
        "DeleteVpcEndpoints",
        &[("VpcEndpointId.1", &id)],
    );
    let seen = drain(&mut messages);
    use ConnectionEvent::{Accept, Connect, Delete, Reject};
    assert_eq!(
        seen.iter().map(|message| message.event).collect::<Vec<_>>(),
        [Connect, Accept, Reject, Delete]
    );
    for message in &seen {
        assert_eq!(
            (
                &message.service_id,
                &message.endpoint_id,
                message.topic_arn.as_str()
            ),
            (&service, &id, TOPIC)
        );
        assert!(
            message.body.contains(&id) && message.body.contains(&service),
            "{}",
            message.body
        );
    }
}

#[test]
fn some_things_are_not_published() {
    let world = World::new();
    let mut messages = listen(&world);
    let consumer = Caller::new(CONSUMER, "us-east-1");
    let gateway = world
        .ec2
        .put_service(NewService::new().gateway_load_balancer().allow("*"))
        .id;
    world
        .ec2
        .put_notification(&gateway, TOPIC, ConnectionEvent::ALL)
        .unwrap();
    let id = world
        .ec2
        .create_endpoint(&consumer, NewEndpoint::new(&gateway))
        .unwrap()
        .endpoint_id;
    world.decide(ACCEPT, &gateway, &[&id]);
    assert!(
        drain(&mut messages).is_empty(),
        "Gateway Load Balancer endpoints send none"
    );

    let (service, ids) = world.service(1);
    let nfn = world
        .ec2
        .put_notification(&service, TOPIC, [ConnectionEvent::Accept])
        .unwrap();
    world
        .ec2
        .create_endpoint(&consumer, NewEndpoint::new(&service))
        .unwrap();
    assert!(drain(&mut messages).is_empty(), "not one of its events");
    assert!(world.ec2.set_notification_enabled(&nfn, false));
    world.decide(ACCEPT, &service, &[&ids[0]]);
    assert!(drain(&mut messages).is_empty(), "disabled");
    let state = world
        .ec2(DESCRIBE, &[("ConnectionNotificationId", &nfn)])
        .one("connectionNotificationState");
    assert_eq!(state, "Disabled");
    assert!(world.ec2.set_notification_enabled(&nfn, true));
    world.decide(REJECT, &service, &[&ids[0]]);
    assert!(drain(&mut messages).is_empty());
    assert!(!world.ec2.set_notification_enabled("vpce-nfn-0", true));
}

#[test]
fn the_body_is_whatever_it_is_made_to_be() {
    let world = World::new();
    let mut messages = listen(&world);
    let (service, _) = world.service(0);
    world
        .ec2
        .put_notification(&service, TOPIC, ConnectionEvent::ALL)
        .unwrap();
    world.ec2.set_options(|options| {
        options.notification_body =
            Arc::new(|facts| format!("{} by {}", facts.event, facts.endpoint_owner));
    });
    let consumer = Caller::new(CONSUMER, "us-east-1");
    world
        .ec2
        .create_endpoint(&consumer, NewEndpoint::new(&service))
        .unwrap();
    assert_eq!(
        drain(&mut messages)[0].body,
        format!("Connect by {CONSUMER}")
    );
    // Nobody listens any more: nothing breaks.
    drop(messages);
    world
        .ec2
        .create_endpoint(&consumer, NewEndpoint::new(&service))
        .unwrap();
}

#[test]
fn notifications_are_created_listed_changed_and_deleted() {
    let world = World::new();
    let (service, ids) = world.service(1);
    let create = |params: &[(&str, &str)]| world.ec2(CREATE, params);
    let good = [
        ("ServiceId", service.as_str()),
        ("ConnectionNotificationArn", TOPIC),
        ("ConnectionEvents.1", "Connect"),
        ("ConnectionEvents.2", "Accept"),
    ];
    for (params, code) in [
        (&good[..2], "MissingParameter"),
        (&good[1..], "MissingParameter"),
        (&[good[0], good[2]], "MissingParameter"),
        (
            &[good[0], good[1], ("ConnectionEvents.1", "connect")],
            "InvalidParameterValue",
        ),
        (
            &[
                good[0],
                ("ConnectionNotificationArn", "arn:aws:sqs:us-east-1:1:q"),
                good[2],
            ],
            "InvalidParameterValue",
        ),
        (
            &[("ServiceId", NO_SERVICE), good[1], good[2]],
            "InvalidVpcEndpointServiceId.NotFound",
        ),
        (
            &[("ServiceId", "x"), good[1], good[2]],
            "InvalidVpcEndpointServiceIdId.Malformed",
        ),
        (
            &[good[0], ("VpcEndpointId", &ids[0]), good[1], good[2]],
            "InvalidParameterCombination",
        ),
        (
            &[("VpcEndpointId", &ids[0]), good[1], good[2]],
            "InvalidVpcEndpointId.NotFound",
        ),
        (
            &[("VpcEndpointId", "x"), good[1], good[2]],
            "InvalidVpcEndpointId.Malformed",
        ),
    ] {
        assert_eq!(
            create(params).outcome(),
            (400, code.to_owned()),
            "{params:?}"
        );
    }
    assert_eq!(
        create(&[&good[..], &[("DryRun", "true")]].concat())
            .outcome()
            .0,
        412
    );
    assert!(world.ec2.notifications().is_empty());

    let answer = create(&good);
    let id = answer.one("connectionNotificationId");
    assert!(id.starts_with("vpce-nfn-0"), "{answer:?}");
    assert_eq!(
        answer.one("connectionEvents"),
        "<item>Accept</item><item>Connect</item>"
    );
    assert_eq!(answer.one("connectionNotificationState"), "Enabled");
    assert_eq!(answer.one("connectionNotificationType"), "Topic");
    let own = [("VpcEndpointId", ids[0].as_str()), good[1], good[2]];
    assert_eq!(
        world.ec2_as(CONSUMER, "us-east-1", CREATE, &own).status,
        200
    );

    let list =
        |params: &[(&str, &str)]| world.ec2(DESCRIBE, params).all("connectionNotificationId");
    assert_eq!(list(&[]), [id.as_str()]);
    for (name, value, expected) in [
        ("connection-notification-arn", TOPIC, 1),
        ("connection-notification-arn", "arn:aws:sns:*:other", 0),
        ("connection-notification-id", &id, 1),
        ("connection-notification-state", "Enabled", 1),
        ("connection-notification-state", "Disabled", 0),
        ("connection-notification-type", "Topic", 1),
        ("service-id", &service, 1),
        ("vpc-endpoint-id", &ids[0], 0),
    ] {
        let found = list(&[("Filter.1.Name", name), ("Filter.1.Value.1", value)]);
        assert_eq!(found.len(), expected, "{name}={value}");
    }
    let unknown = world.ec2(
        DESCRIBE,
        &[("Filter.1.Name", "state"), ("Filter.1.Value.1", "x")],
    );
    assert_eq!(unknown.outcome(), (400, "InvalidFilter".to_owned()));
    let unknown = world.ec2(DESCRIBE, &[("ConnectionNotificationId", "vpce-nfn-0")]);
    assert_eq!(
        unknown.outcome(),
        (400, "InvalidConnectionNotification".to_owned())
    );

    let changed = world.ec2(
        MODIFY,
        &[
            ("ConnectionNotificationId", id.as_str()),
            (
                "ConnectionNotificationArn",
                "arn:aws:sns:us-east-1:123456789012:b",
            ),
            ("ConnectionEvents.1", "Delete"),
        ],
    );
    assert_eq!(changed.one("return"), "true");
    let notification = world
        .ec2
        .notifications()
        .into_iter()
        .find(|notification| notification.id == id)
        .unwrap();
    assert_eq!(
        notification.topic_arn,
        "arn:aws:sns:us-east-1:123456789012:b"
    );
    assert_eq!(notification.events, [ConnectionEvent::Delete]);
    assert_eq!(
        world.ec2(MODIFY, &[]).outcome(),
        (400, "MissingParameter".to_owned())
    );
    let unknown = world.ec2(MODIFY, &[("ConnectionNotificationId", "vpce-nfn-0")]);
    assert_eq!(
        unknown.outcome(),
        (400, "InvalidConnectionNotification".to_owned())
    );

    let deleted = world.ec2(
        DELETE,
        &[
            ("ConnectionNotificationId.1", id.as_str()),
            ("ConnectionNotificationId.2", "vpce-nfn-0"),
        ],
    );
    assert_eq!(
        (deleted.all("resourceId"), deleted.outcome().1.as_str()),
        (
            vec!["vpce-nfn-0".to_owned()],
            "InvalidConnectionNotification"
        )
    );
    assert!(list(&[]).is_empty());
}

/// AWS may disable one by itself; it goes on being described.
#[test]
fn a_disabled_notification_is_found() {
    let world = World::new();
    let (service, _) = world.service(0);
    let (other, _) = world.service(0);
    let put = |service: &str, topic: &str| {
        let topic = format!("arn:aws:sns:us-east-1:123456789012:{topic}");
        world
            .ec2
            .put_notification(service, topic, ConnectionEvent::ALL)
            .unwrap()
    };
    let requests = put(&service, "requests");
    let audit = put(&service, "audit");
    let foreign = put(&other, "requests");
    let find = |filters: &[(&str, &str)]| {
        let mut params = Vec::new();
        for ((name, value), n) in filters.iter().zip(1..) {
            params.push((format!("Filter.{n}.Name"), *name));
            params.push((format!("Filter.{n}.Value.1"), *value));
        }
        let params: Vec<(&str, &str)> = params
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        let answer = world.ec2(DESCRIBE, &params);
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut ids = answer.all("connectionNotificationId");
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    let state = "connection-notification-state";
    let of_service = ("service-id", service.as_str());
    assert_eq!(find(&[(state, "Disabled")]), [""; 0]);
    for id in [&requests, &foreign] {
        assert!(world.ec2.set_notification_enabled(id, false));
    }
    assert_eq!(find(&[(state, "Disabled")]), sorted(&[&requests, &foreign]));
    assert_eq!(find(&[(state, "Enabled")]), sorted(&[&audit]));
    assert_eq!(find(&[of_service]), sorted(&[&requests, &audit]));
    assert_eq!(
        find(&[of_service, (state, "Disabled")]),
        sorted(&[&requests])
    );
    let arn = ("connection-notification-arn", TOPIC);
    assert_eq!(find(&[arn]), sorted(&[&requests, &foreign]));
    assert_eq!(find(&[arn, of_service]), sorted(&[&requests]));
    assert_eq!(find(&[arn, of_service, (state, "Enabled")]), [""; 0]);
    let described = world.ec2(DESCRIBE, &[("ConnectionNotificationId", &requests)]);
    assert_eq!(described.one("connectionNotificationState"), "Disabled");
    assert_eq!(described.one("connectionNotificationArn"), TOPIC);
    assert_eq!(described.one("serviceId"), service);
    assert!(world.ec2.set_notification_enabled(&requests, true));
    assert_eq!(
        find(&[of_service, (state, "Enabled")]),
        sorted(&[&requests, &audit])
    );
}

#[test]
fn notifications_are_paged() {
    let world = World::new();
    let (service, _) = world.service(0);
    for n in 0..7 {
        let topic = format!("{TOPIC}-{n}");
        world
            .ec2
            .put_notification(&service, topic, [ConnectionEvent::Connect])
            .unwrap();
    }
    world.ec2.set_options(|options| options.empty_pages = true);
    let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let mut params = vec![("MaxResults", "5")];
        if !token.is_empty() {
            params.push(("NextToken", &token));
        }
        let page = world.ec2(DESCRIBE, &params);
        sizes.push(page.all("connectionNotificationArn").len());
        assert!(sizes.len() < 20, "it goes on for ever");
        seen.extend(page.all("connectionNotificationArn"));
        token = page.one("nextToken");
        if token.is_empty() {
            break;
        }
    }
    seen.sort();
    assert_eq!(sizes, [0, 5, 0, 2]);
    assert_eq!(
        seen,
        (0..7).map(|n| format!("{TOPIC}-{n}")).collect::<Vec<_>>()
    );
}
