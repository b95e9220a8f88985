"""Ways to break the invariants in regions.py."""

from breaks import breaks

USED = "shared_allowlist_is_one_that_the_code_can_use"
SURVIVES = "shared_allowlist_survives_in_each_region"


def shared(template: dict) -> dict:
    return template["Others"]["global-allowlist"]["Resources"]["Allowlist"]


@breaks(USED, "no stream of what was")
def _(template):
    shared(template)["Properties"]["StreamSpecification"]["StreamViewType"] = "KEYS_ONLY"


@breaks(USED, "forgets by expires_at")
def _(template):
    shared(template)["Properties"]["TimeToLiveSpecification"]["AttributeName"] = "expires_at"


@breaks(USED, "no transactions")
def _(template):
    shared(template)["Properties"]["MultiRegionConsistency"] = "STRONG"


@breaks(SURVIVES, "goes with the stack")
def _(template):
    del shared(template)["DeletionPolicy"]


@breaks(SURVIVES, "cannot be restored in the first Region")
def _(template):
    del shared(template)["Properties"]["Replicas"][0]["PointInTimeRecoverySpecification"]


@breaks(SURVIVES, "is not protected in the third")
def _(template):
    shared(template)["Properties"]["Replicas"][2]["Fn::If"][1]["DeletionProtectionEnabled"] = False


@breaks(SURVIVES, "under the first Region's key everywhere")
def _(template):
    replica = shared(template)["Properties"]["Replicas"][1]
    replica["SSESpecification"]["Fn::If"][1] = {"KMSMasterKeyId": {"Ref": "KmsKeyArn"}}


@breaks("shared_allowlist_is_under_keys_in_all_regions_or_in_none", "a replica without a key")
def _(template):
    del template["Others"]["global-allowlist"]["Rules"]["KeyOfRegion3"]


@breaks("shared_allowlist_is_under_keys_in_all_regions_or_in_none", "a key for nothing")
def _(template):
    del template["Others"]["global-allowlist"]["Rules"]["NoKeyOfRegion5"]
