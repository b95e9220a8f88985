#!/usr/bin/env python3
"""Notices what AWS adds to the EC2 operations that are in use here.

    python .ci/model/check.py WHEEL            compares EC2's API model, in a wheel of botocore, with known.json
    python .ci/model/check.py WHEEL --breaks   shows that the check sees each kind of difference

The operations in use are those that the simulator answers (tests/facts.json), which include the product's. For each,
known.json lists what the model says, one fact a line: members of input and output at every depth, which of them are
required, values of enums, names of filters, bounds. A fact is listed under "known" if the simulator keeps to it.
Otherwise it is under a key of "not_modelled", with the reason. The check complains about each fact that is only in the
model or only in known.json, and says what to do about it. .ci/model/run fetches the wheel.
"""

import argparse
import copy
import gzip
import json
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("known.json")
SIMULATOR = ROOT / "local/aws/src/ec2"
MODEL = "botocore/data/ec2/2016-11-15/service-2.json.gz"
# Operations about endpoint services, endpoints, and what else connects to the services.
OURS = re.compile(r"VpcEndpoint|NetworkFunction")


def read_model(wheel: str) -> dict:
    with zipfile.ZipFile(wheel) as archive:
        return json.loads(gzip.decompress(archive.read(MODEL)))


def answered() -> set[str]:
    """The operations that the simulator answers."""
    return set(json.loads((ROOT / "tests/facts.json").read_text())["ec2_operations"])


def permitted() -> set[str]:
    """The operations that the template allows the product to call."""
    return set(re.findall(r"\bec2:([A-Z]\w+)", (ROOT / "template.yaml").read_text())) - {"Region", "ResourceTag"}


def words() -> set[str]:
    """All string literals in the simulator's source."""
    sources = [path.read_text() for path in sorted(SIMULATOR.glob("*.rs"))]
    return set(re.findall(r'"([^"\s]+)"', "\n".join(sources)))


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text or "").split())


class Facts:
    """What the model says of one operation: each fact, with its documentation and its name on the wire."""

    def __init__(self, model: dict, operation: str):
        self.shapes = model["shapes"]
        self.found: dict[str, tuple[str, str | None]] = {}
        described = model["operations"][operation]
        for side in ("input", "output"):
            if side in described:
                self.look(side, described[side]["shape"], (), side == "input")

    def look(self, path: str, name: str, above: tuple, asked: bool) -> None:
        shape = self.shapes[name]
        if name in above:
            return
        above = (*above, name)
        for value in shape.get("enum", ()):
            self.found[f"{path} = {value}"] = ("", None)
        if "min" in shape or "max" in shape:
            self.found[f"{path} {shape.get('min', '')}..{shape.get('max', '')}"] = ("", None)
        if shape["type"] == "list":
            self.look(f"{path}[]", shape["member"]["shape"], above, asked)
        for member, of in shape.get("members", {}).items():
            at = f"{path}.{member}"
            documentation = of.get("documentation", "")
            wire = of.get("queryName") or of.get("locationName") or member
            # The EC2 protocol writes a parameter's first letter as a capital.
            self.found[at] = (plain(documentation), wire[:1].upper() + wire[1:] if asked else wire)
            if member in shape.get("required", ()):
                self.found[f"{at} required"] = ("", None)
            if member == "Filters":
                for name_of in re.findall(r"<li>\s*<p>\s*<code>([^<]+)</code>", documentation):
                    filter_name = name_of.replace("&lt;", "<").replace("&gt;", ">")
                    self.found[f"{at} {filter_name}"] = ("", re.sub(r"<.*", "", filter_name))
            self.look(at, of["shape"], above, asked)


def covers(key: str, fact: str) -> bool:
    """Whether a key of "not_modelled" covers a fact: the key itself, what is below it, or a property of it."""
    return fact == key or fact.startswith(tuple(key + end for end in (".", "[", " ")))


