"""A small, slow, obvious evaluator of policies, written from the user guide on raw JSON: what the real one is compared with.

It shares nothing with the real one but the Principal: wildcards by recursion, conditions by a few lines of Python each.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from datetime import datetime
from typing import Any

from awning.auth.principal import Principal

JSON = dict[str, Any]
PEOPLE = ("root", "user", "role", "federated-user")
LITERAL = "\x01"
"""Stands before a letter that is itself, whatever it would mean in a pattern."""


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def like(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == LITERAL:
        return bool(text) and pattern[1] == text[0] and like(pattern[2:], text[1:])
    if pattern[0] == "*":
        return like(pattern[1:], text) or (bool(text) and like(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])


def filled(pattern: str, context: JSON, version: str) -> str | None:
    """A pattern with its variables' values, every letter of which is literal; None where one has none."""
    if version != "2012-10-17":
        return pattern
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = found.group(1).partition(",")
        if name in ("*", "?", "$"):
            text = name
        else:
            known = context.get(name.strip().lower())
            if known is None or isinstance(known, list):
                if not default:
                    missing = True
                known = default.strip()[1:-1]
            text = written(known)
        return "".join(LITERAL + letter for letter in text)

    result = re.sub(r"\$\{([^}]*)\}", value, pattern)
    return None if missing else result


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def in_action(statement: JSON, action: str) -> bool:
    if "Action" in statement:
        return any(like(one.lower(), action.lower()) for one in listed(statement["Action"]))
    return not any(like(one.lower(), action.lower()) for one in listed(statement["NotAction"]))


def in_resource(statement: JSON, resource: str, context: JSON, version: str) -> bool:
    def among(name: str) -> bool:
        patterns = [filled(one, context, version) for one in listed(statement[name])]
        return any(pattern is not None and like(pattern, resource) for pattern in patterns)

    if "Resource" in statement:
        return among("Resource")
    return "NotResource" not in statement or not among("NotResource")


def is_met(base: str, wanted: str, value: Any, context: JSON, version: str) -> bool:
    """One value of a request against one of a policy, by an operator without "Not"."""
    given = written(value)
    if base in ("String", "StringIgnoreCase", "StringLike", "Bool", "Arn"):
        pattern = filled(wanted, context, version)
        if pattern is None:
            return False
        if base == "StringLike":
            return like(pattern, given)
        if base == "Arn":
            ours, theirs = pattern.split(":", 5), given.split(":", 5)
            return len(ours) == len(theirs) == 6 and all(map(like, ours, theirs))
        plain = pattern.replace(LITERAL, "")
        return plain == given if base == "String" else plain.lower() == given.lower()
    try:
        if base.startswith("Numeric"):
            return compared(base[7:], float(given), float(wanted))
        if base.startswith("Date"):
            moments = [datetime.fromisoformat(one).timestamp() for one in (given, wanted)]
            return compared(base[4:], *moments)
        if base == "Binary":
            return base64.b64decode(given, validate=True) == base64.b64decode(wanted)
        return ipaddress.ip_address(given) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def compared(how: str, one: float, other: float) -> bool:
    return {
        "Equals": one == other,
        "LessThan": one < other,
        "LessThanEquals": one <= other,
        "GreaterThan": one > other,
        "GreaterThanEquals": one >= other,
    }[how]


BASES = {
    "StringEquals": "String", "StringNotEquals": "String", "StringEqualsIgnoreCase": "StringIgnoreCase",
    "StringNotEqualsIgnoreCase": "StringIgnoreCase", "StringLike": "StringLike", "StringNotLike": "StringLike",
    "Bool": "Bool", "IpAddress": "Ip", "NotIpAddress": "Ip", "ArnEquals": "Arn", "ArnLike": "Arn", "ArnNotEquals": "Arn",
    "ArnNotLike": "Arn", "BinaryEquals": "Binary", "NumericNotEquals": "NumericEquals", "DateNotEquals": "DateEquals",
}  # fmt: skip


