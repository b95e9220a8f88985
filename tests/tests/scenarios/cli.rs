//! The command `gatekeeper` against the local world, as operators and approvers use it.

use std::io::Cursor;

use clap::Parser as _;
use gatekeeper_cli::args::Cli;
use gatekeeper_cli::terminal::{Style, Terminal};
use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;

use crate::desk::Desk;
use crate::support::*;

/// One consumer is allowed and connected, one waits, and one has a name that no terminal may show.
const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001"}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
policy:
  settings:
    - {service_id: vpce-svc-0a1b2c3d4e5f60718, name: Payments API}
  entries:
    - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000001", effect: allow, max_connections: 2, customer: Example Ltd, expires_at: 2026-12-20T00:00:00Z}
    - {service_id: "*", principal: "000000000009", effect: deny, customer: "=Evil\u001b[31m\u202e Ltd"}
  approvers:
    - {id: bob@example.com, services: ["*"], iam_principal: "arn:aws:iam::111122223333:user/111122223333"}
"#;

async fn started() -> World {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    world
}

#[tokio::test]
async fn entries_are_listed_and_fit_the_terminal() {
    let world = started().await;
    let mut desk = Desk::of(&world);
    let wide = desk.run(&["entries"]).await;
    assert_eq!(
        wide.out,
        "\
EFFECT  PRINCIPAL     SERVICE       CUSTOMER                     CONDITIONS
deny    000000000009  *             =Evil\\u{1b}[31m\\u{202e} Ltd
allow   000000000001  Payments API  Example Ltd                  2 connections, until 2026-12-20 00:00 UTC
"
    );
    desk.width = 80;
    let narrow = desk.run(&["entries"]).await;
    assert!(
        narrow.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        narrow.out
    );
    desk.width = 120;
    assert_eq!(
        desk.done(&["entries", "--expiring", "30d"])
            .await
            .lines()
            .count(),
        2
    );
    assert_eq!(
        desk.done(&["entries", "--customer", "example"])
            .await
            .lines()
            .count(),
        2
    );
    assert_eq!(
        desk.done(&["entries", "--expiring", "7d"]).await,
        "There are no such entries.\n"
    );
    let json = desk
        .done(&["entries", "--output", "json", "--service", "pay"])
        .await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["principal"], "000000000001");
    assert_eq!(json[1]["max_connections"], 2);
    assert_eq!(
        json[0]["customer"], "=Evil\u{1b}[31m\u{202e} Ltd",
        "programs get the true text"
    );
}

