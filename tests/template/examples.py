"""What must be true of the example stacks, however they change.

    python tests/template/examples.py            checks examples/*.yaml, with several sets of parameters
    python tests/template/examples.py --breaks   breaks them once for each check, and wants the check to see it

Needs what .ci/requirements.txt lists.
"""

import copy
import ipaddress
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from cloudformation import Template

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "examples" / "README.md"
SOURCES = {name: ROOT / "examples" / f"{name}.yaml" for name in ("provider", "consumer")}

CONSUMER = "arn:aws:iam::222222222222:root"
TOPIC_ARN = "arn:aws:sns:eu-central-1:012345678901:gatekeeper-ConnectionNotificationTopic-AbCd3f"
SERVICE_NAME = "com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b2c3d4e5f60718"
ZONES = {"FirstZoneId": "euc1-az2", "SecondZoneId": "euc1-az3"}
SETS = {
    "provider": {
        "defaults": {"ConsumerPrincipals": CONSUMER},
        "everything given": {
            "ConsumerPrincipals": f"{CONSUMER},arn:aws:iam::333333333333:role/Network",
            "GatekeeperTopicArn": TOPIC_ARN,
            "VpcCidr": "10.11.0.0/22",
            "NatGateway": "true",
            "InstanceType": "t4g.nano",
            **ZONES,
        },
    },
    "consumer": {
        "defaults": {"ServiceName": SERVICE_NAME, **ZONES},
        "everything given": {
            "ServiceName": SERVICE_NAME,
            "VpcCidr": "10.21.0.0/23",
            "OnPremisesCidr": "192.168.0.0/16",
            "InstanceType": "t4g.nano",
            **ZONES,
        },
    },
}
DEFAULT_CIDRS = {"provider": "11.0.0.0/16", "consumer": "21.0.0.0/16"}
# What each security group lets in: port, and from whom.
LET_IN = {
    "provider": {"WebSecurityGroup": {(80, "${LoadBalancerSecurityGroup}")}, "LoadBalancerSecurityGroup": set()},
    "consumer": {
        "EndpointSecurityGroup": {(80, "${MachineSecurityGroup}")},
        "SystemsManagerSecurityGroup": {(443, "${MachineSecurityGroup}")},
        "MachineSecurityGroup": set(),
    },
}
# For each parameter with a pattern, what it must take and what it must refuse.
SAMPLES = {
    "ConsumerPrincipals": (
        [CONSUMER, "arn:aws-us-gov:iam::222222222222:role/path/Network", "arn:aws:iam::222222222222:user/alice"],
        ["*", "222222222222", "arn:aws:iam::222222222222:role/*", "arn:aws:iam::22222222222:root", ""],
    ),
    "GatekeeperTopicArn": (["", TOPIC_ARN], ["topic", TOPIC_ARN.replace(":sns:", ":sqs:"), TOPIC_ARN + "*"]),
    "VpcCidr": (["11.0.0.0/16", "21.0.0.0/16", "10.11.0.0/20"], ["11.0.0.0/8", "11.0.0.0/24", "11.0.0.0", ""]),
    "FirstZoneId": (["use1-az1", "euc1-az3", "apse7-az2", "usgw1-az1"], ["us-east-1a", "use1", "*"]),
    "SecondZoneId": (["use1-az1", "euc1-az3", "apse7-az2", "usgw1-az1"], ["us-east-1a", "use1", "*"]),
    "ServiceName": (
        [SERVICE_NAME],
        ["vpce-svc-0a1b2c3d4e5f60718", "com.amazonaws.eu-central-1.s3", SERVICE_NAME + "*", ""],
    ),
    "OnPremisesCidr": (["", "10.0.0.0/8", "192.0.2.7/32"], ["0.0.0.0/0", "10.0.0.0/7", "10.0.0.0", "::/0"]),
}
# What the walk-through sets besides the examples' parameters: Gatekeeper's, and what belongs to the AWS CLI.
OTHER_PARAMETERS = {"Name", "ParameterKey", "ParameterValue", "ReserveConcurrency", "Values"}
# Properties that fix a name, so that a template could be deployed only once.
FIXED_NAMES = {"AutoScalingGroupName", "GroupName", "InstanceProfileName", "LaunchTemplateName", "Name", "RoleName"}
UNCHECKED = "cannot be checked"
CHECKS = []


