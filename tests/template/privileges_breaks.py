"""Ways to break the roles and the record; `privileges.py FOLDER --breaks` wants each of them to be seen.

A break is what is broken, some words of the complaint that it must bring about, and the damage.
"""

import copy
from collections.abc import Callable

from breaks import statement
from iam import Ask
from invariants import UNCHECKED

BREAKS: list[tuple[str, str, Callable]] = []


def breaks(title: str, complaint: str):
    """Registers the damage that follows, to a translated template and a record."""

    def register(damage):
        BREAKS.append((title, complaint, damage))
        return damage

    return register


def unseen(compared: Callable, template: dict, record: dict) -> tuple[int, list[str]]:
    """How many breaks there are, and those that bring about no complaint that was not there without them."""
    failed = []
    before = set(compared(template, record))
    for title, complaint, damage in BREAKS:
        broken = copy.deepcopy(template), copy.deepcopy(record)
        damage(*broken)
        try:
            after = compared(*broken)
        except Exception as error:  # noqa: BLE001
            after = [f"{UNCHECKED}: {type(error).__name__}: {error}"]
        if broken == (template, record):
            failed.append(f"{title}: changed nothing")
        elif not any(complaint in line for line in after if line not in before):
            failed.append(f"{title}: not seen")
    return len(BREAKS), failed


def statements(template: dict, role: str) -> list[dict]:
    return template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]


def arn(rest: str) -> dict:
    service, resource = rest.split(":", 1)
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"}


def forget(record: dict, function: str, wanted: Callable[[Ask], bool]) -> None:
    """Has a function never have asked for something."""
    for asked in record.values():
        asked[function] = {ask for ask in asked[function] if not wanted(ask)}


# --------------------------------------------------------------------------- less than the functions need


@breaks("an action too few", "ConnectionsRole refuses ConnectionsFunction dynamodb:UpdateItem")
def _(template, record):
    statement(template, "ConnectionsRole", "WriteRequests")["Action"].remove("dynamodb:UpdateItem")


@breaks("a table too few", "SlackRole refuses SlackFunction dynamodb:BatchGetItem on ${AllowlistTable.Arn}")
def _(template, record):
    statement(template, "SlackRole", "ReadSettings")["Resource"] = {"Fn::GetAtt": ["RequestsTable", "Arn"]}


@breaks("no index", "/index/open")
def _(template, record):
    statement(template, "ReconcileRole", "ReadOpenRequests")["Resource"] = {"Fn::GetAtt": ["RequestsTable", "Arn"]}


@breaks("a topic too few", "AnnouncementsRole refuses AnnouncementsFunction sns:Publish on ${AnnouncementsTopic}")
def _(template, record):
    statement(template, "AnnouncementsRole", "Announce")["Resource"] = [{"Ref": "ApprovalsTopic"}]


@breaks("a partition too few", "dynamodb:LeadingKeys usage#x")
def _(template, record):
    for one in statements(template, "ApprovalsRole"):
        keys = one.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
        if "usage#*" in keys:
            keys.remove("usage#*")


@breaks("another tag", "ReconcileRole refuses ReconcileFunction ec2:AcceptVpcEndpointConnections")
def _(template, record):
    statement(template, "ReconcileRole", "DecideTaggedServices")["Condition"] = {
        "StringEquals": {"aws:ResourceTag/privatelink-gatekeeper": "on"}
    }


@breaks("other services than are listed", "ConnectionsRole refuses ConnectionsFunction ec2:")
def _(template, record):
    statement(template, "ConnectionsRole", "DecideListedServices")["Resource"] = {
        "Fn::Sub": "arn:*:ec2:*:*:vpc-endpoint-service/${ManagedServices},"
    }


@breaks("decisions denied", "ConnectionsRole refuses ConnectionsFunction ec2:AcceptVpcEndpointConnections")
def _(template, record):
    statements(template, "ConnectionsRole").append(
        {"Sid": "Never", "Effect": "Deny", "Action": "ec2:Accept*", "Resource": "*"}
    )


@breaks("cannot look accounts up", "organizations:ListParents")
def _(template, record):
    template["Conditions"]["OrganizationsOn"] = {"Fn::Equals": [{"Ref": "Organizations"}, "yes"]}


