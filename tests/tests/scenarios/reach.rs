//! Whom approval e-mail reaches: it goes to its approver and to nobody else, and an approver whom
//! it does not reach is a finding.

use std::time::Duration;

use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::approver::{Approver, ApproverId};
use gatekeeper_core::reach::SETTLES;
use gatekeeper_core::request::Status;
use gatekeeper_local::world::{Options, World};
use local_aws::{Fault, FaultKind, NewSubscription};
use serde_json::Value;

use crate::support::*;

/// Alice decides, and is subscribed; two others ask.
const ALICE: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  approvers:
    - {id: alice@example.com, services: ["*"]}
"#;

/// A filter policy takes a while to be in effect, as at AWS, and e-mail waits for it.
fn as_at_aws() -> Options {
    let mut options = options();
    options.filter_settles = SETTLES;
    options
}

/// A world in which Alice has been subscribed for long, and filter policies take a while.
async fn world_as_at_aws() -> World {
    let world = world_with(as_at_aws(), ALICE).await;
    let settles = Duration::try_from(SETTLES).unwrap();
    world.sns.set_filter_delay(Some(settles));
    world.sweep().await;
    minutes_pass(&world, 15);
    world
}

fn id(name: &str) -> ApproverId {
    format!("{name}@example.com").parse().unwrap()
}

/// Writes an approver's item and runs the function for it. Unlike `approver`, it subscribes nobody.
async fn enter(world: &World, name: &str, slack: Option<&str>) {
    let item = gatekeeper_aws::tables::encode_approver(&Approver {
        id: id(name),
        slack_user_id: slack.map(|user| user.parse().unwrap()),
        iam_principal: None,
        services: ["*".parse().unwrap()].into(),
        own_accounts: [].into(),
    });
    let put = world.tables().put_item();
    let put = put.table_name(world.allowlist_table());
    put.set_item(Some(item.unwrap())).send().await.unwrap();
    edited(world).await;
}

