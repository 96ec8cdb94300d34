"""The state of access points.

Only SQL and row types; who may come through one is decided elsewhere.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Final, NamedTuple

import orjson

_ARN: Final = re.compile(r"arn:aws:s3:([a-z0-9-]+):(\d{12}):accesspoint/([^/:]+)").fullmatch


class Point(NamedTuple):
    """An access point. `bucket` is the number of its bucket, which may be gone, `bucket_name` and `bucket_account` what that was;
    `block` are the bits of its public access block; `policy` is the id of its row in policies."""

    point: int
    account: str
    region: str
    name: str
    alias: str
    bucket: int
    bucket_name: str
    bucket_account: str
    created: int
    block: int
    policy: str | None

    @property
    def arn(self) -> str:
        return point_arn(self.region, self.account, self.name)


def point_arn(region: str, account: str, name: str) -> str:
    return f"arn:aws:s3:{region}:{account}:accesspoint/{name}"


_POINT = "SELECT point, account, region, name, alias, bucket, bucket_name, bucket_account, created, block, policy FROM points"


def find_point(db: sqlite3.Connection, account: str, region: str, name: str) -> Point | None:
    row = db.execute(f"{_POINT} WHERE account = ? AND region = ? AND name = ?", (account, region, name)).fetchone()
    return Point._make(row) if row else None


def is_point(arn: str) -> bool:
    """Whether an ARN has the form of a point's."""
    return _ARN(arn) is not None


def point_named(db: sqlite3.Connection, arn: str) -> Point | None:
    """As find_point(), by its ARN."""
    parsed = _ARN(arn)
    return None if parsed is None else find_point(db, parsed[2], parsed[1], parsed[3])


def point_called(db: sqlite3.Connection, alias: str) -> Point | None:
    """As find_point(), by its alias."""
    row = db.execute(f"{_POINT} WHERE alias = ?", (alias,)).fetchone()
    return Point._make(row) if row else None


def point_of(db: sqlite3.Connection, number: int) -> Point | None:
    """As find_point(), by its number, which never is another's."""
    row = db.execute(f"{_POINT} WHERE point = ?", (number,)).fetchone()
    return Point._make(row) if row else None


def insert_point(db: sqlite3.Connection, point: Point, tags: bytes | None) -> None:
    """Add a point; its number is given to it."""
    db.execute(
        "INSERT INTO points (account, region, name, alias, bucket, bucket_name, bucket_account, created, block, policy, tags)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*point[1:], tags),
    )


def delete_point(db: sqlite3.Connection, point: Point) -> None:
    db.execute("DELETE FROM points WHERE point = ?", (point.point,))
    db.execute("DELETE FROM policies WHERE policy = ?", (point.policy,))


def count_points(db: sqlite3.Connection, account: str, region: str) -> int:
    count: int = db.execute(
        "SELECT count(*) FROM points WHERE account = ? AND region = ?", (account, region)
    ).fetchone()[0]
    return count


def points_after(
    db: sqlite3.Connection, account: str, region: str, after: str, bucket: str | None, limit: int
) -> list[Point]:
    """Return an account's points in a region with a name beyond `after`, of one bucket or of all, in the order of names."""
    rows = db.execute(
        f"{_POINT} WHERE account = ?1 AND region = ?2 AND name > ?3 AND (?4 IS NULL OR bucket_name = ?4)"
        " ORDER BY name LIMIT ?5",
        (account, region, after, bucket, limit),
    )
    return [Point._make(row) for row in rows.fetchall()]


def is_attached(db: sqlite3.Connection, bucket: int, account: str) -> bool:
    """Whether an account has points that lead to a bucket."""
    query = "SELECT 1 FROM points WHERE bucket = ? AND account = ? LIMIT 1"
    return db.execute(query, (bucket, account)).fetchone() is not None


def set_point_policy(db: sqlite3.Connection, point: Point, policy: str | None, text: str = "", ids: str = "{}") -> None:
    """Give a point a policy under a new id, or None. An id never names two texts."""
    db.execute("DELETE FROM policies WHERE policy = ?", (point.policy,))
    if policy is not None:
        db.execute("INSERT INTO policies (policy, text, ids) VALUES (?, ?, ?)", (policy, text, ids))
    db.execute("UPDATE points SET policy = ? WHERE point = ?", (policy, point.point))


def point_tags(db: sqlite3.Connection, point: int) -> list[list[str]]:
    row = db.execute("SELECT tags FROM points WHERE point = ?", (point,)).fetchone()
    return orjson.loads(row[0]) if row and row[0] else []


def set_point_tags(db: sqlite3.Connection, point: int, tags: bytes | None) -> None:
    db.execute("UPDATE points SET tags = ? WHERE point = ?", (tags, point))
