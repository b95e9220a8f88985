//! Forty endpoints of one account are not forty messages to an approver, and each is decided
//! separately.

use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind};

use crate::announcements::kept;
use crate::approvals_page::{get, post};
use crate::support::*;

/// Two may decide about every request.
const ASKED: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*"]
policy:
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
"#;
/// The endpoints' account.
const ACCOUNT: &str = "000000000009";

/// A world in which one account asks with these endpoints at once.
async fn asked_by(endpoints: std::ops::Range<u32>) -> World {
    let world = world_of(ASKED).await;
    for n in endpoints {
        somebody_asks(&world, n, ACCOUNT);
    }
    world.reconcile().await;
    world
}

/// A world in which six endpoints of one account ask, and the three that Alice is notified of
/// together.
async fn three_together() -> (World, Vec<u32>) {
    let world = asked_by(10..16).await;
    minutes_pass(&world, 16);
    world.sweep().await;
    let listed = last_lists(&world, "alice", 10..16);
    assert_eq!(listed.len(), 3);
    (world, listed)
}

fn mails(world: &World, name: &str) -> Vec<String> {
    let mails = world.sns.inbox_of(&format!("{name}@example.com"));
    mails.into_iter().map(|mail| mail.message).collect()
}

/// How many endpoints each of somebody's e-mails names, oldest first.
fn named(world: &World, name: &str) -> Vec<usize> {
    let mails = mails(world, name);
    let named = |text: &String| {
        let is_named = |n: &u32| text.contains(endpoint(*n).as_str());
        (1..100).filter(is_named).count()
    };
    mails.iter().map(named).collect()
}

/// Which of these endpoints somebody's last e-mail names.
fn last_lists(world: &World, name: &str, endpoints: std::ops::Range<u32>) -> Vec<u32> {
    let last = mails(world, name).pop().unwrap();
    let is_named = |n: &u32| last.contains(endpoint(*n).as_str());
    endpoints.filter(is_named).collect()
}

#[tokio::test]
async fn forty_endpoints_of_one_account_are_not_forty_e_mails() {
    let world = asked_by(10..50).await;
    assert_eq!(named(&world, "alice"), [1, 1, 1]);
    minutes_pass(&world, 14);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1]);
    // Another account's request at the same time does not wait.
    somebody_asks(&world, 60, "000000000008");
    world.reconcile().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 1]);
    minutes_pass(&world, 1);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 1, 37]);
    assert_eq!(named(&world, "bob"), [1, 1, 1, 1, 37]);
    let mut inbox = world.sns.inbox_of("alice@example.com");
    let subject = inbox.pop().unwrap().subject.unwrap();
    assert!(
        subject.ends_with("? 37 more of the same account"),
        "{subject}"
    );
    assert_eq!(kept(&world, "outbox#").await, 0);
    // An hour later they are sent at once again.
    minutes_pass(&world, 50);
    somebody_asks(&world, 70, ACCOUNT);
    world.reconcile().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 1, 37, 1]);
}

#[tokio::test]
async fn reminders_of_many_are_one_as_well() {
    let world = world_of(ASKED).await;
    settings(&world, "remind_hours: 24").await;
    for n in 10..20 {
        somebody_asks(&world, n, ACCOUNT);
    }
    world.reconcile().await;
    minutes_pass(&world, 16);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 7]);
    hours_pass(&world, 24);
    world.reconcile().await;
    minutes_pass(&world, 16);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 7, 1, 1, 1, 7]);
    let last = world.sns.inbox_of("alice@example.com").pop().unwrap();
    assert!(last.subject.unwrap().starts_with("Reminder: "));
    assert!(last.message.contains("still wait for people"));
}

#[tokio::test]
async fn a_link_to_several_decides_each_separately() {
    let (world, listed) = three_together().await;
    let [a, b, c] = [0, 1, 2].map(|n| by_link(&world, "alice", listed[n]));
    assert_eq!(word(&vote(&world, &a, &approval()).await), "decided");
    assert_eq!(status(&world, listed[0]).await, Some(Status::Accepted));
    assert_eq!(status(&world, listed[1]).await, Some(Status::InReview));
    // For this one the link is used up; for the others it is still valid.
    assert_eq!(word(&vote(&world, &a, &rejection()).await), "already");
    assert_eq!(look(&world, &a).await, "invalid");
    assert_eq!(look(&world, &b).await, "open");
    assert_eq!(word(&vote(&world, &b, &rejection()).await), "decided");
    assert_eq!(status(&world, listed[1]).await, Some(Status::Rejected));
    let unclear = Voter::Link {
        token: token(&world, "alice", listed[2]),
        typed: "zzzzzz".to_owned(),
    };
    assert_eq!(word(&vote(&world, &unclear, &approval()).await), "mistyped");
    assert_eq!(status(&world, listed[2]).await, Some(Status::InReview));
    // Bob's link is his own, and each is decided once.
    let theirs = [0, 1].map(|n| by_link(&world, "bob", listed[n]));
    for voter in &theirs {
        assert_eq!(word(&vote(&world, voter, &approval()).await), "too late");
    }
    assert_eq!(word(&vote(&world, &c, &approval()).await), "decided");
    assert_eq!(word(&vote(&world, &unclear, &approval()).await), "invalid");
    assert_eq!(look(&world, &unclear).await, "invalid", "used up for all");
}

