"""The region's clock: the only place that reads the time of day.

Clients sign with the time of their own machine: of a signature's date the clock tells when it was by the region's reckoning.
"""

from __future__ import annotations

import math
import time

SIGNER_AHEAD = 900.0
"""Seconds by which a signer may be ahead of the real clock; one further ahead goes by the region's."""


class Clock:
    """Seconds since the epoch, with an offset that a test or a user may move forward.

    `turn` is the second of the real clock from which on signatures were certainly made after the last move: they tell time
    in whole seconds.
    """

    def __init__(self) -> None:
        self.offset = 0.0
        self.turn = 0.0
        self._moves: list[tuple[float, float]] = []

    def now(self) -> float:
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Raises ValueError for a negative step: time in a region never runs back."""
        if not 0 <= seconds < math.inf:
            raise ValueError("A region's clock only moves forward.")
        self.turn = math.floor(time.time()) + 1.0
        self._moves.append((self.turn, self.offset))
        self.offset += seconds

    def restore(self) -> None:
        """Show the real time again. Only where nothing is left that knows of a later one: the region has been emptied."""
        self.offset = self.turn = 0.0
        self._moves.clear()

    def for_request(self, now: float, signed: float) -> float:
        """Return the time by which to judge a date that a request was signed with just now.

        That is the real time, unless the signer's clock was moved along with the region's.
        """
        if not self.offset:
            return now
        real = now - self.offset
        return now if signed - real > SIGNER_AHEAD else real

    def for_lifetime(self, now: float, signed: float) -> float:
        """Return the time by which to judge how long ago something was signed: the moves since then count, earlier ones do
        not. `signed` is the date that its signer gave."""
        if not self.offset or signed - (now - self.offset) > SIGNER_AHEAD:
            return now
        offset = self.offset
        for turn, before in reversed(self._moves):
            if signed >= turn:
                break
            offset = before
        return now - offset
