"""Whether each role allows what its function does, and nothing else.

    python tests/template/privileges.py FOLDER             holds the roles against the calls recorded in FOLDER
    python tests/template/privileges.py FOLDER --breaks    breaks roles and record, and wants each break to be seen

The record is what the local world writes while the tests run (local/src/permissions.rs):

    GATEKEEPER_RECORD_PERMISSIONS=FOLDER cargo test --workspace --locked

Three things are wanted. What a function asks for is allowed. What a role allows was asked for: each action, on each
resource, for each partition that a condition lets in. And what is like it but somebody else's is refused: another
table, topic or secret, a service that is not managed, a key used for anything else.

Needs what .ci/requirements.txt lists.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ci"), str(Path(__file__).resolve().parent)]

from cloudformation import PSEUDO  # noqa: E402
from iam import Ask, Grant, Statement, is_allowed  # noqa: E402
from in_its_name import asked_by_aws, asked_by_rollouts, asked_by_schedules, follows  # noqa: E402
from invariants import KEY_ARN, SETS, SOURCE  # noqa: E402
from stack import Stack  # noqa: E402
from translate import translate  # noqa: E402

PLACE = f"{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}"
# The local world's place and the names that it gives, and the template's.
LOCAL_PLACE = "us-east-1:111122223333"
NAMES = {
    f"arn:aws:dynamodb:{PLACE}:table/allowlist": "${AllowlistTable.Arn}",
    f"arn:aws:dynamodb:{PLACE}:table/requests": "${RequestsTable.Arn}",
    f"arn:aws:events:{PLACE}:rule/cloud-trail": "${CloudTrailRule.Arn}",
    f"arn:aws:sns:{PLACE}:alarms": "${AlarmsTopic}",
    f"arn:aws:sns:{PLACE}:announcements": "${AnnouncementsTopic}",
    f"arn:aws:sns:{PLACE}:approvals": "${ApprovalsTopic}",
    f"arn:aws:sns:{PLACE}:connection-notifications": "${ConnectionNotificationTopic}",
}
# What is somebody else's, by service.
STRANGERS = {
    "cloudwatch": [f"arn:aws:cloudwatch:{PLACE.rsplit(':', 1)[0]}:000000000000:alarm:stranger"],
    "dynamodb": [f"arn:aws:dynamodb:{PLACE}:table/stranger{part}" for part in ("", "/index/open", "/stream/2026")],
    "ec2": [f"arn:aws:ec2:{PLACE}:vpc-endpoint-service/vpce-svc-0123456789abcdef0"],
    "events": [f"arn:aws:events:{PLACE}:{what}/stranger" for what in ("rule", "event-bus")],
    "kms": [f"arn:aws:kms:{PLACE}:key/stranger"],
    "lambda": [f"arn:aws:lambda:{PLACE}:function:stranger"],
    "logs": [f"arn:aws:logs:{PLACE}:log-group:stranger:*"],
    "secretsmanager": [f"arn:aws:secretsmanager:{PLACE}:secret:stranger-AbCdEf"],
    "sns": [f"arn:aws:sns:{PLACE}:stranger"],
    "sqs": [f"arn:aws:sqs:{PLACE}:stranger"],
}
LEADING_KEYS = "dynamodb:LeadingKeys"
WRITES = {f"dynamodb:{action}Item" for action in ("BatchWrite", "Delete", "Put", "Update")}
# What strangers can set going. These may write only into partitions that they write into.
WAY_IN = {"ApprovalsFunction", "SlackFunction"}

# By deployment (parameters) and function, what it was seen to ask for.
Record = dict[tuple[tuple[str, str], ...], dict[str, set[Ask]]]


def read(folder: Path) -> Record:
    """The record, in the template's words."""
    record: Record = defaultdict(lambda: defaultdict(set))
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line.replace(LOCAL_PLACE, PLACE))
            parameters = entry["deployment"]
            if not parameters["ManagedServices"]:
                continue  # Only a test manages no service at all; the template refuses that.
            if "SlackSecretArn" in parameters:
                parameters |= {"SlackTeamId": "T0EXAMPLE", "SlackAppId": "A0EXAMPLE"}
            function = "".join(word.capitalize() for word in entry["function"].split("-")) + "Function"
            context = frozenset((key, frozenset(values)) for key, values in entry["context"].items())
            ask = Ask(entry["action"], named(entry["resource"]), context)
            record[tuple(sorted(parameters.items()))][function].add(ask)
    return record


