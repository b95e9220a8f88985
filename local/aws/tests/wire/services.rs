use local_aws::{Caller, NewEndpoint, NewService, Service, State};

use crate::world::*;

const CREATE: &str = "CreateVpcEndpointServiceConfiguration";
const DESCRIBE: &str = "DescribeVpcEndpointServiceConfigurations";
const MODIFY: &str = "ModifyVpcEndpointServiceConfiguration";
const DELETE: &str = "DeleteVpcEndpointServiceConfigurations";
const MODIFY_PERMISSIONS: &str = "ModifyVpcEndpointServicePermissions";
const DESCRIBE_PERMISSIONS: &str = "DescribeVpcEndpointServicePermissions";
const NLB: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/a/0123456789abcdef";
const OTHER_NLB: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/b/0123456789abcdef";
const GWLB: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/gwy/a/0123456789abcdef";

#[test]
fn services_are_created_changed_and_deleted() {
    let world = World::new();
    let answer = world.ec2(
        CREATE,
        &[
            ("NetworkLoadBalancerArn.1", NLB),
            ("SupportedRegion.1", "eu-west-1"),
            ("SupportedIpAddressType.1", "ipv4"),
            ("TagSpecification.1.ResourceType", "vpc-endpoint-service"),
            ("TagSpecification.1.Tag.1.Key", "team"),
            ("TagSpecification.1.Tag.1.Value", "a & b"),
            ("ClientToken", "t"),
        ],
    );
    let id = answer.one("serviceId");
    assert!(id.starts_with("vpce-svc-0") && id.len() == 26, "{answer:?}");
    assert_eq!(
        answer.one("serviceName"),
        format!("com.amazonaws.vpce.us-east-1.{id}")
    );
    assert_eq!(answer.one("acceptanceRequired"), "true");
    assert_eq!(answer.one("value"), "a & b");
    assert_eq!(answer.all("region"), ["eu-west-1", "us-east-1"]);
    assert_eq!(answer.one("clientToken"), "t");

    let modify = |params: &[(&str, &str)]| {
        world
            .ec2(MODIFY, &[&[("ServiceId", id.as_str())], params].concat())
            .outcome()
    };
    assert_eq!(
        modify(&[("AcceptanceRequired", "false"), ("DryRun", "true")]),
        (412, "DryRunOperation".to_owned())
    );
    assert!(world.ec2.service(&id).unwrap().acceptance_required);
    assert_eq!(
        modify(&[
            ("AcceptanceRequired", "false"),
            ("RemoveSupportedRegion.1", "eu-west-1")
        ]),
        (200, String::new())
    );
    assert_eq!(
        modify(&[
            ("PrivateDnsName", "a.example.com"),
            ("AddNetworkLoadBalancerArn.1", OTHER_NLB)
        ]),
        (200, String::new())
    );
    let service = world.ec2.service(&id).unwrap();
    assert!(!service.acceptance_required);
    assert_eq!(
        (service.regions.len(), service.load_balancers.len()),
        (1, 2)
    );
    assert_eq!(service.private_dns_name.as_deref(), Some("a.example.com"));
    assert_eq!(
        modify(&[("RemovePrivateDnsName", "true")]),
        (200, String::new())
    );
    assert_eq!(world.ec2.service(&id).unwrap().private_dns_name, None);
    for (params, code) in [
        (
            &[("RemoveSupportedRegion.1", "us-east-1")][..],
            "InvalidParameter",
        ),
        (
            &[
                ("RemoveNetworkLoadBalancerArn.1", NLB),
                ("RemoveNetworkLoadBalancerArn.2", OTHER_NLB),
            ],
            "InvalidParameter",
        ),
        (&[("AddGatewayLoadBalancerArn.1", GWLB)], "InvalidParameter"),
        (
            &[("RemoveSupportedIpAddressType.1", "ipv4")],
            "InvalidParameter",
        ),
        (
            &[("AddSupportedIpAddressType.1", "dualstack")],
            "InvalidParameterValue",
        ),
        (&[("AcceptanceRequired", "maybe")], "InvalidParameterValue"),
    ] {
        assert_eq!(modify(params), (400, code.to_owned()), "{params:?}");
    }

    let endpoint = world.connect(local_aws::NewConnection::new(&id, CONSUMER));
    let delete = || world.ec2(DELETE, &[("ServiceId.1", &id), ("ServiceId.2", NO_SERVICE)]);
    let answer = delete();
    assert_eq!(answer.all("resourceId"), [id.as_str(), NO_SERVICE]);
    assert_eq!(
        answer.all("code"),
        [
            "ExistingVpcEndpointConnections",
            "InvalidVpcEndpointService.NotFound"
        ]
    );
    world.decide(REJECT, &id, &[&endpoint]);
    assert_eq!(delete().all("resourceId"), [NO_SERVICE]);
    assert!(world.ec2.services().is_empty());
    assert_eq!(
        world.ec2(DELETE, &[]).outcome(),
        (400, "MissingParameter".to_owned())
    );
}

