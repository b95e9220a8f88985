"""Ways to break the invariants in writers.py."""

from breaks import breaks, set_to, without

OTHERS = "nobody_else_writes_to_topics_and_queues"
OWN = "those_whom_topics_and_queues_are_for_can_write"
PAST = "no_queue_is_filled_past_its_policy"


def policy(template: dict, name: str) -> list:
    return template["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]


def denial(template: dict, name: str, sid: str) -> dict:
    return next(statement for statement in policy(template, name) if statement["Sid"] == sid)


DENIALS = {
    "ConnectionNotificationTopicPolicy": ["OnlyServicesWrite"],
    "AnnouncementsTopicPolicy": ["OnlyGatekeeperWrites"],
    "ApprovalsTopicPolicy": ["OnlyGatekeeperWrites"],
    "AlarmsTopicPolicy": ["OnlyServicesWrite"],
    "ConnectionsQueuePolicy": ["OnlyServicesSend"],
    "SlackQueuePolicy": ["OnlyServicesSend"],
    "DeliveryDeadLetterQueuePolicy": ["OnlyServicesSend"],
    "DeadLetterQueuesPolicy": ["NobodySends", "OnlyPolicyChangesSends", "OnlyReconcileSends", "OnlyAnnouncementsSends"],
}
for POLICY, SIDS in DENIALS.items():
    for SID in SIDS:

        @breaks(OTHERS, f"{POLICY} without {SID}")
        def _(template, name=POLICY, sid=SID):
            policy(template, name).remove(denial(template, name, sid))

        @breaks(OTHERS, f"{POLICY}: {SID} for one account only")
        def _(template, name=POLICY, sid=SID):
            denial(template, name, sid)["Principal"] = {"AWS": "arn:aws:iam::012345678901:root"}


for POLICY in ("ConnectionNotificationTopicPolicy", "AlarmsTopicPolicy", "ConnectionsQueuePolicy"):

    @breaks(OTHERS, f"{POLICY}: a condition on a key that need not be there")
    def _(template, name=POLICY):
        condition = denial(template, name, DENIALS[name][0])["Condition"]
        condition["Bool"] = condition.pop("BoolIfExists")

    @breaks(OWN, f"{POLICY}: as the approvers' topic has it")
    def _(template, name=POLICY):
        condition = denial(template, name, DENIALS[name][0])["Condition"]
        del condition["BoolIfExists"]
        condition["ArnNotEquals"] = {"aws:PrincipalArn": {"Fn::GetAtt": ["ConnectionsRole", "Arn"]}}


@breaks(OTHERS, "batches only")
def _(template):
    denial(template, "ConnectionsQueuePolicy", "OnlyServicesSend")["Action"] = "sqs:SendMessageBatch"


@breaks(OTHERS, "another queue's")
def _(template):
    other = {"Fn::GetAtt": ["DeliveryDeadLetterQueue", "Arn"]}
    denial(template, "ConnectionsQueuePolicy", "OnlyServicesSend")["Resource"] = other


@breaks(OTHERS, "any role of the account")
def _(template):
    excepted = denial(template, "AnnouncementsTopicPolicy", "OnlyGatekeeperWrites")["Condition"]["ArnNotEquals"]
    excepted["aws:PrincipalArn"].append({"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"})


@breaks(OTHERS, "roles whose names begin alike")
def _(template):
    excepted = denial(template, "AnnouncementsTopicPolicy", "OnlyGatekeeperWrites")["Condition"]["ArnNotEquals"]
    excepted["aws:PrincipalArn"].append({"Fn::Sub": "${ConnectionsRole.Arn}*"})


@breaks(OTHERS, "a function that announces nothing")
def _(template):
    excepted = denial(template, "AnnouncementsTopicPolicy", "OnlyGatekeeperWrites")["Condition"]["ArnNotEquals"]
    excepted["aws:PrincipalArn"].append({"Fn::GetAtt": ["RolloutRole", "Arn"]})


@breaks(OTHERS, "who moves messages back puts them aside, too")
def _(template):
    given = denial(template, "ConnectionsQueuePolicy", "OnlyServicesSend")["Condition"]["ArnNotEquals"]
    denial(template, "DeadLetterQueuesPolicy", "NobodySends")["Condition"]["ArnNotEquals"] = given


@breaks(OTHERS, "two policies for one topic")
def _(template):
    template["Resources"]["Extra"] = template["Resources"]["AnnouncementsTopicPolicy"]


set_to(OTHERS, "a new topic", "Extra", {"Type": "AWS::SNS::Topic", "Properties": {}})
set_to(OTHERS, "a new queue", "Extra", {"Type": "AWS::SQS::Queue", "Properties": {}})


@breaks(OTHERS, "a queue of another template")
def _(template):
    template["Others"]["global-allowlist"]["Resources"]["Extra"] = {"Type": "AWS::SQS::Queue"}


@breaks(OWN, "sessions instead of roles")
def _(template):
    sessions = {"Fn::Sub": "arn:${AWS::Partition}:sts::${AWS::AccountId}:assumed-role/${ReconcileRole}/*"}
    excepted = denial(template, "DeadLetterQueuesPolicy", "OnlyReconcileSends")["Condition"]["ArnNotEquals"]
    excepted["aws:PrincipalArn"][0] = sessions


@breaks(OWN, "one function may not announce")
def _(template):
    excepted = denial(template, "AnnouncementsTopicPolicy", "OnlyGatekeeperWrites")["Condition"]["ArnNotEquals"]
    excepted["aws:PrincipalArn"].pop()


@breaks(OWN, "missed runs are not put aside")
def _(template):
    excepted = denial(template, "DeadLetterQueuesPolicy", "OnlyReconcileSends")["Condition"]["ArnNotEquals"]
    excepted["aws:PrincipalArn"] = excepted["aws:PrincipalArn"][:1]


for POLICY in ("ConnectionsQueuePolicy", "SlackQueuePolicy"):

    @breaks(OWN, f"{POLICY}: nobody can move messages back")
    def _(template, name=POLICY):
        del denial(template, name, "OnlyServicesSend")["Condition"]["ArnNotEquals"]


for QUEUE in (
    "ConnectionsQueue",
    "SlackQueue",
    "DeliveryDeadLetterQueue",
    "PolicyChangesDeadLetterQueue",
    "ReconcileDeadLetterQueue",
    "AnnouncementsDeadLetterQueue",
):
    without(PAST, f"{QUEUE} is open", f"{QUEUE}/Properties/RedriveAllowPolicy")
set_to(
    PAST,
    "takes what it is for no more",
    "ConnectionsDeadLetterQueue/Properties/RedriveAllowPolicy",
    {"redrivePermission": "denyAll"},
)
