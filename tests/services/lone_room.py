"""A room's core on plain SQLite: batches as the store has them, operations called without a gateway, a clock that the test moves.

A room's own support says what its neighbours answer, and what else its tests need.
"""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from awning.auth.principal import Principal, root_of
from awning.kit.call import Call, Facts
from awning.kit.service import Service
from awning.store.vault import Vault

ACCOUNT = "111122223333"
OTHER = "444455556666"
START = 1_700_000_000.0
DAY = 86_400.0


class LoneRoom:
    """What a Call needs of its room."""

    def __init__(self, bench: LoneBench, service: Service) -> None:
        self.bench: Any = bench
        self.service = service
        self.memory: Any = None
        self.vault = Vault(bytes(32), given=True)
        self.seal = self.vault.key(f"room {service.name}")
        self.epoch = 0
        self._random = Random(1)

    @property
    def database(self) -> Any:
        return SimpleNamespace(reader=self.bench.reader, connect=self.bench.connect)

    def random(self, length: int) -> bytes:
        return self._random.randbytes(length)

    def new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random(16), version=4))

    def ask(self, question: Any, facts: Facts) -> Any:
        raise LookupError(f"No room answers {type(question).__name__}.")

    async def write(
        self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return self.bench.run(call, function, *args, **kwargs)


class LoneBench:
    """Runs functions as units: each a transaction of its own. `now` is in seconds."""

    def __init__(self, path: Path, service: Service) -> None:
        self.path = path
        self.service = service
        self.now = START
        self.room: Any = self.make_room()
        self.writer = self._open()
        for script in service.schema.migrations:
            self.writer.executescript(script)
        self.reader = self._open()
        self.restart()
        self.operations = service.operations()
        self.loop = asyncio.new_event_loop()

    def make_room(self) -> LoneRoom:
        return LoneRoom(self, self.service)

    def connect(self) -> sqlite3.Connection:
        """A connection for another thread."""
        return sqlite3.connect(self.path, isolation_level=None)

    def _open(self) -> sqlite3.Connection:
        db = self.connect()
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        return db

    def restart(self) -> None:
        """Forget what is in memory, as a crash does."""
        assert self.service.memory is not None
        self.room.memory = self.service.memory(self.writer)

    def close(self) -> None:
        self.loop.close()
        self.writer.close()
        self.reader.close()

    def make_call(self, account: str = ACCOUNT, region: str = "us-east-1", principal: Principal | None = None) -> Call:
        return Call(self.room, Facts("r-1", principal or root_of(account), account, region), self.now, self.reader)

    def run(self, call: Call, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Run a function as a unit that is committed."""
        call.db, call.now = self.writer, self.now
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            result = function(call, *args, **params)
        except BaseException:
            self.writer.execute("ROLLBACK")
            call.afterwards.clear()
            raise
        finally:
            call.db = self.reader
        self.writer.execute("COMMIT")
        for do in call.afterwards:
            do()
        call.afterwards.clear()
        return result

    def work(self) -> None:
        """Run each background pass until it finds nothing more."""
        for work in self.service.work:
            while self.run(self.make_call(), work.run):
                pass

    def later(self, days: float) -> None:
        """Move the clock, and do what falls due."""
        self.now += days * DAY
        self.work()


class LoneClient:
    """An account in a region: boto3's methods, with parameters in snake_case. Permissions are not asked for."""

    def __init__(self, bench: LoneBench, account: str = ACCOUNT, region: str = "us-east-1") -> None:
        self.bench: Any = bench
        self.account = account
        self.region = region

    def __getattr__(self, name: str) -> Any:
        return partial(self._run, self.bench.operations[name])

    def _run(self, operation: Any, **params: Any) -> Any:
        call = self.bench.make_call(self.account, self.region)
        if inspect.iscoroutinefunction(operation.function):
            return self.bench.loop.run_until_complete(operation.function(call, **params))
        if operation.reads:
            return operation.function(call, **params)
        return self.bench.run(call, operation.function, **params)
