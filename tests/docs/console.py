"""Checks the commands in the documents.

    python tests/docs/console.py                    checks that each command exists, with the options that it is given
    python tests/docs/console.py --run              runs commands, and compares what they print with the document
    python tests/docs/console.py [--run] --breaks   shows that these checks can fail

The words behind a block's fence say what is done with the block:

    console             Commands behind "$ ", each with what it prints. `--run` runs them in bash. A command is
                        `cargo run -q -- …`, or one that every system has. "…" stands for any text, and on a line of its
                        own for any lines.
    console not-run     The same, but the commands take too long, do not end, or need AWS. They are only looked up.
    sh                  Commands that are only looked up.
    yaml world.yaml     A file that the commands find in their folder. It can have any language, and any name with a dot.
    python              Checked for its syntax.

The check looks up a command where it is defined: the AWS CLI's in botocore's model, the SAM CLI's in its own code,
cargo's in its help and in the workspace's metadata, files in the repository. EC2's operations are those of .ci/model,
which is newer than the botocore that the SAM CLI requires. `--run` builds the local world if that is not built yet. The
check needs what .ci/requirements.txt lists.
"""

import argparse
import ast
import difflib
import functools
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import botocore.session
import jmespath
import tree_sitter
import tree_sitter_bash
from botocore import xform_name
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from documents import PAGES, ROOT

FENCE = re.compile(r"^( *)```(\S*) ?([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# HOLE stands for the value of a variable and for the output of a command. In documents, "…" stands for a reader's values.
HOLE, OPEN = "\ufffc", ("\ufffc", "…")
BASH = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))

# Commands of bash and of common programs. Their options are not looked up, but the files that they name are.
OTHERS = {"bash", "cat", "cd", "curl", "echo", "eval", "git", "grep", "head", "pip", "printf", "python", "sed", "tail"}

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


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    about: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def exchanges(self) -> list[tuple[str, list[str]]]:
        """The commands of a console, each with the lines that it prints."""
        found: list[tuple[str, list[str]]] = []
        goes_on = False
        for line in self.text.splitlines():
            if goes_on:
                found[-1] = (f"{found[-1][0]}\n{line}", [])
            elif line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
            goes_on = bool(found) and not found[-1][1] and line.endswith("\\")
        return found

    @property
    def script(self) -> str:
        if self.language == "console":
            return "\n".join(command for command, _ in self.exchanges)
        return self.text if self.language in ("sh", "bash") else ""


def blocks(page: str, text: str) -> list[Block]:
    return [
        Block(page, text.count("\n", 0, fence.start()) + 1, fence[2], fence[3].strip(), textwrap.dedent(fence[4]))
        for fence in FENCE.finditer(text)
    ]


# Bash.


def nodes(node: tree_sitter.Node, kind: str) -> Iterator[tree_sitter.Node]:
    if node.type == kind:
        yield node
    for child in node.children:
        yield from nodes(child, kind)


def word(node: tree_sitter.Node) -> str:
    """A word as the command gets it, with a HOLE for each part that is known only when it runs."""
    text = node.text.decode()
    match node.type:
        case "raw_string":
            return text[1:-1]
        case "concatenation":
            return "".join(word(child) for child in node.children)
        case "string":
            parts, at = [], node.start_byte + 1
            for child in node.named_children:
                if child.type != "string_content":
                    parts += [node.text[at - node.start_byte : child.start_byte - node.start_byte].decode(), HOLE]
                    at = child.end_byte
            parts.append(node.text[at - node.start_byte : -1].decode())
            return re.sub(r"\\([\"\\$`])", r"\1", "".join(parts))
        case "simple_expansion" | "expansion" | "command_substitution":
            return HOLE
        case _:
            return re.sub(r"\\(.)", r"\1", text)


def commands(script: str) -> Iterator[list[str]]:
    """The words of each command of a script, those of functions and substitutions included."""
    for node in nodes(BASH.parse(script.encode()).root_node, "command"):
        yield [word(child) for child in node.named_children if child.type not in ("variable_assignment", "comment")]


def functions(script: str) -> set[str]:
    found = nodes(BASH.parse(script.encode()).root_node, "function_definition")
    return {node.child_by_field_name("name").text.decode() for node in found}


def syntax(block: Block) -> Iterator[str]:
    if block.script:
        read = subprocess.run(["bash", "-n"], input=block.script, capture_output=True, text=True, check=False)
        if read.returncode:
            yield f"bash cannot read it: {read.stderr.strip()}"
    if block.language == "python":
        try:
            ast.parse(block.text)
        except SyntaxError as error:
            yield f"Python cannot read it: {error}"


