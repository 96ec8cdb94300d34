"""Another DelaySeconds of a FIFO queue is for the messages that are there too; those of a standard queue keep theirs.

The call that changes it looks at the newest messages; a background pass goes on with those before them, a slice at a time.
Source: the developer guide's "Amazon SQS delay queues".
"""

from __future__ import annotations

from typing import Final

from awning.kit.call import Call
from awning.services.sqs import fifo_tables
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory, Queue

_LONGEST: Final = 900_000
_SLICE: Final = 500


def begin(call: Call, queue: Queue) -> None:
    """Give the messages of a queue, if it is a FIFO queue, the delay that it has now."""
    memory: Memory = call.memory
    if isinstance(queue.line, FifoLine):
        _go_on(call, queue, memory.last_number, milliseconds(call.now) - _LONGEST)


def carry_on(call: Call) -> bool:
    """Give the next messages of a queue whose delay was changed the new one; return whether there are more to be looked at."""
    memory: Memory = call.memory
    found = fifo_tables.find_delay(call.db)
    if found is None:
        return False
    queue = memory.by_id.get(found.queue)
    if queue is None:
        fifo_tables.forget_delay(call.db, found.queue)
    else:
        _go_on(call, queue, found.through, found.since)
    return True


def _go_on(call: Call, queue: Queue, through: int, since: int) -> None:
    """Look at a slice of messages, the newest first, from the number `through` on down to those sent at `since`: older ones have
    waited out any delay."""
    line, now, delay = queue.line, milliseconds(call.now), queue.settings.delay
    assert isinstance(line, FifoLine)
    line.settle(now)
    rows = fifo_tables.sent_before(call.db, queue.purged_through, through, _SLICE)
    young = [row for row in rows if row.sent > since]
    before, after = [], []
    for of, number, group, sent in reversed(young):
        place = line.held(number)
        if of == queue.id and group is not None and place.seen is None:
            before.append((number, group, place.due))
            after.append((number, group, sent + delay if sent + delay > now else None))
    fifo_tables.delay(call.db, ((due, number) for number, _, due in after))
    call.apply(lambda: line.delay(after), lambda: line.delay(before))
    if len(young) == _SLICE:
        fifo_tables.keep_delay(call.db, fifo_tables.Delay(queue.id, young[-1].number - 1, since))
    else:
        fifo_tables.forget_delay(call.db, queue.id)
    call.wake(queue.key)
