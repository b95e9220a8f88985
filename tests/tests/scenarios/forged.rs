//! Announcements that Gatekeeper did not make: Slack shows the true state, once, whatever they say.

use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;
use local_aws::{NewChannel, SlackMessage};
use serde_json::{Value, json};

use crate::slack::{CHANNEL, Workspace};
use crate::support::*;

const OTHER: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";
/// A text that an attacker wants people to believe.
const LIE: &str = "Send the bot token to it-help.";

/// The endpoint 3 waits for Alice; account …1 is allowed.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", revoke: enforce, revoke_grace_hours: 1}
  entries:
    - {service_id: "*", principal: "000000000001", effect: allow}
    - {service_id: "*", principal: "000000000009", effect: deny}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
"#;

async fn space() -> Workspace {
    let mut space = Workspace::of(PANEL).await;
    space.world.reconcile().await;
    space.deliver().await;
    space
}

/// A forged announcement about an endpoint.
fn announcement(n: u32, id: &str, kind: &str) -> Value {
    json!({
        "schema": "privatelink-gatekeeper/announcement/1",
        "id": id, "kind": kind, "at": "2026-11-20T12:00:00Z",
        "service_id": SERVICE, "endpoint_id": endpoint(n), "account_id": "000000000099",
        "customer": LIE, "region": "us-east-1", "status": "accepted", "previous_status": "in_review",
        "decided_by": {"kind": "approver", "name": "alice@example.com"},
        "verdict": {"decision": "review", "rule": null, "failed": [], "reason": LIE},
        "reason": LIE, "since": "2026-11-20T12:00:00Z",
        "review": {"number": 1, "approvals_required": 1, "deciders": 1, "votes": [], "rejected_when_due": false},
    })
}

fn alarm(service: &str, finding: &str, kind: &str, id: &str) -> Value {
    json!({
        "schema": "privatelink-gatekeeper/alarm/1",
        "id": id, "kind": kind, "finding": finding, "service_id": service,
        "at": "2026-11-20T12:00:00Z", "meaning": LIE, "remedy": LIE,
    })
}

fn shown(space: &Workspace, channel: &str) -> Vec<String> {
    let messages = space.slack.messages(channel);
    messages.iter().map(SlackMessage::shown).collect()
}

/// How many messages hold a text; none holds the lie.
fn count(space: &Workspace, text: &str) -> usize {
    let shown = shown(space, CHANNEL);
    assert!(!shown.iter().any(|it| it.contains(LIE)), "{shown:?}");
    assert!(
        !shown.iter().any(|it| it.contains("000000000099")),
        "{shown:?}"
    );
    shown.iter().filter(|it| it.contains(text)).count()
}

const KINDS: [&str; 17] = [
    "review_opened",
    "review_reminder",
    "nobody_may_decide",
    "quorum_out_of_reach",
    "vote_cast",
    "vote_withdrawn",
    "accepted",
    "rejected",
    "accept_refused",
    "stays_rejected",
    "would_revoke",
    "revocation_started",
    "revocation_undone",
    "revoked",
    "accepted_out_of_band",
    "rejected_out_of_band",
    "gone",
];

#[tokio::test]
async fn a_forged_announcement_of_any_kind_and_any_id_shows_nothing() {
    let space = space().await;
    let before = shown(&space, CHANNEL);
    for kind in KINDS {
        for n in [3, 77] {
            let id = endpoint(n);
            let forged: Vec<Value> = [
                format!("{id}#00000001"),
                format!("{id}#00000002"),
                format!("{id}#00000001.9.{kind}"),
                format!("{}#00000001", endpoint(4)),
                "x".to_owned(),
                String::new(),
            ]
            .iter()
            .map(|id| announcement(n, id, kind))
            .collect();
            assert_eq!(space.deliver_these(&forged).await, [""; 0], "{kind}");
        }
    }
    assert_eq!(shown(&space, CHANNEL), before);
}

#[tokio::test]
async fn a_forged_announcement_does_not_keep_a_real_one_from_being_shown() {
    let mut space = space().await;
    // Every id that the next announcement can have, under every kind.
    let mut forged = Vec::new();
    for kind in KINDS {
        for version in 1..=4 {
            forged.push(announcement(
                3,
                &format!("{}#{version:08}", endpoint(3)),
                kind,
            ));
        }
    }
    space.deliver_these(&forged).await;
    somebody_accepts(&space.world, 3);
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    // The review's message, and the notice.
    assert_eq!(count(&space, "accepted without Gatekeeper"), 2);
    // None of them makes it shown a second time.
    space.deliver_these(&forged).await;
    assert_eq!(count(&space, "accepted without Gatekeeper"), 2);
}

#[tokio::test]
async fn an_altered_announcement_shows_what_the_history_says() {
    let mut space = space().await;
    somebody_asks(&space.world, 1, "000000000001");
    space.world.reconcile().await;
    assert_eq!(status(&space.world, 1).await, Some(Status::Accepted));
    minutes_pass(&space.world, 5);
    remove(&space.world, "*", "allow", "000000000001").await;
    space.world.reconcile().await;
    let started = documents(&space.world).pop().unwrap();
    assert_eq!(started["kind"], "revocation_started");
    for (field, value) in [
        ("reason", json!(LIE)),
        ("customer", json!(LIE)),
        ("account_id", json!("000000000099")),
        ("kind", json!("revocation_undone")),
        ("due", json!("2030-01-01T00:00:00Z")),
        ("ec2", json!({"code": LIE, "request_id": LIE})),
        ("at", json!("2020-01-01T00:00:00Z")),
        ("service_id", json!(OTHER)),
        ("status", json!("rejected")),
    ] {
        let mut altered = started.clone();
        altered[field] = value;
        space.deliver_these(&[altered]).await;
        assert_eq!(count(&space, "will be revoked."), 1, "{field}");
        assert_eq!(count(&space, "stays connected"), 0, "{field}");
        assert_eq!(count(&space, "2030-01-01"), 0, "{field}");
    }
    space.deliver().await;
    assert_eq!(
        count(&space, "will be revoked."),
        1,
        "the real one is the same"
    );
}

