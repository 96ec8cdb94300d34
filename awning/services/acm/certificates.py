"""What is done with a certificate: get, export, renew, revoke and delete it.

Source: the API reference of each action; the user guide's "Export an ACM certificate" and "Revoke a public certificate".
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm import tables, x509
from awning.services.acm.errors import (
    RequestInProgressException,
    ResourceNotFoundException,
    ValidationException,
    in_use,
)
from awning.services.acm.issuing import open_key
from awning.services.acm.lookup import arn, find, renewable, status_of
from awning.services.acm.memory import Memory
from awning.services.acm.tables import CertificateRow
from awning.services.acm.validation import begin_renewal

_NOT_IN_PASSPHRASES = frozenset(b"#$%")


def _find_made(call: Call, arn: str) -> CertificateRow:
    """A certificate that has been made. Raises RequestInProgressException, ResourceNotFoundException."""
    row = find(call, arn)
    if row.pem is None:
        if row.status == "PENDING_VALIDATION":
            raise RequestInProgressException(f"The certificate request {row.arn} is in progress and not yet issued.")
        raise ResourceNotFoundException(f"The certificate request {row.arn} has failed: there is no certificate.")
    return row


@operation(Needs("acm:GetCertificate", arn), reads=True)
def get_certificate(call: Call, certificate_arn: str) -> dict[str, Any]:
    """Return a certificate and its chain."""
    row = _find_made(call, certificate_arn)
    return {"Certificate": row.pem, **({} if row.chain is None else {"CertificateChain": row.chain})}


@operation(Needs("acm:ExportCertificate", arn))
async def export_certificate(call: Call, certificate_arn: str, passphrase: bytes) -> dict[str, Any]:
    """Return a certificate with its private key, encrypted under a passphrase: only one that may be exported."""
    row = find(call, certificate_arn)
    if row.type != "PRIVATE" and row.export != "ENABLED":
        raise ValidationException(f"Certificate ARN: {row.arn} is not a private certificate")
    row = _find_made(call, certificate_arn)
    if status_of(row, call.now) != "ISSUED":
        raise ValidationException(f"The certificate {row.arn} is not in state ISSUED.")
    if any(byte > 126 or byte < 32 or byte in _NOT_IN_PASSPHRASES for byte in passphrase):
        raise ValidationException("The passphrase may have any ASCII character except #, $ and %.")
    memory: Memory = call.memory
    private = await memory.in_thread(x509.encrypted_pem, open_key(call, row), passphrase)
    if not row.exported:
        await call.commit(_note_export, row)
    return {"Certificate": row.pem, "CertificateChain": row.chain, "PrivateKey": private}


def _note_export(call: Call, row: CertificateRow) -> None:
    now = find(call, row.arn)
    # What was renewed meanwhile has not been exported yet.
    tables.update(call.db, row.id, ever_exported=True, exported=now.exported or now.generation == row.generation)


@operation(Needs("acm:RenewCertificate", arn))
def renew_certificate(call: Call, certificate_arn: str) -> None:
    """Renew a certificate now that was exported since it was issued; its ARN stays."""
    row = _find_made(call, certificate_arn)
    if row.renewal.get("status") in ("PENDING_AUTO_RENEWAL", "PENDING_VALIDATION"):
        raise RequestInProgressException(f"The certificate {row.arn} is being renewed.")
    if row.next_check is not None:
        raise RequestInProgressException(f"The validation method of {row.arn} is being changed.")
    if not renewable(row, in_use=False, now=call.now):
        raise ValidationException(f"Certificate {row.arn} must have at least one relation of type EXPORT.")
    begin_renewal(call, row)


@operation(Needs("acm:RevokeCertificate", arn), honours={"revocation_reason": ALL})
def revoke_certificate(call: Call, certificate_arn: str, revocation_reason: str) -> dict[str, Any]:
    """Revoke a certificate that was exported, for good."""
    row = _find_made(call, certificate_arn)
    if row.type == "IMPORTED" or not row.ever_exported:
        raise ValidationException(f"Certificate {row.arn} cannot be revoked: it has not been exported.")
    if row.status == "REVOKED":
        raise ValidationException(f"Certificate {row.arn} has been revoked already.")
    if tables.users(call.db, row.id):
        raise in_use(row.arn, row.account)
    tables.update(
        call.db,
        row.id,
        status="REVOKED",
        revoked=call.now,
        revocation_reason=revocation_reason,
        next_check=None,
        deadline=None,
        renew_at=None,
    )
    return {"CertificateArn": row.arn}


@operation(Needs("acm:DeleteCertificate", arn))
def delete_certificate(call: Call, certificate_arn: str) -> None:
    """Delete a certificate with its private key; nothing may use it any more."""
    row = find(call, certificate_arn)
    if tables.users(call.db, row.id):
        raise in_use(row.arn, row.account)
    tables.delete(call.db, row.id)
