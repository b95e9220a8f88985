"""What the allowlist does not decide: Alice gets a letter, opens its link and votes."""

import re

from world import APPROVER

UNKNOWN = "222222222222"


def letter_for(world, endpoint):
    """The link in the letter about a connection."""
    letter = world.approver.letter(endpoint, "https://")
    assert letter["topic"] == world.stack["ApprovalsTopicArn"]
    [link] = re.findall(r"https://\S+/a/\S+", letter["text"])
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
