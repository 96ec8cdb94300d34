"""All state of SQS: queues and messages of all accounts and regions, and their queries.

Times are milliseconds since the epoch. Messages are keyed by their number alone, which is never used twice: an insert goes to
the end of the table, and receives and deletes find their row without another index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from awning.store.schema import Schema

SCHEMA = Schema(
    migrations=(
        """
        CREATE TABLE queues (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            attributes TEXT NOT NULL,          -- JSON: what a client may set, by AWS's names, as text
            tags TEXT NOT NULL,                -- JSON
            secret BLOB NOT NULL,              -- seals the receipt handles
            created INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            purged INTEGER,                    -- when
            purged_through INTEGER NOT NULL,   -- messages up to this number are gone, their rows are swept later
            UNIQUE (account, region, name)
        );
        CREATE TABLE deleted_queues (
            arn TEXT PRIMARY KEY,
            deleted INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE messages (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            queue INTEGER NOT NULL,
            sent INTEGER NOT NULL,
            due INTEGER,                       -- when a delayed message becomes visible
            id TEXT NOT NULL,
            sender TEXT NOT NULL,
            md5 BLOB NOT NULL,                 -- of the body
            trace TEXT,                        -- AWSTraceHeader
            attributes BLOB,                   -- JSON, binary values in base64
            body TEXT NOT NULL
        );
        """,
    )
)

_QUEUE = "id, account, region, name, attributes, tags, secret, created, modified, purged, purged_through"


class QueueRow(NamedTuple):
    """A queue as it is stored."""

    id: int
    account: str
    region: str
    name: str
    attributes: dict[str, str]
    tags: dict[str, str]
    secret: bytes
    created: int
    modified: int
    purged: int | None
    purged_through: int


class MessageRow(NamedTuple):
    """What a receive reads of a message."""

    sent: int
    id: str
    sender: str
    md5: bytes
    trace: str | None
    attributes: bytes | None
    body: str


class Standing(NamedTuple):
    """What the sweep needs to know of a message."""

    number: int
    queue: int
    sent: int
    due: int | None


def _queue(row: Any) -> QueueRow:
    fields = list(row)
    fields[4:6] = orjson.loads(row[4]), orjson.loads(row[5])
    return QueueRow._make(fields)


def find_queue(db: sqlite3.Connection, account: str, region: str, name: str) -> QueueRow | None:
    row = db.execute(
        f"SELECT {_QUEUE} FROM queues WHERE account = ? AND region = ? AND name = ?", (account, region, name)
    ).fetchone()
    return _queue(row) if row else None


def all_queues(db: sqlite3.Connection) -> Iterator[QueueRow]:
    return map(_queue, db.execute(f"SELECT {_QUEUE} FROM queues ORDER BY id"))


def list_names(db: sqlite3.Connection, account: str, region: str, prefix: str, after: str, limit: int) -> list[str]:
    """Return up to `limit` names of an account's queues in a region, in order, that begin with a prefix."""
    rows = db.execute(
        "SELECT name FROM queues WHERE account = ? AND region = ? AND name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
        (account, region, after, len(prefix), prefix, limit),
    )
    return [name for (name,) in rows]


def insert_queue(
    db: sqlite3.Connection,
    *,
    account: str,
    region: str,
    name: str,
    attributes: dict[str, str],
    tags: dict[str, str],
    secret: bytes,
    now: int,
) -> int:
    """Store a new queue; return its id."""
    number = db.execute(
        "INSERT INTO queues (account, region, name, attributes, tags, secret, created, modified, purged_through)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (account, region, name, _text(attributes), _text(tags), secret, now, now),
    ).lastrowid
    assert number is not None
    return number


def update_attributes(db: sqlite3.Connection, queue: int, attributes: dict[str, str], now: int) -> None:
    db.execute("UPDATE queues SET attributes = ?, modified = ? WHERE id = ?", (_text(attributes), now, queue))


def update_tags(db: sqlite3.Connection, queue: int, tags: dict[str, str]) -> None:
    db.execute("UPDATE queues SET tags = ? WHERE id = ?", (_text(tags), queue))


def mark_purged(db: sqlite3.Connection, queue: int, now: int, through: int) -> None:
    db.execute("UPDATE queues SET purged = ?, purged_through = ? WHERE id = ?", (now, through, queue))


def delete_queue(db: sqlite3.Connection, queue: int, arn: str, now: int) -> None:
    """Delete a queue and remember its name for a while. Its messages' rows are swept later."""
    db.execute("DELETE FROM queues WHERE id = ?", (queue,))
    db.execute(
        "INSERT INTO deleted_queues VALUES (?, ?) ON CONFLICT DO UPDATE SET deleted = excluded.deleted", (arn, now)
    )


def deleted_at(db: sqlite3.Connection, arn: str) -> int | None:
    row = db.execute("SELECT deleted FROM deleted_queues WHERE arn = ?", (arn,)).fetchone()
    return row[0] if row else None


def forget_deleted(db: sqlite3.Connection, until: int) -> None:
    db.execute("DELETE FROM deleted_queues WHERE deleted <= ?", (until,))


def insert_message(
    db: sqlite3.Connection,
    number: int,
    queue: int,
    sent: int,
    due: int | None,
    id: str,
    sender: str,
    md5: bytes,
    trace: str | None,
    attributes: bytes | None,
    body: str,
) -> None:
    db.execute(
        "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, queue, sent, due, id, sender, md5, trace, attributes, body),
    )


def read_message(db: sqlite3.Connection, number: int) -> MessageRow:
    """Return a message. Raises LookupError where there is none: then memory and tables disagree, which is our own fault."""
    row = db.execute(
        "SELECT sent, id, sender, md5, trace, attributes, body FROM messages WHERE number = ?", (number,)
    ).fetchone()
    if row is None:
        raise LookupError(f"Message {number} is in memory and not in the table.")
    return MessageRow._make(row)


def has_message(db: sqlite3.Connection, number: int) -> bool:
    return db.execute("SELECT 1 FROM messages WHERE number = ?", (number,)).fetchone() is not None


def delete_message(db: sqlite3.Connection, number: int) -> bool:
    """Delete a message; return whether it was there."""
    return db.execute("DELETE FROM messages WHERE number = ?", (number,)).rowcount == 1


def delete_messages(db: sqlite3.Connection, numbers: Iterable[int]) -> None:
    db.executemany("DELETE FROM messages WHERE number = ?", ((number,) for number in numbers))


def order(db: sqlite3.Connection) -> Iterator[tuple[int, int, int | None]]:
    """All messages in the order of their numbers: number, queue, due."""
    return db.execute("SELECT number, queue, due FROM messages ORDER BY number")


def standings(db: sqlite3.Connection, after: int, limit: int) -> list[Standing]:
    """Up to `limit` messages after a number, in the order of their numbers."""
    rows = db.execute(
        "SELECT number, queue, sent, due FROM messages WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    )
    return [Standing._make(row) for row in rows]


def last_number(db: sqlite3.Connection) -> int:
    """Return the highest number that a message ever had."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
    return int(row[0]) if row else 0


def _text(value: dict[str, str]) -> str:
    return orjson.dumps(value).decode()
