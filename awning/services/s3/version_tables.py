"""The state of what is not current: older versions, and delete markers. Layout and its reasons: docs/decisions/0007.

Only SQL and row types. Where a key has no row in `objects`, the newest of its rows here is a delete marker.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from awning.services.s3 import bucket_tables, tables, version_ids
from awning.services.s3.tables import Object

FIRST: Final = -(1 << 63)
"""An age before all others."""

_ROW = "bucket, key, age, version, size, modified, etag, kind, class, content"


class Marker(NamedTuple):
    """A delete marker. `version`: its id; None for the null version."""

    version: str | None
    modified: int


class Place(NamedTuple):
    """Where a version is. `content` is None of a delete marker."""

    current: bool
    age: int
    etag: str
    content: int | None
    size: int


class Listed(NamedTuple):
    """A version as listings read it. `content` is None of a delete marker."""

    key: bytes
    age: int
    version: str | None
    size: int
    modified: int
    etag: str
    kind: int
    storage_class: str
    content: int | None


def put_current(
    db: sqlite3.Connection,
    bucket: int,
    key: bytes,
    age: int,
    version: str | None,
    row: tuple[int, int, str, int, str, int],
) -> None:
    """Make (size, modified, etag, kind, class, content) the key's current version, in place of what stands there."""
    db.execute(
        "INSERT OR REPLACE INTO objects (bucket, key, age, version, size, modified, etag, kind, class, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (bucket, key, age, version, *row),
    )


def shelve(db: sqlite3.Connection, bucket: int, key: bytes) -> None:
    """Copy the current version to the older ones."""
    db.execute(
        f"INSERT INTO versions ({_ROW}) SELECT bucket, key, coalesce(age, 0), version, size, modified, etag, kind, class, content"
        " FROM objects WHERE bucket = ? AND key = ?",
        (bucket, key),
    )


def remove_current(db: sqlite3.Connection, bucket: int, key: bytes) -> None:
    db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))


def remove(db: sqlite3.Connection, bucket: int, key: bytes, age: int) -> None:
    db.execute("DELETE FROM versions WHERE bucket = ? AND key = ? AND age = ?", (bucket, key, age))


def promote(db: sqlite3.Connection, bucket: int, key: bytes) -> None:
    """Make the newest of the older versions the current one, unless it is a delete marker."""
    row = db.execute(
        "SELECT age, content FROM versions WHERE bucket = ? AND key = ? ORDER BY age LIMIT 1", (bucket, key)
    ).fetchone()
    if row is None or row[1] is None:
        return
    db.execute(
        f"INSERT INTO objects ({_ROW}) SELECT {_ROW} FROM versions WHERE bucket = ? AND key = ? AND age = ?",
        (bucket, key, row[0]),
    )
    remove(db, bucket, key, row[0])


def insert_marker(db: sqlite3.Connection, bucket: int, key: bytes, age: int, version: str | None, now: int) -> None:
    db.execute(
        f"INSERT INTO versions ({_ROW}) VALUES (?, ?, ?, ?, 0, ?, '', 0, '', NULL)", (bucket, key, age, version, now)
    )


def insert_older(
    db: sqlite3.Connection,
    bucket: int,
    key: bytes,
    age: int,
    version: str | None,
    row: tuple[int, int, str, int, str, int],
) -> None:
    """As put_current(), for a version that is not the newest."""
    db.execute(
        "INSERT INTO versions (bucket, key, age, version, size, modified, etag, kind, class, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (bucket, key, age, version, *row),
    )


def place_of(db: sqlite3.Connection, bucket: int, key: bytes, version: str | None, age: int | None) -> Place | None:
    """Return where a version is. `age`: as its id tells it; None for the null version."""
    row = db.execute(
        "SELECT 1, coalesce(age, 0), etag, content, size FROM objects WHERE bucket = ? AND key = ? AND version IS ?",
        (bucket, key, version),
    ).fetchone()
    older = "SELECT 0, age, etag, content, size FROM versions WHERE bucket = ? AND key = ? AND "
    if row is None and age is None:
        row = db.execute(f"{older} version IS NULL", (bucket, key)).fetchone()
    elif row is None:
        row = db.execute(f"{older} age = ? AND version = ?", (bucket, key, age, version)).fetchone()
    return Place(bool(row[0]), *row[1:]) if row else None