#[tokio::test]
async fn a_link_neither_decides_nor_shows_other_requests() {
    let (world, listed) = three_together().await;
    let other = (10..16).find(|n| !listed.contains(n)).unwrap();
    somebody_asks(&world, 60, "000000000008");
    world.reconcile().await;
    let token = token(&world, "alice", listed[0]);
    for n in [other, 60] {
        let voter = Voter::Link {
            token: token.clone(),
            typed: end_of(n),
        };
        assert_eq!(word(&vote(&world, &voter, &approval()).await), "mistyped");
        assert_eq!(status(&world, n).await, Some(Status::InReview));
        let id = endpoint(n).to_string();
        let page = post(&world, &token, &[("of", &id)]).await;
        assert_eq!(page.status, 200);
        assert!(!page.body.contains(&id), "{}", page.body);
    }
}

#[tokio::test]
async fn an_approval_is_withdrawn_by_the_same_link_whatever_happened_to_the_others() {
    let world = world_of(ASKED).await;
    settings(&world, "approvals_required: 2").await;
    for n in 10..16 {
        somebody_asks(&world, n, ACCOUNT);
    }
    world.reconcile().await;
    minutes_pass(&world, 16);
    world.sweep().await;
    let listed = last_lists(&world, "alice", 10..16);
    let [a, b, _] = [0, 1, 2].map(|n| by_link(&world, "alice", listed[n]));
    assert_eq!(word(&vote(&world, &a, &approval()).await), "waiting");
    assert_eq!(word(&vote(&world, &b, &rejection()).await), "decided");
    assert_eq!(look(&world, &a).await, "voted");
    assert_eq!(word(&vote(&world, &a, &approval()).await), "already");
    assert_eq!(word(&vote(&world, &a, &withdrawal()).await), "waiting");
    assert_eq!(word(&vote(&world, &a, &approval()).await), "already");
    assert_eq!(word(&vote(&world, &a, &rejection()).await), "decided");
    assert_eq!(look(&world, &a).await, "invalid");
}

