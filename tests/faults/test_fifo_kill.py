"""FIFO queues and `kill -9`: order and exactly-once sending hold, and what is in flight stays so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LiveRegion
from tests.faults.conftest import MakeRegion
from tests.faults.writers import OPTIONS, Writer, write_until_killed

GROUPS = 5
LONG = 600


class Ordered(Writer):
    """Sends numbered messages to groups, holds some in flight, deletes others.

    `held` and `deleted` are bodies whose receive or delete was acknowledged; `begun` those whose delete was only called.
    """

    def prepare(self) -> None:
        self.sqs = self.make("sqs", **OPTIONS)
        attributes = {"FifoQueue": "true", "VisibilityTimeout": str(LONG)}
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        self.sent: list[str] = []
        self.ids: dict[str, str] = {}
        self.open: str | None = None
        self.held: set[str] = set()
        self.begun: set[str] = set()
        self.deleted: set[str] = set()

    def send(self, body: str) -> None:
        group = body.partition("-")[0]
        result = self.sqs.send_message(
            QueueUrl=self.url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body
        )
        self.ids[body] = result["MessageId"]
        self.sent.append(body)

    def step(self) -> None:
        if self.random.random() < 0.7:
            self.open = f"{self.random.randrange(GROUPS)}-{self.done:06}"
            self.send(self.open)
            self.open = None
            return
        for message in self.sqs.receive_message(QueueUrl=self.url).get("Messages", []):
            self.held.add(message["Body"])
            if self.random.random() < 0.9:
                self.begun.add(message["Body"])
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                self.deleted.add(message["Body"])

    def check(self) -> None:
        self.sqs = self.make("sqs", **OPTIONS)
        again = [*self.sent[-20:], *([self.open] if self.open else [])]
        before = dict(self.ids)
        for body in again:
            self.send(body)
            assert self.ids[body] == before.get(body, self.ids[body]), "a duplicate became a message of its own"
        found = [message["Body"] for message in self.drain()]
        assert len(found) == len(set(found)), "a message came twice"
        assert not self.held & set(found), "what was in flight, or deleted, came again"
        self.check_groups(found)

    def check_groups(self, found: list[str]) -> None:
        """Each group went on whole and in order, or not at all: where a message of it is in flight. One may be so that we do not
        know of: the answer to a receive was under way."""
        known = list(dict.fromkeys(self.sent))
        silent = []
        for group in map(str, range(GROUPS)):
            expected = [body for body in known if body.startswith(group + "-") and body not in self.held]
            got = [body for body in found if body.startswith(group + "-")]
            blocked = any(body.startswith(group + "-") for body in self.held - self.begun)
            assert not (blocked and got), f"group {group}: {got[0]} came before one that is in flight"
            assert not got or got == expected, f"group {group}: {got[:3]} instead of {expected[:3]}"
            unsure = any(body.startswith(group + "-") for body in self.begun - self.deleted)
            if expected and not got and not blocked and not unsure:
                silent.append(group)
        assert len(silent) <= 1, f"groups {silent} are blocked by nothing"

    def drain(self) -> Iterator[Any]:
        while batch := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                yield message
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.slow
def test_order_and_exactly_once_survive_a_kill(make_region: MakeRegion, tmp_path: Path) -> None:
    chance = random.Random(7)
    live: LiveRegion = make_region("--log-level", "error").start()
    done = 0
    for number in range(3):
        writers = [Ordered(f"ordered-{number}-{at}.fifo", live.client, number) for at in range(3)]
        for writer in writers:
            writer.prepare()
        write_until_killed(live, list(writers), chance.uniform(0.3, 1.0))
        live.start()
        for writer in writers:
            assert writer.faults == []
            writer.check()
            done += writer.done
    assert done > 100, "the writers got too little done for this to mean anything"
