"""What calls do to the line of a queue, of either kind, and how a failed call takes it back.

A standard queue's receives are in memory alone; what is received from a FIFO queue, or hidden there, is a row before the reply.
"""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.sqs import fifo_tables, tables
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
            fifo_tables.forget_fifo_receive(call.db, number)
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
        fifo_tables.keep_fifo_receives(call.db, map(tables.Receive._make, receives))
    return [number for number, _, removed, _ in taken if not removed]


def hide(call: Call, queue: Queue, number: int, until: int) -> None:
    """Hide a message until another time: one that is in flight, or a standard queue's that is visible."""
    line = queue.line
    if isinstance(line, FifoLine):
        fifo, place = line, line.held(number)
        assert place.seen is not None
        call.apply(lambda: fifo.hide(number, until), lambda: fifo.hide(number, place.until))
        fifo_tables.keep_fifo_receives(call.db, [tables.Receive(number, until, *place.seen)])
    else:
        standard, before = line, line.held(number).until
        call.apply(lambda: standard.hide(number, until), lambda: standard.unhide(number, before))
