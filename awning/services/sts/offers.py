"""What sts answers to the gateway: whose session a temporary key belongs to. It only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import orjson

from awning.auth.policy import Policy
from awning.auth.principal import Principal, root_of
from awning.contracts import Credential, FindPolicyText, FindRole, FindSession, FindUser
from awning.kit.call import Call
from awning.kit.compiled import Compiled
from awning.services.sts import tables
from awning.services.sts.memory import Memory
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


_OF_FEDERATED_USERS: Final = orjson.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": ["iam:*", "sts:*"], "Resource": "*"}}
).decode()
"""What a federated user's credentials are never good for. GetCallerIdentity needs no permission."""
_OF_ROOT: Final = orjson.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
).decode()


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
    if session.kind == "federated-user":
        return _federated_user(call, session)
    if session.kind != "role":
        root = session.kind == "root"
        owner: Principal | None = root_of(session.account) if root else call.ask(FindUser(session.source_id))
        if owner is None:
            return None
        compiled = _compiled(call)
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
    principal: Principal = replace(
        role.principal,
        caller_arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session.name}",
        user_id=f"{role.role_id}:{session.name}",
        session=_session_policies(call, session),
        tags=_over(role.tags, session.tags),
        issued=session.created,
        source_identity=session.source_identity,
        transitive_tags=frozenset(session.transitive_tags),
        provider=session.provider,
        provider_facts=session.provider_facts,
    )
    return principal


def _federated_user(call: Call, session: Session) -> Principal | None:
    """Who GetFederationToken was called for: at most what the one who called it may, and what session policies leave of it."""
    owner: Principal | None = call.ask(FindUser(session.source_id)) if session.source_id else root_of(session.account)
    if owner is None:
        return None
    compiled = _compiled(call)
    arn = f"arn:aws:sts::{session.account}:federated-user/{session.name}"
    never = compiled.get("session", "credentials of GetFederationToken", _OF_FEDERATED_USERS)
    return replace(
        owner,
        kind="federated-user",
        arn=arn,
        caller_arn=arn,
        user_id=f"{session.account}:{session.name}",
        name=session.name,
        policies=owner.policies if session.source_id else (compiled.get("identity", "root", _OF_ROOT),),
        session=(*(_session_policies(call, session) or ()), never),
        tags=_over(owner.tags, session.tags),
        issued=session.created,
        owner_arn=owner.arn,
        owner_id=owner.user_id,
    )


def _over(own: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The tags of an identity with a session's in place of those of the same name, by whatever case."""
    folded = {key.lower() for key in given}
    return {key: value for key, value in own.items() if key.lower() not in folded} | dict(given)


def _compiled(call: Call) -> Compiled:
    memory: Memory = call.memory
    return memory.compiled


def _session_policies(call: Call, session: Session) -> tuple[Policy, ...] | None:
    """A session's policies, None where it has none. A managed one that has been deleted since allows nothing."""
    if session.policy is None and not session.policy_arns:
        return None
    compiled = _compiled(call)
    result = [] if session.policy is None else [compiled.get("session", "session policy", session.policy)]
    for arn in session.policy_arns:
        text = call.ask(FindPolicyText(arn))
        if text is not None:
            result.append(compiled.get("session", arn, text))
    return tuple(result)
