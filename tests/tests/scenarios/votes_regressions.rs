//! Mistakes in voting that happened, or nearly: each of these tests failed when it was written.

use std::fmt::Write as _;
use std::future::Future as _;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request, Response};
use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::request::{Cause, Status};
use gatekeeper_core::vote::Ballot;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{NewService, State};

use crate::support::*;

/// Two approvers, one of whom must approve.
const PAIR: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000003", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: CUSTOMER}
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
"#;

async fn pair() -> World {
    let world = world_of(&PAIR.replace("CUSTOMER", "Example GmbH")).await;
    world.reconcile().await;
    world
}

async fn page(world: &World, method: Method, token: &str, form: &str) -> Response {
    let kind = "application/x-www-form-urlencoded";
    let request = Request {
        method,
        path: format!("/a/{token}"),
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: form.as_bytes().to_vec(),
        caller: None,
    };
    let handler = Handler::new(Arc::clone(world.gatekeeper(Function::Approvals)), None);
    let deadline = Deadline::after(&world.clock, Duration::from_secs(15));
    let response = handler.handle(&request, deadline).await;
    world.announce().await.unwrap();
    response
}

#[tokio::test]
async fn a_voter_who_mistypes_does_not_get_a_form_for_a_decided_review() {
    let world = pair().await;
    let bob = token(&world, "bob", 3);
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    let form = "choice=reject&reason=No&typed=zzzzzz";
    let shown = page(&world, Method::Post, &bob, form).await;
    assert!(
        !shown.body.contains("<form"),
        "a form for what is accepted: {} {}",
        shown.status,
        shown.body
    );
}

#[tokio::test]
async fn a_voter_who_mistypes_about_their_own_account_gets_no_form() {
    let world = pair().await;
    let bob = token(&world, "bob", 3);
    let own = r#"{id: bob@example.com, services: ["*"], own_accounts: ["000000000003"]}"#;
    approver(&world, own).await;
    let form = "choice=reject&reason=No&typed=zzzzzz";
    let shown = page(&world, Method::Post, &bob, form).await;
    assert!(!shown.body.contains("<form"), "{}", shown.status);
}

#[tokio::test]
async fn more_approvers_than_fit_into_a_transaction_are_reminded() {
    let mut text = PAIR.replace("CUSTOMER", "Example GmbH");
    for n in 0..110 {
        let _ = writeln!(text, "    - {{id: a{n}@example.com, services: [\"*\"]}}");
    }
    let text = text.replace(
        "{service_id: \"*\", name",
        "{service_id: \"*\", remind_hours: 4, name",
    );
    let world = world_of(&text).await;
    for _ in 0..4 {
        let done = world.reconcile().await;
        assert!(done.failed.is_empty(), "{:?}", done.failed);
        minutes_pass(&world, 5);
    }
    let asked = request(&world, 3).await.unwrap().notified.len();
    assert_eq!(asked, 112, "all were asked");
    hours_pass(&world, 5);
    let done = world.reconcile().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    assert!(announcements_of(&world, 3).contains(&"review_reminder".to_owned()));
}

#[tokio::test]
async fn a_customers_name_is_one_line_of_an_approval_email() {
    let name = r#""Example GmbH\n\nDecide here: https://example.org/a/x""#;
    let world = world_of(&PAIR.replace("CUSTOMER", name)).await;
    world.reconcile().await;
    let approval_email = approval_emails(&world, "alice", 3).remove(0);
    let mut lines = approval_email.lines();
    assert!(
        !lines.any(|line| line.starts_with("Decide here: https://example.org")),
        "{approval_email}"
    );
}

#[tokio::test]
async fn people_are_notified_however_long_a_customers_name_is() {
    let world = world_of(&PAIR.replace("CUSTOMER", &"x".repeat(300_000))).await;
    let done = world.reconcile().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    runs(&world, 2).await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
}

