"""Finds modules of a crate that import each other in a circle.

    python tests/docs/cycles.py             names every circle, with the imports that close it
    python tests/docs/cycles.py --breaks    that the check can fail

A module is a file. An import is a path in its code that starts with `crate`, `super`, `self` or the name of a
module inside it. A name that a module only passes on (`pub use`) counts as an import of the file that defines
it. Tests do not count: they may look at everything. Needs nothing but Python.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CRATES = ["shared/*", "functions/*", "local"]
# Circles that are still to be opened: a module of each. One that is open by now must go from here.
TO_OPEN = set()

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
TEXT = re.compile(r'r(#*)".*?"\1|"(?:\\.|[^"\\])*"', re.DOTALL)
TESTS = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z]+\))? )?mod \w+ *(?:;|\{.*?\n\})", re.DOTALL)
VISIBLE = re.compile(r"\bpub\([^)]*\) ")
USE = re.compile(r"\b(pub )?use ([^;]+);")
PATH = re.compile(r"(?<![\w:])((?:crate|super|self)(?:::\w+)+)")
MOD = re.compile(r"^\s*(?:pub(?:\([^)]*\))? )?mod (\w+);", re.MULTILINE)


def code_of(text):
    """A file without comments, texts and tests."""
    return VISIBLE.sub("pub ", TESTS.sub("", TEXT.sub('""', COMMENT.sub("", text))))


def test_files(folder):
    """The files that are modules of tests."""
    found = set()
    for path in folder.rglob("*.rs"):
        text = COMMENT.sub("", path.read_text(encoding="utf-8"))
        for block in re.finditer(r"#\[cfg\(test\)\]\s*((?:#\[[^\]]*\]\s*)*)(?:pub(?:\([a-z]+\))? )?mod (\w+);", text):
            named = re.search(r'path = "([^"]+)"', block[1])
            inside = path.parent if path.name in ("mod.rs", "lib.rs", "main.rs") else path.with_suffix("")
            choices = [path.parent / named[1]] if named else [inside / f"{block[2]}.rs", inside / block[2] / "mod.rs"]
            found |= {choice for choice in choices if choice.is_file()}
    return found


def modules_of(folder):
    """The crate's modules: path (`a::b`, the root is empty) to code. A program beside a library is another crate."""
    skipped, modules = test_files(folder), {}
    for path in sorted(folder.rglob("*.rs")):
        relative = path.relative_to(folder)
        if (
            path in skipped
            or relative.parts[0] == "bin"
            or (relative.name == "main.rs" and (folder / "lib.rs").is_file())
        ):
            continue
        parts = list(relative.with_suffix("").parts)
        if parts[-1] in ("mod", "lib", "main"):
            parts.pop()
        modules["::".join(parts)] = code_of(path.read_text(encoding="utf-8"))
    return modules


def leaves(tree, before=()):
    """The paths of a `use` tree, each with the name that it gets."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    if brace:
        start = (*before, *[part for part in head.strip().split("::") if part])
        depth, item, items = 0, "", []
        for letter in rest.rstrip()[:-1]:
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "," and not depth:
                items.append(item)
                item = ""
            else:
                item += letter
        for one in [*items, item]:
            if one.strip():
                yield from leaves(one, start)
        return
    path, _, name = tree.partition(" as ")
    parts = (*before, *[part.strip() for part in path.split("::")])
    if parts[-1] == "self":
        parts = parts[:-1]
    yield parts, name.strip() or parts[-1]


class Crate:
    def __init__(self, modules):
        self.modules = modules
        self.passed_on = {module: {} for module in modules}
        self.imports = {module: {} for module in modules}
        for module, code in modules.items():
            self.read_passed_on(module, code)
        for module, code in modules.items():
            self.read_imports(module, code)

    def absolute(self, module, parts):
        """The path from the crate's root, or nothing for a path into another crate."""
        here = module.split("::") if module else []
        if parts[0] == "crate":
            return list(parts[1:])
        if parts[0] == "self":
            return here + list(parts[1:])
        if parts[0] == "super":
            while parts and parts[0] == "super":
                here, parts = here[:-1], parts[1:]
            return here + list(parts)
        if parts[0] in MOD.findall(self.modules[module]) and "::".join([*here, parts[0]]) in self.modules:
            return here + list(parts)
        return None

    def read_passed_on(self, module, code):
        for public, tree in USE.findall(code):
            if public:
                for parts, name in leaves(tree):
                    target = self.absolute(module, parts)
                    if target is not None:
                        self.passed_on[module][name] = target

    def home(self, path, hops=0):
        """The module that defines what a path names."""
        rest, module = list(path), []
        while rest and "::".join([*module, rest[0]]) in self.modules:
            module.append(rest.pop(0))
        name = "::".join(module)
        if rest and hops < 9:
            onward = self.passed_on[name].get(rest[0])
            if onward is not None:
                return self.home(onward + rest[1:], hops + 1)
        return name

    def read_imports(self, module, code):
        body = MOD.sub("", USE.sub("", code))
        for public, tree in USE.findall(code):
            for parts, name in leaves(tree):
                if not public or re.search(rf"(?<![\w:]){re.escape(name)}\b", body):
                    self.note(module, parts)
        for path in PATH.findall(body):
            self.note(module, path.split("::"))
        for child in MOD.findall(code):
            for path in re.findall(rf"(?<![\w:]){child}(?:::\w+)+", body):
                self.note(module, path.split("::"))

    def note(self, module, parts):
        path = self.absolute(module, parts)
        if path is not None:
            target = self.home(path)
            if target != module:
                self.imports[module].setdefault(target, "::".join(parts))

    def circles(self):
        """The sets of modules that reach each other (Tarjan's algorithm)."""
        index, low, stack, found = {}, {}, [], []

        def visit(module):
            index[module] = low[module] = len(index)
            stack.append(module)
            for target in self.imports[module]:
                if target not in index:
                    visit(target)
                    low[module] = min(low[module], low[target])
                elif target in stack:
                    low[module] = min(low[module], index[target])
            if low[module] == index[module]:
                circle = stack[stack.index(module) :]
                del stack[stack.index(module) :]
                if len(circle) > 1:
                    found.append(sorted(circle))

        for module in self.modules:
            if module not in index:
                visit(module)
        return found


