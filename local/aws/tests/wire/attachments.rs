//! Transit gateway network function attachments: as EC2's API model has them, in each form in which it allows them to be
//! listed.

use local_aws::{
    AttachmentListing, Caller, NewAttachment, NewConnection, NewEndpoint, NewService, State,
};
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;

use crate::world::*;

const CREATE: &str = "CreateTransitGatewayNetworkFunctionAttachment";
const DELETE: &str = "DeleteTransitGatewayNetworkFunctionAttachment";
const DESCRIBE_OWN: &str = "DescribeTransitGatewayNetworkFunctionAttachments";
const MODIFY_PERMISSIONS: &str = "ModifyVpcEndpointServicePermissions";
const DESCRIBE_PERMISSIONS: &str = "DescribeVpcEndpointServicePermissions";
const NO_ATTACHMENT: &str = "tgw-attach-0aaaaaaaaaaaaaaaa";
const ATTACHMENT: &str = "tgw-attach-0000000000000000a";
const ZONES: [&str; 2] = ["vpce-0000000000000000a", "vpce-0000000000000000b"];

fn gateway(world: &World) -> String {
    world
        .ec2
        .put_service(NewService::new().gateway_load_balancer())
        .id
}

/// Accepts or rejects attachments.
fn decide(world: &World, action: &str, service: &str, ids: &[&str]) -> Answer {
    let names: Vec<String> = (1..=ids.len())
        .map(|n| format!("TransitGatewayAttachmentId.{n}"))
        .collect();
    let mut params = vec![("ServiceId", service)];
    params.extend(names.iter().map(String::as_str).zip(ids.iter().copied()));
    world.ec2(action, &params)
}

#[test]
fn the_connection_of_an_attachment_is_listed_in_each_form_that_the_model_allows() {
    let world = World::new();
    let service = gateway(&world);
    let new = || NewAttachment::new(&service, OTHER).attachment_id(ATTACHMENT);
    let (without, with) = (vec![], ZONES.to_vec());
    for (new, endpoints, owners) in [
        (new(), without.clone(), 0),
        (new().endpoint_ids(ZONES), with.clone(), 2),
        (new().endpoint_ids(ZONES).without_endpoint_owner(), with, 0),
        (new(), without, 0),
    ] {
        let attachment = world.ec2.put_attachment(new).unwrap();
        assert_eq!(attachment.endpoint_ids, endpoints);
        let rows = endpoints.len().max(1);
        for filters in [
            &[][..],
            &[("transit-gateway-attachment-id", ATTACHMENT)],
            &[
                ("service-id", &service),
                ("vpc-endpoint-state", "pendingAcceptance"),
            ],
        ] {
            let answer = world.list(filters);
            assert_eq!(answer.all("vpcEndpointId"), endpoints, "{filters:?}");
            assert_eq!(answer.all("vpcEndpointOwner"), vec![OTHER; owners]);
            assert_eq!(
                answer.all("transitGatewayAttachmentId"),
                vec![ATTACHMENT; rows]
            );
            assert_eq!(
                answer.all("transitGatewayAttachmentOwner"),
                vec![OTHER; rows]
            );
            assert_eq!(
                answer.all("vpcEndpointState"),
                vec!["pendingAcceptance"; rows]
            );
        }
        for filter in [
            ("transit-gateway-attachment-id", NO_ATTACHMENT),
            ("vpc-endpoint-id", ATTACHMENT),
            ("vpc-endpoint-owner", CONSUMER),
        ] {
            let answer = world.list(&[filter]);
            assert!(answer.all("serviceId").is_empty(), "{filter:?}: {answer:?}");
        }
        let by_owner = world.list(&[("vpc-endpoint-owner", OTHER)]);
        assert_eq!(by_owner.all("serviceId").len(), owners);
    }
    assert!(world.ec2.connections().is_empty(), "they are no endpoints'");
    let endpoint = world.connect(NewConnection::new(&service, CONSUMER));
    let answer = world.list(&[("vpc-endpoint-id", &endpoint)]);
    assert!(
        !answer.body.contains("transitGateway"),
        "and an endpoint's connection has none: {answer:?}"
    );
}