#[tokio::test]
async fn who_approved_is_not_said_to_have_revoked() {
    let world = pair().await;
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    settings(&world, "revoke: enforce, revoke_grace_hours: 24").await;
    let deny = r#"{service_id: "*", principal: "000000000003", effect: deny}"#;
    put_policy(&world, deny).await;
    edited(&world).await;
    runs(&world, 3).await;
    assert_eq!(status(&world, 3).await, Some(Status::Revoking));
    let shown = page(&world, Method::Get, &token(&world, "bob", 3), "").await;
    let decided_by = shown.body.split_once("Decided by</dt><dd>").unwrap().1;
    assert!(
        !decided_by.starts_with("alice@example.com"),
        "she approved it, and the policy revokes it: {}",
        shown.body
    );
}

#[tokio::test]
async fn one_person_who_has_voted_is_not_reminded_under_another_name() {
    let world = pair().await;
    settings(&world, "approvals_required: 2, remind_hours: 4").await;
    for id in ["alice", "a.smith"] {
        let entry = format!(r#"{{id: {id}@example.com, services: ["*"], slack_user_id: U0ALICE}}"#);
        approver(&world, &entry).await;
    }
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "a.smith", 3).len(), 1);
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    hours_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "bob", 3).len(), 2, "he is reminded");
    assert_eq!(approval_emails(&world, "a.smith", 3).len(), 1);
}

#[tokio::test]
async fn an_expired_link_decides_nothing_even_if_its_review_waits() {
    let world = pair().await;
    let alice = by_link(&world, "alice", 3);
    hours_pass(&world, 31 * 24);
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "expired");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

/// Edits the policy after the nth call of Alice's vote. Answers the calls before that; `None` if
/// there were fewer.
pub(crate) async fn voted_through_an_edit(
    world: &World,
    ballot: &Ballot,
    n: usize,
    edit: impl AsyncFn(&World),
) -> Option<Vec<String>> {
    let alice = by_link(world, "alice", 3);
    let calls = Calls::of(world);
    let (sender, receiver) = std::sync::mpsc::channel();
    calls.after(n, move || sender.send(()).unwrap());
    let voting = world
        .gatekeeper(Function::Approvals)
        .vote(&alice, ballot, deadline(world));
    tokio::pin!(voting);
    let done = std::future::poll_fn(|context| {
        if receiver.try_recv().is_ok() {
            return Poll::Ready(false);
        }
        let is_done = voting.as_mut().poll(context).is_ready();
        match is_done {
            true => Poll::Ready(true),
            false if receiver.try_recv().is_ok() => Poll::Ready(false),
            false => Poll::Pending,
        }
    })
    .await;
    if done {
        assert!(n > 5, "there were calls to edit after");
        return None;
    }
    edit(world).await;
    let _ = voting.await;
    Some(calls.seen()[..n].to_vec())
}

/// Edits the policy between two calls of Alice's vote, after each call in turn: a vote that is
/// recorded after the edit must not have decided by the policy before it.
async fn decides_nothing_after(edit: impl AsyncFn(&World), ballot: &Ballot, decided: Status) {
    for n in 1..40 {
        let world = pair().await;
        let Some(before) = voted_through_an_edit(&world, ballot, n, &edit).await else {
            return;
        };
        let rows = history(&world, 3).await;
        let is_recorded = |call: &String| call == "dynamodb:TransactWriteItems";
        assert!(
            before.iter().any(is_recorded) || !rows.iter().any(|row| row.to == decided),
            "edited after {before:?}: {rows:?}"
        );
    }
}

/// The policy allows an endpoint for a moment while Alice votes: her vote finds first that there is
/// nothing to vote on, and then that there is.
#[tokio::test]
async fn a_vote_counts_if_the_policy_leaves_it_to_people_again() {
    let mut voted = 0;
    for n in 1..60 {
        let world = pair().await;
        allow(&world, SERVICE, "000000000003").await;
        let forbid = async |world: &World| remove(world, SERVICE, "allow", "000000000003").await;
        if voted_through_an_edit(&world, &approval(), n, forbid)
            .await
            .is_none()
        {
            break;
        }
        let rows = history(&world, 3).await;
        let causes: Vec<_> = rows.iter().map(|row| (row.to, row.cause)).collect();
        let accepting = |cause| usize::from(causes.contains(&(Status::Accepting, cause)));
        assert_eq!(
            accepting(Cause::Voted) + accepting(Cause::Judged),
            1,
            "one of them decided, after {n} calls: {causes:?}"
        );
        voted += accepting(Cause::Voted);
    }
    assert!(voted > 0, "the vote counted");
}

