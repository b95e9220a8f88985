//! Entries for Organizations paths match by the account's real place, and never by a guess.

use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::{PROVIDER, World};
use local_aws::{Fault, FaultKind, NewOrganization, NewOu};

use crate::support::*;

const CUSTOMERS: &str = "o-example1234/r-ab12/ou-ab12-customers1";

/// Three consumers: a customer's account, one below it, and one of another organization.
fn world_text(entries: &str) -> String {
    format!(
        r#"
services:
  - service_id: {SERVICE}
connections:
  - {{endpoint_id: vpce-00000000000000001, service_id: {SERVICE}, owner: "000000000001"}}
  - {{endpoint_id: vpce-00000000000000002, service_id: {SERVICE}, owner: "000000000002"}}
  - {{endpoint_id: vpce-00000000000000003, service_id: {SERVICE}, owner: "000000000003"}}
policy:
  entries:
{entries}
"#
    )
}

async fn organized(entries: &str) -> World {
    let mut options = options();
    options.organizations = true;
    let world = world_with(options, &world_text(entries)).await;
    let organizations = &world.organizations;
    let new = NewOrganization::new()
        .id("o-example1234")
        .root("r-ab12")
        .management_account(PROVIDER);
    organizations.put_organization(new).unwrap();
    let customers = NewOu::new("r-ab12").id("ou-ab12-customers1");
    organizations.put_ou(customers).unwrap();
    let below = NewOu::new("ou-ab12-customers1").id("ou-ab12-belowthem1");
    organizations.put_ou(below).unwrap();
    organizations
        .put_account("000000000001", "ou-ab12-customers1")
        .unwrap();
    organizations
        .put_account("000000000002", "ou-ab12-belowthem1")
        .unwrap();
    world
}

fn entry(principal: &str, effect: &str) -> String {
    format!("    - {{service_id: \"*\", principal: \"{principal}\", effect: {effect}}}\n")
}

#[tokio::test]
async fn an_entry_for_a_path_accepts_accounts_below_it_and_no_others() {
    let world = organized(&entry(&format!("{CUSTOMERS}/*"), "allow")).await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(
        status(&world, 2).await,
        Some(Status::Accepted),
        "further down"
    );
    assert_eq!(status(&world, 3).await, Some(Status::InReview), "no member");
    let request = request(&world, 1).await.unwrap();
    assert_eq!(
        request.decided_by.to_string(),
        format!("the rule \"allow {CUSTOMERS}/* on *\"")
    );
    // One look-up for each account and unit; the unit that two accounts share is looked up once.
    assert_eq!(world.organizations.calls_of("ListParents"), 5);
    assert_eq!(world.organizations.calls_of("DescribeOrganization"), 1);
}

