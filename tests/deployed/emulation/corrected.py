"""ministack, with what this test rests on and ministack 1.5.33 does otherwise than AWS documents it:

- EC2's endpoint services and connections are there, and Organizations as well: behind ministack's IAM, calls go on to
  the simulators at SIMULATED_EC2 and SIMULATED_ORGANIZATIONS;
- e-mail by SNS arrives (ministack drops it), as lines of the file MAILBOX;
- a run of an alias that fails goes where the alias's configuration says;
- `sns:Publish` is the permission for PublishBatch too;
- a rule of the default bus is `rule/NAME` in policies;
- `aws:PrincipalArn` of a role's session is the role's ARN, and an AWS service has none; `aws:PrincipalIsAWSService` says
  whether one calls;
- an AWS service may call SNS and SQS under its own name (with the headers of `CALLER`), and is let in by the topic's or
  queue's policy only; EventBridge delivers into queues like that as well;
- a queue whose RedriveAllowPolicy says so is nobody's dead-letter queue;
- `dynamodb:LeadingKeys` is there when items are written;

and each decision about a permission is written to the file DECISIONS. It is served in ministack's place:
`hypercorn corrected:app`. Names of ministack's that are gone with another version fail here at once.
"""

import asyncio
import contextvars
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs

import boto3
from ministack.app import SERVICE_HANDLERS, app  # noqa: F401 (what is served)
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import dynamodb, eventbridge, iam, lambda_svc, sns, sqs, tagging

EC2, ORGANIZATIONS = os.environ["SIMULATED_EC2"], os.environ["SIMULATED_ORGANIZATIONS"]
MAILBOX, DECISIONS = Path(os.environ["MAILBOX"]), Path(os.environ["DECISIONS"])
KEYS = "keys that this request writes, by action and table"
# The parts of a transaction are decided one by one, each as the action that it is.
ACTIONS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
ITSELF = "the action of the request"
# The headers by which a request says that an AWS service makes it under its own name, and for which resource of which
# account. It is signed by the root user, since a service has no key here.
CALLER = ("x-emulated-service", "x-amz-source-arn", "x-amz-source-account")


def add_line(path: Path, document: dict) -> None:
    with path.open("a") as file:
        file.write(json.dumps(document) + "\n")


# The simulators.
def is_simulated(parameters) -> bool:
    [action] = parameters.get("Action") or [""]
    if action in ("CreateTags", "DeleteTags"):
        return parameters.get("ResourceId.1", [""])[0].startswith("vpce-svc-")
    return any(kind in action for kind in ("VpcEndpointConnection", "VpcEndpointService"))


async def forward(url, method, path, headers, body):
    def ask():
        kept = {name: value for name, value in headers.items() if name not in ("host", "content-length")}
        request = urllib.request.Request(url + path, body or None, kept, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.getheaders()), answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, dict(answer.headers.items()), answer.read()

    return await asyncio.to_thread(ask)


answer_ec2 = SERVICE_HANDLERS["ec2"]


async def ec2_or_simulator(method, path, headers, body, query_params):
    if is_simulated(parse_qs(body.decode())):
        return await forward(EC2, method, path, headers, body)
    return await answer_ec2(method, path, headers, body, query_params)


async def organizations_simulator(method, path, headers, body, _query_params):
    return await forward(ORGANIZATIONS, method, path, headers, body)


SERVICE_HANDLERS.update(ec2=ec2_or_simulator, organizations=organizations_simulator)


# Which resource IAM decides about: the endpoint service, where a call names one; and a rule of the default bus, whose
# ARN does not name the bus.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
extract_resource_arn = iam_actions.extract_resource_arn


def resource_arn_as_documented(service, method, path, headers, body, parameters, region, account):
    if service == "ec2" and is_simulated(parameters):
        # CreateTags and DeleteTags name it otherwise.
        [service_id] = parameters.get("ServiceId") or parameters.get("ResourceId.1") or [""]
        return f"arn:aws:ec2:{region}:{account}:vpc-endpoint-service/{service_id}" if service_id else "*"
    arn = extract_resource_arn(service, method, path, headers, body, parameters, region, account)
    return arn.replace(":rule/default/", ":rule/") if service == "events" else arn


