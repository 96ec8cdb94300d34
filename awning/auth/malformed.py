"""MalformedPolicy, and the few rules of a policy's grammar that all kinds of policies share."""

from __future__ import annotations

import re
from typing import Any

SYNTAX = "Syntax errors in policy."
VERSIONS = ("2008-10-17", "2012-10-17")

_VENDOR = re.compile(r"[A-Za-z0-9.-]+")


class MalformedPolicy(Exception):
    """A policy document that was refused: `message` is for the client, `position` where ("Statement[0].Action")."""

    def __init__(self, message: str, position: str = "") -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} ({self.position})" if self.position else self.message


def listed(value: Any) -> list[Any]:
    """An element that is one value or a list of them, as a list."""
    return value if isinstance(value, list) else [value]


def check_action(action: str, place: str) -> None:
    """Raise MalformedPolicy for what names no action: "*" or vendor:Operation, wildcards in the operation only."""
    if action == "*":
        return
    vendor, colon, operation = action.partition(":")
    if not colon:
        raise MalformedPolicy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", place)
    if ":" in operation:
        raise MalformedPolicy("Actions/Condition can contain only one colon.", place)
    if vendor != "*" and not _VENDOR.fullmatch(vendor):
        raise MalformedPolicy(f"Vendor {vendor} is not valid", place)
