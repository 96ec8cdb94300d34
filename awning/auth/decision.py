"""Decision: whether a request may be done, because of which statement; the long explanation is worked out when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from awning.auth.policy import Policy, Statement
from awning.auth.principal import Principal


class Why(StrEnum):
    """What decided."""

    ROOT = "root"
    IDENTITY = "identity-allow"
    RESOURCE = "resource-allow"
    ACL = "acl-allow"
    DENIED_BY_IDENTITY = "identity-deny"
    DENIED_BY_BOUNDARY = "boundary-deny"
    DENIED_BY_SESSION = "session-deny"
    DENIED_BY_RESOURCE = "resource-deny"
    NO_IDENTITY = "no-identity-allow"
    NO_BOUNDARY = "no-boundary-allow"
    NO_SESSION = "no-session-allow"
    NO_RESOURCE = "no-resource-allow"
    PUBLIC_BLOCKED = "public-blocked"
    NOT_ENFORCED = "not-enforced"


_ENDINGS = {
    Why.DENIED_BY_IDENTITY: "with an explicit deny in an identity-based policy",
    Why.DENIED_BY_BOUNDARY: "with an explicit deny in a permissions boundary",
    Why.DENIED_BY_SESSION: "with an explicit deny in a session policy",
    Why.DENIED_BY_RESOURCE: "with an explicit deny in a resource-based policy",
    Why.NO_IDENTITY: "because no identity-based policy allows the {action} action",
    Why.NO_BOUNDARY: "because no permissions boundary allows the {action} action",
    Why.NO_SESSION: "because no session policy allows the {action} action",
    Why.NO_RESOURCE: "because no resource-based policy allows the {action} action",
    Why.PUBLIC_BLOCKED: "because public policies are prevented by the RestrictPublicBuckets setting in S3 Block Public Access",
}

_SAID = {
    Why.ROOT: "the root of an account may do all in it",
    Why.IDENTITY: "an identity-based policy allows it",
    Why.RESOURCE: "the resource's policy allows it",
    Why.ACL: "an access control list allows it",
    Why.DENIED_BY_IDENTITY: "an identity-based policy denies it",
    Why.DENIED_BY_BOUNDARY: "the permissions boundary denies it",
    Why.DENIED_BY_SESSION: "a session policy denies it",
    Why.DENIED_BY_RESOURCE: "the resource's policy denies it",
    Why.NO_IDENTITY: "no identity-based policy allows it",
    Why.NO_BOUNDARY: "the permissions boundary does not allow it",
    Why.NO_SESSION: "no session policy allows it",
    Why.NO_RESOURCE: "the resource's policy does not allow it, and without it nobody may",
    Why.PUBLIC_BLOCKED: "the resource's policy is public, and public policies are blocked",
    Why.NOT_ENFORCED: "permissions are not enforced (--iam off)",
}


class Decision:
    """The answer to "may this be done?". `reason` is what decided; `policy` and `statement` (its Sid, else its index) are
    those of the statement that did, None where the lack of one did."""

    __slots__ = ("_deciding", "_policy", "_trace", "allowed", "explicit_deny", "reason")

    def __init__(
        self,
        allowed: bool,
        reason: Why,
        policy: Policy | None,
        statement: Statement | None,
        trace: Callable[[], list[dict[str, Any]]],
        explicit_deny: bool = False,
    ) -> None:
        self.allowed = allowed
        self.explicit_deny = explicit_deny
        self.reason = reason
        self._policy = policy
        self._deciding = statement
        self._trace = trace

    @property
    def policy(self) -> str | None:
        """The id of the policy that decided."""
        return None if self._policy is None else self._policy.id

    @property
    def statement(self) -> str | int | None:
        """The Sid, else the index, of the statement that decided."""
        return None if self._deciding is None else self._deciding.label

    def __bool__(self) -> bool:
        return self.allowed

    def explain(self) -> dict[str, Any]:
        """Explain the decision: what decided, and for each statement of each policy whether it applied, else why not.

        Returns {"allowed", "reason", "policy", "statement", "policies": [{"id", "kind", "says", "statements":
        [{"statement", "effect", "applies", "element", "because"}]}]}, fit for JSON. The policies are evaluated once more.
        """
        return {
            "allowed": self.allowed,
            "reason": str(self.reason),
            "policy": self.policy,
            "statement": self.statement,
            "policies": self._trace(),
        }

    def lines(self) -> list[str]:
        """Explain the decision to a reader: what decided, then a line for each statement, those that apply first."""
        return lines_of(self.explain())

    def message(self, principal: Principal, action: str, resource: str) -> str:
        """The refusal in AWS's words. Source: "Troubleshoot access denied error messages" of the IAM user guide."""
        ending = _ENDINGS.get(self.reason)
        if self.allowed or ending is None:
            return f"User: {principal.caller_arn} is authorized to perform: {action} on resource: {resource}"
        if principal.kind == "federated":
            return f"Not authorized to perform {action}"
        if principal.kind == "anonymous":
            who = "User: anonymous"
        else:
            who = f"User: {principal.caller_arn}"
        quoted = f'"{resource}"' if action.startswith("s3:") else resource
        return f"{who} is not authorized to perform: {action} on resource: {quoted} {ending.format(action=action)}"

    def __repr__(self) -> str:
        return f"Decision({self.allowed}, {self.reason}, {self.policy}, {self.statement})"


def joined(first: Decision, second: Decision) -> Decision:
    """The second's word, where the first allowed already, with what both have to explain."""
    return Decision(
        second.allowed,
        second.reason,
        second._policy,
        second._deciding,
        lambda: [*first._trace(), *second._trace()],
        second.explicit_deny,
    )


def lines_of(explained: Mapping[str, Any]) -> list[str]:
    """What Decision.explain gave, for a reader: what decided, then a line for each statement, those that apply first."""
    decided = f"{'Allowed' if explained['allowed'] else 'Denied'}: {_SAID[Why(explained['reason'])]}"
    if explained["policy"] is not None:
        statement = "" if explained["statement"] is None else f", statement {explained['statement']}"
        decided += f" (policy {explained['policy']}{statement})"
    lines = [
        (
            not one["applies"],
            f"  {policy['kind']} policy {policy['id']}, statement {one['statement']}: {one['effect']} "
            + ("applies" if one["applies"] else f"does not apply, for {one['because']}"),
        )
        for policy in explained["policies"]
        for one in policy["statements"]
    ]
    return [decided, *(line for _, line in sorted(lines, key=lambda line: line[0]))]
