"""Snapshot: a whole region in one tar file, taken while it works; and loading one into an empty data folder.

A file that is loaded is not trusted: names, kinds, sizes and checksums are verified before anything is put in place.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from awning.store.blobs import Blobs
from awning.store.database import Database, check_ours
from awning.store.errors import DataError, FolderError, SnapshotFailed, SnapshotRefused
from awning.store.files import sync_folder
from awning.store.folder import DataFolder, check_format, clear_empty
from awning.store.vault import CHECK_FILE, Unsealable, put_key, unwrap
from awning.store.writer import Writer

FORMAT = 1
Progress = Callable[[int, int], object]
"""Called with bytes done and bytes in all, in whatever thread does the work."""

_OPENING = "awning-snapshot.json"
_MANIFEST = "manifest.json"
_NAMES = re.compile(
    r"region\.json|vault\.json|master\.wrapped"
    r"|rooms/[a-z0-9][a-z0-9-]{0,63}\.db"
    r"|blobs/[a-z0-9][a-z0-9-]{0,63}/(?P<shard>[0-9a-f]{2})/(?P=shard)[0-9a-f]{30}"
    r"|ca/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
)
_BLOCK = 1 << 20
_WRAPPED = "master.wrapped"
_SMALL = 64 << 20
_RECORD = 512


async def save(
    folder: DataFolder,
    rooms: Sequence[tuple[Database, Writer, Blobs]],
    target: Path,
    *,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> int:
    """Write a consistent snapshot of all rooms to `target`; return its bytes.

    The master key goes with it under `passphrase`; without one it stays out, and whoever loads the snapshot must have it.

    All writers are held together only until a read transaction stands on each database; the copying is done from these, in
    a thread. Blobs are not collected meanwhile. A file that was at `target` is replaced as a whole. Once begun it is finished,
    even if the caller is cancelled. Raises SnapshotFailed.
    """
    return await asyncio.shield(asyncio.create_task(_held(folder, rooms, target, passphrase, progress or _ignore)))


async def _held(
    folder: DataFolder,
    rooms: Sequence[tuple[Database, Writer, Blobs]],
    target: Path,
    passphrase: str | None,
    progress: Progress,
) -> int:
    try:
        async with AsyncExitStack() as pauses:
            for _, _, blobs in rooms:
                await pauses.enter_async_context(blobs.paused())
            with ExitStack() as connections:
                views = [connections.enter_context(closing(database.connect())) for database, _, _ in rooms]
                async with AsyncExitStack() as holds:
                    for _, writer, _ in rooms:
                        await holds.enter_async_context(writer.hold())
                    for view in views:
                        view.execute("BEGIN")
                        view.execute("SELECT count(*) FROM _meta").fetchone()
                parts = [
                    (view, database.path.name, blobs) for view, (database, _, blobs) in zip(views, rooms, strict=True)
                ]
                return await asyncio.to_thread(_save, folder, parts, target, passphrase, progress)
    except (OSError, sqlite3.Error) as error:
        raise SnapshotFailed(f"The snapshot {target} was not saved: {error}") from error


def load(file: Path, data: Path, *, passphrase: str | None = None, progress: Progress | None = None) -> None:
    """Load a snapshot into a data folder that does not exist or is empty (it may have been in use: a lock, no rooms).

    `passphrase` opens the master key that the snapshot carries. Raises SnapshotRefused, LockedFolder; SnapshotFailed where the
    disk fails, or is full. Then `data` is as it was.
    """
    data = data.absolute()
    try:
        with open(file, "rb") as source, clear_empty(data) as make_room, _aside(data) as work:
            total = os.fstat(source.fileno()).st_size
            _unpack(source, work, lambda done: (progress or _ignore)(done, total))
            _check_content(work)
            _place_key(work, passphrase)
            os.sync()  # one flush for thousands of files
            make_room()
            os.rename(work, data)
            sync_folder(data.parent)
    except FileNotFoundError as error:
        raise SnapshotRefused(f"There is no snapshot {error.filename}.") from error
    except OSError as error:
        raise SnapshotFailed(f"The snapshot {file} was not loaded: {error}") from error


def carries_key(file: Path) -> bool:
    """Whether a snapshot carries a master key, for which its passphrase is needed. What is no snapshot carries none."""
    try:
        with open(file, "rb") as source:
            for name, size in _members(source):
                if name == _WRAPPED:
                    return True
                source.seek(size + -size % _RECORD, os.SEEK_CUR)
    except (OSError, SnapshotRefused):
        return False
    return False


def _ignore(done: int, total: int) -> None:
    """Nobody watches."""


# Saving


def _save(
    folder: DataFolder,
    parts: Sequence[tuple[sqlite3.Connection, str, Blobs]],
    target: Path,
    passphrase: str | None,
    progress: Progress,
) -> int:
    listed = [(blobs, _kept(view, blobs)) for view, _, blobs in parts]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as work:
        copies = []
        for view, name, _ in parts:
            copy = Path(work) / name
            _copy_database(view, copy)
            view.execute("ROLLBACK")
            copies.append((f"rooms/{name}", copy))
        files = [("region.json", folder.path / "region.json"), (CHECK_FILE, folder.path / CHECK_FILE), *copies]
        if passphrase is not None:
            wrapped = Path(work) / _WRAPPED
            wrapped.write_bytes(folder.vault.wrapped(passphrase))
            files.append((_WRAPPED, wrapped))
        files += [(f"ca/{path.name}", path) for path in sorted(folder.ca.iterdir()) if path.is_file()]
        files += [
            (f"blobs/{blobs.root.name}/{blob[:2]}/{blob}", blobs.path(blob)) for blobs, ids in listed for blob in ids
        ]
        whole = Path(work) / "snapshot"
        with open(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
            _pack(out, files, progress)
            out.flush()
            os.fsync(out.fileno())
            size = out.tell()
        os.rename(whole, target)
    sync_folder(target.parent)
    return size


def _kept(view: sqlite3.Connection, blobs: Blobs) -> list[str]:
    garbage = {row[0] for row in view.execute("SELECT blob FROM _garbage")}
    return sorted(blob for blob in blobs.published() if blob not in garbage)


def _copy_database(view: sqlite3.Connection, copy: Path) -> None:
    """Copy what the view's read transaction sees; the connection's lock is free between steps."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as out:
        out.execute("PRAGMA journal_mode = OFF")
        out.execute("PRAGMA synchronous = OFF")
        view.backup(out, pages=2048)


