"""A region's clock in the hand of a test. It only moves forward; a reset of the region shows the real time again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any


class RegionClock:
    """`ask(command, **given)` is the region's control call."""

    def __init__(self, ask: Callable[..., dict[str, Any]]) -> None:
        self._ask = ask

    def now(self) -> datetime:
        """Return the region's time, in UTC."""
        return datetime.fromtimestamp(self._ask("clock", seconds=0)["now"], UTC)

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, at_once: bool = False
    ) -> datetime:
        """Move the clock forward; return the new time once all that this made due has been done.

        It also waits for the real clock's next second (half a second on average), as signatures tell time in whole seconds: what
        is signed from then on is signed after the move. `at_once` leaves that out; a URL that is then pre-signed within the same
        second counts as signed before the move. Raises ValueError for a negative step.
        """
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        if step < 0:
            raise ValueError("A region's clock only moves forward.")
        return datetime.fromtimestamp(self._ask("clock", seconds=step, turn=not at_once)["now"], UTC)
