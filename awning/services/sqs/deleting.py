"""DeleteMessage, one at a time or in batches. A message that was deleted is gone before the reply."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import tables
from awning.services.sqs.address import queue_arn
from awning.services.sqs.batches import Entry, check_entries, each
from awning.services.sqs.conditions import conditions
from awning.services.sqs.lookup import find
from awning.services.sqs.memory import Queue
from awning.services.sqs.receipts import read_handle


@operation(Needs("sqs:DeleteMessage", queue_arn), anonymous=True, context=conditions)
def delete_message(call: Call, queue_url: str, receipt_handle: str) -> None:
    """Delete a message for good. Any receipt handle that was given out for it will do; one that is gone already is no error."""
    queue = find(call, queue_url)
    delete(call, queue, read_handle(queue.secret, receipt_handle).number)


@operation(
    Needs("sqs:DeleteMessage", queue_arn),
    anonymous=True,
    honours={"entries": {"Id": ALL, "ReceiptHandle": ALL}},
    context=conditions,
)
def delete_message_batch(call: Call, queue_url: str, entries: list[Entry]) -> dict[str, Any]:
    """Delete up to ten messages; each succeeds or fails by itself."""
    queue = find(call, queue_url)
    check_entries(entries, "DeleteMessageBatchRequestEntry")
    return each(entries, lambda entry: delete(call, queue, read_handle(queue.secret, entry["ReceiptHandle"]).number))


def delete(call: Call, queue: Queue, number: int) -> None:
    """Delete a message of a queue, if it is there."""
    if number <= queue.purged_through or not tables.delete_message(call.db, number):
        return
    line = queue.line
    if line.full:
        call.wake(queue.key)
    held = line.held(number)
    call.apply(lambda: line.remove(number), lambda: line.restore(number, held))
