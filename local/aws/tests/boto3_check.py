#!/usr/bin/env python3
"""Talks to the simulators with boto3 and checks what AWS documents.

    pip install boto3
    python boto3_check.py --ec2-url http://127.0.0.1:PORT --sns-url http://127.0.0.1:PORT \
        --organizations-url http://127.0.0.1:PORT --events-url http://127.0.0.1:PORT \
        --secretsmanager-url http://127.0.0.1:PORT

Each check has a world of its own only in so far as its services are its own, so it can be run again and again
against the same servers. The organization and the secret are those that examples/serve.rs makes: no call makes one.
Secrets Manager is left out if its URL is not given. The last line is "N passed, M failed"; the exit code is 0 if
nothing failed.
"""

import argparse
import json
import re
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

PROVIDER, CONSUMER, STRANGER = "123456789012", "012345678901", "444455556666"
NLB = f"arn:aws:elasticloadbalancing:us-east-1:{PROVIDER}:loadbalancer/net/a/0123456789abcdef"
GWLB = f"arn:aws:elasticloadbalancing:us-east-1:{PROVIDER}:loadbalancer/gwy/a/0123456789abcdef"
NO_SERVICE, NO_ENDPOINT = "vpce-svc-0aaaaaaaaaaaaaaaa", "vpce-0aaaaaaaaaaaaaaaa"
SIMULATORS = ("ec2", "sns", "organizations", "events")

parser = argparse.ArgumentParser(description="Checks the simulators with boto3.")
for simulator in SIMULATORS:
    parser.add_argument(f"--{simulator}-url", required=True)
parser.add_argument("--secretsmanager-url")
arguments = parser.parse_args()
arguments.sns_url = arguments.sns_url.rstrip("/")

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def client(name, account=PROVIDER, region="us-east-1", retries=1, unsigned=False):
    signature = {"signature_version": UNSIGNED} if unsigned else {}
    return boto3.client(
        name,
        endpoint_url=getattr(arguments, f"{name}_url"),
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": retries}, parameter_validation=False, **signature),
    )


provider, consumer, stranger = (client("ec2", account) for account in (PROVIDER, CONSUMER, STRANGER))
sns = client("sns")
organizations = client("organizations")
events = client("events")


def refusal(call, **parameters):
    """The error with which a call is refused."""
    try:
        answer = call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Message"], "an error has a text"
        assert error.response["ResponseMetadata"]["RequestId"], "an error has a request id"
        return error
    raise AssertionError(f"not refused: {answer}")


def refused(call, **parameters):
    """The status and the code with which a call is refused."""
    answer = refusal(call, **parameters).response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def equal(seen, expected):
    assert seen == expected, f"{seen!r} is not {expected!r}"


def make_service(endpoints=0, **parameters):
    """A service that the consumer may use, and the ids of endpoints that it made."""
    configuration = provider.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[NLB], **parameters)
    service = configuration["ServiceConfiguration"]
    provider.modify_vpc_endpoint_service_permissions(
        ServiceId=service["ServiceId"], AddAllowedPrincipals=[f"arn:aws:iam::{CONSUMER}:root"]
    )
    return service, [make_endpoint(service) for _ in range(endpoints)]


def make_endpoint(service, by=consumer, **parameters):
    endpoint = by.create_vpc_endpoint(
        VpcId="vpc-1", VpcEndpointType="Interface", ServiceName=service["ServiceName"], **parameters
    )
    return endpoint["VpcEndpoint"]["VpcEndpointId"]


def filters(**named):
    return [{"Name": name.replace("_", "-"), "Values": values} for name, values in named.items()]


def listed(**named):
    paginator = provider.get_paginator("describe_vpc_endpoint_connections")
    pages = paginator.paginate(Filters=filters(**named), PaginationConfig={"PageSize": 5})
    return [connection for page in pages for connection in page["VpcEndpointConnections"]]


def ids(connections):
    return [connection["VpcEndpointId"] for connection in connections]


def failures(answer):
    return [(item["ResourceId"], item["Error"]["Code"]) for item in answer["Unsuccessful"]]


def wait_for(condition):
    for _ in range(100):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within 10 s")


