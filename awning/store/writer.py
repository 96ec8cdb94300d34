"""Writer: group commit. Units run one after another in one transaction per batch; COMMIT runs in a thread of its own.

No unit is settled, errors included, before the fsync of the batch it ran in. Statements run on the loop's thread only.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from awning.store.database import FULL, Database
from awning.store.errors import BatchFailed, WritesRefused

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)

_BREAKING = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY)


class Unit:
    """One unit of work: what a call does to the database, and what becomes of it.

    `undo` takes back, in reverse order, what run() did to memory.
    """

    __slots__ = ("undo",)

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []

    def run(self, db: sqlite3.Connection) -> None:
        """Do the work, inside a savepoint that never ends here. What it raises rolls back this unit alone."""
        raise NotImplementedError

    def settled(self, error: BaseException | None) -> None:
        """Take the outcome, on the loop's thread: None once it is on disk; what run() raised; BatchFailed, which also
        stands for the unit's own want of space; or WritesRefused."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is full: `units`, or `seconds` of statements."""

    units: int = 256
    seconds: float = 0.005


@dataclass(slots=True)
class Histogram:
    """Counts per upper bound, the last one for all above; `total` is the sum of what was observed."""

    bounds: tuple[float, ...]
    buckets: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Stats:
    """What a writer has done since it started.

    `batches` wrote, `idle_batches` only read, `failed` were rolled back. `commits` is the COMMIT with its fsync,
    in its thread; `turns` the time from handing it over until the loop knew; `sizes` the units per batch
    that wrote.
    """

    batches: int = 0
    idle_batches: int = 0
    failed: int = 0
    units: int = 0
    commits: Histogram = field(default_factory=lambda: Histogram(_SECONDS))
    turns: Histogram = field(default_factory=lambda: Histogram(_SECONDS))
    sizes: Histogram = field(default_factory=lambda: Histogram(_SIZES))


