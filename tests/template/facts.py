"""What the code says of itself: tests/facts.json, which tests/tests/scenarios/facts.rs holds to the code."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FACTS = json.loads((ROOT / "tests/facts.json").read_text(encoding="utf-8"))


def metrics_of_ours(stack) -> dict[str, list[str]]:
    """All metrics by name, with their dimensions besides the stack's: those that the functions write, and those that
    CloudWatch makes of the access log."""
    filters = stack.of("AWS::Logs::MetricFilter").values()
    made = [metric for properties in filters for metric in properties["MetricTransformations"]]
    return FACTS["metrics"] | {
        metric["MetricName"]: [dimension["Key"] for dimension in metric["Dimensions"] if dimension["Key"] != "stack"]
        for metric in made
    }
