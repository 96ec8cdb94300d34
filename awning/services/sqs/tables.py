"""All state of SQS: queues and messages of all accounts and regions, and their queries; what only FIFO queues have is read and
written in fifo_tables.py.

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
        """
        CREATE TABLE receives (                -- as a stop in good order left them; memory knows better from then on
            message INTEGER PRIMARY KEY,
            until INTEGER,                     -- in flight until then; NULL: visible again
            times INTEGER NOT NULL,
            first INTEGER NOT NULL
        );
        """,
        """
        -- which queue (ARN) handed the message over to this one, its dead-letter queue; how often it had been received before
        ALTER TABLE messages ADD COLUMN source TEXT;
        ALTER TABLE messages ADD COLUMN received INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE queues ADD COLUMN dead_letter_queue TEXT;   -- the ARN in the attribute RedrivePolicy
        CREATE INDEX queues_by_dead_letter_queue ON queues (dead_letter_queue, name);
        CREATE TABLE moves (                   -- message move tasks: those that run, and the last ones of each queue
            id TEXT PRIMARY KEY,
            source TEXT NOT NULL,              -- ARN
            destination TEXT,                  -- ARN; NULL: where each message came from
            speed INTEGER,                     -- messages a second; NULL: as fast as may be
            state TEXT NOT NULL,
            moved INTEGER NOT NULL,
            total INTEGER NOT NULL,            -- to be moved, as the start found it
            reason TEXT,                       -- why it failed
            started INTEGER NOT NULL,
            paced INTEGER NOT NULL             -- its speed is spent up to this time
        );
        CREATE INDEX moves_by_source ON moves (source, started);
        CREATE INDEX moves_under_way ON moves (paced) WHERE state IN ('RUNNING', 'CANCELLING');
        """,
        """
        ALTER TABLE messages ADD COLUMN grp TEXT;            -- MessageGroupId
        ALTER TABLE messages ADD COLUMN deduplication TEXT;  -- MessageDeduplicationId, of FIFO queues only
        CREATE TABLE fifo_receives (           -- of messages of FIFO queues: memory never knows better
            message INTEGER PRIMARY KEY,
            until INTEGER NOT NULL,            -- in flight until then
            times INTEGER NOT NULL,
            first INTEGER NOT NULL
        );
        CREATE TABLE deduplications (          -- what was sent to FIFO queues in the last five minutes, deleted messages too
            message INTEGER PRIMARY KEY,
            queue INTEGER NOT NULL,
            key BLOB NOT NULL,                 -- digest of the MessageDeduplicationId, and of the group where that is its scope
            sent INTEGER NOT NULL,
            id TEXT NOT NULL                   -- the MessageId
        );
        CREATE TABLE attempts (                -- receives with a ReceiveRequestAttemptId, of the last five minutes
            queue INTEGER NOT NULL,
            id TEXT NOT NULL,
            received INTEGER NOT NULL,
            messages TEXT NOT NULL,            -- JSON: number, until, times of each
            PRIMARY KEY (queue, id)
        ) WITHOUT ROWID;
        """,
        """
        ALTER TABLE queues ADD COLUMN policy_ids TEXT NOT NULL DEFAULT '{}';  -- JSON: whom the names in the policy stand for
        """,
        """
        -- whether md5, body and attributes are sealed by the queue's key: the first in the second, whose column is empty then
        ALTER TABLE messages ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE queues ADD COLUMN rescoped INTEGER;         -- when DeduplicationScope was last changed
        CREATE TABLE delays (                  -- FIFO queues whose messages are being given a changed DelaySeconds
            queue INTEGER PRIMARY KEY,
            through INTEGER NOT NULL,          -- messages up to this number are still to be looked at
            since INTEGER NOT NULL             -- those that were sent after this time
        );
        UPDATE queues SET attributes = json_set(attributes, '$.SqsManagedSseEnabled', 'false');
        """,
        """
        ALTER TABLE messages ADD COLUMN data_key INTEGER;       -- the one that sealed it, where that is not the queue's own
        CREATE INDEX messages_by_data_key ON messages (data_key) WHERE data_key IS NOT NULL;
        CREATE TABLE data_keys (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            queue TEXT NOT NULL,               -- the ARN of the queue that it was made for: its encryption context
            sealed BLOB NOT NULL,              -- by a key of KMS, which it names
            made INTEGER NOT NULL
        );
        """,
    )
)

_QUEUE = "id, account, region, name, attributes, tags, secret, created, modified, purged, purged_through, policy_ids, rescoped"


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
    policy_ids: dict[str, str]
    rescoped: int | None


Content = tuple[str | bytes, bytes, bytes | None, bool, int | None]
"""What a message says, as it is stored: body and its MD5, or both in one sealed; attributes packed, or sealed as well; sealed?
And by which data key, None where by the queue's own."""


