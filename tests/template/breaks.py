"""One way at least to break each invariant; `invariants.py --breaks` wants each of them to be seen.

A break is the check that must see it, what is broken, and the damage to the translated template.
"""

import re
from collections.abc import Callable

BREAKS: list[tuple[str, str, Callable[[dict], object]]] = []


def breaks(check: str, title: str):
    """Registers the damage that follows."""

    def register(damage):
        BREAKS.append((check, title, damage))
        return damage

    return register


def set_to(check: str, title: str, path: str, value) -> None:
    """A break that puts `value` at `path`, a resource and then keys, separated by slashes."""

    def damage(template):
        *parents, last = path.split("/")
        place = template["Resources"]
        for key in parents:
            place = place[int(key) if isinstance(place, list) else key]
        place[int(last) if isinstance(place, list) else last] = value

    BREAKS.append((check, title, damage))


def without(check: str, title: str, path: str) -> None:
    """A break that takes away what is at `path`."""

    def damage(template):
        *parents, last = path.split("/")
        place = template["Resources"]
        for key in parents:
            place = place[int(key) if isinstance(place, list) else key]
        del place[int(last) if isinstance(place, list) else last]

    BREAKS.append((check, title, damage))


def statement(template: dict, role: str, sid: str) -> dict:
    """A statement of a role's own policy, or of a managed policy that it holds, also inside Fn::If."""
    resources = template["Resources"]
    properties = resources[role]["Properties"]
    arns = [
        candidate for arn in properties.get("ManagedPolicyArns", []) for candidate in arn.get("Fn::If", [None, arn])[1:]
    ]
    managed = [resources[arn["Ref"]]["Properties"] for arn in arns if arn["Ref"] in resources]
    for policy in properties["Policies"] + managed:
        for entry in policy["PolicyDocument"]["Statement"]:
            for candidate in entry.get("Fn::If", [None, entry])[1:]:
                if candidate.get("Sid") == sid:
                    return candidate
    raise KeyError(sid)


def without_alarm(alarm: str):
    """The damage that takes away an alarm, also from those that a rollout asks, and from the dashboard."""

    def damage(template):
        del template["Resources"][alarm]
        body, values = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        shown = re.escape(f'"${{{alarm}.Arn}}"')
        shown = rf",\s*{shown}|{shown},"
        template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0] = re.sub(shown, "", body)
        of_slack = values["SlackAlarms"]["Fn::If"][1]
        of_slack["Fn::Sub"] = re.sub(shown, "", of_slack["Fn::Sub"])
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::CodeDeploy::DeploymentGroup":
                asked = resource["Properties"]["AlarmConfiguration"]["Fn::If"][1]
                asked["Alarms"] = [entry for entry in asked["Alarms"] if entry != {"Name": {"Ref": alarm}}]

    return damage


