use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use local_aws::{CallPhase, Fault, FaultKind, State};

use crate::world::*;

#[test]
fn faults_refuse_as_many_calls_as_they_are_told_to() {
    let world = World::new();
    let (service, ids) = world.service(1);
    for (kind, status, code) in [
        (FaultKind::Throttle, 503, "RequestLimitExceeded"),
        (FaultKind::InternalError, 500, "InternalError"),
        (FaultKind::Unavailable, 503, "Unavailable"),
        (FaultKind::Unauthorized, 403, "UnauthorizedOperation"),
    ] {
        world.ec2.inject(Fault::new(REJECT, kind).times(2));
        assert!(
            world.list(&[]).status == 200,
            "another action is not concerned"
        );
        for _ in 0..2 {
            assert_eq!(
                world.decide(REJECT, &service, &[&ids[0]]).outcome(),
                (status, code.to_owned())
            );
        }
        assert!(world.ec2.faults().is_empty());
    }
    assert_eq!(world.state(&ids[0]), State::PendingAcceptance);
    assert_eq!(
        world.decide(REJECT, &service, &[&ids[0]]).outcome(),
        (200, String::new())
    );
}

#[test]
fn faults_come_in_their_order_and_may_concern_all_actions() {
    let world = World::new();
    world.ec2.inject(Fault::new("*", FaultKind::Throttle));
    world
        .ec2
        .inject(Fault::new(DESCRIBE, FaultKind::InternalError).always());
    world
        .ec2
        .inject(Fault::new(DESCRIBE, FaultKind::Unavailable).times(0));
    let codes: Vec<u16> = (0..5).map(|_| world.list(&[]).status).collect();
    assert_eq!(codes, [503, 500, 500, 500, 500]);
    assert_eq!(world.ec2("DescribeVpcEndpoints", &[]).status, 200);
    world.ec2.clear_faults();
    assert_eq!(world.list(&[]).status, 200);
}

#[test]
fn some_items_fail_and_the_others_do_not() {
    let world = World::new();
    let (service, ids) = world.service(3);
    let unsuccessful = |items: &[&String]| FaultKind::Unsuccessful {
        code: "Odd".to_owned(),
        message: "m".to_owned(),
        items: items.iter().map(|item| (*item).clone()).collect(),
    };
    world
        .ec2
        .inject(Fault::new(ACCEPT, unsuccessful(&[&ids[1]])));
    assert_eq!(
        world.decide(ACCEPT, &service, &[&ids[2]]).outcome(),
        (200, String::new()),
        "not concerned"
    );
    let answer = world.decide(ACCEPT, &service, &[&ids[0], &ids[1]]);
    assert_eq!(
        (answer.all("resourceId"), answer.outcome().1.as_str()),
        (vec![ids[1].clone()], "Odd")
    );
    assert_eq!(world.state(&ids[0]), State::Pending);
    assert_eq!(world.state(&ids[1]), State::PendingAcceptance);
    world.ec2.inject(Fault::new(REJECT, unsuccessful(&[])));
    assert_eq!(
        world
            .decide(REJECT, &service, &[&ids[0], &ids[1]])
            .outcome()
            .1,
        "Odd,Odd"
    );
    assert_eq!(
        world
            .decide(REJECT, &service, &[&ids[0], &ids[1]])
            .outcome()
            .1,
        ""
    );
}

#[test]
fn a_lost_answer_leaves_the_work_done() {
    let world = World::new();
    let (service, ids) = world.service(1);
    world.ec2.inject(Fault::new(ACCEPT, FaultKind::AnswerLost));
    let params = [
        ("ServiceId", service.as_str()),
        ("VpcEndpointId.1", ids[0].as_str()),
    ];
    assert!(
        world
            .post("/ec2", PROVIDER, "us-east-1", ACCEPT, &params)
            .is_err()
    );
    assert_eq!(world.state(&ids[0]), State::Pending);
    assert_eq!(
        world.ec2.log().last().unwrap().error.as_deref(),
        Some("AnswerLost")
    );
}

