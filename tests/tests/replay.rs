//! `gatekeeper replay`, the real binary, as docs/replay.md describes it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "all of this crate is tests; a panic with its place is the answer wanted"
)]

#[path = "replay/attachments.rs"]
mod attachments;
#[path = "replay/first_hour.rs"]
mod first_hour;
#[path = "replay/kept.rs"]
mod kept;
#[path = "replay/later.rs"]
mod later;
#[path = "replay/mixed.rs"]
mod mixed;
#[path = "replay/run.rs"]
mod run;

use std::path::Path;

use run::{
    ALLOWED, Connection, DENIED, OTHER_SERVICE, Replay, SERVICE, UNKNOWN, assert_three_decided,
    cloudtrail, notification, queued, requested, three, world,
};
use serde_json::{Value, json};

const ALICE: &str = "arn:aws:sts::111122223333:assumed-role/NetworkAdmin/alice@example.com";

// Decisions and their output.

#[test]
fn reconcile_alone_decides_everything_and_without_it_nothing_is_done() {
    assert_three_decided(&Replay::of(&three()).json().ok());

    let idle = Replay::of(&three()).with(&["--no-reconcile"]).json().ok();
    assert!(idle.connections().is_empty());
    let expected = json!({
        "records": 0, "given_up": 0, "accepted": 0, "rejected": 0, "in_review": 0,
        "ec2_calls": {}, "dynamodb_calls": {}, "notifications": 0,
    });
    assert_eq!(idle.summary(), expected);
}

#[test]
fn a_line_has_the_documented_fields_and_no_others() {
    let run = Replay::of(&three()).json().ok();
    assert_eq!(
        run.connection(DENIED),
        json!({
            "endpoint_id": DENIED,
            "service_id": SERVICE,
            "account_id": "666666666666",
            "verdict": "reject",
            "rule": { "service_id": "*", "principal": "666666666666", "effect": "deny" },
            "reason": "Account 666666666666 is denied on every service.",
            "status": "rejected",
            "ec2": "rejected",
        })
    );
    assert_eq!(run.connection(UNKNOWN)["rule"], Value::Null);
    let summary = run.summary();
    let mut fields: Vec<&str> = summary
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    let expected = [
        "accepted",
        "dynamodb_calls",
        "ec2_calls",
        "given_up",
        "in_review",
        "notifications",
        "records",
        "rejected",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn people_get_a_sentence_for_each_connection_and_a_summary() {
    let run = Replay::of(&three()).text().ok();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines[0],
        "accepted  vpce-0123456789abcdef0 in us-east-1: policy says accept; EC2 shows available. \
         Account 012345678901 is allowed on every service."
    );
    assert!(
        lines[1].starts_with("rejected  vpce-0123456789abcdef1 "),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with("in_review vpce-0123456789abcdef2 "),
        "{}",
        lines[2]
    );
    assert_eq!(
        lines[4],
        "0 records, 0 given up; 1 accepted, 1 rejected, 1 in review; 3 announced"
    );
    assert!(lines[5].starts_with("EC2 calls: AcceptVpcEndpointConnections 1, "));
    assert!(
        lines[6].starts_with("DynamoDB calls: BatchGetItem 6, "),
        "{}",
        lines[6]
    );
}

#[test]
fn an_event_decides_its_own_connection_and_no_other() {
    let run = Replay::of(&three())
        .with(&["--no-reconcile"])
        .event(&requested(ALLOWED))
        .json()
        .ok();
    assert_eq!(run.connections().len(), 1);
    assert_eq!(run.outcome(ALLOWED), "accept accepted available");
    // Judged and recorded, enforced and recorded: two transactions, one call, one message.
    assert_eq!(run.count("/dynamodb_calls/TransactWriteItems"), 2);
    assert_eq!(run.count("/ec2_calls/AcceptVpcEndpointConnections"), 1);
    assert_eq!(run.count("/ec2_calls/DescribeVpcEndpointConnections"), 1);
    assert_eq!(run.count("/notifications"), 1);
}

#[test]
fn the_owner_is_who_ec2_says_and_not_who_the_event_says() {
    let pretended = cloudtrail(
        "CreateVpcEndpoint",
        "arn:aws:iam::012345678901:user/mallory",
        json!({ "serviceName": format!("com.amazonaws.vpce.us-east-1.{SERVICE}") }),
        json!({ "vpcEndpoint": { "vpcEndpointId": DENIED, "ownerId": "012345678901" } }),
    );
    let run = Replay::of(&three())
        .with(&["--no-reconcile"])
        .event(&pretended)
        .json()
        .ok();
    assert_eq!(run.outcome(DENIED), "reject rejected rejected");
    assert_eq!(run.connection(DENIED)["account_id"], "666666666666");
}

#[test]
fn unknown_endpoints_change_nothing() {
    let run = Replay::of(&three())
        .with(&["--no-reconcile"])
        .event(&requested("vpce-0fffffffffffffff0"))
        .json()
        .ok();
    assert!(run.connections().is_empty());
    assert_eq!(run.accepts_and_rejects(), 0);
}

// The shapes of events.

#[test]
fn every_fixture_goes_through_alone_and_wrapped_in_sqs() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events");
    let mut fixtures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    fixtures.sort();
    assert!(fixtures.len() >= 20, "{fixtures:?}");
    for path in fixtures {
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        // A payload from a queue is not put into a queue again.
        let wrapped = event
            .get("Records")
            .is_none()
            .then(|| queued(std::slice::from_ref(&event)));
        for event in [Some(event), wrapped].into_iter().flatten() {
            let run = Replay::of(&three()).event(&event).json();
            assert_eq!(
                (run.status, run.stderr.as_str()),
                (0, ""),
                "{}",
                path.display()
            );
            assert_three_decided(&run);
        }
    }
}

