"""Looks up commands of the AWS CLI in botocore's model."""

import functools
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import jmespath
from botocore import xform_name
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from blocks import OPEN, options
from documents import ROOT

# Options that every operation takes, and those that paginated ones take.
AWS_GLOBAL = {
    "cli-input-json",
    "color",
    "endpoint-url",
    "no-cli-pager",
    "no-paginate",
    "output",
    "profile",
    "query",
    "region",
}
AWS_PAGES = {"max-items", "page-size", "starting-token"}
# Commands and names of the AWS CLI that are not in botocore's model.
AWS_OWN = {
    ("cloudformation", "deploy"): {"capabilities", "parameter-overrides", "s3-bucket", "stack-name", "template-file"},
    ("logs", "tail"): {"filter-pattern", "follow", "format", "since"},
    ("s3", "cp"): {"recursive"},
}
AWS_RENAMED = {("sns", "subscribe", "endpoint"): "notification-endpoint"}

SESSION = botocore.session.get_session()


@functools.cache
def service(name: str):
    try:
        return SESSION.get_service_model(name)
    except UnknownServiceError:
        return None


def take_ec2_model(folder: str) -> None:
    """Unpacks EC2's operations of .ci/model into the folder, and takes them instead of those of the installed botocore."""
    command, environment = ["bash", ".ci/model/run", "wheel"], {**os.environ, "PYTHON": sys.executable}
    wheel = subprocess.run(command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout
    with zipfile.ZipFile(wheel.strip()) as packed:
        packed.extractall(folder, [name for name in packed.namelist() if name.startswith("botocore/data/ec2/")])
    SESSION.get_component("data_loader").search_paths.insert(0, str(Path(folder, "botocore", "data")))


def cli(name: str) -> str:
    return xform_name(name, "-")


def aws(words: list[str]) -> Iterator[str]:
    given = options(words)
    if len(given[""]) < 2:
        yield "it names no service and operation"
        return
    name, operation, *more = given.pop("")
    query = given.get("query", [""])[0]
    try:
        if query:
            jmespath.compile(query)
    except jmespath.exceptions.JMESPathError as error:
        yield f"--query cannot be read: {str(error).splitlines()[0]}"
    if (name, operation) in AWS_OWN:
        known = AWS_OWN[name, operation] | AWS_GLOBAL
        yield from (f"aws {name} {operation} has no --{each}" for each in given if each not in known)
        return
    model = service("events" if name == "eventbridge" else name)
    if model is None:
        yield f"AWS has no service {name}"
        return
    names = {cli(each): each for each in model.operation_names}
    if operation == "wait":
        waiter = waiters(name).get(" ".join(more))
        if waiter is None:
            yield f"aws {name} cannot wait for {' '.join(more)}"
            return
        operation, more = cli(waiter), []
    if operation not in names:
        yield f"aws {name} has no {operation}"
        return
    if more:
        yield f"aws {name} {operation} takes no {' '.join(more)}"
    yield from parameters(name, operation, model.operation_model(names[operation]), given)


@functools.cache
def waiters(name: str) -> dict[str, str]:
    """The waiters of a service by name, each with the operation that it calls."""
    try:
        model = SESSION.get_waiter_model(name)
    except DataNotFoundError:
        return {}
    return {cli(each): model.get_waiter(each).operation for each in model.waiter_names}


def parameters(name: str, operation: str, model: OperationModel, given: dict[str, list[str]]) -> Iterator[str]:
    """The mistakes in the options of an operation, and in their values."""
    shape = model.input_shape
    members = shape.members if shape else {}
    named = {AWS_RENAMED.get((name, operation, cli(each)), cli(each)): each for each in members}
    for option, values in given.items():
        at = f"aws {name} {operation} --{option}"
        member = named.get(option)
        if member is None and option.startswith("no-") and (switched := named.get(option[3:])):
            member = switched if members[switched].type_name == "boolean" else None
        if member is None:
            if option not in AWS_GLOBAL | AWS_PAGES:
                yield f"aws {name} {operation} has no --{option}"
        elif members[member].type_name == "boolean":
            if values:
                yield f"{at} takes no value"
        elif not values:
            yield f"{at} has no value"
        else:
            yield from (f"{at}: {problem}" for problem in wrong(values, members[member]))
    if "cli-input-json" not in given:
        missing = {option for option, member in named.items() if member in shape.required_members} if shape else set()
        yield from (f"aws {name} {operation} needs --{option}" for option in sorted(missing - given.keys()))


def wrong(values: list[str], shape: Shape) -> Iterator[str]:
    """The mistakes in the words behind an option."""
    if values[0][:1] in ("{", "[") and shape.type_name in ("list", "map", "structure"):
        try:
            value = json.loads(" ".join(values))
        except json.JSONDecodeError as error:
            yield f"this is not JSON: {error}"
            return
        report = ParamValidator().validate(value, shape)
        if report.has_errors():
            yield report.generate_report()
        return
    if len(values) > 1 and shape.type_name != "list":
        yield f"it takes one value, not {len(values)}"
    member = shape.member if shape.type_name == "list" else shape
    for value in values:
        if member.type_name == "structure":
            for key in re.findall(r"(?:^|,)(\w+)=", value):
                if key not in member.members:
                    yield f"{member.name} has no {key}"
        elif any(each in value for each in OPEN):
            continue
        elif member.type_name in ("integer", "long") and not re.fullmatch(r"-?\d+", value):
            yield f"{value} is no number"
        elif (known := getattr(member, "enum", None)) and value not in known:
            yield f"{value} is none of {', '.join(known)}"
