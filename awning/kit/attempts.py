"""Wrong codes of second factors, counted for each user: whoever shows too many waits, so that nobody guesses one of a million.

An observation, no state: a restart forgets it.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 10
"""Different wrong codes that a user may show within WINDOW."""
WINDOW: Final = 300.0
"""Seconds."""
_USERS: Final = 10_000


class Attempts:
    """The wrong codes of each user since the first of them, and when that was. Beyond 10,000 users the oldest are forgotten."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[float, set[str]]] = {}

    def are_too_many(self, user_id: str, now: float) -> bool:
        """Whether a user has to wait."""
        began, codes = self._wrong.get(user_id, (now, ()))
        return len(codes) >= MOST and 0 <= now - began < WINDOW

    def note(self, user_id: str, code: str, now: float) -> None:
        """Count a wrong code; one that is shown again is one."""
        began, codes = self._wrong.pop(user_id, (now, set[str]()))
        if not 0 <= now - began < WINDOW:
            began, codes = now, set()
        codes.add(code)
        while len(self._wrong) >= _USERS:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[user_id] = began, codes

    def forget(self, user_id: str) -> None:
        """Begin anew: the user has shown a right one."""
        self._wrong.pop(user_id, None)
