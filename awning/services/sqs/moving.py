"""A message's way from one queue to another: into a dead-letter queue, and out of it. Both ends change in one transaction."""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.sqs import tables
from awning.services.sqs.contents import carry
from awning.services.sqs.lines import enter, leave
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory, Queue


def hand_over(call: Call, queue: Queue, number: int, dead: Queue, times: int) -> None:
    """Move a message, which was received `times` here, to the dead-letter queue. It keeps its id, its group and, on standard
    queues, the time it was sent, and so the age that the other queue's retention period is held against."""
    memory: Memory = call.memory
    new = memory.next_number()
    group = tables.group_of(call.db, number)
    sent = milliseconds(call.now) if dead.settings.fifo else None
    content = carry(call, queue, number, dead, new)
    tables.hand_over(call.db, number, to=dead.id, new=new, content=content, source=queue.arn, times=times, sent=sent)
    leave(call, queue, number, group)
    enter(call, dead, new, group, None)
    call.wake(dead.key)


def send_anew(call: Call, queue: Queue, number: int, target: Queue) -> None:
    """Move a message out of a dead-letter queue: in its new queue it is a new one, with its own id and time of sending."""
    memory: Memory = call.memory
    new = memory.next_number()
    group = tables.group_of(call.db, number)
    content, now = carry(call, queue, number, target, new), milliseconds(call.now)
    tables.send_anew(call.db, number, to=target.id, new=new, content=content, id=call.new_id(), now=now)
    leave(call, queue, number, group)
    enter(call, target, new, group, None)
    call.wake(target.key)
