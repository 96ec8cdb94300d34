"""Complaints: lines for the journal about what goes wrong again and again, each once a minute."""

from __future__ import annotations

from collections.abc import Callable, Hashable

_WINDOW = 60.0
_MOST = 100


class Complaints:
    """Passes a line on the first time within a minute that its `about` comes up, and counts the others.

    `now` in seconds of any clock that never runs back.
    """

    def __init__(self, name: str, report: Callable[[str], None]) -> None:
        self._name = name
        self._report = report
        self._began = 0.0
        self._said: set[Hashable] = set()
        self._unsaid = 0

    def make(self, about: Hashable, line: str, now: float) -> None:
        """Report a line, unless as much has been said."""
        self.tick(now)
        if about in self._said or len(self._said) >= _MOST:
            self._unsaid += 1
            return
        if not self._said:
            self._began = now
        self._said.add(about)
        self._report(f"{self._name}: {line}")

    def tick(self, now: float) -> None:
        """Say how much was left unsaid, once the minute is over."""
        if self._said and now - self._began >= _WINDOW:
            unsaid, self._unsaid = self._unsaid, 0
            self._said.clear()
            if unsaid:
                self._report(f"{self._name}: {unsaid} more such lines within a minute.")
