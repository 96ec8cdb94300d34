"""Grants: permissions on one key for one principal, beside the key policy. guards.py enforces them.

Source: the developer guide's "Grants in AWS KMS" and the API reference of CreateGrant, RetireGrant and RevokeGrant.
"""

from __future__ import annotations

import re
from typing import Any, Final

from awning.contracts import FindPrincipalIds, PrincipalExists
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.kms import tables
from awning.services.kms.conditions import conditions, retired, retiring
from awning.services.kms.errors import (
    InvalidArnException,
    InvalidGrantIdException,
    LimitExceededException,
    NotFoundException,
    ValidationException,
)
from awning.services.kms.grant_tokens import check_tokens, make_token
from awning.services.kms.lookup import arn_of, arn_of_key, check_usable, find_any_account
from awning.services.kms.material import forget_later
from awning.services.kms.pages import page, read_marker
from awning.services.kms.specs import SPECS, grantable
from awning.services.kms.tables import GrantRow, KeyRow
from awning.services.kms.using import end_dry_run

_MOST: Final = 50_000
_PAGE: Final = 50
_PAIRS: Final = 8
_PRINCIPAL = re.compile(
    r"\d{12}|arn:aws[a-z-]*:(?:iam::\d{12}:(?:root|user/.+|role/.+)|sts::\d{12}:(?:assumed-role|federated-user)/.+)"
)


def _check_principal(call: Call, name: str | None) -> None:
    """Raises InvalidArnException for what is no principal."""
    if name is None:
        return
    if not _PRINCIPAL.fullmatch(name):
        raise InvalidArnException(f"ARN does not refer to a valid principal: {name}")
    kind = name.rpartition(":")[2].partition("/")[0]
    if kind in ("user", "role") and not call.ask(PrincipalExists(name)):
        raise InvalidArnException(f"ARN does not refer to a valid principal: {name}")


def _ids_of(call: Call, *names: str | None) -> dict[str, str]:
    known = tuple(name for name in names if name is not None and name.startswith("arn:"))
    return dict(call.ask(FindPrincipalIds(known))) if known else {}


def _check_constraints(key: KeyRow, operations: list[str], constraints: dict[str, Any]) -> None:
    """Raises ValidationException for constraints that a grant cannot have."""
    contexts = [
        constraints[name] for name in ("EncryptionContextEquals", "EncryptionContextSubset") if constraints.get(name)
    ]
    if not contexts:
        return
    if SPECS[key.spec].kind != "aes":
        raise ValidationException("Encryption context constraints are for symmetric encryption KMS keys only.")
    if len(contexts) > 1:
        raise ValidationException("Only one of EncryptionContextEquals and EncryptionContextSubset may be given.")
    if any(len(context) > _PAIRS for context in contexts):
        raise ValidationException(f"An encryption context constraint has at most {_PAIRS} pairs.")


def _one_of(first: str | None, second: str | None, names: str, *, needed: bool) -> None:
    if first is not None and second is not None:
        raise ValidationException(f"Only one of {names} may be given.")
    if needed and first is None and second is None:
        raise ValidationException(f"One of {names} must be given.")


@operation(Needs("kms:CreateGrant", arn_of_key()), honours={"operations": ALL, "constraints": ALL}, context=conditions)
def create_grant(
    call: Call,
    key_id: str,
    operations: list[str],
    grantee_principal: str | None = None,
    retiring_principal: str | None = None,
    constraints: dict[str, Any] | None = None,
    grant_tokens: list[str] | None = None,
    name: str | None = None,
    dry_run: bool = False,
    grantee_service_principal: str | None = None,
    retiring_service_principal: str | None = None,
) -> dict[str, Any]:
    """Permit a principal some operations with a key; with the reply it may. A request repeated under its name makes no second."""
    check_tokens(call, grant_tokens)
    key = find_any_account(call, key_id)
    check_usable(key, call.now)
    wanted = constraints or {}
    _one_of(grantee_principal, grantee_service_principal, "GranteePrincipal and GranteeServicePrincipal", needed=True)
    by_service = grantee_service_principal is not None
    _one_of(
        retiring_principal,
        retiring_service_principal,
        "RetiringPrincipal and RetiringServicePrincipal",
        needed=by_service,
    )
    if by_service and "SourceArn" not in wanted:
        raise ValidationException("A grant to a service principal needs the constraint SourceArn.")
    if not operations:
        raise ValidationException("Operations must not be empty.")
    if wrong := sorted(set(operations) - grantable(SPECS[key.spec], key.usage)):
        raise ValidationException(
            f"Operation {wrong[0]} is not supported on a KMS key of spec {key.spec} and usage {key.usage}."
        )
    _check_constraints(key, operations, wanted)
    _check_principal(call, grantee_principal)
    _check_principal(call, retiring_principal)
    end_dry_run(dry_run)
    grant = GrantRow(
        id=0,
        grant_id=call.random(32).hex(),
        key=key.id,
        name=name,
        issuer=call.account,
        grantee=grantee_principal or grantee_service_principal or "",
        grantee_service=by_service,
        retiring=retiring_principal or retiring_service_principal,
        retiring_service=retiring_service_principal is not None,
        operations=list(dict.fromkeys(operations)),
        constraints=wanted,
        ids=_ids_of(call, grantee_principal, retiring_principal),
        created=call.now,
    )
    grant_id = _known(call, grant) or grant.grant_id
    if grant_id == grant.grant_id:
        if tables.count_grants(call.db, key.id) >= _MOST:
            raise LimitExceededException(f"A key has at most {_MOST} grants.")
        tables.insert_grant(call.db, grant)
        forget_later(call, key)
    return {"GrantToken": make_token(call, grant_id, key.arn), "GrantId": grant_id}


