"""What sts answers to the gateway: whose session a temporary key belongs to. It only reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from awning.auth.policy import Policy
from awning.auth.principal import Principal, root_of
from awning.contracts import Credential, FindPolicyText, FindRole, FindSession, FindUser
from awning.kit.call import Call
from awning.kit.compiled import Compiled
from awning.services.sts import tables
from awning.services.sts.tables import Session


def _may(*refused: str) -> str:
    statements = [
        {"Effect": "Allow", "NotAction": list(refused), "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Resource": "*",
        },
    ]
    return orjson.dumps({"Version": "2012-10-17", "Statement": statements}).decode()


_OF_TOKENS: Final = _may("iam:*", "sts:*")
_OF_MFA_TOKENS: Final = _may("sts:*")
"""What GetSessionToken's credentials are good for, without MFA and with it. Source: GetSessionToken in the STS API reference."""


def find_session(call: Call, question: FindSession) -> Credential | None:
    """The credential of a temporary access key; None too where its role or user is gone."""
    session = tables.find_session(call.db, call.seal, question.access_key_id)
    if session is None:
        return None
    principal = _principal(call, session)
    if principal is None:
        return None
    return Credential(
        session.access_key_id, session.secret, principal, active=True, token=session.token, expires=session.expires
    )


def _principal(call: Call, session: Session) -> Principal | None:
    if session.kind != "role":
        root = session.kind == "root"
        owner: Principal | None = root_of(session.account) if root else call.ask(FindUser(session.source_id))
        if owner is None:
            return None
        compiled: Compiled = call.memory
        return replace(
            owner,
            issued=session.created,
            mfa=session.mfa,
            session=(
                compiled.get("session", "credentials of GetSessionToken without MFA", _OF_TOKENS)
                if session.mfa is None
                else compiled.get("session", "credentials of GetSessionToken with MFA", _OF_MFA_TOKENS),
            ),
        )
    role = call.ask(FindRole(session.source_arn))
    if role is None or role.role_id != session.source_id:
        return None
    own = {key.lower() for key in session.tags}
    tags = {key: value for key, value in role.tags.items() if key.lower() not in own} | dict(session.tags)
    principal: Principal = replace(
        role.principal,
        caller_arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session.name}",
        user_id=f"{role.role_id}:{session.name}",
        session=_session_policies(call, session),
        tags=tags,
        issued=session.created,
        source_identity=session.source_identity,
        transitive_tags=frozenset(session.transitive_tags),
    )
    return principal


def _session_policies(call: Call, session: Session) -> tuple[Policy, ...] | None:
    """A session's policies, None where it has none. A managed one that has been deleted since allows nothing."""
    if session.policy is None and not session.policy_arns:
        return None
    compiled: Compiled = call.memory
    result = [] if session.policy is None else [compiled.get("session", "session policy", session.policy)]
    for arn in session.policy_arns:
        text = call.ask(FindPolicyText(arn))
        if text is not None:
            result.append(compiled.get("session", arn, text))
    return tuple(result)
