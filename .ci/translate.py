"""Writes what CloudFormation makes of a SAM template.

    python .ci/translate.py template.yaml translated.json [Name=Value…]

The linters and tests/template/ look at the result too, because some mistakes show only there. StackSets deploy no
transforms, so docs/regions.md has people translate what `sam package` wrote. The translator itself reads the parameter
Rollout, so its value is given here then. This works offline.
"""

import json
import os
import sys
from pathlib import Path

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies(ManagedPolicyLoader):
    """The translator looks up managed policies in IAM. This template must not use any."""

    def __init__(self) -> None:
        super().__init__(iam_client=None)

    def load(self) -> dict[str, str]:
        return {}


# The translator needs a Region, and any will do.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")


def translate(path: Path, parameters: dict[str, str] | None = None) -> dict:
    """The CloudFormation template that the SAM template at `path` stands for."""
    template = yaml_parse(path.read_text(encoding="utf-8"))
    functions = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    for name, function in functions.items():
        # The translator requires the place in a bucket where `sam deploy` puts the binary.
        if not str(function["Properties"]["CodeUri"]).startswith("s3://"):
            function["Properties"]["CodeUri"] = f"s3://bucket/{name}.zip"
    translated = transform(template, parameters or {}, NoManagedPolicies())
    for resource in translated["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping" and "ScalingConfig" in resource["Properties"]:
            # ES1001 asks for an on-failure destination. A mapping from a queue cannot have one, since the queue has
            # its dead-letter queue. Only mappings from queues take a ScalingConfig. In the SAM template the rule knows
            # the difference, so it holds for streams there.
            exception = {"cfn-lint": {"config": {"ignore_checks": ["ES1001"]}}}
            resource.setdefault("Metadata", {}).update(exception)
    return translated


def main() -> None:
    if len(sys.argv) < 3 or not all("=" in pair for pair in sys.argv[3:]):
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:3])
    parameters = dict(pair.split("=", 1) for pair in sys.argv[3:])
    target.write_text(json.dumps(translate(source, parameters), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
