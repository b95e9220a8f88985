"""Checks the messages that the product publishes, and the events that it takes, by the schemas in docs/schemas.

    GATEKEEPER_RECORD_MESSAGES=/tmp/messages cargo test --workspace --locked --test scenarios --test simulation
    python tests/docs/messages.py /tmp/messages            checks all messages of the scenarios and the simulation
    python tests/docs/messages.py /tmp/messages --breaks   shows that each of these checks can fail

Without a folder it checks only the schemas themselves, the examples in docs/messages.md and the events in tests/fixtures.
It needs the package jsonschema, which .ci/requirements.txt brings.
"""

import copy
import json
import re
import sys
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import relevance
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "template"))

from patterns import matches  # noqa: E402

SCHEMAS = ROOT / "docs" / "schemas"
REFERENCE = ROOT / "docs" / "messages.md"
EVENTS = ROOT / "tests" / "fixtures" / "events"

# For each rule of the reference, the documents that it must match. It must match no others.
RULES = {
    "page": lambda detail: detail["kind"] == "alarm_started",
    "ticket": lambda detail: (
        "customer" in detail and detail["kind"] in ("rejected", "rejected_out_of_band", "revocation_started", "revoked")
    ),
    "siem": lambda detail: detail["kind"].startswith(("vote_", "accept", "rejected", "revoked", "decider_")),
}

# Fixtures that are events of these kinds and give hints. The product ignores or refuses the other fixtures.
FIXTURES = {
    "connection-requested": ["connection-requested.json"],
    "connection-notification": [
        "sns-notification-empty.json",
        "sns-notification-json.json",
        "sns-notification-text.json",
        "sns-subscription-confirmation.json",
        "sns-eventbridge.json",
    ],
    "cloudtrail": [
        "cloudtrail-accept.json",
        "cloudtrail-accept-items.json",
        "cloudtrail-create-forwarded.json",
        "cloudtrail-delete-forwarded.json",
        "cloudtrail-reject-partly.json",
    ],
}
# Fixtures that the schema must refuse.
REFUSED = {
    "cloudtrail": ["cloudtrail-accept-denied.json", "other-event.json"],
    "connection-requested": ["other-event.json"],
}


def load_schemas():
    return {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")
    }


class Schemas:
    """The schemas by name, each with a validator that knows the others."""

    def __init__(self, schemas):
        self.schemas = schemas
        resources = [
            (f"{name}.schema.json", Resource.from_contents(schema, default_specification=DRAFT202012))
            for name, schema in schemas.items()
        ]
        registry = Registry().with_resources(resources)
        self.validators = {
            name: Draft202012Validator({"$ref": f"{name}.schema.json"}, registry=registry) for name in schemas
        }

    def wrong_with(self, name, instance):
        """The most important mistake in an instance, in one line, or None."""
        if self.validators[name].is_valid(instance):
            return None
        error = max(self.validators[name].iter_errors(instance), key=relevance)
        while error.validator == "oneOf" and error.context:
            error = nearest(error)
        return f"{error.json_path}: {error.message}"[:400]


def nearest(error):
    """The mistake in the choice of a oneOf that was meant: the choice whose discriminating properties are right, and of
    several such ones the choice with the fewest mistakes."""
    choices = {}
    for cause in error.context:
        choices.setdefault(cause.schema_path[0], []).append(cause)
    telling = {"kind", "topic", "condition"}

    def badness(causes):
        return sum(bool(cause.path) and cause.path[-1] in telling for cause in causes), len(causes)

    return min(choices.values(), key=badness)[0]


def recorded(folder):
    """The messages, and the events."""
    messages, events = [], []
    for path in sorted(Path(folder).glob("*.jsonl")):
        with path.open() as lines:
            for entry in map(json.loads, lines):
                (events if "event" in entry else messages).append(entry)
    return messages, events


def published(message):
    """A recorded message in the form of published.schema.json, where `default` and `https` are parsed."""
    texts = json.loads(message["message"])
    for protocol in ("default", "https"):
        if protocol in texts:
            texts[protocol] = json.loads(texts[protocol])
    return {
        "topic": message["topic"],
        "subject": message["subject"],
        "attributes": {name: value["Value"] for name, value in message["attributes"].items()},
        "message": texts,
    }


