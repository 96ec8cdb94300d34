"""What the room keeps in memory, derived from its tables: each queue's settings and the order of its messages.

Changed only through `call.apply`. It holds what the running batch has done too, so reads look for queues in the tables.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from awning.kit.call import Call
from awning.kit.service import Guard
from awning.services.sqs import fifo_tables, tables
from awning.services.sqs.address import arn_of
from awning.services.sqs.attributes import Settings, settings_of
from awning.services.sqs.engine import Held, Line, Seen
from awning.services.sqs.fifo import FifoLine, Place

if TYPE_CHECKING:
    from awning.services.sqs.contents import Keys
    from awning.services.sqs.datakeys import DataKeys


class Queue:
    """A queue as the operations use it. `key` is what its receivers wait for.

    `recent`, of a FIFO queue, has the numbers of the messages of the last five minutes by their de-duplication keys; `rescoped`
    is when its DeduplicationScope was last changed.
    """

    __slots__ = (
        "account",
        "arn",
        "guard",
        "id",
        "key",
        "line",
        "name",
        "purged_through",
        "recent",
        "rescoped",
        "secret",
        "settings",
    )

    def __init__(self, row: tables.QueueRow) -> None:
        self.id = row.id
        self.account = row.account
        self.name = row.name
        self.arn = arn_of(row.region, row.account, row.name)
        self.key = ("queue", row.id)
        self.secret = row.secret
        self.purged_through = row.purged_through
        self.configure(settings_of(row.attributes, self.arn, row.policy_ids), row.rescoped)
        self.line: Line | FifoLine = self.empty_line()
        self.recent: dict[bytes, int] = {}

    def empty_line(self) -> Line | FifoLine:
        """A line of this queue's kind with nothing in it."""
        return FifoLine() if self.settings.fifo else Line()

    def configure(self, settings: Settings, rescoped: int | None = None) -> None:
        """Put other settings into force."""
        self.settings = settings
        self.rescoped = rescoped
        self.guard = Guard(self.account, settings.policy)


class Sweep(NamedTuple):
    """Where the sweep for dead rows is. It has looked at rows up to `at`; purges and deletions left some up to `through`."""

    at: int = 0
    through: int = 0


class Survey(NamedTuple):
    """What the last whole walk through the queues found: the shortest retention period of those that hold messages, in
    milliseconds, and the fullest ones by their ids.

    Of a walk under way: all `ids`, `at` which of them it is, and what it has found so far.
    """

    shortest: int | None = None
    fullest: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    at: int = 0
    shortest_so_far: int | None = None
    fullest_so_far: tuple[int, ...] = ()


class Memory:
    """The derived state of all queues. `last_number` only grows: a number is not used again, whatever becomes of its call.
    `keys` are those of sealed queues, once one is used; `data_keys` those of queues under a key of KMS."""

    def __init__(self) -> None:
        self.keys: Keys | None = None
        self.data_keys: DataKeys | None = None
        self.queues: dict[str, Queue] = {}
        self.by_id: dict[int, Queue] = {}
        self.last_number = 0
        self.sweep = Sweep()
        self.survey = Survey()

    def add(self, queue: Queue) -> None:
        self.queues[queue.arn] = queue
        self.by_id[queue.id] = queue

    def discard(self, queue: Queue) -> None:
        del self.queues[queue.arn]
        del self.by_id[queue.id]

    def next_number(self) -> int:
        """Return the number of a new message."""
        self.last_number += 1
        return self.last_number


def build(db: sqlite3.Connection) -> Memory:
    """Build the derived state from the tables.

    Messages wait in the order in which they were sent. What is in flight, and how often each message was received, is known if
    the last stop was in good order; a crash forgets it, which standard queues' "at least once" allows.
    Of FIFO queues all is known.
    """
    memory = Memory()
    for row in tables.all_queues(db):
        memory.add(Queue(row))
    memory.last_number = tables.last_number(db)
    dead = 0
    receives = {receive.message: receive for receive in tables.kept_receives(db)}
    for queue_id, numbers, delayed, groups in tables.slices(db):
        queue = memory.by_id.get(queue_id)
        through = queue.purged_through if queue else memory.last_number
        first = min(numbers[:1] + [number for number, _ in delayed], default=through + 1)
        if first <= through:
            gone = [number for number in (*numbers, *(number for number, _ in delayed)) if number <= through]
            dead = max(dead, *gone)
            numbers = [number for number in numbers if number > through]
            delayed = [(number, due) for number, due in delayed if number > through]
        if queue is not None and isinstance(queue.line, Line):
            for number, group in groups:
                if number > through:
                    queue.line.join(number, group)
            queue.line.load(*_recall(queue.line, receives, numbers, delayed) if receives else (numbers, delayed))
    if any(queue.settings.fifo for queue in memory.queues.values()):
        _load_fifo(db, memory)
    memory.sweep = Sweep(0, dead)
    return memory


def _load_fifo(db: sqlite3.Connection, memory: Memory) -> None:
    """Build what is known of FIFO queues: all of it is in the tables, so it is as it was."""
    for queue_id, number, group, due, until, times, first in fifo_tables.fifo_messages(db):
        queue = memory.by_id[queue_id]
        if number > queue.purged_through and isinstance(queue.line, FifoLine):
            seen = Seen(times, first) if times is not None and first is not None else None
            queue.line.restore(number, group, Place(until, due if seen is None else None, seen))
    for row in fifo_tables.all_deduplications(db):
        found = memory.by_id.get(row.queue)
        if found is not None and row.message > found.purged_through:
            found.recent[row.key] = row.message


def _recall(
    line: Line, receives: dict[int, tables.Receive], numbers: list[int], delayed: list[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Tell a line what is known of the receives of these messages; return those that are not in flight."""
    waiting, late = [], []
    for number, due in (*((number, None) for number in numbers), *delayed):
        receive = receives.get(number)
        if receive is not None:
            line.recall(number, Held(receive.until, Seen(receive.times, receive.first)))
            if receive.until is None:
                waiting.append(number)
        # A message that was received is delayed no longer, whatever time it was once due.
        elif due is None:
            waiting.append(number)
        else:
            late.append((number, due))
    return sorted(waiting), late


def leave(call: Call) -> None:
    """Keep what is known of receives over a stop."""
    memory: Memory = call.memory
    tables.keep_receives(
        call.db,
        (
            tables.Receive(number, held.until, held.seen.times, held.seen.first)
            for queue in memory.queues.values()
            if isinstance(queue.line, Line)
            for number, held in queue.line.received()
            if held.seen is not None
        ),
    )


def guard(call: Call, arn: str) -> Guard | None:
    """What a queue says about who may use it. A policy counts from its own batch on, in which later calls run anyway."""
    memory: Memory = call.memory
    queue = memory.queues.get(arn)
    return queue.guard if queue else None