class Writer:
    """Runs units on one database's write connection. For the loop's thread only.

    `on_broken(error)` is called once, when writes are refused from then on. A full disk breaks nothing: its batch
    fails, and the next one may succeed.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        limits: Limits = Limits(),
        on_broken: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.name = name
        self.broken: BaseException | None = None
        self.stats = Stats()
        self._database = database
        self._db = database.writer
        self._execute = database.writer.cursor().execute
        self._limits = limits
        self._on_broken = on_broken
        self._queue: deque[Unit] = deque()
        self._batch: list[Unit] = []
        self._errors: dict[int, BaseException] = {}
        self._handed_over = 0.0
        self._scheduled = False
        self._committing = False
        self._holds = 0
        self._closed = False
        self._idle_waiters: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[bool] = queue.SimpleQueue()

    @property
    def queued(self) -> int:
        """Units that wait for a batch."""
        return len(self._queue)

    def submit(self, unit: Unit) -> None:
        """Run the unit in the next batch. All that is submitted in this turn of the loop joins it."""
        self._queue.append(unit)
        if not self._scheduled:
            self._schedule()

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Wait for the running batch and start no other until left: committed state stands still. Units only queue."""
        self._holds += 1
        try:
            while self._committing:
                await self._until_idle()
            yield
        finally:
            self._holds -= 1
            if self._queue and not self._scheduled:
                self._schedule()

    async def drain(self) -> None:
        """Return once nothing is queued or being committed."""
        while self._queue or self._committing or self._scheduled:
            await self._until_idle()

    async def close(self) -> None:
        """Finish what is queued, refuse what comes later, and end the thread. The database stays open."""
        await self.drain()
        self._closed = True
        if self._thread is not None:
            self._jobs.put(False)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            self._thread = None

    # The turn of a batch: _schedule -> _run -> (thread) _commit_forever -> _committed -> _settle -> _schedule

    def _schedule(self) -> None:
        if self._committing or self._holds:
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._scheduled = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        """Run one batch's statements, and hand its COMMIT over."""
        self._scheduled = False
        if self._holds or not self._queue:
            self._rest()
            return
        if self.broken is not None or self._closed:
            self._refuse()
            return
        db = self._db
        changes = db.total_changes
        failure = self._run_units()
        if failure is None and db.total_changes != changes:
            self._hand_over()
            return
        if failure is None:
            failure = _commit(db)
            self.stats.idle_batches += 1
        else:
            failure = _roll_back(db, failure)
        self._settle(failure)

    def _run_units(self) -> BaseException | None:
        """Run units until the batch is full; return the error that ended the whole transaction, if one did."""
        db, execute, waiting = self._db, self._execute, self._queue
        batch = self._batch
        deadline = time.perf_counter() + self._limits.seconds
        try:
            execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            while waiting and len(batch) < self._limits.units:
                batch.append(waiting.popleft())
            return error
        while waiting:
            unit = waiting.popleft()
            batch.append(unit)
            try:
                execute("SAVEPOINT unit")
                unit.run(db)
                execute("RELEASE unit")
            except BaseException as error:
                # A full disk or an I/O error may have ended the transaction, and with it every unit before this one.
                if not db.in_transaction or not self._roll_back(unit):
                    return error
                if isinstance(error, sqlite3.Error) and _breaks(error):
                    return error
                self._errors[len(batch) - 1] = BatchFailed(error, True) if _is_full(error) else error
            if len(batch) >= self._limits.units or time.perf_counter() >= deadline:
                break
        return None

    def _roll_back(self, unit: Unit) -> bool:
        """Roll back this unit alone; False where only the whole batch can be."""
        try:
            self._execute("ROLLBACK TO unit")
            self._execute("RELEASE unit")
        except sqlite3.Error:
            return False
        self._take_back(unit)
        return True

    def _take_back(self, unit: Unit) -> None:
        undo = unit.undo
        while undo:
            step = undo.pop()
            try:
                step()
            except Exception as error:
                self._break(error)

    def _hand_over(self) -> None:
        self._committing = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._commit_forever, name=f"commit-{self.name}", daemon=True)
            self._thread.start()
        self._handed_over = time.perf_counter()
        self._jobs.put(True)

    def _commit_forever(self) -> None:
        """The thread: one COMMIT per job. It touches nothing but the connection, and the loop does not meanwhile."""
        assert self._loop is not None
        while self._jobs.get():
            started = time.perf_counter()
            error = _commit(self._db)
            self._loop.call_soon_threadsafe(self._committed, error, time.perf_counter() - started)

    def _committed(self, error: BaseException | None, seconds: float) -> None:
        self._committing = False
        stats = self.stats
        stats.batches += 1
        stats.commits.observe(seconds)
        stats.turns.observe(time.perf_counter() - self._handed_over)
        stats.sizes.observe(len(self._batch))
        self._settle(error)

    def _settle(self, failure: BaseException | None) -> None:
        """Tell every unit of the batch what became of it, and go on with the next batch."""
        batch, errors = self._batch, self._errors
        self._batch, self._errors = [], {}
        self.stats.units += len(batch)
        outcome: BaseException | None = None
        if failure is not None:
            # An error that a unit raised itself may rest on what another unit of this batch did: it is void too.
            errors = {}
            outcome = BatchFailed(failure, _is_full(failure))
            self.stats.failed += 1
            for unit in reversed(batch):
                self._take_back(unit)
            if _breaks(failure):
                self._break(failure)
        for index, unit in enumerate(batch):
            self._tell(unit, errors.get(index, outcome) if errors else outcome)
        self._rest()

    def _tell(self, unit: Unit, error: BaseException | None) -> None:
        try:
            unit.settled(error)
        except Exception as failure:
            assert self._loop is not None
            self._loop.call_exception_handler(
                {"message": f"{self.name}: a unit failed to settle.", "exception": failure}
            )

    def _refuse(self) -> None:
        refused, self._queue = self._queue, deque()
        why = "it is closed" if self.broken is None else str(self.broken)
        for unit in refused:
            self._tell(
                unit, WritesRefused(f"{self.name} takes no writes until it is started again: {why}", self.broken)
            )
        self._rest()

    def _rest(self) -> None:
        """Let those know who wait for the end of a batch, and start the next one where there is work."""
        waiters, self._idle_waiters = self._idle_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._queue and not self._scheduled:
            self._schedule()

    async def _until_idle(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle_waiters.append(waiter)
        await waiter

    def _break(self, error: BaseException) -> None:
        """Refuse writes from now on, and have the next start check the file."""
        if self.broken is not None:
            return
        self.broken = error
        try:
            self._database.suspect(f"{type(error).__name__}: {error}")
        except OSError as failure:
            # The mark is lost with the disk that failed; the start still folds the log before anyone reads.
            error.add_note(f"The file could not be marked for checking: {failure}")
        if self._on_broken is not None:
            self._on_broken(error)


def _commit(db: sqlite3.Connection) -> BaseException | None:
    """End the transaction; where that fails, roll it back and return the error."""
    try:
        db.execute("COMMIT")
    except sqlite3.Error as error:
        return _roll_back(db, error)
    return None


def _roll_back(db: sqlite3.Connection, cause: BaseException) -> BaseException:
    """Roll back whatever the error left of the transaction; return the error that decides what follows."""
    if db.in_transaction:
        try:
            db.execute("ROLLBACK")
        except sqlite3.Error as error:
            return error
    return cause


def _is_full(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) in FULL


def _breaks(error: BaseException) -> bool:
    """Whether the database is not to be trusted with another write after this error."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code not in FULL and (code & 0xFF) in _BREAKING
