"""Those who are subscribed to topics: machines with a queue, and people with a mailbox."""

import json
from pathlib import Path

import waiting
from emulator import Emulator


class Machine:
    """A queue, as a subscriber of a topic. Keeps all that it got, oldest first, in SNS's envelopes."""

    def __init__(self, emulator: Emulator, name: str, topic: str, otherwise):
        self._sqs, self._name, self._otherwise = emulator.client("sqs"), name, otherwise
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)})
        emulator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self._envelopes: list[dict] = []

    def envelopes(self) -> list[dict]:
        received = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            self._envelopes.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self._envelopes

    def document(self, kind: str, endpoint: str) -> dict:
        """Waits for the announcement of this kind about an endpoint, and answers what machines get of it."""

        def look():
            documents = [json.loads(envelope["Message"]) for envelope in self.envelopes()]
            found = [one for one in documents if (one["kind"], one.get("endpoint_id")) == (kind, endpoint)]
            return (found[0] if found else None), [(one["kind"], one.get("endpoint_id")) for one in documents]

        return waiting.until(f"{kind} of {endpoint} in {self._name}", look, otherwise=self._otherwise)


class Person:
    """Somebody with an e-mail address."""

    def __init__(self, mailbox: Path, address: str, otherwise):
        self._mailbox, self.address, self._otherwise = mailbox, address, otherwise

    def subscribe(self, emulator: Emulator, topic: str, filter_policy: dict) -> str:
        """Subscribes them; the subscription's ARN."""
        made = emulator.client("sns").subscribe(
            TopicArn=topic,
            Protocol="email",
            Endpoint=self.address,
            Attributes={"FilterPolicy": json.dumps(filter_policy)},
            ReturnSubscriptionArn=True,
        )
        return made["SubscriptionArn"]

    def emails(self) -> list[dict]:
        """With subject, text and topic, oldest first."""
        lines = self._mailbox.read_text().splitlines() if self._mailbox.exists() else []
        emails = [json.loads(line) for line in lines]
        return [email for email in emails if email["to"] == self.address]

    def email(self, *words: str) -> dict:
        """Waits for an e-mail whose text has all these words."""

        def look():
            emails = self.emails()
            found = [email for email in emails if all(word in email["text"] for word in words)]
            return (found[0] if found else None), [email["subject"] for email in emails]

        return waiting.until(f"an e-mail to {self.address} with {words}", look, otherwise=self._otherwise)
