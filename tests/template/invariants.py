"""What must be true of the deployment, however the template changes.

    python tests/template/invariants.py            checks template.yaml, with several sets of parameters
    python tests/template/invariants.py --breaks   breaks it once for each check, and wants the check to see it

Needs what .ci/requirements.txt lists. Looks at what CloudFormation makes of the template (.ci/translate.py).
"""

import copy
import json
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ci"), str(Path(__file__).resolve().parent)]

from samtranslator.yaml_helper import yaml_parse  # noqa: E402

import approvals  # noqa: E402, F401 (registers its checks)
import events  # noqa: E402, F401 (as well)
import functions  # noqa: E402, F401 (as well)
import operations  # noqa: E402, F401 (as well)
import regions  # noqa: E402, F401 (as well)
import versions  # noqa: E402, F401 (as well)
import writers  # noqa: E402, F401 (as well)
from cloudformation import outputs, refusals  # noqa: E402
from facts import FACTS, metrics_of_ours  # noqa: E402
from stack import CHECKS, Stack, check, many  # noqa: E402
from translate import translate  # noqa: E402

SOURCE = ROOT / "template.yaml"
CHECKOV = ROOT / ".checkov.yaml"
GLOBAL_ALLOWLIST = ROOT / "stacks/global-allowlist.yaml"
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:012345678901:secret:gatekeeper/slack-AbCd3f"
CERTIFICATE_ARN = "arn:aws:acm:eu-central-1:012345678901:certificate/00000000-0000-0000-0000-000000000000"
SLACK = {"SlackSecretArn": SECRET_ARN, "SlackTeamId": "T0EXAMPLE", "SlackAppId": "A0EXAMPLE"}
KEY_ARN = "arn:aws:kms:eu-central-1:012345678901:key/00000000-0000-0000-0000-000000000000"
STREAM_ARN = "arn:aws:dynamodb:eu-central-1:012345678901:table/allowlist/stream/2026-11-20T00:00:00.000"
REDRIVE_ROLE_ARN = "arn:aws:iam::012345678901:role/operations/Redrive"
SERVICES = ["vpce-svc-0a1b2c3d4e5f60718", "vpce-svc-00000000000000001"]
EVENT_BUS_ARN = "arn:aws:events:eu-central-1:444455556666:event-bus/security"
SETS = {
    "defaults": {},
    "everything given": {
        "ManagedServices": ",".join(SERVICES),
        "Organizations": "on",
        "ReconcileMinutes": "60",
        "AnnouncementsEmail": "people@example.com",
        "AlarmsEmail": "ops@example.com",
        "KmsKeyArn": KEY_ARN,
        "LogRetentionDays": "30",
        "RedriveRoleArn": REDRIVE_ROLE_ARN,
        "ArchiveDays": "0",
        "ReviewAlarmHours": "4",
        "EventBusArn": EVENT_BUS_ARN,
        "AmazonQTeamId": "T0EXAMPLE",
        "AmazonQChannel": "C0EXAMPLE",
        "Rollout": "AllAtOnce",
        "Architecture": "x86_64",
        "ApprovalsDomainName": "approvals.example.com",
        "ApprovalsCertificateArn": CERTIFICATE_ARN,
        "ApprovalsRate": "50",
        "ApprovalsBurst": "100",
        **SLACK,
        "SlackChannel": "C0EXAMPLE",
    },
    "Slack": SLACK,
    "shared allowlist": {"AllowlistStreamArn": STREAM_ARN, "KmsKeyArn": KEY_ARN},
    "new account": {"ReserveConcurrency": "false"},
}

# The roles of functions that run the gatekeeper's five steps. What each role allows, privileges.py holds against what
# its function does.
JUDGING_ROLES = ("ConnectionsRole", "PolicyChangesRole", "ReconcileRole", "ApprovalsRole")
# Actions that may be allowed on "*", and why on nothing less.
DESCRIBES_ALL = "EC2 defines no resource for describing all there are"
TRACES = "X-Ray defines no resource for taking traces in"
CONSUMERS = "the consumer may be any account, so it could only be every account and every unit"
ANYWHERE = {
    "ec2:DescribeVpcEndpointConnectionNotifications": DESCRIBES_ALL,
    "ec2:DescribeVpcEndpointConnections": DESCRIBES_ALL,
    "ec2:DescribeVpcEndpointServiceConfigurations": DESCRIBES_ALL,
    "organizations:DescribeOrganization": "Organizations defines no resource for the organization itself",
    "organizations:ListParents": CONSUMERS,
    "sns:GetSubscriptionAttributes": "SNS defines no resource for what is asked of one subscription",
    "xray:PutTelemetryRecords": TRACES,
    "xray:PutTraceSegments": TRACES,
}
# Metrics that reconcile writes in each run, and that mean by themselves that somebody must act.
FOUND = (
    "ApproversEnteredTwice",
    "BypassedServices",
    "CloudTrailRuleMissing",
    "IgnoredSettings",
    "OldestReviewSeconds",
    "OldestUndecidedAttachmentSeconds",
    "OldestUndecidedSeconds",
    "OpenServices",
    "RevocationsHeld",
    "RevocationsWithheld",
    "ServicesNotReached",
    "UndecidableReviews",
    "UnexpectedPolicyKeys",
    "UnfinishedServices",
    "UnsubscribedTopics",
    "UnmanagedServices",
    "UnnotifiedServices",
)
# Metrics that no alarm waits for, and those that have alarms of another kind than the rest.
ONLY_SHOWN = {
    "AcknowledgedFindings",
    "DecisionLatency",
    "MalformedRecords",
    "ReconcileDifferences",
    "Requests",
    "Votes",
}
WITH_OTHER_ALARMS = {"Answers", "SlackFailures", "SlackStrangers", "StepFailures"}
# The secret's failures are counted among Slack's; items of the allowlist are told apart by what they stop.
COUNTED_OTHERWISE = {"Permanent.MalformedSecret", "Permanent.MalformedPolicy"}

