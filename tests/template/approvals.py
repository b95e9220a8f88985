"""What must be true of the way in for people: the API, the e-mails, Slack."""

import json
import re
from pathlib import Path

from stack import check, many

ROOT = Path(__file__).resolve().parents[2]

ROUTES = {"GET /a/{token+}", "HEAD /a/{token+}", "POST /a/{token+}"}
SLACK_ROUTES = {"POST /slack/interactions"}
# Signed by an IAM identity. Its integration is its own.
SIGNED_ROUTES = {"POST /requests/{endpoint_id}/votes"}
# What the access log may hold. None of these tells where somebody went, or from where they came.
LOGGED = {
    "$context.error.responseType",
    "$context.integration.latency",
    "$context.integration.requestId",
    "$context.integration.status",
    "$context.requestId",
    "$context.requestTime",
    "$context.responseLatency",
    "$context.routeKey",
    "$context.status",
}
READS = {"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:Query"}
# Which partitions of the requests table these may write into; what they do there, privileges.py knows.
PARTITIONS = {
    "ApprovalsRole": {"vpce-*", "unexpected-keys#*", "usage#*", "link#*", "outbox#*"},
    "SlackRole": {"prompt#*", "prompts#*", "notice#*"},
}
WRITERS_OF_EMAILS = ["AnnouncementsRole"]


# ------------------------------------------------------------------------------------------------- API


@check
def api_has_its_routes_and_no_others(stack):
    apis = stack.of("AWS::ApiGatewayV2::Api")
    if list(apis) != ["ApprovalsApi"]:
        yield f"the APIs are {sorted(apis)}"
    for kind in ("AWS::ApiGateway::RestApi", "AWS::Lambda::Url", "AWS::ElasticLoadBalancingV2::LoadBalancer"):
        if stack.of(kind):
            yield f"{kind}: another way in"
    for name, api in apis.items():
        if api.get("ProtocolType") != "HTTP":
            yield f"{name} is no HTTP API"
        # Either would make routes of its own, `$default` among them.
        for quick in sorted({"Body", "BodyS3Location", "RouteKey", "Target"} & set(api)):
            yield f"{name} has routes besides those written out, by {quick}"
        if "CorsConfiguration" in api:
            yield f"{name} lets other sites' scripts read its answers"
    routes = stack.of("AWS::ApiGatewayV2::Route")
    wanted = ROUTES | SIGNED_ROUTES | (SLACK_ROUTES if stack.slack else set())
    keys = sorted(route["RouteKey"] for route in routes.values())
    if keys != sorted(wanted):
        yield f"the routes are {keys}"
    for name, route in routes.items():
        is_signed = route["RouteKey"] in SIGNED_ROUTES
        target = "SignedVoteIntegration" if is_signed else "ApprovalsIntegration"
        if route.get("Target") != f"integrations/${{{target}}}" or route.get("ApiId") != "${ApprovalsApi}":
            yield f"{name} leads to {route.get('Target')}"
        if route.get("AuthorizationType") != ("AWS_IAM" if is_signed else "NONE"):
            yield f"{name} has the authorization {route.get('AuthorizationType')}"


@check
def api_calls_one_function_and_waits_for_it(stack):
    integrations = stack.of("AWS::ApiGatewayV2::Integration")
    if stack.called_by_api() != {"ApprovalsFunction"}:
        yield f"the internet reaches {sorted(stack.called_by_api())}"
    for name, integration in integrations.items():
        if (integration.get("IntegrationType"), integration.get("PayloadFormatVersion")) != ("AWS_PROXY", "2.0"):
            yield f"{name} hands over something else than what the function decodes"
        time_out = max(stack.functions[function]["Timeout"] for function in stack.called_by_api())
        if not 1000 * time_out < integration.get("TimeoutInMillis", 30000) <= 30000:
            yield f"{name} gives up before the function does"
    for name, permission in stack.of("AWS::Lambda::Permission").items():
        caller = {key: permission.get(key) for key in ("Action", "Principal", "SourceAccount", "SourceArn")}
        if stack.started_by(permission.get("FunctionName", "")) != "ApprovalsFunction" or caller != {
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceAccount": "012345678901",
            "SourceArn": "arn:aws:execute-api:eu-central-1:012345678901:${ApprovalsApi}/*",
        }:
            yield f"{name} lets {caller} call {permission.get('FunctionName')}"
    if not stack.of("AWS::Lambda::Permission"):
        yield "the API may not call the function"


