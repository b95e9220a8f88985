use std::time::Duration;

use local_aws::{Caller, NewConnection, NewService, State};

use crate::world::*;

#[test]
fn a_request_is_accepted_becomes_available_and_is_revoked() {
    let world = World::new();
    let (service, ids) = world.service(1);
    let id = ids[0].as_str();
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "pendingAcceptance");

    assert_eq!(
        world.decide(ACCEPT, &service, &[id]).outcome(),
        (200, String::new())
    );
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "pending");
    world.advance(2);
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "available");

    assert_eq!(
        world.decide(REJECT, &service, &[id]).outcome(),
        (200, String::new())
    );
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "rejected");
    world.advance(1_000_000);
    assert_eq!(
        world.list(&[]).one("vpcEndpointState"),
        "rejected",
        "it stays listed"
    );

    assert!(world.ec2.delete_endpoint(id));
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "deleting");
    world.advance(2);
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "deleted");
    assert_eq!(
        world.decide(REJECT, &service, &[id]).outcome(),
        (200, "InvalidVpcEndpointId.NotFound".to_owned())
    );
    world.advance(2);
    assert!(world.list(&[]).endpoints().is_empty());
    assert!(world.ec2.connection(id).is_none() && world.ec2.connections().is_empty());
}

#[test]
fn what_each_state_allows() {
    let world = World::new();
    let (service, _) = world.service(0);
    let (ok, wrong, gone) = ("", "InvalidState", "InvalidVpcEndpointId.NotFound");
    for (state, accepted, rejected) in [
        (State::PendingAcceptance, ok, ok),
        (State::Pending, wrong, ok),
        (State::Available, wrong, ok),
        (State::Rejected, wrong, wrong),
        (State::Deleting, wrong, wrong),
        (State::Deleted, gone, gone),
        (State::Failed, wrong, wrong),
        (State::Expired, wrong, wrong),
        (State::Partial, wrong, wrong),
    ] {
        for (action, expected) in [(ACCEPT, accepted), (REJECT, rejected)] {
            let id = world.connect(NewConnection::new(&service, CONSUMER).state(state));
            let answer = world.decide(action, &service, &[&id]);
            assert_eq!(
                answer.outcome(),
                (200, expected.to_owned()),
                "{action} when {state}"
            );
            if expected.is_empty() {
                let after = if action == ACCEPT {
                    State::Pending
                } else {
                    State::Rejected
                };
                assert_eq!(world.state(&id), after);
                assert!(answer.all("resourceId").is_empty());
            } else {
                assert_eq!(world.state(&id), state, "{action} when {state}");
                assert_eq!(answer.all("resourceId"), [id]);
            }
        }
    }
    world
        .ec2
        .set_options(|options| options.accept_after_reject = true);
    let id = world.connect(NewConnection::new(&service, CONSUMER).state(State::Rejected));
    assert_eq!(
        world.decide(ACCEPT, &service, &[&id]).outcome(),
        (200, String::new())
    );
    assert_eq!(world.state(&id), State::Pending);
}

#[test]
fn a_call_with_more_endpoints_than_it_may_have_is_refused_whole() {
    let world = World::new();
    let (service, ids) = world.service(3);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    world
        .ec2
        .set_options(|options| options.endpoints_per_decision = 2);
    for action in [ACCEPT, REJECT] {
        let answer = world.decide(action, &service, &ids);
        assert_eq!(answer.outcome(), (400, "InvalidParameter".to_owned()));
    }
    assert_eq!(world.state(ids[0]), State::PendingAcceptance);
    assert_eq!(
        world.decide(ACCEPT, &service, &ids[..2]).outcome(),
        (200, String::new())
    );
}

#[test]
fn one_call_decides_many_and_answers_each_failure() {
    let world = World::new();
    let (service, ids) = world.service(3);
    let (other, foreign) = world.service(1);
    let answer = world.decide(
        ACCEPT,
        &service,
        &[&ids[0], NO_ENDPOINT, &ids[1], &foreign[0], &ids[0]],
    );
    assert_eq!(
        answer.all("resourceId"),
        [NO_ENDPOINT, &foreign[0], &ids[0]]
    );
    assert_eq!(
        answer.all("code"),
        [
            "InvalidVpcEndpointId.NotFound",
            "InvalidVpcEndpointId.NotFound",
            "InvalidState"
        ]
    );
    let states: Vec<State> = ids.iter().map(|id| world.state(id)).collect();
    assert_eq!(
        states,
        [State::Pending, State::Pending, State::PendingAcceptance]
    );
    assert_eq!(world.state(&foreign[0]), State::PendingAcceptance);
    assert_eq!(
        world.decide(REJECT, &other, &[&foreign[0]]).outcome(),
        (200, String::new())
    );
}

#[test]
fn calls_that_are_refused_change_nothing() {
    let world = World::new();
    let (service, ids) = world.service(1);
    let (svc, id) = (service.as_str(), ids[0].as_str());
    let endpoint = ("VpcEndpointId.1", id);
    for action in [ACCEPT, REJECT] {
        for (params, status, code) in [
            (vec![endpoint], 400, "MissingParameter"),
            (vec![("ServiceId", ""), endpoint], 400, "MissingParameter"),
            (vec![("ServiceId", svc)], 400, "MissingParameter"),
            (
                vec![("ServiceId", "svc-1"), endpoint],
                400,
                "InvalidVpcEndpointServiceIdId.Malformed",
            ),
            (
                vec![("ServiceId", "vpce-svc-XYZ00000"), endpoint],
                400,
                "InvalidVpcEndpointServiceIdId.Malformed",
            ),
            (
                vec![("ServiceId", NO_SERVICE), endpoint],
                400,
                "InvalidVpcEndpointServiceId.NotFound",
            ),
            (
                vec![("ServiceId", svc), endpoint, ("VpcEndpointId.2", "eni-1")],
                400,
                "InvalidVpcEndpointId.Malformed",
            ),
            (
                vec![("ServiceId", svc), ("VpcEndpointId.1", svc)],
                400,
                "InvalidVpcEndpointId.Malformed",
            ),
            (
                vec![
                    ("ServiceId", svc),
                    endpoint,
                    ("TransitGatewayAttachmentId.1", "tgw-attach-0aaaaaaaa"),
                ],
                400,
                "InvalidParameterCombination",
            ),
            (
                vec![
                    ("ServiceId", svc),
                    ("TransitGatewayAttachmentId.1", "tgw-attach-0aaaaaaaa"),
                ],
                400,
                "InvalidParameter",
            ),
            (
                vec![("ServiceId", svc), endpoint, ("DryRun", "true")],
                412,
                "DryRunOperation",
            ),
            (
                vec![("ServiceId", NO_SERVICE), endpoint, ("DryRun", "true")],
                400,
                "InvalidVpcEndpointServiceId.NotFound",
            ),
            (
                vec![("ServiceId", svc), endpoint, ("DryRun", "perhaps")],
                400,
                "InvalidParameterValue",
            ),
        ] {
            assert_eq!(
                world.ec2(action, &params).outcome(),
                (status, code.to_owned()),
                "{action} {params:?}"
            );
        }
    }
    assert_eq!(
        world.ec2("AcceptEverything", &[]).outcome(),
        (400, "InvalidAction".to_owned())
    );
    assert_eq!(
        world.ec2("", &[]).outcome(),
        (400, "MissingParameter".to_owned())
    );
    assert_eq!(world.state(id), State::PendingAcceptance);
    let answer = world.ec2(ACCEPT, &[]);
    assert!(
        answer
            .body
            .starts_with("<Response><Errors><Error><Code>MissingParameter</Code><Message>"),
        "{answer:?}"
    );
    assert_eq!(answer.one("RequestID").len(), 36);
}

#[test]
fn nobody_sees_or_decides_what_is_not_theirs() {
    let world = World::new();
    let (service, ids) = world.service(1);
    for (key, region) in [
        (OTHER, "us-east-1"),
        (CONSUMER, "us-east-1"),
        ("AKIAPROVIDER", "eu-west-1"),
    ] {
        assert!(
            world
                .ec2_as(key, region, DESCRIBE, &[])
                .endpoints()
                .is_empty()
        );
        let filter = [
            ("Filter.1.Name", "vpc-endpoint-id"),
            ("Filter.1.Value.1", ids[0].as_str()),
        ];
        assert!(
            world
                .ec2_as(key, region, DESCRIBE, &filter)
                .endpoints()
                .is_empty()
        );
        let params = [
            ("ServiceId", service.as_str()),
            ("VpcEndpointId.1", ids[0].as_str()),
        ];
        let answer = world.ec2_as(key, region, ACCEPT, &params);
        assert_eq!(
            answer.outcome(),
            (400, "InvalidVpcEndpointServiceId.NotFound".to_owned()),
            "{key} {region}"
        );
    }
    let params = [
        ("ServiceId", service.as_str()),
        ("VpcEndpointId.1", ids[0].as_str()),
    ];
    assert_eq!(
        world
            .ec2_as(PROVIDER, "us-east-1", ACCEPT, &params)
            .outcome(),
        (200, String::new())
    );
}

