"""How a certificate is shown: DescribeCertificate and ListCertificateDomainValidations.

Source: the API reference of CertificateDetail, DomainValidation and RenewalSummary.
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.acm import tables
from awning.services.acm.lookup import arn, find, renewable, status_of
from awning.services.acm.pages import page, read_token
from awning.services.acm.tables import CertificateRow
from awning.services.acm.validation import mailboxes, record

_PAGE: Final = 1000
ISSUER: Final = "Amazon"
"""What issues an AMAZON_ISSUED certificate, as clients know it; the certificate itself names this region's authority."""


def origin(row: CertificateRow) -> str:
    """Who made a certificate's key pair."""
    return "CUSTOMER_PROVIDED" if row.type == "IMPORTED" else "AWS_MANAGED"


def shown_status(row: CertificateRow, entry: dict[str, Any]) -> str:
    """A name's validation as clients see it. They take the last name's SUCCESS for the certificate's being there: it is not said
    before that."""
    if row.status == "PENDING_VALIDATION" and row.next_check is None:
        return "PENDING_VALIDATION"
    return "SUCCESS" if migrating(row) else str(entry["status"])


def migrating(row: CertificateRow) -> bool:
    """Whether the certificate is about to be validated by another method."""
    return row.migration.get("status") == "PENDING_DOMAIN_VALIDATION"


def eligibility(row: CertificateRow, in_use: bool, now: float) -> str:
    return "ELIGIBLE" if renewable(row, in_use, now) else "INELIGIBLE"


@operation(Needs("acm:DescribeCertificate", arn), reads=True)
def describe_certificate(call: Call, certificate_arn: str) -> dict[str, Any]:
    """Describe a certificate, or what has become of its request."""
    row = find(call, certificate_arn)
    users = tables.users(call.db, row.id)
    ours = row.type == "AMAZON_ISSUED"
    facts = row.facts
    found: dict[str, Any] = {
        "CertificateArn": row.arn,
        "DomainName": row.domain,
        "SubjectAlternativeNames": row.names,
        "DomainValidationOptions": _options(call, row) if ours else [{"DomainName": name} for name in row.names],
        "Subject": facts.get("subject", f"CN={row.domain}"),
        "Issuer": ISSUER if ours else facts.get("issuer", ""),
        "CreatedAt": row.created,
        "Status": status_of(row, call.now),
        "KeyAlgorithm": row.algorithm,
        "SignatureAlgorithm": facts.get("signature", "SHA256WITHRSA"),
        "InUseBy": users,
        "Type": row.type,
        "KeyUsages": [{"Name": name} for name in facts.get("key_usages", ())],
        "ExtendedKeyUsages": facts.get("extended", []),
        "RenewalEligibility": eligibility(row, bool(users), call.now),
        "Options": {"CertificateTransparencyLoggingPreference": row.transparency},
        "CertificateKeyPairOrigin": origin(row),
    }
    if ours:
        found["Options"]["Export"] = row.export
    if row.serial is not None:
        found |= {"Serial": row.serial, "NotBefore": row.not_before, "NotAfter": row.not_after}
    times = {"IssuedAt": row.issued, "ImportedAt": row.imported, "RevokedAt": row.revoked}
    found |= {name: at for name, at in times.items() if at is not None}
    if row.status == "FAILED":
        found["FailureReason"] = "OTHER"
    if row.revocation_reason is not None:
        found["RevocationReason"] = row.revocation_reason
    if row.renewal:
        found["RenewalSummary"] = _renewal(call, row)
    if row.migration:
        found["UpdateSummary"] = _migration(row)
    return {"Certificate": found}


def _options(call: Call, row: CertificateRow) -> list[dict[str, Any]]:
    found = []
    for entry in row.domains:
        option = {
            "DomainName": entry["name"],
            "ValidationDomain": entry["domain"],
            "ValidationStatus": shown_status(row, entry),
            "ValidationMethod": row.method,
        }
        if row.method == "EMAIL":
            option["ValidationEmails"] = mailboxes(entry["domain"])
        else:
            option["ResourceRecord"] = record(call, row.account, entry["name"])
        found.append(option)
    return found


def _renewal(call: Call, row: CertificateRow) -> dict[str, Any]:
    summary = {
        "RenewalStatus": row.renewal["status"],
        "DomainValidationOptions": _options(call, row),
        "UpdatedAt": row.renewal["updated"],
    }
    if "reason" in row.renewal:
        summary["RenewalStatusReason"] = row.renewal["reason"]
    return summary


def _migration(row: CertificateRow) -> dict[str, Any]:
    said = row.migration
    return {
        "Status": said["status"],
        "Type": "DOMAIN_VALIDATION_METHOD",
        "DomainValidationMethodUpdateSummary": {"From": said["from"], "To": said["to"]},
        "RequestedAt": said["requested"],
        "UpdatedAt": said["updated"],
    }


@operation(Needs("acm:ListCertificateDomainValidations", arn), reads=True)
def list_certificate_domain_validations(
    call: Call, certificate_arn: str, next_token: str | None = None, max_items: int = _PAGE
) -> dict[str, Any]:
    """List how each name of a certificate is validated, and is to be where that is being changed."""
    row = find(call, certificate_arn)
    start = read_token(next_token)
    entries = row.domains[start : start + max_items + 1]
    shown = [_validation(call, row, entry) for entry in entries[:max_items]]
    return page("DomainValidationSummaryList", shown, len(entries) > max_items, start + max_items)


def _validation(call: Call, row: CertificateRow, entry: dict[str, Any]) -> dict[str, Any]:
    active = shown_status(row, entry)
    found = {
        "DomainName": entry["name"],
        "ActiveValidationConfiguration": _configuration(call, row, entry, row.method, active),
    }
    if migrating(row):
        to = row.migration["to"]
        found["RequestedValidationConfiguration"] = _configuration(call, row, entry, to, entry["status"])
    return found


def _configuration(call: Call, row: CertificateRow, entry: dict[str, Any], method: str, status: str) -> dict[str, Any]:
    if method == "DNS":
        challenge: dict[str, Any] = {
            "DnsValidationChallenge": {"ResourceRecord": record(call, row.account, entry["name"])}
        }
    else:
        emails = {"ValidationEmails": mailboxes(entry["domain"]), "ValidationDomain": entry["domain"]}
        challenge = {"EmailValidationChallenge": emails}
    return {"ValidationMethod": method, "ValidationChallenge": challenge, "ValidationStatus": status}
