"""The two sets of parameters that the template is deployed with."""

import json
import platform
from dataclasses import dataclass

import identities
from emulator import Emulator
from simulators import APP, BOT_TOKEN, SIGNING_SECRET, TEAM

DOMAIN = "approvals.example.com"
CHANNEL = "C0REVIEWS"
# Of this machine, which runs the functions.
MINE = {"Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"}


@dataclass(frozen=True)
class Deployment:
    """How the stack is deployed."""

    name: str

    def parameters(self, emulator: Emulator, services: list[str]) -> dict[str, str]:
        if self.name == "defaults":
            return MINE
        secret = emulator.client("secretsmanager").create_secret(
            Name="privatelink-gatekeeper/slack",
            SecretString=json.dumps({"signing_secret": SIGNING_SECRET, "bot_token": BOT_TOKEN}),
        )
        certificate = emulator.client("acm").request_certificate(DomainName=DOMAIN, ValidationMethod="DNS")
        key = emulator.client("kms").create_key(Description="of the customer")
        allowlist = emulator.client("dynamodb").create_table(
            TableName="shared-allowlist",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("service_id", "rule")],
            KeySchema=[
                {"AttributeName": "service_id", "KeyType": "HASH"},
                {"AttributeName": "rule", "KeyType": "RANGE"},
            ],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        # More than it needs, so that what is refused to it is refused by topics and queues.
        redrive = identities.make_role(emulator, "redrive", identities.may(["sns:*", "sqs:*"], "*"))
        return MINE | {
            "RedriveRoleArn": redrive,
            "ManagedServices": ",".join(services),
            "Organizations": "on",
            "ReconcileMinutes": "10",
            "AnnouncementsEmail": "team@example.com",
            "AlarmsEmail": "ops@example.com",
            "ApprovalsDomainName": DOMAIN,
            "ApprovalsCertificateArn": certificate["CertificateArn"],
            "SlackSecretArn": secret["ARN"],
            "SlackTeamId": TEAM,
            "SlackAppId": APP,
            "SlackChannel": CHANNEL,
            "AmazonQTeamId": TEAM,
            "AmazonQChannel": CHANNEL,
            "AllowlistStreamArn": allowlist["TableDescription"]["LatestStreamArn"],
            "KmsKeyArn": key["KeyMetadata"]["Arn"],
            "ArchiveDays": "0",
            "LogRetentionDays": "30",
            "ReviewAlarmHours": "1",
            "Rollout": "AllAtOnce",
            "ReserveConcurrency": "false",
        }


# Nothing said that need not be; and everything that can be.
DEFAULTS, EVERYTHING = Deployment("defaults"), Deployment("everything")
