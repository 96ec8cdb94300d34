"""Messages: send, receive, delete, hide; one at a time or in batches.

Sends and deletes are rows. A receive only changes memory: what a crash makes it forget is delivered again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import md5
from typing import Any, NamedTuple

from awning.kit.call import Call
from awning.kit.errors import ServiceError
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import message_attributes as attributes_of
from awning.services.sqs import tables
from awning.services.sqs.address import queue_arn
from awning.services.sqs.conditions import conditions
from awning.services.sqs.engine import IN_FLIGHT_LIMIT, Line, Seen, Taken
from awning.services.sqs.errors import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAttributeName,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MessageNotInflight,
    MissingParameter,
    OverLimit,
    TooManyEntriesInBatchRequest,
)
from awning.services.sqs.lookup import find, milliseconds
from awning.services.sqs.memory import Memory, Queue
from awning.services.sqs.receipts import read_handle, write_handle

_BATCH = 10
_BATCH_BYTES = 1_048_576
_LONGEST_WAIT = 20
_LONGEST_DELAY = 900
_LONGEST_HIDING = 43_200
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SYSTEM_ATTRIBUTES = frozenset(
    {
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "AWSTraceHeader",
    }
    # These may be asked for, and are absent: messages of standard queues do not have them.
    | {"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "DeadLetterQueueSourceArn"}
)
_TRACE = {"AWSTraceHeader": ALL}

MessageAttributes = dict[str, dict[str, Any]]
Entry = dict[str, Any]


class Draft(NamedTuple):
    """A message that was found to be in order. `delay` in milliseconds; the digests are MD5 in hexadecimal."""

    body: str
    md5: bytes
    delay: int
    attributes: bytes | None
    attributes_md5: str | None
    trace: str | None
    trace_md5: str | None


# Send


@operation(
    Needs("sqs:SendMessage", queue_arn),
    anonymous=True,
    honours={"message_attributes": ALL, "message_system_attributes": _TRACE},
    context=conditions,
)
def send_message(
    call: Call,
    queue_url: str,
    message_body: str,
    delay_seconds: int | None = None,
    message_attributes: MessageAttributes | None = None,
    message_system_attributes: MessageAttributes | None = None,
) -> dict[str, Any]:
    """Put one message on the queue; it becomes visible after the delay."""
    queue = find(call, queue_url)
    return _put(call, queue, _draft(queue, message_body, delay_seconds, message_attributes, message_system_attributes))


@operation(
    Needs("sqs:SendMessage", queue_arn),
    anonymous=True,
    honours={
        "entries": {
            "Id": ALL,
            "MessageBody": ALL,
            "DelaySeconds": ALL,
            "MessageAttributes": ALL,
            "MessageSystemAttributes": _TRACE,
        }
    },
    context=conditions,
)
def send_message_batch(call: Call, queue_url: str, entries: list[Entry]) -> dict[str, Any]:
    """Put up to ten messages on the queue, together at most 1 MiB; each succeeds or fails by itself."""
    queue = find(call, queue_url)
    _check_entries(entries, "SendMessageBatchRequestEntry")
    size = sum(_size(entry) for entry in entries)
    if size > _BATCH_BYTES:
        raise BatchRequestTooLong(
            f"Batch requests cannot be longer than {_BATCH_BYTES} bytes. You have sent {size} bytes."
        )

    def send(entry: Entry) -> dict[str, Any]:
        draft = _draft(
            queue,
            entry["MessageBody"],
            entry.get("DelaySeconds"),
            entry.get("MessageAttributes"),
            entry.get("MessageSystemAttributes"),
        )
        return _put(call, queue, draft)

    return _each(entries, send)


def _draft(
    queue: Queue,
    body: str,
    delay: int | None,
    attributes: MessageAttributes | None,
    system_attributes: MessageAttributes | None,
) -> Draft:
    """Check a message against all rules. Raises InvalidMessageContents, InvalidParameterValue, MissingParameter."""
    if not body:
        raise MissingParameter("The request must contain the parameter MessageBody.")
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        raw = b"\x00"
    if attributes_of.forbidden(raw):
        raise InvalidMessageContents(
            "Invalid characters found. Valid unicode characters are "
            "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
        )
    size = len(raw)
    if attributes:
        size += attributes_of.check(attributes)
    if size > queue.settings.size:
        raise InvalidParameterValue(
            f"One or more parameters are invalid. Reason: Message must be shorter than {queue.settings.size} bytes."
        )
    if delay is not None and not 0 <= delay <= _LONGEST_DELAY:
        raise InvalidParameterValue(
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {_LONGEST_DELAY}."
        )
    trace = _trace(system_attributes) if system_attributes else None
    return Draft(
        body,
        md5(raw, usedforsecurity=False).digest(),
        queue.settings.delay if delay is None else delay * 1000,
        attributes_of.pack(attributes) if attributes else None,
        attributes_of.digest(attributes) if attributes else None,
        trace,
        attributes_of.digest(system_attributes) if system_attributes else None,
    )


def _trace(system_attributes: MessageAttributes) -> str:
    """Return the AWSTraceHeader, the only system attribute that a client may send."""
    attribute = system_attributes["AWSTraceHeader"]
    attributes_of.check({"TraceHeader": attribute})
    if attribute["DataType"] != "String":
        raise InvalidParameterValue("Message system attribute 'AWSTraceHeader' must be of type String.")
    return str(attribute["StringValue"])


def _put(call: Call, queue: Queue, draft: Draft) -> dict[str, Any]:
    """Store a message and let it wait, or be delayed."""
    memory: Memory = call.memory
    line, number = queue.line, memory.next_number()
    now = milliseconds(call.now)
    due = now + draft.delay if draft.delay else None
    message_id = call.new_id()
    tables.insert_message(
        call.db,
        number,
        queue.id,
        now,
        due,
        message_id,
        call.principal.user_id,
        draft.md5,
        draft.trace,
        draft.attributes,
        draft.body,
    )
    call.apply(lambda: line.put(number, due), lambda: line.unput(number, due))
    _wake(call, queue, now, due or now)
    result = {"MessageId": message_id, "MD5OfMessageBody": draft.md5.hex()}
    if draft.attributes_md5:
        result["MD5OfMessageAttributes"] = draft.attributes_md5
    if draft.trace_md5:
        result["MD5OfMessageSystemAttributes"] = draft.trace_md5
    return result


def _wake(call: Call, queue: Queue, now: int, visible: int) -> None:
    """Let a waiting receiver look again, where one that waits now may live to see the message."""
    if visible < now + _LONGEST_WAIT * 1000:
        call.wake(queue.key)


# Receive


@operation(
    Needs("sqs:ReceiveMessage", queue_arn),
    anonymous=True,
    honours={"attribute_names": ALL, "message_system_attribute_names": ALL},
    context=conditions,
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
) -> dict[str, Any]:
    """Take up to ten messages, and hide them from others for the visibility timeout; wait up to 20 s for the first."""
    queue = find(call, queue_url)
    count = 1 if max_number_of_messages is None else max_number_of_messages
    if not 1 <= count <= _BATCH:
        raise _invalid(count, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
    if visibility_timeout is not None and not 0 <= visibility_timeout <= _LONGEST_HIDING:
        raise _invalid(visibility_timeout, "VisibilityTimeout", f"Must be >= 0 and <= {_LONGEST_HIDING}, if provided.")
    wait = queue.settings.wait if wait_time_seconds is None else wait_time_seconds
    if not 0 <= wait <= _LONGEST_WAIT:
        raise _invalid(wait, "WaitTimeSeconds", f"Must be >= 0 and <= {_LONGEST_WAIT}, if provided.")
    system_names = {*(attribute_names or ()), *(message_system_attribute_names or ())}
    for name in system_names - _SYSTEM_ATTRIBUTES:
        raise InvalidAttributeName(f"Unknown Attribute {name}.")

    now = milliseconds(call.now)
    until = now + (queue.settings.visibility if visibility_timeout is None else visibility_timeout * 1000)
    found = _take(call, queue, count, now, until)
    if found:
        if queue.line.waiting():
            call.wake(queue.key)
        else:
            _wake(call, queue, now, until)
        return {"Messages": [_message(queue, *item, now, system_names, message_attribute_names) for item in found]}
    if wait == 0 and queue.line.full:
        raise OverLimit(
            f"Too many messages in flight: the limit is {IN_FLIGHT_LIMIT}. Delete messages after processing them."
        )
    due = queue.line.next_due()
    call.wait(queue.key, wait, retry_at=None if due is None else due / 1000)
    return {}


def _take(call: Call, queue: Queue, count: int, now: int, until: int) -> list[tuple[int, Seen, tables.MessageRow]]:
    """Take messages from the line; those whose retention period is over are deleted instead."""
    found: list[tuple[int, Seen, tables.MessageRow]] = []
    queue.line.settle(now)
    while len(found) < count and (numbers := _take_numbers(call, queue.line, count - len(found), now, until)):
        for number in numbers:
            row = tables.read_message(call.db, number)
            if row.sent + queue.settings.retention <= now:
                delete(call, queue, number)
            else:
                found.append((number, queue.line.seen(number), row))
    return found


def _take_numbers(call: Call, line: Line, count: int, now: int, until: int) -> list[int]:
    if not line.waiting():
        return []
    taken: list[Taken] = []
    call.apply(lambda: line.take(count, now, until, taken), lambda: line.give_back(taken))
    return [number for number, _, removed in taken if not removed]


def _message(
    queue: Queue,
    number: int,
    seen: Seen,
    row: tables.MessageRow,
    now: int,
    system_names: set[str],
    attribute_names: list[str] | None,
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "MessageId": row.id,
        "ReceiptHandle": write_handle(queue.secret, number, now, seen.times),
        "MD5OfBody": row.md5.hex(),
        "Body": row.body,
    }
    if system_names:
        message["Attributes"] = _system_attributes(row, seen, system_names)
    if row.attributes and attribute_names:
        chosen = attributes_of.choose(attributes_of.unpack(row.attributes), attribute_names)
        if chosen:
            message["MessageAttributes"] = chosen
            message["MD5OfMessageAttributes"] = attributes_of.digest(chosen)
    return message


def _system_attributes(row: tables.MessageRow, seen: Seen, names: set[str]) -> dict[str, str]:
    values = {
        "SenderId": row.sender,
        "SentTimestamp": str(row.sent),
        "ApproximateReceiveCount": str(seen.times),
        "ApproximateFirstReceiveTimestamp": str(seen.first),
    }
    if row.trace is not None:
        values["AWSTraceHeader"] = row.trace
    return values if "All" in names else {name: value for name, value in values.items() if name in names}


# Delete


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
    _check_entries(entries, "DeleteMessageBatchRequestEntry")
    return _each(entries, lambda entry: delete(call, queue, read_handle(queue.secret, entry["ReceiptHandle"]).number))


def delete(call: Call, queue: Queue, number: int) -> None:
    """Delete a message of a queue, if it is there."""
    if number <= queue.purged_through or not tables.delete_message(call.db, number):
        return
    line = queue.line
    if line.full:
        call.wake(queue.key)
    held = line.held(number)
    call.apply(lambda: line.remove(number), lambda: line.restore(number, held))


# Hide


@operation(Needs("sqs:ChangeMessageVisibility", queue_arn), anonymous=True, context=conditions)
def change_message_visibility(call: Call, queue_url: str, receipt_handle: str, visibility_timeout: int) -> None:
    """Hide a message that is in flight for another time from now on; 0 makes it visible."""
    _hide(call, find(call, queue_url), receipt_handle, visibility_timeout)


@operation(
    Needs("sqs:ChangeMessageVisibility", queue_arn),
    anonymous=True,
    honours={"entries": {"Id": ALL, "ReceiptHandle": ALL, "VisibilityTimeout": ALL}},
    context=conditions,
)
def change_message_visibility_batch(call: Call, queue_url: str, entries: list[Entry]) -> dict[str, Any]:
    """Hide up to ten messages for another time; each succeeds or fails by itself."""
    queue = find(call, queue_url)
    _check_entries(entries, "ChangeMessageVisibilityBatchRequestEntry")
    return _each(entries, lambda entry: _hide(call, queue, entry["ReceiptHandle"], entry.get("VisibilityTimeout")))


def _hide(call: Call, queue: Queue, handle: str, timeout: int | None) -> None:
    if timeout is None:
        raise MissingParameter("The request must contain the parameter VisibilityTimeout.")
    if not 0 <= timeout <= _LONGEST_HIDING:
        raise _invalid(
            timeout, "VisibilityTimeout", f"VisibilityTimeout must be an integer between 0 and {_LONGEST_HIDING}."
        )
    receipt = read_handle(queue.secret, handle)
    now = milliseconds(call.now)
    line, number = queue.line, receipt.number
    line.settle(now)
    before = line.held(number).until
    if before is None:
        if number <= queue.purged_through or not tables.has_message(call.db, number):
            reason = "Message does not exist or is not available for visibility timeout change."
            raise _invalid(handle, "ReceiptHandle", reason)
        raise MessageNotInflight("The specified message isn't in flight.")
    if (now - receipt.received) // 1000 + timeout > _LONGEST_HIDING:
        reason = f"Total VisibilityTimeout for the message is beyond the limit [{_LONGEST_HIDING} seconds]"
        raise _invalid(timeout, "VisibilityTimeout", reason)
    until = now + timeout * 1000
    call.apply(lambda: line.hide(number, until), lambda: line.unhide(number, before))
    _wake(call, queue, now, until)


# Batches


def _check_entries(entries: list[Entry], kind: str) -> None:
    """Raises what is wrong with a batch as a whole."""
    if not entries:
        raise EmptyBatchRequest(f"There should be at least one {kind} in the request.")
    if len(entries) > _BATCH:
        raise TooManyEntriesInBatchRequest(
            f"Maximum number of entries per request are {_BATCH}. You have sent {len(entries)}."
        )
    ids = [entry["Id"] for entry in entries]
    for position, id in enumerate(ids):
        if not _ENTRY_ID.fullmatch(id):
            raise InvalidBatchEntryId(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long."
            )
        if id in ids[:position]:
            raise BatchEntryIdsNotDistinct(f"Id {id} repeated.")


def _each(entries: list[Entry], run: Callable[[Entry], Mapping[str, Any] | None]) -> dict[str, Any]:
    """Run each entry of a batch. `run` raises before it changes anything, so a failed entry leaves nothing behind."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **(run(entry) or {})})
        except ServiceError as error:
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
    result: dict[str, Any] = {"Successful": successful}
    if failed:
        result["Failed"] = failed
    return result


def _size(entry: Entry) -> int:
    """The size of a batch's entry, whether it is in order or not."""
    size = len(entry["MessageBody"].encode(errors="replace"))
    for name, attribute in (entry.get("MessageAttributes") or {}).items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        size += (
            len(name)
            + len(attribute.get("DataType", ""))
            + len(value if isinstance(value, bytes) else value.encode(errors="replace"))
        )
    return size


def _invalid(value: object, parameter: str, reason: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")
