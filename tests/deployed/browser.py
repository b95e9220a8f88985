"""What visits the approvals' API: a person with a browser, and Slack. Any host name leads to the emulator."""

import http.client
import socket
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from emulator import Emulator


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str = field(repr=False)


class Browser:
    def __init__(self, emulator: Emulator):
        self._emulator = emulator

    def get(self, url: str) -> Answer:
        return self._ask("GET", url)

    def send(self, url: str, **fields: str) -> Answer:
        """A form, as a browser sends it."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.post(url, headers, urlencode(fields).encode())

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        return self._ask("POST", url, headers, body)

    def _ask(self, method, url, headers=None, body=None) -> Answer:
        parts = urlsplit(url)
        plain = socket.create_connection(("127.0.0.1", self._emulator.port), timeout=30)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.sock = self._emulator.tls.wrap_socket(plain, server_hostname=parts.hostname)
        try:
            connection.request(method, parts.path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()