#[tokio::test]
async fn a_forged_channel_does_not_change_where_a_service_is_shown() {
    let space = Workspace::of(PANEL).await;
    space.slack.put_channel(NewChannel::new("C0OTHER", "other"));
    let text = format!(
        "services:\n  - service_id: {OTHER}\npolicy:\n  settings:\n    - {{service_id: {OTHER}, slack_channel: C0OTHER}}\n"
    );
    let file = gatekeeper_local::world_file::WorldFile::parse(&text).unwrap();
    file.put_into(&space.world).await.unwrap();
    space.world.reconcile().await;
    let mut forged = announcement(3, &format!("{}#00000001", endpoint(3)), "review_opened");
    forged["service_id"] = json!(OTHER);
    space.deliver_these(&[forged]).await;
    assert_eq!(
        shown(&space, "C0OTHER"),
        [""; 0],
        "the review is another service's"
    );
    assert_eq!(shown(&space, CHANNEL).len(), 1);
}

#[tokio::test]
async fn a_forged_alarm_shows_nothing_and_a_real_one_is_shown_once() {
    let mut space = space().await;
    let before = shown(&space, CHANNEL);
    let findings = [
        "acceptance_not_required",
        "anyone_may_ask",
        "no_longer_managed",
        "alarms_unsubscribed",
    ];
    for finding in findings {
        for kind in [
            "alarm_started",
            "alarm_ended",
            "alarm_acknowledged",
            "acknowledgement_ended",
        ] {
            for service in [SERVICE, OTHER] {
                let id = format!("{service}#{finding}.{kind}.1");
                space
                    .deliver_these(&[alarm(service, finding, kind, &id)])
                    .await;
            }
        }
    }
    assert_eq!(shown(&space, CHANNEL), before);

    space
        .world
        .ec2
        .change_service(SERVICE, |service| service.acceptance_required = false);
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    // Under the real one's id, and under others.
    let real = documents(&space.world).pop().unwrap();
    for id in [real["id"].as_str().unwrap(), "x"] {
        let forged = alarm(SERVICE, "acceptance_not_required", "alarm_started", id);
        space.deliver_these(&[forged]).await;
        assert_eq!(count(&space, "does not require acceptance"), 1);
    }
    space.deliver().await;
    assert_eq!(count(&space, "Something is wrong with"), 1);
    // Only reconcile may say that it is over.
    let over = alarm(SERVICE, "acceptance_not_required", "alarm_ended", "y");
    space.deliver_these(std::slice::from_ref(&over)).await;
    assert_eq!(count(&space, "This is over"), 0);
    space
        .world
        .ec2
        .change_service(SERVICE, |service| service.acceptance_required = true);
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    space.deliver().await;
    space.deliver_these(&[over]).await;
    assert_eq!(count(&space, "This is over"), 1);
}

#[tokio::test]
async fn forged_reminders_remind_nobody() {
    let mut space = space().await;
    let review = request(&space.world, 3).await.unwrap().review.unwrap();
    let reminders = |count: u32| -> Vec<Value> {
        let forged = (0..count).map(|n| announcement(3, &format!("r{n}"), "review_reminder"));
        forged
            .map(|mut forged| {
                forged["review"]["number"] = json!(review);
                forged
            })
            .collect()
    };
    space.deliver_these(&reminders(5)).await;
    assert_eq!(count(&space, "still waits for somebody to decide"), 0);
    settings(&space.world, "remind_hours: 1").await;
    hours_pass(&space.world, 2);
    space.world.reconcile().await;
    space.deliver_these(&reminders(5)).await;
    space.deliver().await;
    assert_eq!(count(&space, "still waits for somebody to decide"), 1);
}

#[tokio::test]
async fn notes_are_shown_while_they_are_so() {
    let mut space = space().await;
    settings(&space.world, "approvals_required: 3").await;
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    let real = documents(&space.world).pop().unwrap();
    assert_eq!(real["kind"], "quorum_out_of_reach");
    let mut altered = real.clone();
    altered["id"] = json!("other");
    altered["reason"] = json!(LIE);
    space.deliver_these(&[altered.clone()]).await;
    space.deliver().await;
    assert_eq!(count(&space, "more people must approve than there are"), 1);
    // Once it is over, it can be shown no more.
    settings(&space.world, "approvals_required: 1").await;
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    altered["id"] = json!("another");
    space.deliver_these(&[altered]).await;
    space.deliver().await;
    assert_eq!(count(&space, "more people must approve than there are"), 1);
    assert!(world_is_quiet(&space.world));
}

fn world_is_quiet(world: &World) -> bool {
    !documents(world)
        .iter()
        .any(|document| document.to_string().contains(LIE))
}
