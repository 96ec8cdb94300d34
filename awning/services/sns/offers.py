"""What other rooms may ask of SNS: may a service publish to this topic, and publish this for it.

Source: the developer guide's "Example cases for Amazon SNS access control".
"""

from __future__ import annotations

from hashlib import sha256

from awning.contracts import MayPublish, PublishToTopic, Sender
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.kit.senders import decide_for
from awning.services.sns.attributes import LARGEST
from awning.services.sns.conditions import tags_of
from awning.services.sns.fanout import Message
from awning.services.sns.memory import Memory, Topic
from awning.services.sns.publishing import accept

_NAMES_NO_OWNER = frozenset({"s3.amazonaws.com"})
"""Services that say aws:SourceAccount, but not the older aws:SourceOwner that default policies ask for."""


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
    )
    accept(call, topic, message, sha256(delivery.message.encode()).hexdigest())


def _allows(call: Call, topic: Topic, sender: Sender) -> bool:
    further = {} if sender.service in _NAMES_NO_OWNER else {"aws:sourceowner": sender.account}
    decision = decide_for(
        sender, "sns:Publish", topic.arn, topic.guard, call.now, further, lambda: tags_of(call, topic.arn)
    )
    return decision.allowed