def check(*names: str):
    """Registers a check of these examples: it gets an `Example` and yields what is wrong, and nothing if nothing is."""

    def register(function):
        CHECKS.extend((function, name) for name in names)
        return function

    return register


class Resolved(Template):
    """A template with what network stacks use besides."""

    def __init__(self, template: dict, parameters: dict[str, str]) -> None:
        super().__init__(template, parameters)
        for name, declared in template["Parameters"].items():
            if declared["Type"] == "CommaDelimitedList":
                self.values[name] = self.values[name].split(",")

    def call(self, function: str, argument):
        match function:
            case "Fn::Select":
                index, items = argument
                items = self.resolve(items)
                # What only AWS knows is a token, and so are its parts.
                return items[int(index)] if isinstance(items, list) else f"{items}[{index}]"
            case "Fn::GetAZs":
                region = self.values["AWS::Region"]
                return [f"{region}{letter}" for letter in "abc"]
            case "Fn::Cidr":
                block, count, bits = self.resolve(argument)
                blocks = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
                return [str(next(blocks)) for _ in range(int(count))]
            case "Fn::Split":
                delimiter, text = argument
                text = self.resolve(text)
                return f"split({text})" if text.startswith("${") else text.split(delimiter)
            case "Fn::Base64":
                return self.resolve(argument)
        return super().call(function, argument)


class Example:
    """One of the templates, deployed with one set of parameters, and what README.md says of both."""

    def __init__(self, name: str, templates: dict, label: str) -> None:
        self.name = name
        self.label = label
        self.templates = {name: templates[name] for name in SETS}
        self.walk_through = templates["walk-through"]
        self.template = self.templates[name]
        self.parameters = SETS[name][label]
        self.resolved = Resolved(self.template, self.parameters)
        self.resources = self.resolved.deployed("Resources")

    def of(self, kind: str) -> dict[str, dict]:
        """Properties of all resources of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def value(self, parameter: str) -> str:
        return self.resolved.values[parameter]

    def machines(self) -> dict[str, dict]:
        """What instances are made from, by the logical id of the instance or of its launch template."""
        templates = self.of("AWS::EC2::LaunchTemplate")
        return self.of("AWS::EC2::Instance") | {name: it["LaunchTemplateData"] for name, it in templates.items()}

    def endpoint(self, service_name: str) -> dict:
        """The endpoint for a service; raises if there is not exactly one."""
        (found,) = [it for it in self.of("AWS::EC2::VPCEndpoint").values() if it["ServiceName"] == service_name]
        return found

    def let_in(self) -> dict[str, set[tuple]]:
        """What each security group lets in: ports and from whom."""
        found = {name: set() for name in self.of("AWS::EC2::SecurityGroup")}
        rules = [
            (name, rule)
            for name, group in self.of("AWS::EC2::SecurityGroup").items()
            for rule in group.get("SecurityGroupIngress", [])
        ]
        rules += [
            (rule["GroupId"].removeprefix("${").removesuffix("}"), rule)
            for rule in self.of("AWS::EC2::SecurityGroupIngress").values()
        ]
        for name, rule in rules:
            one_port = rule["IpProtocol"] == "tcp" and rule["FromPort"] == rule["ToPort"]
            port = rule["FromPort"] if one_port else "more than a TCP port"
            found[name].add((port, rule.get("SourceSecurityGroupId", rule.get("CidrIp"))))
        return found

    def routes_of(self, subnet: str) -> list[dict]:
        """The routes that a subnet has besides the VPC's own."""
        tables = [
            it["RouteTableId"]
            for it in self.of("AWS::EC2::SubnetRouteTableAssociation").values()
            if it["SubnetId"] == f"${{{subnet}}}"
        ]
        if len(tables) != 1:
            raise ValueError(f"{subnet} has {len(tables)} route tables")
        return [route for route in self.of("AWS::EC2::Route").values() if route["RouteTableId"] == tables[0]]


