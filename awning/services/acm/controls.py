"""What the command line asks: the authority's certificate, what waits to be validated, and that it is validated."""

from __future__ import annotations

from typing import Any, Final

from awning.contracts import MakeAuthority
from awning.kit.call import Call
from awning.services.acm import authority, tables
from awning.services.acm.lookup import status_of
from awning.services.acm.tables import CertificateRow
from awning.services.acm.validation import record, vouch

_MOST: Final = 1000


def show_authority(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """The authority's certificate in PEM; None where it is being made because of this."""
    row = authority.current(call)
    if row is None:
        call.send(MakeAuthority("arn:aws:acm:::authority"))
        return {"certificate": None}
    return {"certificate": row.pem}


def show(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """A certificate's state, or those of all that wait."""
    if given.get("arn") is not None:
        return {"certificates": [_show(call, _find(call, given))]}
    return {"certificates": [_show(call, row) for row in tables.waiting(call.db, _MOST)]}


def validate(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Take the user's word for a certificate's names. Raises ValueError where it does not wait for that."""
    row = _find(call, given)
    if row.next_check is None:
        raise ValueError(f"{row.arn} does not wait to be validated: it is {status_of(row, call.now)}.")
    vouch(call, row)
    return {"arn": row.arn}


def _find(call: Call, given: dict[str, Any]) -> CertificateRow:
    named = str(given.get("arn"))
    row = tables.find_arn(call.db, named)
    if row is None:
        raise ValueError(f"There is no certificate {named}.")
    return row


def _show(call: Call, row: CertificateRow) -> dict[str, Any]:
    return {
        "arn": row.arn,
        "domain": row.domain,
        "status": status_of(row, call.now),
        "renewal": row.renewal.get("status"),
        "generation": row.generation,
        "waits": row.next_check is not None,
        "method": row.migration["to"] if row.migration.get("status") == "PENDING_DOMAIN_VALIDATION" else row.method,
        "created": row.created,
        "records": [
            {"domain": entry["name"], "status": entry["status"], **record(call, row.account, entry["name"])}
            for entry in row.domains
        ],
    }
