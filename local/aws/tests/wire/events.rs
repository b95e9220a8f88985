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
