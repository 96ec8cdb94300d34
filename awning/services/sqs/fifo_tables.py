"""The state that only FIFO queues have: receives, de-duplication, repeated receives, changed delays. Its schema is in tables.py.

Times are milliseconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from awning.services.sqs.tables import Receive


class Sent(NamedTuple):
    """Of which queue and group a message is, and when it was sent."""

    queue: int
    number: int
    group: str | None
    sent: int


class Delay(NamedTuple):
    """A FIFO queue whose DelaySeconds was changed; messages up to the number `through` that were sent after `since` still have
    their delay of before."""

    queue: int
    through: int
    since: int


class Deduplication(NamedTuple):
    """What is known of a message that was sent to a FIFO queue a short while ago: `message` is its number, `id` its MessageId."""

    message: int
    queue: int
    key: bytes
    sent: int
    id: str


def sent_before(db: sqlite3.Connection, after: int, through: int, limit: int) -> list[Sent]:
    """Up to `limit` messages of all queues with numbers above `after` and up to `through`, the newest first."""
    rows = db.execute(
        "SELECT queue, number, grp, sent FROM messages WHERE number > ? AND number <= ? ORDER BY number DESC LIMIT ?",
        (after, through, limit),
    )
    return [Sent._make(row) for row in rows]


def keep_delay(db: sqlite3.Connection, delay: Delay) -> None:
    db.execute("INSERT OR REPLACE INTO delays VALUES (?, ?, ?)", delay)


def find_delay(db: sqlite3.Connection) -> Delay | None:
    row = db.execute("SELECT queue, through, since FROM delays LIMIT 1").fetchone()
    return Delay._make(row) if row else None


def forget_delay(db: sqlite3.Connection, queue: int) -> None:
    db.execute("DELETE FROM delays WHERE queue = ?", (queue,))


def delay(db: sqlite3.Connection, dues: Iterable[tuple[int | None, int]]) -> None:
    """Let messages, each by its number, become visible at other times."""
    db.executemany("UPDATE messages SET due = ? WHERE number = ?", dues)


def keep_fifo_receives(db: sqlite3.Connection, receives: Iterable[Receive]) -> None:
    """Keep how messages of FIFO queues have been received."""
    db.executemany("INSERT OR REPLACE INTO fifo_receives VALUES (?, ?, ?, ?)", receives)


def forget_fifo_receive(db: sqlite3.Connection, number: int) -> None:
    db.execute("DELETE FROM fifo_receives WHERE message = ?", (number,))


def fifo_messages(
    db: sqlite3.Connection,
) -> Iterator[tuple[int, int, str, int | None, int | None, int | None, int | None]]:
    """All messages of FIFO queues in the order of their numbers: queue, number, group, due, and of those that were received,
    until when they are in flight, how often they were received and when first."""
    return db.execute(
        "SELECT m.queue, m.number, m.grp, m.due, r.until, r.times, r.first FROM messages m"
        " LEFT JOIN fifo_receives r ON r.message = m.number"
        " WHERE m.queue IN (SELECT id FROM queues WHERE name LIKE '%.fifo') ORDER BY m.number"
    )


def insert_deduplication(db: sqlite3.Connection, row: Deduplication) -> None:
    db.execute("INSERT INTO deduplications VALUES (?, ?, ?, ?, ?)", row)


def find_deduplication(db: sqlite3.Connection, number: int) -> Deduplication | None:
    row = db.execute("SELECT message, queue, key, sent, id FROM deduplications WHERE message = ?", (number,)).fetchone()
    return Deduplication._make(row) if row else None


def all_deduplications(db: sqlite3.Connection) -> Iterator[Deduplication]:
    """All of them, the oldest first."""
    rows = db.execute("SELECT message, queue, key, sent, id FROM deduplications ORDER BY message")
    return map(Deduplication._make, rows)


def old_deduplications(db: sqlite3.Connection, until: int, limit: int) -> list[Deduplication]:
    """Up to `limit` of them that were sent at a time or before, the oldest first."""
    found: list[Deduplication] = []
    rows = db.execute(
        "SELECT message, queue, key, sent, id FROM deduplications ORDER BY message LIMIT ?", (limit,)
    ).fetchall()
    for row in map(Deduplication._make, rows):
        if row.sent > until:
            break
        found.append(row)
    return found


def forget_deduplications(db: sqlite3.Connection, messages: Iterable[int]) -> None:
    db.executemany("DELETE FROM deduplications WHERE message = ?", ((message,) for message in messages))


def keep_attempt(db: sqlite3.Connection, queue: int, id: str, received: int, receives: Iterable[Receive]) -> None:
    """Keep what a receive with a ReceiveRequestAttemptId took."""
    text = orjson.dumps([tuple(receive) for receive in receives]).decode()
    db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)", (queue, id, received, text))


def find_attempt(db: sqlite3.Connection, queue: int, id: str) -> tuple[int, list[Receive]] | None:
    """When a receive of this ReceiveRequestAttemptId was, and what it took."""
    row = db.execute("SELECT received, messages FROM attempts WHERE queue = ? AND id = ?", (queue, id)).fetchone()
    return (row[0], [Receive(*item) for item in orjson.loads(row[1])]) if row else None


def forget_attempts(db: sqlite3.Connection, until: int, limit: int) -> bool:
    """Forget up to `limit` attempts of that time or before; return whether there may be more."""
    found = db.execute(
        "DELETE FROM attempts WHERE (queue, id) IN (SELECT queue, id FROM attempts WHERE received <= ? LIMIT ?)",
        (until, limit),
    )
    return found.rowcount == limit