# ------------------------------------------------------------------------------------------- functions
without("functions_log_into_a_group_of_their_own", "votes are not kept", "ApprovalsLog/DeletionPolicy")
without("functions_log_into_a_group_of_their_own", "no retention", "ConnectionsLog/Properties/RetentionInDays")
without("functions_log_into_a_group_of_their_own", "no key", "ReconcileLog/Properties/KmsKeyId")
without("functions_log_into_a_group_of_their_own", "not retained", "ReconcileLog/DeletionPolicy")
set_to(
    "functions_log_into_a_group_of_their_own",
    "shared group",
    "ReconcileFunction/Properties/LoggingConfig/LogGroup",
    {"Ref": "ConnectionsLog"},
)
set_to(
    "functions_log_into_a_group_of_their_own",
    "metrics filtered out",
    "ReconcileFunction/Properties/LoggingConfig/ApplicationLogLevel",
    "WARN",
)
without("functions_log_into_a_group_of_their_own", "Lambda's own group", "ConnectionsFunction/Properties/LoggingConfig")
set_to(
    "functions_have_a_role_of_their_own",
    "shared role",
    "ReconcileFunction/Properties/Role",
    {"Fn::GetAtt": ["ConnectionsRole", "Arn"]},
)
without("failures_of_functions_are_kept", "no redrive", "ConnectionsQueue/Properties/RedrivePolicy")
without(
    "failures_of_functions_are_kept", "whole batches fail", "ConnectionsFunctionQueue/Properties/FunctionResponseTypes"
)
without(
    "failures_of_functions_are_kept",
    "no on-failure destination",
    "ReconcileFunctionEventInvokeConfig/Properties/DestinationConfig",
)
without(
    "failures_of_functions_are_kept",
    "no dead-letter queue of the schedule",
    "ReconcileFunctionSchedule/Properties/Target/DeadLetterConfig",
)
without("failures_of_functions_are_kept", "no schedule", "ReconcileFunctionSchedule")
without("failures_of_functions_are_kept", "what Slack refuses is dropped", "SlackQueue/Properties/RedrivePolicy")
without(
    "failures_of_functions_are_kept", "all prompts come again", "SlackFunctionQueue/Properties/FunctionResponseTypes"
)
STREAM = "PolicyChangesFunctionStream/Properties"
without("failures_of_functions_are_kept", "edits are dropped", f"{STREAM}/DestinationConfig")
without("failures_of_functions_are_kept", "all edits come again", f"{STREAM}/FunctionResponseTypes")
set_to(
    "failures_of_functions_are_kept",
    "edits are put nowhere",
    f"{STREAM}/DestinationConfig/OnFailure/Destination",
    {"Ref": "AlarmsTopic"},
)
without("streams_are_read_from_the_beginning_and_never_stand_still", "nobody reads", "PolicyChangesFunctionStream")
for TITLE, KEY, VALUE in (
    ("the requests' stream", "EventSourceArn", {"Fn::GetAtt": ["RequestsTable", "StreamArn"]}),
    ("some of the edits", "FilterCriteria", {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]}),
    ("another function", "FunctionName", {"Ref": "ReconcileFunction"}),
    ("misses edits", "StartingPosition", "LATEST"),
    ("tries for a day", "MaximumRetryAttempts", -1),
    ("never tries again", "MaximumRetryAttempts", 0),
    ("old edits hold up new ones", "MaximumRecordAgeInSeconds", 86400),
    ("whole batches fail", "BisectBatchOnFunctionError", False),
):
    set_to("streams_are_read_from_the_beginning_and_never_stand_still", TITLE, f"{STREAM}/{KEY}", VALUE)
OUTBOX = "AnnouncementsFunctionStream/Properties"
without("streams_are_read_from_the_beginning_and_never_stand_still", "nobody tells", "AnnouncementsFunctionStream")
without("streams_are_read_from_the_beginning_and_never_stand_still", "told of every write", f"{OUTBOX}/FilterCriteria")
without("failures_of_functions_are_kept", "messages are dropped", f"{OUTBOX}/DestinationConfig")
without(
    "failures_of_functions_are_kept",
    "missed sweeps are dropped",
    "AnnouncementsFunctionSchedule/Properties/Target/DeadLetterConfig",
)
for KEY in ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError"):
    without("streams_are_read_from_the_beginning_and_never_stand_still", f"{KEY} by default", f"{STREAM}/{KEY}")
set_to("concurrency_is_reserved", "a shard starts too many", f"{STREAM}/ParallelizationFactor", 10)
without("concurrency_is_reserved", "edits starve", "PolicyChangesFunction/Properties/ReservedConcurrentExecutions")
without("concurrency_is_reserved", "nothing reserved", "ReconcileFunction/Properties/ReservedConcurrentExecutions")
set_to(
    "concurrency_is_reserved",
    "reserved although it cannot be",
    "ReconcileFunction/Properties/ReservedConcurrentExecutions",
    1,
)
set_to(
    "concurrency_is_reserved",
    "the queue starts too many",
    "ConnectionsFunctionQueue/Properties/ScalingConfig/MaximumConcurrency",
    9,
)
without("concurrency_is_reserved", "votes starve", "ApprovalsFunction/Properties/ReservedConcurrentExecutions")
set_to(
    "concurrency_is_reserved",
    "more are let in than served",
    "ApprovalsFunction/Properties/ReservedConcurrentExecutions/Fn::If/1",
    10,
)
without("concurrency_is_reserved", "any number for Slack", "SlackFunctionQueue/Properties/ScalingConfig")
set_to(
    "reserving_says_what_quota_it_takes",
    "one execution more",
    "ConnectionsFunction/Properties/ReservedConcurrentExecutions/Fn::If/1",
    4,
)
set_to(
    "reserving_says_what_quota_it_takes",
    "one execution more for Slack",
    "SlackFunction/Properties/ReservedConcurrentExecutions/Fn::If/1",
    3,
)


