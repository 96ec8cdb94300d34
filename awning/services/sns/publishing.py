"""Publish and PublishBatch: a message is checked, given its id, and delivered to the topic's subscriptions in one transaction.

Source: the API reference of both, and the developer guide's "FIFO topics: message deduplication".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.sns import archive, outgoing, tables
from awning.services.sns import message_attributes as attributes_of
from awning.services.sns.attributes import LARGEST
from awning.services.sns.conditions import conditions
from awning.services.sns.errors import (
    BatchEntryIdsNotDistinctException,
    BatchRequestTooLongException,
    EmptyBatchRequestException,
    InvalidBatchEntryIdException,
    TooManyEntriesInBatchRequestException,
    invalid,
)
from awning.services.sns.fanout import Message, deliver, wanted_signatures
from awning.services.sns.memory import Memory, Topic
from awning.services.sns.names import check_topic_arn, topic_arn
from awning.services.sns.phones import is_number
from awning.services.sns.platforms import push
from awning.services.sns.seals import sign
from awning.services.sns.signing import Signatures
from awning.services.sns.topics import find

DUPLICATES_FOR: Final = 300_000
"""Milliseconds in which a FIFO topic knows a message again."""

_BATCH = 10
_LONGEST_TEXT = 1_600
_LETTERS = 256
"""How many letters a unit of a batch writes: some 4 ms of the loop."""
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_FIFO_ID = re.compile(r"[!-~]{1,128}")
_FIRST_SEQUENCE = 10**19
_ENTRY = {
    "Id": ALL,
    "Message": ALL,
    "Subject": ALL,
    "MessageStructure": ALL,
    "MessageAttributes": ALL,
    "MessageDeduplicationId": ALL,
    "MessageGroupId": ALL,
}


def _target(call: Call, params: Params) -> str:
    if params.get("phone_number"):
        return "*"
    arn = _one_target(params.get("topic_arn"), params.get("target_arn"))
    return arn if is_endpoint(arn) else check_topic_arn(call, arn)


@operation(Needs("sns:Publish", _target), anonymous=True, honours={"message_attributes": ALL}, context=conditions)
async def publish(
    call: Call,
    message: str,
    topic_arn: str | None = None,
    target_arn: str | None = None,
    phone_number: str | None = None,
    subject: str | None = None,
    message_structure: str | None = None,
    message_attributes: dict[str, dict[str, Any]] | None = None,
    message_deduplication_id: str | None = None,
    message_group_id: str | None = None,
) -> dict[str, Any]:
    """Publish one message to a topic. A reply means that it will be delivered to all who are subscribed now."""
    if phone_number is not None:
        return _done(await call.commit(_text, phone_number, message, subject, message_attributes))
    arn = _one_target(topic_arn, target_arn)
    if is_endpoint(arn):
        return _done(await call.commit(_push, arn, message, message_structure, subject, message_attributes))
    draft = Draft(
        message,
        subject,
        message_structure,
        message_attributes,
        message_group_id,
        message_deduplication_id,
    )
    signed = await _sign(call, arn, (draft,))
    return _done(await call.commit(_publish, arn, draft, signed))


@operation(
    Needs("sns:Publish", topic_arn),
    anonymous=True,
    honours={"publish_batch_request_entries": _ENTRY},
    context=conditions,
)
async def publish_batch(
    call: Call, topic_arn: str, publish_batch_request_entries: list[dict[str, Any]]
) -> dict[str, Any]:
    """Publish up to ten messages to a topic, together no longer than one may be; one that is not in order stops all."""
    entries = publish_batch_request_entries
    _check_entries(entries)
    drafts = [
        Draft(
            entry["Message"],
            entry.get("Subject"),
            entry.get("MessageStructure"),
            entry.get("MessageAttributes"),
            entry.get("MessageGroupId"),
            entry.get("MessageDeduplicationId"),
        )
        for entry in entries
    ]
    signed = await _sign(call, topic_arn, drafts)
    done: list[dict[str, Any]] = []
    for part in _parts(call, topic_arn, drafts):
        unchecked = () if done else drafts
        done += await call.commit(_publish_part, topic_arn, part, unchecked, signed)
    return {
        "Successful": [{"Id": entry["Id"], **accepted} for entry, accepted in zip(entries, done, strict=True)],
        "Failed": [],
    }


class Draft:
    """What a client wants to publish, as it came; its id and time are fixed here, so that it can be signed before its unit."""

    __slots__ = ("attributes", "deduplication", "group", "message", "size", "structure", "subject", "text")

    def __init__(
        self,
        text: str,
        subject: str | None,
        structure: str | None,
        attributes: attributes_of.Attributes | None,
        group: str | None,
        deduplication: str | None,
    ) -> None:
        self.text = text
        self.subject = subject
        self.structure = structure
        self.attributes = attributes
        self.group = group
        self.deduplication = deduplication
        self.size = 0
        self.message: Message | None = None

    def read(self, call: Call) -> Message:
        """Return the message; it is checked, and given its id and time, when this is first asked. Raises
        InvalidParameterException, InvalidParameterValueException."""
        message = self.message
        if message is None:
            self.size = check_message(self.text, self.subject, self.attributes)
            bodies = read_structure(self.text, self.structure)
            trace = call.facts.headers.get(b"x-amzn-trace-id")
            message = self.message = Message(
                id=call.new_id(),
                body=self.text if bodies is None else bodies["default"],
                bodies=bodies,
                subject=self.subject,
                attributes=attributes_of.texts(self.attributes) if self.attributes else {},
                group=self.group or None,
                trace=trace.decode("latin-1") if trace is not None else None,
                at=call.now,
            )
        return message


async def _sign(call: Call, arn: str, drafts: Sequence[Draft]) -> Signatures:
    """Sign what those who are subscribed now would get. Who subscribes before the message's unit gets it signed there."""
    memory: Memory = call.memory
    topic = memory.topics.get(arn)
    if topic is None or all(subscription.raw for subscription in topic.subscriptions.values()):
        return {}
    wanted: set[tuple[str, str]] = set()
    for draft in drafts:
        wanted |= wanted_signatures(topic, draft.read(call))
    return await sign(call, wanted) if wanted else {}


