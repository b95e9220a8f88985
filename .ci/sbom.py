"""Writes each function's software bill of materials: python .ci/sbom.py arm64 DIRECTORY

CycloneDX, JSON, as connections.cdx.json and so on. A bill lists what is linked into that function's `bootstrap` for
that architecture: crates with the features that this function gives them, as `cargo tree` tells, under the checksums of
Cargo.lock. (Plugins of cargo that write such files go by the features of the whole workspace, and list crates that no
function has in it.) A bill depends on the sources alone: no time, no random number, no path. Needs what
.ci/requirements.txt lists.
"""

import functools
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft7Validator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# A line of `cargo tree --prefix depth`: how deep, what, and "(*)" where it has been spread out before.
LINE = re.compile(r"(\d+)(\S+) v(\S+)")


def cargo(*arguments: str) -> str:
    command = [os.environ.get("CARGO", "cargo"), *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout


def linked(package: str, target: str, *features: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """The crates in the package's binary, itself included, each with those that it depends on."""
    # Macros run when the function is built, and are not in the binary.
    edges = "normal,no-proc-macro"
    where = ("--package", package, "--target", target, *features)
    tree = cargo("tree", "--locked", *where, "--edges", edges, "--prefix", "depth")
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    above: list[tuple[str, str]] = []
    for line in tree.splitlines():
        if not line:
            continue
        depth, name, version = LINE.match(line).groups()
        del above[int(depth) :]
        found.setdefault((name, version), set())
        if above:
            found[above[-1]].add((name, version))
        above.append((name, version))
    return found


@functools.cache
def crates() -> dict[tuple[str, str], dict]:
    """What their authors say of the crates, by name and version."""
    packages = json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]
    return {(crate["name"], crate["version"]): crate for crate in packages}


def bill(package: str, target: str) -> Bom:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(crate["name"], crate["version"]): crate.get("checksum") for crate in lock["package"]}
    licences = LicenseFactory()

    def component(name: str, version: str) -> Component:
        crate, checksum = crates()[name, version], checksums[name, version]
        url = crate["repository"] or (f"https://crates.io/crates/{name}" if checksum else None)
        # Some old crates write "/" where they mean OR.
        licence = (crate["license"] or "").replace("/", " OR ")
        return Component(
            type=ComponentType.APPLICATION if name == package else ComponentType.LIBRARY,
            name=name,
            version=version,
            description=" ".join((crate["description"] or "").split()) or None,
            licenses=[licences.make_from_string(licence)] if licence else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
            purl=PackageURL("cargo", name=name, version=version) if checksum else None,
            bom_ref=f"{name}@{version}",
            external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(url))] if url else [],
        )

    found = linked(package, target)
    components = {key: component(*key) for key in sorted(found)}
    top = next(each for (name, _), each in components.items() if name == package)
    bom = Bom(components=[each for each in components.values() if each is not top])
    bom.metadata.component = top
    # Rust's standard library is linked too, and cargo does not list it.
    rust = re.search(r'channel = "(\S+)"', (ROOT / "rust-toolchain.toml").read_text(encoding="utf-8")).group(1)
    standard = Component(
        type=ComponentType.LIBRARY,
        name="rust-std",
        version=rust,
        description="Rust's standard library",
        licenses=[licences.make_from_string("MIT OR Apache-2.0")],
        bom_ref=f"rust-std@{rust}",
        external_references=[
            ExternalReference(type=ExternalReferenceType.VCS, url=XsUri("https://github.com/rust-lang/rust"))
        ],
    )
    bom.components.add(standard)
    for key, below in found.items():
        refs = [components[each].bom_ref for each in sorted(below)]
        if components[key] is top:
            refs.append(standard.bom_ref)
        bom.dependencies.add(Dependency(components[key].bom_ref, [Dependency(ref) for ref in refs]))
    return bom


def written(bom: Bom) -> str:
    """The bill as text, without the time and the random serial number that the library puts in."""
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    # The validator parses each address by a grammar, which takes most of its time. All bills have the same ones.
    formats = Draft7Validator.FORMAT_CHECKER
    is_address, raises = formats.checkers["iri-reference"]
    formats.checkers["iri-reference"] = functools.cache(is_address), raises
    for function in FUNCTIONS:
        text = written(bill(f"gatekeeper-{function}", TARGETS[sys.argv[1]]))
        wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
        if wrong:
            sys.exit(f"the bill of {function} is not valid CycloneDX: {wrong}")
        Path(sys.argv[2], f"{function}.cdx.json").write_text(text, encoding="utf-8")
        print(f"{function}: {len(json.loads(text)['components'])} components")


if __name__ == "__main__":
    main()
