"""From an ARN to a certificate; its guard, its tags and its status; and the condition keys of a request.

Source: the user guide's "Use condition keys with ACM" and the service authorization reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.kit.service import Guard
from awning.services.acm import tables
from awning.services.acm.errors import InvalidArnException, not_found
from awning.services.acm.tables import CertificateRow

KEYS: Final = (
    "acm:certificateauthority",
    "acm:certificatetransparencylogging",
    "acm:domainnames",
    "acm:export",
    "acm:keyalgorithm",
    "acm:validationmethod",
)
DEFAULT_METHOD: Final = "EMAIL"
DEFAULT_ALGORITHM: Final = "RSA_2048"


def find(call: Call, arn: str) -> CertificateRow:
    """The certificate of an ARN in the caller's account and region. Raises InvalidArnException, ResourceNotFoundException."""
    if not arn.split(":", 5)[5].startswith("certificate/"):
        raise InvalidArnException(f"The ARN {arn} is not that of a certificate.")
    found = tables.find_arn(call.db, arn)
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise not_found(arn)
    return found


def arn(call: Call, params: Params) -> str | None:
    """For Needs: the certificate that a request names, whether or not it exists."""
    named: str | None = params.get("certificate_arn")
    return named


def arn_or_any(call: Call, params: Params) -> str:
    """For Needs: the certificate that a request names, or where it is new, all."""
    return params.get("certificate_arn") or tables.arn_of(call.account, call.region, "*")


def to_tag(call: Call, params: Params) -> str | None:
    """For Needs: what a request that brings tags must be allowed to tag."""
    return arn_or_any(call, params) if params.get("tags") else None


def guard(call: Call, arn: str) -> Guard | None:
    """To whom a certificate belongs; certificates have no policies of their own."""
    found = tables.find_arn(call.db, arn)
    return None if found is None else Guard(found.account)


def tags_of(call: Call, arn: str) -> Mapping[str, str]:
    """The committed tags of a certificate."""
    found = tables.find_arn(call.db, arn)
    return {} if found is None else {name: value or "" for name, value in found.tags.items()}


def requested(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of RequestCertificate."""
    options = params.get("options") or {}
    return {
        "acm:DomainNames": [name.lower() for name in names_of(params)],
        "acm:ValidationMethod": params.get("validation_method") or DEFAULT_METHOD,
        "acm:KeyAlgorithm": params.get("key_algorithm") or DEFAULT_ALGORITHM,
        "acm:CertificateTransparencyLogging": options.get("CertificateTransparencyLoggingPreference") or "ENABLED",
        "acm:Export": options.get("Export") or "DISABLED",
    }


def names_of(params: Params) -> list[str]:
    """All names of a request, its domain first."""
    return [params["domain_name"], *(params.get("subject_alternative_names") or ())]


def status_of(row: CertificateRow, now: float) -> str:
    """A certificate's status: what was issued expires by itself."""
    if row.status == "ISSUED" and row.not_after is not None and row.not_after <= now:
        return "EXPIRED"
    return row.status


def renewable(row: CertificateRow, in_use: bool, now: float) -> bool:
    """Whether ACM renews a certificate: of its own, and in use or exported since it was issued."""
    return row.type == "AMAZON_ISSUED" and status_of(row, now) == "ISSUED" and (in_use or row.exported)
