"""What must be true for whoever keeps it running: the dashboard, the archives, the documents."""

import json
import re
from pathlib import Path

from facts import metrics_of_ours
from stack import check

ROOT = Path(__file__).resolve().parents[2]


def source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------- dashboard


def widgets(stack) -> list[dict]:
    (dashboard,) = stack.of("AWS::CloudWatch::Dashboard").values()
    return json.loads(dashboard["DashboardBody"])["widgets"]


@check
def dashboard_shows_all_alarms(stack):
    shown = [alarm for widget in widgets(stack) for alarm in widget["properties"].get("alarms", [])]
    wanted = {f"${{{name}.Arn}}" for name in stack.alarms}
    for alarm in sorted(wanted ^ set(shown)):
        yield f"{alarm} is not shown, or not there"


@check
def dashboard_shows_what_is_measured(stack):
    measured = metrics_of_ours(stack)
    searched = r"\{PrivateLinkGatekeeper,stack,(\w+)\} MetricName=\"(\w+)\" stack=\"gatekeeper\""
    for widget in widgets(stack):
        for metric in widget["properties"].get("metrics", []):
            title = widget["properties"]["title"]
            name, dimensions = None, ()
            if isinstance(metric[0], dict):
                found = re.search(searched, metric[0]["expression"])
                if not found:
                    yield f"{title!r} searches for {metric[0]['expression']}"
                    continue
                name, dimensions = found[2], (found[1],)
            elif metric[0] == "PrivateLinkGatekeeper":
                if metric[2:4] != ["stack", "gatekeeper"]:
                    yield f"{title!r} shows other stacks"
                # With a dimension, its name as well; its values are held to where alarms are.
                name, dimensions = metric[1], metric[4:5] if len(metric) > 5 else ()
            elif not re.fullmatch(r"\$\{\w+(\.QueueName)?\}", metric[3]):
                yield f"{title!r} shows {metric[3]}, which is not of this stack"
            if name and (name not in measured or not set(dimensions) <= set(measured[name])):
                yield f"{title!r} waits for {name} by {dimensions}, which the functions never write"
        if widget["type"] == "metric" and widget["properties"]["region"] != "eu-central-1":
            yield f"{widget['properties']['title']!r} is of another Region"


# -------------------------------------------------------------------------------------------- archives


@check
def archives_take_what_the_rules_take(stack):
    archives = stack.of("AWS::Events::Archive")
    if stack.parameters.get("ArchiveDays") == "0":
        if archives:
            yield f"archives that nobody wants: {sorted(archives)}"
        return
    rules = stack.of("AWS::Events::Rule")
    archived = {name.replace("Archive", "Rule"): archive["EventPattern"] for name, archive in archives.items()}
    if archived != {name: rule["EventPattern"] for name, rule in rules.items()}:
        yield f"{sorted(archived)} are archived, or other events than the rules take"
    for name, archive in archives.items():
        if archive["SourceArn"] != "arn:aws:events:eu-central-1:012345678901:event-bus/default":
            yield f"{name} is of another bus than the rules"
        # None at all, or 0, would keep them for ever.
        if not 0 < int(archive.get("RetentionDays", 0)) <= 365:
            yield f"{name} is kept for ever"
        if archive.get("KmsKeyIdentifier") != stack.key:
            yield f"{name} is not encrypted with the customer key"
    for rule in rules:
        command = "Replay" + rule.replace("Rule", "Command")
        value = str(stack.template["Outputs"].get(command, {}).get("Value"))
        if f"FilterArns=${{{rule}.Arn}}" not in value or rule.replace("Rule", "Archive.Arn") not in value:
            yield f"{command} replays something else, or to everybody"


# -------------------------------------------------------------------------------------------- Amazon Q


@check
def amazon_q_shows_and_does_nothing(stack):
    channels = stack.of("AWS::Chatbot::SlackChannelConfiguration")
    wanted = bool(stack.parameters.get("AmazonQTeamId"))
    if bool(channels) is not wanted or ("AmazonQRole" in stack.resources) is not wanted:
        yield "Amazon Q is asked unasked, or not at all"
    for name, channel in channels.items():
        if channel["SnsTopicArns"] != ["${AnnouncementsTopic}"]:
            yield f"{name} is told {channel['SnsTopicArns']}"
        if channel["IamRoleArn"] != "${AmazonQRole.Arn}" or stack.statements("AmazonQRole"):
            yield f"whoever is in the channel of {name} may do something"
        if channel.get("GuardrailPolicies") != ["arn:aws:iam::aws:policy/AWSDenyAll"]:
            yield f"{name} may be given more by a role of a person"
        if channel["ConfigurationName"] != "gatekeeper-eu-central-1":
            yield f"{name} collides with that of another stack"


# ------------------------------------------------------------------------------------------- documents


def sections(text: str) -> set[str]:
    """What is named in headings."""
    return {name for heading in re.findall(r"^#+ .*", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", heading)}


@check
def each_alarm_is_explained(stack):
    explained = sections(source("docs/operations.md"))
    for name in stack.alarms:
        if name not in explained:
            yield f"docs/operations.md has no section on {name}"
    every = {name for name, resource in stack.template["Resources"].items() if resource["Type"].endswith("::Alarm")}
    for name in sorted(name for name in explained if name.endswith("Alarm") and name not in every):
        yield f"docs/operations.md explains {name}, which there is not"


@check
def each_parameter_is_documented(stack):
    table = source("docs/configuration.md").split("| parameter | default | |", 1)[1].split("\n\n", 1)[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    for name in sorted(named ^ set(stack.template["Parameters"])):
        yield f"{name} is missing in the table of docs/configuration.md, or there is no such parameter"


@check
def what_was_stopped_can_be_started(stack):
    told = re.search(r"put the numbers back: (\d+), (\d+), (\d+) and `ApprovalsBurst`", source("docs/operations.md"))
    names = ("ConnectionsFunction", "PolicyChangesFunction", "ReconcileFunction")
    reserved = [stack.functions[name].get("ReservedConcurrentExecutions") for name in names]
    if None not in reserved and [int(number) for number in told.groups()] != reserved:
        yield f"docs/operations.md tells to reserve {told.groups()}, and it was {reserved}"


@check
def outputs_that_are_told_of_are_there(stack):
    outputs = stack.template["Outputs"]
    for document in ("docs/operations.md", "docs/regions.md", "docs/approvals.md", "docs/policy.md", "README.md"):
        # In commands by the function `output`, which the document defines; in words as "output `Name`".
        text = source(document)
        for name in re.findall(r"\boutput ([A-Z]\w+)", text) + re.findall(r"outputs? `(\w+)`", text):
            if name not in outputs:
                yield f"{document} tells of the output {name}, which there is not"