# What announcements acts on of the requests table's stream.
OUTBOX_INSERTS = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "outbox#"}]}}}}

UNCHECKED = "could not be checked"


# ------------------------------------------------------------------------------------------- functions


@check
def functions_log_into_a_group_of_their_own(stack):
    groups = []
    for name, function in stack.functions.items():
        logging = function.get("LoggingConfig", {})
        group = logging.get("LogGroup", "").strip("${}")
        groups.append(group)
        resource = stack.resources.get(group)
        if resource is None:
            yield f"{name} has no log group in the template"
            continue
        if not resource["Properties"].get("RetentionInDays"):
            yield f"{group} has no retention"
        if resource["Properties"].get("KmsKeyId") != stack.key:
            yield f"{group} is not encrypted with the customer key"
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{group} is not retained"
        if (logging.get("LogFormat"), logging.get("ApplicationLogLevel")) != ("JSON", "INFO"):
            yield f"{name} does not log JSON from INFO on: metrics would be lost"
    if len(set(groups)) != len(groups):
        yield "two functions share a log group"


@check
def functions_have_a_role_of_their_own(stack):
    roles = [function.get("Role", "") for function in stack.functions.values()]
    for name, role in zip(stack.functions, roles, strict=True):
        if stack.resources.get(role.removeprefix("${").removesuffix(".Arn}"), {}).get("Type") != "AWS::IAM::Role":
            yield f"{name} has no role in the template"
    if len(set(roles)) != len(roles):
        yield "two functions share a role"


@check
def failures_of_functions_are_kept(stack):
    schedules = stack.of("AWS::Scheduler::Schedule").values()
    on_failure = {
        stack.started_by(config["FunctionName"]): config.get("DestinationConfig", {})
        .get("OnFailure", {})
        .get("Destination")
        for config in stack.of("AWS::Lambda::EventInvokeConfig").values()
    }
    for name in stack.functions:
        polled = stack.mappings_of(name)
        started = [schedule["Target"] for schedule in schedules if stack.started_by(schedule["Target"]["Arn"]) == name]
        # What an API calls answers for itself: nobody else keeps what failed.
        if not polled and not started and name not in stack.called_by_api():
            yield f"nothing starts {name}"
        for mapping in polled:
            source = mapping["EventSourceArn"].removeprefix("${").removesuffix(".Arn}")
            if source in stack.queues:
                if not stack.queues[source].get("RedrivePolicy", {}).get("deadLetterTargetArn"):
                    yield f"the queue of {name} has no dead-letter queue"
            else:
                kept = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
                if kept.removeprefix("${").removesuffix(".Arn}") not in stack.queues:
                    yield f"the stream of {name} has no on-failure destination"
            if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
                yield f"one bad record fails the whole batch of {name}"
        for target in started:
            if not target.get("DeadLetterConfig", {}).get("Arn") or not target.get("RetryPolicy"):
                yield f"the schedule of {name} has no dead-letter queue or retry policy"
            if not on_failure.get(name):
                yield f"{name} is started asynchronously and has no on-failure destination"


def is_stream(mapping: dict) -> bool:
    return mapping["EventSourceArn"].endswith(".StreamArn}") or "/stream/" in mapping["EventSourceArn"]


@check
def streams_are_read_from_the_beginning_and_never_stand_still(stack):
    read = [mapping for mapping in stack.of("AWS::Lambda::EventSourceMapping").values() if is_stream(mapping)]
    if {(mapping["EventSourceArn"], stack.started_by(mapping["FunctionName"])) for mapping in read} != {
        (stack.allowlist_stream, "PolicyChangesFunction"),
        ("${RequestsTable.StreamArn}", "AnnouncementsFunction"),
    } or len(read) != 2:
        yield "the allowlist's edits, or what is to be told, go elsewhere than to policy-changes and announcements"
    for mapping in read:
        name = mapping["FunctionName"]
        if mapping.get("StartingPosition") != "TRIM_HORIZON":
            yield f"{name} misses what is edited while its mapping is made"
        if not 0 < mapping.get("MaximumRetryAttempts", -1) <= 10:
            yield f"{name} tries {mapping.get('MaximumRetryAttempts', -1)} times before it goes on"
        if not 60 <= mapping.get("MaximumRecordAgeInSeconds", -1) <= 3600:
            yield f"{name} takes {mapping.get('MaximumRecordAgeInSeconds', -1)} s for one record before it goes on"
        if mapping.get("BisectBatchOnFunctionError") is not True:
            yield f"one record on which {name} fails takes a whole batch with it"
        filters = [json.loads(one["Pattern"]) for one in mapping.get("FilterCriteria", {}).get("Filters", [])]
        if filters != ([] if mapping["EventSourceArn"] == stack.allowlist_stream else [OUTBOX_INSERTS]):
            yield f"{name} is told of other records than it acts on"


@check
def concurrency_is_reserved(stack):
    reserve = stack.parameters.get("ReserveConcurrency", "true") == "true"
    for name, function in stack.functions.items():
        reserved = function.get("ReservedConcurrentExecutions")
        if (reserved is not None) != reserve:
            yield f"{name} reserves {reserved} although ReserveConcurrency is {reserve}"
        for stage in stack.of("AWS::ApiGatewayV2::Stage").values() if name in stack.called_by_api() else []:
            burst = stage["DefaultRouteSettings"]["ThrottlingBurstLimit"]
            if reserve and int(reserved or 0) < int(burst):
                yield f"the API lets in {burst} at once for {name}, of which {reserved} are reserved"
        for mapping in stack.mappings_of(name):
            if is_stream(mapping):
                if mapping.get("ParallelizationFactor", 1) != 1:
                    yield f"each shard may start {mapping['ParallelizationFactor']} of {name}"
                continue
            wanted = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
            if wanted is None or (reserve and (reserved or 0) < wanted):
                yield f"the queue may start {wanted} of {name}, of which {reserved} are reserved"


# What Lambda keeps of an account's quota for functions that reserve nothing:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
UNRESERVED = 100


