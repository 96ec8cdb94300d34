"""All of S3's state: buckets, objects, contents, uploads, parts; what is not current is in version_tables.py.

Only SQL and row types; what may be done is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from awning.store.blobs import Blobs

BLOCK_PUBLIC_ACLS: Final = 1
IGNORE_PUBLIC_ACLS: Final = 2
BLOCK_PUBLIC_POLICY: Final = 4
RESTRICT_PUBLIC_BUCKETS: Final = 8
BLOCK_ALL: Final = 15


class Bucket(NamedTuple):
    """A bucket. `block` are the bits of its public access block, None where it has none; `versioning` is Enabled, Suspended,
    or None where it never was versioned."""

    bucket: int
    name: str
    account: str
    region: str
    created: int
    block: int | None
    policy: str | None
    notification: str | None
    versioning: str | None


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


class Upload(NamedTuple):
    """A multipart upload. `content` is what its parts belong to, None once completed; `changes` grows with each part."""

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


class Part(NamedTuple):
    number: int
    size: int
    modified: int
    md5: bytes
    checksum: bytes


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


_OF_BUCKET = "b.bucket, b.name, b.account, b.region, b.created, b.block, b.policy, b.notification, b.versioning"
_BUCKET = f"SELECT {_OF_BUCKET} FROM buckets b"
_WIDTH = len(Bucket._fields)


def find_bucket(db: sqlite3.Connection, name: str) -> Bucket | None:
    row = db.execute(f"{_BUCKET} WHERE name = ?", (name,)).fetchone()
    return Bucket._make(row) if row else None


def insert_bucket(db: sqlite3.Connection, name: str, account: str, region: str, now: int, tags: bytes | None) -> None:
    cursor = db.execute(
        "INSERT INTO buckets (name, account, region, created, block, tags) VALUES (?, ?, ?, ?, ?, ?)",
        (name, account, region, now, BLOCK_ALL, tags),
    )
    db.execute("INSERT INTO counters (bucket, objects, bytes) VALUES (?, 0, 0)", (cursor.lastrowid,))


def delete_bucket(db: sqlite3.Connection, bucket: Bucket) -> None:
    """Forget an empty bucket; what its unfinished uploads hold is swept later."""
    db.execute("DELETE FROM buckets WHERE bucket = ?", (bucket.bucket,))
    db.execute("DELETE FROM counters WHERE bucket = ?", (bucket.bucket,))
    db.execute("DELETE FROM policies WHERE policy = ?", (bucket.policy,))
    db.execute("DELETE FROM notifications WHERE notification = ?", (bucket.notification,))
    db.execute("INSERT INTO doomed_buckets (bucket) VALUES (?)", (bucket.bucket,))


def count_buckets(db: sqlite3.Connection, account: str) -> int:
    count: int = db.execute("SELECT count(*) FROM buckets WHERE account = ?", (account,)).fetchone()[0]
    return count


def buckets_after(
    db: sqlite3.Connection, account: str, after: str, prefix: str, region: str | None, limit: int
) -> list[Bucket]:
    """Return an account's buckets with a name beyond `after` and from `prefix` on, in the order of names."""
    rows = db.execute(
        f"{_BUCKET} WHERE account = ?1 AND name > ?2 AND name >= ?3 AND substr(name, 1, length(?3)) = ?3"
        " AND (?4 IS NULL OR region = ?4) ORDER BY name LIMIT ?5",
        (account, after, prefix, region, limit),
    )
    return [Bucket._make(row) for row in rows.fetchall()]


def is_empty(db: sqlite3.Connection, bucket: int) -> bool:
    query = "SELECT 1 WHERE EXISTS (SELECT 1 FROM objects WHERE bucket = ?1) OR EXISTS (SELECT 1 FROM versions WHERE bucket = ?1)"
    return db.execute(query, (bucket,)).fetchone() is None


def set_versioning(db: sqlite3.Connection, bucket: int, versioning: str) -> None:
    db.execute("UPDATE buckets SET versioning = ? WHERE bucket = ?", (versioning, bucket))


def set_block(db: sqlite3.Connection, bucket: int, block: int | None) -> None:
    db.execute("UPDATE buckets SET block = ? WHERE bucket = ?", (block, bucket))


def set_bucket_tags(db: sqlite3.Connection, bucket: int, tags: bytes | None) -> None:
    db.execute("UPDATE buckets SET tags = ? WHERE bucket = ?", (tags, bucket))


def bucket_tags(db: sqlite3.Connection, bucket: int) -> list[list[str]] | None:
    tags = db.execute("SELECT tags FROM buckets WHERE bucket = ?", (bucket,)).fetchone()[0]
    return orjson.loads(tags) if tags else None


def set_policy(db: sqlite3.Connection, bucket: Bucket, policy: str | None, text: str = "", ids: str = "{}") -> None:
    """Give a bucket a policy under a new id, or None. An id never names two texts, so what is compiled is kept by it."""
    db.execute("DELETE FROM policies WHERE policy = ?", (bucket.policy,))
    if policy is not None:
        db.execute("INSERT INTO policies (policy, text, ids) VALUES (?, ?, ?)", (policy, text, ids))
    db.execute("UPDATE buckets SET policy = ? WHERE bucket = ?", (policy, bucket.bucket))