#[test]
fn what_is_wrong_is_refused() {
    let world = World::new();
    for (params, code) in [
        (&[][..], "InvalidParameterCombination"),
        (
            &[
                ("NetworkLoadBalancerArn.1", NLB),
                ("GatewayLoadBalancerArn.1", GWLB),
            ],
            "InvalidParameterCombination",
        ),
        (
            &[
                ("NetworkLoadBalancerArn.1", NLB),
                ("AcceptanceRequired", "x"),
            ],
            "InvalidParameterValue",
        ),
        (
            &[
                ("NetworkLoadBalancerArn.1", NLB),
                ("SupportedIpAddressType.1", "ipv5"),
            ],
            "InvalidParameterValue",
        ),
        (
            &[
                ("GatewayLoadBalancerArn.1", GWLB),
                ("PrivateDnsName", "a.example.com"),
            ],
            "InvalidParameter",
        ),
    ] {
        assert_eq!(
            world.ec2(CREATE, params).outcome(),
            (400, code.to_owned()),
            "{params:?}"
        );
    }
    let dry = world.ec2(
        CREATE,
        &[("NetworkLoadBalancerArn.1", NLB), ("DryRun", "true")],
    );
    assert_eq!(dry.outcome(), (412, "DryRunOperation".to_owned()));
    assert!(world.ec2.services().is_empty());
    for action in [MODIFY, MODIFY_PERMISSIONS, DESCRIBE_PERMISSIONS] {
        for (id, code) in [
            ("", "MissingParameter"),
            ("vpce-0aaaaaaaa", "InvalidVpcEndpointServiceIdId.Malformed"),
            (NO_SERVICE, "InvalidVpcEndpointServiceId.NotFound"),
        ] {
            let answer = world.ec2(
                action,
                &[("ServiceId", id), ("AddAllowedPrincipals.1", "*")],
            );
            assert_eq!(answer.outcome(), (400, code.to_owned()), "{action} {id}");
        }
    }
    let gateway = world.ec2(CREATE, &[("GatewayLoadBalancerArn.1", GWLB)]);
    assert_eq!(
        gateway.all("serviceType").last().unwrap(),
        "GatewayLoadBalancer"
    );
    assert_eq!(
        gateway.one("gatewayLoadBalancerArnSet"),
        format!("<item>{GWLB}</item>")
    );
}

#[test]
fn services_are_listed_filtered_and_paged() {
    let world = World::new();
    let id = |n: u32| format!("vpce-svc-{n:017x}");
    for n in 0..7 {
        let service = NewService::new().id(id(n)).tag("n", n.to_string());
        let _ = world.ec2.put_service(if n == 3 {
            service.tag("odd", "")
        } else {
            service
        });
    }
    let _ = world.ec2.put_service(NewService::new().owner(OTHER));
    let _ = world.ec2.put_service(NewService::new().region("eu-west-1"));
    let list = |params: &[(&str, &str)]| {
        let answer = world.ec2(DESCRIBE, params);
        (
            answer.all("serviceId"),
            answer.outcome().1,
            answer.one("nextToken"),
        )
    };
    let filter = |name: &str, value: &str| {
        list(&[("Filter.1.Name", name), ("Filter.1.Value.1", value)])
            .0
            .len()
    };
    assert_eq!(list(&[]).0, (0..7).map(id).collect::<Vec<_>>());
    assert_eq!(
        list(&[("ServiceId.1", &id(5)), ("ServiceId.2", &id(1))]).0,
        [id(1), id(5)]
    );
    assert_eq!(
        list(&[("ServiceId.1", NO_SERVICE)]).1,
        "InvalidVpcEndpointServiceId.NotFound"
    );
    for (name, value, expected) in [
        ("service-id", id(2).as_str(), 1),
        (
            "service-name",
            &format!("com.amazonaws.vpce.us-east-1.{}", id(2)),
            1,
        ),
        ("service-state", "Available", 7),
        ("service-state", "Deleted", 0),
        ("supported-ip-address-types", "ipv6", 0),
        ("tag:n", "4", 1),
        ("tag:n", "?", 7),
        ("tag-key", "odd", 1),
        ("tag-key", "o*", 1),
    ] {
        assert_eq!(filter(name, value), expected, "{name}={value}");
    }
    let (first, _, token) = list(&[("MaxResults", "5")]);
    let (second, _, end) = list(&[("MaxResults", "5"), ("NextToken", &token)]);
    assert_eq!(
        (first.len(), second, end.as_str()),
        (5, vec![id(5), id(6)], "")
    );
    assert_eq!(list(&[("MaxResults", "4")]).1, "InvalidParameterValue");
    assert_eq!(list(&[("NextToken", "x")]).1, "InvalidNextToken");
    assert_eq!(
        list(&[("Filter.1.Name", "owner"), ("Filter.1.Value.1", "x")]).1,
        "InvalidFilter"
    );
    assert_eq!(list(&[("DryRun", "true")]).1, "DryRunOperation");
}

