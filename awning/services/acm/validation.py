"""Validation of domains: the DNS records that prove them, who proved which, and what follows once all are proven.

A domain is proven by its record in a hosted zone, by being the region's own, or by the user's word (`awning acm validate`).
Source: the user guide's "Validate domain ownership" and "Troubleshoot certificate validation".
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from awning.contracts import FindAddress, FindDnsRecords, IssueCertificate, ValidationMail
from awning.kit.call import Call
from awning.services.acm import tables
from awning.services.acm.tables import CertificateRow

PATIENCE: Final = 72 * 3600.0
"""Seconds for which a request waits to be validated."""
_ALWAYS_OWN: Final = ("localhost", "localhost.localstack.cloud")
_FIRST: Final = 1.0
_SLOWEST: Final = 60.0
_UNANSWERED: Final = 300.0
_MAILBOXES: Final = ("administrator", "hostmaster", "postmaster", "webmaster", "admin")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def base_of(name: str) -> str:
    """The domain that is proven for a name: a wildcard's is the one that it is below."""
    return name.removeprefix("*.")


def record(call: Call, account: str, name: str) -> dict[str, str]:
    """The CNAME that proves a name for an account, the same in every region and for every certificate."""
    base = base_of(name)
    digest = sha256(call.room.vault.derive(f"acm validation {account} {base}")).digest()
    value = sha256(b"value" + digest).digest()
    zone = "".join(_LETTERS[byte % 26] for byte in value[16:26])
    return {
        "Name": f"_{digest[:16].hex()}.{base}.",
        "Type": "CNAME",
        "Value": f"_{value[:16].hex()}.{zone}.acm-validations.aws.",
    }


def mailboxes(domain: str) -> list[str]:
    """Who is asked for a domain."""
    return [f"{mailbox}@{base_of(domain)}" for mailbox in _MAILBOXES]


def new_domains(names: list[str], asked: dict[str, str]) -> list[dict[str, Any]]:
    """The validation of a new request's names; `asked` gives the validation domains that the client wants."""
    return [{"name": name, "domain": asked.get(name, name), "status": "PENDING_VALIDATION", "by": ""} for name in names]


def first_check(call: Call) -> float:
    """When a new request is first looked at."""
    return call.now + _FIRST


def send_mails(call: Call, row: CertificateRow, only: str | None = None) -> None:
    """Have the mails written that ask for a certificate's names, or for one of them."""
    asked = {entry["domain"]: entry["name"] for entry in row.domains if only in (None, entry["name"])}
    for domain, name in asked.items():
        call.send(ValidationMail(row.arn, name=name, domain=domain, created=call.now))


def look(call: Call, row: CertificateRow) -> None:
    """See what has become of a validation that waits; look again later where it is not done."""
    if row.deadline is not None and row.deadline <= call.now:
        _time_out(call, row)
        return
    prove = _prover(call, row.account)
    domains, unanswered = [], False
    for entry in row.domains:
        by = None
        if entry["status"] == "PENDING_VALIDATION" and _goes_by_dns(row):
            by = prove(entry["name"])
            unanswered = unanswered or by is None
        domains.append({**entry, "status": "SUCCESS", "by": by} if by else entry)
    row = row._replace(domains=domains)
    if all(entry["status"] == "SUCCESS" for entry in domains):
        proven(call, row)
        return
    due = call.now + (_UNANSWERED if unanswered or not _goes_by_dns(row) else _until_next(call, row))
    tables.update(call.db, row.id, domains=domains, next_check=due if row.deadline is None else min(due, row.deadline))


def _until_next(call: Call, row: CertificateRow) -> float:
    """Seconds until a name is looked up again: the longer it has waited, the more."""
    age = call.now - ((row.deadline or call.now) - PATIENCE)
    # A renewal has more time than a request: nobody sits there and waits for it.
    return _SLOWEST if age < 0 else min(_SLOWEST, max(_FIRST, age / 10))


def _goes_by_dns(row: CertificateRow) -> bool:
    return row.method == "DNS" or row.migration.get("status") == "PENDING_DOMAIN_VALIDATION"


