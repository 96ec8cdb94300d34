"""Exactly-once processing: what was sent to a FIFO queue in the last five minutes is known, and not put on the queue again.

The window is rows, written with the message and so right across a crash; memory has a digest of each id and the message's number.
Source: the developer guide's "Exactly-once processing in Amazon SQS" and the API reference of SendMessage.
"""

from __future__ import annotations

from hashlib import blake2b, sha256

from awning.kit.call import Call
from awning.services.sqs import fifo_tables
from awning.services.sqs.lookup import milliseconds
from awning.services.sqs.memory import Memory, Queue

WINDOW = 300_000
"""Milliseconds that an id is known, after its message was deleted too."""

RESCOPING = 60_000
"""Milliseconds until a change of DeduplicationScope counts."""

_SLICE = 1_000
_DIGEST = 16
_FIRST_SEQUENCE = 18_850_000_000_000_000_000
_SEQUENCE_STEP = 256


def content_id(body: bytes) -> str:
    """The MessageDeduplicationId of a message that has none, where the queue makes them out of the content."""
    return sha256(body).hexdigest()


def sequence_number(number: int) -> str:
    """A message's SequenceNumber: 20 digits that grow, in each group and in the whole queue."""
    return str(_FIRST_SEQUENCE + number * _SEQUENCE_STEP)


def key_of(queue: Queue, group: str, deduplication: str, now: int) -> bytes:
    """What two messages of a queue that are duplicates have in common.

    Another DeduplicationScope counts from a minute after the change on: as long as AWS may take to heed it, and does.
    """
    lags = queue.rescoped is not None and now < queue.rescoped + RESCOPING
    scope = group if queue.settings.per_group is not lags else ""
    return blake2b(f"{scope} {deduplication}".encode(), digest_size=_DIGEST).digest()


def original(call: Call, queue: Queue, key: bytes) -> fifo_tables.Deduplication | None:
    """The message, sent in the last five minutes and not purged, that one of this key is a duplicate of."""
    number = queue.recent.get(key)
    found = None if number is None else fifo_tables.find_deduplication(call.db, number)
    return found if found is not None and found.sent + WINDOW > milliseconds(call.now) else None


def remember(call: Call, queue: Queue, row: fifo_tables.Deduplication) -> None:
    """Know a message from now on."""
    fifo_tables.insert_deduplication(call.db, row)
    recent, before = queue.recent, queue.recent.get(row.key)
    call.apply(lambda: recent.__setitem__(row.key, row.message), lambda: _put_back(recent, row.key, before))


def forget_duplicates(call: Call) -> bool:
    """Forget up to 1,000 ids whose time is over, and receives with an attempt's id that are as old; return whether there may be
    more."""
    memory: Memory = call.memory
    until = milliseconds(call.now) - WINDOW
    more = fifo_tables.forget_attempts(call.db, until, _SLICE)
    rows = fifo_tables.old_deduplications(call.db, until, _SLICE)
    fifo_tables.forget_deduplications(call.db, [row.message for row in rows])
    for row in rows:
        queue = memory.by_id.get(row.queue)
        if queue is not None and queue.recent.get(row.key) == row.message:
            _forget(call, queue.recent, row.key, row.message)
    return more or len(rows) == _SLICE


def _forget(call: Call, recent: dict[bytes, int], key: bytes, number: int) -> None:
    call.apply(lambda: recent.pop(key), lambda: recent.__setitem__(key, number))


def _put_back(recent: dict[bytes, int], key: bytes, before: int | None) -> None:
    if before is None:
        recent.pop(key, None)
    else:
        recent[key] = before