#[test]
fn filters() {
    let world = World::new();
    let a = world
        .ec2
        .put_service(NewService::new().id("vpce-svc-0000000000000000a"))
        .id;
    let b = world
        .ec2
        .put_service(NewService::new().id("vpce-svc-0000000000000000b"))
        .id;
    let put = |service: &str, owner, n: u32| {
        NewConnection::new(service, owner).endpoint_id(format!("vpce-0000000{n}"))
    };
    world.connect(put(&a, CONSUMER, 1));
    world.connect(
        put(&a, OTHER, 2)
            .state(State::Available)
            .region("eu-west-1"),
    );
    world.connect(
        put(&b, CONSUMER, 3)
            .state(State::Rejected)
            .ip_address_type("ipv6"),
    );
    world.connect(
        put(&b, OTHER, 4)
            .state(State::Expired)
            .region("eu-central-1"),
    );
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "1234"),
        (&[("service-id", "vpce-svc-0000000000000000a")], "12"),
        (
            &[(
                "service-id",
                "vpce-svc-0000000000000000a,vpce-svc-0000000000000000b",
            )],
            "1234",
        ),
        (&[("service-id", "vpce-svc-*b")], "34"),
        (&[("service-id", NO_SERVICE)], ""),
        (&[("vpc-endpoint-owner", CONSUMER)], "13"),
        (&[("vpc-endpoint-owner", "12345678901")], ""),
        (&[("vpc-endpoint-owner", "0*,4*")], "1234"),
        (&[("vpc-endpoint-state", "pendingAcceptance")], "1"),
        (&[("vpc-endpoint-state", "PendingAcceptance")], ""),
        (&[("vpc-endpoint-state", "pendingacceptance")], ""),
        (&[("vpc-endpoint-state", "available,rejected")], "23"),
        (&[("vpc-endpoint-state", "expired")], "4"),
        (&[("vpc-endpoint-state", "?e*d")], "3"),
        (&[("vpc-endpoint-region", "us-east-1")], "13"),
        (&[("vpc-endpoint-region", "eu-west-1")], "2"),
        (&[("vpc-endpoint-region", "cross-region")], "24"),
        (&[("ip-address-type", "ipv6")], "3"),
        (
            &[("transit-gateway-attachment-id", "tgw-attach-0aaaaaaaa")],
            "",
        ),
        (
            &[(
                "vpc-endpoint-id",
                "vpce-00000004,vpce-00000001,vpce-00000001",
            )],
            "14",
        ),
        (
            &[
                ("vpc-endpoint-id", "vpce-0000000?"),
                ("vpc-endpoint-owner", OTHER),
            ],
            "24",
        ),
        (
            &[
                ("vpc-endpoint-id", "vpce-00000004"),
                ("vpc-endpoint-owner", CONSUMER),
            ],
            "",
        ),
        (
            &[
                ("service-id", "vpce-svc-0000000000000000b"),
                ("vpc-endpoint-state", "rejected,available"),
            ],
            "3",
        ),
    ];
    for (filters, expected) in cases {
        let ids = world.list(filters).endpoints();
        let digits: String = ids.iter().filter_map(|id| id.chars().last()).collect();
        assert_eq!(digits, *expected, "{filters:?}");
    }
    for (filter, code) in [
        (
            &[("Filter.1.Name", "owner"), ("Filter.1.Value.1", "x")][..],
            "InvalidFilter",
        ),
        (
            &[
                ("Filter.1.Name", "vpc-endpoint-id "),
                ("Filter.1.Value.1", "x"),
            ],
            "InvalidFilter",
        ),
        (
            &[("Filter.1.Name", "Service-Id"), ("Filter.1.Value.1", "x")],
            "InvalidFilter",
        ),
        (
            &[("Filter.1.Name", "tag:a"), ("Filter.1.Value.1", "x")],
            "InvalidFilter",
        ),
        (&[("Filter.1.Name", "service-id")], "MissingParameter"),
        (&[("Filter.1.Value.1", "x")], "MissingParameter"),
    ] {
        assert_eq!(
            world.ec2(DESCRIBE, filter).outcome(),
            (400, code.to_owned()),
            "{filter:?}"
        );
    }
    let values = vec!["x"; 201].join(",");
    assert_eq!(
        world.list(&[("service-id", &values)]).outcome(),
        (400, "FilterLimitExceeded".to_owned())
    );
    assert_eq!(
        world.list(&[("service-id", &"x".repeat(256))]).outcome(),
        (400, "FilterLimitExceeded".to_owned())
    );
    assert_eq!(
        world.list(&[("service-id", "x"); 51]).outcome(),
        (400, "FilterLimitExceeded".to_owned())
    );

    world
        .ec2
        .set_options(|options| options.reject_endpoint_id_filter = true);
    let answer = world.list(&[("vpc-endpoint-id", "vpce-00000004")]);
    assert_eq!(answer.outcome(), (400, "InvalidFilter".to_owned()));
}

