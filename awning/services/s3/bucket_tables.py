"""The state of buckets: what they are, what they are configured with, and what is counted of them.

Only SQL and row types; what may be done is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

import orjson

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
    settings: str | None


OF_BUCKET = (
    "b.bucket, b.name, b.account, b.region, b.created, b.block, b.policy, b.notification, b.versioning, b.settings"
)
_BUCKET = f"SELECT {OF_BUCKET} FROM buckets b"


def find_bucket(db: sqlite3.Connection, name: str) -> Bucket | None:
    row = db.execute(f"{_BUCKET} WHERE name = ?", (name,)).fetchone()
    return Bucket._make(row) if row else None


def bucket_of(db: sqlite3.Connection, number: int) -> Bucket | None:
    """As find_bucket(), by the bucket's number."""
    row = db.execute(f"{_BUCKET} WHERE bucket = ?", (number,)).fetchone()
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
    db.execute("DELETE FROM settings WHERE settings = ?", (bucket.settings,))
    db.execute("DELETE FROM walks WHERE bucket = ?", (bucket.bucket,))
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


def last_mfa_step(db: sqlite3.Connection, serial: str) -> int:
    """Return the half minute since the epoch of the last code of a device that was taken; -1 where none was."""
    row = db.execute("SELECT step FROM mfa_steps WHERE serial = ?", (serial,)).fetchone()
    return row[0] if row else -1


def use_mfa_step(db: sqlite3.Connection, serial: str, step: int) -> None:
    db.execute("INSERT OR REPLACE INTO mfa_steps VALUES (?, ?)", (serial, step))


def set_block(db: sqlite3.Connection, bucket: int, block: int | None) -> None:
    db.execute("UPDATE buckets SET block = ? WHERE bucket = ?", (block, bucket))


def account_block(db: sqlite3.Connection, account: str) -> int | None:
    """Return the bits of an account's public access block, which holds for all its buckets; None where it has none."""
    row = db.execute("SELECT block FROM accounts WHERE account = ?", (account,)).fetchone()
    return row[0] if row else None


def set_account_block(db: sqlite3.Connection, account: str, block: int | None) -> None:
    if block is None:
        db.execute("DELETE FROM accounts WHERE account = ?", (account,))
    else:
        db.execute("INSERT OR REPLACE INTO accounts (account, block) VALUES (?, ?)", (account, block))


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


def settings_in(db: sqlite3.Connection, bucket: int) -> tuple[str | None, bytes | None]:
    """Return the id of a bucket's settings, and the settings as JSON."""
    row: tuple[str | None, bytes | None] | None = db.execute(
        "SELECT b.settings, s.document FROM buckets b LEFT JOIN settings s ON s.settings = b.settings WHERE bucket = ?",
        (bucket,),
    ).fetchone()
    return row or (None, None)


def set_settings(db: sqlite3.Connection, bucket: int, old: str | None, settings: str | None, document: bytes) -> None:
    """Give a bucket settings (JSON) under a new id, or None. An id never names two documents."""
    db.execute("DELETE FROM settings WHERE settings = ?", (old,))
    if settings is not None:
        db.execute("INSERT INTO settings (settings, document) VALUES (?, ?)", (settings, document))
    db.execute("UPDATE buckets SET settings = ? WHERE bucket = ?", (settings, bucket))


def is_watched(db: sqlite3.Connection) -> bool:
    """Whether any bucket may have a log or metrics among its settings."""
    query = "SELECT 1 FROM settings WHERE instr(document, ?) OR instr(document, ?) LIMIT 1"
    return db.execute(query, (b'"logging":', b'"metrics":')).fetchone() is not None


def next_sequence(db: sqlite3.Connection, bucket: int, least: int) -> int:
    """Return a number that is larger than any that the bucket had before, and at least `least`."""
    number: int = db.execute(
        "UPDATE counters SET sequence = max(sequence + 1, ?) WHERE bucket = ? RETURNING sequence", (least, bucket)
    ).fetchone()[0]
    return number


def tally(db: sqlite3.Connection, bucket: int, objects: int, size: int) -> None:
    """Add to a bucket's counters: versions and delete markers count as objects."""
    db.execute("UPDATE counters SET objects = objects + ?, bytes = bytes + ? WHERE bucket = ?", (objects, size, bucket))


def counters(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Return (bucket's name, objects, bytes) of every bucket."""
    return db.execute("SELECT name, objects, bytes FROM buckets JOIN counters USING (bucket)").fetchall()
