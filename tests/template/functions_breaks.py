"""Ways to break what functions.py wants."""

from breaks import breaks, set_to, without

VARIABLES = "ConnectionsFunction/Properties/Environment/Variables"

for FUNCTION, TIME_OUT in (("ConnectionsFunction", 20), ("SlackFunction", 10), ("ApprovalsFunction", 11)):
    set_to("functions_outlast_their_calls", f"{FUNCTION} ends first", f"{FUNCTION}/Properties/Timeout", TIME_OUT)

without("functions_are_given_what_they_read", "no table", f"{VARIABLES}/REQUESTS_TABLE")
set_to("functions_are_given_what_they_read", "a variable of another's", f"{VARIABLES}/SLACK_CHANNEL", "C0EXAMPLE")


@breaks("functions_are_given_what_they_read", "a variable that nobody reads")
def _(template):
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Environment"]["Variables"]["COLOUR"] = "blue"


set_to(
    "functions_know_all_roles_that_decide",
    "votes are somebody else's",
    f"{VARIABLES}/OWN_ROLE_ARNS",
    {"Fn::Join": [",", [{"Fn::GetAtt": ["ConnectionsRole", "Arn"]}, {"Fn::GetAtt": ["ReconcileRole", "Arn"]}]]},
)

LOCAL = "the_local_world_runs_the_functions_as_the_stack_does"
set_to(LOCAL, "another time-out", "SlackFunction/Properties/Timeout", 30)
set_to(LOCAL, "visible again at another time", "SlackQueue/Properties/VisibilityTimeout", 420)
set_to(LOCAL, "other tries", "ConnectionsQueue/Properties/RedrivePolicy/maxReceiveCount", 6)
set_to(LOCAL, "other batches", "SlackFunctionQueue/Properties/BatchSize", 10)
set_to(LOCAL, "edits are tried more often", "PolicyChangesFunctionStream/Properties/MaximumRetryAttempts", 6)
