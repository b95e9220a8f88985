"""EventBridge's event patterns, as far as ours go: whether one matches an event.

What is not known here is refused with an error rather than guessed at:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""


def matches(pattern: dict, event: dict) -> bool:
    """Whether the event has, for each field of the pattern, one of the values that it lists."""
    return all(
        any(matches(choice, event) for choice in wanted) if name == "$or" else is_field(wanted, event, name)
        for name, wanted in pattern.items()
    )


def is_field(wanted, event: dict, name: str) -> bool:
    value = event.get(name) if isinstance(event, dict) else None
    if isinstance(wanted, dict):
        # Also of a field that is not there: what is wanted of it may be that it is not.
        return matches(wanted, value if isinstance(value, dict) else {})
    is_there = isinstance(event, dict) and name in event
    # Of a list, one is enough.
    values = value if isinstance(value, list) else [value] if is_there else []
    return any(is_value(one, values, is_there) for one in wanted)


def is_value(wanted, values: list, is_there: bool) -> bool:
    if not isinstance(wanted, dict):
        return any(type(value) is type(wanted) and value == wanted for value in values)
    ((operator, operand),) = wanted.items()
    match operator:
        case "exists":
            return is_there == operand
        case "prefix":
            return any(isinstance(value, str) and value.startswith(operand) for value in values)
        case "anything-but" if not isinstance(operand, dict):
            others = operand if isinstance(operand, list) else [operand]
            return any(value not in others for value in values)
    raise NotImplementedError(f"the operator {operator} of event patterns, with {operand!r}")
