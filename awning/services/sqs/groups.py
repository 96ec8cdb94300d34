"""MessageGroupId and MessageDeduplicationId: what is allowed where. Pure.

Source: the API reference of SendMessage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from awning.services.sqs.errors import InvalidParameterValue, MissingParameter, invalid

_ID = re.compile(r"[+A-Za-z0-9!\"#$%&'()*,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")

_NO_GROUP = "The request must contain the parameter MessageGroupId."
_NO_ID = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"


def check_id(name: str, value: str) -> None:
    """Raises InvalidParameterValue for what cannot be a MessageGroupId, MessageDeduplicationId or ReceiveRequestAttemptId."""
    if not _ID.fullmatch(value):
        reason = f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise invalid(value, name, reason)


def check_standard(group: str | None, deduplication: str | None) -> None:
    """Check a message for a standard queue; its group says whose it is (fair queues). Raises InvalidParameterValue."""
    if deduplication is not None:
        reason = "The request include parameter that is not valid for this queue type."
        raise invalid(deduplication, "MessageDeduplicationId", reason)
    if group is not None:
        check_id("MessageGroupId", group)


def check_fifo(group: str | None, deduplication: str | None, content_based: bool, delay: int | None) -> None:
    """Check a message for a FIFO queue; `delay` is its own, and 0 stands for none.

    Raises MissingParameter, InvalidParameterValue.
    """
    if not group:
        raise MissingParameter(_NO_GROUP)
    check_id("MessageGroupId", group)
    if deduplication is not None:
        check_id("MessageDeduplicationId", deduplication)
    elif not content_based:
        raise InvalidParameterValue(_NO_ID)
    if delay:
        raise invalid(delay, "DelaySeconds", "The request include parameter that is not valid for this queue type.")


def check_fifo_batch(entries: Iterable[Mapping[str, Any]], content_based: bool) -> None:
    """Raises InvalidParameterValue where an entry of a batch for a FIFO queue lacks an id; then all of the batch fails."""
    for entry in entries:
        if not entry.get("MessageGroupId"):
            raise InvalidParameterValue(_NO_GROUP)
        if entry.get("MessageDeduplicationId") is None and not content_based:
            raise InvalidParameterValue(_NO_ID)
