"""Just enough CloudFormation to see a template as it is deployed with certain parameters.

`deployed(template, parameters)` gives the resources with conditions applied and functions resolved. What only
AWS knows stays as a token: `{"Ref": "Topic"}` becomes "${Topic}" and `{"Fn::GetAtt": ["Queue", "Arn"]}` becomes
"${Queue.Arn}", so that a check can ask whether something is a certain resource. `outputs` gives the outputs alike,
and `refusals` what the template's rules say to the parameters.
"""

import re

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "012345678901",
    "AWS::StackName": "gatekeeper",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:012345678901:stack/gatekeeper/0a1b2c3d-0000-0000-0000-000000000000",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()


class Template:
    """A template with values for its parameters."""

    def __init__(self, template: dict, parameters: dict[str, str]) -> None:
        self.template = template
        self.values = dict(PSEUDO)
        for name, declared in template.get("Parameters", {}).items():
            value = parameters.get(name, declared.get("Default"))
            if value is None:
                raise ValueError(f"the parameter {name} has neither a value nor a default")
            self.values[name] = str(value)
        unknown = set(parameters) - set(template.get("Parameters", {}))
        if unknown:
            raise ValueError(f"no such parameters: {sorted(unknown)}")

    def deployed(self, section: str) -> dict[str, dict]:
        """What is deployed of a section, resolved."""
        return {
            name: self.resolve(entry)
            for name, entry in self.template[section].items()
            if "Condition" not in entry or self.holds(entry["Condition"])
        }

    def refusals(self) -> list[str]:
        """What CloudFormation says to the parameters before it deploys anything; nothing if it takes them."""
        return [
            assertion["AssertDescription"]
            for rule in self.template.get("Rules", {}).values()
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def holds(self, condition) -> bool:
        """Whether a condition, by name or written out, is true."""
        if isinstance(condition, str):
            return self.holds(self.template["Conditions"][condition])
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return self.holds(argument)
            case "Fn::Equals":
                left, right = map(self.resolve, argument)
                return left == right
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(map(self.holds, argument))
            case "Fn::Or":
                return any(map(self.holds, argument))
        raise NotImplementedError(function)

    def resolve(self, value):
        """A value as it is deployed."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function in ("Ref", "Fn::GetAtt") or (function.startswith("Fn::")):
                return self.call(function, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NOTHING}

    def call(self, function: str, argument):
        match function:
            case "Ref":
                if argument == "AWS::NoValue":
                    return NOTHING
                return self.named(argument)
            case "Fn::GetAtt":
                name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                self.must_exist(name)
                return f"${{{name}.{attribute}}}"
            case "Fn::Sub":
                text, own = (argument, {}) if isinstance(argument, str) else argument
                own = {name: self.resolve(item) for name, item in own.items()}
                put_in = re.sub(
                    r"\$\{([^!}]+)\}",
                    lambda found: own[found[1]] if found[1] in own else self.named(found[1]),
                    text,
                )
                return put_in.replace("${!", "${")
            case "Fn::Join":
                delimiter, items = argument
                return delimiter.join(self.resolve(items))
            case "Fn::Split":
                delimiter, text = argument
                return self.resolve(text).split(delimiter)
            case "Fn::Select":
                index, items = argument
                return self.resolve(items)[int(index)]
            case "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if self.holds(condition) else otherwise)
            case "Fn::FindInMap":
                mapping, first, second = (self.resolve(item) for item in argument)
                return self.template["Mappings"][mapping][first][second]
        raise NotImplementedError(function)

    def named(self, name: str) -> str:
        if name in self.values:
            return self.values[name]
        self.must_exist(name.split(".", 1)[0])
        return f"${{{name}}}"

    def must_exist(self, name: str) -> None:
        resource = self.template["Resources"].get(name)
        if resource is None:
            raise ValueError(f"there is no resource {name}")
        if "Condition" in resource and not self.holds(resource["Condition"]):
            raise ValueError(f"{name} is used where it does not exist")


def deployed(template: dict, parameters: dict[str, str]) -> dict[str, dict]:
    """The resources of `template` with `parameters`, resolved."""
    return Template(template, parameters).deployed("Resources")


def outputs(template: dict, parameters: dict[str, str]) -> dict[str, dict]:
    """The outputs of `template` with `parameters`, resolved."""
    return Template(template, parameters).deployed("Outputs")


def refusals(template: dict, parameters: dict[str, str]) -> list[str]:
    """Why `template` is not deployed with `parameters`; nothing if it is."""
    return Template(template, parameters).refusals()
