"""EventBridge: an integrator's own event, and CloudTrail's."""

import json
import uuid
from datetime import UTC, datetime

import pytest

from emulator import ACCOUNT, REGION

LISTED, UNKNOWN = "012345678901", "222222222222"
SOMEBODY = f"arn:aws:sts::{ACCOUNT}:assumed-role/NetworkAdmin/bob@example.com"


def put(world, source, kind, detail):
    entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}
    answer = world.emulator.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0, answer


def test_an_integrators_event_has_a_connection_decided(world):
    service = world.service()
    world.silence(service)
    world.put_policy(service, f"allow#{LISTED}")
    endpoint = world.connect(service, LISTED)
    assert world.request(endpoint) == {}
    detail = {"service_id": service, "endpoint_id": endpoint}
    put(world, "privatelink.gatekeeper", "Connection Requested", detail)
    world.until_accepted(endpoint, by="Connections")


def test_an_event_of_another_kind_is_not_taken(world):
    before = world.waiting_messages("ConnectionsQueueUrl")
    put(world, "privatelink.gatekeeper", "Connection Imagined", {})
    assert world.waiting_messages("ConnectionsQueueUrl") == before


def test_cloudtrail_tells_who_accepted_without_gatekeeper(world):
    """Only CloudTrail may send events of aws.ec2, here as at AWS; so what the rule would put into the queue is put
    there as EventBridge would, and the rule is asked whether it would."""
    service = world.service()
    endpoint = world.connect(service, UNKNOWN)
    world.until_recorded(endpoint, "in_review")
    world.silence(service)
    world.ec2.accept_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[endpoint])
    event = cloudtrail(service, endpoint)

    events = world.emulator.client("events")
    with pytest.raises(AssertionError, match="NotAuthorizedForSource"):
        put(world, event["source"], event["detail-type"], event["detail"])
    rule = events.describe_rule(Name=world.stack.resources["CloudTrailRule"].split("|")[-1].split("/")[-1])
    assert rule["State"] == "ENABLED"
    assert events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))["Result"]
    queue = world.from_rule("CloudTrailRule")
    queue.send_message(QueueUrl=world.stack["ConnectionsQueueUrl"], MessageBody=json.dumps(event))

    told = world.announced(endpoint, "accepted_out_of_band")
    assert SOMEBODY in json.dumps(told), told
    world.until_recorded(endpoint, "accepted")


def cloudtrail(service, endpoint):
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    called = {"ServiceId": service, "VpcEndpointId": {"tag": 1, "content": endpoint}}
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": now,
        "region": REGION,
        "resources": [],
        "detail": {
            "eventVersion": "1.10",
            "userIdentity": {"type": "AssumedRole", "arn": SOMEBODY, "accountId": ACCOUNT},
            "eventTime": now,
            "eventSource": "ec2.amazonaws.com",
            "eventName": "AcceptVpcEndpointConnections",
            "awsRegion": REGION,
            "requestParameters": {"AcceptVpcEndpointConnectionsRequest": called},
            "responseElements": {"AcceptVpcEndpointConnectionsResponse": {"unsuccessful": ""}},
            "eventID": str(uuid.uuid4()),
            "eventType": "AwsApiCall",
            "recipientAccountId": ACCOUNT,
        },
    }
