"""Keeps what principals were seen to do over a stop: a file of the data folder, written now and then and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import orjson

from awning.store.files import write_whole

NAME = "trail.json"
_EVERY = 10.0
_SLICE = 64 * 1024
"""Bytes that are made between two turns of the loop."""


class Observation(Protocol):
    """What is kept: `changes` counts what was new; `pieces` are a JSON file's, for `restore`."""

    changes: int

    def pieces(self) -> Iterator[bytes]: ...

    def restore(self, saved: Any) -> None: ...


class TrailFile:
    """`report` is called with a line where the file is damaged or cannot be written; the region works without it."""

    def __init__(self, folder: Path, trail: Observation, report: Callable[[str], None], name: str = NAME) -> None:
        self._path = folder / name
        self._trail = trail
        self._report = report
        self._written = 0
        self._writing = asyncio.Lock()
        """What is older must not be written after what is newer."""

    def load(self) -> None:
        """Take up what the last run wrote."""
        try:
            self._trail.restore(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._report(f"{self._path} is left aside: {error}")

    async def run(self) -> None:
        """Write when there was news; cancel it to stop."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.save()

    async def save(self) -> None:
        """Write now, unless nothing is new."""
        async with self._writing:
            changes = self._trail.changes
            if changes == self._written:
                return
            content = await self._content()
            try:
                await asyncio.to_thread(write_whole, self._path, content)
            except OSError as error:
                self._report(f"{self._path} was not written: {error}")
                return
            self._written = changes

    async def _content(self) -> bytes:
        parts, size = [], 0
        for piece in self._trail.pieces():
            parts.append(piece)
            size += len(piece)
            if size > _SLICE:
                size = 0
                await asyncio.sleep(0)
        return b"".join(parts)