#[tokio::test]
async fn a_page_shows_each_of_several_and_comes_back_about_the_same() {
    let world = world_of(ASKED).await;
    settings(&world, "approvals_required: 2").await;
    for n in 10..16 {
        somebody_asks(&world, n, ACCOUNT);
    }
    world.reconcile().await;
    minutes_pass(&world, 16);
    world.sweep().await;
    let listed = last_lists(&world, "alice", 10..16);
    let ids: Vec<String> = listed.iter().map(|n| endpoint(*n).to_string()).collect();
    let shows = |body: &str, n: usize| {
        let hidden = format!(r#"name="of" value="{}">"#, ids[n]);
        let (_, form) = body.split_once(r#"<h2>Your vote</h2>"#).unwrap_or(("", ""));
        form.contains(&hidden)
    };
    let token = token(&world, "alice", listed[0]);
    let first = get(&world, &token).await;
    assert!(first.body.contains("2 more of the same account"));
    assert!(shows(&first.body, 0), "{}", first.body);
    let third = post(&world, &token, &[("of", &ids[2])]).await;
    assert_eq!(third.status, 200);
    assert!(shows(&third.body, 2), "{}", third.body);
    // A mistake in the form is shown on the page of the same request, and nothing is decided.
    let mistyped = [
        ("of", ids[2].as_str()),
        ("choice", "approve"),
        ("reason", ""),
        ("typed", "zzzzzz"),
    ];
    let again = post(&world, &token, &mistyped).await;
    assert_eq!(again.status, 422);
    assert!(shows(&again.body, 2), "{}", again.body);
    assert!(again.body.contains("exactly one of the ids"));
    // An approver who types another one's id sees that one, and where to change the choice.
    let typed = end_of(listed[1]);
    let form = [
        ("of", ids[2].as_str()),
        ("choice", "approve"),
        ("reason", ""),
        ("typed", typed.as_str()),
    ];
    let voted = post(&world, &token, &form).await;
    assert_eq!(voted.status, 200);
    assert!(voted.body.contains("Your vote counts"), "{}", voted.body);
    assert!(voted.body.contains(&format!(
        r#"value="{}"><button type="submit">Change your vote"#,
        ids[1]
    )));
    assert_eq!(request(&world, listed[1]).await.unwrap().votes.len(), 1);
    assert_eq!(request(&world, listed[2]).await.unwrap().votes.len(), 0);
    let back = post(&world, &token, &[("of", &ids[1])]).await;
    assert!(
        back.body.contains("Withdraw your approval"),
        "{}",
        back.body
    );
    let list = get(&world, &token).await.body;
    assert!(shows(&list, 0), "what waits for them comes first");
    assert!(list.contains("in review; you approved"), "{list}");
}

/// The endpoints whose reviews Alice was not notified of yet.
fn those_that_wait(world: &World, endpoints: std::ops::Range<u32>) -> Vec<u32> {
    let at_once = mails(world, "alice").concat();
    let waits = |n: &u32| !at_once.contains(endpoint(*n).as_str());
    endpoints.filter(waits).collect()
}

#[tokio::test]
async fn of_several_that_wait_those_that_are_over_are_not_listed() {
    let world = asked_by(10..18).await;
    let waiting = those_that_wait(&world, 10..18);
    assert_eq!(waiting.len(), 5);
    somebody_accepts(&world, waiting[0]);
    somebody_rejects(&world, waiting[1]);
    minutes_pass(&world, 10);
    world.reconcile().await;
    minutes_pass(&world, 5);
    world.sweep().await;
    assert_eq!(last_lists(&world, "alice", 10..18), waiting[2..]);
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn the_last_one_of_several_is_worded_as_always() {
    let world = asked_by(10..15).await;
    let waiting = those_that_wait(&world, 10..15);
    assert_eq!(waiting.len(), 2);
    somebody_rejects(&world, waiting[0]);
    minutes_pass(&world, 10);
    world.reconcile().await;
    minutes_pass(&world, 5);
    world.sweep().await;
    assert_eq!(last_lists(&world, "alice", 10..15), waiting[1..]);
    let last = world.sns.inbox_of("alice@example.com").pop().unwrap();
    assert!(last.subject.unwrap().ends_with('?'));
    assert!(
        last.message
            .contains("type the last six characters of the endpoint's id")
    );
}

#[tokio::test]
async fn a_failed_e_mail_is_sent_again_and_does_not_wait_for_others() {
    let world = world_of(ASKED).await;
    let approvals = world.approvals_topic.clone();
    let refused = |approvals: &str| FaultKind::Refused {
        code: "Throttled".to_owned(),
        message: "injected".to_owned(),
        items: vec![approvals.to_owned()],
    };
    world
        .sns
        .inject(Fault::new("PublishBatch", refused(&approvals)).always());
    for n in 10..15 {
        somebody_asks(&world, n, ACCOUNT);
    }
    world.reconcile().await;
    assert_eq!(named(&world, "alice"), [0; 0]);
    world.sns.clear_faults();
    minutes_pass(&world, 5);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1]);
    // Reviews that are sent together fail together, and are sent together later.
    world
        .sns
        .inject(Fault::new("PublishBatch", refused(&approvals)).always());
    minutes_pass(&world, 10);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1]);
    world.sns.clear_faults();
    minutes_pass(&world, 1);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 2]);
    assert_eq!(kept(&world, "outbox#").await, 0);
}

#[tokio::test]
async fn an_approver_who_may_no_longer_decide_is_left_out_and_the_others_are_notified() {
    let world = asked_by(10..15).await;
    let bob = "bob@example.com".parse().unwrap();
    world.remove_approver(&bob).await.unwrap();
    minutes_pass(&world, 15);
    world.sweep().await;
    assert_eq!(named(&world, "alice"), [1, 1, 1, 2]);
    assert_eq!(named(&world, "bob"), [1, 1, 1]);
    let listed = last_lists(&world, "alice", 10..15);
    // It is Alice's own account by now, so she may decide none of it.
    approver(
        &world,
        r#"{id: alice@example.com, services: ["*"], own_accounts: ["000000000009"]}"#,
    )
    .await;
    let voter = by_link(&world, "alice", listed[0]);
    assert_eq!(look(&world, &voter).await, "barred");
    assert_eq!(word(&vote(&world, &voter, &approval()).await), "barred");
}
