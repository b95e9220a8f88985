"""A consumer creates an endpoint, EC2 notifies the topic, and what the allowlist says is done."""

LISTED, DENIED, UNKNOWN = "012345678901", "666666666666", "222222222222"


def test_a_listed_consumer_is_accepted(world):
    service = world.service()
    world.put_policy(service, f"allow#{LISTED}", customer="Example GmbH")
    endpoint = world.connect(service, LISTED)
    world.until_accepted(endpoint)

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
    world.until_rejected(endpoint)

    assert "contract ended" in world.history(endpoint)[0]["reason"]
    assert "contract ended" in world.announced(endpoint, "rejected")["verdict"]["reason"]


def test_an_unlisted_consumer_is_left_to_people(world):
    service = world.service()
    endpoint = world.connect(service, UNKNOWN)
    world.until_recorded(endpoint, "in_review")

    assert world.state(endpoint) == "pendingAcceptance"
    told = world.announced(endpoint, "review_opened")
    assert (told["service_id"], told["account_id"]) == (service, UNKNOWN)
