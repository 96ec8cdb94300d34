"""What other rooms may ask of SNS: may a service publish to this topic, and publish this for it.

Source: the developer guide's "Example cases for Amazon SNS access control".
"""

from __future__ import annotations

from awning.contracts import MayPublish, Publication, PublishToTopic, Sender
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.kit.senders import decide_for
from awning.services.sns import tables
from awning.services.sns.attributes import LARGEST
from awning.services.sns.conditions import tags_of
from awning.services.sns.fanout import Message, wanted_signatures
from awning.services.sns.memory import Memory, Topic
from awning.services.sns.publishing import accept
from awning.services.sns.seals import sign
from awning.services.sns.signing import Signatures

_NAMES_NO_OWNER = frozenset({"s3.amazonaws.com"})
"""Services that say aws:SourceAccount, but not the older aws:SourceOwner that default policies ask for."""

_TAKEN_ON = "taken on"
"""The group under which the messages of services are known again."""


def may_publish(call: Call, question: MayPublish) -> bool | None:
    """Whether a topic's policy lets a service publish; None where there is no such topic."""
    memory: Memory = call.memory
    topic = memory.topics.get(question.arn)
    return _allows(call, topic, question.sender) if topic is not None else None


def publish_to_topic(call: Call, delivery: PublishToTopic) -> None:
    """Publish what a service has to say. Raises Undeliverable."""
    memory: Memory = call.memory
    topic = memory.topics.get(delivery.arn)
    if topic is None:
        raise Undeliverable("Topic does not exist")
    sender = Sender(delivery.service, delivery.source_arn, delivery.source_account)
    if not _allows(call, topic, sender):
        raise Undeliverable(f"{delivery.service} is not authorized to perform: SNS:Publish on resource: {topic.arn}")
    if topic.settings.fifo:
        raise Undeliverable("A FIFO topic takes no messages without a message group.")
    if len(delivery.message.encode()) > max(topic.settings.largest, LARGEST):
        raise Undeliverable("Message too long")
    message = Message(
        id=call.new_id(),
        body=delivery.message,
        subject=delivery.subject,
        attributes={name: dict(value) for name, value in delivery.attributes.items()},
        at=call.now,
    )
    if wanted_signatures(topic, message):
        # To sign in this unit would hold the loop: it is done on the way to the second one.
        attributes = message.attributes
        call.send(Publication(topic.arn, "", message.id, message.body, message.subject, attributes, message.at))
    else:
        accept(call, topic, message, "", {})


async def publish_signed(call: Call, delivery: Publication) -> None:
    """Publish what a topic has taken on, signed. Repeated within minutes, as after a crash, it publishes nothing."""
    memory: Memory = call.memory
    topic = memory.topics.get(delivery.arn)
    message = Message(
        id=delivery.id,
        body=delivery.body,
        subject=delivery.subject,
        attributes={name: dict(value) for name, value in delivery.attributes.items()},
        at=delivery.at,
    )
    wanted = set() if topic is None else wanted_signatures(topic, message)
    await call.commit(_publish_once, delivery.arn, message, await sign(call, wanted) if wanted else {})


def _publish_once(call: Call, arn: str, message: Message, signed: Signatures) -> None:
    memory: Memory = call.memory
    topic = memory.topics.get(arn)
    if topic is None:
        raise Undeliverable("Topic does not exist")
    if tables.find_duplicate(call.db, topic.id, _TAKEN_ON, message.id, 0) is None:
        tables.keep_duplicate(call.db, topic.id, _TAKEN_ON, message.id, message.id, 0, round(call.now * 1000))
        accept(call, topic, message, "", signed)


def _allows(call: Call, topic: Topic, sender: Sender) -> bool:
    further = {} if sender.service in _NAMES_NO_OWNER else {"aws:sourceowner": sender.account}
    decision = decide_for(
        sender, "sns:Publish", topic.arn, topic.guard, call.now, further, lambda: tags_of(call, topic.arn)
    )
    return decision.allowed
