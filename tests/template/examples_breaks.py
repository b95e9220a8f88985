"""One way at least to break each check of the examples; `examples.py --breaks` wants each of them to be seen.

A break is the check that must see it, what is broken, and the damage to the templates, which are by name, or to the
text of the walk-through beside them.
"""

from collections.abc import Callable

BREAKS: list[tuple[str, str, Callable[[dict], object]]] = []


def place(templates: dict, path: str) -> tuple:
    """What holds the last key of `path`, and that key: an example, then keys and indexes, separated by slashes."""
    *parents, last = path.split("/")
    found = templates
    for key in parents:
        found = found[int(key) if isinstance(found, list) else key]
    return found, int(last) if isinstance(found, list) else last


def set_to(check: str, title: str, path: str, value) -> None:
    """A break that puts `value` at `path`."""

    def damage(templates):
        holder, key = place(templates, path)
        holder[key] = value

    BREAKS.append((check, title, damage))


def without(check: str, title: str, path: str) -> None:
    """A break that takes away what is at `path`."""

    def damage(templates):
        holder, key = place(templates, path)
        del holder[key]

    BREAKS.append((check, title, damage))


def also(check: str, title: str, path: str, value) -> None:
    """A break that adds `value` to the list at `path`."""

    def damage(templates):
        holder, key = place(templates, path)
        holder.setdefault(key, []).append(value)

    BREAKS.append((check, title, damage))


