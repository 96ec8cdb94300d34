"""The attributes that only FIFO queues have: names, values, which go together. Pure.

Source: the API reference of CreateQueue and SetQueueAttributes, and the developer guide's "High throughput for FIFO queues".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from awning.services.sqs.errors import InvalidAttributeName, InvalidAttributeValue

_BOOLEANS: Final = ("true", "false")

VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "FifoQueue": _BOOLEANS,
    "ContentBasedDeduplication": _BOOLEANS,
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
"""What each may be set to; a boolean in any case."""

_HIGH_THROUGHPUT: Final = ("DeduplicationScope", "FifoThroughputLimit")

DEFAULTS: Final[Mapping[str, str]] = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}


def fifo_value(attributes: Mapping[str, str], name: str, value: str) -> str:
    """What an attribute of FIFO queues becomes by being set, on a queue with these attributes.

    Raises InvalidAttributeName on a standard queue, InvalidAttributeValue for a value that it cannot have.
    """
    if "FifoQueue" not in attributes:
        if name in _HIGH_THROUGHPUT:
            raise InvalidAttributeName(f"You can specify the {name} only when FifoQueue is set to true.")
        raise InvalidAttributeName(f"Unknown Attribute {name}.")
    if VALUES[name] == _BOOLEANS:
        value = value.lower()
    if value not in VALUES[name]:
        raise InvalidAttributeValue(f"Invalid value for the parameter {name}.")
    if name == "FifoQueue" and value == "false":
        reason = "Modifying queue type is not supported."
        raise InvalidAttributeValue(f"Invalid value for the parameter FifoQueue. Reason: {reason}")
    return value


def check_together(attributes: Mapping[str, str]) -> None:
    """Raises InvalidAttributeValue where a queue's attributes do not go together."""
    if attributes.get("FifoThroughputLimit") == "perMessageGroupId" and attributes["DeduplicationScope"] == "queue":
        raise InvalidAttributeValue(
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the "
            "value for DeduplicationScope is messageGroup."
        )
