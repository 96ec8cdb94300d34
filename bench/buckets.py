"""Says what a big bucket costs: `python -m bench.buckets`. Five million objects of 1 KiB are in one bucket, 1,000 in another.

One claim is held: listing and random access cost at most twice as much in the big one. A lifecycle's walk through it is measured
too. It ends with 1 where the claim does not hold. The objects are put straight into the tables; all that is measured goes through
the API.
"""

import argparse
import hashlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from awning.services.s3 import bucket_tables, checksums, tables
from awning.services.s3.schema import SCHEMA
from awning.services.s3.tables import NewContent, Stored
from awning.store.database import Database
from awning.store.folder import DataFolder
from bench import cpu
from bench.generator import Request, replay, write_requests
from bench.recorder import Recorder, make_client
from bench.servers import ROOT, SERVERS, Running, running

SMALL, BIG = "bench-small", "bench-big"
_IN_SMALL = 1000
_FOLDERS = 100
_DIFFERENT = 500
_MOST_RATIO = 2.0
_BATCH = 10_000


def keys(count: int) -> Iterator[str]:
    """Yield a bucket's keys in order: as many in each of the folders."""
    each = count // _FOLDERS
    for number in range(count):
        yield f"folder-{number // each:03}/object-{number % each:07}"


def fill(data: Path, bucket: str, count: int, size: int) -> None:
    """Put objects into a bucket of a region that does not run."""
    body = random.Random(7).randbytes(size)
    etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    kind = checksums.kind_of(checksums.DEFAULT, checksums.FULL_OBJECT)
    content = NewContent(
        size, etag, kind, checksums.DEFAULT.of(body), b'{"ContentType":"x/y"}', None, "STANDARD", Stored(None, body)
    )
    folder = DataFolder.open(data)
    with closing(Database(folder.database("s3"), SCHEMA)) as database:
        db = database.writer
        found = bucket_tables.find_bucket(db, bucket)
        assert found is not None
        for number, key in enumerate(keys(count)):
            if number % _BATCH == 0:
                if db.in_transaction:
                    db.execute("COMMIT")
                print(f"\r{bucket}: {number:,} objects", end="", file=sys.stderr, flush=True)
                db.execute("BEGIN")
            row = (size, 1_700_000_000, etag, kind, "STANDARD", tables.insert_content(db, content))
            db.execute(
                "INSERT INTO objects (bucket, key, size, modified, etag, kind, class, content)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (found.bucket, key.encode(), *row),
            )
        bucket_tables.tally(db, found.bucket, count, count * size)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    folder.close()
    print(file=sys.stderr)


class Desk:
    """A running region, and the requests that are put to it."""

    def __init__(self, up: Running, folder: Path) -> None:
        self.up = up
        self._folder = folder
        self._recorder = Recorder(up.endpoint, "test", "test")

    def cost(self, method: str, seconds: float, make: Callable[[int], dict[str, Any]]) -> float:
        """Put different requests over and over; return the server's processor time for one, in µs."""
        requests: list[Request] = [self._recorder.record("s3", method, **make(number)) for number in range(_DIFFERENT)]
        path = self._folder / "buckets.requests"
        write_requests(path, requests)
        replay(path, self.up.port, seconds=seconds / 4, connections=16)
        before = cpu.seconds(self.up.pid)
        done = replay(path, self.up.port, seconds=seconds, connections=16)
        if done.failed or done.broken:
            sys.exit(f"{method}: {done.failed} failed, {done.broken} broken: {done.first_error}")
        return (cpu.seconds(self.up.pid) - before) * 1e6 / done.requests


