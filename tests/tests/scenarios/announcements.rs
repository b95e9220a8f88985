//! Announcements are sent apart from decisions: no decision waits for them, and none is lost.

use std::collections::BTreeMap;

use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind};

use crate::support::*;

/// A stranger asks, and two may decide about it.
const ASKED: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*"]
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
"#;

/// Has SNS refuse what is published to one topic, in a way that passes.
fn refuse(world: &World, topic: &str) {
    let kind = FaultKind::Refused {
        code: "Throttled".to_owned(),
        message: "injected".to_owned(),
        items: vec![topic.to_owned()],
    };
    world.sns.inject(Fault::new("PublishBatch", kind).always());
}

pub(crate) async fn kept(world: &World, partition: &str) -> usize {
    let items = world
        .tables()
        .scan()
        .table_name(world.requests_table())
        .send()
        .await
        .unwrap();
    let of = |item: &&std::collections::HashMap<_, _>| {
        let pk: &aws_sdk_dynamodb::types::AttributeValue = &item["pk"];
        pk.as_s().unwrap().starts_with(partition)
    };
    items.items().iter().filter(of).count()
}

#[tokio::test]
async fn a_message_that_fails_for_one_topic_is_sent_again_alone() {
    let world = world_of(ASKED).await;
    let approvals = world.approvals_topic.clone();
    refuse(&world, &approvals);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(announcements_of(&world, 3), ["review_opened"]);
    assert_eq!(approval_emails(&world, "alice", 3).len(), 0);
    assert_eq!(kept(&world, "outbox#").await, 1, "one item for all of it");
    world.sns.clear_faults();
    minutes_pass(&world, 5);
    world.sweep().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    assert_eq!(approval_emails(&world, "bob", 3).len(), 1);
    assert!(announced(&world).values().all(|times| *times == 1));
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn nobody_is_notified_of_a_review_that_is_over_or_no_longer_theirs() {
    let world = world_of(ASKED).await;
    let approvals = world.approvals_topic.clone();
    refuse(&world, &approvals);
    world.reconcile().await;
    // Bob is no approver any more, Alice is.
    let bob = "bob@example.com".parse().unwrap();
    world.remove_approver(&bob).await.unwrap();
    world.sns.clear_faults();
    minutes_pass(&world, 6);
    world.sweep().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    assert_eq!(approval_emails(&world, "bob", 3).len(), 0);

    let world = world_of(ASKED).await;
    let approvals = world.approvals_topic.clone();
    refuse(&world, &approvals);
    world.reconcile().await;
    allow(&world, "*", "000000000003").await;
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    world.sns.clear_faults();
    minutes_pass(&world, 6);
    world.sweep().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 0);
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn a_links_life_counts_from_when_it_is_sent() {
    let world = world_of(ASKED).await;
    let approvals = world.approvals_topic.clone();
    refuse(&world, &approvals);
    world.reconcile().await;
    hours_pass(&world, 20 * 24);
    world.sns.clear_faults();
    world.sweep().await;
    let alice = by_link(&world, "alice", 3);
    hours_pass(&world, 20 * 24);
    assert_eq!(look(&world, &alice).await, "open");
    hours_pass(&world, 11 * 24);
    assert_eq!(look(&world, &alice).await, "expired");
}

#[tokio::test]
async fn a_message_that_sns_refuses_for_good_is_put_aside_and_holds_up_nothing() {
    let world = world_of(ASKED).await;
    let kind = FaultKind::Refused {
        code: "InvalidParameter".to_owned(),
        message: "injected".to_owned(),
        // In every call that holds a message about this account.
        items: vec!["000000000004".to_owned()],
    };
    world.sns.inject(Fault::new("PublishBatch", kind).always());
    allow(&world, "*", "000000000004").await;
    somebody_asks(&world, 4, "000000000004");
    world.reconcile().await;
    world.sweep().await;
    assert_eq!(status(&world, 4).await, Some(Status::Accepted));
    assert_eq!(
        announcements_of(&world, 3),
        ["review_opened"],
        "the others are announced"
    );
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    assert_eq!(announcements_of(&world, 4), [""; 0]);
    assert_eq!(kept(&world, "refused").await, 1);
    assert_eq!(kept(&world, "outbox#").await, 0, "it is not tried again");
    let refused = world.announcements().metrics().last("RefusedMessages");
    assert_eq!(refused, Some(1.0));
}

#[tokio::test]
async fn only_the_e_mails_wait_that_an_address_does_not_take_at_once() {
    let world = world_of(ASKED).await;
    for n in 10..110 {
        somebody_asks(&world, n, &format!("{n:012}"));
    }
    let begun = world.clock.now();
    world.reconcile_alone().await;
    world.announce().await.unwrap();
    assert_eq!(world.clock.now(), begun, "nothing sleeps");
    assert_eq!(
        announced(&world).len(),
        101,
        "everything is announced at once"
    );
    let asked = |world: &World| world.sns.inbox_of("alice@example.com").len();
    assert_eq!(asked(&world), 4);
    // A customer who is allowed is accepted meanwhile.
    allow(&world, "*", "000000000001").await;
    somebody_asks(&world, 1, "000000000001");
    handle(&world, batch_of(1)).await;
    assert_eq!(announcements_of(&world, 1), ["accepted"]);
    assert_eq!(world.clock.now(), begun);
    // The schedule sends the rest, no faster than an address takes it.
    for _ in 0..4 {
        minutes_pass(&world, 1);
        world.sweep().await;
    }
    assert_eq!(asked(&world), 101);
    let (mut seconds, mut minutes) = (BTreeMap::new(), BTreeMap::new());
    for mail in world.sns.inbox_of("alice@example.com") {
        *seconds.entry(mail.at.as_second()).or_insert(0) += 1;
        *minutes.entry(mail.at.as_second() / 60).or_insert(0) += 1;
    }
    assert!(seconds.values().all(|count| *count <= 4), "{seconds:?}");
    assert!(minutes.values().all(|count| *count <= 60), "{minutes:?}");
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn two_senders_at_the_same_time_keep_to_an_addresss_rate() {
    let world = world_of(ASKED).await;
    for n in 10..40 {
        somebody_asks(&world, n, &format!("{n:012}"));
    }
    world.reconcile_alone().await;
    minutes_pass(&world, 5);
    let (one, other) = (
        world.announcements_instance(1),
        world.announcements_instance(2),
    );
    let until = deadline(&world);
    let (a, b) = tokio::join!(one.sweep(until), other.sweep(until));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(world.sns.inbox_of("alice@example.com").len(), 4);
}

#[tokio::test]
async fn more_than_fifty_approvers_are_all_notified_and_reminded() {
    let world = world_of(ASKED).await;
    settings(&world, "remind_hours: 4").await;
    for n in 0..70 {
        let one = format!(r#"{{id: "approver{n}@example.com", services: ["*"]}}"#);
        approver(&world, &one).await;
    }
    world.reconcile().await;
    let asked = |world: &World| -> Vec<usize> {
        let names = (0..70).map(|n| format!("approver{n}"));
        names
            .map(|name| approval_emails(world, &name, 3).len())
            .collect()
    };
    assert_eq!(asked(&world), [1; 70]);
    hours_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(asked(&world), [2; 70], "each is reminded, not some");
}
