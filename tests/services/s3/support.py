"""The room on its own: operations called as the gateway would call them, without HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awning.auth.principal import Principal, root_of
from awning.contracts import (
    DataKey,
    DecryptDataKey,
    Deliver,
    EncryptsByDefault,
    FindMfaStep,
    FindPrincipalIds,
    FindRole,
    GenerateDataKeyFor,
    MayPublish,
    MaySend,
    RoleFacts,
    Sender,
)
from awning.kit.call import Call, Facts, service_facts
from awning.kit.clock import Clock
from awning.kit.deliveries import decode
from awning.kit.errors import ServiceError
from awning.kit.room import Room
from awning.net.messages import FileSlice
from awning.services.s3 import SERVICE
from awning.store.folder import DataFolder

ACCOUNT = "111111111111"
OTHER = "222222222222"


class StillClock(Clock):
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time


class Keys:
    """A KMS of few words: any key does, unless it is among the `refused`, and every question is noted."""

    def __init__(self) -> None:
        self.refused: dict[str, ServiceError] = {}
        self.made: list[GenerateDataKeyFor] = []
        self.opened: list[DecryptDataKey] = []
        self._kept: dict[bytes, tuple[str, bytes, dict[str, str]]] = {}

    def make(self, question: GenerateDataKeyFor) -> DataKey:
        if question.key in self.refused:
            raise self.refused[question.key]
        self.made.append(question)
        name = "key/default" if question.key == "alias/aws/s3" else f"key/{question.key.rpartition('/')[2]}"
        arn = f"arn:aws:kms:{question.region}:{question.account}:{name}"
        plain, sealed = os.urandom(32), os.urandom(60)
        self._kept[sealed] = (arn, plain, dict(question.context))
        return DataKey(arn, plain, sealed)

    def open(self, question: DecryptDataKey) -> DataKey:
        arn, plain, context = self._kept[question.sealed]
        if arn in self.refused:
            raise self.refused[arn]
        assert context == question.context
        self.opened.append(question)
        return DataKey(arn, plain, question.sealed)


class Neighbours:
    """A region of one room. `known` are the ARNs of users and roles that exist, `listening` those of queues and topics, and
    whether their policies let S3 write to them; `alone`: no other room runs; `encrypts`: by default; `keys`: those of KMS;
    `codes`: (account, serial number, code) of roots' MFA devices, to the steps for which they are right."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.listening: dict[str, bool] = {}
        self.alone = False
        self.senders: list[Sender] = []
        self.encrypts = True
        self.keys = Keys()
        self.roles: dict[str, RoleFacts] = {}
        self.codes: dict[tuple[str, str, str], int] = {}

    def ask(self, question: Any, facts: Facts) -> Any:
        if isinstance(question, FindPrincipalIds):
            return {arn: f"AIDA{abs(hash(arn)):020d}"[:20] for arn in question.arns if arn in self.known}
        if isinstance(question, FindRole):
            return self.roles.get(question.arn)
        if isinstance(question, EncryptsByDefault):
            return self.encrypts
        if isinstance(question, GenerateDataKeyFor):
            return self.keys.make(question)
        if isinstance(question, DecryptDataKey):
            return self.keys.open(question)
        if isinstance(question, MaySend | MayPublish):
            if self.alone:
                raise LookupError("No room answers that.")
            self.senders.append(question.sender)
            return self.listening.get(question.arn)
        if isinstance(question, FindMfaStep):
            return self.codes.get((question.user_id, question.serial_number, question.code))
        return question.arn in self.known

    def sent(self, room: Room) -> None:
        """What was sent stays in the outbox; see S3.outbox()."""

    def broken(self, room: Room, error: BaseException) -> None:
        raise AssertionError("the room broke") from error


