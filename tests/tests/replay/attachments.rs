//! Transit gateway attachments in a world file: their state at EC2, and what people do about them.
//! What Gatekeeper does is tested elsewhere.

use serde_json::{Value, json};

use crate::run::{Replay, Run, SERVICE};

const ONE: &str = "tgw-attach-0123456789abcdef0";
const TWO: &str = "tgw-attach-0123456789abcdef1";

/// A service for Gateway Load Balancer endpoints with one attachment, and more lines.
fn world(more: &str) -> String {
    format!(
        "now: 2026-11-20T12:00:00Z
services:
  - {{service_id: {SERVICE}, gateway_load_balancer: true}}
attachments:
  - {{attachment_id: {ONE}, service_id: {SERVICE}, owner: \"444455556666\"}}
{more}"
    )
}

/// The state of each attachment at the end, in order.
fn states(run: &Run) -> Vec<Value> {
    let lines = run.connections().into_iter();
    lines
        .filter(|line| line["attachment_id"].is_string())
        .map(|line| line["ec2"].clone())
        .collect()
}

#[test]
fn attachments_wait_until_people_decide() {
    let run = Replay::of(&world("")).json().ok();
    let line = json!({
        "attachment_id": ONE,
        "service_id": SERVICE,
        "account_id": "444455556666",
        "ec2": "pendingAcceptance",
    });
    assert_eq!(run.connections(), [line]);
    assert_eq!(run.accepts_and_rejects(), 0);
    let text = Replay::of(&world("")).text().ok().stdout;
    let said = format!("attached  {ONE} of account 444455556666: EC2 shows pendingAcceptance.");
    assert!(text.contains(&said), "{text}");
}

#[test]
fn people_accept_reject_and_delete_attachments_later() {
    let steps = format!(
        "then:
  - after: 1h
    attachments: [{{attachment_id: {TWO}, service_id: {SERVICE}, owner: \"444455556666\"}}]
    accept: [{ONE}]
  - after: 1h
    reject: [{ONE}]
    delete: [{TWO}]"
    );
    let (first, _) = steps.split_at(steps.rfind("  - after").unwrap());
    let run = Replay::of(&world(first)).json().ok();
    assert_eq!(states(&run), ["available", "pendingAcceptance"]);
    let run = Replay::of(&world(&steps)).json().ok();
    assert_eq!(states(&run), ["rejected", "deleting"]);
    let text = Replay::of(&world(&steps)).text().ok().stdout;
    assert!(
        text.contains(&format!(
            "step 1: {TWO} created; {ONE} accepted on the console"
        )),
        "{text}"
    );
}

#[test]
fn an_invalid_attachment_is_named_with_its_line() {
    let attachment = |id: &str, service: &str, more: &str| {
        format!("  - {{attachment_id: {id}, service_id: {service}, owner: \"444455556666\"{more}}}")
    };
    let twice = "endpoint_ids: [vpce-0000000000000000a, vpce-0000000000000000a]";
    for (line, problem) in [
        (
            attachment(ONE, SERVICE, ""),
            format!("the attachment {ONE} stands here twice"),
        ),
        (
            attachment("tgw-attach-1", SERVICE, ""),
            "the attachment tgw-attach-1: attachment_id is \"tgw-attach-1\"; write a transit gateway attachment id".to_owned(),
        ),
        (
            attachment("tgw-attach-0a1b2c3d4", SERVICE, ""),
            "8 or 17 lower-case hex digits".to_owned(),
        ),
        (
            attachment(TWO, "vpce-svc-0000000000000000a", ""),
            "which is not among the services".to_owned(),
        ),
        (
            attachment(TWO, SERVICE, ", state: asleep"),
            "state is \"asleep\"; write a state that EC2 has: ".to_owned(),
        ),
        (
            attachment(TWO, SERVICE, &format!(", {twice}")),
            "vpce-0000000000000000a stands here twice".to_owned(),
        ),
        (
            attachment(TWO, SERVICE, ", region: eu-west-1"),
            "region is not a key of an attachment; take it out, or write one of ".to_owned(),
        ),
    ] {
        let run = Replay::of(&world(&line)).json();
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{line}");
        assert!(
            run.stderr.starts_with("error: world.yaml:6: ") && run.stderr.contains(&problem),
            "{}",
            run.stderr
        );
    }
    let interface = world("").replace(", gateway_load_balancer: true", "");
    Replay::of(&interface).json().unusable(&format!(
        "world.yaml:5: the attachment {ONE} is to the service {SERVICE}, which takes none"
    ));
    let unknown = world(&format!("then:\n  - {{after: 1h, accept: [{TWO}]}}"));
    Replay::of(&unknown).json().unusable(&format!(
        "world.yaml:7: the attachment {TWO} cannot be accepted: there is no such connection by then"
    ));
}
