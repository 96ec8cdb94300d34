"""Fair queues: a group with much in flight stands aside for the others, and nothing is lost by it."""

from __future__ import annotations

from collections import Counter
from random import Random

from awning.services.sqs.engine import Line, Taken
from awning.services.sqs.fair import STEP
from tests.services.sqs.support import Bench, OneQueue


def take(line: Line, count: int = 10, now: int = 0, hide: int = 30_000) -> list[int]:
    taken: list[Taken] = []
    line.settle(now)
    line.take(count, now, now + hide, taken)
    return [step.number for step in taken if not step.removed]


def crowd(noisy: int, *others: tuple[int, str | None]) -> Line:
    """A line of messages of a group called loud, numbered from 1, and then others."""
    line = Line()
    for number in range(1, noisy + 1):
        line.put(number, None, "loud")
    for number, group in others:
        line.put(number, None, group)
    return line


def test_a_noisy_group_stands_aside_for_quiet_ones_and_those_without_a_group() -> None:
    line = crowd(100, (101, "quiet"), (102, None))
    assert take(line, 29) == list(range(1, 30))
    assert take(line, 1) == [30]
    assert take(line, 3) == [101, 102, 31]
    assert take(line, 200) == list(range(32, 101))


def test_it_is_quiet_again_once_little_of_it_is_in_flight() -> None:
    line = crowd(60, (61, "quiet"), (62, "quiet"))
    take(line, 30)
    assert take(line, 1) == [61]
    line.remove(30)
    assert take(line, 2) == [31, 62]
    assert line.waiting()


def test_a_group_is_not_noisy_where_others_have_as_much_in_flight() -> None:
    line = Line()
    for number in range(400):
        line.put(number, None, f"group {number % 13}")
    assert take(line, 390) == list(range(390))
    line.put(400, None, None)
    assert take(line, 1) == [390]


def test_of_noisy_groups_that_with_the_least_in_flight_comes_first() -> None:
    line = Line()
    for number in range(100):
        line.put(number, None, "a" if number < 60 else "b")
    assert take(line, 30) == list(range(30))
    assert take(line, 30) == list(range(60, 90))
    assert take(line, 2) == [30, 90]


def test_what_was_taken_from_aside_goes_back_there() -> None:
    line = crowd(40, (41, "quiet"))
    take(line, 30)
    taken: list[Taken] = []
    line.take(5, 0, 10, taken)
    assert [step.number for step in taken] == [41, 31, 32, 33, 34]
    line.give_back(taken)
    assert take(line, 5) == [41, 31, 32, 33, 34]
    assert line.counts(0) == (6, 35, 0)
    assert sorted(step[0] for step in line.look(10) if step[1] == "visible") == list(range(35, 41))


def test_a_search_for_quiet_ones_is_bounded() -> None:
    line = crowd(3 * STEP, (3 * STEP + 1, "quiet"))
    take(line, 30)
    assert take(line, 3) == [31, 32, 3 * STEP + 1]


def test_nothing_is_lost_whatever_happens() -> None:
    random = Random(7)
    line, number = Line(), 0
    alive: set[int] = set()
    for now in range(0, 2_000_000, 1_000):
        for _ in range(random.randrange(6)):
            number += 1
            line.put(number, None, random.choice(["loud", "loud", "loud", "quiet", None]))
            alive.add(number)
        taken: list[Taken] = []
        line.settle(now)
        line.take(random.randrange(8), now, now + 40_000, taken)
        if random.random() < 0.2:
            line.give_back(taken)
        for gone in random.sample(sorted(alive), min(len(alive), random.randrange(4))):
            held = line.held(gone)
            line.remove(gone)
            if random.random() < 0.2:
                line.restore(gone, held)
            else:
                alive.remove(gone)
    while line.next_due() is not None:
        line.settle(9_000_000)
    rest = Counter(take(line, number, now=9_000_000))
    assert rest == Counter(alive)


def test_groups_are_known_again_after_a_start(bench: Bench, queue: OneQueue) -> None:
    for number in range(40):
        queue.send(f"loud {number}", message_group_id="loud")
    queue.send("quiet", message_group_id="quiet")
    bench.restart()
    for _ in range(3):
        assert len(queue.receive(10)) == 10
    (message,) = queue.receive(attribute_names=["MessageGroupId"])
    assert (message["Body"], message["Attributes"]) == ("quiet", {"MessageGroupId": "quiet"})
    assert queue.bodies(1) == ["loud 30"]


def test_a_queue_without_groups_keeps_none() -> None:
    line = Line()
    line.put(1)
    take(line)
    assert line._fair is None
