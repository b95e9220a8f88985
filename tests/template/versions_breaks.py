"""Ways to break the invariants in versions.py."""

from breaks import breaks, set_to, statement, without

STARTED = "functions_are_started_by_their_alias"
for TITLE, PATH, VALUE in (
    (
        "the newest code has all edits",
        "PolicyChangesFunctionStream/Properties/FunctionName",
        {"Ref": "PolicyChangesFunction"},
    ),
    ("the newest code tells", "AnnouncementsFunctionStream/Properties/FunctionName", {"Ref": "AnnouncementsFunction"}),
    (
        "the newest code reconciles",
        "ReconcileFunctionSchedule/Properties/Target/Arn",
        {"Fn::GetAtt": ["ReconcileFunction", "Arn"]},
    ),
    (
        "the newest code takes votes",
        "ApprovalsIntegration/Properties/IntegrationUri",
        {"Fn::GetAtt": ["ApprovalsFunction", "Arn"]},
    ),
    ("the alias may not be called", "ApprovalsPermission/Properties/FunctionName", {"Ref": "ApprovalsFunction"}),
    ("failures of a version that does not run", "ReconcileFunctionEventInvokeConfig/Properties/Qualifier", "$LATEST"),
):
    set_to(STARTED, TITLE, PATH, VALUE)


@breaks(STARTED, "the schedule may start any version")
def _(template):
    statement(template, "ReconcileScheduleRole", "Start")["Resource"] = {"Fn::Sub": "${ReconcileFunction.Arn}:*"}


FOLLOW = "versions_follow_what_is_set"


def version_of(template: dict, function: str) -> dict:
    """The properties of a function's version, whose name holds a hash."""
    (name,) = (name for name in template["Resources"] if name.startswith(f"{function}Version"))
    return template["Resources"][name]["Properties"]


@breaks(FOLLOW, "a version that stays")
def _(template):
    del version_of(template, "ConnectionsFunction")["Description"]


@breaks(FOLLOW, "a version that stays after its rollout")
def _(template):
    (name,) = (name for name in template["Resources"] if name.startswith("SlackFunctionVersion"))
    template["Resources"][name]["DeletionPolicy"] = "Retain"


@breaks(FOLLOW, "a concurrency that cannot be published")
def _(template):
    content = template["Resources"]["SettingsVersion"]["Properties"]["Content"]
    content["Fn::Sub"] = content["Fn::Sub"].replace("${ApprovalsBurst}", "")


@breaks(FOLLOW, "a parameter that changes nothing")
def _(template):
    content = template["Resources"]["SettingsVersion"]["Properties"]["Content"]
    content["Fn::Sub"] = content["Fn::Sub"].replace("${ManagedServices}", "")


@breaks(FOLLOW, "of an earlier release")
def _(template):
    content = template["Resources"]["SettingsVersion"]["Properties"]["Content"]
    content["Fn::Sub"] = content["Fn::Sub"].replace('"Release":"', '"Release":"0.0.')


@breaks(FOLLOW, "an output of an earlier release")
def _(template):
    template["Outputs"]["Version"]["Value"] = "0.0.1"


@breaks(FOLLOW, "a parameter by a condition")
def _(template):
    variables = template["Resources"]["ApprovalsFunction"]["Properties"]["Environment"]["Variables"]
    variables["SLACK_TEAM_ID"] = {"Fn::If": ["KeyGiven", {"Ref": "SlackTeamId"}, {"Ref": "SlackTeamId"}]}


@breaks(FOLLOW, "under a name that is no parameter's")
def _(template):
    content = template["Resources"]["SettingsVersion"]["Properties"]["Content"]
    content["Fn::Sub"] = content["Fn::Sub"].replace('"Organizations":', '"Organisations":')


without(FOLLOW, "nothing to publish", "ReconcileFunction/Properties/Environment/Variables/SETTINGS_VERSION")

ROLLED_BACK = "new_versions_are_rolled_back_by_alarms"
GROUP = "ConnectionsFunctionDeploymentGroup/Properties"
without(ROLLED_BACK, "at once", "ReconcileFunctionAliaslive/UpdatePolicy")
set_to(ROLLED_BACK, "no alarm", f"{GROUP}/AlarmConfiguration", {})
set_to(ROLLED_BACK, "stays as it is", f"{GROUP}/AutoRollbackConfiguration/Enabled", False)
set_to(
    ROLLED_BACK,
    "by whoever",
    f"{GROUP}/ServiceRoleArn",
    {"Fn::GetAtt": ["ReconcileRole", "Arn"]},
)


@breaks(ROLLED_BACK, "alarms that keep the mending out")
def _(template):
    template["Conditions"]["Gradual"] = {"Fn::Equals": ["", ""]}


@breaks("rollouts_reach_only_these_functions", "any function")
def _(template):
    statement(template, "RolloutRole", "MoveAliases")["Resource"] = "*"
