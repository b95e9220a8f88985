"""ministack (as emulation/corrected.py has it), on a free port of loopback, over TLS."""

import json
import os
import socket
import ssl
import sys
from pathlib import Path

import boto3
from botocore.config import Config

import certificate
import waiting
from processes import Process

ACCOUNT = "111122223333"
REGION = "eu-central-1"
# The secret of an account's root user, whose access key id is the account's number.
SECRET = "test"
HOST = "localhost"


class Emulator:
    """AWS, as far as ministack has it, with IAM: a call needs the permissions that it needs at AWS. Listens from the
    beginning, and answers from `start` on."""

    def __init__(self, directory: Path, domain: str):
        directory.mkdir()
        self._directory = directory
        self.mailbox, self._decisions = directory / "mailbox.jsonl", directory / "decisions.jsonl"
        self._read, self._decided = 0, []
        # Bound here and handed over, so that nobody can take the port in between.
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        self.url = f"https://{HOST}:{self.port}"
        names = [HOST, f"*.execute-api.{HOST}", domain]
        self.authority, self._certificate, self._key = certificate.make(directory, names)
        self.tls = ssl.create_default_context(cafile=self.authority)
        self._process = None

    def start(self, environment: dict[str, str]) -> None:
        """Starts it with an environment, which the functions that it runs inherit."""
        self._process = Process(
            [
                *(sys.executable, "-B", "-m", "hypercorn", "corrected:app"),
                *("--bind", f"fd://{self._listener.fileno()}"),
                *("--certfile", self._certificate, "--keyfile", self._key),
                *("--graceful-timeout", "0", "--keep-alive", "75"),
            ],
            self._environment() | environment,
            self._directory / "log.txt",
            keep=[self._listener.fileno()],
        )
        self._listener.close()
        waiting.until("ministack to answer", self._answers, seconds=60, otherwise=self.log)

    def _environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return inherited | {
            "PYTHONPATH": str(Path(__file__).parent / "emulation"),
            "MAILBOX": str(self.mailbox),
            "DECISIONS": str(self._decisions),
            "TMPDIR": str(self._directory),
            "S3_DATA_DIR": str(self._directory / "s3"),
            "STATE_DIR": str(self._directory / "state"),
            "GATEWAY_PORT": str(self.port),
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self._certificate),
            "MINISTACK_SSL_KEY": str(self._key),
            "MINISTACK_HOST": HOST,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "CLOUDTRAIL_RECORDING": "1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # For the functions: where AWS is, and whom they believe that.
            "AWS_ENDPOINT_URL": self.url,
            "SSL_CERT_FILE": str(self.authority),
            "DOCKER_HOST": f"unix://{self._directory}/there-is-no-docker",
        }

    def _answers(self):
        if self._process.ended():
            raise RuntimeError(f"ministack ended:\n{self.log()}")
        try:
            return bool(self.client("sts").get_caller_identity())
        except Exception as error:  # noqa: BLE001 (the waiting test says it, if it stays so)
            return None, error

    def client(self, service: str, url: str | None = None, account: str = ACCOUNT, session: dict | None = None):
        """A client of boto3 for the root user of an account, or for a role's session; with `url`, of a service that is
        somewhere else."""
        session = session or {"AccessKeyId": account, "SecretAccessKey": SECRET}
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=url or self.url,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session.get("SessionToken"),
            verify=str(self.authority),
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def service(self, client: str, principal: str, source: str):
        """A client for an AWS service (`events.amazonaws.com`) that calls under its own name, for a resource of the
        account: emulation/corrected.py knows it by these headers."""
        made = self.client(client)
        headers = {"x-emulated-service": principal, "x-amz-source-arn": source, "x-amz-source-account": ACCOUNT}
        made.meta.events.register("before-call", lambda params, **_: params["headers"].update(headers))
        return made

    def decisions(self) -> list[dict]:
        """Who was allowed to do what, and who was not: access_key, principal, action, resource, allowed; oldest
        first."""
        if self._decisions.exists():
            with self._decisions.open() as file:
                file.seek(self._read)
                while (line := file.readline()).endswith("\n"):
                    self._decided.append(json.loads(line))
                    self._read = file.tell()
        return self._decided

    def principal(self, access_key: str) -> str:
        """Whose access key it is, as far as it was used here."""
        principals = (one["principal"] for one in self.decisions() if one["access_key"] == access_key)
        return next(principals, None) or ""

    def log(self) -> str:
        return self._process.output()

    def stop(self) -> None:
        self._listener.close()
        if self._process:
            self._process.stop()
