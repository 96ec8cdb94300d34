"""The reply to a request of ours: bytes in, Reply out, or a Malformed. Pure, strict, and bounded.

The outcome never depends on how the bytes were split. Framing is RFC 9112, 6.3; what may not be sent is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from awning.net.chunked import ChunkDecoder
from awning.net.head import FIELDS
from awning.net.limits import Limits

_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n" + FIELDS.pattern + rb"\r\n")
_BEGINNING = b"HTTP/1."
_MOST_INTERIM = 16


class Malformed(Exception):
    """A reply that is none, or is larger than it may be; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. Header names are lower-case; a repeated field is joined by commas in order, values are stripped."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class ReplyReader:
    """Reads one reply, with the interim ones (1xx) before it. `bodiless`: it answers a HEAD.

    `head_seen` is True once the final head is complete. `reply` is there when all is; then `reusable` says whether the
    connection may serve another request. Both methods raise Malformed.
    """

    __slots__ = (
        "_bodiless",
        "_body",
        "_buffer",
        "_chunks",
        "_headers",
        "_interim",
        "_keep",
        "_left",
        "_limits",
        "_most",
        "_size",
        "_status",
        "began",
        "head_seen",
        "reply",
        "reusable",
    )

    def __init__(self, limits: Limits, body_bytes: int, bodiless: bool = False) -> None:
        self._limits = limits
        self._most = body_bytes
        self._bodiless = bodiless
        self._buffer = b""
        self._interim = 0
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._left: int | None = None
        self._chunks: ChunkDecoder | None = None
        self._keep = False
        self.began = False
        self.head_seen = False
        self.reply: Reply | None = None
        self.reusable = False

    def feed(self, data: bytes) -> None:
        """Take received bytes. What comes after the reply makes the connection unfit for another."""
        if self.reply is not None:
            self.reusable = False
            return
        self.began = True
        if not self.head_seen:
            data = self._read_heads(self._buffer + data)
            if not self.head_seen:
                self._buffer = data
                return
            self._buffer = b""
        self._read_body(data)

    def end(self) -> None:
        """Take the end of the stream."""
        if self.reply is None:
            if not self.head_seen or self._chunks is not None or self._left is not None:
                raise Malformed("the connection closed before the reply was complete" if self.began else "no reply")
            self._finish(b"")
        self.reusable = False

    def _read_heads(self, data: bytes) -> bytes:
        """Read interim heads and the final one; return what follows, or what is unfinished."""
        while True:
            end = data.find(b"\r\n\r\n", 0, self._limits.header_bytes) + 4
            if end < 4:
                self._check_unfinished(data)
                return data
            head = _HEAD.fullmatch(data, 0, end)
            if head is None:
                raise Malformed("this is not HTTP/1" if data[: len(_BEGINNING)] != _BEGINNING else "a malformed head")
            status = int(head[2])
            headers = _read_fields(data[head.end(2) : end], self._limits)
            data = data[end:]
            if status >= 200:
                self._status, self._headers, self.head_seen = status, headers, True
                self._frame(head[1] == b"1")
                return data
            self._interim += 1
            if status == 101:
                raise Malformed("a change of protocols that nobody asked for")
            if self._interim > _MOST_INTERIM:
                raise Malformed("too many interim replies")

    def _check_unfinished(self, data: bytes) -> None:
        """Refuse what can become no head any more; cheaply, as a server may send byte by byte."""
        if data[: len(_BEGINNING)] != _BEGINNING[: len(data)]:
            raise Malformed("this is not HTTP/1")
        if b"\n\n" in data:
            raise Malformed("a malformed head")
        if len(data) >= self._limits.header_bytes:
            raise Malformed("the head is too large")

    def _frame(self, version_1_1: bool) -> None:
        """Decide where the body ends (RFC 9112, 6.3)."""
        headers, status = self._headers, self._status
        connection = [option.strip() for option in headers.get(b"connection", b"").lower().split(b",")]
        self._keep = b"close" not in connection and (version_1_1 or b"keep-alive" in connection)
        coding = headers.get(b"transfer-encoding")
        length = headers.get(b"content-length")
        if self._bodiless or status in (204, 304):
            self._left = 0
        elif coding is not None:
            if coding.lower() != b"chunked" or length is not None or not version_1_1:
                raise Malformed("an unknown or contradictory Transfer-Encoding")
            self._chunks = ChunkDecoder(self._limits)
        elif length is not None:
            values = {value.strip() for value in length.split(b",")}
            text = values.pop()
            if values or not text.isdigit() or len(text) > 15:
                raise Malformed("a malformed Content-Length")
            self._left = int(text)
            if self._left > self._most:
                raise Malformed("the body is too large")

    def _read_body(self, data: bytes) -> None:
        if self._chunks is not None:
            self._read_chunks(self._chunks, data)
            return
        if self._left is None:
            self._take(data)
            return
        self._take(data[: self._left])
        rest = data[self._left :]
        self._left = max(0, self._left - len(data))
        if not self._left:
            self._finish(rest)

    def _read_chunks(self, chunks: ChunkDecoder, data: bytes) -> None:
        while True:
            for block in chunks.feed(data):
                self._take(block)
            if chunks.fault is not None:
                raise Malformed(f"a malformed body: {chunks.fault.reason}")
            if chunks.complete:
                self._finish(chunks.rest)
                return
            if not chunks.more:
                return
            data = b""

    def _take(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > self._most:
            raise Malformed("the body is too large")
        if block:
            self._body.append(block)

    def _finish(self, rest: bytes) -> None:
        self.reply = Reply(self._status, self._headers, b"".join(self._body))
        self._body.clear()
        self.reusable = self._keep and not rest


def _read_fields(text: bytes, limits: Limits) -> dict[bytes, bytes]:
    lines = text.split(b"\r\n")[1:-2]
    if len(lines) > limits.header_count:
        raise Malformed("too many header fields")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers
