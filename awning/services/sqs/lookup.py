"""From a QueueUrl to the queue: in memory for calls that run in a batch, in the tables for reads.

Memory holds what the running batch has done; a read must only see what is committed.
"""

from __future__ import annotations

from typing import Final

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.services.sqs import tables
from awning.services.sqs.address import arn_of, place
from awning.services.sqs.errors import QueueDoesNotExist
from awning.services.sqs.memory import Memory, Queue

LONGEST_WAIT: Final = 20
"""Seconds that a receive may wait."""


def find(call: Call, queue_url: str) -> Queue:
    """Return the queue of a URL. Raises InvalidAddress, QueueDoesNotExist."""
    memory: Memory = call.memory
    queue = memory.queues.get(arn_of(*place(call, queue_url)))
    if queue is None:
        raise absent(call)
    return queue


def own(call: Call, queue_url: str) -> Queue:
    """Return the caller's own queue of a URL: for operations that cross-account permissions do not apply to.

    Raises AccessDenied where it is another account's, whatever its policy says.
    """
    queue = find(call, queue_url)
    _check_owner(call, queue.account, queue_url)
    return queue


def stored(call: Call, queue: Queue) -> tables.QueueRow:
    """Return a queue's row as the running batch sees it."""
    row = tables.find_queue(call.db, queue.account, call.region, queue.name)
    assert row is not None
    return row


def committed(call: Call, queue_url: str) -> tables.QueueRow:
    """Return the committed row of the queue of a URL. Raises InvalidAddress, QueueDoesNotExist."""
    region, account, name = place(call, queue_url)
    row = tables.find_queue(call.db, account, region, name)
    if row is None:
        raise absent(call)
    return row


def own_committed(call: Call, queue_url: str) -> tables.QueueRow:
    """Like committed(), for operations that cross-account permissions do not apply to. Raises AccessDenied as well."""
    row = committed(call, queue_url)
    _check_owner(call, row.account, queue_url)
    return row


def absent(call: Call) -> QueueDoesNotExist:
    """The error for a queue that is not there, as each protocol words it."""
    version = " for this wsdl version" if call.facts.protocol == "query" else ""
    return QueueDoesNotExist(f"The specified queue does not exist{version}.")


def milliseconds(seconds: float) -> int:
    """Seconds since the epoch as tables and engine count them. Rounded, so that a time given out in seconds comes back."""
    return round(seconds * 1000)


def wake(call: Call, queue: Queue, now: int, visible: int) -> None:
    """Let a waiting receiver look again, where one that waits now may live to see the message."""
    if visible < now + LONGEST_WAIT * 1000:
        call.wake(queue.key)


def _check_owner(call: Call, account: str, queue_url: str) -> None:
    if account != call.account:
        raise AccessDenied(f"Access to the resource {queue_url} is denied.")
