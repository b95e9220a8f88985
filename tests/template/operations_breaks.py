"""Ways to break the invariants in operations.py."""

from breaks import breaks, set_to, without, without_alarm


def dashboard(template: dict) -> list:
    """The body of the dashboard, to be changed in place: the text, and what is put into it."""
    return template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def replaced(check: str, title: str, old: str, new: str) -> None:
    @breaks(check, title)
    def _(template):
        body = dashboard(template)
        assert old in body[0], old
        body[0] = body[0].replace(old, new)


SHOWN = "dashboard_shows_all_alarms"
replaced(SHOWN, "an alarm that is not shown", '"${ForbiddenAlarm.Arn}",', "")


@breaks(SHOWN, "Slack's are not shown")
def _(template):
    dashboard(template)[1]["SlackAlarms"] = ""


MEASURED = "dashboard_shows_what_is_measured"
replaced(
    MEASURED,
    "another stack",
    '"OldestUndecidedSeconds","stack","${AWS::StackName}"',
    '"OldestUndecidedSeconds","stack","other"',
)
replaced(MEASURED, "what nobody writes", '"UnsubscribedTopics"', '"OtherTopics"')
replaced(MEASURED, "a search for all stacks", 'stack=\\"${AWS::StackName}\\"', "")
replaced(MEASURED, "a queue by name", '"${ConnectionsQueue.QueueName}"', '"connections"')
replaced(MEASURED, "another Region", '"region":"${AWS::Region}"', '"region":"us-east-1"')

ARCHIVES = "archives_take_what_the_rules_take"
without(ARCHIVES, "for ever", "CloudTrailArchive/Properties/RetentionDays")
without(ARCHIVES, "under AWS's key", "ConnectionRequestedArchive/Properties/KmsKeyIdentifier")
without(ARCHIVES, "though nobody wants them", "CloudTrailArchive/Condition")
without(ARCHIVES, "all of the bus", "ConnectionRequestedArchive/Properties/EventPattern/detail-type")
set_to(
    ARCHIVES,
    "another bus",
    "CloudTrailArchive/Properties/SourceArn",
    "arn:aws:events:eu-central-1:012345678901:event-bus/other",
)


@breaks(ARCHIVES, "replayed to everybody")
def _(template):
    value = template["Outputs"]["ReplayCloudTrailCommand"]["Value"]
    value["Fn::Sub"] = value["Fn::Sub"].replace(",FilterArns=${CloudTrailRule.Arn}", "")


AMAZON_Q = "amazon_q_shows_and_does_nothing"
CHANNEL = "AmazonQ/Properties"
set_to(AMAZON_Q, "e-mails for everybody", f"{CHANNEL}/SnsTopicArns", [{"Ref": "ApprovalsTopic"}])
set_to(AMAZON_Q, "acts as a function", f"{CHANNEL}/IamRoleArn", {"Fn::GetAtt": ["ReconcileRole", "Arn"]})
set_to(AMAZON_Q, "a name of the account", f"{CHANNEL}/ConfigurationName", {"Ref": "AWS::StackName"})
without(AMAZON_Q, "the administrator's limit", f"{CHANNEL}/GuardrailPolicies")
without(AMAZON_Q, "a role for nothing", "AmazonQRole/Condition")


@breaks("each_alarm_is_explained", "a new one")
def _(template):
    template["Resources"]["NewAlarm"] = template["Resources"]["ForbiddenAlarm"]


breaks("each_alarm_is_explained", "one that is gone")(without_alarm("UndecidedAlarm"))


@breaks("each_parameter_is_documented", "a new one")
def _(template):
    template["Parameters"]["New"] = template["Parameters"]["Rollout"]


set_to(
    "what_was_stopped_can_be_started",
    "another number",
    "ConnectionsFunction/Properties/ReservedConcurrentExecutions/Fn::If/1",
    4,
)


@breaks("outputs_that_are_told_of_are_there", "one that is gone")
def _(template):
    del template["Outputs"]["AlarmsTopicArn"]


USERS = "your_own_key_is_told_whom_to_let_in"


@breaks(USERS, "one is not named")
def _(template):
    parameter = template["Parameters"]["KmsKeyArn"]
    parameter["Description"] = parameter["Description"].replace("events.amazonaws.com", "EventBridge")