/// Which fixtures lead to the allowed endpoint, and which are ignored.
#[test]
fn fixtures_lead_where_they_say() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events"));
    let own_role = "arn:aws:iam::111122223333:role/gatekeeper/connections";
    for (name, decides) in [
        ("cloudtrail-accept", true),
        ("cloudtrail-accept-items", true),
        ("cloudtrail-create-forwarded", true),
        ("cloudtrail-delete-forwarded", true),
        ("cloudtrail-record", true),
        ("connection-requested", true),
        ("sns-eventbridge", true),
        ("sns-lambda-event", true),
        ("sns-lambda-record", true),
        ("sns-notification-empty", true),
        ("sns-notification-json", true),
        ("sns-notification-text", true),
        ("sqs-cloudtrail-accept", true),
        ("sqs-connection-requested", true),
        ("sqs-sns-eventbridge", true),
        ("sqs-sns-notification", true),
        ("cloudtrail-accept-denied", false),
        ("cloudtrail-accept-own", false),
        ("cloudtrail-create-aws-service", false),
        ("other-event", false),
        ("sns-subscription-confirmation", false),
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let run = Replay::of(&three())
            .with(&["--no-reconcile", "--own-role", own_role])
            .file("event.json", text)
            .json()
            .ok();
        let decided = run
            .connections()
            .iter()
            .any(|line| line["endpoint_id"] == ALLOWED);
        assert_eq!(decided, decides, "{name}");
    }
}

#[test]
fn without_own_role_an_own_call_is_somebody_elses() {
    let own = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/events/cloudtrail-accept-own.json"
    ));
    let run = Replay::of(&three())
        .with(&["--no-reconcile"])
        .file("event.json", std::fs::read(own).unwrap())
        .json()
        .ok();
    // Somebody else's call makes us look, and the connection is still pending at EC2.
    assert_eq!(run.outcome(ALLOWED), "accept accepted available");
    Replay::of(&three())
        .with(&["--own-role", "nonsense"])
        .text()
        .unusable("\"nonsense\" is not the ARN of an IAM role");
}

