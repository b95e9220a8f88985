//! Each failure is logged and counted with its step, its operation, and its purpose.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::{Step, chain};
use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::Fault as TableFault;
use gatekeeper_local::function::Function;
use local_aws::{CallPhase, Fault, FaultKind};

use crate::support::*;

/// Strangers ask, and this many approvers may decide.
fn asked(approvers: u32) -> String {
    let approvers: String = (1..=approvers)
        .map(|n| format!("    - {{id: approver{n}@example.com, services: [\"*\"]}}\n"))
        .collect();
    format!(
        r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*"]
connections:
  - {{endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}}
policy:
  approvers:
{approvers}"#
    )
}

const STEPS: [Step; 5] = [
    Step::Observe,
    Step::Judge,
    Step::Record,
    Step::Enforce,
    Step::Announce,
];

/// Of an instance's failures, only this step was counted.
fn assert_counted(metrics: &gatekeeper_aws::telemetry::Metrics, step: Step, error_type: &str) {
    for one in STEPS {
        let counted = metrics.last_of("StepFailures", ("step", one.as_str()));
        assert_eq!(counted.is_some(), one == step, "{one:?}: {counted:?}");
    }
    let counted = metrics.last_of("StepFailures", ("error_type", error_type));
    assert_eq!(counted, Some(1.0), "{error_type}");
}

fn refused(code: &str, items: Vec<String>) -> FaultKind {
    FaultKind::Refused {
        code: code.to_owned(),
        message: "injected".to_owned(),
        items,
    }
}

#[tokio::test]
async fn an_approval_email_that_is_late_counts_as_announce() {
    let world = world_of(&asked(25)).await;
    let topic = world.approvals_topic.clone();
    let kind = refused("Throttled", vec![topic]);
    let fault = Fault::new("PublishBatch", kind);
    world.sns.inject(fault.always());
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    world.sns.clear_faults();
    minutes_pass(&world, 6);

    // There are more than SNS takes in one call, and no time for a second call.
    let late = world.announcements_instance(2);
    let soon = Deadline::after(&world.clock, Duration::from_secs(1));
    let swept = late.sweep(soon).await.unwrap();
    assert_eq!((swept.due, swept.failed), (1, 1));
    assert_counted(late.metrics(), Step::Announce, "Retryable.OutOfTime");
    world.sweep().await;
    assert_eq!(approval_emails(&world, "approver25", 3).len(), 1);
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_named_as_such() {
    for (fault, error_type, code) in [
        (
            TableFault::Throttle,
            "Retryable.ReadTables",
            "ThrottlingException",
        ),
        (
            TableFault::Forbidden,
            "Permanent.Forbidden",
            "AccessDeniedException",
        ),
    ] {
        let world = world_of(&asked(1)).await;
        world.reconcile().await;
        let voter = by_link(&world, "approver1", 3);
        // The vote is recorded, and then the voter is to see its history.
        let tables = world.dynamodb.clone();
        world
            .dynamodb
            .set_on_call(Some(Arc::new(move |operation: &str| {
                if operation == "TransactWriteItems" {
                    tables.inject("Query", fault.clone(), 1_000);
                }
            })));
        let gatekeeper = world.gatekeeper(Function::Approvals);
        let voted = gatekeeper.vote(&voter, &approval(), deadline(&world)).await;
        let error = voted.unwrap_err();
        let history = format!("the history of {} could not be read", endpoint(3));
        assert!(error.to_string().starts_with(&history), "{error}");
        assert_eq!(error.step(), Step::Judge);
        assert_eq!(error.operation(), "dynamodb:Query");
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.error_type(), error_type);
        assert_counted(gatekeeper.metrics(), Step::Judge, error_type);
        world.dynamodb.set_on_call(None);
        world.dynamodb.clear_faults();
    }
}

#[tokio::test]
async fn every_read_of_the_tables_is_named_when_it_fails() {
    let world = world_of(&asked(1)).await;
    world.reconcile().await;
    let link = by_link(&world, "approver1", 3);
    let caller = Voter::Iam {
        arn: "arn:aws:sts::111122223333:assumed-role/Approver/alice".to_owned(),
        endpoint_id: endpoint(3),
        review: None,
    };
    // The first read, for a vote by a link and for one by IAM.
    for (voter, operation, said) in [
        (
            &link,
            "BatchGetItem",
            "what an approver's link is bound to could not be read",
        ),
        (&caller, "Query", "the approvers could not be read"),
    ] {
        world.dynamodb.inject(operation, TableFault::Forbidden, 1);
        let gatekeeper = world.instance(Function::Approvals, 7);
        let voted = gatekeeper.vote(voter, &approval(), deadline(&world)).await;
        let error = voted.unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
        let called = format!("dynamodb:{operation}");
        assert_eq!((error.step(), error.operation()), (Step::Judge, &*called));
    }
    // For announcements.
    world.dynamodb.inject("Query", TableFault::Forbidden, 100);
    let announcements = world.announcements_instance(2);
    let error = announcements.sweep(deadline(&world)).await.unwrap_err();
    let said = "what is left to be sent could not be read";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!(error.step(), Step::Announce);
}

