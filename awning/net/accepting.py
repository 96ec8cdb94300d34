"""Accepts connections by the hundred. libuv, and so uvloop, takes one per turn of the loop: with a busy loop, a turn of many
requests, a new client would wait for seconds behind those that are connected already.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

_AT_ONCE = 256
_REST = 0.1
"""Seconds without accepting after the system had no descriptor or memory left."""


class Acceptor:
    """Takes connections from a listening socket until closed. `failed(reason)` is called where the system refuses one."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        backlog: int,
        factory: Callable[[], asyncio.Protocol],
        failed: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._socket = listening
        self._factory = factory
        self._failed = failed
        self._attaching: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False
        listening.listen(backlog)
        loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._closed:
            return
        self._closed = True
        if self._resting is not None:
            self._resting.cancel()
        else:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                one, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._failed(f"accept: {error.strerror}")
                self._loop.remove_reader(self._socket.fileno())
                self._resting = self._loop.call_later(_REST, self._go_on)
                return
            one.setblocking(False)
            if one.family != socket.AF_UNIX:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._attach(one))
            self._attaching.add(task)
            task.add_done_callback(self._attaching.discard)

    def _go_on(self) -> None:
        self._resting = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    async def _attach(self, one: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, one)
        except OSError as error:
            self._failed(f"accept: {error.strerror}")
            with contextlib.suppress(OSError):
                one.close()
