"""What fails comes back: SQS, the dead-letter queue, and what makes no sense beside what does."""

import json

import pytest
from botocore.exceptions import ClientError

import identities

LISTED = "012345678901"
RECEIVES = 5  # As in the template.


def may_move_back(world):
    """The permission that docs/operations.md gives the role for redrive."""

    def statement(output, actions):
        attributes = world.sqs.get_queue_attributes(QueueUrl=world.stack[output], AttributeNames=["QueueArn"])
        return identities.may([f"sqs:{action}" for action in actions], attributes["Attributes"]["QueueArn"])

    return (
        statement("ConnectionsDeadLetterQueueUrl", ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"]),
        statement("ConnectionsQueueUrl", ["SendMessage", "GetQueueAttributes"]),
    )


def allowed(world):
    service = world.service()
    world.put_policy(service, f"allow#{LISTED}")
    return service


def test_a_record_that_failed_comes_back_and_is_worked_off(impatient):
    world = impatient
    service = allowed(world)
    # A failure that the SDK does not try again, so that it is told well before the record is handed out again.
    world.simulators.fail("DescribeVpcEndpointConnections", "Unauthorized")
    endpoint = world.connect(service, LISTED)

    def failed():
        lines = [line for line in world.lines("Connections") if line.get("step") == "observe"]
        return any(line.get("error_type") == "Permanent.Forbidden" for line in lines), lines

    world.until("the function to fail", failed)
    assert world.request(endpoint) == {}
    world.simulators.heal()
    world.until_accepted(endpoint, by="Connections")
    world.until("the queue to be empty", lambda: world.waiting_messages("ConnectionsQueueUrl") == 0)
    assert world.waiting_messages("ConnectionsDeadLetterQueueUrl") == 0


def test_a_record_that_keeps_failing_is_put_aside_and_can_be_sent_round_again(impatient):
    world = impatient
    service = allowed(world)
    world.simulators.fail("DescribeVpcEndpointConnections", "Unauthorized")
    endpoint = world.consume_silently(service, LISTED)
    world.until(
        f"the record to be put aside after {RECEIVES} receives",
        lambda: world.waiting_messages("ConnectionsDeadLetterQueueUrl") == 1,
        seconds=40,
    )
    assert world.waiting_messages("ConnectionsQueueUrl") == 0
    assert world.request(endpoint) == {}
    world.simulators.heal()

    # As docs/operations.md has it: a role, its permission, the parameter. And what `aws sqs start-message-move-task`
    # does in the role's name, which ministack has not.
    role = identities.make_role(world.emulator, "operator", *may_move_back(world))
    sqs = world.taking_on("operator", "bob")("sqs")
    source, target = world.stack["ConnectionsDeadLetterQueueUrl"], world.stack["ConnectionsQueueUrl"]
    [message] = sqs.receive_message(QueueUrl=source)["Messages"]
    with pytest.raises(ClientError, match=r"not authorized|AccessDenied"):
        sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
    world.stack.deploy({"RedriveRoleArn": role})
    sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
    sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
    world.until_accepted(endpoint, by="Connections")
    assert world.waiting_messages("ConnectionsDeadLetterQueueUrl") == 0


def test_records_that_make_no_sense_do_not_keep_others_of_their_batch(impatient):
    world = impatient
    service = allowed(world)
    world.silence(service)
    endpoint = world.connect(service, LISTED)
    known = {"service_id": service, "endpoint_id": endpoint}
    event = {"source": "privatelink.gatekeeper", "detail-type": "Connection Requested", "detail": known}
    bodies = ["{", "not even JSON", json.dumps(event | {"detail": {}}), json.dumps(event)]
    entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
    queue = world.from_rule("ConnectionRequestedRule")
    sent = queue.send_message_batch(QueueUrl=world.stack["ConnectionsQueueUrl"], Entries=entries)
    assert not sent.get("Failed"), sent
    world.until_accepted(endpoint, by="Connections")

    ids = {entry["Id"]: entry["MessageId"] for entry in sent["Successful"]}
    given_up = {
        line["message_id"] for line in world.lines("Connections") if line.get("message") == "malformed record given up"
    }
    assert given_up >= {ids["0"], ids["1"], ids["2"]} and ids["3"] not in given_up
    world.until("the queue to be empty", lambda: world.waiting_messages("ConnectionsQueueUrl") == 0)
    assert world.waiting_messages("ConnectionsDeadLetterQueueUrl") == 0
