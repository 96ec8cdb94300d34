"""What AddPermission and RemovePermission do with a resource's policy, in whichever service: statements by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from awning.auth.malformed import listed
from awning.kit.named import Find, as_it_stands


def editable(find: Find, text: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """A stored policy as it stands, its statements as a list."""
    policy: dict[str, Any] = orjson.loads(as_it_stands(find, text, ids))
    policy["Statement"] = listed(policy["Statement"])
    return policy


def labelled(policy: Mapping[str, Any], label: str) -> bool:
    """Say whether a policy has a statement of this label."""
    return any(statement.get("Sid") == label for statement in policy["Statement"])


def allowing(label: str, accounts: Sequence[str], actions: Sequence[str], resource: str) -> dict[str, Any]:
    """A statement that lets accounts do something ("SQS:SendMessage") with a resource."""
    return {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": _one_or_all([f"arn:aws:iam::{account}:root" for account in accounts])},
        "Action": _one_or_all(actions),
        "Resource": resource,
    }


def without(policy: Mapping[str, Any], label: str) -> dict[str, Any]:
    """A policy without the statements of a label."""
    return {**policy, "Statement": [statement for statement in policy["Statement"] if statement.get("Sid") != label]}


def _one_or_all(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
