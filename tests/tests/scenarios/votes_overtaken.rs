//! A decision that EC2 has not carried out yet is compared with the denies again before EC2 is
//! asked (S3), for every kind of decision, deny and handler.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::request::{Actor, Cause, Status};
use gatekeeper_local::function::Function;
use gatekeeper_local::world::{Options, PROVIDER, World};
use local_aws::{Fault, FaultKind, NewOrganization, NewOu, State};

use crate::support::*;

const OU: &str = "o-example1234/r-ab12/ou-ab12-customers1";

/// An unlisted account asks; Alice decides by her link, in Slack and under her IAM identity.
const ONE: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE, iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/alice"}
"#;

fn never_accepts(world: &World) {
    let fault = Fault::new("AcceptVpcEndpointConnections", FaultKind::Throttle);
    world.ec2.inject(fault.always());
}

fn alice(world: &World, channel: &str) -> Voter {
    match channel {
        "link" => by_link(world, "alice", 3),
        "slack" => Voter::Slack {
            user: "U0ALICE".parse().unwrap(),
            endpoint_id: endpoint(3),
            review: 1,
        },
        _ => Voter::Iam {
            arn: "arn:aws:sts::111122223333:assumed-role/Approver/alice".to_owned(),
            endpoint_id: endpoint(3),
            review: None,
        },
    }
}

/// Alice approved, and EC2 has not accepted it: it throttles, and the claim has ended.
async fn approved_in(options: Options, channel: &str) -> World {
    let world = world_with(options, ONE).await;
    if world.organizations.calls_of("DescribeOrganization") == 0 {
        let new = NewOrganization::new()
            .id("o-example1234")
            .root("r-ab12")
            .management_account(PROVIDER);
        world.organizations.put_organization(new).unwrap();
        let customers = NewOu::new("r-ab12").id("ou-ab12-customers1");
        world.organizations.put_ou(customers).unwrap();
        let (account, unit) = ("000000000003", "ou-ab12-customers1");
        world.organizations.put_account(account, unit).unwrap();
    }
    world.reconcile().await;
    never_accepts(&world);
    let voted = vote(&world, &alice(&world, channel), &approval()).await;
    assert_eq!(word(&voted), "recorded");
    assert_eq!(status(&world, 3).await, Some(Status::Accepting));
    world.ec2.clear_faults();
    world.clock.advance(LATER);
    world
}

async fn approved() -> World {
    approved_in(options(), "link").await
}

async fn deny(world: &World, entry: &str) {
    put_policy(world, &format!("{{{entry}, effect: deny}}")).await;
}

/// The endpoints that count against the account's limit.
async fn usage(world: &World) -> usize {
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let item = world.tables().get_item();
    let item = item.table_name(world.requests_table());
    let item = item.key("pk", key(&format!("usage#{SERVICE}#000000000003")));
    let item = item.key("sk", key("usage")).send().await.unwrap().item;
    let endpoints = item.and_then(|item| item.get("endpoints").cloned());
    endpoints.map_or(0, |ids| ids.as_ss().unwrap().len())
}

fn accepts(world: &World) -> u64 {
    let calls = world.ec2.calls();
    *calls.get("AcceptVpcEndpointConnections").unwrap_or(&0)
}

