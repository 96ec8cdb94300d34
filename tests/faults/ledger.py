"""Ledgers of messages: what was acknowledged, what came, and so what was lost, came twice, too early or after its deletion.

A message is called `sender.number`; a sender's numbers are 0, 1, 2, … A byte of marks each, so that millions can be held.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

ISSUED, TOLD, RECEIVED, BEGUN, DELETED = 1, 2, 4, 8, 16
"""Sending was called; was acknowledged; an answer to a receive had it; deleting was called; was acknowledged."""

_KEPT = 100_000
"""How many messages are remembered with more than their marks."""

_SHOWN = 20


class Span(NamedTuple):
    """A call and its answer, by time.monotonic(). `life` is the region's, None where it did not last from one to the other."""

    began: float
    ended: float
    life: int | None


class Delivery(NamedTuple):
    """What an answer to a receive had of a message."""

    name: str
    id: str
    count: int
    sequence: str = ""


@dataclass
class Recent:
    """What is remembered of a message for a while. `free`: somebody let go of it, or might have."""

    id: str
    span: Span
    attempt: str
    times: int = 1
    free: bool = False
    deleted: float | None = None


def split(name: str) -> tuple[str, int]:
    sender, _, number = name.rpartition(".")
    return sender, int(number)


class Ledger:
    """One standard queue's account. `visibility` is in seconds. `faults` says what went wrong, the first of it in words."""

    forgets_receives = True
    """Whether a crash may make the queue forget what is in flight."""

    def __init__(self, name: str, visibility: float) -> None:
        self.name = name
        self.visibility = visibility
        self.lock = threading.Lock()
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._marks: dict[str, bytearray] = {}
        self._recent: dict[str, Recent] = {}

    # What workers report

    def issued(self, name: str) -> None:
        """Before a message is sent."""
        with self.lock:
            sender, number = split(name)
            marks = self._marks.setdefault(sender, bytearray())
            assert number <= len(marks), "numbers are given in their order"
            if number == len(marks):
                marks.append(ISSUED)

    def told(self, name: str) -> None:
        """A message's sending was acknowledged."""
        with self.lock:
            if self._mark(name, TOLD):
                self.counts["told"] += 1

    def received(self, found: list[Delivery], span: Span, attempt: str = "") -> None:
        """An answer to a receive had these messages, in this order."""
        with self.lock:
            self._check_order(found)
            for delivery in found:
                self._receive(delivery, span, attempt)
            self._prune()

    def letting_go(self, name: str) -> None:
        """Before a message is made visible again."""
        with self.lock:
            if name in self._recent:
                self._recent[name].free = True

    def deleting(self, name: str) -> None:
        """Before a message is deleted."""
        with self.lock:
            self._mark(name, BEGUN)
            self._begun(name)

    def deleted(self, name: str, now: float) -> None:
        """A deletion was acknowledged."""
        with self.lock:
            if self._mark(name, DELETED):
                self.counts["deleted"] += 1
            if name in self._recent and self._recent[name].deleted is None:
                self._recent[name].deleted = now

    def blame(self, fault: str) -> None:
        self.counts["faults"] += 1
        if len(self.faults) < _SHOWN:
            self.faults.append(f"{self.name}: {fault}")

    # What comes of it

    def names(self, having: int = 0, lacking: int = 0) -> Iterator[str]:
        """Messages that have all of some marks and none of others."""
        for sender, marks in self._marks.items():
            for number, mark in enumerate(marks):
                if mark & having == having and not mark & lacking:
                    yield f"{sender}.{number}"

    def has(self, name: str, marks: int) -> bool:
        sender, number = split(name)
        there = self._marks.get(sender, b"")
        return number < len(there) and there[number] & marks == marks

    def settled(self) -> bool:
        """Whether every message that was sent has come, and its deletion was called."""
        missing = (ISSUED | TOLD, ISSUED | TOLD | RECEIVED)
        with self.lock:
            return not any(mark in marks for marks in self._marks.values() for mark in missing)

    def close(self) -> None:
        """Say what is lost; after the queue has been emptied."""
        with self.lock:
            for name in self.names(TOLD, lacking=BEGUN):
                self.counts["lost"] += 1
                seen = "received once, and never again" if self.has(name, RECEIVED) else "never received"
                self.blame(f"{name} is lost: {seen}")

    # Rules

    def _mark(self, name: str, mark: int) -> bool:
        """Set a mark; return whether that is new."""
        sender, number = split(name)
        marks = self._marks[sender]
        new = not marks[number] & mark
        marks[number] |= mark
        return new

    def _check_order(self, found: list[Delivery]) -> None:
        """A standard queue has none."""

    def _begun(self, name: str) -> None:
        """A standard queue has no order that deletions move on."""

    def _receive(self, delivery: Delivery, span: Span, attempt: str) -> None:
        name = delivery.name
        if not self.has(name, ISSUED):
            self.blame(f"{name} came, and was never sent")
            return
        if self._mark(name, RECEIVED):
            self.counts["received"] += 1
        known = self._recent.get(name)
        if known is None:
            if self.has(name, DELETED):
                self.counts["came back"] += 1
                self.blame(f"{name} came, long after its deletion was acknowledged")
            self._recent[name] = Recent(delivery.id, span, attempt)
            return
        if known.id != delivery.id:
            self.counts["twice"] += 1
            self.blame(f"{name} is there twice, as {known.id} and as {delivery.id}")
        if known.deleted is not None and known.deleted < span.began:
            self.counts["came back"] += 1
            self.blame(f"{name} came, {span.ended - known.deleted:.1f} s after its deletion was acknowledged")
        if attempt and known.attempt == attempt:
            known.span = span
            return
        self.counts["again"] += 1
        self._check_hidden(name, known, span)
        known.times += 1
        if delivery.count < known.times and not self.forgets_receives:
            self.counts["forgotten"] += 1
            self.blame(f"{name} says that it was received {delivery.count} times, and was at least {known.times} times")
        known.span, known.attempt, known.free = span, attempt, False

    def _check_hidden(self, name: str, known: Recent, span: Span) -> None:
        """A message that was received comes again only after its time; or after a crash, where the queue forgets by it."""
        same = known.span.life is not None and known.span.life == span.life
        if known.free or span.ended >= known.span.began + self.visibility or (self.forgets_receives and not same):
            return
        self.counts["too early"] += 1
        where = "in the same life of the region" if same else "over a restart"
        self.blame(f"{name} came again after {span.ended - known.span.began:.1f} s, {where}, while it was in flight")

    def _prune(self) -> None:
        """Forget the oldest of what is deleted."""
        while len(self._recent) > _KEPT:
            name = next(iter(self._recent))
            known = self._recent.pop(name)
            if known.deleted is None:
                self._recent[name] = known  # as young again
                return