def complaints(name, modules, to_open=()):
    crate = Crate(modules)
    circles = crate.circles()
    for module in to_open:
        known = [circle for circle in circles if module in circle]
        circles = [circle for circle in circles if circle not in known]
        if not known:
            yield f"{name}: {module} is in no circle any more; take it out of TO_OPEN in tests/docs/cycles.py"
    for circle in circles:
        yield f"{name}: {len(circle)} modules import each other: {', '.join(module or 'the root' for module in circle)}"
        for module in circle:
            for target, path in crate.imports[module].items():
                if target in circle:
                    yield f"    {module or 'the root'} imports {target or 'the root'} ({path})"


def check():
    found, count = [], 0
    for folder in sorted(folder for crates in CRATES for folder in ROOT.glob(f"{crates}/src")):
        modules = modules_of(folder)
        count += len(modules)
        crate = folder.parent.relative_to(ROOT).as_posix()
        found += complaints(crate, modules, [module for name, module in TO_OPEN if name == crate])
    if found:
        print(*found, sep="\n")
        sys.exit(1)
    known = f" but {len(TO_OPEN)} that is still to be opened" if TO_OPEN else ""
    print(f"{count} modules, no circle of imports{known}")


BREAKS = {
    "two modules": {"": "mod a; mod b;", "a": "use crate::b::B;", "b": "fn f() { crate::a::f() }"},
    "a module and the one inside it": {"": "mod a;", "a": "mod b;\nfn f() { b::g() }", "a::b": "use super::f;"},
    "through what a module passes on": {
        "": "mod a; mod b;",
        "a": "mod c;\npub use c::C;",
        "a::c": "use crate::b::{self, B};",
        "b": "use crate::a::C;",
    },
    "three modules": {"": "", "a": "use super::{b::{B}, x};", "b": "use crate::c::{C as D};", "c": "use crate::a;"},
}
HOLDS = {
    "one way": {"": "mod a; mod b;", "a": "use crate::b::B;", "b": "use other::a::A;"},
    "passing on is no import": {"": "mod a;", "a": "mod b;\npub use b::B;\npub struct A;", "a::b": "use super::A;"},
}


def breaks():
    for what, modules in BREAKS.items():
        assert list(complaints(what, modules)), f"not found: {what}"
    for what, modules in HOLDS.items():
        assert list(complaints(what, modules, ["a"])), f"not found to be open: {what}"
        assert not list(complaints(what, modules)), f"found where there is none: {what}"
    two = BREAKS["two modules"]
    assert not list(complaints("known", two, ["a"])), "found though it is still to be opened"
    assert "mod tests" not in code_of("fn f() {}\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n")
    print(f"{len(BREAKS)} circles found, {len(HOLDS)} crates without one pass")


if __name__ == "__main__":
    breaks() if sys.argv[1:] == ["--breaks"] else check()
