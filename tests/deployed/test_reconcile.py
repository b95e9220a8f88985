"""What no event announced is found by reconcile, which the schedule starts; a run that fails is put aside."""

import json
from datetime import UTC, datetime

LISTED = "012345678901"
MINUTES = {"defaults": 5, "everything": 10}


def the_schedule(world):
    return world.emulator.client("scheduler").get_schedule(Name=world.stack.resources["ReconcileFunctionSchedule"])


def test_reconcile_finds_what_no_event_announced(world, request):
    service = world.service()
    world.silence(service)
    world.put_policy(service, f"allow#{LISTED}")
    endpoint = world.connect(service, LISTED)
    assert world.request(endpoint) == {}

    # The stack's own schedule is due in minutes. One with the same target and role is due now, and once.
    schedule = the_schedule(world)
    minutes = MINUTES[request.node.callspec.params["world"]]
    assert (schedule["ScheduleExpression"], schedule["State"]) == (f"rate({minutes} minutes)", "ENABLED")
    world.emulator.client("scheduler").create_schedule(
        Name="now",
        ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
        Target=schedule["Target"],
        FlexibleTimeWindow=schedule["FlexibleTimeWindow"],
        ActionAfterCompletion="DELETE",
    )
    world.until_accepted(endpoint, by="Reconcile", seconds=40)
    assert world.waiting_messages("ReconcileDeadLetterQueueUrl") == 0


def test_a_run_that_fails_twice_is_put_aside_with_its_error(defaults):
    world = defaults
    world.simulators.fail("DescribeVpcEndpointConnections", "Unauthorized")
    try:
        answer = world.emulator.client("lambda").invoke(
            FunctionName=the_schedule(world)["Target"]["Arn"], InvocationType="Event", Payload=b"{}"
        )
        assert answer["StatusCode"] == 202
        world.until(
            "the run to be put aside", lambda: world.waiting_messages("ReconcileDeadLetterQueueUrl") == 1, seconds=40
        )
    finally:
        world.simulators.heal()
    [message] = world.sqs.receive_message(QueueUrl=world.stack["ReconcileDeadLetterQueueUrl"])["Messages"]
    assert "Permanent.Forbidden" in message["Body"], json.loads(message["Body"])