@check
def reserving_says_what_quota_it_takes(stack):
    reserved = sum(int(function.get("ReservedConcurrentExecutions", 0)) for function in stack.functions.values())
    if not reserved:
        return
    parameters = stack.template["Parameters"]
    besides = reserved - int(stack.parameters.get("ApprovalsBurst", parameters["ApprovalsBurst"]["Default"]))
    texts = {
        "the parameter": " ".join(parameters["ReserveConcurrency"]["Description"].split()),
        "docs/configuration.md": (ROOT / "docs/configuration.md").read_text(encoding="utf-8"),
        "examples/README.md": (ROOT / "examples/README.md").read_text(encoding="utf-8"),
    }
    needed = besides + UNRESERVED
    wanted = [
        ("the parameter", f"and {besides} with Slack" if stack.slack else f"ApprovalsBurst and {besides} in all"),
        ("the parameter", f"or + {needed} with Slack" if stack.slack else f"is below ApprovalsBurst + {needed},"),
        (
            "docs/configuration.md",
            f"with Slack + {needed} " if stack.slack else f"is below `ApprovalsBurst` + {needed},",
        ),
    ]
    if not stack.parameters:
        wanted += [
            ("the parameter", f"below {reserved + UNRESERVED} by default"),
            ("docs/configuration.md", f"({reserved + UNRESERVED} by default)"),
            ("examples/README.md", f"below {reserved + UNRESERVED},"),
        ]
    for place, words in wanted:
        if words not in texts[place]:
            yield f"{reserved} executions are reserved, and {place} does not say {words!r}"


@check
def queues_wait_six_times_the_time_out(stack):
    for mapping in stack.of("AWS::Lambda::EventSourceMapping").values():
        queue = stack.queues.get(mapping["EventSourceArn"].removeprefix("${").removesuffix(".Arn}"))
        if queue is None:
            continue
        time_out = stack.functions[stack.started_by(mapping["FunctionName"])]["Timeout"]
        needed = 6 * time_out + mapping.get("MaximumBatchingWindowInSeconds", 0)
        if queue.get("VisibilityTimeout", 30) < needed:
            yield f"visible again after {queue.get('VisibilityTimeout', 30)} s, {needed} s are needed"


@check
def what_waits_for_slack_comes_back_when_the_function_reckons_with_it(stack):
    reckoned = FACTS["slack_hands_back_after_seconds"]
    comes_back = stack.queues.get("SlackQueue", {}).get("VisibilityTimeout", 30)
    if stack.slack and not reckoned - 120 <= comes_back < reckoned:
        yield f"a record of SlackQueue comes back after {comes_back} s, and the function reckons with {reckoned} s"


@check
def one_reconcile_is_over_before_the_next(stack):
    for name, schedule in stack.of("AWS::Scheduler::Schedule").items():
        minutes = int(re.fullmatch(r"rate\((\d+) minutes?\)", schedule["ScheduleExpression"])[1])
        function = stack.started_by(schedule["Target"]["Arn"])
        if stack.functions[function]["Timeout"] > 60 * minutes:
            yield f"{function} may run longer than the {minutes} minutes of {name}"
        if schedule["FlexibleTimeWindow"] != {"Mode": "OFF"}:
            yield f"{name} starts when it likes"
        missing = [
            (alarm, entry)
            for alarm in stack.alarms.values()
            if alarm.get("TreatMissingData") == "breaching"
            for entry in alarm.get("Metrics", [])
            if entry.get("MetricStat", {}).get("Metric", {}).get("MetricName") == "Invocations"
            and {"Name": "FunctionName", "Value": f"${{{function}}}"} in entry["MetricStat"]["Metric"]["Dimensions"]
        ]
        if not missing:
            yield f"no alarm when {function} does not run"
        for alarm, entry in missing:
            # An alarm whose last period is empty goes by the periods before it, whatever it makes of missing data.
            if f"FILL({entry['Id']}, 0)" not in str([other.get("Expression") for other in alarm["Metrics"]]):
                yield f"the alarm goes by runs of long ago when {function} does not run"
            period = entry["MetricStat"]["Period"]
            if not 2 * 60 * minutes < period <= 5 * 60 * minutes or period % 60:
                yield f"the alarm waits {period} s for a run that is due every {minutes} minutes"


# ------------------------------------------------------------------------------------------------- IAM


@check
def roles_hold_only_policies_of_the_template(stack):
    managed, holders = stack.of("AWS::IAM::ManagedPolicy"), Counter()
    for name, role in stack.of("AWS::IAM::Role").items():
        held = [arn.strip("${}") for arn in role.get("ManagedPolicyArns", [])]
        holders.update(held)
        for policy in sorted(set(held) - set(managed)):
            yield f"{name} holds {policy}, which is not written here"
        if "RoleName" in role:
            yield f"{name} has a fixed name"
    for name, policy in managed.items():
        if holders[name] < 2:
            yield f"{name} is not shared: its statements belong into the role"
        for attribute in sorted(set(policy) - {"Description", "PolicyDocument"}):
            yield f"{name} has {attribute}: roles say themselves what they hold, and nothing has a fixed name"
    for kind in ("AWS::IAM::Policy", "AWS::IAM::RolePolicy"):
        if stack.of(kind):
            yield f"{kind}: policies are written in the roles, or in managed policies that they hold"


# What IAM takes for a managed policy, without white space:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_SIZE = 6144
TABLE = "arn:aws-us-gov:dynamodb:us-gov-east-1:012345678901:table/"