#[test]
fn pages() {
    let world = World::new();
    let (first, mut all) = world.service(7);
    let (second, more) = world.service(6);
    // Lists go by service, then by age.
    if first < second {
        all.extend(more);
    } else {
        all.splice(0..0, more).for_each(drop);
    }
    for (empty, page_size, expected) in [
        (false, 1000, vec![5, 5, 3]),
        (true, 1000, vec![0, 5, 0, 5, 0, 3]),
        (false, 4, vec![4, 4, 4, 1]),
    ] {
        world.ec2.set_options(|options| {
            options.empty_pages = empty;
            options.page_size = page_size;
        });
        let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let answer = world.ec2(DESCRIBE, &[("MaxResults", "5"), ("NextToken", &token)]);
            let ids = answer.endpoints();
            sizes.push(ids.len());
            seen.extend(ids);
            token = answer.one("nextToken");
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert_eq!(sizes, expected);
    }
    world.ec2.set_options(|options| options.page_size = 1000);
    assert_eq!(
        world.ec2(DESCRIBE, &[("MaxResults", "1000")]).endpoints(),
        all
    );
    for max in ["4", "0", "1001", "-5", "ten"] {
        let answer = world.ec2(DESCRIBE, &[("MaxResults", max)]);
        assert_eq!(
            answer.outcome(),
            (400, "InvalidParameterValue".to_owned()),
            "{max}"
        );
    }
    for token in ["nonsense", "0", "é"] {
        let answer = world.ec2(DESCRIBE, &[("NextToken", token)]);
        assert_eq!(
            answer.outcome(),
            (400, "InvalidNextToken".to_owned()),
            "{token}"
        );
    }
    // A page that begins behind something that has gone since.
    let answer = world.ec2(DESCRIBE, &[("MaxResults", "5")]);
    world.ec2.set_options(|options| {
        (options.deleting_delay, options.deleted_delay) = Default::default();
    });
    assert!(world.ec2.delete_endpoint(&answer.endpoints()[4]));
    let token = answer.one("nextToken");
    let next = world.ec2(DESCRIBE, &[("MaxResults", "5"), ("NextToken", &token)]);
    assert_eq!(next.endpoints(), all[5..10]);
    // Filters apply before pages are cut: rejected ones, of which there is a page and one more.
    for id in &all[5..11] {
        assert!(world.ec2.set_state(id, State::Rejected));
    }
    let filter = [
        ("Filter.1.Name", "vpc-endpoint-state"),
        ("Filter.1.Value.1", "rejected"),
        ("MaxResults", "5"),
    ];
    let answer = world.ec2(DESCRIBE, &filter);
    assert_eq!(answer.endpoints(), all[5..10]);
    let token = answer.one("nextToken");
    let rest = world.ec2(
        DESCRIBE,
        &[&filter[..], &[("NextToken", token.as_str())]].concat(),
    );
    assert_eq!(
        (rest.endpoints(), rest.one("nextToken")),
        (vec![all[10].clone()], String::new())
    );
}

#[test]
fn describe_lags_behind() {
    let world = World::new();
    let (service, ids) = world.service(1);
    world
        .ec2
        .set_options(|options| options.describe_lag = Duration::from_secs(3));
    assert_eq!(
        world.list(&[]).endpoints(),
        ids,
        "what was put into the world has always been there"
    );
    world.decide(ACCEPT, &service, &[&ids[0]]);
    let second = world.decide(ACCEPT, &service, &[&ids[0]]);
    assert_eq!(
        second.outcome(),
        (200, "InvalidState".to_owned()),
        "the decision itself does not lag"
    );
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "pendingAcceptance");
    world.advance(3);
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "pending");
    world.advance(2);
    assert_eq!(world.list(&[]).one("vpcEndpointState"), "available");
    world.decide(REJECT, &service, &[&ids[0]]);
    assert_eq!(
        world
            .list(&[("vpc-endpoint-state", "rejected")])
            .endpoints()
            .len(),
        0
    );
    assert_eq!(
        world
            .list(&[("vpc-endpoint-state", "available")])
            .endpoints()
            .len(),
        1
    );

    let consumer = Caller::new(CONSUMER, "us-east-1");
    let new = world
        .ec2
        .create_endpoint(&consumer, local_aws::NewEndpoint::new(&service))
        .unwrap();
    assert_eq!(
        world
            .list(&[("vpc-endpoint-id", &new.endpoint_id)])
            .endpoints()
            .len(),
        0
    );
    world.advance(3);
    assert_eq!(
        world
            .list(&[("vpc-endpoint-id", &new.endpoint_id)])
            .endpoints()
            .len(),
        1
    );
    assert!(world.ec2.set_state(&new.endpoint_id, State::Failed));
    assert_eq!(
        world
            .list(&[("vpc-endpoint-state", "failed")])
            .endpoints()
            .len(),
        1,
        "set by hand, seen at once"
    );
}