@breaks("reserving_says_what_quota_it_takes", "another burst by default")
def _(template):
    template["Parameters"]["ApprovalsBurst"]["Default"] = 30


@breaks("reserving_says_what_quota_it_takes", "new accounts only")
def _(template):
    template["Parameters"]["ReserveConcurrency"]["Description"] = "Choose false where the account's quota is still 10."


set_to("queues_wait_six_times_the_time_out", "prompts come twice", "SlackFunction/Properties/Timeout", 120)
set_to("queues_wait_six_times_the_time_out", "visible too early", "ConnectionsQueue/Properties/VisibilityTimeout", 361)
set_to("queues_wait_six_times_the_time_out", "longer time-out", "ConnectionsFunction/Properties/Timeout", 90)
without("queues_wait_six_times_the_time_out", "the default", "ConnectionsQueue/Properties/VisibilityTimeout")
set_to(
    "what_waits_for_slack_comes_back_when_the_function_reckons_with_it",
    "too late",
    "SlackQueue/Properties/VisibilityTimeout",
    420,
)
set_to("one_reconcile_is_over_before_the_next", "runs too long", "ReconcileFunction/Properties/Timeout", 600)
set_to(
    "one_reconcile_is_over_before_the_next",
    "starts some time",
    "ReconcileFunctionSchedule/Properties/FlexibleTimeWindow",
    {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
)
BREAKS.append(("one_reconcile_is_over_before_the_next", "no alarm", without_alarm("ReconcileMissingAlarm")))
set_to(
    "one_reconcile_is_over_before_the_next",
    "silence is fine",
    "ReconcileMissingAlarm/Properties/TreatMissingData",
    "notBreaching",
)


@breaks("one_reconcile_is_over_before_the_next", "runs of long ago count")
def _(template):
    metrics = template["Resources"]["ReconcileMissingAlarm"]["Properties"]["Metrics"]
    metrics[0]["Expression"] = "invocations - FILL(errors, 0)"


@breaks("one_reconcile_is_over_before_the_next", "alarm before the next run")
def _(template):
    template["Mappings"]["Reconcile"]["60"]["MissingAfterSeconds"] = 1200


# ------------------------------------------------------------------------------------------------- IAM
set_to(
    "roles_hold_only_policies_of_the_template",
    "managed policy",
    "ReconcileRole/Properties/ManagedPolicyArns",
    ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
)
set_to(
    "roles_hold_only_policies_of_the_template",
    "policy elsewhere",
    "Extra",
    {"Type": "AWS::IAM::RolePolicy", "Properties": {"RoleName": {"Ref": "ReconcileRole"}, "PolicyName": "Extra"}},
)


@breaks("roles_hold_only_policies_of_the_template", "a policy for one role")
def _(template):
    del template["Resources"]["SlackRole"]["Properties"]["ManagedPolicyArns"][1]


@breaks("roles_hold_only_policies_of_the_template", "held by others as well")
def _(template):
    template["Resources"]["JudgingPolicy"]["Properties"]["Roles"] = ["Mallory"]


@breaks("managed_policies_are_within_iams_quota", "too many actions")
def _(template):
    statement(template, "ConnectionsRole", "ReadPolicy")["Action"] += [
        f"dynamodb:Action{number:03}" for number in range(300)
    ]


@breaks("roles_use_no_wildcards_without_a_reason", "more than look-ups for any account")
def _(template):
    statement(template, "ReconcileRole", "WhereAnyAccountSits")["Action"].append("organizations:ListAccounts")


@breaks("roles_use_no_wildcards_without_a_reason", "wildcard in an action")
def _(template):
    statement(template, "ConnectionsRole", "ReadPolicy")["Action"] = "dynamodb:*"


@breaks("roles_use_no_wildcards_without_a_reason", "resource * without a reason")
def _(template):
    statement(template, "AnnouncementsRole", "Announce")["Resource"] = ["*"]


@breaks("roles_use_no_wildcards_without_a_reason", "resource * for what has resources")
def _(template):
    statement(template, "ConnectionsRole", "DescribeHasNoResourceLevel")["Action"].append("sns:Publish")


@breaks("roles_use_no_wildcards_without_a_reason", "everything but")
def _(template):
    statement(template, "AnnouncementsRole", "Announce")["NotAction"] = ["sns:DeleteTopic"]


@breaks("roles_decide_only_for_managed_services", "looks at any service")
def _(template):
    policy = template["Resources"]["ReconcileRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    policy["Statement"].append(
        {
            "Sid": "LookAtServices",
            "Effect": "Allow",
            "Action": "ec2:DescribeVpcEndpointServicePermissions",
            "Resource": {
                "Fn::Sub": "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc-endpoint-service/*"
            },
        }
    )


@breaks("roles_decide_only_for_managed_services", "tagged or not")
def _(template):
    del statement(template, "ConnectionsRole", "DecideTaggedServices")["Condition"]


@breaks("roles_decide_only_for_managed_services", "any service")
def _(template):
    statement(template, "ReconcileRole", "WatchListedServices")["Resource"] = {
        "Fn::Sub": "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:vpc-endpoint-service/*"
    }


set_to(
    "roles_are_assumed_by_one_service",
    "by anybody in the account",
    "ReconcileRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal",
    {"AWS": {"Ref": "AWS::AccountId"}},
)
without(
    "roles_are_assumed_by_one_service",
    "for anybody's schedule",
    "ReconcileScheduleRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/StringEquals/aws:SourceArn",
)

# --------------------------------------------------------------------------- topics, queues, rules, key
NOTIFICATIONS = "ConnectionNotificationTopicPolicy/Properties/PolicyDocument/Statement"
set_to(
    "topics_are_encrypted_and_closed",
    "AWS managed key",
    "ConnectionNotificationTopic/Properties/KmsMasterKeyId",
    "alias/aws/sns",
)
without("topics_are_encrypted_and_closed", "not encrypted", "AnnouncementsTopic/Properties/KmsMasterKeyId")
without("topics_are_encrypted_and_closed", "without TLS", f"{NOTIFICATIONS}/1")
without("topics_are_encrypted_and_closed", "any account", f"{NOTIFICATIONS}/0/Condition/StringEquals")
without("topics_are_encrypted_and_closed", "any source", f"{NOTIFICATIONS}/0/Condition/ArnLike")
set_to(
    "topics_are_encrypted_and_closed", "source is anything", f"{NOTIFICATIONS}/0/Condition/ArnLike/aws:SourceArn", "*"
)
set_to("topics_are_encrypted_and_closed", "open to the world", f"{NOTIFICATIONS}/0/Principal", {"AWS": "*"})
without(
    "topics_are_encrypted_and_closed",
    "alarms of any account",
    "AlarmsTopicPolicy/Properties/PolicyDocument/Statement/0/Condition/StringEquals",
)
without("topics_are_encrypted_and_closed", "no policy", "AnnouncementsTopicPolicy")
without("topics_are_encrypted_and_closed", "e-mails in the clear", "ApprovalsTopic/Properties/KmsMasterKeyId")
without("subscriptions_lose_nothing", "no redrive", "ConnectionNotificationSubscription/Properties/RedrivePolicy")
set_to("subscriptions_lose_nothing", "raw", "ConnectionNotificationSubscription/Properties/RawMessageDelivery", True)
without("subscriptions_lose_nothing", "nobody is told", "AlarmsEmailSubscription")
without("queues_are_encrypted_and_closed", "not encrypted", "DeliveryDeadLetterQueue/Properties/SqsManagedSseEnabled")
set_to(
    "queues_are_encrypted_and_closed",
    "short memory",
    "ReconcileDeadLetterQueue/Properties/MessageRetentionPeriod",
    345600,
)
set_to(
    "queues_are_encrypted_and_closed",
    "short memory of edits",
    "PolicyChangesDeadLetterQueue/Properties/MessageRetentionPeriod",
    345600,
)
set_to(
    "queues_are_encrypted_and_closed",
    "failed edits without TLS",
    "DeadLetterQueuesPolicy/Properties/Queues",
    [{"Ref": "ConnectionsDeadLetterQueue"}, {"Ref": "ReconcileDeadLetterQueue"}],
)
set_to("queues_are_encrypted_and_closed", "long memory", "ConnectionsQueue/Properties/MessageRetentionPeriod", 1209600)
set_to(
    "queues_are_encrypted_and_closed",
    "gives up at once",
    "ConnectionsQueue/Properties/RedrivePolicy/maxReceiveCount",
    1,
)
without("queues_are_encrypted_and_closed", "without TLS", "DeadLetterQueuesPolicy")
without(
    "queues_are_encrypted_and_closed",
    "any rule",
    "ConnectionsQueuePolicy/Properties/PolicyDocument/Statement/1/Condition",
)
set_to(
    "queues_are_encrypted_and_closed",
    "may do all",
    "ConnectionsQueuePolicy/Properties/PolicyDocument/Statement/0/Action",
    "sqs:*",
)
set_to(
    "queues_are_encrypted_and_closed",
    "hints for Slack",
    "SlackQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/ArnEquals/aws:SourceArn",
    {"Ref": "ConnectionNotificationTopic"},
)
set_to(
    "queues_are_encrypted_and_closed",
    "announcements as hints",
    "ConnectionsQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/ArnEquals/aws:SourceArn",
    {"Ref": "AnnouncementsTopic"},
)
set_to(
    "queues_are_encrypted_and_closed",
    "what Slack refuses is forgotten",
    "SlackDeadLetterQueue/Properties/MessageRetentionPeriod",
    345600,
)
set_to("rules_retry_and_keep_what_fails", "own bus", "CloudTrailRule/Properties/EventBusName", "other")
without(
    "rules_retry_and_keep_what_fails", "no dead-letter queue", "CloudTrailRule/Properties/Targets/0/DeadLetterConfig"
)
without(
    "rules_retry_and_keep_what_fails", "no retry policy", "ConnectionRequestedRule/Properties/Targets/0/RetryPolicy"
)
without(
    "rules_take_what_the_function_reads",
    "misses rejects",
    "CloudTrailRule/Properties/EventPattern/$or/1/detail/eventName/1",
)
without(
    "rules_take_what_the_function_reads",
    "accepts that were forwarded",
    "CloudTrailRule/Properties/EventPattern/$or/1/account",
)
without(
    "rules_take_what_the_function_reads",
    "accepts in another account",
    "CloudTrailRule/Properties/EventPattern/$or/1/detail/recipientAccountId",
)
set_to(
    "rules_take_what_the_function_reads",
    "accepts from whoever forwards them",
    "CloudTrailRule/Properties/EventPattern/$or/0/detail/eventName",
    ["CreateVpcEndpoint", "DeleteVpcEndpoints", "AcceptVpcEndpointConnections"],
)
set_to(
    "rules_take_what_the_function_reads",
    "no forwarded creations",
    "CloudTrailRule/Properties/EventPattern/$or/0/account",
    [{"Ref": "AWS::AccountId"}],
)
set_to(
    "rules_retry_and_keep_what_fails",
    "past the queue",
    "CloudTrailRule/Properties/Targets/0/Arn",
    {"Fn::GetAtt": ["ReconcileFunction", "Arn"]},
)
without("the_key_lets_in_who_needs_it", "not rotated", "Key/Properties/EnableKeyRotation")
without("the_key_lets_in_who_needs_it", "goes with the stack", "Key/DeletionPolicy")
without("the_key_lets_in_who_needs_it", "no connection notifications", "Key/Properties/KeyPolicy/Statement/1")
without("the_key_lets_in_who_needs_it", "any account's notifications", "Key/Properties/KeyPolicy/Statement/1/Condition")
without("the_key_lets_in_who_needs_it", "any log group", "Key/Properties/KeyPolicy/Statement/6/Condition")
without("the_key_lets_in_who_needs_it", "no archives", "Key/Properties/KeyPolicy/Statement/4")
without("the_key_lets_in_who_needs_it", "any account's buses", "Key/Properties/KeyPolicy/Statement/4/Condition")
without("the_key_lets_in_who_needs_it", "any account's topics", "Key/Properties/KeyPolicy/Statement/5/Condition")
set_to(
    "the_key_lets_in_who_needs_it",
    "a source that EventBridge does not send",
    "Key/Properties/KeyPolicy/Statement/4/Condition",
    {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
)
without("the_key_lets_in_who_needs_it", "made although one is given", "Key/Condition")

# ---------------------------------------------------------------------------------------------- tables
for TABLE in ("AllowlistTable", "RequestsTable"):
    without("tables_survive", f"{TABLE} is not retained", f"{TABLE}/DeletionPolicy")
    without("tables_survive", f"{TABLE} is not retained when replaced", f"{TABLE}/UpdateReplacePolicy")
    without("tables_survive", f"{TABLE} without PITR", f"{TABLE}/Properties/PointInTimeRecoverySpecification")
    without("tables_survive", f"{TABLE} is not encrypted by KMS", f"{TABLE}/Properties/SSESpecification")
    without("tables_survive", f"{TABLE} does not use the key", f"{TABLE}/Properties/SSESpecification/KMSMasterKeyId")
    set_to("tables_survive", f"{TABLE} is not protected", f"{TABLE}/Properties/DeletionProtectionEnabled", False)
    set_to("tables_survive", f"{TABLE} is not on demand", f"{TABLE}/Properties/BillingMode", "PROVISIONED")
    set_to(
        "tables_survive",
        f"{TABLE} forgets by expires_at",
        f"{TABLE}/Properties/TimeToLiveSpecification/AttributeName",
        "expires_at",
    )
without("tables_have_the_keys_that_the_code_uses", "no stream", "AllowlistTable/Properties/StreamSpecification")
without("tables_have_the_keys_that_the_code_uses", "no index", "RequestsTable/Properties/GlobalSecondaryIndexes")
set_to(
    "tables_have_the_keys_that_the_code_uses",
    "other key",
    "AllowlistTable/Properties/KeySchema/1/AttributeName",
    "principal",
)

# ---------------------------------------------------------------------------------------------- alarms
for ALARM in (
    "ConnectionsErrorsAlarm",
    "AnnouncementsAgeAlarm",
    "AnnouncementsDeadLetterAlarm",
    "AnnouncementsErrorsAlarm",
    "AnnouncementsThrottlesAlarm",
    "PolicyChangesErrorsAlarm",
    "PolicyChangesThrottlesAlarm",
    "PolicyChangesDeadLetterAlarm",
    "PolicyChangesAgeAlarm",
    "MalformedPolicyEditsAlarm",
    "RefusedMessagesAlarm",
    "MalformedEveryServiceEditsAlarm",
    "MalformedApproverEditsAlarm",
    "UnclearKeyEditsAlarm",
    "EditsWithoutEffectAlarm",
    "BypassedServicesAlarm",
    "OpenServicesAlarm",
    "UnnotifiedServicesAlarm",
    "CloudTrailRuleMissingAlarm",
    "RevocationsHeldAlarm",
    "RevocationsWithheldAlarm",
    "ServicesNotReachedAlarm",
    "UnfinishedServicesAlarm",
    "UnmanagedServicesAlarm",
    "UndecidableReviewsAlarm",
    "UndecidableStrangersAlarm",
    "ApprovalsErrorsAlarm",
    "ApprovalsThrottlesAlarm",
    "ApprovalsUnavailableAlarm",
    "ApprovalsThrottledAlarm",
    "ApprovalsRefusedAlarm",
    "SlackErrorsAlarm",
    "SlackThrottlesAlarm",
    "SlackDeadLetterAlarm",
    "SlackQueueAgeAlarm",
    "ReconcileErrorsAlarm",
    "ConnectionsThrottlesAlarm",
    "ReconcileThrottlesAlarm",
    "ConnectionsDeadLetterAlarm",
    "DeliveryDeadLetterAlarm",
    "ReconcileDeadLetterAlarm",
    "ConnectionsQueueAgeAlarm",
    "PolicyUnreadableAlarm",
    "EveryServicePolicyUnreadableAlarm",
    "PolicyKeyUnclearAlarm",
    "ApproverUnreadableAlarm",
    "AcknowledgementUnreadableAlarm",
    "RecordUnreadableAlarm",
    "ForbiddenAlarm",
    "RefusedAlarm",
    "DefectsAlarm",
    "SlackRefusedAlarm",
    "SlackStrangersAlarm",
    "ObserveFailuresAlarm",
    "JudgeFailuresAlarm",
    "RecordFailuresAlarm",
    "EnforceFailuresAlarm",
    "AnnounceFailuresAlarm",
    "UnexpectedPolicyKeysAlarm",
    "IgnoredSettingsAlarm",
    "ApproversEnteredTwiceAlarm",
    "UnsubscribedTopicsAlarm",
    "ApproversNotReachedAlarm",
    "ApprovalEmailHeldAlarm",
    "ApprovalEmailElsewhereAlarm",
    "ReviewWaitsAlarm",
    "StrangerWaitsAlarm",
    "UndecidedAlarm",
    "UndecidedAttachmentsAlarm",
):
    BREAKS.append(("everything_that_can_fail_has_an_alarm", f"no {ALARM}", without_alarm(ALARM)))
without(
    "everything_that_can_fail_has_an_alarm",
    "strangers hide whom it is for",
    "ApprovalsUnavailableAlarm/Properties/Metrics/1",
)
without("everything_that_can_fail_has_an_alarm", "refused calls are not told", "RefusedAlarm/Properties/Metrics/2")
for TITLE, PATH, VALUE in (
    ("another stack's failures", "ForbiddenAlarm/Properties/Dimensions/0/Value", "gatekeeper-test"),
    ("any stack's failures", "RefusedAlarm/Properties/Metrics/1/MetricStat/Metric/Dimensions/0/Name", "team"),
    ("any function's errors", "ConnectionsErrorsAlarm/Properties/Dimensions", []),
):
    set_to("alarms_are_of_this_stack", TITLE, PATH, VALUE)
set_to("what_passes_is_no_alarm_at_once", "one throttled call", "EnforceFailuresAlarm/Properties/EvaluationPeriods", 1)
set_to("what_passes_is_no_alarm_at_once", "it will not pass", "ForbiddenAlarm/Properties/EvaluationPeriods", 3)
for ALARM in (
    "ApproversEnteredTwiceAlarm",
    "BypassedServicesAlarm",
    "CloudTrailRuleMissingAlarm",
    "OpenServicesAlarm",
    "RevocationsHeldAlarm",
    "RevocationsWithheldAlarm",
    "ServicesNotReachedAlarm",
    "UndecidableReviewsAlarm",
    "UndecidableStrangersAlarm",
    "UnexpectedPolicyKeysAlarm",
    "UnfinishedServicesAlarm",
    "IgnoredSettingsAlarm",
    "UnsubscribedTopicsAlarm",
    "UnmanagedServicesAlarm",
    "UnnotifiedServicesAlarm",
):
    set_to(
        "alarms_on_what_reconcile_finds_last_to_its_next_run",
        f"{ALARM} is over before the next run",
        f"{ALARM}/Properties/Period",
        900,
    )
    set_to(
        "alarms_on_what_reconcile_finds_last_to_its_next_run",
        f"{ALARM} is never over",
        f"{ALARM}/Properties/Period",
        86400,
    )
set_to(
    "alarms_watch_what_the_functions_write",
    "a step that there is not",
    "JudgeFailuresAlarm/Properties/Dimensions/1/Value",
    "pondering",
)
set_to(
    "alarms_watch_what_the_functions_write",
    "another namespace",
    "EnforceFailuresAlarm/Properties/Namespace",
    "Gatekeeper",
)
for TITLE, ALARM, VALUE in (
    ("a bad approver hides a bad entry", "EveryServicePolicyUnreadableAlarm", "approver"),
    ("a stranger hides a customer", "UndecidableReviewsAlarm", "unknown"),
):
    DIMENSION = f"{ALARM}/Properties/Dimensions/1/Value"
    set_to("everything_that_can_fail_has_an_alarm", TITLE, DIMENSION, VALUE)
set_to("what_passes_is_no_alarm_at_once", "an item waits", "ApproverUnreadableAlarm/Properties/EvaluationPeriods", 3)
set_to("alarms_reach_somebody", "tells nobody", "PolicyUnreadableAlarm/Properties/AlarmActions", [])
set_to(
    "alarms_reach_somebody",
    "tells the wrong people",
    "ReconcileErrorsAlarm/Properties/AlarmActions",
    [{"Ref": "AnnouncementsTopic"}],
)
without("alarms_reach_somebody", "no data means nothing", "ReconcileErrorsAlarm/Properties/TreatMissingData")
without("alarms_reach_somebody", "not explained", "ReconcileErrorsAlarm/Properties/AlarmDescription")

# -------------------------------------------------------------------------------------------- template
set_to("nothing_has_a_fixed_name", "named table", "RequestsTable/Properties/TableName", "requests")
set_to("nothing_has_a_fixed_name", "named API", "ApprovalsApi/Properties/Name", "approvals")
set_to("nothing_has_a_fixed_name", "named schedule", "ReconcileFunctionSchedule/Properties/Name", "reconcile")


@breaks("parameters_are_explained_and_checked", "takes anything")
def _(template):
    del template["Parameters"]["KmsKeyArn"]["AllowedPattern"]


@breaks("parameters_are_explained_and_checked", "takes a list with a hole")
def _(template):
    template["Parameters"]["ManagedServices"]["AllowedPattern"] = r"^(tagged|[a-z0-9,-]+)$"


@breaks("parameters_are_explained_and_checked", "not on the console")
def _(template):
    template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].pop()


@breaks("parameters_are_explained_and_checked", "on or off or anything")
def _(template):
    del template["Parameters"]["Organizations"]["AllowedValues"]


@breaks("parameters_are_explained_and_checked", "any number of requests")
def _(template):
    del template["Parameters"]["ApprovalsRate"]["MaxValue"]


@breaks("parameters_are_explained_and_checked", "takes the beginning of a secret's ARN")
def _(template):
    template["Parameters"]["SlackSecretArn"]["AllowedPattern"] = r"^$|^arn:aws[a-z-]*:secretsmanager:[\w:/+=.@-]+$"


@breaks("what_belongs_together_is_given_together", "any workspace's buttons")
def _(template):
    del template["Rules"]["SlackWithSecret"]["Assertions"][0]


@breaks("what_belongs_together_is_given_together", "a domain without a certificate")
def _(template):
    del template["Rules"]["DomainWithCertificate"]


@breaks("what_belongs_together_is_given_together", "Slack that is not there")
def _(template):
    del template["Rules"]["NoSlackWithoutSecret"]


@breaks("what_belongs_together_is_given_together", "nothing is ever enough")
def _(template):
    template["Rules"]["CertificateWithDomain"]["RuleCondition"] = {"Fn::Equals": ["", ""]}


@breaks("outputs_are_described", "no description")
def _(template):
    del template["Outputs"]["RequestsTable"]["Description"]


@breaks("exceptions_have_reasons", "no reason in the template")
def _(template):
    template["Sources"]["template.yaml"] += "    ignore_checks: [E3005]\n"


@breaks("exceptions_have_reasons", "no reason for checkov")
def _(template):
    template["Sources"][".checkov.yaml"] += "  - CKV_AWS_1\n"


# ---------------------------------------------------------------------------------------------- events
for TITLE, PATTERN in (
    ("takes all events of ours", {"source": ["privatelink.gatekeeper"]}),
    (
        "takes events about connections",
        {"source": ["privatelink.gatekeeper"], "detail-type": [{"prefix": "Connection "}]},
    ),
    ("takes whatever names an endpoint", {"detail": {"endpoint_id": [{"exists": True}]}}),
    (
        "takes one of two",
        {"$or": [{"source": ["aws.ec2"]}, {"detail-type": [{"anything-but": "Connection Requested"}]}]},
    ),
):
    for RULE in ("ConnectionRequestedRule", "CloudTrailArchive"):
        set_to("what_is_announced_does_not_come_back", TITLE, f"{RULE}/Properties/EventPattern", PATTERN)
