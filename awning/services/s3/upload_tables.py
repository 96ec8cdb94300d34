"""The state of multipart uploads and of parts, those of objects too, and the sweeping of what was given up.

Only SQL and row types; what may be done is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from awning.services.s3 import tables
from awning.services.s3.tables import Stored

if TYPE_CHECKING:
    from awning.store.blobs import Blobs


class Upload(NamedTuple):
    """A multipart upload. `content` is what its parts belong to, None once completed, and `seal` its encryption; `changes` grows
    with each part."""

    id: int
    content: int | None
    upload: str
    initiated: int
    initiator: bytes
    kind: int
    chosen: int
    storage_class: str
    changes: int
    completed: int | None
    answer: bytes | None
    seal: bytes | None


class Part(NamedTuple):
    number: int
    size: int
    modified: int
    md5: bytes
    checksum: bytes


_UPLOAD = (
    "SELECT u.id, u.content, u.upload, u.initiated, u.initiator, u.kind, u.chosen, u.class, u.changes, u.completed, u.answer,"
    " c.seal FROM uploads u LEFT JOIN contents c ON c.content = u.content WHERE u.bucket = ? AND u.key = ? AND u.upload = ?"
)


def insert_upload(
    db: sqlite3.Connection,
    bucket: int,
    key: bytes,
    upload: Upload,
    headers: bytes,
    tags: bytes | None,
    extras: bytes | None = None,
) -> None:
    """Open an upload; its content's row is there from now on. `upload.id` and `.content` are not read."""
    cursor = db.execute(
        "INSERT INTO contents (headers, tags, seal, extras) VALUES (?, ?, ?, ?)", (headers, tags, upload.seal, extras)
    )
    db.execute(
        "INSERT INTO uploads (content, bucket, key, upload, initiated, initiator, kind, chosen, class)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (cursor.lastrowid, bucket, key, *upload[2:8]),
    )


def find_upload(db: sqlite3.Connection, bucket: int, key: bytes, upload: str) -> Upload | None:
    row = db.execute(_UPLOAD, (bucket, key, upload)).fetchone()
    return Upload._make(row) if row else None


def uploads_from(
    db: sqlite3.Connection, bucket: int, start: bytes, end: bytes | None, after: str, limit: int
) -> list[tuple[bytes, str, int, bytes, int, int, str]]:
    """Return (key, upload, initiated, initiator, kind, chosen, class) of open uploads with start <= key < end; of the key
    `start` itself only those beyond `after`."""
    query = (
        "SELECT key, upload, initiated, initiator, kind, chosen, class FROM uploads"
        " WHERE bucket = ? AND (key, upload) > (?, ?)"
    )
    rest = "completed IS NULL ORDER BY key, upload LIMIT ?"
    if end is None:
        return db.execute(f"{query} AND {rest}", (bucket, start, after, limit)).fetchall()
    return db.execute(f"{query} AND key < ? AND {rest}", (bucket, start, after, end, limit)).fetchall()


def put_part(db: sqlite3.Connection, blobs: Blobs, upload: Upload, part: Part, stored: Stored, salt: bytes) -> None:
    """Store a part; one of the same number before it is given up. `salt`: of its encryption, empty where there is none."""
    content = upload.content
    old = db.execute("SELECT blob FROM parts WHERE content = ? AND number = ?", (content, part.number)).fetchone()
    if old is not None and old[0] is not None:
        blobs.discard(db, old[0])
    db.execute(
        "INSERT OR REPLACE INTO parts (content, number, size, modified, md5, checksum, blob, body, salt)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (content, *part, *stored, salt),
    )
    db.execute("UPDATE uploads SET changes = changes + 1 WHERE id = ?", (upload.id,))


def parts_after(db: sqlite3.Connection, content: int, number: int, limit: int) -> list[Part]:
    rows = db.execute(
        "SELECT number, size, modified, md5, checksum FROM parts WHERE content = ? AND number > ? ORDER BY number LIMIT ?",
        (content, number, limit),
    )
    return [Part._make(row) for row in rows.fetchall()]


