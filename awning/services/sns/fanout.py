"""From a message to its deliveries: one letter for each subscription, in the transaction of the publish.

What a queue gets is the message as it is (raw), or a JSON document about it.
Source: the developer guide's "Fanout to Amazon SQS queues", "Amazon SNS raw message delivery", "Message delivery for FIFO topics"
and "Amazon SNS dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from awning.contracts import Deliver, PostToEndpoint, SendToQueue
from awning.kit.call import Call
from awning.kit.errors import ServiceError
from awning.services.sns import endpoints, outgoing, tables
from awning.services.sns.memory import Memory, Subscription, Topic
from awning.services.sns.message_attributes import Texts
from awning.services.sns.notification import (
    Envelope,
    Notification,
    confirmation,
    sealed,
    string_to_sign,
    timestamp,
    unsubscribe_url,
)
from awning.services.sns.platforms import push
from awning.services.sns.seals import seal
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
    documents: dict[str, Envelope] = {}
    for subscription in topic.subscriptions.values():
        if subscription.pending:
            continue
        body = message.body_for(subscription.protocol)
        if subscription.filter is None or subscription.filter.matches(message.attributes, body):
            _deliver(call, topic, subscription, message, body, documents)


def _deliver(
    call: Call, topic: Topic, subscription: Subscription, message: Message, body: str, documents: dict[str, Envelope]
) -> None:
    if subscription.protocol == "sqs" or subscription.protocol in endpoints.PROTOCOLS:
        if not subscription.raw and body not in documents:
            documents[body] = _document(call, topic, message, body)
        call.send(_letter(call, topic, subscription, message, body, documents))
    elif subscription.protocol == "sms":
        outgoing.keep(call, "sms", subscription.endpoint, body, topic=topic.arn, message=message.id)
    else:
        try:
            push(call, subscription.endpoint, message.bodies or {}, body, message.id, topic.arn)
        except ServiceError as error:
            said = f"not delivered: {error.message}"
            outgoing.keep(call, "push", subscription.endpoint, body, topic=topic.arn, message=message.id, about=said)


def _letter(
    call: Call,
    topic: Topic,
    subscription: Subscription,
    message: Message,
    body: str,
    documents: Mapping[str, Envelope],
) -> Deliver:
    document = None if subscription.raw else documents[body].to(subscription.arn)
    if subscription.protocol in endpoints.PROTOCOLS:
        return endpoints.notify(
            subscription.protocol,
            subscription_arn=subscription.arn,
            topic_arn=topic.arn,
            display_name=topic.attributes.get("DisplayName", ""),
            id=message.id,
            subject=message.subject,
            body=body,
            document=document,
            unsubscribe_url=unsubscribe_url(call.facts.base_url, subscription.arn),
            now=call.now,
        )
    if document is None:
        return to_queue(topic, subscription.endpoint, message, body, message.attributes)
    return to_queue(topic, subscription.endpoint, message, document, {})


def _document(call: Call, topic: Topic, message: Message, body: str) -> Envelope:
    """Write the document about a message, and sign it, once for all who get it."""
    about = Notification(
        id=message.id,
        topic_arn=topic.arn,
        message=body,
        at=timestamp(call.now),
        subject=message.subject,
        sequence=message.sequence,
        attributes=message.attributes,
    )
    return Envelope(about, seal(call, about.string_to_sign(), topic.settings.signature), call.facts.base_url)


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


def ask(call: Call, topic: Topic, row: tables.SubscriptionRow) -> None:
    """Send an endpoint the question whether it wants a subscription."""
    id = call.new_id()
    document = confirmation(
        "SubscriptionConfirmation",
        id=id,
        token=row.token,
        topic_arn=topic.arn,
        subscription_arn=row.arn,
        base_url=call.facts.base_url,
        at=timestamp(call.now),
    )
    text = sealed(document, seal(call, string_to_sign(document), topic.settings.signature))
    if row.protocol in endpoints.PROTOCOLS:
        question = endpoints.ask(
            row.protocol,
            subscription_arn=row.arn,
            topic_arn=topic.arn,
            display_name=topic.attributes.get("DisplayName", ""),
            id=id,
            document=text,
            subscribe_url=document["SubscribeURL"],
            now=call.now,
        )
        call.send(question)
        return
    # Questions are put in no order, but a FIFO queue takes nothing without a group.
    ordered = row.endpoint.endswith(".fifo")
    message = Message(id, "", group=row.arn if ordered else None, deduplication=id)
    call.send(to_queue(topic, row.endpoint, message, text, {}))


def given_up(call: Call, delivery: Deliver, reason: str) -> None:
    """A delivery came to nothing: it goes to its subscription's dead-letter queue, where there is one and this was not it."""
    memory: Memory = call.memory
    if isinstance(delivery, PostToEndpoint) and delivery.type == "Notification":
        row = tables.find_subscription(call.db, delivery.arn)
        topic = memory.topics.get(delivery.topic_arn)
        lost = to_queue(topic, "", Message(delivery.message_id, ""), delivery.body, {}) if topic is not None else None
    elif isinstance(delivery, SendToQueue) and not delivery.last_resort:
        topic = memory.topics.get(delivery.source_arn)
        row = tables.same_subscription(call.db, topic.id, "sqs", delivery.arn) if topic is not None else None
        lost = delivery
    else:
        return
    policy = row.attributes.get("RedrivePolicy") if row is not None and not row.pending else None
    if policy is not None and lost is not None:
        _bury(call, lost, dead_letter_arn(policy), reason)


def _bury(call: Call, lost: SendToQueue, target: str, reason: str) -> None:
    """Send what was given up to a dead-letter queue, and why."""
    fifo = target.endswith(".fifo")
    told = {
        "RequestID": call.new_id(),
        "ErrorCode": reason.partition(":")[0],
        "ErrorMessage": reason.partition(": ")[2],
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value}
    call.send(
        replace(
            lost,
            arn=target,
            group=lost.group if fifo else "",
            attributes={**lost.attributes, **attributes},
            deduplication=lost.deduplication if fifo else None,
            last_resort=True,
        )
    )