#[test]
fn permissions() {
    let world = World::new();
    let id = world.ec2.put_service(NewService::new()).id;
    let modify = |params: &[(&str, &str)]| {
        world.ec2(
            MODIFY_PERMISSIONS,
            &[&[("ServiceId", id.as_str())], params].concat(),
        )
    };
    let list = |params: &[(&str, &str)]| {
        world
            .ec2(
                DESCRIBE_PERMISSIONS,
                &[&[("ServiceId", id.as_str())], params].concat(),
            )
            .all("principal")
    };
    let root = "arn:aws:iam::012345678901:root";
    let answer = modify(&[
        ("AddAllowedPrincipals.1", "*"),
        ("AddAllowedPrincipals.2", root),
        ("AddAllowedPrincipals.3", "arn:aws:iam::444455556666:role/r"),
    ]);
    assert_eq!(answer.all("principalType"), ["All", "Account", "Role"]);
    assert!(
        answer
            .all("servicePermissionId")
            .iter()
            .all(|id| id.starts_with("vpce-svc-perm-0"))
    );
    assert_eq!(answer.one("return"), "true");
    assert_eq!(list(&[]), ["*", root, "arn:aws:iam::444455556666:role/r"]);
    assert_eq!(
        list(&[
            ("Filter.1.Name", "principal-type"),
            ("Filter.1.Value.1", "All")
        ]),
        ["*"]
    );
    assert_eq!(
        list(&[("Filter.1.Name", "principal"), ("Filter.1.Value.1", root)]),
        [root]
    );
    assert!(
        modify(&[("AddAllowedPrincipals.1", root)])
            .all("principal")
            .is_empty(),
        "it is there already"
    );
    assert_eq!(
        modify(&[("AddAllowedPrincipals.1", "bob")]).outcome(),
        (400, "InvalidPrincipal".to_owned())
    );
    assert_eq!(modify(&[]).outcome(), (400, "MissingParameter".to_owned()));
    let dry = modify(&[("RemoveAllowedPrincipals.1", "*"), ("DryRun", "true")]);
    assert_eq!(dry.outcome(), (412, "DryRunOperation".to_owned()));
    assert_eq!(
        modify(&[("RemoveAllowedPrincipals.1", "*")]).outcome(),
        (200, String::new())
    );
    assert_eq!(list(&[]).len(), 2);
}