@check
def services_are_created_and_described():
    tags = [{"ResourceType": "vpc-endpoint-service", "Tags": [{"Key": "team", "Value": "a & b"}]}]
    service, _ = make_service(TagSpecifications=tags, AcceptanceRequired=True)
    equal(service["ServiceName"], f"com.amazonaws.vpce.us-east-1.{service['ServiceId']}")
    equal(service["ServiceState"], "Available")
    describe = provider.describe_vpc_endpoint_service_configurations
    found = describe(ServiceIds=[service["ServiceId"]])["ServiceConfigurations"]
    equal(found, [service])
    equal(found[0]["Tags"], [{"Key": "team", "Value": "a & b"}])
    equal(found[0]["AcceptanceRequired"], True)
    equal(found[0]["NetworkLoadBalancerArns"], [NLB])
    name = [service["ServiceName"]]
    equal(describe(Filters=filters(service_name=name, service_state=["Available"]))["ServiceConfigurations"], found)
    tagged = [{"Name": "tag:team", "Values": ["a & b"]}, {"Name": "service-id", "Values": [service["ServiceId"]]}]
    equal(describe(Filters=tagged)["ServiceConfigurations"], found)
    equal(refused(describe, ServiceIds=[NO_SERVICE]), (400, "InvalidVpcEndpointServiceId.NotFound"))
    equal(refused(describe, Filters=filters(owner=["x"])), (400, "InvalidFilter"))
    modify = provider.modify_vpc_endpoint_service_configuration
    equal(modify(ServiceId=service["ServiceId"], AcceptanceRequired=False)["Return"], True)
    equal(describe(ServiceIds=[service["ServiceId"]])["ServiceConfigurations"][0]["AcceptanceRequired"], False)


@check
def services_are_paged():
    made = {make_service()[0]["ServiceId"] for _ in range(6)}
    paginator = provider.get_paginator("describe_vpc_endpoint_service_configurations")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 5}))
    assert len(pages) >= 2
    found = [service["ServiceId"] for page in pages for service in page["ServiceConfigurations"]]
    assert made <= set(found) and len(found) == len(set(found))


@check
def services_are_deleted_when_nothing_is_connected():
    service, (endpoint,) = make_service(1)
    service_id = service["ServiceId"]
    delete = provider.delete_vpc_endpoint_service_configurations
    answer = delete(ServiceIds=[service_id, NO_SERVICE])
    expected = [(service_id, "ExistingVpcEndpointConnections"), (NO_SERVICE, "InvalidVpcEndpointService.NotFound")]
    equal(failures(answer), expected)
    provider.reject_vpc_endpoint_connections(ServiceId=service_id, VpcEndpointIds=[endpoint])
    equal(failures(delete(ServiceIds=[service_id])), [])


@check
def permissions_decide_who_may_connect():
    service, _ = make_service()
    service_id = service["ServiceId"]
    create = dict(VpcId="vpc-1", VpcEndpointType="Interface", ServiceName=service["ServiceName"])
    equal(refused(stranger.create_vpc_endpoint, **create), (400, "InvalidServiceName"))
    modify = provider.modify_vpc_endpoint_service_permissions
    answer = modify(ServiceId=service_id, AddAllowedPrincipals=["*"])
    equal([(added["Principal"], added["PrincipalType"]) for added in answer["AddedPrincipals"]], [("*", "All")])
    equal(answer["ReturnValue"], True)
    describe = provider.describe_vpc_endpoint_service_permissions
    allowed = describe(ServiceId=service_id)["AllowedPrincipals"]
    equal(sorted(principal["Principal"] for principal in allowed), ["*", f"arn:aws:iam::{CONSUMER}:root"])
    everybody = describe(ServiceId=service_id, Filters=filters(principal_type=["All"]))["AllowedPrincipals"]
    equal([principal["Principal"] for principal in everybody], ["*"])
    endpoint = make_endpoint(service, by=stranger)
    equal(listed(vpc_endpoint_id=[endpoint])[0]["VpcEndpointOwner"], STRANGER)
    modify(ServiceId=service_id, RemoveAllowedPrincipals=["*"])
    equal(refused(stranger.create_vpc_endpoint, **create), (400, "InvalidServiceName"))
    equal(len(listed(vpc_endpoint_id=[endpoint])), 1)
    equal(refused(modify, ServiceId=service_id, AddAllowedPrincipals=["bob"]), (400, "InvalidPrincipal"))
    equal(
        refused(modify, ServiceId=NO_SERVICE, AddAllowedPrincipals=["*"]), (400, "InvalidVpcEndpointServiceId.NotFound")
    )


@check
def endpoints_belong_to_their_consumer():
    service, (endpoint,) = make_service(1)
    mine = consumer.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]
    equal((mine["OwnerId"], mine["State"], mine["VpcEndpointType"]), (CONSUMER, "pendingAcceptance", "Interface"))
    for other in (provider, stranger, client("ec2", CONSUMER, "eu-west-1")):
        equal(refused(other.describe_vpc_endpoints, VpcEndpointIds=[endpoint]), (400, "InvalidVpcEndpointId.NotFound"))
    equal(
        failures(stranger.delete_vpc_endpoints(VpcEndpointIds=[endpoint])), [(endpoint, "InvalidVpcEndpoint.NotFound")]
    )
    equal(failures(consumer.delete_vpc_endpoints(VpcEndpointIds=[endpoint])), [])
    equal(listed(vpc_endpoint_id=[endpoint])[0]["VpcEndpointState"], "deleting")
    wait_for(lambda: not listed(vpc_endpoint_id=[endpoint]))
    gateway = dict(VpcId="vpc-1", ServiceName=service["ServiceName"])
    equal(refused(consumer.create_vpc_endpoint, **gateway), (400, "InvalidParameter"))
    equal(refused(consumer.create_vpc_endpoint, ServiceName=service["ServiceName"]), (400, "MissingParameter"))