def options(words: list[str]) -> dict[str, list[str]]:
    """Each --option with the words behind it. Those before the first option are under ""."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for each in words:
        if each.startswith("--"):
            name, equals, value = each[2:].partition("=")
            found[name] = [value] if equals else []
        else:
            found[name].append(each)
    return found


# The AWS CLI.

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


# The SAM CLI.


@functools.cache
def sam_options(subcommand: str) -> set[str] | None:
    try:
        command = importlib.import_module(f"samcli.commands.{subcommand}.command").cli
    except ModuleNotFoundError:
        return None
    return {option.lstrip("-") for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"help"}


def sam(words: list[str]) -> Iterator[str]:
    given = options(words)
    subcommand = " ".join(given.pop("")[:1])
    known = sam_options(subcommand) if subcommand.isidentifier() else None
    if known is None:
        yield f"sam has no {subcommand}"
    else:
        yield from (f"sam {subcommand} has no --{option}" for option in given if option not in known)


# Cargo.


@functools.cache
def cargo_options(subcommand: str) -> set[str] | None:
    """The options that the help of cargo's subcommand lists."""
    told = subprocess.run(["cargo", subcommand, "-h"], capture_output=True, text=True, check=False)
    return None if told.returncode else set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", told.stdout))


@functools.cache
def workspace() -> dict[str, dict[str, set[str]]]:
    """The names of each package's targets, by kind."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    found: dict[str, dict[str, set[str]]] = {}
    for package in told["packages"]:
        kinds = found.setdefault(package["name"], {"bin": set(), "example": set(), "test": set()})
        for target in package["targets"]:
            for kind in target["kind"]:
                kinds.setdefault(kind, set()).add(target["name"])
    return found


@functools.cache
def tests() -> str:
    sources = [path for folder in ("functions", "local", "shared", "tests") for path in (ROOT / folder).rglob("*.rs")]
    return "\n".join(path.read_text(encoding="utf-8") for path in sources)


def cargo(words: list[str]) -> Iterator[str]:
    end = words.index("--") if "--" in words else len(words)
    subcommand, *own = words[:end]
    known = cargo_options(subcommand)
    if known is None:
        yield f"cargo has no {subcommand}"
        return
    packages = workspace()
    value_of = ""
    for each in own:
        if each.startswith("-"):
            value_of = each
            if each not in known:
                yield f"cargo {subcommand} has no {each}"
        elif value_of in ("-p", "--package"):
            value_of = ""
            if each not in packages:
                yield f"the workspace has no package {each}"
        elif value_of in ("--bin", "--example", "--test"):
            kind, value_of = value_of[2:], ""
            if not any(each in kinds[kind] for kinds in packages.values()):
                yield f"no package has the {kind} {each}"
        elif subcommand == "test" and not re.search(rf"\bfn \w*{re.escape(each)}|\bmod {re.escape(each)}", tests()):
            yield f"no test is called {each}"


# Files, functions, and all else.


@functools.cache
def tracked() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = listed.stdout.splitlines()
    return {*files, *(str(parent) for file in files for parent in Path(file).parents)}


def files(words: list[str]) -> Iterator[str]:
    """The words that name a file of the repository which does not exist."""
    run = words[0] in ("bash", "python") and len(words) > 1 and "/" in words[1]
    for each in words[1:]:
        path = each.partition("=")[2] if each.startswith("--") else each
        path = path.removeprefix("file://")
        first, slash, _ = path.partition("/")
        ours = slash and first in tracked() and not any(mark in path for mark in OPEN)
        if (ours or (run and each == words[1])) and path.rstrip("/") not in tracked():
            yield f"there is no {path}"


LOOKED_UP = {"aws": aws, "cargo": cargo, "sam": sam}


def unknown(pages: dict[str, str]) -> Iterator[str]:
    """The mistakes in the commands of the pages."""
    for page, text in pages.items():
        of_page = blocks(page, text)
        defined = set().union(*(functions(block.script) for block in of_page))
        for block in of_page:
            problems = list(syntax(block))
            for name, *words in commands(block.script):
                if name in LOOKED_UP:
                    problems += LOOKED_UP[name](words)
                elif name not in OTHERS | defined:
                    problems.append(f"nobody defines {name}: if it is a command that everybody has, add it to OTHERS")
                problems += files([name, *words])
            yield from (f"{block.place}: {problem}" for problem in problems)


# Running.

# `cargo run` starts the local world directly, because cargo would look for its settings in the folder of the files. The
# local world takes a free port, so that another one can run on this machine at the same time.
PRELUDE = """
cargo() {
    if [ "$1 $2 $3" != "run -q --" ]; then echo "only cargo run -q -- is run here"; return 1; fi
    shift 3
    case $1 in replay) "$LOCAL_WORLD" "$@" ;; *) "$LOCAL_WORLD" --port "$PORT" "$@" ;; esac
}
said() { local status=$?; printf '%s\\n' "$MARK"; return $status; }
"""
MARK = "-- next --"


@functools.cache
def local_world() -> str:
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=ROOT, check=True)
    command = ["cargo", "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return str(Path(told["target_directory"]) / "debug" / "gatekeeper-local")


@functools.cache
def local_world_options(subcommand: str) -> set[str]:
    command = [local_world(), *subcommand.split(), "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", told))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the lines are the expected ones."""
    pattern = "".join(
        "(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def stripped(lines: list[str]) -> list[str]:
    return "\n".join(line.rstrip() for line in lines).strip("\n").split("\n")


def different(block: Block, folder: str) -> Iterator[str]:
    """Runs a block's commands in the folder. Yields the differences between what they print and what the block says."""
    port = free_port()
    script = PRELUDE + "".join(f"{command}\nsaid\n" for command, _ in block.exchanges)
    environment = {**os.environ, "LOCAL_WORLD": local_world(), "PORT": str(port), "MARK": MARK}
    try:
        run = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield "it did not end within two minutes"
        return
    printed = run.stdout.replace(f"127.0.0.1:{port}", "127.0.0.1:8700").split(f"{MARK}\n")
    for (command, wanted), got in zip(block.exchanges, printed, strict=False):
        expected, lines = stripped(wanted), stripped(got.splitlines())
        if not matches(expected, lines):
            changes = difflib.unified_diff(expected, lines, "the document", "what it prints", lineterm="", n=1)
            yield f"$ {command}\n" + "\n".join(changes)


def untrue(pages: dict[str, str]) -> Iterator[str]:
    """The mistakes in what the pages say of the local world's options and of what commands print."""
    everything = [block for page, text in pages.items() for block in blocks(page, text)]
    with tempfile.TemporaryDirectory() as folder:
        for block in everything:
            if re.fullmatch(r"[\w-]+\.[\w.-]+", block.about):
                file = Path(folder, block.about)
                if file.exists() and file.read_text(encoding="utf-8") != block.text:
                    yield f"{block.place}: another block is called {block.about} too, and says something else"
                file.write_text(block.text, encoding="utf-8")
        for block in everything:
            for name, *words in commands(block.script):
                if name == "cargo" and words[0] == "run" and "--" in words and not {"-p", "--package"} & set(words):
                    own = words[words.index("--") + 1 :]
                    subcommand = "replay" if own[:1] == ["replay"] else ""
                    for each in options(own).keys() - {""}:
                        if f"--{each}" not in local_world_options(subcommand):
                            yield f"{block.place}: gatekeeper-local {subcommand} has no --{each}"
            if block.language == "console" and block.about != "not-run" and block.exchanges:
                yield from (f"{block.place}: {problem}" for problem in different(block, folder))


# A page without mistakes. Each break replaces a text in it, and names a part of the complaint that has to come.
SAMPLE = """
```sh
output() { aws cloudformation describe-stacks --query "Stacks[?StackName=='$1'].StackId"; }
# A comment with aws nonsense in it.
aws dynamodb put-item --table-name "$(output Table)" --item '{"service_id": {"S": "'$SERVICE'"}, "n": {"N": "1"}}'
aws ec2 describe-vpc-endpoint-connections --filters Name=service-id,Values=vpce-svc-… --max-items 5 | grep vpce
aws sns subscribe --topic-arn "$TOPIC" --protocol email --notification-endpoint a@example.com --return-subscription-arn
aws dynamodb update-table --table-name … --no-deletion-protection-enabled
aws dynamodb wait table-exists --table-name there
aws sqs get-queue-attributes --queue-url "$URL" --attribute-names QueueArn
aws sqs receive-message --queue-url "$URL" --max-number-of-messages 10
aws cloudformation deploy --stack-name name --template-file stacks/global-allowlist.yaml
sam deploy --guided
cargo test --workspace --locked --test scenarios s1_
cargo run -p gatekeeper-bench
cargo run -- --once
cargo run -- replay --json
bash .ci/run
```

   ```python
   import boto3
   ```

```text told.txt
one
two
three
```

```console
$ cat told.txt
one
…
th…e
$ [ 1 = 2 ]
$ echo $?
1
```
"""
READ_BREAKS = [
    ("describe-stacks", "describe-stakcs", "aws cloudformation has no describe-stakcs"),
    ("aws dynamodb put-item", "aws dynamo put-item", "AWS has no service dynamo"),
    ("--max-items", "--max-item", "has no --max-item"),
    ("--protocol email ", "", "aws sns subscribe needs --protocol"),
    ("--notification-endpoint", "--endpoint", "aws sns subscribe has no --endpoint"),
    ('"N": "1"}}', '"N": "1"}', "this is not JSON"),
    ('{"N": "1"}', '{"NN": "1"}', 'Unknown parameter in n: "NN"'),
    ("Name=service-id", "Nane=service-id", "Filter has no Nane"),
    ("[?StackName==", "[?StackName=", "--query cannot be read"),
    ("wait table-exists", "wait table-is-there", "aws dynamodb cannot wait for table-is-there"),
    ("--return-subscription-arn", "--return-subscription-arn yes", "takes no value"),
    ("--no-deletion-protection-enabled", "--no-table-class", "has no --no-table-class"),
    ("QueueArn", "QueueArm", "QueueArm is none of"),
    ("messages 10", "messages ten", "ten is no number"),
    ("--table-name there", "--table-name there here", "it takes one value, not 2"),
    ("deploy --stack-name", "deploy --stackname", "aws cloudformation deploy has no --stackname"),
    ("stacks/global-allowlist.yaml", "stacks/nothing.yaml", "there is no stacks/nothing.yaml"),
    ("sam deploy", "sam deplore", "sam has no deplore"),
    ("--guided", "--guide", "sam deploy has no --guide"),
    ("cargo test", "cargo tset", "cargo has no tset"),
    ("--locked", "--lock", "cargo test has no --lock"),
    ("--test scenarios", "--test scenes", "no package has the test scenes"),
    ("s1_", "s1x_", "no test is called s1x_"),
    ("gatekeeper-bench", "gatekeeper-bank", "the workspace has no package gatekeeper-bank"),
    ("bash .ci/run", "bash .ci/ran", "there is no .ci/ran"),
    ("bash .ci/run", "bash ci/run", "there is no ci/run"),
    ("output() {", "outputs() {", "nobody defines output"),
    ("--queue-url", "--queue-url <URL>;", "bash cannot read it"),
    ("import boto3", "import from", "Python cannot read it"),
]
RUN_BREAKS = [
    ("th…e", "th…s", "+three"),
    ("…\nth", "th", "+two"),
    ("th…e", "th…e\nfour", "-four"),
    ("echo $?\n1", "echo $?\n0", "+1"),
    ("--once", "--twice", "gatekeeper-local  has no --twice"),
    ("--json", "--jason", "gatekeeper-local replay has no --jason"),
    ("$ [ 1 = 2 ]", "$ cargo run --release", "only cargo run -q -- is run here"),
    ("```text told.txt", "```text told.txt\nother\n```\n\n```text told.txt", "another block is called told.txt too"),
]


def missed(check, breaks: list[tuple[str, str, str]]) -> Iterator[str]:
    """The breaks of the sample that the check does not find."""
    if wrongly := list(check({"sample": SAMPLE})):
        yield f"the sample is right, and this was said of it: {wrongly}"
    for old, new, wanted in breaks:
        broken = SAMPLE.replace(old, new)
        if broken == SAMPLE:
            yield f"{old} is not in the sample"
            continue
        said = list(check({"sample": broken}))
        if not any(wanted in problem for problem in said):
            yield f"{new!r} is not seen: wanted {wanted!r}, got {said}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="run what documents say the output of")
    parser.add_argument("--breaks", action="store_true", help="see that the check can fail")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as models:
        take_ec2_model(models)
        return told(arguments)


def told(arguments: argparse.Namespace) -> int:
    check, breaks = (untrue, RUN_BREAKS) if arguments.run else (unknown, READ_BREAKS)
    if arguments.breaks:
        problems = list(missed(check, breaks))
        about = f"{len(breaks)} ways to break a page"
    else:
        pages = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
        of_pages = [block for page, text in pages.items() for block in blocks(page, text)]
        problems = list(check(pages))
        run = sum(
            len(block.exchanges) for block in of_pages if block.language == "console" and block.about != "not-run"
        )
        about = (
            f"{run} commands run"
            if arguments.run
            else f"{sum(len(list(commands(b.script))) for b in of_pages)} commands"
        )
    for problem in problems:
        print(f"FAILED {problem}")
    print(f"{about}, {len(problems)} complaints")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