@breaks("cannot see who may connect", "ec2:DescribeVpcEndpointServicePermissions")
def _(template, record):
    statement(template, "ReconcileRole", "WatchListedServices")["Action"] = "ec2:DescribeVpcEndpointServices"


@breaks("may not read the stream", "PolicyChangesRole refuses PolicyChangesFunction dynamodb:GetRecords")
def _(template, record):
    statement(template, "PolicyChangesRole", "ReadStream")["Action"].remove("dynamodb:GetRecords")


@breaks("may not take from the queue", "SlackRole refuses SlackFunction sqs:ReceiveMessage")
def _(template, record):
    statement(template, "SlackRole", "TakeFromQueue")["Resource"] = {"Fn::GetAtt": ["ConnectionsQueue", "Arn"]}


@breaks("keeps no failed edits", "sqs:SendMessage on ${PolicyChangesDeadLetterQueue.Arn}")
def _(template, record):
    statement(template, "PolicyChangesRole", "HandOverFailedEdits")["Resource"] = {
        "Fn::GetAtt": ["ConnectionsQueue", "Arn"]
    }


@breaks("writes no log", "PolicyChangesRole refuses PolicyChangesFunction logs:PutLogEvents")
def _(template, record):
    statement(template, "PolicyChangesRole", "Log")["Resource"] = {"Fn::GetAtt": ["ReconcileLog", "Arn"]}


@breaks("sends no traces", "ReconcileRole refuses ReconcileFunction xray:PutTraceSegments")
def _(template, record):
    statement(template, "ReconcileRole", "TracingHasNoResourceLevel")["Action"] = ["xray:PutTelemetryRecords"]


@breaks("starts nothing", "ReconcileScheduleRole refuses EventBridge Scheduler lambda:InvokeFunction")
def _(template, record):
    statement(template, "ReconcileScheduleRole", "Start")["Resource"] = {"Fn::GetAtt": ["ApprovalsFunction", "Arn"]}


@breaks("topics under another service's key", "AnnouncementsRole refuses AnnouncementsFunction kms:GenerateDataKey")
def _(template, record):
    condition = statement(template, "AnnouncementsRole", "TopicsKey")["Condition"]["StringEquals"]
    condition["kms:ViaService"] = {"Fn::Sub": "sqs.${AWS::Region}.${AWS::URLSuffix}"}


@breaks("tables without their key", "ConnectionsRole refuses ConnectionsFunction kms:DescribeKey")
def _(template, record):
    statement(template, "ConnectionsRole", "TablesKey")["Action"].remove("kms:DescribeKey")


@breaks(
    "the function does something new", "ApprovalsRole refuses ApprovalsFunction dynamodb:PutItem on ${AllowlistTable"
)
def _(template, record):
    ask = Ask("dynamodb:PutItem", "${AllowlistTable.Arn}")
    next(iter(record.values()))["ApprovalsFunction"].add(ask)


@breaks("no bus", "AnnouncementsRole refuses AnnouncementsFunction events:PutEvents")
def _(template, record):
    statement(template, "AnnouncementsRole", "PutOnBus")["Resource"] = {"Ref": "AnnouncementsTopic"}


# --------------------------------------------------------------------------- more than the functions need


@breaks("puts events where there is no bus", "AnnouncementsRole/PutOnBus: events:PutEvents")
def _(template, record):
    put = statement(template, "AnnouncementsRole", "PutOnBus")
    statements(template, "AnnouncementsRole").append(
        put | {"Sid": "PutOnBus", "Resource": arn("events:event-bus/default")}
    )


@breaks("whoever decides may put events", "ConnectionsRole/PutOnBus: events:PutEvents")
def _(template, record):
    put = statement(template, "AnnouncementsRole", "PutOnBus")
    statements(template, "ConnectionsRole").append({"Fn::If": ["EventBusOn", put, {"Ref": "AWS::NoValue"}]})


@breaks("an action too many", "ReconcileRole/WriteRequests: dynamodb:Scan")
def _(template, record):
    statement(template, "ReconcileRole", "WriteRequests")["Action"].append("dynamodb:Scan")


@breaks("writes the policy", "ConnectionsRole/ReadPolicy: dynamodb:PutItem")
def _(template, record):
    statement(template, "ConnectionsRole", "ReadPolicy")["Action"].append("dynamodb:PutItem")


