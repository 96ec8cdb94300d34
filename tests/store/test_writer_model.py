"""Batches of units that succeed, fail, fail to commit and end the transaction, held against a dictionary.

After each batch the table, what readers see, and the memory that units keep by their undo lists must be the same.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from awning.store.database import Database
from awning.store.errors import BatchFailed
from awning.store.schema import Schema
from awning.store.writer import Limits, Writer
from tests.store.support import Work, outcome, submit

SCHEMA = Schema(
    (
        """
        CREATE TABLE pair (key TEXT PRIMARY KEY, value INTEGER);
        CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
        """,
    )
)
MOST = 6

Op = tuple[str, str, int]
KEYS = st.sampled_from("abcd")
OPS = st.tuples(
    st.sampled_from(["put"] * 6 + ["delete"] * 3 + ["fail"] * 3 + ["refuse", "orphan", "end", "read"]),
    KEYS,
    st.integers(0, 99),
)


def expected(ops: list[Op], state: dict[str, int]) -> tuple[list[str], dict[str, int]]:
    """The obvious model: what each unit is told, and what is there in the end."""
    told: list[str] = []
    at = 0
    while at < len(ops):
        trial, lost = dict(state), False
        batch: list[str] = []
        while at < len(ops) and len(batch) < MOST:
            kind, key, value = ops[at]
            at += 1
            batch.append("failed" if kind in ("fail", "refuse") else "done")
            if kind == "put":
                trial[key] = value
            elif kind == "delete":
                trial.pop(key, None)
            lost = lost or kind in ("orphan", "end")
            if kind == "end":
                break
        told += ["batch failed"] * len(batch) if lost else batch
        state = state if lost else trial
    return told, state


class Batches(RuleBasedStateMachine):
    """One writer, and memory that its units change along with the table."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.database = Database(self.folder / "a.db", SCHEMA)
        self.writer = Writer(self.database, name="test", limits=Limits(units=MOST, seconds=60))
        self.memory: dict[str, int] = {}
        self.model: dict[str, int] = {}

    def teardown(self) -> None:
        self.runner.run(self.writer.close())
        self.runner.close()
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(ops=st.lists(OPS, min_size=1, max_size=20))
    def run(self, ops: list[Op]) -> None:
        told, self.model = expected(ops, self.model)

        async def main() -> list[str]:
            outcomes = [await outcome(each) for each in [submit(self.writer, self.unit(*op)) for op in ops]]
            return [name_of(each) for each in outcomes]

        assert self.runner.run(main()) == told

    @invariant()
    def table_readers_memory_and_model_agree(self) -> None:
        for db in (self.database.writer, self.database.reader):
            assert dict(db.execute("SELECT key, value FROM pair").fetchall()) == self.model
            assert db.execute("SELECT count(*) FROM child").fetchone() == (0,)
        assert self.memory == self.model
        assert not self.database.writer.in_transaction
        assert self.writer.broken is None

    def unit(self, kind: str, key: str, value: int) -> Callable[[Work, sqlite3.Connection], Any]:
        def run(unit: Work, db: sqlite3.Connection) -> None:
            # What a unit finds is what those before it in the batch left, in the table and in memory alike.
            row = db.execute("SELECT value FROM pair WHERE key = ?", (key,)).fetchone()
            assert (row and row[0]) == self.memory.get(key)
            if kind in ("put", "fail"):
                self.put(unit, db, key, value)
            elif kind == "delete":
                self.delete(unit, db, key)
            if kind == "fail":
                self.delete(unit, db, "a")
                self.put(unit, db, key, value + 1)
                raise KeyError(key)
            if kind == "refuse":
                db.execute("INSERT INTO pair (key, value) VALUES ('z', 1), ('z', 2)")
            if kind == "orphan":
                self.put(unit, db, key, value)
                db.execute("INSERT INTO child VALUES (7)")
            if kind == "end":
                self.put(unit, db, key, value)
                db.execute("INSERT OR ROLLBACK INTO pair (key, value) VALUES (?, 0)", (key,))

        return run

    def put(self, unit: Work, db: sqlite3.Connection, key: str, value: int) -> None:
        db.execute("INSERT OR REPLACE INTO pair (key, value) VALUES (?, ?)", (key, value))
        self.remember(unit, key)
        self.memory[key] = value

    def delete(self, unit: Work, db: sqlite3.Connection, key: str) -> None:
        db.execute("DELETE FROM pair WHERE key = ?", (key,))
        self.remember(unit, key)
        self.memory.pop(key, None)

    def remember(self, unit: Work, key: str) -> None:
        before = self.memory.get(key)

        def undo() -> None:
            if before is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = before

        unit.undo.append(undo)


def name_of(result: Any) -> str:
    if isinstance(result, BatchFailed):
        return "batch failed"
    return (
        "failed"
        if isinstance(result, KeyError | sqlite3.IntegrityError)
        else "done"
        if result is None
        else repr(result)
    )


TestBatches = Batches.TestCase
TestBatches.settings = settings(max_examples=20, stateful_step_count=6, deadline=None)
