//! Decisions that others made without Gatekeeper, and connections that were rejected before they
//! became allowed.

use gatekeeper_core::request::{Cause, Status};
use gatekeeper_local::world::World;
use local_aws::State;

use crate::support::*;

#[tokio::test]
async fn a_rejected_connection_that_is_allowed_now_is_tried_once_and_announced() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
    remove(&world, "*", "deny", "000000000002").await;
    allow(&world, "*", "000000000002").await;
    for _ in 0..4 {
        minutes_pass(&world, 5);
        world.reconcile().await;
    }
    let tries = world
        .ec2
        .log()
        .iter()
        .filter(|call| call.action == "AcceptVpcEndpointConnections")
        .filter(|call| {
            call.params
                .iter()
                .any(|(_, value)| *value == endpoint(2).to_string())
        })
        .count();
    assert_eq!(tries, 1, "once is all");
    assert_eq!(announcements_of(&world, 2), ["rejected", "accept_refused"]);
    let rows = history(&world, 2).await;
    let last = rows.last().unwrap();
    assert_eq!((last.cause, last.to), (Cause::Refused, Status::Rejected));
    assert_eq!(last.ec2.as_ref().unwrap().code, "InvalidState");
    let inbox = world.sns.inbox();
    assert!(
        inbox
            .iter()
            .any(|mail| mail.message.contains("delete it and to create a new one")),
        "people read what to do"
    );
}

#[tokio::test]
async fn if_ec2_takes_it_back_it_is_accepted() {
    let mut options = options();
    options.ec2.accept_after_reject = true;
    let world = world_with(options, WORLD).await;
    world.reconcile().await;
    remove(&world, "*", "deny", "000000000002").await;
    allow(&world, "*", "000000000002").await;
    minutes_pass(&world, 5);
    edited(&world).await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    assert_eq!(
        path(&world, 2).await,
        "- > rejecting > rejected > accepting > accepted"
    );
}

