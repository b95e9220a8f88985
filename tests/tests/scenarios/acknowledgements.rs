//! A finding that people know and accept for a while is acknowledged, so that its alarm is free for
//! others.

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_local::dynamodb::Fault;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use gatekeeper_local::world_file::WorldFile;
use local_aws::{NewConnection, NewService};
use serde_json::Value;

use crate::logs;
use crate::support::*;

const OTHER: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";
const ARN: &str = "arn:aws:iam::777788889999:root";

/// A service that anybody may ask.
fn open() -> NewService {
    sound().allow("*")
}

fn sound() -> NewService {
    NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1")
        .tag("privatelink-gatekeeper", "managed")
}

fn measured(world: &World, name: &str) -> f64 {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    metrics.last(name).unwrap()
}

fn failed(world: &World, error_type: &str) -> Option<f64> {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    metrics.last_of("StepFailures", ("error_type", error_type))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn texts(values: &[&str]) -> AttributeValue {
    AttributeValue::Ss(values.iter().map(|value| (*value).to_owned()).collect())
}

/// Writes an item of the partition.
async fn put(world: &World, rule: &str, attributes: &[(&str, AttributeValue)]) {
    let mut put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table())
        .item("service_id", text("acknowledgements"))
        .item("rule", text(rule));
    for (name, value) in attributes {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
}

async fn withdraw(world: &World, rule: &str) {
    let delete = world
        .tables()
        .delete_item()
        .table_name(world.allowlist_table())
        .key("service_id", text("acknowledgements"))
        .key("rule", text(rule));
    delete.send().await.unwrap();
}

/// Acknowledges a finding until so many days from now.
async fn acknowledge(world: &World, rule: &str, evidence: &[&str], days: i64) {
    let until = world.clock.now().as_second() + days * 24 * 3600;
    let until = jiff::Timestamp::from_second(until).unwrap();
    let attributes = [
        ("evidence", texts(evidence)),
        ("acknowledged_by", text("alice@example.com")),
        ("until", text(&until.to_string())),
        ("reason", text("A test service")),
    ];
    put(world, rule, &attributes).await;
}

async fn days_pass(world: &World, days: u64) {
    hours_pass(world, 24 * days);
    world.reconcile().await;
}

const RULE: &str = "anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718";

/// How often the acknowledgement of `anyone_may_ask` was announced to begin and to end.
fn announced(world: &World) -> (usize, usize) {
    let count = |kind| alarms(world, "anyone_may_ask", kind);
    (count("alarm_acknowledged"), count("acknowledgement_ended"))
}

/// How many services count as open to anybody, and how many findings are acknowledged.
fn counted(world: &World) -> (f64, f64) {
    let metrics = ["OpenServices", "AcknowledgedFindings"];
    let [open, acknowledged] = metrics.map(|name| measured(world, name));
    (open, acknowledged)
}

/// A world with a service that anybody may ask, after people were notified.
async fn world_open() -> World {
    let world = world_of(OPEN).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (1.0, 0.0));
    world
}

#[tokio::test]
async fn it_silences_the_finding_that_it_names_and_shows_on_the_dashboard() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 3).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    let everything = [
        "BypassedServices",
        "UnnotifiedServices",
        "CloudTrailRuleMissing",
        "UnmanagedServices",
        "UnexpectedPolicyKeys",
        "RevocationsHeld",
        "RevocationsWithheld",
    ];
    for name in everything {
        assert_eq!(measured(&world, name), 0.0, "{name}");
    }
}

#[tokio::test]
async fn it_silences_no_other_finding_and_no_other_service() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    world.ec2.put_service(open().auto_accept());
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    assert_eq!(measured(&world, "BypassedServices"), 1.0);
    world.ec2.put_service(open().id(OTHER));
    runs(&world, 1).await;
    assert_eq!(counted(&world), (1.0, 1.0));
}

