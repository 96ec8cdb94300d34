"""Holds what lies in a region's data folder against its tables: nothing too much, nothing missing, all sums right.

Looks from outside, by a read connection of its own; the region may run, but nobody may write to it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from awning.store.segments import SEGMENT, TAG

PATIENCE = 60.0
"""Seconds that the region's own sweeps get to finish."""

_REFERENCES = (
    ("objects without a content", "SELECT key FROM objects WHERE content NOT IN (SELECT content FROM contents)"),
    ("uploads without a content", "SELECT key FROM uploads WHERE content IS NOT NULL AND content NOT IN "
                                  "(SELECT content FROM contents)"),
    ("versions without a content", "SELECT key FROM versions WHERE content IS NOT NULL AND content NOT IN "
                                   "(SELECT content FROM contents)"),
    ("contents that nothing refers to", "SELECT content FROM contents WHERE content NOT IN (SELECT content FROM objects) "
                                        "AND content NOT IN (SELECT content FROM versions WHERE content IS NOT NULL) "
                                        "AND content NOT IN (SELECT content FROM uploads WHERE content IS NOT NULL)"),
    ("contents that two refer to", "SELECT content, count(*) FROM (SELECT content FROM objects UNION ALL SELECT content "
                                   "FROM versions WHERE content IS NOT NULL UNION ALL SELECT content FROM uploads "
                                   "WHERE content IS NOT NULL) GROUP BY content HAVING count(*) > 1"),
    ("keys with two null versions", "SELECT o.key FROM objects o JOIN versions v ON v.bucket = o.bucket AND v.key = o.key "
                                    "WHERE o.version IS NULL AND v.version IS NULL"),
    ("versions newer than the current one", "SELECT o.key FROM objects o JOIN versions v ON v.bucket = o.bucket AND "
                                            "v.key = o.key WHERE v.age <= coalesce(o.age, 0)"),
    ("hidden keys without a delete marker", "SELECT key, min(age) AS age FROM versions v WHERE (bucket, key) NOT IN "
                                            "(SELECT bucket, key FROM objects) GROUP BY bucket, key HAVING (SELECT n.content "
                                            "FROM versions n WHERE n.bucket = v.bucket AND n.key = v.key "
                                            "ORDER BY n.age LIMIT 1) IS NOT NULL"),
    ("versions in a bucket without versioning", "SELECT v.key FROM versions v LEFT JOIN buckets b USING (bucket) "
                                                "WHERE b.versioning IS NULL"),
    ("parts of no content", "SELECT content, number FROM parts WHERE content NOT IN (SELECT content FROM contents)"),
    ("objects of no bucket", "SELECT key FROM objects WHERE bucket NOT IN (SELECT bucket FROM buckets)"),
    ("policies of no bucket", "SELECT policy FROM policies WHERE policy NOT IN "
                              "(SELECT policy FROM buckets WHERE policy IS NOT NULL)"),
    ("notifications of no bucket", "SELECT notification FROM notifications WHERE notification NOT IN "
                                   "(SELECT notification FROM buckets WHERE notification IS NOT NULL)"),
    ("walks of no bucket", "SELECT bucket FROM walks WHERE bucket NOT IN (SELECT bucket FROM buckets)"),
    ("wrong counters", "SELECT c.bucket, c.objects, c.bytes, count(o.key), total(o.size) FROM counters c LEFT JOIN "
                       "(SELECT bucket, key, size FROM objects UNION ALL SELECT bucket, key, size FROM versions) o "
                       "ON o.bucket = c.bucket GROUP BY c.bucket HAVING c.objects <> count(o.key) OR c.bytes <> total(o.size)"),
    ("garbage", "SELECT blob FROM _garbage"),
    ("doomed contents", "SELECT content FROM doomed_contents"),
    ("doomed buckets", "SELECT bucket FROM doomed_buckets"),
)  # fmt: skip


def faults_in(data: Path) -> list[str]:
    """Say what is wrong with a data folder, with the sweeps' unfinished work among it."""
    found: list[str] = []
    for room in sorted((data / "rooms").glob("*.db")):
        with _Reading(room) as db:
            checked = db.execute("PRAGMA integrity_check(3)").fetchall()
            if checked != [("ok",)]:
                found.append(f"{room.name}: {checked}")
    with _Reading(data / "rooms" / "s3.db") as db:
        for what, query in _REFERENCES:
            if rows := db.execute(query).fetchmany(3):
                found.append(f"{what}: {rows}")
        sizes = db.execute(
            "SELECT blob, o.size, seal FROM contents c LEFT JOIN (SELECT content, size FROM objects UNION ALL "
            "SELECT content, size FROM versions) o USING (content) WHERE blob IS NOT NULL "
            "UNION ALL SELECT p.blob, p.size, c.seal FROM parts p LEFT JOIN contents c USING (content) WHERE p.blob IS NOT NULL"
        )
        named = {blob: _stored(size, seal) for blob, size, seal in sizes}
    return found + _faults_of_files(data, named)


def _stored(size: int | None, seal: bytes | None) -> int | None:
    """The bytes on disk of a content: what is encrypted has a tag for each segment and layer."""
    if size is None or seal is None:
        return size
    return size + TAG * (2 if seal[0] == 3 else 1) * max(1, -(-size // SEGMENT))


def _faults_of_files(data: Path, named: dict[str, int | None]) -> list[str]:
    found = []
    there = {path.name: path for path in (data / "blobs").rglob("*") if path.is_file()}
    for name, path in there.items():
        if path.parent.name == "tmp":
            found.append(f"temporary file {name}")
        elif name not in named:
            found.append(f"blob {name} that nothing refers to")
        elif path.stat().st_size != named[name]:
            found.append(f"blob {name} of {path.stat().st_size} bytes, which should be {named[name]}")
    found += [f"blob {name} is missing" for name in named if name not in there]
    known = {
        "rooms",
        "blobs",
        "ca",
        "control.sock",
        "region.json",
        "master.key",
        "vault.json",
        "awning.lock",
        "trail.json",
        "usage.json",
    }
    found += [f"{name} in the data folder" for name in os.listdir(data) if name not in known]
    found += [
        f"{path.name} among the rooms"
        for path in (data / "rooms").iterdir()
        if not path.name.removesuffix("-wal").removesuffix("-shm").endswith(".db")
    ]
    return found


def assert_clean(data: Path) -> None:
    """Wait for the region's sweeps, and fail where anything is left that should not be there, or is not as it should be."""
    deadline = time.monotonic() + PATIENCE
    while (found := faults_in(data)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == []


class _Reading:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)

    def __enter__(self) -> sqlite3.Connection:
        self.db.execute("BEGIN")
        return self.db

    def __exit__(self, *_: object) -> None:
        self.db.close()
