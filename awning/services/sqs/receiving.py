"""ReceiveMessage. On a standard queue a receive only changes memory: what a crash makes it forget is delivered again."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import message_attributes as attributes_of
from awning.services.sqs import tables
from awning.services.sqs.address import queue_arn
from awning.services.sqs.attempts import again, keep
from awning.services.sqs.batches import BATCH
from awning.services.sqs.contents import read
from awning.services.sqs.deleting import delete
from awning.services.sqs.duplicates import sequence_number
from awning.services.sqs.engine import IN_FLIGHT_LIMIT, Seen
from awning.services.sqs.errors import InvalidAttributeName, OverLimit, invalid
from awning.services.sqs.groups import check_id
from awning.services.sqs.hiding import LONGEST_HIDING
from awning.services.sqs.lines import take
from awning.services.sqs.lookup import LONGEST_WAIT, find, milliseconds, wake
from awning.services.sqs.memory import Queue
from awning.services.sqs.moving import hand_over
from awning.services.sqs.receipts import write_handle

_SYSTEM_ATTRIBUTES = frozenset(
    {
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "AWSTraceHeader",
    }
    # These may be asked for, and are absent where a message does not have them.
    | {"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "DeadLetterQueueSourceArn"}
)


_MOST_LEAVING = 100


@operation(
    Needs("sqs:ReceiveMessage", queue_arn),
    anonymous=True,
    honours={"attribute_names": ALL, "message_system_attribute_names": ALL},
)
def receive_message(
    call: Call,
    queue_url: str,
    attribute_names: list[str] | None = None,
    message_system_attribute_names: list[str] | None = None,
    message_attribute_names: list[str] | None = None,
    max_number_of_messages: int | None = None,
    visibility_timeout: int | None = None,
    wait_time_seconds: int | None = None,
    receive_request_attempt_id: str | None = None,
) -> dict[str, Any]:
    """Take up to ten messages, and hide them from others for the visibility timeout; wait up to 20 s for the first."""
    queue = find(call, queue_url)
    count = 1 if max_number_of_messages is None else max_number_of_messages
    if not 1 <= count <= BATCH:
        raise invalid(count, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
    if visibility_timeout is not None and not 0 <= visibility_timeout <= LONGEST_HIDING:
        raise invalid(visibility_timeout, "VisibilityTimeout", f"Must be >= 0 and <= {LONGEST_HIDING}, if provided.")
    wait = queue.settings.wait if wait_time_seconds is None else wait_time_seconds
    if not 0 <= wait <= LONGEST_WAIT:
        raise invalid(wait, "WaitTimeSeconds", f"Must be >= 0 and <= {LONGEST_WAIT}, if provided.")
    system_names = _names(call, attribute_names or [], message_system_attribute_names or [])

    now = milliseconds(call.now)
    until = now + (queue.settings.visibility if visibility_timeout is None else visibility_timeout * 1000)
    attempt = receive_request_attempt_id
    if attempt is not None:
        _check_attempt(queue, attempt)
        known = again(call, queue, attempt, now, until)
        if known is not None:
            received, numbers = known
            wake(call, queue, now, until)
            found = [(number, queue.line.seen(number), tables.read_message(call.db, number)) for number in numbers]
            return _answer(call, queue, found, received, system_names, message_attribute_names)
    found, changed = _take(call, queue, count, now, until)
    if found:
        if attempt is not None:
            keep(call, queue, attempt, now, [number for number, _, _ in found])
        if queue.line.waiting():
            call.wake(queue.key)
        else:
            wake(call, queue, now, until)
        return _answer(call, queue, found, now, system_names, message_attribute_names)
    if wait == 0 and queue.line.full and not queue.settings.fifo:
        raise OverLimit(
            f"Too many messages in flight: the limit is {IN_FLIGHT_LIMIT}. Delete messages after processing them."
        )
    due = now if changed >= _MOST_LEAVING else queue.line.next_due()
    wait_on = call.wait_changed if changed else call.wait
    wait_on(queue.key, wait, retry_at=None if due is None else due / 1000)
    return {}


def _names(call: Call, names: list[str], system_names: list[str]) -> set[str]:
    """The system attributes that are asked for, by the old parameter and the new one. Under the query protocol the old one, where
    it is given, is alone heeded, as on AWS."""
    for name in {*names, *system_names} - _SYSTEM_ATTRIBUTES:
        raise InvalidAttributeName(f"Unknown Attribute {name}.")
    return set(names) if names and call.facts.protocol == "query" else {*names, *system_names}


Found = tuple[int, Seen, tables.MessageRow]


def _take(call: Call, queue: Queue, count: int, now: int, until: int) -> tuple[list[Found], int]:
    """Take messages from the line; return them, and how many left it otherwise.

    Those whose retention period is over are deleted instead, and those that were received too often handed over to the
    dead-letter queue; where there are many of these, a call does only some of it.
    """
    found: list[Found] = []
    left = 0
    line, redrive = queue.line, queue.settings.redrive
    dead = call.memory.queues.get(redrive.target) if redrive else None
    line.settle(now)
    while (
        len(found) < count and left < _MOST_LEAVING and (numbers := take(call, queue, count - len(found), now, until))
    ):
        for number in numbers:
            row, seen = tables.read_message(call.db, number), line.seen(number)
            if row.sent + queue.settings.retention <= now:
                delete(call, queue, number)
                left += 1
            elif redrive is not None and dead is not None and seen.times > redrive.most:
                hand_over(call, queue, number, dead, seen.times - 1)
                left += 1
            else:
                found.append((number, seen, row))
    return found, left


def _check_attempt(queue: Queue, attempt: str) -> None:
    if not queue.settings.fifo:
        reason = "The request include parameter that is not valid for this queue type."
        raise invalid(attempt, "ReceiveRequestAttemptId", reason)
    check_id("ReceiveRequestAttemptId", attempt)


def _answer(
    call: Call, queue: Queue, found: list[Found], now: int, system_names: set[str], attribute_names: list[str] | None
) -> dict[str, Any]:
    return {"Messages": [_message(call, queue, *item, now, system_names, attribute_names) for item in found]}


def _message(
    call: Call,
    queue: Queue,
    number: int,
    seen: Seen,
    row: tables.MessageRow,
    now: int,
    system_names: set[str],
    attribute_names: list[str] | None,
) -> dict[str, Any]:
    body, md5, attributes = read(call, queue.id, number, row)
    message: dict[str, Any] = {
        "MessageId": row.id,
        "ReceiptHandle": write_handle(queue.secret, number, now, seen.times),
        "MD5OfBody": md5.hex(),
        "Body": body,
    }
    if system_names:
        message["Attributes"] = _system_attributes(number, row, seen, system_names)
    if attributes and attribute_names:
        chosen = attributes_of.choose(attributes_of.unpack(attributes), attribute_names)
        if chosen:
            message["MessageAttributes"] = chosen
            message["MD5OfMessageAttributes"] = attributes_of.digest(chosen)
    return message


def _system_attributes(number: int, row: tables.MessageRow, seen: Seen, names: set[str]) -> dict[str, str]:
    values = {
        "SenderId": row.sender,
        "SentTimestamp": str(row.sent),
        "ApproximateReceiveCount": str(row.received + seen.times),
        "ApproximateFirstReceiveTimestamp": str(seen.first),
    }
    if row.trace is not None:
        values["AWSTraceHeader"] = row.trace
    if row.source is not None:
        values["DeadLetterQueueSourceArn"] = row.source
    if row.group is not None:
        values["MessageGroupId"] = row.group
    if row.deduplication is not None:
        values["MessageDeduplicationId"] = row.deduplication
        values["SequenceNumber"] = sequence_number(number)
    return values if "All" in names else {name: value for name, value in values.items() if name in names}