def _pack(out: BinaryIO, files: Sequence[tuple[str, Path]], progress: Progress) -> None:
    total = sum(path.stat().st_size for _, path in files if path.exists())
    done = 0
    members: dict[str, list[int | str]] = {}
    with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, copybufsize=_BLOCK) as tar:
        _add(tar, _OPENING, json.dumps({"format": FORMAT}).encode())
        for name, path in files:
            try:
                file = open(path, "rb")  # noqa: SIM115 - closed below
            except FileNotFoundError:
                if name.startswith("blobs/"):
                    continue  # given up before any row referred to it: nothing else is removed while paused
                raise
            with file:
                info = tarfile.TarInfo(name)
                info.size, info.mode = os.fstat(file.fileno()).st_size, 0o600
                reader = _Reader(file)
                tar.addfile(info, reader)
            members[name] = [info.size, reader.digest.hexdigest()]
            done += info.size
            progress(done, max(total, done))
        _add(tar, _MANIFEST, json.dumps({"format": FORMAT, "members": members}).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))


class _Reader:
    """Hashes what is read through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


# Loading


@contextmanager
def _aside(data: Path) -> Iterator[Path]:
    """Yield a folder beside `data` that is gone afterwards, unless it was renamed."""
    data.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=data.parent, prefix=f".{data.name}.loading-"))
    try:
        yield work
    finally:
        if work.exists():
            shutil.rmtree(work)


def _unpack(source: BinaryIO, work: Path, progress: Callable[[int], object]) -> None:
    """Write the members under `work`, and hold them against the manifest. Raises SnapshotRefused."""
    found: dict[str, list[int | str]] = {}
    manifest: bytes | None = None
    for number, (name, size) in enumerate(_members(source)):
        if number == 0:
            _check_opening(name, _small(source, size))
        elif name == _MANIFEST:
            manifest = _small(source, size)
        elif manifest is not None or name in found or not _NAMES.fullmatch(name):
            raise SnapshotRefused(f"The snapshot holds {name!r}, which does not belong there.")
        else:
            found[name] = [size, _extract(source, size, work / name)]
        source.seek(-size % _RECORD, os.SEEK_CUR)
        progress(source.tell())
    if manifest is None:
        raise SnapshotRefused("The snapshot ends before its manifest.")
    try:
        listed = json.loads(manifest)["members"]
    except (ValueError, KeyError, TypeError):
        listed = None
    if listed != found:
        raise SnapshotRefused("The snapshot is damaged: its content is not what its manifest lists.")


def _members(source: BinaryIO) -> Iterator[tuple[str, int]]:
    """Yield name and size of each member, positioned at its content; the caller moves on to the next header.

    Plain files only, as save() writes them: a link, a device or an extended header is refused.
    """
    while True:
        header = source.read(_RECORD)
        if header == bytes(_RECORD):
            return
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise SnapshotRefused("The file is no snapshot, or it is damaged or cut short.") from error
        if info.type != tarfile.REGTYPE or info.linkname or info.size < 0:
            raise SnapshotRefused(f"The snapshot holds {info.name!r}, which is no plain file.")
        yield info.name, info.size


def _check_opening(name: str, content: bytes) -> None:
    try:
        found = json.loads(content)["format"] if name == _OPENING else None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, int):
        raise SnapshotRefused("The file is no snapshot of a region.")
    if found > FORMAT:
        raise SnapshotRefused(f"The snapshot was written by a newer awning: format {found}, this one knows {FORMAT}.")


def _small(source: BinaryIO, size: int) -> bytes:
    content = source.read(size) if size <= _SMALL else b""
    if len(content) != size:
        raise SnapshotRefused("The snapshot is damaged or cut short.")
    return content


def _extract(source: BinaryIO, size: int, path: Path) -> str:
    """Write one member; return its SHA-256."""
    digest = hashlib.sha256()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
        while size:
            block = source.read(min(size, _BLOCK))
            if not block:
                raise SnapshotRefused("The snapshot is cut short.")
            digest.update(block)
            out.write(block)
            size -= len(block)
    return digest.hexdigest()


def _place_key(work: Path, passphrase: str | None) -> None:
    """Unwrap the master key that came with the snapshot, if one did."""
    wrapped = work / _WRAPPED
    if not wrapped.exists():
        return
    if passphrase is None:
        raise SnapshotRefused("The snapshot carries its master key under a passphrase; give it to load the snapshot.")
    try:
        key = unwrap(wrapped.read_bytes(), passphrase)
    except Unsealable as error:
        raise SnapshotRefused("The passphrase is not the one that the snapshot was saved with.") from error
    put_key(work, key)
    wrapped.unlink()


def _check_content(work: Path) -> None:
    """Check what the checksums cannot tell: that this is a region we know, with sound databases."""
    region = work / "region.json"
    if not region.exists():
        raise SnapshotRefused("The snapshot holds no region.")
    try:
        check_format(work, region.read_bytes())
        for path in sorted(work.glob("rooms/*.db")):
            check_ours(path)
            address = f"file:{quote(str(path))}?mode=ro&immutable=1"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                connection.execute("PRAGMA trusted_schema = OFF")
                problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise SnapshotRefused(f"The snapshot's {path.name} is damaged: {problem}.")
    except FolderError as error:
        raise SnapshotRefused("The snapshot's region.json is damaged, or of a newer awning.") from error
    except (DataError, sqlite3.Error) as error:
        raise SnapshotRefused(f"The snapshot's database {path.name} is damaged.") from error