def _known(call: Call, grant: GrantRow) -> str | None:
    """The id of the grant that the same request has made before, where it has a name."""
    if grant.name is None:
        return None
    same = {"key": grant.key, "name": grant.name, "grantee": grant.grantee, "issuer": grant.issuer}
    for one in tables.list_grants(call.db, same, None, 0, _MOST):
        if (one.retiring, sorted(one.operations), one.constraints) == (
            grant.retiring,
            sorted(grant.operations),
            grant.constraints,
        ):
            return one.grant_id
    return None


def _show(call: Call, grant: GrantRow, arn: str) -> dict[str, Any]:
    now = call.ask(FindPrincipalIds(tuple(grant.ids))) if grant.ids else {}

    def standing(name: str | None) -> str | None:
        """A principal that is gone shows as its unique id."""
        known = grant.ids.get(name or "")
        return name if known is None or now.get(name) == known else known

    grantee, retiring = standing(grant.grantee), standing(grant.retiring)
    return {
        "KeyId": arn,
        "GrantId": grant.grant_id,
        "Name": grant.name or "",
        "CreationDate": grant.created,
        ("GranteeServicePrincipal" if grant.grantee_service else "GranteePrincipal"): grantee,
        ("RetiringServicePrincipal" if grant.retiring_service else "RetiringPrincipal"): retiring,
        "IssuingAccount": f"arn:aws:iam::{grant.issuer}:root",
        "Operations": grant.operations,
        "Constraints": grant.constraints or None,
    }


@operation(Needs("kms:ListGrants", arn_of_key()), reads=True, context=conditions)
def list_grants(
    call: Call,
    key_id: str,
    limit: int | None = None,
    marker: str | None = None,
    grant_id: str | None = None,
    grantee_principal: str | None = None,
    grantee_service_principal: str | None = None,
) -> dict[str, Any]:
    """List a key's grants, in the order in which they were made."""
    key = find_any_account(call, key_id)
    where: dict[str, Any] = {"key": key.id}
    if grant_id is not None:
        where["grant_id"] = grant_id
    if grantee_principal is not None or grantee_service_principal is not None:
        where["grantee"] = grantee_principal or grantee_service_principal
        where["grantee_service"] = grantee_principal is None
    size = limit or _PAGE
    rows = tables.list_grants(call.db, where, None, read_marker(marker), size + 1)
    return page("Grants", rows, size, lambda grant: _show(call, grant, key.arn), lambda grant: grant.id)


@operation(Needs("kms:ListRetirableGrants", "*"), reads=True)
def list_retirable_grants(
    call: Call,
    limit: int | None = None,
    marker: str | None = None,
    retiring_principal: str | None = None,
    retiring_service_principal: str | None = None,
) -> dict[str, Any]:
    """List the grants, on keys of the region, that a principal of the account may retire."""
    _one_of(
        retiring_principal, retiring_service_principal, "RetiringPrincipal and RetiringServicePrincipal", needed=True
    )
    if retiring_principal is not None and not _PRINCIPAL.fullmatch(retiring_principal):
        raise InvalidArnException(f"ARN does not refer to a valid principal: {retiring_principal}")
    where = {
        "retiring": retiring_principal or retiring_service_principal,
        "retiring_service": retiring_principal is None,
        "issuer": call.account,
    }
    size = limit or _PAGE
    rows = tables.list_grants(call.db, where, call.region, read_marker(marker), size + 1)
    return page(
        "Grants",
        rows,
        size,
        lambda grant: _show(call, grant, tables.key_of(call.db, grant.key).arn),
        lambda grant: grant.id,
    )


def _find(call: Call, key: KeyRow, grant_id: str) -> GrantRow:
    if not re.fullmatch(r"[0-9a-fA-F]+", grant_id):
        raise InvalidGrantIdException(f"Invalid grant ID {grant_id}")
    grant = tables.find_grant(call.db, grant_id)
    if grant is None or grant.key != key.id:
        raise NotFoundException(f"Grant ID {grant_id} not found")
    return grant


@operation(Needs("kms:RevokeGrant", arn_of_key()), context=conditions)
def revoke_grant(call: Call, key_id: str, grant_id: str, dry_run: bool = False) -> None:
    """Take a grant back; with the reply it is no longer in force."""
    key = find_any_account(call, key_id)
    grant = _find(call, key, grant_id)
    end_dry_run(dry_run)
    tables.delete_grant(call.db, grant.id)
    forget_later(call, key)


def _retired_key(call: Call, params: Params) -> str:
    return arn_of(call, retired(call, params)[1])


@operation(Needs("kms:RetireGrant", _retired_key), context=retiring)
def retire_grant(
    call: Call,
    grant_token: str | None = None,
    key_id: str | None = None,
    grant_id: str | None = None,
    dry_run: bool = False,
) -> None:
    """End a grant, as its retiring principal, its grantee if it says so, or whom the key policy lets."""
    wanted, given = retired(call, {"grant_token": grant_token, "key_id": key_id, "grant_id": grant_id})
    key = find_any_account(call, given)
    grant = _find(call, key, wanted)
    end_dry_run(dry_run)
    tables.delete_grant(call.db, grant.id)
    forget_later(call, key)
