"""Who a request comes from, as policies see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from awning.auth.index import Index
    from awning.auth.policy import Policy

Kind = Literal["root", "user", "role", "federated-user", "federated", "service", "anonymous"]
"""federated-user: a session of GetFederationToken. federated: who shows only an identity provider's word, as
AssumeRoleWithWebIdentity and AssumeRoleWithSAML are called."""

PEOPLE = frozenset({"root", "user", "role", "federated-user"})
"""Those that have an account of their own."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller.

    `arn` is what aws:PrincipalArn compares: of an assumed role it is the role's ARN, while `caller_arn` is the session's
    (arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION). `user_id` is aws:userid. `policies` are the identity's own, groups'
    included; `boundary` its permissions boundary; `session` the session's policies, None where the session has none.
    `tags` are the identity's and the session's. Of temporary credentials `issued` says when, in seconds since the epoch
    (None: long-term ones) and `mfa` when their owner last showed a second factor; `source_identity` and `transitive_tags` (keys)
    pass on to sessions that this one begins. `provider` is the identity provider (the ARN of an IAM one, or a name such as
    "accounts.google.com") of a federated caller, and of a role's session that began with its word; `provider_facts` the
    condition keys that it gave, in lower case ("accounts.google.com:sub"). `owner_arn` and `owner_id` are those of the user
    who asked for a federated user's session. `well_known`: a root by a key that everyone knows, which stands for whoever
    administers the account as well.
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
    mfa: float | None = None
    provider: str | None = None
    provider_facts: Mapping[str, Any] = field(default_factory=dict)
    owner_arn: str = ""
    owner_id: str = ""
    well_known: bool = False
    index: Index | None = field(default=None, init=False, compare=False, repr=False)
    """Derived from `policies` when a decision first asks for it."""


def root_of(account: str) -> Principal:
    """Return the root of an account (12 digits)."""
    arn = f"arn:aws:iam::{account}:root"
    return Principal("root", account, arn, arn, account)


def federated(provider: str, facts: Mapping[str, Any], subject: str = "") -> Principal:
    """Return who shows a token or an assertion of an identity provider: the caller of AssumeRoleWithWebIdentity or
    AssumeRoleWithSAML, as a role's trust policy sees it."""
    return Principal(
        "federated", "", provider, provider, subject, provider, provider=provider, provider_facts=facts
    )  # fmt: skip


ANONYMOUS = Principal("anonymous", "", "*", "*", "anonymous")
