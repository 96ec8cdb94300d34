"""A sheaf: letters for one room, taken in by one unit of its batch. A letter that fails takes only itself back.

Nothing here knows where letters come from or what becomes of them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from awning.contracts import Deliver
from awning.kit.call import Call
from awning.store.outbox import Letter

_SECONDS = 0.003
_LOOK_EVERY = 8

# What a statement may do wrong by itself; every other database error is the whole transaction's.
_OWN_FAULTS = frozenset(
    (
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_TOOBIG,
    )
)


@dataclass(slots=True)
class Parcel:
    """A letter on its way: what it holds, and, once tried, whether it came or why it failed."""

    letter: Letter
    delivery: Deliver | None
    came: bool = False
    error: Exception | None = None


def apart(call: Call, function: Callable[..., Any], *args: Any) -> Exception | None:
    """Run `function(call, *args)` in a savepoint within the call's own; return what it raised, with all of it taken back.

    Raises what has ended, or must end, the whole transaction.
    """
    execute = call.db.execute
    undo, wakes, afterwards, outgoing = len(call.undo), len(call.wakes), len(call.afterwards), call.outgoing
    execute("SAVEPOINT apart")
    try:
        function(call, *args)
    except Exception as error:
        if not call.db.in_transaction or _ends_all(error):
            raise
        execute("ROLLBACK TO apart")
        execute("RELEASE apart")
        while len(call.undo) > undo:
            # A step that fails stays on the list: the writer meets it again, and refuses what would follow.
            call.undo[-1]()
            call.undo.pop()
        del call.wakes[wakes:], call.afterwards[afterwards:]
        call.outgoing = outgoing
        return error
    execute("RELEASE apart")
    return None


def take_in(call: Call, sender: str, parcels: Sequence[Parcel], known: Collection[int]) -> None:
    """Accept parcels in order, in the receiver's transaction, and record them with the `known` ones, which had come before.

    Behind one that failed, its group waits. What is left when the time is over has neither come nor failed.
    """
    accepts = call.room.service.accepts
    held: set[tuple[str, str]] = set()
    taken = []
    deadline = time.perf_counter() + _SECONDS
    for index, parcel in enumerate(parcels):
        if not index % _LOOK_EVERY and index and time.perf_counter() >= deadline:
            break
        letter, delivery = parcel.letter, parcel.delivery
        parcel.came, parcel.error = False, None
        if letter.group and (letter.arn, letter.group) in held:
            continue
        if letter.seq in known:
            parcel.came = True
            continue
        assert delivery is not None
        call.attempts = letter.attempts
        parcel.error = apart(call, accepts[type(delivery)], delivery)
        if parcel.error is None:
            parcel.came = True
            taken.append(letter.seq)
        elif letter.group:
            held.add((letter.arn, letter.group))
    if taken:
        call.room.inbox.record(call.db, sender, [*known, *taken])


def _ends_all(error: Exception) -> bool:
    return (
        isinstance(error, sqlite3.Error)
        and getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _OWN_FAULTS
    )
