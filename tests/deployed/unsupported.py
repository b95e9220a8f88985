"""What of the template ministack's CloudFormation cannot take. All that the test changes of the template stands here;
each entry says why, and what stays untested for it. An entry that concerns nothing is an error."""

import copy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Removal:
    """Resources of a type are left out; where a property is named, only those that have it."""

    type: str
    why: str
    untested: str
    property: str | None = None

    def apply(self, template: dict[str, Any]) -> bool:
        resources = template["Resources"]
        concerned = [
            name
            for name, resource in resources.items()
            if resource["Type"] == self.type
            and (self.property is None or self.property in resource.get("Properties", {}))
        ]
        for name in concerned:
            del resources[name]
        return concerned != []


@dataclass(frozen=True)
class Omission:
    """A property of all functions is left out."""

    property: str
    why: str
    untested: str

    def apply(self, template: dict[str, Any]) -> bool:
        functions = [template.get("Globals", {}).get("Function", {})]
        functions += [
            resource["Properties"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::Serverless::Function"
        ]
        return [properties.pop(self.property, None) for properties in functions] != [None] * len(functions)


ENTRIES = (
    Removal(
        type="AWS::CloudWatch::Alarm",
        property="Metrics",
        why='"Properties.Metrics (metric math) is not supported; use MetricName and Namespace."',
        untested="whether CloudFormation takes the expressions of these alarms, to which nothing refers",
    ),
    Removal(
        type="AWS::Events::Archive",
        why='"Unrecognized resource types"',
        untested="that events are archived, and their replay",
    ),
    Removal(
        type="AWS::Chatbot::SlackChannelConfiguration",
        why='"Unrecognized resource types", if it is wanted',
        untested="what Amazon Q Developer tells a channel",
    ),
    Omission(
        property="DeploymentPreference",
        why='SAM makes AWS::CodeDeploy resources of it: "Unrecognized resource types"',
        untested="how new versions take over, and are taken back: here an alias moves at once",
    ),
)


def filtered(template: dict[str, Any]) -> dict[str, Any]:
    """The template as ministack can take it."""
    template = copy.deepcopy(template)
    for entry in ENTRIES:
        if not entry.apply(template):
            raise ValueError(f"this entry of unsupported.py concerns nothing in the template, so drop it: {entry}")
    return template
