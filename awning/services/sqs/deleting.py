"""DeleteMessage, one at a time or in batches. A message that was deleted is gone before the reply."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import tables
from awning.services.sqs.address import queue_arn
from awning.services.sqs.batches import Entry, check_entries, each
from awning.services.sqs.errors import invalid
from awning.services.sqs.fifo import FifoLine
from awning.services.sqs.lines import leave
from awning.services.sqs.lookup import find, milliseconds
from awning.services.sqs.memory import Queue
from awning.services.sqs.receipts import read_handle


@operation(Needs("sqs:DeleteMessage", queue_arn), anonymous=True)
def delete_message(call: Call, queue_url: str, receipt_handle: str) -> None:
    """Delete a message for good. Any receipt handle that was given out for it will do, on a FIFO queue only the last one and not
    after its visibility timeout. A message that is gone already is no error."""
    _delete(call, find(call, queue_url), receipt_handle)


@operation(
    Needs("sqs:DeleteMessage", queue_arn),
    anonymous=True,
    honours={"entries": {"Id": ALL, "ReceiptHandle": ALL}},
)
def delete_message_batch(call: Call, queue_url: str, entries: list[Entry]) -> dict[str, Any]:
    """Delete up to ten messages; each succeeds or fails by itself."""
    queue = find(call, queue_url)
    check_entries(entries, "DeleteMessageBatchRequestEntry")
    return each(entries, lambda entry: _delete(call, queue, entry["ReceiptHandle"]))


def _delete(call: Call, queue: Queue, handle: str) -> None:
    receipt = read_handle(queue.secret, handle)
    line = queue.line
    if isinstance(line, FifoLine):
        line.settle(milliseconds(call.now))
        place = line.held(receipt.number)
        if place.seen is not None and (place.until is None or place.seen.times != receipt.times):
            raise invalid(handle, "ReceiptHandle", "The receipt handle has expired.")
    delete(call, queue, receipt.number)


def delete(call: Call, queue: Queue, number: int) -> None:
    """Delete a message of a queue, if it is there."""
    if number <= queue.purged_through:
        return
    if queue.settings.fifo:
        group = tables.delete_grouped_message(call.db, number)
        if group is not None:
            leave(call, queue, number, group)
    elif tables.delete_message(call.db, number):
        leave(call, queue, number, None)
