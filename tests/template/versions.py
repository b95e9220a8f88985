"""What must be true of how new versions of the functions take over."""

import json
import tomllib
from pathlib import Path

from stack import check, many

ROOT = Path(__file__).resolve().parents[2]


def started(stack) -> list[tuple[str, str]]:
    """Whatever starts a function, with what it starts."""
    found = [(name, config["FunctionName"]) for name, config in stack.of("AWS::Lambda::EventSourceMapping").items()]
    found += [(name, config["FunctionName"]) for name, config in stack.of("AWS::Lambda::Permission").items()]
    found += [(name, config["Target"]["Arn"]) for name, config in stack.of("AWS::Scheduler::Schedule").items()]
    found += [(name, config["IntegrationUri"]) for name, config in stack.of("AWS::ApiGatewayV2::Integration").items()]
    return found


@check
def functions_are_started_by_their_alias(stack):
    aliases = {f"${{{name}}}": alias for name, alias in stack.of("AWS::Lambda::Alias").items()}
    for name, token in started(stack):
        if token not in aliases:
            yield f"{name} starts {token}, past the version that is rolled out"
    for name, config in stack.of("AWS::Lambda::EventInvokeConfig").items():
        if config["Qualifier"] != "live":
            yield f"{name} is for another version than runs"
    of = sorted(alias["FunctionName"].strip("${}") for alias in aliases.values())
    if of != sorted(stack.functions):
        yield f"the functions with an alias are {of}"
    for statement in stack.statements("ReconcileScheduleRole"):
        if statement["Action"] == "lambda:InvokeFunction" and statement["Resource"] != "${ReconcileFunction.Arn}:live":
            yield f"the schedule may start {statement['Resource']}"


@check
def versions_follow_what_is_set(stack):
    versions = stack.of("AWS::Lambda::Version")
    for name, alias in stack.of("AWS::Lambda::Alias").items():
        version = versions.get(alias["FunctionVersion"].removeprefix("${").removesuffix(".Version}"))
        if version is None or version["FunctionName"] != alias["FunctionName"]:
            yield f"{name} is of another function's version"
        elif version.get("Description") != "Settings ${SettingsVersion.VersionNumber}":
            yield f"the version of {name} stays when a parameter changes"
    for name in versions:
        # Lambda publishes nothing that is like the version before.
        if stack.resources[name].get("DeletionPolicy") == "Retain":
            yield f"{name} stays when its rollout is taken back, and so cannot be rolled out again"
    for name, function in stack.functions.items():
        if function["Environment"]["Variables"].get("SETTINGS_VERSION") != "${SettingsVersion.VersionNumber}":
            yield f"{name} is not another when a parameter changes, and cannot be published"
    kept = json.loads(stack.resources["SettingsVersion"]["Properties"]["Content"])
    release = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    if kept.pop("Release", None) != release:
        yield f"the template does not say that it is of release {release}, which Cargo.toml does"
    if stack.template["Outputs"]["Version"]["Value"] != release:
        yield f"the output Version is not {release}, so the command gatekeeper may write what the functions cannot read"
    if set(kept) - set(stack.template["Parameters"]):
        yield "what is kept of the parameters cannot be read"
    content = str(stack.template["Resources"]["SettingsVersion"]["Properties"]["Content"])
    for name, function in stack.template["Resources"].items():
        if function["Type"] == "AWS::Lambda::Function":
            # Concurrency as well: it is no part of a version, but SAM counts all properties when it names one, and
            # Lambda publishes nothing that is like the version before.
            for parameter in sorted(parameters_in(stack.template, function["Properties"])):
                if f"${{{parameter}}}" not in content:
                    yield f"{name} is set by {parameter}, and goes on as before when that changes, or cannot be published"


def parameters_in(template: dict, value) -> set[str]:
    """The parameters that a part of a template depends on, by conditions too. (What resources depend on is theirs.)"""
    if isinstance(value, list):
        return set().union(*(parameters_in(template, item) for item in value))
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, item in value.items():
        if key == "Ref" and item in template["Parameters"]:
            found.add(item)
        elif key == "Fn::If":
            found |= parameters_in(template, template["Conditions"][item[0]]) | parameters_in(template, item[1:])
        elif key == "Condition" and item in template["Conditions"]:
            found |= parameters_in(template, template["Conditions"][item])
        elif key == "Fn::Sub":
            text = item if isinstance(item, str) else item[0]
            found |= {name for name in template["Parameters"] if f"${{{name}}}" in text}
            found |= parameters_in(template, item[1:] if isinstance(item, list) else {})
        else:
            found |= parameters_in(template, item)
    return found


@check
def new_versions_are_rolled_back_by_alarms(stack):
    groups = stack.of("AWS::CodeDeploy::DeploymentGroup")
    gradual = stack.parameters.get("Rollout", "Canary10Percent10Minutes") != "AllAtOnce"
    for name in stack.functions:
        alias = next(
            (
                stack.resources[key]
                for key, alias in stack.of("AWS::Lambda::Alias").items()
                if alias["FunctionName"] == f"${{{name}}}"
            ),
            {},
        )
        update = alias.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        group = groups.get(update.get("DeploymentGroupName", "").strip("${}"))
        if group is None:
            yield f"{name} is replaced at once"
            continue
        asked = {alarm["Name"] for alarm in group["AlarmConfiguration"].get("Alarms", [])}
        own = f"${{{name.removesuffix('Function')}ErrorsAlarm}}"
        wanted = {own, "${ForbiddenAlarm}", "${DefectsAlarm}"} if gradual else set()
        if asked != wanted or group["AlarmConfiguration"].get("Enabled", False) is not gradual:
            yield f"{name} is rolled back by {sorted(asked)}"
        if group["AutoRollbackConfiguration"] != {
            "Enabled": True,
            "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
        }:
            yield f"{name} is not rolled back by itself"
        if group["ServiceRoleArn"] != "${RolloutRole.Arn}":
            yield f"{name} is rolled out by {group['ServiceRoleArn']}"


@check
def rollouts_reach_only_these_functions(stack):
    for statement in stack.statements("RolloutRole"):
        if any(action.startswith("lambda:") for action in many(statement["Action"])):
            if statement["Resource"] != [f"${{{name}.Arn}}{part}" for name in stack.functions for part in ("", ":*")]:
                yield f"a rollout may change {statement['Resource']}"