@dataclass
class Payload:
    """A body as the gateway hands it over, in blocks."""

    data: bytes
    trailers: dict[str, str]
    block: int = 300_000
    fails: Exception | None = None
    small: bool = True

    @property
    def length(self) -> int | None:
        return len(self.data)

    @property
    def whole(self) -> bytes | None:
        return self.data if self.small and len(self.data) <= 64 * 1024 and self.fails is None else None

    async def blocks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), self.block):
            yield self.data[start : start + self.block]
        if self.fails is not None:
            raise self.fails


@dataclass
class Verdict:
    allowed: bool


class S3:
    """Calls operations by boto3's names: `s3.put_object(bucket="b", key="k", body=b"…")`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        self.loop = loop
        self.folder = DataFolder.open(path)
        self.clock = StillClock()
        self.neighbours = Neighbours()
        self.operations = SERVICE.operations()
        self.room = loop.run_until_complete(self._start())

    async def _start(self) -> Room:
        return Room(SERVICE, self.folder, self.clock, self.neighbours)

    def call(self, account: str = ACCOUNT, region: str = "us-east-1", **facts: Any) -> Call:
        principal = facts.pop("principal", None) or root_of(account)
        facts.setdefault("signed", "v4-header")
        facts.setdefault("method", "PUT")
        return self.room.call(Facts("request", principal, account, region, **facts))

    async def run(self, name: str, call: Call, params: dict[str, Any]) -> Any:
        return await self.room.run(self.operations[name], call, params)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.operations:
            raise AttributeError(name)

        def do(
            *,
            as_: Call | None = None,
            body: bytes | Payload | None = None,
            deny: Callable[[str, str], bool] = lambda action, arn: False,
            **params: Any,
        ) -> Any:
            call = as_ or self.call()
            if body is not None:
                call.body = Payload(body, {}) if isinstance(body, bytes) else body
            call.authorise = lambda action, arn, context=None, via=None: Verdict(not deny(action, arn))  # type: ignore[assignment,return-value]
            return self.loop.run_until_complete(self.run(name, call, params))

        return do

    def read(self, result: dict[str, Any]) -> bytes:
        """Return a reply's body, however it comes."""
        body = result["Body"]
        if isinstance(body, bytes):
            return body
        if isinstance(body, FileSlice):
            with open(body.fd, "rb") as file:
                file.seek(body.offset)
                return file.read(body.length)
        return self.loop.run_until_complete(gather(body))

    def get(self, bucket: str, key: str, **params: Any) -> bytes:
        return self.read(self.get_object(bucket=bucket, key=key, **params))

    def work(self) -> None:
        """Run the background passes until they find nothing."""
        for work in SERVICE.work:
            while self.loop.run_until_complete(self.room.write(self.room.call(service_facts("s3")), work.run)):
                continue
        while self.loop.run_until_complete(self.room.blobs.sweep(self.room.writer)):
            continue

    def files(self) -> list[Path]:
        """The blobs on disk."""
        return [path for path in self.folder.blobs("s3").rglob("*") if path.is_file()]

    def outbox(self) -> list[Deliver]:
        """Take out of the outbox what is in it, in order."""

        def take(call: Call) -> list[Deliver]:
            found = call.room.outbox.page(call.db, 0, 10_000)
            payloads = [letter.payload or call.room.outbox.payload(call.db, letter.seq) or b"" for letter in found]
            call.room.outbox.forget(call.db, [letter.seq for letter in found])
            return [decode(letter.kind, payload) for letter, payload in zip(found, payloads, strict=True)]

        taken: list[Deliver] = self.loop.run_until_complete(self.room.write(self.call(), take))
        return taken

    def rows(self, table: str) -> int:
        count: int = self.room.database.reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count

    def close(self) -> None:
        self.loop.run_until_complete(self.room.close())
        self.folder.close()


async def gather(blocks: AsyncIterator[bytes]) -> bytes:
    return b"".join([block async for block in blocks])


def user(name: str = "ann", account: str = ACCOUNT) -> Principal:
    arn = f"arn:aws:iam::{account}:user/{name}"
    return Principal("user", account, arn, arn, "AIDAUSER", name)
