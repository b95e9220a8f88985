"""Waiting for what can be observed, and saying what was seen instead."""

import time

PAUSE = 0.1


class TimedOut(AssertionError):
    """What was waited for did not come."""


def until(what, look, seconds=20, otherwise=None):
    """Looks until `look` returns something true, and returns that. `what` is said if it never does, with what was
    seen last (`look` may return (nothing, seen)), and with what `otherwise` has to say about the cause."""
    deadline = time.monotonic() + seconds
    while True:
        found, seen = look(), None
        if isinstance(found, tuple):
            found, seen = found
        if found:
            return found
        if time.monotonic() > deadline:
            lines = [f"waited {seconds} s for {what}"]
            if seen is not None:
                lines.append(f"seen last: {seen}")
            if otherwise is not None:
                lines.append(otherwise())
            raise TimedOut("\n".join(lines))
        time.sleep(PAUSE)
