"""RequestCertificate, ResendValidationEmail and UpdateCertificateOptions.

Source: the API reference of each action; the user guide's "Quotas" and "Migrate from email to DNS validation".
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm import tables
from awning.services.acm.errors import (
    InvalidDomainValidationOptionsException,
    InvalidStateException,
    LimitExceededException,
    ValidationException,
)
from awning.services.acm.lookup import (
    DEFAULT_ALGORITHM,
    DEFAULT_METHOD,
    arn,
    find,
    requested,
    status_of,
    to_tag,
)
from awning.services.acm.tables import CertificateRow
from awning.services.acm.tags import read_tags
from awning.services.acm.validation import PATIENCE, first_check, new_domains, send_mails

MOST: Final = 2500
_MOST_NAMES: Final = 100
_LONGEST_FIRST: Final = 64
_HOUR: Final = 3600.0


@operation(
    Needs("acm:RequestCertificate", "*"),
    Needs("acm:AddTagsToCertificate", to_tag),
    honours={
        "validation_method": {"DNS", "EMAIL"},
        "domain_validation_options": ALL,
        "options": {"CertificateTransparencyLoggingPreference": ALL, "Export": ALL},
        "key_algorithm": ALL,
        "tags": ALL,
    },
    tags="tags",
    context=requested,
)
def request_certificate(
    call: Call,
    domain_name: str,
    validation_method: str = DEFAULT_METHOD,
    subject_alternative_names: list[str] | None = None,
    idempotency_token: str | None = None,
    domain_validation_options: list[dict[str, str]] | None = None,
    options: dict[str, str] | None = None,
    tags: list[dict[str, str]] | None = None,
    key_algorithm: str = DEFAULT_ALGORITHM,
) -> dict[str, Any]:
    """Request a certificate; it is issued once its names are validated."""
    names = list(dict.fromkeys(name.lower() for name in (domain_name, *(subject_alternative_names or ()))))
    _check_names(names, key_algorithm)
    asked = _validation_domains(names, domain_validation_options or [])
    chosen = options or {}
    given = [names, validation_method, key_algorithm, sorted(asked.items()), sorted(chosen.items()), tags or []]
    digest = sha256(orjson.dumps(given)).hexdigest()
    if idempotency_token is not None:
        known = tables.find_token(call.db, call.account, call.region, "request", idempotency_token, call.now)
        if known is not None and known[0] == digest and tables.find_arn(call.db, known[1]) is not None:
            return {"CertificateArn": known[1]}
    if tables.count(call.db, call.account, call.region, "AMAZON_ISSUED") >= MOST:
        raise LimitExceededException(f"Error: you have reached your limit of {MOST} certificates.")
    row = CertificateRow(
        id=0,
        account=call.account,
        region=call.region,
        certificate_id=call.new_id(),
        type="AMAZON_ISSUED",
        status="PENDING_VALIDATION",
        domain=names[0],
        names=names,
        algorithm=key_algorithm,
        method=validation_method,
        domains=new_domains(names, asked),
        transparency=chosen.get("CertificateTransparencyLoggingPreference", "ENABLED"),
        export=chosen.get("Export", "DISABLED"),
        tags=read_tags(tags),
        created=call.now,
        deadline=call.now + PATIENCE,
        next_check=first_check(call),
    )
    tables.insert(call.db, row)
    if validation_method == "EMAIL":
        send_mails(call, row)
    if idempotency_token is not None:
        tables.put_token(
            call.db,
            call.account,
            call.region,
            "request",
            idempotency_token,
            digest=digest,
            result=row.arn,
            expires=call.now + _HOUR,
        )
    return {"CertificateArn": row.arn}


def _check_names(names: list[str], algorithm: str) -> None:
    if len(names[0]) > _LONGEST_FIRST:
        raise ValidationException(f"The first domain name can be at most {_LONGEST_FIRST} octets long.")
    if len(names) > _MOST_NAMES:
        raise LimitExceededException(f"Error: you have reached your limit of {_MOST_NAMES} domain names.")
    if algorithm == "RSA_1024":
        raise ValidationException("The key algorithm RSA_1024 is supported for imported certificates only.")


def _validation_domains(names: list[str], options: list[dict[str, str]]) -> dict[str, str]:
    """The validation domain of each name for which the client wants one. Raises InvalidDomainValidationOptionsException."""
    found = {}
    for option in options:
        name, domain = option["DomainName"].lower(), option["ValidationDomain"].lower()
        if name not in names:
            raise InvalidDomainValidationOptionsException(
                f"The domain {name} in the domain validation options is not a name of the certificate request."
            )
        check_validation_domain(name, domain)
        found[name] = domain
    return found


def check_validation_domain(name: str, domain: str) -> None:
    """Raises InvalidDomainValidationOptionsException where mail to this domain says nothing about the name."""
    if name != domain and not name.endswith(f".{domain}"):
        raise InvalidDomainValidationOptionsException(
            f"The validation domain {domain} is neither {name} nor a superdomain of it."
        )


@operation(Needs("acm:ResendValidationEmail", arn))
def resend_validation_email(call: Call, certificate_arn: str, domain: str, validation_domain: str) -> None:
    """Write the mails again that ask for one of a certificate's names."""
    row = find(call, certificate_arn)
    name, asked = domain.lower(), validation_domain.lower()
    if name not in row.names:
        raise InvalidDomainValidationOptionsException(f"The domain {name} is not a name of the certificate {row.arn}.")
    check_validation_domain(name, asked)
    waits = [entry["name"] for entry in row.domains if entry["status"] == "PENDING_VALIDATION"]
    if row.method != "EMAIL" or name not in waits:
        raise InvalidStateException(f"The certificate {row.arn} does not wait for {name} to be validated by email.")
    domains = [{**entry, "domain": asked} if entry["name"] == name else entry for entry in row.domains]
    tables.update(call.db, row.id, domains=domains)
    send_mails(call, row._replace(domains=domains), only=name)


