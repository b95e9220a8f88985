"""The fenced blocks of the documents, and the commands in them."""

import ast
import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter
import tree_sitter_bash

FENCE = re.compile(r"^( *)```(\S*) ?([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# HOLE stands for the value of a variable and for the output of a command. In documents, "…" stands for a reader's values.
HOLE, OPEN = "\ufffc", ("\ufffc", "…")
BASH = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


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
