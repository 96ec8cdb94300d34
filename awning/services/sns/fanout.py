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
from awning.services.sns.seals import base_url, seal
from awning.services.sns.subscription_attributes import dead_letter_arn

_SERVICE = "sns.amazonaws.com"
_WRITTEN_TO = endpoints.PROTOCOLS | {"sqs"}
_REPLAYED = {"DataType": "String", "StringValue": "true"}


class Message(NamedTuple):
    """What was published. `bodies`: the message for each protocol where it has several, else None. `group` and `deduplication`
    are those of a FIFO topic's message, or a standard one's group; `sequence` only a FIFO topic's has. `at`: when it was
    published, in seconds since the epoch; `replayed`: it comes from the archive."""

    id: str
    body: str
    bodies: Mapping[str, str] | None = None
    subject: str | None = None
    attributes: Texts = {}
    group: str | None = None
    deduplication: str | None = None
    sequence: str | None = None
    trace: str | None = None
    at: float = 0.0
    replayed: bool = False

    def body_for(self, protocol: str) -> str:
        """The message as subscribers by a protocol get it."""
        return self.body if self.bodies is None else self.bodies.get(protocol, self.body)


def wanted_signatures(topic: Topic, message: Message) -> set[tuple[str, str]]:
    """What is to be signed for those who would get the message now: texts, and the version of their signature."""
    if topic.settings.fifo:
        return set()
    bodies: set[str] = set()
    for subscription in topic.subscriptions.values():
        if not subscription.raw and subscription.active and subscription.protocol in _WRITTEN_TO:
            body = message.body_for(subscription.protocol)
            if body not in bodies and subscription.wants(message.attributes, body):
                bodies.add(body)
    version = topic.settings.signature
    return {(_notification(topic, message, body).string_to_sign(), version) for body in bodies}


def deliver(call: Call, topic: Topic, message: Message, signed: Mapping[tuple[str, str], str]) -> None:
    """Write a letter for each subscription that wants the message; `signed` are the signatures that there are already."""
    fan = Fan(call, topic, message, signed)
    for subscription in topic.subscriptions.values():
        if subscription.active:
            fan.out(subscription)


class Fan:
    """A message on its way to the subscriptions of its topic: what they share of it is written once."""

    def __init__(
        self, call: Call, topic: Topic, message: Message, signed: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        self.call = call
        self.topic = topic
        self.message = message
        self._signed = signed
        self._documents: dict[str, Envelope] = {}

    def out(self, subscription: Subscription) -> None:
        """Write the letter for a subscription, if it wants the message."""
        call, message, topic = self.call, self.message, self.topic
        body = message.body_for(subscription.protocol)
        if not subscription.wants(message.attributes, body):
            return
        if subscription.protocol in _WRITTEN_TO:
            document = None if subscription.raw else self._document(body).to(subscription.arn)
            call.send(_letter(call, topic, subscription, message, body, document))
        elif subscription.protocol == "sms":
            outgoing.keep(call, "sms", subscription.endpoint, body, topic=topic.arn, message=message.id)
        else:
            try:
                push(call, subscription.endpoint, message.bodies or {}, body, message.id, topic.arn)
            except ServiceError as error:
                said = f"not delivered: {error.message}"
                outgoing.keep(
                    call, "push", subscription.endpoint, body, topic=topic.arn, message=message.id, about=said
                )

    def _document(self, body: str) -> Envelope:
        """Write the document about a message, and seal it, once for all who get it."""
        document = self._documents.get(body)
        if document is None:
            about = _notification(self.topic, self.message, body)
            given = None
            if not self.topic.settings.fifo:
                given = seal(self.call, about.string_to_sign(), self.topic.settings.signature, self._signed)
            document = self._documents[body] = Envelope(about, given, base_url(self.call))
        return document


def _letter(
    call: Call, topic: Topic, subscription: Subscription, message: Message, body: str, document: str | None
) -> Deliver:
    """The letter for a subscription: the document about the message, or, where it goes raw, what was published."""
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
            unsubscribe_url=unsubscribe_url(base_url(call), subscription.arn),
            now=call.now,
        )
    if document is not None:
        return to_queue(topic, subscription.endpoint, message, document, {})
    attributes = {**message.attributes, "Replayed": _REPLAYED} if message.replayed else message.attributes
    return to_queue(topic, subscription.endpoint, message, body, attributes)


def _notification(topic: Topic, message: Message, body: str) -> Notification:
    return Notification(
        id=message.id,
        topic_arn=topic.arn,
        message=body,
        at=timestamp(message.at),
        subject=message.subject,
        sequence=message.sequence,
        attributes=message.attributes,
        replayed=message.replayed,
    )


def to_queue(topic: Topic, queue: str, message: Message, body: str, attributes: Texts) -> SendToQueue:
    """The delivery of a message to a queue. Only a FIFO queue knows order and duplicates; a standard queue hears of the groups of
    a standard topic alone."""
    ordered = topic.settings.fifo and queue.endswith(".fifo")
    return SendToQueue(
        arn=queue,
        group=(message.group or "") if ordered else "",
        service=_SERVICE,
        source_arn=topic.arn,
        source_account=topic.account,
        body=body,
        attributes=attributes,
        message_group=message.group if ordered or not topic.settings.fifo else None,
        deduplication=message.deduplication if ordered else None,
        trace=message.trace,
    )


def ask(call: Call, topic: Topic, row: tables.SubscriptionRow, kind: str = "SubscriptionConfirmation") -> None:
    """Send an endpoint the question whether it wants a subscription, or wants back (UnsubscribeConfirmation) what has ended."""
    id = call.new_id()
    document = confirmation(
        kind,
        id=id,
        token=row.token,
        topic_arn=topic.arn,
        subscription_arn=row.arn,
        base_url=base_url(call),
        at=timestamp(call.now),
    )
    text = sealed(document, seal(call, string_to_sign(document), topic.settings.signature))
    if row.protocol in endpoints.PROTOCOLS:
        question = endpoints.ask(
            row.protocol,
            kind,
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
        _bury(call, lost, dead_letter_arn(policy))


def _bury(call: Call, lost: SendToQueue, target: str) -> None:
    """Send what was given up to a dead-letter queue, as it was: nothing in it says why."""
    fifo = target.endswith(".fifo")
    call.send(
        replace(
            lost,
            arn=target,
            group=lost.group if fifo else "",
            deduplication=lost.deduplication if fifo else None,
            last_resort=True,
        )
    )
