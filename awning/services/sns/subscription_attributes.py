"""The attributes of a subscription that a client may set: names, values, and which subscriptions may have them.

Source: the API reference of Subscribe and SetSubscriptionAttributes; "Amazon SNS dead-letter queues".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson

from awning.kit.errors import NotImplementedHere
from awning.services.sns import filters
from awning.services.sns.errors import invalid
from awning.services.sns.filters import Filter
from awning.services.sns.json_errors import not_json
from awning.services.sns.replays import read_replay_policy
from awning.services.sns.retries import read_subscription_policy

SETTABLE: Final = frozenset(
    {"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "ReplayPolicy"}
)

_LATER: Final = frozenset({"SubscriptionRoleArn"})
_SCOPE = "MessageAttributes"
_QUEUE_ARN = re.compile(r"arn:aws:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
DEFAULTS: Final[Mapping[str, str]] = {"RawMessageDelivery": "false", "FilterPolicyScope": _SCOPE}
"""What a subscription has of which nothing was said."""

_RAW_PROTOCOLS = frozenset({"sqs", "http", "https", "firehose"})


def is_queue_arn(arn: str) -> bool:
    """Whether this is an ARN that a queue may have."""
    return _QUEUE_ARN.fullmatch(arn) is not None and len(arn.rpartition(":")[2]) <= 80


def dead_letter_arn(policy: str) -> str:
    """Return the queue that a stored RedrivePolicy names."""
    return str(orjson.loads(policy)["deadLetterTargetArn"])


def changed(
    attributes: Mapping[str, str],
    changes: Mapping[str, str],
    protocol: str,
    endpoint: str,
    topic_arn: str,
    *,
    subscribing: bool,
) -> dict[str, str]:
    """Return a subscription's attributes after a change. Raises InvalidParameterException, worded for Subscribe or
    SetSubscriptionAttributes."""
    before = "Attributes Reason: " if subscribing else ""
    result = dict(attributes)
    for name, value in changes.items():
        if name in _LATER:
            if value:
                raise NotImplementedHere(f"The subscription attribute {name} is not implemented.")
            continue
        if name not in SETTABLE:
            raise invalid(f"Attributes Reason: Unknown attribute: {name}" if subscribing else "AttributeName")
        if name == "RawMessageDelivery":
            if value.lower() not in ("true", "false"):
                raise invalid(f"{before}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
            if value.lower() == "true" and protocol not in _RAW_PROTOCOLS:
                raise invalid(
                    f"{before}RawMessageDelivery: Delivery protocol [{protocol}] does not support raw message delivery."
                )
            result[name] = value.lower()
        elif not value:
            result.pop(name, None)
        else:
            if name == "RedrivePolicy":
                _check_redrive(value, topic_arn, endpoint, before)
            if name == "ReplayPolicy":
                try:
                    replay = read_replay_policy(value, 0)
                except ValueError as error:
                    raise invalid(f"{before}{error}") from None
                if replay is None:
                    result.pop(name, None)
                    continue
            if name == "DeliveryPolicy":
                value = _delivery(value, protocol, before)
            result[name] = value
    if "FilterPolicy" in changes or "FilterPolicyScope" in changes:
        try:
            filter_of(result)
        except ValueError as error:
            raise invalid(f"{before}{error}") from None
    return result


def filter_of(attributes: Mapping[str, str]) -> Filter | None:
    """Compile a subscription's filter policy, None where it has none. Raises ValueError."""
    scope = attributes.get("FilterPolicyScope", _SCOPE)
    if "FilterPolicy" not in attributes:
        # A scope that waits for its policy must be one all the same.
        filters.compile("{}", scope)
        return None
    return filters.compile(attributes["FilterPolicy"], scope)


def shown(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return a subscription's attributes as clients are told them."""
    result = {"RawMessageDelivery": "false", **attributes}
    if "FilterPolicy" in result:
        result.setdefault("FilterPolicyScope", _SCOPE)
    else:
        result.pop("FilterPolicyScope", None)
    return result


def _delivery(value: str, protocol: str, before: str) -> str:
    if protocol not in ("http", "https"):
        raise invalid(f"{before}DeliveryPolicy: Delivery protocol [{protocol}] does not support delivery policies.")
    try:
        return read_subscription_policy(value)
    except ValueError as error:
        raise invalid(f"{before}{error}") from None


def _check_redrive(value: str, topic_arn: str, endpoint: str, before: str) -> None:
    try:
        policy = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise invalid(f"{before}RedrivePolicy: {not_json(value)}") from None
    if not isinstance(policy, dict) or "deadLetterTargetArn" not in policy:
        raise invalid(f"{before}RedrivePolicy: deadLetterTargetArn must be set.")
    if unknown := policy.keys() - {"deadLetterTargetArn"}:
        raise invalid(f"{before}RedrivePolicy: unknown field {min(unknown)}.")
    target = policy["deadLetterTargetArn"]
    if not isinstance(target, str) or not is_queue_arn(target):
        raise invalid(f"{before}RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if target.split(":")[3] != topic_arn.split(":")[3]:
        raise invalid(f"{before}RedrivePolicy: deadLetterTargetArn must be in the region of the subscription")
    if topic_arn.endswith(".fifo") != target.endswith(".fifo") and target.endswith(".fifo"):
        raise invalid(f"{before}RedrivePolicy: a FIFO queue cannot be the dead-letter queue of a standard topic")
    if topic_arn.endswith(".fifo") and endpoint.endswith(".fifo") and not target.endswith(".fifo"):
        raise invalid(f"{before}RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