def check_message(schemas, message):
    """What is wrong with one recorded message."""
    if not message["json"]:
        return ["MessageStructure is not json"]
    if any(value["Type"] != "String" for value in message["attributes"].values()):
        return ["an attribute is no String, so subscribers cannot filter by it"]
    whole = published(message)
    document, attributes = whole["message"]["default"], whole["attributes"]
    wrong = schemas.wrong_with("published", whole)
    if wrong:
        # The validator says little about a mistake inside a oneOf, so the part is validated on its own.
        named = str(document.get("schema", "")).split("/")[1:2]
        part = named[0] if named and named[0] in ("alarm", "reach-alarm") else "announcement"
        return [schemas.wrong_with(part, document) or wrong]
    complaints = []
    # A schema cannot require that parts agree.
    for name in attributes.keys() - {"approver"}:
        if attributes[name] != document[name]:
            complaints.append(f"the attribute {name} is {attributes[name]}, the document says {document[name]}")
    about = document.get("endpoint_id") or document.get("service_id") or document["finding"]
    if not document["id"].startswith(about + "#"):
        complaints.append(f"the id {document['id']} is of something else")
    if "approver" in attributes and f"as {attributes['approver']}." not in whole["message"]["email"]:
        complaints.append("the e-mail is not written to whom it is sent")
    chat = whole["message"].get("https")
    if chat:
        told = (
            chat["id"],
            chat["metadata"]["eventType"],
            chat["content"]["keywords"][1],
            chat["metadata"]["relatedResources"],
        )
        services = [document["service_id"]] if "service_id" in document else []
        if told != (document["id"], document["kind"], document["kind"], services):
            complaints.append(f"the chat notification is of something else: {told}")
    return complaints


def check_event(schemas, event):
    """What is wrong with one event."""
    wrong = schemas.wrong_with("event", event)
    if wrong:
        detail = event["detail"]
        named = str(detail.get("schema", "")).split("/")[1:2] if isinstance(detail, dict) else []
        part = named[0] if named and named[0] in schemas.schemas else "announcement"
        return [schemas.wrong_with(part, detail) or wrong]
    detail, complaints = event["detail"], []
    if event["time"] != re.sub(r"\.[0-9]+Z$", "Z", detail["at"]):
        complaints.append(f"it is of {event['time']}, and its document of {detail['at']}")
    for name in ("service_id", "endpoint_id", "account_id"):
        if name in detail and not any(detail[name] in re.split("[:/]", resource) for resource in event["resources"]):
            complaints.append(f"no resource is its {name}")
    return complaints


def check_events(schemas, events, text):
    """What is wrong with the recorded events, and with the rules that the reference shows."""
    complaints = []
    for entry in events:
        for wrong in check_event(schemas, entry["event"]):
            complaints.append(f"{entry['test']} put {entry['event']['detail'].get('id')!r} on the bus: {wrong}")
    wanted = set(schemas.schemas["event"]["properties"]["detail-type"]["enum"])
    for word in sorted(wanted - {entry["event"]["detail-type"] for entry in events}):
        complaints.append(f"no scenario puts a {word} on the bus")
    return complaints + check_rules([entry["event"] for entry in events], text)


def check_rules(events, text):
    """Each rule of the reference matches the events that it is for, at least one of these, and no others."""
    complaints = []
    rules = dict(RULE.findall(text))
    if sorted(rules) != sorted(RULES):
        complaints.append(f"docs/messages.md shows the rules {sorted(rules)}, and {sorted(RULES)} are wanted")
    for name in sorted(rules.keys() & RULES.keys()):
        try:
            pattern = json.loads(rules[name])
            taken = [event for event in events if matches(pattern, event)]
        except (ValueError, NotImplementedError) as error:
            complaints.append(f"docs/messages.md, the rule {name}: {error}")
            continue
        for event in events:
            if (event in taken) != RULES[name](event["detail"]):
                kind = event["detail"]["kind"]
                complaints.append(
                    f"docs/messages.md, the rule {name} {'takes' if event in taken else 'leaves out'} {kind}"
                )
        if events and not taken:
            complaints.append(f"no scenario puts anything on the bus that the rule {name} takes")
        # A rule must not match the events that other programs put on the bus.
        if any(matches(pattern, event | {"source": "example.other"}) for event in events):
            complaints.append(f"docs/messages.md, the rule {name} takes what others put on the bus")
    return sorted(set(complaints))


def enum(schema, *path):
    for step in path:
        schema = schema[step]
    return schema["enum"] if "enum" in schema else [schema["const"]]


