"""CBOR (RFC 8949), as much of it as rpc-v2-cbor has: a strict decoder of what clients send, and pieces of an encoder.

Pure. Nothing is allocated because a length says so; depth and the number of items are bounded before they cost anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

MAX_DEPTH: Final = 64
MAX_ITEMS: Final = 1_000_000
_INDEFINITE: Final = 31
_WIDTHS: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_UNSIGNED: Final = {24: struct.Struct(">B"), 25: struct.Struct(">H"), 26: struct.Struct(">I"), 27: struct.Struct(">Q")}
_FLOATS: Final = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_SIMPLE: Final = {20: False, 21: True, 22: None, 23: None}
_DOUBLE: Final = struct.Struct(">Bd")
_BREAK: Final = object()


class Malformed(ValueError):
    """Bytes that are no CBOR, or a kind of it that the format does not have."""


class Epoch(float):
    """Seconds since the epoch that came with tag 1."""

    __slots__ = ()


class Decoder:
    """Reads one data item, and refuses what follows it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._items = 0

    def whole(self) -> Any:
        """Return what the bytes say. Maps have text keys; null and undefined are None. Raises Malformed."""
        value = self._item(0)
        if value is _BREAK:
            raise Malformed("a break stands where an item should")
        if self._at != len(self._body):
            raise Malformed("something follows the item")
        return value

    def _item(self, depth: int) -> Any:
        at = self._at
        if at >= len(self._body):
            raise Malformed("it ends too early")
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise Malformed(f"it has more than {MAX_DEPTH} levels or {MAX_ITEMS} items")
        first = self._body[at]
        self._at = at + 1
        major, info = first >> 5, first & 31
        if major == 3:
            return self._text(info)
        if major == 0:
            return info if info < 24 else self._number(info)
        if major == 1:
            return -1 - self._number(info)
        if major == 5:
            return self._map(info, depth)
        if major == 4:
            return self._list(info, depth)
        if major == 2:
            return self._bytes(info, 2)
        if major == 6:
            return self._tag(info, depth)
        return self._simple(info)

    def _number(self, info: int) -> int:
        if info < 24:
            return info
        kind = _UNSIGNED.get(info)
        if kind is None:
            raise Malformed(f"an item has the additional information {info}")
        start = self._at
        self._at = start + _WIDTHS[info]
        if self._at > len(self._body):
            raise Malformed("it ends within a number")
        value: int = kind.unpack_from(self._body, start)[0]
        return value

    def _bytes(self, info: int, major: int) -> bytes:
        if info != _INDEFINITE:
            length = self._number(info)
            start = self._at
            self._at = start + length
            if self._at > len(self._body):
                raise Malformed("it ends within a string")
            return self._body[start : self._at]
        chunks: list[bytes] = []
        while True:
            if self._at >= len(self._body):
                raise Malformed("a string has no end")
            self._items += 1
            if self._items > MAX_ITEMS:
                raise Malformed(f"it has more than {MAX_ITEMS} items")
            first = self._body[self._at]
            self._at += 1
            if first == 0xFF:
                return b"".join(chunks)
            if first >> 5 != major or first & 31 == _INDEFINITE:
                raise Malformed("a string's chunk is not a string of its kind")
            chunk = self._bytes(first & 31, major)
            if major == 3:
                _utf8(chunk)
            chunks.append(chunk)

    def _text(self, info: int) -> str:
        return _utf8(self._bytes(info, 3))

    def _count(self, info: int, each: int) -> int:
        """How many items follow; more than there are bytes left is no length."""
        count = self._number(info)
        if count * each > len(self._body) - self._at:
            raise Malformed("a length goes beyond the end")
        return count

    def _list(self, info: int, depth: int) -> list[Any]:
        if info != _INDEFINITE:
            found = []
            for _ in range(self._count(info, 1)):
                found.append(self._element(depth))
            return found
        found = []
        while (value := self._item(depth + 1)) is not _BREAK:
            found.append(value)
        return found

    def _map(self, info: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        left = -1 if info == _INDEFINITE else self._count(info, 2)
        while left:
            key = self._item(depth + 1)
            if key is _BREAK and left < 0:
                break
            if type(key) is not str:
                raise Malformed("a map's key is not text")
            if key in found:
                raise Malformed("a map's key is there twice")
            found[key] = self._element(depth)
            left -= 1
        return found

    def _element(self, depth: int) -> Any:
        value = self._item(depth + 1)
        if value is _BREAK:
            raise Malformed("a break stands where an item should")
        return value

    def _tag(self, info: int, depth: int) -> Epoch:
        tag = self._number(info)
        if tag != 1:
            raise Malformed(f"the tag {tag} is not known")
        value = self._element(depth)
        if type(value) not in (int, float):
            raise Malformed("a time is a number")
        return Epoch(value)

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info == _INDEFINITE:
            return _BREAK
        kind = _FLOATS.get(info)
        if kind is None:
            raise Malformed(f"the simple value {info} is not known")
        start = self._at
        self._at = start + kind.size
        if self._at > len(self._body):
            raise Malformed("it ends within a number")
        return kind.unpack_from(self._body, start)[0]


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("a text is not UTF-8") from error


def loads(body: bytes) -> Any:
    """Return the item that a body is. Raises Malformed."""
    return Decoder(body).whole()


def head(major: int, value: int) -> bytes:
    """An item's first bytes: its kind, and its value or length."""
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 0x100:
        return bytes((major << 5 | 24, value))
    if value < 0x10000:
        return struct.pack(">BH", major << 5 | 25, value)
    if value < 0x100000000:
        return struct.pack(">BI", major << 5 | 26, value)
    return struct.pack(">BQ", major << 5 | 27, value)


def text(value: str) -> bytes:
    raw = value.encode()
    return head(3, len(raw)) + raw


def blob(value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else bytes(value)
    return head(2, len(raw)) + raw


def integer(value: int) -> bytes:
    return head(0, value) if value >= 0 else head(1, -1 - value)


def double(value: float) -> bytes:
    return _DOUBLE.pack(0xFB, value)


def boolean(value: bool) -> bytes:
    return b"\xf5" if value else b"\xf4"


def time(seconds: float) -> bytes:
    """Seconds since the epoch, with tag 1."""
    return b"\xc1" + (integer(int(seconds)) if abs(seconds) < 1e15 and seconds == int(seconds) else double(seconds))


def dumps(value: Any) -> bytes:
    """Return any plain value (None, bool, int, float, str, bytes, Epoch, list, dict) as CBOR. Raises TypeError."""
    out: list[bytes] = []
    _dump(value, out.append)
    return b"".join(out)


def _dump(value: Any, add: Callable[[bytes], None]) -> None:
    if isinstance(value, str):
        add(text(value))
    elif value is None:
        add(b"\xf6")
    elif isinstance(value, bool):
        add(boolean(value))
    elif isinstance(value, int):
        add(integer(value))
    elif isinstance(value, Epoch):
        add(time(value))
    elif isinstance(value, float):
        add(double(value))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        add(blob(bytes(value)))
    elif isinstance(value, list):
        add(head(4, len(value)))
        for item in value:
            _dump(item, add)
    elif isinstance(value, dict):
        add(head(5, len(value)))
        for key, item in value.items():
            add(text(key))
            _dump(item, add)
    else:
        raise TypeError(f"a reply cannot carry a {type(value).__name__}")
