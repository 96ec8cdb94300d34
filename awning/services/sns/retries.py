"""Delivery policies of HTTP and HTTPS subscriptions: when a delivery that failed is tried again. Pure.

Source: "Amazon SNS message delivery retries" and "Creating an HTTP/S delivery policy" in the SNS developer guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

LONGEST_DELAY: Final = 3600
MOST_RETRIES: Final = 100
LONGEST_IN_ALL: Final = 3600
"""Seconds that all retries of an HTTP delivery may take together: a hard limit of SNS."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
_FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")
_CONTENT_TYPES = frozenset(
    {
        "application/atom+xml",
        "application/javascript",
        "application/json",
        "application/octet-stream",
        "application/soap+xml",
        "application/x-www-form-urlencoded",
        "application/xhtml+xml",
        "application/xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/plain",
        "text/xml",
    }
)
_CHARSET = re.compile(r" *charset=[A-Za-z0-9._-]+")
PLAIN_TEXT: Final = "text/plain; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Schedule:
    """An effective delivery policy. Delays in seconds. `most_per_second` is None where nothing is throttled; `content_type` is
    that of what is posted."""

    min_delay: int = 20
    max_delay: int = 20
    retries: int = 3
    no_delay: int = 0
    at_min_delay: int = 0
    at_max_delay: int = 0
    function: str = "linear"
    most_per_second: int | None = None
    content_type: str = PLAIN_TEXT

    def delay_before(self, attempt: int) -> float | None:
        """Return the seconds to wait before a retry (the first is 1) after the try that failed; None where there is none."""
        if not 1 <= attempt <= self.retries:
            return None
        place = attempt - 1
        if place < self.no_delay:
            return 0.0
        place -= self.no_delay
        if place < self.at_min_delay:
            return float(self.min_delay)
        place -= self.at_min_delay
        backoff = self.retries - self.no_delay - self.at_min_delay - self.at_max_delay
        if place >= backoff:
            return float(self.max_delay)
        return self._between(place, backoff)

    def _between(self, place: int, count: int) -> float:
        """The delay before one of the `count` retries that lead from the least to the longest delay."""
        least, most = float(self.min_delay), float(self.max_delay)
        if count == 1 or least == most:
            return least
        part = place / (count - 1)
        if self.function == "arithmetic":  # The steps grow by the same amount each time.
            part = place * (place + 1) / ((count - 1) * count)
        elif self.function == "geometric":
            return float(least * pow(most / least, part))
        elif self.function == "exponential":
            part = (2**place - 1) / (2 ** (count - 1) - 1)
        return least + (most - least) * part


def read_subscription_policy(text: str) -> str:
    """Check a subscription's DeliveryPolicy; return it as it is stored and shown. Raises ValueError with what stands after
    "Invalid parameter: "."""
    policy = _policy(text)
    names = ("healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy")
    shown = {**{name: policy.get(name) for name in names}, "guaranteed": bool(policy.get("guaranteed"))}
    return orjson.dumps(shown).decode()


def read_topic_policy(text: str) -> str:
    """The same of a topic's, where all is within "http". Raises ValueError."""
    policy = _topic_policy(text)
    shown = {"disableSubscriptionOverrides": False, **policy}
    return orjson.dumps({"http": {name: value for name, value in shown.items() if value is not None}}).decode()


def effective_of_topic(text: str | None) -> str:
    """Return a topic's EffectiveDeliveryPolicy, as JSON text."""
    own = _topic_policy(text) if text else {}
    own = {name: value for name, value in own.items() if value is not None}
    shown: dict[str, Any] = {
        "defaultHealthyRetryPolicy": {**_DEFAULTS, **own.get("defaultHealthyRetryPolicy", {})},
        "disableSubscriptionOverrides": own.get("disableSubscriptionOverrides", False),
        "defaultRequestPolicy": {"headerContentType": PLAIN_TEXT, **own.get("defaultRequestPolicy", {})},
    }
    if throttle := own.get("defaultThrottlePolicy"):
        shown["defaultThrottlePolicy"] = throttle
    return orjson.dumps({"http": shown}).decode()


def effective_of_subscription(subscription: str | None, topic: str | None) -> str:
    """Return an HTTP subscription's EffectiveDeliveryPolicy, as JSON text, from its own policy and its topic's."""
    return orjson.dumps(_effective(subscription, topic)).decode()


def schedule_of(subscription: str | None, topic: str | None) -> Schedule:
    """Return what is in force for an HTTP subscription, from its own policy and its topic's (JSON texts that were checked)."""
    found = _effective(subscription, topic)
    throttle = found["throttlePolicy"] or {}
    return replace(
        _schedule(found["healthyRetryPolicy"]),
        most_per_second=throttle.get("maxReceivesPerSecond"),
        content_type=found["requestPolicy"]["headerContentType"],
    )


def _schedule(healthy: Mapping[str, Any]) -> Schedule:
    return Schedule(
        min_delay=healthy["minDelayTarget"],
        max_delay=healthy["maxDelayTarget"],
        retries=healthy["numRetries"],
        no_delay=healthy["numNoDelayRetries"],
        at_min_delay=healthy["numMinDelayRetries"],
        at_max_delay=healthy["numMaxDelayRetries"],
        function=healthy["backoffFunction"],
    )


