"""Beginning a session: its key, secret and token, and the reply that carries them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from awning.contracts import RoleFacts
from awning.kit.call import Call
from awning.services.sts import tables
from awning.services.sts.narrowing import Narrowing
from awning.services.sts.tables import Session

_TOKEN_BYTES: Final = 264


def new_credentials(call: Call) -> tuple[str, str, str]:
    """A temporary access key id, its secret of 40 characters, and a session token."""
    secret = base64.b64encode(call.random(30)).decode()
    token = base64.b64encode(call.random(_TOKEN_BYTES)).decode()
    return "ASIA" + call.new_token(16), secret, token


def describe(session: Session) -> dict[str, Any]:
    """Credentials as replies have them."""
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires,
    }


def begin_role(
    call: Call,
    role: RoleFacts,
    name: str,
    seconds: int,
    narrowing: Narrowing,
    source_identity: str | None = None,
    provider: str | None = None,
    provider_facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Begin a session of a role, and describe it as all operations that assume one do."""
    now = float(int(call.now))
    session = Session(
        *new_credentials(call),
        account=role.account,
        kind="role",
        source_arn=role.arn,
        source_id=role.role_id,
        name=name,
        created=now,
        expires=now + seconds,
        policy=narrowing.policy,
        policy_arns=narrowing.policy_arns,
        tags=narrowing.tags,
        transitive_tags=narrowing.transitive,
        source_identity=source_identity,
        provider=provider,
        provider_facts=provider_facts or {},
    )
    tables.add_session(call.db, call.seal, session)
    result: dict[str, Any] = {
        "Credentials": describe(session),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.role_id}:{name}",
            "Arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        },
    }
    if narrowing.packed:
        result["PackedPolicySize"] = narrowing.packed
    if source_identity is not None:
        result["SourceIdentity"] = source_identity
    return result
