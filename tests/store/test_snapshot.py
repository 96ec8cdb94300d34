"""A snapshot is one point in time for all rooms, exact to the byte; a hostile file changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import random
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from awning.store import snapshot
from awning.store.blobs import Blobs
from awning.store.database import Database
from awning.store.errors import LockedFolder, MasterKeyError, SnapshotFailed, SnapshotRefused
from awning.store.folder import DataFolder
from awning.store.writer import Writer
from tests.store.support import SCHEMA, Work, insert, submit, values


class Small:
    """A region of two rooms, one of which keeps blobs."""

    def __init__(self, path: Path) -> None:
        self.folder = DataFolder.open(path)
        self.rooms = []
        for name in ("left", "right"):
            database = Database(self.folder.database(name), SCHEMA)
            blobs = Blobs(self.folder.blobs(name), database)
            self.rooms.append((database, Writer(database, name=name), blobs))

    async def close(self) -> None:
        for database, writer, blobs in self.rooms:
            await writer.close()
            blobs.close()
            database.close()
        self.folder.close()


def tree(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def make(path: Path, file: Path) -> None:
    """Save a small region with two rows and two blobs, one of them discarded."""

    async def main() -> int:
        region = Small(path)
        (region.folder.ca / "root.pem").write_text("certificate")
        (_, writer, blobs), (_, other, _) = region.rooms
        kept, gone = blobs.create(), blobs.create()
        await kept.write(b"content" * 1000)
        await submit(writer, insert(await kept.publish()))
        dropped = await gone.publish()
        await submit(writer, lambda unit, db: blobs.discard(db, dropped))
        await submit(other, insert("right"))
        seen: list[tuple[int, int]] = []
        size = await snapshot.save(
            region.folder, region.rooms, file, passphrase="p", progress=lambda *given: seen.append(given)
        )
        assert seen[-1][0] == seen[-1][1] > 0
        await region.close()
        return size

    assert asyncio.run(main()) == file.stat().st_size


def test_saved_and_loaded_it_is_the_same_region(tmp_path: Path) -> None:
    make(tmp_path / "data", tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["data", "file"]
    snapshot.load(tmp_path / "file", tmp_path / "new" / "data", passphrase="p")
    before, after = tree(tmp_path / "data"), tree(tmp_path / "new" / "data")
    discarded = [name for name in before if name.startswith("blobs/") and name not in after]
    assert len(discarded) == 1
    plain = [name for name in after if not name.startswith("rooms/")]
    assert sorted(plain) == sorted(
        set(before) - set(discarded) - {"awning.lock"} - {name for name in before if name.startswith("rooms/")}
    )
    assert all(after[name] == before[name] for name in plain)
    for name in ("left", "right"):
        dumps = []
        for data in (tmp_path / "data", tmp_path / "new" / "data"):
            with closing(sqlite3.connect(data / "rooms" / f"{name}.db")) as db:
                dumps.append(list(db.iterdump()))
        assert dumps[0] == dumps[1]

    async def works() -> None:
        region = Small(tmp_path / "new" / "data")
        database, writer, blobs = region.rooms[0]
        (blob,) = values(database.reader)
        assert blobs.path(blob).read_bytes() == b"content" * 1000
        assert await blobs.sweep(writer) == 1  # the discarded one is still listed, its file is not there
        await submit(writer, insert("more"))
        await region.close()

    asyncio.run(works())


def test_under_load_it_is_one_point_for_all_rooms(tmp_path: Path) -> None:
    """A pair of rows is written left before right: at any point left is ahead by at most the pairs under way."""

    async def main() -> int:
        region = Small(tmp_path / "data")
        (_, left, blobs), (_, right, _) = region.rooms
        stop = False
        acknowledged = 0

        def drop(id: str, row: str) -> Callable[[Work, sqlite3.Connection], None]:
            def run(unit: Work, db: sqlite3.Connection) -> None:
                db.execute("UPDATE item SET value = substr(value, 1, length(value) - 33) WHERE value = ?", (row,))
                blobs.discard(db, id)

            return run

        async def client(number: int) -> None:
            nonlocal acknowledged
            count = 0
            while not stop:
                blob = blobs.create()
                await blob.write(os.urandom(2000))
                id = await blob.publish()
                await submit(left, insert(f"{number}:{count}:{id}"))
                await submit(right, insert(f"{number}:{count}"))
                acknowledged += 1
                count += 1
                if count % 3 == 0:
                    await submit(left, drop(id, f"{number}:{count - 1}:{id}"))
                    await blobs.sweep(left)

        clients = [asyncio.create_task(client(number)) for number in range(8)]
        await asyncio.sleep(0.2)
        before = acknowledged
        for round in range(3):
            await snapshot.save(region.folder, region.rooms, tmp_path / f"file{round}")
            await asyncio.sleep(0.05)
        stop = True
        await asyncio.gather(*clients)
        await region.close()
        return before

    before = asyncio.run(main())
    for round in range(3):
        data = tmp_path / f"loaded{round}"
        snapshot.load(tmp_path / f"file{round}", data)
        with closing(sqlite3.connect(data / "rooms" / "left.db")) as db:
            left = [value.split(":") for value in values(db)]
        with closing(sqlite3.connect(data / "rooms" / "right.db")) as db:
            right = {tuple(value.split(":")) for value in values(db)}
        assert len(right) >= before > 0
        missing = {(number, count) for number, count, *_ in left} - right
        assert right <= {(number, count) for number, count, *_ in left}
        assert len(missing) <= 8  # each client had at most one pair under way
        assert len({number for number, _ in missing}) == len(missing)
        for _, _, *blob in left:
            if blob:
                assert (data / "blobs" / "left" / blob[0][:2] / blob[0]).stat().st_size == 2000


def test_it_is_finished_even_if_the_caller_goes_away(tmp_path: Path) -> None:
    async def main() -> None:
        region = Small(tmp_path / "data")
        saving = asyncio.create_task(snapshot.save(region.folder, region.rooms, tmp_path / "file"))
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await task
        await region.close()

    asyncio.run(main())
    snapshot.load(tmp_path / "file", tmp_path / "loaded")


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        region = Small(tmp_path / "data")
        with pytest.raises(SnapshotFailed):
            await snapshot.save(region.folder, region.rooms, tmp_path / "nowhere" / "file")
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "x").touch()
        with pytest.raises(SnapshotFailed):
            await snapshot.save(region.folder, region.rooms, tmp_path / "taken")
        assert await submit(region.rooms[0][1], insert("held no longer")) == 1
        await region.close()

    asyncio.run(main())
    assert sorted(os.listdir(tmp_path)) == ["data", "taken"]


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


OPENING = member("awning-snapshot.json", b'{"format": 1}')


def write(file: Path, members: list[tuple[tarfile.TarInfo, bytes]], manifest: bool = True) -> None:
    """Write a tar whose manifest is right, so that only the hostile member can be what is refused."""
    if manifest:
        listed = {
            info.name: [info.size, hashlib.sha256(content).hexdigest()]
            for info, content in members
            if info.name != "awning-snapshot.json"
        }
        members = [*members, member("manifest.json", json.dumps({"format": 1, "members": listed}).encode())]
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if info.type == tarfile.REGTYPE else None)


REGION = member("region.json", b'{"format": 1}')
HOSTILE: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "climbs out": [OPENING, REGION, member("../evil", b"x")],
    "climbs out of a part": [OPENING, REGION, member("ca/../../evil", b"x")],
    "absolute": [OPENING, REGION, member("/tmp/evil", b"x")],
    "a link": [OPENING, REGION, member("ca/key", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
    "a hard link": [OPENING, REGION, member("ca/key", type=tarfile.LNKTYPE, linkname="region.json")],
    "a device": [OPENING, REGION, member("ca/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a folder": [OPENING, REGION, member("ca/sub", type=tarfile.DIRTYPE)],
    "a pipe": [OPENING, REGION, member("ca/pipe", type=tarfile.FIFOTYPE)],
    "twice": [OPENING, REGION, REGION],
    "a long name": [OPENING, REGION, member("ca/" + "a" * 300, b"x")],
    "a stranger": [OPENING, REGION, member("awning.lock", b"1")],
    "another shard": [OPENING, REGION, member("blobs/s3/ab/cd" + "0" * 30, b"x")],
    "a hidden file": [OPENING, REGION, member("ca/.bashrc", b"x")],
    "no region": [OPENING],
    "a newer region": [OPENING, member("region.json", b'{"format": 99}')],
    "not a database": [OPENING, REGION, member("rooms/sqs.db", b"x" * 4096)],
    "a newer snapshot": [member("awning-snapshot.json", b'{"format": 2}'), REGION],
    "no opening": [REGION],
    "an opening that is none": [member("awning-snapshot.json", b"[]"), REGION],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_and_nothing_is_left(tmp_path: Path, case: str) -> None:
    write(tmp_path / "file", HOSTILE[case])
    with pytest.raises(SnapshotRefused):
        snapshot.load(tmp_path / "file", tmp_path / "data")
    assert os.listdir(tmp_path) == ["file"]


def test_without_the_hostile_member_it_loads(tmp_path: Path) -> None:
    write(tmp_path / "file", [OPENING, REGION, member("ca/root.pem", b"x")])
    snapshot.load(tmp_path / "file", tmp_path / "data")
    assert tree(tmp_path / "data") == {"region.json": b'{"format": 1}', "ca/root.pem": b"x"}


def test_any_changed_or_missing_byte_is_noticed(tmp_path: Path) -> None:
    make(tmp_path / "made", tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    content = whole.rstrip(b"\0")
    chance = random.Random(1)
    changes: list[Callable[[], bytes]] = [lambda: whole[: chance.randrange(len(content))]] * 20
    changes += [lambda: flip(whole, chance.randrange(len(content)))] * 60
    changes += [lambda: b"", lambda: b"\0" * 4096, lambda: os.urandom(100_000), lambda: whole[512:]]
    for change in changes:
        (tmp_path / "changed").write_bytes(change())
        try:
            snapshot.load(tmp_path / "changed", tmp_path / "data")
        except SnapshotRefused:
            assert not (tmp_path / "data").exists()
            continue
        # A tar's padding and some fields of its headers (times, owners) carry nothing of ours.
        snapshot.load(tmp_path / "file", tmp_path / "right")
        assert tree(tmp_path / "data") == tree(tmp_path / "right")
        for name in ("data", "right"):
            (tmp_path / name).rename(tmp_path / f"{name}{chance.random()}")


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


def test_only_an_empty_folder_is_loaded_into(tmp_path: Path) -> None:
    make(tmp_path / "data", tmp_path / "file")
    before = tree(tmp_path / "data")
    with pytest.raises(SnapshotRefused):
        snapshot.load(tmp_path / "file", tmp_path / "data")
    assert tree(tmp_path / "data") == before
    used = DataFolder.open(tmp_path / "used")
    with pytest.raises(LockedFolder):
        snapshot.load(tmp_path / "file", tmp_path / "used")
    used.close()
    snapshot.load(tmp_path / "file", tmp_path / "used", passphrase="p")
    assert (tmp_path / "used" / "rooms" / "left.db").exists()
    with pytest.raises(SnapshotRefused):
        snapshot.load(tmp_path / "none", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_master_key_goes_along_under_its_passphrase_only(tmp_path: Path) -> None:
    make(tmp_path / "data", tmp_path / "file")
    key = (tmp_path / "data" / "master.key").read_bytes()
    assert key.strip() not in (tmp_path / "file").read_bytes()
    assert snapshot.carries_key(tmp_path / "file")
    for wrong in (None, "q"):
        with pytest.raises(SnapshotRefused, match="passphrase"):
            snapshot.load(tmp_path / "file", tmp_path / "new", passphrase=wrong)
        assert not (tmp_path / "new").exists()
    snapshot.load(tmp_path / "file", tmp_path / "new", passphrase="p")
    assert (tmp_path / "new" / "master.key").read_bytes() == key
    assert not (tmp_path / "new" / "master.wrapped").exists()


def test_without_a_passphrase_the_key_stays_and_who_loads_must_have_it(tmp_path: Path) -> None:
    async def main() -> None:
        region = Small(tmp_path / "data")
        await snapshot.save(region.folder, region.rooms, tmp_path / "file")
        await region.close()

    asyncio.run(main())
    assert not snapshot.carries_key(tmp_path / "file")
    snapshot.load(tmp_path / "file", tmp_path / "new")
    with pytest.raises(MasterKeyError):
        DataFolder.open(tmp_path / "new", {})
    key = (tmp_path / "data" / "master.key").read_text().strip()
    DataFolder.open(tmp_path / "new", {"AWNING_MASTER_KEY": key}).close()
