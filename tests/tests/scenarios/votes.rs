//! People decide: who is notified, whose vote counts, and what the votes decide.

use gatekeeper_aws::gatekeeper::{ReviewState, ReviewView, Voter};
use gatekeeper_core::request::{Actor, Cause, Status};
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind, State};

use crate::support::*;

/// Three approvers, two of whom must approve. The endpoint 3 is unknown; the account of 9 is Carol's own.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000009, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000009"}
policy:
  settings:
    - {service_id: "*", approvals_required: 2, name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000003", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: Example GmbH}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: [vpce-svc-0a1b2c3d4e5f60718], iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/bob"}
    - {id: carol@example.com, services: ["*"], own_accounts: ["000000000009"], slack_user_id: U0CAROL}
    - {id: dave@example.com, services: [vpce-svc-00000000000000001], slack_user_id: U0DAVE}
"#;

async fn panel() -> World {
    let world = world_of(PANEL).await;
    world.reconcile().await;
    world
}

fn in_slack(user: &str, n: u32, review: u64) -> Voter {
    Voter::Slack {
        user: user.parse().unwrap(),
        endpoint_id: endpoint(n),
        review,
    }
}

fn under_iam(name: &str, n: u32) -> Voter {
    Voter::Iam {
        arn: format!("arn:aws:sts::111122223333:assumed-role/Approver/{name}"),
        endpoint_id: endpoint(n),
        review: None,
    }
}

async fn one_suffices(world: &World) {
    settings(world, "approvals_required: 1").await;
}

#[tokio::test]
async fn each_approver_is_notified_by_an_approval_email_of_their_own_and_nobody_else_is() {
    let world = panel().await;
    let asked =
        |n| ["alice", "bob", "carol", "dave"].map(|name| approval_emails(&world, name, n).len());
    assert_eq!(asked(3), [1, 1, 1, 0]);
    assert_eq!(asked(9), [1, 1, 0, 0], "not about their own account");
    let approval_email = &approval_emails(&world, "alice", 3)[0];
    for fact in [
        "May Example GmbH (account 000000000003) connect to Payments API?",
        SERVICE,
        endpoint(3).as_str(),
        "0 of 2 needed; one rejection rejects",
        "If nobody answers, it stays pending",
        "as alice@example.com",
    ] {
        assert!(approval_email.contains(fact), "{fact}: {approval_email}");
    }
    assert_ne!(token(&world, "alice", 3), token(&world, "bob", 3));
    assert_ne!(token(&world, "alice", 3), token(&world, "alice", 9));
    // A subscriber to all announcements gets no link.
    for mail in world.sns.inbox_of(gatekeeper_local::world::READER) {
        assert!(!mail.message.contains("/a/"), "{}", mail.message);
    }
    assert_eq!(announcements_of(&world, 3), ["review_opened"]);
}

#[tokio::test]
async fn no_token_is_stored_anywhere() {
    let world = panel().await;
    let items = world
        .tables()
        .scan()
        .table_name(world.requests_table())
        .send()
        .await
        .unwrap();
    let kept = format!("{:?}", items.items());
    assert!(
        kept.contains("link#"),
        "what it is bound to is kept under its hash"
    );
    for name in ["alice", "bob", "carol"] {
        assert!(!kept.contains(&token(&world, name, 3)), "{name}");
    }
    // On its way it has none either: the outbox held no link before the sending.
    let world = world_of(PANEL).await;
    world
        .sns
        .inject(Fault::new("PublishBatch", FaultKind::InternalError).always());
    world.reconcile().await;
    let items = world.tables().scan().table_name(world.requests_table());
    let kept = format!("{:?}", items.send().await.unwrap().items());
    assert!(kept.contains("outbox") && !kept.contains("/a/"));
}