class MessageRow(NamedTuple):
    """What a receive reads of a message. What it says is as it is stored: a sealed body is bytes."""

    sent: int
    id: str
    sender: str
    md5: bytes
    trace: str | None
    attributes: bytes | None
    body: str | bytes
    source: str | None
    received: int
    group: str | None
    deduplication: str | None
    data_key: int | None


class MoveRow(NamedTuple):
    """A message move task as it is stored."""

    id: str
    source: str
    destination: str | None
    speed: int | None
    state: str
    moved: int
    total: int
    reason: str | None
    started: int
    paced: int


_MOVE = "id, source, destination, speed, state, moved, total, reason, started, paced"


class Standing(NamedTuple):
    """What the sweep needs to know of a message."""

    number: int
    queue: int
    sent: int
    due: int | None


class Receive(NamedTuple):
    """What is known of the receives of a message: `until` when it is in flight (None: it is not), how often, and when first."""

    message: int
    until: int | None
    times: int
    first: int


class Slice(NamedTuple):
    """Some messages of a queue by their numbers, in order; `delayed` with the time when they become visible. `groups`: those of a
    standard queue that have one."""

    queue: int
    numbers: list[int]
    delayed: list[tuple[int, int]]
    groups: list[tuple[int, str]]


_SLICES = """
    SELECT queue,
        json_group_array(number) FILTER (WHERE due IS NULL),
        json_group_array(number) FILTER (WHERE due IS NOT NULL),
        json_group_array(due) FILTER (WHERE due IS NOT NULL),
        json_group_array(json_array(number, grp)) FILTER (WHERE grp IS NOT NULL AND deduplication IS NULL),
        max(number)
    FROM (SELECT queue, number, due, grp, deduplication FROM messages WHERE number > ? ORDER BY number LIMIT 5000)
    GROUP BY queue
"""


def _queue(row: Any) -> QueueRow:
    fields = list(row)
    fields[4:6] = orjson.loads(row[4]), orjson.loads(row[5])
    fields[11] = orjson.loads(row[11])
    return QueueRow._make(fields)


def find_queue(db: sqlite3.Connection, account: str, region: str, name: str) -> QueueRow | None:
    row = db.execute(
        f"SELECT {_QUEUE} FROM queues WHERE account = ? AND region = ? AND name = ?", (account, region, name)
    ).fetchone()
    return _queue(row) if row else None


def all_queues(db: sqlite3.Connection) -> Iterator[QueueRow]:
    return map(_queue, db.execute(f"SELECT {_QUEUE} FROM queues ORDER BY id"))


_LAST = "\U0010ffff"
"""Comes after all that a queue's name may go on with."""


def list_names(db: sqlite3.Connection, account: str, region: str, prefix: str, after: str, limit: int) -> list[str]:
    """Return up to `limit` names of an account's queues in a region, in order, that begin with a prefix."""
    rows = db.execute(
        "SELECT name FROM queues WHERE account = ? AND region = ? AND name >= ? AND name < ? AND name != ? ORDER BY name LIMIT ?",
        (account, region, max(after, prefix), prefix + _LAST, after, limit),
    )
    return [name for (name,) in rows]


def _target(attributes: dict[str, str]) -> str | None:
    policy = attributes.get("RedrivePolicy")
    target: str | None = orjson.loads(policy)["deadLetterTargetArn"] if policy else None
    return target


def list_sources(db: sqlite3.Connection, target: str, after: str, limit: int) -> list[tuple[str, str]]:
    """Return account and name of up to `limit` queues, in order, whose dead-letter queue has the ARN `target`."""
    return db.execute(
        "SELECT account, name FROM queues WHERE dead_letter_queue = ? AND name > ? ORDER BY name LIMIT ?",
        (target, after, limit),
    ).fetchall()


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
    policy_ids: dict[str, str],
) -> int:
    """Store a new queue; return its id."""
    number = db.execute(
        "INSERT INTO queues (account, region, name, attributes, tags, secret, created, modified, purged_through,"
        " dead_letter_queue, policy_ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
        (
            account,
            region,
            name,
            _text(attributes),
            _text(tags),
            secret,
            now,
            now,
            _target(attributes),
            _text(policy_ids),
        ),
    ).lastrowid
    assert number is not None
    return number