#[tokio::test]
async fn an_approver_who_is_removed_while_they_vote_decides_nothing() {
    let remove = async |world: &World| {
        let alice = "alice@example.com".parse().unwrap();
        world.remove_approver(&alice).await.unwrap();
    };
    decides_nothing_after(remove, &approval(), Status::Accepting).await;
    decides_nothing_after(remove, &rejection(), Status::Rejecting).await;
}

#[tokio::test]
async fn an_approver_who_loses_the_right_while_they_vote_decides_nothing() {
    let narrow = async |world: &World| {
        let own = r#"{id: alice@example.com, services: ["*"], own_accounts: ["000000000003"]}"#;
        approver(world, own).await;
    };
    decides_nothing_after(narrow, &approval(), Status::Accepting).await;
    decides_nothing_after(narrow, &rejection(), Status::Rejecting).await;
}

#[tokio::test]
async fn if_more_must_approve_while_one_votes_one_does_not_suffice() {
    let two = async |world: &World| settings(world, "approvals_required: 2").await;
    decides_nothing_after(two, &approval(), Status::Accepting).await;
}

#[tokio::test]
async fn announcements_do_not_count_void_approvals() {
    let world = pair().await;
    settings(&world, "approvals_required: 2").await;
    let alice = vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    assert_eq!(word(&alice), "waiting");
    world
        .remove_approver(&"alice@example.com".parse().unwrap())
        .await
        .unwrap();
    approver(&world, r#"{id: carol@example.com, services: ["*"]}"#).await;
    minutes_pass(&world, 5);
    world.reconcile().await;
    let approval_email = approval_emails(&world, "carol", 3).remove(0);
    assert!(
        approval_email.contains("0 of 2 needed"),
        "Alice may not decide any more, and her vote is void: {approval_email}"
    );
}

#[tokio::test]
async fn a_review_that_is_given_more_time_has_links_that_work_for_as_long() {
    let world = pair().await;
    settings(&world, "review_hours: 2, on_deadline: reject").await;
    approver(&world, r#"{id: carol@example.com, services: ["*"]}"#).await;
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(
        look(&world, &by_link(&world, "carol", 3)).await,
        "open",
        "asked in time"
    );
    settings(&world, "review_hours: 48, on_deadline: reject").await;
    minutes_pass(&world, 5);
    world.reconcile().await;
    hours_pass(&world, 3);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(look(&world, &by_link(&world, "carol", 3)).await, "open");
}

#[tokio::test]
async fn a_review_that_waits_for_long_has_links_that_work() {
    let world = pair().await;
    for _ in 0..31 {
        hours_pass(&world, 24);
        world.reconcile().await;
    }
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(look(&world, &by_link(&world, "alice", 3)).await, "open");
}

#[tokio::test]
async fn a_vote_on_what_the_policy_allows_and_ec2_has_forgotten_is_answered() {
    let world = pair().await;
    let alice = by_link(&world, "alice", 3);
    allow(&world, "*", "000000000003").await;
    assert!(world.ec2.delete_endpoint(endpoint(3).as_str()));
    world.clock.advance(Duration::from_secs(2_000_000));
    let voted = world
        .gatekeeper(Function::Approvals)
        .vote(&alice, &approval(), deadline(&world))
        .await;
    assert!(voted.is_ok(), "{}", voted.unwrap_err());
}

#[tokio::test]
async fn an_approval_accepts_nothing_on_a_service_that_is_no_longer_managed() {
    let world = pair().await;
    let untagged = NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1");
    world.ec2.put_service(untagged);
    minutes_pass(&world, 5);
    world.reconcile().await;
    let alice = by_link(&world, "alice", 3);
    let _ = vote(&world, &alice, &approval()).await;
    assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
}
