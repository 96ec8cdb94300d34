"""What a connection hands to its handler and gets back: Endpoint, Request, Response.

Plain data, two ways to read a body and one to close a file; no socket is visible from here.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The two ends of a connection, fixed when it was accepted."""

    local_host: str
    local_port: int
    peer_host: str
    peer_port: int
    secure: bool = False
    loopback: bool = False
    """The connection's local address is a loopback address (or a socket of the file system)."""
    control: bool = False
    """Accepted on the data folder's own socket, which only the region's owner can open."""
    tls_version: str | None = None


class BodyError(Exception):
    """A body that cannot be read to its end: `reason` is "truncated", "too large", "malformed" or "stalled" (the client
    is too slow). Where a handler lets it pass, the connection answers 400, 413, 400 or 408, and closes.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BodyReader(Protocol):
    """Where the rest of a body comes from; the connection is one."""

    async def next_block(self) -> bytes: ...


@dataclass(slots=True)
class Request:
    """One HTTP request.

    `headers` has lower-case names; a repeated field is joined by commas in order (RFC 9110, 5.3), values are stripped.
    `target` is the request target as it was sent; `path` and `query` are its two parts, still encoded.
    `content_length` is None for a chunked body. `payload` is the whole body where it was complete when the handler was
    called (each body of at most 64 KiB of known length that does not wait for `100 Continue`), else None: then
    `blocks()` or `read()` fetch it, once. `trailers` is filled when a chunked body has been read to its end.
    """

    method: str
    target: bytes
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    endpoint: Endpoint
    content_length: int | None = 0
    payload: bytes | None = b""
    reader: BodyReader | None = None
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    received: float = 0.0
    """Monotonic seconds when the head was complete."""

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces as it arrives, never more than about 1 MiB at once. Raises BodyError."""
        if self.payload is not None:
            if self.payload:
                yield self.payload
            return
        assert self.reader is not None
        while block := await self.reader.next_block():
            yield block

    async def read(self, limit: int) -> bytes:
        """Return the whole body; more than `limit` bytes raise BodyError("too large")."""
        if self.payload is not None:
            if len(self.payload) > limit:
                raise BodyError("too large")
            return self.payload
        if self.content_length is not None and self.content_length > limit:
            raise BodyError("too large")
        parts: list[bytes] = []
        size = 0
        async for block in self.blocks():
            size += len(block)
            if size > limit:
                raise BodyError("too large")
            parts.append(block)
        self.payload = b"".join(parts)
        return self.payload


@dataclass(slots=True)
class FileSlice:
    """`length` bytes from `offset` of an open file, sent by sendfile. The connection closes it, whatever happens, and `closed` is
    then told how many bytes were taken."""

    fd: int
    offset: int
    length: int
    closed: Callable[[int], None] | None = None

    def close(self, taken: int = 0) -> None:
        """Close the file."""
        os.close(self.fd)
        if self.closed is not None:
            self.closed(taken)


@dataclass(slots=True)
class Response:
    """One HTTP response. The connection adds Content-Length (or chunks an iterator's blocks), Date and Connection.

    Names and values of headers are bytes without CR or LF; the connection refuses others.
    A reply to HEAD, or with status 204 or 304, carries no body: give Content-Length among `headers` where it has one.
    """

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes | FileSlice | AsyncIterator[bytes] = b""
    """An iterator's `aclose()`, where it has one, is always called. The head leaves with the first block, which may be
    empty: what an iterator raises before it is answered with 500, what it raises later breaks the connection off. With a
    Content-Length among the headers it isn't chunked, and must give just as much.
    """
    close: bool = False
    """Close the connection after this response."""


Handler = Callable[[Request], Awaitable[Response]]
"""Called when a request's head, and a small body, are complete. An exception is answered with 500 and logged."""