@check
def managed_policies_are_within_iams_quota(stack):
    # The longest that parameters and names can be: CloudFormation takes 128 characters for a stack's name.
    services = stack.template["Parameters"]["ManagedServices"]["MaxLength"] // (len(SERVICES[0]) + 1)
    longest = {
        "ManagedServices": ",".join(SERVICES[:1] * services),
        "Organizations": "on",
        "AllowlistStreamArn": f"{TABLE}{'t' * 255}/stream/2026-11-20T00:00:00.000",
        "KmsKeyArn": KEY_ARN,
    }
    for name, policy in Stack(stack.template, stack.parameters | longest).of("AWS::IAM::ManagedPolicy").items():
        text = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
        text = re.sub(r"\$\{RequestsTable\.Arn\}", f"{TABLE}{'s' * 128}-RequestsTable-0123456789ABC", text)
        if len(text) > MANAGED_POLICY_SIZE:
            yield f"{name} may have {len(text)} characters, and IAM takes {MANAGED_POLICY_SIZE}"


@check
def roles_use_no_wildcards_without_a_reason(stack):
    for name in stack.of("AWS::IAM::Role"):
        for statement in stack.statements(name):
            sid = statement.get("Sid", "(no Sid)")
            if statement["Effect"] != "Allow" or "NotAction" in statement or "NotResource" in statement:
                yield f"{name}/{sid} is not a plain permission"
            actions = many(statement.get("Action", []))
            if any("*" in action for action in actions):
                yield f"{name}/{sid} has a wildcard in an action"
            if "*" in many(statement.get("Resource", "*")):
                for action in sorted(set(actions) - set(ANYWHERE)):
                    yield f"{name}/{sid} has resource * for {action}, and no reason is given"


@check
def roles_decide_only_for_managed_services(stack):
    of_a_service = r"ec2:(Accept|Reject|DescribeVpcEndpointServicePermissions)\w*"
    for name in JUDGING_ROLES:
        deciding = [
            statement
            for statement in stack.statements(name)
            if any(re.fullmatch(of_a_service, action) for action in many(statement["Action"]))
        ]
        if not deciding:
            yield f"{name} decides nothing"
        for statement in deciding:
            if stack.parameters.get("ManagedServices", "tagged") == "tagged":
                everything = "arn:aws:ec2:eu-central-1:012345678901:vpc-endpoint-service/*"
                tag = {"StringEquals": {"aws:ResourceTag/privatelink-gatekeeper": "managed"}}
                if statement["Resource"] != everything or statement.get("Condition") != tag:
                    yield f"{name} may decide for services without the tag"
            elif statement["Resource"] != [f"arn:*:ec2:*:*:vpc-endpoint-service/{service}" for service in SERVICES]:
                yield f"{name} may decide for {statement['Resource']}"


@check
def roles_are_assumed_by_one_service(stack):
    assumed = {
        "AnnouncementsScheduleRole": "scheduler.amazonaws.com",
        "ReconcileScheduleRole": "scheduler.amazonaws.com",
        "RolloutRole": "codedeploy.amazonaws.com",
        "AmazonQRole": "chatbot.amazonaws.com",
    }
    # CodeDeploy names the deployment group, which refers to the role and so cannot be named in it.
    source = {"aws:SourceAccount", "aws:SourceArn"}
    guards = {
        "AnnouncementsScheduleRole": source,
        "ReconcileScheduleRole": source,
        "RolloutRole": {"aws:SourceAccount"},
    }
    for name, role in stack.of("AWS::IAM::Role").items():
        statements = role["AssumeRolePolicyDocument"]["Statement"]
        wanted = {"Service": assumed.get(name, "lambda.amazonaws.com")}
        if [statement["Principal"] for statement in statements] != [wanted]:
            yield f"{name} can be assumed by others"
        # Lambda gives no source for an execution role; Scheduler and CodeDeploy do.
        condition = statements[0].get("Condition", {}).get("StringEquals", {})
        if set(condition) != guards.get(name, set()):
            yield f"{name} can be used for another account's resources"


# --------------------------------------------------------------------------- topics, queues, rules, key


def guarded(condition: dict) -> bool:
    """Whether a service may act for this account's resources of one kind only."""
    account = condition.get("StringEquals", {}).get("aws:SourceAccount") == "012345678901"
    source = condition.get("ArnLike", {}).get("aws:SourceArn", "")
    return account and bool(re.fullmatch(r"arn:aws:[a-z0-9]+:eu-central-1:012345678901:[a-z-]+[:/]\*", source))


def only_by_tls(statements: list[dict]) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )


@check
def topics_are_encrypted_and_closed(stack):
    may_publish = {
        "ConnectionNotificationTopic": {"vpce.amazonaws.com": "vpc-endpoint-service/*"},
        "AnnouncementsTopic": {},
        "ApprovalsTopic": {},
        "AlarmsTopic": {"cloudwatch.amazonaws.com": "alarm:*"},
    }
    for name, topic in stack.of("AWS::SNS::Topic").items():
        if topic.get("KmsMasterKeyId") != stack.key:
            yield f"{name} is not encrypted with the customer key"
        statements = stack.policy_of("AWS::SNS::TopicPolicy", "Topics", f"${{{name}}}")
        if not only_by_tls(statements):
            yield f"{name} accepts requests without TLS"
        allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
        services = [statement["Principal"].get("Service") for statement in allowed]
        if services != list(may_publish.get(name, {})):
            yield f"{services} may publish to {name}"
        for statement, source in zip(allowed, may_publish.get(name, {}).values(), strict=False):
            if statement["Action"] != "sns:Publish" or statement["Resource"] != f"${{{name}}}":
                yield f"{name} allows more than publishing"
            condition = statement.get("Condition", {})
            if not guarded(condition) or not condition["ArnLike"]["aws:SourceArn"].endswith(source):
                yield f"{name} lacks a condition against confused deputies"


@check
def subscriptions_lose_nothing(stack):
    for name, subscription in stack.of("AWS::SNS::Subscription").items():
        if subscription["Protocol"] == "sqs":
            if not subscription.get("RedrivePolicy", {}).get("deadLetterTargetArn"):
                yield f"{name} has no dead-letter queue"
            if subscription.get("RawMessageDelivery") is not False:
                yield f"{name} drops the envelope, which names the topic"
    mails = {
        subscription["Endpoint"]
        for subscription in stack.of("AWS::SNS::Subscription").values()
        if subscription["Protocol"] == "email"
    }
    if mails != {stack.parameters[name] for name in ("AnnouncementsEmail", "AlarmsEmail") if name in stack.parameters}:
        yield f"mail goes to {mails}"


