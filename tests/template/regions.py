"""What must be true of an allowlist that several Regions share (stacks/global-allowlist.yaml)."""

from cloudformation import deployed, outputs, refusals
from stack import check

REGIONS = {"Region2": "us-east-1", "Region3": "eu-west-1"}
KEY = "arn:aws:kms:{}:012345678901:key/00000000-0000-0000-0000-000000000000"
KEYS = {"KmsKeyArn": KEY.format("eu-central-1")} | {
    name.replace("Region", "KmsKeyArn"): KEY.format(region) for name, region in REGIONS.items()
}
SETS = ({"Region2": "us-east-1"}, REGIONS, REGIONS | KEYS)


def tables(stack) -> list[tuple[dict, dict]]:
    """The shared table as it is deployed, by parameters."""
    template = stack.template["Others"]["global-allowlist"]
    return [(parameters, deployed(template, parameters)["Allowlist"]) for parameters in SETS]


@check
def shared_allowlist_is_one_that_the_code_can_use(stack):
    own = stack.template["Resources"]["AllowlistTable"]["Properties"]
    for _, resource in tables(stack):
        shared = resource["Properties"]
        for alike in (
            "AttributeDefinitions",
            "BillingMode",
            "KeySchema",
            "StreamSpecification",
            "TimeToLiveSpecification",
        ):
            if shared.get(alike) != own[alike]:
                yield f"{alike} is {shared.get(alike)}, and of a table of one Region {own[alike]}"
        if resource["Type"] != "AWS::DynamoDB::GlobalTable" or "TableName" in shared:
            yield "it is no global table, or has a fixed name"
        # Transactions, by which decisions are recorded, are not to be had with strong consistency across Regions.
        if shared.get("MultiRegionConsistency", "EVENTUAL") != "EVENTUAL":
            yield "no decision can be recorded"


@check
def shared_allowlist_survives_in_each_region(stack):
    for parameters, resource in tables(stack):
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield "it is not retained"
        shared = resource["Properties"]
        if shared.get("SSESpecification") != {"SSEEnabled": True, "SSEType": "KMS"}:
            yield f"it is encrypted by {shared.get('SSESpecification')}"
        regions = [replica["Region"] for replica in shared["Replicas"]]
        if regions != ["eu-central-1", *(value for name, value in parameters.items() if name.startswith("Region"))]:
            yield f"it is in {regions} for {parameters}"
        for replica in shared["Replicas"]:
            region = replica["Region"]
            if replica.get("DeletionProtectionEnabled") is not True:
                yield f"it is not protected in {region}"
            if replica.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
                yield f"it cannot be restored in {region}"
            key = {"KMSMasterKeyId": KEY.format(region)} if "KmsKeyArn" in parameters else None
            if replica.get("SSESpecification") != key:
                yield f"it is under {replica.get('SSESpecification')} in {region}"


@check
def shared_allowlist_is_under_keys_in_all_regions_or_in_none(stack):
    template = stack.template["Others"]["global-allowlist"]
    for parameters in SETS:
        outputs(template, parameters)
        for refusal in refusals(template, parameters):
            yield f"refused: {refusal}"
    for missing in KEYS:
        if not refusals(template, {name: value for name, value in (REGIONS | KEYS).items() if name != missing}):
            yield f"taken without {missing}"
    if not refusals(template, REGIONS | KEYS | {"KmsKeyArn5": KEY.format("us-west-2")}):
        yield "a key for no Region is taken"