#[tokio::test]
async fn evidence_that_changes_is_not_covered() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    world.ec2.put_service(open().allow(ARN));
    runs(&world, 2).await;
    assert_eq!(counted(&world), (1.0, 0.0), "one more principal");
    assert_eq!(announced(&world), (1, 1));
    let over = last_document(&world, "acknowledgement_ended");
    assert_eq!(over["acknowledgement"]["ended"], "evidence_changed");
    // The acknowledgement is over for good, even if the evidence is the same again.
    world.ec2.put_service(open());
    runs(&world, 2).await;
    assert_eq!(counted(&world), (1.0, 0.0));
    assert_eq!(announced(&world), (1, 1));

    // An acknowledgement that names other evidence from the beginning does not count either.
    let world = world_open().await;
    for evidence in [&["*", ARN][..], &[ARN], &["* "]] {
        acknowledge(&world, RULE, evidence, 10).await;
        runs(&world, 1).await;
        assert_eq!(counted(&world), (1.0, 0.0), "{evidence:?}");
    }
    assert_eq!(announced(&world), (0, 0));
}

fn last_document(world: &World, kind: &str) -> Value {
    let all = documents(world);
    let last = all.iter().rfind(|document| document["kind"] == kind);
    last.unwrap().clone()
}

#[tokio::test]
async fn it_is_announced_when_it_begins_and_when_it_ends() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 3).await;
    assert_eq!(announced(&world), (1, 0));
    let begun = last_document(&world, "alarm_acknowledged");
    let details = &begun["acknowledgement"];
    assert_eq!(details["acknowledged_by"], "alice@example.com");
    assert_eq!(details["reason"], "A test service");
    assert_eq!(begun["evidence"], serde_json::json!(["*"]));
    let mail = world.sns.inbox().pop().unwrap().message;
    for part in [SERVICE, "alice@example.com", "A test service", "- *"] {
        assert!(mail.contains(part), "{part} in {mail}");
    }
    days_pass(&world, 10).await;
    runs(&world, 2).await;
    assert_eq!(announced(&world), (1, 1));
    assert_eq!(counted(&world), (1.0, 0.0));
    let over = last_document(&world, "acknowledgement_ended");
    assert_eq!(over["acknowledgement"]["ended"], "time_up");
    let mail = world.sns.inbox().pop().unwrap().message;
    assert!(mail.contains("counts as an alarm again"), "{mail}");
}

#[tokio::test]
async fn it_ends_with_the_finding_and_does_not_cover_the_next() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 1).await;
    world.ec2.put_service(sound());
    runs(&world, 1).await;
    assert_eq!(announced(&world), (1, 1));
    let over = last_document(&world, "acknowledgement_ended");
    assert_eq!(over["acknowledgement"]["ended"], "finding_over");
    assert_eq!(counted(&world), (0.0, 0.0));
    world.ec2.put_service(open());
    runs(&world, 2).await;
    assert_eq!(counted(&world), (1.0, 0.0));
    assert_eq!(announced(&world), (1, 1));
    // To acknowledge it again, somebody must write the item again.
    acknowledge(&world, RULE, &["*"], 20).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
}

