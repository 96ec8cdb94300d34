"""SearchCertificates: filters of any depth, written as one SQL condition.

Source: the API reference of SearchCertificates, CertificateFilterStatement and CertificateFilter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm.describing import eligibility, origin
from awning.services.acm.errors import ValidationException
from awning.services.acm.listing import Where, read, times
from awning.services.acm.lookup import status_of
from awning.services.acm.pages import page, read_token
from awning.services.acm.tables import IN_USE, CertificateRow

_PAGE: Final = 100
_DEEPEST: Final = 8

_ARN: Final = "'arn:aws:acm:' || region || ':' || account || ':certificate/' || certificate_id"
_RENEWAL: Final = "json_extract(renewal, '$.status')"
_COMMON_NAME: Final = "coalesce(json_extract(facts, '$.common_name'), domain)"
_ORIGIN: Final = "CASE type WHEN 'IMPORTED' THEN 'CUSTOMER_PROVIDED' ELSE 'AWS_MANAGED' END"
_OF_AMAZON: Final = "CASE type WHEN 'AMAZON_ISSUED' THEN {} END"

_SORTS: Final[Mapping[str, str]] = {
    "CREATED_AT": "created",
    "NOT_AFTER": "not_after",
    "NOT_BEFORE": "not_before",
    "RENEWAL_STATUS": _RENEWAL,
    "EXPORTED": "ever_exported",
    "IN_USE": IN_USE,
    "KEY_ALGORITHM": "algorithm",
    "TYPE": "type",
    "CERTIFICATE_ARN": _ARN,
    "COMMON_NAME": _COMMON_NAME,
    "REVOKED_AT": "revoked",
    "RENEWAL_ELIGIBILITY": f"(type = 'AMAZON_ISSUED' AND status = 'ISSUED' AND (exported OR {IN_USE}))",
    "ISSUED_AT": "issued",
    "MANAGED_BY": "NULL",
    "EXPORT_OPTION": "export",
    "VALIDATION_METHOD": "method",
    "IMPORTED_AT": "imported",
    "CERTIFICATE_KEY_PAIR_ORIGIN": _ORIGIN,
    "ACME_ENDPOINT_ARN": "NULL",
    "ACME_ACCOUNT_ID": "NULL",
}
_METADATA: Final[Mapping[str, str]] = {
    "RenewalStatus": _RENEWAL,
    "Type": "type",
    "InUse": IN_USE,
    "Exported": "ever_exported",
    "ExportOption": _OF_AMAZON.format("export"),
    "ManagedBy": "NULL",
    "ValidationMethod": _OF_AMAZON.format("method"),
    "CertificateKeyPairOrigin": _ORIGIN,
    "AcmeEndpointArn": "NULL",
    "AcmeAccountId": "NULL",
}


@operation(
    Needs("acm:SearchCertificates", "*"),
    honours={"filter_statement": ALL, "sort_by": ALL, "sort_order": ALL},
)
async def search_certificates(
    call: Call,
    filter_statement: dict[str, Any] | None = None,
    max_results: int = _PAGE,
    next_token: str | None = None,
    sort_by: str = "CREATED_AT",
    sort_order: str = "DESCENDING",
) -> dict[str, Any]:
    """Find certificates by what they say and what ACM knows of them."""
    where = Where(call)
    condition = "account = :account AND region = :region"
    if filter_statement is not None:
        condition += f" AND coalesce({_statement(where, filter_statement, 1)}, FALSE)"
    expression = where.status if sort_by == "STATUS" else _SORTS[sort_by]
    direction = "DESC" if sort_order == "DESCENDING" else "ASC"
    start = read_token(next_token)
    order = f"{expression} {direction}, id {direction}"
    found = await read(call, condition, where.values, order, max_results, start, partial(_show, now=call.now))
    return page("Results", found[:max_results], len(found) > max_results, start + max_results)


def _only(union: Mapping[str, Any], what: str) -> tuple[str, Any]:
    if len(union) != 1:
        raise ValidationException(f"A {what} must have exactly one member.")
    return next(iter(union.items()))


def _statement(where: Where, statement: Mapping[str, Any], depth: int) -> str:
    if depth > _DEEPEST:
        raise ValidationException(f"Filter statements may be nested {_DEEPEST} deep.")
    name, value = _only(statement, "filter statement")
    match name:
        case "And" | "Or":
            return "(" + f" {name.upper()} ".join(_statement(where, one, depth + 1) for one in value) + ")"
        case "Not":
            return f"(NOT coalesce({_statement(where, value, depth + 1)}, FALSE))"
        case _:
            return _filter(where, value)


def _filter(where: Where, chosen: Mapping[str, Any]) -> str:
    name, value = _only(chosen, "filter")
    if name == "CertificateArn":
        return f"({_ARN} = {where.value(value)})"
    if name == "AcmCertificateMetadataFilter":
        member, wanted = _only(value, "metadata filter")
        expression = where.status if member == "Status" else _METADATA[member]
        return f"({expression} = {where.value(wanted)})"
    member, wanted = _only(value, "X.509 attribute filter")
    return _ATTRIBUTES[member](where, wanted)


def _compared(where: Where, expression: str, wanted: Mapping[str, str]) -> str:
    value = where.value(wanted["Value"].lower())
    if wanted["ComparisonOperator"] == "EQUALS":
        return f"(lower({expression}) = {value})"
    return f"(instr(lower({expression}), {value}) > 0)"


def _subject(where: Where, wanted: Mapping[str, Any]) -> str:
    return _compared(where, _COMMON_NAME, _only(wanted, "subject filter")[1])


def _alternative(where: Where, wanted: Mapping[str, Any]) -> str:
    one = _compared(where, "value", _only(wanted, "subject alternative name filter")[1])
    return f"EXISTS (SELECT 1 FROM json_each(certificates.names) WHERE {one})"


def _range(column: str) -> Callable[[Where, Mapping[str, Any]], str]:
    def condition(where: Where, wanted: Mapping[str, Any]) -> str:
        parts = [f"{column} IS NOT NULL"]
        if wanted.get("Start") is not None:
            parts.append(f"{column} >= {where.value(wanted['Start'])}")
        if wanted.get("End") is not None:
            parts.append(f"{column} <= {where.value(wanted['End'])}")
        return "(" + " AND ".join(parts) + ")"

    return condition


def _equal(column: str) -> Callable[[Where, Any], str]:
    return lambda where, wanted: f"({column} = {where.value(wanted)})"


_ATTRIBUTES: Final[Mapping[str, Callable[[Where, Any], str]]] = {
    "Subject": _subject,
    "SubjectAlternativeName": _alternative,
    "ExtendedKeyUsage": lambda where, wanted: where.has_extended([wanted]),
    "KeyUsage": lambda where, wanted: where.has_usage([wanted]),
    "KeyAlgorithm": _equal("algorithm"),
    "SerialNumber": _equal("serial"),
    "NotAfter": _range("not_after"),
    "NotBefore": _range("not_before"),
}


def _show(row: CertificateRow, used: bool, now: float) -> dict[str, Any]:
    facts = row.facts
    known = times(row)
    metadata: dict[str, Any] = {
        "CreatedAt": row.created,
        "InUse": used,
        "RenewalEligibility": eligibility(row, used, now),
        "Status": status_of(row, now),
        "Type": row.type,
        "CertificateKeyPairOrigin": origin(row),
        **{name: at for name, at in known.items() if name in ("IssuedAt", "ImportedAt", "RevokedAt")},
    }
    if row.type == "AMAZON_ISSUED":
        metadata |= {"Exported": bool(row.ever_exported), "ExportOption": row.export, "ValidationMethod": row.method}
    if row.renewal:
        metadata["RenewalStatus"] = row.renewal["status"]
    attributes: dict[str, Any] = {
        "Subject": facts.get("subject_name", {"CommonName": row.domain}),
        "SubjectAlternativeNames": facts.get("alternatives", [{"DnsName": name} for name in row.names]),
        "ExtendedKeyUsages": [one["Name"] for one in facts.get("extended", ())],
        "KeyAlgorithm": row.algorithm,
        "KeyUsages": facts.get("key_usages", []),
        **{name: at for name, at in known.items() if name in ("NotBefore", "NotAfter")},
    }
    if facts:
        attributes |= {"Issuer": facts["issuer_name"], "SerialNumber": row.serial}
    return {
        "CertificateArn": row.arn,
        "X509Attributes": attributes,
        "CertificateMetadata": {"AcmCertificateMetadata": metadata},
    }
