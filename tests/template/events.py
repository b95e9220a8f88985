"""What must be true of the events that the stack puts on a bus: the bus may be the default one, where its own rules
listen."""

import json
import re
from pathlib import Path

from patterns import matches
from stack import check

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/messages.md"
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