#[tokio::test]
async fn it_ends_at_thirty_days_where_anybody_gets_in_or_may_ask_and_at_ninety_else() {
    for (finding, evidence, spoiled, metric, days) in [
        ("anyone_may_ask", "*", open(), "OpenServices", 30),
        (
            "acceptance_not_required",
            "AcceptanceRequired=false",
            sound().auto_accept(),
            "BypassedServices",
            30,
        ),
        (
            "notification_missing",
            "no connection notification",
            sound(),
            "UnnotifiedServices",
            90,
        ),
    ] {
        let text = format!(
            "services:\n  - {{service_id: {SERVICE}, notification: {}}}\n",
            finding != "notification_missing"
        );
        let world = world_of(&text).await;
        world.ec2.put_service(spoiled);
        runs(&world, 1).await;
        assert_eq!(measured(&world, metric), 1.0, "{finding}");
        let rule = format!("{finding}#{SERVICE}");
        acknowledge(&world, &rule, &[evidence], 1000).await;
        world.reconcile().await;
        let begun = last_document(&world, "alarm_acknowledged");
        let until: jiff::Timestamp = begun["acknowledgement"]["until"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let hours = until.duration_since(world.clock.now()).as_hours();
        assert_eq!(hours, i64::try_from(days * 24).unwrap(), "{finding}");
        let mail = world.sns.inbox().pop().unwrap().message;
        let said = format!("{finding} is acknowledged for {days} days at the most");
        assert!(mail.contains(&said), "{mail}");
        days_pass(&world, days - 1).await;
        assert_eq!(measured(&world, metric), 0.0, "{finding}");
        days_pass(&world, 1).await;
        assert_eq!(measured(&world, metric), 1.0, "{finding}");
        days_pass(&world, 1).await;
        assert_eq!(measured(&world, metric), 1.0, "{finding}: the same item");
    }
}

#[tokio::test]
async fn a_withdrawn_or_spoiled_acknowledgement_silences_nothing_any_more() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 1).await;
    withdraw(&world, RULE).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (1.0, 0.0));
    assert_eq!(announced(&world), (1, 1));
    acknowledge(&world, RULE, &["*"], 10).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    acknowledge(&world, RULE, &["*"], 20).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0), "written anew");
    assert_eq!(announced(&world), (3, 2));
    put(&world, RULE, &[("evidence", texts(&["*"]))]).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (1.0, 0.0));
    assert_eq!(announced(&world), (3, 3));
}

#[tokio::test]
async fn policy_that_cannot_be_read_cannot_be_acknowledged() {
    let world = world_of(WORLD).await;
    let bad_key = [
        ("service_id", text("*")),
        ("rule", text("Allow#000000000009")),
    ];
    let mut item = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table());
    for (name, value) in bad_key {
        item = item.item(name, value);
    }
    item.send().await.unwrap();
    edited(&world).await;
    runs(&world, 1).await;
    assert_eq!(measured(&world, "UnexpectedPolicyKeys"), 1.0);
    assert_eq!(failed(&world, "Permanent.MalformedAcknowledgement"), None);
    let rule = format!("unexpected_policy_keys#{SERVICE}");
    acknowledge(&world, &rule, &["* / Allow#000000000009"], 10).await;
    runs(&world, 2).await;
    assert_eq!(measured(&world, "UnexpectedPolicyKeys"), 1.0);
    let alarms_acknowledged = alarms(&world, "unexpected_policy_keys", "alarm_acknowledged");
    assert_eq!(alarms_acknowledged, 0);
    assert_eq!(
        failed(&world, "Permanent.MalformedAcknowledgement"),
        Some(1.0),
        "it is an error itself"
    );
    // The same holds for a name that is no finding of a service.
    withdraw(&world, &rule).await;
    malformed(&world, SERVICE, "allow#000000000003").await;
    for rule in ["policy_unreadable", "approver_email_held"] {
        let rule = format!("{rule}#{SERVICE}");
        let mark = format!("\"{rule}\"");
        logs::keep(&mark.replace('"', "\\\""));
        acknowledge(&world, &rule, &["x"], 10).await;
        runs(&world, 1).await;
        let lines = logs::kept(&mark.replace('"', "\\\""));
        assert_eq!(lines.len(), 1, "{rule}: {lines:?}");
        assert!(lines[0].contains("cannot be: put them right"), "{lines:?}");
        withdraw(&world, &rule).await;
    }
    let service = ("stops", "service");
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    assert_eq!(metrics.last_of("StepFailures", service), Some(1.0));
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_understood_silences_and_stops_nothing_and_is_announced()
{
    let cases: [(&str, &[(&str, AttributeValue)], &str); 5] = [
        (
            "anyone_may_ask",
            &[],
            "rule is \"anyone_may_ask\"; write <finding>#<service>, such as anyone_may_ask#vpce-svc-0123456789abcdef0",
        ),
        (
            RULE,
            &[("until", text("soon"))],
            "until is \"soon\"; write when it ends, as a text such as \"2027-01-31T00:00:00Z\"",
        ),
        (
            RULE,
            &[("evidence", text("*"))],
            "evidence is \"*\"; write all pieces of evidence that the finding was announced with",
        ),
        (
            RULE,
            &[("acknowledged_by", AttributeValue::N("7".to_owned()))],
            "acknowledged_by is a number; write who acknowledges the finding",
        ),
        (
            RULE,
            &[("expires", text("2027"))],
            "expires is \"2027\"; it is none of an acknowledgement: leave it out",
        ),
    ];
    for (n, (rule, wrong, expected)) in cases.into_iter().enumerate() {
        let world = world_open().await;
        let who = format!("alice{n}@example.com");
        let mut attributes = vec![
            ("evidence", texts(&["*"])),
            ("acknowledged_by", text(&who)),
            ("until", text("2026-12-01T00:00:00Z")),
        ];
        for (name, value) in wrong {
            attributes.retain(|(known, _)| known != name);
            attributes.push((name, value.clone()));
        }
        let line = expected.replace('"', "\\\"");
        logs::keep(&line);
        put(&world, rule, &attributes).await;
        edited(&world).await;
        let metrics = world.gatekeeper(Function::PolicyChanges).metrics();
        let edits = metrics.last_of("MalformedPolicyEdits", ("stops", "nothing"));
        assert_eq!(edits, Some(1.0), "{expected}");
        assert_eq!(logs::kept(&line).len(), 1, "at the edit: {expected}");
        somebody_asks(&world, 1, "000000000001");
        allow(&world, SERVICE, "000000000001").await;
        runs(&world, 1).await;
        assert_eq!(counted(&world), (1.0, 0.0), "{expected}");
        assert_eq!(announced(&world), (0, 0));
        assert_eq!(
            failed(&world, "Permanent.MalformedAcknowledgement"),
            Some(1.0)
        );
        let lines = logs::kept(&line);
        assert_eq!(lines.len(), 2, "and in the run: {expected}");
        assert!(
            lines
                .iter()
                .all(|line| line.contains("acknowledgements / ")),
            "{lines:?}"
        );
        let accepted = Some(gatekeeper_core::request::Status::Accepted);
        assert_eq!(status(&world, 1).await, accepted, "{expected}");
    }
}

