"""What no event announced is found by reconcile, which the schedule starts; a run that fails is put aside."""

import json
from datetime import datetime, timedelta, timezone

LISTED = "012345678901"
MINUTES = {"defaults": 5, "everything": 10}


def start(world):
    """As the schedule would when it is due: the stack's own, with its target and role, for a moment that is near.
    ministack looks every ten seconds what is due."""
    scheduler = world.emulator.client("scheduler")
    name = world.stack.resources["ReconcileFunctionSchedule"].split("/")[-1].split("|")[-1]
    schedule = scheduler.get_schedule(Name=name)
    kept = ("Name", "Target", "FlexibleTimeWindow", "State", "Description")
    due = datetime.now(timezone.utc) + timedelta(seconds=1)
    scheduler.update_schedule(
        **{key: schedule[key] for key in kept if key in schedule},
        ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
    )
    return schedule


def test_reconcile_finds_what_no_event_announced(world, request):
    service = world.service()
    world.silence(service)
    world.put_policy(service, f"allow#{LISTED}")
    endpoint = world.connect(service, LISTED)
    assert world.request(endpoint) == {}
    schedule = start(world)
    minutes = MINUTES[request.node.callspec.params["world"]]
    assert schedule["ScheduleExpression"] == f"rate({minutes} minutes)"
    world.until_accepted(endpoint, seconds=40)
    assert world.waiting_messages("ReconcileDeadLetterQueueUrl") == 0


def test_a_run_that_fails_twice_is_put_aside_with_its_error(defaults):
    world = defaults
    world.simulators.fail("DescribeVpcEndpointConnections", "Unauthorized")
    try:
        answer = world.emulator.client("lambda").invoke(
            FunctionName=world.stack["ReconcileFunction"], InvocationType="Event", Payload=b"{}"
        )
        assert answer["StatusCode"] == 202
        world.until(
            "the run to be put aside", lambda: world.waiting_messages("ReconcileDeadLetterQueueUrl") == 1, seconds=40
        )
    finally:
        world.simulators.heal()
    [message] = world.sqs.receive_message(QueueUrl=world.stack["ReconcileDeadLetterQueueUrl"])["Messages"]
    assert "Permanent.Forbidden" in message["Body"], json.loads(message["Body"])