def policy_of(db: sqlite3.Connection, policy: str | None) -> tuple[str, dict[str, str]] | None:
    """Return a policy's text, and the unique ids of those whom it names by ARN."""
    row = db.execute("SELECT text, ids FROM policies WHERE policy = ?", (policy,)).fetchone()
    return (row[0], orjson.loads(row[1])) if row else None


def set_notification(
    db: sqlite3.Connection, bucket: Bucket, notification: str | None, configuration: bytes = b""
) -> None:
    """Give a bucket a notification configuration (JSON) under a new id, or None. An id never names two configurations."""
    db.execute("DELETE FROM notifications WHERE notification = ?", (bucket.notification,))
    if notification is not None:
        db.execute(
            "INSERT INTO notifications (notification, configuration) VALUES (?, ?)", (notification, configuration)
        )
    db.execute("UPDATE buckets SET notification = ? WHERE bucket = ?", (notification, bucket.bucket))


def notification_of(db: sqlite3.Connection, notification: str | None) -> bytes | None:
    """Return a notification configuration as JSON."""
    row = db.execute("SELECT configuration FROM notifications WHERE notification = ?", (notification,)).fetchone()
    return row[0] if row else None


def notification_in(db: sqlite3.Connection, bucket: int) -> bytes | None:
    """As notification_of(), by the bucket's number."""
    row = db.execute(
        "SELECT configuration FROM buckets JOIN notifications USING (notification) WHERE bucket = ?", (bucket,)
    ).fetchone()
    return row[0] if row else None


def next_sequence(db: sqlite3.Connection, bucket: int, least: int) -> int:
    """Return a number that is larger than any that the bucket had before, and at least `least`."""
    number: int = db.execute(
        "UPDATE counters SET sequence = max(sequence + 1, ?) WHERE bucket = ? RETURNING sequence", (least, bucket)
    ).fetchone()[0]
    return number


# Objects -------------------------------------------------------------------------------------------------------------

OF_OBJECT: Final = (
    "o.size, o.modified, o.etag, o.kind, o.class, o.content, c.headers, c.checksum, c.tags, c.layout, c.blob, c.body,"
    " o.version"
)
OF_HEAD: Final = OF_OBJECT.replace("c.body", "NULL")
_FROM_OBJECTS = " FROM objects o JOIN contents c ON c.content = o.content WHERE o.bucket = ? AND o.key = ?"
_FROM_NAMED = (
    " FROM buckets b LEFT JOIN objects o ON o.bucket = b.bucket AND o.key = ?"
    " LEFT JOIN contents c ON c.content = o.content WHERE b.name = ?"
)
_OBJECT, _HEAD = f"SELECT {OF_OBJECT}{_FROM_OBJECTS}", f"SELECT {OF_HEAD}{_FROM_OBJECTS}"
_NAMED, _NAMED_HEAD = (f"SELECT {_OF_BUCKET}, {columns}{_FROM_NAMED}" for columns in (OF_OBJECT, OF_HEAD))


def find_object(db: sqlite3.Connection, bucket: int, key: bytes, body: bool = True) -> Object | None:
    """Return an object; `body=False` leaves its inline bytes on disk."""
    row = db.execute(_OBJECT if body else _HEAD, (bucket, key)).fetchone()
    return Object._make(row) if row else None


