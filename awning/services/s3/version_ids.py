"""Version ids: 32 characters that nobody can guess, and that tell when their version came. Pure.

An id knows its place among the others even after its version is gone, so a listing goes on behind what was deleted meanwhile; and
one that was never given out is known as such, as S3 knows it.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import blake2b
from typing import Final

NULL: Final = "null"
NONCE: Final = 8
"""Random bytes that an id takes."""
_FORM: Final = re.compile(r"[A-Za-z0-9._]{32}")
_OTHERS: Final = b"._"


def make(number: int, nonce: bytes) -> str:
    """Return the id of the version that was written as the number-th (63 bits) in its bucket."""
    masked = number ^ int.from_bytes(nonce, "big")
    head = nonce + masked.to_bytes(8, "big")
    return b64encode(head + _check(head), _OTHERS).decode()


def number_of(version: str) -> int | None:
    """Return the number (63 bits) that an id was made of; None for what make() never made."""
    if _FORM.fullmatch(version) is None:
        return None
    raw = b64decode(version, _OTHERS)
    if _check(raw[:16]) != raw[16:]:
        return None
    number = int.from_bytes(raw[:8], "big") ^ int.from_bytes(raw[8:16], "big")
    return number if number < 1 << 63 else None


def _check(head: bytes) -> bytes:
    return blake2b(head, digest_size=8).digest()