#[test]
fn attachments_are_accepted_and_rejected_by_their_ids() {
    let world = World::new();
    let service = gateway(&world);
    for endpoints in [&[][..], &ZONES] {
        let new = NewAttachment::new(&service, OTHER).endpoint_ids(endpoints.iter().copied());
        let id = world.ec2.put_attachment(new).unwrap().attachment_id;
        let states = || {
            world
                .list(&[("transit-gateway-attachment-id", &id)])
                .all("vpcEndpointState")
        };
        let rows = endpoints.len().max(1);
        let decided = |action, failed: &str| {
            let answer = decide(&world, action, &service, &[&id, NO_ATTACHMENT]);
            let missing = "InvalidTransitGatewayAttachmentID.NotFound";
            let codes: Vec<&str> = [failed, missing]
                .into_iter()
                .filter(|code| !code.is_empty())
                .collect();
            assert_eq!(answer.outcome(), (200, codes.join(",")));
            assert_eq!(answer.all("resourceId").last().unwrap(), NO_ATTACHMENT);
        };
        decided(ACCEPT, "");
        assert_eq!(states(), vec!["pending"; rows]);
        decided(ACCEPT, "InvalidState");
        world.advance(2);
        assert_eq!(states(), vec!["available"; rows]);
        decided(REJECT, "");
        assert_eq!(states(), vec!["rejected"; rows]);
        decided(REJECT, "InvalidState");
        assert!(world.ec2.delete_attachment(&id));
        assert_eq!(states(), vec!["deleting"; rows]);
        world.advance(4);
        assert!(states().is_empty());
        assert_eq!(world.ec2.attachment(&id), None);
        assert!(!world.ec2.delete_attachment(&id) && world.ec2.attachments().is_empty());
    }
}

#[test]
fn an_endpoint_of_an_attachment_can_be_decided_by_its_own_id() {
    let world = World::new();
    let service = gateway(&world);
    let new = NewAttachment::new(&service, OTHER).endpoint_ids(ZONES);
    let id = world.ec2.put_attachment(new).unwrap().attachment_id;
    let answer = world.decide(ACCEPT, &service, &[ZONES[0]]);
    assert_eq!(answer.outcome(), (200, String::new()));
    assert_eq!(
        world.list(&[]).all("vpcEndpointState"),
        ["pending", "pendingAcceptance"]
    );
    world
        .ec2
        .set_options(|options| options.attachments_by_endpoint = false);
    let answer = world.decide(ACCEPT, &service, &[ZONES[1]]);
    let code = "InvalidVpcEndpointId.NotFound";
    assert_eq!(answer.outcome(), (200, code.to_owned()));
    // Its other connections are accepted with it.
    assert_eq!(
        decide(&world, ACCEPT, &service, &[&id]).outcome(),
        (200, String::new())
    );
    assert_eq!(
        world.list(&[]).all("vpcEndpointState"),
        ["pending", "pending"]
    );
}

