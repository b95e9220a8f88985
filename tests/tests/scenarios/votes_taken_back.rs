//! Votes are withdrawn or become rejections, until the review ends, and never the other way.

use gatekeeper_aws::gatekeeper::{ReviewState, ReviewView, Voter};
use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind, State};

use crate::support::*;
use crate::votes_regressions::voted_through_an_edit;

/// Three approvers, two of whom must approve.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", approvals_required: 2}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: ["*"], iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/bob"}
    - {id: carol@example.com, services: ["*"]}
"#;

async fn panel() -> World {
    let world = world_of(PANEL).await;
    world.reconcile().await;
    world
}

/// Alice's voters, one for each channel.
fn ways(world: &World) -> [Voter; 2] {
    let in_slack = Voter::Slack {
        user: "U0ALICE".parse().unwrap(),
        endpoint_id: endpoint(3),
        review: 1,
    };
    [by_link(world, "alice", 3), in_slack]
}

/// The votes of the last review, in order.
async fn said(world: &World) -> Vec<String> {
    let votes = request(world, 3).await.unwrap().votes;
    let words = votes.iter().map(|vote| {
        let name = vote.approver.as_str().split('@').next().unwrap();
        let gone = if vote.taken_back { " (taken back)" } else { "" };
        format!("{name} {}{gone}", vote.choice.as_str())
    });
    words.collect()
}

#[tokio::test]
async fn an_approval_is_withdrawn_by_the_same_link_and_counts_no_more() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "waiting");
    assert_eq!(look(&world, &alice).await, "voted");
    let ReviewView::Shown(ReviewState::Waiting, details) =
        vote(&world, &alice, &withdrawal()).await
    else {
        panic!("it is recorded")
    };
    assert_eq!(details.given, 0);
    assert_eq!(
        said(&world).await,
        ["alice approve (taken back)", "alice withdraw"]
    );

    // Bob's vote is the first that counts, and Carol's the second.
    let bob = vote(&world, &by_link(&world, "bob", 3), &approval()).await;
    assert_eq!(word(&bob), "waiting");
    assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
    let carol = vote(&world, &by_link(&world, "carol", 3), &approval()).await;
    assert_eq!(word(&carol), "decided");

    let rows = history(&world, 3).await;
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > accepting > accepted"
    );
    assert_eq!(
        rows[1].reason,
        "Approved by bob@example.com and carol@example.com (2 of 2 needed)."
    );
    let kept: Vec<&str> = rows[1]
        .votes
        .iter()
        .map(|vote| vote.choice.as_str())
        .collect();
    assert_eq!(kept, ["approve", "withdraw", "approve", "approve"]);
    assert_eq!(
        announcements_of(&world, 3),
        [
            "review_opened",
            "vote_cast",
            "vote_withdrawn",
            "vote_cast",
            "vote_cast",
            "accepted"
        ]
    );
    let withdrawn = documents(&world)
        .into_iter()
        .find(|announced| announced["kind"] == "vote_withdrawn")
        .unwrap();
    assert_eq!(
        withdrawn["reason"],
        "alice@example.com withdrew their approval by e-mail link. Too early."
    );
}

#[tokio::test]
async fn no_vote_goes_back_through_any_channel() {
    let world = panel().await;
    let alice = ways(&world);
    for voter in &alice {
        let voted = vote(&world, voter, &withdrawal()).await;
        assert_eq!(word(&voted), "unrecorded", "there is nothing to take back");
    }
    assert_eq!(word(&vote(&world, &alice[0], &approval()).await), "waiting");
    // It is withdrawn through the other channel.
    assert_eq!(
        word(&vote(&world, &alice[1], &withdrawal()).await),
        "waiting"
    );
    for voter in &alice {
        for ballot in [approval(), withdrawal()] {
            assert_eq!(word(&vote(&world, voter, &ballot).await), "already");
        }
    }
    // A reminder brings a new link, and no new vote.
    settings(&world, "approvals_required: 2, remind_hours: 1").await;
    hours_pass(&world, 2);
    world.reconcile().await;
    assert_eq!(
        word(&vote(&world, &by_link(&world, "alice", 3), &approval()).await),
        "already"
    );
    assert_eq!(said(&world).await.len(), 2);
    assert_eq!(
        word(&vote(&world, &alice[1], &rejection()).await),
        "decided"
    );
    assert_eq!(state(&world, 3), Some(State::Rejected));
}

#[tokio::test]
async fn an_approver_rejects_at_once() {
    let world = panel().await;
    for voter in ways(&world) {
        let world = panel().await;
        let by_mail = by_link(&world, "alice", 3);
        vote(&world, &by_mail, &approval()).await;
        let voter = match voter {
            Voter::Link { .. } => by_mail,
            other => other,
        };
        assert_eq!(word(&vote(&world, &voter, &rejection()).await), "decided");
        assert_eq!(
            said(&world).await,
            ["alice approve (taken back)", "alice reject"]
        );
        let rows = history(&world, 3).await;
        assert_eq!(
            rows[1].reason,
            "Rejected by alice@example.com. Not a customer."
        );
    }
}

#[tokio::test]
async fn under_an_iam_identity_too() {
    let world = panel().await;
    let bob = Voter::Iam {
        arn: "arn:aws:sts::111122223333:assumed-role/Approver/bob".to_owned(),
        endpoint_id: endpoint(3),
        review: None,
    };
    assert_eq!(word(&vote(&world, &bob, &approval()).await), "waiting");
    assert_eq!(word(&vote(&world, &bob, &withdrawal()).await), "waiting");
    assert_eq!(word(&vote(&world, &bob, &approval()).await), "already");
    assert_eq!(word(&vote(&world, &bob, &rejection()).await), "decided");
}

