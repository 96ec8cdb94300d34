"""What the room keeps in memory: the opened authorities, of committed state; and the threads in which keys are made."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from awning.services.acm.x509 import Authority

T = TypeVar("T")
_THREADS = 2


class Memory:
    """authorities: by their row's id. making: held while an authority is made."""

    def __init__(self) -> None:
        self.authorities: dict[int, Authority] = {}
        self.making = asyncio.Lock()
        self._workers: ThreadPoolExecutor | None = None

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run what takes more than a millisecond (keys, signatures, certificates) beside the loop."""
        if self._workers is None:
            self._workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="acm")
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *args)


def build(db: sqlite3.Connection) -> Memory:
    """Nothing is read at start."""
    return Memory()
