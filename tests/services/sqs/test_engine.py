"""The order of a standard queue, rule by rule. Times are milliseconds."""

from __future__ import annotations

from awning.services.sqs.engine import Line, Seen, Taken
from awning.services.sqs.numbers import Numbers


def take(line: Line, count: int = 10, now: int = 0, hide: int = 30_000) -> list[int]:
    taken: list[Taken] = []
    line.settle(now)
    line.take(count, now, now + hide, taken)
    return [number for number, _, removed, _ in taken if not removed]


def line_of(*numbers: int) -> Line:
    line = Line()
    for number in numbers:
        line.put(number)
    return line


def test_messages_come_in_the_order_in_which_they_were_put() -> None:
    line = line_of(1, 2, 3)
    assert take(line, 2) == [1, 2]
    assert take(line, 2) == [3]


def test_a_delayed_message_is_invisible_until_its_time() -> None:
    line = Line()
    line.put(1, due=5_000)
    assert take(line, now=4_999) == []
    assert line.counts(4_999) == (0, 0, 1)
    assert line.next_due() == 5_000
    assert take(line, now=5_000) == [1]


def test_a_taken_message_comes_back_when_its_time_is_over() -> None:
    line = line_of(1)
    assert take(line, now=0, hide=30_000) == [1]
    assert take(line, now=29_999) == []
    assert line.next_due() == 30_000
    assert take(line, now=30_000) == [1]
    assert line.seen(1) == Seen(2, 0)


def test_a_message_that_comes_back_waits_behind_those_that_wait_already() -> None:
    line = line_of(1, 2)
    take(line, 1, now=0, hide=1_000)
    assert take(line, now=1_000) == [2, 1]


def test_a_removed_message_never_comes_back() -> None:
    line = line_of(1, 2, 3)
    take(line, 1)
    line.remove(1)
    line.remove(2)
    assert take(line, now=60_000) == [3]
    assert line.total == 1
    assert line.counts(60_000) == (0, 1, 0)


def test_hiding_for_longer_and_for_shorter() -> None:
    line = line_of(1, 2)
    take(line, 2, now=0, hide=30_000)
    line.hide(1, 60_000)
    line.hide(2, 10_000)
    assert line.next_due() == 10_000
    assert take(line, now=59_999, hide=30_000) == [2]
    assert take(line, now=60_000) == [1]


def test_no_more_are_in_flight_than_the_limit() -> None:
    line = Line()
    for number in range(120_010):
        line.put(number)
    for _ in range(12_000):
        assert len(take(line)) == 10
    assert line.full
    assert take(line) == []
    line.remove(5)
    assert not line.full
    assert take(line) == [120_000]


def test_giving_back_restores_order_and_counts() -> None:
    line = line_of(1, 2, 3)
    held = line.held(1)
    line.remove(1)
    taken: list[Taken] = []
    line.take(2, 0, 30_000, taken)
    assert [number for number, *_ in taken] == [1, 2, 3]
    line.give_back(taken)
    line.restore(1, held)
    assert take(line) == [1, 2, 3]
    assert line.seen(1) == Seen(1, 0)


def test_giving_back_what_became_visible_meanwhile_leaves_one_copy() -> None:
    line = line_of(1, 2)
    taken: list[Taken] = []
    line.take(1, 0, 0, taken)
    line.settle(5)
    line.give_back(taken)
    assert sorted(take(line)) == [1, 2]
    assert line.counts(0) == (0, 2, 0)


def test_taking_back_a_hide_hides_again_what_became_visible_meanwhile() -> None:
    line = line_of(1, 2)
    take(line, 1, now=0, hide=30_000)
    line.hide(1, 5)
    line.settle(10)
    line.unhide(1, 30_000)
    assert take(line, now=29_999, hide=60_000) == [2]
    assert take(line, now=30_000) == [1]


def test_restoring_a_message_in_flight() -> None:
    line = line_of(1)
    take(line, now=0, hide=30_000)
    held = line.held(1)
    line.remove(1)
    assert line.next_due() is None
    line.restore(1, held)
    assert take(line, now=29_999) == []
    assert take(line, now=30_000) == [1]
    assert line.seen(1) == Seen(2, 0)


def test_entries_that_deleted_messages_leave_behind_do_not_pile_up() -> None:
    line = Line()
    for number in range(20_000):
        line.put(number)
        assert take(line, 1, hide=43_200_000) == [number]
        line.remove(number)
    assert len(line._returns) <= 1_001
    assert line.total == 0


def test_much_that_is_due_at_once_is_moved_in_steps() -> None:
    line = Line()
    for number in range(2_500):
        line.put(number, due=1_000)
    assert line.counts(1_000) == (1_000, 0, 1_500)
    assert line.counts(1_000) == (2_000, 0, 500)
    assert line.counts(1_000) == (2_500, 0, 0)


def test_numbers_are_a_line() -> None:
    numbers = Numbers()
    for number in range(5_000):
        numbers.append(number)
    assert [numbers.popleft() for _ in range(4_000)] == list(range(4_000))
    assert len(numbers._items) < 5_000
    numbers.appendleft(7)
    assert len(numbers) == 1_001
    assert [numbers.popleft() for _ in range(2)] == [7, 4_000]


def test_looking_changes_nothing_and_passes_over_what_is_gone() -> None:
    line = Line()
    for number in range(1, 7):
        line.put(number)
    line.put(7, due=9_000)
    line.put(8, due=8_000)
    line.take(2, 0, 5_000, [])
    line.remove(3)
    for _ in range(2):
        seen = [(4, "visible", None), (5, "visible", None), (6, "visible", None)]
        assert line.look(2) == seen[:2]
        assert line.look(10) == [
            *seen,
            (1, "in flight", 5_000),
            (2, "in flight", 5_000),
            (8, "delayed", 8_000),
            (7, "delayed", 9_000),
        ]
    assert line.counts(0) == (3, 2, 2)
