"""Slack: the announcements' queue, the slack function, and a button that somebody presses."""

from parameters import CHANNEL
from world import APPROVER, SLACK_USER

UNKNOWN, MALLORY = "222222222222", "U0MALLORY"


def message_about(world, endpoint, *words):
    """What the channel shows of a connection, once it has all these words."""

    def look():
        shown = [message for message in world.simulators.messages(CHANNEL) if endpoint in str(message)]
        return next((one for one in shown if all(word in str(one) for word in words)), None), shown

    return world.until(f"{words} about {endpoint} in Slack", look)


def post(world, user, message, button):
    headers, body = world.simulators.press(user, CHANNEL, message["ts"], button)
    return world.browser.post(f"{world.stack['ApprovalsUrl']}/slack/interactions", headers, body)


def test_a_button_that_an_approver_presses_accepts(everything):
    world = everything
    endpoint = world.connect(world.service(), UNKNOWN)
    message = message_about(world, endpoint, "approve")

    answer = post(world, MALLORY, message, "approve")
    assert answer.status == 200, answer
    assert world.state(endpoint) == "pendingAcceptance"

    answer = post(world, SLACK_USER, message, "approve")
    assert answer.status == 200, answer
    world.until_accepted(endpoint, by="Approvals")
    assert world.request(endpoint)["decided_by"]["name"] == APPROVER
    # The same message, without its buttons.
    now = message_about(world, endpoint, "ccepted")
    assert now["ts"] == message["ts"] and "'action_id': 'approve'" not in str(now), now


def test_a_button_with_another_signature_does_nothing(everything):
    world = everything
    endpoint = world.connect(world.service(), UNKNOWN)
    message = message_about(world, endpoint, "approve")
    headers, body = world.simulators.press(SLACK_USER, CHANNEL, message["ts"], "approve")
    [name] = [name for name in headers if name.lower() == "x-slack-signature"]
    forged = headers | {name: "v0=" + "0" * 64}
    answer = world.browser.post(f"{world.stack['ApprovalsUrl']}/slack/interactions", forged, body)
    assert answer.status == 401, answer
    assert world.state(endpoint) == "pendingAcceptance"


def test_without_slack_there_is_no_such_route(defaults):
    answer = defaults.browser.post(f"{defaults.stack['ApprovalsUrl']}/slack/interactions", {}, b"payload=%7B%7D")
    assert answer.status == 404, answer
