"""A process that works on a store until it is killed: `python -m tests.faults.fsync.child FOLDER [PRAGMA …]`.

It writes a line per thing that happened, with the monotonic time: "try", "ack", "drop", "gone", "error".
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from awning.store.blobs import Blobs
from awning.store.database import Database
from awning.store.errors import StoreError
from awning.store.writer import Writer
from tests.store.support import SCHEMA, Work, insert, submit

CLIENTS = 6


def say(what: str, name: str) -> None:
    print(what, name, time.monotonic_ns(), flush=True)


def content(name: str) -> bytes:
    return name.encode() * 100


async def client(number: int, writer: Writer, blobs: Blobs) -> None:
    """Put rows, every third with a blob of its name; drop every fourth."""
    turn = 0
    while True:
        turn += 1
        name = f"row-{number:02}-{turn:08}"
        try:
            if turn % 3 == 0:
                blob = blobs.create()
                name = blob.id
                say("try", name)
                try:
                    await blob.write(content(name))
                    await blob.publish()
                finally:
                    await blob.abort()
            else:
                say("try", name)
            await submit(writer, insert(name))
            say("ack", name)
            if turn % 4 == 0:
                say("drop", name)
                await submit(writer, drop(blobs, name))
                say("gone", name)
                await blobs.sweep(writer)
        except StoreError as error:
            say("error", f"{type(error).__name__}:{'full' if getattr(error, 'full', False) else ''}")
            await asyncio.sleep(0.002)


def drop(blobs: Blobs, name: str) -> Callable[[Work, sqlite3.Connection], None]:
    def run(unit: Work, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM item WHERE value = ?", (name,))
        if not name.startswith("row-"):
            blobs.discard(db, name)

    return run


async def main(path: Path, pragmas: list[str]) -> None:
    database = Database(path / "a.db", SCHEMA)
    for pragma in pragmas:
        database.writer.execute(f"PRAGMA {pragma}").fetchall()
    writer = Writer(database, name="test", on_broken=lambda error: say("broken", type(error).__name__))
    blobs = Blobs(path / "blobs" / "s3", database)
    await asyncio.gather(*(client(number, writer, blobs) for number in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
