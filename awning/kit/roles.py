"""May an AWS service, acting as a role that was passed to it, do something? The role's own policies decide, as they are now, and
the resource's.

Source: "Using service roles" in the IAM user guide ("Creating a role to delegate permissions to an AWS service").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from awning.auth.decision import Decision
from awning.auth.evaluate import decide
from awning.auth.policy import Policy
from awning.auth.principal import Principal
from awning.contracts import RoleFacts, Sender
from awning.kit.senders import decide_for
from awning.kit.service import Guard


def may_assume(sender: Sender, role: RoleFacts, trust: Policy, now: float) -> bool:
    """Whether a role's trust policy lets a service assume it for one of its resources; `now` in seconds since the epoch."""
    return decide_for(sender, "sts:AssumeRole", role.arn, Guard(role.account, trust), now).allowed


def session_of(role: RoleFacts, name: str, now: float) -> Principal:
    """The session of a service that has assumed a role."""
    arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}"
    return replace(role.principal, caller_arn=arn, user_id=f"{role.role_id}:{name}", issued=now)


def decide_as(
    session: Principal,
    action: str,
    arn: str,
    guard: Guard,
    now: float,
    region: str,
    further: Mapping[str, Any] | None = None,
) -> Decision:
    """Decide whether a service's session of a role may do `action` on the resource `arn` that `guard` speaks for.

    `further`: condition keys, in lower case, that the service says as well.
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    context: dict[str, Any] = {
        "aws:principalarn": session.arn,
        "aws:principalaccount": session.account,
        "aws:principaltype": "AssumedRole",
        "aws:principalisawsservice": "false",
        "aws:userid": session.user_id,
        "aws:viaawsservice": "false",
        "aws:securetransport": "true",
        "aws:currenttime": moment,
        "aws:epochtime": str(int(now)),
        "aws:requestedregion": region,
        "aws:resourceaccount": guard.account,
        "s3:resourceaccount": guard.account,
        **{f"aws:principaltag/{key.lower()}": value for key, value in session.tags.items()},
        **(further or {}),
    }
    return decide(
        session,
        action,
        arn,
        context,
        guard_policy=guard.policy,
        resource_account=guard.account,
        block_public=guard.block_public,
    )
