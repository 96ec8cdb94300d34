"""Time-based one-time codes of virtual MFA devices: six digits for every half minute. Pure: nothing here reads a clock.

Source: RFC 6238 and RFC 4226, with SHA-1 as the apps for it have it.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

SECONDS: Final = 30
_AROUND: Final = 1
"""Steps by which a device may be early or late, once its drift is known."""
_FURTHEST: Final = 20
"""Steps by which it may be off when it is enabled or brought into step again."""


def step_of(now: float) -> int:
    return int(now) // SECONDS


def code_at(seed: bytes, step: int) -> str:
    """The code of a step. Raises ValueError for a step before the epoch."""
    if step < 0:
        raise ValueError("there are no codes before the epoch")
    return HOTP(seed, 6, SHA1()).generate(step).decode()


def matching_step(seed: bytes, code: str, now: float, drift: int) -> int | None:
    """The step for which a code is right, near now by the device's clock; None where it is wrong."""
    middle = step_of(now) + drift
    return next((step for step in range(middle - _AROUND, middle + _AROUND + 1) if _is(seed, code, step)), None)


def matching_pair(seed: bytes, first: str, second: str, now: float) -> int | None:
    """The step of the second of two codes that follow each other, further from now; None where they do not."""
    middle = step_of(now)
    for step in sorted(range(middle - _FURTHEST, middle + _FURTHEST + 1), key=lambda step: abs(step - middle)):
        if _is(seed, second, step) and _is(seed, first, step - 1):
            return step
    return None


def _is(seed: bytes, code: str, step: int) -> bool:
    return hmac.compare_digest(code_at(seed, step), code)
