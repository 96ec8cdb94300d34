"""The state of objects and their contents; buckets are in bucket_tables.py, uploads and parts in upload_tables.py, and what is
not current in version_tables.py.

Only SQL and row types; what may be done is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from awning.services.s3 import bucket_tables
from awning.services.s3.bucket_tables import OF_BUCKET, Bucket

if TYPE_CHECKING:
    from awning.store.blobs import Blobs


class Stored(NamedTuple):
    """Where a part's or an object's bytes are: a blob, or inline."""

    blob: str | None
    body: bytes | None


class Object(NamedTuple):
    """A version of an object with its content. `version`: its id; None for the null version."""

    size: int
    modified: int
    etag: str
    kind: int
    storage_class: str
    content: int
    headers: bytes
    checksum: bytes | None
    tags: bytes | None
    layout: bytes | None
    blob: str | None
    body: bytes | None
    version: str | None
    seal: bytes | None
    extras: bytes | None


class NewContent(NamedTuple):
    """A content that is complete but not yet an object's."""

    size: int
    etag: str
    kind: int
    checksum: bytes
    headers: bytes
    tags: bytes | None
    storage_class: str
    stored: Stored
    seal: bytes | None = None
    extras: bytes | None = None


_WIDTH = len(Bucket._fields)
OF_OBJECT: Final = (
    "o.size, o.modified, o.etag, o.kind, o.class, o.content, c.headers, c.checksum, c.tags, c.layout, c.blob, c.body,"
    " o.version, c.seal, c.extras"
)
OF_HEAD: Final = OF_OBJECT.replace("c.body", "NULL")
_FROM_OBJECTS = " FROM objects o JOIN contents c ON c.content = o.content WHERE o.bucket = ? AND o.key = ?"
_FROM_NAMED = (
    " FROM buckets b LEFT JOIN objects o ON o.bucket = b.bucket AND o.key = ?"
    " LEFT JOIN contents c ON c.content = o.content WHERE b.name = ?"
)
_OBJECT, _HEAD = f"SELECT {OF_OBJECT}{_FROM_OBJECTS}", f"SELECT {OF_HEAD}{_FROM_OBJECTS}"
_NAMED, _NAMED_HEAD = (f"SELECT {OF_BUCKET}, {columns}{_FROM_NAMED}" for columns in (OF_OBJECT, OF_HEAD))


def find_object(db: sqlite3.Connection, bucket: int, key: bytes, body: bool = True) -> Object | None:
    """Return an object; `body=False` leaves its inline bytes on disk."""
    row = db.execute(_OBJECT if body else _HEAD, (bucket, key)).fetchone()
    return Object._make(row) if row else None


_PLACE = (
    f"SELECT {OF_BUCKET}, o.etag, o.content, o.size"
    " FROM buckets b LEFT JOIN objects o ON o.bucket = b.bucket AND o.key = ? WHERE b.name = ?"
)


def find_place(db: sqlite3.Connection, name: str, key: bytes) -> tuple[Bucket, tuple[str, int, int] | None] | None:
    """Return a bucket, and (etag, content, size) of what it has under a key; None where there is no such bucket."""
    row = db.execute(_PLACE, (key, name)).fetchone()
    if row is None:
        return None
    return Bucket._make(row[:_WIDTH]), (row[_WIDTH:] if row[_WIDTH] is not None else None)


def find_named_object(db: sqlite3.Connection, name: str, key: bytes, body: bool) -> tuple[Bucket, Object | None] | None:
    """Return a bucket and the object that it has under a key; `body=False` leaves inline bytes on disk."""
    row = db.execute(_NAMED if body else _NAMED_HEAD, (key, name)).fetchone()
    if row is None:
        return None
    return Bucket._make(row[:_WIDTH]), (Object._make(row[_WIDTH:]) if row[_WIDTH] is not None else None)


