"""Issuing and renewing: a key and a certificate are made in a thread, and stored once, however often that is tried.

Source: the user guide's "Certificate characteristics" and "Managed certificate renewal": 198 days, renewed 45 days before.
"""

from __future__ import annotations

from typing import Any, Final

from cryptography.x509 import load_pem_x509_certificate

from awning.contracts import Deliver, IssueCertificate
from awning.kit.call import Call
from awning.kit.deliveries import Undeliverable
from awning.services.acm import authority, tables, x509
from awning.services.acm.authority import DAY, midnight, new_serial
from awning.services.acm.memory import Memory
from awning.services.acm.tables import CertificateRow
from awning.services.acm.x509 import Made, Said

DAYS: Final = 198
RENEWED_DAYS_BEFORE: Final = 45


async def issue(call: Call, delivery: IssueCertificate) -> None:
    """Make what was validated: the certificate's first key, or the next."""
    row = _wanted(call, delivery)
    signer = await authority.ready(call)
    begin = midnight(call.now)
    end = begin + DAYS * DAY - 1
    memory: Memory = call.memory
    made, said = await memory.in_thread(_make, signer, row.algorithm, row.names, new_serial(call), begin, end)
    await call.commit(_store, delivery, made, said, x509.pem_of(signer.certificate))


def _make(signer: x509.Authority, algorithm: str, names: list[str], serial: int, begin: float, end: float) -> Any:
    made = x509.issue(signer, algorithm, names, serial, begin, end)
    return made, x509.read(load_pem_x509_certificate(made.pem.encode()))


def _wanted(call: Call, delivery: IssueCertificate) -> CertificateRow:
    row = tables.find_arn(call.db, delivery.arn)
    if row is None or row.generation + 1 != delivery.generation or row.status not in ("PENDING_VALIDATION", "ISSUED"):
        raise Undeliverable("The certificate is gone, or has this key already.")
    return row


def _store(call: Call, delivery: IssueCertificate, made: Made, said: Said, chain: str) -> None:
    row = _wanted(call, delivery)
    changes: dict[str, Any] = {}
    if row.status == "ISSUED":
        changes["renewal"] = {"status": "SUCCESS", "updated": call.now}
    keep(call, row._replace(generation=delivery.generation - 1), made, said, chain)
    tables.update(
        call.db,
        row.id,
        status="ISSUED",
        issued=call.now,
        exported=False,
        renew_at=said.not_after - RENEWED_DAYS_BEFORE * DAY,
        **changes,
    )


def given_up(call: Call, delivery: Deliver, reason: str) -> None:
    """What could not be made has failed, unless nobody wants it any more."""
    if not isinstance(delivery, IssueCertificate):
        return
    try:
        row = _wanted(call, delivery)
    except Undeliverable:
        return
    if row.status == "PENDING_VALIDATION":
        tables.update(call.db, row.id, status="FAILED")
    else:
        renewal = {"status": "FAILED", "updated": call.now, "reason": "OTHER"}
        tables.update(call.db, row.id, renewal=renewal, renew_at=call.now + DAY)


def sealing_context(row: CertificateRow, generation: int) -> bytes:
    """To what a private key is bound when it is sealed."""
    return f"{row.arn} {generation}".encode()


def keep(call: Call, row: CertificateRow, made: Made, said: Said, chain: str | None) -> None:
    """Give a stored certificate its next key and what was made of it."""
    generation = row.generation + 1
    tables.update(
        call.db,
        row.id,
        pem=made.pem,
        chain=chain,
        sealed=call.seal.seal(made.key, sealing_context(row, generation)),
        generation=generation,
        serial=said.serial,
        not_before=said.not_before,
        not_after=said.not_after,
        facts=said.facts,
    )


def open_key(call: Call, row: CertificateRow) -> bytes:
    """The private key of a certificate, in DER."""
    assert row.sealed is not None
    return call.seal.open(row.sealed, sealing_context(row, row.generation))
