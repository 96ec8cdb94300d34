"""Endpoints outside the region, by HTTP, HTTPS and e-mail: what a message or a question to each becomes."""

from __future__ import annotations

from typing import Final

from awning.contracts import Deliver, MailTo, PostToEndpoint
from awning.services.sns.errors import invalid
from awning.services.sns.mail import SUBJECT, confirmation_text, farewell_text, is_address, notification_text
from awning.services.sns.webhooks import is_endpoint

PROTOCOLS: Final = frozenset({"http", "https", "email", "email-json"})


def check(protocol: str, endpoint: str) -> None:
    """Raises InvalidParameterException where this is no endpoint of the protocol."""
    if protocol in ("http", "https"):
        if not is_endpoint(endpoint, protocol):
            raise invalid("Endpoint must match the specified protocol")
    elif not is_address(endpoint):
        raise invalid("Email address")


def notify(
    protocol: str,
    *,
    subscription_arn: str,
    topic_arn: str,
    display_name: str,
    id: str,
    subject: str | None,
    body: str,
    document: str | None,
    unsubscribe_url: str,
    now: float,
) -> Deliver:
    """The delivery of a message: `body` is what was published, `document` the document about it, None where it goes raw."""
    if protocol in ("http", "https"):
        sent = body if document is None else document
        return PostToEndpoint(subscription_arn, "", "Notification", topic_arn, id, sent, document is None)
    as_json = protocol == "email-json" and document is not None
    text = document if as_json else notification_text(body, unsubscribe_url)
    assert text is not None
    return MailTo(subscription_arn, "", "Notification", id, display_name, subject or SUBJECT, text, now)


def ask(
    protocol: str,
    kind: str,
    *,
    subscription_arn: str,
    topic_arn: str,
    display_name: str,
    id: str,
    document: str,
    subscribe_url: str,
    now: float,
) -> Deliver:
    """The delivery of the question whether an endpoint wants a subscription, or wants it back: `kind` is the document's."""
    if protocol in ("http", "https"):
        return PostToEndpoint(subscription_arn, "", kind, topic_arn, id, document)
    ended = kind == "UnsubscribeConfirmation"
    text = (
        document
        if protocol == "email-json"
        else (farewell_text if ended else confirmation_text)(topic_arn, subscribe_url)
    )
    subject = f"AWS Notification - {'Unsubscribe' if ended else 'Subscription'} Confirmation"
    return MailTo(subscription_arn, "", kind, id, display_name, subject, text, now)
