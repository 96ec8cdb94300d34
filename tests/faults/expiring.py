"""A writer whose objects a lifecycle deletes and moves, of each of which it is told, while the region is killed."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from tests.faults.writers import OPTIONS, Writer, listing

LONG_AGO = "2001-01-01T00:00:00Z"
PATIENCE = 60.0
"""Seconds that walks and deliveries get to finish."""
RULES = [
    {"ID": "gone", "Status": "Enabled", "Filter": {"Prefix": "gone/"}, "Expiration": {"Date": LONG_AGO}},
    {
        "ID": "cold",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "cold/", "ObjectSizeGreaterThan": 0}},
        "Transitions": [{"Date": LONG_AGO, "StorageClass": "GLACIER"}],
    },
    {
        "ID": "uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": "gone/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    },
]


class Lifecycles(Writer):
    """Puts objects that are to go, to be moved and to stay, and begins walks: what they found is gone or moved in the end, the
    rest is there, and of each that is gone it was told once."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.s3.create_bucket(Bucket=self.name)
        self.queue = self.make("sqs").create_queue(QueueName=self.name, Attributes={"VisibilityTimeout": "600"})
        arn = f"arn:aws:sqs:us-east-1:000000000000:{self.name}"
        allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**allowed, "Resource": arn}]})
        self.make("sqs").set_queue_attributes(QueueUrl=self.queue["QueueUrl"], Attributes={"Policy": policy})
        told = {"QueueArn": arn, "Events": ["s3:LifecycleExpiration:Delete"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"QueueConfigurations": [told]}
        )
        self.known: dict[str, int] = {}
        self.open: str | None = None

    def step(self) -> None:
        if self.done % 12 == 11:
            self._walk()
            return
        key = f"{self.random.choice(('gone', 'cold', 'kept'))}/{self.done:05}"
        content = self.random.randbytes(self.random.choice((1, 1000, 70_000)))
        self.open = key
        self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        self.known[key] = len(content)
        self.open = None

    def _walk(self) -> None:
        self.s3.put_bucket_lifecycle_configuration(Bucket=self.name, LifecycleConfiguration={"Rules": RULES})

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)
        self._walk()
        deadline = time.monotonic() + PATIENCE
        told: Counter[str] = Counter()
        while time.monotonic() < deadline:
            listed = listing(s3, self.name)
            told.update(self._told())
            gone = {key for key in self.known if key.startswith("gone/")}
            cold = {key for key in self.known if key.startswith("cold/")}
            moved = {key for key in cold if key in listed and listed[key]["StorageClass"] == "GLACIER"}
            if not gone & set(listed) and moved == cold and gone <= set(told):
                break
            time.sleep(0.2)
        assert not gone & set(listed), f"{self.name}: {sorted(gone & set(listed))[:5]} did not expire"
        assert moved == cold, f"{self.name}: {sorted(cold - moved)[:5]} were not moved"
        told.update(self._told())
        assert set(told.values()) <= {1}, f"{self.name}: told more than once: {told.most_common(3)}"
        assert gone <= set(told), f"{self.name}: nobody was told of {sorted(gone - set(told))[:5]}"
        maybe = {self.open} if self.open is not None else set()
        assert set(told) <= gone | maybe
        kept = {key: size for key, size in self.known.items() if key not in gone}
        assert {key: listed[key]["Size"] for key in listed if key not in maybe} == kept

    def _told(self) -> list[str]:
        """Return the keys of which the queue was told since the last call."""
        sqs = self.make("sqs")
        found: list[str] = []
        while messages := self._messages(sqs):
            for message in messages:
                body = json.loads(message["Body"])
                found += [record["s3"]["object"]["key"] for record in body.get("Records", [])]
        return found

    def _messages(self, sqs: Any) -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=self.queue["QueueUrl"], MaxNumberOfMessages=10)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        if messages:
            handles = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=self.queue["QueueUrl"], Entries=handles)
        return messages
