"""A blob is there whole or not at all, goes after its transaction, and what a crash left is collected."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from awning.store.blobs import Blobs
from awning.store.database import Database
from awning.store.errors import BlobFailed
from awning.store.writer import Writer
from tests.store.support import Work, insert, submit, values, with_writer


def with_blobs(path: Path, body: Callable[[Database, Writer, Blobs], Coroutine[Any, Any, None]]) -> None:
    async def run(database: Database, writer: Writer) -> None:
        blobs = Blobs(path / "blobs" / "s3", database)
        try:
            await body(database, writer, blobs)
        finally:
            blobs.close()

    (path / "blobs").mkdir(exist_ok=True)
    with_writer(path / "a.db", run)


def files(blobs: Blobs) -> list[str]:
    return sorted(path.name for path in blobs.root.rglob("*") if path.is_file())


def content(blobs: Blobs, blob: str) -> bytes:
    fd = blobs.open(blob)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def discard(blobs: Blobs, *ids: str) -> Callable[[Work, sqlite3.Connection], None]:
    def run(unit: Work, db: sqlite3.Connection) -> None:
        for blob in ids:
            blobs.discard(db, blob)

    return run


def test_blocks_are_written_and_hashed_in_order_even_when_not_awaited(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        blocks = [bytes([number]) * (1 << 18) for number in range(8)]
        md5, sha = hashlib.md5(), hashlib.sha256()
        blob = blobs.create()
        for block in blocks:
            last = blob.write(block, [md5, sha])
        await last
        assert md5.digest() == hashlib.md5(b"".join(blocks)).digest()
        assert sha.digest() == hashlib.sha256(b"".join(blocks)).digest()
        assert not blobs.path(blob.id).exists()
        assert await blob.publish() == blob.id
        assert content(blobs, blob.id) == b"".join(blocks)
        assert blobs.size(blob.id) == blob.size == 8 << 18
        await blob.abort()  # published and handed over: it stays
        assert files(blobs) == [blob.id]
        assert blobs.path(blob.id).stat().st_mode & 0o777 == 0o600

    with_blobs(tmp_path, body)


def test_an_empty_blob(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        assert content(blobs, await blobs.create().publish()) == b""

    with_blobs(tmp_path, body)


def test_abort_waits_for_what_is_under_way_and_leaves_nothing(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        blob = blobs.create()
        for _ in range(3):
            blob.write(b"x" * 100_000)
        await blob.abort()
        await blob.abort()
        assert files(blobs) == []
        with pytest.raises(BlobFailed):
            await blob.write(b"more")
        published = blobs.create()
        publication = published.publish()
        publication.cancel()  # nobody will ever hear of its id
        await published.abort()
        assert files(blobs) == []

    with_blobs(tmp_path, body)


def test_a_full_disk_is_said_clearly_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        def full(fd: int, data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        blob = blobs.create()
        await blob.write(b"x" * 1000)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(BlobFailed) as failed:
                await blob.write(b"y" * 1000)
        assert failed.value.full
        assert files(blobs) == []
        with pytest.raises(BlobFailed):
            await blob.publish()

    with_blobs(tmp_path, body)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_blob_that_does_not_become_durable_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        def fail(*_: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        await blobs.create().publish()
        blob = blobs.create()
        await blob.write(b"x")
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(BlobFailed) as failed:
                await blob.publish()
        assert not failed.value.full
        assert len(files(blobs)) == 1

    with_blobs(tmp_path, body)


def test_discarded_files_go_after_the_commit_only(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        kept, gone = await blobs.create().publish(), await blobs.create().publish()

        def fail(unit: Any, db: Any) -> None:
            blobs.discard(db, kept)
            raise KeyError

        with pytest.raises(KeyError):
            await submit(writer, fail)
        await submit(writer, discard(blobs, gone, gone))
        assert files(blobs) == sorted([kept, gone])
        fd = blobs.open(gone)
        assert await blobs.sweep(writer) == 1
        assert files(blobs) == [kept]
        assert os.pread(fd, 10, 0) == b""  # open files stay readable
        os.close(fd)
        assert await blobs.sweep(writer) == 0
        assert database.reader.execute("SELECT count(*) FROM _garbage").fetchone() == (0,)

    with_blobs(tmp_path, body)


def test_a_sweep_is_bounded_and_waits_while_paused(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        ids = [await blobs.create().publish() for _ in range(5)]
        await submit(writer, discard(blobs, *ids))
        assert await blobs.sweep(writer, limit=2) == 2
        async with blobs.paused():
            sweep = asyncio.create_task(blobs.sweep(writer))
            await asyncio.sleep(0.02)
            assert len(files(blobs)) == 3
        assert await sweep == 3
        assert files(blobs) == []

    with_blobs(tmp_path, body)


def test_collect_takes_unknown_blobs_of_earlier_processes_only(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        old = [await blobs.create().publish() for _ in range(20)]
        (blobs.temporary / "half").touch()
        later = Blobs(blobs.root, database)
        assert not (blobs.temporary / "half").exists()
        mine = await later.create().publish()
        asked: list[str] = []

        def known(ids: Any) -> set[str]:
            asked.extend(ids)
            return set(old[:5])

        assert await later.collect(known) == 15
        assert sorted(asked) == sorted(old)
        assert files(later) == sorted([*old[:5], mine])
        assert sorted(later.published()) == files(later)
        later.close()

    with_blobs(tmp_path, body)


CHILD = """
import asyncio, os, sys
from pathlib import Path
from awning.store.blobs import Blobs
from awning.store.database import Database
from awning.store.writer import Writer
from tests.store.support import SCHEMA, insert, submit

