"""STS's background pass: sessions that expired long ago are forgotten."""

from __future__ import annotations

from typing import Final

from awning.kit.call import Call
from awning.services.sts import tables

KEPT: Final = 86_400.0
"""Seconds that an expired session is kept, so that its owner is told that it has expired and not that it is unknown."""
MOST: Final = 1000


def forget_expired(call: Call) -> bool:
    """Delete up to 1,000 of the oldest; return whether there may be more."""
    return tables.remove_expired(call.db, call.now - KEPT, MOST) == MOST