/// AWS guarantees nothing about the text of a notification: for any text, the services that notify
/// the topic are looked through.
#[test]
fn a_meaningless_sns_message_makes_us_look_at_everything() {
    let long = "In brief: a consumer has asked for a connection. ".repeat(256 * 1024 / 49 + 1);
    let many_ids: String = (0..10_000)
        .map(|n| format!("vpce-{n:017x} asks. "))
        .collect();
    let brackets = "[".repeat(256 * 1024);
    let bodies = [
        "{}",
        "not json",
        "",
        "null",
        "17",
        "\"\"",
        "[]",
        "[{}]",
        "\u{0}\u{1b}[31m",
        &long[..256 * 1024],
        &many_ids[..256 * 1024],
        &brackets,
    ];
    std::thread::scope(|scope| {
        for body in bodies {
            scope.spawn(move || {
                let two = world(
                    &[SERVICE, OTHER_SERVICE],
                    &[
                        Connection(ALLOWED, SERVICE, "012345678901", ""),
                        Connection(DENIED, OTHER_SERVICE, "666666666666", ""),
                        Connection(UNKNOWN, OTHER_SERVICE, "222222222222", ""),
                    ],
                    "entries:
  - {service_id: \"*\", principal: \"012345678901\", effect: allow}
  - {service_id: \"*\", principal: \"666666666666\", effect: deny}",
                );
                let run = Replay::of(&two)
                    .with(&["--no-reconcile"])
                    .event(&queued(&[notification(body)]))
                    .json()
                    .ok();
                assert_three_decided(&run);
                assert_eq!(run.count("/records"), 1);
            });
        }
    });
}

// Sources of events.

#[test]
fn documents_lines_arrays_and_standard_input_are_all_read() {
    let events = [requested(ALLOWED), requested(DENIED), requested(UNKNOWN)];
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let array = serde_json::to_string_pretty(&events).unwrap();
    let pretty: String = events
        .iter()
        .map(|event| serde_json::to_string_pretty(event).unwrap() + "\n")
        .collect();
    let crlf = format!("\u{feff}{}", lines.replace('\n', "\r\n"));
    for text in [&lines, &array, &pretty, &crlf, &queued(&events).to_string()] {
        let from_file = Replay::of(&three())
            .with(&["--no-reconcile"])
            .file("e", text);
        let from_stdin = Replay::of(&three())
            .with(&["--no-reconcile", "-"])
            .stdin(text);
        for run in [from_file.json().ok(), from_stdin.json().ok()] {
            assert_three_decided(&run);
            assert_eq!(run.count("/records"), 3);
        }
    }
    let several = Replay::of(&three())
        .with(&["--no-reconcile"])
        .file("one.json", events[0].to_string())
        .file("empty.json", "\n")
        .with(&["-"])
        .stdin(events[1].to_string())
        .file("three.json", events[2].to_string())
        .json()
        .ok();
    assert_three_decided(&several);
    assert_eq!(several.count("/records"), 3);
}

// Status 1: a record had to be given up.

#[test]
fn malformed_records_are_named_and_hold_up_no_others() {
    let wrong_id = json!({
        "source": "privatelink.gatekeeper",
        "detail-type": "Connection Requested",
        "detail": { "endpoint_id": "vpce-1" },
    });
    let batch = queued(&[json!("not json"), requested(ALLOWED), json!("")]);
    let lines = format!("{}\n\n{wrong_id}\n{batch}\n17\n", requested(DENIED));
    let run = Replay::of(&three())
        .with(&["--no-reconcile"])
        .file("events.jsonl", lines)
        .file(
            "array.json",
            format!("[\n  {},\n  {{\"a\": 1}}\n]", requested(UNKNOWN)),
        )
        .json();
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert_three_decided(&run);
    assert_eq!((run.count("/records"), run.count("/given_up")), (8, 5));
    let complaints: Vec<&str> = run.stderr.lines().collect();
    let beginnings = [
        "events.jsonl:3: in the Connection Requested event, `detail.endpoint_id` is wrong: \"vpce-1\" ",
        "events.jsonl:4 (record 1): the body is not JSON and names neither an endpoint nor a service ",
        "events.jsonl:4 (record 3): the body is empty",
        "events.jsonl:5: the JSON is none of the events that are understood here: 17",
        "array.json:3: the JSON is none of the events that are understood here: {\"a\":1}",
    ];
    assert_eq!(complaints.len(), beginnings.len(), "{}", run.stderr);
    for (complaint, beginning) in complaints.iter().zip(beginnings) {
        assert!(complaint.starts_with(beginning), "{complaint}");
    }
}

#[test]
fn a_record_cannot_forge_a_line_of_the_output() {
    let run = Replay::of(&three())
        .event(&json!({ "a": "\r\n\u{1b}[2Kevents.json:1: all is well" }))
        .json();
    assert_eq!(run.status, 1);
    assert_eq!(run.stderr.lines().count(), 1, "{:?}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}'));
    assert_three_decided(&run);
}

// Status 2: unusable input, and nothing was done.

#[test]
fn an_invalid_world_is_refused_with_its_line() {
    let good = three();
    let cases = [
        (
            "services:",
            "servcies:",
            "world.yaml:2: the world: servcies is not a key of a world; did you mean services?",
        ),
        (
            "policy:",
            "polices:",
            "world.yaml:8: the world: polices is not a key of a world; did you mean policy?",
        ),
        (
            "entries:",
            "entires:",
            "world.yaml:9: the policy: entires is not a key of a policy; did you mean entries?",
        ),
        (
            "effect: allow",
            "effect: allow, max_conections: 1",
            "world.yaml:10: the entry \"allow 012345678901 on *\": max_conections is not an attribute of an entry; did you mean max_connections?",
        ),
        (
            "effect: allow",
            "effect: permit",
            "world.yaml:10: the entry: effect is \"permit\"; write allow or deny",
        ),
        (
            "effect: deny",
            "effect: deny, max_connections: 1",
            "world.yaml:11: the entry \"deny 666666666666 on *\": max_connections is for allow entries only",
        ),
        (
            "effect: allow",
            "effect: allow, regions: []",
            "world.yaml:10: the entry \"allow 012345678901 on *\": regions is empty",
        ),
        (
            "effect: allow",
            "effect: allow, regions: [frankfurt]",
            "world.yaml:10: the entry \"allow 012345678901 on *\": regions has \"frankfurt\"; write an AWS Region",
        ),
        (
            "effect: allow",
            "effect: allow, expires_at: soon",
            "world.yaml:10: ",
        ),
        (
            "principal: \"666666666666\", effect: deny",
            "principal: \"012345678901\", effect: allow",
            "world.yaml:11: the entry \"allow 012345678901 on *\" stands here twice",
        ),
        (
            "owner: \"012345678901\"",
            "owner: 12345678901",
            "world.yaml:5: the connection vpce-0123456789abcdef0: owner is \"12345678901\"; write an AWS account id: 12 digits",
        ),
        (
            "owner: \"222222222222\"",
            "owner: \"222222222222\", state: asleep",
            "world.yaml:7: the connection vpce-0123456789abcdef2: state is \"asleep\"; write a state that EC2 has",
        ),
        (
            UNKNOWN,
            ALLOWED,
            "world.yaml:7: the endpoint vpce-0123456789abcdef0 stands here twice",
        ),
        (
            UNKNOWN,
            "vpce-svc-0123456789abcdef2",
            "world.yaml:7: the connection vpce-svc-0123456789abcdef2: endpoint_id is \"vpce-svc-0123456789abcdef2\"; write a VPC endpoint id",
        ),
        (
            "  - service_id: vpce-svc-0a1b2c3d4e5f60718",
            "  - service_id: vpce-svc-0a1b2c3d4e5f60719",
            "world.yaml:5: the connection vpce-0123456789abcdef0 is to the service vpce-svc-0a1b2c3d4e5f60718, which is not among the services",
        ),
        (
            "now: 2026-11-20T12:00:00Z",
            "now: tomorrow",
            "world.yaml:1: ",
        ),
    ];
    for (from, to, complaint) in cases {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        Replay::of(&bad)
            .event(&requested(ALLOWED))
            .json()
            .unusable(complaint);
    }
    Replay::of("").text().unusable("world.yaml:");
    Replay::of("connections: []\n")
        .text()
        .unusable("world.yaml:1: the world: services is missing; write the list");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let no_world = Replay::of(&three()).without_world().text();
    no_world.unusable("world.yaml: it could not be read: ");
    let missing = Replay::of(&three()).with(&["no-such-file.json"]).text();
    missing.unusable("no-such-file.json: it could not be read: ");
    let bytes = Replay::of(&three())
        .file("latin-1.json", b"{\"a\":\"\xe9\"}")
        .text();
    bytes.unusable("latin-1.json: it could not be read: ");
}

#[test]
fn events_that_are_not_json_are_refused_before_anything_is_done() {
    for (text, complaint) in [
        ("not json", "events.json:1: this is not JSON: "),
        ("{\"a\":1}\n{\"b\":\n", "events.json:3: this is not JSON: "),
        (
            "{\"a\":1}\n\n{'b': 1}\n",
            "events.json:3: this is not JSON: ",
        ),
        ("[\n{},\n]", "events.json:3: this is not JSON: "),
    ] {
        Replay::of(&three())
            .event(&requested(ALLOWED))
            .file("events.json", text)
            .json()
            .unusable(complaint);
    }
}

#[test]
fn a_connection_that_only_the_second_look_finds_has_its_line_too() {
    for value in [
        "\"\\ud800\"",
        "1e999",
        &("[".repeat(200) + &"]".repeat(200)),
    ] {
        let text = format!("{}\n{{\"a\": {value}}}\n", requested(ALLOWED));
        Replay::of(&three())
            .file("events.json", text)
            .json()
            .unusable("events.json:2: this is not JSON: ");
    }
}

// Connections in other states, limits, time.

#[test]
fn a_connection_that_is_not_pending_is_recorded_and_left_alone() {
    let states = [
        ("pending", Some("accepted")),
        ("available", Some("accepted")),
        ("partial", Some("accepted")),
        ("rejected", Some("rejected")),
        // An endpoint that ended before anybody decided is not recorded.
        ("deleting", None),
        ("deleted", None),
        ("failed", None),
        ("expired", None),
    ];
    for effect in ["allow", "deny"] {
        let ids: Vec<String> = (0..states.len()).map(|n| format!("vpce-{n:08x}")).collect();
        let more: Vec<String> = states
            .iter()
            .map(|(state, _)| format!(", state: {state}"))
            .collect();
        let connections: Vec<_> = ids
            .iter()
            .zip(&more)
            .map(|(id, more)| Connection(id, SERVICE, "222222222222", more))
            .collect();
        let policy =
            format!("entries:\n  - {{service_id: \"*\", principal: \"*\", effect: {effect}}}");
        let mut replay = Replay::of(&world(&[SERVICE], &connections, &policy));
        for id in &ids {
            replay = replay.event(&requested(id));
        }
        let run = replay.json().ok();
        assert_eq!(run.accepts_and_rejects(), 0, "{effect}");
        assert_eq!(run.connections().len(), 4, "{}", run.stdout);
        for (id, (state, status)) in ids.iter().zip(states) {
            if let Some(status) = status {
                let line = run.connection(id);
                assert_eq!(
                    (&line["status"], &line["ec2"]),
                    (&json!(status), &json!(state))
                );
            }
        }
        assert_eq!((run.count("/accepted"), run.count("/rejected")), (3, 1));
        // A connection from before Gatekeeper is announced only if the policy denies it.
        let announced = if effect == "deny" { 3 } else { 0 };
        assert_eq!(run.count("/notifications"), announced, "{effect}");
        assert_eq!(run.count("/dynamodb_calls/TransactWriteItems"), 4);
    }
}

#[test]
fn somebody_elses_accept_is_recorded_not_repeated() {
    let accepted = cloudtrail(
        "AcceptVpcEndpointConnections",
        ALICE,
        json!({ "serviceId": SERVICE, "vpcEndpointId": UNKNOWN }),
        json!({ "unsuccessful": [] }),
    );
    let text = world(
        &[SERVICE],
        &[Connection(
            UNKNOWN,
            SERVICE,
            "222222222222",
            ", state: available",
        )],
        "entries: []",
    );
    let run = Replay::of(&text)
        .with(&["--no-reconcile"])
        .event(&accepted)
        .json()
        .ok();
    // The policy's verdict is recorded beside the fact.
    assert_eq!(run.outcome(UNKNOWN), "review accepted available");
    assert_eq!(run.accepts_and_rejects(), 0);
}

#[test]
fn connections_from_before_count_against_the_limit() {
    let policy = "entries:
  - {service_id: \"*\", principal: \"012345678901\", effect: allow, max_connections: 3}";
    let ids: Vec<String> = (0..6).map(|n| format!("vpce-{n:08x}")).collect();
    let more = [
        ", state: available",
        ", state: pending",
        ", state: rejected",
        "",
        "",
        "",
    ];
    let mut connections: Vec<_> = ids
        .iter()
        .zip(more)
        .map(|(id, more)| Connection(id, SERVICE, "012345678901", more))
        .collect();
    // Connections of another account or on another service do not count.
    connections.push(Connection(
        "vpce-000000aa",
        SERVICE,
        "333333333333",
        ", state: available",
    ));
    connections.push(Connection(
        "vpce-000000bb",
        OTHER_SERVICE,
        "012345678901",
        ", state: available",
    ));
    let text = world(&[SERVICE, OTHER_SERVICE], &connections, policy);

    // Two are connected already, so one more fits; reconcile has never run.
    let events: Vec<Value> = ids[3..].iter().map(|id| requested(id)).collect();
    let run = Replay::of(&text)
        .with(&["--no-reconcile"])
        .event(&json!(events))
        .json()
        .ok();
    assert_eq!(
        (run.count("/accepted"), run.count("/in_review")),
        (1, 2),
        "{}",
        run.stdout
    );
    let reviewed = run
        .connections()
        .into_iter()
        .find(|line| line["status"] == "in_review")
        .unwrap();
    assert_eq!(
        reviewed["reason"],
        "Account 012345678901 is allowed on every service for 3 connections at most, and account \
         012345678901 already has 3."
    );
    // With one: the same.
    let run = Replay::of(&text).event(&json!(events)).json().ok();
    let of_it = |status: &str| {
        let lines = run.connections();
        let of_it = lines
            .iter()
            .filter(|line| line["account_id"] == "012345678901");
        of_it
            .filter(|line| line["service_id"] == SERVICE && line["status"] == status)
            .count()
    };
    assert_eq!(
        (of_it("accepted"), of_it("in_review"), of_it("rejected")),
        (3, 2, 1)
    );
}

/// Two in one batch are judged by one reading of the usage: the second must not get the place that
/// the first has taken.
#[test]
fn the_last_place_goes_to_one_of_a_batch() {
    let ids = ["vpce-00000001", "vpce-00000002", "vpce-00000003"];
    let text = world(
        &[SERVICE],
        &ids.map(|id| Connection(id, SERVICE, "012345678901", "")),
        "entries: [{service_id: \"*\", principal: \"*\", effect: allow, max_connections: 2}]",
    );
    // A batch holds a hundred records: the second begins with the second endpoint.
    let mut events = vec![requested(ids[0])];
    let passed_over = json!({ "source": "aws.ec2", "detail-type": "Something Else", "detail": {} });
    events.resize(100, passed_over);
    events.extend([requested(ids[1]), requested(ids[2])]);
    let run = Replay::of(&text)
        .with(&["--no-reconcile"])
        .event(&json!(events))
        .json()
        .ok();
    assert_eq!(run.outcome(ids[0]), "accept accepted available");
    assert_eq!((run.count("/accepted"), run.count("/in_review")), (2, 1));
}

#[test]
fn now_decides_what_has_expired() {
    let at = |now: &str| {
        let text = world(
            &[SERVICE],
            &[
                Connection(ALLOWED, SERVICE, "012345678901", ""),
                Connection(DENIED, SERVICE, "666666666666", ""),
            ],
            "entries:
  - {service_id: \"*\", principal: \"012345678901\", effect: allow, expires_at: 2026-11-20T12:00:00Z}
  - {service_id: \"*\", principal: \"666666666666\", effect: deny, expires_at: 2026-11-20T12:00:00Z}
  - {service_id: \"*\", principal: \"666666666666\", effect: allow}",
        );
        let text = text.replacen("now: 2026-11-20T12:00:00Z", &format!("now: {now}"), 1);
        let run = Replay::of(&text).json().ok();
        let verdict = |id: &str| run.connection(id)["verdict"].as_str().unwrap().to_owned();
        format!("{} {}", verdict(ALLOWED), verdict(DENIED))
    };
    assert_eq!(at("2026-11-20T11:59:59Z"), "accept reject");
    assert_eq!(at("2026-11-20T12:00:00Z"), "review accept");
    assert_eq!(
        at("2026-11-20T12:59:59+01:00"),
        "accept reject",
        "a zone counts"
    );
    assert_eq!(at("2026-11-20T13:00:00+01:00"), "review accept");
    // Without `--now`, it is the time of day, which is well past it or well before the year 9999.
    let text = three()
        .replacen("now: 2026-11-20T12:00:00Z\n", "", 1)
        .replacen(
            "effect: allow",
            "effect: allow, expires_at: 9999-01-01T00:00:00Z",
            1,
        )
        .replacen(
            "effect: deny",
            "effect: deny, expires_at: 2001-01-01T00:00:00Z",
            1,
        );
    let run = Replay::of(&text).json().ok();
    assert_eq!(run.outcome(ALLOWED), "accept accepted available");
    assert_eq!(run.outcome(DENIED), "review in_review pendingAcceptance");
}

/// Accounts are not looked up in this world: an allow for a path accepts nobody, and a deny that
/// may apply is not overtaken.
#[test]
fn entries_for_organizations_paths_err_on_the_side_of_people() {
    let allow = "{service_id: \"*\", principal: \"*\", effect: allow}";
    let path = |effect: &str, service: &str| {
        format!("{{service_id: \"{service}\", principal: \"o-abc/r-def/*\", effect: {effect}}}")
    };
    for (entries, outcome) in [
        (path("allow", "*"), "review in_review pendingAcceptance"),
        (
            format!("{allow}, {}", path("deny", "*")),
            "review in_review pendingAcceptance",
        ),
        (
            format!("{allow}, {}", path("deny", SERVICE)),
            "review in_review pendingAcceptance",
        ),
        (
            format!("{allow}, {}", path("deny", OTHER_SERVICE)),
            "accept accepted available",
        ),
    ] {
        let text = world(
            &[SERVICE],
            &[Connection(UNKNOWN, SERVICE, "222222222222", "")],
            &format!("entries: [{entries}]"),
        );
        let run = Replay::of(&text).json().ok();
        assert_eq!(run.outcome(UNKNOWN), outcome, "{entries}");
    }
}

#[test]
fn a_review_past_its_deadline_is_rejected_if_the_service_says_so() {
    let with = |settings: &str| {
        let text = world(
            &[SERVICE],
            &[Connection(UNKNOWN, SERVICE, "222222222222", "")],
            &format!("settings: [{{service_id: \"*\", {settings}}}]"),
        );
        // The event opens the review, and reconcile finds it a moment later.
        let run = Replay::of(&text).event(&requested(UNKNOWN)).json().ok();
        run.outcome(UNKNOWN)
    };
    let open = "review in_review pendingAcceptance";
    assert_eq!(
        with("on_deadline: reject, review_hours: 0"),
        "review rejected rejected"
    );
    assert_eq!(with("on_deadline: reject, review_hours: 1"), open);
    assert_eq!(with("on_deadline: keep, review_hours: 0"), open);
    assert_eq!(
        with("on_deadline: reject"),
        open,
        "without hours there is no deadline"
    );
}

#[test]
fn defaults_are_the_careful_ones() {
    let text = format!(
        "services: [{{service_id: {SERVICE}}}]\n\
         connections: [{{endpoint_id: {UNKNOWN}, service_id: {SERVICE}, owner: 012345678901}}]\n"
    );
    let run = Replay::of(&text).json().ok();
    assert_eq!(run.outcome(UNKNOWN), "review in_review pendingAcceptance");
    assert_eq!(
        run.connection(UNKNOWN)["account_id"],
        "012345678901",
        "unquoted, zero kept"
    );
    let nothing = Replay::of("services: []\n")
        .event(&requested(ALLOWED))
        .json()
        .ok();
    assert!(nothing.connections().is_empty());
}

// This is more than one run of reconcile can do in its time, or than EC2 allows at once.

fn allowed_to_all(connections: usize, services: usize, conditions: &str) -> String {
    let service = |n: usize| format!("vpce-svc-{n:08x}");
    let ids: Vec<(String, String, String)> = (0..connections)
        .map(|n| {
            (
                format!("vpce-{n:08x}"),
                service(n % services),
                format!("{n:012}"),
            )
        })
        .collect();
    let connections: Vec<_> = ids
        .iter()
        .map(|(id, service, owner)| Connection(id, service, owner, ""))
        .collect();
    let services: Vec<String> = (0..services).map(service).collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    world(
        &services,
        &connections,
        &format!("entries: [{{service_id: \"*\", principal: \"*\", effect: allow{conditions}}}]"),
    )
}

#[test]
fn many_consumers_with_a_limit_are_all_decided() {
    let run = Replay::of(&allowed_to_all(110, 1, ", max_connections: 1"))
        .json()
        .ok();
    assert_eq!(run.count("/accepted"), 110);
}

#[test]
fn many_services_are_all_decided_or_the_rest_is_reported() {
    let run = Replay::of(&allowed_to_all(310, 310, "")).json();
    assert!(
        run.status != 0 || run.count("/accepted") == 310,
        "{}",
        run.summary()
    );
}

#[test]
fn a_reader_that_stops_early_causes_no_panic() {
    let complaint = Replay::of(&allowed_to_all(400, 1, "")).read_one_line();
    assert_eq!(complaint, "");
}

// The permissions that the functions needed.

#[test]
fn the_permissions_that_the_functions_needed_are_written_down_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = Replay::of(&three())
        .event(&requested(ALLOWED))
        .recorded_in(folder.path());
    assert_three_decided(&run.json().ok());
    let mut needs = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        needs.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    let service = format!("arn:aws:ec2:us-east-1:111122223333:vpc-endpoint-service/{SERVICE}");
    let of = |function: &str, action: &str| -> Vec<&Value> {
        let is_it = |need: &&Value| need["function"] == function && need["action"] == action;
        needs.iter().filter(is_it).collect()
    };
    let accepts = of("connections", "ec2:AcceptVpcEndpointConnections");
    assert_eq!(accepts.len(), 1, "once, however often: {accepts:?}");
    assert_eq!(accepts[0]["resource"], service);
    assert_eq!(accepts[0]["deployment"]["ManagedServices"], SERVICE);
    assert!(of("connections", "ec2:RejectVpcEndpointConnections").is_empty());
    assert_eq!(of("reconcile", "ec2:RejectVpcEndpointConnections").len(), 1);
    let writes = of("connections", "dynamodb:PutItem");
    let to: Vec<&Value> = writes.iter().map(|need| &need["context"]).collect();
    assert!(
        to.contains(&&json!({ "dynamodb:LeadingKeys": ["vpce-x"] })),
        "{to:?}"
    );
    // Making the tables and reading the outcome are not the functions' work.
    for function in ["connections", "policy-changes", "approvals", "slack"] {
        assert!(of(function, "dynamodb:Scan").is_empty(), "{function}");
    }
    for action in ["dynamodb:CreateTable", "dynamodb:GetItem"] {
        assert!(
            needs.iter().all(|need| need["action"] != action),
            "{action}"
        );
    }
}
