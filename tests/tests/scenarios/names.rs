//! Who decided without Gatekeeper: which events are believed about a name, and what happens to a
//! second name.

use std::task::Poll;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::hint::MOST_IN_BATCH;
use gatekeeper_core::request::{Actor, Status};
use gatekeeper_local::world::{PROVIDER, World};
use serde_json::{Value, json};

use crate::slack::Workspace;
use crate::support::*;

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const MALLORY: &str = "arn:aws:sts::111122223333:assumed-role/NetworkAdmin/mallory@example.com";

/// What EventBridge delivers of somebody's accept.
fn accepted_by(arn: &str, n: u32) -> Value {
    called("AcceptVpcEndpointConnections", arn, n)
}

fn called(call: &str, arn: &str, n: u32) -> Value {
    json!({
        "version": "0", "source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail",
        "account": PROVIDER, "time": "2026-11-20T12:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {
            "eventVersion": "1.11", "eventType": "AwsApiCall", "eventSource": "ec2.amazonaws.com",
            "eventName": call, "eventTime": "2026-11-20T12:00:00Z", "awsRegion": "us-east-1",
            "recipientAccountId": PROVIDER, "userIdentity": {"type": "IAMUser", "arn": arn, "accountId": PROVIDER},
            "requestParameters": {format!("{call}Request"): {"ServiceId": SERVICE,
                "VpcEndpointId": {"tag": 1, "content": endpoint(n)}}},
            "responseElements": {format!("{call}Response"): {"unsuccessful": ""}},
        },
    })
}

fn sns(message: &str) -> Value {
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:111122223333:somewhere", "Message": message})
}

fn queued(bodies: &[String]) -> Value {
    let records: Vec<Value> = (0..)
        .zip(bodies)
        .map(|(n, body): (usize, _)| json!({"messageId": format!("m{n}"), "eventSource": "aws:sqs", "body": body}))
        .collect();
    json!({ "Records": records })
}

async fn hears(world: &World, event: &Value) {
    let answer = handle(world, queued(&[event.to_string()])).await;
    assert!(answer.failed.is_empty() && answer.given_up.is_empty());
}

/// A world in which somebody accepted the third connection on the console, and it is not known who.
async fn accepted_by_somebody() -> World {
    let world = world_of(WORLD).await;
    accepted_in(&world).await;
    world
}

async fn accepted_in(world: &World) {
    handle(world, batch_of(5)).await;
    somebody_accepts(world, 3);
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(world, 3).await, Some(Status::Accepted));
    assert_eq!(decided_by(world, 3).await, Actor::Unknown);
}

async fn decided_by(world: &World, n: u32) -> Actor {
    request(world, n).await.unwrap().decided_by
}

fn iam(arn: &str) -> Actor {
    Actor::Iam(arn.to_owned())
}

#[tokio::test]
async fn published_or_forwarded_events_name_nobody() {
    let world = accepted_by_somebody().await;
    let event = accepted_by(MALLORY, 3);
    let with = |path: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(path).unwrap() = value;
        event
    };
    for forged in [
        sns(&event.to_string()),
        sns(&queued(&[event.to_string()]).to_string()),
        sns(&sns(&event.to_string()).to_string()),
        queued(&[event.to_string()]),
        event["detail"].clone(),
        with("/account", json!("444455556666")),
        with("/detail/recipientAccountId", json!("444455556666")),
        with(
            "/detail/userIdentity/arn",
            json!("arn:aws:iam::444455556666:user/evil"),
        ),
        with("/detail/userIdentity/arn", json!("alice@example.com")),
        with(
            "/detail/requestParameters/AcceptVpcEndpointConnectionsRequest/ServiceId",
            json!("vpce-svc-0ffffffffffffffff"),
        ),
    ] {
        hears(&world, &forged).await;
        assert_eq!(decided_by(&world, 3).await, Actor::Unknown, "{forged}");
    }
    hears(&world, &accepted_by(ALICE, 3)).await;
    assert_eq!(decided_by(&world, 3).await, iam(ALICE));
    assert!(request(&world, 3).await.unwrap().other_names.is_empty());
}

#[tokio::test]
async fn a_name_that_becomes_known_late_raises_the_revision_and_is_announced() {
    let world = accepted_by_somebody().await;
    let before = request(&world, 3).await.unwrap();
    hears(&world, &accepted_by(ALICE, 3)).await;
    let after = request(&world, 3).await.unwrap();
    assert_eq!(after.decided_by, iam(ALICE));
    assert!(after.revision > before.revision && after.version == before.version);
    history(&world, 3).await;
    hears(&world, &accepted_by(ALICE, 3)).await;
    let kinds = ["review_opened", "accepted_out_of_band", "decider_named"];
    assert_eq!(
        announcements_of(&world, 3),
        kinds,
        "the same name again is no news"
    );
    assert_eq!(request(&world, 3).await.unwrap().revision, after.revision);
}

