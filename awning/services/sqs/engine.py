"""The order of a standard queue: which message is next, which are hidden and until when. No clock, no socket, no database.

Every change has its inverse, to be called in reverse order; only the passing of time (`settle`) is never taken back.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from awning.services.sqs.fair import Fair
from awning.services.sqs.numbers import Numbers

IN_FLIGHT_LIMIT: Final = 120_000
"""Messages of a standard queue that may be in flight at once (Amazon SQS message quotas)."""

_STEP = 1_000
"""The most that one call of settle() moves, so that a million messages due at once do not hold up a call."""

_NUMBER_BITS = 64
_NUMBER = (1 << _NUMBER_BITS) - 1


class Seen(NamedTuple):
    """How often a message has been received, and when first, in milliseconds."""

    times: int
    first: int


class Held(NamedTuple):
    """Where a message stands: hidden `until` a time because it is in flight, else None; and what is known of its receives."""

    until: int | None
    seen: Seen | None
    group: str | None = None


class Taken(NamedTuple):
    """One step of a take. `seen` is how it was before; a `removed` number was only passed over; one that stood aside for others
    did so in the group `aside`."""

    number: int
    seen: Seen | None
    removed: bool = False
    aside: str | None = None


class Line:
    """The messages of one standard queue, known by their numbers, which are never used twice.

    Times are milliseconds since the epoch. A message waits (`_ready`, in the order in which messages became visible), or is
    delayed, or is in flight. A waiting message costs 8 bytes, a delayed one 48; one that was ever received about 300.

    A heap's entry is `time << 64 | number`. An entry of `_returns` counts only while `_flight` says the same time. A number in
    `_removed` stands somewhere in line as many times too often, and is passed over when its turn comes; one in `_void` still
    stands among the delayed.
    """

    __slots__ = ("_delayed", "_fair", "_flight", "_ready", "_removed", "_returns", "_seen", "_void", "total")

    def __init__(self) -> None:
        self._ready = Numbers()
        self._delayed: list[int] = []
        self._flight: dict[int, int] = {}
        self._returns: list[int] = []
        self._seen: dict[int, Seen] = {}
        self._removed: dict[int, int] = {}
        self._void: set[int] = set()
        self._fair: Fair | None = None
        self.total = 0

    # What stands

    @property
    def full(self) -> bool:
        """No more messages may be in flight."""
        return len(self._flight) >= IN_FLIGHT_LIMIT

    def counts(self, now: int) -> tuple[int, int, int]:
        """Return how many messages are visible, in flight and delayed."""
        self.settle(now)
        flight, delayed = len(self._flight), len(self._delayed) - len(self._void)
        return max(0, self.total - flight - delayed), flight, delayed

    def waiting(self) -> bool:
        """Whether a message may be ready for the next receiver."""
        return len(self._ready) > 0 or (self._fair is not None and self._fair.waiting > 0)

    def next_due(self) -> int | None:
        """When the next delayed or hidden message becomes visible; None where there is none."""
        while self._returns and self._stale(self._returns[0]):
            heapq.heappop(self._returns)
        if not self._delayed and not self._returns:
            return None
        return min(heap[0] for heap in (self._delayed, self._returns) if heap) >> _NUMBER_BITS

    def seen(self, number: int) -> Seen:
        """How often a message that was received has been received. Raises KeyError for another."""
        return self._seen[number]

    def held(self, number: int) -> Held:
        """Where a message of this line stands; what restore() needs."""
        group = self._fair.group(number) if self._fair is not None else None
        return Held(self._flight.get(number), self._seen.get(number), group)

    def look(self, limit: int) -> list[tuple[int, str, int | None]]:
        """Return up to `limit` messages as they stand, nothing changed: number, "visible", "in flight" or "delayed", and until
        when. The visible ones come first, in their order. Call settle() before."""
        found: list[tuple[int, str, int | None]] = []
        passed = dict(self._removed)
        for number in chain(self._ready, self._fair or ()):
            if len(found) == limit:
                return found
            if passed.get(number):
                passed[number] -= 1
            else:
                found.append((number, "visible", None))
        flight = heapq.nsmallest(limit - len(found), ((until, number) for number, until in self._flight.items()))
        found += [(number, "in flight", until) for until, number in flight]
        late = (entry for entry in self._delayed if entry & _NUMBER not in self._void)
        for entry in heapq.nsmallest(limit - len(found), late):
            found.append((entry & _NUMBER, "delayed", entry >> _NUMBER_BITS))
        return found

    def received(self) -> Iterator[tuple[int, Held]]:
        """All messages that were ever received, and where they stand."""
        return ((number, Held(self._flight.get(number), seen)) for number, seen in self._seen.items())

    # What a start knows of the time before

    def load(self, numbers: list[int], delayed: list[tuple[int, int]]) -> None:
        """Let many messages wait, and others be delayed until their times, as put() does for one."""
        self.total += len(numbers)
        self._ready.extend(numbers)
        for number, due in delayed:
            self.put(number, due)

    def recall(self, number: int, held: Held) -> None:
        """Know again of a message what held() said; one that is in flight is counted by this, and another by load()."""
        if held.until is None and held.seen is not None:
            self._seen[number] = held.seen
        elif held.until is not None:
            self.restore(number, held)

    # Time

    def settle(self, now: int) -> None:
        """Let what is due by `now` become visible, some of it where it is much."""
        limit = now + 1 << _NUMBER_BITS
        delayed, returns = self._delayed, self._returns
        left = _STEP
        while delayed and delayed[0] < limit and left:
            number = heapq.heappop(delayed) & _NUMBER
            if number in self._void:
                self._void.remove(number)
            else:
                self._ready.append(number)
            left -= 1
        while returns and returns[0] < limit and left:
            entry = heapq.heappop(returns)
            if not self._stale(entry):
                number = entry & _NUMBER
                self._land(number)
                self._ready.append(number)
            left -= 1

    # Changes and their inverses

    def put(self, number: int, due: int | None = None, group: str | None = None) -> None:
        """Let a new message, of a group or none, wait or be delayed until `due`. Inverse: unput()."""
        self.total += 1
        if group is not None:
            self.join(number, group)
        if due is None:
            self._ready.append(number)
        else:
            heapq.heappush(self._delayed, due << _NUMBER_BITS | number)

    def unput(self, number: int, due: int | None = None) -> None:
        """Take back a put()."""
        self.total -= 1
        if self._fair is not None:
            self._fair.part(number)
        # What is due later than the first of the delayed has not been moved yet.
        if due is not None and self._delayed and due << _NUMBER_BITS | number >= self._delayed[0]:
            self._void.add(number)
        else:
            self._mark(number)

    def take(self, count: int, now: int, until: int, taken: list[Taken]) -> None:
        """Take up to `count` messages and hide them `until`; append what was done to `taken`. Inverse: give_back(taken).

        Call settle() before. What is taken is not visible again before the next settle(), even where `until` is `now`.
        """
        count = min(count, IN_FLIGHT_LIMIT - len(self._flight))
        while count > 0 and (next := self._next()) is not None:
            number, aside = next
            if number in self._removed:
                self._unmark(number)
                taken.append(Taken(number, None, True, aside))
                continue
            seen = self._seen.get(number)
            self._seen[number] = Seen(1, now) if seen is None else Seen(seen.times + 1, seen.first)
            self._fly(number, until)
            taken.append(Taken(number, seen, False, aside))
            count -= 1

    def give_back(self, taken: list[Taken]) -> None:
        """Take back a take: the same messages are first in line, in the same order."""
        for number, seen, removed, aside in reversed(taken):
            if removed:
                self._mark(number)
                self._give_back(number, aside)
                continue
            if self._land(number):  # else its time has passed, and it waits again already
                self._give_back(number, aside)
            if seen is None:
                self._seen.pop(number, None)
            else:
                self._seen[number] = seen

    def hide(self, number: int, until: int) -> None:
        """Hide a message, in flight or visible, until another time. Inverse: unhide() with the time before.

        A visible one gives up its place in line.
        """
        if number not in self._flight:
            self._mark(number)
        self._fly(number, until)

    def unhide(self, number: int, until: int | None) -> None:
        """Take back a hide(): `until` is when the message was to become visible before, None where it was visible."""
        if until is not None:
            self.hide(number, until)
        elif self._land(number):  # else its time has passed, and it waits again already, in another place
            self._unmark(number)

    def remove(self, number: int) -> None:
        """Remove a message of this line, wherever it stands. Inverse: restore() with what held() said before."""
        self.total -= 1
        self._seen.pop(number, None)
        if not self._land(number):
            self._mark(number)
        if self._fair is not None:
            self._fair.part(number)

    def restore(self, number: int, held: Held) -> None:
        """Take back a remove()."""
        self.total += 1
        if held.group is not None:
            self.join(number, held.group)
        if held.seen is not None:
            self._seen[number] = held.seen
        if held.until is None:
            self._unmark(number)
        else:
            self._fly(number, held.until)

    def join(self, number: int, group: str) -> None:
        """Say of which group a message is that is not in flight."""
        if self._fair is None:
            self._fair = Fair()
        self._fair.join(number, group)

    def _next(self) -> tuple[int, str | None] | None:
        if self._fair is not None:
            return self._fair.next(self._ready, len(self._flight))
        return (self._ready.popleft(), None) if self._ready else None

    def _give_back(self, number: int, aside: str | None) -> None:
        if aside is None or self._fair is None:
            self._ready.appendleft(number)
        else:
            self._fair.give_back(number, aside)

    def _mark(self, number: int) -> None:
        self._removed[number] = self._removed.get(number, 0) + 1

    def _unmark(self, number: int) -> None:
        left = self._removed.pop(number) - 1
        if left:
            self._removed[number] = left

    def _land(self, number: int) -> bool:
        """Let a message be in flight no longer; return whether it was."""
        if self._flight.pop(number, None) is None:
            return False
        if self._fair is not None:
            self._fair.ended(number)
        return True

    def _fly(self, number: int, until: int) -> None:
        if self._fair is not None and number not in self._flight:
            self._fair.began(number)
        self._flight[number] = until
        heapq.heappush(self._returns, until << _NUMBER_BITS | number)
        if len(self._returns) > 2 * len(self._flight) + 1_000:
            # A deleted message leaves its entry behind; with long time-outs these would pile up for hours.
            self._returns = sorted(time << _NUMBER_BITS | flying for flying, time in self._flight.items())

    def _stale(self, entry: int) -> bool:
        return self._flight.get(entry & _NUMBER) != entry >> _NUMBER_BITS
