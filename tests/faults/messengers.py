"""Workers of the soak of messages: they send, receive, delete and wait while the region dies and comes back.

Each reports to a ledger before and after what it does. A connection that breaks while the region stands is a fault.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.conftest import LiveRegion
from tests.faults.caller import Caller, Gone, Refused
from tests.faults.ledger import Delivery, FifoLedger, Ledger, Ring, Span
from tests.faults.writers import OPTIONS

VISIBILITY = 12
"""Seconds that a received message is hidden: longer than a restart takes, so that one can still be deleted after it."""

_BATCH = 10
_LARGE = 60_000


class House:
    """The region that all workers share. `life` counts: it is odd from before the region's end until after its next start."""

    def __init__(self, live: LiveRegion) -> None:
        self.live = live
        self.life = 0
        self.closing = threading.Event()
        self.halt = threading.Event()


class Worker(threading.Thread):
    """Makes steps until told to stop; what was under way when the region died, `step` takes up again."""

    def __init__(self, house: House, ledger: Ledger, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.house = house
        self.ledger = ledger
        self.caller = Caller(house.live)
        self.random = random.Random(name)
        self.calls = 0

    def step(self) -> None:
        raise NotImplementedError

    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.house.halt.is_set()

    def run(self) -> None:
        while not self.ended():
            life = self.house.life
            try:
                self.step()
                self.calls += 1
            except (Gone, Refused) as error:
                if life % 2 == 0 and self.house.life == life:
                    self.ledger.blame(f"{self.name}, while the region stood: {type(error).__name__} {error}")
                    return
                time.sleep(0.02)
            except Exception as error:
                self.ledger.blame(f"{self.name}: {error!r}")
                return
        self.caller.close()

    def span(self, began: float, life: int) -> Span:
        same = life % 2 == 0 and self.house.life == life
        return Span(began, time.monotonic(), life if same else None)


class Sender(Worker):
    """Sends to a queue, singly and in batches. Each message is sent once, whatever becomes of it."""

    def __init__(self, house: House, ledger: Ledger, name: str, url: str, pause: float = 0.0) -> None:
        super().__init__(house, ledger, name)
        self.url = url
        self.pause = pause
        self.next = 0

    def ended(self) -> bool:
        return self.house.closing.is_set()

    def step(self) -> None:
        names = [f"{self.name}.{self.next + at}" for at in range(self.random.choice((1, 1, _BATCH)))]
        self.next += len(names)
        for name in names:
            self.ledger.issued(name)
        if len(names) == 1:
            delay = {"DelaySeconds": 1} if self.random.random() < 0.1 else {}
            self.caller.sqs("SendMessage", QueueUrl=self.url, MessageBody=body_of(names[0], self.random), **delay)
        else:
            entries = [{"Id": str(at), "MessageBody": body_of(name, self.random)} for at, name in enumerate(names)]
            answer = self.caller.sqs("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            assert len(answer["Successful"]) == len(names), answer
        for name in names:
            self.ledger.told(name)
        if self.pause:
            time.sleep(self.pause * self.random.uniform(0.5, 1.5))


class FifoSender(Worker):
    """Sends to groups of its own, in order, and sends again under the same ids until it is acknowledged."""

    def __init__(self, house: House, ledgers: list[Ledger], name: str, target: str, groups: int) -> None:
        super().__init__(house, ledgers[0], name)
        self.ledgers = ledgers
        self.target = target
        self.next = {f"{name}-{at}": 0 for at in range(groups)}
        self.open: list[tuple[str, str]] = []

    def ended(self) -> bool:
        return self.house.halt.is_set() or (self.house.closing.is_set() and not self.open)

    def step(self) -> None:
        if not self.open:
            for _ in range(self.random.choice((1, 1, _BATCH))):
                group = self.random.choice(list(self.next))
                self.open.append((group, f"{group}.{self.next[group]}"))
                self.next[group] += 1
                for ledger in self.ledgers:
                    ledger.issued(self.open[-1][1])
        self.send(self.open)
        for ledger in self.ledgers:
            for _, name in self.open:
                ledger.told(name)
        self.open = []

    def send(self, messages: list[tuple[str, str]]) -> None:
        entries = [
            {"Id": str(at), "MessageBody": name, "MessageGroupId": group, "MessageDeduplicationId": name}
            for at, (group, name) in enumerate(messages)
        ]
        if len(entries) == 1:
            del entries[0]["Id"]
            self.caller.sqs("SendMessage", QueueUrl=self.target, **entries[0])
        else:
            answer = self.caller.sqs("SendMessageBatch", QueueUrl=self.target, Entries=entries)
            assert len(answer["Successful"]) == len(entries), answer


class Publisher(Worker):
    """Publishes to a topic, singly and in batches. Each message is published once, whatever becomes of it."""

    def __init__(self, house: House, ledgers: list[Ledger], name: str, topic: str, pause: float = 0.0) -> None:
        super().__init__(house, ledgers[0], name)
        self.ledgers = ledgers
        self.topic = topic
        self.pause = pause
        self.next = 0

    def ended(self) -> bool:
        return self.house.closing.is_set()

    def step(self) -> None:
        names = [f"{self.name}.{self.next + at}" for at in range(self.random.choice((1, 1, _BATCH)))]
        self.next += len(names)
        for ledger in self.ledgers:
            for name in names:
                ledger.issued(name)
        bodies = [{"Message": body_of(name, self.random)} for name in names]
        publish(self.caller, self.topic, bodies)
        for ledger in self.ledgers:
            for name in names:
                ledger.told(name)
        if self.pause:
            time.sleep(self.pause * self.random.uniform(0.5, 1.5))


class FifoPublisher(FifoSender):
    """Publishes to a FIFO topic as FifoSender sends to a queue."""

    def send(self, messages: list[tuple[str, str]]) -> None:
        entries = [
            {"Message": name, "MessageGroupId": group, "MessageDeduplicationId": name} for group, name in messages
        ]
        publish(self.caller, self.target, entries)


class ObjectWriter(Worker):
    """Puts objects into a bucket that notifies queues; each key is put once, whatever becomes of it."""

    def __init__(self, house: House, ledger: Ledger, name: str, bucket: str) -> None:
        super().__init__(house, ledger, name)
        self.bucket = bucket
        self.s3 = house.live.client("s3", **OPTIONS)
        self.next = 0

    def ended(self) -> bool:
        return self.house.closing.is_set()

    def step(self) -> None:
        name = f"{self.name}.{self.next}"
        self.next += 1
        self.ledger.issued(name)
        try:
            self.s3.put_object(Bucket=self.bucket, Key=name, Body=bytes(self.random.choice((10, 10, 100_000))))
        except (BotoCoreError, ClientError) as error:
            raise Gone(str(error)) from error
        self.ledger.told(name)


class Receiver(Worker):
    """Receives and deletes; lets go of some. After a crash it deletes again what may not have been deleted.

    `wait` is how long a receive waits. `empty` are the receives that ended with nothing.
    """

    def __init__(self, house: House, ledger: Ledger, name: str, url: str, wait: int = 1) -> None:
        super().__init__(house, ledger, name)
        self.url = url
        self.wait = wait
        self.fifo = isinstance(ledger, FifoLedger)
        self.attempt = ""
        self.due: list[tuple[str, str]] = []
        self.taken = 0.0
        self.empty: list[Span] = []

    def step(self) -> None:
        if self.due:
            self.delete()
            return
        if self.fifo and not self.attempt:
            self.attempt = f"{self.name}-{self.calls}-{self.random.random()}"
        options: dict[str, Any] = {"ReceiveRequestAttemptId": self.attempt} if self.fifo else {}
        began, life = time.monotonic(), self.house.life
        found = self.caller.sqs(
            "ReceiveMessage",
            QueueUrl=self.url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=self.wait,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SequenceNumber"],
            **options,
        ).get("Messages", [])
        span = self.span(began, life)
        attempt, self.attempt = self.attempt, ""
        if not found:
            self.empty.append(span)
            return
        self.ledger.received([delivery_of(message) for message in found], span, attempt)
        self.taken = began
        kept = self.kept(len(found))
        self.due = [(name_of(message["Body"]), message["ReceiptHandle"]) for message in found[:kept]]
        for message in found[kept:]:
            self.let_go(message)

    def kept(self, count: int) -> int:
        """How many of the messages that came are deleted; the others are let go of."""
        return self.random.randrange(count) if self.random.random() < 0.03 else count

    def let_go(self, message: Any) -> None:
        self.ledger.letting_go(name_of(message["Body"]))
        handle = message["ReceiptHandle"]
        self.caller.sqs("ChangeMessageVisibility", QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=0)

    def delete(self) -> None:
        for name, _ in self.due:
            self.ledger.deleting(name)
        entries = [{"Id": str(at), "ReceiptHandle": handle} for at, (_, handle) in enumerate(self.due)]
        answer = self.caller.sqs("DeleteMessageBatch", QueueUrl=self.url, Entries=entries)
        now = time.monotonic()
        for each in answer.get("Successful", []):
            self.ledger.deleted(self.due[int(each["Id"])][0], now)
        for each in answer.get("Failed", []) if now < self.taken + VISIBILITY else []:
            self.ledger.blame(f"{self.due[int(each['Id'])][0]} could not be deleted: {each}")
        self.due = []


class Roundabout(Receiver):
    """Receives from a source queue, lets most go, so that they become dead letters, and deletes some, but does not insist."""

    ledger: Ring

    def kept(self, count: int) -> int:
        return 1 if self.random.random() < 0.1 else 0

    def delete(self) -> None:
        try:
            super().delete()
        finally:
            self.due = []  # elsewhere by now, perhaps: a second try would be acknowledged, and mean nothing

    def let_go(self, message: Any) -> None:
        if self.random.random() < 0.98:
            super().let_go(message)


class Mover(Worker):
    """Starts move tasks from a dead-letter queue back to its source, fast ones and slow ones; cancels some."""

    def __init__(self, house: House, ledger: Ledger, name: str, dead: str) -> None:
        super().__init__(house, ledger, name)
        self.dead = dead
        self.moved = 0

    def ended(self) -> bool:
        return self.house.closing.is_set()

    def step(self) -> None:
        time.sleep(0.1)
        results = self.caller.sqs("ListMessageMoveTasks", SourceArn=self.dead, MaxResults=1).get("Results", [])
        if results and results[0]["Status"] in ("RUNNING", "CANCELLING"):
            if self.random.random() < 0.03 and results[0]["Status"] == "RUNNING":
                self.cancel(results[0]["TaskHandle"])
            return
        if results and results[0]["Status"] == "FAILED":
            self.ledger.blame(f"a move task failed: {results[0]}")
        speed = self.random.choice(({}, {"MaxNumberOfMessagesPerSecond": 200}, {"MaxNumberOfMessagesPerSecond": 20}))
        self.caller.sqs("StartMessageMoveTask", SourceArn=self.dead, **speed)
        self.ledger.counts["move tasks"] += 1

    def cancel(self, handle: str) -> None:
        try:
            self.caller.sqs("CancelMessageMoveTask", TaskHandle=handle)
            self.ledger.counts["cancelled"] += 1
        except Refused as refused:
            if "Task does not exist" not in str(refused):  # it ended meanwhile
                raise


def publish(caller: Caller, topic: str, messages: list[dict[str, str]]) -> None:
    """Publish one message, or several as a batch, all of which must be taken. Raises Gone, Refused."""
    if len(messages) == 1:
        caller.sns("Publish", TopicArn=topic, **messages[0])
        return
    entries = {
        f"PublishBatchRequestEntries.member.{at}.{name}": value
        for at, message in enumerate(messages, 1)
        for name, value in {"Id": str(at), **message}.items()
    }
    answer = caller.sns("PublishBatch", TopicArn=topic, **entries)
    assert len(re.findall("<MessageId>", answer)) == len(messages), answer


def body_of(name: str, chance: random.Random) -> str:
    """A message's body, which begins with its name; a few are long."""
    fate = chance.random()
    return f"{name} {'x' * (_LARGE if fate < 0.002 else 500 if fate < 0.3 else 0)}"


def name_of(body: str) -> str:
    """A message's name: what it begins with, or the key of the object that it tells of."""
    if body.startswith("{"):
        return str(json.loads(body)["Records"][0]["s3"]["object"]["key"])
    return body.partition(" ")[0]


def delivery_of(message: Any) -> Delivery:
    attributes = message["Attributes"]
    count = int(attributes["ApproximateReceiveCount"])
    return Delivery(name_of(message["Body"]), message["MessageId"], count, attributes.get("SequenceNumber", ""))