def complaints(model: dict, known: dict, simulated: set[str], called: set[str], texts: set[str]) -> list[str]:
    found = []
    listed, unused = known["operations"], known["not_used"]

    for name in sorted(simulated | called):
        if name not in listed:
            found.append(f'{name} is in use and not in known.json: list it under "operations"')
    for name in sorted(set(listed) - simulated):
        found.append(f"{name} is in known.json and the simulator does not answer it: take it out")
    for name in sorted(model["operations"]):
        if OURS.search(name) and name not in listed and name not in unused:
            about = plain(model["operations"][name].get("documentation", ""))[:160]
            found.append(
                f"NEW operation {name}: {about}\n    See whether connections can come or go by it; then use it, or put it "
                'under "not_used" with the reason'
            )
    for name, reason in sorted(unused.items()):
        if name not in model["operations"]:
            found.append(f'GONE operation {name}: the model does not have it any more; take it out of "not_used"')
        if name in listed:
            found.append(f'{name} is under "operations" and under "not_used"')
        if not reason.strip():
            found.append(f"{name} is not used, and no reason is given")

    for name in sorted(listed):
        if name not in model["operations"]:
            found.append(f"GONE operation {name}: the model does not have it any more")
            continue
        facts, entry = Facts(model, name).found, listed[name]
        claimed, left_out = entry["known"], entry["not_modelled"]
        for fact, (about, _) in facts.items():
            by = [key for key in left_out if covers(key, fact)]
            if fact in claimed and by:
                found.append(f'{name}: {fact} is both "known" and under {by[0]!r} of "not_modelled"')
            if fact not in claimed and not by:
                said = f": {about[:200]}" if about else ""
                found.append(
                    f"NEW in {name}: {fact}{said}\n    1. Is it a way in, or does it change what an answer means? Then "
                    "shared/aws has to read it, and the docs to say so.\n    2. Have the simulator keep to it "
                    '(local/aws/src/ec2), and list it under "known";\n       or put it under "not_modelled" with the '
                    "reason, and say so in local/aws/README.md where that matters."
                )
        for fact in claimed:
            if fact not in facts:
                found.append(
                    f"GONE from {name}: {fact}\n    The model does not say it any more: see what became of it, and take it out"
                )
            elif (wire := facts[fact][1]) and not texts & {wire, re.sub("^(Add|Remove)", "", wire)}:
                found.append(
                    f'{name}: {fact} is "known", and {wire!r} does not stand in local/aws/src/ec2: it is not modelled'
                )
        if claimed != sorted(set(claimed)):
            found.append(f'{name}: "known" is not sorted, or has something twice')
        for key, reason in left_out.items():
            if not any(covers(key, fact) for fact in facts):
                found.append(
                    f'GONE from {name}: {key}\n    Nothing in the model is under it any more; take it out of "not_modelled"'
                )
            if not reason.strip():
                found.append(f"{name}: {key} is not modelled, and no reason is given")
    return found


ACCEPT, DESCRIBE = "AcceptVpcEndpointConnections", "DescribeVpcEndpointConnections"
BREAKS = []


def breaks(title: str, wanted: str):
    """Registers a way to break the model, known.json or the sources, and what the check has to say about it."""
    return lambda change: BREAKS.append((title, wanted, change))


def shape(model: dict, operation: str, side: str) -> dict:
    return model["shapes"][model["operations"][operation][side]["shape"]]


def item(model: dict, operation: str, member: str) -> dict:
    """The structure of the items of a list in an answer."""
    member = shape(model, operation, "output")["members"][member]["shape"]
    return model["shapes"][model["shapes"][member]["member"]["shape"]]


@breaks("a new parameter", f"NEW in {ACCEPT}: input.ResourceGatewayIds")
def _(world):
    shape(world["model"], ACCEPT, "input")["members"]["ResourceGatewayIds"] = {"shape": "String"}


@breaks("a new member of an answer, deep down", f"NEW in {DESCRIBE}: output.VpcEndpointConnections[].Tunnel")
def _(world):
    item(world["model"], DESCRIBE, "VpcEndpointConnections")["members"]["Tunnel"] = {"shape": "String"}


@breaks("a new structure with members", f"NEW in {DESCRIBE}: output.VpcEndpointConnections[].Peer.Owner")
def _(world):
    world["model"]["shapes"]["Peer"] = {"type": "structure", "members": {"Owner": {"shape": "String"}}}
    item(world["model"], DESCRIBE, "VpcEndpointConnections")["members"]["Peer"] = {"shape": "Peer"}


@breaks("a new value", "NEW in ModifyVpcEndpointServicePermissions: input.PermissionType = tunnel")
def _(world):
    name = shape(world["model"], "ModifyVpcEndpointServicePermissions", "input")["members"]["PermissionType"]["shape"]
    world["model"]["shapes"][name]["enum"].append("tunnel")


@breaks("a new filter", f"NEW in {DESCRIBE}: input.Filters tunnel-id")
def _(world):
    member = shape(world["model"], DESCRIBE, "input")["members"]["Filters"]
    member["documentation"] += "<li> <p> <code>tunnel-id</code> - The ID of the tunnel.</p> </li>"


@breaks("another bound", f"NEW in {ACCEPT}: input.TransitGatewayAttachmentIds 0..25")
def _(world):
    name = shape(world["model"], ACCEPT, "input")["members"]["TransitGatewayAttachmentIds"]["shape"]
    world["model"]["shapes"][name]["max"] = 25


