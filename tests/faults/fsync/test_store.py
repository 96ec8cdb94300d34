"""What the store acknowledges survives a failing disk, a full disk and a power cut; and no acknowledgement precedes its fsync."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from awning.store.blobs import Blobs
from awning.store.database import Database
from awning.store.writer import Writer
from tests.faults.fsync.child import content
from tests.faults.fsync.driver import Event, Faults, Kind
from tests.faults.fsync.powercut import Disk
from tests.store.support import SCHEMA, insert, submit, values

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@dataclass(frozen=True)
class Said:
    """A line of the child's."""

    what: str
    name: str
    when: int


class Child:
    """The child process under faults. Its lines gather in `said`."""

    def __init__(self, faults: Faults, *pragmas: str) -> None:
        self.said: list[Said] = []
        (faults.root / "blobs").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fsync.child", str(faults.root), *pragmas],
            env=faults.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )

    def read_until(self, enough: Callable[[list[Said]], bool]) -> None:
        """Read lines until `enough(those read now)`. Fails where the child ends first."""
        start = len(self.said)
        assert self.process.stdout is not None
        while not enough(self.said[start:]):
            line = self.process.stdout.readline()
            assert line, "the child ended"
            self._take(line)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        rest, _ = self.process.communicate()
        for line in rest.splitlines(keepends=True):
            self._take(line)

    def _take(self, line: str) -> None:
        if line.endswith("\n") and len(line.split()) == 3:
            what, name, when = line.split()
            self.said.append(Said(what, name, int(when)))


@contextmanager
def running(tmp_path: Path, *pragmas: str) -> Iterator[tuple[Faults, Child]]:
    data = tmp_path / "data"
    data.mkdir()
    faults = Faults(tmp_path / "faults", data)
    faults.record()
    child = Child(faults, *pragmas)
    try:
        yield faults, child
    finally:
        if child.process.poll() is None:
            child.kill()


def acks(count: int) -> Callable[[list[Said]], bool]:
    return lambda said: sum(line.what == "ack" for line in said) >= count


def saw(what: str, name: str = "") -> Callable[[list[Said]], bool]:
    return lambda said: any(line.what == what and name in line.name for line in said)


def owed(said: list[Said], until: int) -> tuple[set[str], set[str]]:
    """Return what must be there, and what may be, as of a moment."""
    past = [line for line in said if line.when <= until]
    acked = {line.name for line in past if line.what == "ack"}
    dropped = {line.name for line in said if line.what == "drop"}
    gone = {line.name for line in past if line.what == "gone"}
    return acked - dropped, {line.name for line in said if line.what == "try"} - gone


def check(data: Path, said: list[Said], until: int) -> None:
    """Start on what is there and hold it against what was said."""
    must, may = owed(said, until)

    async def main() -> None:
        (data / "blobs").mkdir(exist_ok=True)
        database = Database(data / "a.db", SCHEMA)
        writer = Writer(database, name="test")
        blobs = Blobs(data / "blobs" / "s3", database)
        assert database.reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = values(database.reader)
        assert len(rows) == len(set(rows))
        assert must <= set(rows), f"lost: {sorted(must - set(rows))[:3]}"
        assert set(rows) <= may
        while await blobs.sweep(writer):
            pass
        await blobs.collect(lambda ids: set(ids) & set(rows))
        names = sorted(path.name for path in blobs.root.rglob("*") if path.is_file())
        assert names == sorted(row for row in rows if not row.startswith("row-"))
        assert all(blobs.path(name).read_bytes() == content(name) for name in names)
        await submit(writer, insert("works"))
        await writer.close()
        blobs.close()
        database.close()

    asyncio.run(main())


