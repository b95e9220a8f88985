//! The later steps of a world file: time passes, the allowlist is edited, people click.

use serde_json::Value;

use crate::run::{Connection, Replay, Run, SERVICE, world};

const A: &str = "vpce-0000000000000000a";
const B: &str = "vpce-0000000000000000b";
const C: &str = "vpce-0000000000000000c";
const D: &str = "vpce-0000000000000000d";

/// Three consumers, 111…, 222… and 333…, of one service.
fn later(policy: &str, steps: &str) -> String {
    let three = [
        Connection(A, SERVICE, "111111111111", ""),
        Connection(B, SERVICE, "222222222222", ""),
        Connection(C, SERVICE, "333333333333", ""),
    ];
    world(&[SERVICE], &three, policy) + "then:\n" + steps
}

/// Allows the three, with more conditions of the first, under settings of `*`.
fn allowed(conditions: &str, settings: &str) -> String {
    format!(
        "entries:
  - {{service_id: \"*\", principal: \"111111111111\", effect: allow{conditions}}}
  - {{service_id: \"*\", principal: \"222222222222\", effect: allow}}
  - {{service_id: \"*\", principal: \"333333333333\", effect: allow}}
settings: [{{service_id: \"*\", {settings}}}]"
    )
}

const REMOVE_A: &str = "remove: [{service_id: \"*\", principal: \"111111111111\", effect: allow}]";
const ALLOW_A: &str = "entries: [{service_id: \"*\", principal: \"111111111111\", effect: allow}]";

/// The new rows of a step, in few words, oldest first: the time, the last digit of the endpoint
/// (`-` for the service), and `from>to cause` or the announcement.
fn story(run: &Run, step: u64) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    run.steps()
        .iter()
        .filter(|line| line["step"] == step)
        .map(|line| {
            let at = text(&line["at"]);
            let keys = line.as_object().unwrap().len();
            assert_eq!(keys, 3, "step, at, and what: {line}");
            let (of, what) = match (&line["transition"], &line["announcement"]) {
                (done, Value::Null) => (
                    text(&done["endpoint_id"]),
                    format!(
                        "{}>{} {}",
                        text(&done["from"]),
                        text(&done["to"]),
                        text(&done["cause"])
                    ),
                ),
                (Value::Null, announced) if announced["finding"].is_string() => (
                    "-".to_owned(),
                    format!(
                        "{} {}",
                        text(&announced["kind"]),
                        text(&announced["finding"])
                    ),
                ),
                (Value::Null, announced) => {
                    (text(&announced["endpoint_id"]), text(&announced["kind"]))
                }
                _ => panic!("both: {line}"),
            };
            format!("{} {} {what}", &at[8..16], &of[of.len() - 1..])
        })
        .collect()
}

fn stories(run: &Run) -> Vec<Vec<String>> {
    let last = run
        .steps()
        .last()
        .map_or(0, |line| line["step"].as_u64().unwrap());
    (1..=last).map(|step| story(run, step)).collect()
}

#[test]
fn a_revocation_is_reported_begun_and_carried_out_at_its_time() {
    let text = later(
        &allowed("", "revoke: report"),
        &format!(
            "  - {{after: 1h, {REMOVE_A}}}
  - {{after: 1h, settings: [{{service_id: \"*\", revoke: enforce}}]}}
  - {{after: PT23H, every: 30m, reconciles: 4}}
"
        ),
    );
    let run = Replay::of(&text).json().ok();
    let expected: [&[&str]; 3] = [
        &["20T13:00 a would_revoke"],
        &[
            "20T14:00 a accepted>revoking revoked",
            "20T14:00 a revocation_started",
        ],
        // Of the runs at 13:00, 13:30, 14:00 and 14:30 the third is the first that may.
        &[
            "21T14:00 a revoking>rejected enforced",
            "21T14:00 a revoked",
        ],
    ];
    assert_eq!(stories(&run), expected);
    assert_eq!(run.outcome(A), "review rejected rejected");
    assert_eq!(run.outcome(B), "accept accepted available");
    assert_eq!(
        run.count("/notifications"),
        6,
        "three accepted, three announced"
    );
    assert_eq!(run.count("/ec2_calls/RejectVpcEndpointConnections"), 1);
    // The calls for edits and for looking are not counted; those for what reconcile remembers of
    // the allowlist's keys are: of the service, of `*`, and of what belongs to none.
    assert_eq!(run.count("/dynamodb_calls/PutItem"), 12);
    assert_eq!(run.count("/dynamodb_calls/DeleteItem"), 0);
}

#[test]
fn printing_costs_no_call_that_is_counted() {
    let policy = allowed("", "revoke: enforce");
    let without = world(
        &[SERVICE],
        &[Connection(A, SERVICE, "111111111111", "")],
        &policy,
    );
    // This edit changes nothing for anybody; otherwise the function that follows edits would act on
    // it.
    let again = "entries: [{service_id: \"*\", principal: \"111111111111\", effect: allow}]";
    let with = format!("{without}then: [{{after: 1h, reconciles: 0, {again}}}]\n");
    let (without, with) = (
        Replay::of(&without).json().ok(),
        Replay::of(&with).json().ok(),
    );
    assert_eq!(with.summary(), without.summary());
    assert_eq!(with.connections(), without.connections());
}

#[test]
fn lines_of_a_step_have_the_documented_fields() {
    let text = later(
        &allowed("", "revoke: enforce"),
        &format!("  - {{after: 1h, {REMOVE_A}}}\n  - {{after: 24h}}\n"),
    );
    let run = Replay::of(&text).json().ok();
    let steps = run.steps();
    assert_eq!(
        steps[0]["transition"],
        serde_json::json!({
            "endpoint_id": A,
            "service_id": SERVICE,
            "account_id": "111111111111",
            "from": "accepted",
            "to": "revoking",
            "cause": "revoked",
            "actor": {"kind": "policy", "name": null},
            "reason": format!("No allowlist entry allows account 111111111111 on {SERVICE} any more. \
                               It will be revoked at 2026-11-21 13:00 UTC unless it is allowed by then."),
            "ec2": null,
        })
    );
    assert_eq!(steps[0]["at"], "2026-11-20T13:00:00Z");
    let announced = &steps[1]["announcement"];
    assert_eq!(announced["schema"], "privatelink-gatekeeper/announcement/1");
    assert_eq!(announced["due"], "2026-11-21T13:00:00Z");
    assert_eq!(steps[2]["transition"]["ec2"]["code"], "ok");
    // Steps come before what has always been printed.
    let first = run
        .stdout
        .lines()
        .position(|line| line.starts_with("{\"endpoint_id\""));
    assert_eq!(first, Some(4), "{}", run.stdout);
}

#[test]
fn people_read_what_was_done_when_and_its_result() {
    let text = later(
        &allowed("", "revoke: enforce, revoke_at_most: 1"),
        &format!(
            "  - {{after: 1h, {REMOVE_A}}}
  - {{after: 2h, reconciles: 2}}
  - after: 30m
    {ALLOW_A}
    remove:
      - {{service_id: \"*\", principal: \"222222222222\", effect: allow}}
      - {{service_id: \"*\", principal: \"333333333333\", effect: allow}}
    delete: [{A}]
    reconciles: 0
  - {{after: 0s}}
"
        ),
    );
    let run = Replay::of(&text).text().ok();
    let (steps, rest) = run.stdout.split_once("\n\n").unwrap();
    let any_more =
        format!("on {SERVICE} any more. It will be revoked at 2026-11-21 13:00 UTC unless");
    let expected = format!(
        "2026-11-20T13:00:00Z step 1: \"allow 111111111111 on *\" removed
  2026-11-20T13:00:00Z {A} accepted → revoking (revoked): No allowlist entry allows account 111111111111 {any_more} it is allowed by then.
  2026-11-20T13:00:00Z {A} announced: revocation_started, revoked at 2026-11-21T13:00:00Z
2026-11-20T15:00:00Z step 2: time passes; reconcile 2 times, every 5m
  nothing changes
2026-11-20T15:35:00Z step 3: \"allow 222222222222 on *\", \"allow 333333333333 on *\" removed; \"allow 111111111111 on *\" put; {A} deleted; no reconcile
  2026-11-20T15:35:00Z {A} revoking → gone (ended): EC2 shows the connection as deleting.
  2026-11-20T15:35:00Z {A} announced: gone
2026-11-20T15:35:00Z step 4: time passes
  2026-11-20T15:35:00Z {SERVICE} announced: alarm_started too_many_revocations. "
    );
    assert!(
        steps.starts_with(&expected),
        "{steps}\n\nis not\n\n{expected}"
    );
    assert_eq!(steps.lines().count(), expected.lines().count());
    assert!(
        rest.starts_with(&format!("gone      {A} in us-east-1: ")),
        "{rest}"
    );
    assert!(rest.contains("\n0 records, 0 given up; 2 accepted, 0 rejected, 0 in review; "));
}

#[test]
fn a_policy_that_comes_back_in_time_undoes_the_revocation() {
    let text = later(
        &allowed("", "revoke: enforce, revoke_grace_hours: 2"),
        &format!(
            "  - {{after: 1h, {REMOVE_A}}}
  - {{after: 90m, {ALLOW_A}}}
  - {{after: P1DT2H}}
"
        ),
    );
    let run = Replay::of(&text).json().ok();
    assert_eq!(
        story(&run, 2),
        [
            "20T14:30 a revoking>accepted restored",
            "20T14:30 a revocation_undone"
        ]
    );
    assert_eq!(run.steps().last().unwrap()["step"], 2, "and that is all");
    assert_eq!(run.outcome(A), "accept accepted available");
}

#[test]
fn an_entry_expires_without_an_edit_and_its_connection_is_revoked_by_the_second_run_that_sees_it() {
    let text = later(
        &allowed(
            ", expires_at: 2026-11-20T13:00:00Z",
            "revoke: enforce, revoke_grace_hours: 0",
        ),
        "  - {after: 59m 59s}\n  - {after: 1s, reconciles: 2}\n",
    );
    let run = Replay::of(&text).json().ok();
    assert!(story(&run, 1).is_empty(), "a second too early");
    assert_eq!(
        story(&run, 2),
        [
            "20T13:00 a accepted>revoking revoked",
            "20T13:00 a revocation_started",
            "20T13:05 a revoking>rejected enforced",
            "20T13:05 a revoked",
        ]
    );
}

#[test]
fn if_more_than_one_run_may_revoke_none_is_revoked_and_alarms_begin_and_end() {
    let text = later(
        &allowed("", "revoke: enforce, revoke_at_most: 1"),
        &format!(
            "  - after: 1h
    remove:
      - {{service_id: \"*\", principal: \"111111111111\", effect: allow}}
      - {{service_id: \"*\", principal: \"222222222222\", effect: allow}}
    reconciles: 3
  - {{after: 1h, {ALLOW_A}}}
"
        ),
    );
    let run = Replay::of(&text).json().ok();
    assert_eq!(
        story(&run, 1),
        ["20T13:00 - alarm_started too_many_revocations"]
    );
    assert_eq!(
        story(&run, 2),
        [
            "20T14:10 b accepted>revoking revoked",
            "20T14:10 b revocation_started",
            "20T14:10 - alarm_ended too_many_revocations",
        ]
    );
}

#[test]
fn a_place_under_a_limit_is_freed_by_a_delete_or_made_by_a_raise() {
    let of_one = |max: u32| {
        format!(
            "{{service_id: \"*\", principal: \"111111111111\", effect: allow, max_connections: {max}}}"
        )
    };
    let text = world(
        &[SERVICE],
        &[
            Connection(A, SERVICE, "111111111111", ", state: available"),
            Connection(B, SERVICE, "111111111111", ""),
        ],
        &format!("entries: [{}]", of_one(1)),
    );
    let text = format!(
        "{text}then:
  - {{after: 1h, delete: [{A}]}}
  - {{after: 1h, connections: [{{endpoint_id: {C}, service_id: {SERVICE}, owner: 111111111111}}]}}
  - {{after: 1h, entries: [{}]}}
",
        of_one(2)
    );
    let run = Replay::of(&text).json().ok();
    // The place is free after the run that saw the endpoint go.
    let freed: Vec<String> = stories(&run)
        .concat()
        .iter()
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect();
    for expected in [
        "a accepted>gone ended",
        "b in_review>accepting judged",
        "b accepted",
    ] {
        assert!(
            freed.contains(&expected.to_owned()),
            "{expected}: {freed:?}"
        );
    }
    assert_eq!(
        story(&run, 2),
        [
            "20T14:00 c ->in_review judged",
            "20T14:00 c nobody_may_decide"
        ]
    );
    assert_eq!(
        story(&run, 3),
        [
            "20T15:00 c in_review>accepting judged",
            "20T15:00 c accepting>accepted enforced",
            "20T15:00 c accepted",
        ]
    );
    assert_eq!(run.outcome(A), "accept gone deleted");
    assert_eq!(run.outcome(C), "accept accepted available");
    let order: Vec<Value> = run
        .connections()
        .iter()
        .map(|line| line["endpoint_id"].clone())
        .collect();
    assert_eq!(order, [A, B, C], "in the order of the file");
}

#[test]
fn a_rejected_connection_that_is_allowed_now_is_tried_and_announced_once() {
    let text = later(
        "entries: [{service_id: \"*\", principal: \"111111111111\", effect: deny}]",
        &format!(
            "  - after: 1h
    remove: [{{service_id: \"*\", principal: \"111111111111\", effect: deny}}]
    {ALLOW_A}
    reconciles: 3
  - {{after: 24h, reconciles: 2}}
"
        ),
    );
    let run = Replay::of(&text).json().ok();
    assert_eq!(
        stories(&run),
        [[
            "20T13:00 a rejected>accepting judged",
            "20T13:00 a accepting>rejected refused",
            "20T13:00 a accept_refused",
        ]]
    );
    assert_eq!(run.count("/ec2_calls/AcceptVpcEndpointConnections"), 1);
}

#[test]
fn clicks_on_the_console_are_announced_recorded_or_undone_as_the_service_says() {
    let with = |setting: &str| {
        let text = later(
            &format!(
                "settings: [{{service_id: \"*\", out_of_band: {setting}}}]
entries: [{{service_id: \"*\", principal: \"999999999999\", effect: allow}}]"
            ),
            &format!("  - {{after: 1h, accept: [{A}], reject: [{B}], reconciles: 3}}\n"),
        );
        Replay::of(&text).json().ok()
    };
    let quiet = with("record");
    assert_eq!(
        story(&quiet, 1),
        [
            "20T13:00 a in_review>accepted out_of_band",
            "20T13:00 b in_review>rejected out_of_band",
        ]
    );
    let alert = with("alert");
    assert_eq!(
        story(&alert, 1),
        [
            "20T13:00 a in_review>accepted out_of_band",
            "20T13:00 a accepted_out_of_band",
            "20T13:00 b in_review>rejected out_of_band",
            "20T13:00 b rejected_out_of_band",
        ]
    );
    assert_eq!(alert.outcome(A), "review accepted available");
    let revert = with("revert");
    let of_a: Vec<String> = story(&revert, 1)
        .into_iter()
        .filter(|line| line.contains(" a "))
        .collect();
    assert_eq!(
        of_a,
        [
            "20T13:00 a in_review>accepted out_of_band",
            "20T13:00 a accepted_out_of_band",
            "20T13:05 a accepted>revoking revoked",
            "20T13:05 a revocation_started",
            "20T13:10 a revoking>rejected enforced",
            "20T13:10 a revoked",
        ]
    );
    assert_eq!(revert.outcome(A), "review rejected rejected");
}

#[test]
fn reviews_are_reminded_of_at_growing_pauses_and_rejected_at_their_deadline() {
    let text = later(
        "settings: [{service_id: \"*\", remind_hours: 4, review_hours: 24, on_deadline: reject}]",
        "  - {after: 1h, reconciles: 24, every: 1h}\n",
    );
    let run = Replay::of(&text).json().ok();
    let of_a: Vec<String> = story(&run, 1)
        .into_iter()
        .filter(|line| line.contains(" a "))
        .collect();
    assert_eq!(
        of_a,
        [
            "20T16:00 a review_reminder",
            "21T00:00 a review_reminder",
            "21T12:00 a in_review>rejecting deadline",
            "21T12:00 a rejecting>rejected enforced",
            "21T12:00 a rejected",
        ]
    );
    let reminder = &run.steps()[0]["announcement"];
    assert_eq!(reminder["due"], "2026-11-21T12:00:00Z");
}

#[test]
fn steps_run_reconcile_as_often_as_they_say_whatever_happens_to_the_events() {
    let steps = "  - {after: 1h, reconciles: 0}\n  - {after: 1h}\n";
    let text = later(&allowed("", "revoke: off"), steps);
    let run = Replay::of(&text).with(&["--no-reconcile"]).json().ok();
    assert!(story(&run, 1).is_empty());
    let expected = "20T14:00 a ->accepting judged";
    assert_eq!(story(&run, 2)[0], expected);
    assert_eq!(
        run.count("/ec2_calls/DescribeVpcEndpointServiceConfigurations"),
        1
    );
    assert_eq!(run.count("/accepted"), 3);
}

#[test]
fn a_refusal_of_ec2_is_named_with_its_line_and_everything_else_is_done() {
    let text = later(
        &allowed("", "revoke: off"),
        &format!("  - after: 1h\n    accept:\n      - {A}\n    reject: [{B}]\n"),
    );
    let run = Replay::of(&text).json();
    let line = 1 + text
        .lines()
        .position(|line| line.ends_with(&format!("- {A}")))
        .unwrap();
    assert_eq!(run.status, 1);
    assert!(
        run.stderr.starts_with(&format!(
            "world.yaml:{line}: the endpoint {A} could not be accepted: InvalidState: "
        )),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1);
    assert_eq!(run.outcome(A), "accept accepted available");
    assert_eq!(run.outcome(B), "accept rejected rejected");
}

#[test]
fn a_consumer_may_delete_an_endpoint_that_is_already_ending() {
    let text = world(
        &[SERVICE],
        &[Connection(A, SERVICE, "111111111111", "")],
        "entries: []",
    );
    let text = format!(
        "{text}then:\n  - {{after: 1h, delete: [{A}], reconciles: 0}}\n  - {{after: 2 days}}\n"
    );
    let run = Replay::of(&text).json().ok();
    assert_eq!(
        story(&run, 2),
        ["22T13:00 a in_review>gone ended", "22T13:00 a gone"]
    );
    assert_eq!(run.outcome(A), "review gone deleted");
}

#[test]
fn invalid_steps_are_refused_with_their_line() {
    let first = format!("  - {{after: 1h, {REMOVE_A}}}\n");
    let new = |id: &str, service: &str, more: &str| {
        format!(
            "connections: [{{endpoint_id: {id}, service_id: {service}, owner: \"444444444444\"{more}}}]"
        )
    };
    let created = new(D, SERVICE, "");
    let cases = [
        ("{remove: []}".to_owned(), "the step: after is missing; write a duration such as 90m, 24h or P1DT2H"),
        ("{after: 1h, then: []}".to_owned(), "the step: then is not a key of a step; take it out, or write one of remove, "),
        ("{after: soon}".to_owned(), "the step: after is \"soon\"; write a duration such as 90m, 24h or P1DT2H"),
        ("{after: 90}".to_owned(), "the step: after is \"90\"; write a duration"),
        ("{after: -5m}".to_owned(), "the step: after is \"-5m\"; write one that is not negative, since time only moves on"),
        ("{after: 1 month}".to_owned(), "the step: after is \"1 month\"; write days, since months and years differ in length"),
        ("{after: 101 years}".to_owned(), "the step: after is \"101 years\"; write days"),
        ("{after: 5300 weeks}".to_owned(), "with this step it all takes more than a hundred years"),
        (
            "{after: 1h, reconciles: 4294967295}".to_owned(),
            "with this step it all takes more than a hundred years",
        ),
        ("{after: 1h, every: 0s}".to_owned(), "the step: every is \"0s\"; write more, since two runs at the same moment are no schedule"),
        ("{after: 1h, every: -1m}".to_owned(), "the step: every is \"-1m\"; write one that is not negative"),
        ("{after: 1h, reconciles: -1}".to_owned(), "the step: reconciles is -1; write a whole number from 0 to "),
        ("{after: 1h, reconciles: often}".to_owned(), "the step: reconciles is the text \"often\"; write a whole number"),
        // The step before removed it.
        (
            format!("{{after: 1h, {REMOVE_A}}}"),
            "the entry \"allow 111111111111 on *\" cannot be removed: it is not there by then",
        ),
        (
            "{after: 1h, remove: [{service_id: \"*\", principal: \"222222222222\", effect: deny}]}".to_owned(),
            "the entry \"deny 222222222222 on *\" cannot be removed: it is not there by then",
        ),
        (
            "{after: 1h, remove: [{service_id: \"*\", principal: \"222222222222\", effect: allow, reason: x}]}".to_owned(),
            "an entry to remove: reason is not a part of an entry's name; take it out, or write one of service_id, principal, effect",
        ),
        (
            "{after: 1h, remove: [{service_id: \"*\", principal: \"222222222222\", effect: allow}], \
             entries: [{service_id: \"*\", principal: \"222222222222\", effect: allow}]}".to_owned(),
            "the entry \"allow 222222222222 on *\" is removed and put in the same step",
        ),
        (
            "{after: 1h, entries: [{service_id: \"*\", principal: \"1\", effect: allow}]}".to_owned(),
            "the entry: principal is \"1\"; write an AWS account id",
        ),
        (
            "{after: 1h, entries: [{service_id: \"*\", principal: \"*\", effect: deny, max_connections: 1}]}".to_owned(),
            "the entry \"deny * on *\": max_connections is for allow entries only",
        ),
        (
            "{after: 1h, settings: [{service_id: \"*\", revoke: of}]}".to_owned(),
            "the settings of *: revoke is \"of\"; did you mean off? It can be off, report or enforce",
        ),
        (
            "{after: 1h, settings: [{service_id: \"*\"}, {service_id: \"*\"}]}".to_owned(),
            "the settings of * stand here twice",
        ),
        (
            format!("{{after: 1h, accept: [{D}]}}"),
            "the endpoint vpce-0000000000000000d cannot be accepted: there is no such connection by then",
        ),
        (
            format!("{{after: 1h, accept: [{A}], reject: [{A}]}}"),
            "the endpoint vpce-0000000000000000a cannot be rejected: the step does something with it already",
        ),
        (
            format!("{{after: 1h, delete: [{A}, {A}]}}"),
            "the endpoint vpce-0000000000000000a cannot be deleted: the step does something with it already",
        ),
        ("{after: 1h, delete: [vpce-1]}".to_owned(), "the step: delete has \"vpce-1\"; write a VPC endpoint id"),
        (
            format!("{{after: 1h, {}}}", new(A, SERVICE, "")),
            "the endpoint vpce-0000000000000000a stands here twice",
        ),
        (
            format!("{{after: 1h, {}}}", new(D, "vpce-svc-00000000", "")),
            "the connection vpce-0000000000000000d is to the service vpce-svc-00000000, which is not among",
        ),
        (
            format!("{{after: 1h, {}}}", new(D, SERVICE, ", state: asleep")),
            "the connection vpce-0000000000000000d: state is \"asleep\"; write a state that EC2 has: ",
        ),
        // Only later steps may touch what a step deletes; what a step creates, it may touch itself.
        (
            format!("{{after: 1h, delete: [{A}]}}\n  - {{after: 1h, accept: [{A}]}}"),
            "the endpoint vpce-0000000000000000a cannot be accepted: it is deleted by then",
        ),
        (
            format!("{{after: 1h, {created}, accept: [{D}]}}\n  - {{after: 1h, {created}}}"),
            "the endpoint vpce-0000000000000000d stands here twice",
        ),
    ];
    for (step, complaint) in cases {
        let text = later(&allowed("", "revoke: off"), &format!("{first}  - {step}\n"));
        let line = text.lines().count();
        Replay::of(&text)
            .json()
            .unusable(&format!("world.yaml:{line}: {complaint}"));
    }
    let late = later("entries: []", "  - {after: 1h}\n").replacen("now: 2026", "now: 9999", 1);
    Replay::of(&late.replacen("{after: 1h}", "{after: 1000h}", 1))
        .json()
        .unusable("world.yaml:11: this step is after the year 9999");
    Replay::of(&late).json().ok();
}