def _effective(subscription: str | None, topic: str | None) -> dict[str, Any]:
    above = _topic_policy(topic) if topic else {}
    above = {name: value for name, value in above.items() if value is not None}
    own = _policy(subscription) if subscription and not above.get("disableSubscriptionOverrides") else {}
    healthy = own.get("healthyRetryPolicy") or above.get("defaultHealthyRetryPolicy", {})
    request = own.get("requestPolicy") or above.get("defaultRequestPolicy", {})
    return {
        "healthyRetryPolicy": {**_DEFAULTS, **healthy},
        "sicklyRetryPolicy": None,
        "throttlePolicy": own.get("throttlePolicy") or above.get("defaultThrottlePolicy"),
        "requestPolicy": {"headerContentType": PLAIN_TEXT, **request},
        "guaranteed": False,
    }


def _policy(text: str) -> dict[str, Any]:
    policy = _object(text)
    _known(policy, {"healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy", "guaranteed"})
    if policy.get("sicklyRetryPolicy") is not None:
        raise ValueError("DeliveryPolicy: sicklyRetryPolicy is not supported")
    _check_parts(policy, "healthyRetryPolicy", "throttlePolicy", "requestPolicy")
    return policy


def _topic_policy(text: str) -> dict[str, Any]:
    whole = _object(text)
    _known(whole, {"http"})
    policy = whole.get("http")
    if not isinstance(policy, dict):
        raise ValueError("DeliveryPolicy: http must be specified")
    overrides = policy.get("disableSubscriptionOverrides")
    _known(
        policy,
        {
            "defaultHealthyRetryPolicy",
            "defaultSicklyRetryPolicy",
            "defaultThrottlePolicy",
            "defaultRequestPolicy",
            "disableSubscriptionOverrides",
        },
    )
    if overrides is not None and not isinstance(overrides, bool):
        raise ValueError("DeliveryPolicy: http.disableSubscriptionOverrides must be a boolean")
    if policy.get("defaultSicklyRetryPolicy") is not None:
        raise ValueError("DeliveryPolicy: http.defaultSicklyRetryPolicy is not supported")
    _check_parts(policy, "defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy", "http.")
    return policy


def _object(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("DeliveryPolicy: failed to parse JSON.")
    return found


def _known(policy: Mapping[str, Any], names: set[str]) -> None:
    for name in policy:
        if name not in names:
            raise ValueError(f"DeliveryPolicy: unknown attribute: {name}")


def _check_parts(policy: Mapping[str, Any], healthy: str, throttle: str, request: str, prefix: str = "") -> None:
    for name in (healthy, throttle, request):
        if policy.get(name) is not None and not isinstance(policy[name], dict):
            raise ValueError(f"DeliveryPolicy: {prefix}{name} must be an object")
    if policy.get(healthy) is not None:
        _check_healthy(policy[healthy], prefix + healthy)
    if policy.get(throttle) is not None:
        _known(policy[throttle], {"maxReceivesPerSecond"})
        most = policy[throttle].get("maxReceivesPerSecond")
        if most is not None and (not _is_count(most) or most < 1):
            raise ValueError(
                f"DeliveryPolicy: {prefix}{throttle}.maxReceivesPerSecond must be greater than or equal to 1"
            )
    if policy.get(request) is not None:
        _known(policy[request], {"headerContentType"})
        kind = policy[request].get("headerContentType", PLAIN_TEXT)
        if not isinstance(kind, str) or not _is_content_type(kind):
            raise ValueError(f"DeliveryPolicy: {prefix}{request}.headerContentType is not supported")


def _is_content_type(text: str) -> bool:
    """Whether this is a content type of those that SNS knows, with or without a charset."""
    kind, _, charset = text.partition(";")
    return kind.strip().lower() in _CONTENT_TYPES and (not charset or _CHARSET.fullmatch(charset) is not None)


def _check_healthy(given: Mapping[str, Any], where: str) -> None:
    _known(given, set(_DEFAULTS))
    policy = {**_DEFAULTS, **given}
    for name in _DEFAULTS:
        if name != "backoffFunction" and not (_is_count(policy[name]) and policy[name] >= 0):
            raise ValueError(f"DeliveryPolicy: {where}.{name} must be greater than or equal to 0")
    least, most, retries = policy["minDelayTarget"], policy["maxDelayTarget"], policy["numRetries"]
    if least < 1:
        raise ValueError(f"DeliveryPolicy: {where}.minDelayTarget must be greater than or equal to 1")
    if most > LONGEST_DELAY:
        raise ValueError(f"DeliveryPolicy: {where}.maxDelayTarget must be less than or equal to {LONGEST_DELAY}")
    if least > most:
        raise ValueError(f"DeliveryPolicy: {where}.maxDelayTarget must be greater than or equal to minDelayTarget")
    if retries > MOST_RETRIES:
        raise ValueError(f"DeliveryPolicy: {where}.numRetries must be less than or equal to {MOST_RETRIES}")
    if policy["numNoDelayRetries"] + policy["numMinDelayRetries"] + policy["numMaxDelayRetries"] > retries:
        raise ValueError(
            f"DeliveryPolicy: {where}.numRetries must be greater than or equal to the sum of numNoDelayRetries, "
            "numMinDelayRetries and numMaxDelayRetries"
        )
    if policy["backoffFunction"] not in _FUNCTIONS:
        raise ValueError(f"DeliveryPolicy: {where}.backoffFunction must be one of {', '.join(_FUNCTIONS)}")
    schedule = _schedule(policy)
    if sum([schedule.delay_before(attempt) or 0.0 for attempt in range(1, retries + 1)]) > LONGEST_IN_ALL:
        raise ValueError(
            f"DeliveryPolicy: the total retry time of {where} must not be greater than {LONGEST_IN_ALL} seconds"
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