def test_no_acknowledgement_precedes_its_fsync(tmp_path: Path) -> None:
    with running(tmp_path) as (faults, child):
        faults.delay_fsync(0.02)
        child.read_until(acks(40))
        child.kill()
        events = list(faults.events())
    logged = [event for event in events if event.path.endswith("a.db-wal")]
    acked = [line for line in child.said if line.what == "ack" and line.name.startswith("row-")]
    assert acked
    for line in acked:
        wrote = next(
            index
            for index, event in enumerate(logged)
            if event.kind == Kind.WRITTEN and line.name.encode() in event.data
        )
        begun = next(event for event in logged[wrote:] if event.kind == Kind.SYNC_BEGUN)
        ended = next(event for event in logged if event.kind == Kind.SYNC_ENDED and event.number == begun.number)
        assert ended.nanoseconds - begun.nanoseconds >= 20_000_000
        assert ended.nanoseconds <= line.when
    for line in (line for line in child.said if line.what == "ack" and not line.name.startswith("row-")):
        file, folder = last_syncs(events, line)
        assert file.nanoseconds <= folder.nanoseconds <= line.when


def last_syncs(events: list[Event], line: Said) -> tuple[Event, Event]:
    """Return the syncs of a blob's file and, after its renaming, of its folder."""
    renamed = next(i for i, event in enumerate(events) if event.kind == Kind.RENAMED and event.path.endswith(line.name))
    place = events[renamed].other.rpartition("/")[0]
    ended = [(index, event) for index, event in enumerate(events) if event.kind == Kind.SYNC_ENDED and not event.error]
    file = next(event for index, event in ended if index < renamed and event.path.endswith(line.name))
    begun = next(e for i, e in enumerate(events) if i > renamed and e.kind == Kind.SYNC_BEGUN and e.path == place)
    return file, next(event for _, event in ended if event.number == begun.number)


def test_a_failed_fsync_is_an_error_and_breaks_the_room_until_it_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path) as (faults, child):
        child.read_until(acks(20))
        faults.fail_fsync(errno.EIO, path="a.db-wal")
        child.read_until(saw("broken"))
        child.read_until(saw("error", "BatchFailed"))
        child.read_until(saw("error", "WritesRefused"))
        broken = next(index for index, line in enumerate(child.said) if line.what == "broken")
        child.kill()
        failed = [event for event in faults.events() if event.kind == Kind.SYNC_ENDED and event.error]
    assert len(failed) == 1
    assert not [line for line in child.said[broken:] if line.what == "ack"]
    assert (tmp_path / "data" / "a.db.suspect").exists()
    check(tmp_path / "data", child.said, child.said[-1].when)
    assert not (tmp_path / "data" / "a.db.suspect").exists()


def test_a_disk_that_fails_to_write_breaks_the_room_too(tmp_path: Path) -> None:
    with running(tmp_path) as (faults, child):
        child.read_until(acks(20))
        faults.fail_write(errno.EIO, path="a.db-wal")
        child.read_until(saw("error", "WritesRefused"))
        child.kill()
    assert saw("broken")(child.said)
    check(tmp_path / "data", child.said, child.said[-1].when)


def test_a_full_disk_answers_with_errors_loses_nothing_and_heals(tmp_path: Path) -> None:
    with running(tmp_path) as (faults, child):
        for _ in range(3):
            child.read_until(acks(20))
            faults.leave_space(30_000)
            child.read_until(saw("error", "BatchFailed:full"))
            child.read_until(saw("error", "BlobFailed:full"))
            faults.heal()
        child.read_until(acks(20))
        child.kill()
    assert not saw("broken")(child.said)
    check(tmp_path / "data", child.said, child.said[-1].when)


def test_a_blob_whose_fsync_fails_is_refused_and_nothing_else(tmp_path: Path) -> None:
    with running(tmp_path) as (faults, child):
        child.read_until(acks(10))
        faults.fail_fsync(errno.EIO, path="blobs/s3/tmp/")
        child.read_until(saw("error", "BlobFailed"))
        child.read_until(acks(30))
        child.kill()
    assert not saw("broken")(child.said)
    check(tmp_path / "data", child.said, child.said[-1].when)


