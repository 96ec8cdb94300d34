"""Whom the names in a resource's policy stand for: found when the policy is put, and looked at again when it is shown.

`find` answers FindPrincipalIds: `call.ask`, in all rooms but iam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from awning.auth.named import names_in, principals_in, with_ids
from awning.contracts import FindPrincipalIds, PrincipalExists

Find = Callable[[FindPrincipalIds], Mapping[str, str]]


def ids_of(find: Find, document: str | Mapping[str, Any]) -> dict[str, str]:
    """The unique ids of the users and roles that a policy names, by ARN: what a room stores with the policy's text."""
    names = names_in(document)
    return dict(find(FindPrincipalIds(tuple(names)))) if names else {}


def unknown_principal(exists: Callable[[PrincipalExists], bool], policy: Mapping[str, Any]) -> str | None:
    """Return the first AWS principal of a policy that compiles which is no account and, as `exists` says, no user or role."""
    for name in principals_in(policy):
        if name == "*" or (name.isdigit() and len(name) == 12):
            continue
        kind = name.rpartition(":")[2].partition("/")[0]
        if not name.startswith(("arn:aws:iam::", "arn:aws:sts::")):
            return name
        if kind not in ("root", "assumed-role", "federated-user") and not exists(PrincipalExists(name)):
            return name
    return None


def as_it_stands(find: Find, document: str, ids: Mapping[str, str]) -> str:
    """A stored policy as replies have it: names whose bearers are gone have become unique ids."""
    if not ids:
        return document
    now = find(FindPrincipalIds(tuple(ids)))
    return with_ids(document, {arn: unique for arn, unique in ids.items() if now.get(arn) != unique})
