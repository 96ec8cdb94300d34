"""The archives of FIFO topics: the queries of their tables, which stand in tables.py with all others.

Times are milliseconds since the epoch.
"""

from __future__ import annotations

import sqlite3


def open_archive(db: sqlite3.Connection, topic: int, now: int) -> None:
    db.execute("INSERT INTO archives (topic, since, ended) VALUES (?, ?, 0)", (topic, now))


def end_archive(db: sqlite3.Connection, topic: int) -> None:
    db.execute("UPDATE archives SET ended = 1 WHERE topic = ? AND NOT ended", (topic,))


def archive_since(db: sqlite3.Connection, topic: int) -> int | None:
    """Since when a topic has its archive, None where it has none."""
    row = db.execute("SELECT since FROM archives WHERE topic = ? AND ended = 0", (topic,)).fetchone()
    return row[0] if row else None


def keep_message(db: sqlite3.Connection, topic: int, sequence: int, now: int, message: bytes) -> None:
    db.execute(
        "INSERT INTO archived SELECT id, ?, ?, ? FROM archives WHERE topic = ? AND ended = 0",
        (sequence, now, message, topic),
    )


def archived(
    db: sqlite3.Connection, topic: int, after: int, start: int, end: int | None, limit: int
) -> list[tuple[int, bytes]]:
    """Up to `limit` messages of a topic's archive, after a sequence and within times: sequences and messages, in order."""
    archive = "(SELECT id FROM archives WHERE topic = :topic AND ended = 0)"
    # Times grow with sequences: the first of its time is found by its time, the others by their sequence.
    first = f"(SELECT sequence FROM archived WHERE archive = {archive} AND at >= :start ORDER BY at, sequence LIMIT 1)"
    rows = db.execute(
        f"SELECT sequence, message FROM archived WHERE archive = {archive} AND sequence > :after"
        f" AND sequence >= {first} AND (:end IS NULL OR at <= :end) ORDER BY sequence LIMIT :limit",
        {"topic": topic, "after": after, "start": start, "end": end, "limit": limit},
    )
    return rows.fetchall()


def forget_archived(db: sqlite3.Connection, topic: int, until: int, limit: int) -> bool:
    """Forget up to `limit` messages of a topic's archive that are as old as that; return whether there may be more."""
    found = db.execute(
        "DELETE FROM archived WHERE rowid IN (SELECT archived.rowid FROM archives, archived"
        " WHERE topic = ? AND ended = 0 AND archive = archives.id AND at <= ? ORDER BY at LIMIT ?)",
        (topic, until, limit),
    )
    return found.rowcount == limit


def sweep_archives(db: sqlite3.Connection, limit: int) -> bool:
    """Delete up to `limit` messages of an archive that has ended; return whether there may be more."""
    row = db.execute("SELECT id FROM archives WHERE ended LIMIT 1").fetchone()
    if row is None:
        return False
    found = db.execute(
        "DELETE FROM archived WHERE rowid IN (SELECT rowid FROM archived WHERE archive = ? LIMIT ?)", (row[0], limit)
    )
    if found.rowcount < limit:
        db.execute("DELETE FROM archives WHERE id = ?", row)
    return True


def all_archives(db: sqlite3.Connection) -> list[int]:
    """The topics that have archives."""
    return [topic for (topic,) in db.execute("SELECT topic FROM archives WHERE ended = 0")]
