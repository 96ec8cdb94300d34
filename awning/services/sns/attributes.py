"""The attributes of a topic that a client may set: names, values, and what they mean for publishing.

Source: the API reference of CreateTopic and SetTopicAttributes. What needs a room that is not there yet (keys, traces, logs of
delivery) is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from awning.auth.policy import MalformedPolicy, compile_policy
from awning.kit.errors import NotImplementedHere
from awning.services.sns.errors import InvalidParameterException, invalid
from awning.services.sns.replays import read_archive_policy
from awning.services.sns.retries import read_topic_policy

LARGEST: Final = 262_144
"""Bytes of a message, attributes included, where the topic does not say otherwise."""

_LARGEST_EVER = 1_048_576
_SMALLEST_LIMIT = 1_024
_LONGEST_POLICY = 30_720
_BOOLEANS = {"true": "true", "false": "false"}
_FIFO_ONLY = frozenset({"ArchivePolicy", "ContentBasedDeduplication", "FifoThroughputScope"})
_FEEDBACK = re.compile(
    r"(?:HTTP|Firehose|Lambda|Application|SQS)(?:(?:Success|Failure)FeedbackRoleArn|SuccessFeedbackSampleRate)"
)

SETTABLE: Final = frozenset(
    {
        "ArchivePolicy",
        "ContentBasedDeduplication",
        "DeliveryPolicy",
        "DisplayName",
        "FifoThroughputScope",
        "FifoTopic",
        "MaximumMessageSize",
        "Policy",
        "SignatureVersion",
        "TracingConfig",
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A topic's attributes as publishing uses them. `largest` in bytes; `by_group`: a FIFO topic knows duplicates of a message
    group only (FifoThroughputScope MessageGroup); `archive_days`: how long it keeps what is published, 0 for not at all."""

    fifo: bool
    content_based: bool
    by_group: bool
    largest: int
    signature: str
    archive_days: int


def settings_of(attributes: Mapping[str, str]) -> Settings:
    """Return what a topic's stored attributes mean."""
    return Settings(
        fifo=attributes.get("FifoTopic") == "true",
        content_based=attributes.get("ContentBasedDeduplication") == "true",
        by_group=attributes.get("FifoThroughputScope") == "MessageGroup",
        largest=int(attributes.get("MaximumMessageSize", LARGEST)),
        signature=attributes.get("SignatureVersion", "1"),
        archive_days=read_archive_policy(attributes.get("ArchivePolicy", "")),
    )


def read(given: Mapping[str, str], arn: str) -> dict[str, str]:
    """Return the attributes that a CreateTopic gives, as they are stored. Raises InvalidParameterException."""
    fifo = given.get("FifoTopic", "").lower() == "true"
    result: dict[str, str] = {}
    for name, value in given.items():
        if name not in SETTABLE:
            refuse_by_name(name, value)
            raise invalid(f"Attributes Reason: Unknown attribute: {name}")
        if name in _FIFO_ONLY and not fifo:
            raise invalid(f"Attributes Reason: {name} can only be set for FIFO topics")
        kept = check(name, value, arn)
        if name == "ArchivePolicy" and not read_archive_policy(kept):
            continue
        # A topic that is said not to be a FIFO topic is like one of which nothing is said.
        if name != "FifoTopic" or kept == "true":
            result[name] = kept
    if fifo:
        result.setdefault("ContentBasedDeduplication", "false")
    return result


def changed(attributes: Mapping[str, str], name: str, value: str, arn: str) -> dict[str, str]:
    """Return a topic's attributes after a SetTopicAttributes. Raises InvalidParameterException."""
    if name not in SETTABLE or name == "FifoTopic":
        refuse_by_name(name, value)
        raise invalid("AttributeName")
    if name in _FIFO_ONLY and attributes.get("FifoTopic") != "true":
        raise invalid(f"AttributeName Reason: {name} can only be set for FIFO topics")
    if (name in ("Policy", "DeliveryPolicy", "ArchivePolicy") and not value) or (
        name == "ArchivePolicy" and check(name, value, arn) and not read_archive_policy(value)
    ):
        return {key: kept for key, kept in attributes.items() if key != name}
    return {**attributes, name: check(name, value, arn)}


def refuse_by_name(name: str, value: str) -> None:
    """Raises NotImplementedHere for attributes that SNS has and awning does not; to say that one is not to be is all right."""
    if not value:
        return
    if name == "KmsMasterKeyId":
        raise NotImplementedHere("The topic attribute KmsMasterKeyId is not implemented: this region has no keys.")
    if _FEEDBACK.fullmatch(name):
        raise NotImplementedHere(f"The topic attribute {name} is not implemented: this region has no logs to write to.")
    if name == "DataProtectionPolicy":
        raise NotImplementedHere(f"The topic attribute {name} is not implemented.")


def check(name: str, value: str, arn: str) -> str:
    """Return an attribute's value as it is stored. Raises InvalidParameterException."""
    allowed: Mapping[str, str] | None = {
        "FifoTopic": _BOOLEANS,
        "ContentBasedDeduplication": _BOOLEANS,
        "FifoThroughputScope": {"topic": "Topic", "messagegroup": "MessageGroup"},
        "SignatureVersion": {"1": "1", "2": "2"},
        "TracingConfig": {"passthrough": "PassThrough", "active": "Active"},
    }.get(name)
    if allowed is not None:
        if value.lower() not in allowed:
            raise invalid(f"{name} Reason: Invalid value [{value}]. Please use either {' or '.join(allowed.values())}")
        if allowed[value.lower()] == "Active":
            raise NotImplementedHere("The value Active of TracingConfig is not implemented: this region has no traces.")
        return allowed[value.lower()]
    if name == "DisplayName" and len(value) > 100:
        raise invalid("DisplayName Reason: Display name must be at most 100 characters long")
    if name == "MaximumMessageSize":
        if not (value.isascii() and value.isdigit() and _SMALLEST_LIMIT <= int(value[:10]) <= _LARGEST_EVER):
            raise invalid(f"MaximumMessageSize Reason: must be between {_SMALLEST_LIMIT} and {_LARGEST_EVER}")
        return str(int(value))
    if name in ("DeliveryPolicy", "ArchivePolicy"):
        try:
            if name == "DeliveryPolicy":
                return read_topic_policy(value)
            read_archive_policy(value)
        except ValueError as error:
            raise invalid(str(error)) from None
    if name == "Policy":
        check_policy(value, arn)
    return value


def check_policy(document: str, arn: str) -> None:
    """Raises InvalidParameterException for what cannot be a topic's policy."""
    if len(document.encode()) > _LONGEST_POLICY:
        raise invalid("Policy is too large")
    try:
        policy = compile_policy(document, id=arn, kind="resource")
    except MalformedPolicy as error:
        raise InvalidParameterException(f"Invalid parameter: Policy Error: {error}") from error
    for statement in policy.statements:
        if not all(action == "*" or action.lower().startswith("sns:") for action in statement.actions):
            raise invalid("Policy statement action out of service scope!")


def default_policy(arn: str, account: str) -> str:
    """The policy of a topic that was given none."""
    actions = (
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
    )
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in (*actions, "ListSubscriptionsByTopic", "Publish")],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return orjson.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}).decode()
