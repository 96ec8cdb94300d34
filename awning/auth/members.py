"""Principal elements of policies: whom a statement means, and how directly it names a caller.

Source: "AWS JSON policy elements: Principal" and "NotPrincipal" of the IAM user guide.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache

from awning.auth.principal import PEOPLE, Principal


class Grade(IntEnum):
    """How directly a policy's principal names a caller; a resource's own account honours it accordingly.

    ACCOUNT: through its account, whose administrators decide further. ROLE: by the role's ARN, within the session's limits.
    DIRECT: by its own ARN (a user, a session, a service), or as anyone.
    """

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")
_ARN = re.compile(
    r"arn:aws[a-z-]*:(?:iam::\d{12}:(?:user|role)/[^*?]+|sts::\d{12}:(?:assumed-role|federated-user)/[^*?]+)"
)
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,28}")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9.-]*\.[a-z.]+|\*")
_PROVIDER = re.compile(
    r"arn:aws[a-z-]*:iam::\d{12}:(?:oidc|saml)-provider/[^*?\s]+|[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+(?:/[^*?\s]*)?"
)
_CANONICAL = re.compile(r"[0-9a-f]{64}")


class Members:
    """The compiled Principal or NotPrincipal element of one statement. `elements` is as it was written.

    ids: of users, roles and roles' sessions that are named by ARN, the unique ids that these names stood for when the policy was
    put (of a session its role's). Such a name means the one with that id, and no successor of the same name.
    """

    __slots__ = ("_ids", "accounts", "arns", "canonical", "elements", "everyone", "federated", "negated", "services")

    def __init__(
        self, elements: Mapping[str, Sequence[str]], *, negated: bool, ids: Mapping[str, str] | None = None
    ) -> None:
        self._ids = ids or {}
        self.elements = elements
        self.negated = negated
        self.everyone = False
        self.accounts: set[str] = set()
        self.arns: set[str] = set()
        self.services: set[str] = set()
        self.federated: set[str] = set()
        self.canonical: set[str] = set()
        for kind, values in elements.items():
            for value in values:
                self._add(kind, value)

    def _add(self, kind: str, value: str) -> None:
        """Raises ValueError for what cannot be a principal."""
        if kind == "AWS":
            root = _ROOT.fullmatch(value)
            if value == "*":
                self.everyone = True
            elif root is not None:
                self.accounts.add(root.group(1))
            elif re.fullmatch(r"\d{12}", value):
                self.accounts.add(value)
            elif _ARN.fullmatch(value) or _UNIQUE_ID.fullmatch(value):
                self.arns.add(self._bound(value))
            else:
                raise ValueError(f'Invalid principal in policy: "AWS":"{value}"')
        elif kind == "Service":
            if not _SERVICE.fullmatch(value):
                raise ValueError(f'Invalid principal in policy: "SERVICE":"{value}"')
            self.services.add(value)
        elif kind == "Federated":
            if not _PROVIDER.fullmatch(value):
                raise ValueError(f'Invalid principal in policy: "FEDERATED":"{value}"')
            self.federated.add(value)
        elif kind == "CanonicalUser":
            if not _CANONICAL.fullmatch(value):
                raise ValueError(f'Invalid principal in policy: "CanonicalUser":"{value}"')
            self.canonical.add(value)
        else:
            raise ValueError(f'Invalid principal in policy: "{kind}"')

    def _bound(self, value: str) -> str:
        """A name as callers are compared with it: the unique id where it is known."""
        known = self._ids.get(value)
        if known is None:
            return value
        return f"{known}:{value.rpartition('/')[2]}" if ":assumed-role/" in value else known

    def grade(self, principal: Principal) -> Grade:
        """How directly the listed principals name a caller (NotPrincipal or not)."""
        if self.everyone:
            return Grade.DIRECT
        if principal.kind == "service":
            return Grade.DIRECT if principal.name in self.services or "*" in self.services else Grade.NONE
        kind = principal.kind
        if kind not in PEOPLE:
            return Grade.DIRECT if kind == "federated" and principal.name in self.federated else Grade.NONE
        named = self._grade_of_name(principal) if self.arns else Grade.NONE
        if named:
            return named
        if principal.account in self.accounts or (
            self.canonical and canonical_user(principal.account) in self.canonical
        ):
            return Grade.DIRECT if kind == "root" else Grade.ACCOUNT
        return Grade.NONE

    def _grade_of_name(self, principal: Principal) -> Grade:
        """How directly a caller's own name, or its role's or user's, is listed."""
        arns = self.arns
        match principal.kind:
            case "role":
                if principal.caller_arn in arns or principal.user_id in arns:
                    return Grade.DIRECT
                if principal.arn in arns or principal.user_id.partition(":")[0] in arns:
                    return Grade.ROLE
            case "user":
                if principal.arn in arns or principal.user_id in arns:
                    return Grade.DIRECT
            case "federated-user":
                if principal.caller_arn in arns:
                    return Grade.DIRECT
                if principal.owner_arn in arns or principal.owner_id in arns:
                    return Grade.ROLE
        return Grade.NONE

    def meant_another(self, principal: Principal) -> bool:
        """Whether the names mean one who had this caller's name before it."""
        return any(arn in self._ids for arn in (principal.arn, principal.caller_arn))

    def reach(self, principal: Principal, *, deny: bool) -> Grade:
        """How directly a statement with these members means a caller.

        A Deny with NotPrincipal spares only who is listed in full: the account, and the user or role and session in it.
        """
        if not self.negated:
            return self.grade(principal)
        if deny:
            return Grade.NONE if self._spares(principal) else Grade.DIRECT
        return Grade.NONE if self.grade(principal) else Grade.DIRECT

    def _spares(self, principal: Principal) -> bool:
        if self.everyone:
            return True
        if principal.kind not in PEOPLE:
            return self.grade(principal) is not Grade.NONE
        if principal.account not in self.accounts:
            return False
        arns = self.arns
        match principal.kind:
            case "root":
                return True
            case "user":
                return principal.arn in arns or principal.user_id in arns
            case "federated-user":
                owner = principal.owner_arn in arns or principal.owner_id in arns or not principal.owner_arn
                return owner and principal.caller_arn in arns
            case _:
                role = principal.arn in arns or principal.user_id.partition(":")[0] in arns
                return role and (principal.caller_arn in arns or principal.user_id in arns)


@lru_cache(maxsize=1024)
def canonical_user(account: str) -> str:
    """The canonical user id of an account: 64 hexadecimal digits that S3 has for it in place of its number."""
    return hashlib.sha256(b"canonical user of account " + account.encode()).hexdigest()