iam_actions.extract_resource_arn = resource_arn_as_documented
resource_tags = tagging.resource_tags


def tags_of_services_too(arn):
    if ":vpc-endpoint-service/" not in arn:
        return resource_tags(arn)
    region, account, service = arn.split(":")[3], arn.split(":")[4], arn.rsplit("/", 1)[-1]
    ec2 = boto3.client(
        "ec2", endpoint_url=EC2, region_name=region, aws_access_key_id=account, aws_secret_access_key="any"
    )
    filters = [{"Name": "service-id", "Values": [service]}]
    found = ec2.describe_vpc_endpoint_service_configurations(Filters=filters)["ServiceConfigurations"]
    return {tag["Key"]: tag["Value"] for one in found for tag in one.get("Tags", [])}


tagging.resource_tags = tags_of_services_too


# E-mail. "email" in the message's JSON structure is what subscribers by e-mail get:
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
deliver = sns._fanout


def deliver_mail_too(topic_arn, msg_id, message, subject, message_structure="", message_attributes=None, **others):
    deliver(topic_arn, msg_id, message, subject, message_structure, message_attributes, **others)
    for subscription in sns._topic_by_arn_any_scope(topic_arn)["subscriptions"]:
        text = sns._resolve_message_for_protocol(message, message_structure, "email")
        wanted = sns._matches_filter_policy(subscription, message_attributes or {}, text)
        if subscription["protocol"] == "email" and subscription["confirmed"] and wanted:
            email = {"to": subscription["endpoint"], "topic": topic_arn, "subject": subject, "text": text}
            add_line(MAILBOX, email)


sns._fanout = deliver_mail_too


# "You can configure … destinations … on a function, version, or alias":
# https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
invoke_async = lambda_svc.invoke_async_with_retry


def invoke_async_as_configured(function, event):
    config = function.get("config") or function
    whole = lambda_svc._functions[config["FunctionName"]]
    for alias, target in whole.get("aliases", {}).items():
        configured = lambda_svc._event_invoke_config(whole, alias)
        if configured and target["FunctionVersion"] == config.get("Version"):
            function = {**function, "event_invoke_configs": {"$LATEST": configured}}
    invoke_async(function, event)


lambda_svc.invoke_async_with_retry = invoke_async_as_configured


# "sns:Publish: Grants permission to both publish and publish batch":
# https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
extract_iam_action = iam_actions.extract_iam_action


def documented_action(*arguments):
    action = extract_iam_action(*arguments)
    return "sns:Publish" if action == "sns:PublishBatch" else action


iam_actions.extract_iam_action = documented_action


# "For IAM roles, the request context returns the ARN of the role, not the ARN of the user that assumed the role":
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
resolve_condition_key = iam_evaluator._resolve_condition_key


# And aws:PrincipalIsAWSService is "true when a service uses a service principal to perform a direct action on your
# resources". aws:PrincipalArn names roles, users, federated users and root users, so it is not there then:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice
def principal_as_documented(key, context):
    is_service = context.principal_type == "Service"
    if key.lower() == "aws:principalisawsservice":
        return str(is_service).lower()
    if key.lower() == "aws:principalarn" and is_service:
        return None
    value = resolve_condition_key(key, context)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in str(value):
        name = value.split("/")[1]
        return iam._roles.get_scoped(context.principal_account, None, name)["Arn"]
    return value


iam_evaluator._resolve_condition_key = principal_as_documented


# An AWS service that calls has no permissions of its own: what the resource's policy allows it, and does not deny, it
# may, and nothing else.
calling = contextvars.ContextVar("the AWS service that calls, for which resource of which account", default=None)


def from_services_too(answer):
    async def answer_as(method, path, headers, body, query_params):
        calling.set(tuple(headers[name] for name in CALLER) if CALLER[0] in headers else None)
        return await answer(method, path, headers, body, query_params)

    return answer_as


SERVICE_HANDLERS.update({name: from_services_too(SERVICE_HANDLERS[name]) for name in ("sns", "sqs")})
enforce_topic_policy, enforce_queue_policy = sns._enforce_topic_policy, sqs._enforce_queue_policy


