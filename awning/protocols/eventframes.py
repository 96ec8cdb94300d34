"""Frames of `application/vnd.amazon.eventstream`: bytes to messages and back. Nothing here knows a model.

Source: "Event stream encoding" of the Amazon Transcribe developer guide, and Smithy's "Amazon Event Stream".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zlib import crc32

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"
MOST_HEADERS: Final = 128 * 1024
MOST_PAYLOAD: Final = 24 * 1024 * 1024
_PRELUDE: Final = struct.Struct(">III")
_AROUND: Final = _PRELUDE.size + 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SIZES: Final[Mapping[int, int]] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class FrameError(ValueError):
    """Bytes that are no frame; what follows cannot be read either."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame. Values of headers: bool, int, bytes, str, datetime (aware, milliseconds) or UUID."""

    headers: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Sized:
    """An integer header of a fixed width: 1, 2, 4 or 8 bytes. A plain int takes 4 bytes, or 8 where it needs them."""

    value: int
    width: int


def encode(message: Message) -> bytes:
    """Return a message's frame. Raises ValueError for a header that a frame cannot carry, and beyond 128 KiB of headers or
    24 MiB of payload."""
    headers = encode_headers(message.headers)
    payload = message.payload
    if len(headers) > MOST_HEADERS or len(payload) > MOST_PAYLOAD:
        raise ValueError(f"A frame has at most {MOST_HEADERS} bytes of headers and {MOST_PAYLOAD} of payload.")
    lengths = struct.pack(">II", _AROUND + len(headers) + len(payload), len(headers))
    content = b"".join((lengths, struct.pack(">I", crc32(lengths)), headers, payload))
    return content + struct.pack(">I", crc32(content))


def encode_headers(headers: Mapping[str, Any]) -> bytes:
    """Return the bytes of a frame's headers, which is also what a frame's signature covers."""
    out = bytearray()
    for name, value in headers.items():
        raw = name.encode()
        if not 0 < len(raw) < 256:
            raise ValueError(f"A header's name has 1 to 255 bytes: {name[:40]!r}")
        out.append(len(raw))
        out += raw
        out += _encode_value(value)
    return bytes(out)


def _encode_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, int):
        value = Sized(value, 4 if -(1 << 31) <= value < 1 << 31 else 8)
    if isinstance(value, Sized):
        kind = {1: 2, 2: 3, 4: 4, 8: 5}[value.width]
        try:
            return bytes((kind,)) + value.value.to_bytes(value.width, "big", signed=True)
        except OverflowError as error:
            raise ValueError(f"{value.value} does not fit {value.width} bytes") from error
    if isinstance(value, bytes | str):
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) > 0x7FFF:
            raise ValueError(f"A header's value has at most {0x7FFF} bytes.")
        return struct.pack(">BH", 7 if isinstance(value, str) else 6, len(raw)) + raw
    if isinstance(value, datetime):
        return b"\x08" + ((value - _EPOCH) // timedelta(milliseconds=1)).to_bytes(8, "big", signed=True)
    if isinstance(value, UUID):
        return b"\x09" + value.bytes
    raise ValueError(f"A header cannot be a {type(value).__name__}.")


def decode_headers(raw: bytes) -> dict[str, Any]:
    """Read a frame's headers. Raises FrameError."""
    headers: dict[str, Any] = {}
    at = 0
    while at < len(raw):
        after_name = at + 1 + raw[at]
        name = _text(raw[at + 1 : after_name])
        if not name or after_name >= len(raw):
            raise FrameError("a header is cut off, or has no name")
        if name in headers:
            raise FrameError("a header comes twice")
        headers[name], at = _decode_value(raw, raw[after_name], after_name + 1)
    return headers


def _decode_value(raw: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in (6, 7):
        if at + 2 > len(raw):
            raise FrameError("a header is cut off")
        size = int.from_bytes(raw[at : at + 2], "big")
        at += 2
    elif kind in _SIZES:
        size = _SIZES[kind]
    else:
        raise FrameError("a header is of no known type")
    if at + size > len(raw):
        raise FrameError("a header is cut off")
    return _VALUES[kind](raw[at : at + size]), at + size


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise FrameError("a header is no UTF-8") from error


def _whole(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _moment(raw: bytes) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=_whole(raw))
    except OverflowError as error:
        raise FrameError("a header is no time") from error


_VALUES: Final[Mapping[int, Callable[[bytes], Any]]] = {
    0: lambda raw: True,
    1: lambda raw: False,
    2: _whole,
    3: _whole,
    4: _whole,
    5: _whole,
    6: bytes,
    7: _text,
    8: _moment,
    9: lambda raw: UUID(bytes=raw),
}


class Decoder:
    """Reads frames out of a stream of bytes, cut anywhere."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete with `data`. Raises FrameError; nothing can be read after that.

        A length that no frame may have is refused as soon as it is read, not when its bytes have come.
        """
        waiting = self._waiting
        waiting += data
        found: list[Message] = []
        at = 0
        while len(waiting) - at >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(waiting, at)
            if crc32(waiting[at : at + 8]) != check:
                raise FrameError("a prelude's checksum is wrong")
            payload = total - headers - _AROUND
            if headers > MOST_HEADERS or not 0 <= payload <= MOST_PAYLOAD:
                raise FrameError("a frame's lengths are out of range")
            if len(waiting) - at < total:
                break
            frame = bytes(waiting[at : at + total])
            if crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
                raise FrameError("a frame's checksum is wrong")
            split = _PRELUDE.size + headers
            found.append(Message(decode_headers(frame[_PRELUDE.size : split]), frame[split:-4]))
            at += total
        del waiting[:at]
        return found

    def finish(self) -> None:
        """The stream has ended. Raises FrameError where it ended inside a frame."""
        if self._waiting:
            raise FrameError("the stream ends inside a frame")
