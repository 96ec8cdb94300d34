"""What the tests of net/ share: a connection without a socket, a server on a real one, and a blunt client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from awning.net.connection import Connection
from awning.net.limits import Limits
from awning.net.messages import Handler, Request, Response
from awning.net.server import Listener, Server
from awning.net.tls import Tls

GOOD = b"GET /good HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class MemoryTransport(asyncio.Transport):
    """Keeps what is written. `stuck` is what it says that the client hasn't taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"sockname": ("127.0.0.1", 4566), "peername": ("127.0.0.1", 50000)})
        self.loop = loop
        self.protocol: Any = None
        self.written = b""
        self.writes = 0
        self.ended = False
        self.closed = False
        self.reading = True
        self.stuck = 0

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes += 1

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.stuck

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


@dataclass
class Seen:
    """What a handler saw of one request."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    trailers: dict[bytes, bytes]


@dataclass
class Conversation:
    """What came of a stream of bytes."""

    out: bytes = b""
    closed: bool = False
    seen: list[Seen] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.out.split(b"HTTP/1.1 ")[1:]]


def echo(conversation: Conversation) -> Handler:
    """A handler that reads each body to its end, notes what it saw, and answers with the target."""

    async def handler(request: Request) -> Response:
        body = b"".join([block async for block in request.blocks()])
        conversation.seen.append(Seen(request.method, request.target, request.headers, body, request.trailers))
        return Response(200, [], request.target)

    return handler


async def settle() -> None:
    """Let the loop run what is ready, and what that makes ready."""
    for _ in range(20):
        await asyncio.sleep(0)


def quiet_server(handler: Handler, limits: Limits | None, errors: list[BaseException]) -> Server:
    """A server whose replies carry no date."""
    server = Server(handler, on_error=lambda _, error: errors.append(error), limits=limits)
    server._tick = lambda: None  # type: ignore[method-assign]
    assert server._ticker is not None
    server._ticker.cancel()
    server.date = b""
    return server


class Wire:
    """A connection over a MemoryTransport, and what came of it. Make it within a running loop."""

    def __init__(
        self,
        make: Callable[[Conversation], Handler] = echo,
        limits: Limits | None = None,
        server: Server | None = None,
    ) -> None:
        self.conversation = Conversation()
        self.server = server or quiet_server(make(self.conversation), limits, self.conversation.errors)
        self.transport = MemoryTransport(asyncio.get_running_loop())
        self.connection = Connection(self.server, None, control=False)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)

    async def feed(self, *pieces: bytes) -> None:
        """Receive pieces, letting things settle after each."""
        for piece in pieces:
            if self.transport.closed:
                break
            self.connection.data_received(piece)
            await settle()

    async def eof(self) -> None:
        if not self.transport.closed:
            self.connection.eof_received()
            await settle()

    async def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Move the server's clock, sweeping as it goes."""
        end = self.server.now + seconds
        while self.server.now < end and not self.transport.closed:
            self.server.now += step
            self.connection.sweep(self.server.now)
            await settle()

    def result(self) -> Conversation:
        self.conversation.out = self.transport.written
        self.conversation.closed = self.transport.closed or self.transport.ended
        self.conversation.refused = dict(self.server.counters.refused)
        return self.conversation

    async def drop(self) -> None:
        """Lose the connection."""
        if not self.transport.closed:
            self.transport.close()
            await settle()


async def converse(
    pieces: Iterable[bytes],
    make: Callable[[Conversation], Handler] = echo,
    limits: Limits | None = None,
    eof: bool = True,
) -> Conversation:
    """Feed a connection with pieces; then end the stream. `closed` says whether it had closed before that."""
    wire = Wire(make, limits)
    await wire.feed(*pieces)
    closed = wire.result().closed
    if eof:
        await wire.eof()
    conversation = wire.result()
    conversation.closed = closed
    await wire.drop()
    return conversation


def talk(*pieces: bytes, **options: Any) -> Conversation:
    """converse(), for tests that are plain functions."""
    return asyncio.run(converse(pieces, **options))


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


async def ok(request: Request) -> Response:
    """The plainest handler."""
    return Response(200, [], b"ok")


@asynccontextmanager
async def serving(
    handler: Handler = ok,
    limits: Limits | None = None,
    tls: Tls | None = None,
    errors: list[BaseException] | None = None,
) -> AsyncIterator[tuple[Server, Listener]]:
    """A server on a free port. An unexpected error in a handler fails the test."""
    caught: list[BaseException] = []
    server = Server(
        handler, on_error=lambda _, error: (caught if errors is None else errors).append(error), limits=limits
    )
    listener = await server.listen("127.0.0.1", 0, tls)
    try:
        yield server, listener
    finally:
        await server.stop(0.2)
    assert not caught, caught


async def ask(port: int, data: bytes, **options: Any) -> bytes:
    """Send bytes, return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def open_files() -> int:
    """How many descriptors this process has, the one on /dev/null aside that uvloop opens with its first connection."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}") != "/dev/null"
    return count
