"""The stack itself: that it can be changed, and what stays when it is deleted."""

import pytest

from stack import NAME

LISTED, UNKNOWN = "012345678901", "222222222222"


@pytest.mark.last
def test_a_stack_that_is_changed_goes_on_with_what_it_knows(everything):
    world = everything
    before = dict(world.stack.outputs)
    waiting, rejected = world.service(), world.service()
    endpoint = world.connect(waiting, UNKNOWN)
    world.until_recorded(endpoint, "in_review")
    world.stack.deploy({"ReconcileMinutes": "15", "SlackChannel": "C0OTHERS"})

    assert {name for name in before if world.stack.outputs.get(name) != before[name]} == set()
    schedule = world.emulator.client("scheduler").get_schedule(Name=world.stack.resources["ReconcileFunctionSchedule"])
    assert schedule["ScheduleExpression"] == "rate(15 minutes)"
    world.write_policy(waiting, f"allow#{UNKNOWN}")
    world.until_accepted(endpoint, by="PolicyChanges")
    world.put_policy(rejected, f"deny#{UNKNOWN}")
    endpoint = world.connect(rejected, UNKNOWN)
    world.until_rejected(endpoint, by="Connections")


@pytest.mark.last
def test_a_stack_that_is_deleted_leaves_tables_logs_and_connections(defaults):
    world = defaults
    service = world.service()
    world.put_policy(service, f"allow#{LISTED}")
    endpoint = world.connect(service, LISTED)
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
