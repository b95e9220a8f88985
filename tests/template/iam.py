"""IAM, as far as the roles of the template go: whether statements allow what is asked.

Anything that is not known here is refused with an error rather than guessed at:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from stack import many

FOR_ALL = "ForAllValues:"


@dataclass(frozen=True)
class Ask:
    """One question to IAM: an action on a resource (`*` where the service defines none for it), and the values of
    the condition keys that come with it."""

    action: str
    resource: str
    context: frozenset[tuple[str, frozenset[str]]] = field(default=frozenset())

    def values(self, key: str) -> frozenset[str] | None:
        """The values of a condition key; none if it does not come with the question."""
        return next((values for name, values in self.context if name.lower() == key.lower()), None)

    def given(self, **changes: frozenset[str] | None) -> "Ask":
        """The same with other values of some condition keys, or (None) without them."""
        kept = {(key, values) for key, values in self.context if key not in changes}
        new = {(key, values) for key, values in changes.items() if values is not None}
        return Ask(self.action, self.resource, frozenset(kept | new))

    def __str__(self) -> str:
        context = ", ".join(f"{key} {' '.join(sorted(values))}" for key, values in sorted(self.context))
        return f"{self.action} on {self.resource}" + (f" ({context})" if context else "")


@dataclass(frozen=True)
class Grant:
    """The smallest thing that a statement allows: one action on one resource, in one of the partitions (or whatever
    a condition on a set lists) that it lets in."""

    sid: str
    action: str
    resource: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.sid}: {self.action} on {self.resource}" + (f" for {self.value}" if self.value else "")


class Statement:
    """One statement of a role's policy."""

    def __init__(self, written: dict) -> None:
        unknown = set(written) - {"Sid", "Effect", "Action", "Resource", "Condition"}
        if unknown or written["Effect"] not in ("Allow", "Deny"):
            raise NotImplementedError(f"a statement with {sorted(unknown) or written['Effect']}")
        self.sid = written.get("Sid", "(no Sid)")
        self.allows = written["Effect"] == "Allow"
        self.actions = many(written["Action"])
        self.resources = many(written["Resource"])
        self.tests = [
            (operator, key, many(wanted))
            for operator, keys in written.get("Condition", {}).items()
            for key, wanted in keys.items()
        ]
        # The values of which a condition on a set lets each in by itself; one of none without such a condition.
        self.values = [
            (key, value) for operator, key, wanted in self.tests if operator.startswith(FOR_ALL) for value in wanted
        ] or [(None, "")]
        for action in self.actions if self.allows else ():
            if re.search("[*?]", action):
                raise NotImplementedError(f"{action}: what it allows besides what was asked, nobody can say")
        for operator, _, _ in self.tests:
            if operator.removeprefix(FOR_ALL) not in ("StringEquals", "StringLike"):
                raise NotImplementedError(f"the condition operator {operator}")

    def grants(self) -> Iterator[Grant]:
        """All that it is about, bit by bit."""
        for action in self.actions:
            for resource in self.resources:
                for _, value in self.values:
                    yield Grant(self.sid, action, resource, value)

    def matching(self, ask: Ask) -> Iterator[Grant]:
        """What of it the question is about; nothing if its conditions do not hold."""
        for action in self.actions:
            if matches(action.lower(), ask.action.lower()) and all(holds(*test, ask) for test in self.tests):
                for resource in self.resources:
                    if matches(resource, ask.resource):
                        for key, value in self.values:
                            if key is None or any(matches(value, own) for own in ask.values(key) or ()):
                                yield Grant(self.sid, action, resource, value)

    def covers(self, ask: Ask) -> bool:
        """Whether it is about the question."""
        return (
            any(matches(action.lower(), ask.action.lower()) for action in self.actions)
            and any(matches(resource, ask.resource) for resource in self.resources)
            and all(holds(*test, ask) for test in self.tests)
        )


def is_allowed(statements: list[Statement], ask: Ask) -> bool:
    """Whether something allows it and nothing denies it."""
    return {statement.allows for statement in statements if statement.covers(ask)} == {True}


def holds(operator: str, key: str, wanted: list[str], ask: Ask) -> bool:
    """Whether one condition holds."""
    own = ask.values(key)
    is_like = operator.endswith("StringLike")

    def fits(value: str) -> bool:
        return any(matches(text, value) if is_like else text == value for text in wanted)

    if operator.startswith(FOR_ALL):
        # Also where there are no values: a Scan touches every partition and names none.
        return all(fits(value) for value in own or ())
    if own is not None and len(own) != 1:
        raise NotImplementedError(f"{operator} on {key}, which has {len(own)} values")
    return own is not None and all(fits(value) for value in own)


@cache
def matches(pattern: str, text: str) -> bool:
    """Whether a pattern with IAM's wildcards is the whole text."""
    parts = re.split("([*?])", pattern)
    return bool(re.fullmatch("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts), text))