@check
def regions_are_apart_unless_supported():
    service, _ = make_service(SupportedRegions=["eu-west-1"])
    abroad = client("ec2", CONSUMER, "eu-west-1")
    endpoint = make_endpoint(service, by=abroad, ServiceRegion="us-east-1")
    found = listed(service_id=[service["ServiceId"]], vpc_endpoint_region=["cross-region"])
    equal([(c["VpcEndpointId"], c["VpcEndpointRegion"]) for c in found], [(endpoint, "eu-west-1")])
    elsewhere = dict(VpcId="vpc-1", VpcEndpointType="Interface", ServiceName=service["ServiceName"])
    not_supported = client("ec2", CONSUMER, "eu-central-1").create_vpc_endpoint
    equal(refused(not_supported, ServiceRegion="us-east-1", **elsewhere), (400, "InvalidServiceName"))
    here = client("ec2", PROVIDER, "eu-west-1").accept_vpc_endpoint_connections
    answer = refused(here, ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    equal(answer, (400, "InvalidVpcEndpointServiceId.NotFound"))


@check
def a_connection_is_accepted_and_revoked():
    service, (endpoint,) = make_service(1)
    both = dict(ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    connection = listed(service_id=[service["ServiceId"]])[0]
    equal((connection["VpcEndpointState"], connection["VpcEndpointOwner"]), ("pendingAcceptance", CONSUMER))
    assert connection["VpcEndpointConnectionId"].startswith("vpce-con-")
    assert connection["CreationTimestamp"].tzinfo
    equal((connection["IpAddressType"], connection["VpcEndpointRegion"]), ("ipv4", "us-east-1"))
    equal((len(connection["DnsEntries"]), connection["NetworkLoadBalancerArns"]), (1, [NLB]))
    equal(failures(provider.accept_vpc_endpoint_connections(**both)), [])
    equal(failures(provider.accept_vpc_endpoint_connections(**both)), [(endpoint, "InvalidState")])
    equal(listed(vpc_endpoint_id=[endpoint])[0]["VpcEndpointState"], "pending")
    wait_for(lambda: listed(vpc_endpoint_id=[endpoint])[0]["VpcEndpointState"] == "available")
    equal(failures(provider.reject_vpc_endpoint_connections(**both)), [])
    equal(listed(vpc_endpoint_id=[endpoint])[0]["VpcEndpointState"], "rejected")
    equal(failures(provider.reject_vpc_endpoint_connections(**both)), [(endpoint, "InvalidState")])
    equal(failures(provider.accept_vpc_endpoint_connections(**both)), [(endpoint, "InvalidState")])


@check
def one_call_answers_for_each_endpoint():
    service, (first, second) = make_service(2)
    _, (foreign,) = make_service(1)
    answer = provider.accept_vpc_endpoint_connections(
        ServiceId=service["ServiceId"], VpcEndpointIds=[first, NO_ENDPOINT, foreign]
    )
    code = "InvalidVpcEndpointId.NotFound"
    equal(failures(answer), [(NO_ENDPOINT, code), (foreign, code)])
    states = {c["VpcEndpointId"]: c["VpcEndpointState"] for c in listed(service_id=[service["ServiceId"]])}
    equal(states, {first: "pending", second: "pendingAcceptance"})


@check
def calls_that_are_refused_change_nothing():
    service, (endpoint,) = make_service(1)
    service_id = service["ServiceId"]
    for verb in ("accept", "reject"):
        call = getattr(provider, f"{verb}_vpc_endpoint_connections")
        dry = dict(ServiceId=service_id, VpcEndpointIds=[endpoint], DryRun=True)
        equal(refused(call, **dry), (412, "DryRunOperation"))
        equal(refused(call, VpcEndpointIds=[endpoint]), (400, "MissingParameter"))
        equal(refused(call, ServiceId=service_id), (400, "MissingParameter"))
        unknown = refused(call, ServiceId=NO_SERVICE, VpcEndpointIds=[endpoint])
        equal(unknown, (400, "InvalidVpcEndpointServiceId.NotFound"))
        malformed = refused(call, ServiceId="svc-1", VpcEndpointIds=[endpoint])
        equal(malformed, (400, "InvalidVpcEndpointServiceIdId.Malformed"))
        malformed = refused(call, ServiceId=service_id, VpcEndpointIds=["eni-1"])
        equal(malformed, (400, "InvalidVpcEndpointId.Malformed"))
        foreign = getattr(stranger, f"{verb}_vpc_endpoint_connections")
        equal(
            refused(foreign, ServiceId=service_id, VpcEndpointIds=[endpoint])[1], "InvalidVpcEndpointServiceId.NotFound"
        )
    equal(listed(service_id=[service_id])[0]["VpcEndpointState"], "pendingAcceptance")
    equal(refused(provider.describe_vpc_endpoint_connections, DryRun=True), (412, "DryRunOperation"))
    equal(refused(provider.describe_instances), (400, "InvalidAction"))


@check
def connections_are_filtered():
    service, (first, second, third) = make_service(3)
    own = [service["ServiceId"]]
    provider.accept_vpc_endpoint_connections(ServiceId=own[0], VpcEndpointIds=[first])
    provider.reject_vpc_endpoint_connections(ServiceId=own[0], VpcEndpointIds=[second])
    equal(ids(listed(service_id=own)), [first, second, third])
    equal(ids(listed(service_id=own, vpc_endpoint_state=["pendingAcceptance"])), [third])
    equal(ids(listed(service_id=own, vpc_endpoint_state=["PendingAcceptance"])), [])
    equal(ids(listed(service_id=own, vpc_endpoint_state=["rejected", "pendingAcceptance"])), [second, third])
    equal(ids(listed(service_id=own, vpc_endpoint_owner=[CONSUMER])), [first, second, third])
    equal(ids(listed(service_id=own, vpc_endpoint_owner=[CONSUMER.lstrip("0")])), [])
    equal(ids(listed(service_id=own, vpc_endpoint_region=["us-*"])), [first, second, third])
    equal(ids(listed(service_id=own, vpc_endpoint_region=["cross-region"])), [])
    equal(ids(listed(service_id=own, ip_address_type=["ipv6"])), [])
    equal(ids(listed(vpc_endpoint_id=[third, first])), [first, third])
    equal(ids(listed(service_id=[NO_SERVICE])), [])
    describe = provider.describe_vpc_endpoint_connections
    equal(refused(describe, Filters=filters(state=["available"])), (400, "InvalidFilter"))
    equal(refused(describe, Filters=[{"Name": "vpc-endpoint-id ", "Values": ["x"]}]), (400, "InvalidFilter"))
    equal(stranger.describe_vpc_endpoint_connections(Filters=filters(service_id=own))["VpcEndpointConnections"], [])


@check
def connections_are_paged():
    service, made = make_service(12)
    describe = provider.describe_vpc_endpoint_connections
    only = filters(service_id=[service["ServiceId"]])
    sizes, seen, token = [], [], None
    while True:
        more = {"NextToken": token} if token else {}
        answer = describe(Filters=only, MaxResults=5, **more)
        sizes.append(len(answer["VpcEndpointConnections"]))
        seen += ids(answer["VpcEndpointConnections"])
        token = answer.get("NextToken")
        if not token:
            break
    equal((sizes, seen), ([5, 5, 2], made))
    for size in (4, 0, -1):
        equal(refused(describe, MaxResults=size), (400, "InvalidParameterValue"))
    equal(ids(describe(Filters=only, MaxResults=100_000)["VpcEndpointConnections"]), made)
    equal(refused(describe, NextToken="nonsense"), (400, "InvalidNextToken"))


@check
def a_rejected_connection_outlives_its_service():
    service, (endpoint,) = make_service(1)
    both = dict(ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    provider.reject_vpc_endpoint_connections(**both)
    provider.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])
    equal([c["VpcEndpointState"] for c in listed(vpc_endpoint_id=[endpoint])], ["rejected"])
    gone = refused(provider.reject_vpc_endpoint_connections, **both)
    equal(gone, (400, "InvalidVpcEndpointServiceId.NotFound"))


@check
def calls_take_so_many_ids_and_no_more():
    delete = consumer.delete_vpc_endpoints
    many = refusal(delete, VpcEndpointIds=[f"vpce-{n:017x}" for n in range(26)]).response["Error"]
    text = "Maximum number of VPC endpoints to delete was exceeded. You can provide up to 25 VPC endpoints."
    equal((many["Code"], many["Message"]), ("InvalidParameter", text))
    malformed = refusal(delete, VpcEndpointIds=["rtbassoc-1"]).response["Error"]
    may = "the Id may only contain lowercase alphanumeric characters and a single dash"
    text = f"Invalid Id: 'rtbassoc-1' (expecting 'vpce-...; {may}')"
    equal((malformed["Code"], malformed["Message"]), ("InvalidVpcEndpointId.Malformed", text))


def newer(account, action, **parameters):
    """A call that boto3 may be too old for: the status, and the texts of the elements of a name."""
    form = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
    credential = f"AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/ec2/aws4_request"
    call = urllib.request.Request(arguments.ec2_url, form, {"Authorization": credential})
    try:
        with urllib.request.urlopen(call) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read().decode()
    return status, lambda name: re.findall(f"<{name}>([^<]*)</{name}>", body)


@check
def attachments_have_permissions_and_decisions_of_their_own():
    made = provider.create_vpc_endpoint_service_configuration(GatewayLoadBalancerArns=[GWLB])["ServiceConfiguration"]
    service, name = {"ServiceId": made["ServiceId"]}, made["ServiceName"]

    def allow(principal):
        permission = {"PermissionType": "transit-gateway-attachment", "AddAllowedPrincipals.1": principal}
        return newer(PROVIDER, "ModifyVpcEndpointServicePermissions", **service, **permission)

    status, texts = allow("*")
    equal((status, texts("Code")), (400, ["InvalidPrincipal"]))
    status, texts = allow(f"arn:aws:iam::{CONSUMER}:root")
    equal((status, texts("permissionType")), (200, ["transit-gateway-attachment"]))
    create = dict(VpcId="vpc-1", VpcEndpointType="GatewayLoadBalancer", ServiceName=name)
    equal(refused(consumer.create_vpc_endpoint, **create), (400, "InvalidServiceName"))

    attach = {"TransitGatewayId": f"tgw-{time.time_ns()}", "ServiceName": name, "AvailabilityZone.1": "us-east-1a"}
    status, texts = newer(CONSUMER, "CreateTransitGatewayNetworkFunctionAttachment", **attach)
    equal((status, texts("state")), (200, ["pendingAcceptance"]))
    (attachment,) = texts("transitGatewayAttachmentId")
    only = {"Filter.1.Name": "transit-gateway-attachment-id", "Filter.1.Value.1": attachment}
    _, texts = newer(PROVIDER, "DescribeVpcEndpointConnections", **only)
    equal((texts("vpcEndpointId"), texts("transitGatewayAttachmentOwner")), ([], [CONSUMER]))
    for verb, state in (("Accept", "pending"), ("Reject", "rejected")):
        action, by_id = f"{verb}VpcEndpointConnections", {"TransitGatewayAttachmentId.1": attachment}
        status, texts = newer(PROVIDER, action, **service, **by_id)
        equal((status, texts("code")), (200, []))
        _, texts = newer(PROVIDER, "DescribeVpcEndpointConnections", **only)
        equal(texts("vpcEndpointState"), [state])
        status, texts = newer(PROVIDER, action, **service, **by_id)
        equal((status, texts("code"), texts("resourceId")), (200, ["InvalidState"], [attachment]))
    # boto3 of any age lists it, and sees a connection without an endpoint.
    (seen,) = listed(service_id=[made["ServiceId"]])
    equal((seen["VpcEndpointState"], seen.get("VpcEndpointId")), ("rejected", None))


@check
def notifications_reach_the_topic():
    service, _ = make_service()
    service_id = service["ServiceId"]
    topic = sns.create_topic(Name=service_id)["TopicArn"]
    subscribe(topic, f"{service_id}@example.com")
    create = provider.create_vpc_endpoint_connection_notification
    events = ["Connect", "Accept", "Reject", "Delete"]
    made = create(ServiceId=service_id, ConnectionNotificationArn=topic, ConnectionEvents=events)
    notification = made["ConnectionNotification"]
    equal((notification["ConnectionNotificationState"], notification["ServiceId"]), ("Enabled", service_id))
    equal(sorted(notification["ConnectionEvents"]), sorted(events))
    describe = provider.describe_vpc_endpoint_connection_notifications
    by_service = describe(Filters=filters(service_id=[service_id], connection_notification_state=["Enabled"]))
    equal(by_service["ConnectionNotificationSet"], [notification])
    by_topic = describe(Filters=filters(connection_notification_arn=[topic]))
    equal(by_topic["ConnectionNotificationSet"], [notification])
    equal(
        refused(create, ServiceId=service_id, ConnectionNotificationArn=topic, ConnectionEvents=["x"])[1],
        "InvalidParameterValue",
    )
    equal(
        refused(create, ServiceId=service_id, ConnectionNotificationArn="x", ConnectionEvents=events)[1],
        "InvalidParameterValue",
    )

    endpoint = make_endpoint(service)
    both = dict(ServiceId=service_id, VpcEndpointIds=[endpoint])
    provider.accept_vpc_endpoint_connections(**both)
    provider.accept_vpc_endpoint_connections(**both)
    provider.reject_vpc_endpoint_connections(**both)
    wait_for(lambda: len(mails(f"{service_id}@example.com")) == 3)
    for mail in mails(f"{service_id}@example.com"):
        assert endpoint in mail["message"] and service_id in mail["message"], mail

    notification_id = notification["ConnectionNotificationId"]
    modify = provider.modify_vpc_endpoint_connection_notification
    equal(modify(ConnectionNotificationId=notification_id, ConnectionEvents=["Accept"])["ReturnValue"], True)
    consumer.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    time.sleep(0.3)
    equal(len(mails(f"{service_id}@example.com")), 3)
    delete = provider.delete_vpc_endpoint_connection_notifications
    answer = delete(ConnectionNotificationIds=[notification_id, "vpce-nfn-0aaaaaaaaaaaaaaaa"])
    equal(failures(answer), [("vpce-nfn-0aaaaaaaaaaaaaaaa", "InvalidConnectionNotification")])
    equal(refused(describe, ConnectionNotificationId=notification_id), (400, "InvalidConnectionNotification"))


def inbox(endpoint):
    query = urllib.parse.urlencode({"endpoint": endpoint})
    with urllib.request.urlopen(f"{arguments.sns_url}/inbox?{query}") as answer:
        return json.load(answer)


def mails(address):
    """What an address got from topics."""
    return [delivery for delivery in inbox(address) if delivery["kind"] == "Notification"]


def subscribe(topic, address, protect="true", **attributes):
    """A subscription by e-mail, confirmed with the token in the mail that asks for it."""
    arn = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint=address, Attributes=attributes, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    token = inbox(address)[-1]["token"]
    confirmed = sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe=protect)
    equal(confirmed["SubscriptionArn"], arn)
    return arn


