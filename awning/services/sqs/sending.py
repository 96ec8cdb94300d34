"""SendMessage, one at a time or in batches. What is sent is a row before its reply."""

from __future__ import annotations

from hashlib import md5
from typing import Any, NamedTuple

from awning.contracts import Sender
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.sqs import fifo_tables, tables
from awning.services.sqs import message_attributes as attributes_of
from awning.services.sqs.address import queue_arn
from awning.services.sqs.batches import Entry, check_entries, each
from awning.services.sqs.contents import write
from awning.services.sqs.datakeys import to_seal
from awning.services.sqs.duplicates import content_id, key_of, original, remember, sequence_number
from awning.services.sqs.errors import (
    BatchRequestTooLong,
    InvalidMessageContents,
    InvalidParameterValue,
    MissingParameter,
)
from awning.services.sqs.groups import check_fifo, check_fifo_batch, check_standard
from awning.services.sqs.lines import enter
from awning.services.sqs.lookup import find, milliseconds, wake
from awning.services.sqs.memory import Memory, Queue

_BATCH_BYTES = 1_048_576
_LONGEST_DELAY = 900
_TRACE = {"AWSTraceHeader": ALL}

MessageAttributes = dict[str, dict[str, Any]]


class Draft(NamedTuple):
    """A message that was found to be in order. `delay` in milliseconds; the digests are MD5, of attributes in hexadecimal."""

    body: str
    md5: bytes
    delay: int
    attributes: bytes | None
    attributes_md5: str | None
    trace: str | None
    trace_md5: str | None
    group: str | None
    deduplication: str | None


@operation(
    Needs("sqs:SendMessage", queue_arn),
    anonymous=True,
    honours={"message_attributes": ALL, "message_system_attributes": _TRACE},
)
def send_message(
    call: Call,
    queue_url: str,
    message_body: str,
    delay_seconds: int | None = None,
    message_attributes: MessageAttributes | None = None,
    message_system_attributes: MessageAttributes | None = None,
    message_deduplication_id: str | None = None,
    message_group_id: str | None = None,
) -> dict[str, Any]:
    """Put one message on the queue; it becomes visible after the delay."""
    queue = find(call, queue_url)
    names = message_group_id, message_deduplication_id
    draft = draft_of(queue, message_body, delay_seconds, message_attributes, message_system_attributes, *names)
    draft = _traced(call, draft)
    return put(call, queue, draft, call.principal.user_id)


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
            "MessageDeduplicationId": ALL,
            "MessageGroupId": ALL,
        }
    },
)
def send_message_batch(call: Call, queue_url: str, entries: list[Entry]) -> dict[str, Any]:
    """Put up to ten messages on the queue, together at most 1 MiB; each succeeds or fails by itself."""
    queue = find(call, queue_url)
    check_entries(entries, "SendMessageBatchRequestEntry")
    if queue.settings.fifo:
        check_fifo_batch(entries, queue.settings.content_based)
    size = sum(_size(entry) for entry in entries)
    if size > _BATCH_BYTES:
        raise BatchRequestTooLong(
            f"Batch requests cannot be longer than {_BATCH_BYTES} bytes. You have sent {size} bytes."
        )
    if queue.settings.kms is not None:
        to_seal(call, queue)

    def send(entry: Entry) -> dict[str, Any]:
        draft = draft_of(
            queue,
            entry["MessageBody"],
            entry.get("DelaySeconds"),
            entry.get("MessageAttributes"),
            entry.get("MessageSystemAttributes"),
            entry.get("MessageGroupId"),
            entry.get("MessageDeduplicationId"),
            too_long="One or more parameters cannot be validated",
        )
        return put(call, queue, _traced(call, draft), call.principal.user_id)

    return each(entries, send)


def draft_of(
    queue: Queue,
    body: str,
    delay: int | None,
    attributes: MessageAttributes | None,
    system_attributes: MessageAttributes | None,
    group: str | None,
    deduplication: str | None,
    *,
    too_long: str = "One or more parameters are invalid",
) -> Draft:
    """Check a message against all rules; `too_long` begins what is said of its length.

    Raises InvalidMessageContents, InvalidParameterValue, MissingParameter.
    """
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
        raise InvalidParameterValue(f"{too_long}. Reason: Message must be shorter than {queue.settings.size} bytes.")
    if delay is not None and not 0 <= delay <= _LONGEST_DELAY:
        raise InvalidParameterValue(
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {_LONGEST_DELAY}."
        )
    if queue.settings.fifo:
        check_fifo(group, deduplication, queue.settings.content_based, delay)
        deduplication, delay = deduplication or content_id(raw), None
    else:
        check_standard(group, deduplication)
    trace = _trace(system_attributes) if system_attributes else None
    return Draft(
        body,
        md5(raw, usedforsecurity=False).digest(),
        queue.settings.delay if delay is None else delay * 1000,
        attributes_of.pack(attributes) if attributes else None,
        attributes_of.digest(attributes) if attributes else None,
        trace,
        attributes_of.digest(system_attributes) if system_attributes else None,
        group,
        deduplication,
    )


def _trace(system_attributes: MessageAttributes) -> str:
    """Return the AWSTraceHeader, the only system attribute that a client may send."""
    attribute = system_attributes["AWSTraceHeader"]
    attributes_of.check({"TraceHeader": attribute})
    if attribute["DataType"] != "String":
        raise InvalidParameterValue("Message system attribute 'AWSTraceHeader' must be of type String.")
    return str(attribute["StringValue"])


def _traced(call: Call, draft: Draft) -> Draft:
    """Give a message that has no trace of its own the one of the request that brings it."""
    header = call.facts.headers.get(b"x-amzn-trace-id")
    return draft if header is None or draft.trace is not None else draft._replace(trace=header.decode("latin-1"))


def put(call: Call, queue: Queue, draft: Draft, sender: str, service: Sender | None = None) -> dict[str, Any]:
    """Store a message and let it wait, or be delayed; return what SendMessage answers. `sender` is its SenderId; `service` sends
    it by itself.

    A duplicate on a FIFO queue is taken for sent, as what it is a duplicate of. Raises the errors of KMS before anything is
    changed.
    """
    memory: Memory = call.memory
    now = milliseconds(call.now)
    key = key_of(queue, draft.group, draft.deduplication, now) if draft.group and draft.deduplication else None
    known = original(call, queue, key) if key else None
    if known is not None:
        return _result(draft, known.id, known.message)
    number = memory.next_number()
    due = now + draft.delay if draft.delay else None
    message_id = call.new_id()
    tables.insert_message(
        call.db,
        number,
        queue.id,
        now,
        due,
        message_id,
        sender,
        draft.trace,
        write(call, queue, number, draft.body, draft.md5, draft.attributes, service),
        draft.group,
        draft.deduplication,
    )
    if key:
        remember(call, queue, fifo_tables.Deduplication(number, queue.id, key, now, message_id))
    enter(call, queue, number, draft.group, due)
    wake(call, queue, now, due or now)
    return _result(draft, message_id, number if key else None)


def _result(draft: Draft, message_id: str, number: int | None) -> dict[str, Any]:
    result = {"MessageId": message_id, "MD5OfMessageBody": draft.md5.hex()}
    if draft.attributes_md5:
        result["MD5OfMessageAttributes"] = draft.attributes_md5
    if draft.trace_md5:
        result["MD5OfMessageSystemAttributes"] = draft.trace_md5
    if number is not None:
        result["SequenceNumber"] = sequence_number(number)
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
