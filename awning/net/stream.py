"""Sends a body that comes in blocks: chunked, of a length announced beforehand, or up to the connection's end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Protocol

from awning.net.files import FileBlocks
from awning.net.messages import FileSlice

_PIECE = 256 * 1024
_JOINED = 64 * 1024


class WrongLength(Exception):
    """An iterator gave more or less than the Content-Length that its response announced."""


class Sink(Protocol):
    """Where blocks go; the connection is one."""

    def write(self, data: bytes) -> None: ...

    async def drained(self) -> None: ...


async def send_blocks(sink: Sink, head: bytes, blocks: AsyncIterator[bytes], length: int | None, chunked: bool) -> None:
    """Write `head` with the first block, and then the others as the sink takes them. An empty first block sends the head alone.

    Nothing is written where the iterator fails before its first block. Raises WrongLength, and what the iterator
    raises.
    """
    sent = 0
    try:
        async for block in blocks:
            sent += len(block)
            if length is not None and sent > length:
                raise WrongLength(f"{length} bytes were announced, and {sent} came.")
            if head and not block:
                sink.write(head)
                head = b""
            for start in range(0, len(block), _PIECE):
                piece = block if len(block) <= _PIECE else block[start : start + _PIECE]
                _write_piece(sink, head, piece, chunked)
                head = b""
                await sink.drained()
        if length is not None and sent < length:
            raise WrongLength(f"{length} bytes were announced, and only {sent} came.")
        ending = head + b"0\r\n\r\n" if chunked else head
        if ending:
            sink.write(ending)
    finally:
        if hasattr(blocks, "aclose"):
            await blocks.aclose()


def _write_piece(sink: Sink, head: bytes, piece: bytes, chunked: bool) -> None:
    if chunked:
        head = b"%b%x\r\n" % (head, len(piece))
    ending = b"\r\n" if chunked else b""
    if len(piece) <= _JOINED:
        sink.write(b"%b%b%b" % (head, piece, ending))
        return
    if head:
        sink.write(head)
    sink.write(piece)
    if ending:
        sink.write(ending)


def as_blocks(body: bytes | FileSlice | AsyncIterator[bytes], executor: Executor) -> AsyncIterator[bytes]:
    """Return the iterator of a response's body, whatever it is."""
    if isinstance(body, FileSlice):
        return FileBlocks(body, executor)
    if isinstance(body, bytes):
        return _pieces(body)
    return body


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body