@check
def api_is_throttled(stack):
    stages = stack.of("AWS::ApiGatewayV2::Stage")
    if list(stages) != ["ApprovalsStage"]:
        yield f"the stages are {sorted(stages)}"
    for name, stage in stages.items():
        settings = stage.get("DefaultRouteSettings", {})
        rate, burst = (int(settings.get(f"Throttling{kind}Limit", 0)) for kind in ("Rate", "Burst"))
        if not 0 < rate <= 100 or not 0 < burst <= 200:
            yield f"{name} lets in {rate} requests a second, {burst} at once"
        of_routes = stage.get("RouteSettings", {})
        # Slack's and signed votes', so that a flood of the pages does not lock them out; and no others.
        if set(of_routes) != SIGNED_ROUTES | (SLACK_ROUTES if stack.slack else set()):
            yield f"{name} has limits of their own for {sorted(of_routes)}"
        for key, own in of_routes.items():
            rate, burst = (int(own.get(f"Throttling{kind}Limit", 0)) for kind in ("Rate", "Burst"))
            if not 0 < rate <= 20 or not 0 < burst <= 50:
                yield f"{name} lets in {rate} requests a second, {burst} at once, by {key}"
        # What detailed logging writes down, the path is among it; and a metric for each route would be one for each token.
        for own in (settings, *of_routes.values()):
            for more in sorted(set(own) - {"ThrottlingRateLimit", "ThrottlingBurstLimit"}):
                yield f"{name} has {more} set, and is to limit and nothing else"
        made_before = set(many(stack.resources[name].get("DependsOn", [])))
        own_routes = {"SignedVoteRoute"} | ({"SlackInteractionsRoute"} if stack.slack else set())
        if not own_routes <= made_before:
            yield f"{name} may be made before the routes whose limits it has"
        if (stage.get("StageName"), stage.get("AutoDeploy")) != ("$default", True):
            yield f"{name} is not what links lead to"


