"""Dead-letter queues: what a redrive policy and a redrive allow policy say. Pure: texts in, rules out.

Source: the API reference of SetQueueAttributes, and the developer guide's "Using dead-letter queues in Amazon SQS".
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import orjson

from awning.services.sqs.errors import InvalidAttributeValue, InvalidParameterValue

MOST_RECEIVES: Final = 1_000
_MOST_SOURCES = 10
_ARN = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
_PERMISSIONS = ("allowAll", "denyAll", "byQueue")
_UNSUPPORTED = "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
_CANNOT = "Amazon SQS can't create the redrive allow policy."


class Redrive(NamedTuple):
    """A message that has been received `most` times goes to the queue of the ARN `target` instead of being received again."""

    target: str
    most: int


class RedriveAllow(NamedTuple):
    """Which queues may name a queue as their dead-letter queue: `sources` by their ARNs, or None for all of its account and
    region."""

    sources: frozenset[str] | None

    def admits(self, arn: str) -> bool:
        return self.sources is None or arn in self.sources


ALLOW_ALL: Final = RedriveAllow(None)


def read_redrive(text: str) -> Redrive:
    """Read a RedrivePolicy. Raises InvalidAttributeValue for what is no JSON object, InvalidParameterValue for what it says."""
    policy = _object(text)
    if policy is None:
        raise InvalidAttributeValue(
            "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."
        )
    for name in ("maxReceiveCount", "deadLetterTargetArn"):
        if policy.get(name) in (None, ""):
            raise _refused("RedrivePolicy", text, f"Redrive policy does not contain mandatory attribute: {name}.")
    if len(policy) > 2:
        reason = "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount]."
        raise _refused("RedrivePolicy", text, reason)
    most = _whole(policy["maxReceiveCount"])
    if most is None or not 1 <= most <= MOST_RECEIVES:
        reason = (
            f"Invalid value for maxReceiveCount: {policy['maxReceiveCount']}, "
            f"valid values are from 1 to {MOST_RECEIVES} both inclusive."
        )
        raise _refused("RedrivePolicy", text, reason)
    target = policy["deadLetterTargetArn"]
    if not isinstance(target, str) or not _ARN.fullmatch(target):
        raise _refused("RedrivePolicy", text, "Invalid value for deadLetterTargetArn.")
    return Redrive(target, most)


def write_redrive(redrive: Redrive) -> str:
    """A RedrivePolicy as it is stored and given out."""
    return orjson.dumps({"deadLetterTargetArn": redrive.target, "maxReceiveCount": redrive.most}).decode()


def read_allow(text: str) -> RedriveAllow:
    """Read a RedriveAllowPolicy. Raises InvalidAttributeValue for its form, InvalidParameterValue for what it says."""
    policy = _object(text)
    sources = policy.get("sourceQueueArns") if policy else None
    if (
        policy is None
        or policy.get("redrivePermission") not in _PERMISSIONS
        or policy.keys() - {"redrivePermission", "sourceQueueArns"}
        or not (sources is None or (isinstance(sources, list) and all(isinstance(arn, str) for arn in sources)))
    ):
        raise InvalidAttributeValue(f"Invalid value for the parameter RedriveAllowPolicy. Reason: {_UNSUPPORTED}")
    if policy["redrivePermission"] != "byQueue":
        if sources is not None:
            reason = f"{_CANNOT} To specify one or more source queue ARNs, you must set redrivePermission to byQueue."
            raise _refused("RedriveAllowPolicy", text, reason)
        return ALLOW_ALL if policy["redrivePermission"] == "allowAll" else RedriveAllow(frozenset())
    if not sources:
        reason = (
            f"{_CANNOT} When you specify the byQueue permission type, "
            "you must also specify one or more sourceQueueArns values."
        )
        raise _refused("RedriveAllowPolicy", text, reason)
    if len(sources) > _MOST_SOURCES:
        reason = f"{_CANNOT} The maximum number of source queue ARNs you can specify is {_MOST_SOURCES}."
        raise _refused("RedriveAllowPolicy", text, reason)
    if not all(_ARN.fullmatch(arn) for arn in sources):
        raise InvalidAttributeValue(f"Invalid value for the parameter RedriveAllowPolicy. Reason: {_UNSUPPORTED}")
    return RedriveAllow(frozenset(sources))


def write_allow(text: str) -> str:
    """A RedriveAllowPolicy as it is stored and given out. Raises as read_allow()."""
    read_allow(text)
    return orjson.dumps(orjson.loads(text)).decode()


def check_target(text: str, source: str, allow: RedriveAllow | None) -> None:
    """May the queue `source` (an ARN) have this RedrivePolicy? `allow` is the target's allow policy, None where there is no such
    queue. Raises InvalidParameterValue, InvalidAttributeValue."""
    redrive = read_redrive(text)
    _, _, _, region, account, name = source.split(":", 5)
    _, _, _, there, owner, dead = redrive.target.split(":", 5)
    if owner != account:
        raise _refused("RedrivePolicy", text, "Dead-letter target owner should be same as the source.")
    if there != region:
        raise _refused("RedrivePolicy", text, "Dead-letter target must be in the same region as the source.")
    if allow is None:
        raise _refused("RedrivePolicy", text, "Dead letter target does not exist.")
    if dead.endswith(".fifo") != name.endswith(".fifo"):
        raise _refused("RedrivePolicy", text, "Dead-letter queue must be same type of queue as the source.")
    if not allow.admits(source):
        reason = "The dead-letter queue's RedriveAllowPolicy does not permit this source queue."
        raise _refused("RedrivePolicy", text, reason)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _whole(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _refused(parameter: str, value: str, reason: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")
