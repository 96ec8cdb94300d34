"""Room: a Service that runs. It owns the room's database, memory, blobs and waiters, and runs calls in its batches.

Nothing here knows about HTTP or about any particular room.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from awning.kit.call import Call, Facts, StillWaiting, service_facts
from awning.kit.clock import Clock
from awning.kit.deliveries import encode
from awning.kit.errors import RegionReset
from awning.kit.operation import Operation, Params
from awning.kit.randomness import Randomness
from awning.kit.service import Service
from awning.kit.waiters import Waiters
from awning.kit.watching import Watch
from awning.store.blobs import Blobs
from awning.store.completion import Completion
from awning.store.database import Database
from awning.store.emptying import Emptying
from awning.store.folder import DataFolder
from awning.store.outbox import Inbox, Outbox
from awning.store.writer import Unit, Writer


class Neighbours(Protocol):
    """What a room sees of the region around it."""

    def ask(self, question: Any, facts: Facts) -> Any: ...

    def sent(self, room: Room) -> None: ...

    def broken(self, room: Room, error: BaseException) -> None: ...


class Outcome(Completion[Any]):
    """What a run will have come to.

    A client that goes away gives it up only while the call waits for a key: what may be in a batch already is neither torn
    from its reply nor handed to nobody.
    """

    __slots__ = ("run",)

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run: Run | None = run

    def cancel(self, msg: object = None) -> bool:
        """Note that nobody waits for this any more; False where the outcome comes all the same."""
        run = self.run
        if run is None:
            return False
        run.abandoned = True
        if run.began or run.waits_for is None:
            return False
        self.run = None
        return super().cancel(msg)


class Run(Unit):
    """One run of a function for a call, as a unit of the writer.

    waits_for: the key that it has waited for, if any. began: it runs, or has run, in the current batch.
    """

    __slots__ = ("abandoned", "args", "began", "call", "function", "kwargs", "outcome", "result", "room", "waits_for")

    def __init__(
        self, room: Room, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self.room = room
        self.call = call
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.undo = call.undo
        self.result: Any = None
        self.abandoned = False
        self.began = False
        self.waits_for: Hashable = None
        self.outcome = Outcome(self)

    def run(self, db: sqlite3.Connection) -> None:
        call = self.call
        if self.abandoned and self.waits_for is not None:
            # Its client went between being woken and now: the next in line takes its turn.
            call.wake(self.waits_for)
            return
        if call.epoch != self.room.epoch:
            raise RegionReset
        self.began = True
        call.db = db
        call.now = self.room.clock.now()
        call.pending = None
        self.result = self.function(call, *self.args, **self.kwargs)

    def settled(self, error: BaseException | None) -> None:
        call, room, outcome = self.call, self.room, self.outcome
        call.undo.clear()
        call.db = room.database.reader
        if error is None:
            room.generation += 1
            if call.afterwards:
                for do in call.afterwards:
                    do()
                call.afterwards.clear()
            if call.wakes:
                for key, count in call.wakes:
                    room.waiters.wake(key, count)
                call.wakes.clear()
            if call.outgoing:
                room.neighbours.sent(room)
                call.outgoing = 0
            if call.pending is not None:
                self._wait(call.pending)
                return
            outcome.run = None
            outcome.set_result(self.result)
            return
        call.afterwards.clear()
        call.wakes.clear()
        call.outgoing = 0
        if isinstance(error, StillWaiting):
            self._wait(error)
            return
        if self.waits_for is not None:
            # What it was woken for is still there: the next in line takes its turn.
            room.waiters.wake(self.waits_for, 1)
        outcome.run = None
        del self.outcome  # it keeps the error, whose traceback keeps this run
        outcome.set_exception(error)

    def _wait(self, waiting: StillWaiting) -> None:
        room = self.room
        self.began = False
        self.waits_for = waiting.key
        if self.abandoned:
            self.outcome.cancel()
        elif room.stopping:
            room.resubmit(self)
        else:
            room.waiters.add(self, waiting.key, waiting.deadline, waiting.retry_at)
            room.arm()


class Room:
    """A running service.

    generation: grows with each committed unit; what others keep of this room's answers is good while it stays the same.
    epoch: grows when the room is emptied; what was begun before changes nothing any more.
    """

    def __init__(self, service: Service, folder: DataFolder, clock: Clock, neighbours: Neighbours) -> None:
        self.service = service
        self.name = service.name
        self.clock = clock
        self.neighbours = neighbours
        self.randomness = Randomness()
        self.new_id = self.randomness.uuid
        self.random = self.randomness.take
        self.generation = 0
        self.epoch = 0
        self.database = Database(folder.database(service.name), service.schema)
        self.blobs = Blobs(folder.blobs(service.name), self.database)
        self.vault = folder.vault
        self.seal = folder.vault.key(f"room {service.name}")
        self.outbox = Outbox(encode, service.carries)
        self.inbox = Inbox()
        self.memory: Any = service.memory(self.database.writer) if service.memory else None
        self.writer = Writer(self.database, name=service.name, on_broken=self._broken)
        self.waiters = Waiters(self.resubmit)
        self.watch: Watch | None = None
        """Hears of each request to the room that was answered; None where nobody wants to. See watch_as_wanted()."""
        self.watch_as_wanted()
        self.stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._emptying: Emptying | None = None

    async def run(self, operation: Operation, call: Call, params: Params) -> Any:
        """Run an operation and return its result; raises what it raises.

        A read runs now, on committed state; a plain function in the next batch; an `async def` on its own.
        """
        if operation.streams:
            return await operation.function(call, **params)
        if operation.reads:
            return operation.function(call, **params)
        return await self.write(call, operation.function, (), params)

    async def write(
        self,
        call: Call,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run `function(call, …)` in the next batch; return its result once the batch is on disk.

        A caller that goes away meanwhile does not stop what is queued; what waits for a key is dropped with it.
        """
        unit = Run(self, call, function, args, kwargs or {})
        self.writer.submit(unit)
        return await unit.outcome

    def call(self, facts: Facts) -> Call:
        """Make a call that sees committed state."""
        return Call(self, facts, self.clock.now(), self.database.reader)

    def ask(self, question: Any, facts: Facts) -> Any:
        """Ask the region around; called by Call.ask."""
        return self.neighbours.ask(question, facts)

    def answer(self, question: Any, facts: Facts) -> Any:
        """Answer a neighbour's question from committed state."""
        return self.service.answers[type(question)](self.call(facts), question)

    def watch_as_wanted(self) -> None:
        """Hear of requests from now on, or no more, as the room's committed state says."""
        wanted = self.service.watch
        self.watch = None if wanted is None else wanted(self)

    def tick(self) -> None:
        """Let waiters look again whose time has come: by the timer, or because the clock was moved."""
        self.waiters.tick(self.clock.now())
        self.arm()

    def arm(self) -> None:
        """Set the one timer of the waiters to what is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.waiters.next_due()
        if due is not None:
            delay = max(0.0, due - self.clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self.tick)

    def empty(self) -> None:
        """Make the database as new, durably. In a thread, while the writer is held. Raises sqlite3.Error."""
        if self._emptying is None:
            self._emptying = Emptying(self.service.schema)
        self._emptying.run(self.database.writer)

    def emptied(self) -> None:
        """Go on with a room that has been emptied: with new memory, and nothing that was begun before changes it any more.
        On the loop's thread, before the writer is let go."""
        self.epoch += 1
        self.memory = self.service.memory(self.database.writer) if self.service.memory else None
        self.generation += 1
        self.watch_as_wanted()
        self.blobs.renew()
        self.waiters.wake_all()
        self.arm()

    def release_waiters(self) -> None:
        """Give every waiting call its answer now: the region stops."""
        self.stopping = True
        self.waiters.wake_all()

    async def close(self) -> None:
        """Finish what is queued, take leave, then close the files; raises what leaving raised, the files closed all the same."""
        self.release_waiters()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.writer.drain()
        try:
            if self.service.leave is not None and self.writer.broken is None:
                await self.write(self.call(service_facts(self.name)), self.service.leave)
        finally:
            await self.writer.close()
            self.blobs.close()
            self.database.close()

    def resubmit(self, waiter: Any) -> None:
        """Run a waiting call again; once the region stops, it is not to wait any longer."""
        if self.stopping:
            waiter.call.started = float("-inf")
        self.writer.submit(waiter)

    def _broken(self, error: BaseException) -> None:
        self.neighbours.broken(self, error)
