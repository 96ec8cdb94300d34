"""Every question or delivery that one room may send another, and that the gateway asks of rooms.

A question is answered at once from committed state (`call.ask`). A delivery is a row in the sender's outbox
(`call.send`), in the same transaction as what caused it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awning.auth.principal import Principal


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key as the gateway needs it. `token` is the session token that must come with it, `expires` in seconds
    since the epoch."""

    access_key_id: str
    secret: str = field(repr=False)
    principal: Principal
    active: bool = True
    token: str | None = field(default=None, repr=False)
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class FindCredential:
    """Whose is this long-term access key? Answered by iam: a Credential, or None."""

    access_key_id: str


@dataclass(frozen=True, slots=True)
class FindSession:
    """Whose is this temporary access key? Answered by sts: a Credential, or None. Expiry is the asker's to check."""

    access_key_id: str


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A role as sts needs it. `trust` is the trust policy's JSON text; `principal` has the role's policies and boundary."""

    account: str
    name: str
    arn: str
    role_id: str
    trust: str
    max_session_seconds: int
    principal: Principal
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FindRole:
    """The role of this ARN. Answered by iam: RoleFacts, or None."""

    arn: str


@dataclass(frozen=True, slots=True)
class FindUser:
    """The user of this unique id (AIDA…), for its temporary credentials. Answered by iam: a Principal, or None."""

    user_id: str


@dataclass(frozen=True, slots=True)
class PrincipalExists:
    """Is there a user or role of this ARN (a resource's policy may name no others)? Answered by iam: bool."""

    arn: str


@dataclass(frozen=True, slots=True)
class FindPolicyText:
    """The JSON text of a managed policy's default version. Answered by iam: str, or None."""

    arn: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Base of deliveries: `arn` is the resource it goes to; deliveries of one `group` to one ARN keep their order."""

    arn: str
    group: str = ""
