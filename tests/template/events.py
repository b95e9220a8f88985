"""What must be true of events: those that the rules take, and those that the stack puts on a bus, which may be the
default one, where its own rules listen."""

import json
import re
from pathlib import Path

from patterns import matches
from stack import check

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/messages.md"
FIXTURES = ROOT / "tests/fixtures/events"
ENVELOPE = ROOT / "docs/schemas/event.schema.json"


def examples() -> list[dict]:
    """An event of each kind, as docs/messages.md has it; tests/docs/messages.py holds them to the schema."""
    return [json.loads(text) for text in re.findall(r"^```json event\n(.*?)^```$", REFERENCE.read_text(), re.M | re.S)]


@check
def what_is_announced_does_not_come_back(stack):
    events = examples()
    wanted = set(json.loads(ENVELOPE.read_text())["properties"]["detail-type"]["enum"])
    if {event["detail-type"] for event in events} != wanted:
        yield "there is not an example of each kind of event, so nobody can say what our rules take"
    account = stack.parameters.get("EventBusArn", "").split(":")[4:5] or ["012345678901"]
    for kind in ("AWS::Events::Rule", "AWS::Events::Archive"):
        for name, properties in stack.of(kind).items():
            for event in events:
                if matches(properties["EventPattern"], event | {"account": account[0]}):
                    yield f"{name} takes what is announced: {event['detail-type']}"


# The fixtures that the function `connections` is tested with, and the rule that must take each.
TAKEN = {
    "cloudtrail-accept": "CloudTrailRule",
    "cloudtrail-reject-partly": "CloudTrailRule",
    "cloudtrail-create-forwarded": "CloudTrailRule",
    "cloudtrail-delete-forwarded": "CloudTrailRule",
    "connection-requested": "ConnectionRequestedRule",
    "other-event": None,
}


def fixture(name: str) -> dict:
    """A fixture, with this account for the one that it has for the provider's."""
    text = (FIXTURES / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text.replace("111122223333", "012345678901"))


@check
def rules_take_what_the_function_reads(stack):
    rules = stack.of("AWS::Events::Rule")

    def taken_by(event: dict) -> list[str]:
        return [name for name, rule in rules.items() if matches(rule["EventPattern"], event)]

    for name, rule in TAKEN.items():
        if taken_by(fixture(name)) != ([rule] if rule else []):
            yield f"{name} is taken by {taken_by(fixture(name))}"
    # An accept or a reject says who decided, and that goes on record: those of this account alone are believed. What
    # consumers' accounts forward only says where to look.
    for name in ("cloudtrail-accept", "cloudtrail-reject-partly"):
        event = fixture(name)
        others = {
            "that is forwarded": event | {"account": "999988887777"},
            "in another account": event | {"detail": event["detail"] | {"recipientAccountId": "999988887777"}},
            "of another service": event | {"detail": event["detail"] | {"eventSource": "vpc-lattice.amazonaws.com"}},
            "under another name": event | {"detail": event["detail"] | {"eventName": "ModifyVpcEndpoint"}},
        }
        for what, other in others.items():
            if taken_by(other):
                yield f"{name} {what} is taken by {taken_by(other)}"
