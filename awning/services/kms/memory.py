"""What the room keeps in memory: guards (key policies with their grants, compiled) and opened materials, of committed state.

Each is made when it is first asked for, and forgotten after the commit of a change of its key.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from awning.kit.service import Guard

T = TypeVar("T")
_MOST = 2000
_THREADS = 2


class Kept:
    """At most `most` values, the longest unused dropped first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: dict[Hashable, Any] = {}

    def get(self, key: Hashable) -> Any:
        found = self._values.pop(key, None)
        if found is not None:
            self._values[key] = found
        return found

    def put(self, key: Hashable, value: Any) -> None:
        if len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        self._values[key] = value

    def drop(self, wanted: Callable[[Any], bool]) -> None:
        for key in [key for key in self._values if wanted(key)]:
            del self._values[key]

    def __repr__(self) -> str:
        return f"Kept({len(self._values)})"


class Memory:
    """The derived state of all keys.

    wanted: services' own keys (account, region, service) that were used and are not stored yet.
    """

    def __init__(self) -> None:
        self.guards: dict[str, Guard] = {}
        self.opened = Kept()
        self.wanted: set[tuple[str, str, str]] = set()
        self._workers: ThreadPoolExecutor | None = None

    def forget(self, *arns: str) -> None:
        """Forget what is kept of keys."""
        for arn in arns:
            self.guards.pop(arn, None)
        self.opened.drop(lambda key: key[0] in arns)

    def keep_guard(self, arn: str, guard: Guard) -> None:
        if len(self.guards) >= _MOST:
            del self.guards[next(iter(self.guards))]
        self.guards[arn] = guard

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run what takes more than a millisecond (RSA) beside the loop."""
        if self._workers is None:
            self._workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="kms")
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *args)


def build(db: sqlite3.Connection) -> Memory:
    """Nothing is read at start."""
    return Memory()
