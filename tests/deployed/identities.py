"""IAM users and roles that tests make."""

import json
from pathlib import Path

from emulator import ACCOUNT, REGION, Emulator
from stack import NAME, Stack

POLICIES = Path(__file__).resolve().parents[2] / "docs/iam"


def may(actions: list[str], resource: str) -> dict:
    """A statement that allows something."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def documented(stack: Stack, *policies: str) -> list[dict]:
    """The statements of policies in docs/iam, with the deployment's names in them."""
    names = {
        "ALLOWLIST_TABLE": stack["AllowlistTable"],
        "REQUESTS_TABLE": stack["RequestsTable"],
        "APPROVALS_TOPIC_ARN": stack["ApprovalsTopicArn"],
        "REGION": REGION,
        "ACCOUNT": ACCOUNT,
        "STACK": NAME,
    }
    found = []
    for policy in policies:
        text = (POLICIES / f"{policy}.json").read_text(encoding="utf-8")
        for name, value in names.items():
            text = text.replace(name, value)
        found += json.loads(text)["Statement"]
    return found


def make_role(emulator: Emulator, name: str, *statements: dict) -> str:
    """A role that the account may assume; its ARN."""
    iam, account = emulator.client("iam"), {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {"Effect": "Allow", "Principal": account, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="any", PolicyDocument=_document(*statements))
    return role["Arn"]


def make_user(emulator: Emulator, name: str, *statements: dict) -> dict:
    """A user; an access key of theirs."""
    iam = emulator.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="any", PolicyDocument=_document(*statements))
    return iam.create_access_key(UserName=name)["AccessKey"]


def _document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