def parts_of(db: sqlite3.Connection, content: int, first: int, last: int) -> list[tuple[int, str | None, bytes]]:
    """Return (number, blob, salt) of the parts first..last."""
    return db.execute(
        "SELECT number, blob, salt FROM parts WHERE content = ? AND number BETWEEN ? AND ? ORDER BY number",
        (content, first, last),
    ).fetchall()


def part_body(db: sqlite3.Connection, content: int, number: int) -> bytes:
    body: bytes = db.execute("SELECT body FROM parts WHERE content = ? AND number = ?", (content, number)).fetchone()[0]
    return body


def drop_parts(db: sqlite3.Connection, blobs: Blobs, content: int, numbers: Iterable[int]) -> None:
    for number in numbers:
        row = db.execute("SELECT blob FROM parts WHERE content = ? AND number = ?", (content, number)).fetchone()
        if row[0] is not None:
            blobs.discard(db, row[0])
        db.execute("DELETE FROM parts WHERE content = ? AND number = ?", (content, number))


def complete_upload(
    db: sqlite3.Connection, upload: Upload, checksum: bytes, layout: bytes, now: int, answer: dict[str, Any]
) -> None:
    db.execute("UPDATE contents SET checksum = ?, layout = ? WHERE content = ?", (checksum, layout, upload.content))
    db.execute(
        "UPDATE uploads SET content = NULL, completed = ?, answer = ? WHERE id = ?",
        (now, orjson.dumps(answer), upload.id),
    )


def insert_parts(
    db: sqlite3.Connection, content: int, layout: bytes, parts: Iterable[tuple[Part, Stored, bytes]]
) -> None:
    """Give a content that has none all of its parts, each with its salt."""
    db.execute("UPDATE contents SET layout = ? WHERE content = ?", (layout, content))
    db.executemany(
        "INSERT INTO parts (content, number, size, modified, md5, checksum, blob, body, salt)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((content, *part, *stored, salt) for part, stored, salt in parts),
    )


def abort_upload(db: sqlite3.Connection, id_: int, content: int) -> None:
    db.execute("DELETE FROM uploads WHERE id = ?", (id_,))
    tables.doom_content(db, content)


def sweep_content(db: sqlite3.Connection, blobs: Blobs, reading: frozenset[int], limit: int) -> bool:
    """Give up at most `limit` parts of one doomed content, unless it is being read; return whether more is left."""
    rows = db.execute("SELECT content FROM doomed_contents LIMIT ?", (len(reading) + 1,)).fetchall()
    content = next((content for (content,) in rows if content not in reading), None)
    if content is None:
        return False
    parts = db.execute("SELECT number FROM parts WHERE content = ? LIMIT ?", (content, limit)).fetchall()
    drop_parts(db, blobs, content, [number for (number,) in parts])
    if len(parts) < limit:
        db.execute("DELETE FROM contents WHERE content = ?", (content,))
        db.execute("DELETE FROM doomed_contents WHERE content = ?", (content,))
    return True


def sweep_bucket(db: sqlite3.Connection, limit: int) -> bool:
    """Abort at most `limit` uploads of one deleted bucket; return whether more is left."""
    row = db.execute("SELECT bucket FROM doomed_buckets LIMIT 1").fetchone()
    if row is None:
        return False
    uploads = db.execute("SELECT id, content FROM uploads WHERE bucket = ? LIMIT ?", (row[0], limit)).fetchall()
    for id_, content in uploads:
        db.execute("DELETE FROM uploads WHERE id = ?", (id_,))
        if content is not None:
            tables.doom_content(db, content)
    if len(uploads) < limit:
        db.execute("DELETE FROM doomed_buckets WHERE bucket = ?", (row[0],))
    return True


def forget_completed(db: sqlite3.Connection, before: int, limit: int) -> bool:
    """Forget at most `limit` uploads that were completed before a time; return whether more may be left."""
    cursor = db.execute(
        "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE completed < ? LIMIT ?)", (before, limit)
    )
    return cursor.rowcount == limit