#[test]
fn an_answer_that_hangs_or_fails_leaves_the_work_done() {
    let mut world = World::new();
    let (service, ids) = world.service(2);
    world.ec2.inject(Fault::new(ACCEPT, FaultKind::AnswerHangs));
    world.ec2.inject(Fault::new(ACCEPT, FaultKind::AnswerFails));
    let accept = |world: &World, id: &str| {
        let params = [("ServiceId", service.as_str()), ("VpcEndpointId.1", id)];
        world.post("/ec2", PROVIDER, "us-east-1", ACCEPT, &params)
    };
    world.read_timeout = Duration::from_millis(200);
    assert!(accept(&world, &ids[0]).is_err());
    world.read_timeout = Duration::from_secs(60);
    assert_eq!(
        accept(&world, &ids[1]).unwrap().outcome(),
        (500, "InternalError".to_owned())
    );
    let log = world.ec2.log();
    let errors: Vec<_> = log.iter().map(|call| call.error.as_deref()).collect();
    assert_eq!(errors, [Some("AnswerHangs"), Some("InternalError")]);
    for id in &ids {
        assert_eq!(world.state(id), State::Pending);
    }
}

#[test]
fn a_call_that_hangs_does_no_work_until_the_client_gives_up() {
    let mut world = World::new();
    let (service, ids) = world.service(1);
    let params = [
        ("ServiceId", service.as_str()),
        ("VpcEndpointId.1", ids[0].as_str()),
    ];
    world.ec2.inject(Fault::new(ACCEPT, FaultKind::Hang));
    world.read_timeout = Duration::from_millis(200);
    assert!(
        world
            .post("/ec2", PROVIDER, "us-east-1", ACCEPT, &params)
            .is_err()
    );
    world.read_timeout = Duration::from_secs(60);
    assert_eq!(world.list(&[]).status, 200, "others are served meanwhile");
    assert_eq!(world.state(&ids[0]), State::PendingAcceptance);
    assert_eq!(world.ec2.log()[0].error.as_deref(), Some("Hang"));
}

/// The client here is patient; only the server can end the call.
#[test]
fn hanging_calls_end_when_released_and_do_not_keep_the_server_up() {
    let world = World::new();
    world
        .ec2
        .inject(Fault::new(DESCRIBE, FaultKind::Hang).times(2));
    let ends: [fn(&World); 2] = [|world| world.ec2.release(), |world| world.stop()];
    for (end, calls) in ends.into_iter().zip(1..) {
        std::thread::scope(|scope| {
            let hanging = scope.spawn(|| world.post("/ec2", PROVIDER, "us-east-1", DESCRIBE, &[]));
            while world.ec2.log().len() < calls {
                std::thread::yield_now();
            }
            let begin = Instant::now();
            end(&world);
            assert!(hanging.join().unwrap().is_err());
            assert!(begin.elapsed() < Duration::from_secs(5));
        });
    }
}