def find_place(db: sqlite3.Connection, name: str, key: bytes) -> tuple[Bucket, tuple[str, int, int] | None] | None:
    """Return a bucket, and (etag, content, size) of what it has under a key; None where there is no such bucket."""
    row = db.execute(
        f"SELECT {_OF_BUCKET}, o.etag, o.content, o.size"
        " FROM buckets b LEFT JOIN objects o ON o.bucket = b.bucket AND o.key = ? WHERE b.name = ?",
        (key, name),
    ).fetchone()
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
        "INSERT INTO contents (headers, checksum, tags, blob, body) VALUES (?, ?, ?, ?, ?)",
        (content.headers, content.checksum, content.tags, content.stored.blob, content.stored.body),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def replace_content(db: sqlite3.Connection, content: int, new: NewContent) -> bool:
    """Write a small content over another small one, in one statement; False where the old one is more than inline bytes."""
    if new.stored.blob is not None:
        return False
    cursor = db.execute(
        "UPDATE contents SET headers = ?, checksum = ?, tags = ?, body = ? WHERE content = ? AND blob IS NULL AND layout IS NULL",
        (new.headers, new.checksum, new.tags, new.stored.body, content),
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
        tally(db, bucket, 1, row[0])
        return
    db.execute(
        "UPDATE objects SET size = ?, modified = ?, etag = ?, kind = ?, class = ?, content = ? WHERE bucket = ? AND key = ?",
        (*row, bucket, key),
    )
    if row[5] != old[1]:
        drop_content(db, blobs, old[1])
    if row[0] != old[2]:
        tally(db, bucket, 0, row[0] - old[2])


def delete_object(db: sqlite3.Connection, blobs: Blobs, bucket: int, key: bytes, old: tuple[str, int, int]) -> None:
    db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
    drop_content(db, blobs, old[1])
    tally(db, bucket, -1, -old[2])


def tally(db: sqlite3.Connection, bucket: int, objects: int, size: int) -> None:
    """Add to a bucket's counters: versions and delete markers count as objects."""
    db.execute("UPDATE counters SET objects = objects + ?, bytes = bytes + ? WHERE bucket = ?", (objects, size, bucket))


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


def counters(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Return (bucket's name, objects, bytes) of every bucket."""
    return db.execute("SELECT name, objects, bytes FROM buckets JOIN counters USING (bucket)").fetchall()


# Uploads and parts ---------------------------------------------------------------------------------------------------

_UPLOAD = (
    "SELECT id, content, upload, initiated, initiator, kind, chosen, class, changes, completed, answer FROM uploads"
    " WHERE bucket = ? AND key = ? AND upload = ?"
)


def insert_upload(
    db: sqlite3.Connection, bucket: int, key: bytes, upload: Upload, headers: bytes, tags: bytes | None
) -> None:
    """Open an upload; its content's row is there from now on. `upload.id` and `.content` are not read."""
    cursor = db.execute("INSERT INTO contents (headers, tags) VALUES (?, ?)", (headers, tags))
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
    return db.execute(
        "SELECT key, upload, initiated, initiator, kind, chosen, class FROM uploads"
        " WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) AND (key > ?2 OR upload > ?4)"
        " AND completed IS NULL ORDER BY key, upload LIMIT ?5",
        (bucket, start, end, after, limit),
    ).fetchall()


def put_part(db: sqlite3.Connection, blobs: Blobs, upload: Upload, part: Part, stored: Stored) -> None:
    """Store a part; one of the same number before it is given up."""
    content = upload.content
    old = db.execute("SELECT blob FROM parts WHERE content = ? AND number = ?", (content, part.number)).fetchone()
    if old is not None and old[0] is not None:
        blobs.discard(db, old[0])
    db.execute(
        "INSERT OR REPLACE INTO parts (content, number, size, modified, md5, checksum, blob, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (content, *part, *stored),
    )
    db.execute("UPDATE uploads SET changes = changes + 1 WHERE id = ?", (upload.id,))


def parts_after(db: sqlite3.Connection, content: int, number: int, limit: int) -> list[Part]:
    rows = db.execute(
        "SELECT number, size, modified, md5, checksum FROM parts WHERE content = ? AND number > ? ORDER BY number LIMIT ?",
        (content, number, limit),
    )
    return [Part._make(row) for row in rows.fetchall()]


def parts_of(db: sqlite3.Connection, content: int, first: int, last: int) -> list[tuple[int, str | None]]:
    """Return (number, blob) of the parts first..last."""
    return db.execute(
        "SELECT number, blob FROM parts WHERE content = ? AND number BETWEEN ? AND ? ORDER BY number",
        (content, first, last),
    ).fetchall()


def part_body(db: sqlite3.Connection, content: int, number: int) -> bytes:
    body: bytes = db.execute("SELECT body FROM parts WHERE content = ? AND number = ?", (content, number)).fetchone()[0]
    return body


def find_part(db: sqlite3.Connection, content: int, number: int) -> Part | None:
    row = db.execute(
        "SELECT number, size, modified, md5, checksum FROM parts WHERE content = ? AND number = ?", (content, number)
    ).fetchone()
    return Part._make(row) if row else None


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


def abort_upload(db: sqlite3.Connection, id_: int, content: int) -> None:
    db.execute("DELETE FROM uploads WHERE id = ?", (id_,))
    doom_content(db, content)


# Sweeping ------------------------------------------------------------------------------------------------------------


def doom_content(db: sqlite3.Connection, content: int) -> None:
    db.execute("INSERT OR IGNORE INTO doomed_contents (content) VALUES (?)", (content,))


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
            doom_content(db, content)
    if len(uploads) < limit:
        db.execute("DELETE FROM doomed_buckets WHERE bucket = ?", (row[0],))
    return True


def forget_completed(db: sqlite3.Connection, before: int, limit: int) -> bool:
    """Forget at most `limit` uploads that were completed before a time; return whether more may be left."""
    cursor = db.execute(
        "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE completed < ? LIMIT ?)", (before, limit)
    )
    return cursor.rowcount == limit


def known_blobs(db: sqlite3.Connection, blobs: Sequence[str]) -> set[str]:
    """Return those of these blobs that a content or a part refers to, or that are given up but not yet removed."""
    marks = ", ".join("?" * len(blobs))
    return {
        blob
        for table in ("contents", "parts", "_garbage")
        for (blob,) in db.execute(f"SELECT blob FROM {table} WHERE blob IN ({marks})", tuple(blobs))
    }
