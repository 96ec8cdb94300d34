"""ListCertificates: the account's certificates in the region, filtered in the database.

Source: the API reference of ListCertificates and Filters; without a filter of key types, only RSA of 1024 and 2048 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm import tables
from awning.services.acm.describing import eligibility, origin
from awning.services.acm.errors import ValidationException
from awning.services.acm.lookup import status_of
from awning.services.acm.memory import Memory
from awning.services.acm.pages import page, read_token
from awning.services.acm.tables import CertificateRow

_PAGE: Final = 1000
_SHOWN_NAMES: Final = 100
_DEFAULT_TYPES: Final = ("RSA_1024", "RSA_2048")


class Where:
    """An SQL condition in the making, with the values of its parameters."""

    def __init__(self, call: Call) -> None:
        self.values: dict[str, Any] = {"account": call.account, "region": call.region, "now": call.now}
        self.status = tables.STATUS.format(now=":now")

    def value(self, value: Any) -> str:
        """Take a value in, and return the parameter that stands for it."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def among(self, expression: str, values: Sequence[Any]) -> str:
        return f"{expression} IN ({', '.join(self.value(value) for value in values)})"

    def has_usage(self, values: Sequence[str]) -> str:
        """That a key usage is among these."""
        one = self.among("value", values)
        return f"EXISTS (SELECT 1 FROM json_each(certificates.facts, '$.key_usages') WHERE {one})"

    def has_extended(self, values: Sequence[str]) -> str:
        """That an extended key usage is among these."""
        one = self.among("json_extract(value, '$.Name')", values)
        return f"EXISTS (SELECT 1 FROM json_each(certificates.facts, '$.extended') WHERE {one})"


@operation(
    Needs("acm:ListCertificates", "*"),
    honours={
        "certificate_statuses": ALL,
        "certificate_key_pair_origins": ALL,
        "includes": ALL,
        "sort_by": ALL,
        "sort_order": ALL,
    },
)
async def list_certificates(
    call: Call,
    certificate_statuses: list[str] | None = None,
    certificate_key_pair_origins: list[str] | None = None,
    includes: dict[str, Any] | None = None,
    next_token: str | None = None,
    max_items: int = _PAGE,
    sort_by: str | None = None,
    sort_order: str | None = None,
) -> dict[str, Any]:
    """List certificates, in the order in which they were created unless it says otherwise."""
    if (sort_by is None) != (sort_order is None):
        raise ValidationException("SortBy and SortOrder must be specified together.")
    where = Where(call)
    chosen = includes or {}
    parts = ["account = :account", "region = :region"]
    parts.append(where.among("algorithm", chosen.get("keyTypes") or _DEFAULT_TYPES))
    if certificate_statuses:
        parts.append(where.among(where.status, certificate_statuses))
    if certificate_key_pair_origins:
        types = [{"AWS_MANAGED": "AMAZON_ISSUED", "CUSTOMER_PROVIDED": "IMPORTED"}.get(one, one) for one in
                 certificate_key_pair_origins]  # fmt: skip
        parts.append(where.among("type", types))
    if chosen.get("keyUsage"):
        parts.append(where.has_usage(chosen["keyUsage"]))
    if chosen.get("extendedKeyUsage"):
        parts.append(where.has_extended(chosen["extendedKeyUsage"]))
    if "exportOption" in chosen:
        parts.append(f"export = {where.value(chosen['exportOption'])}")
    if "managedBy" in chosen:
        parts.append("FALSE")  # no certificate is managed by another service
    start = read_token(next_token)
    order = "id DESC" if sort_order == "DESCENDING" else "id"
    shown = partial(_summary, now=call.now)
    found = await read(call, " AND ".join(parts), where.values, order, max_items, start, shown)
    return page("CertificateSummaryList", found[:max_items], len(found) > max_items, start + max_items)


async def read(
    call: Call,
    condition: str,
    values: dict[str, Any],
    order: str,
    limit: int,
    offset: int,
    show: Callable[[CertificateRow, bool], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Read, as shown, one more than `limit` of the certificates that meet a condition; in a thread, as there may be thousands."""
    memory: Memory = call.memory
    connect = call.room.database.connect

    def select() -> list[dict[str, Any]]:
        with closing(connect()) as db:
            return [show(row, used) for row, used in tables.select(db, condition, values, order, limit + 1, offset)]

    return await memory.in_thread(select)


def _summary(row: CertificateRow, used: bool, now: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        "CertificateArn": row.arn,
        "DomainName": row.domain,
        "SubjectAlternativeNameSummaries": row.names[:_SHOWN_NAMES],
        "HasAdditionalSubjectAlternativeNames": len(row.names) > _SHOWN_NAMES,
        "Status": status_of(row, now),
        "Type": row.type,
        "KeyAlgorithm": row.algorithm,
        "KeyUsages": row.facts.get("key_usages", []),
        "ExtendedKeyUsages": [one["Name"] for one in row.facts.get("extended", ())],
        "InUse": used,
        "RenewalEligibility": eligibility(row, used, now),
        "CreatedAt": row.created,
        "CertificateKeyPairOrigin": origin(row),
    }
    if row.type == "AMAZON_ISSUED":
        found |= {"ExportOption": row.export, "Exported": bool(row.ever_exported)}
    return found | times(row)


def times(row: CertificateRow) -> dict[str, float]:
    """When a certificate was issued, imported and revoked, and from when until when it is valid: what of it there is."""
    every = {
        "NotBefore": row.not_before,
        "NotAfter": row.not_after,
        "IssuedAt": row.issued,
        "ImportedAt": row.imported,
        "RevokedAt": row.revoked,
    }
    return {name: at for name, at in every.items() if at is not None}