@breaks("writes requests through the index", "PolicyChangesRole/ReadOpenRequests: dynamodb:UpdateItem")
def _(template, record):
    statement(template, "PolicyChangesRole", "ReadOpenRequests")["Action"] = ["dynamodb:Query", "dynamodb:UpdateItem"]


@breaks("whoever shows may decide", "SlackRole/DecideListedServices")
def _(template, record):
    statements(template, "SlackRole").append(statement(template, "ApprovalsRole", "DecideListedServices"))


@breaks("whoever shows may write e-mails", "SlackRole/Announce")
def _(template, record):
    statements(template, "SlackRole").append(statement(template, "AnnouncementsRole", "Announce"))


@breaks("looks accounts up unasked", "organizations:ListParents on *: nothing asks for it")
def _(template, record):
    statements(template, "PolicyChangesRole").append(statement(template, "ConnectionsRole", "WhereAnyAccountSits"))


@breaks("looks at services although they are listed", "nothing asks for it, with listed services")
def _(template, record):
    statement(template, "ApprovalsRole", "DescribeHasNoResourceLevel")["Action"] = [
        "ec2:DescribeVpcEndpointConnections",
        "ec2:DescribeVpcEndpointServiceConfigurations",
    ]


@breaks("a secret where there is no Slack", "ApprovalsRole/ReadSlackSecret")
def _(template, record):
    one = statement(template, "ApprovalsRole", "ReadSlackSecret")
    statements(template, "ApprovalsRole").append({**one, "Resource": arn("secretsmanager:secret:slack-AbCdEf")})


@breaks("tables' key although there is none", "PolicyChangesRole/TablesKey")
def _(template, record):
    one = statement(template, "PolicyChangesRole", "TablesKey")
    statements(template, "PolicyChangesRole").append(
        {**one, "Resource": {"Fn::If": ["OwnKey", {"Fn::GetAtt": ["Key", "Arn"]}, {"Ref": "KmsKeyArn"}]}}
    )


@breaks("a role that nobody takes on", "Extra/Log: logs:PutLogEvents")
def _(template, record):
    template["Resources"]["Extra"] = copy.deepcopy(template["Resources"]["ConnectionsRole"])


@breaks("writes alarms", "AnnouncementsRole/Announce: sns:Publish on ${AlarmsTopic}")
def _(template, record):
    statement(template, "AnnouncementsRole", "Announce")["Resource"].append({"Ref": "AlarmsTopic"})


@breaks("whoever decides may publish", "ConnectionsRole/Announce: sns:Publish")
def _(template, record):
    statements(template, "ConnectionsRole").append(statement(template, "AnnouncementsRole", "Announce"))


@breaks("another partition", "for state")
def _(template, record):
    keys = statement(template, "SlackRole", "KeepPrompts")["Condition"]["ForAllValues:StringLike"]
    keys["dynamodb:LeadingKeys"].append("state")


@breaks("the function does something no more", "ReconcileRole/WatchRule: events:DescribeRule")
def _(template, record):
    forget(record, "ReconcileFunction", lambda ask: ask.action == "events:DescribeRule")


@breaks("no more decisions by votes", "ApprovalsRole/DecideListedServices: ec2:RejectVpcEndpointConnections")
def _(template, record):
    forget(record, "ApprovalsFunction", lambda ask: ask.action == "ec2:RejectVpcEndpointConnections")


@breaks("nothing recorded of a function", "PolicyChangesRole/ReadPolicy")
def _(template, record):
    forget(record, "PolicyChangesFunction", lambda ask: True)


@breaks("nothing recorded", "ConnectionsRole/ReadPolicy")
def _(template, record):
    record.clear()


# ------------------------------------------------------------------------------ what is somebody else's


def reaching(title: str, role: str, sid: str, action: str, resource: str) -> None:
    """A statement that also lets its role at what is somebody else's."""

    @breaks(title, f"{role} allows {action}")
    def _(template, record):
        statement(template, role, sid)["Resource"] = resource


