"""Segments: a stream encrypted piece by piece, so that any range of it is read without the rest, and none is lost or moved.

AES-256-GCM over 64 KiB at a time, each under its place in the stream and whether it is the last, by a key that no other stream
has. The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", 2015), with places that can be gone to.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from awning.store.vault import Unsealable

SEGMENT: Final = 64 * 1024
TAG: Final = 16
_RUN: Final = 16
"""Segments that are encrypted or read at once: 1 MiB."""
_NONCE = struct.Struct(">IQ")


class Run(NamedTuple):
    """Segments to be read at once, from the number `segment` on; last: the stream's last is among them. `offset` and `length`:
    where they lie, in sealed bytes; skip..upto: what is wanted of them, in plain bytes."""

    segment: int
    last: bool
    offset: int
    length: int
    skip: int
    upto: int


class Segments:
    """The cipher of one stream, by one key of 32 bytes for each layer, the innermost first. No key may serve two streams."""

    __slots__ = ("_layers", "overhead")

    def __init__(self, *keys: bytes) -> None:
        self._layers = tuple(map(AESGCM, keys))
        self.overhead = TAG * len(keys)
        """Bytes by which each segment grows."""

    def seal(self, plain: bytes | memoryview, first: int = 0, last: bool = True) -> bytes:
        """Encrypt what begins with the segment number `first`; last: the stream ends with it. Only the last segment is shorter,
        or empty."""
        if len(plain) <= SEGMENT:
            return self._seal(plain, _NONCE.pack(last, first))
        count = -(-len(plain) // SEGMENT)
        view = memoryview(plain)
        return b"".join(
            self._seal(view[at * SEGMENT : (at + 1) * SEGMENT], _NONCE.pack(last and at == count - 1, first + at))
            for at in range(count)
        )

    def open(self, sealed: bytes | memoryview, first: int = 0, last: bool = True) -> bytes:
        """Decrypt whole segments from number `first` on. Raises Unsealable for what was altered, moved or cut off."""
        if len(sealed) <= SEGMENT + self.overhead:
            return self._open(sealed, _NONCE.pack(last, first))
        return b"".join(self.pieces(sealed, first, last))

    def pieces(self, sealed: bytes | memoryview, first: int, last: bool) -> list[bytes]:
        """As open(), a piece for each segment: their memory is used again and again, that of a large whole is not."""
        width = SEGMENT + self.overhead
        count = max(1, -(-len(sealed) // width))
        view = memoryview(sealed)
        return [
            self._open(view[at * width : (at + 1) * width], _NONCE.pack(last and at == count - 1, first + at))
            for at in range(count)
        ]

    def _seal(self, data: bytes | memoryview, nonce: bytes) -> bytes:
        for layer in self._layers:
            data = layer.encrypt(nonce, data, None)
        return data  # type: ignore[return-value]

    def _open(self, data: bytes | memoryview, nonce: bytes) -> bytes:
        try:
            for layer in reversed(self._layers):
                data = layer.decrypt(nonce, data, None)
        except (InvalidTag, ValueError) as error:
            raise Unsealable("This was encrypted under another key, or altered.") from error
        return data  # type: ignore[return-value]

    def runs(self, first: int, end: int, size: int) -> list[Run]:
        """Return what to read of a stream of `size` plain bytes to have its bytes first..end, about 1 MiB at a time."""
        if first >= end:
            return []
        width, final = SEGMENT + self.overhead, max(0, size - 1) // SEGMENT
        low, high = first // SEGMENT, (end - 1) // SEGMENT
        found = []
        while low <= high:
            top = min(low - low % _RUN + _RUN - 1, high)
            last = top == final
            stop = size + (final + 1) * self.overhead if last else (top + 1) * width
            skip, upto = max(0, first - low * SEGMENT), min(end, (top + 1) * SEGMENT) - low * SEGMENT
            found.append(Run(low, last, low * width, stop - low * width, skip, upto))
            low = top + 1
        return found

    def read(self, run: Run, sealed: bytes | memoryview) -> list[bytes]:
        """Return the bytes that a run is about, in pieces, of what was read for it. Raises Unsealable."""
        if len(sealed) != run.length:
            raise Unsealable("This was cut off.")
        found = self.pieces(sealed, run.segment, run.last)
        beyond = run.upto - (len(found) - 1) * SEGMENT
        if beyond < len(found[-1]):
            found[-1] = found[-1][:beyond]
        if run.skip:
            found[0] = found[0][run.skip :]
        return found


class Sealer:
    """Encrypts a stream as it comes, in the one thread that writes it at a time: what it returns is good until the next call."""

    __slots__ = ("_held", "_next", "_segments")

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._held = b""
        self._next = 0

    def update(self, data: bytes | bytearray | memoryview) -> bytes:
        """Return what can be written by now. At most a segment is held back: the last is told apart from all others."""
        view = memoryview(data)
        done = []
        if self._held:
            missing = SEGMENT - len(self._held)
            if len(view) <= missing:
                self._held += bytes(view)
                return b""
            done.append(self._segments.seal(self._held + bytes(view[:missing]), self._next, last=False))
            self._next += 1
            view = view[missing:]
        whole = max(0, len(view) - 1) // SEGMENT
        if whole:
            done.append(self._segments.seal(view[: whole * SEGMENT], self._next, last=False))
            self._next += whole
        self._held = bytes(view[whole * SEGMENT :])
        return done[0] if len(done) == 1 else b"".join(done)

    def end(self, data: bytes | bytearray | memoryview = b"") -> bytes:
        """As update() with what is the last of the stream."""
        done = self.update(data)
        return done + self._segments.seal(self._held, self._next, last=True)