def holds(operator: str, key: str, values: list[str], context: JSON, version: str) -> bool:
    """One operator on one key."""
    quantifier, _, name = operator.rpartition(":")
    value = context.get(key.lower())
    absent = value is None or value == []
    if name == "Null":
        return (written(absent)) in values
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    negated = "Not" in name
    if absent:
        return if_exists or (quantifier == "ForAllValues") or (negated and not quantifier)
    base = BASES.get(name, name)

    def matches(one: Any) -> bool:
        return any(is_met(base, wanted, one, context, version) for wanted in values)

    if quantifier == "ForAllValues":
        return all(matches(one) is not negated for one in listed(value))
    if quantifier == "ForAnyValue":
        return any(matches(one) is not negated for one in listed(value))
    return any(matches(one) for one in listed(value)) is not negated


def conditions_hold(statement: JSON, context: JSON, version: str) -> bool:
    return all(
        holds(operator, key, listed(values), context, version)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def named(members: Any, who: Principal) -> set[str]:
    """In which ways the elements of a principal name a caller."""
    if members == "*" or "*" in listed(members.get("AWS", [])):
        return {"anyone"}
    ways: set[str] = set()
    if who.kind == "service" and {who.name, "*"} & set(listed(members.get("Service", []))):
        ways.add("service")
    if who.kind == "federated" and who.name in listed(members.get("Federated", [])):
        ways.add("provider")
    if who.kind not in PEOPLE:
        return ways
    canonical = hashlib.sha256(b"canonical user of account " + who.account.encode()).hexdigest()
    if canonical in listed(members.get("CanonicalUser", [])):
        ways.add("account")
    for value in listed(members.get("AWS", [])):
        if value in (who.account, f"arn:aws:iam::{who.account}:root"):
            ways.add("account")
        if who.kind == "user" and value in (who.arn, who.user_id):
            ways.add("user")
        if who.kind == "role" and value in (who.arn, who.user_id.split(":")[0]):
            ways.add("role")
        if who.kind == "role" and value == who.caller_arn:
            ways.add("session")
        if who.kind == "federated-user" and value in (who.owner_arn, who.owner_id):
            ways.add("role")
        if who.kind == "federated-user" and value == who.caller_arn:
            ways.add("session")
    return ways


def reached(statement: JSON, who: Principal) -> set[str]:
    """In which ways a statement of a resource's policy means a caller."""
    if "Principal" in statement:
        return named(statement["Principal"], who)
    ways = named(statement["NotPrincipal"], who)
    if statement["Effect"] == "Allow" or "anyone" in ways or who.kind not in PEOPLE:
        return set() if ways else {"anyone"}
    full = {"root": {"account"}, "user": {"account", "user"}}.get(who.kind, {"account", "role", "session"})
    listed_in_full = full <= ways and "account" in accounts(statement["NotPrincipal"], who)
    return set() if listed_in_full else {"anyone"}


def accounts(members: JSON, who: Principal) -> set[str]:
    """The account by its number or root alone."""
    return named({"AWS": listed(members.get("AWS", []))}, who) & {"account"}


def says(policy: JSON, effect: str, action: str, resource: str, context: JSON) -> list[JSON]:
    version = policy.get("Version", "2008-10-17")
    return [
        statement
        for statement in listed(policy["Statement"])
        if statement["Effect"] == effect
        and in_action(statement, action)
        and in_resource(statement, resource, context, version)
        and conditions_hold(statement, context, version)
    ]


def allowed(
    who: Principal,
    identity: list[JSON],
    boundary: JSON | None,
    session: list[JSON] | None,
    guard: JSON | None,
    action: str,
    resource: str,
    context: JSON,
    account: str,
    kind: str = "resource",
) -> bool:
    asked = (action, resource, context)
    own = [*identity, *([boundary] if boundary else []), *(session or [])]
    if any(says(policy, "Deny", *asked) for policy in own):
        return False
    ways: set[str] = set()
    if guard is not None:
        if any(reached(statement, who) for statement in says(guard, "Deny", *asked)):
            return False
        for statement in says(guard, "Allow", *asked):
            ways |= reached(statement, who)
    if who.kind not in PEOPLE:
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
    return everything and (bool(ways) or guard is None or kind == "resource")
