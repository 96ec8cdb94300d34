"""Scenes of the soak of messages: who sends what to whom, and what must hold of it in the end.

A scene prepares what it needs on a standing region, has workers, and says when they have settled and what went wrong.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

from tests.conftest import LiveRegion
from tests.faults.ledger import TOLD, FifoLedger, Ledger, Ring
from tests.faults.messengers import (
    VISIBILITY,
    FifoPublisher,
    FifoSender,
    House,
    Mover,
    ObjectWriter,
    Publisher,
    Receiver,
    Roundabout,
    Sender,
    Worker,
    name_of,
)

_ACCOUNT = "000000000000"
_LATE = 2.0
"""Seconds that an answer may be under way to a worker that other workers keep from running."""


class Scene:
    """What all scenes have in common."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ledgers: list[Ledger] = []
        self.workers: list[Worker] = []
        self.prepare(house.live)

    def prepare(self, live: LiveRegion) -> None:
        raise NotImplementedError

    def settled(self) -> bool:
        return all(ledger.settled() for ledger in self.ledgers)

    def close(self) -> None:
        """Say what is lost; the workers have ended."""
        for ledger in self.ledgers:
            ledger.close()

    def queue(self, name: str, **attributes: str) -> str:
        """Make a queue; return its URL."""
        sqs = self.house.live.client("sqs")
        given = {"VisibilityTimeout": str(VISIBILITY), **attributes}
        if name.endswith(".fifo"):
            given["FifoQueue"] = "true"
        return str(sqs.create_queue(QueueName=name, Attributes=given)["QueueUrl"])

    def topic(self, name: str) -> str:
        sns = self.house.live.client("sns")
        attributes = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
        return str(sns.create_topic(Name=name, Attributes=attributes)["TopicArn"])

    def subscribed(self, topic: str, name: str) -> str:
        """Make a queue that a topic may write to, and is to; return its URL."""
        policy = allow("sns", "sqs:SendMessage", arn(name), {"ArnEquals": {"aws:SourceArn": topic}})
        url = self.queue(name, Policy=policy)
        self.house.live.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn(name), Attributes={"RawMessageDelivery": "true"}
        )
        return url


class Standard(Scene):
    """A standard queue: what was sent comes, what was deleted does not come again, what is in flight is nobody else's."""

    def prepare(self, live: LiveRegion) -> None:
        self.ledgers = [ledger] = [Ledger("standard", VISIBILITY)]
        url = self.queue("standard")
        self.workers += [Sender(self.house, ledger, f"sender{at}", url) for at in range(2)]
        self.workers += [Receiver(self.house, ledger, f"receiver{at}", url) for at in range(4)]


class Fifo(Scene):
    """A FIFO queue: in each group everything comes, once, in its order, and what is in flight stays so over a crash."""

    def prepare(self, live: LiveRegion) -> None:
        self.ledgers = [ledger] = [FifoLedger("fifo", VISIBILITY)]
        url = self.queue("ordered.fifo")
        self.workers += [FifoSender(self.house, [ledger], f"ordered{at}", url, 10) for at in range(2)]
        self.workers += [Receiver(self.house, ledger, f"taker{at}", url) for at in range(4)]


class DeadLetters(Scene):
    """Poison goes to the dead-letter queue, move tasks bring it back: at any time each message is in one place, once."""

    suffix = ""

    def prepare(self, live: LiveRegion) -> None:
        self.dead, self.source = f"dead{self.suffix}", f"source{self.suffix}"
        dead = self.queue(self.dead)
        redrive = json.dumps({"deadLetterTargetArn": arn(self.dead), "maxReceiveCount": 2})
        source = self.queue(self.source, RedrivePolicy=redrive)
        self.urls = [source, dead]
        self.ledgers = [ring] = [Ring(f"dead letters{self.suffix}", VISIBILITY)]
        self.workers = [self.sender(ring, source), Mover(self.house, ring, f"mover{self.suffix}", arn(self.dead))]
        for at in range(2):
            self.workers.append(Roundabout(self.house, ring, f"poisoned{at}{self.suffix}", source))

    def sender(self, ring: Ring, source: str) -> Worker:
        return Sender(self.house, ring, "poison", source, pause=0.03)

    def close(self) -> None:
        """Empty both queues and count; the source first, for nothing but a move task leads back into it."""
        sqs = self.house.live.client("sqs")
        while (running := sqs.list_message_move_tasks(SourceArn=arn(self.dead)).get("Results")) and (
            running[0]["Status"] in ("RUNNING", "CANCELLING")
        ):
            time.sleep(0.1)
        sqs.set_queue_attributes(QueueUrl=self.urls[0], Attributes={"RedrivePolicy": ""})
        left: Counter[str] = Counter()
        for url in self.urls:
            while visible_or_hidden(sqs, url):
                found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
                left.update(name_of(message["Body"]) for message in found)
                done = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(found)]
                if done:
                    assert not sqs.delete_message_batch(QueueUrl=url, Entries=done).get("Failed")
        ring = self.ledgers[0]
        assert isinstance(ring, Ring)
        ring.close_with(left)