def measure(desk: Desk, bucket: str, count: int, size: int, seconds: float) -> dict[str, float]:
    """Return µs of each kind of request in one bucket."""
    chance = random.Random(11)
    each = count // _FOLDERS

    def any_key() -> str:
        number = chance.randrange(count)
        return f"folder-{number // each:03}/object-{number % each:07}"

    middle = f"folder-{_FOLDERS // 2:03}/"
    page: dict[str, Any] = {"Bucket": bucket, "MaxKeys": 100}
    kinds: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
        "list, start": ("list_objects_v2", lambda _: page),
        "list, anywhere": ("list_objects_v2", lambda _: {**page, "StartAfter": any_key()}),
        "list, a prefix": ("list_objects_v2", lambda _: {**page, "Prefix": middle, "MaxKeys": 10}),
        "list, delimiter": ("list_objects_v2", lambda _: {**page, "Delimiter": "/"}),
        "list, 1,000 keys": ("list_objects_v2", lambda _: {"Bucket": bucket}),
        "get": ("get_object", lambda _: {"Bucket": bucket, "Key": any_key()}),
        "put, over another": ("put_object", lambda _: {"Bucket": bucket, "Key": any_key(), "Body": b"y" * size}),
        "put, new": ("put_object", lambda at: {"Bucket": bucket, "Key": f"{any_key()}-{at}", "Body": b"y" * size}),
    }
    return {kind: desk.cost(method, seconds, make) for kind, (method, make) in kinds.items()}


def walk(up: Running, data: Path) -> None:
    """Say what it costs to walk through the big bucket by a rule that is about none of its objects, and how it is held up."""
    s3 = make_client("s3", up.endpoint)
    rule = {
        "ID": "none",
        "Status": "Enabled",
        "Filter": {"And": {"Prefix": "folder", "Tags": [{"Key": "none", "Value": ""}]}},
        "Expiration": {"Days": 10},
    }
    before, begun = cpu.seconds(up.pid), time.perf_counter()
    s3.put_bucket_lifecycle_configuration(Bucket=BIG, LifecycleConfiguration={"Rules": [rule]})
    worst = 0.0
    with closing(sqlite3.connect(f"file:{data / 'rooms' / 's3.db'}?mode=ro", uri=True)) as db:
        while db.execute("SELECT 1 FROM walks WHERE due <= ?", (time.time(),)).fetchone():
            sent = time.perf_counter()
            s3.head_bucket(Bucket=SMALL)
            worst = max(worst, time.perf_counter() - sent)
            time.sleep(0.02)
    took = time.perf_counter() - begun
    used = cpu.seconds(up.pid) - before
    print(
        f"a walk: {took:.1f} s, {used:.1f} s of processor; the longest wait of a request meanwhile {worst * 1e3:.1f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.buckets", description=__doc__)
    parser.add_argument("--objects", type=int, default=5_000_000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ROOT / "build", prefix="buckets-"))
    try:
        return compare(folder, options.objects, options.size, options.seconds)
    finally:
        shutil.rmtree(folder)


def compare(folder: Path, objects: int, size: int, seconds: float) -> int:
    """Fill, measure both, print the figures. Returns 1 where the claim does not hold."""
    server = SERVERS["awning"]
    with running(server, folder) as up:
        for bucket in (SMALL, BIG):
            make_client("s3", up.endpoint).create_bucket(Bucket=bucket)
    begun = time.perf_counter()
    for bucket, count in ((SMALL, _IN_SMALL), (BIG, objects)):
        fill(folder / "region", bucket, count, size)
    print(f"filled in {time.perf_counter() - begun:.0f} s")
    with running(server, folder) as up:
        desk = Desk(up, folder)
        few = measure(desk, SMALL, _IN_SMALL, size, seconds)
        many = measure(desk, BIG, objects, size, seconds)
        for kind in few:
            ratio = many[kind] / few[kind]
            print(
                f"{kind}: {few[kind]:.0f} µs among {_IN_SMALL:,}, {many[kind]:.0f} among {objects:,}: {ratio:.2f} times"
            )
        walk(up, folder / "region")
    held = all(many[kind] <= _MOST_RATIO * few[kind] for kind in few)
    print("it holds" if held else "it does NOT hold")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
