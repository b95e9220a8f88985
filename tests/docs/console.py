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
import difflib
import functools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aws_cli import take_ec2_model
from blocks import Block, blocks, commands, options
from console_breaks import READ_BREAKS, RUN_BREAKS, SAMPLE
from documents import PAGES, ROOT
from lookup import unknown

# `cargo run` starts the binary directly, because cargo would look for its settings in the folder of the files. The local
# world takes a free port, so that another one can run on this machine at the same time.
PRELUDE = """
cargo() {
    if [ "$1 $2 $3" != "run -q --" ]; then echo "only cargo run -q -- is run here"; return 1; fi
    shift 3
    gatekeeper "$@"
}
gatekeeper() {
    case $1 in local) "$GATEKEEPER" "$@" --port "$PORT" ;; *) "$GATEKEEPER" "$@" ;; esac
}
said() { local status=$?; printf '%s\\n' "$MARK"; return $status; }
"""
MARK = "-- next --"


@functools.cache
def gatekeeper() -> str:
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=ROOT, check=True)
    command = ["cargo", "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return str(Path(told["target_directory"]) / "debug" / "gatekeeper")


@functools.cache
def options_of(subcommand: str) -> set[str] | None:
    """The options of a subcommand; none if there is no such subcommand."""
    command = [gatekeeper(), *subcommand.split(), "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", told.stdout)) if told.returncode == 0 else None


# The commands that have subcommands.
GROUPS = {"approver", "policy", "service"}


def wrong_use(words: list[str]) -> Iterator[str]:
    """What is wrong with the arguments of a use of `gatekeeper`."""
    names = [word for word in words if not word.startswith("-")]
    subcommand = " ".join(names[: 2 if names[:1] and names[0] in GROUPS else 1])
    known = options_of(subcommand)
    if known is None:
        yield f"gatekeeper has no {subcommand}"
        return
    for each in options(words).keys() - {""}:
        if f"--{each}" not in known:
            yield f"gatekeeper {subcommand} has no --{each}"


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
    environment = {**os.environ, "GATEKEEPER": gatekeeper(), "PORT": str(port), "MARK": MARK}
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
                elif name == "gatekeeper":
                    own = words
                else:
                    continue
                yield from (f"{block.place}: {problem}" for problem in wrong_use(own))
            if block.language == "console" and block.about != "not-run" and block.exchanges:
                yield from (f"{block.place}: {problem}" for problem in different(block, folder))


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
