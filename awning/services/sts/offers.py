"""What sts answers to the gateway: whose session a temporary key belongs to. It only reads."""

from __future__ import annotations

from dataclasses import replace

from awning.auth.policy import Policy
from awning.auth.principal import Principal, root_of
from awning.contracts import Credential, FindPolicyText, FindRole, FindSession, FindUser
from awning.kit.call import Call
from awning.kit.compiled import Compiled
from awning.services.sts import tables
from awning.services.sts.tables import Session


def find_session(call: Call, question: FindSession) -> Credential | None:
    """The credential of a temporary access key; None too where its role or user is gone."""
    session = tables.find_session(call.db, question.access_key_id)
    if session is None:
        return None
    principal = _principal(call, session)
    if principal is None:
        return None
    return Credential(
        session.access_key_id, session.secret, principal, active=True, token=session.token, expires=session.expires
    )


def _principal(call: Call, session: Session) -> Principal | None:
    if session.kind == "root":
        return replace(root_of(session.account), issued=session.created)
    if session.kind == "user":
        user: Principal | None = call.ask(FindUser(session.source_id))
        return replace(user, issued=session.created) if user is not None else None
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