/// The filter policy that docs/approvals.md describes.
fn own(name: &str) -> String {
    format!(r#"{{"approver":["{}"]}}"#, id(name))
}

/// A confirmed subscription of an address to approval e-mail; its ARN.
fn subscribe(world: &World, address: &str, filter_policy: Option<&str>) -> String {
    let new = NewSubscription::new(&world.approvals_topic, "email", address);
    let new = match filter_policy {
        Some(policy) => new.filter_policy(policy),
        None => new,
    };
    world.sns.subscribe(new).unwrap().arn
}

fn unsubscribe(world: &World, arn: &str) {
    world.sns.unsubscribe_by_link(arn).unwrap();
}

/// Confirms an address's last subscription.
async fn confirm(world: &World, name: &str) {
    let mails = world.sns.inbox_of(id(name).as_str());
    let mut tokens = mails.iter().rev().filter_map(|mail| mail.token.clone());
    let token = tokens.next().unwrap();
    world.subscriptions().confirm(&token).await.unwrap();
}

/// Runs the schedule once a minute, for this many minutes.
async fn minutes(world: &World, count: u64) {
    for _ in 0..count {
        minutes_pass(world, 1);
        world.sweep().await;
    }
}

/// How often a finding was announced to begin and to end.
fn announced(world: &World, finding: &str) -> (usize, usize) {
    let count = |kind| alarms(world, finding, kind);
    (count("alarm_started"), count("alarm_ended"))
}

/// The documents about a finding.
fn documents_about(world: &World, finding: &str) -> Vec<Value> {
    let mut announced = documents(world);
    announced.retain(|document| document["finding"] == finding);
    announced
}

fn measured(world: &World, name: &str) -> Option<f64> {
    world.announcements().metrics().last(name)
}

/// How many e-mails with a link an address got, no matter for whom.
fn links(world: &World, address: &str) -> usize {
    let mails = world.sns.inbox_of(address);
    mails
        .iter()
        .filter(|mail| mail.message.contains("/a/"))
        .count()
}

/// A review opens by an event, and its messages are sent at once: nothing else looks.
async fn asks(world: &World, n: u32) {
    somebody_asks(world, n, &format!("{n:012}"));
    handle(
        world,
        serde_json::json!({ "Records": [{
        "messageId": "m", "eventSource": "aws:sqs", "body": requested(&endpoint(n)).to_string(),
    }] }),
    )
    .await;
    assert_eq!(status(world, n).await, Some(Status::InReview));
}

// ---------------------------------------------------------------- an approver written before they are subscribed

#[tokio::test]
async fn an_approver_written_before_they_are_subscribed_gets_the_open_reviews_once_they_are() {
    let world = world_of(ALICE).await;
    world.reconcile().await;
    asks(&world, 4).await;
    enter(&world, "bob", None).await;
    world.subscriptions().subscribe(&id("bob")).await.unwrap();
    minutes(&world, 3).await;
    assert!(
        request(&world, 3)
            .await
            .unwrap()
            .notified
            .contains(&id("bob"))
    );
    assert_eq!(links(&world, "bob@example.com"), 0, "not confirmed");

    confirm(&world, "bob").await;
    minutes(&world, 3).await;
    for n in [3, 4] {
        assert_eq!(
            approval_emails(&world, "bob", n).len(),
            1,
            "once, about each"
        );
        assert_eq!(
            approval_emails(&world, "alice", n).len(),
            1,
            "and to nobody else"
        );
    }
    let voted = vote(&world, &by_link(&world, "bob", 3), &approval()).await;
    assert_eq!(word(&voted), "decided");
    // After this they are like anybody else.
    asks(&world, 5).await;
    assert_eq!(approval_emails(&world, "bob", 5).len(), 1);
    runs(&world, 3).await;
    assert_eq!(links(&world, "bob@example.com"), 3);
}

#[tokio::test]
async fn the_open_reviews_that_are_sent_are_theirs_to_decide_and_not_voted_on() {
    let world = world_of(ALICE).await;
    settings(&world, "approvals_required: 3").await;
    world.reconcile().await;
    asks(&world, 4).await;
    asks(&world, 5).await;
    approver(&world, r#"{id: bob@example.com, slack_user_id: U0BOB, services: ["*"], own_accounts: ["000000000004"]}"#).await;
    let mine = world.sns.subscriptions();
    let mine = mine.iter().find(|it| it.endpoint == "bob@example.com");
    unsubscribe(&world, &mine.unwrap().arn);
    edited(&world).await;
    minutes(&world, 1).await;
    let voter = Voter::Slack {
        user: "U0BOB".parse().unwrap(),
        endpoint_id: endpoint(5),
        review: 1,
    };
    let voted = vote(&world, &voter, &approval()).await;
    assert_eq!(word(&voted), "waiting");
    subscribe(&world, "bob@example.com", Some(&own("bob")));
    minutes(&world, 2).await;
    let sent = [3, 4, 5].map(|n| approval_emails(&world, "bob", n).len());
    assert_eq!(
        sent,
        [1, 0, 0],
        "not of their own account, and not voted on"
    );
}

#[tokio::test]
async fn an_approver_counts_as_reachable_until_a_look_finds_otherwise() {
    let world = world_of(ALICE).await;
    // The very first look finds her, and nobody gets anything twice because of that.
    world.reconcile().await;
    runs(&world, 2).await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    // A look that fails is no finding: messages wait.
    let gone = Fault::new("ListSubscriptionsByTopic", FaultKind::Unavailable);
    world.sns.inject(gone.always());
    minutes(&world, 2).await;
    asks(&world, 4).await;
    assert_eq!(announced(&world, "approver_not_reached"), (0, 0));
    world.sns.clear_faults();
    minutes(&world, 2).await;
    assert_eq!(approval_emails(&world, "alice", 4).len(), 1);
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    assert_eq!(announced(&world, "approver_not_reached"), (0, 0));
}

#[tokio::test]
async fn in_the_documented_order_an_approver_is_notified_from_the_first_minute_and_reads_nobody_elses_link()
 {
    let world = world_as_at_aws().await;
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    world.subscriptions().subscribe(&id("bob")).await.unwrap();
    // Meanwhile others are notified as always: an unconfirmed subscription does not count.
    minutes(&world, 15).await;
    asks(&world, 4).await;
    assert_eq!(approval_emails(&world, "alice", 4).len(), 1);
    confirm(&world, "bob").await;
    // Gatekeeper sees the filter policy for the first time, and waits as well.
    minutes(&world, 16).await;
    enter(&world, "bob", None).await;
    for n in [3, 4] {
        assert_eq!(approval_emails(&world, "bob", n).len(), 1, "at once");
    }
    assert_eq!(links(&world, "bob@example.com"), 2, "his own, and no other");
    assert_eq!(announced(&world, "approver_not_reached"), (0, 0));
    assert_eq!(
        announced(&world, "subscription_new"),
        (2, 2),
        "Alice's and his"
    );
}

// ------------------------------------------------------------------------------------------- e-mail that is held

#[tokio::test]
async fn email_is_held_while_a_subscription_could_read_other_peoples_links() {
    let one = r#"["alice@example.com"]"#;
    for (policy, scope) in [
        (None, None),
        (Some("{}".to_owned()), None),
        (Some(r#"{"approver":[{"exists":true}]}"#.to_owned()), None),
        (
            Some(r#"{"approver":[{"prefix":"alice@example.com"}]}"#.to_owned()),
            None,
        ),
        (
            Some(r#"{"approver":[{"anything-but":"bob@example.com"}]}"#.to_owned()),
            None,
        ),
        (
            Some(r#"{"approver":["archive@example.com","alice@example.com"]}"#.to_owned()),
            None,
        ),
        (
            Some(format!(r#"{{"approver":{one},"kind":["review_opened"]}}"#)),
            None,
        ),
        (Some(r#"{"kind":["review_opened"]}"#.to_owned()), None),
        (
            Some(format!(r#"{{"approver":{one}}}"#)),
            Some("MessageBody"),
        ),
    ] {
        let what = format!("{policy:?} {scope:?}");
        let world = world_of(ALICE).await;
        let mut new = NewSubscription::new(&world.approvals_topic, "email", "archive@example.com");
        if let Some(policy) = policy {
            new = new.filter_policy(policy);
        }
        if let Some(scope) = scope {
            new = new.attribute("FilterPolicyScope", scope);
        }
        let open = world.sns.subscribe(new).unwrap().arn;
        asks(&world, 4).await;
        runs(&world, 3).await;
        for address in ["alice@example.com", "archive@example.com"] {
            assert_eq!(links(&world, address), 0, "{what}: {address}");
        }
        assert_eq!(announced(&world, "subscription_open"), (1, 0), "{what}");
        let document = &documents_about(&world, "subscription_open")[0];
        assert_eq!(document["subscription"]["endpoint"], "archive@example.com");
        assert_eq!(document["subscription"]["arn"], open.as_str());
        assert_eq!(measured(&world, "ApprovalEmailHeld"), Some(1.0), "{what}");

        unsubscribe(&world, &open);
        minutes(&world, 2).await;
        for n in [3, 4] {
            assert_eq!(approval_emails(&world, "alice", n).len(), 1, "{what}");
        }
        assert_eq!(announced(&world, "subscription_open"), (1, 1), "{what}");
        assert_eq!(measured(&world, "ApprovalEmailHeld"), Some(0.0), "{what}");
        assert_eq!(links(&world, "archive@example.com"), 0, "{what}");
    }
}

#[tokio::test]
async fn a_filter_policy_that_is_new_holds_email_for_fifteen_minutes() {
    let world = world_as_at_aws().await;
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    // Because she confirms at once, she gets everything for a while.
    enter(&world, "bob", None).await;
    subscribe(&world, "bob@example.com", Some(&own("bob")));
    asks(&world, 4).await;
    minutes(&world, 14).await;
    assert_eq!(links(&world, "bob@example.com"), 0);
    assert_eq!(approval_emails(&world, "alice", 4).len(), 0);
    let document = &documents_about(&world, "subscription_new")[2];
    assert_eq!(document["approver"], "bob@example.com");
    assert_eq!(document["subscription"]["endpoint"], "bob@example.com");
    minutes(&world, 3).await;
    for n in [3, 4] {
        assert_eq!(approval_emails(&world, "alice", n).len(), 1);
        assert_eq!(approval_emails(&world, "bob", n).len(), 1);
    }
    assert_eq!(links(&world, "bob@example.com"), 2, "his own, and no other");
    assert_eq!(announced(&world, "subscription_new"), (2, 2));
}

#[tokio::test]
async fn a_look_is_at_most_a_minute_old_at_each_send() {
    let world = world_of(ALICE).await;
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    let looks = || world.sns.calls()["ListSubscriptionsByTopic"];
    let before = looks();
    asks(&world, 4).await;
    assert_eq!(looks(), before, "by the look that there is");
    assert_eq!(approval_emails(&world, "alice", 4).len(), 1);
    // The schedule does not run here.
    subscribe(&world, "archive@example.com", None);
    world.clock.advance(Duration::from_secs(61));
    asks(&world, 5).await;
    assert_eq!(links(&world, "archive@example.com"), 0);
    assert_eq!(approval_emails(&world, "alice", 5).len(), 0, "it is held");
}

#[tokio::test]
async fn a_look_that_fails_holds() {
    for (action, kind) in [
        ("ListSubscriptionsByTopic", FaultKind::Unauthorized),
        ("ListSubscriptionsByTopic", FaultKind::Throttle),
        ("GetSubscriptionAttributes", FaultKind::Unauthorized),
        ("GetSubscriptionAttributes", FaultKind::Unavailable),
    ] {
        let world = world_of(ALICE).await;
        world.sns.inject(Fault::new(action, kind.clone()).always());
        runs(&world, 2).await;
        assert_eq!(
            approval_emails(&world, "alice", 3).len(),
            0,
            "{action} {kind:?}"
        );
        assert_eq!(measured(&world, "ApprovalEmailHeld"), Some(1.0));
        world.sns.clear_faults();
        minutes(&world, 2).await;
        assert_eq!(
            approval_emails(&world, "alice", 3).len(),
            1,
            "{action} {kind:?}"
        );
        assert_eq!(measured(&world, "ApprovalEmailHeld"), Some(0.0));
    }
}

#[tokio::test]
async fn a_subscription_that_is_not_confirmed_does_not_count() {
    let world = world_of(ALICE).await;
    let client = world.subscriptions();
    for name in ["bob", "eve"] {
        client.subscribe(&id(name)).await.unwrap();
    }
    enter(&world, "bob", None).await;
    world.reconcile().await;
    assert_eq!(
        approval_emails(&world, "alice", 3).len(),
        1,
        "nobody else gets any"
    );
    minutes(&world, 20).await;
    assert_eq!(announced(&world, "subscription_open"), (0, 0));
    assert_eq!(announced(&world, "approver_not_reached"), (1, 0), "Bob");
}

#[tokio::test]
async fn an_endpoint_that_is_not_the_approvers_address_is_a_finding() {
    let world = world_of(ALICE).await;
    let arn = subscribe(&world, "mallory@example.com", Some(&own("alice")));
    runs(&world, 3).await;
    assert_eq!(announced(&world, "subscription_elsewhere"), (1, 0));
    let document = &documents_about(&world, "subscription_elsewhere")[0];
    assert_eq!(document["approver"], "alice@example.com");
    assert_eq!(document["subscription"]["endpoint"], "mallory@example.com");
    assert_eq!(measured(&world, "ApprovalEmailElsewhere"), Some(1.0));
    assert_eq!(
        approval_emails(&world, "alice", 3).len(),
        1,
        "it holds nothing"
    );
    unsubscribe(&world, &arn);
    minutes(&world, 1).await;
    assert_eq!(announced(&world, "subscription_elsewhere"), (1, 1));
    assert_eq!(measured(&world, "ApprovalEmailElsewhere"), Some(0.0));
}

#[tokio::test]
async fn people_vote_in_slack_and_under_their_iam_identity_while_email_is_held() {
    let world = world_of(ALICE).await;
    let dave = r#"{id: dave@example.com, slack_user_id: U0DAVE, iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/dave", services: ["*"]}"#;
    approver(&world, dave).await;
    subscribe(&world, "archive@example.com", None);
    world.reconcile().await;
    asks(&world, 4).await;
    let in_slack = Voter::Slack {
        user: "U0DAVE".parse().unwrap(),
        endpoint_id: endpoint(3),
        review: 1,
    };
    let by_iam = Voter::Iam {
        arn: "arn:aws:sts::111122223333:assumed-role/Approver/dave".to_owned(),
        endpoint_id: endpoint(4),
        review: None,
    };
    for (n, voter) in [(3, in_slack), (4, by_iam)] {
        let voted = vote(&world, &voter, &approval()).await;
        assert_eq!(word(&voted), "decided");
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    assert_eq!(links(&world, "archive@example.com"), 0);
}

#[tokio::test]
async fn no_deadline_rejects_a_review_whose_email_was_held() {
    let world = world_of(ALICE).await;
    settings(&world, "review_hours: 1, on_deadline: reject").await;
    // This one was sent before any e-mail was held.
    asks(&world, 4).await;
    assert_eq!(approval_emails(&world, "alice", 4).len(), 1);
    minutes(&world, 2).await;
    let open = subscribe(&world, "archive@example.com", None);
    minutes(&world, 2).await;
    asks(&world, 5).await;
    assert_eq!(approval_emails(&world, "alice", 5).len(), 0);
    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(
        path(&world, 4).await,
        "- > in_review > rejecting > rejected"
    );
    for _ in 0..5 {
        hours_pass(&world, 10);
        world.reconcile().await;
        assert_eq!(
            status(&world, 5).await,
            Some(Status::InReview),
            "it is held"
        );
    }
    // After its release it has the time that it would have had.
    unsubscribe(&world, &open);
    minutes(&world, 2).await;
    assert_eq!(approval_emails(&world, "alice", 5).len(), 1);
    minutes_pass(&world, 55);
    world.reconcile().await;
    assert_eq!(status(&world, 5).await, Some(Status::InReview));
    let voter = by_link(&world, "alice", 5);
    assert_eq!(look(&world, &voter).await, "open");
    minutes_pass(&world, 5);
    assert_eq!(look(&world, &voter).await, "expired");
    let late = vote(&world, &voter, &approval()).await;
    assert_eq!(word(&late), "expired");
    world.reconcile().await;
    assert_eq!(
        path(&world, 5).await,
        "- > in_review > rejecting > rejected"
    );
}

#[tokio::test]
async fn a_vote_counts_after_the_deadline_of_a_review_whose_email_was_held() {
    let world = world_of(ALICE).await;
    settings(&world, "review_hours: 1, on_deadline: reject").await;
    let open = subscribe(&world, "archive@example.com", None);
    asks(&world, 4).await;
    hours_pass(&world, 3);
    unsubscribe(&world, &open);
    minutes(&world, 2).await;
    let voter = by_link(&world, "alice", 4);
    let voted = vote(&world, &voter, &approval()).await;
    assert_eq!(word(&voted), "decided");
    assert_eq!(status(&world, 4).await, Some(Status::Accepted));
}

// -------------------------------------------------------------------------- an approver whom no e-mail reaches

#[tokio::test]
async fn each_approver_whom_nothing_reaches_is_one_finding() {
    let world = world_of(ALICE).await;
    enter(&world, "bob", None).await;
    enter(&world, "carol", None).await;
    runs(&world, 3).await;
    assert_eq!(announced(&world, "approver_not_reached"), (2, 0));
    let mut names: Vec<String> = documents_about(&world, "approver_not_reached")
        .iter()
        .map(|document| document["approver"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["bob@example.com", "carol@example.com"]);
    assert_eq!(measured(&world, "ApproversNotReached"), Some(2.0));
    let mail = world.sns.inbox_of(gatekeeper_local::world::READER);
    let about_bob = |text: &&String| text.contains("reaches the approver bob@example.com");
    assert_eq!(
        mail.iter()
            .map(|mail| &mail.message)
            .filter(about_bob)
            .count(),
        1
    );

    // A filter policy that does not name exactly them does not reach them.
    let open = subscribe(
        &world,
        "bob@example.com",
        Some(r#"{"approver":[{"prefix":"bob"}]}"#),
    );
    minutes(&world, 1).await;
    assert_eq!(announced(&world, "approver_not_reached"), (2, 0));
    unsubscribe(&world, &open);
    subscribe(&world, "bob@example.com", Some(&own("bob")));
    minutes(&world, 1).await;
    assert_eq!(announced(&world, "approver_not_reached"), (2, 1));
    assert_eq!(measured(&world, "ApproversNotReached"), Some(1.0));
    world.remove_approver(&id("carol")).await.unwrap();
    minutes(&world, 1).await;
    assert_eq!(announced(&world, "approver_not_reached"), (2, 2));
    assert_eq!(measured(&world, "ApproversNotReached"), Some(0.0));
}

#[tokio::test]
async fn an_approver_who_unsubscribes_by_an_e_mails_link_is_noticed() {
    let world = world_of(ALICE).await;
    world.reconcile().await;
    let arn = world.sns.subscriptions();
    let hers = arn.iter().find(|it| it.endpoint == "alice@example.com");
    unsubscribe(&world, &hers.unwrap().arn);
    minutes(&world, 2).await;
    assert_eq!(announced(&world, "approver_not_reached"), (1, 0));
}

#[tokio::test]
async fn a_slack_id_is_enough_only_while_slack_is_on() {
    for (slack, expected) in [(true, 0), (false, 1)] {
        let mut options = options();
        options.slack = slack;
        let world = world_with(options, ALICE).await;
        enter(&world, "dave", Some("U0DAVE")).await;
        minutes(&world, 2).await;
        assert_eq!(
            announced(&world, "approver_not_reached"),
            (expected, 0),
            "{slack}"
        );
    }
}

#[tokio::test]
async fn the_stacks_own_queue_does_not_count_as_a_subscriber() {
    const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:slack";
    let mut options = options();
    (options.slack, options.watch_topics) = (true, true);
    let world = world_with(options, ALICE).await;
    enter(&world, "bob", None).await;
    let by_queue = |topic: &str, endpoint: &str| {
        let new = NewSubscription::new(topic, "sqs", endpoint);
        world
            .sns
            .subscribe(new.filter_policy(own("bob")))
            .unwrap()
            .arn
    };
    let arn = by_queue(&world.approvals_topic, QUEUE);
    runs(&world, 2).await;
    assert_eq!(announced(&world, "approver_not_reached"), (1, 0));
    unsubscribe_as_owner(&world, &arn);

    // Only the queue of the function `slack` is left of the announcements' subscribers.
    assert_eq!(announced(&world, "announcements_unsubscribed"), (0, 0));
    let reader = world.sns.subscriptions();
    let reader = reader
        .iter()
        .find(|it| it.endpoint == gatekeeper_local::world::READER);
    unsubscribe(&world, &reader.unwrap().arn);
    let left = world.sns.subscriptions().into_iter();
    let left = left.filter(|it| it.topic_arn == world.announcements_topic);
    assert_eq!(left.map(|it| it.endpoint).collect::<Vec<_>>(), [QUEUE]);
    runs(&world, 2).await;
    assert_eq!(announced(&world, "announcements_unsubscribed"), (1, 0));
    // Somebody else's queue counts as a subscriber.
    by_queue(
        &world.announcements_topic,
        "arn:aws:sqs:us-east-1:111122223333:tickets",
    );
    runs(&world, 1).await;
    assert_eq!(announced(&world, "announcements_unsubscribed"), (1, 1));
}

/// Only its owner can end a queue's subscription.
fn unsubscribe_as_owner(world: &World, arn: &str) {
    assert!(world.sns.unsubscribe_by_link(arn).is_err());
    world.sns.unsubscribe(arn);
}

#[tokio::test]
async fn instances_that_look_at_the_same_time_announce_it_once() {
    let world = world_of(ALICE).await;
    enter(&world, "bob", None).await;
    let (one, two) = (
        world.announcements_instance(1),
        world.announcements_instance(2),
    );
    let until = deadline(&world);
    let (first, second) = tokio::join!(one.sweep(until), two.sweep(until));
    assert!(first.is_ok() && second.is_ok());
    world.announce().await.unwrap();
    assert_eq!(announced(&world, "approver_not_reached"), (1, 0));
}

#[tokio::test]
async fn hundreds_of_subscriptions_are_all_looked_at() {
    let world = world_with(as_at_aws(), ALICE).await;
    for n in 0..230 {
        let address = format!("a{n}@example.com");
        subscribe(
            &world,
            &address,
            Some(&format!(r#"{{"approver":["{address}"]}}"#)),
        );
    }
    // It is on the third page.
    subscribe(&world, "archive@example.com", None);
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 0);
    minutes(&world, 25).await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 0);
    assert_eq!(announced(&world, "subscription_open"), (1, 0));
    assert_eq!(
        announced(&world, "subscription_new"),
        (231, 231),
        "in several looks"
    );
}
