//! AWS fails in its usual ways: the call is repeated within the invocation, then the record is
//! handed back, and nothing is lost.

use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::Fault as TableFault;
use local_aws::{Fault, FaultKind, State};

use crate::support::*;

const ACCEPT: &str = "AcceptVpcEndpointConnections";
const REJECT: &str = "RejectVpcEndpointConnections";
const DESCRIBE: &str = "DescribeVpcEndpointConnections";

fn refusal(code: &str, n: u32) -> FaultKind {
    FaultKind::Unsuccessful {
        code: code.to_owned(),
        message: "injected".to_owned(),
        items: vec![endpoint(n).to_string()],
    }
}

#[tokio::test]
async fn a_failure_that_passes_within_the_invocation_is_not_noticed() {
    for action in [
        ACCEPT,
        REJECT,
        DESCRIBE,
        "DescribeVpcEndpointServiceConfigurations",
    ] {
        for kind in [
            FaultKind::Throttle,
            FaultKind::InternalError,
            FaultKind::Unavailable,
            FaultKind::Hang,
            FaultKind::AnswerLost,
        ] {
            let world = world_of(WORLD).await;
            world.ec2.inject(Fault::new(action, kind.clone()).times(2));
            let context = format!("{action} {kind:?}");
            let answer = handle(&world, batch_of(5)).await;
            assert!(answer.failed.is_empty(), "{context}: {:?}", answer.failed);
            assert_all_decided(&world, &context).await;
            world.ec2.release();
        }
    }
}

#[tokio::test]
async fn a_dynamodb_failure_that_passes_is_not_noticed() {
    for action in [
        "BatchGetItem",
        "TransactWriteItems",
        "UpdateItem",
        "BatchWriteItem",
    ] {
        for fault in [
            TableFault::Throttle,
            TableFault::InternalError,
            TableFault::Hang,
            TableFault::AnswerLost,
        ] {
            let world = world_of(WORLD).await;
            world.dynamodb.inject(action, fault.clone(), 2);
            let context = format!("{action} {fault:?}");
            let answer = handle(&world, batch_of(5)).await;
            assert!(answer.failed.is_empty(), "{context}: {:?}", answer.failed);
            assert_all_decided(&world, &context).await;
        }
    }
    let world = world_of(WORLD).await;
    world
        .dynamodb
        .inject("BatchGetItem", TableFault::Unprocessed, 3);
    assert!(handle(&world, batch_of(5)).await.failed.is_empty());
    assert_all_decided(&world, "unprocessed keys").await;
}

#[tokio::test]
async fn a_lasting_failure_is_handed_back_and_done_later() {
    for action in [ACCEPT, REJECT, DESCRIBE] {
        for kind in [
            FaultKind::Throttle,
            FaultKind::InternalError,
            FaultKind::Unauthorized,
        ] {
            let world = world_of(WORLD).await;
            world.ec2.inject(Fault::new(action, kind.clone()).always());
            requeue(&world, &batch_of(5));
            let payload = queued(&world);
            let answer = handle(&world, payload).await;
            let context = format!("{action} {kind:?}");
            assert!(!answer.failed.is_empty(), "{context}");
            assert!(answer.given_up.is_empty(), "{context}");
            world.ec2.clear_faults();
            world.clock.advance(LATER);
            let drained = world.drain().await;
            assert!(
                drained.failures.is_empty() && drained.dead.is_empty(),
                "{context}"
            );
            assert_all_decided(&world, &context).await;
        }
    }
}

