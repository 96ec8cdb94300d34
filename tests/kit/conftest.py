"""Rooms for tests of the runtime: real databases, a small service that keeps notes, and a region of two such rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from awning.auth.principal import root_of
from awning.kit.call import Call, Facts
from awning.kit.clock import Clock
from awning.kit.room import Room
from awning.kit.service import Service
from awning.store.folder import DataFolder
from awning.store.schema import Schema

NOTES = Schema(("CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL)",))


class Notes:
    """Derived memory: how many notes there are."""

    def __init__(self, db: Any) -> None:
        (self.count,) = db.execute("SELECT count(*) FROM notes").fetchone()


def put(call: Call, name: str, text: str) -> str:
    """Write a note, and count it in memory."""
    call.db.execute("INSERT INTO notes VALUES (?, ?)", (name, text))
    memory = call.memory

    def count(step: int) -> None:
        memory.count += step

    call.apply(lambda: count(1), lambda: count(-1))
    call.wake("notes")
    return name


def get(call: Call, name: str) -> str | None:
    row = call.db.execute("SELECT text FROM notes WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def wait_for(call: Call, name: str, seconds: float, retry_at: float | None = None) -> str | None:
    """Return a note, waiting for it."""
    found = get(call, name)
    if found is None:
        call.wait("notes", seconds, retry_at)
    return found


@dataclass
class Around:
    """A region of rooms as Room sees it."""

    rooms: dict[str, Room] = field(default_factory=dict)
    sent_by: list[str] = field(default_factory=list)
    failures: list[tuple[str, BaseException]] = field(default_factory=list)
    on_sent: Callable[[Room], None] | None = None

    def ask(self, question: Any, facts: Facts) -> Any:
        for room in self.rooms.values():
            if type(question) in room.service.answers:
                return room.answer(question, facts)
        raise LookupError(type(question).__name__)

    def sent(self, room: Room) -> None:
        self.sent_by.append(room.name)
        if self.on_sent:
            self.on_sent(room)

    def broken(self, room: Room, error: BaseException) -> None:
        self.failures.append((room.name, error))


class Workshop:
    """Makes rooms on a data folder of the test's own."""

    def __init__(self, path: Path) -> None:
        self.folder = DataFolder.open(path)
        self.clock = Clock()
        self.around = Around()

    def room(self, name: str = "notes", **given: Any) -> Room:
        service = Service(
            name=name, model=name, protocols=(), modules=(ModuleType("none"),), schema=NOTES, memory=Notes, **given
        )
        room = Room(service, self.folder, self.clock, self.around)
        self.around.rooms[name] = room
        return room

    async def close(self) -> None:
        for room in self.around.rooms.values():
            await room.close()
        self.around.rooms.clear()


def facts() -> Facts:
    return Facts(request_id="request", principal=root_of("000000000000"), account="000000000000", region="us-east-1")


@pytest.fixture
def workshop(tmp_path: Path) -> Any:
    made = Workshop(tmp_path / "data")
    yield made
    made.folder.close()


def run(coroutine: Any) -> Any:
    """Run a test's coroutine on a loop of its own."""
    return asyncio.run(asyncio.wait_for(coroutine, 30))