def update_attributes(
    db: sqlite3.Connection,
    queue: int,
    attributes: dict[str, str],
    policy_ids: dict[str, str],
    now: int,
    rescoped: int | None,
) -> None:
    db.execute(
        "UPDATE queues SET attributes = ?, policy_ids = ?, dead_letter_queue = ?, modified = ?, rescoped = ? WHERE id = ?",
        (_text(attributes), _text(policy_ids), _target(attributes), now, rescoped, queue),
    )


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
    trace: str | None,
    content: Content,
    group: str | None = None,
    deduplication: str | None = None,
) -> None:
    db.execute(
        "INSERT INTO messages (number, queue, sent, due, id, sender, trace, body, md5, attributes, sealed, data_key, grp,"
        " deduplication) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, queue, sent, due, id, sender, trace, *content, group, deduplication),
    )


def read_message(db: sqlite3.Connection, number: int) -> MessageRow:
    """Return a message. Raises LookupError where there is none: then memory and tables disagree, which is our own fault."""
    row = db.execute(
        "SELECT sent, id, sender, md5, trace, attributes, body, source, received, grp, deduplication, data_key"
        " FROM messages WHERE number = ?",
        (number,),
    ).fetchone()
    if row is None:
        raise LookupError(f"Message {number} is in memory and not in the table.")
    return MessageRow._make(row)


def group_of(db: sqlite3.Connection, number: int) -> str | None:
    """A message's group; None where it has none."""
    row = db.execute("SELECT grp FROM messages WHERE number = ?", (number,)).fetchone()
    return row[0] if row else None


def hand_over(
    db: sqlite3.Connection,
    number: int,
    *,
    to: int,
    new: int,
    content: Content,
    source: str,
    times: int,
    sent: int | None,
) -> None:
    """Move a message to its dead-letter queue, where `new` is its number: the same message, received `times` more; `sent` at
    another time unless that is None."""
    db.execute(
        "INSERT INTO messages (number, queue, sent, id, sender, trace, body, md5, attributes, sealed, data_key, source, received,"
        " grp, deduplication) SELECT ?, ?, coalesce(?, sent), id, sender, trace, ?, ?, ?, ?, ?, ?, received + ?, grp,"
        " deduplication FROM messages WHERE number = ?",
        (new, to, sent, *content, source, times, number),
    )
    db.execute("DELETE FROM messages WHERE number = ?", (number,))


def send_anew(db: sqlite3.Connection, number: int, *, to: int, new: int, content: Content, id: str, now: int) -> None:
    """Move a message out of a dead-letter queue: a new message with what the old one says."""
    db.execute(
        "INSERT INTO messages (number, queue, sent, id, sender, trace, body, md5, attributes, sealed, data_key, grp,"
        " deduplication) SELECT ?, ?, ?, ?, sender, trace, ?, ?, ?, ?, ?, grp, deduplication FROM messages WHERE number = ?",
        (new, to, now, id, *content, number),
    )
    db.execute("DELETE FROM messages WHERE number = ?", (number,))


def insert_data_key(db: sqlite3.Connection, queue: str, sealed: bytes, now: int) -> int:
    """Store a data key that was made for the queue of an ARN; return its id."""
    id = db.execute("INSERT INTO data_keys (queue, sealed, made) VALUES (?, ?, ?)", (queue, sealed, now)).lastrowid
    assert id is not None
    return id


def read_data_key(db: sqlite3.Connection, id: int) -> tuple[str, bytes]:
    """The ARN of the queue that a data key was made for, and the data key as it was sealed by a key of KMS."""
    arn, sealed = db.execute("SELECT queue, sealed FROM data_keys WHERE id = ?", (id,)).fetchone()
    return arn, sealed


def forget_data_keys(db: sqlite3.Connection, after: int, until: int, limit: int) -> int | None:
    """Of `limit` data keys behind the id `after` that were made till a time, delete those under which no message stands; return
    how far that came, None at the end."""
    last = db.execute(
        "SELECT max(id) FROM (SELECT id FROM data_keys WHERE id > ? AND made <= ? ORDER BY id LIMIT ?)",
        (after, until, limit),
    ).fetchone()[0]
    if last is not None:
        db.execute(
            "DELETE FROM data_keys WHERE id > ? AND id <= ? AND made <= ?"
            " AND NOT EXISTS (SELECT 1 FROM messages WHERE data_key = data_keys.id)",
            (after, last, until),
        )
    found: int | None = last
    return found


def insert_move(db: sqlite3.Connection, move: MoveRow) -> None:
    """Store a move task; of those of its source that have ended, only the newest are kept."""
    db.execute(
        "DELETE FROM moves WHERE source = ?1 AND state NOT IN ('RUNNING', 'CANCELLING') AND rowid NOT IN"
        " (SELECT rowid FROM moves WHERE source = ?1 ORDER BY started DESC, rowid DESC LIMIT 9)",
        (move.source,),
    )
    db.execute(f"INSERT INTO moves ({_MOVE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", move)


