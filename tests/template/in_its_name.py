"""What AWS's services ask for in a role's name, so that no call of a function shows it. Each with its reason."""

from collections import defaultdict
from collections.abc import Iterator

from cloudformation import PSEUDO
from iam import Ask
from stack import Stack

REGION, ACCOUNT = PSEUDO["AWS::Region"], PSEUDO["AWS::AccountId"]
# DynamoDB uses a customer key as the caller, and documents this as the least that a caller needs:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
OF_TABLES = (
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
)


def asked_by_aws(stack: Stack, function: str) -> Iterator[Ask]:
    """What Lambda asks for as the function, whatever the function does."""
    properties = stack.functions[function]
    # It writes the function's log.
    group = properties.get("LoggingConfig", {}).get("LogGroup", "").removesuffix("}")
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Ask(f"logs:{action}", f"{group}.Arn}}")
    # It sends the function's traces, for which X-Ray defines no resource.
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        for action in ("PutTelemetryRecords", "PutTraceSegments"):
            yield Ask(f"xray:{action}", "*")
    for mapping in stack.of("AWS::Lambda::EventSourceMapping").values():
        if stack.started_by(mapping["FunctionName"]) != function:
            continue
        source = mapping["EventSourceArn"]
        streams = {
            stack.allowlist_stream: f"{stack.allowlist}/stream/2026-11-20T00:00:00.000",
            "${RequestsTable.StreamArn}": "${RequestsTable.Arn}/stream/2026-11-20T00:00:00.000",
        }
        if source in streams:
            # It reads the stream. The guide wants ListStreams for one table's streams:
            # https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
            for action in ("DescribeStream", "GetRecords", "GetShardIterator"):
                yield Ask(f"dynamodb:{action}", source)
            yield Ask("dynamodb:ListStreams", streams[source])
        else:
            # It takes from the queue: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage"):
                yield Ask(f"sqs:{action}", source)
        yield from handed_over(mapping)
    for config in stack.of("AWS::Lambda::EventInvokeConfig").values():
        if stack.started_by(config["FunctionName"]) == function:
            yield from handed_over(config)


def handed_over(config: dict) -> Iterator[Ask]:
    """What failed, Lambda puts into the queue that is the destination for it."""
    destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if destination:
        yield Ask("sqs:SendMessage", destination)


def asked_by_schedules(stack: Stack) -> dict[str, set[Ask]]:
    """By role: a schedule starts its target, and keeps what it could not start."""
    asked = defaultdict(set)
    for schedule in stack.of("AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        role = target["RoleArn"].removeprefix("${").removesuffix(".Arn}")
        alias = stack.of("AWS::Lambda::Alias")[target["Arn"].strip("${}")]
        asked[role].add(Ask("lambda:InvokeFunction", f"${{{stack.started_by(target['Arn'])}.Arn}}:{alias['Name']}"))
        if "DeadLetterConfig" in target:
            asked[role].add(Ask("sqs:SendMessage", target["DeadLetterConfig"]["Arn"]))
    return asked


def asked_by_rollouts(stack: Stack) -> dict[str, set[Ask]]:
    """By role: CodeDeploy moves the aliases of the functions that it rolls out, and looks at alarms meanwhile. AWS's
    managed policy for it, AWSCodeDeployRoleForLambdaLimited, names these actions."""
    asked = defaultdict(set)
    groups = stack.of("AWS::CodeDeploy::DeploymentGroup")
    for resource in stack.resources.values():
        rollout = resource.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate")
        if not rollout:
            continue
        alias = resource["Properties"]
        role = groups[rollout["DeploymentGroupName"].strip("${}")]["ServiceRoleArn"].removesuffix(".Arn}").strip("${}")
        function = f"${{{stack.started_by(alias['FunctionName'])}.Arn}}"
        for action in ("GetAlias", "GetProvisionedConcurrencyConfig", "UpdateAlias"):
            # The Service Authorization Reference says the function for the alias's calls, and alias or version for the
            # third; only a rollout at AWS would show which it is.
            asked[role] |= {Ask(f"lambda:{action}", f"{function}{part}") for part in ("", f":{alias['Name']}")}
        # Whatever an alarm is called: which ones they are, the group says.
        asked[role].add(Ask("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:any"))
    return asked


def follows(stack: Stack, ask: Ask) -> Iterator[Ask]:
    """What the service that is called asks for as its caller: the use of the key that its data are under."""
    service = ask.action.split(":")[0]
    name = ask.resource.removeprefix("${").split("}")[0].removesuffix(".Arn")
    properties = stack.resources.get(name, {}).get("Properties", {})
    if not properties and ask.resource.startswith(stack.allowlist):
        # A shared table is under the key that is given with it, if any is.
        properties = {"SSESpecification": {"KMSMasterKeyId": stack.parameters.get("KmsKeyArn")}}
    match service:
        case "sns" if ask.action == "sns:Publish":
            # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            key, actions = properties["KmsMasterKeyId"], ("Decrypt", "GenerateDataKey")
        case "dynamodb":
            # None for the AWS managed key: https://docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html
            key, actions = properties["SSESpecification"].get("KMSMasterKeyId"), OF_TABLES
        case "secretsmanager":
            # Which of the account's keys, only its owner knows.
            key, actions = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/the-secret-s", ("Decrypt",)
        case _:
            return
    context = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
    if service == "secretsmanager":
        # https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
        context["kms:EncryptionContext:SecretARN"] = ask.resource
    for action in actions if key else ():
        yield Ask(f"kms:{action}", key).given(**{name: frozenset({value}) for name, value in context.items()})
