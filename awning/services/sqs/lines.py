"""What calls do to the line of a queue, of either kind, and how a failed call takes it back.

A standard queue's receives are in memory alone; what is received from a FIFO queue, or hidden there, is a row before the reply.
"""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.sqs import tables
from awning.services.sqs.engine import Taken
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.memory import Queue


def enter(call: Call, queue: Queue, number: int, group: str | None, due: int | None) -> None:
    """Let a message that was stored wait, or be delayed until `due`. A FIFO queue's message has a group."""
    line = queue.line
    if isinstance(line, FifoLine):
        assert group is not None
        fifo, name = line, group
        call.apply(lambda: fifo.put(number, name, due), lambda: fifo.remove(number, name))
    else:
        standard = line
        call.apply(lambda: standard.put(number, due, group), lambda: standard.unput(number, due))


def leave(call: Call, queue: Queue, number: int, group: str | None) -> None:
    """Let a message whose row is deleted leave its line. A FIFO queue's message had a group."""
    line = queue.line
    if line.full:
        call.wake(queue.key)
    if isinstance(line, FifoLine):
        assert group is not None
        fifo, name, place = line, group, line.held(number)
        if place.seen is not None:
            tables.forget_fifo_receive(call.db, number)
        call.apply(lambda: fifo.remove(number, name), lambda: fifo.restore(number, name, place))
        if fifo.waiting():
            call.wake(queue.key)
    else:
        standard, held = line, line.held(number)
        call.apply(lambda: standard.remove(number), lambda: standard.restore(number, held))


def take(call: Call, queue: Queue, count: int, now: int, until: int) -> list[int]:
    """Take up to `count` messages out of the line and hide them; return their numbers."""
    line = queue.line
    if not line.waiting():
        return []
    taken: list[Taken] = []
    call.apply(lambda: line.take(count, now, until, taken), lambda: line.give_back(taken))
    if isinstance(line, FifoLine):
        receives = ((number, until, *line.seen(number)) for number, *_ in taken)
        tables.keep_fifo_receives(call.db, map(tables.Receive._make, receives))
    return [number for number, _, removed, _ in taken if not removed]


def hide(call: Call, queue: Queue, number: int, until: int) -> None:
    """Hide a message that is in flight until another time."""
    line = queue.line
    if isinstance(line, FifoLine):
        fifo, place = line, line.held(number)
        assert place.seen is not None
        call.apply(lambda: fifo.hide(number, until), lambda: fifo.hide(number, place.until))
        tables.keep_fifo_receives(call.db, [tables.Receive(number, until, *place.seen)])
    else:
        standard, before = line, line.held(number).until
        assert before is not None
        call.apply(lambda: standard.hide(number, until), lambda: standard.unhide(number, before))


def delay(call: Call, queue: Queue, milliseconds: int, now: int) -> None:
    """Give the messages of a FIFO queue that wait, or are delayed, another delay; a standard queue's keep theirs.

    Source: the developer guide's "Amazon SQS delay queues": for FIFO queues the setting is retroactive.
    """
    line = queue.line
    if not isinstance(line, FifoLine):
        return
    line.settle(now)
    before, after = [], []
    for number, group, sent in tables.sent_since(call.db, queue.id, queue.purged_through, now - _LONGEST_DELAY):
        place = line.held(number)
        if place.seen is None:
            before.append((number, group, place.due))
            after.append((number, group, sent + milliseconds if sent + milliseconds > now else None))
    tables.delay(call.db, ((due, number) for number, _, due in after))
    call.apply(lambda: line.delay(after), lambda: line.delay(before))
    call.wake(queue.key)


_LONGEST_DELAY = 900_000