#[test]
fn decisions_on_attachments_are_refused_as_the_model_says() {
    let world = World::new();
    let (interface, endpoints) = world.service(1);
    let service = gateway(&world);
    let new = NewAttachment::new(&service, OTHER).attachment_id(ATTACHMENT);
    world.ec2.put_attachment(new).unwrap();
    let many: Vec<String> = (100..151).map(|n| format!("tgw-attach-{n:017x}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for action in [ACCEPT, REJECT] {
        let refused = |service: &str, ids: &[&str]| decide(&world, action, service, ids).outcome();
        let error = |code: &str| (400, code.to_owned());
        assert_eq!(
            refused(&interface, &[ATTACHMENT]),
            error("InvalidParameter")
        );
        assert_eq!(refused(&service, &many), error("InvalidParameter"));
        assert_eq!(refused(&service, &many[..50]).0, 200);
        for bad in [
            "tgw-attach-0aaaaaaaa",
            "tgw-attach-1",
            ZONES[0],
            "vpce-0aaaaaaa",
            "",
        ] {
            let code = "InvalidTransitGatewayAttachmentID.Malformed";
            assert_eq!(refused(&service, &[ATTACHMENT, bad]), error(code), "{bad}");
        }
        assert_eq!(
            refused(NO_SERVICE, &[ATTACHMENT]),
            error("InvalidVpcEndpointServiceId.NotFound")
        );
        let both = [
            ("ServiceId", service.as_str()),
            ("VpcEndpointId.1", &endpoints[0]),
            ("TransitGatewayAttachmentId.1", ATTACHMENT),
        ];
        let code = error("InvalidParameterCombination");
        assert_eq!(world.ec2(action, &both).outcome(), code);
        // An attachment of another service.
        let other = gateway(&world);
        let answer = decide(&world, action, &other, &[ATTACHMENT]);
        let code = "InvalidTransitGatewayAttachmentID.NotFound";
        assert_eq!(answer.outcome(), (200, code.to_owned()));
    }
    let state = world.ec2.attachment(ATTACHMENT).unwrap().state;
    assert_eq!(state, State::PendingAcceptance);
    let put = |service: &str| world.ec2.put_attachment(NewAttachment::new(service, OTHER));
    assert_eq!(put(&interface).unwrap_err().code, "InvalidParameter");
    assert_eq!(
        put(NO_SERVICE).unwrap_err().code,
        "InvalidVpcEndpointServiceId.NotFound"
    );
}

#[test]
fn decisions_on_attachments_are_recorded_with_their_ids() {
    let world = World::new();
    let (sink, mut events) = unbounded_channel();
    world.ec2.set_event_sink(sink);
    world.ec2.set_options(|options| options.cloudtrail = true);
    let service = gateway(&world);
    let new = NewAttachment::new(&service, OTHER).attachment_id(ATTACHMENT);
    world.ec2.put_attachment(new).unwrap();
    decide(&world, ACCEPT, &service, &[ATTACHMENT]);
    let event = events.try_recv().unwrap();
    let request = &event["detail"]["requestParameters"]["AcceptVpcEndpointConnectionsRequest"];
    let expected = json!({
        "ServiceId": service,
        "TransitGatewayAttachmentId": { "tag": 1, "content": ATTACHMENT },
    });
    assert_eq!(*request, expected);
}

#[test]
fn permissions_for_endpoints_and_attachments_are_independent() {
    let world = World::new();
    let service = gateway(&world);
    let root = format!("arn:aws:iam::{CONSUMER}:root");
    let modify = |service: &str, kind: &str, verb: &str, principal: &str| {
        let name = format!("{verb}AllowedPrincipals.1");
        let params = [
            ("ServiceId", service),
            (name.as_str(), principal),
            ("PermissionType", kind),
        ];
        world.ec2(MODIFY_PERMISSIONS, &params)
    };
    let listed = |filter: &[(&str, &str)]| {
        let params = [&[("ServiceId", service.as_str())], filter].concat();
        let answer = world.ec2(DESCRIBE_PERMISSIONS, &params);
        let principals = answer.all("principal").into_iter();
        principals
            .zip(answer.all("permissionType"))
            .collect::<Vec<_>>()
    };
    let of = |principal: &str, kind: &str| (principal.to_owned(), kind.to_owned());
    let (endpoints, attachments) = ("vpc-endpoint", "transit-gateway-attachment");
    let consumer = Caller::new(CONSUMER, "us-east-1");
    let connects = || {
        let new = NewEndpoint::new(&service);
        world.ec2.create_endpoint(&consumer, new).is_ok()
    };
    let attaches = |dry: &str| {
        let name = format!("com.amazonaws.vpce.us-east-1.{service}");
        let params = [
            ("TransitGatewayId", "tgw-0000000000000000a"),
            ("ServiceName", name.as_str()),
            ("AvailabilityZone.1", "us-east-1a"),
            ("DryRun", dry),
        ];
        world
            .ec2_as(CONSUMER, "us-east-1", CREATE, &params)
            .outcome()
            .1
    };
    let (yes, no) = (
        "DryRunOperation".to_owned(),
        "InvalidServiceName".to_owned(),
    );

    assert_eq!((connects(), attaches("true")), (false, no.clone()));
    let added = modify(&service, attachments, "Add", &root);
    assert_eq!(added.one("permissionType"), attachments);
    assert_eq!((connects(), attaches("true")), (false, yes.clone()));
    assert_eq!(listed(&[]), [of(&root, attachments)]);
    modify(&service, endpoints, "Add", &root);
    assert_eq!((connects(), attaches("true")), (true, yes.clone()));
    assert_eq!(listed(&[]), [of(&root, endpoints), of(&root, attachments)]);
    for kind in [endpoints, attachments] {
        let filter = [
            ("Filter.1.Name", "permission-type"),
            ("Filter.1.Value.1", kind),
        ];
        assert_eq!(listed(&filter), [of(&root, kind)]);
    }
    let repeated = modify(&service, attachments, "Add", &root);
    assert!(repeated.all("principal").is_empty(), "it is there already");
    // Without a type, it is the one for endpoints.
    assert_eq!(modify(&service, "", "Remove", &root).status, 200);
    assert_eq!(listed(&[]), [of(&root, attachments)]);
    assert_eq!((connects(), attaches("true")), (false, yes));
    assert_eq!(modify(&service, attachments, "Remove", &root).status, 200);
    assert_eq!((listed(&[]), attaches("true")), (Vec::new(), no));

    let (interface, _) = world.service(0);
    let user = format!("arn:aws:iam::{CONSUMER}:user/a");
    let unit = "arn:aws:organizations::012345678901:ou/o-1/ou-1";
    for (service, kind, principal, code) in [
        (&service, attachments, "*", "InvalidPrincipal"),
        (&service, attachments, user.as_str(), "InvalidPrincipal"),
        (&service, attachments, unit, "InvalidPrincipal"),
        (&interface, attachments, root.as_str(), "InvalidParameter"),
        (
            &service,
            "everything",
            root.as_str(),
            "InvalidParameterValue",
        ),
    ] {
        let answer = modify(service, kind, "Add", principal);
        assert_eq!(
            answer.outcome(),
            (400, code.to_owned()),
            "{kind} {principal}"
        );
    }
    world.ec2.allow_attachments_of(&service, CONSUMER).unwrap();
    assert_eq!(listed(&[]), [of(&root, attachments)]);
    let refused = world.ec2.allow_attachments_of(&interface, CONSUMER);
    assert_eq!(refused.unwrap_err().code, "InvalidParameter");
}

#[test]
fn an_owner_creates_lists_and_deletes_attachments() {
    let world = World::new();
    let service = NewService::new()
        .gateway_load_balancer()
        .allow_attachments_of(CONSUMER);
    let service = world.ec2.put_service(service);
    let call = |account: &str, action: &str, params: &[(&str, &str)]| {
        world.ec2_as(account, "us-east-1", action, params)
    };
    let name = service.name();
    let base = |gateway| {
        vec![
            ("TransitGatewayId", gateway),
            ("ServiceName", name.as_str()),
            ("AvailabilityZone.1", "us-east-1a"),
            ("AvailabilityZoneId.1", "use1-az2"),
        ]
    };
    for missing in 0..2 {
        let mut params = base("tgw-0a");
        params.remove(missing);
        assert_eq!(
            call(CONSUMER, CREATE, &params).outcome(),
            (400, "MissingParameter".to_owned())
        );
    }
    assert_eq!(
        call(CONSUMER, CREATE, &base("tgw-0a")[..2]).outcome(),
        (400, "MissingParameter".to_owned()),
        "a zone is needed"
    );
    assert_eq!(
        call(OTHER, CREATE, &base("tgw-0a")).outcome().1,
        "InvalidServiceName"
    );

    let mut made = Vec::new();
    for (gateway, listing, endpoints, owners) in [
        ("tgw-0a", AttachmentListing::WithoutEndpoint, 0, 0),
        ("tgw-0b", AttachmentListing::PerZone, 2, 2),
        ("tgw-0c", AttachmentListing::PerZoneWithoutOwner, 2, 0),
    ] {
        world
            .ec2
            .set_options(|options| options.attachment_listing = listing);
        let answer = call(CONSUMER, CREATE, &base(gateway));
        assert_eq!(answer.one("state"), "pendingAcceptance");
        assert_eq!(answer.one("resourceId"), name);
        assert_eq!(answer.one("transitGatewayOwnerId"), CONSUMER);
        let id = answer.one("transitGatewayAttachmentId");
        let seen = world.list(&[("transit-gateway-attachment-id", &id)]);
        assert_eq!(
            seen.all("transitGatewayAttachmentOwner").len(),
            endpoints.max(1)
        );
        assert_eq!(seen.all("vpcEndpointId").len(), endpoints);
        assert_eq!(seen.all("vpcEndpointOwner").len(), owners);
        made.push(id);
    }
    assert_eq!(
        call(CONSUMER, CREATE, &base("tgw-0a")).outcome().1,
        "DuplicateTransitGatewayAttachment",
        "one for each transit gateway and service"
    );
    let list = |account: &str, params: &[(&str, &str)]| {
        call(account, DESCRIBE_OWN, params).all("transitGatewayAttachmentId")
    };
    let mut sorted = made.clone();
    sorted.sort();
    assert_eq!(list(CONSUMER, &[]), sorted);
    assert!(list(OTHER, &[]).is_empty());
    assert_eq!(
        list(CONSUMER, &[("TransitGatewayAttachmentId.1", &made[1])]),
        made[1..2]
    );
    let filter = [
        ("Filter.1.Name", "transit-gateway-id"),
        ("Filter.1.Value.1", "tgw-0c"),
    ];
    assert_eq!(list(CONSUMER, &filter), made[2..]);
    let endpoints = call(CONSUMER, "DescribeVpcEndpoints", &[]);
    assert!(
        endpoints.endpoints().is_empty(),
        "they are none of its endpoints"
    );

    let delete =
        |account: &str, id: &str| call(account, DELETE, &[("TransitGatewayAttachmentId", id)]);
    let missing = "InvalidTransitGatewayAttachmentID.NotFound";
    assert_eq!(delete(OTHER, &made[0]).outcome(), (400, missing.to_owned()));
    assert_eq!(decide(&world, REJECT, &service.id, &[&made[0]]).status, 200);
    assert_eq!(
        delete(CONSUMER, &made[0]).outcome(),
        (400, "IncorrectState".to_owned())
    );
    assert_eq!(delete(CONSUMER, &made[1]).one("state"), "deleting");
    world.advance(4);
    assert_eq!(
        delete(CONSUMER, &made[1]).outcome(),
        (400, missing.to_owned())
    );
    assert_eq!(list(CONSUMER, &[]).len(), 2);
}