#[tokio::test]
async fn its_edits_decide_nothing_and_its_key_is_expected() {
    let world = world_open().await;
    world.dynamodb.reset_calls();
    let asked = world.ec2.log().len();
    acknowledge(&world, RULE, &["*"], 10).await;
    put(&world, "nonsense", &[]).await;
    withdraw(&world, "nonsense").await;
    edited(&world).await;
    assert_eq!(
        world.ec2.log().len(),
        asked,
        "nobody's connection is looked at"
    );
    // The same holds when all keys of the table are read.
    for _ in 0..2 {
        days_pass(&world, 2).await;
        assert_eq!(measured(&world, "UnexpectedPolicyKeys"), 0.0);
    }
    assert_eq!(alarms(&world, "unexpected_policy_keys", "alarm_started"), 0);
}

#[tokio::test]
async fn the_announcement_holds_the_evidence_and_the_item_that_acknowledges_it() {
    let world = world_of(OPEN).await;
    world.ec2.put_service(open().allow(ARN));
    runs(&world, 1).await;
    let begun = last_document(&world, "alarm_started");
    assert_eq!(begun["evidence"], serde_json::json!(["*", ARN]));
    let mail = world.sns.inbox().pop().unwrap().message;
    assert!(
        mail.contains(&format!("Evidence:\n- *\n- {ARN}\n")),
        "{mail}"
    );
    let item = mail.lines().find(|line| line.starts_with('{')).unwrap();
    let item = item.replace("WHEN, such as 2027-01-31T00:00:00Z", "2026-12-01T00:00:00Z");
    let item: Value = serde_json::from_str(&item).unwrap();
    let mut put = world
        .tables()
        .put_item()
        .table_name(world.allowlist_table());
    for (name, value) in item.as_object().unwrap() {
        let value = match value["S"].as_str() {
            Some(value) => text(value),
            None => {
                let values: Vec<&str> = value["SS"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one.as_str().unwrap())
                    .collect();
                texts(&values)
            }
        };
        put = put.item(name, value);
    }
    put.send().await.unwrap();
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
}

