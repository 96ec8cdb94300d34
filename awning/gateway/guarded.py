"""Deciding by what a resource says of itself, and where it is but a way to another, by what that says too.

S3 user guide, "Configuring IAM policies for using access points": both must permit the request.
"""

from __future__ import annotations

from awning.auth.decision import Decision, Why, joined
from awning.auth.evaluate import decide
from awning.auth.principal import Principal
from awning.gateway.context import Context
from awning.kit.call import Call
from awning.kit.service import Beneath, Guard

_LACKING = frozenset({Why.NO_IDENTITY, Why.NO_BOUNDARY, Why.NO_SESSION})
"""What an identity's own policies failed to say."""


def decide_guarded(
    call: Call, principal: Principal, action: str, resource: str, context: Context, guard: Guard
) -> Decision:
    """Decide a permission on a resource that has a guard."""
    beneath = guard.beneath
    if beneath is not None:
        return _decide_both(call, principal, action, resource, context.plus(beneath.context), guard, beneath)
    return _decide(call, principal, action, resource, context, guard)


def _decide(call: Call, principal: Principal, action: str, resource: str, context: Context, guard: Guard) -> Decision:
    context.resource = resource
    context.resource_account = guard.account
    if guard.terms is not None:
        guard.terms(call, principal)
    acls, narrowed = guard.acls, guard.narrowed
    return decide(
        principal,
        action,
        resource,
        context,
        guard_policy=guard.policy if narrowed is None else narrowed(call, principal, action, context),
        resource_account=guard.account,
        block_public=guard.block_public,
        listed=None if acls is None else acls(call, principal, action, resource, context),
    )


def _decide_both(
    call: Call, principal: Principal, action: str, resource: str, context: Context, guard: Guard, beneath: Beneath
) -> Decision:
    """Decide on the way, then on what it leads to. What a caller's own policies allow on the way they need not allow again
    beneath; what they deny there is denied."""
    way = _decide(call, principal, action, resource, context, guard)
    if not way.allowed:
        return way
    below = _decide(call, principal, action, beneath.resource, context, beneath.guard)
    if not below.allowed and below.reason in _LACKING:
        own = decide(principal, action, resource, context, guard_policy=None, resource_account=principal.account)
        if own.allowed:
            below = own
    return joined(way, below)