def cut(tmp_path: Path, count: int, images: int, *pragmas: str) -> None:
    """Work, kill, and start on `images` of what a power cut may have left at the end and at earlier moments."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "blobs").mkdir()
    faults = Faults(tmp_path / "faults", data)
    disk = Disk(data)
    faults.record()
    child = Child(faults, "wal_autocheckpoint = 30", *pragmas)
    child.read_until(acks(count))
    child.kill()
    events = list(faults.events())
    times = [event.nanoseconds for event in events]
    chance = random.Random(len(events))
    began = next(line.when for line in child.said if line.what == "ack")
    moments = sorted([times[-1], *(chance.randint(began, times[-1]) for _ in range(images - 1))])
    fed = 0
    for number, moment in enumerate(moments):
        after = bisect_right(times, moment)
        disk.feed(events[fed:after])
        fed = after
        for name, luck in (("strict", None), ("torn", chance)):
            target = tmp_path / f"image-{number}-{name}"
            disk.image(target, luck)
            check(target, child.said, moment)
            shutil.rmtree(target)


def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path) -> None:
    cut(tmp_path, count=150, images=8)


@pytest.mark.soak
def test_many_power_cuts(tmp_path: Path) -> None:
    for round in range(20):
        (tmp_path / str(round)).mkdir()
        cut(tmp_path / str(round), count=500, images=40)


@pytest.mark.parametrize("pragma", ["synchronous = OFF", "synchronous = NORMAL"])
def test_the_power_cut_finds_a_store_that_does_not_sync(tmp_path: Path, pragma: str) -> None:
    with pytest.raises(AssertionError, match="lost"):
        cut(tmp_path, 150, 8, pragma)


def test_the_image_of_an_undisturbed_disk_is_the_disk(tmp_path: Path) -> None:
    """With everything synced, the model and the file system agree, byte for byte."""
    data = tmp_path / "data"
    (data / "old").mkdir(parents=True)
    (data / "old" / "kept").write_bytes(b"before")
    faults = Faults(tmp_path / "faults", data)
    disk = Disk(data)
    faults.record()
    subprocess.run([sys.executable, "-c", _CHANGES, str(data)], env=faults.environment(), check=True)
    disk.feed(faults.events())
    disk.image(tmp_path / "image")
    assert picture(tmp_path / "image") == picture(data)
    assert picture(data)["b/last"] == b"start" + bytes(95) + b"middle"


_CHANGES = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir("a"); os.mkdir("b")
fd = os.open("a/first", os.O_RDWR | os.O_CREAT)
os.write(fd, b"start of it")
os.ftruncate(fd, 5)
os.pwrite(fd, b"middle", 100)
os.fsync(fd)
os.link("a/first", "b/second")
os.unlink("a/first")
os.rename("b/second", "b/last")
with open("old/gone", "w") as file:
    file.write("x" * 100_000)
os.remove("old/gone")
with open("old/kept", "a") as file:
    file.write("after")
    file.flush()
    os.fsync(file.fileno())
os.rmdir("a")
for name in (".", "b", "old"):
    fd = os.open(name, os.O_RDONLY)
    os.fsync(fd)
"""


def picture(path: Path) -> dict[str, bytes | None]:
    return {str(each.relative_to(path)): each.read_bytes() if each.is_file() else None for each in path.rglob("*")}


def test_the_disk_forgets_what_was_not_synced(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    faults = Faults(tmp_path / "faults", data)
    disk = Disk(data)
    faults.record()
    script = """
import os, sys
os.chdir(sys.argv[1])
root = os.open(".", os.O_RDONLY)
for name in ("named", "unnamed"):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.write(fd, b"synced")
    os.fsync(fd)
    os.write(fd, b" and not")
    if name == "named":
        os.fsync(root)
"""
    subprocess.run([sys.executable, "-c", script, str(data)], env=faults.environment(), check=True)
    disk.feed(faults.events())
    disk.image(tmp_path / "image")
    assert picture(tmp_path / "image") == {"named": b"synced"}
    assert picture(data) == {"named": b"synced and not", "unnamed": b"synced and not"}
