"""Blobs: what is too large for a row, a file each. A blob is published whole and durable, or there is nothing of it.

A row refers to a blob only after it was published, and gives it up in a transaction; only then is the file removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from awning.store.completion import Completion
from awning.store.database import Database
from awning.store.errors import BlobFailed
from awning.store.files import remove, sync_folder
from awning.store.threads import in_thread
from awning.store.writer import Unit, Writer

T = TypeVar("T")

BLOB_NAME = re.compile(r"[0-9a-f]{32}")
_THREADS = 8
_SLICE = 1000
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_RESERVE = 64 << 20
"""Bytes of the disk, at most a tenth of it, that blobs leave to the databases: else nobody could delete anything any more."""


class Hasher(Protocol):
    """What a blob's bytes go through as they are written; hashlib's objects are such."""

    def update(self, data: Any, /) -> object: ...


class Blobs:
    """One room's blobs: `root/tmp/ID` while they are written, then `root/XX/ID`, where XX are the id's first two digits.

    An id is 32 hexadecimal digits; its last eight tell the process that made it, so that collect() leaves alone what this
    process has published and not yet committed. On the loop's thread only.
    """

    def __init__(self, root: Path, database: Database) -> None:
        self.root = root
        self._database = database
        self._process = os.urandom(4).hex()
        self._collecting = asyncio.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._durable: set[Path] = set()
        self._dropped: list[str] = []
        self.temporary = root / "tmp"
        if self.temporary.exists():
            for name in os.listdir(self.temporary):
                os.unlink(self.temporary / name)

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads that write, hash and remove; they start when first needed."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_THREADS, f"blobs-{self.root.name}")
        return self._executor

    def create(self) -> BlobWriter:
        """Begin a new blob."""
        return BlobWriter(self, os.urandom(12).hex() + self._process)

    def renew(self) -> None:
        """After the room was emptied: let collect() look at all that was published until now, too."""
        self._process = os.urandom(4).hex()
        self._dropped.clear()

    def path(self, blob: str) -> Path:
        return self.root / blob[:2] / blob

    def open(self, blob: str) -> int:
        """Return a descriptor to read from, the caller's to close.

        Open in the same turn of the loop in which the row was read; the file then stays readable, whatever is discarded
        later. Raises FileNotFoundError.
        """
        return os.open(self.path(blob), os.O_RDONLY | os.O_CLOEXEC)

    def size(self, blob: str) -> int:
        """Return a blob's bytes. Raises FileNotFoundError."""
        return self.path(blob).stat().st_size

    def discard(self, db: sqlite3.Connection, blob: str) -> None:
        """Give a blob up in the caller's transaction; its file goes after the commit."""
        db.execute("INSERT OR IGNORE INTO _garbage VALUES (?)", (blob,))

    def drop(self, blob: str) -> None:
        """Give up a published blob whose row was certainly not committed; its file goes with the next sweep."""
        self._dropped.append(blob)

    async def sweep(self, writer: Writer, limit: int = 256) -> int:
        """Remove dropped files, and up to `limit` that committed transactions have given up; return how many.

        Waits while paused.
        """
        async with self._collecting:
            dropped, self._dropped = self._dropped, []
            rows = self._database.reader.execute("SELECT blob FROM _garbage LIMIT ?", (limit,)).fetchall()
            blobs = [row[0] for row in rows]
            if blobs or dropped:
                await in_thread(self.executor, partial(self._unlink, blobs + dropped))
            if blobs:
                forgotten = _Forget(blobs)
                writer.submit(forgotten)
                await forgotten.completion
            return len(blobs) + len(dropped)

    async def collect(self, known: Callable[[Sequence[str]], Iterable[str]]) -> int:
        """Remove the blobs of earlier processes that no row refers to (a crash between publication and commit).

        `known(ids)` gives those that rows refer to, at most 1,000 ids a call, from committed state on the loop's thread.
        Returns how many were removed. Waits while paused.
        """
        removed = 0
        for shard in await in_thread(self.executor, self._shards):
            names = await in_thread(self.executor, partial(os.listdir, self.root / shard))
            strangers = [name for name in names if BLOB_NAME.fullmatch(name) and not name.endswith(self._process)]
            for start in range(0, len(strangers), _SLICE):
                async with self._collecting:
                    ids = strangers[start : start + _SLICE]
                    lost = set(ids).difference(known(ids))
                    if lost:
                        removed += await in_thread(self.executor, partial(self._unlink, lost))
        return removed

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Remove no file until left: what committed state refers to now stays there. Waits for a pass under way."""
        async with self._collecting:
            yield

    def published(self) -> list[str]:
        """Return the ids of all published blobs. Reads folders: for worker threads."""
        return [name for shard in self._shards() for name in os.listdir(self.root / shard) if BLOB_NAME.fullmatch(name)]

    def close(self) -> None:
        """Wait for the threads to finish what they do."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def ensure(self, folder: Path) -> None:
        """Have a folder of ours, durably: once per process, since an earlier one may have died in between. In threads."""
        if folder not in self._durable:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self.root)
            sync_folder(self.root.parent)
            self._durable.add(folder)

    def _shards(self) -> list[str]:
        if not self.root.exists():
            return []
        return sorted(name for name in os.listdir(self.root) if re.fullmatch(r"[0-9a-f]{2}", name))

    def _unlink(self, blobs: Iterable[str]) -> int:
        return sum(remove(self.path(blob)) for blob in blobs)


