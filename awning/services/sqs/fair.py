"""Fair queues: which message groups of a standard queue are noisy, and their messages that stand aside for others'. Pure.

A group is noisy while it has at least 30 messages in flight, and more than a tenth of all. Messages without a group never are.
Source: the developer guide's "How Amazon SQS fair queues work"; of its two measures the one of concurrency, not that of
processing time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from awning.services.sqs.numbers import Numbers

LEAST: Final = 30
SHARE: Final = 10
STEP: Final = 1_000
"""The most messages that one search for a quiet group's passes over."""


class Fair:
    """The groups of a line's messages, by their numbers: how much of each is in flight, and what stands aside, in its order."""

    __slots__ = ("_aside", "_flight", "_groups", "waiting")

    def __init__(self) -> None:
        self._groups: dict[int, str] = {}
        self._flight: dict[str, int] = {}
        self._aside: dict[str, Numbers] = {}
        self.waiting = 0

    def join(self, number: int, group: str) -> None:
        self._groups[number] = group

    def part(self, number: int) -> None:
        """Forget the group of a message that is not in flight."""
        self._groups.pop(number, None)

    def group(self, number: int) -> str | None:
        return self._groups.get(number)

    def began(self, number: int) -> None:
        """A message is in flight now."""
        group = self._groups.get(number)
        if group is not None:
            self._flight[group] = self._flight.get(group, 0) + 1

    def ended(self, number: int) -> None:
        """A message is in flight no longer."""
        group = self._groups.get(number)
        if group is not None:
            left = self._flight.pop(group) - 1
            if left:
                self._flight[group] = left

    def noisy(self, group: str, flight: int) -> bool:
        """Whether a group is noisy, of `flight` messages in flight."""
        own = self._flight.get(group, 0)
        return own >= LEAST and own * SHARE > flight

    def next(self, ready: Numbers, flight: int) -> tuple[int, str | None] | None:
        """Take the next number out of what is ready and what stands aside; with the group where it stood aside."""
        for group in self._aside:
            if not self.noisy(group, flight):
                return self._pop(group), group
        for _ in range(min(len(ready), STEP)):
            number = ready.popleft()
            own = self._groups.get(number)
            if own is None or not self.noisy(own, flight):
                return number, None
            self._aside.setdefault(own, Numbers()).append(number)
            self.waiting += 1
        if self._aside:
            group = min(self._aside, key=lambda group: self._flight.get(group, 0))
            return self._pop(group), group
        return None

    def give_back(self, number: int, group: str) -> None:
        """Take back a next() that came from aside."""
        self._aside.setdefault(group, Numbers()).appendleft(number)
        self.waiting += 1

    def __iter__(self) -> Iterator[int]:
        """What stands aside."""
        for numbers in self._aside.values():
            yield from numbers

    def _pop(self, group: str) -> int:
        numbers = self._aside[group]
        number = numbers.popleft()
        self.waiting -= 1
        if not len(numbers):
            del self._aside[group]
        return number