#[tokio::test]
async fn each_kind_of_unsuccessful_item_is_dealt_with_alone() {
    // The failure is temporary: the record comes back and is done.
    let world = world_of(WORLD).await;
    world
        .ec2
        .inject(Fault::new(ACCEPT, refusal("RequestLimitExceeded", 1)));
    assert_eq!(given_back(handle(&world, batch_of(5)).await), ["m1"]);
    assert_eq!(status(&world, 1).await, Some(Status::Accepting));
    world.clock.advance(LATER);
    assert!(handle(&world, batch_of(5)).await.failed.is_empty());
    assert_all_decided(&world, "throttled item").await;

    // EC2 does not find it but still lists it: the record comes back and is done.
    let world = world_of(WORLD).await;
    world.ec2.inject(Fault::new(
        ACCEPT,
        refusal("InvalidVpcEndpointId.NotFound", 1),
    ));
    assert_eq!(given_back(handle(&world, batch_of(5)).await), ["m1"]);
    assert_eq!(path(&world, 1).await, "- > accepting");
    world.clock.advance(LATER);
    assert!(handle(&world, batch_of(5)).await.failed.is_empty());
    assert_all_decided(&world, "item not found").await;

    // It is forbidden: that is logged, the record is kept and tried again.
    let world = world_of(WORLD).await;
    world
        .ec2
        .inject(Fault::new(REJECT, refusal("UnauthorizedOperation", 2)));
    let answer = handle(&world, batch_of(5)).await;
    assert_eq!(answer.failed[0].1.error_type(), "Permanent.Forbidden");
    assert_eq!(given_back(answer), ["m2"]);
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_all_decided(&world, "forbidden item").await;

    // Any other failure: that is logged, the record is kept and tried again.
    let world = world_of(WORLD).await;
    world
        .ec2
        .inject(Fault::new(ACCEPT, refusal("SomethingNew", 1)));
    let answer = handle(&world, batch_of(5)).await;
    assert_eq!(answer.failed[0].1.error_type(), "Permanent.Refused");
    assert_eq!(given_back(answer), ["m1"]);
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_all_decided(&world, "refused item").await;

    // Its state is wrong, and EC2 shows why: that is recorded.
    for (shown, expected) in [
        (State::Available, "- > accepting > accepted"),
        (State::Rejected, "- > accepting > rejected"),
        (State::Deleted, "- > accepting > gone"),
        (State::Expired, "- > accepting > gone"),
    ] {
        let world = std::sync::Arc::new(world_of(WORLD).await);
        let calls = Calls::of(&world);
        let own = std::sync::Arc::clone(&world);
        // Somebody else is faster, between our record and our call.
        calls.after(READS + 1, move || {
            own.ec2.set_state(endpoint(1).as_str(), shown);
        });
        let answer = handle(&world, requested(&endpoint(1))).await;
        assert!(answer.failed.is_empty(), "{shown}: {:?}", answer.failed);
        assert_eq!(calls.seen()[READS], "dynamodb:TransactWriteItems");
        assert_eq!(path(&world, 1).await, expected, "{shown}");
    }

    // Its state is wrong, and EC2 does not show it yet: the record comes back.
    let world = world_of(WORLD).await;
    world
        .ec2
        .inject(Fault::new(ACCEPT, refusal("InvalidState", 1)));
    assert_eq!(given_back(handle(&world, batch_of(5)).await), ["m1"]);
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_all_decided(&world, "state not shown yet").await;
}

#[tokio::test]
async fn a_call_refused_whole_for_one_item_does_not_cost_the_others() {
    // Seven are allowed; EC2 refuses any call that contains the third.
    let mut text =
        "services:\n  - service_id: vpce-svc-0a1b2c3d4e5f60718\nconnections:\n".to_owned();
    for n in 1..=7 {
        text.push_str(&format!(
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}\n",
            endpoint(n)
        ));
    }
    text.push_str(
        "policy:\n  entries:\n    - {service_id: \"*\", principal: \"*\", effect: allow}\n",
    );
    for (code, error_type) in [
        ("InvalidVpcEndpointId.NotFound", "Retryable.Enforce"),
        ("SomethingNew", "Permanent.Refused"),
    ] {
        let world = world_of(&text).await;
        let refused = FaultKind::Refused {
            code: code.to_owned(),
            message: "injected".to_owned(),
            items: vec![endpoint(3).to_string()],
        };
        world.ec2.inject(Fault::new(ACCEPT, refused).always());
        let answer = handle(&world, batch_of(7)).await;
        for n in [1, 2, 4, 5, 6, 7] {
            assert_eq!(path(&world, n).await, "- > accepting > accepted", "{code}");
        }
        assert_eq!(path(&world, 3).await, "- > accepting", "{code}");
        assert_eq!(answer.failed.len(), 1, "{code}");
        assert_eq!(answer.failed[0].1.error_type(), error_type);
        // The batch is halved until the fault stands alone, not sent one by one.
        assert!(
            world.ec2.calls()[ACCEPT] <= 7,
            "{}",
            world.ec2.calls()[ACCEPT]
        );
    }
}

