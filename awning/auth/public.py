"""is_public: whether a bucket's policy makes it public, by S3's documented meaning of the word.

Source: "Blocking public access to your Amazon S3 storage", section "The meaning of public", of the S3 user guide.
"""

from __future__ import annotations

import ipaddress
import re

from awning.auth.conditions import Condition
from awning.auth.policy import Policy, Statement

_LIMITING = frozenset(
    [
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:principalorgid",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ]
)
"""Condition keys that, held to fixed values, keep a grant to everyone from being public."""

_EXACT = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"})
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint/.*")
_PRIVATE = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def is_public(policy: Policy) -> bool:
    """Whether some statement allows more than fixed principals, or fixed sources, to do something."""
    return any(_is_public_statement(statement) for statement in policy.statements if not statement.deny)


def _is_public_statement(statement: Statement) -> bool:
    members = statement.members
    if members is None or not (members.everyone or members.negated or "*" in members.services):
        return False
    return not any(_limits(condition) for condition in statement.conditions)


def _limits(condition: Condition) -> bool:
    """Whether a condition holds callers to fixed values."""
    if not condition.values:
        return False
    if condition.key == "aws:sourceip":
        return condition.operator == "IpAddress" and all(_is_narrow(value) for value in condition.values)
    if condition.key not in _LIMITING or condition.operator.removeprefix("ForAnyValue:") not in _EXACT:
        return False
    return all(_is_fixed(condition.key, value) for value in condition.values)


def _is_fixed(key: str, value: str) -> bool:
    """Whether a value has neither wildcard nor variable. Of an access point's ARN the account must be fixed."""
    if key == "s3:dataaccesspointarn" and _ACCESS_POINT.fullmatch(value):
        return True
    return not re.search(r"[*?]|\$\{", value)


def _is_narrow(value: str) -> bool:
    """Whether a range of addresses is not as wide as the Internet: at least /8, or /32 of IPv6, or private."""
    network = ipaddress.ip_network(value, strict=False)
    if isinstance(network, ipaddress.IPv6Network):
        return network.prefixlen >= 32
    return network.prefixlen >= 8 or any(
        isinstance(private, ipaddress.IPv4Network) and network.subnet_of(private) for private in _PRIVATE
    )
