"""What sqs takes from other rooms and answers to them: messages for queues, and whether they may be sent there."""

from __future__ import annotations

from base64 import b64decode
from typing import Any, Final

from awning.auth.decision import Decision
from awning.contracts import MaySend, Sender, SendToQueue
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.kit.errors import ServiceError
from awning.kit.senders import decide_for, principal_of
from awning.kit.service import Guard
from awning.services.sqs.memory import Memory, Queue, guard
from awning.services.sqs.sending import draft_of, put
from awning.services.sqs.tagged import tags_of

_SENDER_IDS: Final = {"sns.amazonaws.com": "AIDAISMY7JYY5F7RTT6AO"}
"""The ids of services' own users, as AWS shows them in a message's SenderId; another service shows its account's number."""


def may_send(call: Call, question: MaySend) -> bool | None:
    """Whether a queue's policy lets a service send to it; None where there is no such queue."""
    found = guard(call, question.arn)
    return None if found is None else _decide(call, question.sender, question.arn, found).allowed


def send_to_queue(call: Call, delivery: SendToQueue) -> None:
    """Put another service's message on a queue. Raises Undeliverable where there is no such queue, where its policy does not
    allow it, where the policy of the queue's key of KMS does not, and where the queue cannot take such a message."""
    memory: Memory = call.memory
    queue = memory.queues.get(delivery.arn)
    if queue is None:
        raise Undeliverable(f"There is no queue {delivery.arn}.")
    sender = Sender(delivery.service, delivery.source_arn, delivery.source_account)
    decision = _decide(call, sender, queue.arn, queue.guard)
    if not decision.allowed:
        raise Undeliverable(decision.message(principal_of(sender), "sqs:SendMessage", queue.arn))
    try:
        _put(call, queue, delivery, sender)
    except ServiceError as error:
        raise Undeliverable(f"{error.code}: {error.message}") from error


def _decide(call: Call, sender: Sender, arn: str, found: Guard) -> Decision:
    return decide_for(sender, "sqs:SendMessage", arn, found, call.now, tags=lambda: tags_of(call, arn))


def _put(call: Call, queue: Queue, delivery: SendToQueue, sender: Sender) -> None:
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": delivery.trace}} if delivery.trace else None
    draft = draft_of(
        queue,
        delivery.body,
        None,
        {name: _attribute(value) for name, value in delivery.attributes.items()},
        trace,
        delivery.message_group,
        delivery.deduplication,
    )
    put(call, queue, draft, _SENDER_IDS.get(delivery.service, delivery.source_account), sender)


def _attribute(attribute: Any) -> dict[str, Any]:
    """An attribute with the bytes of its value; a delivery has them in base64."""
    result = dict(attribute)
    if "BinaryValue" in result:
        result["BinaryValue"] = b64decode(result["BinaryValue"])
    return result