#[tokio::test]
async fn where_others_decisions_are_only_recorded_a_name_is_not_announced() {
    let world = world_of(WORLD).await;
    settings(&world, "out_of_band: record").await;
    accepted_in(&world).await;
    hears(&world, &accepted_by(ALICE, 3)).await;
    assert_eq!(decided_by(&world, 3).await, iam(ALICE));
    assert_eq!(announcements_of(&world, 3), ["review_opened"]);
    // A contradiction is announced.
    hears(&world, &accepted_by(MALLORY, 3)).await;
    assert_eq!(
        announcements_of(&world, 3),
        ["review_opened", "decider_contradicted"]
    );
}

#[tokio::test]
async fn a_name_that_contradicts_the_first_is_kept_shown_and_announced() {
    let world = accepted_by_somebody().await;
    hears(&world, &accepted_by(MALLORY, 3)).await;
    for _ in 0..3 {
        hears(&world, &accepted_by(ALICE, 3)).await;
        hears(&world, &accepted_by(MALLORY, 3)).await;
    }
    let request = request(&world, 3).await.unwrap();
    assert_eq!(request.decided_by, iam(MALLORY), "the first name stays");
    let others: Vec<String> = request
        .also_named()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(others, [ALICE]);
    let receiver: Vec<Value> = documents(&world)
        .into_iter()
        .filter(|document| document["kind"] == "decider_contradicted")
        .collect();
    assert_eq!(receiver.len(), 1, "once");
    assert_eq!(
        receiver[0]["decided_by"],
        json!({"kind": "iam", "name": MALLORY})
    );
    assert_eq!(receiver[0]["also_named"], json!([ALICE]));
    let mails = world.sns.inbox_of("team@example.com");
    let mail = mails.last().unwrap().message.clone();
    assert!(mail.contains(MALLORY) && mail.contains(ALICE), "{mail}");
}

#[tokio::test]
async fn of_two_names_in_one_batch_none_is_dropped() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    somebody_accepts(&world, 3);
    world.clock.advance(LATER);
    let bodies = [accepted_by(ALICE, 3), accepted_by(MALLORY, 3)].map(|event| event.to_string());
    assert!(handle(&world, queued(&bodies)).await.failed.is_empty());
    let request = request(&world, 3).await.unwrap();
    assert_eq!(request.decided_by, iam(ALICE));
    assert_eq!(request.also_named().len(), 1);
    let kinds = [
        "review_opened",
        "accepted_out_of_band",
        "decider_contradicted",
    ];
    assert_eq!(announcements_of(&world, 3), kinds);
    assert_eq!(history(&world, 3).await.last().unwrap().actor, iam(ALICE));
}

/// The policy decided, and somebody did the same on the console, without Gatekeeper.
#[tokio::test]
async fn a_decision_that_somebody_repeats_on_the_console_is_noticed() {
    let world = world_of(WORLD).await;
    handle(&world, batch_of(5)).await;
    world.clock.advance(LATER);
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    hears(&world, &accepted_by(MALLORY, 1)).await;
    // A name for a rejection is not recorded for an accepted connection.
    hears(&world, &called("RejectVpcEndpointConnections", ALICE, 1)).await;
    let request = request(&world, 1).await.unwrap();
    assert!(matches!(request.decided_by, Actor::Policy(Some(_))));
    assert_eq!(request.also_named().len(), 1);
    assert_eq!(
        announcements_of(&world, 1),
        ["accepted", "decider_contradicted"]
    );
}

/// While another handler has claimed the request, the event is delivered again instead of being
/// forgotten.
#[tokio::test]
async fn a_name_waits_for_a_claim_to_end() {
    let world = accepted_by_somebody().await;
    let claim = jiff::SignedDuration::from_secs(90);
    let until = world.clock.now().checked_add(claim).unwrap().to_string();
    let until = [(":until", AttributeValue::S(until))];
    set(&world, "claimed_until = :until", &until).await;
    let body = accepted_by(ALICE, 3).to_string();
    let answer = handle(&world, queued(std::slice::from_ref(&body))).await;
    assert_eq!(answer.failed[0].1.error_type(), "Retryable.Contended");
    let none = [(":until", AttributeValue::Null(true))];
    set(&world, "claimed_until = :until", &none).await;
    world.clock.advance(LATER);
    assert!(handle(&world, queued(&[body])).await.failed.is_empty());
    assert_eq!(decided_by(&world, 3).await, iam(ALICE));
}

