"""The room's core on plain SQLite: batches and savepoints as the store has them, and a clock that the test moves."""

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

from awning.auth.evaluate import decide
from awning.auth.principal import Principal, root_of
from awning.contracts import FindPrincipalIds, PrincipalExists
from awning.kit.call import Call, Facts
from awning.services.kms import SERVICE
from awning.services.kms.memory import build
from awning.store.vault import Vault

ACCOUNT = "111122223333"
OTHER = "444455556666"
START = 1_700_000_000.0
DAY = 86_400.0


class FakeRoom:
    """What a Call needs of its room."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.service = SERVICE
        self.memory: Any = None
        self.vault = Vault(bytes(32), given=True)
        self.seal = self.vault.key("room kms")
        self.epoch = 0
        self.people = {f"arn:aws:iam::{ACCOUNT}:user/ann": "AIDAANN0000000000000"}
        self._random = Random(1)

    @property
    def database(self) -> Any:
        return SimpleNamespace(reader=self.bench.reader)

    def random(self, length: int) -> bytes:
        return self._random.randbytes(length)

    def new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random(16), version=4))

    def ask(self, question: Any, facts: Facts) -> Any:
        if isinstance(question, PrincipalExists):
            return question.arn in self.people
        assert isinstance(question, FindPrincipalIds)
        return {arn: self.people[arn] for arn in question.arns if arn in self.people}

    async def write(
        self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return self.bench.run(call, function, *args, **kwargs)


class Bench:
    """Runs functions as units: each a transaction of its own. `now` is in seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        self.room: Any = FakeRoom(self)
        self.writer = self._open()
        for script in SERVICE.schema.migrations:
            self.writer.executescript(script)
        self.reader = self._open()
        self.room.memory = build(self.writer)
        self.operations = SERVICE.operations()
        self.loop = asyncio.new_event_loop()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        return db

    def restart(self) -> None:
        """Forget what is in memory, as a crash does."""
        self.room.memory = build(self.writer)

    def close(self) -> None:
        self.loop.close()
        self.writer.close()
        self.reader.close()

    def make_call(self, account: str = ACCOUNT, region: str = "us-east-1", principal: Principal | None = None) -> Call:
        facts = Facts("r-1", principal or root_of(account), account, region)
        call = Call(self.room, facts, self.now, self.reader)
        call.authorise = partial(self._decide, call)
        return call

    def _decide(self, call: Call, action: str, resource: str, context: Any = None, via: str | None = None) -> Any:
        guard = call.guarded_by(resource)
        policy = guard.policy if guard else None
        if guard and guard.narrowed:
            policy = guard.narrowed(call, call.principal, action, context or {})
        return decide(
            call.principal,
            action,
            resource,
            context or {},
            guard_policy=policy,
            resource_account=guard.account if guard else resource.split(":")[4],
        )

    def run(self, call: Call, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Run a function as a unit that is committed."""
        call.db = self.writer
        call.now = self.now
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            result = function(call, *args, **params)
        except BaseException:
            self.writer.execute("ROLLBACK")
            call.afterwards.clear()
            call.db = self.reader
            raise
        self.writer.execute("COMMIT")
        call.db = self.reader
        for do in call.afterwards:
            do()
        call.afterwards.clear()
        return result

    def work(self) -> None:
        """Run each background pass until it finds nothing more."""
        for work in SERVICE.work:
            while self.run(self.make_call(), work.run):
                pass

    def later(self, days: float) -> None:
        """Move the clock, and do what falls due."""
        self.now += days * DAY
        self.work()


class Client:
    """An account in a region: boto3's methods, with parameters in snake_case. Permissions are not asked for."""

    def __init__(self, bench: Bench, account: str = ACCOUNT, region: str = "us-east-1") -> None:
        self.bench = bench
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

    def new(self, **params: Any) -> str:
        """Create a key and return its id."""
        return str(self.create_key(**params)["KeyMetadata"]["KeyId"])

    def describe(self, key_id: str) -> Any:
        return self.describe_key(key_id=key_id)["KeyMetadata"]

    def state(self, key_id: str) -> str:
        return str(self.describe(key_id)["KeyState"])
