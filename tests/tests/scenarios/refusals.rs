//! EC2's refusals and their words: only EC2's description is believed about a connection, and a
//! fault of one does not affect another.

use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind, State};

use crate::support::*;

const ACCEPT: &str = "AcceptVpcEndpointConnections";
const REJECT: &str = "RejectVpcEndpointConnections";
const DESCRIBE: &str = "DescribeVpcEndpointConnections";

/// This many endpoints wait, and an entry allows everybody.
fn waiting(count: u32) -> String {
    let mut text =
        "services:\n  - service_id: vpce-svc-0a1b2c3d4e5f60718\nconnections:\n".to_owned();
    for n in 1..=count {
        text.push_str(&format!(
            "  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\"}}\n",
            endpoint(n)
        ));
    }
    text + "policy:\n  entries:\n    - {service_id: \"*\", principal: \"*\", effect: allow}\n"
}

/// EC2 says this of one endpoint of a call.
fn item(code: &str, message: &str, n: u32) -> FaultKind {
    FaultKind::Unsuccessful {
        code: code.to_owned(),
        message: message.to_owned(),
        items: vec![endpoint(n).to_string()],
    }
}

/// EC2 refuses every call that has one of these endpoints.
fn whole(code: &str, message: &str, bad: &[u32]) -> FaultKind {
    FaultKind::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
        items: bad.iter().map(|n| endpoint(*n).to_string()).collect(),
    }
}

/// How often EC2 was asked, since the last time.
fn calls(world: &World, action: &str) -> u64 {
    let calls = world.ec2.calls().get(action).copied().unwrap_or_default();
    world.ec2.reset_calls();
    calls
}

fn counted(world: &World, error_type: &str) -> bool {
    let failures = ("error_type", error_type);
    world
        .gatekeeper(Function::Reconcile)
        .metrics()
        .last_of("StepFailures", failures)
        .is_some()
}

#[tokio::test]
async fn a_temporary_failure_is_no_alarm_whatever_ec2_calls_it() {
    for (code, message) in [
        ("TooManyRequestsException", ""),
        ("RequestThrottled", ""),
        ("EC2ThrottledException", ""),
        ("SlowDown", ""),
        ("PriorRequestNotComplete", ""),
        ("RequestTimeout", ""),
        (
            "OperationInProgress",
            "VpcEndpoint modify operation in progress",
        ),
        ("InvalidParameter", "There is an operation going on."),
        ("IncorrectState", "The endpoint is updating"),
        ("IncorrectStateException", ""),
        ("InvalidStateTransition", ""),
        ("InvalidVpcEndpoint.InvalidState", ""),
        (
            "InvalidVpcEndpointServiceState",
            "The service is being modified",
        ),
    ] {
        for (action, n, decided) in [
            (ACCEPT, 1, Status::Accepting),
            (REJECT, 2, Status::Rejecting),
        ] {
            for kind in [item(code, message, n), whole(code, message, &[n])] {
                let context = format!("{action} {kind:?}");
                let world = world_of(WORLD).await;
                world.ec2.inject(Fault::new(action, kind).always());
                let answer = handle(&world, batch_of(5)).await;
                // A call that fails as a whole fails for all of its endpoints.
                assert!(!answer.failed.is_empty(), "{context}");
                for (_, error) in &answer.failed {
                    assert_eq!(error.error_type(), "Retryable.Enforce", "{context}");
                }
                assert_eq!(status(&world, n).await, Some(decided), "{context}");
                world.ec2.clear_faults();
                world.clock.advance(LATER);
                let answer = handle(&world, batch_of(5)).await;
                assert!(answer.failed.is_empty(), "{context}: {:?}", answer.failed);
                assert_all_decided(&world, &context).await;
            }
        }
    }
}