@cache
def gatekeeper_outputs() -> frozenset[str]:
    """What Gatekeeper's own stack tells."""
    return frozenset(yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Outputs"])


# ---------------------------------------------------------------------------------------- both examples


@check("provider", "consumer")
def addresses_are_the_ones_asked_for(example):
    (vpc,) = example.of("AWS::EC2::VPC").values()
    if vpc["CidrBlock"] != example.parameters.get("VpcCidr", DEFAULT_CIDRS[example.name]):
        yield f"the VPC has {vpc['CidrBlock']}"
    blocks = [ipaddress.ip_network(it["CidrBlock"]) for it in example.of("AWS::EC2::Subnet").values()]
    for block in blocks:
        if block.prefixlen != 24 or not block.subnet_of(ipaddress.ip_network(vpc["CidrBlock"])):
            yield f"{block} is no /24 of the VPC"
    if len(set(blocks)) != len(blocks):
        yield "two subnets have the same addresses"


@check("provider", "consumer")
def subnets_are_in_two_zones(example):
    zones = {
        name: (it.get("AvailabilityZone"), it.get("AvailabilityZoneId"))
        for name, it in example.of("AWS::EC2::Subnet").items()
    }
    wanted = {
        "provider": ["FirstPublic", "SecondPublic", "FirstPrivate", "SecondPrivate"],
        "consumer": ["FirstPrivate", "SecondPrivate"],
    }[example.name]
    if set(zones) != {f"{name}Subnet" for name in wanted}:
        yield f"the subnets are {sorted(zones)}"
    for name, zone in zones.items():
        if (zone[0] is None) == (zone[1] is None):
            yield f"{name} is in {zone}"
        if "FirstZoneId" in example.parameters and zone[1] not in ZONES.values():
            yield f"{name} is in another zone than the one given"
    for kind in {name.removeprefix("First").removeprefix("Second") for name in zones}:
        if zones[f"First{kind}"] == zones[f"Second{kind}"]:
            yield f"both {kind}s are in one zone"


@check("provider", "consumer")
def nothing_has_a_public_address(example):
    for name, subnet in example.of("AWS::EC2::Subnet").items():
        if subnet.get("MapPublicIpOnLaunch") is not False:
            yield f"{name} gives public addresses"
    for name, machine in example.machines().items():
        interfaces = machine.get("NetworkInterfaces", [])
        if not interfaces or any(it.get("AssociatePublicIpAddress") is not False for it in interfaces):
            yield f"{name} may get a public address"
    for name, balancer in example.of("AWS::ElasticLoadBalancingV2::LoadBalancer").items():
        if balancer.get("Scheme") != "internal":
            yield f"{name} is on the internet"
    nat = [it["AllocationId"] for it in example.of("AWS::EC2::NatGateway").values()]
    if sorted(nat) != [f"${{{name}.AllocationId}}" for name in example.of("AWS::EC2::EIP")]:
        yield "an address is for something else than a NAT gateway"
    if example.of("AWS::EC2::EIPAssociation"):
        yield "an address is given to something by an association"


@check("provider", "consumer")
def machines_are_closed(example):
    if len(example.machines()) != 1:
        yield f"the machines are {sorted(example.machines())}"
    for name, machine in example.machines().items():
        if machine.get("MetadataOptions") != {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}:
            yield f"{name} answers metadata requests without a session (IMDSv1), or further away than itself"
        disks = [it.get("Ebs", {}) for it in machine.get("BlockDeviceMappings", [])]
        if not disks or not all(disk.get("Encrypted") is True for disk in disks):
            yield f"{name} has a disk in the clear"
        if "KeyName" in machine:
            yield f"{name} has a key pair"
        if machine["ImageId"] != example.value("ImageId"):
            yield f"{name} runs {machine['ImageId']}"
    image = example.template["Parameters"]["ImageId"]
    if image["Type"] != "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>" or "/al2023-" not in image["Default"]:
        yield "the image is not the latest Amazon Linux 2023"
    types = example.template["Parameters"]["InstanceType"]["AllowedValues"]
    if ("arm64" in image["Default"]) != all(re.match(r"[a-z]\d+g[a-z]*\.", it) for it in types):
        yield "the image and the instance types are for different processors"


@check("provider", "consumer")
def security_groups_let_in_what_they_must(example):
    wanted = copy.deepcopy(LET_IN[example.name])
    if example.parameters.get("OnPremisesCidr"):
        wanted["EndpointSecurityGroup"].add((80, example.parameters["OnPremisesCidr"]))
    if example.let_in() != wanted:
        yield f"let in is {example.let_in()}"


@check("provider", "consumer")
def security_groups_let_out_what_they_must(example):
    for name, group in example.of("AWS::EC2::SecurityGroup").items():
        rules = group.get("SecurityGroupEgress", [])
        # Without any, EC2 adds its own: everything to everywhere.
        if not rules:
            yield f"{name} lets everything out"
        for rule in rules:
            if rule["IpProtocol"] != "tcp" or rule["FromPort"] != rule["ToPort"]:
                yield f"{name} lets out more than a port"
            nat = example.of("AWS::EC2::NatGateway") and rule["FromPort"] == 443
            if rule["CidrIp"] == "0.0.0.0/0" and not nat:
                yield f"{name} lets out to everywhere"
    if example.of("AWS::EC2::SecurityGroupEgress"):
        yield "a rule stands where this does not look"


@check("provider", "consumer")
def parameters_are_explained_and_checked(example):
    listed = {
        name
        for group in example.template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        for name in group["Parameters"]
    }
    if listed != set(example.template["Parameters"]):
        yield f"the console shows {sorted(listed)}"
    for name, parameter in example.template["Parameters"].items():
        if not parameter.get("Description"):
            yield f"{name} has no description"
        pattern = parameter.get("AllowedPattern")
        if pattern is None:
            if "AllowedValues" not in parameter and name != "ImageId":
                yield f"{name} takes anything"
            continue
        if not parameter.get("ConstraintDescription"):
            yield f"{name} does not say what it takes"
        good, bad = SAMPLES[name]
        for text in good:
            if not re.fullmatch(pattern, text):
                yield f"{name} refuses {text!r}"
        for text in bad:
            if re.fullmatch(pattern, text):
                yield f"{name} takes {text!r}"


@check("provider", "consumer")
def zones_are_given_together_and_differ(example):
    for refusal in example.resolved.refusals():
        yield f"refused: {refusal}"
    others = {key: value for key, value in example.parameters.items() if key not in ZONES}
    wrong = [ZONES | {"SecondZoneId": ZONES["FirstZoneId"]}]
    if example.name == "provider":
        wrong += [{key: value} for key, value in ZONES.items()]
    for zones in wrong:
        if not Resolved(example.template, others | zones).refusals():
            yield f"taken: {zones}"


@check("provider", "consumer")
def it_can_be_deployed_twice(example):
    for name, resource in example.resources.items():
        for key in sorted(FIXED_NAMES & set(resource.get("Properties", {}))):
            yield f"{name} has a fixed {key}"
    for name, output in example.template["Outputs"].items():
        if "Export" in output:
            yield f"{name} is exported under a fixed name"


@check("provider", "consumer")
def outputs_are_described_and_resolve(example):
    # What refers to something that is not deployed raises.
    outputs = example.resolved.deployed("Outputs")
    for name, output in outputs.items():
        if not output.get("Description"):
            yield f"{name} has no description"
        value = output["Value"]
        if name.endswith("Command") and not value.startswith("curl ") and "--region eu-central-1" not in value:
            yield f"{name} is for whatever Region the shell is in"
        # What a shell cannot split raises.
        if name.endswith("Command") and ("\n" in value or shlex.split(value)[0] not in ("aws", "curl", "gatekeeper")):
            yield f"{name} is no command"
    if example.name == "consumer":
        for name in ("CurlCommand", "SendCommand"):
            if "http://split(${Endpoint.DnsEntries}[0])[1]/" not in outputs[name]["Value"]:
                yield f"{name} asks {outputs[name]['Value']}"


@check("provider", "consumer")
def exceptions_have_reasons(example):
    for name, resource in example.template["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            if len(skip.get("comment", "")) < 40:
                yield f"{name} skips {skip['id']} without a reason"
        if "cfn-lint" in resource.get("Metadata", {}):
            yield f"{name} has exceptions from cfn-lint"


@check("provider", "consumer")
def the_walk_through_uses_what_there_is(example):
    text = example.walk_through
    told = set(example.template["Outputs"])
    commands = {name for name in told if name.endswith("Command")} - {"AllowCommand"}
    used = set(re.findall(rf"output example-{example.name} (\w+)", text))
    for name in sorted(used - told):
        yield f"there is no output {name}"
    for name in sorted(commands - used):
        yield f"the output {name} is not used"
    given = set(re.findall(r"\b([A-Z][a-z]\w+)=[\w$]", text)) | set(re.findall(r"ParameterKey=(\w+)", text))
    every = {name for template in example.templates.values() for name in template["Parameters"]}
    for name in sorted(given - every - OTHER_PARAMETERS):
        yield f"there is no parameter {name}"
    for name in sorted(set(re.findall(r"output privatelink-gatekeeper (\w+)", text)) - gatekeeper_outputs()):
        yield f"Gatekeeper has no output {name}"


@check("provider", "consumer")
def the_walk_through_can_be_followed(example):
    text = example.walk_through
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    parsed = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    if parsed.returncode:
        yield f"not bash: {parsed.stderr.strip()}"
    if f"{example.name}.yaml" not in script:
        yield f"{example.name}.yaml is never deployed"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (README.parent / target).exists():
            yield f"a link leads nowhere: {target}"


# --------------------------------------------------------------------------------------------- provider


@check("provider")
def the_service_asks_gatekeeper(example):
    (service,) = example.of("AWS::EC2::VPCEndpointService").values()
    if service.get("AcceptanceRequired") is not True:
        yield "the service lets everybody in"
    if service.get("NetworkLoadBalancerArns") != ["${LoadBalancer}"]:
        yield f"behind the service is {service.get('NetworkLoadBalancerArns')}"
    if {"Key": "privatelink-gatekeeper", "Value": "managed"} not in service.get("Tags", []):
        yield "Gatekeeper does not manage the service"
    (permissions,) = example.of("AWS::EC2::VPCEndpointServicePermissions").values()
    if permissions["AllowedPrincipals"] != example.parameters["ConsumerPrincipals"].split(","):
        yield f"may ask: {permissions['AllowedPrincipals']}"


@check("provider")
def gatekeeper_is_told_where_its_topic_is_given(example):
    topic = example.parameters.get("GatekeeperTopicArn")
    found = [
        (it["ServiceId"], it["ConnectionNotificationArn"], sorted(it["ConnectionEvents"]))
        for it in example.of("AWS::EC2::VPCEndpointConnectionNotification").values()
    ]
    wanted = [("${EndpointService}", topic, ["Accept", "Connect", "Delete", "Reject"])] if topic else []
    if found != wanted:
        yield f"told is {found}"


@check("provider")
def the_load_balancer_is_for_privatelink_only(example):
    (balancer,) = example.of("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    private = ["${FirstPrivateSubnet}", "${SecondPrivateSubnet}"]
    if (balancer.get("Type"), balancer.get("Subnets")) != ("network", private):
        yield f"it is a {balancer.get('Type')} load balancer in {balancer.get('Subnets')}"
    if balancer.get("SecurityGroups") != ["${LoadBalancerSecurityGroup}"]:
        yield f"its security groups are {balancer.get('SecurityGroups')}"
    # On, the group's rules would go by consumers' own addresses, and let none in.
    if balancer.get("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic") != "off":
        yield "the security group keeps PrivateLink out"
    if {"Key": "load_balancing.cross_zone.enabled", "Value": "true"} not in balancer.get("LoadBalancerAttributes", []):
        yield "each zone has only its own web server"
    (listener,) = example.of("AWS::ElasticLoadBalancingV2::Listener").values()
    if (listener["Protocol"], listener["Port"]) != ("TCP", 80):
        yield f"it listens to {listener['Protocol']} {listener['Port']}"
    if listener["DefaultActions"] != [{"Type": "forward", "TargetGroupArn": "${TargetGroup}"}]:
        yield f"it does {listener['DefaultActions']}"
    (targets,) = example.of("AWS::ElasticLoadBalancingV2::TargetGroup").values()
    if (targets["Protocol"], targets["Port"], targets["HealthCheckProtocol"]) != ("TCP", 80, "HTTP"):
        yield "the web servers are asked by other means than a consumer does"


@check("provider")
def a_web_server_is_in_each_private_subnet(example):
    (group,) = example.of("AWS::AutoScaling::AutoScalingGroup").values()
    if group["VPCZoneIdentifier"] != ["${FirstPrivateSubnet}", "${SecondPrivateSubnet}"] or int(group["MinSize"]) < 2:
        yield f"{group['MinSize']} in {group['VPCZoneIdentifier']}"
    if (group["TargetGroupARNs"], group["HealthCheckType"]) != (["${TargetGroup}"], "ELB"):
        yield "the load balancer does not have them, or is not asked whether they are healthy"
    (machine,) = example.machines().values()
    if [it["Groups"] for it in machine["NetworkInterfaces"]] != [["${WebSecurityGroup}"]]:
        yield "they are in other security groups"


@check("provider")
def web_servers_start_without_internet(example):
    (machine,) = example.machines().values()
    script = machine["UserData"]
    parsed = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    if parsed.returncode:
        yield f"not bash: {parsed.stderr.strip()}"
    for word in re.findall(r"\b(?:dnf|yum|pip3?|git|aws|wget|docker) |https?://(?!169\.254\.169\.254)\S*", script):
        yield f"fetches something: {word}"
    if "-m http.server 80 " not in script:
        yield "serves another port than the load balancer asks"


@check("provider")
def private_subnets_have_no_way_in(example):
    nat = example.parameters.get("NatGateway") == "true"
    for name in ("FirstPublicSubnet", "SecondPublicSubnet"):
        if [route.get("GatewayId") for route in example.routes_of(name)] != ["${InternetGateway}"]:
            yield f"{name} is not public"
    for name in ("FirstPrivateSubnet", "SecondPrivateSubnet"):
        routes = [(it["DestinationCidrBlock"], it.get("NatGatewayId")) for it in example.routes_of(name)]
        if routes != ([("0.0.0.0/0", "${Nat}")] if nat else []):
            yield f"{name} has the routes {routes}"
    if bool(example.of("AWS::EC2::NatGateway")) != nat:
        yield "a NAT gateway is paid for that was not asked for, or the other way round"
    for name, gateway in example.of("AWS::EC2::NatGateway").items():
        if gateway["SubnetId"] != "${FirstPublicSubnet}":
            yield f"{name} is not in a public subnet"


# --------------------------------------------------------------------------------------------- consumer


@check("consumer")
def the_endpoint_is_in_both_subnets(example):
    endpoint = example.endpoint(SERVICE_NAME)
    private = ["${FirstPrivateSubnet}", "${SecondPrivateSubnet}"]
    if (endpoint.get("VpcEndpointType"), endpoint.get("SubnetIds")) != ("Interface", private):
        yield f"it is {endpoint.get('VpcEndpointType')} in {endpoint.get('SubnetIds')}"
    if endpoint.get("SecurityGroupIds") != ["${EndpointSecurityGroup}"]:
        yield f"its security groups are {endpoint.get('SecurityGroupIds')}"
    # EC2 refuses it on an endpoint that waits for acceptance.
    if endpoint.get("PrivateDnsEnabled") is not False:
        yield "it wants private DNS"


@check("consumer")
def nothing_leads_to_the_internet(example):
    for kind in ("InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "VPCPeeringConnection", "Route", "EIP"):
        for name in example.of(f"AWS::EC2::{kind}"):
            yield f"{name} is a {kind}"


@check("consumer")
def session_manager_reaches_the_machine(example):
    (machine,) = example.machines().values()
    (interface,) = machine["NetworkInterfaces"]
    (vpc,) = example.of("AWS::EC2::VPC").values()
    if not vpc.get("EnableDnsSupport") or not vpc.get("EnableDnsHostnames"):
        yield "private DNS names do not resolve in the VPC"
    for service in ("ssm", "ssmmessages"):
        try:
            endpoint = example.endpoint(f"com.amazonaws.eu-central-1.{service}")
        except ValueError:
            yield f"there is no way to {service}"
            continue
        if endpoint.get("PrivateDnsEnabled") is not True:
            yield f"the agent does not find {service}"
        if interface["SubnetId"] not in endpoint["SubnetIds"]:
            yield f"{service} is in another zone than the machine"
        if endpoint["SecurityGroupIds"] != ["${SystemsManagerSecurityGroup}"]:
            yield f"{service} does not let the machine in"
    rules = example.of("AWS::EC2::SecurityGroup")["MachineSecurityGroup"]["SecurityGroupEgress"]
    if {(it["FromPort"], it["CidrIp"]) for it in rules} != {(80, "${Vpc.CidrBlock}"), (443, "${Vpc.CidrBlock}")}:
        yield "the machine may not speak to the endpoints, or to others too"
    if interface["GroupSet"] != ["${MachineSecurityGroup}"]:
        yield "the machine is in other security groups"
    (role,) = example.of("AWS::IAM::Role").values()
    if role["ManagedPolicyArns"] != ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"] or "Policies" in role:
        yield "the machine may do something else than be managed"
    (profile,) = example.of("AWS::IAM::InstanceProfile").values()
    if (machine.get("IamInstanceProfile"), profile["Roles"]) != ("${MachineProfile}", ["${MachineRole}"]):
        yield "the machine does not have the role"


@check("consumer")
def what_it_needs_to_know_the_provider_tells(example):
    asked = {name for name, it in example.template["Parameters"].items() if "Default" not in it}
    told = Resolved(example.templates["provider"], SETS["provider"]["defaults"]).deployed("Outputs")
    for name in sorted(asked):
        output = {"ServiceName": "EndpointServiceName"}.get(name, name)
        if output not in told:
            yield f"nobody tells {name}"
        elif f"output {output}" not in example.template["Parameters"][name]["Description"]:
            yield f"{name} does not say where it comes from"
    name = told["EndpointServiceName"]["Value"].replace("${EndpointService}", "vpce-svc-0a1b2c3d4e5f60718")
    if not re.fullmatch(example.template["Parameters"]["ServiceName"]["AllowedPattern"], name):
        yield f"ServiceName refuses {name}"


def run(templates: dict, only: str = "") -> list[tuple[str, str, str]]:
    """Everything that is wrong, or what one check sees, as check, example with its parameters, and complaint."""
    wrong = []
    for function, name in CHECKS:
        if only not in ("", function.__name__):
            continue
        for label in SETS[name]:
            # A check that cannot even be done has not passed.
            try:
                complaints = list(function(Example(name, templates, label)))
            except Exception as error:  # noqa: BLE001
                complaints = [f"{UNCHECKED}: {type(error).__name__}: {error}"]
            wrong += [(function.__name__, f"{name}, {label}", complaint) for complaint in complaints]
    return wrong


def main() -> int:
    templates = {name: yaml_parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
    templates["walk-through"] = README.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--breaks"]:
        from examples_breaks import BREAKS

        names = {function.__name__ for function, _ in CHECKS}
        failed = [f"no break for {name}" for name in sorted(names - {name for name, _, _ in BREAKS})]
        for name, title, damage in BREAKS:
            broken = copy.deepcopy(templates)
            damage(broken)
            if broken == templates:
                failed.append(f"{name}: {title}: changed nothing")
            elif all(complaint.startswith(UNCHECKED) for _, _, complaint in run(broken, only=name)):
                failed.append(f"{name}: {title}: not seen")
        total, count = len(BREAKS), len(failed)
    elif not sys.argv[1:]:
        wrong = run(templates)
        failed = [f"{name} ({label}): {complaint}" for name, label, complaint in wrong]
        total = sum(len(SETS[name]) for _, name in CHECKS)
        count = len({(name, label) for name, label, _ in wrong})
    else:
        sys.exit(__doc__)
    for line in failed:
        print(f"FAILED {line}")
    print(f"{total - count} passed, {count} failed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
