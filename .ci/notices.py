"""Writes the licences of the crates that are linked into the functions, or into the command `gatekeeper`:

    python .ci/notices.py arm64 FILE            the functions for this architecture
    python .ci/notices.py linux-arm64 FILE      the command for this platform

Licences such as MIT and Apache-2.0 require that a program is passed on with their text and the names in it. So this
collects the files with licences and notices of each crate that is in the binaries. .ci/sbom.py knows which crates those
are.
"""

import re
import sys
from pathlib import Path

from sbom import FUNCTIONS, TARGETS, crates, linked

NOTICE = re.compile(r"(licen[cs]es?|copying|copyright|notice|unlicense)([-._].*)?", re.IGNORECASE)


def texts(crate: dict) -> list[str]:
    """The texts of the crate's files with licences and notices."""
    place = Path(crate["manifest_path"]).parent
    files = sorted(path for path in place.iterdir() if path.is_file() and NOTICE.fullmatch(path.name))
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in files]


COMMAND = {
    "linux-arm64": "aarch64-unknown-linux-gnu",
    "linux-x86_64": "x86_64-unknown-linux-gnu",
    "macos-arm64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
}


def in_it(platform: str) -> set[tuple[str, str]]:
    if platform in COMMAND:
        return set(linked("gatekeeper-cli", COMMAND[platform], "--features", "deployment"))
    return {key for function in FUNCTIONS for key in linked(f"gatekeeper-{function}", TARGETS[platform])}


def notices(platform: str) -> str:
    found = in_it(platform)
    # Many crates come with the same text, which is written once.
    users: dict[str, list[str]] = {}
    for key in sorted(found):
        crate = crates()[key]
        if crate["source"] is None:
            continue
        licence = crate["license"] or "see its repository"
        name = f"{crate['name']} {crate['version']} ({licence}), {crate['repository'] or 'https://crates.io'}"
        for text in texts(crate) or ["Comes without a text of its licence."]:
            users.setdefault(text, []).append(name)
    line = "=" * 100
    parts = [
        (
            "PrivateLink Gatekeeper is licensed under the Apache License 2.0 (LICENSE). Its programs contain the software\n"
            "below, each under its own licence, and Rust's standard library (MIT OR Apache-2.0, https://www.rust-lang.org)."
        )
    ]
    for text, names in sorted(users.items(), key=lambda each: each[1]):
        parts.append("\n".join([line, *names, line, "", text]))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in {*TARGETS, *COMMAND}:
        sys.exit(__doc__)
    text = notices(sys.argv[1])
    Path(sys.argv[2]).write_text(text, encoding="utf-8")
    print(f"{sys.argv[2]}: {len(text) // 1024} KB")


if __name__ == "__main__":
    main()
