"""A small, slow, obvious evaluator of policies, written from the user guide on raw JSON: what the real one is compared with.

It knows string equality and patterns as conditions only, and wildcards by recursion.
"""

from __future__ import annotations

from typing import Any

from awning.auth.principal import Principal

JSON = dict[str, Any]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def like(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return like(pattern[1:], text) or (bool(text) and like(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])


def in_action(statement: JSON, action: str) -> bool:
    if "Action" in statement:
        return any(like(one.lower(), action.lower()) for one in listed(statement["Action"]))
    return not any(like(one.lower(), action.lower()) for one in listed(statement["NotAction"]))


def in_resource(statement: JSON, resource: str) -> bool:
    if "Resource" in statement:
        return any(like(one, resource) for one in listed(statement["Resource"]))
    if "NotResource" in statement:
        return not any(like(one, resource) for one in listed(statement["NotResource"]))
    return True


def conditions_hold(statement: JSON, context: dict[str, str]) -> bool:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            value = context.get(key.lower())
            matched = value is not None and any(
                like(one, value) if "Like" in operator else one == value for one in listed(values)
            )
            if matched is ("Not" in operator):
                return False
    return True


def names(members: Any, who: Principal) -> set[str]:
    """In which ways a Principal element names a caller: "anyone", "account", "user", "role", "session", "service"."""
    ways: set[str] = set()
    if members == "*":
        return {"anyone"}
    for value in listed(members.get("AWS", [])):
        if value == "*":
            ways.add("anyone")
        elif who.kind in ("root", "user", "role"):
            if value in (who.account, f"arn:aws:iam::{who.account}:root"):
                ways.add("account")
            if who.kind == "user" and value == who.arn:
                ways.add("user")
            if who.kind == "role" and value == who.arn:
                ways.add("role")
            if who.kind == "role" and value == who.caller_arn:
                ways.add("session")
    if who.kind == "service" and who.name in listed(members.get("Service", [])):
        ways.add("service")
    return ways


def says(policy: JSON, effect: str, action: str, resource: str, context: dict[str, str]) -> list[JSON]:
    return [
        statement
        for statement in listed(policy["Statement"])
        if statement["Effect"] == effect
        and in_action(statement, action)
        and in_resource(statement, resource)
        and conditions_hold(statement, context)
    ]


def allowed(
    who: Principal,
    identity: list[JSON],
    boundary: JSON | None,
    session: list[JSON] | None,
    guard: JSON | None,
    action: str,
    resource: str,
    context: dict[str, str],
    account: str,
) -> bool:
    asked = (action, resource, context)
    own = [*identity, *([boundary] if boundary else []), *(session or [])]
    if any(says(policy, "Deny", *asked) for policy in own):
        return False
    ways: set[str] = set()
    if guard is not None:
        for statement in says(guard, "Deny", *asked):
            if names(statement["Principal"], who):
                return False
        for statement in says(guard, "Allow", *asked):
            ways |= names(statement["Principal"], who)
    if who.kind in ("anonymous", "service"):
        return bool(ways)
    by_identity = who.kind == "root" or any(says(policy, "Allow", *asked) for policy in identity)
    by_boundary = boundary is None or bool(says(boundary, "Allow", *asked))
    by_session = session is None or any(says(policy, "Allow", *asked) for policy in session)
    everything = by_identity and by_boundary and by_session
    if who.account != account:
        return everything and bool(ways)
    if ways & {"anyone", "user", "session"} or (who.kind == "root" and ways):
        return True
    if "role" in ways and by_boundary and by_session:
        return True
    return everything