#[tokio::test]
async fn a_deny_that_comes_between_an_approval_and_ec2s_answer_wins() {
    let service = format!("service_id: {SERVICE}");
    let every = r#"service_id: "*""#;
    for channel in ["link", "slack", "iam"] {
        for entry in [
            format!(r#"{service}, principal: "000000000003""#),
            format!(r#"{every}, principal: "000000000003""#),
            format!("{service}, principal: {}", endpoint(3)),
            format!("{every}, principal: {}", endpoint(3)),
            format!(r#"{service}, principal: "*""#),
            format!(r#"{every}, principal: "*", regions: [us-east-1]"#),
            format!(r#"{every}, principal: "000000000003", expires_at: 2027-01-01T00:00:00Z"#),
        ] {
            let world = approved_in(options(), channel).await;
            let asked = accepts(&world);
            deny(&world, &entry).await;
            // The edit itself makes policy-changes look at the connection.
            edited(&world).await;
            let context = format!("{channel}: {entry}");
            assert_eq!(accepts(&world), asked, "{context}: EC2 is not asked");
            assert_eq!(state(&world, 3), Some(State::Rejected), "{context}");
            assert_eq!(
                path(&world, 3).await,
                "- > in_review > accepting > rejecting > rejected",
                "{context}"
            );
            let rows = history(&world, 3).await;
            assert_eq!(rows[2].cause, Cause::Judged, "{context}");
            let reason = &rows[2].reason;
            assert!(
                reason.starts_with(
                    "Approved by alice@example.com, and denied before EC2 accepted it: "
                ) && reason.contains(" is denied on "),
                "{context}: {reason}"
            );
            let rule = match &rows[2].actor {
                Actor::Policy(Some(rule)) => rule.to_string(),
                other => panic!("{context}: {other:?}"),
            };
            assert!(rule.starts_with("deny "), "{context}: {rule}");
            let receiver = announcements_of(&world, 3);
            assert_eq!(
                receiver,
                ["review_opened", "vote_cast", "rejected"],
                "{context}"
            );
            let last = documents(&world).pop().unwrap();
            let said = last["verdict"]["reason"].as_str().unwrap();
            assert_eq!(
                said, reason,
                "{context}: what is announced says who had approved"
            );
            assert_eq!(usage(&world).await, 0, "{context}: it is given back");
        }
    }
}

#[tokio::test]
async fn reconcile_carries_out_no_approval_that_is_denied_either() {
    let world = approved().await;
    deny(&world, r#"service_id: "*", principal: "000000000003""#).await;
    world.forget_edits().unwrap();
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
}

#[tokio::test]
async fn a_deny_that_does_not_match_overtakes_no_approval() {
    for entry in [
        format!(r#"service_id: {SERVICE}, principal: "000000000004""#),
        r#"service_id: vpce-svc-00000000000000001, principal: "000000000003""#.to_owned(),
        r#"service_id: "*", principal: "000000000003", regions: [eu-west-1]"#.to_owned(),
        r#"service_id: "*", principal: "000000000003", expires_at: 2026-01-01T00:00:00Z"#
            .to_owned(),
        // It would have applied when she approved; by now it has expired.
        r#"service_id: "*", principal: "000000000003", expires_at: 2026-11-20T12:06:00Z"#
            .to_owned(),
    ] {
        let world = approved().await;
        deny(&world, &entry).await;
        edited(&world).await;
        world.reconcile().await;
        assert_eq!(status(&world, 3).await, Some(Status::Accepted), "{entry}");
        assert_eq!(
            path(&world, 3).await,
            "- > in_review > accepting > accepted",
            "{entry}"
        );
    }
    // A service that now rejects the unlisted does not overtake it either, because somebody
    // approved this one.
    let world = approved().await;
    settings(&world, "on_unlisted: reject").await;
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_deny_that_comes_while_an_approval_is_carried_out_wins_too() {
    for n in 1..60 {
        let world = approved().await;
        let asked = accepts(&world);
        let calls = Calls::of(&world);
        let (sender, receiver) = std::sync::mpsc::channel();
        calls.after(n, move || sender.send(()).unwrap());
        let reconciling = world.reconcile();
        tokio::pin!(reconciling);
        let done = std::future::poll_fn(|context| {
            use std::future::Future as _;
            let is_told = |receiver: &std::sync::mpsc::Receiver<()>| receiver.try_recv().is_ok();
            if is_told(&receiver) {
                return std::task::Poll::Ready(false);
            }
            let is_done = reconciling.as_mut().poll(context).is_ready();
            match is_done {
                true => std::task::Poll::Ready(true),
                false if is_told(&receiver) => std::task::Poll::Ready(false),
                false => std::task::Poll::Pending,
            }
        })
        .await;
        if done {
            assert!(n > 5, "there were calls to edit after");
            return;
        }
        deny(&world, r#"service_id: "*", principal: "000000000003""#).await;
        reconciling.await;
        let before = calls.seen()[..n].join(", ");
        // Once the claim is written, EC2 is being asked.
        if !before.contains("dynamodb:TransactWriteItems") {
            world.clock.advance(LATER);
            world.reconcile().await;
            assert_eq!(state(&world, 3), Some(State::Rejected), "after {before}");
            assert_eq!(accepts(&world), asked, "after {before}");
        }
    }
    panic!("the run never came to its end");
}

fn organized() -> Options {
    let mut options = options();
    options.organizations = true;
    options
}

#[tokio::test]
async fn a_deny_for_a_path_overtakes_an_approval_if_the_account_is_below_it() {
    let denies = |path: &str| format!("service_id: \"*\", principal: \"{path}/*\"");
    let world = approved_in(organized(), "link").await;
    deny(&world, &denies(OU)).await;
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
    let rows = history(&world, 3).await;
    assert!(rows[2].reason.contains(OU), "{}", rows[2].reason);

    let world = approved_in(organized(), "link").await;
    deny(&world, &denies("o-example1234/r-ab12/ou-ab12-others1111")).await;
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn while_the_accounts_place_is_unknown_an_approval_waits() {
    let world = approved_in(organized(), "link").await;
    world
        .organizations
        .inject(Fault::new("ListParents", FaultKind::Unavailable).always());
    // The account's place is known for too long.
    hours_pass(&world, 24);
    deny(&world, &format!("service_id: \"*\", principal: \"{OU}/*\"")).await;
    edited(&world).await;
    for _ in 0..3 {
        world.reconcile().await;
        minutes_pass(&world, 5);
        assert_eq!(status(&world, 3).await, Some(Status::Accepting));
        assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
    }
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    let waits = metrics.last("OldestUndecidedSeconds").unwrap_or_default();
    assert!(waits > 0.0, "it counts as undecided");
    world.organizations.clear_faults();
    hours_pass(&world, 1);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
}

#[tokio::test]
async fn if_accounts_are_not_looked_up_a_new_deny_for_a_path_opens_a_review_again() {
    let world = approved().await;
    deny(&world, &format!("service_id: \"*\", principal: \"{OU}/*\"")).await;
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > accepting > in_review"
    );
    assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
    let rows = history(&world, 3).await;
    assert!(
        rows[2]
            .reason
            .starts_with("Approved by alice@example.com, and before EC2 accepted it the rule")
            && rows[2].reason.contains(OU),
        "{}",
        rows[2].reason
    );
    assert_eq!(usage(&world).await, 0, "it is given back");
    assert_eq!(
        approval_emails(&world, "alice", 3).len(),
        2,
        "she is asked again"
    );
    assert!(
        approval_emails(&world, "alice", 3)[1].contains(OU),
        "and the reason is announced"
    );
    // An approver who approves in spite of it has decided.
    never_accepts(&world);
    let again = vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    assert_eq!(word(&again), "recorded");
    world.ec2.clear_faults();
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn while_the_policy_cannot_be_read_an_approval_waits_and_a_rejection_does_not() {
    for (scope, rule) in [
        (SERVICE, "deny#000000000003"),
        ("*", "deny#000000000003"),
        ("*", "allow#*"),
        ("*", "settings"),
        (SERVICE, "settings"),
        ("*", "deny#o-example1234/*"),
    ] {
        let world = approved().await;
        malformed(&world, scope, rule).await;
        world.reconcile().await;
        let context = format!("{scope} / {rule}");
        assert_eq!(
            status(&world, 3).await,
            Some(Status::Accepting),
            "{context}"
        );
        assert_eq!(
            state(&world, 3),
            Some(State::PendingAcceptance),
            "{context}"
        );
        let metrics = world.gatekeeper(Function::Reconcile).metrics();
        let wrong = metrics.last_of("StepFailures", ("error_type", "Permanent.MalformedPolicy"));
        assert!(
            wrong.unwrap_or_default() > 0.0,
            "{context}: it is announced"
        );

        // A rejection by a person meanwhile is carried out.
        let world = world_of(ONE).await;
        world.reconcile().await;
        let fault = Fault::new("RejectVpcEndpointConnections", FaultKind::Throttle);
        world.ec2.inject(fault.always());
        let voted = vote(&world, &by_link(&world, "alice", 3), &rejection()).await;
        assert_eq!(word(&voted), "recorded", "{context}");
        world.ec2.clear_faults();
        world.clock.advance(LATER);
        malformed(&world, scope, rule).await;
        world.reconcile().await;
        assert_eq!(status(&world, 3).await, Some(Status::Rejected), "{context}");
    }
}

#[tokio::test]
async fn a_decision_of_the_policy_is_judged_again_at_each_claim() {
    let world = world_of(WORLD).await;
    never_accepts(&world);
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepting));
    for _ in 0..2 {
        world.clock.advance(LATER);
        world.reconcile().await;
        assert_eq!(
            status(&world, 1).await,
            Some(Status::Accepting),
            "claimed anew"
        );
    }
    world.ec2.clear_faults();
    world.clock.advance(Duration::from_secs(130));
    deny(&world, r#"service_id: "*", principal: "*""#).await;
    edited(&world).await;
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(state(&world, 1), Some(State::Rejected));
}

#[tokio::test]
async fn votes_that_suffice_by_now_are_overtaken_like_any_other() {
    // So few approvals are required by now that Alice's suffices: reconcile decides, and EC2
    // throttles.
    let two = ONE.replace(
        "policy:",
        "policy:\n  settings:\n    - {service_id: \"*\", approvals_required: 2}",
    );
    let world = world_of(&two).await;
    world.reconcile().await;
    assert_eq!(
        word(&vote(&world, &by_link(&world, "alice", 3), &approval()).await),
        "waiting"
    );
    settings(&world, "approvals_required: 1").await;
    never_accepts(&world);
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepting));
    world.ec2.clear_faults();
    world.clock.advance(LATER);
    deny(&world, r#"service_id: "*", principal: "000000000003""#).await;
    edited(&world).await;
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
}
