"""What the allowlist does not decide: Alice gets an e-mail, opens its link and votes."""

import json
import re

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import identities
from emulator import REGION
from world import APPROVER, IAM_USER

UNKNOWN = "222222222222"


def letter_for(world, endpoint):
    """The link in the e-mail about a connection."""
    email = world.approver.email(endpoint, "https://")
    assert email["topic"] == world.stack["ApprovalsTopicArn"]
    [link] = re.findall(r"https://\S+/a/\S+", email["text"])
    return link


def in_review(world):
    endpoint = world.connect(world.service(), UNKNOWN)
    world.until_recorded(endpoint, "in_review")
    return endpoint, letter_for(world, endpoint)


def test_an_approver_accepts_by_the_link_in_a_letter(world):
    endpoint, link = in_review(world)
    assert link.startswith(world.stack["ApprovalsUrl"] + "/a/")
    page = world.browser.get(link)
    assert page.status == 200 and f"<mark>{endpoint[-6:]}</mark>" in page.text, page
    assert page.headers["cache-control"] == "no-store"

    mistyped = world.browser.send(link, choice="approve", typed="000000")
    assert mistyped.status == 422 and "is not how this endpoint" in mistyped.text, mistyped
    assert world.state(endpoint) == "pendingAcceptance"

    voted = world.browser.send(link, choice="approve", typed=endpoint[-6:])
    assert voted.status == 200, voted
    world.until_accepted(endpoint, by="Approvals")
    assert world.request(endpoint)["decided_by"]["name"] == APPROVER
    assert world.announced(endpoint, "accepted")["decided_by"]["name"] == APPROVER


def test_an_approver_rejects_with_a_reason_and_the_link_is_used_up(world):
    endpoint, link = in_review(world)
    world.browser.send(link, choice="reject", reason="nobody we know", typed=endpoint[-6:])
    world.until_rejected(endpoint, by="Approvals")
    assert any("nobody we know" in row["reason"] for row in world.history(endpoint)), world.history(endpoint)

    world.browser.send(link, choice="approve", typed=endpoint[-6:])
    assert world.state(endpoint) == "rejected"


def test_a_link_that_was_never_sent_opens_nothing(world):
    page = world.browser.get(f"{world.stack['ApprovalsUrl']}/a/{'0' * 43}")
    assert page.status in (200, 404, 410) and "vpce-" not in page.text, page


def signed(world, key, endpoint, body):
    """A call to the route of signed votes. The emulator takes the caller from the key's id and checks no signature."""
    url = f"{world.stack['ApprovalsUrl']}/requests/{endpoint}/votes"
    request = AWSRequest("POST", url, data=json.dumps(body), headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), "execute-api", REGION).add_auth(request)
    answer = world.browser.post(url, dict(request.headers), request.body)
    return answer.status, json.loads(answer.text)


def test_an_approver_votes_by_a_signed_call_and_nobody_else_does(world):
    endpoint, _ = in_review(world)
    invoke = identities.documented(world.stack, "approver")
    approver = identities.make_user(world.emulator, IAM_USER, *invoke)
    stranger = identities.make_user(world.emulator, f"{IAM_USER}-2", *invoke)

    status, shown = signed(world, approver, endpoint, {})
    assert (status, shown["state"], shown["approver"]) == (200, "open", APPROVER), shown
    vote = {"choice": "approve", "reason": "by a signed call", "review": shown["request"]["review"]}
    status, refused = signed(world, stranger, endpoint, vote)
    assert (status, refused["state"]) == (403, "not_an_approver"), refused
    url = f"{world.stack['ApprovalsUrl']}/requests/{endpoint}/votes"
    unsigned = world.browser.post(url, {"Content-Type": "application/json"}, json.dumps(vote).encode())
    assert unsigned.status == 403, unsigned
    assert world.state(endpoint) == "pendingAcceptance"

    status, voted = signed(world, approver, endpoint, vote)
    assert (status, voted["state"]) == (200, "done"), voted
    world.until_accepted(endpoint, by="Approvals")
    assert world.request(endpoint)["votes"][0]["channel"] == "iam", world.request(endpoint)