def _publish(call: Call, arn: str, draft: Draft, signed: Signatures) -> dict[str, Any]:
    topic = find(call, arn)
    message = draft.read(call)
    if draft.size > topic.settings.largest:
        raise invalid("Message too long")
    check_order(topic, draft.group, draft.deduplication)
    return accept(call, topic, message, draft.deduplication or _digest(draft.text), signed)


def _parts(call: Call, arn: str, drafts: Sequence[Draft]) -> list[Sequence[Draft]]:
    """Part a batch into what one unit takes: where a topic has many subscriptions, all at once would hold the loop."""
    memory: Memory = call.memory
    topic = memory.topics.get(arn)
    size = max(1, _LETTERS // max(1, len(topic.subscriptions))) if topic else len(drafts)
    return [drafts[start : start + size] for start in range(0, len(drafts), size)]


def _publish_part(
    call: Call, arn: str, part: Sequence[Draft], unchecked: Sequence[Draft], signed: Signatures
) -> list[dict[str, Any]]:
    """Accept a part of a batch, after a look at all that nobody has checked yet: what is wrong stops the whole batch."""
    topic = find(call, arn)
    for draft in unchecked:
        draft.read(call)
        check_order(topic, draft.group, draft.deduplication)
    if sum(draft.size for draft in unchecked) > topic.settings.largest:
        raise BatchRequestTooLongException("The length of all the messages put together is more than the limit.")
    return [accept(call, topic, draft.read(call), draft.deduplication or _digest(draft.text), signed) for draft in part]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def _done(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = result
    return found


def check_message(message: str, subject: str | None, attributes: attributes_of.Attributes | None) -> int:
    """Return a message's size in bytes. Raises InvalidParameterException, InvalidParameterValueException."""
    if subject is not None and (not _SUBJECT.fullmatch(subject) or subject[0].isspace()):
        raise invalid("Subject")
    if not message:
        raise invalid("Empty message")
    size = len(message.encode("utf-8", "replace"))
    return size + attributes_of.check(attributes) if attributes else size


def read_structure(message: str, structure: str | None, needed: str = "default") -> Mapping[str, str] | None:
    """Return the message for each protocol, where it has several; that for `needed` must be one. Raises
    InvalidParameterException."""
    if structure is None or structure == "":
        return None
    if structure != "json":
        raise invalid("MessageStructure")
    try:
        found = orjson.loads(message)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise invalid("Message Structure - JSON message body failed to parse")
    bodies = {protocol: text for protocol, text in found.items() if isinstance(text, str)}
    if needed and needed not in bodies:
        raise invalid("Message Structure - No default entry in JSON message body")
    return bodies


def check_order(topic: Topic, group: str | None, deduplication: str | None) -> None:
    """Raises InvalidParameterException where group and deduplication are not what the topic asks for."""
    if topic.settings.fifo:
        if not group:
            raise invalid("The MessageGroupId parameter is required for FIFO topics")
        if not deduplication and not topic.settings.content_based:
            raise invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
            )
    elif deduplication is not None:
        raise invalid(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this "
            "topic type"
        )
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if value and not _FIFO_ID.fullmatch(value):
            raise invalid(
                f"{name} Reason: {name} can only include alphanumeric and punctuation characters. 1 to 128 in length"
            )


def accept(
    call: Call, topic: Topic, message: Message, deduplication: str, signed: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """Deliver a message; return what its publisher is told. A FIFO topic answers a duplicate as it did the first."""
    if not topic.settings.fifo:
        deliver(call, topic, message, signed)
        return {"MessageId": message.id}
    now = round(call.now * 1000)
    assert message.group is not None
    scope = message.group if topic.settings.by_group else ""
    known = tables.find_duplicate(call.db, topic.id, scope, deduplication, now - DUPLICATES_FOR)
    if known is not None:
        return {"MessageId": known[0], "SequenceNumber": str(_FIRST_SEQUENCE + known[1])}
    number = tables.next_sequence(call.db, topic.id)
    sequence = str(_FIRST_SEQUENCE + number)
    tables.keep_duplicate(call.db, topic.id, scope, deduplication, message.id, number, now)
    message = message._replace(deduplication=deduplication, sequence=sequence)
    archive.keep(call, topic, message, number)
    deliver(call, topic, message, signed)
    return {"MessageId": message.id, "SequenceNumber": sequence}


def _text(
    call: Call, number: str, message: str, subject: str | None, attributes: attributes_of.Attributes | None
) -> dict[str, Any]:
    """Write a text message into the log."""
    if not is_number(number):
        raise invalid(f"PhoneNumber Reason: {number} is not valid to publish to")
    check_message(message, subject, attributes)
    if len(message) > _LONGEST_TEXT:
        raise invalid("Message too long")
    message_id = call.new_id()
    outgoing.keep(call, "sms", number, message, message=message_id, about=_said(attributes))
    return {"MessageId": message_id}


def _push(
    call: Call,
    arn: str,
    message: str,
    structure: str | None,
    subject: str | None,
    attributes: attributes_of.Attributes | None,
) -> dict[str, Any]:
    """Write a message for one device into the log."""
    if check_message(message, subject, attributes) > LARGEST:
        raise invalid("Message too long")
    bodies = read_structure(message, structure, "") or {}
    message_id = call.new_id()
    push(call, arn, bodies, bodies.get("default", message), message_id)
    return {"MessageId": message_id}


def _said(attributes: attributes_of.Attributes | None) -> str:
    """What a text's attributes say of it (AWS.SNS.SMS.SenderID…), for the log."""
    return " ".join(f"{name}={value.get('StringValue', '')}" for name, value in (attributes or {}).items())


def is_endpoint(arn: str) -> bool:
    """Whether this is a platform endpoint's ARN."""
    return arn.startswith("arn:aws:sns:") and ":endpoint/" in arn


def _one_target(topic: str | None, target: str | None) -> str:
    named = [arn for arn in (topic, target) if arn is not None]
    if not named:
        raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
    if len(named) == 2:
        raise invalid("TopicArn Reason: Both TopicArn and TargetArn were given")
    return named[0]


def _check_entries(entries: list[dict[str, Any]]) -> None:
    if not entries:
        raise EmptyBatchRequestException("The batch request doesn't contain any entries.")
    if len(entries) > _BATCH:
        raise TooManyEntriesInBatchRequestException("The batch request contains more entries than permissible.")
    for entry in entries:
        if not _ENTRY_ID.fullmatch(entry["Id"]):
            raise InvalidBatchEntryIdException(
                "The Id of a batch entry in a batch request doesn't abide by the specification."
            )
    if len({entry["Id"] for entry in entries}) != len(entries):
        raise BatchEntryIdsNotDistinctException("Two or more batch entries in the request have the same Id.")