def named(resource: str) -> str:
    for name, token in NAMES.items():
        if resource == name or resource.startswith(f"{name}/"):
            return token + resource.removeprefix(name)
    return resource


def compared(template: dict, record: Record) -> list[str]:
    """What is wrong with the roles, or with the record."""
    wrong: dict[str, None] = {}
    allowed: dict[tuple[str, Grant, Features], None] = {}
    used: set[tuple[str, Grant, Features]] = set()
    partitions = written(record)
    sets = {tuple(sorted(parameters.items())): {} for parameters in SETS.values()}
    for parameters, asked in {**sets, **record}.items():
        given = dict(parameters)
        # Whoever gives a key of their own has the same functions.
        for key in [{}] if "KmsKeyArn" in given else [{}, {"KmsKeyArn": KEY_ARN}]:
            stack = Stack(template, given | key)
            features = Features.of(stack)
            for role, who, asks in questions(stack, asked):
                statements = [Statement(written) for written in stack.statements(role)]
                others = {other for ask in asks for other in strangers(ask)}
                others |= set(foreign_partitions(who, asks, partitions))
                for ask in asks:
                    if not is_allowed(statements, ask):
                        wrong[f"{role} refuses {who} {ask}, with {features}"] = None
                    used |= {(role, told(grant, stack), features) for one in statements for grant in one.matching(ask)}
                for other in others:
                    if is_allowed(statements, other):
                        wrong[f"{role} allows {other}, which {who} never asks for"] = None
                for one in statements:
                    if one.allows:
                        allowed |= {(role, told(grant, stack), features): None for grant in one.grants()}
    unused = defaultdict(list)
    for role, grant, features in allowed:
        if not any((role, grant, less) in used for less in features.of_less(grant.action)):
            unused[f"{role}/{grant}: nothing asks for it"].append(str(features))
    wrong |= {f"{what}, with {'; with '.join(where)}": None for what, where in unused.items()}
    return list(wrong)


@dataclass(frozen=True)
class Features:
    """What a deployment can do. Whatever it does with less, it does with more."""

    tagged: bool
    organizations: bool
    slack: bool
    bus: bool

    @staticmethod
    def of(stack: Stack) -> "Features":
        parameters = stack.parameters
        tagged = parameters.get("ManagedServices", "tagged") == "tagged"
        bus = bool(parameters.get("EventBusArn"))
        return Features(tagged, parameters.get("Organizations", "off") == "on", stack.slack, bus)

    def of_less(self, action: str) -> Iterator["Features"]:
        """The deployments that show whether an action is needed. Only what is asked of EC2 depends on how services
        are managed."""
        for tagged in (self.tagged,) if action.startswith("ec2:") else (False, True):
            for organizations in {False, self.organizations}:
                for slack in {False, self.slack}:
                    for bus in {False, self.bus}:
                        yield Features(tagged, organizations, slack, bus)

    def __str__(self) -> str:
        words = ["tagged services" if self.tagged else "listed services"]
        words += ["Organizations"] * self.organizations + ["Slack"] * self.slack + ["a bus"] * self.bus
        return ", ".join(words)


