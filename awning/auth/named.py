"""Users and roles that a policy names by ARN: such a name means whoever has it when the policy is put, and no successor.

A room keeps, with the policy's text, the unique ids of these names (`names_in` says which), gives them to compile_policy, and
shows an id in place of a name whose bearer is gone (`with_ids`). Source: "AWS JSON policy elements: Principal", IAM user guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from awning.auth.malformed import listed

_NAME = re.compile(r"arn:aws[a-z-]*:(?:iam::\d{12}:(?:user|role)|sts::\d{12}:assumed-role)/[^*?]+")


def names_in(document: str | Mapping[str, Any]) -> list[str]:
    """The ARNs of users, roles and roles' sessions among the principals of a policy that compiles, each once."""
    found = json.loads(document) if isinstance(document, str) else document
    return list(dict.fromkeys(name for name in principals_in(found) if _NAME.fullmatch(name)))


def principals_in(policy: Mapping[str, Any]) -> Iterator[str]:
    """Yield the AWS principals of a policy that compiles as they are written: ARNs, account numbers, "*"."""
    for statement in listed(policy["Statement"]):
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if isinstance(principal, Mapping):
                yield from map(str, listed(principal.get("AWS", [])))


def with_ids(document: str, gone: Mapping[str, str]) -> str:
    """A policy's text with unique ids in place of these names; the very text where there are none."""
    if not gone:
        return document
    found = json.loads(document)
    for statement in listed(found["Statement"]):
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if isinstance(principal, dict) and "AWS" in principal:
                named = principal["AWS"]
                if isinstance(named, list):
                    principal["AWS"] = [gone.get(name, name) for name in named]
                else:
                    principal["AWS"] = gone.get(named, named)
    return json.dumps(found, separators=(",", ":"))
