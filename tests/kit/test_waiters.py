"""Long polling's queue of waiting calls."""

from __future__ import annotations

from awning.kit.waiters import Waiters


class Waiting:
    def __init__(self, name: str) -> None:
        self.name = name
        self.abandoned = False


def waiters() -> tuple[Waiters, list[str]]:
    woken: list[str] = []
    return Waiters(lambda waiter: woken.append(waiter.name)), woken  # type: ignore[attr-defined]


def test_a_wake_runs_the_oldest_first_and_no_more_than_asked_for() -> None:
    queue, woken = waiters()
    for name in "abc":
        queue.add(Waiting(name), "jobs", deadline=20, retry_at=None)
    queue.wake("jobs", 2)
    assert woken == ["a", "b"]
    assert len(queue) == 1


def test_a_wake_passes_over_those_whose_client_has_gone() -> None:
    queue, woken = waiters()
    gone = Waiting("gone")
    queue.add(gone, "jobs", deadline=20, retry_at=None)
    queue.add(Waiting("here"), "jobs", deadline=20, retry_at=None)
    gone.abandoned = True
    queue.wake("jobs", 1)
    assert woken == ["here"]
    assert len(queue) == 0


def test_a_wake_of_another_key_wakes_nobody() -> None:
    queue, woken = waiters()
    queue.add(Waiting("a"), "jobs", deadline=20, retry_at=None)
    queue.wake("mail", 5)
    assert woken == []


def test_a_waiter_runs_again_at_its_deadline_and_only_once() -> None:
    queue, woken = waiters()
    queue.add(Waiting("a"), "jobs", deadline=20, retry_at=None)
    queue.tick(19.9)
    assert woken == []
    assert queue.next_due() == 20
    queue.tick(20)
    queue.tick(21)
    queue.wake("jobs", 1)
    assert woken == ["a"]
    assert queue.next_due() is None


def test_at_its_retry_time_a_key_wakes_its_oldest_waiter() -> None:
    queue, woken = waiters()
    queue.add(Waiting("a"), "jobs", deadline=20, retry_at=None)
    queue.add(Waiting("b"), "jobs", deadline=20, retry_at=5)
    assert queue.next_due() == 5
    queue.tick(5)
    assert woken == ["a"]
    assert queue.next_due() == 20


def test_an_earlier_retry_time_counts() -> None:
    queue, woken = waiters()
    queue.add(Waiting("a"), "jobs", deadline=20, retry_at=9)
    queue.add(Waiting("b"), "jobs", deadline=20, retry_at=5)
    queue.tick(5)
    assert woken == ["a"]
    queue.tick(9)
    assert woken == ["a"]


def test_a_hundred_thousand_woken_waiters_leave_nothing_behind() -> None:
    queue, woken = waiters()
    for number in range(100_000):
        queue.add(Waiting(str(number)), "jobs", deadline=20 + number, retry_at=None)
        queue.wake("jobs", 1)
        if number % 1000 == 0:
            queue.tick(0)
    queue.tick(0)
    assert len(woken) == 100_000
    assert len(queue._deadlines) < 2000
    assert queue._queues == {}