/// The fields that tell whether a connection gets past the provider.
#[test]
fn a_service_that_lets_everybody_in_is_described_so() {
    let world = World::new();
    let interface = world.ec2.put_service(NewService::new()).id;
    let gateway = NewService::new().gateway_load_balancer();
    let gateway = world.ec2.put_service(gateway).id;
    let required = |id: &str| {
        world
            .ec2(DESCRIBE, &[("ServiceId.1", id)])
            .one("acceptanceRequired")
    };
    for (id, kind) in [(&interface, "Interface"), (&gateway, "GatewayLoadBalancer")] {
        let answer = world.ec2(DESCRIBE, &[("ServiceId.1", id)]);
        let kind = format!("<item><serviceType>{kind}</serviceType></item>");
        assert!(answer.body.contains(&kind), "{answer:?}");
        assert_eq!(answer.one("acceptanceRequired"), "true");
    }
    let open = |required| {
        let change = |service: &mut Service| service.acceptance_required = required;
        assert!(world.ec2.change_service(&interface, change));
    };
    open(false);
    assert_eq!(
        (required(&interface), required(&gateway)),
        ("false".to_owned(), "true".to_owned())
    );

    let consumer = Caller::new(CONSUMER, "us-east-1");
    let connect = || {
        world
            .ec2
            .create_endpoint(&consumer, NewEndpoint::new(&interface))
    };
    assert_eq!(connect().unwrap_err().code, "InvalidServiceName");
    world.ec2.allow_principal(&interface, "*").unwrap();
    assert_eq!(connect().unwrap().state, State::Pending);
    open(true);
    assert_eq!(required(&interface), "true");
    assert_eq!(connect().unwrap().state, State::PendingAcceptance);

    let principals = || {
        let answer = world.ec2(DESCRIBE_PERMISSIONS, &[("ServiceId", &interface)]);
        answer
            .all("principal")
            .into_iter()
            .zip(answer.all("principalType"))
            .collect::<Vec<_>>()
    };
    let root = format!("arn:aws:iam::{CONSUMER}:root");
    let everybody = ("*".to_owned(), "All".to_owned());
    world.ec2.allow_principal(&interface, CONSUMER).unwrap();
    assert_eq!(
        principals(),
        [everybody, (root.clone(), "Account".to_owned())]
    );
    let before = world.ec2.service(&interface).unwrap();
    world.ec2.allow_principal(&interface, &root).unwrap();
    assert_eq!(
        world.ec2.service(&interface).unwrap(),
        before,
        "it is there already"
    );
    for _ in 0..2 {
        world.ec2.remove_principal(&interface, "*").unwrap();
        assert_eq!(principals(), [(root.clone(), "Account".to_owned())]);
    }
    world.ec2.remove_principal(&interface, &root).unwrap();
    assert!(principals().is_empty());
    assert_eq!(connect().unwrap_err().code, "InvalidServiceName");
    for (id, principal, code) in [
        (interface.as_str(), "bob", "InvalidPrincipal"),
        (NO_SERVICE, "*", "InvalidVpcEndpointServiceId.NotFound"),
    ] {
        let added = world.ec2.allow_principal(id, principal).unwrap_err();
        let removed = world.ec2.remove_principal(id, principal).unwrap_err();
        assert_eq!((added.code.as_str(), removed.code.as_str()), (code, code));
    }
}

#[test]
fn permissions_are_paged() {
    let world = World::new();
    let mut service = NewService::new().allow("*");
    let accounts: Vec<String> = (0..11).map(|n| format!("{n:012}")).collect();
    for account in &accounts {
        service = service.allow_account(account);
    }
    let id = world.ec2.put_service(service).id;
    let roots = accounts
        .iter()
        .map(|account| format!("arn:aws:iam::{account}:root"));
    let expected: Vec<String> = std::iter::once("*".to_owned()).chain(roots).collect();
    let walk = |filters: &[(&str, &str)]| {
        let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let mut params = vec![("ServiceId", id.as_str()), ("MaxResults", "5")];
            params.extend(filters);
            if !token.is_empty() {
                params.push(("NextToken", &token));
            }
            let page = world.ec2(DESCRIBE_PERMISSIONS, &params);
            assert_eq!(page.status, 200, "{page:?}");
            sizes.push(page.all("principal").len());
            assert!(sizes.len() < 20, "it goes on for ever");
            seen.extend(page.all("principal"));
            token = page.one("nextToken");
            if token.is_empty() {
                return (seen, sizes);
            }
        }
    };
    assert_eq!(walk(&[]), (expected.clone(), vec![5, 5, 2]));
    let everybody = [("Filter.1.Name", "principal"), ("Filter.1.Value.1", "\\*")];
    assert_eq!(walk(&everybody), (vec!["*".to_owned()], vec![1]));
    world.ec2.set_options(|options| options.empty_pages = true);
    assert_eq!(walk(&[]), (expected, vec![0, 5, 0, 5, 0, 2]));
}

#[test]
fn malformed_service_ids_are_told_from_unknown_ones() {
    let world = World::new();
    for (action, name) in [
        (DESCRIBE, "ServiceId.1"),
        (DELETE, "ServiceId.1"),
        (MODIFY, "ServiceId"),
    ] {
        for bad in [
            "svc-1",
            "vpce-svc-0a1b2c3d4",
            "vpce-svc-0A1B2C3D",
            NO_ENDPOINT,
        ] {
            let answer = world.ec2(action, &[(name, bad)]);
            let code = "InvalidVpcEndpointServiceIdId.Malformed";
            assert_eq!(answer.outcome(), (400, code.to_owned()), "{action} {bad}");
        }
    }
}

