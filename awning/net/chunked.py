"""The chunked transfer coding (RFC 9112, 7.1): bytes in, blocks out, or a Refusal. Pure, and strict in its framing."""

from __future__ import annotations

import re

from awning.net.head import FIELDS
from awning.net.limits import Limits, Refusal

_SIZE_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,12}+)"
    rb"((?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]++(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++|\"[\t\x20\x21\x23-\x5b\x5d-\x7e]*+\"))?)*)\r\n"
)
_SIZE_PREFIX = re.compile(rb"(?:[0-9A-Fa-f]{1,12}+(?:;[^\x00-\x08\x0a-\x1f\x7f-\xff]*+)?\r?)?")
_SIZE_LINE_BYTES = 256
_ILLEGAL_TRAILER = re.compile(rb"\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FORBIDDEN_TRAILERS = frozenset(
    b"authorization connection content-encoding content-length content-range content-type cookie expect host "
    b"keep-alive max-forwards range set-cookie te trailer transfer-encoding upgrade".split()
)
CHUNKS_PER_STEP = 1000
"""What one call of feed() decodes at most: a block of one-byte chunks must not hold the loop."""


class ChunkDecoder:
    """Decodes one body.

    After `complete`, `trailers` has the trailing fields (lower-case names) and `rest` what follows the body. After a
    `fault` nothing more is decoded. `more` says that feed(b"") goes on with what is already here.
    """

    __slots__ = ("_buffer", "_limits", "_need", "_tail", "complete", "fault", "more", "rest", "trailers")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = b""
        self._need = 0  # bytes still missing of the current chunk's data
        self._tail = False  # a chunk's closing CR LF comes next
        self.complete = False
        self.fault: Refusal | None = None
        self.more = False
        self.rest = b""
        self.trailers: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> list[bytes]:
        """Return the blocks that are complete or begun in `data`; what precedes a fault is returned too."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        blocks: list[bytes] = []
        self.more = False
        try:
            self._decode(data, blocks)
        except Refusal as fault:
            self.fault = fault
        return blocks

    def _decode(self, data: bytes, blocks: list[bytes]) -> None:
        position = 0
        for _ in range(CHUNKS_PER_STEP):
            if self._need:
                block = data[position : position + self._need]
                if not block:
                    return
                blocks.append(block)
                position += len(block)
                self._need -= len(block)
                if self._need:
                    return
                self._tail = True
            if self._tail:
                ending = data[position : position + 2]
                if ending != b"\r\n":
                    if ending not in (b"", b"\r"):
                        raise Refusal(400, "chunk without its line end")
                    self._buffer = ending
                    return
                self._tail = False
                position += 2
            match = _SIZE_LINE.match(data, position, position + _SIZE_LINE_BYTES)
            if match is None:
                self._buffer = _unfinished_size_line(data, position)
                return
            self._need = int(match[1], 16)
            if not self._need:
                self._finish(data, position, match.end())
                return
            position = match.end()
        self._buffer = data[position:]
        self.more = True

    def _finish(self, data: bytes, last_chunk: int, position: int) -> None:
        """Read the trailer section, which begins at `position`; keep it from `last_chunk` on while it is unfinished."""
        fields = FIELDS.match(data, position, position + self._limits.trailer_bytes)
        end = fields.end() if fields else position
        ending = data[end : end + 2]
        if ending == b"\r\n" and end + 2 - position <= self._limits.trailer_bytes:
            self.trailers = _read_trailers(data[position:end], self._limits)
            self.rest = data[end + 2 :]
            self.complete = True
            return
        text = data[position : position + self._limits.trailer_bytes]
        if len(text) == self._limits.trailer_bytes:
            raise Refusal(400, "trailers too large")
        if _ILLEGAL_TRAILER.search(text, end - position):
            raise Refusal(400, "malformed trailer")
        self._buffer = data[last_chunk:]


def _unfinished_size_line(data: bytes, position: int) -> bytes:
    line = data[position : position + _SIZE_LINE_BYTES]
    if len(line) == _SIZE_LINE_BYTES or _SIZE_PREFIX.fullmatch(line) is None:
        raise Refusal(400, "malformed chunk size")
    return line


def _read_trailers(text: bytes, limits: Limits) -> dict[bytes, bytes]:
    trailers: dict[bytes, bytes] = {}
    lines = text.split(b"\r\n")[:-1]
    if len(lines) > limits.header_count:
        raise Refusal(400, "too many trailers")
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in _FORBIDDEN_TRAILERS:
            raise Refusal(400, "forbidden trailer")
        trailers[name] = trailers[name] + b"," + value if name in trailers else value
    return trailers
