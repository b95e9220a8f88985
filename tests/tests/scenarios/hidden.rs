//! One lasting problem does not hide another: each alarm has a metric of its own.

use std::time::Duration;

use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{NewConnection, NewService, State};

use crate::support::*;

const OTHER: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";

fn measured(world: &World, name: &str) -> f64 {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    metrics.last(name).unwrap()
}

fn service(id: &str) -> NewService {
    NewService::new()
        .id(id)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1")
        .tag("privatelink-gatekeeper", "managed")
}

#[tokio::test]
async fn each_way_past_gatekeeper_is_a_metric_of_its_own() {
    const SOUND: &str = "services:\n  - service_id: vpce-svc-0a1b2c3d4e5f60718\n";
    let ways = |world: &World| {
        let names = [
            "BypassedServices",
            "OpenServices",
            "UnnotifiedServices",
            "CloudTrailRuleMissing",
        ];
        names.map(|name| measured(world, name))
    };
    let world = world_of(SOUND).await;
    runs(&world, 1).await;
    assert_eq!(ways(&world), [0.0; 4]);
    world.ec2.put_service(service(SERVICE).allow("*"));
    runs(&world, 2).await;
    assert_eq!(ways(&world), [0.0, 1.0, 0.0, 0.0], "anybody may ask");
    world
        .ec2
        .put_service(service(SERVICE).allow("*").auto_accept());
    runs(&world, 1).await;
    assert_eq!(ways(&world), [1.0, 1.0, 0.0, 0.0], "and is let in");
    world.ec2.put_service(service(OTHER));
    runs(&world, 1).await;
    assert_eq!(ways(&world), [1.0, 1.0, 1.0, 0.0], "no notification");
    let rule = gatekeeper_local::world::CLOUD_TRAIL_RULE;
    assert!(world.events.disable_rule(rule));
    runs(&world, 1).await;
    assert_eq!(ways(&world), [1.0, 1.0, 1.0, 1.0]);
}

/// How often an item that cannot be understood made a step fail, by what it stops.
fn unreadable(world: &World) -> [Option<f64>; 4] {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    ["approver", "service", "every_service", "unexpected_key"]
        .map(|stops| metrics.last_of("StepFailures", ("stops", stops)))
}

#[tokio::test]
async fn a_bad_approver_does_not_hide_a_bad_entry_on_every_service() {
    let world = world_of(OPEN).await;
    malformed(&world, "approvers", "approver#bob@example.com").await;
    somebody_asks(&world, 1, "000000000001");
    runs(&world, 2).await;
    assert_eq!(unreadable(&world), [Some(1.0), None, None, None]);
    malformed(&world, SERVICE, "allow#000000000002").await;
    somebody_asks(&world, 2, "000000000002");
    runs(&world, 1).await;
    assert_eq!(unreadable(&world), [Some(1.0), Some(1.0), None, None]);
    malformed(&world, "*", "Deny#000000000003").await;
    edited(&world).await;
    runs(&world, 1).await;
    let seen = unreadable(&world);
    assert_eq!(seen, [Some(1.0), Some(1.0), None, Some(1.0)]);
    malformed(&world, "*", "deny#000000000004").await;
    somebody_asks(&world, 4, "000000000004");
    runs(&world, 1).await;
    assert_eq!(unreadable(&world), [Some(1.0); 4]);
}

#[tokio::test]
async fn edits_that_cannot_be_understood_are_counted_by_what_they_stop() {
    for (scope, rule, stops) in [
        ("approvers", "approver#bob@example.com", "approver"),
        ("approvers", "bob", "approver"),
        (SERVICE, "allow#000000000002", "service"),
        (SERVICE, "settings", "service"),
        ("*", "deny#000000000002", "every_service"),
        ("*", "settings", "every_service"),
        ("*", "Deny#000000000002", "unexpected_key"),
        (SERVICE, "settings ", "unexpected_key"),
        ("*", "Allow#000000000002", "nothing"),
        ("payments", "deny#000000000002", "nothing"),
    ] {
        let world = world_of(OPEN).await;
        malformed(&world, scope, rule).await;
        edited(&world).await;
        let metrics = world.gatekeeper(Function::PolicyChanges).metrics();
        let known = [
            "approver",
            "service",
            "every_service",
            "unexpected_key",
            "nothing",
        ];
        for known in known {
            let counted = metrics.last_of("MalformedPolicyEdits", ("stops", known));
            let expected = (known == stops).then_some(1.0);
            assert_eq!(counted, expected, "{scope} / {rule}: {known}");
        }
    }
}

/// How long the oldest reviews have waited, in hours: of known accounts, and of others.
fn waiting(world: &World) -> [f64; 2] {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    ["known", "unknown"].map(|account| {
        let seconds = metrics.last_of("OldestReviewSeconds", ("account", account));
        seconds.unwrap() / 3600.0
    })
}