def find_move(db: sqlite3.Connection, id: str) -> MoveRow | None:
    row = db.execute(f"SELECT {_MOVE} FROM moves WHERE id = ?", (id,)).fetchone()
    return MoveRow._make(row) if row else None


def moves_of(db: sqlite3.Connection, source: str, limit: int) -> list[MoveRow]:
    """The newest move tasks of a source."""
    rows = db.execute(
        f"SELECT {_MOVE} FROM moves WHERE source = ? ORDER BY started DESC, rowid DESC LIMIT ?", (source, limit)
    )
    return [MoveRow._make(row) for row in rows]


def moves_under_way(db: sqlite3.Connection, limit: int) -> list[MoveRow]:
    """Move tasks that have not ended, the longest behind first."""
    rows = db.execute(
        f"SELECT {_MOVE} FROM moves WHERE state IN ('RUNNING', 'CANCELLING') ORDER BY paced LIMIT ?", (limit,)
    )
    return [MoveRow._make(row) for row in rows]


def update_move(db: sqlite3.Connection, move: MoveRow) -> None:
    db.execute(
        "UPDATE moves SET state = ?, moved = ?, reason = ?, paced = ? WHERE id = ?",
        (move.state, move.moved, move.reason, move.paced, move.id),
    )


def forget_moves(db: sqlite3.Connection, until: int) -> None:
    """Forget the ended move tasks that were started till then."""
    db.execute("DELETE FROM moves WHERE started <= ? AND state NOT IN ('RUNNING', 'CANCELLING')", (until,))


def has_message(db: sqlite3.Connection, number: int) -> bool:
    return db.execute("SELECT 1 FROM messages WHERE number = ?", (number,)).fetchone() is not None


def delete_message(db: sqlite3.Connection, number: int) -> bool:
    """Delete a message; return whether it was there."""
    return db.execute("DELETE FROM messages WHERE number = ?", (number,)).rowcount == 1


def delete_grouped_message(db: sqlite3.Connection, number: int) -> str | None:
    """Delete a message of a FIFO queue; return its group, None where it was not there."""
    row = db.execute("DELETE FROM messages WHERE number = ? RETURNING grp", (number,)).fetchone()
    return row[0] if row else None


def delete_messages(db: sqlite3.Connection, numbers: Iterable[int]) -> None:
    rows = [(number,) for number in numbers]
    db.executemany("DELETE FROM messages WHERE number = ?", rows)
    db.executemany("DELETE FROM fifo_receives WHERE message = ?", rows)


def slices(db: sqlite3.Connection) -> Iterator[Slice]:
    """All messages in the order of their numbers, some thousands at a time, parted by their queues.

    As JSON, because SQLite writes and orjson reads a list of numbers in a quarter of the time that as many rows take.
    """
    last = 0
    while rows := db.execute(_SLICES, (last,)).fetchall():
        for queue, *lists, _ in rows:
            numbers, late, dues, groups = map(orjson.loads, lists)
            # In a group SQLite promises no order; what is in order already is sorted at no cost.
            numbers.sort()
            yield Slice(queue, numbers, list(zip(late, dues, strict=True)), groups)
        last = max(row[-1] for row in rows)


def keep_receives(db: sqlite3.Connection, receives: Iterable[Receive]) -> None:
    """Keep what memory knows of receives, instead of what was kept before."""
    db.execute("DELETE FROM receives")
    db.executemany("INSERT INTO receives VALUES (?, ?, ?, ?)", receives)


def kept_receives(db: sqlite3.Connection) -> Iterator[Receive]:
    return map(Receive._make, db.execute("SELECT message, until, times, first FROM receives ORDER BY message"))


def forget_receives(db: sqlite3.Connection, limit: int) -> bool:
    """Forget up to `limit` of the kept receives; return whether there may be more."""
    found = db.execute(
        "DELETE FROM receives WHERE message IN (SELECT message FROM receives ORDER BY message LIMIT ?)", (limit,)
    )
    return found.rowcount == limit


def standings(db: sqlite3.Connection, after: int, limit: int) -> list[Standing]:
    """Up to `limit` messages after a number, in the order of their numbers."""
    rows = db.execute(
        "SELECT number, queue, sent, due FROM messages WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    )
    return [Standing._make(row) for row in rows]


def last_number(db: sqlite3.Connection) -> int:
    """Return the highest number that a message ever had, or a purge has passed: those of calls that were rolled back too."""
    row = db.execute(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0),"
        " coalesce((SELECT max(purged_through) FROM queues), 0))"
    ).fetchone()
    return int(row[0])


def _text(value: dict[str, str]) -> str:
    return orjson.dumps(value).decode()
