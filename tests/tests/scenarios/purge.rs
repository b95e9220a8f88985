//! DynamoDB's time to live: a `purge_at` that is too early is reported when it is written, and a
//! deletion that came too early is named as the cause of changes.

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use gatekeeper_local::world_file::WorldFile;

use crate::support::*;

/// The endpoint 1 is of account …1; somebody else is denied, so that the allowlist is never empty.
async fn world(settings_text: &str) -> World {
    let world = world_of(&format!(
        "services:\n  - service_id: {SERVICE}\nconnections:\n  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}\npolicy:\n  settings:\n    - {{service_id: \"*\", {settings_text}}}\n  entries:\n    - {{service_id: \"*\", principal: \"999999999999\", effect: deny}}\n",
        endpoint(1)
    ))
    .await;
    minutes_pass(&world, 1);
    world
}

/// Writes an entry with a `purge_at`, so many seconds from now, and perhaps an end.
async fn put(world: &World, rule: &str, purge_in: i64, ends_in: Option<i64>) {
    let text = |value: String| AttributeValue::S(value);
    let now = world.clock.now();
    let second = now.as_second() + purge_in;
    let mut put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table())
        .item("service_id", text("*".to_owned()))
        .item("rule", text(rule.to_owned()))
        .item("purge_at", AttributeValue::N(second.to_string()));
    if let Some(seconds) = ends_in {
        let end = jiff::Timestamp::from_second(now.as_second() + seconds).unwrap();
        put = put.item("expires_at", text(end.to_string()));
    }
    put.send().await.unwrap();
    edited(world).await;
}

/// Makes DynamoDB delete what it may, and runs the functions for it.
async fn deleted(world: &World, expected: usize) {
    assert_eq!(world.delete_expired().unwrap(), expected);
    edited(world).await;
}

fn malformed_edits(world: &World) -> Option<f64> {
    world
        .gatekeeper(Function::PolicyChanges)
        .metrics()
        .last("MalformedPolicyEdits")
}

fn reason(world: &World, kind: &str) -> String {
    let announced = documents(world);
    let announced = announced.iter().find(|document| document["kind"] == kind);
    let announced = announced.expect(kind);
    format!(
        "{} {}",
        announced["reason"].as_str().unwrap(),
        announced["verdict"]["reason"].as_str().unwrap()
    )
}

const NAMED: &str = "DynamoDB deleted the entry \"allow 000000000001 on *\" at its purge_at";

#[tokio::test]
async fn an_entry_that_dynamodb_would_end_is_reported_when_it_is_written_and_holds_meanwhile() {
    for (purge_in, ends_in, wrong) in [
        (7200, None, true),
        (3600, Some(3600), true),
        (3599, Some(3600), true),
        (3601, Some(3600), false),
    ] {
        let world = world("revoke: enforce").await;
        put(&world, "allow#000000000001", purge_in, ends_in).await;
        let announced = malformed_edits(&world);
        assert_eq!(announced.is_some(), wrong, "{purge_in} {ends_in:?}");
        assert_eq!(
            status(&world, 1).await,
            Some(Status::Accepted),
            "it can be understood"
        );
    }
}

#[tokio::test]
async fn a_deletion_by_time_to_live_is_named_where_it_begins_a_revocation() {
    for (revoke, kind) in [
        ("enforce", "revocation_started"),
        ("report", "would_revoke"),
    ] {
        let world = world(&format!("revoke: {revoke}")).await;
        put(&world, "allow#000000000001", 3600, None).await;
        assert_eq!(status(&world, 1).await, Some(Status::Accepted));
        hours_pass(&world, 2);
        deleted(&world, 1).await;
        let why = reason(&world, kind);
        assert!(why.contains(NAMED), "{kind}: {why}");
        let mail = world.sns.inbox().pop().unwrap().message;
        assert!(mail.contains(NAMED), "{mail}");
        if revoke == "enforce" {
            let rows = history(&world, 1).await;
            assert!(rows.last().unwrap().reason.contains(NAMED), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn an_accept_because_a_deny_was_deleted_is_announced_with_the_cause() {
    let world = world("revoke: off").await;
    allow(&world, "*", "000000000001").await;
    put(&world, "deny#000000000001", 3600, None).await;
    runs(&world, 1).await;
    assert_eq!(status(&world, 1).await, Some(Status::Rejected));
    somebody_asks(&world, 2, "000000000001");
    hours_pass(&world, 2);
    deleted(&world, 1).await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    let why = reason(&world, "accepted");
    let named = "DynamoDB deleted the entry \"deny 000000000001 on *\" at its purge_at";
    assert!(why.contains(named), "{why}");
}

#[tokio::test]
async fn the_cause_is_not_named_where_it_is_wrong_or_unknown() {
    // Somebody removes the entry; or it had expired before; or reconcile finds it missing.
    for way in ["somebody", "expired", "unheard"] {
        let world = world("revoke: enforce").await;
        let ends_in = (way == "expired").then_some(1800);
        put(&world, "allow#000000000001", 3600, ends_in).await;
        assert_eq!(status(&world, 1).await, Some(Status::Accepted));
        hours_pass(&world, 2);
        match way {
            "somebody" => {
                remove(&world, "*", "allow", "000000000001").await;
                edited(&world).await;
            }
            "expired" => deleted(&world, 1).await,
            _ => {
                assert_eq!(world.delete_expired().unwrap(), 1);
                world.forget_edits().unwrap();
                world.reconcile().await;
            }
        }
        let why = reason(&world, "revocation_started");
        assert!(!why.contains("DynamoDB"), "{way}: {why}");
    }
}

#[tokio::test]
async fn a_deletion_that_changes_nothing_for_a_connection_is_not_its_cause() {
    let world = world("revoke: enforce").await;
    put(&world, "allow#*", 3600, None).await;
    allow(&world, SERVICE, "000000000001").await;
    edited(&world).await;
    hours_pass(&world, 2);
    deleted(&world, 1).await;
    runs(&world, 1).await;
    assert_eq!(announcements_of(&world, 1), ["accepted"]);
}

#[test]
fn a_world_file_says_what_is_wrong_with_an_entrys_purge_at() {
    let world = |fields: &str| {
        let text = format!(
            "services:\n  - service_id: {SERVICE}\npolicy:\n  entries:\n    - {{service_id: \"*\", principal: \"*\", effect: allow, {fields}}}\n"
        );
        WorldFile::parse(&text)
            .map(drop)
            .map_err(|wrong| wrong.to_string())
    };
    let end = "expires_at: 2027-01-15T08:00:00Z";
    assert_eq!(world(&format!("{end}, purge_at: 1800000001")), Ok(()));
    for (fields, said) in [
        (
            format!("{end}, purge_at: 1800000000"),
            "is not after expires_at",
        ),
        (
            "purge_at: 1800000000".to_owned(),
            "stands without expires_at",
        ),
        (format!("{end}, purge_at: -1"), "is before 1970"),
        (
            format!("{end}, purge_at: 1800000001000"),
            "not milliseconds",
        ),
        (format!("{end}, purge_at: 1800000001.5"), ""),
        (format!("{end}, purge_at: tomorrow"), ""),
    ] {
        let wrong = world(&fields).unwrap_err();
        assert!(wrong.starts_with("5: ") && wrong.contains(said), "{wrong}");
    }
}
