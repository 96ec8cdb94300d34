"""The room's core on plain SQLite: batches, savepoints and undo as the store has them, and a clock that the test moves."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from awning.auth.principal import root_of
from awning.kit.call import Call, Facts
from awning.services.sqs import SERVICE
from awning.services.sqs.memory import build
from awning.store.vault import Vault

ACCOUNT = "111122223333"
START = 1_700_000_000.0


class FakeRoom:
    """What a Call needs of its room."""

    def __init__(self) -> None:
        self.service = SERVICE
        self.memory: Any = None
        self.epoch = 0
        self.vault = Vault(bytes(32), given=True)
        self._random = Random(1)

    def random(self, length: int) -> bytes:
        return self._random.randbytes(length)

    def new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random(16), version=4))


class Bench:
    """Runs functions as units: each in a savepoint, each batch in a transaction. `now` is in seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        self.room: Any = FakeRoom()
        self.writer = self._open()
        for script in SERVICE.schema.migrations:
            self.writer.executescript(script)
        self.reader = self._open()
        self.room.memory = build(self.writer)
        self.operations = SERVICE.operations()
        self.wakes: list[Any] = []
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

    @contextmanager
    def batch(self, *, fails: bool = False) -> Iterator[None]:
        """Run what follows as one transaction; with `fails`, its COMMIT fails."""
        self.writer.execute("BEGIN IMMEDIATE")
        self._batch = units = []
        try:
            yield
        finally:
            self._batch = None
            self.writer.execute("ROLLBACK" if fails else "COMMIT")
            for undo in reversed(units) if fails else ():
                while undo:
                    undo.pop()()

    def make_call(self, account: str = ACCOUNT, region: str = "us-east-1", host: str = "localhost:4566") -> Call:
        facts = Facts("r-1", root_of(account), account, region, base_url=f"http://{host}", host=host)
        return Call(self.room, facts, self.now, self.reader)

    def run(self, call: Call, function: Callable[..., Any], **params: Any) -> Any:
        """Run a function as a unit, in the open batch or one of its own."""
        if self._batch is None:
            with self.batch():
                return self.run(call, function, **params)
        call.db = self.writer
        call.now = self.now
        self.writer.execute("SAVEPOINT unit")
        try:
            result = function(call, **params)
        except BaseException:
            self.writer.execute("ROLLBACK TO unit")
            self.writer.execute("RELEASE unit")
            while call.undo:
                call.undo.pop()()
            raise
        self.writer.execute("RELEASE unit")
        self._batch.append(call.undo)
        self.wakes += call.wakes
        return result


class Client:
    """An account in a region: boto3's methods, with parameters in snake_case."""

    def __init__(self, bench: Bench, account: str = ACCOUNT, region: str = "us-east-1") -> None:
        self.bench = bench
        self.account = account
        self.region = region
        self.host = "localhost:4566"

    def __getattr__(self, name: str) -> Any:
        return partial(self._run, self.bench.operations[name])

    def _run(self, operation: Any, **params: Any) -> Any:
        call = self.bench.make_call(self.account, self.region, self.host)
        if operation.reads:
            return operation.function(call, **params)
        return self.bench.run(call, operation.function, **params)


class OneQueue:
    """One queue and short ways to use it."""

    def __init__(self, client: Client, name: str = "jobs", **attributes: str) -> None:
        self.client = client
        self.url: str = client.create_queue(queue_name=name, attributes=attributes)["QueueUrl"]

    def send(self, body: str = "hi", **params: Any) -> Any:
        return self.client.send_message(queue_url=self.url, message_body=body, **params)

    def receive(self, count: int = 1, **params: Any) -> list[Any]:
        result = self.client.receive_message(queue_url=self.url, max_number_of_messages=count, **params)
        return list(result.get("Messages", []))

    def bodies(self, count: int = 10, **params: Any) -> list[str]:
        return [message["Body"] for message in self.receive(count, **params)]

    def delete(self, message: Any) -> None:
        self.client.delete_message(queue_url=self.url, receipt_handle=message["ReceiptHandle"])

    def hide(self, message: Any, seconds: int) -> None:
        self.client.change_message_visibility(
            queue_url=self.url, receipt_handle=message["ReceiptHandle"], visibility_timeout=seconds
        )

    def set(self, **attributes: str) -> None:
        self.client.set_queue_attributes(queue_url=self.url, attributes=attributes)

    def attributes(self, *names: str) -> dict[str, str]:
        result = self.client.get_queue_attributes(queue_url=self.url, attribute_names=list(names) or ["All"])
        return dict(result.get("Attributes", {}))

    def counts(self) -> tuple[int, int, int]:
        """Visible, in flight, delayed."""
        values = self.attributes()
        names = ("", "NotVisible", "Delayed")
        visible, flight, delayed = (int(values["ApproximateNumberOfMessages" + name]) for name in names)
        return visible, flight, delayed