#[tokio::test]
async fn announcements_that_sns_refuses_are_sent_later() {
    for kind in [
        FaultKind::InternalError,
        FaultKind::Unauthorized,
        FaultKind::Throttle,
    ] {
        let world = world_of(WORLD).await;
        world
            .sns
            .inject(Fault::new("PublishBatch", kind.clone()).always());
        let answer = handle(&world, batch_of(5)).await;
        assert!(
            answer.failed.is_empty(),
            "a decision that stands does not come back"
        );
        assert!(announced(&world).is_empty());
        world.sns.clear_faults();
        world.clock.advance(LATER);
        world.reconcile().await;
        assert_all_decided(&world, &format!("{kind:?}")).await;
        assert!(announced(&world).values().all(|times| *times == 1));
    }
    // One of them is refused: the others are sent first, then it.
    let world = world_of(WORLD).await;
    let failed = FaultKind::Unsuccessful {
        code: "InternalError".to_owned(),
        message: "injected".to_owned(),
        items: vec!["0".to_owned()],
    };
    world
        .sns
        .inject(Fault::new("PublishBatch", failed).always());
    handle(&world, batch_of(5)).await;
    assert_eq!(announced(&world).len(), 4);
    world.sns.clear_faults();
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_all_decided(&world, "one entry failed").await;
}

#[tokio::test]
async fn an_invocation_without_time_hands_everything_back() {
    let world = world_of(WORLD).await;
    let deadline = Deadline::after(&world.clock, Duration::from_secs(1));
    let answer = world.handler().handle(batch_of(5), deadline).await;
    assert_eq!(given_back(answer).len(), 5);
    for n in 1..=5 {
        assert_eq!(state(&world, n), Some(State::PendingAcceptance));
    }
    assert!(handle(&world, batch_of(5)).await.failed.is_empty());
    assert_all_decided(&world, "with time").await;
}

#[tokio::test]
async fn the_documented_rate_is_kept() {
    let mut options = options();
    options.ec2.throttling = true;
    let mut text =
        "services:\n  - service_id: vpce-svc-0a1b2c3d4e5f60718\nconnections:\n".to_owned();
    for n in 1..=40 {
        text.push_str(&format!(
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}\n",
            endpoint(n)
        ));
    }
    text.push_str(
        "policy:\n  entries:\n    - {service_id: \"*\", principal: \"*\", effect: allow}\n",
    );
    options.limits.enforce_batch = 1;
    let world = world_with(options, &text).await;
    let start = world.clock.now();
    world.reconcile().await;
    for n in 1..=40 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted));
    }
    let refused = world
        .ec2
        .log()
        .iter()
        .filter(|call| call.error.is_some())
        .count();
    assert_eq!(refused, 0, "EC2 never had to throttle us");
    let spent = world.clock.now().duration_since(start).as_secs_f64();
    assert!(
        (29.0..32.0).contains(&spent),
        "10 at once, then 1 a second: {spent}"
    );
}

#[tokio::test]
async fn a_batch_that_sns_refuses_does_not_hold_up_what_comes_after_it() {
    let mut text =
        "services:\n  - service_id: vpce-svc-0a1b2c3d4e5f60718\nconnections:\n".to_owned();
    for n in 1..=15 {
        let id = endpoint(n);
        text.push_str(&format!(
            "  - {{endpoint_id: {id}, service_id: {SERVICE}, owner: \"{n:012}\"}}\n"
        ));
    }
    let world = world_of(&text).await;
    let refused = |code: &str| FaultKind::Refused {
        code: code.to_owned(),
        message: "injected".to_owned(),
        items: Vec::new(),
    };
    world
        .sns
        .inject(Fault::new("PublishBatch", refused("NotFound")));
    world.reconcile().await;
    assert_eq!(documents(&world).len(), 5, "the second batch of two");
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(
        documents(&world).len(),
        15,
        "and the first, when it is taken"
    );

    // If it refuses a call for its content, the messages are tried one by one.
    let world = world_of(&text).await;
    world
        .sns
        .inject(Fault::new("PublishBatch", refused("InvalidParameter")));
    world.reconcile().await;
    assert_eq!(documents(&world).len(), 15);
}
