"""What of the template ministack's CloudFormation cannot take. All that the test changes of the template stands here;
each entry says why, and what stays untested for it. An entry that concerns nothing any more is an error."""

import copy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Removal:
    """Resources of a type are left out that have a property."""

    type: str
    property: str
    why: str
    untested: str

    def concerns(self, resource: dict[str, Any]) -> bool:
        return resource["Type"] == self.type and self.property in resource.get("Properties", {})


REMOVALS = (
    Removal(
        type="AWS::CloudWatch::Alarm",
        property="Metrics",
        why='"Properties.Metrics (metric math) is not supported; use MetricName and Namespace."',
        untested="whether CloudFormation takes the expressions of these alarms, to which nothing refers",
    ),
)


def filtered(template: dict[str, Any]) -> dict[str, Any]:
    """The template as ministack can take it."""
    template = copy.deepcopy(template)
    for removal in REMOVALS:
        concerned = [name for name, resource in template["Resources"].items() if removal.concerns(resource)]
        if not concerned:
            raise ValueError(f"this entry of filter.py concerns nothing in the template, so drop it: {removal}")
        for name in concerned:
            del template["Resources"][name]
    return template