#[tokio::test]
async fn a_deny_for_a_path_wins_and_leaves_the_others_alone() {
    let entries =
        entry("*", "allow") + &entry(&format!("{CUSTOMERS}/ou-ab12-belowthem1/*"), "deny");
    let world = organized(&entries).await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_look_up_that_fails_matches_nothing_and_the_verdict_says_so() {
    let refused = |code: &str| FaultKind::Refused {
        code: code.to_owned(),
        message: "injected".to_owned(),
        items: Vec::new(),
    };
    let passes = "Retryable.LookUpAccount";
    for (fault, error_type) in [
        (FaultKind::Throttle, passes),
        (FaultKind::InternalError, passes),
        // With status 400, all of them.
        (refused("TooManyRequestsException"), passes),
        (refused("ServiceException"), passes),
        (refused("ConcurrentModificationException"), passes),
        (FaultKind::Unauthorized, "Permanent.Forbidden"),
    ] {
        let entries = entry(&format!("{CUSTOMERS}/*"), "allow");
        let world = organized(&entries).await;
        settings(&world, "on_unlisted: reject").await;
        world
            .organizations
            .inject(Fault::new("ListParents", fault.clone()).always());
        world.reconcile().await;
        for kind in [
            "Retryable.LookUpAccount",
            "Permanent.Forbidden",
            "Permanent.RefusedCall",
        ] {
            let counted = world
                .gatekeeper(Function::Reconcile)
                .metrics()
                .last_of("StepFailures", ("error_type", kind));
            assert_eq!(counted.is_some(), kind == error_type, "{fault:?}: {kind}");
        }
        for n in 1..=3 {
            let request = request(&world, n).await.unwrap();
            assert_eq!(
                request.status,
                Status::InReview,
                "{fault:?}: nobody is rejected for it"
            );
            let reason = request.verdict.reason;
            assert!(
                reason.contains("could not be looked up"),
                "{fault:?}: {reason}"
            );
        }
        world.organizations.clear_faults();
        minutes_pass(&world, 5);
        world.reconcile().await;
        let now = [
            status(&world, 1).await,
            status(&world, 2).await,
            status(&world, 3).await,
        ];
        let expected = [Status::Accepted, Status::Accepted, Status::Rejected].map(Some);
        assert_eq!(now, expected, "{fault:?}: it is settled by itself");
    }
}

#[tokio::test]
async fn an_account_that_moves_away_is_revoked_and_a_failing_look_up_revokes_nobody() {
    let world = organized(&entry(&format!("{CUSTOMERS}/*"), "allow")).await;
    settings(&world, "revoke: enforce, revoke_grace_hours: 0").await;
    world.reconcile().await;
    world
        .organizations
        .inject(Fault::new("ListParents", FaultKind::Unavailable).always());
    for _ in 0..3 {
        minutes_pass(&world, 10);
        world.reconcile().await;
    }
    for n in 1..=2 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    world.organizations.clear_faults();
    world
        .organizations
        .move_account("000000000002", "r-ab12")
        .unwrap();
    for _ in 0..2 {
        minutes_pass(&world, 10);
        world.reconcile().await;
    }
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
}

/// Two connections that a path allows. The second's account has moved away, so that it will be
/// revoked in a day.
async fn about_to_be_cut() -> World {
    let world = organized(&entry(&format!("{CUSTOMERS}/*"), "allow")).await;
    settings(&world, "revoke: enforce, revoke_grace_hours: 24").await;
    world.reconcile().await;
    world
        .organizations
        .move_account("000000000002", "r-ab12")
        .unwrap();
    minutes_pass(&world, 10);
    world.reconcile().await;
    assert_eq!(status(&world, 2).await, Some(Status::Revoking));
    world
}

#[tokio::test]
async fn a_look_up_that_fails_now_and_then_begins_no_new_grace_period() {
    let world = about_to_be_cut().await;
    let due = request(&world, 2).await.unwrap().due;
    let announced = announcements_of(&world, 2);
    // In the 28 hours that follow, look-ups fail in every other run, and at the time of the
    // revocation.
    for run in 0..28 {
        let fails = run % 2 == 0 || (22..26).contains(&run);
        if fails {
            let fault = Fault::new("ListParents", FaultKind::Throttle).always();
            world.organizations.inject(fault);
        }
        hours_pass(&world, 1);
        world.reconcile().await;
        world.organizations.clear_faults();
        let now = request(&world, 2).await.unwrap();
        if run < 26 {
            assert_eq!(now.status, Status::Revoking, "hour {run}");
            assert_eq!(now.due, due, "hour {run}");
            assert_eq!(announcements_of(&world, 2), announced, "hour {run}");
        }
    }
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(
        status(&world, 2).await,
        Some(Status::Rejected),
        "it is sure again, and past its moment"
    );
}

#[tokio::test]
async fn a_service_that_no_longer_revokes_ends_revocations_even_if_look_ups_fail() {
    for revoke in ["off", "report"] {
        let world = about_to_be_cut().await;
        settings(&world, &format!("revoke: {revoke}")).await;
        world
            .organizations
            .inject(Fault::new("ListParents", FaultKind::Throttle).always());
        minutes_pass(&world, 10);
        world.reconcile().await;
        assert_eq!(status(&world, 2).await, Some(Status::Accepted), "{revoke}");
    }
}

#[tokio::test]
async fn events_edits_and_votes_look_accounts_up_too() {
    let path = format!("{CUSTOMERS}/*");
    let allowed = entry(&path, "allow");
    let item = format!("{{service_id: \"*\", principal: \"{path}\", effect: allow}}");

    let world = organized(&allowed).await;
    handle(&world, batch_of(1)).await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted), "an event");

    let world = organized("    []").await;
    approver(&world, r#"{id: alice@example.com, services: ["*"]}"#).await;
    world.reconcile().await;
    put_policy(&world, &item).await;
    let voted = vote(&world, &by_link(&world, "alice", 1), &rejection()).await;
    assert_eq!(word(&voted), "too late");
    assert_eq!(status(&world, 1).await, Some(Status::Accepted), "a vote");
    edited(&world).await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepted), "an edit");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn no_account_is_looked_up_unless_the_deployment_says_so() {
    let world = world_of(&world_text(&entry(&format!("{CUSTOMERS}/*"), "allow"))).await;
    world.reconcile().await;
    assert_eq!(status(&world, 1).await, Some(Status::InReview));
    assert!(world.organizations.calls().is_empty());
}
