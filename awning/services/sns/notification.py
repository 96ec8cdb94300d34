"""What subscribers get: the JSON documents of notifications and confirmations, and what of them is signed. Pure.

Source: "HTTP/HTTPS notification JSON format" and "Verifying the signatures of Amazon SNS messages" in the SNS developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

Attributes = Mapping[str, Mapping[str, str]]

_SIGNED_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@dataclass(frozen=True, slots=True)
class Seal:
    """How a document is signed: version ("1" or "2"), signature (base64), and the URL of the certificate."""

    version: str
    signature: str
    certificate_url: str


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to a topic, as all subscribers of one protocol get it. `at` as timestamp() writes it; `sequence` on FIFO
    topics only; `attributes` as Publish takes them, binary values as base64 text."""

    id: str
    topic_arn: str
    message: str
    at: str
    subject: str | None = None
    sequence: str | None = None
    attributes: Attributes | None = None
    replayed: bool = False

    def string_to_sign(self) -> str:
        """What the signature is of: nothing of it depends on the subscription, or on the sequence number."""
        return string_to_sign(
            {
                "Type": "Notification",
                "MessageId": self.id,
                "TopicArn": self.topic_arn,
                "Message": self.message,
                "Timestamp": self.at,
                **({} if self.subject is None else {"Subject": self.subject}),
            }
        )


class Envelope:
    """A notification's document, written once; `to(subscription_arn)` puts in how that one is ended. Those of FIFO topics have
    no seal.

    base_url: scheme and host under which the region is known to the subscriber, without a slash at the end.
    """

    __slots__ = ("_base", "_head", "_tail")

    def __init__(self, notification: Notification, seal: Seal | None, base_url: str) -> None:
        given = notification
        sequence = f'  "SequenceNumber" : {_text(given.sequence)},\n' if given.sequence is not None else ""
        signature = ""
        if seal is not None:
            signature = (
                f'  "SignatureVersion" : "{seal.version}",\n  "Signature" : "{seal.signature}",\n'
                f'  "SigningCertURL" : "{seal.certificate_url}",\n'
            )
        subject = f'  "Subject" : {_text(given.subject)},\n' if given.subject is not None else ""
        self._head = (
            f'{{\n  "Type" : "Notification",\n  "MessageId" : "{given.id}",\n{sequence}'
            f'  "TopicArn" : "{given.topic_arn}",\n{subject}  "Message" : {_text(given.message)},\n'
            f'  "Timestamp" : "{given.at}",\n{signature}  "UnsubscribeURL" : '
        )
        self._base = base_url
        attributes = f',\n  "MessageAttributes" : {_attributes(given.attributes)}' if given.attributes else ""
        replayed = ',\n  "Replayed" : true' if given.replayed else ""
        self._tail = f"{attributes}{replayed}\n}}"

    def to(self, subscription_arn: str) -> str:
        """Return the document for a subscription."""
        return f"{self._head}{_text(unsubscribe_url(self._base, subscription_arn))}{self._tail}"


def confirmation(
    kind: str, *, id: str, token: str, topic_arn: str, subscription_arn: str, base_url: str, at: str
) -> dict[str, str]:
    """Return the document that asks an endpoint, not yet signed; kind is SubscriptionConfirmation, or
    UnsubscribeConfirmation for one that has ended and may be had back."""
    if kind == "SubscriptionConfirmation":
        said = (
            f"You have chosen to subscribe to the topic {topic_arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message."
        )
    else:
        said = (
            f"You have chosen to deactivate subscription {subscription_arn}.\n"
            "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
        )
    return {
        "Type": kind,
        "MessageId": id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": said,
        "SubscribeURL": subscribe_url(base_url, topic_arn, token),
        "Timestamp": at,
    }


def sealed(document: Mapping[str, str], seal: Seal) -> str:
    """Return a document with its signature, as JSON text."""
    signed = {
        **document,
        "SignatureVersion": seal.version,
        "Signature": seal.signature,
        "SigningCertURL": seal.certificate_url,
    }
    inner = ",\n".join([f"  {_text(name)} : {_text(value)}" for name, value in signed.items()])
    return f"{{\n{inner}\n}}"


def string_to_sign(document: Mapping[str, str]) -> str:
    """Return what is signed of a document: names and values, a line each, in the order of the names' bytes."""
    names = _SIGNED_NOTIFICATION if document["Type"] == "Notification" else _SIGNED_CONFIRMATION
    return "".join([f"{name}\n{document[name]}\n" for name in names if name in document])


def subscribe_url(base_url: str, topic_arn: str, token: str) -> str:
    """The link that confirms a subscription."""
    return f"{base_url}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}"


def unsubscribe_url(base_url: str, subscription_arn: str) -> str:
    """The link that ends a subscription."""
    return f"{base_url}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"


def timestamp(now: float) -> str:
    """Return a moment (seconds since the epoch) as documents say it: UTC, to the millisecond."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: str) -> str:
    return orjson.dumps(value).decode()


def _attributes(attributes: Attributes) -> str:
    shown = [
        f'    {_text(name)} : {{"Type":{_text(value["DataType"])},'
        f'"Value":{_text(value["BinaryValue"] if "BinaryValue" in value else value["StringValue"])}}}'
        for name, value in attributes.items()
    ]
    return "{\n" + ",\n".join(shown) + "\n  }"
