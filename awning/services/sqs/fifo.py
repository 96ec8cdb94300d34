"""The order of a FIFO queue: whose turn it is in each message group. No clock, no socket, no database.

Of a group only its first messages are given out, as long as none before them is in flight. Every change has its inverse, to be
called in reverse order; only the passing of time (`settle`) is never taken back.

Source: the developer guide's "FIFO queue delivery logic in Amazon SQS".
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from awning.services.sqs.engine import IN_FLIGHT_LIMIT, Seen, Taken
from awning.services.sqs.numbers import Numbers

_STEP = 1_000
"""The most that one call of settle() moves, so that a million messages due at once do not hold up a call."""

_NUMBER_BITS = 64
_NUMBER = (1 << _NUMBER_BITS) - 1


class Place(NamedTuple):
    """Where a message stands: hidden `until` a time because it is in flight; delayed until `due`; how it was received."""

    until: int | None
    due: int | None
    seen: Seen | None


class Standing(NamedTuple):
    """A message as the tables know it: what load() takes."""

    number: int
    group: str
    place: Place


class _Received:
    __slots__ = ("group", "seen", "until")

    def __init__(self, group: str, seen: Seen, until: int | None) -> None:
        self.group = group
        self.seen = seen
        self.until = until


class _Group:
    """`received` are the numbers of messages that were ever received, in order; all of them stand before the `fresh` ones."""

    __slots__ = ("fresh", "received")

    def __init__(self) -> None:
        self.received: list[int] = []
        self.fresh = Numbers()


class FifoLine:
    """The messages of one FIFO queue, known by their numbers, which grow in the order of sending and are never used twice.

    Times are milliseconds since the epoch. `_ready` has the groups whose first message may be given out, in the order in which
    they came to be so. A heap's entry is `time << 64 | number`; one of `_returns` counts only while its message is in flight
    until that time, one of `_dues` while its message is delayed until then.
    """

    __slots__ = ("_delayed", "_dues", "_flight", "_groups", "_ready", "_received", "_returns", "total")

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._received: dict[int, _Received] = {}
        self._returns: list[int] = []
        self._delayed: dict[int, tuple[int, str]] = {}
        self._dues: list[int] = []
        self._flight = 0
        self.total = 0

    # What stands

    @property
    def full(self) -> bool:
        """No more messages may be in flight."""
        return self._flight >= IN_FLIGHT_LIMIT

    def counts(self, now: int) -> tuple[int, int, int]:
        """Return how many messages are visible, in flight and delayed."""
        self.settle(now)
        return self.total - self._flight - len(self._delayed), self._flight, len(self._delayed)

    def waiting(self) -> bool:
        """Whether a message is ready for the next receiver."""
        return bool(self._ready)

    def next_due(self) -> int | None:
        """When the next delayed or hidden message becomes visible; None where there is none."""
        while self._returns and self._stale(self._returns[0]):
            heapq.heappop(self._returns)
        while self._dues and self._undue(self._dues[0]):
            heapq.heappop(self._dues)
        return min((heap[0] >> _NUMBER_BITS for heap in (self._returns, self._dues) if heap), default=None)

    def seen(self, number: int) -> Seen:
        """How often a message that was received has been received. Raises KeyError for another."""
        return self._received[number].seen

    def held(self, number: int) -> Place:
        """Where a message of this line stands; what restore() needs."""
        received = self._received.get(number)
        if received is not None:
            return Place(received.until, None, received.seen)
        delayed = self._delayed.get(number)
        return Place(None, delayed[0] if delayed else None, None)

    def look(self, limit: int) -> list[tuple[int, str, int | None]]:
        """Return up to `limit` messages as they stand, nothing changed: number, "visible", "in flight" or "delayed", and until
        when. Groups whose turn it is come first, in their order. Call settle() before."""
        found: list[tuple[int, str, int | None]] = []
        for name in chain(self._ready, (name for name in self._groups if name not in self._ready)):
            group = self._groups[name]
            for number in chain(group.received, group.fresh):
                if len(found) == limit:
                    return found
                until, due, _ = self.held(number)
                state = "in flight" if until is not None else "delayed" if due is not None else "visible"
                found.append((number, state, due if until is None else until))
        return found

    # Time

    def settle(self, now: int) -> None:
        """Let what is due by `now` become visible, some of it where it is much."""
        limit = now + 1 << _NUMBER_BITS
        left = _STEP
        while self._dues and self._dues[0] < limit and left:
            entry = heapq.heappop(self._dues)
            if not self._undue(entry):
                self._order(self._delayed.pop(entry & _NUMBER)[1])
            left -= 1
        while self._returns and self._returns[0] < limit and left:
            entry = heapq.heappop(self._returns)
            if not self._stale(entry):
                received = self._received[entry & _NUMBER]
                received.until = None
                self._flight -= 1
                self._order(received.group)
            left -= 1

    # Changes and their inverses

    def load(self, standings: Iterable[Standing]) -> None:
        """Put many messages, which come in the order of their numbers, where they stand."""
        for number, group, place in standings:
            self.restore(number, group, place)

    def put(self, number: int, group: str, due: int | None = None) -> None:
        """Let a new message wait behind those of its group, or be delayed until `due`. Inverse: remove()."""
        self.restore(number, group, Place(None, due, None))

    def take(self, count: int, now: int, until: int, taken: list[Taken]) -> None:
        """Take up to `count` messages, as many as possible of one group, and hide them `until`; append what was done to `taken`.
        Inverse: give_back(taken).

        Call settle() before. What is taken is not visible again before the next settle(), even where `until` is `now`.
        """
        count = min(count, IN_FLIGHT_LIMIT - self._flight)
        while count > 0 and self._ready:
            name, _ = self._ready.popitem(last=False)
            group = self._groups[name]
            position = 0
            while count and position < len(group.received):
                number = group.received[position]
                received = self._received[number]
                if received.until is not None:
                    break
                taken.append(Taken(number, received.seen))
                received.seen = Seen(received.seen.times + 1, received.seen.first)
                self._fly(number, received, until)
                position += 1
                count -= 1
            else:
                while count and len(group.fresh) and group.fresh.first() not in self._delayed:
                    number = group.fresh.popleft()
                    taken.append(Taken(number, None))
                    group.received.append(number)
                    received = self._received[number] = _Received(name, Seen(1, now), None)
                    self._fly(number, received, until)
                    count -= 1

    def give_back(self, taken: list[Taken]) -> None:
        """Take back a take: the same messages are first in line, in the same order."""
        for number, seen, *_ in reversed(taken):
            received = self._received[number]
            self._land(received)
            group = self._groups[received.group]
            if seen is None:
                del self._received[number]
                group.received.remove(number)
                group.fresh.appendleft(number)
            else:
                received.seen = seen
            self._order(received.group)
            if received.group in self._ready:
                self._ready.move_to_end(received.group, last=False)

    def hide(self, number: int, until: int | None) -> None:
        """Hide a message that was received until another time; None: make it visible. Inverse: hide() with the time before."""
        received = self._received[number]
        self._land(received)
        if until is not None:
            self._fly(number, received, until)
        self._order(received.group)

    def remove(self, number: int, group: str) -> None:
        """Remove a message of this line, wherever it stands. Inverse: restore() with what held() said before."""
        self.total -= 1
        found = self._groups[group]
        received = self._received.pop(number, None)
        if received is None:
            found.fresh.remove(number)
            self._delayed.pop(number, None)
        else:
            self._land(received)
            found.received.remove(number)
        if found.received or len(found.fresh):
            self._order(group)
        else:
            del self._groups[group]
            self._ready.pop(group, None)

    def restore(self, number: int, group: str, place: Place) -> None:
        """Put a message where it stood: take back a remove()."""
        self.total += 1
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = _Group()
        if place.seen is not None:
            received = self._received[number] = _Received(group, place.seen, None)
            insort(found.received, number)
            if place.until is not None:
                self._fly(number, received, place.until)
        else:
            found.fresh.insert(number)
            if place.due is not None:
                self._delay(number, group, place.due)
        self._order(group)

    def delay(self, dues: Iterable[tuple[int, str, int | None]]) -> None:
        """Delay messages that were never received, each with its group, until other times; None: no longer.
        Inverse: delay() with the times before."""
        for number, group, due in dues:
            self._delayed.pop(number, None)
            if due is not None:
                self._delay(number, group, due)
            self._order(group)

    def _delay(self, number: int, group: str, due: int) -> None:
        self._delayed[number] = due, group
        heapq.heappush(self._dues, due << _NUMBER_BITS | number)

    def _order(self, name: str) -> None:
        """Let a group be ready, behind all others, or not be: as its first message can be given out or not."""
        group = self._groups[name]
        if group.received:
            ready = self._received[group.received[0]].until is None
        else:
            ready = group.fresh.first() not in self._delayed
        if ready:
            self._ready[name] = None
        else:
            self._ready.pop(name, None)

    def _fly(self, number: int, received: _Received, until: int) -> None:
        received.until = until
        self._flight += 1
        heapq.heappush(self._returns, until << _NUMBER_BITS | number)
        if len(self._returns) > 2 * self._flight + 1_000:
            # A deleted message leaves its entry behind; with long time-outs these would pile up for hours.
            self._returns = sorted(
                each.until << _NUMBER_BITS | flying for flying, each in self._received.items() if each.until is not None
            )

    def _land(self, received: _Received) -> None:
        if received.until is not None:
            received.until = None
            self._flight -= 1

    def _stale(self, entry: int) -> bool:
        received = self._received.get(entry & _NUMBER)
        return received is None or received.until != entry >> _NUMBER_BITS

    def _undue(self, entry: int) -> bool:
        delayed = self._delayed.get(entry & _NUMBER)
        return delayed is None or delayed[0] != entry >> _NUMBER_BITS
