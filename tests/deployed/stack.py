"""The template, deployed as customers deploy it: by the SAM CLI, from what it has built."""

import json
import os
import subprocess
from pathlib import Path

from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from emulator import ACCOUNT, REGION, SECRET, Emulator
from unsupported import filtered

NAME = "gatekeeper"


class Stack:
    """A stack with its outputs, by name."""

    def __init__(self, sam: Path, build: Path, directory: Path, emulator: Emulator):
        self._sam, self._directory, self._emulator = sam, directory, emulator
        self._cloudformation = emulator.client("cloudformation")
        self._template, self._bucket = directory / "template.json", "artifacts"
        self._template.write_text(json.dumps(filtered(_built(build)), default=str))
        emulator.client("s3").create_bucket(
            Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def deploy(self, parameters: dict[str, str]) -> None:
        """Creates the stack, or changes it to these parameters; others stay."""
        command = [self._sam, "deploy", "--template-file", self._template, "--stack-name", NAME]
        command += ["--s3-bucket", self._bucket, "--capabilities", "CAPABILITY_IAM"]
        command += ["--no-confirm-changeset", "--no-progressbar"]
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
        deployed = subprocess.run(
            command,
            check=False,
            # Away from samconfig.toml, whose bucket SAM would make by a stack of its own.
            cwd=self._directory,
            env=_environment(self._emulator, self._directory),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if deployed.returncode != 0:
            raise RuntimeError(f"sam deploy failed:\n{deployed.stderr}\n{self._failures()}")
        [stack] = self._cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.resources = self._resources()

    def _resources(self) -> dict[str, str]:
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=NAME)
        summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
        return {summary["LogicalResourceId"]: summary["PhysicalResourceId"] for summary in summaries}

    def _failures(self) -> str:
        try:
            events = self._cloudformation.describe_stack_events(StackName=NAME)["StackEvents"]
        except ClientError as none:  # It came to no stack.
            return str(none)
        failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
        return "\n".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed)

    def __getitem__(self, output: str) -> str:
        return self.outputs[output]


def _built(build: Path) -> dict:
    """The template that `sam build` left, its code found from anywhere."""
    template = yaml_parse((build / "template.yaml").read_text())
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            code = build / resource["Properties"]["CodeUri"]
            if not (code / "bootstrap").is_file():
                raise FileNotFoundError(f"{code} has no bootstrap for {name}: what did .ci/build say?")
            resource["Properties"]["CodeUri"] = str(code.resolve())
    return template


def _environment(emulator: Emulator, directory: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "SAM_CLI_TELEMETRY": "0",
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_CA_BUNDLE": str(emulator.authority),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