PROVIDER = "provider/Resources"
CONSUMER = "consumer/Resources"
DATA = f"{PROVIDER}/LaunchTemplate/Properties/LaunchTemplateData"
MACHINE = f"{CONSUMER}/Machine/Properties"
ANYBODY = {"Description": "x", "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}

# ---------------------------------------------------------------------------------------- both examples
for example, other in (("provider", "10.0.0.0/16"), ("consumer", "11.0.0.0/16")):
    set_to(
        "addresses_are_the_ones_asked_for", f"another block, {example}", f"{example}/Parameters/VpcCidr/Default", other
    )
set_to(
    "addresses_are_the_ones_asked_for",
    "the same addresses twice",
    f"{PROVIDER}/SecondPrivateSubnet/Properties/CidrBlock/Fn::Select/0",
    2,
)
set_to(
    "addresses_are_the_ones_asked_for",
    "small subnets",
    f"{CONSUMER}/FirstPrivateSubnet/Properties/CidrBlock",
    "21.0.0.0/28",
)

set_to(
    "subnets_are_in_two_zones",
    "one zone by id",
    f"{CONSUMER}/SecondPrivateSubnet/Properties/AvailabilityZoneId",
    {"Ref": "FirstZoneId"},
)
set_to(
    "subnets_are_in_two_zones",
    "one zone by default",
    f"{PROVIDER}/SecondPrivateSubnet/Properties/AvailabilityZone/Fn::If/2/Fn::Select/0",
    0,
)
without(
    "subnets_are_in_two_zones",
    "the zone given counts for nothing",
    f"{PROVIDER}/FirstPrivateSubnet/Properties/AvailabilityZoneId",
)

set_to("nothing_has_a_public_address", "subnet", f"{PROVIDER}/FirstPublicSubnet/Properties/MapPublicIpOnLaunch", True)
set_to("nothing_has_a_public_address", "load balancer", f"{PROVIDER}/LoadBalancer/Properties/Scheme", "internet-facing")
set_to("nothing_has_a_public_address", "web server", f"{DATA}/NetworkInterfaces/0/AssociatePublicIpAddress", True)
without("nothing_has_a_public_address", "machine", f"{MACHINE}/NetworkInterfaces/0/AssociatePublicIpAddress")
set_to("nothing_has_a_public_address", "an address for the machine", f"{CONSUMER}/Address", {"Type": "AWS::EC2::EIP"})

set_to("machines_are_closed", "IMDSv1", f"{DATA}/MetadataOptions/HttpTokens", "optional")
without("machines_are_closed", "IMDSv1 by default", f"{MACHINE}/MetadataOptions")
set_to("machines_are_closed", "metadata for containers", f"{DATA}/MetadataOptions/HttpPutResponseHopLimit", 2)
set_to("machines_are_closed", "disk in the clear", f"{MACHINE}/BlockDeviceMappings/0/Ebs/Encrypted", False)
without("machines_are_closed", "disk as the image has it", f"{DATA}/BlockDeviceMappings")
set_to("machines_are_closed", "key pair", f"{MACHINE}/KeyName", "mine")
set_to("machines_are_closed", "an image of some day", f"{MACHINE}/ImageId", "ami-0123456789abcdef0")
set_to("machines_are_closed", "wrong processor", "consumer/Parameters/InstanceType/AllowedValues", ["t3.micro"])

SSH = {"Description": "x", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
RANGE = ANYBODY | {"ToPort": 90}
also(
    "security_groups_let_in_what_they_must",
    "SSH",
    f"{CONSUMER}/MachineSecurityGroup/Properties/SecurityGroupIngress",
    SSH,
)
also(
    "security_groups_let_in_what_they_must",
    "anybody",
    f"{CONSUMER}/EndpointSecurityGroup/Properties/SecurityGroupIngress",
    ANYBODY,
)
also(
    "security_groups_let_in_what_they_must",
    "past PrivateLink",
    f"{PROVIDER}/LoadBalancerSecurityGroup/Properties/SecurityGroupIngress",
    ANYBODY,
)
set_to(
    "security_groups_let_in_what_they_must",
    "more ports",
    f"{PROVIDER}/WebSecurityGroup/Properties/SecurityGroupIngress/0/ToPort",
    8080,
)
without("security_groups_let_in_what_they_must", "not from on premises", f"{CONSUMER}/EndpointFromOnPremises")
without(
    "security_groups_let_in_what_they_must",
    "from on premises in any case",
    f"{CONSUMER}/EndpointFromOnPremises/Condition",
)

without(
    "security_groups_let_out_what_they_must",
    "everything",
    f"{CONSUMER}/EndpointSecurityGroup/Properties/SecurityGroupEgress",
)
also(
    "security_groups_let_out_what_they_must",
    "to everywhere",
    f"{PROVIDER}/LoadBalancerSecurityGroup/Properties/SecurityGroupEgress",
    ANYBODY,
)
also(
    "security_groups_let_out_what_they_must",
    "more than a port",
    f"{CONSUMER}/MachineSecurityGroup/Properties/SecurityGroupEgress",
    RANGE | {"CidrIp": "21.0.0.0/16"},
)
set_to(
    "security_groups_let_out_what_they_must",
    "a rule elsewhere",
    f"{CONSUMER}/Out",
    {"Type": "AWS::EC2::SecurityGroupEgress", "Properties": {}},
)

set_to(
    "parameters_are_explained_and_checked",
    "anybody may ask",
    "provider/Parameters/ConsumerPrincipals/AllowedPattern",
    "^.+$",
)
set_to("parameters_are_explained_and_checked", "any block", "provider/Parameters/VpcCidr/AllowedPattern", r"^[\d./]+$")
set_to(
    "parameters_are_explained_and_checked",
    "names of zones",
    "consumer/Parameters/FirstZoneId/AllowedPattern",
    "^[a-z0-9-]+$",
)
set_to(
    "parameters_are_explained_and_checked",
    "the whole internet",
    "consumer/Parameters/OnPremisesCidr/AllowedPattern",
    r"^[\d./]*$",
)
set_to("parameters_are_explained_and_checked", "any service", "consumer/Parameters/ServiceName/AllowedPattern", "^.+$")
without("parameters_are_explained_and_checked", "any topic", "provider/Parameters/GatekeeperTopicArn/AllowedPattern")
without("parameters_are_explained_and_checked", "no description", "consumer/Parameters/VpcCidr/Description")
without(
    "parameters_are_explained_and_checked",
    "not in the console",
    "provider/Metadata/AWS::CloudFormation::Interface/ParameterGroups/0",
)

without("zones_are_given_together_and_differ", "one alone", "provider/Rules/ZonesTogether/Assertions/0")
without("zones_are_given_together_and_differ", "the same twice", "provider/Rules/ZonesTogether/Assertions/1")
without("zones_are_given_together_and_differ", "the same twice, consumer", "consumer/Rules")
without("zones_are_given_together_and_differ", "nothing is ever enough", "provider/Rules/ZonesTogether/RuleCondition")

set_to("it_can_be_deployed_twice", "a role's name", f"{CONSUMER}/MachineRole/Properties/RoleName", "machine")
set_to("it_can_be_deployed_twice", "a load balancer's name", f"{PROVIDER}/LoadBalancer/Properties/Name", "example")
set_to("it_can_be_deployed_twice", "an export", "provider/Outputs/EndpointServiceName/Export", {"Name": "service"})

without("outputs_are_described_and_resolve", "no description", "consumer/Outputs/EndpointId/Description")
set_to(
    "outputs_are_described_and_resolve",
    "with the zone's id before the name",
    "consumer/Outputs/CurlCommand/Value/Fn::Sub/1/Name",
    {"Fn::Select": [0, {"Fn::GetAtt": ["Endpoint", "DnsEntries"]}]},
)
set_to(
    "outputs_are_described_and_resolve",
    "the zone's id instead of the name",
    "consumer/Outputs/SendCommand/Value/Fn::Sub/1/Name/Fn::Select/0",
    0,
)
set_to(
    "outputs_are_described_and_resolve",
    "any Region",
    "provider/Outputs/ConnectionsCommand/Value",
    "aws ec2 describe-vpc-endpoint-connections",
)

set_to(
    "outputs_are_described_and_resolve",
    "two lines",
    "provider/Outputs/AllowCommand/Value",
    "gatekeeper --region eu-central-1\nallow vpce-svc-0a1b2c3d4e5f60718 012345678901",
)

set_to("exceptions_have_reasons", "no reason", f"{PROVIDER}/LoadBalancer/Metadata/checkov/skip/0/comment", "noise")
set_to(
    "exceptions_have_reasons",
    "from cfn-lint",
    f"{CONSUMER}/Vpc/Metadata",
    {"cfn-lint": {"config": {"ignore_checks": ["E3031"]}}},
)

without("the_walk_through_uses_what_there_is", "an output less", "consumer/Outputs/MachineId")
set_to("the_walk_through_uses_what_there_is", "an output more", "provider/Outputs/NewCommand", {"Value": "aws"})
without("the_walk_through_uses_what_there_is", "a parameter less", "consumer/Parameters/OnPremisesCidr")


def text(check: str, title: str, was: str, will_be: str) -> None:
    """A break of the walk-through."""

    def damage(templates):
        templates["walk-through"] = templates["walk-through"].replace(was, will_be)

    BREAKS.append((check, title, damage))


text("the_walk_through_uses_what_there_is", "of Gatekeeper", "gatekeeper RequestsTable", "gatekeeper Requests")
text("the_walk_through_can_be_followed", "a quote less", "--reason 'trial is over'", "--reason 'trial is over")
text("the_walk_through_can_be_followed", "a step less", "file://examples/consumer.yaml", "file://somewhere.yaml")
text("the_walk_through_can_be_followed", "a link", "(provider.yaml)", "(provider.json)")

# --------------------------------------------------------------------------------------------- provider
set_to(
    "the_service_asks_gatekeeper", "nobody is asked", f"{PROVIDER}/EndpointService/Properties/AcceptanceRequired", False
)
without(
    "the_service_asks_gatekeeper",
    "nobody is asked by default",
    f"{PROVIDER}/EndpointService/Properties/AcceptanceRequired",
)
without("the_service_asks_gatekeeper", "not managed", f"{PROVIDER}/EndpointService/Properties/Tags/1")
set_to(
    "the_service_asks_gatekeeper",
    "anybody may ask",
    f"{PROVIDER}/EndpointServicePermissions/Properties/AllowedPrincipals",
    ["*"],
)

without(
    "gatekeeper_is_told_where_its_topic_is_given",
    "no requests",
    f"{PROVIDER}/ConnectionNotification/Properties/ConnectionEvents/1",
)
without(
    "gatekeeper_is_told_where_its_topic_is_given", "without a topic", f"{PROVIDER}/ConnectionNotification/Condition"
)
set_to(
    "gatekeeper_is_told_where_its_topic_is_given",
    "never",
    "provider/Conditions/TellsGatekeeper",
    {"Fn::Equals": ["a", "b"]},
)

BALANCER = f"{PROVIDER}/LoadBalancer/Properties"
set_to("the_load_balancer_is_for_privatelink_only", "for HTTP", f"{BALANCER}/Type", "application")
set_to(
    "the_load_balancer_is_for_privatelink_only",
    "in a public subnet",
    f"{BALANCER}/Subnets/0",
    {"Ref": "FirstPublicSubnet"},
)
without("the_load_balancer_is_for_privatelink_only", "in one zone", f"{BALANCER}/Subnets/1")
without("the_load_balancer_is_for_privatelink_only", "open to the VPC", f"{BALANCER}/SecurityGroups")
without(
    "the_load_balancer_is_for_privatelink_only",
    "closed",
    f"{BALANCER}/EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
)
without("the_load_balancer_is_for_privatelink_only", "zones alone", f"{BALANCER}/LoadBalancerAttributes")
set_to("the_load_balancer_is_for_privatelink_only", "another port", f"{PROVIDER}/Listener/Properties/Port", 8080)
set_to("the_load_balancer_is_for_privatelink_only", "UDP", f"{PROVIDER}/Listener/Properties/Protocol", "UDP")
set_to(
    "the_load_balancer_is_for_privatelink_only",
    "answers of its own",
    f"{PROVIDER}/Listener/Properties/DefaultActions/0/Type",
    "fixed-response",
)
set_to(
    "the_load_balancer_is_for_privatelink_only",
    "healthy whatever it says",
    f"{PROVIDER}/TargetGroup/Properties/HealthCheckProtocol",
    "TCP",
)

set_to("a_web_server_is_in_each_private_subnet", "only one", f"{PROVIDER}/WebServers/Properties/MinSize", "1")
set_to(
    "a_web_server_is_in_each_private_subnet",
    "public subnet",
    f"{PROVIDER}/WebServers/Properties/VPCZoneIdentifier/1",
    {"Ref": "SecondPublicSubnet"},
)
set_to("a_web_server_is_in_each_private_subnet", "not told", f"{PROVIDER}/WebServers/Properties/TargetGroupARNs", [])
set_to(
    "a_web_server_is_in_each_private_subnet",
    "kept though dead",
    f"{PROVIDER}/WebServers/Properties/HealthCheckType",
    "EC2",
)
set_to(
    "a_web_server_is_in_each_private_subnet",
    "another group",
    f"{DATA}/NetworkInterfaces/0/Groups/0",
    {"Ref": "LoadBalancerSecurityGroup"},
)


def script(title: str, change: Callable[[str], str]) -> None:
    """A break of what the web servers run when they start."""

    def damage(templates):
        holder, key = place(templates, f"{DATA}/UserData/Fn::Base64")
        holder[key] = change(holder[key])

    BREAKS.append(("web_servers_start_without_internet", title, damage))


script("fetches packages", lambda text: text + "dnf install -y nginx\n")
script("fetches a page", lambda text: text + "curl https://example.com/index.html\n")
script("not bash", lambda text: text.replace("about() {", "about() (("))
script("another port", lambda text: text.replace("http.server 80 ", "http.server 8000 "))

set_to(
    "private_subnets_have_no_way_in",
    "to the internet",
    f"{PROVIDER}/FirstPrivateRoutes/Properties/RouteTableId",
    {"Ref": "PublicRouteTable"},
)
without("private_subnets_have_no_way_in", "not public", f"{PROVIDER}/PublicDefaultRoute")
set_to(
    "private_subnets_have_no_way_in",
    "NAT in a private subnet",
    f"{PROVIDER}/Nat/Properties/SubnetId",
    {"Ref": "FirstPrivateSubnet"},
)
set_to("private_subnets_have_no_way_in", "NAT by default", "provider/Parameters/NatGateway/Default", "true")

# --------------------------------------------------------------------------------------------- consumer
ENDPOINT = f"{CONSUMER}/Endpoint/Properties"
set_to("the_endpoint_is_in_both_subnets", "another type", f"{ENDPOINT}/VpcEndpointType", "GatewayLoadBalancer")
without("the_endpoint_is_in_both_subnets", "in one", f"{ENDPOINT}/SubnetIds/1")
without("the_endpoint_is_in_both_subnets", "the VPC's default group", f"{ENDPOINT}/SecurityGroupIds")
set_to("the_endpoint_is_in_both_subnets", "private DNS", f"{ENDPOINT}/PrivateDnsEnabled", True)

set_to("nothing_leads_to_the_internet", "gateway", f"{CONSUMER}/Gateway", {"Type": "AWS::EC2::InternetGateway"})
set_to(
    "nothing_leads_to_the_internet",
    "NAT",
    f"{CONSUMER}/Nat",
    {"Type": "AWS::EC2::NatGateway", "Properties": {"AllocationId": "x"}},
)

without("session_manager_reaches_the_machine", "no ssm", f"{CONSUMER}/SsmEndpoint")
without("session_manager_reaches_the_machine", "no ssmmessages", f"{CONSUMER}/SsmMessagesEndpoint")
set_to(
    "session_manager_reaches_the_machine",
    "no private DNS",
    f"{CONSUMER}/SsmEndpoint/Properties/PrivateDnsEnabled",
    False,
)
set_to(
    "session_manager_reaches_the_machine",
    "another zone",
    f"{CONSUMER}/SsmMessagesEndpoint/Properties/SubnetIds/0",
    {"Ref": "SecondPrivateSubnet"},
)
set_to(
    "session_manager_reaches_the_machine",
    "wrong group",
    f"{CONSUMER}/SsmEndpoint/Properties/SecurityGroupIds/0",
    {"Ref": "EndpointSecurityGroup"},
)
set_to("session_manager_reaches_the_machine", "no DNS", f"{CONSUMER}/Vpc/Properties/EnableDnsHostnames", False)
without(
    "session_manager_reaches_the_machine",
    "not let out",
    f"{CONSUMER}/MachineSecurityGroup/Properties/SecurityGroupEgress/1",
)
set_to(
    "session_manager_reaches_the_machine",
    "group of others",
    f"{MACHINE}/NetworkInterfaces/0/GroupSet/0",
    {"Ref": "EndpointSecurityGroup"},
)
also(
    "session_manager_reaches_the_machine",
    "may do everything",
    f"{CONSUMER}/MachineRole/Properties/ManagedPolicyArns",
    "arn:aws:iam::aws:policy/AdministratorAccess",
)
without("session_manager_reaches_the_machine", "no role", f"{MACHINE}/IamInstanceProfile")

without("what_it_needs_to_know_the_provider_tells", "no zone", "provider/Outputs/FirstZoneId")
without("what_it_needs_to_know_the_provider_tells", "more than it tells", "consumer/Parameters/VpcCidr/Default")
set_to(
    "what_it_needs_to_know_the_provider_tells",
    "an id instead of a name",
    "provider/Outputs/EndpointServiceName/Value",
    {"Ref": "EndpointService"},
)
set_to(
    "what_it_needs_to_know_the_provider_tells",
    "does not say where from",
    "consumer/Parameters/ServiceName/Description",
    "A service.",
)
