"""Carries the outbox: after each commit that sent something, and again while something is left.

A delivery becomes one batch unit of the receiving room, which records that it has it; only then does the sender forget it.
A crash between the two repeats the delivery, and the receiver's record makes the repetition void.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from awning.contracts import Deliver
from awning.kit.call import Call, service_facts
from awning.kit.deliveries import TryAgain, Undeliverable, decode
from awning.kit.room import Room
from awning.store.outbox import Letter

_AT_ONCE = 64
_IDLE_LOOK = 1.0


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
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def kick(self) -> None:
        """Look at the outbox now."""
        self._news.set()

    def stop(self) -> None:
        """End run() after the delivery under way."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """Deliver until stopped, then let what is under way finish. One slow delivery does not hold up the others."""
        while not self._stopping:
            self._news.clear()
            room = self.room
            under_way = self._under_way
            letters = room.outbox.due(room.database.reader, room.clock.now(), _AT_ONCE + len(under_way))
            for letter in letters:
                if letter.seq not in under_way and len(under_way) < _AT_ONCE:
                    task = asyncio.create_task(self._deliver(letter), name=f"{room.name}.outbox.{letter.seq}")
                    under_way[letter.seq] = task
                    task.add_done_callback(partial(self._done, letter.seq))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _IDLE_LOOK)
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _done(self, seq: int, task: asyncio.Task[None]) -> None:
        del self._under_way[seq]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._report(f"outbox of {self.room.name}: letter {seq} could not be filed: {error}")
        self._news.set()

    async def _deliver(self, letter: Letter) -> None:
        room = self.room
        try:
            delivery = decode(letter.kind, letter.payload)
            carry = room.service.carries.get(type(delivery))
            if carry is not None:
                await carry(room.call(service_facts(room.name)), delivery)
            else:
                target = self._find(type(delivery))
                if target is None:
                    raise LookupError(f"No room accepts {letter.kind}.")
                call = target.call(service_facts(room.name))
                await target.write(call, accept, (target, letter, delivery))
        except Exception as error:
            await self._failed(letter, error)
            return
        call = room.call(service_facts(room.name))
        await room.write(call, lambda call: room.outbox.delivered(call.db, letter.seq))

    async def _failed(self, letter: Letter, error: Exception) -> None:
        room = self.room
        reason = f"{type(error).__name__}: {error}"
        self._report(f"outbox of {room.name}: {letter.kind} to {letter.arn}: {reason}")

        def file(call: Call) -> Letter | None:
            wait = error.seconds if isinstance(error, TryAgain) else None
            given_up = room.outbox.failed(
                call.db, letter.seq, call.now, reason, call.random(1)[0] / 256, isinstance(error, Undeliverable), wait
            )
            if given_up is not None and room.service.given_up is not None:
                room.service.given_up(call, decode(letter.kind, letter.payload), reason)
            return given_up

        given_up = await room.write(room.call(service_facts(room.name)), file)
        if given_up is not None:
            self._report(
                f"outbox of {room.name}: gave {letter.kind} to {letter.arn} up after {given_up.attempts} tries."
            )


def accept(call: Call, room: Room, letter: Letter, delivery: Deliver) -> None:
    """Take a delivery in, unless this room has it already."""
    if room.outbox.fresh(call.db, letter):
        room.service.accepts[type(delivery)](call, delivery)
