use local_aws::NewService;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::world::*;

fn listen(world: &World) -> UnboundedReceiver<Value> {
    let (sink, events) = unbounded_channel();
    world.ec2.set_event_sink(sink);
    world.ec2.set_options(|options| options.cloudtrail = true);
    events
}

#[test]
fn decisions_are_recorded_as_cloudtrail_would() {
    let world = World::new();
    let mut events = listen(&world);
    let (service, ids) = world.service(2);
    world.ec2.set_identity(
        "AKIAPROVIDER",
        "arn:aws:sts::123456789012:assumed-role/ops/bob",
    );
    world.decide(ACCEPT, &service, &[&ids[0]]);
    let event = events.try_recv().unwrap();
    let expected =
        json!({ "ServiceId": service, "VpcEndpointId": { "tag": 1, "content": ids[0] } });
    assert_eq!(event["detail-type"], "AWS API Call via CloudTrail");
    assert_eq!(
        (&event["source"], &event["account"], &event["region"]),
        (&json!("aws.ec2"), &json!(PROVIDER), &json!("us-east-1"))
    );
    assert_eq!(event["time"], "2026-01-01T00:00:00Z");
    let detail = &event["detail"];
    assert_eq!(
        (&detail["eventName"], &detail["eventSource"]),
        (&json!(ACCEPT), &json!("ec2.amazonaws.com"))
    );
    assert_eq!(
        detail["userIdentity"]["arn"],
        "arn:aws:sts::123456789012:assumed-role/ops/bob"
    );
    assert_eq!(detail["userIdentity"]["type"], "AssumedRole");
    assert_eq!(
        detail["requestParameters"]["AcceptVpcEndpointConnectionsRequest"],
        expected
    );
    assert_eq!(
        detail["responseElements"]["AcceptVpcEndpointConnectionsResponse"]["unsuccessful"],
        ""
    );
    assert!(detail.get("errorCode").is_none());

    world.decide(REJECT, &service, &[&ids[1], NO_ENDPOINT]);
    let detail = events.try_recv().unwrap()["detail"].take();
    let list = &detail["requestParameters"]["RejectVpcEndpointConnectionsRequest"]["VpcEndpointId"];
    assert_eq!(
        *list,
        json!([{ "tag": 1, "content": ids[1] }, { "tag": 2, "content": NO_ENDPOINT }])
    );
    let response = &detail["responseElements"]["RejectVpcEndpointConnectionsResponse"];
    assert_eq!(
        response["xmlns"],
        "http://ec2.amazonaws.com/doc/2016-11-15/"
    );
    assert_eq!(response["requestId"], detail["requestID"]);
    let failed =
        &detail["responseElements"]["RejectVpcEndpointConnectionsResponse"]["unsuccessful"]["item"];
    assert_eq!(failed["error"]["code"], "InvalidVpcEndpointId.NotFound");

    world.decide(ACCEPT, NO_SERVICE, &[&ids[0]]);
    let detail = events.try_recv().unwrap()["detail"].take();
    assert_eq!(
        detail["errorCode"],
        "Client.InvalidVpcEndpointServiceId.NotFound"
    );
    assert_eq!(detail["responseElements"], Value::Null);
    assert!(events.try_recv().is_err());
}

#[test]
fn consumers_calls_are_recorded_in_their_accounts() {
    let world = World::new();
    let mut events = listen(&world);
    let (service, _) = world.service(0);
    let name = format!("com.amazonaws.vpce.us-east-1.{service}");
    let params = [
        ("VpcId", "vpc-1"),
        ("ServiceName", name.as_str()),
        ("VpcEndpointType", "Interface"),
    ];
    let id = world
        .ec2_as(CONSUMER, "us-east-1", "CreateVpcEndpoint", &params)
        .one("vpcEndpointId");
    let event = events.try_recv().unwrap();
    assert_eq!(event["account"], CONSUMER);
    let detail = &event["detail"];
    assert_eq!(
        detail["userIdentity"]["arn"],
        format!("arn:aws:iam::{CONSUMER}:user/local")
    );
    assert_eq!(
        detail["requestParameters"]["CreateVpcEndpointRequest"]["ServiceName"],
        name
    );
    assert_eq!(
        detail["responseElements"]["CreateVpcEndpointResponse"]["vpcEndpoint"]["vpcEndpointId"],
        id
    );

    assert!(world.ec2.delete_endpoint(&id));
    let event = events.try_recv().unwrap();
    assert_eq!(
        (&event["account"], &event["detail"]["eventName"]),
        (&json!(CONSUMER), &json!("DeleteVpcEndpoints"))
    );

    world.ec2.set_options(|options| options.cloudtrail = false);
    world.ec2_as(CONSUMER, "us-east-1", "CreateVpcEndpoint", &params);
    assert!(events.try_recv().is_err());
}

