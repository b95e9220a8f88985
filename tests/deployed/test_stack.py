"""The stack itself: what it refuses, and what stays when it is deleted."""

import pytest
from stack import NAME


@pytest.mark.last
def test_a_stack_that_is_deleted_leaves_tables_logs_and_connections(defaults):
    world = defaults
    service = world.service()
    world.put_policy(service, "allow#012345678901")
    endpoint = world.connect(service, "012345678901")
    world.until_accepted(endpoint, by="Connections")
    stack = world.emulator.client("cloudformation")
    stack.delete_stack(StackName=NAME)
    stack.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    assert world.state(endpoint) in ("pending", "available")
    assert world.request(endpoint)["status"] == "accepted"
    assert world.lines("Connections") != []
    tables = world.dynamodb.list_tables()["TableNames"]
    assert {world.stack["AllowlistTable"], world.stack["RequestsTable"]} <= set(tables)
    topics = world.emulator.client("sns").list_topics()["Topics"]
    assert world.stack["ApprovalsTopicArn"] not in [topic["TopicArn"] for topic in topics]