class FifoDeadLetters(DeadLetters):
    """The same of FIFO queues."""

    suffix = ".fifo"

    def sender(self, ring: Ring, source: str) -> Worker:
        return SlowFifoSender(self.house, [ring], "venom", source, 30)


class SlowFifoSender(FifoSender):
    """A sender that leaves its readers time: dead letters cost more than others."""

    def step(self) -> None:
        super().step()
        time.sleep(0.05)


class FanOut(Scene):
    """A topic with three queues: each gets everything that was published, each message as one."""

    def prepare(self, live: LiveRegion) -> None:
        topic = self.topic("news")
        self.ledgers = [Ledger(f"fan-out {at}", VISIBILITY) for at in range(3)]
        for at, ledger in enumerate(self.ledgers):
            url = self.subscribed(topic, f"news-{at}")
            self.workers.append(Receiver(self.house, ledger, f"reader{at}", url))
        self.workers += [Publisher(self.house, self.ledgers, f"publisher{at}", topic) for at in range(2)]


class FifoFanOut(Scene):
    """A FIFO topic with two FIFO queues: order within each group, end to end, and each message once."""

    def prepare(self, live: LiveRegion) -> None:
        topic = self.topic("ordered-news.fifo")
        self.ledgers = [FifoLedger(f"FIFO fan-out {at}", VISIBILITY) for at in range(2)]
        for at, ledger in enumerate(self.ledgers):
            url = self.subscribed(topic, f"ordered-news-{at}.fifo")
            self.workers.append(Receiver(self.house, ledger, f"subscriber{at}", url))
        self.workers.append(FifoPublisher(self.house, self.ledgers, "herald", topic, 10))


class Timed(Ledger):
    """Remembers when each message was told and when it came."""

    def __init__(self, name: str, visibility: float) -> None:
        super().__init__(name, visibility)
        self.when: dict[str, float] = {}
        self.came: dict[str, Any] = {}

    def told(self, name: str) -> None:
        self.when[name] = time.monotonic()
        super().told(name)

    def received(self, found: list[Any], span: Any, attempt: str = "") -> None:
        for delivery in found:
            self.came.setdefault(delivery.name, span)
        super().received(found, span, attempt)


class Waiting(Scene):
    """Many receivers wait for few messages, over restarts: none waits in vain while a message is there."""

    def prepare(self, live: LiveRegion) -> None:
        self.timed = Timed("waiting", VISIBILITY)
        self.ledgers = [self.timed]
        url = self.queue("awaited")
        self.workers = [Sender(self.house, self.timed, "trickle", url, pause=0.2)]
        self.workers += [
            Receiver(self.house, self.timed, f"waiter{at}", url, wait=20 if at % 2 else 2) for at in range(10)
        ]

    def close(self) -> None:
        super().close()
        idle = [span for each in self.workers if isinstance(each, Receiver) for span in each.empty]
        self.timed.counts["waits"] = len(idle)
        for name, span in self.timed.came.items():
            told = self.timed.when.get(name)
            for wait in idle if told is not None and span.life is not None else []:
                # What was received late and delayed by a second is none of this.
                if wait.life == span.life and told + 1.5 < wait.began and wait.ended + _LATE < span.began:
                    self.timed.counts["overlooked"] += 1
                    self.timed.blame(
                        f"{name} was there, and a receiver waited {wait.ended - wait.began:.1f} s for nothing"
                    )


