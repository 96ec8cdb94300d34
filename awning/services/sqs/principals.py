"""Whom a queue's policy may name: accounts, and users and roles that there are.

Source: the developer guide's "Amazon SQS policy" and the IAM user guide's "AWS JSON policy elements: Principal".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from awning.contracts import PrincipalExists
from awning.kit.call import Call
from awning.services.sqs.errors import InvalidAttributeValue


def check_principals(call: Call, policy: str) -> None:
    """Raises InvalidAttributeValue where a policy that compiles names a user or role that there is not."""
    for name in _named(orjson.loads(policy)):
        if name == "*" or (name.isdigit() and len(name) == 12):
            continue
        kind = name.rpartition(":")[2].partition("/")[0]
        known = name.startswith(("arn:aws:iam::", "arn:aws:sts::")) and (
            kind in ("root", "assumed-role", "federated-user") or call.ask(PrincipalExists(name))
        )
        if not known:
            raise InvalidAttributeValue("Invalid value for the parameter Policy.")


def _named(policy: dict[str, Any]) -> Iterator[str]:
    for statement in _list(policy["Statement"]):
        for member in ("Principal", "NotPrincipal"):
            principal = statement.get(member)
            if isinstance(principal, dict):
                yield from map(str, _list(principal.get("AWS", [])))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