class FifoLedger(Ledger):
    """One FIFO queue's account; its senders are its groups. A sender sends again what may not have arrived, under the same id."""

    forgets_receives = False

    def __init__(self, name: str, visibility: float) -> None:
        super().__init__(name, visibility)
        self._first: dict[str, int] = {}
        self._sequences: dict[str, tuple[int, str]] = {}

    def _begun(self, name: str) -> None:
        sender, _ = split(name)
        marks, first = self._marks[sender], self._first.get(sender, 0)
        while first < len(marks) and marks[first] & BEGUN:
            first += 1
        self._first[sender] = first

    def _check_order(self, found: list[Delivery]) -> None:
        """Of each group come the first that are not deleted, one after the other."""
        passed: dict[str, int] = {}
        for delivery in found:
            sender, number = split(delivery.name)
            first = self._first.get(sender, 0)
            at = passed.get(sender, -1)
            marks = self._marks.get(sender, b"")
            skipped = [each for each in range(max(first, at + 1), min(number, len(marks))) if not marks[each] & BEGUN]
            if number <= at or skipped:
                self.counts["out of order"] += 1
                self.blame(f"{delivery.name} came before {sender}.{at if number <= at else skipped[0]}")
            passed[sender] = max(at, number)
            before, sequence = self._sequences.get(sender, (-1, ""))
            if number > before:
                self._sequences[sender] = number, delivery.sequence
                if delivery.sequence <= sequence:
                    self.blame(f"{delivery.name} has the sequence number {delivery.sequence}, after {sequence}")


class Ring(Ledger):
    """Two queues' account, a source and its dead-letter queue: a message moves round and round until it is deleted."""

    def __init__(self, name: str, visibility: float) -> None:
        super().__init__(name, visibility)
        self._ended: dict[str, float] = {}

    def deleted(self, name: str, now: float) -> None:
        self._ended[name] = now
        super().deleted(name, now)

    def received(self, found: list[Delivery], span: Span, attempt: str = "") -> None:
        """Messages change their ids on their way, so only what is deleted is held against it."""
        with self.lock:
            for delivery in found:
                if not self.has(delivery.name, ISSUED):
                    self.blame(f"{delivery.name} came, and was never sent")
                elif self._ended.get(delivery.name, span.began) < span.began:
                    self.counts["came back"] += 1
                    self.blame(f"{delivery.name} came after its deletion was acknowledged")
                elif self._mark(delivery.name, RECEIVED):
                    self.counts["received"] += 1

    def settled(self) -> bool:
        return True

    def close_with(self, left: Counter[str]) -> None:
        """Compare with all that is left in both queues, counted."""
        with self.lock:
            for name in self.names(TOLD, lacking=BEGUN):
                if not left[name]:
                    self.counts["lost"] += 1
                    self.blame(f"{name} is lost")
            for name, count in left.items():
                if count > 1:
                    self.counts["twice"] += 1
                    self.blame(f"{name} is there {count} times")
                if self.has(name, DELETED) or not self.has(name, ISSUED):
                    self.counts["came back"] += 1
                    self.blame(f"{name} is left, and should not be")
            self.counts["left"] = left.total()
