"""Child processes that end with the test, whatever becomes of it."""

import contextlib
import ctypes
import os
import signal
import subprocess
from pathlib import Path

GRACE = 5
PR_SET_PDEATHSIG = 1


class Process:
    """A process in a group of its own, its output in a file. Ending it ends whatever it started."""

    def __init__(self, command, environment, log: Path, keep=()):
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=keep,
                start_new_session=True,
                preexec_fn=_die_with_parent if os.name == "posix" and hasattr(ctypes, "CDLL") else None,  # noqa: PLW1509
            )

    def ended(self):
        return self._process.poll() is not None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self):
        for stopping in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, stopping)
            except ProcessLookupError:
                break
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()


def _die_with_parent():
    # Ends the process if the test itself is killed. Linux alone has prctl; elsewhere the call fails, which is ignored.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
