"""Principal elements of policies: whom a statement means, and how directly it names a caller.

Source: "AWS JSON policy elements: Principal" and "NotPrincipal" of the IAM user guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum

from awning.auth.principal import Principal


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
_PEOPLE = ("root", "user", "role")


class Members:
    """The compiled Principal or NotPrincipal element of one statement. `elements` is as it was written."""

    __slots__ = ("accounts", "arns", "elements", "everyone", "federated", "negated", "services")

    def __init__(self, elements: Mapping[str, Sequence[str]], *, negated: bool) -> None:
        self.elements = elements
        self.negated = negated
        self.everyone = False
        self.accounts: set[str] = set()
        self.arns: set[str] = set()
        self.services: set[str] = set()
        self.federated: set[str] = set()
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
                self.arns.add(value)
            else:
                raise ValueError(f'Invalid principal in policy: "AWS":"{value}"')
        elif kind == "Service":
            if not _SERVICE.fullmatch(value):
                raise ValueError(f'Invalid principal in policy: "SERVICE":"{value}"')
            self.services.add(value)
        elif kind == "Federated":
            self.federated.add(value)
        else:
            raise ValueError(f'Invalid principal in policy: "{kind}"')

    def grade(self, principal: Principal) -> Grade:
        """How directly the listed principals name a caller (NotPrincipal or not)."""
        if self.everyone:
            return Grade.DIRECT
        if principal.kind == "service":
            return Grade.DIRECT if principal.name in self.services or "*" in self.services else Grade.NONE
        if principal.kind not in _PEOPLE:
            return Grade.NONE
        arns = self.arns
        if arns:
            if principal.kind == "role":
                if principal.caller_arn in arns:
                    return Grade.DIRECT
                if principal.arn in arns or principal.user_id.partition(":")[0] in arns:
                    return Grade.ROLE
            elif principal.kind == "user" and (principal.arn in arns or principal.user_id in arns):
                return Grade.DIRECT
        if principal.account in self.accounts:
            return Grade.DIRECT if principal.kind == "root" else Grade.ACCOUNT
        return Grade.NONE

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
        if principal.kind not in _PEOPLE:
            return self.grade(principal) is not Grade.NONE
        if principal.account not in self.accounts:
            return False
        match principal.kind:
            case "root":
                return True
            case "user":
                return principal.arn in self.arns
            case _:
                return principal.arn in self.arns and principal.caller_arn in self.arns