for TITLE, ROLE, SID, ACTION, RESOURCE in (
    ("any topic", "AnnouncementsRole", "Announce", "sns:Publish", "*"),
    ("any table", "ReconcileRole", "ReadPolicy", "dynamodb:BatchGetItem", arn("dynamodb:table/*")),
    ("any stream", "PolicyChangesRole", "ReadStream", "dynamodb:GetRecords", arn("dynamodb:table/*/stream/*")),
    ("any bus", "AnnouncementsRole", "PutOnBus", "events:PutEvents", arn("events:event-bus/*")),
    ("any rule", "ReconcileRole", "WatchRule", "events:DescribeRule", arn("events:rule/*")),
    ("any log", "ConnectionsRole", "Log", "logs:PutLogEvents", arn("logs:log-group:*")),
    ("any queue", "ConnectionsRole", "TakeFromQueue", "sqs:ReceiveMessage", "*"),
    ("starts any function", "ReconcileScheduleRole", "Start", "lambda:InvokeFunction", arn("lambda:function:*")),
    ("any secret", "SlackRole", "ReadSlackSecret", "secretsmanager:GetSecretValue", arn("secretsmanager:secret:*")),
):
    reaching(TITLE, ROLE, SID, ACTION, RESOURCE)


@breaks("tagged or not", "ApprovalsRole allows ec2:AcceptVpcEndpointConnections")
def _(template, record):
    del statement(template, "ApprovalsRole", "DecideTaggedServices")["Condition"]


@breaks("listed or not", "ConnectionsRole allows ec2:RejectVpcEndpointConnections")
def _(template, record):
    statement(template, "ConnectionsRole", "DecideListedServices")["Resource"] = arn("ec2:vpc-endpoint-service/*")


@breaks("any partition by votes", "ApprovalsRole allows dynamodb:")
def _(template, record):
    for one in statements(template, "ApprovalsRole"):
        if "ForAllValues:StringLike" in one.get("Condition", {}):
            del one["Condition"]


@breaks("prompts in any partition", "SlackRole allows dynamodb:PutItem")
def _(template, record):
    del statement(template, "SlackRole", "KeepPrompts")["Condition"]


@breaks("the topics' key for anything", "AnnouncementsRole allows kms:Decrypt")
def _(template, record):
    del statement(template, "AnnouncementsRole", "TopicsKey")["Condition"]


@breaks("the tables' key for anything", "ReconcileRole allows kms:ReEncryptFrom")
def _(template, record):
    del statement(template, "ReconcileRole", "TablesKey")["Condition"]


@breaks("anybody's secrets", "SlackRole allows kms:Decrypt")
def _(template, record):
    condition = statement(template, "SlackRole", "SlackSecretKey")["Condition"]["StringEquals"]
    del condition["kms:EncryptionContext:SecretARN"]


@breaks("any key for the topics", "AnnouncementsRole allows kms:GenerateDataKey")
def _(template, record):
    statement(template, "AnnouncementsRole", "TopicsKey")["Resource"] = arn("kms:key/*")


# ------------------------------------------------------------------------------------ what is not known


@breaks("an operator that is not known", f"{UNCHECKED}: NotImplementedError")
def _(template, record):
    condition = statement(template, "AnnouncementsRole", "TopicsKey")["Condition"]
    condition["StringNotEquals"] = condition.pop("StringEquals")


@breaks("a wildcard in an action", f"{UNCHECKED}: NotImplementedError")
def _(template, record):
    statement(template, "ReconcileRole", "WatchRule")["Action"] = "events:Describe*"


@breaks("everything but", f"{UNCHECKED}: NotImplementedError")
def _(template, record):
    one = statement(template, "AnnouncementsRole", "Announce")
    one["NotAction"] = one.pop("Action")


@breaks("a function that nobody deploys", f"{UNCHECKED}: ValueError")
def _(template, record):
    next(iter(record.values()))["NobodysFunction"] = set()


@breaks(
    "queues whose names begin like the queue's",
    "${ConnectionsQueue.Arn}-stranger, which ConnectionsFunction never asks for",
)
def _(template, record):
    statement(template, "ConnectionsRole", "TakeFromQueue")["Resource"] = {"Fn::Sub": "${ConnectionsQueue.Arn}*"}


@breaks(
    "functions whose names begin like a function's",
    "${ReconcileFunction.Arn}-stranger, which CodeDeploy never asks for",
)
def _(template, record):
    statement(template, "RolloutRole", "MoveAliases")["Resource"].append({"Fn::Sub": "${ReconcileFunction.Arn}*"})
