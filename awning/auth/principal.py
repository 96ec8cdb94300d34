"""Who a request comes from, as policies see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from awning.auth.index import Index
    from awning.auth.policy import Policy

Kind = Literal["root", "user", "role", "service", "anonymous"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller.

    `arn` is what aws:PrincipalArn compares: of an assumed role it is the role's ARN, while `caller_arn` is the session's
    (arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION). `user_id` is aws:userid. `policies` are the identity's own, groups'
    included; `boundary` its permissions boundary; `session` the session's policies, None where the session has none.
    `tags` are the identity's and the session's. Of temporary credentials `issued` says when, in seconds since the epoch
    (None: long-term ones); `source_identity` and `transitive_tags` (keys) pass on to sessions that this one begins.
    """

    kind: Kind
    account: str
    arn: str
    caller_arn: str
    user_id: str
    name: str = ""
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    issued: float | None = None
    source_identity: str | None = None
    transitive_tags: frozenset[str] = frozenset()
    index: Index | None = field(default=None, init=False, compare=False, repr=False)
    """Derived from `policies` when a decision first asks for it."""


def root_of(account: str) -> Principal:
    """Return the root of an account (12 digits)."""
    arn = f"arn:aws:iam::{account}:root"
    return Principal("root", account, arn, arn, account)


ANONYMOUS = Principal("anonymous", "", "*", "*", "anonymous")