#[test]
fn a_repeated_request_makes_one_service_and_one_notification() {
    let world = World::new();
    let create = |token: &str| {
        let params = [("NetworkLoadBalancerArn.1", NLB), ("ClientToken", token)];
        world.ec2(CREATE, &params).one("serviceId")
    };
    let service = create("a");
    assert_eq!(create("a"), service);
    assert_ne!(create("b"), service);
    assert_eq!(world.ec2.services().len(), 2);
    let notify = |event: &str| {
        let params = [
            ("ServiceId", service.as_str()),
            (
                "ConnectionNotificationArn",
                "arn:aws:sns:us-east-1:123456789012:t",
            ),
            ("ConnectionEvents.1", event),
            ("ClientToken", "a"),
        ];
        world.ec2("CreateVpcEndpointConnectionNotification", &params)
    };
    let id = notify("Connect").one("connectionNotificationId");
    assert_eq!(notify("Connect").one("connectionNotificationId"), id);
    assert_eq!(notify("Accept").outcome().1, "IdempotentParameterMismatch");
    assert_eq!(world.ec2.notifications().len(), 1);
}

#[test]
fn services_are_tagged_and_lose_their_tags() {
    let world = World::new();
    let own = world.ec2.put_service(NewService::new()).id;
    let tag = |action: &str, params: &[(&str, &str)]| {
        world
            .ec2(
                action,
                &[&[("ResourceId.1", own.as_str())], params].concat(),
            )
            .outcome()
    };
    let done = (200, String::new());
    let tags = || {
        let tags = world.ec2.service(&own).unwrap().tags.into_iter();
        tags.map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
    };
    let both = [
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "a"),
        ("Tag.2.Key", "empty"),
    ];
    assert_eq!(tag("CreateTags", &both), done);
    assert_eq!(tags(), ["empty=", "team=a"]);
    assert_eq!(
        tag("CreateTags", &[("Tag.1.Key", "team"), ("Tag.1.Value", "b")]),
        done
    );
    assert_eq!(tags(), ["empty=", "team=b"]);
    // Another value is another tag.
    assert_eq!(
        tag("DeleteTags", &[("Tag.1.Key", "team"), ("Tag.1.Value", "a")]),
        done
    );
    assert_eq!(tags(), ["empty=", "team=b"]);
    assert_eq!(tag("DeleteTags", &[("Tag.1.Key", "team")]), done);
    assert_eq!(tags(), ["empty="]);
    assert_eq!(tag("DeleteTags", &[]), done);
    assert_eq!(tags(), [""; 0]);
    for (action, params, code) in [
        ("CreateTags", vec![], "MissingParameter"),
        ("CreateTags", vec![("Tag.1.Value", "x")], "MissingParameter"),
        (
            "CreateTags",
            vec![("Tag.1.Key", "AWS:x")],
            "InvalidParameterValue",
        ),
        (
            "CreateTags",
            vec![("Tag.1.Key", "x"), ("DryRun", "true")],
            "DryRunOperation",
        ),
        (
            "DeleteTags",
            vec![("Tag.1.Key", "aws:x")],
            "InvalidParameterValue",
        ),
        (
            "CreateTags",
            vec![
                ("ResourceId.2", "vpce-svc-0000000000000000f"),
                ("Tag.1.Key", "x"),
            ],
            "InvalidID",
        ),
        (
            "CreateTags",
            vec![
                ("ResourceId.2", "vpce-0000000000000000f"),
                ("Tag.1.Key", "x"),
            ],
            "InvalidID",
        ),
    ] {
        assert_eq!(tag(action, &params).1, code, "{action} {params:?}");
    }
    assert_eq!(tags(), [""; 0]);
    let stranger = world.ec2_as(
        OTHER,
        "us-east-1",
        "CreateTags",
        &[("ResourceId.1", own.as_str()), ("Tag.1.Key", "x")],
    );
    assert_eq!(stranger.outcome().1, "InvalidID");
    let many: Vec<(String, String)> = (0..51)
        .map(|n| (format!("Tag.{}.Key", n + 1), format!("k{n}")))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(tag("CreateTags", &many).1, "TagLimitExceeded");
}
