"""The functions run with the permissions of their own roles, and with no others."""

import json
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from world import FUNCTIONS, INTRUDER

LISTED = "012345678901"


def with_statement(world, role, sid):
    """The managed policy of a role's that has the statement, with its document."""
    iam = world.emulator.client("iam")
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        if sid in [statement["Sid"] for statement in document["Statement"]]:
            return arn, document
    raise LookupError(f"no managed policy of {role} has a statement {sid}")


@contextmanager
def without(world, function, sid):
    """The function's role lacks a statement for a while. What is refused meanwhile is meant to be."""
    iam, role = world.emulator.client("iam"), world.stack.resources[f"{function}Role"]
    arn, policy = with_statement(world, role, sid)
    less = policy | {"Statement": [statement for statement in policy["Statement"] if statement["Sid"] != sid]}
    begun = len(world.emulator.decisions())
    # Others hold the policy, too: so only this role holds something else.
    iam.put_role_policy(RoleName=role, PolicyName="less", PolicyDocument=json.dumps(less))
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    try:
        yield
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        iam.delete_role_policy(RoleName=role, PolicyName="less")
        world.meant += range(begun, len(world.emulator.decisions()))


def taken_over(world, function):
    """Clients of an attacker who took over a function."""
    return world.taking_on(world.stack.resources[f"{function}Role"], INTRUDER)


def refuses(call):
    with pytest.raises(ClientError, match="not authorized to perform"):
        call()


def test_without_a_permission_a_function_fails_and_with_it_again_it_goes_on(impatient):
    """So permissions are enforced here, and what passes elsewhere passed with the roles as they are."""
    world = impatient
    service = world.service()
    world.put_policy(service, f"allow#{LISTED}")
    with without(world, "Connections", "ReadPolicy"):
        endpoint = world.connect(service, LISTED)

        def look():
            forbidden = [line for line in world.lines("Connections") if "dynamodb:BatchGetItem" in str(line)]
            return forbidden and forbidden[-1]

        told = world.until("the function to say what is forbidden", look)
        assert (told["level"], told["error_type"]) == ("ERROR", "Permanent.Forbidden")
        assert world.state(endpoint) == "pendingAcceptance"
    world.until_accepted(endpoint, by="Connections")


def test_whoever_takes_over_the_function_behind_the_internet_cannot_write_the_policy(world):
    client, allowlist = taken_over(world, "Approvals"), world.stack["AllowlistTable"]
    dynamodb, allow = client("dynamodb"), {"service_id": {"S": "*"}, "rule": {"S": "allow#*"}}
    put = {"TableName": allowlist, "Item": allow}
    assert dynamodb.batch_get_item(RequestItems={allowlist: {"Keys": [allow]}})["Responses"][allowlist] == []
    refuses(lambda: dynamodb.put_item(**put))
    refuses(lambda: dynamodb.update_item(TableName=allowlist, Key=allow))
    refuses(lambda: dynamodb.delete_item(TableName=allowlist, Key=allow))
    refuses(lambda: dynamodb.batch_write_item(RequestItems={allowlist: [{"PutRequest": {"Item": allow}}]}))
    refuses(lambda: dynamodb.transact_write_items(TransactItems=[{"Put": put}]))


def test_and_writes_nothing_of_the_records_but_what_a_vote_needs(world):
    client, requests = taken_over(world, "Approvals"), world.stack["RequestsTable"]
    dynamodb = client("dynamodb")

    def put(pk, sk):
        return {"TableName": requests, "Item": {"pk": {"S": pk}, "sk": {"S": sk}}}

    def batch(*pks):
        return {"RequestItems": {requests: [{"PutRequest": {"Item": put(pk, "x")["Item"]}} for pk in pks]}}

    refuses(lambda: dynamodb.put_item(**put("state", "reconcile")))
    refuses(lambda: dynamodb.put_item(**put("prompt#vpce-1", "00000001#C0")))
    refuses(lambda: dynamodb.transact_write_items(TransactItems=[{"Put": put("state", "reconcile")}]))
    refuses(lambda: dynamodb.batch_write_item(**batch("outbox#0")))
    # A vote reads a link and changes none.
    refuses(lambda: dynamodb.batch_write_item(**batch("link#0")))
    refuses(lambda: dynamodb.transact_write_items(TransactItems=[{"Put": put("link#0", "link")}]))
    refuses(lambda: dynamodb.delete_item(TableName=requests, Key=put("vpce-1", "request")["Item"]))
    # It is the permissions that refuse: this is let through.
    dynamodb.transact_write_items(TransactItems=[{"Put": put("unexpected-keys#x", "x")}])
    world.dynamodb.delete_item(TableName=requests, Key=put("unexpected-keys#x", "x")["Item"])


def test_and_reaches_nothing_else_of_the_account(world):
    client = taken_over(world, "Approvals")
    approvals = {"TopicArn": world.stack["ApprovalsTopicArn"], "Protocol": "email", "Endpoint": "mallory@example.com"}
    refuses(lambda: client("sns").publish(TopicArn=world.stack["AlarmsTopicArn"], Message="All is well"))
    refuses(lambda: client("sns").subscribe(**approvals))
    refuses(lambda: client("sqs").receive_message(QueueUrl=world.stack["ConnectionsQueueUrl"]))
    refuses(lambda: client("lambda").invoke(FunctionName=world.stack["ReconcileFunction"]))
    refuses(lambda: client("dynamodb").scan(TableName=world.stack["RequestsTable"]))
    refuses(lambda: client("iam").list_roles())
    refuses(lambda: client("ec2").modify_vpc_endpoint_service_permissions(ServiceId="vpce-svc-1"))


@pytest.mark.parametrize("function", ["Connections", "PolicyChanges", "Reconcile", "Approvals"])
def test_no_function_accepts_at_a_service_that_is_not_managed(world, function):
    stranger = world.make_service(managed=False)
    endpoint = world.connect(stranger, LISTED)
    ec2 = taken_over(world, function)("ec2")
    refuses(lambda: ec2.accept_vpc_endpoint_connections(ServiceId=stranger, VpcEndpointIds=[endpoint]))
    refuses(lambda: ec2.reject_vpc_endpoint_connections(ServiceId=stranger, VpcEndpointIds=[endpoint]))
    assert world.state(endpoint) == "pendingAcceptance"
    mine = world.service()
    endpoint = world.connect(mine, LISTED)
    assert ec2.accept_vpc_endpoint_connections(ServiceId=mine, VpcEndpointIds=[endpoint])["Unsuccessful"] == []


@pytest.mark.last
def test_nothing_else_was_refused_to_the_functions(world):
    """In all that they asked AWS in the tests before."""
    asked = [
        decision
        for place, decision in enumerate(world.emulator.decisions())
        if place not in world.meant and any(world.is_session(decision["principal"], function) for function in FUNCTIONS)
    ]
    assert [decision for decision in asked if not decision["allowed"]] == []
    actions = {decision["action"] for decision in asked}
    expected = {"dynamodb:BatchGetItem", "sns:Publish", "ec2:AcceptVpcEndpointConnections", "events:DescribeRule"}
    assert expected <= actions, actions