/// Changes the third request, as a note or a claim of another instance does.
async fn set(world: &World, change: &str, values: &[(&str, AttributeValue)]) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut update = world
        .tables()
        .update_item()
        .table_name(world.requests_table())
        .key("pk", text(endpoint(3).as_str()))
        .key("sk", text("request"))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    for (name, value) in values {
        update = update.expression_attribute_values(*name, value.clone());
    }
    let expression = format!("SET revision = revision + :one, {change}");
    update.update_expression(expression).send().await.unwrap();
}

/// Another instance writes a note between two calls of the one that writes the name, after each
/// call in turn. In the end both are there.
#[tokio::test]
async fn a_name_is_not_lost_to_what_is_written_meanwhile() {
    let mut interrupted = 0;
    for n in 1..20 {
        let world = accepted_by_somebody().await;
        let calls = Calls::of(&world);
        let (sender, receiver) = std::sync::mpsc::channel();
        calls.after(n, move || sender.send(()).unwrap());
        let event = accepted_by(ALICE, 3).to_string();
        let naming = handle(&world, queued(&[event]));
        tokio::pin!(naming);
        let done = std::future::poll_fn(|context| {
            if receiver.try_recv().is_ok() {
                return Poll::Ready(false);
            }
            let is_done = naming.as_mut().poll(context).is_ready();
            match is_done {
                true => Poll::Ready(true),
                false if receiver.try_recv().is_ok() => Poll::Ready(false),
                false => Poll::Pending,
            }
        })
        .await;
        if done {
            break;
        }
        interrupted += 1;
        let note = [(":noted", AttributeValue::N("7".to_owned()))];
        set(&world, "reminders = :noted", &note).await;
        assert!(naming.await.failed.is_empty(), "{n}");
        let request = request(&world, 3).await.unwrap();
        assert_eq!(
            (request.decided_by, request.reminders),
            (iam(ALICE), 7),
            "{n}"
        );
    }
    assert!(interrupted >= 3, "{interrupted}");
}

#[tokio::test]
async fn slack_shows_the_actor_once_known_and_a_contradicting_name() {
    let mut space = Workspace::of(WORLD).await;
    handle(&space.world, batch_of(5)).await;
    space.deliver().await;
    somebody_accepts(&space.world, 3);
    space.world.clock.advance(LATER);
    space.world.reconcile().await;
    space.deliver().await;
    let shown = |space: &Workspace| -> Vec<String> {
        let messages = space.slack.messages(crate::slack::CHANNEL);
        let about = messages.iter().map(|message| message.content.shown());
        about
            .filter(|text| text.contains(endpoint(3).as_str()))
            .collect()
    };
    assert!(
        shown(&space)[0].contains("somebody else"),
        "{:?}",
        shown(&space)
    );
    hears(&space.world, &accepted_by(ALICE, 3)).await;
    space.deliver().await;
    assert!(shown(&space)[0].contains(ALICE), "{:?}", shown(&space));
    hears(&space.world, &accepted_by(MALLORY, 3)).await;
    space.deliver().await;
    let names = format!("AWS CloudTrail also names {MALLORY}");
    assert!(shown(&space)[0].contains(&names), "{:?}", shown(&space));
    assert!(
        shown(&space)
            .iter()
            .skip(1)
            .any(|text| text.contains(&names))
    );
}

/// A hundred records, each of which names as many endpoints as fit. The cost is bounded, and an
/// honest consumer in the same batch is accepted.
#[tokio::test]
async fn a_flood_of_ids_costs_a_bounded_number_of_calls_and_hides_nobody() {
    let world = accepted_by_somebody().await;
    somebody_asks(&world, 6, "000000000001");
    let heavy = |n: usize| {
        let nested: Vec<String> = (0..20)
            .map(|call| {
                let ids: Vec<String> = (0..100)
                    .map(|id| format!("vpce-{:017x}", 0xf_0000_0000 + n * 2000 + call * 100 + id))
                    .collect();
                json!({"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": {
                    "eventSource": "ec2.amazonaws.com", "eventName": "DeleteVpcEndpoints",
                    "requestParameters": {"ids": ids.join(" ")}}})
                .to_string()
            })
            .collect();
        sns(&queued(&nested).to_string()).to_string()
    };
    let mut bodies: Vec<String> = (0..98).map(heavy).collect();
    bodies.push(requested(&endpoint(6)).to_string());
    bodies.push(accepted_by(ALICE, 3).to_string());
    let describe = "DescribeVpcEndpointConnections";
    let before = world.ec2.calls_of(describe);
    let answer = handle(&world, queued(&bodies)).await;
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    assert_eq!(status(&world, 6).await, Some(Status::Accepted));
    assert_eq!(decided_by(&world, 3).await, iam(ALICE));
    let asked = world.ec2.calls_of(describe) - before;
    // 200 ids a call, and the pages of the one service, which is looked through once.
    let most = u64::try_from(MOST_IN_BATCH / 200 + 5).unwrap();
    assert!(asked <= most, "{asked} calls");
}