class Hook:
    """A web hook. Once it is `dead`, it takes connections and requests, and does not answer."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.asked = threading.Event()
        self.dead = False
        self.stop = threading.Event()
        self.calls = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                hook.calls += 1
                if hook.dead:
                    hook.stop.wait(60)
                    return
                hook.bodies.append(body)
                hook.asked.set()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def subscribe(self, sns: Any, topic: str) -> None:
        """Subscribe, and confirm by the link that is posted."""
        policy = {"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 1, "maxDelayTarget": 20}}
        attributes = {"RawMessageDelivery": "true", "DeliveryPolicy": json.dumps(policy)}
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=self.url, Attributes=attributes)
        assert self.asked.wait(20)
        with urlopen(json.loads(self.bodies.pop())["SubscribeURL"], timeout=20) as answer:
            assert answer.status == 200

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


class WebHooks(Scene):
    """A dead web hook beside a living one and a queue, which get everything while the dead one's letters still wait."""

    def prepare(self, live: LiveRegion) -> None:
        topic = self.topic("hooked")
        self.ledgers = [ledger] = [Ledger("beside a dead web hook", VISIBILITY)]
        url = self.subscribed(topic, "hooked")
        self.dead, self.alive = Hook(), Hook()
        for hook in (self.dead, self.alive):
            hook.subscribe(live.client("sns"), topic)
        self.dead.dead = True
        self.workers = [
            Publisher(self.house, [ledger], "hooker", topic, pause=0.2),
            Receiver(self.house, ledger, "beside", url),
        ]

    def settled(self) -> bool:
        return super().settled() and not self.missing()

    def missing(self) -> set[str]:
        """What the living hook has not got."""
        return set(self.ledgers[0].names(TOLD)) - {name_of(body) for body in list(self.alive.bodies)}

    def close(self) -> None:
        super().close()
        ledger = self.ledgers[0]
        for name in self.missing():
            ledger.counts["lost"] += 1
            ledger.blame(f"{name} did not reach the living web hook")
        with closing(sqlite3.connect(f"file:{self.house.live.data}/rooms/sns.db?mode=ro", uri=True)) as db:
            (waiting,) = db.execute("SELECT count(*) FROM _outbox").fetchone()
        ledger.counts["letters waiting for the dead hook"] = waiting
        ledger.counts["tries of the dead hook"] = self.dead.calls
        if waiting < ledger.counts["told"]:
            ledger.blame(f"{waiting} letters wait for the dead web hook, of {ledger.counts['told']}")
        self.dead.close()
        self.alive.close()


class Objects(Scene):
    """A bucket that notifies a queue, another a topic that passes it on to one: each object that was put is told of once."""

    def prepare(self, live: LiveRegion) -> None:
        s3, sns = live.client("s3"), live.client("sns")
        topic = self.topic("objects")
        policy = allow("s3", "sns:Publish", topic, {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::topical"}})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        policy = allow("s3", "sqs:SendMessage", arn("objects"), {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::direct"}})
        urls = {"direct": self.queue("objects", Policy=policy), "topical": self.subscribed(topic, "objects-by-topic")}
        told = {"Events": ["s3:ObjectCreated:*"]}
        settings = {
            "direct": {"QueueConfigurations": [{"QueueArn": arn("objects"), **told}]},
            "topical": {"TopicConfigurations": [{"TopicArn": topic, **told}]},
        }
        for bucket, url in urls.items():
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=settings[bucket])
            self.pass_over_test(url)
            ledger = Ledger(f"objects, {bucket}", VISIBILITY)
            self.ledgers.append(ledger)
            self.workers.append(ObjectWriter(self.house, ledger, f"object-{bucket}", bucket))
            self.workers.append(Receiver(self.house, ledger, f"watcher-{bucket}", url))

    def pass_over_test(self, url: str) -> None:
        """Take the event with which a bucket tries its notifications."""
        sqs = self.house.live.client("sqs")
        (test,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=test["ReceiptHandle"])


SCENES: tuple[type[Scene], ...] = (
    Standard,
    Fifo,
    DeadLetters,
    FifoDeadLetters,
    FanOut,
    FifoFanOut,
    Waiting,
    WebHooks,
    Objects,
)
"""A room that sends to queues gets a scene here: a sender of its own kind, and a Receiver with a ledger for each queue."""


def arn(queue: str) -> str:
    return f"arn:aws:sqs:us-east-1:{_ACCOUNT}:{queue}"


def allow(service: str, action: str, resource: str, condition: Any) -> str:
    """A resource's policy: a service may do this."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def visible_or_hidden(sqs: Any, url: str) -> int:
    """How many messages a queue holds."""
    names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, counts.values()))
