"""The command `gatekeeper` with the policies of docs/iam, under enforced IAM."""

import json
import os
import subprocess

import pytest

import identities
from emulator import ACCOUNT, REGION
from stack import NAME

ALLOWED = "333333333333"
MANAGED_TAG = {"Key": "privatelink-gatekeeper", "Value": "managed"}


class Desk:
    """A terminal of somebody who has these policies."""

    def __init__(self, world, command, name: str, *policies: str):
        key = identities.make_user(world.emulator, name, *identities.documented(world.stack, *policies))
        self._world, self._command = world, command
        self._environment = {
            "PATH": os.environ["PATH"],
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_ENDPOINT_URL": world.emulator.url,
            "SSL_CERT_FILE": str(world.emulator.authority),
            "GATEKEEPER_STACK": NAME,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self._command, *arguments], env=self._environment, capture_output=True, text=True, check=False
        )

    def does(self, *arguments: str) -> str:
        ran = self.run(*arguments)
        assert ran.returncode == 0, (arguments, ran.stdout, ran.stderr)
        return ran.stdout + ran.stderr

    def may_not(self, action: str, *arguments: str) -> None:
        """The refusal is what this is about, so it is no mistake of a policy."""
        begun = len(self._world.emulator.decisions())
        ran = self.run(*arguments)
        assert ran.returncode == 1 and action in ran.stderr and "not authorized" in ran.stderr, (arguments, ran.stderr)
        self._world.meant += range(begun, len(self._world.emulator.decisions()))


@pytest.fixture
def command(request):
    return request.config.getoption("--command").resolve()


def test_a_reader_sees_everything_and_writes_nothing(defaults, command):
    service = defaults.service()
    endpoint = defaults.connect(service, "444455556666")
    defaults.until_recorded(endpoint, "in_review")
    desk = Desk(defaults, command, "reader", "reader")
    assert endpoint in desk.does("requests", "--output", "json")
    assert endpoint in desk.does("connections", "--service", service)
    assert "in review" in desk.does("show", endpoint)
    desk.does("entries")
    desk.does("explain", endpoint)
    desk.does("audit", "--from", "1h")
    desk.does("policy", "export")
    assert service in desk.does("service", "list", "--all")
    checks = json.loads(desk.run("doctor", "--output", "json").stdout)
    refused = [check for check in checks if "not authorized" in check["evidence"]]
    assert not refused, refused
    desk.may_not("dynamodb:PutItem", "allow", service, ALLOWED, "--yes")
    desk.may_not("ec2:DeleteTags", "service", "release", service, "--yes")


def test_a_writer_writes_entries_and_makes_no_approvers(defaults, command):
    service = defaults.service()
    desk = Desk(defaults, command, "allowlist-writer", "reader", "allowlist-writer")
    said = desk.does("allow", service, ALLOWED, "--customer", "Example Ltd", "--yes")
    assert "Done: written." in said, said
    entries = json.loads(desk.does("entries", "--service", service, "--output", "json"))
    [written] = [entry for entry in entries if entry["principal"] == ALLOWED]
    assert written["created_by"] == f"arn:aws:iam::{ACCOUNT}:user/allowlist-writer", written
    desk.does("deny", "*", "444455557777", "--yes")
    desk.does("remove", "deny", "*", "444455557777", "--yes")
    desk.does("service", "set", service, "remind_hours=24", "--yes")
    desk.may_not("dynamodb:PutItem", "approver", "add", "mallory@example.com", "--service", "*", "--yes")
    desk.may_not("ec2:DeleteTags", "service", "release", service, "--yes")


# A subscription whose filter policy is new holds everybody's approval e-mail for 15 minutes.
@pytest.mark.last
def test_an_operator_hands_services_over_and_adds_approvers(defaults, command):
    service = defaults.make_service(managed=False)
    desk = Desk(defaults, command, "operator", "reader", "operator")
    said = desk.does("service", "manage", service, "--yes")
    assert "2/2 add the tag" in said, said
    assert MANAGED_TAG in configuration(defaults, service)["Tags"]
    desk.does("service", "set", service, "name=Reports API", "--yes")
    said = desk.does("approver", "add", "operated@example.com", "--service", service, "--yes")
    assert "AWS has sent operated@example.com an e-mail" in said, said
    desk.does("approver", "remove", "operated@example.com", "--yes")
    desk.does("service", "release", service, "--reason", "a test", "--yes")
    assert not configuration(defaults, service).get("Tags")


def configuration(world, service: str) -> dict:
    return world.ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service])["ServiceConfigurations"][0]