/// The forms are those of captured records of `CreateVpcEndpoint` and `DeleteVpcEndpoints`.
#[test]
fn a_record_has_what_captured_ones_have() {
    let world = World::new();
    let mut events = listen(&world);
    let service = world.ec2.put_service(NewService::new().allow("*")).id;
    let name = format!("com.amazonaws.vpce.us-east-1.{service}");
    let mut create = |account: &str, tags: &[(&str, &str)]| {
        let base = [
            ("VpcId", "vpc-0a0b0c0d0e0f01020"),
            ("ServiceName", name.as_str()),
            ("VpcEndpointType", "Interface"),
        ];
        world.ec2_as(
            account,
            "us-east-1",
            "CreateVpcEndpoint",
            &[&base[..], tags].concat(),
        );
        events.try_recv().unwrap()["detail"].take()
    };
    let detail = create(OTHER, &[]);
    assert_eq!(detail["userIdentity"]["type"], "IAMUser");
    assert_eq!(detail["userIdentity"]["userName"], "local");
    for name in ["principalId", "arn", "accountId", "accessKeyId"] {
        assert!(detail["userIdentity"][name].is_string(), "{name}: {detail}");
    }
    for name in ["tlsVersion", "cipherSuite", "clientProvidedHostHeader"] {
        assert!(detail["tlsDetails"][name].is_string(), "{name}: {detail}");
    }
    let response = &detail["responseElements"]["CreateVpcEndpointResponse"];
    assert_eq!(
        response["xmlns"],
        "http://ec2.amazonaws.com/doc/2016-11-15/"
    );
    assert_eq!(response["requestId"], detail["requestID"]);
    let endpoint = &response["vpcEndpoint"];
    assert_eq!(
        endpoint["ownerId"],
        json!(444_455_556_666_u64),
        "an account is a number"
    );
    for name in [
        "subnetIdSet",
        "routeTableIdSet",
        "networkInterfaceIdSet",
        "tagSet",
    ] {
        assert_eq!(endpoint[name], "", "{name}");
    }
    assert_eq!(
        (
            &endpoint["requesterManaged"],
            &endpoint["privateDnsEnabled"]
        ),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        (&endpoint["state"], &endpoint["ipAddressType"]),
        (&json!("pendingAcceptance"), &json!("ipv4"))
    );
    assert_eq!(endpoint["dnsOptions"], json!({ "dnsRecordIpType": "ipv4" }));
    assert_eq!(endpoint["dnsEntrySet"], "", "no name while it waits");
    let request = &detail["requestParameters"]["CreateVpcEndpointRequest"];
    assert_eq!(request["DnsOptions"], json!({ "DnsRecordIpType": "ipv4" }));
    assert_eq!(request.get("TagSpecification"), None);

    let tags = [
        ("TagSpecification.1.ResourceType", "vpc-endpoint"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "20261120"),
        ("SubnetId.1", "subnet-1"),
    ];
    let detail = create(CONSUMER, &tags);
    let request = &detail["requestParameters"]["CreateVpcEndpointRequest"];
    assert_eq!(
        request["TagSpecification"],
        json!({ "ResourceType": "vpc-endpoint", "Tag": { "Key": "Name", "Value": 20_261_120, "tag": 1 }, "tag": 1 })
    );
    assert_eq!(
        request["SubnetId"],
        json!({ "tag": 1, "content": "subnet-1" })
    );
    let endpoint = &detail["responseElements"]["CreateVpcEndpointResponse"]["vpcEndpoint"];
    assert_eq!(
        endpoint["ownerId"], CONSUMER,
        "with a leading zero it is none"
    );
    assert_eq!(
        endpoint["tagSet"],
        json!({ "item": { "key": "Name", "value": 20_261_120 } })
    );
    assert_eq!(endpoint["subnetIdSet"], json!({ "item": "subnet-1" }));
}

#[test]
fn who_called_is_a_user_a_role_or_the_root() {
    let world = World::new();
    let mut events = listen(&world);
    let (service, ids) = world.service(3);
    for (arn, kind, principal) in [
        (
            "arn:aws:sts::123456789012:assumed-role/ops/bob",
            "AssumedRole",
            "AROALOCAL:bob",
        ),
        (
            "arn:aws:iam::123456789012:user/team/eve",
            "IAMUser",
            "AIDALOCAL",
        ),
        ("arn:aws:iam::123456789012:root", "Root", "123456789012"),
    ] {
        world.ec2.set_identity("AKIAPROVIDER", arn);
        world.decide(ACCEPT, &service, &[&ids[0]]);
        let identity = events.try_recv().unwrap()["detail"]["userIdentity"].take();
        assert_eq!(
            (&identity["arn"], &identity["type"]),
            (&json!(arn), &json!(kind))
        );
        assert_eq!(identity["principalId"], principal);
        let issuer = &identity["sessionContext"]["sessionIssuer"]["arn"];
        match kind {
            "AssumedRole" => assert_eq!(issuer, "arn:aws:iam::123456789012:role/ops"),
            _ => assert_eq!(*issuer, Value::Null),
        }
    }
}

#[test]
fn calls_that_are_refused_are_recorded_too() {
    let world = World::new();
    let mut events = listen(&world);
    let (service, ids) = world.service(1);
    world.decide(ACCEPT, &service, &["eni-1"]);
    let many: Vec<String> = (1..=26).map(|n| format!("VpcEndpointId.{n}")).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|name| (name.as_str(), ids[0].as_str()))
        .collect();
    world.ec2_as(CONSUMER, "us-east-1", "DeleteVpcEndpoints", &many);
    world.ec2_as(
        CONSUMER,
        "us-east-1",
        "DeleteVpcEndpoints",
        &[many[0], ("DryRun", "true")],
    );
    for expected in [
        "Client.InvalidVpcEndpointId.Malformed",
        "Client.InvalidParameter",
        "Client.DryRunOperation",
    ] {
        let detail = events.try_recv().unwrap()["detail"].take();
        assert_eq!(
            (&detail["errorCode"], &detail["responseElements"]),
            (&json!(expected), &Value::Null)
        );
    }
}