def enforce_topic_policy_on_services_too(topic, action):
    service = calling.get()
    if not service:
        return enforce_topic_policy(topic, action)
    if action == "sns:Publish" and sns.topic_policy_allows(topic["arn"], *service):
        return None
    return sns._error("AuthorizationError", f"{service[0]} is not authorized to perform: {action}", 403)


def enforce_queue_policy_on_services_too(queue, action):
    service, arn = calling.get(), queue["attributes"]["QueueArn"]
    if not service:
        enforce_queue_policy(queue, action)
    elif action != "sqs:SendMessage" or not sqs.queue_policy_allows(arn, *service):
        raise sqs._Err("AccessDenied", f"{service[0]} is not authorized to perform: {action}", 403)


sns._enforce_topic_policy, sqs._enforce_queue_policy = (
    enforce_topic_policy_on_services_too,
    enforce_queue_policy_on_services_too,
)
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
invoke_target = eventbridge._invoke_target


def invoke_target_if_it_lets_events_in(target, event, rule, *others):
    source = rule["Arn"].replace(":rule/default/", ":rule/")
    service = ("events.amazonaws.com", source, get_account_id())
    if ":sqs:" not in target["Arn"] or sqs.queue_policy_allows(target["Arn"], *service):
        invoke_target(target, event, rule, *others)


eventbridge._invoke_target = invoke_target_if_it_lets_events_in

# "denyAll - No source queues can specify this queue as the dead-letter queue":
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
validate_redrive_policy = sqs._validate_redrive_policy


def validate_redrive_policy_both_ways(text):
    validate_redrive_policy(text)
    dead_letters = sqs._queue_by_arn(json.loads(text)["deadLetterTargetArn"])
    allows = json.loads(dead_letters["attributes"].get("RedriveAllowPolicy") or "{}")
    if allows.get("redrivePermission") == "denyAll":
        raise sqs._Err("InvalidParameterValue", f"{dead_letters['name']} is not to be anybody's dead-letter queue", 400)


sqs._validate_redrive_policy = validate_redrive_policy_both_ways


# "Represents the first key attribute of a table":
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
dynamodb_service_context = iam_actions.dynamodb_service_context


def context_with_keys(body):
    context = dynamodb_service_context(body)
    keys = {}
    for action, table, written in writes(json.loads(body or b"{}")):
        keys.setdefault((action, table), []).append(next(iter(written[hash_key(table)].values())))
    return context | ({KEYS: keys} if keys else {})


def writes(request):
    """Each item or key that a request writes, with its action and table."""
    for member in ("Item", "Key"):
        # GetItem has a Key and no condition on it here.
        if member in request and isinstance(request.get("TableName"), str):
            yield ITSELF, request["TableName"], request[member]
    for part in request.get("TransactItems", []):
        for name, operation in part.items():
            yield ACTIONS[name], operation["TableName"], operation.get("Item") or operation["Key"]
    for table, operations in request.get("RequestItems", {}).items():
        if isinstance(operations, list):  # BatchWriteItem; BatchGetItem has a map here.
            for operation in operations:
                [written] = operation.values()
                yield ITSELF, table, written.get("Item") or written["Key"]


def hash_key(table):
    schema = dynamodb._tables[table.rsplit("/", 1)[-1]]["KeySchema"]
    return next(part["AttributeName"] for part in schema if part["KeyType"] == "HASH")


iam_actions.dynamodb_service_context = context_with_keys


# All decisions come together here.
enforce = iam_evaluator.enforce


def enforce_and_tell(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    context = dict(service_context or {})
    written, table = context.pop(KEYS, {}), resource_arn.rsplit("table/", 1)[-1]
    if keys := written.get((iam_action, table)) or written.get((ITSELF, table)):
        context["dynamodb:LeadingKeys"] = keys
    denied = enforce(access_key_id, iam_action, service, region, resource_arn=resource_arn, service_context=context)
    decision = {
        "access_key": access_key_id,
        "principal": getattr(iam_evaluator.resolve_credential(access_key_id), "principal_arn", None),
        "action": iam_action,
        "resource": resource_arn,
        "allowed": denied is None,
    }
    add_line(DECISIONS, decision)
    return denied


iam_evaluator.enforce = enforce_and_tell