def questions(stack: Stack, asked: dict[str, set[Ask]]) -> Iterator[tuple[str, str, set[Ask]]]:
    """By role, who takes it on and all that is asked in its name."""
    for function in sorted(asked.keys() - stack.functions.keys()):
        raise ValueError(f"the record names {function}, which is not deployed with {stack.parameters}")
    others = set(stack.of("AWS::IAM::Role"))
    for function in stack.functions:
        asks = asked.get(function, set())
        more = {more for ask in asks for more in follows(stack, ask)} | set(asked_by_aws(stack, function))
        others.discard(stack.role_of(function))
        yield stack.role_of(function), function, asks | more
    for who, asked_by_role in (
        ("EventBridge Scheduler", asked_by_schedules(stack)),
        ("CodeDeploy", asked_by_rollouts(stack)),
    ):
        for role, asks in asked_by_role.items():
            others.discard(role)
            yield role, who, asks
    for role in sorted(others):
        yield role, "nobody", set()


def strangers(ask: Ask) -> Iterator[Ask]:
    """What is like it and nobody's business."""
    if ask.resource == "*":
        return
    service = ask.action.split(":")[0]
    tags = {key: None for key, _ in ask.context if key.startswith("aws:ResourceTag/")}
    if ask.values("kms:EncryptionContext:SecretARN") is None:
        # Names that begin alike as well: a "*" right behind a name lets those in.
        alike = re.sub(r"^\$\{[\w.]+\}", r"\g<0>-stranger", ask.resource)
        for resource in {*STRANGERS[service], alike} - {ask.resource}:
            yield Ask(ask.action, resource, ask.given(**tags).context)
    for key, _ in ask.context:
        if key.startswith("kms:"):
            yield ask.given(**{key: None})
            yield ask.given(**{key: frozenset({"stranger"})})


def written(record: Record) -> dict[str, set[str]]:
    """The partitions that each function writes into."""
    partitions = defaultdict(set)
    for asked in record.values():
        for function, asks in asked.items():
            for ask in asks:
                if ask.action in WRITES:
                    partitions[function] |= ask.values(LEADING_KEYS) or set()
    return partitions


def foreign_partitions(function: str, asks: set[Ask], partitions: dict[str, set[str]]) -> Iterator[Ask]:
    """Of what strangers can set going: writes into partitions that only others write into."""
    foreign = {"stranger"}.union(*partitions.values()) - partitions[function]
    for ask in asks if function in WAY_IN else ():
        for key in foreign if ask.action in WRITES else ():
            yield ask.given(**{LEADING_KEYS: frozenset({key})})


def told(grant: Grant, stack: Stack) -> Grant:
    """The same for every deployment: which services, secret, bus and shared allowlist they are, the parameters say."""
    resource = re.sub("(?<=vpc-endpoint-service/)vpce-svc-.*", "${ManagedServices}", grant.resource)
    if not stack.own_allowlist:
        resource = resource.replace(stack.allowlist_stream, "${AllowlistTable.StreamArn}")
        resource = resource.replace(stack.allowlist, "${AllowlistTable.Arn}")
    if stack.slack:
        resource = resource.replace(stack.parameters["SlackSecretArn"], "${SlackSecretArn}")
    if stack.parameters.get("EventBusArn"):
        resource = resource.replace(stack.parameters["EventBusArn"], "${EventBusArn}")
    return replace(grant, resource=resource)


def main() -> int:
    folder, *rest = sys.argv[1:] or sys.exit(__doc__)
    record = read(Path(folder))
    template = translate(SOURCE)
    if rest == ["--breaks"]:
        from privileges_breaks import unseen

        total, failed = unseen(compared, template, record)
        print(f"{total - len(failed)} breaks seen, {len(failed)} not")
    elif not rest:
        failed = compared(template, record)
        asks = {ask for asked in record.values() for of_function in asked.values() for ask in of_function}
        print(f"{len(asks)} questions to IAM by {len(record)} deployments, {len(failed)} complaints")
    else:
        sys.exit(__doc__)
    for line in failed:
        print(f"FAILED {line}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