#[tokio::test]
async fn a_withdrawal_needs_typing_and_is_possible_only_until_the_links_own_expiry() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    vote(&world, &alice, &approval()).await;
    let untyped = Voter::Link {
        token: token(&world, "alice", 3),
        typed: "00000f".to_owned(),
    };
    for ballot in [withdrawal(), rejection()] {
        assert_eq!(word(&vote(&world, &untyped, &ballot).await), "mistyped");
    }
    assert_eq!(said(&world).await, ["alice approve"]);
    hours_pass(&world, 31 * 24);
    assert_eq!(word(&vote(&world, &alice, &withdrawal()).await), "expired");
}

#[tokio::test]
async fn when_the_review_is_over_nothing_can_be_withdrawn() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    vote(&world, &alice, &approval()).await;
    vote(&world, &by_link(&world, "bob", 3), &approval()).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    for ballot in [withdrawal(), rejection()] {
        assert_eq!(word(&vote(&world, &alice, &ballot).await), "already");
    }
    assert_eq!(
        look(&world, &alice).await,
        "invalid",
        "who only has the link reads nothing"
    );
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_change_at_ec2_comes_first() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    vote(&world, &alice, &approval()).await;
    somebody_accepts(&world, 3);
    assert_eq!(word(&vote(&world, &alice, &withdrawal()).await), "too late");
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_eq!(said(&world).await, ["alice approve"]);
}

#[tokio::test]
async fn an_approval_is_withdrawn_even_if_ec2_does_not_answer_and_the_policy_cannot_be_read() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    vote(&world, &alice, &approval()).await;
    malformed(&world, SERVICE, "allow#000000000003").await;
    world
        .ec2
        .inject(Fault::new("DescribeVpcEndpointConnections", FaultKind::InternalError).always());
    assert_eq!(word(&vote(&world, &alice, &withdrawal()).await), "waiting");
    assert_eq!(
        said(&world).await,
        ["alice approve (taken back)", "alice withdraw"]
    );
}

#[tokio::test]
async fn a_withdrawal_accepts_nothing_even_if_the_remaining_votes_suffice() {
    let world = panel().await;
    settings(&world, "approvals_required: 3").await;
    let (alice, bob) = (by_link(&world, "alice", 3), by_link(&world, "bob", 3));
    for voter in [&alice, &bob] {
        assert_eq!(word(&vote(&world, voter, &approval()).await), "waiting");
    }
    settings(&world, "approvals_required: 1").await;
    assert_eq!(word(&vote(&world, &alice, &withdrawal()).await), "waiting");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    // The next look finds that Bob's vote suffices.
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_eq!(
        history(&world, 3).await[1].reason,
        "Approved by bob@example.com."
    );
}

#[tokio::test]
async fn a_review_that_too_few_are_left_to_approve_says_so() {
    let world = panel().await;
    for name in ["alice", "bob"] {
        let voter = by_link(&world, name, 3);
        vote(&world, &voter, &approval()).await;
        if name == "alice" {
            vote(&world, &voter, &withdrawal()).await;
            assert!(!request(&world, 3).await.unwrap().is_out_of_reach());
            continue;
        }
        vote(&world, &voter, &withdrawal()).await;
    }
    let out_of_reach = |announced: &[String]| {
        announced
            .iter()
            .filter(|kind| *kind == "quorum_out_of_reach")
            .count()
    };
    assert_eq!(out_of_reach(&announcements_of(&world, 3)), 1);
    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(out_of_reach(&announcements_of(&world, 3)), 1, "once");
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    assert_eq!(metrics.last("UndecidableReviews"), Some(1.0));
    assert_eq!(
        word(&vote(&world, &by_link(&world, "carol", 3), &approval()).await),
        "waiting"
    );
    // With one more approver there are two again.
    approver(&world, r#"{id: dan@example.com, services: ["*"]}"#).await;
    edited(&world).await;
    assert_eq!(
        word(&vote(&world, &by_link(&world, "dan", 3), &approval()).await),
        "decided"
    );
}

#[tokio::test]
async fn an_approval_that_is_withdrawn_while_another_votes_does_not_count_with_it() {
    // Bob withdraws between any two calls of Alice's vote.
    for n in 1..60 {
        let world = panel().await;
        let bob = by_link(&world, "bob", 3);
        vote(&world, &bob, &approval()).await;
        let withdraw = async |world: &World| {
            vote(world, &bob, &withdrawal()).await;
        };
        if voted_through_an_edit(&world, &approval(), n, withdraw)
            .await
            .is_none()
        {
            return;
        }
        let votes = request(&world, 3).await.unwrap().votes;
        let counted = votes.iter().filter(|vote| vote.approves()).count();
        let accepted = history(&world, 3)
            .await
            .iter()
            .any(|row| row.to == Status::Accepting);
        assert_eq!(accepted, counted == 2, "after {n} calls: {votes:?}");
    }
    panic!("the vote never came to its end");
}

#[tokio::test]
async fn a_later_review_begins_anew() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    vote(&world, &alice, &approval()).await;
    vote(&world, &alice, &withdrawal()).await;
    allow(&world, SERVICE, "000000000003").await;
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_eq!(look(&world, &alice).await, "invalid");
}
