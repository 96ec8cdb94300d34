"""ReceiveRequestAttemptId: a receive from a FIFO queue whose answer was lost is repeated, and gives the same messages again.

Source: the API reference of ReceiveMessage.
"""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.sqs import fifo_tables, tables
from awning.services.sqs.duplicates import WINDOW
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.lines import hide
from awning.services.sqs.memory import Queue


def again(call: Call, queue: Queue, attempt: str, now: int, until: int) -> tuple[int, list[int]] | None:
    """When a receive of this id took which messages, where that was in the last five minutes and nothing has happened to any of
    them since; they are hidden anew."""
    found = fifo_tables.find_attempt(call.db, queue.id, attempt)
    line = queue.line
    if found is None or found[0] + WINDOW <= now or not isinstance(line, FifoLine):
        return None
    received, receives = found
    line.settle(now)
    for number, before, times, _ in receives:
        place = line.held(number)
        if place.until is None or place.until != before or place.seen is None or place.seen.times != times:
            return None
    numbers = [receive.message for receive in receives]
    for number in numbers:
        hide(call, queue, number, until)
    keep(call, queue, attempt, received, numbers)
    return received, numbers


def keep(call: Call, queue: Queue, attempt: str, received: int, numbers: list[int]) -> None:
    """Remember what a receive of this id has taken."""
    line = queue.line
    places = [(number, line.held(number)) for number in numbers] if isinstance(line, FifoLine) else []
    receives = [tables.Receive(number, place.until, *place.seen) for number, place in places if place.seen is not None]
    fifo_tables.keep_attempt(call.db, queue.id, attempt, received, receives)
