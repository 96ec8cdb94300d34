"""The attributes of a queue that a client may set: names, limits, defaults.

Source: the API reference of CreateQueue and SetQueueAttributes. Whether there is such a key of KMS, and who may use it, is asked
when a message is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from awning.auth.policy import MalformedPolicy, Policy, compile_policy
from awning.services.sqs.errors import InvalidAttributeName, InvalidAttributeValue, OverLimit
from awning.services.sqs.fifo_attributes import DEFAULTS, VALUES, check_together, fifo_value
from awning.services.sqs.redrive import (
    ALLOW_ALL,
    Redrive,
    RedriveAllow,
    read_allow,
    read_redrive,
    write_allow,
    write_redrive,
)

NUMBERS: Final[Mapping[str, tuple[int, int, int]]] = {
    "VisibilityTimeout": (0, 43_200, 30),
    "MaximumMessageSize": (1_024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "DelaySeconds": (0, 900, 0),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
}
"""Least, most and default value of each attribute that is a whole number; seconds, or bytes."""

SEALED: Final = "SqsManagedSseEnabled"
KMS: Final = "KmsMasterKeyId"
REUSE: Final = "KmsDataKeyReusePeriodSeconds"
_REUSE: Final = (60, 86_400, 300)

SETTABLE: Final = frozenset({*NUMBERS, *VALUES, SEALED, KMS, REUSE, "Policy", "RedrivePolicy", "RedriveAllowPolicy"})

POLICY_BYTES: Final = 8_192
POLICY_STATEMENTS: Final = 20

COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
"""What Line.counts() returns, in its order."""

READABLE: Final = frozenset({*SETTABLE, *COUNTS, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"})
"""What the operations know: those that a client cannot set, to refuse them as AWS does."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A queue's attributes as the operations use them: milliseconds, but `wait` in seconds and `size` in bytes.

    content_based: a message's content makes its MessageDeduplicationId. per_group: ids are told apart in each group alone.
    sealed: what messages say is encrypted at rest by the region's key; `kms`: by this one, as the client named it, whose data
    keys are used for `reuse`.
    """

    visibility: int
    size: int
    retention: int
    delay: int
    wait: int
    policy: Policy | None
    redrive: Redrive | None
    allow: RedriveAllow
    fifo: bool
    content_based: bool
    per_group: bool
    sealed: bool
    kms: str | None
    reuse: int


def settings_of(attributes: Mapping[str, str], arn: str, ids: Mapping[str, str] | None = None) -> Settings:
    """Build the settings of a queue from its whole attributes; `ids`: whom the names in its policy, found good before, stand for.

    Raises InvalidAttributeValue for a bad policy.
    """
    visibility, size, retention, delay, wait = (int(attributes[name]) for name in NUMBERS)
    policy = compile_queue_policy(attributes["Policy"], arn, ids) if "Policy" in attributes else None
    redrive = read_redrive(attributes["RedrivePolicy"]) if "RedrivePolicy" in attributes else None
    allow = read_allow(attributes["RedriveAllowPolicy"]) if "RedriveAllowPolicy" in attributes else ALLOW_ALL
    return Settings(
        visibility * 1000,
        size,
        retention * 1000,
        delay * 1000,
        wait,
        policy,
        redrive,
        allow,
        "FifoQueue" in attributes,
        attributes.get("ContentBasedDeduplication") == "true",
        attributes.get("DeduplicationScope") == "messageGroup",
        attributes.get(SEALED) == "true",
        attributes.get(KMS),
        int(attributes.get(REUSE, _REUSE[2])) * 1000,
    )


def compile_queue_policy(document: str, arn: str, ids: Mapping[str, str] | None = None) -> Policy:
    """Compile a queue's policy. Raises InvalidAttributeValue."""
    try:
        return compile_policy(document, id=arn, kind="resource", ids=ids, stored=ids is not None, any_resource=True)
    except MalformedPolicy as error:
        raise InvalidAttributeValue(f"Invalid value for the parameter Policy. Reason: {error}") from error


def _check_quotas(document: str) -> None:
    """Raises OverLimit for a policy longer than any queue's may be. Source: the developer guide's "Amazon SQS policy quotas"."""
    try:
        policy = orjson.loads(document)
    except orjson.JSONDecodeError:
        return  # what is wrong with it is said when it is compiled
    length = len(orjson.dumps(policy))
    if length > POLICY_BYTES:
        raise OverLimit(f"A queue's policy has at most {POLICY_BYTES} bytes; this one has {length}.")
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, list) and len(statements) > POLICY_STATEMENTS:
        raise OverLimit(f"A queue's policy has at most {POLICY_STATEMENTS} statements.")


def defaults(fifo: bool) -> dict[str, str]:
    """The attributes of a queue for which nothing was set."""
    numbers = {name: str(default) for name, (_, _, default) in NUMBERS.items()}
    return {**numbers, SEALED: "true", **(DEFAULTS if fifo else {})}


def changed(attributes: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return a queue's attributes after a change. An empty policy, of whatever kind, removes it.

    Raises InvalidAttributeName, InvalidAttributeValue and OverLimit; of a policy's text only the length is looked at here.
    """
    result = dict(attributes)
    for name, value in changes.items():
        if name not in SETTABLE:
            raise InvalidAttributeName(f"Unknown Attribute {name}.")
        if name in NUMBERS or name == REUSE:
            least, most, _ = NUMBERS.get(name, _REUSE)
            if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
                raise InvalidAttributeValue(f"Invalid value for the parameter {name}.")
            result[name] = str(int(value))
        elif name in VALUES:
            result[name] = fifo_value(attributes, name, value)
        elif name == SEALED:
            if value.lower() not in ("true", "false"):
                raise InvalidAttributeValue(f"Invalid value for the parameter {SEALED}.")
            result[name] = value.lower()
        elif not value:
            result.pop(name, None)
        elif name == "RedrivePolicy":
            result[name] = write_redrive(read_redrive(value))
        elif name == "RedriveAllowPolicy":
            result[name] = write_allow(value)
        elif name == KMS:
            result[name] = value
        else:
            _check_quotas(value)
            result[name] = value
    check_together(result)
    _choose_encryption(result, changes)
    return result


def _choose_encryption(attributes: dict[str, str], changes: Mapping[str, str]) -> None:
    """Let the kind of encryption that is chosen end the other. Raises InvalidAttributeName where both are."""
    if changes.get(KMS):
        if changes.get(SEALED, "").lower() == "true":
            raise InvalidAttributeName(
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
            )
        attributes[SEALED] = "false"
        attributes.setdefault(REUSE, str(_REUSE[2]))
    elif changes.get(SEALED, "").lower() == "true":
        attributes.pop(KMS, None)