#[tokio::test]
async fn a_try_that_is_killed_is_still_made_only_once() {
    let ready = async || {
        let world = world_of(WORLD).await;
        world.reconcile().await;
        remove(&world, "*", "deny", "000000000002").await;
        allow(&world, "*", "000000000002").await;
        minutes_pass(&world, 5);
        world
    };
    reconcile_killed_everywhere(ready, async |world, n| {
        runs(world, 3).await;
        assert_eq!(
            status(world, 2).await,
            Some(Status::Rejected),
            "killed after {n}"
        );
        assert_eq!(
            announcements_of(world, 2),
            ["rejected", "accept_refused"],
            "killed after {n}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_rejection_on_the_console_stays_unless_the_service_reverts() {
    for (setting, expected) in [
        ("record", Status::Rejected),
        ("alert", Status::Rejected),
        ("revert", Status::Accepted),
    ] {
        let mut options = options();
        options.ec2.accept_after_reject = true;
        let world = world_with(options, WORLD).await;
        settings(&world, &format!("out_of_band: {setting}")).await;
        world.reconcile().await;
        minutes_pass(&world, 5);
        somebody_rejects(&world, 1);
        runs(&world, 3).await;
        assert_eq!(status(&world, 1).await, Some(expected), "{setting}");
        let announced = announcements_of(&world, 1);
        let quiet = setting == "record";
        assert_eq!(
            announced.contains(&"rejected_out_of_band".to_owned()),
            !quiet,
            "{announced:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_others_accepted_past_the_policy_is_undone_if_the_service_reverts() {
    for (setting, cut) in [("record", false), ("alert", false), ("revert", true)] {
        let world = world_of(WORLD).await;
        settings(&world, &format!("out_of_band: {setting}")).await;
        world.reconcile().await;
        minutes_pass(&world, 5);
        assert_eq!(status(&world, 3).await, Some(Status::InReview));
        somebody_accepts(&world, 3);
        runs(&world, 4).await;
        let expected = if cut {
            Status::Rejected
        } else {
            Status::Accepted
        };
        assert_eq!(status(&world, 3).await, Some(expected), "{setting}");
        assert_eq!(state(&world, 3) == Some(State::Rejected), cut, "{setting}");
        if cut {
            assert_eq!(
                announcements_of(&world, 3),
                [
                    "review_opened",
                    "accepted_out_of_band",
                    "revocation_started",
                    "revoked"
                ]
            );
        }
    }
}

#[tokio::test]
async fn a_connection_from_before_gatekeeper_is_not_reverted() {
    let world = world_of(&world_with_a_connection_from_before()).await;
    settings(&world, "out_of_band: revert").await;
    runs(&world, 4).await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_eq!(state(&world, 3), Some(State::Available));
    // If the service revokes what nothing allows, it is announced like any other.
    settings(&world, "revoke: enforce").await;
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Revoking));
}

#[tokio::test]
async fn a_connection_that_an_entry_has_allowed_since_is_not_reverted_even_after_the_entry_is_gone()
{
    for setting in ["record", "alert"] {
        let world = world_of(WORLD).await;
        settings(&world, &format!("out_of_band: {setting}")).await;
        world.reconcile().await;
        minutes_pass(&world, 5);
        somebody_accepts(&world, 3);
        world.reconcile().await;
        assert!(request(&world, 3).await.unwrap().past_policy);
        allow(&world, SERVICE, "000000000003").await;
        minutes_pass(&world, 5);
        world.reconcile().await;
        hours_pass(&world, 24 * 30);
        remove(&world, SERVICE, "allow", "000000000003").await;
        settings(&world, "out_of_band: revert").await;
        runs(&world, 3).await;
        assert_eq!(
            path(&world, 3).await,
            "- > in_review > accepted",
            "{setting}"
        );
        assert_eq!(state(&world, 3), Some(State::Available), "{setting}");
    }
}

/// The connection 5 was rejected before Gatekeeper looked; the others are pending, of one account
/// each.
const IN_VAIN: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000004, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000004"}
  - {endpoint_id: vpce-00000000000000005, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000005", state: rejected}
policy:
  entries:
    - {service_id: "*", principal: "999999999999", effect: deny}
  approvers:
    - {id: alice@example.com, services: ["*"]}
"#;

/// How often it was announced for an endpoint that an entry comes too late.
fn announced_in_vain(world: &World, n: u32) -> usize {
    let announced = announcements_of(world, n);
    announced
        .iter()
        .filter(|kind| *kind == "stays_rejected")
        .count()
}

#[tokio::test]
async fn an_allow_that_comes_too_late_is_announced_once_for_every_kind_of_rejection() {
    let world = world_of(IN_VAIN).await;
    world.reconcile().await;
    // Alice rejects one, somebody on the console the other.
    let voted = vote(&world, &by_link(&world, "alice", 3), &rejection()).await;
    assert_eq!(word(&voted), "decided");
    somebody_rejects(&world, 4);
    runs(&world, 2).await;
    for n in 3..=5 {
        assert_eq!(announced_in_vain(&world, n), 0, "{n}: nothing allows it");
        allow(&world, "*", &format!("{n:012}")).await;
    }
    edited(&world).await;
    runs(&world, 3).await;
    for (n, who) in [
        (3, "alice@example.com rejected it"),
        (4, "somebody rejected it without Gatekeeper"),
        (5, "it was rejected before Gatekeeper looked"),
    ] {
        assert_eq!(status(&world, n).await, Some(Status::Rejected));
        assert_eq!(announced_in_vain(&world, n), 1, "{n}");
        let mut mails = world.sns.inbox().into_iter().map(|mail| mail.message);
        let about =
            |mail: &String| mail.contains(endpoint(n).as_str()) && mail.contains("stays so");
        let mail = mails.find(about).unwrap();
        assert!(
            mail.contains(who) && mail.contains("create a new one"),
            "{mail}"
        );
    }
    // The entry is removed and comes back: this is announced again.
    remove(&world, "*", "allow", "000000000003").await;
    edited(&world).await;
    runs(&world, 1).await;
    allow(&world, "*", "000000000003").await;
    edited(&world).await;
    runs(&world, 3).await;
    assert_eq!([3, 4, 5].map(|n| announced_in_vain(&world, n)), [2, 1, 1]);
    assert_eq!(world.ec2.calls_of("AcceptVpcEndpointConnections"), 0);
}

#[tokio::test]
async fn a_rejection_of_an_allowed_connection_is_announced_then_and_not_again() {
    for (setting, expected) in [("alert", vec!["rejected_out_of_band"]), ("record", vec![])] {
        let world = world_of(WORLD).await;
        settings(&world, &format!("out_of_band: {setting}")).await;
        world.reconcile().await;
        minutes_pass(&world, 5);
        somebody_rejects(&world, 1);
        runs(&world, 4).await;
        let announced = announcements_of(&world, 1);
        assert_eq!(announced[1..], expected, "{setting}");
        if setting == "alert" {
            let mail = world.sns.inbox().pop().unwrap().message;
            assert!(mail.contains("create a new one"), "{mail}");
        }
        // Another entry is announced again.
        allow(&world, "*", "000000000001").await;
        remove(&world, SERVICE, "allow", "000000000001").await;
        edited(&world).await;
        runs(&world, 2).await;
        assert_eq!(announced_in_vain(&world, 1), 1, "{setting}");
    }
}

#[tokio::test]
async fn a_connection_that_ec2_did_not_take_back_is_announced_once_for_its_entry() {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    remove(&world, "*", "deny", "000000000002").await;
    allow(&world, "*", "000000000002").await;
    minutes_pass(&world, 5);
    runs(&world, 4).await;
    assert_eq!(announcements_of(&world, 2), ["rejected", "accept_refused"]);
    allow(&world, SERVICE, "000000000002").await;
    edited(&world).await;
    runs(&world, 3).await;
    assert_eq!(
        announcements_of(&world, 2),
        ["rejected", "accept_refused", "stays_rejected"]
    );
}

#[tokio::test]
async fn a_run_that_is_killed_announces_once_that_an_allow_comes_too_late() {
    let ready = async || {
        let world = world_of(IN_VAIN).await;
        runs(&world, 1).await;
        allow(&world, "*", "000000000005").await;
        world
    };
    reconcile_killed_everywhere(ready, async |world, n| {
        runs(world, 2).await;
        assert_eq!(announced_in_vain(world, 5), 1, "killed after {n}");
    })
    .await;
}
