use local_aws::{Caller, NewEndpoint, NewService, State};

use crate::world::*;

const CREATE: &str = "CreateVpcEndpoint";
const DESCRIBE: &str = "DescribeVpcEndpoints";
const DELETE: &str = "DeleteVpcEndpoints";

fn create(
    world: &World,
    account: &str,
    region: &str,
    service: &str,
    more: &[(&str, &str)],
) -> Answer {
    let name = format!("com.amazonaws.vpce.us-east-1.{service}");
    let params = [
        ("VpcId", "vpc-1"),
        ("ServiceName", &name),
        ("VpcEndpointType", "Interface"),
    ];
    world.ec2_as(account, region, CREATE, &[&params[..], more].concat())
}

#[test]
fn a_consumer_connects_if_it_may() {
    let world = World::new();
    let root = |account: &str| format!("arn:aws:iam::{account}:root");
    let user = format!("arn:aws:iam::{CONSUMER}:user/local");
    let refused = "InvalidServiceName";
    for (principal, account, expected) in [
        (None, CONSUMER, refused),
        (None, PROVIDER, ""),
        (Some("*".to_owned()), CONSUMER, ""),
        (Some(root(CONSUMER)), CONSUMER, ""),
        (Some(root(CONSUMER)), OTHER, refused),
        (Some(user), CONSUMER, ""),
        (
            Some(format!("arn:aws:iam::{CONSUMER}:user/else")),
            CONSUMER,
            refused,
        ),
        (
            Some("arn:aws:organizations::1:ou/o-1/ou-1".to_owned()),
            CONSUMER,
            refused,
        ),
    ] {
        let service = NewService::new();
        let service = match &principal {
            Some(principal) => service.allow(principal),
            None => service,
        };
        let id = world.ec2.put_service(service).id;
        let answer = create(&world, account, "us-east-1", &id, &[]);
        assert_eq!(answer.outcome().1, expected, "{principal:?} {account}");
        if expected.is_empty() {
            assert_eq!(answer.one("state"), "pendingAcceptance");
            assert_eq!(answer.one("ownerId"), account);
            let connection = world.ec2.connection(&answer.one("vpcEndpointId")).unwrap();
            assert_eq!(
                (connection.owner.as_str(), connection.service_id.as_str()),
                (account, id.as_str())
            );
        }
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let world = World::new();
    let (service, _) = world.service(0);
    let gateway = world
        .ec2
        .put_service(NewService::new().gateway_load_balancer().allow("*"))
        .id;
    for (service, more, code) in [
        (NO_SERVICE, &[][..], (400, "InvalidServiceName")),
        (
            &service,
            &[("ServiceRegion", "eu-west-1")],
            (400, "InvalidServiceName"),
        ),
        (&gateway, &[], (400, "InvalidParameter")),
        (&service, &[("DryRun", "true")], (412, "DryRunOperation")),
    ] {
        let (status, code) = (code.0, code.1.to_owned());
        assert_eq!(
            create(&world, CONSUMER, "us-east-1", service, more).outcome(),
            (status, code),
            "{more:?}"
        );
    }
    let name = format!("com.amazonaws.vpce.us-east-1.{service}");
    for (params, code) in [
        (&[("ServiceName", name.as_str())][..], "MissingParameter"),
        (&[("VpcId", "vpc-1")], "MissingParameter"),
        (
            &[("VpcId", "vpc-1"), ("ServiceName", &service)],
            "InvalidServiceName",
        ),
        (
            &[("VpcId", "vpc-1"), ("ServiceName", &name)],
            "InvalidParameter",
        ),
    ] {
        let answer = world.ec2_as(CONSUMER, "us-east-1", CREATE, params);
        assert_eq!(answer.outcome(), (400, code.to_owned()), "{params:?}");
    }
    assert!(world.ec2.connections().is_empty());
}

#[test]
fn other_regions_connect_where_the_service_supports_them() {
    let world = World::new();
    let service = world
        .ec2
        .put_service(NewService::new().allow("*").supported_region("eu-west-1"))
        .id;
    let region = [("ServiceRegion", "us-east-1")];
    let answer = create(&world, CONSUMER, "eu-west-1", &service, &region);
    let id = answer.one("vpcEndpointId");
    assert_eq!(world.ec2.connection(&id).unwrap().region, "eu-west-1");
    assert_eq!(answer.one("serviceRegion"), "us-east-1");
    assert_eq!(
        create(&world, CONSUMER, "eu-central-1", &service, &region)
            .outcome()
            .1,
        "InvalidServiceName"
    );
    assert_eq!(
        create(&world, CONSUMER, "eu-west-1", &service, &[])
            .outcome()
            .1,
        "InvalidServiceName"
    );
    assert_eq!(
        world
            .list(&[("vpc-endpoint-region", "cross-region")])
            .endpoints(),
        [id.as_str()]
    );
    assert_eq!(
        world.decide(ACCEPT, &service, &[&id]).outcome(),
        (200, String::new())
    );
}

#[test]
fn without_acceptance_a_connection_opens_at_once() {
    let world = World::new();
    let service = world
        .ec2
        .put_service(NewService::new().allow("*").auto_accept())
        .id;
    let answer = create(&world, CONSUMER, "us-east-1", &service, &[]);
    assert_eq!(answer.one("state"), "pending");
    world.advance(2);
    assert_eq!(world.state(&answer.one("vpcEndpointId")), State::Available);
}

#[test]
fn a_repeated_request_makes_one_endpoint() {
    let world = World::new();
    let (service, _) = world.service(0);
    let token = [("ClientToken", "t")];
    let ids: Vec<String> = (0..2)
        .map(|_| create(&world, CONSUMER, "us-east-1", &service, &token).one("vpcEndpointId"))
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(world.ec2.connections().len(), 1);
}

#[test]
fn a_consumer_sees_and_deletes_its_own() {
    let world = World::new();
    let service = world.ec2.put_service(NewService::new().allow("*")).id;
    let tags = [
        ("TagSpecification.1.ResourceType", "vpc-endpoint"),
        ("TagSpecification.1.Tag.1.Key", "k"),
        ("TagSpecification.1.Tag.1.Value", "v"),
    ];
    let mut own: Vec<String> =
        vec![create(&world, CONSUMER, "us-east-1", &service, &tags).one("vpcEndpointId")];
    own.extend(
        (0..5).map(|_| create(&world, CONSUMER, "us-east-1", &service, &[]).one("vpcEndpointId")),
    );
    let foreign = create(&world, OTHER, "us-east-1", &service, &[]).one("vpcEndpointId");
    let list = |params: &[(&str, &str)]| world.ec2_as(CONSUMER, "us-east-1", DESCRIBE, params);
    assert_eq!(list(&[]).endpoints(), own);
    assert_eq!(list(&[("VpcEndpointId.1", &own[2])]).endpoints(), own[2..3]);
    assert_eq!(
        list(&[("VpcEndpointId.1", &foreign)]).outcome(),
        (400, "InvalidVpcEndpointId.NotFound".to_owned())
    );
    assert_eq!(
        list(&[("VpcEndpointId.1", "x")]).outcome(),
        (400, "InvalidVpcEndpointId.Malformed".to_owned())
    );
    let page = list(&[("MaxResults", "5")]);
    assert_eq!(page.endpoints(), own[..5]);
    assert_eq!(
        list(&[("MaxResults", "5"), ("NextToken", &page.one("nextToken"))]).endpoints(),
        own[5..]
    );
    for (name, value, expected) in [
        ("service-name", format!("*{service}"), 6),
        ("vpc-endpoint-state", "pendingAcceptance".to_owned(), 6),
        ("vpc-endpoint-state", "rejected".to_owned(), 0),
        ("vpc-endpoint-type", "Interface".to_owned(), 6),
        ("vpc-endpoint-id", own[0].clone(), 1),
        ("vpc-id", "vpc-1".to_owned(), 6),
        ("service-region", "us-east-1".to_owned(), 6),
        ("ip-address-type", "ipv6".to_owned(), 0),
        ("tag:k", "v".to_owned(), 1),
        ("tag-key", "k".to_owned(), 1),
    ] {
        let found = list(&[("Filter.1.Name", name), ("Filter.1.Value.1", &value)]).endpoints();
        assert_eq!(found.len(), expected, "{name}={value}");
    }
    assert!(
        world
            .ec2_as(CONSUMER, "eu-west-1", DESCRIBE, &[])
            .endpoints()
            .is_empty()
    );

    let delete = |params: &[(&str, &str)]| world.ec2_as(CONSUMER, "us-east-1", DELETE, params);
    let dry = delete(&[("VpcEndpointId.1", &own[0]), ("DryRun", "true")]);
    assert_eq!(dry.outcome(), (412, "DryRunOperation".to_owned()));
    assert_eq!(delete(&[]).outcome(), (400, "MissingParameter".to_owned()));
    assert_eq!(
        delete(&[("VpcEndpointId.1", "x")]).outcome(),
        (400, "InvalidVpcEndpointId.Malformed".to_owned())
    );
    let answer = delete(&[
        ("VpcEndpointId.1", &own[0]),
        ("VpcEndpointId.2", &foreign),
        ("VpcEndpointId.3", NO_ENDPOINT),
    ]);
    assert_eq!(answer.all("resourceId"), [foreign.as_str(), NO_ENDPOINT]);
    assert_eq!(
        answer.outcome().1,
        "InvalidVpcEndpoint.NotFound,InvalidVpcEndpoint.NotFound"
    );
    assert_eq!(world.state(&own[0]), State::Deleting);
    assert_eq!(world.state(&foreign), State::PendingAcceptance);
    assert_eq!(
        delete(&[("VpcEndpointId.1", &own[0])]).outcome(),
        (200, String::new()),
        "it is under way"
    );
    world.advance(4);
    assert_eq!(list(&[]).endpoints(), own[1..]);
}

#[test]
fn a_world_creates_endpoints_by_service_id_or_name() {
    let world = World::new();
    let service = world.ec2.put_service(
        NewService::new()
            .allow_account(CONSUMER)
            .supported_region("eu-west-1"),
    );
    let consumer = Caller::new(CONSUMER, "eu-west-1");
    for name in [service.id.clone(), service.name()] {
        let connection = world
            .ec2
            .create_endpoint(&consumer, NewEndpoint::new(name))
            .unwrap();
        assert_eq!(
            (connection.region.as_str(), connection.state),
            ("eu-west-1", State::PendingAcceptance)
        );
    }
    let stranger = Caller::new(OTHER, "us-east-1");
    let error = world
        .ec2
        .create_endpoint(&stranger, NewEndpoint::new(&service.id))
        .unwrap_err();
    assert_eq!(error.code, "InvalidServiceName");
}

#[test]
fn at_most_25_endpoints_are_deleted_at_once() {
    let world = World::new();
    let (_, ids) = world.service(26);
    let names: Vec<String> = (1..=26).map(|n| format!("VpcEndpointId.{n}")).collect();
    let params: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(ids.iter().map(String::as_str))
        .collect();
    let delete = |params: &[(&str, &str)]| world.ec2_as(CONSUMER, "us-east-1", DELETE, params);
    let answer = delete(&params);
    assert_eq!(answer.outcome(), (400, "InvalidParameter".to_owned()));
    assert_eq!(
        answer.one("Message"),
        "Maximum number of VPC endpoints to delete was exceeded. You can provide up to 25 VPC endpoints."
    );
    assert_eq!(world.state(&ids[0]), State::PendingAcceptance);
    assert_eq!(delete(&params[..25]).outcome(), (200, String::new()));
    assert_eq!(world.state(&ids[24]), State::Deleting);
}

#[test]
fn what_a_service_does_not_offer_is_refused() {
    let world = World::new();
    let both = NewService::new()
        .allow("*")
        .ip_address_type("ipv4")
        .ip_address_type("ipv6");
    let both = world
        .ec2
        .put_service(both.private_dns_name("api.example.com"))
        .id;
    let (plain, _) = world.service(0);
    let gateway = NewService::new().gateway_load_balancer().allow("*");
    let gateway = world.ec2.put_service(gateway).id;
    let (ip, dns) = ("IpAddressType", "PrivateDnsEnabled");
    let (ok, wrong, value) = ("", "InvalidParameter", "InvalidParameterValue");
    let subnets = [("SubnetId.1", "subnet-1"), ("SubnetId.2", "subnet-2")];
    for (service, more, code) in [
        (&plain, vec![(ip, "ipv4")], ok),
        (&plain, vec![(ip, "ipv6")], wrong),
        (&plain, vec![(ip, "dualstack")], wrong),
        (&plain, vec![(ip, "ipv5")], value),
        (&both, vec![(ip, "dualstack")], ok),
        (&both, vec![(ip, "ipv6")], ok),
        (&plain, vec![(dns, "true")], wrong),
        (&both, vec![(dns, "true")], ok),
        (&both, vec![(dns, "perhaps")], value),
        (&plain, subnets.to_vec(), ok),
        (&gateway, subnets.to_vec(), wrong),
        (&gateway, subnets[..1].to_vec(), ok),
    ] {
        let name = format!("com.amazonaws.vpce.us-east-1.{service}");
        let kind = if *service == gateway {
            "GatewayLoadBalancer"
        } else {
            "Interface"
        };
        let base = [
            ("VpcId", "vpc-1"),
            ("ServiceName", &name),
            ("VpcEndpointType", kind),
        ];
        let answer = world.ec2_as(CONSUMER, "us-east-1", CREATE, &[&base[..], &more].concat());
        assert_eq!(answer.outcome().1, code, "{service} {more:?}");
        if code.is_empty() {
            let private = more.contains(&(dns, "true"));
            assert_eq!(answer.one("privateDnsEnabled"), private.to_string());
        }
    }
    let unknown = [
        ("VpcId", "vpc-1"),
        ("ServiceName", "a.b"),
        ("VpcEndpointType", "interface"),
    ];
    let answer = world.ec2_as(CONSUMER, "us-east-1", CREATE, &unknown);
    assert_eq!(answer.outcome(), (400, value.to_owned()));
}

#[test]
fn a_client_token_stands_for_one_request_only() {
    let world = World::new();
    let (service, _) = world.service(0);
    let (other, _) = world.service(0);
    let token = [("ClientToken", "t")];
    let first = create(&world, CONSUMER, "us-east-1", &service, &token);
    let changed = create(&world, CONSUMER, "us-east-1", &other, &token);
    assert_eq!(
        changed.outcome(),
        (400, "IdempotentParameterMismatch".to_owned())
    );
    let again = create(&world, CONSUMER, "us-east-1", &service, &token);
    assert_eq!(again.one("vpcEndpointId"), first.one("vpcEndpointId"));
    assert_eq!(world.ec2.connections().len(), 1);
}
