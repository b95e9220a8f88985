"""Ways to break the invariants in approvals.py."""

from breaks import breaks, set_to, statement, without

# ------------------------------------------------------------------------------------------------- API
ROUTES = "api_has_its_routes_and_no_others"
set_to(
    ROUTES,
    "everything else too",
    "Extra",
    {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": {"Ref": "ApprovalsApi"},
            "RouteKey": "$default",
            "Target": {"Fn::Sub": "integrations/${ApprovalsIntegration}"},
        },
    },
)
set_to(ROUTES, "any method", "ApprovalsVoteRoute/Properties/RouteKey", "ANY /a/{token+}")
set_to(ROUTES, "made by the way", "ApprovalsApi/Properties/Target", {"Fn::GetAtt": ["ApprovalsFunction", "Arn"]})
set_to(ROUTES, "open to scripts", "ApprovalsApi/Properties/CorsConfiguration", {"AllowOrigins": ["*"]})
set_to(ROUTES, "a second way in", "Extra", {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE"}})
set_to(ROUTES, "elsewhere", "ApprovalsLookRoute/Properties/Target", "integrations/other")
for TITLE, VALUE in (("unsigned votes", "NONE"), ("a token in place of a signature", "JWT")):
    set_to(ROUTES, TITLE, "SignedVoteRoute/Properties/AuthorizationType", VALUE)
without(ROUTES, "votes without authorization", "SignedVoteRoute/Properties/AuthorizationType")
set_to(ROUTES, "links need a signature", "ApprovalsLookRoute/Properties/AuthorizationType", "AWS_IAM")
set_to(
    ROUTES,
    "signed votes by the pages' integration",
    "SignedVoteRoute/Properties/Target",
    {"Fn::Sub": "integrations/${ApprovalsIntegration}"},
)
set_to(
    ROUTES,
    "pages by the integration of signed votes",
    "ApprovalsVoteRoute/Properties/Target",
    {"Fn::Sub": "integrations/${SignedVoteIntegration}"},
)
without(ROUTES, "Slack is answered without Slack", "SlackInteractionsRoute/Condition")
without(ROUTES, "nobody can look", "ApprovalsLookRoute")

CALLS = "api_calls_one_function_and_waits_for_it"
set_to(
    CALLS,
    "another function",
    "ApprovalsIntegration/Properties/IntegrationUri",
    {"Fn::GetAtt": ["ReconcileFunction", "Arn"]},
)
set_to(CALLS, "does not wait", "ApprovalsIntegration/Properties/TimeoutInMillis", 15000)
set_to(CALLS, "the older payload", "ApprovalsIntegration/Properties/PayloadFormatVersion", "1.0")
set_to(CALLS, "any API", "ApprovalsPermission/Properties/SourceArn", "arn:aws:execute-api:*:*:*")
without(CALLS, "any account's API", "ApprovalsPermission/Properties/SourceAccount")
without(CALLS, "may not call", "ApprovalsPermission")

THROTTLED = "api_is_throttled"
SIGNED = "POST /requests/{endpoint_id}/votes"
OWN = {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10}
without(THROTTLED, "no limits", "ApprovalsStage/Properties/DefaultRouteSettings")
without(THROTTLED, "no rate", "ApprovalsStage/Properties/DefaultRouteSettings/ThrottlingRateLimit")
set_to(THROTTLED, "a flood", "ApprovalsStage/Properties/DefaultRouteSettings/ThrottlingBurstLimit", 5000)
set_to(
    THROTTLED,
    "no limits for one route",
    "ApprovalsStage/Properties/RouteSettings",
    {"POST /a/{token+}": {"ThrottlingRateLimit": 10000}},
)
set_to(
    THROTTLED,
    "limits of its own for a route of strangers",
    "ApprovalsStage/Properties/RouteSettings",
    {"GET /a/{token+}": {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10}},
)
without(THROTTLED, "Slack is locked out with the pages", "ApprovalsStage/Properties/RouteSettings")
without(THROTTLED, "before its route", "ApprovalsStage/DependsOn")
set_to(THROTTLED, "writes down what is sent", "ApprovalsStage/Properties/DefaultRouteSettings/DataTraceEnabled", True)
set_to(
    THROTTLED, "a metric for each route", "ApprovalsStage/Properties/DefaultRouteSettings/DetailedMetricsEnabled", True
)
for TITLE, LIMITS in (
    ("no rate for Slack", {"ThrottlingBurstLimit": 10}),
    ("no burst for Slack", {"ThrottlingRateLimit": 5}),
    ("a flood by Slack's route", {"ThrottlingRateLimit": 5000, "ThrottlingBurstLimit": 10}),
    (
        "writes down what Slack sends",
        {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10, "LoggingLevel": "INFO", "DataTraceEnabled": True},
    ),
):
    set_to(
        THROTTLED,
        TITLE,
        "ApprovalsStage/Properties/RouteSettings",
        {"Fn::If": ["SlackOn", {"POST /slack/interactions": LIMITS, SIGNED: OWN}, {SIGNED: OWN}]},
    )
for TITLE, LIMITS in (
    ("no rate for signed votes", {"ThrottlingBurstLimit": 10}),
    ("a flood of signed votes", {"ThrottlingRateLimit": 5000, "ThrottlingBurstLimit": 10}),
):
    set_to(
        THROTTLED,
        TITLE,
        "ApprovalsStage/Properties/RouteSettings",
        {"Fn::If": ["SlackOn", {"POST /slack/interactions": OWN, SIGNED: LIMITS}, {SIGNED: LIMITS}]},
    )
set_to(THROTTLED, "not what links lead to", "ApprovalsStage/Properties/StageName", "v1")

LOG = "access_log_tells_no_token"
LOGGED = "ApprovalsStage/Properties/AccessLogSettings/Format"
NEEDED = (
    '"stack":"gatekeeper","request":"$context.requestId","route":"$context.routeKey",'
    '"status":"$context.status","latency_ms":"$context.responseLatency"'
)
for TITLE, FORMAT in (
    ("the path", f'{{{NEEDED},"path":"$context.path"}}'),
    ("the path by another name", f'{{{NEEDED},"path":"$context.http.path"}}'),
    ("the path among other words", f'{{{NEEDED},"error":"$context.error.responseType at $context.path"}}'),
    ("the path as a field's name", f'{{{NEEDED},"$context.path":"$context.status"}}'),
    ("the query", f'{{{NEEDED},"query":"$context.queryString"}}'),
    ("who", f'{{{NEEDED},"ip":"$context.identity.sourceIp"}}'),
    ("the status is missing", '{"stack":"gatekeeper","request":"$context.requestId","route":"$context.routeKey"}'),
    ("another stack's name", f"{{{NEEDED}}}".replace("gatekeeper", "other")),
    ("the path as the stack", f"{{{NEEDED}}}".replace("gatekeeper", "$context.path")),
):
    set_to(LOG, TITLE, LOGGED, FORMAT)
without(LOG, "no log", "ApprovalsStage/Properties/AccessLogSettings")
without(LOG, "kept for ever", "ApprovalsAccessLog/Properties/RetentionInDays")
without(LOG, "not encrypted", "ApprovalsAccessLog/Properties/KmsKeyId")
without(LOG, "not retained", "ApprovalsAccessLog/DeletionPolicy")

COUNTED = "what_is_throttled_is_counted"
FILTER = "ThrottledRequestsFilter/Properties"
without(COUNTED, "nobody counts", "ThrottledRequestsFilter")
set_to(COUNTED, "something else", f"{FILTER}/FilterPattern", '{ $.status = "404" }')
set_to(COUNTED, "another log", f"{FILTER}/LogGroupName", {"Ref": "ApprovalsLog"})
without(COUNTED, "for every stack", f"{FILTER}/MetricTransformations/0/Dimensions")

DOMAIN = "own_domain_replaces_the_default_address"
TLS = "ApprovalsDomain/Properties/DomainNameConfigurations/0/SecurityPolicy"
set_to(DOMAIN, "two addresses", "ApprovalsApi/Properties/DisableExecuteApiEndpoint", False)
set_to(DOMAIN, "no address", "ApprovalsApi/Properties/DisableExecuteApiEndpoint", True)
set_to(DOMAIN, "old TLS", TLS, "TLS_1_0")
set_to(DOMAIN, "below a path", "ApprovalsMapping/Properties/ApiMappingKey", "v1")
without(DOMAIN, "leads nowhere", "ApprovalsMapping")

set_to(
    "own_domain_replaces_the_default_address",
    "links to an address that is turned off",
    "AnnouncementsFunction/Properties/Environment/Variables/APPROVALS_URL",
    {"Fn::GetAtt": ["ApprovalsApi", "ApiEndpoint"]},
)

# ----------------------------------------------------------------------------------------- permissions
POLICY = "what_the_internet_reaches_cannot_change_the_policy"


@breaks(POLICY, "writes the allowlist")
def _(template):
    statement(template, "ApprovalsRole", "ReadPolicy")["Action"].append("dynamodb:UpdateItem")


@breaks(POLICY, "writes every table")
def _(template):
    statement(template, "ApprovalsRole", "WriteRequests")["Resource"] = {
        "Fn::Sub": "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*"
    }


@breaks(POLICY, "calls other functions")
def _(template):
    statement(template, "ApprovalsRole", "Log")["Action"].append("lambda:InvokeFunction")


VOTE = "what_the_internet_reaches_asks_ec2_only_for_what_a_vote_needs"


@breaks(VOTE, "looks at more than a vote needs")
def _(template):
    statement(template, "ApprovalsRole", "DescribeHasNoResourceLevel")["Action"].append(
        "ec2:DescribeVpcEndpointConnectionNotifications"
    )


@breaks(VOTE, "looks at services although they are listed")
def _(template):
    statement(template, "ApprovalsRole", "DescribeHasNoResourceLevel")["Action"] = [
        "ec2:DescribeVpcEndpointConnections",
        "ec2:DescribeVpcEndpointServiceConfigurations",
    ]


@breaks(VOTE, "does not see which services are tagged")
def _(template):
    statement(template, "ApprovalsRole", "DescribeHasNoResourceLevel")["Action"] = "ec2:DescribeVpcEndpointConnections"


@breaks(VOTE, "opens services to anybody")
def _(template):
    statement(template, "ApprovalsRole", "DecideListedServices")["Action"].append(
        "ec2:ModifyVpcEndpointServicePermissions"
    )


ITEMS = "roles_of_the_way_in_write_only_their_own_items"


@breaks(ITEMS, "writes what reconcile remembers")
def _(template):
    statement(template, "ApprovalsRole", "WriteRequests")["Condition"]["ForAllValues:StringLike"][
        "dynamodb:LeadingKeys"
    ].append("state")


@breaks(ITEMS, "makes links from Slack")
def _(template):
    del statement(template, "SlackRole", "KeepPrompts")["Condition"]


@breaks(ITEMS, "writes where it reads")
def _(template):
    statement(template, "ApprovalsRole", "ReadRequests")["Action"].append("dynamodb:PutItem")


# --------------------------------------------------------------------------------------------- e-mails
EMAILS = "approval_emails_reach_only_their_approver"
EMAILS_POLICY = "ApprovalsTopicPolicy/Properties/PolicyDocument/Statement"
SUBSCRIBED = {"TopicArn": {"Ref": "ApprovalsTopic"}, "Protocol": "email", "Endpoint": "alice@example.com"}
for TITLE, MORE in (
    ("everybody's links", {}),
    ("somebody else's links", {"FilterPolicy": {"approver": ["bob@example.com"]}}),
    ("filtered by the body", {"FilterPolicy": {"approver": ["alice@example.com"]}, "FilterPolicyScope": "MessageBody"}),
):
    set_to(EMAILS, TITLE, "Extra", {"Type": "AWS::SNS::Subscription", "Properties": {**SUBSCRIBED, **MORE}})
without(EMAILS, "anybody's e-mails", f"{EMAILS_POLICY}/0")
without(EMAILS, "nobody's e-mails", f"{EMAILS_POLICY}/0/Condition")
set_to(
    EMAILS,
    "e-mails of the whole account",
    f"{EMAILS_POLICY}/0/Condition",
    {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
)


@breaks(EMAILS, "e-mails by whoever shows")
def _(template):
    statements = template["Resources"]["ApprovalsTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    statements[0]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"].append(
        {"Fn::If": ["SlackOn", {"Fn::GetAtt": ["SlackRole", "Arn"]}, {"Ref": "AWS::NoValue"}]}
    )


# ----------------------------------------------------------------------------------------------- Slack
WHOLE = "slack_is_there_wholly_or_not_at_all"
for NAME in ("SlackDeadLetterQueue", "SlackLog"):
    without(WHOLE, f"{NAME} without Slack", f"{NAME}/Condition")
without(WHOLE, "nobody tells Slack", "SlackSubscription")
set_to(WHOLE, "everybody's links", "SlackSubscription/Properties/TopicArn", {"Ref": "ApprovalsTopic"})
set_to(WHOLE, "some of it", "SlackSubscription/Properties/FilterPolicy", {"kind": ["review_opened"]})

set_to(
    "slack_app_calls_a_route_that_is_there",
    "a route of another name",
    "SlackInteractionsRoute/Properties/RouteKey",
    "POST /slack/actions",
)

SECRET = "slack_secret_is_read_by_whom_it_is_for"


@breaks(SECRET, "every secret")
def _(template):
    statement(template, "ApprovalsRole", "ReadSlackSecret")["Resource"] = {
        "Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"
    }


@breaks(SECRET, "a third reader")
def _(template):
    policy = template["Resources"]["ReconcileRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    secret = statement(template, "SlackRole", "ReadSlackSecret")
    policy["Statement"].append({"Fn::If": ["SlackOn", secret, {"Ref": "AWS::NoValue"}]})


@breaks(SECRET, "changes it")
def _(template):
    statement(template, "SlackRole", "ReadSlackSecret")["Action"] = [
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
    ]


@breaks(SECRET, "any key for any secret")
def _(template):
    del statement(template, "SlackRole", "SlackSecretKey")["Condition"]["StringEquals"][
        "kms:EncryptionContext:SecretARN"
    ]


@breaks(SECRET, "nobody reads it")
def _(template):
    template["Resources"]["SlackRole"]["Properties"]["ManagedPolicyArns"] = [{"Ref": "FunctionsPolicy"}]


set_to(
    SECRET,
    "told where it is",
    "ConnectionsFunction/Properties/Environment/Variables/SLACK_SECRET_ARN",
    {"Ref": "SlackSecretArn"},
)
