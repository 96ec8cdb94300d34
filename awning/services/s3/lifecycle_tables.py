"""The state of lifecycles: how far the walk through each bucket has come, which restores are under way, and what a walk reads.

Only SQL and row types.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Walk(NamedTuple):
    """A walk through a bucket. `due`: when it goes on; `begun`: when it began. `phase`: what it goes through; `key`, `age`: where
    it goes on. `since`, `newer`: when the version before that place was written, and how many of its key were kept that were
    not current."""

    bucket: int
    due: int
    begun: int
    phase: int
    key: bytes
    age: int | None
    since: int | None
    newer: int


class Restored(NamedTuple):
    """A content that is being restored, or has been, and whose version it is."""

    content: int
    bucket: int
    key: bytes
    version: str | None


class Row(NamedTuple):
    """A current version, or one that is not, or a delete marker (content None)."""

    key: bytes
    age: int
    version: str | None
    size: int
    modified: int
    etag: str
    storage_class: str
    content: int | None


# Walks ---------------------------------------------------------------------------------------------------------------


def begin_walk(db: sqlite3.Connection, bucket: int, now: int) -> None:
    """Go through a bucket from its beginning, as soon as may be."""
    save_walk(db, Walk(bucket, now, now, 0, b"", None, None, 0))


def save_walk(db: sqlite3.Connection, walk: Walk) -> None:
    db.execute(
        "INSERT OR REPLACE INTO walks (bucket, due, begun, phase, key, age, since, newer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        walk,
    )


def end_walks(db: sqlite3.Connection, bucket: int) -> None:
    db.execute("DELETE FROM walks WHERE bucket = ?", (bucket,))


def due_walk(db: sqlite3.Connection, now: float) -> Walk | None:
    row = db.execute(
        "SELECT bucket, due, begun, phase, key, age, since, newer FROM walks WHERE due <= ? ORDER BY due LIMIT 1",
        (now,),
    ).fetchone()
    return Walk._make(row) if row else None


# What a walk reads ---------------------------------------------------------------------------------------------------

_ROW = "key, {age}, version, size, modified, etag, class, content"


def window_end(db: sqlite3.Connection, bucket: int, start: bytes, rows: int) -> bytes | None:
    """Return the key of the current object that lies that many behind a key; None where there are not so many."""
    row = db.execute(
        "SELECT key FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT 1 OFFSET ?", (bucket, start, rows)
    ).fetchone()
    return row[0] if row else None


def current_between(
    db: sqlite3.Connection, bucket: int, start: bytes, end: bytes | None, before: int, limit: int
) -> list[Row]:
    """Return current objects with start <= key < end that were written before a time."""
    query = f"SELECT {_ROW.format(age='coalesce(age, 0)')} FROM objects WHERE bucket = ? AND key >= ? AND "
    if end is None:
        rows = db.execute(f"{query} modified < ? ORDER BY key LIMIT ?", (bucket, start, before, limit))
    else:
        rows = db.execute(f"{query} key < ? AND modified < ? ORDER BY key LIMIT ?", (bucket, start, end, before, limit))
    return [Row._make(row) for row in rows.fetchall()]


def versions_behind(db: sqlite3.Connection, bucket: int, key: bytes, age: int | None, limit: int) -> list[Row]:
    """Return what is not current, and delete markers, from a key on, of this key only what is older than an age."""
    query = f"SELECT {_ROW.format(age='age')} FROM versions WHERE bucket = ? AND "
    if age is None:
        rows = db.execute(f"{query} key >= ? ORDER BY key, age LIMIT ?", (bucket, key, limit))
    else:
        rows = db.execute(f"{query} (key, age) > (?, ?) ORDER BY key, age LIMIT ?", (bucket, key, age, limit))
    return [Row._make(row) for row in rows.fetchall()]


def current_since(db: sqlite3.Connection, bucket: int, key: bytes) -> int | None:
    """Return when a key's current object was written; None where it has none."""
    row = db.execute("SELECT modified FROM objects WHERE bucket = ? AND key = ?", (bucket, key)).fetchone()
    return row[0] if row else None


def is_only(db: sqlite3.Connection, bucket: int, key: bytes) -> bool:
    """Say whether a key has just one version, of any kind."""
    (count,) = db.execute(
        "SELECT (SELECT count(*) FROM objects WHERE bucket = ?1 AND key = ?2)"
        " + (SELECT count(*) FROM (SELECT 1 FROM versions WHERE bucket = ?1 AND key = ?2 LIMIT 2))",
        (bucket, key),
    ).fetchone()
    return bool(count == 1)


def tags_and_extras(db: sqlite3.Connection, content: int) -> tuple[bytes | None, bytes | None]:
    row: tuple[bytes | None, bytes | None] = db.execute(
        "SELECT tags, extras FROM contents WHERE content = ?", (content,)
    ).fetchone()
    return row


def uploads_behind(
    db: sqlite3.Connection, bucket: int, key: bytes, id_: int | None, limit: int
) -> list[tuple[bytes, int, int | None, int]]:
    """Return (key, id, content, initiated) of uploads from a key on, of this key only those behind an id. content is None of one
    that was completed."""
    return db.execute(
        "SELECT key, id, content, initiated FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?",
        (bucket, key, -1 if id_ is None else id_, limit),
    ).fetchall()


def set_class(db: sqlite3.Connection, bucket: int, row: Row, current: bool, storage_class: str) -> None:
    """Move a version to another storage class."""
    if current:
        db.execute("UPDATE objects SET class = ? WHERE bucket = ? AND key = ?", (storage_class, bucket, row.key))
    else:
        db.execute(
            "UPDATE versions SET class = ? WHERE bucket = ? AND key = ? AND age = ?",
            (storage_class, bucket, row.key, row.age),
        )


# Restores ------------------------------------------------------------------------------------------------------------


def put_restore(db: sqlite3.Connection, restored: Restored, due: int) -> None:
    """Look after a restored content at a time."""
    db.execute(
        "INSERT OR REPLACE INTO restores (content, bucket, key, version, due) VALUES (?, ?, ?, ?, ?)", (*restored, due)
    )


def drop_restore(db: sqlite3.Connection, content: int) -> None:
    db.execute("DELETE FROM restores WHERE content = ?", (content,))


def due_restores(db: sqlite3.Connection, now: float, limit: int) -> list[Restored]:
    rows = db.execute(
        "SELECT content, bucket, key, version FROM restores WHERE due <= ? ORDER BY due LIMIT ?", (now, limit)
    )
    return [Restored._make(row) for row in rows.fetchall()]


def extras_of(db: sqlite3.Connection, bucket: int, key: bytes) -> bytes | None:
    """Return the extras of a key's current object."""
    row = db.execute(
        "SELECT extras FROM objects JOIN contents USING (content) WHERE bucket = ? AND key = ?", (bucket, key)
    ).fetchone()
    return row[0] if row else None