#[tokio::test]
async fn no_answer_to_accept_or_reject_makes_a_listed_endpoint_gone() {
    for (code, message) in [
        ("InvalidVpcEndpointId.NotFound", ""),
        (
            "InvalidVpcEndpoint.NotFound",
            "The Vpc Endpoint Id 'x' does not exist",
        ),
        ("InvalidParameter", "The subnet ID does not exist"),
        ("InvalidParameter", "vpc-0 doesn't exist"),
        ("SomethingNew", "It no longer exists"),
        ("SomethingNew", "The endpoint has been deleted"),
        ("NoSuchEndpoint", ""),
    ] {
        for (action, n) in [(ACCEPT, 1), (REJECT, 2)] {
            for kind in [item(code, message, n), whole(code, message, &[n])] {
                let context = format!("{action} {kind:?}");
                let world = world_of(WORLD).await;
                world.ec2.inject(Fault::new(action, kind).always());
                for _ in 0..2 {
                    let answer = handle(&world, batch_of(5)).await;
                    let failed: Vec<_> =
                        answer.failed.iter().map(|(_, e)| e.error_type()).collect();
                    assert_eq!(failed, ["Retryable.Enforce"], "{context}");
                    assert!(!path(&world, n).await.contains("gone"), "{context}");
                    world.clock.advance(LATER);
                }
                world.ec2.clear_faults();
                handle(&world, batch_of(5)).await;
                assert_all_decided(&world, &context).await;
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_refusal_is_compared_with_ec2s_description() {
    for (shown, expected) in [
        (State::Available, "- > accepting > accepted"),
        (State::Rejected, "- > accepting > rejected"),
        (State::Failed, "- > accepting > gone"),
        (State::Deleting, "- > accepting > gone"),
    ] {
        let world = std::sync::Arc::new(world_of(WORLD).await);
        let calls = Calls::of(&world);
        let own = std::sync::Arc::clone(&world);
        calls.after(READS + 1, move || {
            own.ec2.set_state(endpoint(1).as_str(), shown);
        });
        let refused = item("SomethingNew", "injected", 1);
        world.ec2.inject(Fault::new(ACCEPT, refused));
        let answer = handle(&world, requested(&endpoint(1))).await;
        assert!(answer.failed.is_empty(), "{shown}: {:?}", answer.failed);
        assert_eq!(path(&world, 1).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_ec2_no_longer_lists_is_gone_when_that_is_no_lag() {
    let mut options = options();
    options.ec2.deleting_delay = std::time::Duration::ZERO;
    options.ec2.deleted_delay = std::time::Duration::ZERO;
    let world = std::sync::Arc::new(world_with(options, WORLD).await);
    let calls = Calls::of(&world);
    let own = std::sync::Arc::clone(&world);
    // It is deleted, and no longer listed, between our record and our call.
    calls.after(READS + 1, move || {
        own.ec2.delete_endpoint(endpoint(1).as_str());
    });
    let answer = handle(&world, requested(&endpoint(1))).await;
    assert_eq!(answer.failed[0].1.error_type(), "Retryable.Enforce");
    assert_eq!(path(&world, 1).await, "- > accepting", "it may be lag");
    world.clock.advance(LATER);
    let answer = handle(&world, requested(&endpoint(1))).await;
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    assert_eq!(path(&world, 1).await, "- > accepting > gone");
}

#[tokio::test]
async fn bad_endpoints_among_fifty_do_not_affect_the_others() {
    let few = [4, 27];
    let many = [1, 2, 9, 20, 26, 33, 41, 50];
    for bad in [&few[..], &many[..]] {
        for named in [false, true] {
            for code in ["InvalidVpcEndpointId.NotFound", "SomethingNew"] {
                let context = format!("{code}, {bad:?}, named: {named}");
                let world = world_of(&waiting(50)).await;
                let ids: Vec<_> = bad.iter().map(|n| endpoint(*n).to_string()).collect();
                let message = if named {
                    ids.join(", ")
                } else {
                    "injected".to_owned()
                };
                let refused = whole(code, &message, bad);
                world.ec2.inject(Fault::new(ACCEPT, refused).always());
                world.reconcile().await;
                for n in 1..=50 {
                    let expected = if bad.contains(&n) {
                        Status::Accepting
                    } else {
                        Status::Accepted
                    };
                    assert_eq!(status(&world, n).await, Some(expected), "{context}: {n}");
                }
                world.ec2.clear_faults();
                world.clock.advance(LATER);
                world.reconcile().await;
                for n in bad {
                    let path = path(&world, *n).await;
                    assert_eq!(path, "- > accepting > accepted", "{context}: {n}");
                }
            }
        }
    }
}

#[tokio::test]
async fn all_are_accepted_in_one_run_however_few_endpoints_ec2_takes_at_once() {
    for (limit, most) in [
        (49, 4),
        (25, 4),
        (10, 13),
        (5, 24),
        (3, 24),
        (2, 36),
        (1, 66),
    ] {
        let mut options = options();
        options.ec2.throttling = true;
        options.ec2.decide_at_most = Some(limit);
        let world = world_with(options, &waiting(60)).await;
        let began = world.clock.now();
        world.reconcile().await;
        for n in 1..=60 {
            assert_eq!(
                status(&world, n).await,
                Some(Status::Accepted),
                "{limit}: {n}"
            );
        }
        assert!(!counted(&world, "Permanent.Refused"), "{limit}");
        assert!(!counted(&world, "Retryable.Enforce"), "{limit}");
        let made = calls(&world, ACCEPT);
        assert!(made <= most, "{limit}: {made} calls");
        // EC2's bucket holds ten calls, and a second brings one more.
        let spent = world.clock.now().duration_since(began).as_secs();
        let bound = i64::try_from(most).unwrap().saturating_sub(9);
        assert!(spent <= bound.max(1), "{limit}: {spent} s");

        // The result is remembered.
        minutes_pass(&world, 10);
        for n in 61..=120 {
            somebody_asks(&world, n, "000000000001");
        }
        world.reconcile().await;
        for n in 61..=120 {
            assert_eq!(
                status(&world, n).await,
                Some(Status::Accepted),
                "{limit}: {n}"
            );
        }
        let refused = |call: &&local_aws::CallRecord| call.error.is_some();
        assert_eq!(world.ec2.log().iter().filter(refused).count(), 0, "{limit}");
    }
}

#[tokio::test]
async fn a_limit_found_by_the_last_calls_of_a_run_is_remembered_too() {
    let mut options = options();
    options.ec2.decide_at_most = Some(25);
    let world = world_with(options, &waiting(50)).await;
    world.reconcile().await;
    assert_eq!(calls(&world, ACCEPT), 3);
    for n in 51..=100 {
        somebody_asks(&world, n, "000000000001");
    }
    world.reconcile().await;
    assert_eq!(status(&world, 100).await, Some(Status::Accepted));
    assert_eq!(calls(&world, ACCEPT), 2);
    // EC2's limit may change: after a while it is tried again.
    world
        .ec2
        .set_options(|options| options.decide_at_most = None);
    hours_pass(&world, 2);
    for n in 101..=150 {
        somebody_asks(&world, n, "000000000001");
    }
    world.reconcile().await;
    assert_eq!(calls(&world, ACCEPT), 1);
}

#[tokio::test]
async fn a_limit_and_a_bad_endpoint_are_told_apart() {
    let mut options = options();
    options.ec2.decide_at_most = Some(10);
    let world = world_with(options, &waiting(60)).await;
    let bad = whole("SomethingNew", "injected", &[17]);
    world.ec2.inject(Fault::new(ACCEPT, bad).always());
    world.reconcile().await;
    for n in 1..=60 {
        let expected = if n == 17 {
            Status::Accepting
        } else {
            Status::Accepted
        };
        assert_eq!(status(&world, n).await, Some(expected), "{n}");
    }
}

#[tokio::test]
async fn endpoints_that_ec2_calls_too_many_are_asked_for_again() {
    let world = world_of(&waiting(40)).await;
    let surplus = FaultKind::Unsuccessful {
        code: "InvalidParameter".to_owned(),
        message: "The maximum number of endpoints in a request was exceeded.".to_owned(),
        items: (26..=40).map(|n| endpoint(n).to_string()).collect(),
    };
    world.ec2.inject(Fault::new(ACCEPT, surplus));
    world.reconcile().await;
    for n in 1..=40 {
        assert_eq!(status(&world, n).await, Some(Status::Accepted), "{n}");
    }
    assert_eq!(calls(&world, ACCEPT), 2);
}

#[tokio::test]
async fn a_connection_in_progress_does_not_use_up_its_one_try() {
    let mut options = options();
    options.ec2.accept_after_reject = true;
    let world = world_with(options, WORLD).await;
    world.reconcile().await;
    remove(&world, "*", "deny", "000000000002").await;
    allow(&world, "*", "000000000002").await;
    minutes_pass(&world, 5);
    let busy = item("OperationInProgress", "", 2);
    world.ec2.inject(Fault::new(ACCEPT, busy));
    world.reconcile().await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepting));
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
}

#[tokio::test]
async fn an_id_that_ec2_does_not_take_fails_only_itself() {
    let named = format!("Invalid Id: '{}'", endpoint(3));
    let value = format!("Value ({}) for parameter filter is invalid", endpoint(3));
    for (code, message, fails) in [
        ("InvalidVpcEndpointId.Malformed", "injected", true),
        ("InvalidVpcEndpointId.Malformed", named.as_str(), true),
        ("InvalidParameterValue", value.as_str(), true),
        ("InvalidVpcEndpointId.NotFound", "injected", false),
    ] {
        let world = world_of(&waiting(7)).await;
        let refused = whole(code, message, &[3]);
        world.ec2.inject(Fault::new(DESCRIBE, refused).always());
        let answer = handle(&world, batch_of(7)).await;
        for n in [1, 2, 4, 5, 6, 7] {
            assert_eq!(
                status(&world, n).await,
                Some(Status::Accepted),
                "{code}: {n}"
            );
        }
        assert_eq!(status(&world, 3).await, None, "{code}");
        if fails {
            let (record, error) = &answer.failed[0];
            assert_eq!((*record, answer.failed.len()), (2, 1), "{code}");
            assert_eq!(error.error_type(), "Permanent.RefusedCall");
            let said = gatekeeper_aws::error::chain(&**error);
            assert!(said.contains(code) && said.contains(message), "{said}");
        } else {
            assert!(answer.failed.is_empty(), "{code}: {:?}", answer.failed);
        }
    }
}

#[tokio::test]
async fn if_ec2_takes_no_ids_the_services_are_listed() {
    let world = world_of(&waiting(40)).await;
    let all: Vec<u32> = (1..=40).collect();
    let refused = whole("InvalidVpcEndpointId.Malformed", "injected", &all);
    world.ec2.inject(Fault::new(DESCRIBE, refused).always());
    let answer = handle(&world, batch_of(40)).await;
    let accepted = world
        .ec2
        .connections()
        .into_iter()
        .filter(|connection| connection.state != State::PendingAcceptance)
        .count();
    assert_eq!(accepted + answer.failed.len(), 40, "none is passed over");
    assert!(accepted >= 20, "{accepted}");
}
