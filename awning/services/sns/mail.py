"""E-mail endpoints: what they are written, and the spool in which mail lies, a file for each. No mail leaves the machine.

Source: "Fanout to email" in the SNS developer guide; RFC 5322.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

from awning.contracts import FindMailSpool, MailTo
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.services.sns import ended_tables, tables
from awning.store.files import write_whole

SUBJECT = "AWS Notification Message"
"""The subject of a message that has none."""

_FROM = "no-reply@sns.amazonaws.com"
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


def is_address(text: str) -> bool:
    """Whether this is an address that mail can be written to."""
    return len(text) <= 320 and _ADDRESS.fullmatch(text) is not None and ".." not in text


def notification_text(message: str, unsubscribe_url: str) -> str:
    """The text of a mail about a message."""
    return (
        f"{message}\n\n--\nIf you wish to stop receiving notifications from this topic, please click or visit the link below "
        f"to unsubscribe:\n{unsubscribe_url}\n"
    )


def confirmation_text(topic_arn: str, subscribe_url: str) -> str:
    """The text of a mail that asks whether its reader wants a subscription."""
    return (
        f"You have chosen to subscribe to the topic:\n{topic_arn}\n\nTo confirm this subscription, click or visit the link "
        f"below (If this was in error no action is necessary):\n{subscribe_url}\n"
    )


def farewell_text(topic_arn: str, subscribe_url: str) -> str:
    """The text of a mail that tells its reader that a subscription has ended, and how to have it back."""
    return (
        f"Your subscription to the topic below has been deactivated:\n{topic_arn}\n\nIf this was in error, click or visit the "
        f"link below to restore it:\n{subscribe_url}\n"
    )


async def spool(call: Call, delivery: MailTo) -> None:
    """Write a mail into the spool. One that is written again, as after a crash, takes its own place."""
    row = tables.find_subscription(call.db, delivery.arn)
    if row is None and delivery.type == "UnsubscribeConfirmation":
        row = ended_tables.find(call.db, delivery.arn)
    if row is None or (row.pending and delivery.type == "Notification"):
        raise Undeliverable("The subscription has ended.")
    folder: Path = call.ask(FindMailSpool())
    await asyncio.to_thread(_write, folder, delivery, row.endpoint)


def _write(folder: Path, delivery: MailTo, address: str) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    moment = datetime.fromtimestamp(delivery.created, UTC)
    mark = sha256(f"{delivery.arn} {delivery.message_id}".encode()).hexdigest()[:16]
    write_whole(folder / f"{moment:%Y%m%dT%H%M%S.%fZ}-{mark}.eml", _compose(delivery, address, moment))


def _compose(delivery: MailTo, address: str, moment: datetime) -> bytes:
    mail = EmailMessage(policy=policy.SMTP)
    user, _, domain = _FROM.partition("@")
    mail["From"] = Address(delivery.sender or "AWS Notifications", user, domain)
    mail["To"] = address
    mail["Subject"] = " ".join(delivery.subject.split())
    mail["Date"] = moment
    mail["Message-ID"] = f"<{delivery.message_id}@sns.amazonaws.com>"
    mail["x-amz-sns-message-type"] = delivery.type
    mail["x-amz-sns-subscription-arn"] = delivery.arn
    mail.set_content(delivery.body)
    return mail.as_bytes()