#[tokio::test]
async fn a_strangers_review_that_people_ignore_does_not_hide_a_customers() {
    let world = world_of(OPEN).await;
    approver(&world, r#"{id: alice@example.com, services: ["*"]}"#).await;
    world.reconcile().await;
    assert_eq!(waiting(&world), [0.0, 0.0]);
    somebody_asks(&world, 1, "000000000001");
    world.reconcile().await;
    hours_pass(&world, 100);
    world.reconcile().await;
    assert_eq!(waiting(&world), [0.0, 100.0], "a stranger");

    // An account that an entry names, though the entry does not allow this endpoint.
    let entry = format!(
        r#"{{service_id: {SERVICE}, principal: "000000000002", effect: allow, regions: [eu-west-1]}}"#
    );
    put_policy(&world, &entry).await;
    somebody_asks(&world, 2, "000000000002");
    world.reconcile().await;
    hours_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(waiting(&world), [5.0, 105.0], "a customer");
    vote(&world, &by_link(&world, "alice", 2), &rejection()).await;
    world.reconcile().await;
    assert_eq!(waiting(&world), [0.0, 105.0]);

    // An account that only an entry for everybody names is still a stranger.
    let entry = r#"{service_id: "*", principal: "*", effect: allow, regions: [eu-west-1]}"#;
    put_policy(&world, entry).await;
    world.reconcile().await;
    assert_eq!(waiting(&world), [0.0, 105.0]);

    // So is an account that is connected to another service.
    world.ec2.put_service(service(OTHER));
    let connected = NewConnection::new(OTHER, "000000000001")
        .endpoint_id(endpoint(9).as_str())
        .state(State::Available);
    world.ec2.put_connection(connected).unwrap();
    minutes_pass(&world, 5);
    world.reconcile().await;
    let [known, unknown] = waiting(&world);
    assert!(known > 105.0, "{known}");
    assert_eq!(unknown, 0.0);
}

#[tokio::test]
async fn reviews_that_nobody_may_decide_are_measured_apart_likewise() {
    let world = world_of(OPEN).await;
    let undecidable = |world: &World| {
        let metrics = world.gatekeeper(Function::Reconcile).metrics();
        ["known", "unknown"].map(|account| {
            metrics
                .last_of("UndecidableReviews", ("account", account))
                .unwrap()
        })
    };
    somebody_asks(&world, 1, "000000000001");
    runs(&world, 2).await;
    assert_eq!(undecidable(&world), [0.0, 1.0]);
    let entry = format!(
        r#"{{service_id: {SERVICE}, principal: "000000000002", effect: allow, regions: [eu-west-1]}}"#
    );
    put_policy(&world, &entry).await;
    somebody_asks(&world, 2, "000000000002");
    runs(&world, 2).await;
    assert_eq!(undecidable(&world), [1.0, 1.0]);
}

/// How many services had no turn in the last run, and how many were begun and not finished.
fn unserved(world: &World) -> [f64; 2] {
    ["ServicesNotReached", "UnfinishedServices"].map(|name| measured(world, name))
}

#[tokio::test]
async fn services_without_a_turn_are_measured() {
    let mut text = "services:\n".to_owned();
    for n in 1..=4 {
        text += &format!("  - service_id: vpce-svc-{n:017x}\n");
    }
    let world = world_of(&text).await;
    let done = world.reconcile().await;
    assert_eq!(unserved(&world), [0.0, 0.0], "{done:?}");

    slow(&world, "DescribeVpcEndpointConnections", 20);
    let done = world.reconcile_within(Duration::from_secs(60)).await;
    let [not_reached, unfinished] = unserved(&world);
    assert!(not_reached >= 2.0, "{done:?}");
    assert_eq!(
        not_reached + unfinished,
        f64::from(u32::try_from(done.unfinished.len()).unwrap())
    );

    world.ec2.set_on_call(None);
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(unserved(&world), [0.0, 0.0]);
}

#[tokio::test]
async fn a_service_that_is_begun_and_not_finished_is_measured_apart() {
    let mut options = options();
    options.limits.page = 10;
    let mut text = format!("services:\n  - {{service_id: {SERVICE}}}\nconnections:\n");
    for n in 1..=60 {
        text += &format!(
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}\n",
            endpoint(n)
        );
    }
    let world = world_with(options, &text).await;
    slow(&world, "DescribeVpcEndpointConnections", 10);
    let done = world.reconcile_within(Duration::from_secs(45)).await;
    assert_eq!(done.unfinished.len(), 1, "{done:?}");
    assert_eq!(unserved(&world), [0.0, 1.0]);
}