#[test]
fn a_connection_has_all_its_fields() {
    let world = World::new();
    let service = world
        .ec2
        .put_service(NewService::new().id("vpce-svc-0000000000000000a"));
    let created = world.clock.now();
    world.advance(60);
    let new = NewConnection::new(&service.id, CONSUMER)
        .endpoint_id("vpce-0000000000000000b")
        .created_at(created);
    let connection = world.ec2.put_connection(new.region("eu-west-1")).unwrap();
    let answer = world.list(&[]);
    let balancer = service.load_balancers.iter().next().unwrap();
    for (name, expected) in [
        ("serviceId", "vpce-svc-0000000000000000a"),
        ("vpcEndpointId", "vpce-0000000000000000b"),
        ("vpcEndpointOwner", CONSUMER),
        ("vpcEndpointState", "pendingAcceptance"),
        ("creationTimestamp", "2026-01-01T00:00:00.000Z"),
        ("vpcEndpointConnectionId", &connection.connection_id),
        ("vpcEndpointRegion", "eu-west-1"),
        ("ipAddressType", "ipv4"),
        (
            "networkLoadBalancerArnSet",
            &format!("<item>{balancer}</item>"),
        ),
        ("tagSet", ""),
        ("scope", "vpc-endpoint-charges"),
    ] {
        assert_eq!(answer.one(name), expected, "{name}");
    }
    let dns = answer.one("dnsName");
    assert!(dns.starts_with("vpce-0000000000000000b-"), "{dns}");
    assert!(
        dns.ends_with(".vpce-svc-0000000000000000a.us-east-1.vpce.amazonaws.com"),
        "{dns}"
    );
    assert!(connection.connection_id.starts_with("vpce-con-0"));
    assert!(answer.body.contains("<DescribeVpcEndpointConnectionsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"));
}

#[test]
fn the_world_can_be_changed_in_process() {
    let world = World::new();
    let (service, ids) = world.service(2);
    let provider = world.ec2.provider();
    assert!(
        world
            .ec2
            .accept(&provider, &service, &ids)
            .unwrap()
            .is_empty()
    );
    let failed = world
        .ec2
        .accept(&provider, &service, [NO_ENDPOINT])
        .unwrap();
    assert_eq!(
        (failed[0].resource_id.as_str(), failed[0].code.as_str()),
        (NO_ENDPOINT, "InvalidVpcEndpointId.NotFound")
    );
    assert!(
        world
            .ec2
            .reject(&provider, &service, [&ids[1]])
            .unwrap()
            .is_empty()
    );
    let code = world
        .ec2
        .accept(&Caller::new(OTHER, "us-east-1"), &service, &ids)
        .unwrap_err()
        .code;
    assert_eq!(code, "InvalidVpcEndpointServiceId.NotFound");
    let states: Vec<State> = world
        .ec2
        .connections()
        .iter()
        .map(|connection| connection.state)
        .collect();
    assert_eq!(states, [State::Pending, State::Rejected]);
    assert!(
        world.ec2.calls().is_empty(),
        "what is done in process is not counted"
    );
    assert!(!world.ec2.set_state(NO_ENDPOINT, State::Failed));
    assert!(!world.ec2.delete_endpoint(NO_ENDPOINT));
    assert_eq!(
        world
            .ec2
            .put_connection(NewConnection::new(NO_SERVICE, CONSUMER))
            .unwrap_err()
            .status,
        400
    );
    let again = NewConnection::new(&service, OTHER).endpoint_id(&ids[0]);
    assert_eq!(world.connect(again), ids[0]);
    assert_eq!(world.ec2.connection(&ids[0]).unwrap().owner, OTHER);
    assert_eq!(
        world.ec2.connections().len(),
        2,
        "the same endpoint is replaced"
    );
}
