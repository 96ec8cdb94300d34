"""Group commit: order, isolation, undo, and what becomes of a batch when the database fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from awning.store.database import Database
from awning.store.errors import BatchFailed, WritesRefused
from awning.store.writer import Limits, Writer
from tests.store.support import Work, insert, outcome, submit, values, with_writer


def test_one_turn_of_the_loop_is_one_batch_in_order(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        done = [submit(writer, insert(str(number))) for number in range(100)]
        assert writer.queued == 100
        assert [await one for one in done] == list(range(1, 101))
        assert values(database.reader) == [str(number) for number in range(100)]
        assert writer.stats.batches == 1
        assert writer.stats.units == 100
        assert sum(writer.stats.commits.buckets) == 1
        assert writer.stats.sizes.total == 100

    with_writer(tmp_path / "a.db", body)


def test_a_batch_is_limited(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        await asyncio.gather(*[submit(writer, insert("x")) for _ in range(25)])
        assert writer.stats.batches == 3
        assert writer.stats.sizes.total == 25

    with_writer(tmp_path / "a.db", body, limits=Limits(units=10))


def test_readers_see_nothing_of_a_batch_before_its_commit(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        seen: list[Any] = []

        def look(unit: Work, db: sqlite3.Connection) -> None:
            insert("mine")(unit, db)
            seen.append((values(db), values(database.reader)))

        await submit(writer, look)
        assert seen == [(["mine"], [])]
        assert values(database.reader) == ["mine"]

    with_writer(tmp_path / "a.db", body)


def test_a_failing_unit_is_rolled_back_alone_and_undone_backwards(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        undone: list[str] = []

        def fail(unit: Work, db: sqlite3.Connection) -> None:
            for name in ("first", "second", "third"):
                insert(name)(unit, db)
                unit.undo.append(lambda name=name: undone.append(name))  # type: ignore[misc]
            raise KeyError("the unit's own")

        before, failed, after = submit(writer, insert("a")), submit(writer, fail), submit(writer, insert("b"))
        assert await outcome(before) == 1
        assert isinstance(await outcome(failed), KeyError)
        assert await outcome(after) == 2
        assert values(database.reader) == ["a", "b"]
        assert undone == ["third", "second", "first"]

    with_writer(tmp_path / "a.db", body)


def test_a_constraint_fails_its_unit_only(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        results = [submit(writer, insert("x", id=number)) for number in (1, 1, 2)]
        outcomes = [await outcome(one) for one in results]
        assert isinstance(outcomes[1], sqlite3.IntegrityError)
        assert (outcomes[0], outcomes[2]) == (1, 2)
        assert writer.broken is None

    with_writer(tmp_path / "a.db", body)


def test_commit_runs_in_its_thread_and_a_batch_that_wrote_nothing_does_not(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        threads: list[str] = []
        writer._db.set_trace_callback(
            lambda sql: threads.append(threading.current_thread().name) if sql == "COMMIT" else None
        )
        await submit(writer, lambda unit, db: values(db))
        assert threads == [threading.main_thread().name]
        assert (writer.stats.batches, writer.stats.idle_batches) == (0, 1)
        await submit(writer, insert("x"))
        assert threads[1:] == ["commit-test"]
        assert writer.stats.batches == 1

    with_writer(tmp_path / "a.db", body)


def let_commit_fail(database: Database) -> None:
    """Add a table whose orphans only COMMIT finds."""
    database.writer.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    database.writer.execute("CREATE TABLE child (p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")


def test_when_commit_fails_every_unit_fails_and_memory_goes_back_in_reverse(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        let_commit_fail(database)
        undone: list[str] = []

        def good(name: str) -> Callable[[Work, sqlite3.Connection], None]:
            def run(unit: Work, db: sqlite3.Connection) -> None:
                insert(name)(unit, db)
                unit.undo += [lambda: undone.append(name + "1"), lambda: undone.append(name + "2")]

            return run

        def orphan(unit: Work, db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO child VALUES (5)")
            unit.undo.append(lambda: undone.append("orphan"))

        def refuse(unit: Work, db: sqlite3.Connection) -> None:
            raise LookupError("decided on what never was")

        done = [submit(writer, unit) for unit in (good("a"), refuse, orphan, good("b"))]
        for one in done:
            error = await outcome(one)
            assert isinstance(error, BatchFailed)
            assert not error.full
            assert isinstance(error.__cause__, sqlite3.IntegrityError)
        assert undone == ["b2", "b1", "orphan", "a2", "a1"]
        assert values(database.reader) == []
        assert writer.stats.failed == 1
        assert writer.broken is None
        assert await submit(writer, insert("next")) == 1

    with_writer(tmp_path / "a.db", body)


def test_a_full_database_fails_its_batch_and_takes_the_next_when_there_is_space(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        assert await submit(writer, insert("kept")) == 1
        (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
        database.writer.execute(f"PRAGMA max_page_count = {pages}")
        undone: list[int] = []

        def large(unit: Work, db: sqlite3.Connection) -> None:
            unit.undo.append(lambda: undone.append(1))
            insert("x" * 100_000)(unit, db)

        small, big = submit(writer, insert("small")), submit(writer, large)
        outcomes = [await outcome(small), await outcome(big)]
        assert isinstance(outcomes[1], BatchFailed)
        assert outcomes[1].full
        assert undone == [1]
        # SQLite may or may not have kept the transaction: what was acknowledged is what is there.
        assert values(database.reader) == (["kept", "small"] if outcomes[0] == 2 else ["kept"])
        assert writer.broken is None
        database.writer.execute("PRAGMA max_page_count = 100000")
        assert isinstance(await submit(writer, large), type(None))

    with_writer(tmp_path / "a.db", body)


def test_a_transaction_that_the_database_ended_takes_the_whole_batch_with_it(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        undone: list[str] = []

        def good(unit: Work, db: sqlite3.Connection) -> None:
            insert("a")(unit, db)
            unit.undo.append(lambda: undone.append("good"))

        def abort(unit: Work, db: sqlite3.Connection) -> None:
            unit.undo.append(lambda: undone.append("abort"))
            db.execute("INSERT OR ROLLBACK INTO item (id, value) VALUES (1, 'again')")

        first, second, third = submit(writer, good), submit(writer, abort), submit(writer, insert("later"))
        assert isinstance(await outcome(first), BatchFailed)
        assert isinstance(await outcome(second), BatchFailed)
        assert await outcome(third) == 1  # had not run yet: it gets a batch of its own
        assert undone == ["abort", "good"]
        assert values(database.reader) == ["later"]

    with_writer(tmp_path / "a.db", body)


def test_an_undo_that_fails_breaks_the_writer(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        broken: list[BaseException] = []
        writer._on_broken = broken.append

        def fail(unit: Work, db: sqlite3.Connection) -> None:
            unit.undo.append(lambda: [].pop())
            raise KeyError("x")

        await outcome(submit(writer, fail))
        assert isinstance(writer.broken, IndexError)
        assert broken == [writer.broken]
        refused = await outcome(submit(writer, insert("a")))
        assert isinstance(refused, WritesRefused)
        assert refused.__cause__ is writer.broken

    with_writer(tmp_path / "a.db", body)


def test_units_queue_while_commit_runs_and_join_one_batch(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        first = submit(writer, insert("first"))
        await asyncio.sleep(0)
        assert writer._committing
        rest = []
        for number in range(5):  # over several turns of the loop, while COMMIT may still run
            rest.append(submit(writer, insert(str(number))))
        assert writer.stats.batches == 0
        await first
        await asyncio.gather(*rest)
        assert writer.stats.batches == 2

    with_writer(tmp_path / "a.db", body)


def test_hold_waits_for_the_running_batch_and_keeps_others_queued(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        first = submit(writer, insert("first"))
        await asyncio.sleep(0)
        assert writer._committing
        async with writer.hold():
            assert first.done()
            second = submit(writer, insert("second"))
            async with writer.hold():
                await asyncio.sleep(0.01)
            assert not second.done()
            assert values(database.reader) == ["first"]
        assert await second == 2

    with_writer(tmp_path / "a.db", body)


def test_close_finishes_what_is_queued_and_refuses_the_rest(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        done = [submit(writer, insert(str(number))) for number in range(30)]
        await writer.close()
        assert all(one.done() for one in done)
        assert len(values(database.reader)) == 30
        assert isinstance(await outcome(submit(writer, insert("late"))), WritesRefused)

    with_writer(tmp_path / "a.db", body, limits=Limits(units=10))


def test_a_unit_that_fails_to_settle_does_not_harm_the_others(tmp_path: Path) -> None:
    async def body(database: Database, writer: Writer) -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

        class Unsettling(Work):
            def settled(self, error: BaseException | None) -> None:
                raise IndexError

        writer.submit(Unsettling(insert("a")))
        assert await submit(writer, insert("b")) == 2
        assert isinstance(reported[0], IndexError)

    with_writer(tmp_path / "a.db", body)