#[tokio::test]
async fn each_finding_is_announced_with_its_evidence() {
    let world = world_of(WORLD).await;
    let connected = |n: u32| {
        NewConnection::new(SERVICE, "000000000009")
            .endpoint_id(endpoint(n).as_str())
            .state(local_aws::State::Available)
    };
    for n in 11..=12 {
        world.ec2.put_connection(connected(n)).unwrap();
    }
    settings(&world, "revoke: enforce, revoke_at_most: 0").await;
    runs(&world, 2).await;
    let begun = last_document(&world, "alarm_started");
    assert_eq!(begun["finding"], "too_many_revocations");
    let both = serde_json::json!([endpoint(11).to_string(), endpoint(12).to_string()]);
    assert_eq!(begun["evidence"], both);
    // The acknowledgement does not cover one more.
    let rule = format!("too_many_revocations#{SERVICE}");
    let ids = [endpoint(11).to_string(), endpoint(12).to_string()];
    acknowledge(&world, &rule, &[&ids[0], &ids[1]], 10).await;
    runs(&world, 1).await;
    assert_eq!(measured(&world, "RevocationsHeld"), 0.0);
    world.ec2.put_connection(connected(13)).unwrap();
    runs(&world, 2).await;
    assert_eq!(measured(&world, "RevocationsHeld"), 1.0);
    let begun = last_document(&world, "alarm_started");
    assert_eq!(begun["evidence"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn attachments_that_are_acknowledged_are_no_alarm_however_long_they_wait() {
    let world = world_of(&format!(
        "services:\n  - {{service_id: {SERVICE}, gateway_load_balancer: true}}\nattachments:\n  - {{attachment_id: tgw-attach-00000000000000001, service_id: {SERVICE}, owner: \"000000000001\"}}\n"
    ))
    .await;
    let age = |world: &World| measured(world, "OldestUndecidedAttachmentSeconds");
    runs(&world, 2).await;
    world.reconcile().await;
    assert!(age(&world) > 0.0);
    let begun = last_document(&world, "alarm_started");
    let evidence = begun["evidence"][0].as_str().unwrap().to_owned();
    assert_eq!(evidence, "tgw-attach-00000000000000001 waiting");
    let rule = format!("transit_gateway_attachments#{SERVICE}");
    acknowledge(&world, &rule, &[&evidence], 10).await;
    runs(&world, 1).await;
    assert_eq!(age(&world), 0.0);
    assert_eq!(measured(&world, "AcknowledgedFindings"), 1.0);
    days_pass(&world, 10).await;
    assert!(age(&world) > 0.0);
}

#[tokio::test]
async fn functions_that_run_at_the_same_time_announce_it_once() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    let (one, two) = (
        world.instance(Function::Reconcile, 1),
        world.instance(Function::Reconcile, 2),
    );
    let until = deadline(&world);
    tokio::join!(one.reconcile(until), two.reconcile(until));
    world.announce().await.unwrap();
    assert_eq!(announced(&world), (1, 0));
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_recorded_silences_nothing() {
    let world = world_open().await;
    acknowledge(&world, RULE, &["*"], 10).await;
    let fault = Fault::InternalError;
    world.dynamodb.inject("TransactWriteItems", fault, 100);
    world.reconcile().await;
    assert_eq!(counted(&world), (1.0, 0.0), "nothing was announced");
    world.dynamodb.clear_faults();
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    assert_eq!(announced(&world), (1, 0));
}

#[tokio::test]
async fn a_world_file_holds_acknowledgements() {
    let text = format!(
        "{OPEN}policy:\n  acknowledgements:\n    - {{finding: anyone_may_ask, service_id: {SERVICE}, evidence: [\"*\"], acknowledged_by: alice@example.com, until: 2026-12-01T00:00:00Z, reason: A test service}}\n"
    );
    let world = world_of(&text).await;
    runs(&world, 1).await;
    assert_eq!(counted(&world), (0.0, 1.0));
    for (wrong, said) in [
        ("anyone_may_ask", "stands here twice"),
        ("anyone_may", "anyone_may"),
        ("unexpected_policy_keys", "cannot be acknowledged"),
    ] {
        let more = format!(
            "    - {{finding: {wrong}, service_id: {SERVICE}, evidence: [\"*\"], acknowledged_by: bob, until: 2026-12-01T00:00:00Z}}\n"
        );
        let error = WorldFile::parse(&format!("{text}{more}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// Acknowledges what was announced, by the items that the announcements hold.
async fn acknowledge_all(world: &World, finding: &str) {
    let inbox = world.sns.inbox();
    let begun = inbox.iter().filter(|mail| {
        let subject = mail.subject.clone().unwrap_or_default();
        subject.starts_with(&format!("PrivateLink alarm: {finding} on"))
    });
    let mut items = 0;
    for mail in begun {
        let item = mail.message.lines().find(|line| line.starts_with('{'));
        let item: Value = serde_json::from_str(item.unwrap()).unwrap();
        let until = ("until", text("2026-12-01T00:00:00Z"));
        let pieces = item["evidence"]["SS"].as_array().unwrap().iter();
        let pieces: Vec<&str> = pieces.map(|one| one.as_str().unwrap()).collect();
        let who = ("acknowledged_by", text("alice@example.com"));
        let attributes = [("evidence", texts(&pieces)), who, until];
        put(world, item["rule"]["S"].as_str().unwrap(), &attributes).await;
        items += 1;
    }
    assert_eq!(items, 1, "{finding}");
}

#[tokio::test]
async fn every_announced_finding_can_be_acknowledged_by_the_item_in_the_announcement() {
    let quiet = format!("services:\n  - {{service_id: {SERVICE}, notification: false}}\n");
    let notified = format!("services:\n  - {{service_id: {SERVICE}}}\n");
    let connected = format!(
        "{notified}connections:\n  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\", state: available}}\npolicy:\n  settings:\n    - {{service_id: \"*\", revoke: enforce}}\n",
        endpoint(1)
    );
    let rule = gatekeeper_local::world::CLOUD_TRAIL_RULE;
    let events = [local_aws::ConnectionEvent::Delete];
    type Spoil = Box<dyn Fn(&World)>;
    let cases: Vec<(&str, &str, &str, Spoil)> = vec![
        (
            "notification_missing",
            "UnnotifiedServices",
            &quiet,
            Box::new(|_| ()),
        ),
        (
            "notification_elsewhere",
            "UnnotifiedServices",
            &quiet,
            Box::new(move |world| {
                let other = "arn:aws:sns:us-east-1:111122223333:other";
                world.ec2.put_notification(SERVICE, other, events).unwrap();
            }),
        ),
        (
            "notification_incomplete",
            "UnnotifiedServices",
            &quiet,
            Box::new(move |world| {
                let ours = &world.notification_topic;
                world.ec2.put_notification(SERVICE, ours, events).unwrap();
            }),
        ),
        (
            "cloud_trail_rule_missing",
            "CloudTrailRuleMissing",
            &notified,
            Box::new(move |world| assert!(world.events.disable_rule(rule))),
        ),
        (
            "allowlist_empty",
            "RevocationsWithheld",
            &connected,
            Box::new(|_| ()),
        ),
        (
            "no_longer_managed",
            "UnmanagedServices",
            &notified,
            Box::new(|world| {
                let untagged = NewService::new()
                    .id(SERVICE)
                    .owner(gatekeeper_local::world::PROVIDER)
                    .region("us-east-1");
                world.ec2.put_service(untagged);
            }),
        ),
    ];
    for (finding, metric, file, spoil) in cases {
        let world = world_of(file).await;
        if finding == "no_longer_managed" {
            runs(&world, 1).await;
        }
        spoil(&world);
        runs(&world, 2).await;
        assert_eq!(measured(&world, metric), 1.0, "{finding}");
        acknowledge_all(&world, finding).await;
        runs(&world, 2).await;
        assert_eq!(measured(&world, metric), 0.0, "{finding}");
        assert_eq!(measured(&world, "AcknowledgedFindings"), 1.0, "{finding}");
        assert_eq!(alarms(&world, finding, "alarm_acknowledged"), 1);
    }
}
