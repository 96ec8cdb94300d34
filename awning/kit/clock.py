"""The region's clock: the only place that reads the time of day."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch, with an offset that a test or a user may move forward."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Raises ValueError for a negative step: time in a region never runs back."""
        if seconds < 0:
            raise ValueError("A region's clock only moves forward.")
        self.offset += seconds
