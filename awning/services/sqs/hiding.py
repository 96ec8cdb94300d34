"""ChangeMessageVisibility, one at a time or in batches: hide what was received for another time.

A standard queue's message is hidden again though its time is over: AWS takes the handle, whatever its MessageNotInflight says.
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import tables
from awning.services.sqs.address import queue_arn
from awning.services.sqs.batches import Entry, check_entries, each
from awning.services.sqs.errors import MissingParameter, invalid
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.lines import hide
from awning.services.sqs.lookup import find, milliseconds, wake
from awning.services.sqs.memory import Queue
from awning.services.sqs.receipts import read_handle

LONGEST_HIDING: Final = 43_200
"""Seconds that a message may be in flight after one receive."""


@operation(Needs("sqs:ChangeMessageVisibility", queue_arn), anonymous=True)
def change_message_visibility(call: Call, queue_url: str, receipt_handle: str, visibility_timeout: int) -> None:
    """Hide a message that was received for another time from now on; 0 makes it visible."""
    _hide(call, find(call, queue_url), receipt_handle, visibility_timeout)


@operation(
    Needs("sqs:ChangeMessageVisibility", queue_arn),
    anonymous=True,
    honours={"entries": {"Id": ALL, "ReceiptHandle": ALL, "VisibilityTimeout": ALL}},
)
def change_message_visibility_batch(call: Call, queue_url: str, entries: list[Entry]) -> dict[str, Any]:
    """Hide up to ten messages for another time; each succeeds or fails by itself."""
    queue = find(call, queue_url)
    check_entries(entries, "ChangeMessageVisibilityBatchRequestEntry")
    return each(entries, lambda entry: _hide(call, queue, entry["ReceiptHandle"], entry.get("VisibilityTimeout")))


def _hide(call: Call, queue: Queue, handle: str, timeout: int | None) -> None:
    if timeout is None:
        raise MissingParameter("The request must contain the parameter VisibilityTimeout.")
    if not 0 <= timeout <= LONGEST_HIDING:
        raise invalid(
            timeout, "VisibilityTimeout", f"VisibilityTimeout must be an integer between 0 and {LONGEST_HIDING}."
        )
    receipt = read_handle(queue.secret, handle)
    now = milliseconds(call.now)
    line, number = queue.line, receipt.number
    line.settle(now)
    visible = line.held(number).until is None
    if visible and (number <= queue.purged_through or not tables.has_message(call.db, number)):
        reason = "Message does not exist or is not available for visibility timeout change."
        raise invalid(handle, "ReceiptHandle", reason)
    if isinstance(line, FifoLine) and (visible or line.seen(number).times != receipt.times):
        raise invalid(handle, "ReceiptHandle", "The receipt handle has expired.")
    if (now - receipt.received) // 1000 + timeout > LONGEST_HIDING:
        reason = f"Total VisibilityTimeout for the message is beyond the limit [{LONGEST_HIDING} seconds]"
        raise invalid(timeout, "VisibilityTimeout", reason)
    if visible and not timeout:
        return
    until = now + timeout * 1000
    hide(call, queue, number, until)
    wake(call, queue, now, until)