#[tokio::test]
async fn as_many_approvals_as_are_needed_accept() {
    let world = panel().await;
    let alice = by_link(&world, "alice", 3);
    assert_eq!(look(&world, &alice).await, "open");
    let ReviewView::Shown(ReviewState::Waiting, details) = vote(&world, &alice, &approval()).await
    else {
        panic!("one is not enough")
    };
    assert_eq!((details.given, details.request.approvals_required), (1, 2));
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(state(&world, 3), Some(State::PendingAcceptance));

    let ReviewView::Shown(ReviewState::Done, details) =
        vote(&world, &by_link(&world, "bob", 3), &approval()).await
    else {
        panic!("two are")
    };
    assert_eq!(details.request.status, Status::Accepted);
    assert_ne!(state(&world, 3), Some(State::PendingAcceptance));
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > accepting > accepted"
    );
    let rows = history(&world, 3).await;
    assert_eq!(rows[1].cause, Cause::Voted);
    assert_eq!(rows[1].actor, Actor::Approver("bob@example.com".to_owned()));
    assert_eq!(
        rows[1].reason,
        "Approved by alice@example.com and bob@example.com (2 of 2 needed)."
    );
    assert_eq!(rows[1].votes.len(), 2, "the row keeps the votes");
    assert_eq!(rows[2].ec2.as_ref().unwrap().code, "ok");
    let receiver = announcements_of(&world, 3);
    assert_eq!(
        receiver,
        ["review_opened", "vote_cast", "vote_cast", "accepted"]
    );
}

#[tokio::test]
async fn one_rejection_rejects() {
    let world = panel().await;
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    let voted = vote(&world, &by_link(&world, "carol", 3), &rejection()).await;
    assert_eq!(word(&voted), "decided");
    assert_eq!(state(&world, 3), Some(State::Rejected));
    let rows = history(&world, 3).await;
    assert_eq!(
        rows[1].reason,
        "Rejected by carol@example.com. Not a customer."
    );
    // A rejection by people is not tried again when an entry allows it.
    allow(&world, "*", "000000000003").await;
    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
}

#[tokio::test]
async fn one_person_counts_once_whichever_way_they_vote() {
    let world = panel().await;
    assert_eq!(
        word(&vote(&world, &by_link(&world, "alice", 3), &approval()).await),
        "waiting"
    );
    let again = vote(&world, &in_slack("U0ALICE", 3, 1), &approval()).await;
    assert_eq!(word(&again), "already");
    // A second item does not make them a second person.
    approver(
        &world,
        r#"{id: a.smith@example.com, services: ["*"], slack_user_id: U0ALICE}"#,
    )
    .await;
    edited(&world).await;
    let again = vote(&world, &by_link(&world, "a.smith", 3), &approval()).await;
    assert_eq!(word(&again), "already");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    // Two approvers with one Slack user count as none there.
    assert_eq!(
        word(&vote(&world, &in_slack("U0ALICE", 9, 1), &approval()).await),
        "no approver"
    );
}