@check
def queues_are_encrypted_and_closed(stack):
    dead = stack.dead_letter_queues()
    hints = {"${ConnectionNotificationTopic}", "${CloudTrailRule.Arn}", "${ConnectionRequestedRule.Arn}"}
    announcements = {"${AnnouncementsTopic}"} if stack.slack else set()
    senders = {
        "ConnectionsQueue": hints,
        "SlackQueue": announcements,
        "DeliveryDeadLetterQueue": hints | announcements,
    }
    for name, queue in stack.queues.items():
        if queue.get("SqsManagedSseEnabled") is not True and not queue.get("KmsMasterKeyId"):
            yield f"{name} is not encrypted"
        if name in dead and queue.get("MessageRetentionPeriod") != 14 * 86400:
            yield f"{name} does not keep failures for 14 days"
        if name not in dead and queue.get("MessageRetentionPeriod", 0) >= 14 * 86400:
            yield f"{name} keeps messages so long that none is left for the dead-letter queue"
        if name not in dead and queue.get("RedrivePolicy", {}).get("maxReceiveCount", 0) < 5:
            yield f"{name} gives up too early"
        statements = stack.policy_of("AWS::SQS::QueuePolicy", "Queues", f"${{{name}}}")
        if not only_by_tls(statements):
            yield f"{name} accepts requests without TLS"
        for statement in statements:
            if statement["Effect"] == "Deny":
                continue
            if statement["Action"] != "sqs:SendMessage" or statement["Resource"] != f"${{{name}.Arn}}":
                yield f"{name} allows more than sending"
            source = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn")
            if source is None or not set(many(source)) <= senders.get(name, set()):
                yield f"{name} can be sent to by {source}"


@check
def rules_retry_and_keep_what_fails(stack):
    for name, rule in stack.of("AWS::Events::Rule").items():
        if rule.get("EventBusName", "default") != "default":
            yield f"{name} is not on the default bus, the only one that CloudTrail sends to"
        for target in rule["Targets"]:
            if not target.get("DeadLetterConfig", {}).get("Arn"):
                yield f"{name} has no dead-letter queue"
            if set(target.get("RetryPolicy", {})) != {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"}:
                yield f"{name} has no retry policy"
            if target["Arn"] != "${ConnectionsQueue.Arn}":
                yield f"{name} does not go through the queue"


# Whom a customer key must let in, and to what; KmsKeyArn's description names the same services.
KEY_USERS = {
    "vpce.amazonaws.com": {"kms:GenerateDataKey*", "kms:Decrypt"},
    "cloudwatch.amazonaws.com": {"kms:GenerateDataKey*", "kms:Decrypt"},
    "events.amazonaws.com": {"kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncrypt*"},
    "sns.amazonaws.com": {"kms:GenerateDataKey", "kms:Decrypt"},
    "logs.eu-central-1.amazonaws.com": {
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:DescribeKey",
    },
}


@check
def your_own_key_is_told_whom_to_let_in(stack):
    description = stack.template["Parameters"]["KmsKeyArn"]["Description"]
    for user in sorted(KEY_USERS):
        if user.replace("eu-central-1", "REGION") not in description:
            yield f"whoever gives a key is not told of {user}"


@check
def the_key_lets_in_who_needs_it(stack):
    keys = {name: resource for name, resource in stack.resources.items() if resource["Type"] == "AWS::KMS::Key"}
    if len(keys) != int(stack.own_key):
        yield f"{len(keys)} keys are made"
    for name, resource in keys.items():
        key = resource["Properties"]
        if key.get("EnableKeyRotation") is not True:
            yield f"{name} is not rotated"
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name} goes with the stack, and what it encrypts becomes unreadable"
        users = {}
        for statement in key["KeyPolicy"]["Statement"]:
            principal, condition = statement["Principal"], statement.get("Condition", {})
            if principal == {"AWS": "arn:aws:iam::012345678901:root"}:
                continue
            if set(principal) != {"Service"}:
                yield f"{name} lets in {principal}"
                continue
            users.setdefault(principal["Service"], set()).update(many(statement["Action"]))
            if principal["Service"].startswith("logs."):
                group = condition.get("ArnLike", {}).get("kms:EncryptionContext:aws:logs:arn", "")
                if group != "arn:aws:logs:eu-central-1:012345678901:log-group:gatekeeper-*":
                    yield f"{name} can be used for the logs {group}"
            elif principal["Service"] == "events.amazonaws.com":
                # EventBridge sends no source, so a condition on one would lose what it is to encrypt.
                bus = "arn:aws:events:eu-central-1:012345678901:event-bus/default"
                by_context = {"StringEquals": {"kms:EncryptionContext:aws:events:event-bus:arn": bus}}
                if condition != ({} if statement["Action"] == "kms:DescribeKey" else by_context):
                    yield f"{name} can be used for other events, or for none"
            elif principal["Service"] == "sns.amazonaws.com":
                if condition != {"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-central-1:012345678901:*"}}:
                    yield f"{name} can be used by other accounts' topics"
            elif not guarded(condition):
                yield f"{name} lacks a condition against confused deputies for {principal}"
        if users != KEY_USERS:
            yield f"{name} can be used by {users}"


# ---------------------------------------------------------------------------------------------- tables