def consts(branches, name):
    return [word for branch in branches for word in enum(branch, "properties", name)]


def unseen(schemas, messages):
    """Entries of the schemas that no recorded message has: they are dead, or no scenario tries them."""
    announcement, alarm = schemas.schemas["announcement"], schemas.schemas["alarm"]
    reach = schemas.schemas["reach-alarm"]
    parts = announcement["$defs"]
    wanted = {
        "announcement": set(parts["kind"]["enum"]),
        "status": set(parts["status"]["enum"]),
        "email": set(enum(schemas.schemas["published"], "$defs", "approval_email_attributes", "properties", "kind")),
        "alarm": set(alarm["$defs"]["finding"]["enum"]),
        "alarm kind": set(alarm["$defs"]["kind"]["enum"]),
        "end of an acknowledgement": set(alarm["properties"]["acknowledgement"]["properties"]["ended"]["enum"]),
        "reach alarm": set(reach["$defs"]["finding"]["enum"]),
        "opening": set(reach["properties"]["opening"]["enum"]),
        "decided by": set(consts(parts["actor"]["oneOf"], "kind")),
        "failed condition": set(consts(parts["failed_condition"]["oneOf"], "condition")),
        "decision": set(parts["verdict"]["properties"]["decision"]["enum"]),
        "choice": set(parts["vote"]["properties"]["choice"]["enum"]),
        "channel": set(parts["vote"]["properties"]["channel"]["enum"]),
        "optional": {
            f"{name}.{field}"
            for name, schema in (
                ("announcement", announcement),
                ("alarm", alarm),
                ("acknowledgement", alarm["properties"]["acknowledgement"]),
                ("vote", parts["vote"]),
                ("ec2", parts["ec2"]),
            )
            for field in schema["properties"].keys() - set(schema["required"])
        },
    }
    seen = {name: set() for name in wanted}
    for message in messages:
        texts = json.loads(message["message"])
        document = json.loads(texts["default"])
        if document.get("schema") == reach["properties"]["schema"]["const"]:
            seen["reach alarm"].add(document["finding"])
            seen["opening"] |= {document["opening"]} if "opening" in document else set()
            continue
        name = "alarm" if "finding" in document else "announcement"
        seen["optional"] |= {f"{name}.{field}" for field in document}
        if name == "alarm":
            seen["alarm"].add(document["finding"])
            seen["alarm kind"].add(document["kind"])
            acknowledgement = document.get("acknowledgement", {})
            seen["optional"] |= {f"acknowledgement.{field}" for field in acknowledgement}
            if "ended" in acknowledgement:
                seen["end of an acknowledgement"].add(acknowledgement["ended"])
            continue
        seen["announcement"].add(document["kind"])
        if message["topic"] == "approvals":
            seen["email"].add(document["kind"])
        seen["status"].add(document["status"])
        seen["decided by"].add(document["decided_by"]["kind"])
        seen["decision"].add(document["verdict"]["decision"])
        seen["failed condition"] |= {failed["condition"] for failed in document["verdict"]["failed"]}
        for vote in document.get("review", {}).get("votes", []):
            seen["choice"].add(vote["choice"])
            seen["channel"].add(vote["channel"])
            seen["optional"] |= {f"vote.{field}" for field in vote}
        seen["optional"] |= {f"ec2.{field}" for field in document.get("ec2", {})}
    return [f"no scenario sends the {name} {word}" for name in wanted for word in sorted(wanted[name] - seen[name])]


def check_recorded(schemas, messages):
    complaints = [] if messages else ["nothing was recorded"]
    for message in messages:
        for wrong in check_message(schemas, message):
            complaints.append(
                f"{message['test'] or 'a test on several threads'} published {message['subject']!r}: {wrong}"
            )
    return complaints + unseen(schemas, messages)


def check_schemas(schemas):
    complaints = []
    for name, schema in schemas.schemas.items():
        try:
            Draft202012Validator.check_schema(schema)
        except Exception as error:  # noqa: BLE001 (whatever it is, the schema cannot be used)
            complaints.append(f"{name}.schema.json is no schema: {error}")
    announcement = schemas.schemas["announcement"]
    kinds = consts(announcement["oneOf"], "kind")
    if sorted(kinds) != sorted(announcement["$defs"]["kind"]["enum"]):
        complaints.append("announcement.schema.json does not say of each kind, once, what it is like")
    return complaints