#[tokio::test]
async fn people_vote_in_slack_and_under_their_iam_identity_too() {
    let world = panel().await;
    assert_eq!(
        word(&vote(&world, &in_slack("U0CAROL", 3, 1), &approval()).await),
        "waiting"
    );
    assert_eq!(
        word(&vote(&world, &under_iam("mallory", 3), &approval()).await),
        "no approver"
    );
    assert_eq!(
        word(&vote(&world, &in_slack("U0MALLORY", 3, 1), &approval()).await),
        "no approver"
    );
    assert_eq!(
        word(&vote(&world, &in_slack("U0DAVE", 3, 1), &approval()).await),
        "barred"
    );
    assert_eq!(
        word(&vote(&world, &in_slack("U0ALICE", 3, 7), &approval()).await),
        "invalid"
    );
    assert_eq!(
        word(&vote(&world, &under_iam("bob", 3), &approval()).await),
        "decided"
    );
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn nobody_decides_about_their_own_account() {
    let world = panel().await;
    let carol = in_slack("U0CAROL", 9, 1);
    assert_eq!(look(&world, &carol).await, "barred");
    assert_eq!(word(&vote(&world, &carol, &rejection()).await), "barred");
    // The same holds for a link from before it was his own.
    let bob = by_link(&world, "bob", 9);
    approver(
        &world,
        r#"{id: bob@example.com, services: ["*"], own_accounts: ["000000000009"]}"#,
    )
    .await;
    assert_eq!(look(&world, &bob).await, "barred");
    assert_eq!(word(&vote(&world, &bob, &approval()).await), "barred");
    assert_eq!(request(&world, 9).await.unwrap().votes, []);
}

#[tokio::test]
async fn the_link_of_a_removed_approver_is_invalid_and_their_vote_void() {
    let world = panel().await;
    let (alice, bob, carol) = (
        by_link(&world, "alice", 3),
        by_link(&world, "bob", 3),
        by_link(&world, "carol", 3),
    );
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "waiting");
    for id in ["alice@example.com", "bob@example.com"] {
        world.remove_approver(&id.parse().unwrap()).await.unwrap();
    }
    assert_eq!(look(&world, &bob).await, "invalid");
    assert_eq!(word(&vote(&world, &bob, &approval()).await), "invalid");
    // Carol's vote is the first that counts.
    assert_eq!(word(&vote(&world, &carol, &approval()).await), "waiting");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

/// How many reviews have too few people who may decide.
fn undecidable(world: &World) -> Option<f64> {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    let of = |account| metrics.last_of("UndecidableReviews", ("account", account));
    Some(of("known")? + of("unknown")?)
}

#[tokio::test]
async fn a_review_that_nobody_may_decide_says_so_and_later_approvers_are_notified() {
    let none = PANEL.replace(
        "services: [\"*\"]",
        "services: [vpce-svc-00000000000000001]",
    );
    let none = none.replace(
        "services: [vpce-svc-0a1b2c3d4e5f60718]",
        "services: [vpce-svc-00000000000000001]",
    );
    let world = world_of(&none).await;
    world.reconcile().await;
    assert!(request(&world, 3).await.unwrap().nobody_may_decide());
    assert_eq!(announcements_of(&world, 3), ["nobody_may_decide"]);
    assert_eq!(undecidable(&world), Some(2.0));
    runs(&world, 3).await;
    assert_eq!(announcements_of(&world, 3), ["nobody_may_decide"], "once");
    // One person is entered: too few to approve, enough to reject.
    approver(&world, r#"{id: erin@example.com, services: ["*"]}"#).await;
    edited(&world).await;
    assert_eq!(
        announcements_of(&world, 3),
        ["nobody_may_decide", "review_opened"]
    );
    assert_eq!(approval_emails(&world, "erin", 3).len(), 1);
    assert_eq!(undecidable(&world), Some(2.0));
    approver(&world, r#"{id: frank@example.com, services: ["*"]}"#).await;
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(undecidable(&world), Some(0.0));
    assert_eq!(
        approval_emails(&world, "erin", 3).len(),
        1,
        "who was asked is not asked again"
    );
    // When they are gone, that is announced again.
    for id in ["erin@example.com", "frank@example.com"] {
        world.remove_approver(&id.parse().unwrap()).await.unwrap();
        edited(&world).await;
    }
    assert_eq!(
        announcements_of(&world, 3).last().unwrap(),
        "nobody_may_decide"
    );
}

#[tokio::test]
async fn a_review_that_needs_more_approvals_than_there_are_approvers_is_announced() {
    let world = world_of(&PANEL.replace("approvals_required: 2", "approvals_required: 4")).await;
    world.reconcile().await;
    let mut receiver = announcements_of(&world, 3);
    receiver.sort_unstable();
    assert_eq!(receiver, ["quorum_out_of_reach", "review_opened"]);
    assert!(approval_emails(&world, "alice", 3)[0].contains("only 3 may decide"));
    assert_eq!(
        word(&vote(&world, &by_link(&world, "alice", 3), &rejection()).await),
        "decided"
    );
}

#[tokio::test]
async fn an_approver_that_cannot_be_read_decides_nothing_and_hinders_nobody() {
    let world = world_of(PANEL).await;
    malformed(&world, "approvers", "approver#alice@example.com").await;
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 0);
    assert_eq!(approval_emails(&world, "bob", 3).len(), 1);
    assert_eq!(
        word(&vote(&world, &in_slack("U0ALICE", 3, 1), &approval()).await),
        "no approver"
    );
}

#[tokio::test]
async fn a_used_link_opens_nothing_but_a_second_press_shows_the_result() {
    let world = panel().await;
    one_suffices(&world).await;
    let alice = by_link(&world, "alice", 3);
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "decided");
    assert_eq!(look(&world, &alice).await, "invalid");
    let ReviewView::Shown(ReviewState::Already, details) = vote(&world, &alice, &rejection()).await
    else {
        panic!("a second window")
    };
    assert_eq!(details.request.status, Status::Accepted);
    assert_eq!(details.own.as_ref().unwrap().choice.as_str(), "approve");
    let Voter::Link { token, .. } = alice else {
        panic!()
    };
    let untyped = Voter::Link {
        token,
        typed: "00000f".to_owned(),
    };
    assert_eq!(word(&vote(&world, &untyped, &approval()).await), "invalid");
    // Another approver's link shows the decision, by whom and when.
    let bob = by_link(&world, "bob", 3);
    assert_eq!(look(&world, &bob).await, "decided");
    let ReviewView::Shown(ReviewState::TooLate, details) = vote(&world, &bob, &rejection()).await
    else {
        panic!("too late")
    };
    assert_eq!(
        details.request.decided_by,
        Actor::Approver("alice@example.com".to_owned())
    );
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_vote_needs_the_typed_end_of_the_endpoints_id() {
    let world = panel().await;
    let token = token(&world, "alice", 3);
    for typed in [
        "",
        "000",
        "00009",
        "vpce-",
        "000009",
        "*",
        "00003",
        "0000000000000000000000003",
    ] {
        let voter = Voter::Link {
            token: token.clone(),
            typed: typed.to_owned(),
        };
        assert_eq!(
            word(&vote(&world, &voter, &rejection()).await),
            "mistyped",
            "{typed:?}"
        );
    }
    assert_eq!(request(&world, 3).await.unwrap().votes, []);
    for typed in [" 000003 ", endpoint(3).as_str()] {
        let voter = Voter::Link {
            token: token.clone(),
            typed: typed.to_owned(),
        };
        assert!(matches!(
            word(&vote(&world, &voter, &approval()).await),
            "waiting" | "already"
        ));
    }
}

#[tokio::test]
async fn no_other_text_opens_anything() {
    let world = panel().await;
    let good = token(&world, "alice", 3);
    let mut other = good.clone().into_bytes();
    other[10] = if other[10] == b'A' { b'B' } else { b'A' };
    for token in [
        "",
        "x",
        "../../etc/passwd",
        &good[1..],
        &format!("{good}A"),
        &String::from_utf8(other).unwrap(),
    ] {
        let voter = Voter::Link {
            token: token.to_owned(),
            typed: end_of(3),
        };
        assert_eq!(look(&world, &voter).await, "invalid", "{token}");
        assert_eq!(
            word(&vote(&world, &voter, &rejection()).await),
            "invalid",
            "{token}"
        );
    }
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn looking_changes_nothing() {
    let world = panel().await;
    let before = world.dynamodb.calls();
    for n in [3, 9] {
        for name in ["alice", "bob"] {
            look(&world, &by_link(&world, name, n)).await;
        }
    }
    look(&world, &in_slack("U0CAROL", 9, 1)).await;
    let after = world.dynamodb.calls();
    for action in [
        "TransactWriteItems",
        "BatchWriteItem",
        "UpdateItem",
        "PutItem",
    ] {
        assert_eq!(before.get(action), after.get(action), "{action}");
    }
    assert_eq!(world.ec2.calls().get("AcceptVpcEndpointConnections"), None);
}

#[tokio::test]
async fn a_link_ends_with_the_review() {
    let world = world_of(&PANEL.replace(
        "approvals_required: 2",
        "approvals_required: 2, review_hours: 2, on_deadline: reject",
    ))
    .await;
    world.reconcile().await;
    let alice = by_link(&world, "alice", 3);
    assert!(
        approval_emails(&world, "alice", 3)[0].contains("If nobody answers, it is rejected at")
    );
    vote(&world, &by_link(&world, "bob", 3), &approval()).await;
    hours_pass(&world, 2);
    // Nobody has recorded the deadline yet, but it holds.
    assert_eq!(look(&world, &alice).await, "expired");
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "expired");
    assert_eq!(
        word(&vote(&world, &in_slack("U0CAROL", 3, 1), &approval()).await),
        "expired"
    );
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
    let rows = history(&world, 3).await;
    assert_eq!(
        (rows[1].cause, rows[1].votes.len()),
        (Cause::Deadline, 1),
        "Bob's vote is kept"
    );
    assert_eq!(look(&world, &alice).await, "decided");
}

#[tokio::test]
async fn a_link_of_an_earlier_review_decides_no_later_one() {
    let world = panel().await;
    one_suffices(&world).await;
    let old = by_link(&world, "alice", 3);
    // The policy decided it, and then it was in review again.
    allow(&world, "*", "000000000003").await;
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    remove(&world, "*", "allow", "000000000003").await;
    assert!(
        world
            .ec2
            .set_state(endpoint(3).as_str(), State::PendingAcceptance)
    );
    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(look(&world, &old).await, "invalid");
    assert_eq!(word(&vote(&world, &old, &approval()).await), "invalid");
    assert_eq!(
        word(&vote(&world, &in_slack("U0ALICE", 3, 1), &approval()).await),
        "invalid"
    );
    assert_eq!(
        word(&vote(&world, &by_link(&world, "alice", 3), &approval()).await),
        "decided"
    );
}

#[tokio::test]
async fn a_deny_outranks_approvers_also_when_it_comes_while_they_vote() {
    for edit_after in 0..40 {
        let world = panel().await;
        one_suffices(&world).await;
        let alice = by_link(&world, "alice", 3);
        let calls = Calls::of(&world);
        let deny = async {
            put_policy(
                &world,
                r#"{service_id: "*", principal: "000000000003", effect: deny}"#,
            )
            .await;
        };
        if edit_after == 0 {
            deny.await;
        } else {
            let (sender, receiver) = std::sync::mpsc::channel();
            calls.after(edit_after, move || sender.send(()).unwrap());
            // The edit falls between two calls of the vote.
            let ballot = approval();
            let voting = vote(&world, &alice, &ballot);
            tokio::pin!(voting);
            let early = std::future::poll_fn(|context| {
                if receiver.try_recv().is_ok() {
                    return std::task::Poll::Ready(None);
                }
                let polled = voting.as_mut().poll(context).map(Some);
                if polled.is_pending() && receiver.try_recv().is_ok() {
                    return std::task::Poll::Ready(None);
                }
                polled
            })
            .await;
            if early.is_some() {
                assert!(edit_after > 5, "there were calls to edit after");
                return;
            }
            deny.await;
            voting.await;
            // It was recorded before the edit, so it stands like any other that the policy denies
            // later.
            let rows = history(&world, 3).await;
            let accepted = rows.iter().any(|row| row.to == Status::Accepting);
            if accepted {
                assert!(
                    calls.seen()[..edit_after]
                        .iter()
                        .any(|call| call == "dynamodb:TransactWriteItems")
                );
            } else {
                assert_eq!(
                    state(&world, 3),
                    Some(State::Rejected),
                    "after {edit_after}"
                );
            }
            continue;
        }
        let voted = vote(&world, &alice, &approval()).await;
        assert_eq!(word(&voted), "too late");
        assert_eq!(
            state(&world, 3),
            Some(State::Rejected),
            "the policy decided, at once"
        );
    }
}

#[tokio::test]
async fn when_fewer_approvals_are_required_the_existing_ones_decide() {
    let world = panel().await;
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    one_suffices(&world).await;
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    let rows = history(&world, 3).await;
    assert_eq!(
        rows[1].actor,
        Actor::Approver("alice@example.com".to_owned())
    );
    assert_eq!(status(&world, 9).await, Some(Status::InReview));
}

#[tokio::test]
async fn people_may_approve_beyond_the_limit() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    assert_eq!(status(&world, 5).await, Some(Status::InReview));
    assert_eq!(
        word(&vote(&world, &by_link(&world, "alice", 5), &approval()).await),
        "decided"
    );
    assert_eq!(status(&world, 5).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_decision_that_ec2_does_not_carry_out_at_once_is_recorded_and_carried_out_later() {
    let world = panel().await;
    one_suffices(&world).await;
    world
        .ec2
        .inject(Fault::new("AcceptVpcEndpointConnections", FaultKind::InternalError).always());
    let ReviewView::Shown(ReviewState::Recorded, details) =
        vote(&world, &by_link(&world, "alice", 3), &approval()).await
    else {
        panic!("recorded only")
    };
    assert_eq!(details.request.status, Status::Accepting);
    assert_eq!(
        announcements_of(&world, 3),
        ["review_opened", "vote_cast"],
        "nothing is announced before EC2 did it"
    );
    world.ec2.clear_faults();
    // It is not judged again: no rule would accept it.
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > accepting > accepted"
    );
    assert_eq!(announcements_of(&world, 3).last().unwrap(), "accepted");
}

#[tokio::test]
async fn a_vote_that_is_killed_anywhere_counts_whole_or_not_at_all() {
    for n in 1..60 {
        let world = panel().await;
        one_suffices(&world).await;
        let alice = by_link(&world, "alice", 3);
        let calls = Calls::of(&world);
        let gatekeeper = world.instance(Function::Approvals, 2);
        let (until, voter) = (deadline(&world), alice.clone());
        let work = async move {
            gatekeeper
                .vote(&voter, &approval(), until)
                .await
                .map(|voted| word(&voted))
        };
        let finished = killed_after(&calls, n, work).await;
        let context = format!("killed after {}", calls.seen().join(", "));
        // A second try is safe, and ends it.
        world.clock.advance(LATER);
        let again = word(&vote(&world, &alice, &approval()).await);
        assert!(matches!(again, "decided" | "already"), "{again}: {context}");
        world.reconcile().await;
        assert_eq!(status(&world, 3).await, Some(Status::Accepted), "{context}");
        assert_eq!(
            path(&world, 3).await,
            "- > in_review > accepting > accepted",
            "{context}"
        );
        assert_eq!(
            request(&world, 3).await.unwrap().votes.len(),
            1,
            "{context}"
        );
        let receiver = announcements_of(&world, 3);
        assert!(
            receiver.contains(&"accepted".to_owned()),
            "{context}: {receiver:?}"
        );
        if finished.is_some() {
            assert!(n > 5);
            return;
        }
    }
    panic!("the vote never came to its end");
}

#[tokio::test]
async fn only_approvers_who_have_not_voted_are_reminded_and_by_a_new_link() {
    let world = panel().await;
    settings(&world, "approvals_required: 2, remind_hours: 4").await;
    vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    let first = by_link(&world, "bob", 3);
    hours_pass(&world, 4);
    world.reconcile().await;
    assert_eq!(approval_emails(&world, "alice", 3).len(), 1);
    assert_eq!(approval_emails(&world, "bob", 3).len(), 2);
    assert!(approval_emails(&world, "bob", 3)[1].contains("1 of 2 needed: alice@example.com"));
    // Both links are Bob's, and his vote ends both.
    assert_eq!(look(&world, &first).await, "open");
    let second = by_link(&world, "bob", 3);
    assert_eq!(word(&vote(&world, &second, &approval()).await), "decided");
    assert_eq!(word(&vote(&world, &first, &rejection()).await), "already");
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn nobody_gets_more_approval_emails_in_a_second_than_sns_sends_to_one_address() {
    let mut text = PANEL.to_owned();
    for n in 10..40 {
        let connection = format!(
            "connections:\n  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"{n:012}\"}}",
            endpoint(n)
        );
        text = text.replacen("connections:", &connection, 1);
    }
    let world = world_of(&text).await;
    world.reconcile().await;
    runs(&world, 3).await;
    let mut seconds = std::collections::BTreeMap::new();
    for mail in world.sns.inbox_of("alice@example.com") {
        *seconds.entry(mail.at.as_second()).or_insert(0) += 1;
    }
    assert_eq!(
        seconds.values().sum::<u32>(),
        32,
        "each review is asked about"
    );
    assert!(seconds.values().all(|count| *count <= 4), "{seconds:?}");
}