@check
def access_log_tells_no_token(stack):
    for name, stage in stack.of("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        text = settings.get("Format", "")
        if "\n" in text:
            yield f"the format of {name} has more than one line"
        fields = json.loads(text) if text else {}
        # The one that is no variable, and the same in each line: a metric that is made of them is filed under it.
        if text and fields.pop("stack", None) != "gatekeeper":
            yield f"{name} logs under another stack's name, or none"
        # Nested, or with words around it, a variable would not be looked at here.
        for field, variable in sorted(fields.items()):
            if variable not in LOGGED:
                yield f"{name} logs {variable} as {field}"
        if set(re.findall(r"\$[\w.]+", text)) != set(map(str, fields.values())):
            yield f"{name} logs more than its fields"
        for variable in ("$context.requestId", "$context.routeKey", "$context.status", "$context.responseLatency"):
            if variable not in fields.values():
                yield f"{name} does not log {variable}"
        group = stack.resources.get(settings.get("DestinationArn", "").removeprefix("${").removesuffix(".Arn}"), {})
        if group.get("Type") != "AWS::Logs::LogGroup":
            yield f"{name} has no access log"
            continue
        if group["Properties"].get("KmsKeyId") != stack.key or not group["Properties"].get("RetentionInDays"):
            yield f"the access log of {name} is kept for ever, or not encrypted with the customer key"
        if (group.get("DeletionPolicy"), group.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"the access log of {name} is not retained"


@check
def what_is_throttled_is_counted(stack):
    filters = stack.of("AWS::Logs::MetricFilter")
    if list(filters) != ["ThrottledRequestsFilter"]:
        yield f"the metric filters are {sorted(filters)}"
    (log,) = (stage["AccessLogSettings"]["DestinationArn"] for stage in stack.of("AWS::ApiGatewayV2::Stage").values())
    for name, made in filters.items():
        if made["LogGroupName"] != log.replace(".Arn}", "}"):
            yield f"{name} reads {made['LogGroupName']}"
        if made["FilterPattern"] != '{ $.status = "429" }':
            yield f"{name} counts {made['FilterPattern']}"
        for metric in made["MetricTransformations"]:
            if metric.get("Dimensions") != [{"Key": "stack", "Value": "$.stack"}] or metric["MetricValue"] != "1":
                yield f"{name} counts for other stacks, or something else than requests"


@check
def own_domain_replaces_the_default_address(stack):
    domain = stack.parameters.get("ApprovalsDomainName")
    names, mappings = (stack.of(f"AWS::ApiGatewayV2::{kind}") for kind in ("DomainName", "ApiMapping"))
    for name, api in stack.of("AWS::ApiGatewayV2::Api").items():
        if api.get("DisableExecuteApiEndpoint", False) is not bool(domain):
            yield f"{name} has an address that nobody is told of, or none"
    links = stack.functions["AnnouncementsFunction"]["Environment"]["Variables"]["APPROVALS_URL"]
    if links != (f"https://{domain}" if domain else "${ApprovalsApi.ApiEndpoint}"):
        yield f"links lead to {links}"
    if not domain:
        if names or mappings:
            yield f"a domain is made that nobody asked for: {sorted({**names, **mappings})}"
        return
    if [name["DomainName"] for name in names.values()] != [domain]:
        yield f"the domains are {[name['DomainName'] for name in names.values()]}"
    for name, made in names.items():
        for configuration in made["DomainNameConfigurations"]:
            if configuration.get("SecurityPolicy") != "TLS_1_2":
                yield f"{name} lets old TLS in"
            if configuration.get("CertificateArn") != stack.parameters["ApprovalsCertificateArn"]:
                yield f"{name} has another certificate"
    wanted = {"ApiId": "${ApprovalsApi}", "DomainName": "${ApprovalsDomain}", "Stage": "${ApprovalsStage}"}
    if list(mappings.values()) != [wanted]:
        yield f"the domain leads to {list(mappings.values())}"


@check
def what_the_internet_reaches_cannot_change_the_policy(stack):
    for function in stack.called_by_api():
        role = stack.role_of(function)
        for statement in stack.statements(role):
            actions = {action for action in many(statement["Action"]) if action.startswith("dynamodb:")}
            for resource in many(statement["Resource"]) if actions else []:
                if resource == "${RequestsTable.Arn}":
                    continue
                if resource != stack.allowlist or actions - READS:
                    yield f"{function} may {sorted(actions)} on {resource}"
        other = {action.split(":")[0] for statement in stack.statements(role) for action in many(statement["Action"])}
        for service in sorted(other & {"apigateway", "cloudformation", "iam", "lambda", "s3", "sts"}):
            yield f"{function} may change more than requests: {service}"


@check
def what_the_internet_reaches_asks_ec2_only_for_what_a_vote_needs(stack):
    wanted = {"AcceptVpcEndpointConnections", "DescribeVpcEndpointConnections", "RejectVpcEndpointConnections"}
    if stack.parameters.get("ManagedServices", "tagged") == "tagged":
        # Only their descriptions say which services carry the tag.
        wanted.add("DescribeVpcEndpointServiceConfigurations")
    for function in stack.called_by_api():
        statements = stack.statements(stack.role_of(function))
        actions = {action for statement in statements for action in many(statement["Action"])}
        actions = {action.removeprefix("ec2:") for action in actions if action.startswith("ec2:")}
        for action in sorted(actions ^ wanted):
            yield f"{function} may{'' if action in actions else ' not'} {action}"


@check
def roles_of_the_way_in_write_only_their_own_items(stack):
    for role, partitions in PARTITIONS.items():
        if role not in stack.resources:
            continue
        for statement in stack.statements(role):
            writes = {action for action in many(statement["Action"]) if action.startswith("dynamodb:")} - READS
            condition = statement.get("Condition", {})
            keys = condition.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
            if writes and (not keys or set(keys) - partitions):
                yield f"{role} may {sorted(writes)} under {condition}"
    written = ("shared/aws/src/tables/keys.rs", "shared/core/src/outbox.rs")
    keys = "".join((ROOT / path).read_text(encoding="utf-8") for path in written)
    for partition in sorted(PARTITIONS["ApprovalsRole"]):
        word = re.match(r"\w+", partition)[0]
        # An endpoint's id is its own key.
        if word != "vpce" and f'"{word}' not in keys:
            yield f"no item of the requests table has a key like {partition}"


# ------------------------------------------------------------------------------------------- e-mails


@check
def approval_emails_reach_only_their_approver(stack):
    for name, subscription in stack.of("AWS::SNS::Subscription").items():
        if subscription["TopicArn"] != "${ApprovalsTopic}":
            continue
        wanted = {"approver": [subscription["Endpoint"]]}
        if subscription.get("FilterPolicy") != wanted or subscription.get("FilterPolicyScope", "") == "MessageBody":
            yield f"{name} gets other approvers' links"
    statements = stack.policy_of("AWS::SNS::TopicPolicy", "Topics", "${ApprovalsTopic}")
    ours = {"ArnNotEquals": {"aws:PrincipalArn": [f"${{{role}.Arn}}" for role in WRITERS_OF_EMAILS]}}
    closed = [
        statement
        for statement in statements
        if (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sns:Publish")
        and (statement["Resource"], statement.get("Condition")) == ("${ApprovalsTopic}", ours)
    ]
    if not closed:
        yield "others than Gatekeeper may write to approvers"
    if any(statement["Effect"] == "Allow" for statement in statements):
        yield "others are let in to the approvers' topic"


# --------------------------------------------------------------------------------------------- Slack


@check
def slack_is_there_wholly_or_not_at_all(stack):
    made = {name for name in stack.resources if name.startswith("Slack")}
    wanted = {name for name in stack.template["Resources"] if name.startswith("Slack")} if stack.slack else set()
    for name in sorted(made - wanted):
        yield f"{name} is made" + ("" if stack.slack else " although there is no Slack")
    for name in sorted(wanted - made):
        yield f"{name} is missing"
    told = [
        name
        for name, subscription in stack.of("AWS::SNS::Subscription").items()
        if subscription.get("Endpoint") == "${SlackQueue.Arn}"
    ]
    for name in told:
        subscription = stack.resources[name]["Properties"]
        if subscription["TopicArn"] != "${AnnouncementsTopic}" or "FilterPolicy" in subscription:
            yield f"{name} is not told everything that is announced, or other things"
    if stack.slack and not told:
        yield "Slack is told nothing"


@check
def slack_app_calls_a_route_that_is_there(stack):
    if not stack.slack:
        return
    manifest = json.loads((ROOT / "docs/slack-app-manifest.json").read_text(encoding="utf-8"))
    path = re.sub(r"^https://[^/]+", "", manifest["settings"]["interactivity"]["request_url"])
    if f"POST {path}" not in [route["RouteKey"] for route in stack.of("AWS::ApiGatewayV2::Route").values()]:
        yield f"Slack is told to POST {path}, and there is no such route"
    scopes = manifest["oauth_config"]["scopes"]
    if {kind: sorted(names) for kind, names in scopes.items()} != {
        "bot": ["channels:history", "chat:write", "groups:history"]
    }:
        yield f"the app may {scopes}"


@check
def slack_secret_is_read_by_whom_it_is_for(stack):
    secret = stack.parameters.get("SlackSecretArn")
    only_this = {
        "StringEquals": {
            "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
            "kms:EncryptionContext:SecretARN": secret,
        }
    }
    readers = set()
    for role in stack.of("AWS::IAM::Role"):
        for statement in stack.statements(role):
            actions = set(many(statement["Action"]))
            if any(action.startswith("secretsmanager:") for action in actions):
                readers.add(role)
                if actions != {"secretsmanager:GetSecretValue"} or statement["Resource"] != secret:
                    yield f"{role} may {sorted(actions)} on {statement['Resource']}"
            if any(":key/*" in resource for resource in many(statement["Resource"])):
                if actions != {"kms:Decrypt"} or statement.get("Condition") != only_this:
                    yield f"{role} may {sorted(actions)} with any key under {statement.get('Condition')}"
    if readers != ({"ApprovalsRole", "SlackRole"} if secret else set()):
        yield f"the secret is read by {sorted(readers)}"
    for name, function in stack.functions.items():
        if "SLACK_SECRET_ARN" in function["Environment"]["Variables"] and stack.role_of(name) not in (
            "ApprovalsRole",
            "SlackRole",
        ):
            yield f"{name} is told where the secret is"
