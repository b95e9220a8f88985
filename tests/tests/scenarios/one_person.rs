//! Approvers' items that evidently belong to one person: one vote, and neither may decide what one
//! of them may not.

use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;

use crate::logs;
use crate::support::*;
use crate::votes_regressions::voted_through_an_edit;

/// Two must approve. The endpoint 3 is unknown; the account of 9 is Alice's own under one of her
/// names.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000009, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000009"}
policy:
  settings:
    - {service_id: "*", approvals_required: 2}
  approvers:
    - {id: alice@example.com, services: ["*"], own_accounts: ["000000000009"]}
    - {id: alice+oncall@example.com, services: ["*"]}
    - {id: carol@example.com, services: ["*"]}
"#;

/// The items as the log names them.
const TWICE: &str = "alice+oncall@example.com, alice@example.com";

async fn panel(more: &str) -> World {
    let world = world_of(&format!("{PANEL}{more}")).await;
    world.reconcile().await;
    world
}

fn entered_twice(world: &World) -> Option<f64> {
    let metrics = world.gatekeeper(Function::Reconcile);
    metrics.metrics().last("ApproversEnteredTwice")
}

#[tokio::test]
async fn two_items_of_one_mailbox_are_one_vote_one_decider_and_one_finding() {
    logs::keep(TWICE);
    let world = panel("").await;
    let review = request(&world, 3).await.unwrap();
    assert_eq!((review.deciders, review.notified.len()), (2, 3));
    assert_eq!(entered_twice(&world), Some(1.0));
    let named = logs::kept(TWICE);
    assert!(named.iter().any(|line| line.contains("ERROR")), "{named:?}");

    let (alice, tagged) = (
        by_link(&world, "alice", 3),
        by_link(&world, "alice+oncall", 3),
    );
    assert_eq!(word(&vote(&world, &tagged, &approval()).await), "waiting");
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "already");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    let carol = by_link(&world, "carol", 3);
    assert_eq!(word(&vote(&world, &carol, &approval()).await), "decided");

    // The finding ends when one of the items is deleted.
    let tagged = "alice+oncall@example.com".parse().unwrap();
    world.remove_approver(&tagged).await.unwrap();
    world.reconcile().await;
    assert_eq!(entered_twice(&world), Some(0.0));
}

#[tokio::test]
async fn an_account_that_is_theirs_under_one_name_they_decide_under_none() {
    let world = panel("").await;
    assert_eq!(approval_emails(&world, "alice+oncall", 9).len(), 0);
    assert_eq!(approval_emails(&world, "carol", 9).len(), 1);
    let review = request(&world, 9).await.unwrap();
    assert_eq!(review.deciders, 1);

    // Approvers got a link before it was known whose account it is.
    let tagged = by_link(&world, "alice+oncall", 3);
    approver(
        &world,
        r#"{id: alice@example.com, services: ["*"], own_accounts: ["000000000003"]}"#,
    )
    .await;
    assert_eq!(look(&world, &tagged).await, "barred");
    assert_eq!(word(&vote(&world, &tagged, &approval()).await), "barred");
    assert_eq!(word(&vote(&world, &tagged, &rejection()).await), "barred");
}

#[tokio::test]
async fn rights_are_those_of_the_item_under_which_they_vote() {
    let world = panel("").await;
    let (alice, tagged) = (
        by_link(&world, "alice", 3),
        by_link(&world, "alice+oncall", 3),
    );
    approver(&world, r#"{id: alice+oncall@example.com, services: []}"#).await;
    assert_eq!(look(&world, &tagged).await, "invalid");
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "waiting");
}

#[tokio::test]
async fn an_own_account_that_is_entered_under_another_name_while_they_vote_makes_them_ineligible() {
    let bar = async |world: &World| {
        approver(
            world,
            r#"{id: alice+oncall@example.com, services: ["*"], own_accounts: ["000000000003"]}"#,
        )
        .await;
    };
    for n in 1..40 {
        let world = panel("").await;
        settings(&world, "approvals_required: 1").await;
        let Some(before) = voted_through_an_edit(&world, &approval(), n, bar).await else {
            return;
        };
        let is_recorded = before
            .iter()
            .any(|call| call == "dynamodb:TransactWriteItems");
        let rows = history(&world, 3).await;
        assert!(
            is_recorded || !rows.iter().any(|row| row.to == Status::Accepting),
            "edited after {before:?}: {rows:?}"
        );
    }
    panic!("the vote never came to its end");
}

#[tokio::test]
async fn the_same_slack_user_or_iam_principal_is_the_same_person() {
    const SHARED: [&str; 2] = [
        r#"slack_user_id: U0SHARED"#,
        r#"iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/sam""#,
    ];
    for shared in SHARED {
        let more = format!(
            "    - {{id: sam@example.com, services: [\"*\"], {shared}}}\n    \
             - {{id: s.smith@example.com, services: [\"*\"], {shared}}}\n"
        );
        let world = panel(&more).await;
        assert_eq!(entered_twice(&world), Some(2.0), "{shared}");
        assert_eq!(request(&world, 3).await.unwrap().deciders, 3, "{shared}");
        let (sam, smith) = (by_link(&world, "sam", 3), by_link(&world, "s.smith", 3));
        assert_eq!(word(&vote(&world, &sam, &approval()).await), "waiting");
        assert_eq!(word(&vote(&world, &smith, &approval()).await), "already");
        assert_eq!(status(&world, 3).await, Some(Status::InReview), "{shared}");
    }
}

#[tokio::test]
async fn two_votes_of_what_turns_out_to_be_one_person_count_as_one() {
    let world = panel(
        "    - {id: dan@example.com, services: [\"*\"]}\n    - {id: d.jones@example.com, services: [\"*\"]}\n",
    )
    .await;
    settings(&world, "approvals_required: 3").await;
    for name in ["dan", "d.jones"] {
        let voted = vote(&world, &by_link(&world, name, 3), &approval()).await;
        assert_eq!(word(&voted), "waiting");
    }
    for id in ["dan@example.com", "d.jones@example.com"] {
        let item = format!("{{id: {id}, services: [\"*\"], slack_user_id: U0DAN}}");
        approver(&world, &item).await;
    }
    let carol = by_link(&world, "carol", 3);
    let voted = vote(&world, &carol, &approval()).await;
    assert_eq!(word(&voted), "waiting", "three votes of two people");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}
