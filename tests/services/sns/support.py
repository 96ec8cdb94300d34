"""The room's core on plain SQLite: batches, savepoints and undo as the store has them, and a clock that the test moves."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from awning.auth.principal import ANONYMOUS, root_of
from awning.contracts import Deliver, FindAddress, FindSigningKey, SigningKey
from awning.gateway.signing_keys import SigningKeys
from awning.kit.call import Call, Facts
from awning.net.certificates import CertificateAuthority
from awning.services.sns import SERVICE
from awning.services.sns.memory import build
from awning.store.vault import Seal

ACCOUNT = "111122223333"
OTHER = "444455556666"
START = 1_700_000_000.0


@cache
def signing_key() -> SigningKey:
    """A key for all tests: to make one takes long."""
    with TemporaryDirectory() as folder:
        return SigningKeys(CertificateAuthority(folder).signer_pem).find(FindSigningKey("sns"))


class Letters:
    """An outbox that nobody empties."""

    def __init__(self) -> None:
        self.sent: list[Deliver] = []

    def put(self, db: sqlite3.Connection, delivery: Deliver, now: float) -> int:
        self.sent.append(delivery)
        return len(self.sent)


class FakeRoom:
    """What a Call needs of its room."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.service = SERVICE
        self.memory: Any = None
        self.outbox = Letters()
        self.seal = Seal(bytes(32))
        self.epoch = 0
        self._random = Random(1)

    def random(self, length: int) -> bytes:
        return self._random.randbytes(length)

    def ask(self, question: Any, facts: Facts) -> Any:
        if isinstance(question, FindAddress):
            return "http://the.region:4566"
        assert isinstance(question, FindSigningKey)
        return signing_key()

    async def write(self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        return self.bench.run(call, function, *args, **kwargs)

    def new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random(16), version=4))


class Bench:
    """Runs functions as units: each in a savepoint, each batch in a transaction. `now` is in seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        self.loop = asyncio.new_event_loop()
        self.room: Any = FakeRoom(self)
        self.writer = self._open()
        for script in SERVICE.schema.migrations:
            self.writer.executescript(script)
        self.reader = self._open()
        self.room.memory = build(self.writer)
        self.operations = SERVICE.operations()
        self._batch: list[list[Callable[[], None]]] | None = None

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        return db

    @property
    def memory(self) -> Any:
        return self.room.memory

    def restart(self) -> None:
        """Forget what is in memory, as a crash does."""
        self.room.memory = build(self.writer)

    def close(self) -> None:
        self.writer.close()
        self.reader.close()
        self.loop.close()

    @contextmanager
    def batch(self, *, fails: bool = False) -> Iterator[None]:
        """Run what follows as one transaction; with `fails`, its COMMIT fails."""
        self.writer.execute("BEGIN IMMEDIATE")
        self._batch = units = []
        sent = len(self.room.outbox.sent)
        try:
            yield
        finally:
            self._batch = None
            self.writer.execute("ROLLBACK" if fails else "COMMIT")
            for undo in reversed(units) if fails else ():
                while undo:
                    undo.pop()()
            if fails:
                del self.room.outbox.sent[sent:]

    def make_call(self, account: str = ACCOUNT, region: str = "us-east-1", *, signed: bool = True) -> Call:
        facts = Facts("r-1", root_of(account) if signed else ANONYMOUS, account, region)
        return Call(self.room, facts, self.now, self.reader)

    def run(self, call: Call, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Run a function as a unit, in the open batch or one of its own."""
        if self._batch is None:
            with self.batch():
                return self.run(call, function, *args, **params)
        call.db = self.writer
        call.now = self.now
        sent = len(self.room.outbox.sent)
        self.writer.execute("SAVEPOINT unit")
        try:
            result = function(call, *args, **params)
        except BaseException:
            self.writer.execute("ROLLBACK TO unit")
            self.writer.execute("RELEASE unit")
            del self.room.outbox.sent[sent:]
            while call.undo:
                call.undo.pop()()
            raise
        self.writer.execute("RELEASE unit")
        self._batch.append(call.undo)
        return result

    def wait(self, running: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(running)

    def sent(self) -> list[Any]:
        """What was sent since this was last asked."""
        taken = list(self.room.outbox.sent)
        self.room.outbox.sent.clear()
        return taken


class Client:
    """An account in a region: boto3's methods, with parameters in snake_case."""

    def __init__(self, bench: Bench, account: str = ACCOUNT, region: str = "us-east-1", *, signed: bool = True) -> None:
        self.bench = bench
        self.account = account
        self.region = region
        self.signed = signed

    def __getattr__(self, name: str) -> Any:
        return partial(self._run, self.bench.operations[name])

    def _run(self, operation: Any, **params: Any) -> Any:
        call = self.bench.make_call(self.account, self.region, signed=self.signed)
        if operation.reads:
            return operation.function(call, **params)
        if operation.streams:
            return self.bench.wait(operation.function(call, **params))
        return self.bench.run(call, operation.function, **params)

    def topic(self, name: str = "news", **attributes: str) -> str:
        """Create a topic; return its ARN."""
        return str(self.create_topic(name=name, attributes=attributes)["TopicArn"])

    def fifo(self, name: str = "news.fifo", **attributes: str) -> str:
        return self.topic(name, FifoTopic="true", **attributes)

    def queue(self, topic: str, name: str = "jobs", **attributes: str) -> str:
        """Subscribe a queue of this account; return the subscription's ARN."""
        result = self.subscribe(
            topic_arn=topic, protocol="sqs", endpoint=queue_arn(name, self.account), attributes=attributes
        )
        return str(result["SubscriptionArn"])

    def attributes(self, arn: str) -> dict[str, str]:
        """A topic's or a subscription's attributes."""
        if arn.count(":") == 5:
            return dict(self.get_topic_attributes(topic_arn=arn)["Attributes"])
        return dict(self.get_subscription_attributes(subscription_arn=arn)["Attributes"])


def queue_arn(name: str = "jobs", account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:sqs:{region}:{account}:{name}"


def document(letter: Any) -> dict[str, Any]:
    """What a queue is told of a message that it does not get raw."""
    found: dict[str, Any] = orjson.loads(letter.body)
    return found