@breaks("a parameter that is needed", f"NEW in {ACCEPT}: input.TransitGatewayAttachmentIds required")
def _(world):
    shape(world["model"], ACCEPT, "input")["required"].append("TransitGatewayAttachmentIds")


@breaks("a parameter that is not needed any more", f"GONE from {ACCEPT}: input.VpcEndpointIds required")
def _(world):
    shape(world["model"], ACCEPT, "input")["required"].remove("VpcEndpointIds")


@breaks("a member that went", f"GONE from {DESCRIBE}: output.VpcEndpointConnections[].VpcEndpointOwner")
def _(world):
    del item(world["model"], DESCRIBE, "VpcEndpointConnections")["members"]["VpcEndpointOwner"]


@breaks("a new operation", "NEW operation AcceptVpcEndpointTunnels")
def _(world):
    world["model"]["operations"]["AcceptVpcEndpointTunnels"] = {"name": "AcceptVpcEndpointTunnels"}


@breaks("an operation that went", f"GONE operation {ACCEPT}")
def _(world):
    del world["model"]["operations"][ACCEPT]


@breaks("an unused operation that went", "GONE operation ModifyVpcEndpoint:")
def _(world):
    del world["model"]["operations"]["ModifyVpcEndpoint"]


@breaks("an operation in use that nobody listed", f"{ACCEPT} is in use and not in known.json")
def _(world):
    del world["known"]["operations"][ACCEPT]


@breaks("a call of the product's that is not simulated", "DescribeVpcs is in use and not in known.json")
def _(world):
    world["called"].add("DescribeVpcs")


@breaks("an operation that is answered no more", f"{ACCEPT} is in known.json and the simulator does not answer it")
def _(world):
    world["simulated"].remove(ACCEPT)


@breaks("a claim that nobody keeps", "'TransitGatewayAttachmentId' does not stand in local/aws/src/ec2")
def _(world):
    world["texts"].remove("TransitGatewayAttachmentId")


@breaks("a filter that nobody answers", "'transit-gateway-attachment-id' does not stand in local/aws/src/ec2")
def _(world):
    world["texts"].remove("transit-gateway-attachment-id")


@breaks("a gap without a reason", "input.PolicyDocument is not modelled, and no reason is given")
def _(world):
    world["known"]["operations"]["CreateVpcEndpoint"]["not_modelled"]["input.PolicyDocument"] = " "


@breaks("an unused operation without a reason", "ModifyVpcEndpoint is not used, and no reason is given")
def _(world):
    world["known"]["not_used"]["ModifyVpcEndpoint"] = ""


@breaks("both modelled and not", "input.ServiceId is both \"known\" and under 'input.ServiceId'")
def _(world):
    world["known"]["operations"][ACCEPT]["not_modelled"]["input.ServiceId"] = "a reason"


@breaks("a gap where nothing is", f"GONE from {ACCEPT}: input.Nothing")
def _(world):
    world["known"]["operations"][ACCEPT]["not_modelled"]["input.Nothing"] = "a reason"


@breaks("something twice", f'{ACCEPT}: "known" is not sorted, or has something twice')
def _(world):
    world["known"]["operations"][ACCEPT]["known"].append("input.DryRun")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", help="botocore-….whl")
    parser.add_argument("--breaks", action="store_true", help="see that the check can fail")
    arguments = parser.parse_args()
    world = {
        "model": read_model(arguments.wheel),
        "known": json.loads(KNOWN.read_text()),
        "simulated": answered(),
        "called": permitted(),
        "texts": words(),
    }
    wheel = Path(arguments.wheel).name
    if arguments.breaks:
        missed = 0
        for title, wanted, change in BREAKS:
            broken = copy.deepcopy(world)
            change(broken)
            said = complaints(**broken)
            if not any(wanted in complaint for complaint in said):
                missed += 1
                print(f"NOT SEEN: {title}; wanted {wanted!r}, got {said[:3]}")
        print(f"{len(BREAKS) - missed} of {len(BREAKS)} ways to break the model and its list are seen")
        return 1 if missed or not BREAKS else 0
    said = complaints(**world)
    for complaint in said:
        print(complaint)
    if said:
        print(f"\n{len(said)} differences between {wheel} and .ci/model/known.json")
        return 1
    facts = sum(len(Facts(world["model"], name).found) for name in world["known"]["operations"])
    print(f"{wheel}: {facts} facts about {len(world['known']['operations'])} operations, all known")
    return 0


if __name__ == "__main__":
    sys.exit(main())