EXAMPLE = re.compile(r"^```json ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RULE = re.compile(r"^```json rule ([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def check_reference(schemas, text):
    """Each example is valid, and each schema, kind and finding has its place in the reference."""
    complaints = []
    shown = set()
    for name, example in EXAMPLE.findall(text):
        shown.add(name)
        if name not in schemas.schemas:
            complaints.append(f"docs/messages.md has an example of {name}, which has no schema")
            continue
        try:
            wrong = schemas.wrong_with(name, json.loads(example))
        except ValueError as error:
            wrong = str(error)
        wrong = [wrong] if wrong else check_event(schemas, json.loads(example)) if name == "event" else []
        complaints += [f"docs/messages.md, the example of {name}: {one}" for one in wrong]
    for name in sorted(schemas.schemas.keys() - shown - {"cloudtrail", "connection-notification"}):
        complaints.append(f"docs/messages.md has no example of {name}")
    for name in schemas.schemas:
        if f"schemas/{name}.schema.json" not in text:
            complaints.append(f"docs/messages.md does not name schemas/{name}.schema.json")
    words = [
        *schemas.schemas["announcement"]["$defs"]["kind"]["enum"],
        *schemas.schemas["alarm"]["$defs"]["finding"]["enum"],
        *schemas.schemas["alarm"]["$defs"]["kind"]["enum"],
        *schemas.schemas["reach-alarm"]["$defs"]["finding"]["enum"],
        *schemas.schemas["event"]["properties"]["detail-type"]["enum"],
    ]
    for word in words:
        if f"`{word}`" not in text:
            complaints.append(f"docs/messages.md does not explain {word}")
    return complaints


def check_fixtures(schemas):
    complaints = []
    for name, files in FIXTURES.items():
        for file in files:
            wrong = schemas.wrong_with(name, json.loads((EVENTS / file).read_text()))
            if wrong:
                complaints.append(f"tests/fixtures/events/{file} is no {name}: {wrong}")
    for name, files in REFUSED.items():
        for file in files:
            if schemas.wrong_with(name, json.loads((EVENTS / file).read_text())) is None:
                complaints.append(f"tests/fixtures/events/{file} is taken for a {name}")
    return complaints


def check_all(schemas, reference, messages=None, events=None):
    complaints = check_schemas(schemas) + check_reference(schemas, reference) + check_fixtures(schemas)
    if messages is None:
        return complaints
    return complaints + check_recorded(schemas, messages) + check_events(schemas, events, reference)


# --- breaks, which show that each check can fail ---


def edit(message, change):
    """A message with a changed document."""
    message = copy.deepcopy(message)
    texts = json.loads(message["message"])
    document = json.loads(texts["default"])
    change(message, texts, document)
    texts["default"] = json.dumps(document)
    message["message"] = json.dumps(texts)
    return message


def message_breaks():
    """Name, which message, what is done to it."""

    def put(name, value):
        return lambda message, texts, document: document.__setitem__(name, value)

    def drop(name):
        return lambda message, texts, document: document.pop(name)

    def attribute(name, value):
        return lambda message, texts, document: message["attributes"].__setitem__(
            name, {"Type": "String", "Value": value}
        )

    def acknowledgement(name, value):
        def changed(message, texts, document):
            details = document["acknowledgement"]
            details.pop(name, None) if value is None else details.__setitem__(name, value)

        return changed

    def https(change):
        def changed(message, texts, document):
            chat = json.loads(texts["https"])
            change(chat)
            texts["https"] = json.dumps(chat)

        return changed

    token = "A" * 43
    return [
        ("a field that nobody documented", "accepted", put("extra", 1)),
        ("another version of the document", "accepted", put("schema", "privatelink-gatekeeper/announcement/2")),
        ("a kind that nobody documented", "accepted", put("kind", "granted")),
        ("a status that does not go with the kind", "accepted", put("status", "rejected")),
        ("an account as a number", "accepted", put("account_id", 12345678901)),
        ("an endpoint that is a service", "accepted", put("endpoint_id", "vpce-svc-0a1b2c3d4e5f60718")),
        ("a moment without a zone", "accepted", put("at", "2026-11-20T12:00:00")),
        ("no reason", "accepted", drop("reason")),
        ("refused, and EC2 said nothing", "accept_refused", drop("ec2")),
        ("a cut without a moment", "revocation_started", drop("due")),
        ("a review without how it stands", "review_opened", drop("review")),
        ("an actor of no kind", "accepted", put("decided_by", {"kind": "magic"})),
        ("an approver without a name", "accepted", put("decided_by", {"kind": "approver"})),
        ("a contradiction without the other name", "decider_contradicted", drop("also_named")),
        ("another name that is no ARN", "decider_contradicted", put("also_named", ["alice@example.com"])),
        ("a name without a caller", "decider_named", put("decided_by", {"kind": "unknown"})),
        ("an attribute that contradicts the document", "accepted", attribute("account_id", "999999999999")),
        ("an attribute that nobody documented", "accepted", attribute("region", "us-east-1")),
        ("no attribute to filter by", "accepted", lambda message, texts, document: message["attributes"].pop("kind")),
        ("a subject with a line break", "accepted", lambda message, texts, document: message.update(subject="a\nb")),
        ("a subject that is too long", "accepted", lambda message, texts, document: message.update(subject="x" * 100)),
        ("no text for people", "accepted", lambda message, texts, document: texts.pop("email")),
        (
            "a link in what everybody reads",
            "review_opened",
            lambda message, texts, document: texts.update(email=f"{texts['email']}\nhttps://example.com/a/{token}\n"),
        ),
        (
            "an e-mail with two links",
            "email",
            lambda message, texts, document: texts.update(email=f"{texts['email']}\nhttps://example.com/a/{token}\n"),
        ),
        (
            "an e-mail without a link",
            "email",
            lambda message, texts, document: texts.update(email="as alice@example.com."),
        ),
        ("an e-mail to everybody", "email", lambda message, texts, document: message.update(topic="announcements")),
        ("an e-mail to somebody else", "email", attribute("approver", "mallory@example.com")),
        ("an e-mail with a chat notification", "email", lambda message, texts, document: texts.update(https="{}")),
        (
            "a chat notification with a mention",
            "accepted",
            https(lambda chat: chat["content"].update(title="<!channel>")),
        ),
        ("a chat notification of something else", "accepted", https(lambda chat: chat.update(id="x"))),
        ("a chat notification of another version", "accepted", https(lambda chat: chat.update(version="2.0"))),
        ("a finding that nobody documented", "alarm_started", put("finding", "something")),
        ("an alarm that begins unmanaged", "alarm_started", put("unmanaged", True)),
        ("an alarm without a remedy", "alarm_started", drop("remedy")),
        ("an alarm that begins without evidence", "alarm_started", drop("evidence")),
        ("an alarm that begins acknowledged", "alarm_started", put("acknowledgement", {})),
        ("an alarm that is over, with evidence", "alarm_ended", put("evidence", ["*"])),
        ("an acknowledgement of nobody", "alarm_acknowledged", drop("acknowledgement")),
        ("an acknowledgement that ends for nothing", "acknowledgement_ended", acknowledgement("ended", None)),
        ("an acknowledgement that begins at its end", "alarm_acknowledged", acknowledgement("ended", "time_up")),
    ]


def of_kind(messages, kind):
    for message in messages:
        document = json.loads(json.loads(message["message"])["default"])
        email = message["topic"] == "approvals"
        if (kind == "email" and email) or (document["kind"] == kind and not email):
            return message
    raise SystemExit(f"no recorded message is a {kind}, so nothing can be broken")


def event_breaks():
    """Name, and what is done to an event about a connection."""

    def put(*path, value):
        def changed(event):
            *parents, last = path
            for step in parents:
                event = event[step]
            event[last] = value

        return changed

    service = "arn:aws:ec2:us-east-1:111122223333:vpc-endpoint-service/vpce-svc-00000000000000000"
    return [
        ("an event of another source", put("source", value="aws.ec2")),
        ("an event of a type that nobody documented", put("detail-type", value="Connection Requested")),
        ("an event of another document's type", put("detail-type", value="Service Alarm")),
        ("an event with a field that nobody documented", put("detail", "extra", value=1)),
        ("an event that holds a text", put("detail", value="{}")),
        ("an event about another service", put("resources", 0, value=service)),
        ("an event about nothing", put("resources", value=[])),
        ("an event of another moment", put("time", value="2020-01-01T00:00:00Z")),
        ("an event of another account's endpoint", put("detail", "account_id", value="999999999999")),
    ]


def rule_breaks(reference):
    """Name, and the reference with that done to it."""
    return [
        ("a rule that takes too much", reference.replace('"customer": [{"exists": true}]', '"at": [{"exists": true}]')),
        ("a rule that takes too little", reference.replace('["Service Alarm", "Reach Alarm"]', '["Service Alarm"]')),
        ("a rule that takes nothing", reference.replace('"kind": ["alarm_started"]', '"kind": ["alarm_begun"]')),
        (
            "a rule that takes what others put",
            reference.replace('"source": ["privatelink.gatekeeper"],\n  "detail-type": ["S', '"detail-type": ["S'),
        ),
        ("a rule that nobody can evaluate", reference.replace('[{"exists": true}]', '[{"wildcard": "*"}]')),
        ("a rule less", reference.replace("```json rule siem", "```json")),
    ]


def breaks(schemas, reference, messages, events):
    """Every break that no check finds."""
    missed = []
    about = next(entry["event"] for entry in events if entry["event"]["detail-type"] == "Connection Announcement")
    if check_event(schemas, about) or check_events(schemas, events, reference):
        missed.append("the events were broken before")
    for name, change in event_breaks():
        changed = copy.deepcopy(about)
        change(changed)
        if not check_event(schemas, changed):
            missed.append(name)
    for name, changed in rule_breaks(reference):
        if changed == reference or not check_events(schemas, events, changed):
            missed.append(name)
    if not check_events(schemas, [], reference):
        missed.append("no event recorded")
    for name, kind, change in message_breaks():
        message = of_kind(messages, kind)
        if check_message(schemas, message):
            missed.append(f"{name}: the message was broken before")
        elif not check_message(schemas, edit(message, change)):
            missed.append(name)
    for kind in schemas.schemas["announcement"]["$defs"]["kind"]["enum"]:
        rest = [m for m in messages if json.loads(json.loads(m["message"])["default"])["kind"] != kind]
        if not unseen(schemas, rest):
            missed.append(f"no scenario sends {kind}")

    def with_change(change):
        changed = copy.deepcopy(schemas.schemas)
        change(changed)
        return Schemas(changed)

    dead_kind = with_change(lambda s: s["announcement"]["$defs"]["kind"]["enum"].append("granted"))
    dead_finding = with_change(lambda s: s["alarm"]["$defs"]["finding"]["enum"].append("moon_is_full"))
    no_schema = with_change(lambda s: s["alarm"].update(type="text"))
    narrow = with_change(lambda s: s["announcement"]["properties"].pop("since"))
    for name, complaints in [
        ("a kind that is never sent", unseen(dead_kind, messages)),
        ("a kind without its place among the choices", check_schemas(dead_kind)),
        ("a kind that the reference does not explain", check_reference(dead_kind, reference)),
        ("a finding that is never sent", unseen(dead_finding, messages)),
        ("a schema that is none", check_schemas(no_schema)),
        ("a field that the schema does not know", check_message(narrow, of_kind(messages, "accepted"))),
        ("an example that the schema does not know", check_reference(narrow, reference)),
        ("an example that is not JSON", check_reference(schemas, reference.replace('"schema":', '"schema"', 1))),
        ("no example", check_reference(schemas, EXAMPLE.sub("", reference))),
        ("nothing recorded", check_recorded(schemas, [])),
    ]:
        if not complaints:
            missed.append(name)
    return missed


def main(arguments):
    wants_breaks = "--breaks" in arguments
    folders = [argument for argument in arguments if argument != "--breaks"]
    if len(folders) > 1 or (wants_breaks and not folders):
        raise SystemExit(__doc__)
    schemas, reference = Schemas(load_schemas()), REFERENCE.read_text()
    messages, events = recorded(folders[0]) if folders else (None, None)
    check = breaks if wants_breaks else check_all
    complaints = check(schemas, reference, messages, events)
    shown, rest = complaints[:20], complaints[20:]
    for complaint in shown:
        print(f"missed: {complaint}" if wants_breaks else complaint)
    if rest:
        print(f"… and {len(rest)} more")
    if complaints:
        return 1
    if wants_breaks:
        print(
            f"{len(message_breaks()) + len(event_breaks())} broken messages and events, and every other break are found"
        )
    elif messages is None:
        print("schemas, examples and fixtures hold")
    else:
        print(
            f"{len(messages)} messages and {len(events)} events hold to the schemas, and each kind and finding is among them"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
