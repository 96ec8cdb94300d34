"""The HTTP server: listeners that come and go, the connections they accept, their limits, clock and counters.

Nothing here knows about AWS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import stat
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate

from awning.net.accepting import Acceptor
from awning.net.connection import Connection
from awning.net.limits import Limits
from awning.net.messages import Handler, Request
from awning.net.tls import Tls

OnError = Callable[[Request | None, BaseException], None]

_TICK = 0.05
_SWEPT_PER_TICK = 2000
_BACKLOG = 4096
_RESERVED_DESCRIPTORS = 128
_REFUSED_AT_ONCE = 100


@dataclass(slots=True)
class Counters:
    """Totals since the start, for /metrics. `refused` counts by reason, a fixed set of short texts."""

    accepted: int = 0
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class Listener:
    """An open port or socket file. `port` is the real one; 0 for a socket file."""

    def __init__(self, server: Server, servers: list[Acceptor], port: int, path: str | None) -> None:
        self._server = server
        self._servers = servers
        self._file = (path, os.stat(path).st_ino) if path is not None else None
        self.port = port

    async def close(self) -> None:
        """Accept no more. Connections that were accepted go on."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._server.listeners.discard(self)
        if self._file is not None:
            path, inode = self._file
            self._file = None
            _unlink_socket(path, inode)


class Server:
    """Serves HTTP/1.1 by one handler, on any number of listeners.

    `handler` must be an `async def`; see net/messages.py. `on_error(request, exception)` is called, once each, with
    what a handler or a response's iterator raised that was answered with 500 or by breaking off. Make it within the
    running loop.
    """

    def __init__(self, handler: Handler, *, on_error: OnError, limits: Limits | None = None) -> None:
        self.handler = handler
        self.on_error = on_error
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self.executor = ThreadPoolExecutor(4, thread_name_prefix="awning-net")
        self.counters = Counters()
        self.connections: set[Connection] = set()
        self.orphans: set[Connection] = set()
        """Connections that are gone, whose handler still runs."""
        self.listeners: set[Listener] = set()
        self.stopping = False
        self.now = self.loop.time()
        self.date = b""
        self._second = 0
        self._to_sweep: list[Connection] = []
        self._ticker: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Future[None] | None = None
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = min(self.limits.connections, max(descriptors - _RESERVED_DESCRIPTORS, 16))
        self._tick()

    async def listen(self, host: str, port: int, tls: Tls | None = None) -> Listener:
        """Listen on all addresses of `host`; 0 takes a free port. With `tls`, HTTPS and HTTP are served on the same
        port.

        Raises OSError where the address cannot be had.
        """
        found = await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
        sockets: list[socket.socket] = []
        try:
            for family, address in addresses:
                taken = sockets[0].getsockname()[1] if sockets else port
                sockets.append(_bound(family, (address[0], taken, *address[2:])))
            servers = [self._accepting(one, tls, control=False) for one in sockets]
        except OSError:
            for one in sockets:
                one.close()
            raise
        return self._opened(Listener(self, servers, sockets[0].getsockname()[1], None))

    async def listen_unix(self, path: str) -> Listener:
        """Listen on a socket file that only its owner can open; a stale one of that name is replaced. Raises
        OSError.
        """
        _unlink_socket(path, None)
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            one.setblocking(False)
            one.bind(path)
            os.chmod(path, 0o600)  # before listen(): nobody can have connected
            server = self._accepting(one, None, control=True)
        except OSError:
            one.close()
            raise
        return self._opened(Listener(self, [server], 0, path))

    async def stop(self, grace: float) -> None:
        """Accept no more, close idle connections, let running requests finish for `grace` seconds, then cancel them.

        A handler that waits for what cannot be cancelled is waited for another `grace` seconds at most.
        """
        self.stopping = True
        for listener in list(self.listeners):
            await listener.close()
        for connection in list(self.connections):
            if connection.idle:
                connection.shut()
        if not await self._quiet_within(grace):
            for connection in list(self.connections):
                connection.abort()
            await self._quiet_within(max(grace, 1.0))
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        self.executor.shutdown(wait=False)

    # The connections' calls

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; return False where there are too many, so that it must refuse."""
        self.counters.accepted += 1
        self.connections.add(connection)
        excess = len(self.connections) - self._most
        if excess > _REFUSED_AT_ONCE:
            connection.abort()
        return excess <= 0 and not self.stopping

    def release(self, connection: Connection) -> None:
        """Forget a connection whose transport is closed."""
        self.connections.discard(connection)
        self._note_quiet()

    def settle(self, connection: Connection) -> None:
        """Forget a connection that was gone before its handler ended."""
        self.orphans.discard(connection)
        self._note_quiet()

    def refused(self, reason: str) -> None:
        """Count a request or connection that was not served."""
        self.counters.refused[reason] += 1

    # Its own

    def _accepting(self, one: socket.socket, tls: Tls | None, *, control: bool) -> Acceptor:
        return Acceptor(self.loop, one, _BACKLOG, lambda: Connection(self, tls, control=control), self.refused)

    def _opened(self, listener: Listener) -> Listener:
        self.listeners.add(listener)
        return listener

    def _note_quiet(self) -> None:
        if self._quiet is not None and not self._quiet.done() and not self.connections and not self.orphans:
            self._quiet.set_result(None)

    async def _quiet_within(self, seconds: float) -> bool:
        if not self.connections and not self.orphans:
            return True
        self._quiet = self.loop.create_future()
        done, _ = await asyncio.wait([self._quiet], timeout=seconds)
        self._quiet = None
        return bool(done)

    def _tick(self) -> None:
        """Move the cached clock on, and sweep a part of the connections."""
        self.now = self.loop.time()
        second = int(time.time())
        if second != self._second:
            self._second = second
            self.date = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode()
        if not self._to_sweep:
            self._to_sweep = list(self.connections)
        for connection in self._to_sweep[-_SWEPT_PER_TICK:]:
            if connection in self.connections:
                connection.sweep(self.now)
        del self._to_sweep[-_SWEPT_PER_TICK:]
        self._ticker = self.loop.call_later(_TICK, self._tick)


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _unlink_socket(path: str, inode: int | None) -> None:
    """Remove a socket file; with `inode`, only that very one."""
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path)
        if stat.S_ISSOCK(found.st_mode) and inode in (None, found.st_ino):
            os.unlink(path)
