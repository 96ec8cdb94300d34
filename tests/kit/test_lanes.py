"""Lanes take turns; the healthy ones go first, and alarms wake them in time."""

from __future__ import annotations

from math import inf

from awning.kit.complaints import Complaints
from awning.kit.lanes import Lanes


def taken(lanes: Lanes, ailing: bool = True) -> list[str]:
    found = []
    while (lane := lanes.take(ailing)) is not None:
        found.append(lane.arn)
    return found


def test_lanes_take_turns_and_are_ready_once() -> None:
    lanes = Lanes()
    for arn in "abab":
        lanes.wake(lanes.open((arn, "")))
    assert taken(lanes) == ["a", "b"]
    assert taken(lanes) == []


def test_healthy_lanes_go_first_and_ailing_ones_where_they_may() -> None:
    lanes = Lanes()
    for arn in "abc":
        lane = lanes.open((arn, ""))
        lane.ailing = arn == "a"
        lanes.wake(lane)
    assert taken(lanes, ailing=False) == ["b", "c"]
    assert taken(lanes) == ["a"]


def test_the_earliest_alarm_counts_and_rings_once() -> None:
    lanes = Lanes()
    lane = lanes.open(("a", ""))
    for due in (30, 20, 25):
        lanes.wake_at(lane, due)
    assert lanes.next_alarm() == 20
    lanes.tick(19)
    assert taken(lanes) == []
    lanes.tick(40)
    assert taken(lanes) == ["a"]
    assert (lane.alarm, lanes.next_alarm()) == (None, inf)


def test_an_alarm_of_a_lane_that_is_gone_is_void() -> None:
    lanes = Lanes()
    lanes.wake_at(lanes.open(("a", "")), 10)
    lanes.close(lanes.open(("a", "")))
    lanes.tick(20)
    assert (taken(lanes), len(lanes)) == ([], 0)


def test_a_complaint_is_made_once_a_minute_and_the_others_counted() -> None:
    said: list[str] = []
    complaints = Complaints("outbox of sns", said.append)
    for number in range(100_000):
        complaints.make("hook", f"try {number}", now=100 + number / 10_000)
    complaints.make("other", "no route", now=120)
    complaints.tick(159)
    assert said == ["outbox of sns: try 0", "outbox of sns: no route"]
    complaints.make("hook", "again", now=161)
    assert said[2:] == ["outbox of sns: 99999 more such lines within a minute.", "outbox of sns: again"]
    for number in range(1000):
        complaints.make(number, f"about {number}", now=162)
    assert len(said) < 110


def test_a_lane_that_falls_ill_while_it_waits_goes_behind_the_healthy_ones() -> None:
    lanes = Lanes()
    ill, well = lanes.open(("ill", "")), lanes.open(("well", ""))
    lanes.wake(ill)
    lanes.wake(well)
    ill.ailing = True
    assert lanes.take(True) is well
    assert lanes.take(False) is None
    assert lanes.take(True) is ill