def _prover(call: Call, account: str) -> Callable[[str], str | None]:
    """A function that says by what a name is proven: "dns" or "own"; "" where it is not, None where nobody can say."""
    own = (*_ALWAYS_OWN, urlsplit(call.ask(FindAddress())).hostname or "localhost")

    def prove(name: str) -> str | None:
        base = base_of(name)
        if any(base == one or base.endswith(f".{one}") for one in own):
            return "own"
        wanted = record(call, account, name)
        try:
            values = call.ask(FindDnsRecords(wanted["Name"], "CNAME"))
        except LookupError:
            return None
        target = wanted["Value"].rstrip(".")
        return "dns" if any(value.rstrip(".").lower() == target for value in values) else ""

    return prove


def _time_out(call: Call, row: CertificateRow) -> None:
    """Nobody proved the names in time: the request, the renewal or the migration has failed."""
    failed = [
        {**entry, "status": "FAILED"} if entry["status"] == "PENDING_VALIDATION" else entry for entry in row.domains
    ]
    if row.migration.get("status") == "PENDING_DOMAIN_VALIDATION":
        migration = {**row.migration, "status": "FAILED", "updated": call.now}
        was = [{**entry, "status": "SUCCESS"} for entry in row.domains]
        tables.update(call.db, row.id, next_check=None, deadline=None, migration=migration, domains=was)
    elif row.status == "PENDING_VALIDATION":
        tables.update(call.db, row.id, status="VALIDATION_TIMED_OUT", domains=failed, next_check=None, deadline=None)
    else:
        renewal = {"status": "FAILED", "updated": call.now, "reason": "OTHER"}
        tables.update(call.db, row.id, renewal=renewal, domains=failed, next_check=None, deadline=None)


def proven(call: Call, row: CertificateRow) -> None:
    """All names are proven: issue, renew, or go over to the other method."""
    if row.migration.get("status") == "PENDING_DOMAIN_VALIDATION":
        migration = {**row.migration, "status": "SUCCESS", "updated": call.now}
        tables.update(
            call.db,
            row.id,
            method=row.migration["to"],
            migration=migration,
            domains=row.domains,
            next_check=None,
            deadline=None,
        )
        return
    changes: dict[str, Any] = {"domains": row.domains, "next_check": None, "deadline": None}
    if row.status != "PENDING_VALIDATION":
        changes["renewal"] = {"status": "PENDING_AUTO_RENEWAL", "updated": call.now}
    tables.update(call.db, row.id, **changes)
    call.send(IssueCertificate(row.arn, generation=row.generation + 1))


def vouch(call: Call, row: CertificateRow) -> None:
    """The user says that the names are the certificate's owner's."""
    domains = [
        entry if entry["status"] == "SUCCESS" else {**entry, "status": "SUCCESS", "by": "command"}
        for entry in row.domains
    ]
    proven(call, row._replace(domains=domains))


def begin_renewal(call: Call, row: CertificateRow) -> None:
    """Renew a certificate: at once where its names are still proven, else once they are.

    What mail or a DNS record proved is asked for again; the user's word holds.
    """
    prove = _prover(call, row.account)
    domains = []
    for entry in row.domains:
        by: str | None = entry["by"]
        if by == "dns":
            by = prove(entry["name"])
            by = "dns" if by is None else by
        elif by == "mail":
            by = ""
        domains.append({**entry, "status": "SUCCESS" if by else "PENDING_VALIDATION", "by": by})
    row = row._replace(domains=domains)
    if all(entry["status"] == "SUCCESS" for entry in domains):
        tables.update(call.db, row.id, renew_at=None)
        proven(call, row)
        return
    tables.update(
        call.db,
        row.id,
        renew_at=None,
        domains=domains,
        deadline=row.not_after,
        next_check=first_check(call),
        renewal={"status": "PENDING_VALIDATION", "updated": call.now},
    )
    if row.method == "EMAIL":
        send_mails(call, row)
