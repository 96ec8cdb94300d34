"""Delivery policies: the schedule of retries, what is in force, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awning.services.sns import retries
from awning.services.sns.retries import Schedule


def delays(schedule: Schedule) -> list[float]:
    found = []
    attempt = 1
    while (delay := schedule.delay_before(attempt)) is not None:
        found.append(round(delay, 3))
        attempt += 1
    return found


def test_by_default_there_are_three_retries_twenty_seconds_apart() -> None:
    assert delays(retries.schedule_of(None, None)) == [20, 20, 20]


def test_the_phases_of_the_guide_s_example() -> None:
    policy = {
        "healthyRetryPolicy": {
            "minDelayTarget": 1,
            "maxDelayTarget": 60,
            "numRetries": 50,
            "numNoDelayRetries": 3,
            "numMinDelayRetries": 2,
            "numMaxDelayRetries": 35,
            "backoffFunction": "exponential",
        },
        "throttlePolicy": {"maxReceivesPerSecond": 10},
        "requestPolicy": {"headerContentType": "application/json"},
    }
    retries.read_subscription_policy(json.dumps(policy))
    schedule = retries.schedule_of(json.dumps(policy), None)
    found = delays(schedule)
    assert len(found) == 50
    assert found[:5] == [0, 0, 0, 1, 1]
    assert found[5] == 1
    assert found[14] == 60
    assert found[15:] == [60] * 35
    assert schedule.most_per_second == 10
    assert schedule.content_type == "application/json"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("linear", [5, 15, 25, 35, 45]),
        ("arithmetic", [5, 9, 17, 29, 45]),
        ("geometric", [5, 8.66, 15, 25.981, 45]),
        ("exponential", [5, 7.667, 13, 23.667, 45]),
    ],
)
def test_backoff_leads_from_the_least_to_the_longest_delay(function: str, expected: list[float]) -> None:
    assert delays(Schedule(min_delay=5, max_delay=45, retries=5, function=function)) == expected


@given(
    st.integers(1, 50),
    st.integers(0, 100),
    st.integers(0, 30),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from(["linear", "arithmetic", "geometric", "exponential"]),
)
def test_delays_never_shrink_and_stay_in_bounds(
    least: int, more: int, backoff: int, first: int, second: int, last: int, function: str
) -> None:
    schedule = Schedule(least, least + more, backoff + first + second + last, first, second, last, function)
    found = delays(schedule)
    assert len(found) == schedule.retries
    assert found == sorted(found)
    assert all(delay == 0 or least <= delay <= least + more for delay in found)


def test_a_topic_s_policy_counts_where_a_subscription_has_none_or_must_not() -> None:
    topic: dict[str, Any] = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 7}}}
    own = json.dumps({"healthyRetryPolicy": {"numRetries": 2}})
    assert retries.schedule_of(None, json.dumps(topic)).retries == 7
    assert retries.schedule_of(own, json.dumps(topic)).retries == 2
    topic["http"]["disableSubscriptionOverrides"] = True
    assert retries.schedule_of(own, json.dumps(topic)).retries == 7


def test_effective_policies_say_everything() -> None:
    shown = json.loads(retries.effective_of_topic(None))["http"]
    assert shown["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert shown["disableSubscriptionOverrides"] is False
    shown = json.loads(retries.effective_of_subscription('{"healthyRetryPolicy": {"numRetries": 5}}', None))
    assert shown["healthyRetryPolicy"]["numRetries"] == 5
    assert shown["healthyRetryPolicy"]["minDelayTarget"] == 20
    assert shown["guaranteed"] is False


@pytest.mark.parametrize(
    ("healthy", "text"),
    [
        ({"minDelayTarget": 0}, "minDelayTarget must be greater than or equal to 1"),
        ({"minDelayTarget": 30}, "maxDelayTarget must be greater than or equal to minDelayTarget"),
        ({"maxDelayTarget": 3601}, "maxDelayTarget must be less than or equal to 3600"),
        ({"numRetries": 101}, "numRetries must be less than or equal to 100"),
        ({"numRetries": -1}, "numRetries must be greater than or equal to 0"),
        ({"numRetries": "3"}, "numRetries must be"),
        ({"numNoDelayRetries": 4}, "numRetries must be greater than or equal to the sum"),
        ({"backoffFunction": "random"}, "backoffFunction must be one of"),
        ({"numRetries": 100, "maxDelayTarget": 1000}, "total retry time"),
        ({"other": 1}, "unknown attribute: other"),
    ],
)
def test_a_retry_policy_out_of_bounds_is_refused(healthy: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"^DeliveryPolicy: ") as raised:
        retries.read_subscription_policy(json.dumps({"healthyRetryPolicy": healthy}))
    assert text in str(raised.value)
    with pytest.raises(ValueError, match=r"^DeliveryPolicy: "):
        retries.read_topic_policy(json.dumps({"http": {"defaultHealthyRetryPolicy": healthy}}))


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "[]",
        '{"healthyRetryPolicy": 1}',
        '{"throttlePolicy": {"maxReceivesPerSecond": 0}}',
        '{"requestPolicy": {"headerContentType": "image/png"}}',
        '{"http": {}}',
    ],
)
def test_what_else_is_refused(policy: str) -> None:
    with pytest.raises(ValueError, match=r"^DeliveryPolicy: "):
        retries.read_subscription_policy(policy)