@check
def tables_survive(stack):
    tables = {
        name: resource for name, resource in stack.resources.items() if resource["Type"] == "AWS::DynamoDB::Table"
    }
    if set(tables) != {"RequestsTable"} | ({"AllowlistTable"} if stack.own_allowlist else set()):
        yield f"the tables are {sorted(tables)}"
    for name, resource in tables.items():
        table = resource["Properties"]
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name} is not retained"
        if table.get("DeletionProtectionEnabled") is not True:
            yield f"{name} is not protected from deletion"
        if table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled") is not True:
            yield f"{name} cannot be restored to a point in time"
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} is not on demand"
        encryption = {"SSEEnabled": True, "SSEType": "KMS"}
        if not stack.own_key:
            encryption["KMSMasterKeyId"] = stack.key
        if table.get("SSESpecification") != encryption:
            yield f"{name} is encrypted by {table.get('SSESpecification')}"
        if table.get("TimeToLiveSpecification") != {"AttributeName": "purge_at", "Enabled": True}:
            yield f"{name} is not tidied by purge_at"


@check
def tables_have_the_keys_that_the_code_uses(stack):
    def keys(schema):
        return [(part["AttributeName"], part["KeyType"]) for part in schema]

    tables = stack.of("AWS::DynamoDB::Table")
    if stack.own_allowlist:
        if keys(tables["AllowlistTable"]["KeySchema"]) != [("service_id", "HASH"), ("rule", "RANGE")]:
            yield "AllowlistTable has other keys"
        if tables["AllowlistTable"].get("StreamSpecification") != {"StreamViewType": "NEW_AND_OLD_IMAGES"}:
            yield "AllowlistTable does not stream both images"
    if keys(tables["RequestsTable"]["KeySchema"]) != [("pk", "HASH"), ("sk", "RANGE")]:
        yield "RequestsTable has other keys"
    indexes = {
        index["IndexName"]: (keys(index["KeySchema"]), index["Projection"]["ProjectionType"])
        for index in tables["RequestsTable"].get("GlobalSecondaryIndexes", [])
    }
    if indexes != {"open": ([("open_service_id", "HASH"), ("pk", "RANGE")], "ALL")}:
        yield f"RequestsTable has the indexes {indexes}"


# ---------------------------------------------------------------------------------------------- alarms


@check
def everything_that_can_fail_has_an_alarm(stack):
    for function in stack.functions:
        for metric in ("Errors", "Throttles"):
            if not stack.has_alarm("AWS/Lambda", metric, f"${{{function}}}"):
                yield f"no alarm on {metric} of {function}"
        late = stack.has_alarm("AWS/Lambda", "IteratorAge", f"${{{function}}}")
        if any(map(is_stream, stack.mappings_of(function))) and not late:
            yield f"no alarm when {function} is late"
    for api in stack.of("AWS::ApiGatewayV2::Api"):
        if ("AWS/ApiGateway", "5xx", (("ApiId", f"${{{api}}}"),)) not in stack.watched():
            yield f"no alarm on failures of {api}"
        if not stack.has_alarm("AWS/ApiGateway", "4xx", f"${{{api}}}"):
            yield f"no alarm on what {api} refuses"
        if ("PrivateLinkGatekeeper", "Answers", (("outcome", "failed"),)) not in stack.watched():
            yield f"no alarm on failures of those whom {api} is for"
    for metric, names in metrics_of_ours(stack).items():
        if metric in ONLY_SHOWN | WITH_OTHER_ALARMS:
            continue
        # One that stays on must not hide another: an alarm for each value of the dimension.
        for dimensions in [((name, value),) for name in names for value in FACTS["values"][name]] or [()]:
            if ("PrivateLinkGatekeeper", metric, dimensions) not in stack.watched():
                yield f"no alarm on {metric} {dict(dimensions)}"
    dead = stack.dead_letter_queues()
    for queue in stack.queues:
        metric = "ApproximateNumberOfMessagesVisible" if queue in dead else "ApproximateAgeOfOldestMessage"
        if not stack.has_alarm("AWS/SQS", metric, f"${{{queue}.QueueName}}"):
            yield f"no alarm on {metric} of {queue}"
    for step in FACTS["values"]["step"]:
        if not stack.has_alarm("PrivateLinkGatekeeper", "StepFailures", step):
            yield f"no alarm on failures of the step {step}"
    watched = {
        value for _, metric, dimensions in stack.watched() if metric == "StepFailures" for _, value in dimensions
    }
    permanent = {name for name in FACTS["values"]["error_type"] if name.startswith("Permanent.")}
    for error_type in sorted(permanent - watched - COUNTED_OTHERWISE):
        yield f"no alarm on failures of the type {error_type}, which do not pass"
    for stops in FACTS["values"]["stops"]:
        if stops != "nothing" and not stack.has_alarm("PrivateLinkGatekeeper", "StepFailures", stops):
            yield f"no alarm on items of the allowlist that stop {stops} and cannot be understood"
    if stack.slack and not stack.has_alarm("PrivateLinkGatekeeper", "SlackFailures", "permanent"):
        yield "no alarm when Slack lets nobody in"
    if stack.slack and ("PrivateLinkGatekeeper", "SlackStrangers", ()) not in stack.watched():
        yield "no alarm when somebody is refused in Slack"


@check
def alarms_are_of_this_stack(stack):
    for name, alarm in stack.alarms.items():
        parts = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
        for metric in parts or [alarm]:
            dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions", [])}
            own = (
                "stack" not in dimensions
                if metric["Namespace"].startswith("AWS/")
                else dimensions.get("stack") == "gatekeeper"
            )
            if not own or not dimensions:
                yield f"{name} goes off for other stacks"


@check
def what_passes_is_no_alarm_at_once(stack):
    for name, alarm in stack.alarms.items():
        steps = [item["Value"] for item in alarm.get("Dimensions", []) if item["Name"] == "step"]
        if steps and alarm["EvaluationPeriods"] * alarm["Period"] < 900:
            yield f"{name} goes off for what is tried again"
        permanent = [
            item["Value"] for item in alarm.get("Dimensions", []) if item["Name"] in ("error_type", "class", "stops")
        ]
        if permanent and alarm["EvaluationPeriods"] * alarm["Period"] > 300:
            yield f"{name} waits, though it does not pass"


