"""Who may write to topics and queues: those whom each is for, and nobody else, whatever IAM lets others do.

Policies are not compared word for word but asked: what would IAM say to this caller?
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

from iam import matches
from stack import Stack, check, many

# By type of resource: the action that writes, the type of its policies, where they name it, and its ARN by its name.
KINDS = {
    "AWS::SNS::Topic": ("sns:Publish", "AWS::SNS::TopicPolicy", "Topics", "${{{}}}"),
    "AWS::SQS::Queue": ("sqs:SendMessage", "AWS::SQS::QueuePolicy", "Queues", "${{{}.Arn}}"),
}
IAM = "arn:aws:iam::012345678901"
NEGATED = {"ArnNotEquals", "ArnNotLike", "StringNotEquals", "StringNotLike"}
PLAIN = {"ArnEquals", "ArnLike", "Bool", "StringEquals", "StringLike"}


@dataclass(frozen=True)
class Caller:
    """Somebody who writes, over TLS. An AWS service that does so under its own name has no ARN; a role's session has
    the role's; whoever signs nothing is said to be neither."""

    name: str
    arn: str | None = None
    is_service: str | None = "false"

    def value(self, key: str) -> str | None:
        return {
            "aws:principalarn": self.arn,
            "aws:principalisawsservice": self.is_service,
            "aws:securetransport": "true",
        }[key.lower()]


STRANGERS = [
    Caller("an IAM user", f"{IAM}:user/mallory"),
    Caller(
        "an administrator's session", f"{IAM}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
    ),
    Caller("the account's root user", f"{IAM}:root"),
    Caller("another account's role", "arn:aws:iam::999999999999:role/ConnectionsRole"),
    Caller("whoever signs nothing", None, None),
]
SERVICE = Caller("an AWS service", None, "true")


@dataclass(frozen=True)
class Target:
    """A topic or queue, with its policy."""

    name: str
    arn: str
    action: str
    policies: int
    statements: list[dict]
    writers: dict[str, str]

    def denies(self, caller: Caller) -> bool:
        """Whether its policy refuses the caller, whatever else allows it."""
        return any(
            statement["Effect"] == "Deny"
            and statement["Principal"] in ("*", {"AWS": "*"})
            and any(matches(action.lower(), self.action.lower()) for action in many(statement["Action"]))
            and any(matches(resource, self.arn) for resource in many(statement["Resource"]))
            and all(
                holds(operator, caller.value(key), many(wanted))
                for operator, keys in statement.get("Condition", {}).items()
                for key, wanted in keys.items()
            )
            for statement in self.statements
        )


def holds(operator: str, own: str | None, wanted: list) -> bool:
    """Whether one condition holds. Where the key is missing, a negated one does."""
    plain = operator.removesuffix("IfExists")
    if plain not in NEGATED | PLAIN:
        raise NotImplementedError(f"the condition operator {operator}")
    if own is None:
        return plain in NEGATED or plain != operator
    found = any(matches(str(text).lower() if plain == "Bool" else text, own) for text in wanted)
    return found != (plain in NEGATED)


def targets(stack: Stack) -> Iterator[Target]:
    for kind, (action, policy, attribute, arn) in KINDS.items():
        for name in stack.of(kind):
            token = arn.format(name)
            own = f"${{{name}}}"
            yield Target(
                name,
                token,
                action,
                sum(own in many(properties[attribute]) for properties in stack.of(policy).values()),
                stack.policy_of(policy, attribute, own),
                dict(writers(stack, name, action, token)),
            )


def writers(stack: Stack, name: str, action: str, token: str) -> Iterator[tuple[str, str]]:
    """Those whom it is for, by name with their ARN: the stack's roles whose own policy says so, and the role for
    redrive where messages are moved back to."""
    for role in stack.of("AWS::IAM::Role"):
        for statement in stack.statements(role):
            if action in many(statement["Action"]) and token in many(statement["Resource"]):
                yield role, f"${{{role}.Arn}}"
    if stack.parameters.get("RedriveRoleArn") and "RedrivePolicy" in stack.queues.get(name, {}):
        yield "RedriveRoleArn", stack.parameters["RedriveRoleArn"]


@check
def nobody_else_writes_to_topics_and_queues(stack):
    roles = {role: f"${{{role}.Arn}}" for role in stack.of("AWS::IAM::Role")}
    if stack.parameters.get("RedriveRoleArn"):
        roles["RedriveRoleArn"] = stack.parameters["RedriveRoleArn"]
    # Those whose names begin alike: a wildcard behind a name lets them in.
    alike = {f"whoever is called like {role}": f"{arn}-stranger" for role, arn in roles.items()}
    for target in targets(stack):
        if target.policies != 1:
            yield f"{target.name} has {target.policies} policies: of several, the last holds"
        others = [Caller(name, arn) for name, arn in {**roles, **alike}.items() if name not in target.writers]
        for caller in STRANGERS + others:
            if not target.denies(caller):
                yield f"{caller.name} may write to {target.name}, if IAM says so"
    for name, other in stack.template.get("Others", {}).items():
        for resource, made in other["Resources"].items():
            if made["Type"] in KINDS:
                yield f"{resource} in {name}: nobody looks who may write there"


@check
def those_whom_topics_and_queues_are_for_can_write(stack):
    for target in targets(stack):
        for name, arn in target.writers.items():
            if target.denies(Caller(name, arn)):
                yield f"{target.name} refuses {name}, which writes to it"
        services = [
            service
            for statement in target.statements
            if statement["Effect"] == "Allow"
            for service in many(statement["Principal"].get("Service", []))
        ]
        if services and target.denies(SERVICE):
            yield f"{target.name} refuses {', '.join(services)}: an AWS service has no ARN"


@check
def no_queue_is_filled_past_its_policy(stack):
    # SQS moves messages into a dead-letter queue without asking whether their sender may send there, and each queue of
    # the account may name any queue as its own, unless that says otherwise.
    redriven = {queue.get("RedrivePolicy", {}).get("deadLetterTargetArn") for queue in stack.queues.values()}
    for name, queue in stack.queues.items():
        closed = queue.get("RedriveAllowPolicy") == {"redrivePermission": "denyAll"}
        if f"${{{name}.Arn}}" in redriven:
            if closed:
                yield f"{name} takes no dead letters"
        elif not closed:
            yield f"{name} can be made the dead-letter queue of anybody's queue, and be filled by that"
