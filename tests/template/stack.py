"""A template as it is deployed with one set of parameters, and the checks that look at it."""

from cloudformation import deployed

CHECKS = []


def check(function):
    """Registers a check: it gets a `Stack` and yields what is wrong, and nothing if nothing is."""
    CHECKS.append(function)
    return function


def many(value) -> list:
    """IAM lets a list of one be written without the brackets."""
    return value if isinstance(value, list) else [value]


class Stack:
    """The template, deployed with one set of parameters."""

    def __init__(self, template: dict, parameters: dict[str, str]) -> None:
        self.template = template
        self.parameters = parameters
        self.resources = deployed(template, parameters)

    def of(self, kind: str) -> dict[str, dict]:
        """Properties of all resources of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    @property
    def functions(self):
        return self.of("AWS::Lambda::Function")

    @property
    def queues(self):
        return self.of("AWS::SQS::Queue")

    def called_by_api(self) -> set[str]:
        """The functions that the internet reaches."""
        return {
            self.started_by(integration["IntegrationUri"])
            for integration in self.of("AWS::ApiGatewayV2::Integration").values()
        }

    def started_by(self, token: str) -> str:
        """The function that a token starts: one of an alias, as it should be, or of the function itself."""
        alias = self.of("AWS::Lambda::Alias").get(token.strip("${}"))
        return (alias["FunctionName"] if alias else token).removesuffix(".Arn}").strip("${}")

    def mappings_of(self, function: str) -> list[dict]:
        """The event source mappings that feed a function."""
        mappings = self.of("AWS::Lambda::EventSourceMapping").values()
        return [mapping for mapping in mappings if self.started_by(mapping["FunctionName"]) == function]

    def role_of(self, function: str) -> str:
        return self.functions[function]["Role"].removeprefix("${").removesuffix(".Arn}")

    @property
    def slack(self) -> bool:
        return bool(self.parameters.get("SlackSecretArn"))

    @property
    def own_allowlist(self) -> bool:
        return not self.parameters.get("AllowlistStreamArn")

    @property
    def allowlist(self) -> str:
        """The ARN of the table that holds the allowlist."""
        return (
            "${AllowlistTable.Arn}"
            if self.own_allowlist
            else self.parameters["AllowlistStreamArn"].split("/stream/")[0]
        )

    @property
    def allowlist_stream(self) -> str:
        return "${AllowlistTable.StreamArn}" if self.own_allowlist else self.parameters["AllowlistStreamArn"]

    @property
    def alarms(self):
        return self.of("AWS::CloudWatch::Alarm")

    @property
    def own_key(self) -> bool:
        return not self.parameters.get("KmsKeyArn")

    @property
    def key(self) -> str:
        return "${Key.Arn}" if self.own_key else self.parameters["KmsKeyArn"]

    def statements(self, role: str) -> list[dict]:
        """All that a role may do: by policies of its own, and by managed policies of the template."""
        properties = self.resources[role]["Properties"]
        managed = self.of("AWS::IAM::ManagedPolicy")
        policies = [managed[arn.strip("${}")] for arn in properties.get("ManagedPolicyArns", [])]
        return [
            statement
            for policy in policies + properties.get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def policy_of(self, kind: str, attribute: str, token: str) -> list[dict]:
        """The statements of the resource policy of a topic or queue."""
        return [
            statement
            for properties in self.of(kind).values()
            if token in properties[attribute]
            for statement in properties["PolicyDocument"]["Statement"]
        ]

    def dead_letter_queues(self) -> set[str]:
        """Queues that something puts its failures into, wherever that is written."""
        found = set()

        def look(value, key=""):
            if isinstance(value, dict):
                for inner, item in value.items():
                    if inner == "deadLetterTargetArn" or (
                        key in ("DeadLetterConfig", "OnFailure") and inner in ("Arn", "Destination")
                    ):
                        found.add(item.removeprefix("${").removesuffix(".Arn}"))
                    look(item, inner)
            elif isinstance(value, list):
                for item in value:
                    look(item, key)

        look({name: resource.get("Properties", {}) for name, resource in self.resources.items()})
        return found

    def watched(self) -> set[tuple]:
        """Every metric that an alarm looks at: namespace, name and dimensions, but for that of the stack."""
        found = set()
        for alarm in self.alarms.values():
            parts = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
            for metric in parts or [alarm]:
                dimensions = tuple(
                    (item["Name"], item["Value"]) for item in metric.get("Dimensions", []) if item["Name"] != "stack"
                )
                found.add((metric["Namespace"], metric["MetricName"], dimensions))
        return found

    def has_alarm(self, namespace: str, metric: str, dimension: str) -> bool:
        """Whether an alarm watches this metric of a resource by itself, not as part of a sum."""
        return any(
            (alarm.get("Namespace"), alarm.get("MetricName")) == (namespace, metric)
            and dimension in [item["Value"] for item in alarm.get("Dimensions", [])]
            for alarm in self.alarms.values()
        )
