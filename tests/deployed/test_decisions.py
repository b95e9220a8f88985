"""A consumer creates an endpoint, EC2 notifies the topic, and what the allowlist says is done."""

LISTED, DENIED, UNKNOWN = "012345678901", "666666666666", "222222222222"


def test_a_listed_consumer_is_accepted(world):
    service = world.service()
    world.put_policy(service, f"allow#{LISTED}", customer="Example GmbH")
    endpoint = world.connect(service, LISTED)
    world.until_accepted(endpoint, by="Connections")

    judged, enforced = world.history(endpoint)
    assert (judged["from"], judged["to"], enforced["from"], enforced["to"]) == (
        None,
        "accepting",
        "accepting",
        "accepted",
    )
    assert judged["reason"] == f"Account {LISTED} (Example GmbH) is allowed on {service}."
    rule = {"effect": "allow", "service_id": service, "principal": LISTED}
    assert judged["actor"] == {"kind": "policy", "name": rule}
    assert enforced["ec2"]["code"] == "ok" and enforced["ec2"]["request_id"]
    told = world.announced(endpoint, "accepted")
    assert (told["status"], told["customer"], told["verdict"]["rule"]) == ("accepted", "Example GmbH", rule)


def test_a_denied_consumer_is_rejected(world):
    service = world.service()
    world.put_policy("*", f"deny#{DENIED}", reason="contract ended")
    endpoint = world.connect(service, DENIED)
    world.until_rejected(endpoint, by="Connections")

    assert "contract ended" in world.history(endpoint)[0]["reason"]
    assert "contract ended" in world.announced(endpoint, "rejected")["verdict"]["reason"]


def test_an_unlisted_consumer_is_left_to_people(world):
    service = world.service()
    endpoint = world.connect(service, UNKNOWN)
    world.until_recorded(endpoint, "in_review")

    assert world.state(endpoint) == "pendingAcceptance"
    told = world.announced(endpoint, "review_opened")
    assert (told["service_id"], told["account_id"]) == (service, UNKNOWN)


def test_an_entry_for_a_part_of_the_organization_counts(everything):
    """The simulators' organization has the account in a unit below this one."""
    world = everything
    service = world.service()
    world.put_policy(service, "allow#o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*")
    endpoint = world.connect(service, LISTED)
    world.until_accepted(endpoint, by="Connections")
    outside = world.connect(service, UNKNOWN)
    world.until_recorded(outside, "in_review")


def test_the_address_for_announcements_gets_mail(everything):
    world = everything
    endpoint = world.connect(world.service(), UNKNOWN)
    email = world.person("team@example.com").email(endpoint, UNKNOWN)
    assert email["topic"] == world.stack["AnnouncementsTopicArn"]
    assert "https://" not in email["text"], email