@check
def alarms_watch_what_the_functions_write(stack):
    metrics = metrics_of_ours(stack)
    for namespace, metric, dimensions in stack.watched():
        if namespace.startswith("AWS/"):
            continue
        if namespace != "PrivateLinkGatekeeper" or metric not in metrics:
            yield f"an alarm waits for {namespace} {metric}, which the functions never write"
        for name, value in dimensions:
            if name not in metrics.get(metric, ()) or value not in FACTS["values"][name]:
                yield f"an alarm waits for {metric} by {name} {value}, which the functions never write"


@check
def alarms_on_what_reconcile_finds_last_to_its_next_run(stack):
    minutes = int(stack.parameters.get("ReconcileMinutes", "5"))
    time_out = stack.functions["ReconcileFunction"]["Timeout"]
    for name, alarm in stack.alarms.items():
        parts = [entry["MetricStat"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
        periods = [part["Period"] for part in parts if part["Metric"]["MetricName"] in FOUND]
        if alarm.get("MetricName") in FOUND:
            periods.append(alarm["Period"])
        for period in periods:
            # Until the next run has ended, late though it be; and not for long after one that finds nothing.
            if not 60 * minutes + time_out <= period <= 3 * 60 * minutes or period % 60:
                yield f"{name} looks back {period} s at runs that are due every {minutes} minutes"


@check
def alarms_reach_somebody(stack):
    for name, alarm in stack.alarms.items():
        if alarm.get("AlarmActions") != ["${AlarmsTopic}"] or alarm.get("OKActions") != ["${AlarmsTopic}"]:
            yield f"{name} tells nobody, or not when it is over"
        if not alarm.get("TreatMissingData"):
            yield f"{name} does not say what no data means"
        if len(alarm.get("AlarmDescription", "")) < 40:
            yield f"{name} does not say what it means"


# -------------------------------------------------------------------------------------------- template


@check
def nothing_has_a_fixed_name(stack):
    names = {
        "TableName",
        "TopicName",
        "QueueName",
        "FunctionName",
        "RoleName",
        "AlarmName",
        "LogGroupName",
        "AliasName",
        "Name",
    }
    of_a_function = {
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        # Its name is one among its function's.
        "AWS::Lambda::Alias",
        # One among its application's.
        "AWS::AppConfig::ConfigurationProfile",
        # Its LogGroupName says which log.
        "AWS::Logs::MetricFilter",
    }
    for name, resource in stack.resources.items():
        if resource["Type"] in of_a_function:
            continue  # their FunctionName says which function
        if resource["Type"] == "AWS::ApiGatewayV2::Api" and resource["Properties"]["Name"] == "gatekeeper":
            continue  # the stack's own; there may be several APIs of a name
        if resource["Type"] == "AWS::AppConfig::Application":
            if resource["Properties"]["Name"] != "0a1b2c3d-0000-0000-0000-000000000000":
                yield f"{name} is not called by the stack's id"
            continue
        for fixed in names & set(resource.get("Properties", {})):
            yield f"{name} has a fixed {fixed}"


@check
def parameters_are_explained_and_checked(stack):
    interface = stack.template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = {name for group in interface["ParameterGroups"] for name in group["Parameters"]}
    for name, parameter in stack.template["Parameters"].items():
        bounded = {"MinValue", "MaxValue"} <= set(parameter)
        if not bounded and not {"AllowedPattern", "AllowedValues"} & set(parameter):
            yield f"{name} takes anything"
        for wanted in ("Description", "ConstraintDescription", "Default"):
            if wanted not in parameter:
                yield f"{name} has no {wanted}"
        if "AllowedPattern" in parameter and not re.search(parameter["AllowedPattern"], str(parameter["Default"])):
            yield f"{name} refuses its own default"
        if name not in grouped or name not in interface["ParameterLabels"]:
            yield f"{name} has no place on the console"
    samples = {
        "ManagedServices": (
            ["tagged", *SERVICES, ",".join(SERVICES), "vpce-svc-0a1b2c3d"],
            [
                "",
                "Tagged",
                "tagged," + SERVICES[0],
                SERVICES[0] + ",",
                SERVICES[0] + ", " + SERVICES[1],
                "vpce-0a1b2c3d",
                "*",
            ],
        ),
        "KmsKeyArn": (
            ["", KEY_ARN, KEY_ARN.replace(":aws:", ":aws-us-gov:"), KEY_ARN.replace("key/", "key/mrk-")],
            ["alias/aws/sns", "*", KEY_ARN.replace(":key/", ":alias/")],
        ),
        "AllowlistStreamArn": (
            ["", STREAM_ARN, STREAM_ARN.replace(":aws:", ":aws-cn:")],
            [
                STREAM_ARN.split("/stream/", maxsplit=1)[0],
                "allowlist",
                STREAM_ARN.replace("dynamodb", "kinesis"),
                STREAM_ARN[:-24] + "*",
            ],
        ),
        "RedriveRoleArn": (
            ["", REDRIVE_ROLE_ARN, "arn:aws-us-gov:iam::012345678901:role/Redrive+=,.@_-1"],
            [
                "Redrive",
                "*",
                "arn:aws:iam::012345678901:role/*",
                "arn:aws:iam::012345678901:role/Redrive?",
                "arn:aws:iam::012345678901:user/alice",
                "arn:aws:iam::012345678901:root",
                "arn:aws:sts::012345678901:assumed-role/Redrive/alice",
            ],
        ),
        "EventBusArn": (
            [
                "",
                EVENT_BUS_ARN,
                EVENT_BUS_ARN.replace(":aws:", ":aws-us-gov:"),
                EVENT_BUS_ARN.replace("security", "a/b.c_d"),
            ],
            [
                "default",
                "*",
                EVENT_BUS_ARN.replace("security", "*"),
                EVENT_BUS_ARN.replace("event-bus", "rule"),
                EVENT_BUS_ARN[:-8],
            ],
        ),
        "AlarmsEmail": (["", "ops@example.com"], ["ops", "ops@example", "a@example.com,b@example.com extra"]),
        "AnnouncementsEmail": (["", "people+pl@example.co.uk"], ["people", "@example.com"]),
        "ApprovalsDomainName": (
            ["", "approvals.example.com", "a.b-c.example.co"],
            [
                "https://approvals.example.com",
                "approvals.example.com/",
                "approvals",
                "Approvals.example.com",
                "*.example.com",
                "-a.example.com",
            ],
        ),
        "ApprovalsCertificateArn": (
            ["", CERTIFICATE_ARN],
            ["*", CERTIFICATE_ARN.replace(":certificate/", ":certificate-authority/")],
        ),
        "SlackSecretArn": (
            ["", SECRET_ARN],
            ["gatekeeper/slack", SECRET_ARN.removesuffix("-AbCd3f"), SECRET_ARN[:-6] + "*", SECRET_ARN[:-6] + "??????"],
        ),
        "AmazonQTeamId": (["", "T0EXAMPLE"], ["t0example", "example"]),
        "AmazonQChannel": (["", "C0EXAMPLE"], ["#approvals", "U0EXAMPLE"]),
        "SlackTeamId": (
            ["", "T0EXAMPLE", "E0EXAMPLE", "T0EXAMPLE,T1EXAMPLE,E0EXAMPLE"],
            ["t0example", "U0EXAMPLE", "example", "T0EXAMPLE,", "T0EXAMPLE, T1EXAMPLE", "*"],
        ),
        "SlackAppId": (["", "A0EXAMPLE"], ["a0example", "T0EXAMPLE"]),
        "SlackChannel": (["", "C0EXAMPLE", "G0EXAMPLE"], ["#approvals", "approvals", "U0EXAMPLE"]),
    }
    for name, (good, bad) in samples.items():
        pattern = stack.template["Parameters"][name].get("AllowedPattern", "")
        for text in good:
            if not re.fullmatch(pattern, text):
                yield f"{name} refuses {text!r}"
        for text in bad:
            if re.fullmatch(pattern, text):
                yield f"{name} takes {text!r}"


@check
def what_belongs_together_is_given_together(stack):
    for refusal in refusals(stack.template, stack.parameters):
        yield f"refused: {refusal}"
    domain = {"ApprovalsDomainName": "approvals.example.com", "ApprovalsCertificateArn": CERTIFICATE_ARN}
    amazon_q = {"AmazonQTeamId": "T0EXAMPLE", "AmazonQChannel": "C0EXAMPLE"}
    for whole in (domain, SLACK, amazon_q):
        if refusals(stack.template, whole):
            yield f"refused: {sorted(whole)}"
        for name in whole:
            part = {key: value for key, value in whole.items() if key != name}
            if not refusals(stack.template, part):
                yield f"taken without {name}: {sorted(part)}"
    if not refusals(stack.template, {"SlackChannel": "C0EXAMPLE"}):
        yield "a channel is taken where there is no Slack"


@check
def outputs_are_described(stack):
    # What refers to something that is not deployed raises.
    outputs(stack.template, stack.parameters)
    for name, output in stack.template["Outputs"].items():
        if not output.get("Description"):
            yield f"{name} has no description"
        if "Export" in output:
            yield f"{name} is exported under a fixed name"


@check
def exceptions_have_reasons(stack):
    for name, text in stack.template["Sources"].items():
        above = ""
        for number, line in enumerate(text.splitlines(), 1):
            leaves_out = re.match(r" +(ignore_checks: \[| *- (CKV_|WS\d|ES\d|[EW]\d))", line)
            if leaves_out and not above.lstrip().startswith("#"):
                yield f"{name}, line {number}: a check is left out without a reason"
            above = line


def run(template: dict, checks: list = CHECKS) -> list[tuple[str, str, str]]:
    """Everything that is wrong, as check, set of parameters and complaint."""
    wrong = []
    for label, parameters in SETS.items():
        stack = Stack(template, parameters)
        for function in checks:
            # A check that cannot even be done has not passed.
            try:
                complaints = list(function(stack))
            except Exception as error:  # noqa: BLE001
                complaints = [f"{UNCHECKED}: {type(error).__name__}: {error}"]
            wrong += [(function.__name__, label, complaint) for complaint in complaints]
    return wrong


def main() -> int:
    template = translate(SOURCE)
    template["Sources"] = {path.name: path.read_text(encoding="utf-8") for path in (SOURCE, CHECKOV)}
    # Not deployed with it, but held against it.
    template["Others"] = {"global-allowlist": yaml_parse(GLOBAL_ALLOWLIST.read_text(encoding="utf-8"))}
    if sys.argv[1:] == ["--breaks"]:
        import approvals_breaks  # noqa: F401 (registers its breaks)
        import functions_breaks  # noqa: F401 (as well)
        import operations_breaks  # noqa: F401 (as well)
        import regions_breaks  # noqa: F401 (as well)
        import versions_breaks  # noqa: F401 (as well)
        import writers_breaks  # noqa: F401 (as well)
        from breaks import BREAKS

        by_name = {function.__name__: function for function in CHECKS}
        failed = [f"no break for {name}" for name in sorted(set(by_name) - {name for name, _, _ in BREAKS})]
        for name, title, damage in BREAKS:
            broken = copy.deepcopy(template)
            damage(broken)
            if broken == template:
                failed.append(f"{name}: {title}: changed nothing")
            # Only the check that is meant is asked: the others may see it or not.
            elif all(complaint.startswith(UNCHECKED) for _, _, complaint in run(broken, [by_name[name]])):
                failed.append(f"{name}: {title}: not seen")
        total = len(BREAKS)
    elif not sys.argv[1:]:
        wrong = run(template)
        failed = [f"{name} ({label}): {complaint}" for name, label, complaint in wrong]
        total = len(CHECKS) * len(SETS)
        broken_checks = len({(name, label) for name, label, _ in wrong})
    else:
        sys.exit(__doc__)
    for line in failed:
        print(f"FAILED {line}")
    count = len(failed) if sys.argv[1:] else broken_checks
    print(f"{total - count} passed, {count} failed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
