"""Checks that all builds give the SDK's dependencies the same features: python .ci/features.py

Cargo compiles a crate once for each choice of its dependencies' features. For aws-sdk-ec2 that takes minutes each time.
So `cargo run`, `cargo test` and the build in the tests of replay must agree, and so must the functions, which sam builds
one by one.
"""

import re
import sys

from sbom import FUNCTIONS, TARGETS, cargo

EXPENSIVE = re.compile("aws-sdk-.*|dynoxide-rs")
LINE = re.compile(r"(\d+)(\S+) v(\S+)(?: \(proc-macro\))?(?: \(/\S*\))? ?(\S*)")
ALIKE = {
    "on a desk": {
        "cargo run": ("--edges=normal,build",),
        "cargo build --features deployment": ("--features=deployment", "--edges=normal,build"),
        "cargo build --workspace": ("--workspace", "--edges=normal,build"),
        "cargo test --workspace": ("--workspace", "--edges=normal,build,dev"),
    },
    "for Lambda": {f"functions/{name}": (f"--package=gatekeeper-{name}", "--edges=normal,build") for name in FUNCTIONS},
}


def below(selection: tuple[str, ...]) -> set[tuple[str, str, str]]:
    """The EXPENSIVE crates and all their dependencies, by name, version and features, in a build of this selection."""
    tree = cargo(
        "tree", "--locked", "--quiet", "--target", TARGETS["x86_64"], "--prefix=depth", "--format={p} {f}", *selection
    )
    edges: dict[tuple[str, str, str], set[tuple[str, str, str]]] = {}
    above: list[tuple[str, str, str]] = []
    for line in tree.splitlines():
        if not line:
            continue
        depth, name, version, features = LINE.match(line).groups()
        crate = (name, version, "" if features == "(*)" else features)
        del above[int(depth) :]
        edges.setdefault(crate, set())
        if above:
            edges[above[-1]].add(crate)
        above.append(crate)
    found: set[tuple[str, str, str]] = set()
    todo = [crate for crate in edges if EXPENSIVE.fullmatch(crate[0])]
    while todo:
        crate = todo.pop()
        if crate not in found:
            found.add(crate)
            todo.extend(edges[crate])
    return found


def main() -> None:
    complaints = 0
    for where, selections in ALIKE.items():
        (first, expected), *others = [(name, below(selection)) for name, selection in selections.items()]
        known = {crate for crate, _, _ in expected}
        if "aws-sdk-ec2" not in known:
            sys.exit(f"{first} does not build aws-sdk-ec2, so this compares nothing")
        for name, found in others:
            # The tests turn on the command line's feature `deployment`, which may add crates and must not change any.
            added = {crate for crate, _, _ in found} - known
            for crate, version, features in sorted(found ^ expected):
                if crate in added and where == "on a desk":
                    continue
                which = name if (crate, version, features) in found else first
                print(f"{where}: only {which} builds {crate} {version} with the features [{features}]")
                complaints += 1
    if complaints:
        sys.exit("so the SDK, or what it rests on, is compiled more than once; see the end of local/Cargo.toml")
    print("the SDK is compiled once on a desk, and once for Lambda")


if __name__ == "__main__":
    main()