#[tokio::test]
async fn a_failure_of_the_watch_counts_as_observe() {
    for operation in [
        "DescribeVpcEndpointServicePermissions",
        "DescribeVpcEndpointConnectionNotifications",
    ] {
        let world = world_of(&asked(1)).await;
        let fault = Fault::new(operation, FaultKind::Unauthorized);
        world.ec2.inject(fault.always());
        world.reconcile().await;
        let metrics = world.gatekeeper(Function::Reconcile).metrics();
        assert_counted(metrics, Step::Observe, "Permanent.Forbidden");
    }
    // The result of a look, which cannot be recorded.
    let world = world_of(&asked(1)).await;
    world.reconcile().await;
    let before = alarms(&world, "acceptance_not_required", "alarm_started");
    assert_eq!(before, 0);
    let changed = world
        .ec2
        .change_service(SERVICE, |service| service.acceptance_required = false);
    assert!(changed);
    world
        .dynamodb
        .inject("TransactWriteItems", TableFault::Forbidden, 1);
    let watching = world.instance(Function::Reconcile, 2);
    watching.reconcile(deadline(&world)).await;
    assert_counted(watching.metrics(), Step::Observe, "Permanent.Forbidden");
}

#[tokio::test]
async fn a_failure_of_ec2_that_its_description_does_not_show_counts_as_enforce() {
    let world = world_of(WORLD).await;
    let unsure = FaultKind::Unsuccessful {
        code: "InvalidState".to_owned(),
        message: "injected".to_owned(),
        items: vec![endpoint(1).to_string()],
    };
    let accept = Fault::new("AcceptVpcEndpointConnections", unsure);
    world.ec2.inject(accept.times(1));
    // Before that, the decision depended on a look that succeeded.
    let ec2 = world.ec2.clone();
    let hook = move |action: &str, phase: CallPhase| {
        if action == "AcceptVpcEndpointConnections" && phase == CallPhase::After {
            let kind = FaultKind::Unauthorized;
            ec2.inject(Fault::new("DescribeVpcEndpointConnections", kind).always());
        }
    };
    world.ec2.set_on_call(Some(Arc::new(hook)));
    let answer = handle(&world, requested(&endpoint(1))).await;
    let error = &answer.failed[0].1;
    assert_eq!(error.step(), Step::Enforce);
    assert_eq!(error.operation(), "ec2:DescribeVpcEndpointConnections");
    let said = chain(&**error);
    assert!(said.contains(endpoint(1).as_str()), "{said}");
    assert!(
        said.contains("AWS forbids DescribeVpcEndpointConnections"),
        "{said}"
    );
}

#[tokio::test]
async fn when_time_runs_out_the_next_step_is_named() {
    let world = world_of(WORLD).await;
    let soon = || Deadline::after(&world.clock, Duration::from_secs(3));
    let answer = world
        .handler()
        .handle(requested(&endpoint(1)), soon())
        .await;
    let error = &answer.failed[0].1;
    assert!(error.is_out_of_time());
    assert_eq!(error.step(), Step::Judge);
    let before = format!("before {} was judged", endpoint(1));
    assert!(error.to_string().ends_with(&before), "{error}");
    assert_eq!(status(&world, 1).await, None);

    // A whole service, which is looked through page by page.
    let unnamed = Hint {
        kind: HintKind::Requested,
        subject: Subject::Service(SERVICE.parse().unwrap()),
        actor: None,
    };
    let gatekeeper = world.instance(Function::Connections, 2);
    let handled = gatekeeper.handle(&[unnamed], soon()).await;
    let error = handled[0].as_ref().unwrap_err();
    assert!(error.is_out_of_time());
    assert_eq!(error.step(), Step::Observe);
    assert!(error.to_string().contains(SERVICE), "{error}");
    assert_counted(gatekeeper.metrics(), Step::Observe, "Retryable.OutOfTime");
}