#[test]
fn token_buckets() {
    let world = World::new();
    let (service, ids) = world.service(1);
    world.ec2.set_options(|options| options.throttling = true);
    let call = |key: &str, region: &str, action: &str| {
        let params = [
            ("ServiceId", service.as_str()),
            ("VpcEndpointId.1", ids[0].as_str()),
        ];
        world.ec2_as(key, region, action, &params).outcome()
    };
    let burst = |key: &str, region: &str, action: &str| {
        (0..200)
            .take_while(|_| call(key, region, action).1 != "RequestLimitExceeded")
            .count()
    };
    for (action, size, after_ten_seconds) in [
        (ACCEPT, 10, 10),
        (REJECT, 10, 10),
        ("ModifyVpcEndpointServiceConfiguration", 10, 10),
        ("ModifyVpcEndpointServicePermissions", 50, 50),
        ("CreateVpcEndpoint", 4, 3),
        (DESCRIBE, 100, 100),
        ("DescribeVpcEndpoints", 100, 100),
    ] {
        assert_eq!(burst("AKIAPROVIDER", "us-east-1", action), size, "{action}");
        assert_eq!(
            call("AKIAPROVIDER", "us-east-1", action),
            (503, "RequestLimitExceeded".to_owned())
        );
        assert_eq!(
            call(OTHER, "us-east-1", action).0,
            call(OTHER, "us-east-1", action).0,
            "another account"
        );
        assert_eq!(
            burst("AKIAPROVIDER", "eu-west-1", action),
            size,
            "another Region"
        );
        world.advance(10);
        assert_eq!(
            burst("AKIAPROVIDER", "us-east-1", action),
            after_ten_seconds,
            "{action} after 10 s"
        );
    }
    world.advance(1);
    assert_eq!(
        (
            burst("AKIAPROVIDER", "us-east-1", ACCEPT),
            burst("AKIAPROVIDER", "us-east-1", DESCRIBE)
        ),
        (10, 100)
    );
    world.advance(1);
    assert_eq!(
        (
            burst("AKIAPROVIDER", "us-east-1", ACCEPT),
            burst("AKIAPROVIDER", "us-east-1", DESCRIBE)
        ),
        (1, 20)
    );
    world.ec2.set_options(|options| options.throttling = false);
    assert_eq!(call("AKIAPROVIDER", "us-east-1", ACCEPT).0, 200);
}

#[test]
fn calls_are_counted_logged_and_watched() {
    let world = World::new();
    let (service, ids) = world.service(1);
    type Seen = (String, CallPhase, Option<State>);
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let (log, ec2, id) = (seen.clone(), world.ec2.clone(), ids[0].clone());
    world.ec2.set_on_call(Some(Arc::new(move |action, phase| {
        log.lock()
            .unwrap()
            .push((action.to_owned(), phase, ec2.state(&id)));
    })));
    world.decide(ACCEPT, &service, &[&ids[0]]);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (
                ACCEPT.to_owned(),
                CallPhase::Before,
                Some(State::PendingAcceptance)
            ),
            (ACCEPT.to_owned(), CallPhase::After, Some(State::Pending)),
        ]
    );
    world.ec2.set_on_call(None);
    world.ec2_as(OTHER, "eu-west-1", ACCEPT, &[]);
    world.list(&[]);
    assert_eq!(seen.lock().unwrap().len(), 2);
    let calls = world.ec2.calls();
    assert_eq!(
        (calls[ACCEPT], calls[DESCRIBE], world.ec2.calls_of(REJECT)),
        (2, 1, 0)
    );
    let log = world.ec2.log();
    assert_eq!(log.len(), 3);
    assert_eq!(log[0].param("ServiceId"), Some(service.as_str()));
    assert_eq!(
        (
            log[0].caller.access_key.as_str(),
            log[0].caller.account.as_str()
        ),
        ("AKIAPROVIDER", PROVIDER)
    );
    assert_eq!(log[0].error, None);
    assert_eq!(
        (
            log[1].caller.account.as_str(),
            log[1].caller.region.as_str()
        ),
        (OTHER, "eu-west-1")
    );
    assert_eq!(log[1].error.as_deref(), Some("MissingParameter"));
    world.ec2.reset_calls();
    assert!(world.ec2.calls().is_empty() && world.ec2.log().is_empty());
}

/// Somebody else acts between a caller's read and its write.
#[test]
fn a_hook_can_make_a_race() {
    let world = World::new();
    let (service, ids) = world.service(1);
    let (ec2, svc, id) = (world.ec2.clone(), service.clone(), ids[0].clone());
    world.ec2.set_on_call(Some(Arc::new(move |action, phase| {
        if (action, phase) == (ACCEPT, CallPhase::Before) {
            ec2.reject(&ec2.provider(), &svc, [&id]).unwrap();
        }
    })));
    assert_eq!(
        world.decide(ACCEPT, &service, &[&ids[0]]).outcome(),
        (200, "InvalidState".to_owned())
    );
    assert_eq!(world.state(&ids[0]), State::Rejected);
}
