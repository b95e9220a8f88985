"""Checks that what the documents name exists, and that their sums are right.

    python tests/docs/documents.py             checks tests and metrics in docs, links, and the sums of docs/cost.md
    python tests/docs/documents.py --breaks    shows that each of these checks can fail

It needs nothing but Python.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import cost  # noqa: E402 (beside the document that it writes)

PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("local/aws/*.md")]
)

# `scenarios/votes.rs::no_token_is_stored_anywhere`
TEST = re.compile(r"`([\w./-]+\.(?:rs|py))::(\w+)`")
# [text](target), but not in code.
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def is_test(path, name):
    """Whether a file has a test of this name. In Python, any function counts."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.search(rf"^def {name}\(", text, re.MULTILINE) is not None
    # Only attributes and comments may be between the attribute and the function.
    plain = rf"#\[(?:tokio::)?test\b[^\n]*\]\n(?:[ \t]*(?:#\[|//)[^\n]*\n)*[ \t]*(?:async )?fn {name}\("
    drawn = rf"^[ \t]+fn {name}\([^)]*\bin\b"  # proptest!
    return re.search(plain, text) is not None or re.search(drawn, text, re.MULTILINE) is not None


def tests_exist(page, text):
    for file, name in TEST.findall(text):
        places = [ROOT / file, ROOT / "tests" / "tests" / file]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            yield f"{page}: there is no {file}"
        elif not is_test(path, name):
            yield f"{page}: {file} has no test {name}"


def anchors(path):
    """GitHub's names of a page's headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL), re.M
    )
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def links_lead_somewhere(page, text):
    for target in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        if not path.exists():
            yield f"{page}: {target} leads nowhere"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            yield f"{page}: {target} names no heading"


def sums_are_right(page, text):
    """docs/cost.md has the tables that docs/cost.py computes."""
    if page == "docs/cost.md" and cost.TABLES not in text:
        yield f"{page}: `python docs/cost.py` computes other tables"


def threats_have_proofs(page, text):
    """Each row of the threat model ends with the test that proves its control."""
    if page != "docs/threat-model.md":
        return
    in_threats = text.partition("\n## Threats\n")[2].partition("\n## What is not protected\n")[0]
    for row in re.findall(r"^\| (.+) \|$", in_threats, re.MULTILINE):
        cells = row.split(" | ")
        if len(cells) != 3 or not (TEST.search(cells[2]) or cells[2] in ("proof", "---", "`.ci/run`")):
            yield f"{page}: nothing proves the control against: {cells[0]}"


SOURCES = [path for folder in ("shared", "functions") for path in (ROOT / folder).rglob("src/**/*.rs")]
TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
# Held to the code by tests/tests/scenarios/facts.rs.
FACTS = json.loads((ROOT / "tests/facts.json").read_text(encoding="utf-8"))


def metrics_and_lines_are_those_of_the_code(page, text):
    """docs/messages.md lists the metrics and log lines that the functions write."""
    if page != "docs/messages.md":
        return
    code = "\n".join(path.read_text(encoding="utf-8").partition("#[cfg(test)]")[0] for path in SOURCES)
    written = set(FACTS["metrics"])
    # And those that CloudWatch makes of the access log.
    written |= set(re.findall(r"^ +MetricName: (\w+)\n +MetricValue:", TEMPLATE, re.MULTILINE))
    lines, _, metrics = text.partition("\n## Logs and metrics\n")[2].partition("| metric |")
    listed = set(
        re.findall(r"`([A-Z]\w+)`", "".join(row.split("|")[1] for row in re.findall(r"^\|.*$", metrics, re.MULTILINE)))
    )
    for name in sorted(written - listed):
        yield f"{page}: the metric {name} is not listed"
    for name in sorted(listed - written):
        yield f"{page}: nothing writes the metric {name}"
    for message, fields in re.findall(r"^\| `([^`]+)` \| [A-Z]+ \| (.+) \|$", lines, re.MULTILINE):
        # In the macro's arguments, the message comes last.
        call = re.search(rf"tracing::\w+!\(([^;]*?)\"{re.escape(message)}\"\s*\)", code)
        if call is None:
            yield f"{page}: nothing logs {message!r}"
            continue
        arguments = call[1].rpartition("tracing::")[2]
        for field in re.findall(r"`(\w+)`", fields):
            if not re.search(rf"\b{field}\b", arguments):
                yield f"{page}: the line {message!r} has no field {field}"


CHECKS = [
    metrics_and_lines_are_those_of_the_code,
    tests_exist,
    links_lead_somewhere,
    sums_are_right,
    threats_have_proofs,
]
BREAKS = [
    (metrics_and_lines_are_those_of_the_code, "docs/messages.md", "| `Votes` |", "| `Vote` |"),
    (metrics_and_lines_are_those_of_the_code, "docs/messages.md", "| `reconciled` |", "| `reconcile is done` |"),
    (
        metrics_and_lines_are_those_of_the_code,
        "docs/messages.md",
        "`verdict`, `rule`, `reason`, `decided_by`, `from`",
        "`verdikt`",
    ),
    (tests_exist, "docs/threat-model.md", "::no_token_is_stored_anywhere`", "::no_such_test`"),
    (tests_exist, "docs/threat-model.md", "`scenarios/votes.rs::", "`scenarios/nothing.rs::"),
    (tests_exist, "docs/threat-model.md", "::s4_the_owner_is_who_ec2_says_whatever_an_event_says`", "::WORLD`"),
    (links_lead_somewhere, "docs/threat-model.md", "(../SECURITY.md)", "(SECURITY.md)"),
    (links_lead_somewhere, "docs/approvals.md", "(adr/0009-approvals.md)", "(adr/0009-approvals.md#nothing)"),
    (sums_are_right, "docs/cost.md", "| **all of it** | **", "| **all of it** | **1"),
    (threats_have_proofs, "docs/threat-model.md", "`tests/template/invariants.py::tables_survive`", "trust us"),
]


def complaints_of(check, pages):
    return [complaint for page, text in pages.items() for complaint in check(page, text)]


def main(arguments):
    pages = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
    if arguments not in ([], ["--breaks"]):
        raise SystemExit(__doc__)
    if not arguments:
        wrong = [complaint for check in CHECKS for complaint in complaints_of(check, pages)]
    else:
        wrong = []
        for check, page, old, new in BREAKS:
            broken = pages[page].replace(old, new)
            if broken == pages[page]:
                wrong.append(f"{check.__name__}: {old} is not in {page}")
            elif not complaints_of(check, {page: broken}):
                wrong.append(f"{check.__name__}: {new} in {page} is not seen")
        wrong += [f"no break for {check.__name__}" for check in CHECKS if check not in {broken[0] for broken in BREAKS}]
    for complaint in wrong:
        print(f"FAILED {complaint}")
    print(f"{len(BREAKS) if arguments else len(pages)} {'breaks' if arguments else 'pages'}, {len(wrong)} complaints")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
