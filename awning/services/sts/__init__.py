"""STS: temporary credentials for roles and users, and who a caller is."""

from __future__ import annotations

from awning.contracts import FindSession, LastSessionStep
from awning.kit.service import Service, Work
from awning.services.sts import (
    federation,
    identity,
    messages,
    mfa,
    offers,
    roles,
    saml,
    tables,
    tokens,
    trust,
    web_identity,
    work,
)
from awning.services.sts.memory import Memory

SERVICE = Service(
    name="sts",
    model="sts",
    protocols=("query",),
    modules=(identity, roles, tokens, web_identity, saml, federation, messages),
    schema=tables.SCHEMA,
    memory=Memory,
    guard=trust.guard,
    tags=trust.tags_of,
    condition_keys=("sts:externalid", "sts:rolesessionname", "sts:sourceidentity", "sts:transitivetagkeys"),
    answers={FindSession: offers.find_session, LastSessionStep: mfa.last_step},
    work=(Work("forget expired sessions", work.forget_expired, every=300.0),),
)