#[tokio::test]
async fn an_allow_says_what_follows_and_is_written_once_confirmed() {
    let world = started().await;
    let mut desk = Desk::of(&world);
    let allow = [
        "allow",
        "pay",
        "000000000002",
        "--customer",
        "New Ltd",
        "--expires",
        "90d",
    ];
    for answer in [None, Some("n\n"), Some("\n"), Some("")] {
        desk.answer = answer;
        let refused = desk.run(&allow).await;
        assert_eq!(refused.status, 1, "{refused:?}");
        assert!(
            refused
                .err
                .contains("What follows: 1 connection is accepted."),
            "{refused:?}"
        );
        assert!(
            refused.err.contains("nothing was written")
                || refused.err.contains("Nothing was written")
        );
    }
    assert_eq!(desk.run(&["entries"]).await.out.lines().count(), 3);
    desk.answer = Some("y\n");
    let written = desk.run(&allow).await;
    assert_eq!(
        written.err,
        "\
Adds the entry: allow 000000000002 (New Ltd) on Payments API (vpce-svc-0a1b2c3d4e5f60718): until 2027-02-18 12:00 UTC
What follows: 1 connection is accepted.
  vpce-00000000000000002  Account 000000000002: in review → accepted. Account 000000000002 (New Ltd) is allowed on vpce-svc-0a1b2c3d4e5f60718.
Write it? [y/N] Done: written.
"
    );
    edited(&world).await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    // What is not said stays: the expiry and the customer.
    desk.answer = None;
    let same = ["allow", "pay", "000000000002", "--yes"];
    assert!(desk.done(&same).await.contains("Nothing to do"));
    let limit = [
        "allow",
        "pay",
        "000000000002",
        "--max-connections",
        "1",
        "--yes",
    ];
    let said = desk.done(&limit).await;
    assert!(
        said.contains("Changes the entry: allow 000000000002 (New Ltd) on Payments API (vpce-svc-0a1b2c3d4e5f60718): 1 connection, until 2027-02-18 12:00 UTC"),
        "{said}"
    );
    let off = [
        "allow",
        "pay",
        "000000000002",
        "--no-expiry",
        "--no-limit",
        "--yes",
    ];
    let said = desk.done(&off).await;
    assert!(
        said.contains(
            "allow 000000000002 (New Ltd) on Payments API (vpce-svc-0a1b2c3d4e5f60718)\n"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn a_deny_says_who_is_revoked_and_who_stays_connected() {
    let world = started().await;
    let desk = Desk::of(&world);
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    let deny = [
        "deny",
        "Payments API",
        "000000000001",
        "--reason",
        "ended",
        "--yes",
    ];
    let said = desk.done(&deny).await;
    assert!(
        said.contains("1 connection is no longer allowed and stays connected, because the service's setting revoke is not enforce:\n  vpce-00000000000000001"),
        "{said}"
    );
    let said = desk
        .done(&["service", "set", "pay", "revoke=enforce", "--yes"])
        .await;
    assert!(
        said.contains("  revoke: unset → enforce\nWhat follows: 1 connection is to be revoked."),
        "{said}"
    );
    let said = desk
        .done(&["remove", "deny", "pay", "000000000001", "--yes"])
        .await;
    assert!(
        said.contains("What follows: 1 connection is accepted.") || said.contains("stay"),
        "{said}"
    );
}

#[tokio::test]
async fn an_edit_of_somebody_else_is_not_overwritten() {
    let world = started().await;
    let operator = world.operator();
    let key = "allow#000000000001";
    let seen = operator.allowlist().await.unwrap();
    let seen = seen.iter().find(|item| item.key.rule == key).unwrap();
    let entry = seen.entry().unwrap().clone();
    let new = gatekeeper_aws::tables::NewItem::Entry(&entry);
    for changed in [
        "{service_id: vpce-svc-0a1b2c3d4e5f60718, principal: \"000000000001\", effect: allow, max_connections: 3}",
        "{service_id: vpce-svc-0a1b2c3d4e5f60718, principal: \"000000000001\", effect: allow, max_connections: 2, customer: Example Ltd, expires_at: 2026-12-20T00:00:00Z, ticket: T-1}",
    ] {
        put_policy(&world, changed).await;
        let written = operator.put(&new, Some(seen)).await.unwrap();
        assert_eq!(
            written,
            gatekeeper_aws::tables::Written::Changed,
            "{changed}"
        );
        let deleted = operator.delete(seen).await.unwrap();
        assert_eq!(
            deleted,
            gatekeeper_aws::tables::Written::Changed,
            "{changed}"
        );
    }
    let written = operator.put(&new, None).await.unwrap();
    assert_eq!(
        written,
        gatekeeper_aws::tables::Written::Changed,
        "it exists"
    );
    remove(
        &world,
        "vpce-svc-0a1b2c3d4e5f60718",
        "allow",
        "000000000001",
    )
    .await;
    let written = operator.put(&new, Some(seen)).await.unwrap();
    assert_eq!(
        written,
        gatekeeper_aws::tables::Written::Changed,
        "it is gone"
    );
    let written = operator.put(&new, None).await.unwrap();
    assert_eq!(written, gatekeeper_aws::tables::Written::Done);
}

#[tokio::test]
async fn a_request_is_found_shown_and_decided_in_the_terminal() {
    let world = started().await;
    let desk = Desk::of(&world);
    let listed = desk.run(&["requests", "--status", "in_review"]).await;
    assert_eq!(
        listed.out,
        "\
ENDPOINT                STATUS     CONSUMER              SERVICE       SINCE
vpce-00000000000000002  in review  Account 000000000002  Payments API  2026-11-20 12:00 UTC
"
    );
    assert!(
        listed.err.contains("This reads the whole requests table"),
        "{}",
        listed.err
    );
    let endpoint = "vpce-00000000000000002";
    let refused = desk.run(&["approve", endpoint]).await;
    assert_eq!(refused.status, 1);
    assert!(
        refused
            .err
            .contains("May account 000000000002 connect to Payments API?")
    );
    let refused = desk.run(&["withdraw", endpoint, "--yes"]).await;
    assert!(
        refused.err.contains("You can: approve, reject."),
        "{}",
        refused.err
    );
    let refused = desk.run(&["reject", endpoint, "--yes"]).await;
    assert_eq!(refused.status, 2, "a rejection needs a reason");
    let approved = desk
        .run(&["approve", endpoint, "--yes", "--reason", "ticket 42"])
        .await;
    assert_eq!(
        approved.out,
        "Done: the connection is accepted. EC2 accepted it: account 000000000002 is connected to Payments API.\n"
    );
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    let shown = desk.done(&["show", endpoint]).await;
    for part in [
        "Status      accepted\n",
        "Decided by  bob@example.com\n",
        "bob@example.com approved under an IAM identity. ticket 42",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let late = desk
        .run(&["reject", endpoint, "--yes", "--reason", "no"])
        .await;
    assert_eq!(late.status, 1);
    assert!(
        late.err
            .contains("Already decided: the connection is accepted"),
        "{}",
        late.err
    );
    let nothing = desk.run(&["show", "vpce-0000000000000000f"]).await;
    assert_eq!(nothing.status, 1);
    assert!(
        nothing
            .err
            .contains("there is no request of vpce-0000000000000000f")
    );
}

#[tokio::test]
async fn connections_that_differ_from_the_policy_are_found() {
    let world = started().await;
    let desk = Desk::of(&world);
    assert_eq!(
        desk.done(&["connections", "--differs"]).await,
        "All connections are as the policy says.\n"
    );
    somebody_accepts(&world, 2);
    let differs = desk.run(&["connections", "--differs"]).await;
    assert_eq!(differs.out.lines().count(), 2, "{differs:?}");
    assert!(
        differs.out.contains("vpce-00000000000000002"),
        "{}",
        differs.out
    );
    assert_eq!(desk.run(&["connections"]).await.out.lines().count(), 3);
}

#[tokio::test]
async fn approvers_are_added_changed_and_removed() {
    let world = started().await;
    let desk = Desk::of(&world);
    let add = [
        "approver",
        "add",
        "carol@example.com",
        "--service",
        "pay",
        "--own-account",
        "000000000002",
        "--yes",
    ];
    assert!(
        desk.done(&add)
            .await
            .contains("Adds the approver carol@example.com, who decides Payments API")
    );
    assert!(desk.done(&add).await.contains("Nothing to do"));
    let listed = desk.run(&["approver", "list"]).await.out;
    assert_eq!(
        listed,
        "\
APPROVER           DECIDES                                    VOTES BY     OWN ACCOUNTS
bob@example.com    every service                              e-mail, IAM
carol@example.com  Payments API (vpce-svc-0a1b2c3d4e5f60718)  e-mail       000000000002
"
    );
    let removed = desk
        .done(&["approver", "remove", "bob@example.com", "--yes"])
        .await;
    assert!(
        removed.contains("warning: nobody is left who decides every service"),
        "{removed}"
    );
    let late = desk
        .run(&["approve", "vpce-00000000000000002", "--yes"])
        .await;
    assert!(late.err.contains("You are not an approver"), "{}", late.err);
}

#[tokio::test]
async fn an_auditor_gets_each_decision_and_no_formula() {
    let world = started().await;
    put_policy(
        &world,
        r#"{service_id: "*", principal: "000000000002", effect: deny, customer: "=1+1", reason: "@SUM(A1)"}"#,
    )
    .await;
    edited(&world).await;
    let desk = Desk::of(&world);
    let ran = desk.run(&["audit", "--from", "1d"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut lines = ran.out.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("at,endpoint_id,service_id,account_id,customer,")
    );
    let rejected = lines.find(|line| line.contains(",rejected,")).unwrap();
    assert!(rejected.contains(",'=1+1,"), "{rejected}");
    let empty = desk.run(&["audit", "--from", "2027-01-01"]).await;
    assert_eq!(empty.status, 2);
    let json = desk
        .run(&[
            "audit",
            "--from",
            "2026-11-20",
            "--to",
            "2026-11-21",
            "--format",
            "json",
        ])
        .await;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert!(
        rows.iter()
            .any(|row| row["to"] == "accepted" && row["ec2_request_id"] != "")
    );
}

#[tokio::test]
async fn an_error_says_what_is_wrong_and_what_to_type_next() {
    let world = started().await;
    let desk = Desk::of(&world);
    for (args, status, said) in [
        (
            &["allow", "xyz", "000000000002"][..],
            1,
            "error: no service is called \"xyz\"\n  Known services: Payments API (vpce-svc-0a1b2c3d4e5f60718)\n",
        ),
        (
            &["allow", "pay", "000000000002", "--expires", "never"],
            2,
            "error: \"never\" is not a time\n  Write a time as 2027-03-01T00:00:00Z, a date as 2027-03-01, or a period as 90d or 12h.\n",
        ),
        (
            &["service", "set", "pay", "aprovals_required=2"],
            2,
            "error: aprovals_required is not a setting; did you mean approvals_required?\n",
        ),
        (
            &["service", "set", "pay", "revoke=yes"],
            2,
            "error: revoke is \"yes\"; write off, report or enforce\n",
        ),
        (
            &["service", "set", "pay", "approvals_required=two"],
            2,
            "error: approvals_required is the text \"two\"; write a whole number from 0 to 100\n",
        ),
        (
            &["service", "set", "pay", "revoke"],
            2,
            "error: \"revoke\" is not SETTING=VALUE\n  To remove a setting, write its name and `=`.\n",
        ),
        (
            &["entries", "--expiring", "soon"],
            2,
            "error: \"soon\" is not a period\n  Write a period as 30d or 12h.\n",
        ),
    ] {
        let ran = desk.run(args).await;
        assert_eq!((ran.status, ran.err.as_str()), (status, said), "{args:?}");
        assert_eq!(ran.out, "", "{args:?}");
    }
    for args in [
        &["allow", "pay", "12345"][..],
        &["allow", "pay", "000000000002", "--max-connections", "0"],
        &["show", "vpce-1"],
        &["requests", "--status", "done"],
        &["approver", "add", "Alice <a@example.com>", "--service", "*"],
    ] {
        let ran = desk.run(args).await;
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{args:?}: {ran:?}");
    }
    let cli = Cli::try_parse_from(["gatekeeper", "entries"]).unwrap();
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), Cursor::new(""));
    let style = Style {
        width: 80,
        is_colored: false,
        is_interactive: false,
        format: cli.global.output,
    };
    let mut terminal = Terminal::new(&mut out, &mut err, &mut input, style);
    let exit = gatekeeper_cli::run(&cli, &mut terminal, &|_| None, world.clock.clone()).await;
    assert_eq!(exit.code(), 2);
    let said = String::from_utf8(err).unwrap();
    assert!(
        said.starts_with("error: the AWS Region is not known\n  Say --region"),
        "{said}"
    );
}

#[tokio::test]
async fn a_verdict_is_explained_by_every_rule_and_setting() {
    let world = started().await;
    let desk = Desk::of(&world);
    let explained = desk.run(&["explain", "vpce-00000000000000001"]).await;
    assert_eq!(explained.status, 0, "{explained:?}");
    assert!(
        explained.out.starts_with("The policy accepts vpce-00000000000000001 of account 000000000001 in us-east-1 on Payments API (vpce-svc-0a1b2c3d4e5f60718), at 2026-11-20 12:00 UTC.\n"),
        "{}",
        explained.out
    );
    assert!(explained.out.contains("\"allow 000000000001 on vpce-svc-0a1b2c3d4e5f60718\" allows it: its conditions hold\n1 other entry is for somebody else.\n"), "{}", explained.out);
    let later = desk
        .run(&["explain", "pay", "000000000001", "--at", "2027-01-01"])
        .await;
    assert!(
        later
            .out
            .starts_with("The policy leaves to people an endpoint of account 000000000001"),
        "{}",
        later.out
    );
    assert!(later.out.contains("expired at 2026-12-20"), "{}", later.out);
    let json = desk
        .run(&["explain", "pay", "000000000009", "--output", "json"])
        .await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["decision"], "reject");
    assert_eq!(json["considered"][0]["role"], "denies it");
    let missing = desk.run(&["explain", "pay"]).await;
    assert_eq!(
        (missing.status, missing.err.as_str()),
        (
            2,
            "error: the account is missing\n  Write: gatekeeper explain SERVICE ACCOUNT\n"
        )
    );
}

/// The world's policy with another limit, a deny in place of an allow, and a new setting.
const WANTED: &str = r#"
settings:
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, name: Payments API, revoke: enforce}
entries:
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000001", effect: deny, reason: ended}
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000002", effect: allow, customer: New Ltd}
  - {service_id: "*", principal: "000000000009", effect: deny, customer: "=Evil\u001b[31m\u202e Ltd"}
approvers:
  - {id: bob@example.com, services: ["*"], iam_principal: "arn:aws:iam::111122223333:user/111122223333"}
"#;

#[tokio::test]
async fn a_policy_file_is_planned_applied_and_exported() {
    let world = started().await;
    let desk = Desk::of(&world);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let plan = folder.path().join("plan.json");
    let (file, plan) = (file.to_str().unwrap(), plan.to_str().unwrap());
    std::fs::write(file, WANTED).unwrap();
    assert_eq!(
        desk.done(&["policy", "validate", file]).await,
        format!("{file}: 3 entries, 1 item of settings, 1 approver.\n")
    );
    let planned = desk
        .run(&["policy", "plan", file, "--out", plan, "--exit-code"])
        .await;
    assert_eq!(planned.status, 3, "{planned:?}");
    for part in [
        "+ vpce-svc-0a1b2c3d4e5f60718 / deny#000000000001\n    reason: – → \"ended\"\n",
        "- vpce-svc-0a1b2c3d4e5f60718 / allow#000000000001\n",
        "~ vpce-svc-0a1b2c3d4e5f60718 / settings\n    revoke: – → \"enforce\"\n",
        "1 connection gains access, 1 loses it:\n",
        "  - vpce-00000000000000001  Example Ltd (account 000000000001): to be revoked now\n",
        "  + vpce-00000000000000002  New Ltd (account 000000000002): accepted now\n",
    ] {
        assert!(planned.out.contains(part), "{part}: {}", planned.out);
    }
    assert_eq!(
        status(&world, 2).await,
        Some(Status::InReview),
        "a plan changes nothing"
    );

    // Somebody else edits an item of the plan: nothing is written. They undo it: the plan is good again.
    let other = r#"{service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000002", effect: allow, ticket: T-1}"#;
    put_policy(&world, other).await;
    let stopped = desk.run(&["policy", "apply", plan, "--yes"]).await;
    assert_eq!(stopped.status, 1, "{stopped:?}");
    assert!(
        stopped
            .err
            .contains("allow#000000000002 changed since the plan was made"),
        "{stopped:?}"
    );
    remove(
        &world,
        "vpce-svc-0a1b2c3d4e5f60718",
        "allow",
        "000000000002",
    )
    .await;

    let applied = desk.run(&["policy", "apply", plan, "--yes"]).await;
    assert_eq!(applied.status, 0, "{applied:?}");
    let order: Vec<&str> = applied.err.lines().collect();
    assert_eq!(
        order,
        [
            "1/4 vpce-svc-0a1b2c3d4e5f60718 / deny#000000000001 is added",
            "2/4 vpce-svc-0a1b2c3d4e5f60718 / allow#000000000002 is added",
            "3/4 vpce-svc-0a1b2c3d4e5f60718 / allow#000000000001 is removed",
            "4/4 vpce-svc-0a1b2c3d4e5f60718 / settings is changed",
            "Done: the policy is as planned.",
        ]
    );
    assert!(
        desk.done(&["policy", "apply", plan, "--yes"])
            .await
            .contains("Nothing to do")
    );
    let same = desk.run(&["policy", "plan", file, "--exit-code"]).await;
    assert_eq!(same.status, 0, "{same:?}");
    assert!(
        same.out.contains("The file and the policy are the same."),
        "{same:?}"
    );

    // What is exported is the same policy.
    let exported = desk.run(&["policy", "export"]).await.out;
    std::fs::write(file, &exported).unwrap();
    let same = desk.run(&["policy", "plan", file]).await;
    assert!(
        same.out.contains("The file and the policy are the same."),
        "{exported}\n{same:?}"
    );
}

#[tokio::test]
async fn an_apply_that_was_interrupted_goes_on() {
    let world = started().await;
    let desk = Desk::of(&world);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let plan = folder.path().join("plan.json");
    let (file, plan) = (file.to_str().unwrap(), plan.to_str().unwrap());
    std::fs::write(file, WANTED).unwrap();
    desk.done(&["policy", "plan", file, "--out", plan]).await;
    // The first two writes of the plan, as a process that was killed leaves them.
    put_policy(&world, r#"{service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000001", effect: deny, reason: ended}"#).await;
    put_policy(&world, r#"{service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000002", effect: allow, customer: New Ltd}"#).await;
    let applied = desk.run(&["policy", "apply", plan, "--yes"]).await;
    assert_eq!(applied.status, 0, "{applied:?}");
    assert!(
        applied
            .err
            .starts_with("1/2 vpce-svc-0a1b2c3d4e5f60718 / allow#000000000001 is removed\n"),
        "{applied:?}"
    );
}

#[tokio::test]
async fn a_policy_file_with_mistakes_names_each_with_its_place() {
    let world = started().await;
    let desk = Desk::of(&world);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let file = file.to_str().unwrap();
    std::fs::write(
        file,
        "entries:\n  - {service_id: \"*\", principal: \"1234\", effect: allow}\n  - service_id: \"*\"\n    principal: \"000000000001\"\n    effect: allow\n    max_conections: 2\n",
    )
    .unwrap();
    let ran = desk.run(&["policy", "validate", file]).await;
    assert_eq!(ran.status, 1, "{ran:?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].starts_with(&format!("error: {file}:2:")),
        "{ran:?}"
    );
    assert!(
        lines[1].starts_with(&format!("error: {file}:6:")),
        "{ran:?}"
    );
    assert!(
        lines[1].ends_with("did you mean max_connections?"),
        "{ran:?}"
    );
    let missing = desk
        .run(&["policy", "validate", "/nowhere/policy.yaml"])
        .await;
    assert_eq!(missing.status, 2, "{missing:?}");
    std::fs::write(file, "{}").unwrap();
    let no_plan = desk.run(&["policy", "apply", file, "--yes"]).await;
    assert_eq!(no_plan.status, 2);
    assert!(no_plan.err.contains("this is not a plan"), "{no_plan:?}");
}

#[tokio::test]
async fn settings_are_shown_with_where_each_comes_from() {
    let world = started().await;
    let desk = Desk::of(&world);
    desk.done(&["service", "set", "*", "review_hours=48", "--yes"])
        .await;
    let shown = desk.run(&["service", "show", "pay"]).await.out;
    let of = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.split("  ")
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("name"), ["name", "Payments API", "this service"]);
    assert_eq!(of("review_hours"), ["review_hours", "48", "every service"]);
    assert_eq!(of("revoke_at_most"), ["revoke_at_most", "5", "default"]);
    desk.done(&["service", "set", "*", "review_hours=", "--yes"])
        .await;
    assert!(
        desk.run(&["service", "show", "*"])
            .await
            .out
            .contains("review_hours        none")
    );
    let listed = desk.run(&["service", "list"]).await.out;
    assert_eq!(
        listed,
        "\
SERVICE                     NAME          MANAGED  CONNECTIONS  WAITING
vpce-svc-0a1b2c3d4e5f60718  Payments API  yes      2            1
"
    );
}