def find(
    db: sqlite3.Connection, bucket: int, key: bytes, version: str | None, age: int | None, body: bool
) -> Object | Marker | None:
    """Return a version; `body=False` leaves its inline bytes on disk. `age` as in place_of()."""
    columns = tables.OF_OBJECT if body else tables.OF_HEAD
    place = place_of(db, bucket, key, version, age)
    if place is None:
        return None
    if place.content is None:
        return marker_at(db, bucket, key, place.age)
    table = "objects" if place.current else "versions"
    row = db.execute(
        f"SELECT {columns} FROM {table} o JOIN contents c ON c.content = o.content"
        " WHERE o.bucket = ? AND o.key = ? AND coalesce(o.age, 0) = ?",
        (bucket, key, place.age),
    ).fetchone()
    return Object._make(row)


def tags_of(db: sqlite3.Connection, bucket: str, key: bytes, version: str) -> bytes | None:
    """Return the tags of a version by its bucket's name; None also where it isn't there."""
    found = bucket_tables.find_bucket(db, bucket)
    number = version_ids.number_of(version)
    if found is None or (number is None and version != version_ids.NULL):
        return None
    named, age = (None, None) if number is None else (version, -number)
    there = find(db, found.bucket, key, named, age, body=False)
    return there.tags if isinstance(there, Object) else None


def marker_at(db: sqlite3.Connection, bucket: int, key: bytes, age: int) -> Marker:
    row = db.execute(
        "SELECT version, modified FROM versions WHERE bucket = ? AND key = ? AND age = ?", (bucket, key, age)
    ).fetchone()
    return Marker._make(row)


def latest_marker(db: sqlite3.Connection, bucket: int, key: bytes) -> Marker | None:
    """Return the delete marker that hides a key, which has no current object."""
    row = db.execute(
        "SELECT version, modified FROM versions WHERE bucket = ? AND key = ? ORDER BY age LIMIT 1", (bucket, key)
    ).fetchone()
    return Marker._make(row) if row else None


# Listing -------------------------------------------------------------------------------------------------------------

_LISTED = "key, {age} AS age, version, size, modified, etag, kind, class, content"
_BOTH = (
    f"SELECT {_LISTED.format(age='coalesce(age, 0)')} FROM objects WHERE bucket = ?1 AND {{where}}"
    f" UNION ALL SELECT {_LISTED.format(age='age')} FROM versions WHERE bucket = ?1 AND {{where}}"
    " ORDER BY 1, 2 LIMIT {limit}"
)
_FROM = _BOTH.format(where="key >= ?2", limit="?3")
_BETWEEN = _BOTH.format(where="key >= ?2 AND key < ?4", limit="?3")
_OF_KEY = (
    f"SELECT {_LISTED.format(age='coalesce(age, 0)')} FROM objects WHERE bucket = ?1 AND key = ?2 AND coalesce(age, 0) > ?4"
    f" UNION ALL SELECT {_LISTED.format(age='age')} FROM versions WHERE bucket = ?1 AND key = ?2 AND age > ?4"
    " ORDER BY 1, 2 LIMIT ?3"
)


def versions_from(db: sqlite3.Connection, bucket: int, start: bytes, end: bytes | None, limit: int) -> list[Listed]:
    """Return the versions of the keys with start <= key < end: keys in byte order, of each the newest first."""
    rows = (
        db.execute(_FROM, (bucket, start, limit)) if end is None else db.execute(_BETWEEN, (bucket, start, limit, end))
    )
    return [Listed._make(row) for row in rows.fetchall()]


def versions_of(db: sqlite3.Connection, bucket: int, key: bytes, age: int, limit: int) -> list[Listed]:
    """Return one key's versions beyond an age, the newest first."""
    return [Listed._make(row) for row in db.execute(_OF_KEY, (bucket, key, limit, age)).fetchall()]


def is_latest(db: sqlite3.Connection, bucket: int, key: bytes, age: int) -> bool:
    """Say whether nothing of a key is newer than a version of it."""
    (newest,) = versions_of(db, bucket, key, FIRST, 1)
    return newest.age == age