@operation(
    Needs("acm:UpdateCertificateOptions", arn),
    honours={
        "options": {
            "CertificateTransparencyLoggingPreference": ALL,
            "Export": ALL,
            "ValidationMethod": {"DNS", "EMAIL"},
        }
    },
)
def update_certificate_options(call: Call, certificate_arn: str, options: dict[str, str]) -> None:
    """Change whether a certificate is logged, or from mail to DNS how it is validated."""
    row = find(call, certificate_arn)
    if row.type != "AMAZON_ISSUED":
        raise ValidationException(f"The options of {row.arn} cannot be updated: it was imported.")
    if not options:
        raise ValidationException("The request has no option to update.")
    if options.get("Export", row.export) != row.export:
        raise ValidationException("The Export option cannot be updated after the certificate has been created.")
    if status_of(row, call.now) != "ISSUED":
        raise InvalidStateException(f"The certificate {row.arn} is not in state ISSUED.")
    preference = options.get("CertificateTransparencyLoggingPreference")
    if preference is not None:
        tables.update(call.db, row.id, transparency=preference)
    method = options.get("ValidationMethod", row.method)
    if method != row.method:
        _migrate(call, row, method)


def _migrate(call: Call, row: CertificateRow, method: str) -> None:
    if method != "DNS":
        raise ValidationException("The validation method can be changed from EMAIL to DNS only.")
    if row.migration.get("status") == "PENDING_DOMAIN_VALIDATION":
        raise InvalidStateException(f"The validation method of {row.arn} is being changed already.")
    if row.next_check is not None or row.renewal.get("status") == "PENDING_AUTO_RENEWAL":
        raise InvalidStateException(f"The certificate {row.arn} is being renewed.")
    migration = {
        "status": "PENDING_DOMAIN_VALIDATION",
        "from": row.method,
        "to": method,
        "requested": call.now,
        "updated": call.now,
    }
    domains = [{**entry, "status": "PENDING_VALIDATION", "by": ""} for entry in row.domains]
    tables.update(
        call.db,
        row.id,
        migration=migration,
        domains=domains,
        deadline=call.now + PATIENCE,
        next_check=first_check(call),
    )
