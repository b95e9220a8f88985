"""Topics and queues refuse all but those whom they are for, whatever IAM lets others do."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

import identities
from emulator import ACCOUNT, REGION
from world import INTRUDER

UNKNOWN = "222222222222"
ALL = identities.may(["sns:*", "sqs:*"], "*")
REFUSED = {"AccessDenied", "AuthorizationError"}


def topics_and_queues(world):
    """The stack's topics and queues, and how somebody's clients write to them."""
    resources = world.stack.resources
    topics = [name for name in resources if name.endswith("Topic")]
    queues = [name for name in resources if name.endswith("Queue") and resources[name].startswith("http")]
    assert len(topics) == 4 and len(queues) in (6, 8), (topics, queues)
    for name in topics:
        yield name, lambda client, arn=resources[name]: client("sns").publish(TopicArn=arn, Message="believe me")
    for name in queues:
        yield (
            name,
            lambda client, url=resources[name]: client("sqs").send_message(QueueUrl=url, MessageBody="believe me"),
        )
        yield (
            f"{name}, by a batch",
            lambda client, url=resources[name]: client("sqs").send_message_batch(
                QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "believe me"}]
            ),
        )


def refuses(write, client, name):
    """Checks that a client is not let write."""
    try:
        answer = write(client)
    except ClientError as error:
        assert error.response["Error"]["Code"] in REFUSED, (name, error)
    else:
        raise AssertionError(f"{name} took it: {answer}")


@pytest.fixture(params=["user", "role", "root"])
def powerful(request, world):
    """Clients for somebody whom IAM lets do everything with SNS and SQS."""
    name = f"powerful-{uuid.uuid4()}"
    if request.param == "user":
        key = identities.make_user(world.emulator, name, ALL)
        yield lambda service: world.emulator.client(service, session=key)
    elif request.param == "role":
        identities.make_role(world.emulator, name, ALL)
        yield world.taking_on(name, INTRUDER)
    else:
        yield world.emulator.client


def test_nobody_writes_to_topics_and_queues_though_iam_lets_them(world, powerful):
    # It is not for lack of a permission: they read, and make queues of their own.
    powerful("sns").get_topic_attributes(TopicArn=world.stack["AnnouncementsTopicArn"])
    powerful("sqs").get_queue_attributes(QueueUrl=world.stack["ConnectionsQueueUrl"], AttributeNames=["All"])
    for name, write in topics_and_queues(world):
        refuses(write, powerful, name)


def test_nobody_fills_a_queue_by_dead_letters_of_their_own(world, powerful):
    sqs = powerful("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=world.stack["ConnectionsQueueUrl"], AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": attributes["Attributes"]["QueueArn"], "maxReceiveCount": 1}
    with pytest.raises(ClientError, match="dead-letter queue"):
        sqs.create_queue(QueueName="mallory", Attributes={"RedrivePolicy": json.dumps(redrive)})


def test_an_aws_service_writes_for_the_stacks_own_resources_only(world):
    """Which EC2 and EventBridge do in the tests of decisions and events; this is who else would like to."""
    topic, queue = world.stack["ConnectionNotificationTopicArn"], world.stack["ConnectionsQueueUrl"]
    service, alarm = f"ec2:{REGION}:{ACCOUNT}:vpc-endpoint-service", f"cloudwatch:{REGION}:{ACCOUNT}:alarm"
    publishers = {
        ("vpce.amazonaws.com", f"arn:aws:{service}/vpce-svc-0a1b2c3d4e5f60718", topic): True,
        ("vpce.amazonaws.com", f"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc-endpoint-service/vpce-svc-1", topic): False,
        ("vpce.amazonaws.com", f"arn:aws:ec2:{REGION}:{UNKNOWN}:vpc-endpoint-service/vpce-svc-1", topic): False,
        ("s3.amazonaws.com", f"arn:aws:{service}/vpce-svc-0a1b2c3d4e5f60718", topic): False,
        ("cloudwatch.amazonaws.com", f"arn:aws:{alarm}:any", world.stack["AlarmsTopicArn"]): True,
        ("vpce.amazonaws.com", f"arn:aws:{service}/vpce-svc-1", world.stack["AlarmsTopicArn"]): False,
        ("cloudwatch.amazonaws.com", f"arn:aws:{alarm}:any", world.stack["AnnouncementsTopicArn"]): False,
        ("sns.amazonaws.com", topic, world.stack["ApprovalsTopicArn"]): False,
    }
    for (principal, source, target), may in publishers.items():
        sns = world.emulator.service("sns", principal, source)
        if may:
            sns.publish(TopicArn=target, Message="{}")
        else:
            refuses(lambda sns, arn=target: sns.publish(TopicArn=arn, Message="{}"), sns, f"{target} of {principal}")
    senders = [
        ("events.amazonaws.com", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/mallory"),
        ("events.amazonaws.com", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{world.stack.resources['CloudTrailRule']}-2"),
        ("sns.amazonaws.com", world.stack["AnnouncementsTopicArn"]),
        ("sns.amazonaws.com", f"arn:aws:sns:{REGION}:{ACCOUNT}:mallory"),
        ("s3.amazonaws.com", "arn:aws:s3:::mallory"),
    ]
    for principal, source in senders:
        sqs = world.emulator.service("sqs", principal, source)
        refuses(lambda sqs: sqs.send_message(QueueUrl=queue, MessageBody="{}"), sqs, f"{queue} of {source}")


def test_the_role_for_redrive_sends_to_the_queues_that_messages_come_from_and_nowhere_else(everything):
    world = everything
    sources = {"ConnectionsQueue", "SlackQueue"}
    client = world.taking_on("redrive", "bob")
    for name, write in topics_and_queues(world):
        if name.split(",")[0] not in sources:
            refuses(write, client, name)
    # Records that make no sense are given up, by both functions.
    for name in sorted(sources):
        client("sqs").send_message(QueueUrl=world.stack.resources[name], MessageBody="{}")
    for name in sorted(sources):
        world.until(f"{name} to be empty", lambda queue=f"{name}Url": world.waiting_messages(queue) == 0)
