"""trace: of each statement of each policy that has a say, whether it applies, and else the first thing that keeps it from it.

Worked out only when a decision is asked to explain itself; all that it returns is fit for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.auth.conditions import Condition
from awning.auth.patterns import text_of
from awning.auth.policy import Policy, Statement
from awning.auth.principal import Principal


def trace(
    principal: Principal,
    action: str,
    resource: str,
    context: Mapping[str, Any],
    guard_policy: Policy | None,
    acl: Policy | None = None,
) -> list[dict[str, Any]]:
    """Of each policy {"id", "kind", "says", "statements"}: `says` is "deny", "allow", or "nothing" about the request."""
    policies: list[Policy] = list(principal.policies)
    if principal.boundary is not None:
        policies.append(principal.boundary)
    policies.extend(principal.session or ())
    policies.extend(policy for policy in (guard_policy, acl) if policy is not None)
    return [_trace_policy(policy, principal, action, resource, context) for policy in policies]


def _trace_policy(
    policy: Policy, principal: Principal, action: str, resource: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    statements = [_trace_statement(one, principal, action, resource, context) for one in policy.statements]
    effects = {one["effect"] for one in statements if one["applies"]}
    says = "deny" if "Deny" in effects else "allow" if effects else "nothing"
    return {"id": policy.id, "kind": policy.kind, "says": says, "statements": statements}


def _trace_statement(
    statement: Statement, principal: Principal, action: str, resource: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    element, because = _hindrance(statement, principal, action, resource, context)
    return {
        "statement": statement.label,
        "effect": "Deny" if statement.deny else "Allow",
        "applies": not because,
        "element": element,
        "because": because,
    }


def _hindrance(
    statement: Statement, principal: Principal, action: str, resource: str, context: Mapping[str, Any]
) -> tuple[str, str]:
    """The element that keeps a statement from applying, and the reason in words; both empty where it applies."""
    if not statement.matches_action(action.lower()):
        if statement.not_action:
            return "NotAction", f"its NotAction includes {action}"
        return "Action", f"its actions do not include {action}"
    if not statement.reach(principal):
        if statement.members is not None and statement.members.negated:
            return "NotPrincipal", f"its NotPrincipal includes {principal.caller_arn}"
        if statement.members is not None and statement.members.meant_another(principal):
            return "Principal", (
                f"its principals name an earlier {principal.arn}, which had another unique id than {principal.user_id}"
            )
        return "Principal", f"its principals do not include {principal.caller_arn}"
    if statement.names(resource, context) is statement.not_resource:
        if statement.not_resource:
            return "NotResource", f"its NotResource includes {resource}"
        unknown = statement.unresolved(context)
        if unknown:
            return "Resource", f"its resources do not include {resource}: the request has no {', '.join(unknown)}"
        return "Resource", f"its resources do not include {resource}"
    for condition in statement.conditions:
        if not condition.holds(context):
            return "Condition", _unmet(condition, context)
    return "", ""


def _unmet(condition: Condition, context: Mapping[str, Any]) -> str:
    given = context.get(condition.key)
    if given is None:
        shown = "the request, which has no such key"
    elif isinstance(given, (list, tuple, set, frozenset)):
        shown = repr([text_of(one) for one in given])
    else:
        shown = repr(text_of(given))
    return (
        f"its condition {condition.operator} on {condition.key} [{', '.join(condition.values)}] is not met by {shown}"
    )
