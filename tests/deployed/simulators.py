"""The simulators of local/aws: EC2's endpoint services and connections, which ministack has not, and Slack."""

import json
import os
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import waiting
from emulator import ACCOUNT, Emulator
from processes import Process

NAMES = {"ec2", "sns", "organizations", "events", "secrets", "slack", "control"}
# As serve's Slack has them.
TEAM, APP, BOT_TOKEN, SIGNING_SECRET = "T0LOCAL0001", "A0LOCAL0001", "xoxb-local", "0" * 32


class Simulators:
    """They run as one program, EC2 publishing to the emulator's SNS."""

    def __init__(self, program: Path, directory: Path, emulator: Emulator):
        self._emulator = emulator
        command = [program, "--account", ACCOUNT, "--publish-to", emulator.url]
        environment = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(emulator.authority)}
        self._process = Process(command, environment, directory / "simulators.txt")
        self._urls = waiting.until("the simulators to listen", self._addresses, otherwise=self._process.output)
        self.ec2 = self.ec2_as(ACCOUNT)

    def _addresses(self):
        if self._process.ended():
            raise RuntimeError(f"the simulators ended:\n{self._process.output()}")
        lines = [line.split() for line in self._process.output().splitlines()]
        urls = {line[0]: line[1] for line in lines if len(line) == 2 and line[0] in NAMES}
        return urls if urls.keys() == NAMES else None

    def environment(self) -> dict[str, str]:
        """What turns the emulator and the functions to them."""
        return {
            "SIMULATED_EC2": self._urls["ec2"],
            "SIMULATED_ORGANIZATIONS": self._urls["organizations"],
            "SLACK_URL": self._urls["slack"],
        }

    def ec2_as(self, account: str):
        """EC2 as a consumer or the provider sees it."""
        return self._emulator.client("ec2", self._urls["ec2"], account)

    def fail(self, action: str, kind: str, times: int | None = None) -> None:
        """Has calls of an action to EC2 go wrong, until `heal` or for so many times."""
        self._control("POST", "/faults", {"at": "ec2", "action": action, "kind": kind, "times": times})

    def heal(self) -> None:
        self._control("DELETE", "/faults")

    def calls(self) -> list[dict]:
        """The calls to EC2 (action, params, access_key, error), oldest first."""
        return [call for call in self._control("GET", "/calls") if call["at"] == "ec2"]

    def put_channel(self, channel: str) -> None:
        self._control("PUT", "/slack/channels", {"id": channel, "name": "connection-reviews"})

    def messages(self, channel: str) -> list[dict]:
        """What a channel in Slack shows, the newest first."""
        url, asked = f"{self._urls['slack']}/api/conversations.history", urlencode({"channel": channel}).encode()
        request = urllib.request.Request(url, asked, {"Authorization": f"Bearer {BOT_TOKEN}"})
        answer = json.load(urllib.request.urlopen(request, timeout=10))
        assert answer["ok"], answer
        return answer["messages"]

    def press(self, user: str, channel: str, ts: str, button: str) -> tuple[dict[str, str], bytes]:
        """What Slack posts when somebody presses a button: headers and body, signed."""
        pressed = {"user": user, "channel": channel, "ts": ts, "action_id": button}
        posted = self._control("POST", "/slack/press", pressed)
        return posted["headers"], posted["body"].encode()

    def lost(self) -> list[str]:
        """The notifications that could not be published."""
        return [line for line in self._process.output().splitlines() if line.startswith("lost ")]

    def _control(self, method: str, path: str, document: dict | None = None):
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(self._urls["control"] + path, data=body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def stop(self) -> None:
        self._process.stop()
