"""Lanes: which destinations have something due, and how much of each may be under way. Pure: no clock, no database.

A lane is a destination (ARN), or one group of it. A failing lane has fewer slots, so that it leaves some to the others.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from math import inf

Key = tuple[str, str]
"""ARN, and group ("" for all that has none)."""


@dataclass(slots=True)
class Lane:
    """One destination. `under_way`: sequence numbers that are being delivered. `ailing`: its last try failed or was slow."""

    arn: str
    group: str
    under_way: set[int] = field(default_factory=set)
    ailing: bool = False
    ready: bool = False
    alarm: float | None = None
    """When it is to be looked at again, in seconds since the epoch."""

    @property
    def key(self) -> Key:
        return self.arn, self.group


class Lanes:
    """All lanes of an outbox. Those that are ready wait for their turn: the healthy ones first, and each in order."""

    def __init__(self) -> None:
        self._lanes: dict[Key, Lane] = {}
        self._alarms: list[tuple[float, Key]] = []
        self._healthy: deque[Lane] = deque()
        self._ailing: deque[Lane] = deque()

    def __len__(self) -> int:
        return len(self._lanes)

    def get(self, key: Key) -> Lane | None:
        """Return the lane, where something of it waits or is under way."""
        return self._lanes.get(key)

    def open(self, key: Key) -> Lane:
        """Return the lane; a new one where there is none."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(*key)
        return lane

    def close(self, lane: Lane) -> None:
        """Forget a lane of which nothing waits."""
        del self._lanes[lane.key]

    def wake(self, lane: Lane) -> None:
        """Have the lane looked at in its turn."""
        if not lane.ready:
            lane.ready = True
            (self._ailing if lane.ailing else self._healthy).append(lane)

    def wake_at(self, lane: Lane, due: float) -> None:
        """Have the lane looked at once `due` has come; the earliest time that was named counts."""
        if lane.alarm is None or due < lane.alarm:
            lane.alarm = due
            heapq.heappush(self._alarms, (due, lane.key))

    def tick(self, now: float) -> None:
        """Wake the lanes whose time has come."""
        alarms = self._alarms
        while alarms and alarms[0][0] <= now:
            due, key = heapq.heappop(alarms)
            lane = self._lanes.get(key)
            if lane is not None and lane.alarm == due:
                lane.alarm = None
                self.wake(lane)

    def next_alarm(self) -> float:
        """Return when tick() will have something to do; infinity where nothing is known of."""
        return self._alarms[0][0] if self._alarms else inf

    def take(self, ailing: bool) -> Lane | None:
        """Return the next lane that is ready: a healthy one, or, where `ailing` ones may go, one of those."""
        while self._healthy and self._healthy[0].ailing:
            self._ailing.append(self._healthy.popleft())  # it fell ill while it waited for its turn
        queue = self._healthy if self._healthy else self._ailing if ailing else None
        if not queue:
            return None
        lane = queue.popleft()
        lane.ready = False
        return lane