def etag_and_content(db: sqlite3.Connection, bucket: int, key: bytes) -> tuple[str, int, int] | None:
    """Return (etag, content, size) of an object."""
    row: tuple[str, int, int] | None = db.execute(
        "SELECT etag, content, size FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
    ).fetchone()
    return row


def insert_content(db: sqlite3.Connection, content: NewContent) -> int:
    cursor = db.execute(
        "INSERT INTO contents (headers, checksum, tags, seal, extras, blob, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (content.headers, content.checksum, content.tags, content.seal, content.extras, *content.stored),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def replace_content(db: sqlite3.Connection, content: int, new: NewContent) -> bool:
    """Write a small content over another small one, in one statement; False where the old one is more than inline bytes."""
    if new.stored.blob is not None:
        return False
    cursor = db.execute(
        "UPDATE contents SET headers = ?, checksum = ?, tags = ?, seal = ?, extras = ?, body = ?"
        " WHERE content = ? AND blob IS NULL AND layout IS NULL",
        (new.headers, new.checksum, new.tags, new.seal, new.extras, new.stored.body, content),
    )
    return cursor.rowcount == 1


def put_object(
    db: sqlite3.Connection,
    blobs: Blobs,
    bucket: int,
    key: bytes,
    row: tuple[int, int, str, int, str, int],
    old: tuple[str, int, int] | None,
) -> None:
    """Make (size, modified, etag, kind, class, content) the key's current version.

    Its old content is dropped, unless that was written over.
    """
    if old is None:
        db.execute(
            "INSERT INTO objects (bucket, key, size, modified, etag, kind, class, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (bucket, key, *row),
        )
        bucket_tables.tally(db, bucket, 1, row[0])
        return
    db.execute(
        "UPDATE objects SET size = ?, modified = ?, etag = ?, kind = ?, class = ?, content = ? WHERE bucket = ? AND key = ?",
        (*row, bucket, key),
    )
    if row[5] != old[1]:
        drop_content(db, blobs, old[1])
    if row[0] != old[2]:
        bucket_tables.tally(db, bucket, 0, row[0] - old[2])


def delete_object(db: sqlite3.Connection, blobs: Blobs, bucket: int, key: bytes, old: tuple[str, int, int]) -> None:
    db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
    drop_content(db, blobs, old[1])
    bucket_tables.tally(db, bucket, -1, -old[2])


def drop_content(db: sqlite3.Connection, blobs: Blobs, content: int) -> None:
    """Give up a content. Parts may be many: their content is only marked, and swept later."""
    row = db.execute("SELECT blob, layout IS NOT NULL FROM contents WHERE content = ?", (content,)).fetchone()
    if row[1]:
        doom_content(db, content)
        return
    if row[0] is not None:
        blobs.discard(db, row[0])
    db.execute("DELETE FROM contents WHERE content = ?", (content,))


def set_object_tags(db: sqlite3.Connection, content: int, tags: bytes | None) -> None:
    db.execute("UPDATE contents SET tags = ? WHERE content = ?", (tags, content))


def extras_of(db: sqlite3.Connection, contents: Sequence[int]) -> list[tuple[int, bytes]]:
    """Return (content, extras) of those of at most some thousand contents that have extras."""
    marks = ", ".join("?" * len(contents))
    query = f"SELECT content, extras FROM contents WHERE content IN ({marks}) AND extras IS NOT NULL"
    return db.execute(query, tuple(contents)).fetchall()


def extras_by_key(db: sqlite3.Connection, bucket: int, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """As extras_of(), by the keys of a bucket's current objects."""
    marks = ", ".join("?" * len(keys))
    query = (
        "SELECT o.key, c.extras FROM objects o JOIN contents c ON c.content = o.content"
        f" WHERE o.bucket = ? AND o.key IN ({marks}) AND c.extras IS NOT NULL"
    )
    return db.execute(query, (bucket, *keys)).fetchall()


def move_object(db: sqlite3.Connection, bucket: int, key: bytes, to: bytes, content: int, seal: bytes | None) -> None:
    """Give an object another key, which is free, and its content the seal that goes with that."""
    db.execute("UPDATE objects SET key = ? WHERE bucket = ? AND key = ?", (to, bucket, key))
    db.execute("UPDATE contents SET seal = ? WHERE content = ?", (seal, content))
    db.execute("UPDATE restores SET key = ? WHERE content = ?", (to, content))


def renamed(db: sqlite3.Connection, bucket: int, token: str) -> bytes | None:
    """Return the digest of the rename that a client's token stands for."""
    row = db.execute("SELECT asked FROM renames WHERE bucket = ? AND token = ?", (bucket, token)).fetchone()
    return row[0] if row else None


def keep_rename(db: sqlite3.Connection, bucket: int, token: str, asked: bytes, now: int) -> None:
    db.execute("INSERT INTO renames (bucket, token, asked, done) VALUES (?, ?, ?, ?)", (bucket, token, asked, now))


def forget_renames(db: sqlite3.Connection, before: int, limit: int) -> bool:
    """Forget at most `limit` renames that were done before a time; return whether more may be left."""
    cursor = db.execute(
        "DELETE FROM renames WHERE (bucket, token) IN (SELECT bucket, token FROM renames WHERE done < ? LIMIT ?)",
        (before, limit),
    )
    return cursor.rowcount == limit


def extras_of_content(db: sqlite3.Connection, content: int) -> bytes | None:
    """Return what a content has that only few have, as JSON."""
    row = db.execute("SELECT extras FROM contents WHERE content = ?", (content,)).fetchone()
    return row[0] if row else None


def set_seal(db: sqlite3.Connection, content: int, seal: bytes) -> None:
    db.execute("UPDATE contents SET seal = ? WHERE content = ?", (seal, content))


class Facts(NamedTuple):
    """What is kept of a content besides its bytes."""

    tags: bytes | None
    seal: bytes | None
    extras: bytes | None


def facts_of(db: sqlite3.Connection, content: int) -> Facts:
    return Facts._make(db.execute("SELECT tags, seal, extras FROM contents WHERE content = ?", (content,)).fetchone())


def set_extras(db: sqlite3.Connection, content: int, extras: bytes | None) -> None:
    db.execute("UPDATE contents SET extras = ? WHERE content = ?", (extras, content))


def keys_from(
    db: sqlite3.Connection, bucket: int, start: bytes, end: bytes | None, limit: int
) -> list[tuple[bytes, int, int, str, int, str]]:
    """Return (key, size, modified, etag, kind, class) of the objects with start <= key < end, in byte order."""
    if end is None:
        return db.execute(
            "SELECT key, size, modified, etag, kind, class FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT ?",
            (bucket, start, limit),
        ).fetchall()
    return db.execute(
        "SELECT key, size, modified, etag, kind, class FROM objects"
        " WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
        (bucket, start, end, limit),
    ).fetchall()


def doom_content(db: sqlite3.Connection, content: int) -> None:
    db.execute("INSERT OR IGNORE INTO doomed_contents (content) VALUES (?)", (content,))


def adopt_content(db: sqlite3.Connection, content: int, new: NewContent) -> int:
    """Make a content of parts that was given up, and is not swept, a new one; return it."""
    db.execute(
        "UPDATE contents SET headers = ?, checksum = ?, tags = ?, seal = ?, extras = ? WHERE content = ?",
        (new.headers, new.checksum, new.tags, new.seal, new.extras, content),
    )
    db.execute("DELETE FROM doomed_contents WHERE content = ?", (content,))
    return content


def known_blobs(db: sqlite3.Connection, blobs: Sequence[str]) -> set[str]:
    """Return those of these blobs that a content or a part refers to, or that are given up but not yet removed."""
    marks = ", ".join("?" * len(blobs))
    return {
        blob
        for table in ("contents", "parts", "_garbage")
        for (blob,) in db.execute(f"SELECT blob FROM {table} WHERE blob IN ({marks})", tuple(blobs))
    }
