"""Looks up the commands of the documents: those of the SAM CLI in its code, cargo's in its help and in the workspace's
metadata, files in the repository."""

import functools
import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from aws_cli import aws
from blocks import OPEN, blocks, commands, functions, options, syntax
from documents import ROOT

# Commands of bash and of common programs. Their options are not looked up, but the files that they name are.
# The arguments of gatekeeper are checked by console.py --run, which has the binary.
OTHERS = {
    "gatekeeper",
    "bash",
    "cat",
    "cd",
    "curl",
    "echo",
    "eval",
    "git",
    "grep",
    "head",
    "pip",
    "printf",
    "python",
    "sed",
    "tail",
}


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
