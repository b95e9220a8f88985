"""Holds templates against AWS Control Tower's proactive controls and our own rules, by cfn-guard.

    python .ci/guard/check.py PACKAGE TEMPLATE…

PACKAGE is the folder where npm put @cdklabs/cdk-validator-cfnguard: the binary and Control Tower's rules. A finding that
exceptions.yaml does not list is a failure, and so is an exception that nothing needs.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
OWN = HERE / "gatekeeper.guard"


def binary(package: Path) -> Path:
    """The binary for this machine; none is made for Windows."""
    system = {"Darwin": "macos", "Linux": "ubuntu"}[platform.system()]
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    return package / "bin" / system / machine / "cfn-guard"


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    # 19 means that something is not compliant. The report says what.
    if done.returncode not in (0, 19):
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def resources(found) -> set[str]:
    """All resources that a finding names."""
    if isinstance(found, list):
        return set().union(*map(resources, found))
    if not isinstance(found, dict):
        return set()
    named = {
        path.split("/")[2]
        for key in ("path", "PropertyPath")
        if isinstance(path := found.get(key), str) and path.startswith("/Resources/")
    }
    return named.union(*map(resources, found.values()))


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    package, *templates = map(Path, sys.argv[1:])
    guard = binary(package)
    guard.chmod(0o755)
    exceptions = {
        (rule, resource): entry["reason"]
        for rule, entry in yaml.safe_load((HERE / "exceptions.yaml").read_text(encoding="utf-8")).items()
        for resource in entry["resources"]
    }
    failed = [f"no reason for {rule} of {resource}" for (rule, resource), why in exceptions.items() if len(why) < 40]
    run(guard, "test", "--rules-file", OWN, "--test-data", HERE / "gatekeeper_tests.yaml")
    needed = set()
    held = 0
    for template in templates:
        rules = ("--rules", package / "rules/control-tower/cfn-guard", "--rules", OWN)
        text = run(guard, "validate", "--data", template, *rules, *["--structured", "-o", "json", "-S", "none"])
        (report,) = json.loads(text)
        held += len(report["compliant"]) + len(report["not_compliant"])
        for finding in report["not_compliant"]:
            rule = finding["Rule"]["name"]
            named = resources(finding["Rule"]) or {"(no resource)"}
            needed |= {(rule, resource) for resource in named}
            failed += [
                f"{template}: {rule}: {resource}" for resource in sorted(named) if (rule, resource) not in exceptions
            ]
    failed += [f"nothing needs the exception from {rule} for {name}" for rule, name in sorted(set(exceptions) - needed)]
    for line in failed:
        print(f"FAILED {line}")
    print(f"{held} rules apply to {len(templates)} templates, {len(failed)} failures")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
