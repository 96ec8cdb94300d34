"""The tags of a queue, for the condition keys that every service has; SQS has none of its own.

Source: the service authorization reference, "Actions, resources, and condition keys for Amazon SQS".
"""

from __future__ import annotations

from collections.abc import Mapping

from awning.kit.call import Call
from awning.services.sqs import tables


def tags_of(call: Call, arn: str) -> Mapping[str, str]:
    """The committed tags of the queue of an ARN; none where there is no such queue."""
    parts = arn.split(":", 5)
    row = tables.find_queue(call.db, parts[4], parts[3], parts[5]) if len(parts) == 6 else None
    return row.tags if row else {}