class BlobWriter:
    """One blob on its way in.

    Each method starts its work in a thread at once, in order, and returns a completion; to overlap, await a write only before
    the next but one. After an error the blob is void and nothing of it is left; abort() may always be called.
    """

    __slots__ = (
        "_aborted",
        "_blobs",
        "_busy",
        "_failed",
        "_fd",
        "_jobs",
        "_path",
        "_placed",
        "_publication",
        "id",
        "size",
    )

    def __init__(self, blobs: Blobs, id: str) -> None:
        self.id = id
        self.size = 0
        """Bytes written so far; grows in the thread."""
        self._blobs = blobs
        self._path = blobs.temporary / id
        self._fd = -1
        self._jobs: deque[tuple[Callable[[], Any], Completion[Any]]] = deque()
        self._busy = False
        self._aborted = False
        self._placed = False
        self._failed: tuple[str, bool] | None = None
        self._publication: Completion[str] | None = None

    def write(
        self,
        data: bytes | bytearray | memoryview,
        hashers: Sequence[Hasher] = (),
        through: Callable[[Any], bytes] | None = None,
    ) -> Completion[None]:
        """Append, and call each hasher's update(data), in a thread; blocks of 1 MiB or more are worth the way there.

        through: what is written is `through(data)`, made in the thread (a cipher); the hashers see the data itself. Done once the
        system has the bytes and the hashers have been updated. Raises BlobFailed.
        """
        return self._start(partial(self._write, data, hashers, through))

    def publish(self) -> Completion[str]:
        """Make the blob durable under its id, which is the result. What is published, a row must refer to; if none ever does,
        discard() it, or a later start's collect() finds it. Raises BlobFailed."""
        if self._publication is not None:
            raise RuntimeError("A blob is published once.")
        self._publication = self._start(self._publish)
        return self._publication

    def abort(self) -> Completion[None]:
        """Remove what was written, after what is under way; nothing happens where the caller already has the published id."""
        given = self._publication is not None and self._publication.done() and not self._publication.cancelled()
        if given or self._aborted:
            done: Completion[None] = Completion()
            done.set_result(None)
            return done
        self._aborted = True
        return self._start(self._clean)

    def _start(self, job: Callable[[], T]) -> Completion[T]:
        completion: Completion[T] = Completion()
        self._jobs.append((job, completion))
        if not self._busy:
            self._next()
        return completion

    def _next(self) -> None:
        self._busy = bool(self._jobs)
        if self._jobs:
            job, completion = self._jobs.popleft()
            in_thread(self._blobs.executor, job).add_done_callback(partial(self._finished, completion))

    def _finished(self, completion: Completion[Any], done: Completion[Any]) -> None:
        self._next()
        error = done.exception()
        if error is None:
            completion.set_result(done.result())
        else:
            completion.set_exception(error)

    # From here on: in the thread, one job at a time.

    def _write(
        self,
        data: bytes | bytearray | memoryview,
        hashers: Sequence[Hasher],
        through: Callable[[Any], bytes] | None,
    ) -> None:
        view = memoryview(data if through is None else through(data))
        with self._guarded():
            self._open()
            _check_space(self._fd, len(view))
            while view:
                written = os.write(self._fd, view)
                self.size += written
                view = view[written:]
        for hasher in hashers:
            hasher.update(data)

    def _publish(self) -> str:
        place = self._blobs.path(self.id)
        with self._guarded():
            self._open()
            os.fsync(self._fd)
            self._close()
            self._blobs.ensure(place.parent)
            os.rename(self._path, place)
            self._placed = True
            # The folder it came from needs no fsync: should its old name come back, the next start removes it.
            sync_folder(place.parent)
        return self.id

    def _open(self) -> None:
        if self._fd < 0:
            self._blobs.ensure(self._blobs.temporary)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def _guarded(self) -> Any:
        """Turn a system's error into BlobFailed, and leave nothing behind."""
        if self._failed is not None:
            raise BlobFailed(*self._failed)
        if self._aborted:
            raise BlobFailed("The blob was given up.")
        try:
            yield
        except OSError as error:
            self._failed = (f"A blob was not stored: {error.strerror}.", error.errno in _NO_SPACE)
            self._clean()
            raise BlobFailed(*self._failed) from error

    def _clean(self) -> None:
        self._close()
        remove(self._path)
        if self._placed:
            remove(self._blobs.path(self.id))

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def _check_space(fd: int, length: int) -> None:
    """Raises OSError where so many bytes would leave too little of the disk."""
    disk = os.fstatvfs(fd)
    if (disk.f_bavail * disk.f_frsize - length) < min(_RESERVE, disk.f_blocks * disk.f_frsize // 10):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Forget(Unit):
    """Forgets garbage whose files are gone."""

    __slots__ = ("blobs", "completion")

    def __init__(self, blobs: Sequence[str]) -> None:
        super().__init__()
        self.blobs = blobs
        self.completion: Completion[None] = Completion()

    def run(self, db: sqlite3.Connection) -> None:
        db.executemany("DELETE FROM _garbage WHERE blob = ?", [(blob,) for blob in self.blobs])

    def settled(self, error: BaseException | None) -> None:
        if error is None:
            self.completion.set_result(None)
        else:
            self.completion.set_exception(error)
