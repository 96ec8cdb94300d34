"""Calls that wait for something to happen: long polling. Nothing here knows what they wait for.

A waiter costs its entry in a queue and in a heap, and no processor time, until its key is woken or its time has come.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Protocol


class Waiter(Protocol):
    """What waits: run again by `submit`, unless abandoned."""

    abandoned: bool


class _Entry:
    __slots__ = ("key", "waiter")

    def __init__(self, key: Hashable, waiter: Waiter) -> None:
        self.key = key
        self.waiter: Waiter | None = waiter


class Waiters:
    """The waiting calls of a room, oldest first per key.

    `submit` runs a waiter again. `tick(now)` must be called at `next_due()`, or sooner.
    """

    def __init__(self, submit: Callable[[Waiter], None]) -> None:
        self._submit = submit
        self._queues: dict[Hashable, deque[_Entry]] = {}
        self._deadlines: list[tuple[float, int, _Entry]] = []
        self._retries: list[tuple[float, int, Hashable]] = []
        self._retry_at: dict[Hashable, float] = {}
        self._sequence = 0
        self._live = 0

    def __len__(self) -> int:
        return self._live

    def add(self, waiter: Waiter, key: Hashable, deadline: float, retry_at: float | None) -> None:
        """Let `waiter` wait for `key` until `deadline`; at `retry_at` the key's oldest waiter is run again."""
        self._sequence += 1
        self._live += 1
        entry = _Entry(key, waiter)
        self._queues.setdefault(key, deque()).append(entry)
        heapq.heappush(self._deadlines, (deadline, self._sequence, entry))
        if retry_at is not None and retry_at < self._retry_at.get(key, float("inf")):
            self._retry_at[key] = retry_at
            heapq.heappush(self._retries, (retry_at, self._sequence, key))

    def wake(self, key: Hashable, count: int) -> None:
        """Run the `count` oldest waiters on `key` again, passing over those whose client has gone."""
        queue = self._queues.get(key)
        while queue and count > 0:
            if self._release(queue.popleft()):
                count -= 1
        if queue is not None and not queue:
            del self._queues[key]
            self._retry_at.pop(key, None)

    def wake_all(self) -> None:
        """Run every waiter again: the region stops, or its clock was moved."""
        for key in list(self._queues):
            self.wake(key, len(self._queues[key]))

    def tick(self, now: float) -> None:
        """Run again what has waited long enough, and the oldest waiter of each key that is due for another look."""
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].waiter is None):
            entry = heapq.heappop(self._deadlines)[2]
            self._release(entry)
            self._trim(entry.key)
        while self._retries and self._retries[0][0] <= now:
            at, _, key = heapq.heappop(self._retries)
            if self._retry_at.get(key) == at:
                del self._retry_at[key]
                self.wake(key, 1)
        if len(self._deadlines) > 64 and len(self._deadlines) > 4 * self._live:
            self._deadlines = [item for item in self._deadlines if item[2].waiter is not None]
            heapq.heapify(self._deadlines)

    def next_due(self) -> float | None:
        """When tick() has something to do next, in seconds since the epoch."""
        while self._deadlines and self._deadlines[0][2].waiter is None:
            heapq.heappop(self._deadlines)
        while self._retries and self._retry_at.get(self._retries[0][2]) != self._retries[0][0]:
            heapq.heappop(self._retries)
        candidates = [heap[0][0] for heap in (self._deadlines, self._retries) if heap]
        return min(candidates, default=None)

    def _release(self, entry: _Entry) -> bool:
        waiter, entry.waiter = entry.waiter, None
        if waiter is None:
            return False
        self._live -= 1
        if waiter.abandoned:
            return False
        self._submit(waiter)
        return True

    def _trim(self, key: Hashable) -> None:
        queue = self._queues.get(key)
        while queue and queue[0].waiter is None:
            queue.popleft()
        if queue is not None and not queue:
            del self._queues[key]
            self._retry_at.pop(key, None)