async def client(database, writer, blobs, number):
    while True:
        blob = blobs.create()
        for _ in range(3):
            await blob.write(os.urandom(20_000))
        id = await blob.publish()
        await submit(writer, insert(id))
        print("+", id, flush=True)
        if number % 2:
            def drop(unit, db):
                db.execute("DELETE FROM item WHERE value = ?", (id,))
                blobs.discard(db, id)
            print("-", id, flush=True)
            await submit(writer, drop)
            await blobs.sweep(writer)

async def main():
    path = Path(sys.argv[1])
    database = Database(path / "a.db", SCHEMA)
    writer = Writer(database, name="test")
    blobs = Blobs(path / "blobs" / "s3", database)
    await asyncio.gather(*(client(database, writer, blobs, number) for number in range(6)))

asyncio.run(main())
"""


def kill_and_check(path: Path, seconds: float) -> int:
    (path / "blobs").mkdir()
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    said = [line.split() for line in (first + child.communicate()[0]).splitlines() if len(line) == 34]
    acknowledged = {blob for sign, blob in said if sign == "+"} - {blob for sign, blob in said if sign == "-"}

    async def body(database: Database, writer: Writer, blobs: Blobs) -> None:
        while await blobs.sweep(writer):
            pass
        await blobs.collect(lambda ids: set(ids) & set(values(database.reader)))
        assert files(blobs) == sorted(values(database.reader))
        assert acknowledged <= set(files(blobs))
        assert all(blobs.size(blob) == 60_000 for blob in files(blobs))
        await submit(writer, insert("works"))

    with_blobs(path, body)
    return len(acknowledged)


def test_kill_leaves_no_temporary_file_and_no_blob_without_a_row(tmp_path: Path) -> None:
    chance = random.Random()
    kept = 0
    for round in range(4):
        (tmp_path / str(round)).mkdir()
        kept += kill_and_check(tmp_path / str(round), chance.random() * 0.3)
    assert kept


@pytest.mark.soak
def test_kill_many_times(tmp_path: Path) -> None:
    chance = random.Random()
    for round in range(100):
        (tmp_path / str(round)).mkdir()
        kill_and_check(tmp_path / str(round), chance.random())
