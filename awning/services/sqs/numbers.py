"""Numbers in line: the cheapest order of messages in memory. Nothing here knows what they stand for."""

from __future__ import annotations

from array import array
from bisect import bisect, bisect_left
from collections.abc import Iterator
from itertools import islice


class Numbers:
    """A line of 64-bit integers, first in, first out; 8 bytes each, and nothing for the garbage collector to visit."""

    __slots__ = ("_head", "_items")

    def __init__(self) -> None:
        self._items = array("q")
        self._head = 0

    def __len__(self) -> int:
        return len(self._items) - self._head

    def __iter__(self) -> Iterator[int]:
        return islice(self._items, self._head, None)

    def append(self, number: int) -> None:
        self._items.append(number)

    def extend(self, numbers: list[int]) -> None:
        self._items.fromlist(numbers)

    def appendleft(self, number: int) -> None:
        if self._head:
            self._head -= 1
            self._items[self._head] = number
        else:
            self._items.insert(0, number)

    def first(self) -> int:
        return self._items[self._head]

    def insert(self, number: int) -> None:
        """Insert a number into a line that is sorted; at its end or its head this costs nothing."""
        if not len(self) or number > self._items[-1]:
            self._items.append(number)
        elif number < self.first():
            self.appendleft(number)
        else:
            self._items.insert(bisect(self._items, number, self._head), number)

    def remove(self, number: int) -> None:
        """Remove a number from a line that is sorted. Raises ValueError where it is not there."""
        if len(self) and self.first() == number:
            self.popleft()
        elif len(self) and self._items[-1] == number:
            self._items.pop()
        else:
            position = bisect_left(self._items, number, self._head)
            if self._items[position : position + 1] != array("q", [number]):
                raise ValueError(f"{number} does not stand in line")
            del self._items[position]

    def popleft(self) -> int:
        number = self._items[self._head]
        self._head += 1
        if self._head > 1_000 and self._head * 2 > len(self._items):
            del self._items[: self._head]
            self._head = 0
        return number
