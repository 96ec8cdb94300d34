"""Tags of queues.

Source: the developer guide's "Amazon SQS cost allocation tags" and the API reference of TagQueue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import tables
from awning.services.sqs.address import queue_arn
from awning.services.sqs.errors import InvalidParameterValue
from awning.services.sqs.lookup import own, own_committed, stored

_MOST = 50
_KEY = 128
_VALUE = 256


@operation(Needs("sqs:TagQueue", queue_arn), honours={"tags": ALL}, tags="tags")
def tag_queue(call: Call, queue_url: str, tags: dict[str, str]) -> None:
    """Add tags, or give them other values."""
    queue = own(call, queue_url)
    after = {**stored(call, queue).tags, **tags}
    check_tags(after)
    tables.update_tags(call.db, queue.id, after)


@operation(Needs("sqs:UntagQueue", queue_arn), tag_keys="tag_keys")
def untag_queue(call: Call, queue_url: str, tag_keys: list[str]) -> None:
    """Remove the tags of these keys."""
    queue = own(call, queue_url)
    before = stored(call, queue).tags
    tables.update_tags(call.db, queue.id, {key: value for key, value in before.items() if key not in tag_keys})


@operation(Needs("sqs:ListQueueTags", queue_arn), reads=True)
def list_queue_tags(call: Call, queue_url: str) -> dict[str, Any]:
    """Return a queue's tags."""
    tags = own_committed(call, queue_url).tags
    return {"Tags": tags} if tags else {}


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises InvalidParameterValue for tags that a queue cannot have."""
    if len(tags) > _MOST:
        raise InvalidParameterValue(f"Too many tags: a queue has at most {_MOST}, and this makes {len(tags)}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= _KEY:
            raise InvalidParameterValue(f"Tag keys must be between 1 and {_KEY} characters in length.")
        if len(value) > _VALUE:
            raise InvalidParameterValue(f"Tag values must be between 0 and {_VALUE} characters in length.")
        if key.lower().startswith("aws:"):
            raise InvalidParameterValue("Tag keys that begin with aws: are reserved.")
