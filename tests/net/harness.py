"""What the tests of net/ share: a connection without a socket, a server on a real one, and a blunt client."""

from __future__ import annotations

import asyncio
import os
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
    """Keeps what is written. `room` is how much it takes before it asks for a pause."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"sockname": ("127.0.0.1", 4566), "peername": ("127.0.0.1", 50000)})
        self.loop = loop
        self.protocol: Any = None
        self.written = b""
        self.writes = 0
        self.ended = False
        self.closed = False
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes += 1

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

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


async def converse(
    pieces: Iterable[bytes],
    make: Callable[[Conversation], Handler] = echo,
    limits: Limits | None = None,
    eof: bool = True,
    server: Server | None = None,
) -> Conversation:
    """Feed a connection with pieces, let it settle after each; then end the stream."""
    conversation = Conversation()
    server = server or quiet_server(make(conversation), limits, conversation.errors)
    transport = MemoryTransport(asyncio.get_running_loop())
    connection = Connection(server, None, control=False)
    transport.protocol = connection
    connection.connection_made(transport)
    for piece in pieces:
        if transport.closed:
            break
        connection.data_received(piece)
        await settle()
    conversation.closed = transport.closed or transport.ended
    if eof and not transport.closed:
        connection.eof_received()
        await settle()
    conversation.out = transport.written
    conversation.refused = dict(server.counters.refused)
    if not transport.closed:
        transport.close()
        await settle()
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
    answer = await reader.read()
    writer.close()
    return answer


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
