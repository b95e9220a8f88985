"""The deployed stack with all that is around it: AWS, the provider's services, consumers, approvers."""

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3.dynamodb.types

import waiting
from browser import Browser
from emulator import ACCOUNT, REGION, Emulator
from inbox import Machine, Person
from parameters import CHANNEL, DOMAIN, Deployment
from simulators import Simulators
from stack import Stack

SERVICES = 32
LOAD_BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/net/a/0123456789abcdef"
APPROVER = "alice@example.com"
SLACK_USER = "U0ALICE"
# The approver, when they call AWS.
IAM_USER = "approver-in-a-terminal"
INTRUDER = "intruder"
FUNCTIONS = ("Connections", "PolicyChanges", "Reconcile", "Approvals", "Announcements", "Slack")

_to_item = boto3.dynamodb.types.TypeSerializer().serialize
_to_value = boto3.dynamodb.types.TypeDeserializer().deserialize


class World:
    """Made once for a deployment; tests share it, and take a service each."""

    def __init__(self, deployment: Deployment, sam: Path, build: Path, simulators: Path, directory: Path):
        self.emulator = Emulator(directory / "aws", DOMAIN)
        self._stops = [self.emulator.stop]
        # Places among the emulator's decisions where refusals were wanted.
        self.meant: list[int] = []
        try:
            self._start(deployment, sam, build, simulators, directory)
        except BaseException:
            self.stop()
            raise

    def _start(self, deployment, sam, build, simulators, directory):
        self.simulators = Simulators(simulators, directory, self.emulator)
        self._stops.append(self.simulators.stop)
        self.emulator.start(self.simulators.environment())
        self.ec2, self.dynamodb, self.sqs, self.logs = (
            self.simulators.ec2,
            *(self.emulator.client(name) for name in ("dynamodb", "sqs", "logs")),
        )
        self._services = [self.make_service() for _ in range(SERVICES)]
        self.stack = Stack(sam, build, directory, self.emulator)
        self.stack.deploy(deployment.parameters(self.emulator, self._services))
        self.simulators.put_channel(CHANNEL)
        for service in self._services:
            self.ec2.create_vpc_endpoint_connection_notification(
                ServiceId=service,
                ConnectionEvents=["Connect", "Accept", "Reject", "Delete"],
                ConnectionNotificationArn=self.stack["ConnectionNotificationTopicArn"],
            )
        self._last_looked_at, self._edits = self.service(), 0
        self.put_policy(
            "approvers",
            f"approver#{APPROVER}",
            services={"*"},
            slack_user_id=SLACK_USER,
            iam_principal=f"arn:aws:iam::{ACCOUNT}:user/{IAM_USER}",
        )
        self.machine = Machine(self.emulator, "siem", self.stack["AnnouncementsTopicArn"], self.what_functions_said)
        self.approver = self.person(APPROVER)
        # As docs/approvals.md has it.
        arn = self.approver.subscribe(self.emulator, self.stack["ApprovalsTopicArn"], {"approver": [APPROVER]})
        self.let_filter_policy_settle(arn)
        self.browser = Browser(self.emulator)

    def let_filter_policy_settle(self, subscription: str) -> None:
        """Has a filter policy be known for an hour: e-mail is held for 15 minutes since one is first seen, as AWS takes
        up to that long until it holds, and nobody waits that long here."""
        attributes = self.emulator.client("sns").get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
        digest = hashlib.sha256()
        for name in ("FilterPolicy", "FilterPolicyScope"):
            part = attributes.get(name)
            digest.update((2**64 - 1 if part is None else len(part.encode())).to_bytes(8, "big"))
            digest.update((part or "").encode())
        since = datetime.now(UTC) - timedelta(hours=1)
        seen = {"fingerprint": digest.hexdigest(), "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
        item = {
            "pk": "state",
            "sk": "approval-email",
            "revision": 1_000_000,
            "state": json.dumps({"filters": {subscription: seen}}),
        }
        self.dynamodb.put_item(
            TableName=self.stack["RequestsTable"], Item={name: _to_item(value) for name, value in item.items()}
        )

    def stop(self) -> None:
        for stop in reversed(self._stops):
            stop()

    # The provider.

    def make_service(self, managed: bool = True) -> str:
        tags = [{"Key": "privatelink-gatekeeper", "Value": "managed"}] if managed else []
        made = self.ec2.create_vpc_endpoint_service_configuration(
            AcceptanceRequired=True,
            NetworkLoadBalancerArns=[LOAD_BALANCER],
            TagSpecifications=[{"ResourceType": "vpc-endpoint-service", "Tags": tags}] if tags else [],
        )
        service = made["ServiceConfiguration"]["ServiceId"]
        self.ec2.modify_vpc_endpoint_service_permissions(ServiceId=service, AddAllowedPrincipals=["*"])
        return service

    def service(self) -> str:
        """An endpoint service that no other test has."""
        return self._services.pop()

    def silence(self, service: str) -> None:
        """Nobody hears of connections to it any more."""
        filters = [{"Name": "service-id", "Values": [service]}]
        found = self.ec2.describe_vpc_endpoint_connection_notifications(Filters=filters)
        ids = [entry["ConnectionNotificationId"] for entry in found["ConnectionNotificationSet"]]
        self.ec2.delete_vpc_endpoint_connection_notifications(ConnectionNotificationIds=ids)

    def write_policy(self, service: str, rule: str, **attributes) -> None:
        """Writes an item of the allowlist table."""
        item = {"service_id": service, "rule": rule} | attributes
        self.dynamodb.put_item(
            TableName=self.stack["AllowlistTable"], Item={name: _to_item(value) for name, value in item.items()}
        )

    def put_policy(self, service: str, rule: str, **attributes) -> None:
        """The same, and waits until policy-changes is through with it: what comes later is not decided by that edit."""
        self.write_policy(service, rule, **attributes)
        self.settle()

    def settle(self) -> None:
        """Waits until policy-changes is through with all edits until now. They come to it in order, in batches: it is
        through with a batch when it is seen to be at the next, by what it asks EC2 about an edit that comes last."""
        for _ in ("the batch that has the edits", "the next"):
            begun = len(self.simulators.calls())
            self._edits += 1
            self.write_policy(self._last_looked_at, f"allow#{self._edits:012}")
            self.until("policy-changes to be through with an edit", lambda begun=begun: self._looked_since(begun))

    def _looked_since(self, begun: int) -> bool:
        calls = [call for call in self.simulators.calls()[begun:] if self.is_of(call, "PolicyChanges")]
        return any(self._last_looked_at in value for call in calls for _, value in call["params"])

    def is_of(self, call: dict, function: str) -> bool:
        """Whether a call to EC2 was made by a function of the stack."""
        return self.is_session(self.emulator.principal(call["access_key"]), function)

    def is_session(self, principal: str | None, function: str) -> bool:
        """Whether a principal is the function; one who took it over is not."""
        role = f":assumed-role/{self.stack.resources.get(f'{function}Role')}/"
        return role in (principal or "") and not principal.endswith(f"/{INTRUDER}")

    # Consumers.

    def connect(self, service: str, account: str) -> str:
        """An account creates an endpoint; its id."""
        made = self.simulators.ec2_as(account).create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId="vpc-0a1b2c3d",
            ServiceName=f"com.amazonaws.vpce.{REGION}.{service}",
        )
        return made["VpcEndpoint"]["VpcEndpointId"]

    def consume_silently(self, service: str, account: str) -> str:
        """An endpoint of which only one record is sent: the integrator's own event."""
        self.silence(service)
        endpoint = self.connect(service, account)
        detail = json.dumps({"service_id": service, "endpoint_id": endpoint})
        entry = {"Source": "privatelink.gatekeeper", "DetailType": "Connection Requested", "Detail": detail}
        assert self.emulator.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
        return endpoint

    def from_rule(self, rule: str):
        """SQS for EventBridge, which delivers what a rule of the stack matched."""
        name = self.stack.resources[rule].split("|")[-1].split("/")[-1]
        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}"
        return self.emulator.service("sqs", "events.amazonaws.com", arn)

    def taking_on(self, role: str, session: str):
        """Clients for a session of a role. (ministack lets the account's root user assume any role.)"""
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        taken_on = self.emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName=session)
        return lambda service: self.emulator.client(service, session=taken_on["Credentials"])

    # What can be seen.

    def state(self, endpoint: str) -> str | None:
        """A connection's state at EC2."""
        filters = [{"Name": "vpc-endpoint-id", "Values": [endpoint]}]
        found = self.ec2.describe_vpc_endpoint_connections(Filters=filters)["VpcEndpointConnections"]
        return found[0]["VpcEndpointState"] if found else None

    def request(self, endpoint: str) -> dict:
        """The record of a connection."""
        key = {"pk": {"S": endpoint}, "sk": {"S": "request"}}
        found = self.dynamodb.get_item(TableName=self.stack["RequestsTable"], Key=key, ConsistentRead=True)
        return {name: _to_value(value) for name, value in found.get("Item", {}).items()}

    def history(self, endpoint: str) -> list[dict]:
        found = self.dynamodb.query(
            TableName=self.stack["RequestsTable"],
            KeyConditionExpression="pk = :pk AND begins_with(sk, :history)",
            ExpressionAttributeValues={":pk": {"S": endpoint}, ":history": {"S": "history#"}},
        )
        return [{name: _to_value(value) for name, value in item.items()} for item in found["Items"]]

    def waiting_messages(self, output: str) -> int:
        """How many messages lie in a queue of the stack, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.stack[output], AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def lines(self, function: str) -> list[dict]:
        """What a function logged, oldest first."""
        group = self.stack.resources[f"{function}Log"]
        events = self.logs.filter_log_events(logGroupName=group)["events"]
        return [line for event in events if (line := _json(event["message"])) is not None]

    # Waiting for it.

    def until(self, what: str, look, seconds: float = 20):
        return waiting.until(what, look, seconds, otherwise=self.what_functions_said)

    def until_decided(self, endpoint: str, *states: str, seconds: float = 20) -> None:
        """Waits for EC2 to show one of these states."""

        def look():
            state = self.state(endpoint)
            return state in states, f"{state}, recorded as {self.request(endpoint).get('status')}"

        self.until(f"{endpoint} to be {' or '.join(states)}", look, seconds)

    def until_accepted(self, endpoint: str, by: str, seconds: float = 20) -> None:
        """Waits until this function has had EC2 accept, and recorded it."""
        self.until_decided(endpoint, "pending", "available", seconds=seconds)
        self.until_recorded(endpoint, "accepted")
        self._assert_asker("AcceptVpcEndpointConnections", endpoint, by)

    def until_rejected(self, endpoint: str, by: str, seconds: float = 20) -> None:
        self.until_decided(endpoint, "rejected", seconds=seconds)
        self.until_recorded(endpoint, "rejected")
        self._assert_asker("RejectVpcEndpointConnections", endpoint, by)

    def _assert_asker(self, action: str, endpoint: str, by: str) -> None:
        """Checks which function had EC2 do this."""
        calls = [call for call in self.simulators.calls() if call["action"] == action and call["error"] is None]
        askers = [
            next((function for function in FUNCTIONS if self.is_of(call, function)), call["access_key"])
            for call in calls
            if any(endpoint == value for _, value in call["params"])
        ]
        assert askers == [by], f"{action} of {endpoint} was asked for by {askers}, not once by {by}"

    def until_recorded(self, endpoint: str, status: str, seconds: float = 20) -> dict:
        """Waits for the record of a connection to have a status, and answers the record."""

        def look():
            request = self.request(endpoint)
            return (request if request.get("status") == status else None), request

        return self.until(f"{endpoint} to be recorded as {status}", look, seconds)

    def announced(self, endpoint: str, kind: str) -> dict:
        """Waits until it is announced, and answers what machines get."""
        return self.machine.document(kind, endpoint)

    def person(self, address: str) -> Person:
        return Person(self.emulator.mailbox, address, self.what_functions_said)

    def add_calls(self, path: Path, deployment: str) -> None:
        """Adds what the functions asked AWS to a file, a line for each action on each resource."""
        asked = Counter(
            (function, decision["action"], decision["resource"], decision["allowed"])
            for function in FUNCTIONS
            for decision in self.emulator.decisions()
            if self.is_session(decision["principal"], function)
        )
        with path.open("a") as file:
            for (function, action, resource, allowed), times in sorted(asked.items()):
                called = {"function": function, "action": action, "resource": resource, "allowed": allowed}
                file.write(json.dumps({"deployment": deployment} | called | {"times": times}) + "\n")

    def what_functions_said(self) -> str:
        """What a person needs to see why a test failed."""
        said = []
        for function in FUNCTIONS:
            if f"{function}Log" in self.stack.resources:
                said += [f"{function}: {json.dumps(line)}" for line in self.lines(function)[-8:]]
        return "\n".join(["the functions said last:", *said, *self.simulators.lost()])


def _json(text: str) -> dict | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
