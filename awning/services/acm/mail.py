"""The mails that ask a domain's owner for a certificate; they lie in the region's spool, and none leaves the machine.

Source: the user guide's "AWS Certificate Manager email validation".
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

from awning.contracts import FindMailSpool, ValidationMail
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.services.acm import tables
from awning.services.acm.validation import mailboxes
from awning.store.files import write_whole

# An ARN that is to be copied out of a mail stays on its line.
_POLICY = policy.SMTP.clone(max_line_length=998)


async def spool(call: Call, delivery: ValidationMail) -> None:
    """Write a mail into the spool. One that is written again, as after a crash, takes its own place."""
    if tables.find_arn(call.db, delivery.arn) is None:
        raise Undeliverable("The certificate is gone.")
    folder: Path = call.ask(FindMailSpool())
    await asyncio.to_thread(_write, folder, delivery)


def _write(folder: Path, delivery: ValidationMail) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    moment = datetime.fromtimestamp(delivery.created, UTC)
    mark = sha256(f"{delivery.arn} {delivery.name} {delivery.created}".encode()).hexdigest()[:16]
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = "Amazon Certificates <no-reply@certificates.amazon.com>"
    mail["To"] = ", ".join(mailboxes(delivery.domain))
    mail["Subject"] = f"Certificate request for {delivery.name}"
    mail["Date"] = moment
    mail["Message-ID"] = f"<{mark}@certificates.amazon.com>"
    mail.set_content(
        f"A certificate was requested for {delivery.name}.\n\nCertificate: {delivery.arn}\n\n"
        f"To approve it: awning acm validate {delivery.arn}\nIf you did not ask for it, do nothing.\n"
    )
    write_whole(folder / f"{moment:%Y%m%dT%H%M%S.%fZ}-{mark}.eml", mail.as_bytes())
