//! Policy files: cases that a policy is tested with, what is imported, and plans for a pull request.

use std::sync::Arc;

use gatekeeper_core::request::Status;
use gatekeeper_local::world::World;
use tokio::sync::Notify;

use crate::desk::Desk;
use crate::support::*;

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";

const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*", "arn:aws:iam::000000000005:root", "arn:aws:iam::000000000006:role/Network"]
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: available}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001", state: available}
policy:
  settings:
    - {service_id: vpce-svc-0a1b2c3d4e5f60718, name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000009", effect: deny, customer: "`Evil` | Ltd"}
"#;

/// A folder with a file of a test.
struct File {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl File {
    fn new(name: &'static str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        Self { folder, name }
    }

    fn path(&self) -> String {
        self.folder.path().join(self.name).display().to_string()
    }
}

async fn started() -> World {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    world
}

const CASES: &str = r#"
cases:
  - name: a customer in Frankfurt
    service_id: vpce-svc-0a1b2c3d4e5f60718
    account: "000000000002"
    region: eu-central-1
    expect: accept
    by: allow 000000000002 on vpce-svc-0a1b2c3d4e5f60718
  - name: the customer after the contract
    service_id: vpce-svc-0a1b2c3d4e5f60718
    account: "000000000002"
    region: eu-central-1
    at: 2027-06-01T00:00:00Z
    expect: review
    by: none
"#;

const POLICY: &str = r#"
settings: []
entries:
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000002", effect: allow, expires_at: 2027-06-01T00:00:00Z}
approvers: []
"#;

#[tokio::test]
async fn a_policy_is_tested_with_cases() {
    let world = started().await;
    let desk = Desk::of(&world);
    let (cases, policy) = (
        File::new("cases.yaml", CASES),
        File::new("policy.yaml", POLICY),
    );
    world.dynamodb.reset_calls();
    let passed = desk
        .run(&["policy", "test", &cases.path(), "--policy", &policy.path()])
        .await;
    assert_eq!(passed.status, 0, "{passed:?}");
    assert_eq!(
        passed.out,
        "ok      a customer in Frankfurt\n\
         ok      the customer after the contract\n\
         2 cases are as expected.\n"
    );
    assert!(
        world.dynamodb.calls().is_empty(),
        "a file is tested without a deployment"
    );
    // The deployment's policy has no such entry.
    let failed = desk.run(&["policy", "test", &cases.path()]).await;
    assert_eq!(failed.status, 1, "{failed:?}");
    assert_eq!(
        failed.out,
        "FAILED  a customer in Frankfurt\n        \
         expected accept by \"allow 000000000002 on vpce-svc-0a1b2c3d4e5f60718\"\n        \
         found    review by no entry: No allowlist entry matches account 000000000002 on \
         vpce-svc-0a1b2c3d4e5f60718; somebody has to decide.\n\
         ok      the customer after the contract\n\n\
         1 of 2 cases are not as expected.\n"
    );
    let json = desk
        .run(&["policy", "test", &cases.path(), "--output", "json"])
        .await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json[0]["passed"], &json[1]["passed"]),
        (&false.into(), &true.into())
    );
    let wrong = File::new(
        "cases.yaml",
        &CASES.replace("expect: review", "expect: refuse"),
    );
    let wrong = desk.run(&["policy", "test", &wrong.path()]).await;
    assert_eq!(wrong.status, 1);
    assert!(
        wrong.err.contains("cases.yaml:14:13: the case the customer after the contract: expect is \"refuse\"; write accept, reject or review"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn a_verdict_of_a_file_is_explained() {
    let world = started().await;
    let desk = Desk::of(&world);
    let policy = File::new("policy.yaml", POLICY);
    let ask = ["explain", "pay", "000000000002", "--policy", &policy.path()];
    let explained = desk.run(&ask).await;
    assert!(
        explained
            .out
            .starts_with("The policy accepts an endpoint of account 000000000002"),
        "{explained:?}"
    );
    let live = desk.run(&["explain", "pay", "000000000002"]).await;
    assert!(
        live.out.starts_with("The policy leaves to people"),
        "{live:?}"
    );
}

#[tokio::test]
async fn what_is_connected_is_imported_and_confirmed_by_its_number() {
    let world = started().await;
    let mut desk = Desk::of(&world);
    let imported = desk.run(&["policy", "import", "connections", "pay"]).await;
    assert_eq!(imported.status, 0, "{imported:?}");
    assert!(
        imported
            .err
            .contains("1 consumer found; 1 of them new, and marked imported"),
        "{imported:?}"
    );
    assert!(
        imported.out.contains("principal: \"000000000001\"\n    effect: \"allow\"\n    imported: true\n    reason: \"2 connections at 2026-11-20 12:00 UTC.\"\n"),
        "{imported:?}"
    );
    assert!(
        imported.out.contains("000000000009"),
        "the policy as it is stands in the file, too"
    );
    let (file, plan) = (
        File::new("policy.yaml", &imported.out),
        File::new("plan.json", ""),
    );
    let planned = desk
        .done(&["policy", "plan", &file.path(), "--out", &plan.path()])
        .await;
    assert!(planned.contains("imported: – → true"), "{planned}");
    assert!(!planned.contains("\n- "), "{planned}");

    let apply = ["policy", "apply", &plan.path()];
    let unconfirmed = desk.run(&[&apply[..], &["--yes"]].concat()).await;
    assert_eq!(unconfirmed.status, 1);
    assert_eq!(
        unconfirmed.err,
        "error: the plan adds 1 imported entry, and none was confirmed\n  \
         Look through them: every account among them will be allowed. Then add --imported 1. Nothing \
         was written.\n"
    );
    let wrong = desk
        .run(&[&apply[..], &["--yes", "--imported", "2"]].concat())
        .await;
    assert!(wrong.err.contains("and 2 was confirmed"), "{wrong:?}");
    desk.answer = Some("3\n");
    let typed = desk.run(&apply).await;
    assert!(typed.err.contains("and 3 was confirmed"), "{typed:?}");
    desk.answer = Some("1\ny\n");
    let typed = desk.run(&apply).await;
    assert_eq!(typed.status, 0, "{typed:?}");
    let listed = desk.run(&["entries"]).await.out;
    assert!(listed.contains("imported"), "{listed}");
    // A person who writes the entry confirms it.
    desk.done(&[
        "allow",
        "pay",
        "000000000001",
        "--customer",
        "Old Ltd",
        "--yes",
    ])
    .await;
    let listed = desk.run(&["entries", "--output", "json"]).await.out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let entry = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["principal"] == "000000000001");
    let entry = entry.unwrap();
    assert_eq!(entry["imported"], false);
    assert_eq!(entry["created_by"], "arn:aws:iam::111122223333:root");
    assert_eq!(entry["reason"], "2 connections at 2026-11-20 12:00 UTC.");
}

#[tokio::test]
async fn principals_and_csv_files_are_imported() {
    let world = started().await;
    let desk = Desk::of(&world);
    let principals = desk.run(&["policy", "import", "principals", SERVICE]).await;
    assert_eq!(principals.status, 0, "{principals:?}");
    assert!(
        principals.err.contains("note: * names no account"),
        "{principals:?}"
    );
    for part in [
        "principal: \"000000000005\"",
        "reason: \"The service's permissions allow the account.\"",
        "principal: \"000000000006\"",
        "reason: \"The service's permissions allow arn:aws:iam::000000000006:role/Network only.\"",
    ] {
        assert!(principals.out.contains(part), "{part}: {principals:?}");
    }
    let csv = File::new(
        "customers.csv",
        "principal,customer,max_connections\n000000000002,\"New, Ltd\",2\n",
    );
    let imported = desk
        .run(&["policy", "import", "csv", &csv.path(), "--service", SERVICE])
        .await;
    assert_eq!(imported.status, 0, "{imported:?}");
    assert!(
        imported.out.contains("customer: \"New, Ltd\"\n"),
        "{imported:?}"
    );
    let file = File::new("policy.yaml", &imported.out);
    let planned = desk.done(&["policy", "plan", &file.path()]).await;
    assert!(
        planned.contains("+ vpce-00000000000000002  New, Ltd (account 000000000002): accepted now"),
        "{planned}"
    );
    let wrong = File::new("customers.csv", "principal\n12\n");
    let wrong = desk.run(&["policy", "import", "csv", &wrong.path()]).await;
    assert_eq!(wrong.status, 1);
    assert!(wrong.out.is_empty());
    assert!(wrong.err.contains("customers.csv:2: "), "{wrong:?}");
}

#[tokio::test]
async fn a_plan_is_shown_in_a_pull_request() {
    let world = started().await;
    let desk = Desk::of(&world);
    let file = File::new("policy.yaml", POLICY);
    let plan = desk
        .run(&["policy", "plan", &file.path(), "--markdown"])
        .await;
    assert_eq!(plan.status, 0, "{plan:?}");
    assert!(
        plan.out
            .starts_with("### Policy plan\n\n1 connection gains access, 0 lose it:\n"),
        "{plan:?}"
    );
    for line in [
        "| + | `vpce-svc-0a1b2c3d4e5f60718 / allow#000000000002` | `expires_at` | `–` | `\"2027-06-01T00:00:00Z\"` |",
        "| - | `* / deny#000000000009` | `customer` | `\"'Evil' \\| Ltd\"` | `–` |",
        "| + | `vpce-00000000000000002` | `Account 000000000002` | accepted | now |",
    ] {
        assert!(
            plan.out.lines().any(|one| one == line),
            "{line}\n{}",
            plan.out
        );
    }
    assert_eq!(status(&world, 2).await, Some(Status::InReview));
}

const CHANGED: &str = r#"
settings:
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, name: Payments API, on_unlisted: reject}
entries:
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000001", effect: allow, max_connections: 2}
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000002", effect: allow}
  - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000004", effect: deny}
approvers:
  - {id: alice@example.com, services: ["*"]}
"#;

#[tokio::test]
async fn an_apply_that_is_killed_after_any_call_goes_on() {
    for n in 1.. {
        assert!(n < 60, "the apply never came to its end");
        let world = started().await;
        let (file, plan) = (
            File::new("policy.yaml", CHANGED),
            File::new("plan.json", ""),
        );
        let desk = Desk::of(&world);
        desk.done(&["policy", "plan", &file.path(), "--out", &plan.path()])
            .await;
        let (plan, calls) = (plan.path(), Calls::of(&world));
        let apply = ["policy", "apply", &plan, "--yes"];
        let killed = Arc::new(Notify::new());
        let kill = Arc::clone(&killed);
        calls.after(n, move || kill.notify_one());
        let finished = tokio::select! {
            biased;
            () = killed.notified() => false,
            ran = desk.run(&apply) => {
                assert_eq!(ran.status, 0, "{ran:?}");
                true
            }
        };
        let resumed = desk.run(&apply).await;
        assert_eq!(resumed.status, 0, "killed after {n} calls: {resumed:?}");
        let same = desk
            .run(&["policy", "plan", &file.path(), "--exit-code"])
            .await;
        assert_eq!(same.status, 0, "killed after {n} calls: {same:?}");
        if finished {
            assert!(n > 8, "there were points to kill it at");
            return;
        }
    }
}

#[tokio::test]
async fn of_two_applies_at_the_same_time_no_write_is_lost() {
    let world = started().await;
    let (file, plan) = (
        File::new("policy.yaml", CHANGED),
        File::new("plan.json", ""),
    );
    let (one, other) = (Desk::of(&world), Desk::of(&world));
    one.done(&["policy", "plan", &file.path(), "--out", &plan.path()])
        .await;
    let plan = plan.path();
    let apply = ["policy", "apply", &plan, "--yes"];
    let (first, second) = tokio::join!(one.run(&apply), other.run(&apply));
    // One of them stops at an item that the other has just written, and can be run again.
    let stopped =
        |ran: &crate::desk::Ran| ran.status == 1 && ran.err.contains("somebody has just changed");
    for ran in [&first, &second] {
        assert!(ran.status == 0 || stopped(ran), "{ran:?}");
    }
    one.done(&apply).await;
    let same = one
        .run(&["policy", "plan", &file.path(), "--exit-code"])
        .await;
    assert_eq!(same.status, 0, "{same:?}");
}
