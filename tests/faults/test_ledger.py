"""The soak's ledgers find what they are for: loss, doubles, too early, after deletion, out of order, forgotten receives."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.ledger import Delivery, FifoLedger, Ledger, Ring, Span


def sent(ledger: Ledger, *names: str) -> Ledger:
    for name in names:
        ledger.issued(name)
        ledger.told(name)
    return ledger


def came(ledger: Ledger, name: str, began: float = 0.0, life: int | None = 0, **how: str | int) -> None:
    delivery = Delivery(name, str(how.get("id", "id")), int(how.get("count", 9)), str(how.get("sequence", name)))
    ledger.received([delivery], Span(began, began + 0.1, life))


def gone(ledger: Ledger, name: str, now: float) -> None:
    ledger.deleting(name)
    ledger.deleted(name, now)


@pytest.fixture(params=[Ledger, FifoLedger])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    return sent(request.param("queue", 10), "a.0", "a.1")


def wrong(ledger: Ledger) -> set[str]:
    return {
        word for word in ("lost", "twice", "came back", "too early", "out of order", "forgotten") if ledger.counts[word]
    }


def test_a_good_life_leaves_no_faults(ledger: Ledger) -> None:
    for number in range(2):
        came(ledger, f"a.{number}", number)
        gone(ledger, f"a.{number}", number + 0.5)
    assert ledger.settled()
    ledger.close()
    assert ledger.faults == []


def test_what_never_came_is_lost_and_so_is_what_came_once_and_vanished(ledger: Ledger) -> None:
    came(ledger, "a.0")
    assert not ledger.settled()
    ledger.close()
    assert ledger.counts["lost"] == len(ledger.faults) == 2


def test_what_was_not_acknowledged_is_not_lost(ledger: Ledger) -> None:
    for name in ("a.0", "a.1"):
        came(ledger, name)
        gone(ledger, name, 1)
    ledger.issued("a.2")
    ledger.close()
    assert ledger.faults == []


def test_what_comes_after_its_deletion_is_a_fault_and_what_was_under_way_is_none(ledger: Ledger) -> None:
    came(ledger, "a.0", 0)
    gone(ledger, "a.0", 5)
    came(ledger, "a.0", 4.95, life=None) if ledger.forgets_receives else None
    assert wrong(ledger) == set()
    came(ledger, "a.0", 20)
    assert wrong(ledger) == {"came back"}


def test_a_message_with_two_ids_is_there_twice(ledger: Ledger) -> None:
    came(ledger, "a.0", 0)
    came(ledger, "a.0", 20, id="other")
    assert wrong(ledger) == {"twice"}


def test_what_is_in_flight_is_nobody_elses(ledger: Ledger) -> None:
    came(ledger, "a.0", 0)
    ledger.letting_go("a.0")
    came(ledger, "a.0", 1)
    came(ledger, "a.0", 11.2)
    assert wrong(ledger) == set()
    came(ledger, "a.0", 12)
    assert wrong(ledger) == {"too early"}


def test_only_a_standard_queue_forgets_by_a_crash(ledger: Ledger) -> None:
    came(ledger, "a.0", 0, life=0)
    came(ledger, "a.0", 1, life=2, count=1)
    assert wrong(ledger) == (set() if ledger.forgets_receives else {"too early", "forgotten"})


def test_a_group_comes_in_its_order() -> None:
    ledger = sent(FifoLedger("queue", 10), "a.0", "a.1", "a.2", "b.0")
    both = [Delivery("a.0", "1", 1, "1"), Delivery("a.2", "2", 1, "2")]
    ledger.received(both, Span(0, 0, 0))
    assert ledger.faults == ["queue: a.2 came before a.1"]
    came(ledger, "b.0")
    assert len(ledger.faults) == 1
    for name in ("a.0", "a.1"):
        gone(ledger, name, 1)
    came(ledger, "a.2", 20, id="2")
    assert len(ledger.faults) == 1


def test_a_later_message_before_an_earlier_one_and_sequence_numbers_that_fall() -> None:
    ledger = sent(FifoLedger("queue", 10), "a.0", "a.1")
    came(ledger, "a.1", sequence="5")
    assert wrong(ledger) == {"out of order"}
    ledger.deleting("a.0")
    sent(ledger, "a.2")
    gone(ledger, "a.1", 1)
    came(ledger, "a.2", 2, sequence="4")
    assert ledger.faults[-1] == "queue: a.2 has the sequence number 4, after 5"


def test_a_ring_has_each_message_once() -> None:
    ring = Ring("ring", 10)
    sent(ring, "a.0", "a.1", "a.2", "a.3")
    gone(ring, "a.3", 1)
    ring.close_with(Counter({"a.0": 1, "a.1": 2}))
    assert wrong(ring) == {"lost", "twice"}
    ring.close_with(Counter({"a.0": 1, "a.1": 1, "a.2": 1, "a.3": 1}))
    assert wrong(ring) == {"lost", "twice", "came back"}


def test_what_was_never_sent_is_a_fault(ledger: Ledger) -> None:
    came(ledger, "a.7")
    assert any("never sent" in fault for fault in ledger.faults)
