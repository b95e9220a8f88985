"""An edit of the allowlist acts on what waits: DynamoDB's stream, policy-changes, EC2."""

UNKNOWN = "222222222222"


def test_an_entry_decides_a_connection_that_waits(world):
    service = world.service()
    endpoint = world.connect(service, UNKNOWN)
    world.until_recorded(endpoint, "in_review")
    world.write_policy(service, f"allow#{UNKNOWN}", customer="Example Ltd")
    world.until_accepted(endpoint, by="PolicyChanges")
    assert world.announced(endpoint, "accepted")["customer"] == "Example Ltd"
