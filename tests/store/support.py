"""Helpers for the store's tests: a schema, a unit made of functions, and a stepper for coroutines without tasks."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from awning.store.completion import Completion
from awning.store.database import Database
from awning.store.schema import Schema
from awning.store.writer import Unit, Writer

SCHEMA = Schema(("CREATE TABLE item (id INTEGER PRIMARY KEY, value TEXT, part TEXT UNIQUE)",))


class Work(Unit):
    """A unit that calls `function(unit, db)`; its completion has the outcome."""

    __slots__ = ("completion", "function", "value")

    def __init__(self, function: Callable[[Work, sqlite3.Connection], Any]) -> None:
        super().__init__()
        self.function = function
        self.value: Any = None
        self.completion: Completion[Any] = Completion(asyncio.get_running_loop())

    def run(self, db: sqlite3.Connection) -> None:
        self.value = self.function(self, db)

    def settled(self, error: BaseException | None) -> None:
        if error is None:
            self.completion.set_result(self.value)
        else:
            self.completion.set_exception(error)


def submit(writer: Writer, function: Callable[[Work, sqlite3.Connection], Any]) -> Completion[Any]:
    unit = Work(function)
    writer.submit(unit)
    return unit.completion


def insert(value: str, id: int | None = None) -> Callable[[Work, sqlite3.Connection], Any]:
    def run(unit: Work, db: sqlite3.Connection) -> Any:
        return db.execute("INSERT INTO item (id, value) VALUES (?, ?)", (id, value)).lastrowid

    return run


def values(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT value FROM item ORDER BY id")]


async def outcome(completion: Completion[Any]) -> Any:
    """Return the result, or the exception."""
    try:
        return await completion
    except Exception as error:
        return error


def with_writer(path: Path, body: Callable[[Database, Writer], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run `body(database, writer)` on a loop of its own."""

    async def main() -> None:
        database = Database(path, SCHEMA)
        writer = Writer(database, name="test", **options)
        try:
            await body(database, writer)
        finally:
            await writer.close()
            database.close()

    asyncio.run(main())


def step(coroutine: Coroutine[Any, Any, Any], finished: Callable[[Any], None]) -> None:
    """Drive a coroutine without a task, as connections do."""

    def go(_: object = None) -> None:
        try:
            waits_for = coroutine.send(None)
        except StopIteration as stop:
            finished(stop.value)
            return
        waits_for._asyncio_future_blocking = False
        waits_for.add_done_callback(go)

    go()
