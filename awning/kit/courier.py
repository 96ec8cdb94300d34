"""Carries the outbox: after each commit that sent something, and again while something is left.

A delivery becomes one batch unit of the receiving room, which records that it has it; only then does the sender forget it.
A crash between the two repeats the delivery, and the receiver's record makes the repetition void.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from awning import contracts
from awning.auth.principal import Principal
from awning.contracts import Deliver
from awning.kit.call import Call, Facts
from awning.kit.room import Room
from awning.store.outbox import Letter

_AT_ONCE = 64
_IDLE_LOOK = 1.0


def encode(delivery: Deliver) -> tuple[str, str, str, bytes]:
    """Write a delivery as the outbox keeps it: kind, ARN, group, payload."""
    content = {field.name: getattr(delivery, field.name) for field in dataclasses.fields(delivery)}
    return type(delivery).__name__, delivery.arn, delivery.group, orjson.dumps(content)


def decode(kind: str, payload: bytes) -> Deliver:
    """Read a delivery. Raises LookupError for a kind that this version does not know."""
    made = getattr(contracts, kind, None)
    if not (isinstance(made, type) and issubclass(made, Deliver)):
        raise LookupError(f"There is no delivery {kind}.")
    return made(**orjson.loads(payload))


def service_facts(room: str) -> Facts:
    """The facts of a call that a room makes by itself."""
    arn = f"{room}.amazonaws.com"
    return Facts(request_id="", principal=Principal("service", "", arn, arn, arn, room), account="", region="")


class Courier:
    """Delivers one room's outbox. `find` gives the room that accepts a delivery's kind, or None.

    `report` is called with a line for what could not be delivered and is tried again.
    """

    def __init__(self, room: Room, find: Callable[[type], Room | None], report: Callable[[str], None]) -> None:
        self.room = room
        self._find = find
        self._report = report
        self._news = asyncio.Event()
        self._stopping = False
        self._failures: Mapping[str, str] = {}

    def kick(self) -> None:
        """Look at the outbox now."""
        self._news.set()

    def stop(self) -> None:
        """End run() after the delivery under way."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """Deliver until stopped."""
        while not self._stopping:
            self._news.clear()
            letters = self.room.outbox.due(self.room.database.reader, self.room.clock.now(), _AT_ONCE)
            if letters:
                await asyncio.gather(*(self._deliver(letter) for letter in letters))
                continue
            try:
                await asyncio.wait_for(self._news.wait(), _IDLE_LOOK)
            except TimeoutError:
                continue

    async def _deliver(self, letter: Letter) -> None:
        room = self.room
        try:
            delivery = decode(letter.kind, letter.payload)
            target = self._find(type(delivery))
            if target is None:
                raise LookupError(f"No room accepts {letter.kind}.")
            call = target.call(service_facts(room.name))
            await target.write(call, accept, (target, room.name, letter, delivery))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._report(f"outbox of {room.name}: {letter.kind} to {letter.arn}: {reason}")
            call = room.call(service_facts(room.name))
            await room.write(call, lambda call: room.outbox.failed(call.db, letter.seq, call.now, reason))
            return
        call = room.call(service_facts(room.name))
        await room.write(call, lambda call: room.outbox.delivered(call.db, letter.seq))


def accept(call: Call, room: Room, sender: str, letter: Any, delivery: Deliver) -> None:
    """Take a delivery in, unless this room has it already."""
    if room.outbox.fresh(call.db, sender, letter.arn, letter.group, letter.seq):
        room.service.accepts[type(delivery)](call, delivery)
