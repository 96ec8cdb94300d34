"""Policy documents: checked when they come in, and written as replies have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from awning.auth.policy import MalformedPolicy, compile_policy
from awning.kit.call import Call
from awning.kit.errors import positioned
from awning.services.iam import tables
from awning.services.iam.errors import LimitExceeded, MalformedPolicyDocument, ValidationError
from awning.services.iam.quotas import MANAGED_POLICY_CHARACTERS, TRUST_POLICY_CHARACTERS

_CHARACTERS: Final = re.compile(r"[\t\n\r\x20-\xff]+")
_ENCODED: Final = {code: quote(chr(code), safe="") for code in range(256)}
"""What each character that a document may have becomes; ten times as fast as quote()."""


def characters(document: str) -> int:
    """A document's size as quotas count it: without white space."""
    return sum(len(part) for part in document.split())


def encode(document: str) -> str:
    """A document as replies have it: percent-encoded by RFC 3986."""
    return document.translate(_ENCODED)


def check_identity(call: Call, document: str, newest: bool = False) -> None:
    """Raise MalformedPolicyDocument where this can't be a policy of a user, role or group."""
    _check_characters(document)
    try:
        compile_policy(document, id="the policy", kind="identity", newest=newest)
    except MalformedPolicy as error:
        raise positioned(MalformedPolicyDocument(error.message), error.position) from error


def check_managed(call: Call, document: str) -> None:
    """Raise MalformedPolicyDocument or LimitExceeded where this can't be a managed policy's document."""
    check_identity(call, document, newest=True)
    if characters(document) > MANAGED_POLICY_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {MANAGED_POLICY_CHARACTERS}")


def check_trust(call: Call, document: str) -> None:
    """Raise MalformedPolicyDocument or LimitExceeded where this can't be a role's trust policy.

    A user or role that it names must exist: a name that is taken later by another must not be trusted already.
    """
    _check_characters(document)
    try:
        compiled = compile_policy(document, id="the trust policy", kind="trust")
    except MalformedPolicy as error:
        raise positioned(MalformedPolicyDocument(error.message), error.position) from error
    if characters(document) > TRUST_POLICY_CHARACTERS:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_CHARACTERS}")
    for principal in _principals(compiled.document):
        if not _is_principal(call, principal):
            raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{principal}"')


def _check_characters(document: str) -> None:
    if not _CHARACTERS.fullmatch(document):
        raise ValidationError(
            "The specified value for policyDocument is invalid. It must contain only printable ASCII characters."
        )


def _principals(document: Mapping[str, Any]) -> list[str]:
    """The AWS principals that a trust policy names."""
    statements = document["Statement"]
    found: list[str] = []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        named = principal.get("AWS", []) if isinstance(principal, dict) else [principal]
        found.extend([named] if isinstance(named, str) else named)
    return found


def _is_principal(call: Call, principal: str) -> bool:
    if principal == "*" or (len(principal) == 12 and principal.isdigit()):
        return True
    parts = principal.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or len(parts[4]) != 12 or not parts[4].isdigit():
        return False
    if parts[5] == "root" and parts[2] == "iam":
        return True
    kind = parts[5].partition("/")[0]
    if parts[2] == "sts":
        return kind in ("assumed-role", "federated-user")
    return kind in ("user", "role") and tables.find_entity_by_arn(call.db, principal) is not None
