"""From a message to its deliveries: one letter for each subscription, in the transaction of the publish.

What a queue gets is the message as it is (raw), or a JSON document about it.
Source: the developer guide's "Fanout to Amazon SQS queues", "Amazon SNS raw message delivery", "Message delivery for FIFO topics"
and "Amazon SNS dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from awning.contracts import Deliver, SendToQueue
from awning.kit.call import Call
from awning.services.sns import tables
from awning.services.sns.memory import Memory, Subscription, Topic
from awning.services.sns.message_attributes import Texts
from awning.services.sns.subscription_attributes import dead_letter_arn

_SERVICE = "sns.amazonaws.com"


class Message(NamedTuple):
    """What was published. `bodies`: the message for each protocol where it has several, else None. `group` and `deduplication`
    are those of a FIFO topic's message, or a standard one's group; `sequence` only a FIFO topic's has."""

    id: str
    body: str
    bodies: Mapping[str, str] | None = None
    subject: str | None = None
    attributes: Texts = {}
    group: str | None = None
    deduplication: str | None = None
    sequence: str | None = None
    trace: str | None = None

    def body_for(self, protocol: str) -> str:
        """The message as subscribers by a protocol get it."""
        return self.body if self.bodies is None else self.bodies.get(protocol, self.body)


def deliver(call: Call, topic: Topic, message: Message) -> None:
    """Write a letter for each subscription that wants the message."""
    for subscription in topic.subscriptions.values():
        if subscription.pending:
            continue
        body = message.body_for(subscription.protocol)
        if subscription.filter is None or subscription.filter.matches(message.attributes, body):
            call.send(_letter(call, topic, subscription, message, body))


def _letter(call: Call, topic: Topic, subscription: Subscription, message: Message, body: str) -> Deliver:
    if not subscription.raw:
        body = orjson.dumps(_envelope(call, topic, subscription, message, body)).decode()
    return to_queue(topic, subscription.endpoint, message, body, message.attributes if subscription.raw else {})


def to_queue(topic: Topic, queue: str, message: Message, body: str, attributes: Texts) -> SendToQueue:
    """The delivery of a message to a queue. Only a FIFO queue knows order and duplicates."""
    ordered = topic.settings.fifo and queue.endswith(".fifo")
    return SendToQueue(
        arn=queue,
        group=(message.group or "") if ordered else "",
        service=_SERVICE,
        source_arn=topic.arn,
        source_account=topic.account,
        body=body,
        attributes=attributes,
        message_group=message.group,
        deduplication=message.deduplication if ordered else None,
        trace=message.trace,
    )


def _envelope(call: Call, topic: Topic, subscription: Subscription, message: Message, body: str) -> dict[str, Any]:
    base = call.facts.base_url
    document: dict[str, Any] = {"Type": "Notification", "MessageId": message.id}
    if message.sequence is not None:
        document["SequenceNumber"] = message.sequence
    document["TopicArn"] = topic.arn
    if message.subject is not None:
        document["Subject"] = message.subject
    document["Message"] = body
    document["Timestamp"] = timestamp(call.now)
    document["UnsubscribeURL"] = f"{base}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
    if message.attributes:
        document["MessageAttributes"] = {
            name: {"Type": value["DataType"], "Value": value.get("StringValue") or value.get("BinaryValue", "")}
            for name, value in message.attributes.items()
        }
    return document


def ask(call: Call, topic: Topic, row: tables.SubscriptionRow) -> None:
    """Send an endpoint the question whether it wants a subscription."""
    base = call.facts.base_url
    document = {
        "Type": "SubscriptionConfirmation",
        "MessageId": call.new_id(),
        "Token": row.token,
        "TopicArn": topic.arn,
        "Message": f"You have chosen to subscribe to the topic {topic.arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message.",
        "SubscribeURL": f"{base}/?Action=ConfirmSubscription&TopicArn={topic.arn}&Token={row.token}",
        "Timestamp": timestamp(call.now),
    }
    # Questions are put in no order, but a FIFO queue takes nothing without a group.
    ordered = row.endpoint.endswith(".fifo")
    message = Message(
        document["MessageId"], "", group=row.arn if ordered else None, deduplication=document["MessageId"]
    )
    call.send(to_queue(topic, row.endpoint, message, orjson.dumps(document).decode(), {}))


def timestamp(now: float) -> str:
    """A moment as notifications say it."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def given_up(call: Call, delivery: Deliver, reason: str) -> None:
    """A delivery came to nothing: it goes to its subscription's dead-letter queue, where there is one and this was not it."""
    if not isinstance(delivery, SendToQueue) or delivery.last_resort:
        return
    memory: Memory = call.memory
    topic = memory.topics.get(delivery.source_arn)
    row = tables.same_subscription(call.db, topic.id, "sqs", delivery.arn) if topic is not None else None
    policy = row.attributes.get("RedrivePolicy") if row is not None and not row.pending else None
    if policy is None:
        return
    target = dead_letter_arn(policy)
    fifo = target.endswith(".fifo")
    told = {
        "RequestID": call.new_id(),
        "ErrorCode": reason.partition(":")[0],
        "ErrorMessage": reason.partition(": ")[2],
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value}
    call.send(
        replace(
            delivery,
            arn=target,
            group=delivery.group if fifo else "",
            attributes={**delivery.attributes, **attributes},
            deduplication=delivery.deduplication if fifo else None,
            last_resort=True,
        )
    )
