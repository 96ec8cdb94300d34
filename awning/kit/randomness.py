"""Random bytes, fit for secrets, taken from the system in large draws: a system call per id would cost more than the id."""

from __future__ import annotations

import os

_DRAW = 8192


class Randomness:
    """A source of random bytes and ids. Never hands out a byte twice."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def take(self, length: int) -> bytes:
        """Return `length` random bytes."""
        if length > _DRAW:
            return os.urandom(length)
        end = self._at + length
        if end > len(self._pool):
            self._pool = os.urandom(_DRAW)
            self._at, end = 0, length
        taken = self._pool[self._at : end]
        self._at = end
        return taken

    def uuid(self) -> str:
        """Return a random UUID (RFC 9562, version 4) as text."""
        text = self.take(16).hex()
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