def attribute(value, kind="String"):
    return {"DataType": kind, "BinaryValue" if kind == "Binary" else "StringValue": value}


TOPICS = iter(f"check-{time.time_ns()}-{n}" for n in range(1000))


def make_topic():
    return sns.create_topic(Name=next(TOPICS))["TopicArn"]


@check
def topics_and_subscriptions():
    name = next(TOPICS)
    topic = sns.create_topic(Name=name, Attributes={"DisplayName": "Reviews"})["TopicArn"]
    equal(topic, f"arn:aws:sns:us-east-1:{PROVIDER}:{name}")
    equal(sns.create_topic(Name=name)["TopicArn"], topic)
    equal(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"], "Reviews")
    pages = sns.get_paginator("list_topics").paginate()
    assert topic in [found["TopicArn"] for page in pages for found in page["Topics"]]
    policy = json.dumps({"approver": ["alice@example.com"]})
    subscription = subscribe(topic, "alice@example.com", FilterPolicy=policy)
    found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    equal(
        [(s["SubscriptionArn"], s["Protocol"], s["Endpoint"]) for s in found],
        [(subscription, "email", "alice@example.com")],
    )
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    equal((attributes["FilterPolicy"], attributes["FilterPolicyScope"]), (policy, "MessageAttributes"))
    equal((attributes["PendingConfirmation"], attributes["Owner"]), ("false", PROVIDER))
    change = dict(SubscriptionArn=subscription, AttributeName="FilterPolicy")
    equal(refused(sns.set_subscription_attributes, AttributeValue="{", **change), (400, "InvalidParameter"))
    sns.set_subscription_attributes(AttributeValue="{}", **change)
    assert "FilterPolicy" not in sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    sns.unsubscribe(SubscriptionArn=subscription)
    equal(refused(sns.get_subscription_attributes, SubscriptionArn=subscription), (404, "NotFound"))
    equal(refused(sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="nobody"), (400, "InvalidParameter"))
    sns.delete_topic(TopicArn=topic)
    equal(refused(sns.list_subscriptions_by_topic, TopicArn=topic), (404, "NotFound"))
    equal(refused(client("sns", STRANGER).publish, TopicArn=topic, Message="m"), (403, "AuthorizationError"))


@check
def subscriptions_are_confirmed_and_protected():
    topic = make_topic()
    subscribe_alice = dict(TopicArn=topic, Protocol="email", Endpoint=f"alice@{topic.rsplit(':', 1)[1]}")

    def counts():
        attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        return [attributes[f"Subscriptions{what}"] for what in ("Confirmed", "Pending", "Deleted")]

    equal(sns.subscribe(**subscribe_alice)["SubscriptionArn"], "pending confirmation")
    equal(counts(), ["0", "1", "0"])
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    equal([subscription["SubscriptionArn"] for subscription in listed], ["PendingConfirmation"])
    sns.publish(TopicArn=topic, Message="too early")
    equal(mails(subscribe_alice["Endpoint"]), [])
    equal(refused(sns.confirm_subscription, TopicArn=topic, Token="x"), (400, "InvalidParameter"))
    arn = subscribe(topic, subscribe_alice["Endpoint"])
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    equal((attributes["PendingConfirmation"], attributes["ConfirmationWasAuthenticated"]), ("false", "true"))
    equal(refused(client("sns", STRANGER).unsubscribe, SubscriptionArn=arn), (403, "AuthorizationError"))
    anonymous = client("sns", unsigned=True)
    equal(refused(anonymous.unsubscribe, SubscriptionArn=arn), (403, "AuthorizationError"))
    sns.unsubscribe(SubscriptionArn=arn)
    equal(counts(), ["0", "0", "1"])
    arn = subscribe(topic, f"bob@{topic.rsplit(':', 1)[1]}", protect="false")
    anonymous.unsubscribe(SubscriptionArn=arn)
    equal(counts(), ["0", "0", "2"])


@check
def messages_reach_whom_they_are_for():
    topic = make_topic()
    name = topic.rsplit(":", 1)[1]
    for person in ("alice", "bob"):
        address = f"{person}.{name}@example.com"
        subscribe(topic, address, FilterPolicy=json.dumps({"approver": [address]}))
    queue = f"arn:aws:sqs:us-east-1:{PROVIDER}:{name}"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    texts = {"default": "for machines", "email": 'for <you> & "nobody" else, ünïcödé\nsecond line'}
    sent = sns.publish(
        TopicArn=topic,
        Subject="[PrivateLink] request",
        Message=json.dumps(texts),
        MessageStructure="json",
        MessageAttributes={
            "approver": attribute(f"alice.{name}@example.com"),
            "size": attribute("1", "Number"),
            "many": attribute('["a", "b"]', "String.Array"),
            "raw": attribute(b"\x00\x01", "Binary"),
        },
    )
    (mail,) = mails(f"alice.{name}@example.com")
    equal((mail["message"], mail["subject"]), (texts["email"], "[PrivateLink] request"))
    equal((mail["message_id"], mail["topic_arn"], mail["protocol"]), (sent["MessageId"], topic, "email"))
    equal(mail["attributes"]["size"], {"Type": "Number", "Value": "1"})
    equal(mails(f"bob.{name}@example.com"), [])
    equal([delivery["message"] for delivery in inbox(queue)], ["for machines"])


@check
def filter_policies():
    topic = make_topic()
    name = topic.rsplit(":", 1)[1]
    policies = {
        "prefix": {"a": [{"prefix": "x"}]},
        "suffix": {"a": [{"suffix": "z"}]},
        "not": {"a": [{"anything-but": ["xyz"]}]},
        "none": {"a": [{"exists": False}]},
        "number": {"n": [{"numeric": [">", 1, "<=", 3]}]},
        "case": {"a": [{"equals-ignore-case": "XYZ"}]},
        "or": {"$or": [{"a": ["q"]}, {"n": [7]}]},
        "and": {"a": ["xyz", "q"], "n": [2]},
    }
    for key, policy in policies.items():
        attributes = {"FilterPolicy": json.dumps(policy), "FilterPolicyScope": "MessageAttributes"}
        subscribe(topic, f"{key}@{name}", **attributes)
    body = {"FilterPolicy": json.dumps({"o": {"k": ["v"]}}), "FilterPolicyScope": "MessageBody"}
    subscribe(topic, f"body@{name}", **body)
    for text, attributes, expected in (
        ("m", {"a": attribute("xyz")}, "case prefix suffix"),
        ("m", {"a": attribute("q")}, "not or"),
        ("m", {"a": attribute("xyz"), "n": attribute("2", "Number")}, "and case number prefix suffix"),
        ("m", {"n": attribute("7", "Number")}, "none or"),
        ('{"o": {"k": "v"}}', {}, "body none"),
    ):
        sent = sns.publish(TopicArn=topic, Message=text, MessageAttributes=attributes)["MessageId"]
        got = [key for key in [*policies, "body"] if sent in [mail["message_id"] for mail in inbox(f"{key}@{name}")]]
        equal(" ".join(sorted(got)), expected)


@check
def messages_that_break_rules_are_refused():
    topic = make_topic()
    invalid = (400, "InvalidParameter")
    for parameters in (
        {"Message": ""},
        {"Message": "m", "Subject": "x" * 100},
        {"Message": "m", "Subject": "a\nb"},
        {"Message": "m", "Subject": " a"},
        {"Message": "m", "Subject": "é"},
        {"Message": "x" * (256 * 1024 + 1)},
        {"Message": "{}", "MessageStructure": "json"},
        {"Message": "[", "MessageStructure": "json"},
        {"Message": '{"default": "a", "default": "b"}', "MessageStructure": "json"},
    ):
        equal(refused(sns.publish, TopicArn=topic, **parameters), invalid)
    bad = {"a": {"DataType": "Text", "StringValue": "x"}}
    equal(refused(sns.publish, TopicArn=topic, Message="m", MessageAttributes=bad), (400, "ParameterValueInvalid"))
    equal(refused(sns.publish, TopicArn=f"{topic}-not", Message="m"), (404, "NotFound"))
    equal(refused(sns.publish, TopicArn="not", Message="m"), invalid)
    assert sns.publish(TopicArn=topic, Message="x" * 256 * 1024, Subject="x" * 99)["MessageId"]


@check
def batches():
    topic = make_topic()
    address = f"all@{topic.rsplit(':', 1)[1]}"
    subscribe(topic, address)
    entries = [
        {"Id": f"e{n}", "Message": f"m{n}", "MessageAttributes": {"n": attribute(str(n), "Number")}} for n in range(10)
    ]
    entries[3]["Message"] = ""
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    equal(len(answer["Successful"]), 9)
    equal([(f["Id"], f["Code"], f["SenderFault"]) for f in answer["Failed"]], [("e3", "InvalidParameter", True)])
    equal(len(mails(address)), 9)
    one = {"Id": "a", "Message": "m"}
    for batch, code in (
        ([], "EmptyBatchRequest"),
        ([{"Id": f"{n}", "Message": "m"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([one, one], "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "Message": "m"}], "InvalidBatchEntryId"),
        ([{"Id": f"{n}", "Message": "x" * 200_000} for n in range(2)], "BatchRequestTooLong"),
    ):
        equal(refused(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=batch), (400, code))


ORGANIZATION, ROOT, OUS = "o-a1b2c3d4e5", "r-ab12", ["ou-ab12-11111111", "ou-ab12-22222222"]


@check
def an_organization_is_described():
    arn = f"arn:aws:organizations::{PROVIDER}"
    for member in (organizations, client("organizations", CONSUMER)):
        organization = member.describe_organization()["Organization"]
        equal((organization["Id"], organization["MasterAccountId"]), (ORGANIZATION, PROVIDER))
        equal(organization["Arn"], f"{arn}:organization/{ORGANIZATION}")
        equal(organization["FeatureSet"], "ALL")
    not_in_use = (400, "AWSOrganizationsNotInUseException")
    equal(refused(client("organizations", STRANGER).describe_organization), not_in_use)


@check
def parents_lead_up_to_the_root():
    path, child = [], {"Id": CONSUMER}
    while child.get("Type") != "ROOT":
        pages = organizations.get_paginator("list_parents").paginate(ChildId=child["Id"])
        (child,) = [parent for page in pages for parent in page["Parents"]]
        path.append((child["Id"], child["Type"]))
    kind = "ORGANIZATIONAL_UNIT"
    equal(path, [(OUS[1], kind), (OUS[0], kind), (ROOT, "ROOT")])
    parents = organizations.list_parents
    equal(refused(parents, ChildId=STRANGER), (400, "ChildNotFoundException"))
    equal(refused(parents, ChildId="ou-ab12-99999999"), (400, "ChildNotFoundException"))
    error = refusal(parents, ChildId=STRANGER)
    assert isinstance(error, organizations.exceptions.ChildNotFoundException), error
    assert error.response["Message"], "as in the model"
    for child in (ROOT, "1", ""):
        equal(refused(parents, ChildId=child), (400, "InvalidInputException"))
    equal(refusal(parents, ChildId=ROOT).response["Reason"], "INVALID_PATTERN")
    equal(refused(parents), (400, "InvalidInputException"))
    equal(refused(parents, ChildId=CONSUMER, MaxResults=21), (400, "InvalidInputException"))
    equal(refused(parents, ChildId=CONSUMER, NextToken="x"), (400, "InvalidInputException"))
    member = client("organizations", CONSUMER).list_parents
    equal(refused(member, ChildId=CONSUMER), (400, "AccessDeniedException"))
    equal(refused(organizations.list_accounts), (400, "UnknownOperationException"))


@check
def rules_are_looked_for():
    missing = (400, "ResourceNotFoundException")
    equal(refused(events.describe_rule, Name="none"), missing)
    equal(refused(events.describe_rule, Name="none", EventBusName="none"), missing)
    equal(refused(events.list_rules), (400, "UnknownOperationException"))


@check
def events_are_put():
    entry = {"Source": "check", "DetailType": "Check", "Detail": "{}", "Resources": ["arn:check"], "Time": 1700000000}
    answer = events.put_events(Entries=[entry, entry | {"Detail": "[]"}, entry | {"Source": "aws.ec2"}])
    equal(answer["FailedEntryCount"], 2)
    codes = [result.get("ErrorCode") for result in answer["Entries"]]
    equal(codes, [None, "MalformedDetail", "NotAuthorizedForSourceException"])
    equal(["EventId" in result for result in answer["Entries"]], [True, False, False])
    equal(refused(events.put_events, Entries=[entry] * 11), (400, "ValidationException"))


def secrets_are_read():
    get = client("secretsmanager").get_secret_value
    current = get(SecretId="example/secret")
    equal((current["SecretString"], current["VersionStages"]), ("the new value", ["AWSCURRENT"]))
    assert current["CreatedDate"].timestamp() <= time.time()
    previous = get(SecretId=current["ARN"], VersionStage="AWSPREVIOUS")
    equal((previous["SecretString"], previous["Name"]), ("the old value", "example/secret"))
    equal(get(SecretId="example/secret", VersionId=previous["VersionId"])["SecretString"], "the old value")
    missing = (400, "ResourceNotFoundException")
    equal(refused(get, SecretId="example"), missing)
    equal(refused(get, SecretId="example/secret", VersionStage="AWSPENDING"), missing)
    equal(
        refused(client("secretsmanager", STRANGER).get_secret_value, SecretId=current["ARN"])[1],
        "AccessDeniedException",
    )


if arguments.secretsmanager_url:
    check(secrets_are_read)


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
        except Exception:  # noqa: BLE001 (one check must not keep the others from running)
            failed += 1
            print(f"FAILED {function.__name__}")
            traceback.print_exc()
        else:
            print(f"ok     {function.__name__}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
