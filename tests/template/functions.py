"""What the functions, and the local world that runs them without AWS, have to agree on with the template."""

from facts import FACTS
from stack import check, many


@check
def functions_outlast_their_calls(stack):
    for name, function in stack.functions.items():
        longest = FACTS["longest_call_seconds"][name]
        if function["Timeout"] <= longest:
            yield f"{name} ends after {function['Timeout']} s, and may wait {longest} s for a call"


@check
def functions_are_given_what_they_read(stack):
    variables = {name: set(function["Environment"]["Variables"]) for name, function in stack.functions.items()}
    # One for all functions (Globals) is for those who read it. That of the settings is read by nobody: it is there to be
    # different in each version.
    for_all = set.intersection(*variables.values()) - {"SETTINGS_VERSION"}
    read_by_some = {variable for read in FACTS["variables"].values() for variable in read["read"]}
    for variable in sorted(for_all - read_by_some):
        yield f"no function reads {variable}"
    for name, given in variables.items():
        for variable in sorted(set(FACTS["variables"][name]["required"]) - given):
            yield f"{name} does not start without {variable}"
        for variable in sorted(given - for_all - {"SETTINGS_VERSION"} - set(FACTS["variables"][name]["read"])):
            yield f"{name} does not read {variable}"


@check
def functions_know_all_roles_that_decide(stack):
    deciding = {
        f"${{{name}.Arn}}"
        for name in stack.of("AWS::IAM::Role")
        for statement in stack.statements(name)
        if "ec2:AcceptVpcEndpointConnections" in many(statement["Action"])
    }
    for name, function in stack.functions.items():
        own = set(function["Environment"]["Variables"]["OWN_ROLE_ARNS"].split(","))
        for role in sorted(own ^ deciding):
            yield f"{name} takes calls of {role} for somebody else's, or somebody else's for ours"


@check
def the_local_world_runs_the_functions_as_the_stack_does(stack):
    here = FACTS["local_world"]
    for name, function in stack.functions.items():
        if function["Timeout"] != here["timeout_seconds"].get(name):
            yield f"{name} has {function['Timeout']} s, and {here['timeout_seconds'].get(name)} s in the local world"
    for mapping in stack.of("AWS::Lambda::EventSourceMapping").values():
        source = mapping["EventSourceArn"].removeprefix("${").removesuffix(".Arn}")
        queue = stack.queues.get(source)
        if queue is None:
            source = stack.started_by(mapping["FunctionName"])
            ours = {"batch": mapping["BatchSize"], "max_attempts": mapping["MaximumRetryAttempts"] + 1}
            theirs = here["streams"].get(source)
        else:
            ours = {
                "batch": mapping["BatchSize"],
                "max_receives": queue["RedrivePolicy"]["maxReceiveCount"],
                "visibility_seconds": queue["VisibilityTimeout"],
            }
            theirs = here["queues"].get(source)
        if ours != theirs:
            yield f"{source} has {ours}, and {theirs} in the local world (local/src/deployment.rs)"
