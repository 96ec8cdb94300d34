"""decide: may this principal do this to that? Identity, resource, boundary and session policies, as IAM combines them.

An explicit deny anywhere wins. Source: "Policy evaluation logic" and "Permissions boundaries" of the IAM user guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from awning.auth.acl import Listed
from awning.auth.decision import Decision, Why
from awning.auth.explain import trace
from awning.auth.index import Found, Index, index_of
from awning.auth.members import Grade
from awning.auth.policy import Policy, Statement
from awning.auth.principal import PEOPLE, Principal
from awning.auth.public import is_public

__all__ = ["Decision", "Why", "decide", "is_public"]

_ROOT_KEEPS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
"""What a bucket's policy cannot take from the root of the bucket's own account, lest it be locked out for good."""


_MUST_ALLOW = frozenset({"trust", "key"})
"""Kinds of policies without whose consent nobody may, not even the root of the own account."""


def decide(
    principal: Principal,
    action: str,
    resource: str,
    context: Mapping[str, Any],
    *,
    guard_policy: Policy | None,
    resource_account: str,
    block_public: bool = False,
    listed: Listed | None = None,
) -> Decision:
    """Decide a permission.

    action: as in policies ("s3:GetObject"). resource: an ARN, or "*". context: condition keys in lower case to values; only
    `get` is called, and only for keys that a condition asks for. guard_policy: the resource's own policy; one of kind "trust"
    or "key" must allow in any case, others may in the resource's own account be replaced by an identity's. block_public: S3's
    RestrictPublicBuckets: with a public policy nothing is granted outside of its account. listed: the access control list that
    the request comes under, where the resource has such; what it grants counts beside the policy, and no denial yields to it.
    """
    acl = None if listed is None else listed.policy
    tracing = partial(trace, principal, action, resource, context, guard_policy, acl)
    kind = principal.kind
    identity: Found | None = None
    if principal.policies:
        denies, allows = (principal.index or _index_of(principal)).about(action)
        denying = denies.find(resource, context) if denies is not None else None
        if denying is not None:
            return Decision(False, Why.DENIED_BY_IDENTITY, denying[0], denying[1], tracing, True)
        identity = allows.find(resource, context) if allows is not None else None
    within = None
    if principal.boundary is not None or principal.session is not None:
        within = _limits(principal, action, resource, context)
        if isinstance(within, tuple):
            reason, (policy, statement) = within
            return Decision(False, reason, policy, statement, tracing, True)
    same = at_home = resource_account == principal.account and kind in PEOPLE
    grade, granting = Grade.NONE, None
    if guard_policy is not None:
        spared = kind == "root" and at_home and action in _ROOT_KEEPS
        denied, grade, granting = _ask_guard(guard_policy, principal, action, resource, context, spared)
        if denied is not None:
            return Decision(False, Why.DENIED_BY_RESOURCE, guard_policy, denied, tracing, True)
        if block_public and (grade or acl) and not at_home and kind != "service" and is_public(guard_policy):
            return Decision(False, Why.PUBLIC_BLOCKED, guard_policy, None, tracing)
    granted, by = Why.RESOURCE, guard_policy
    if listed is not None:
        same = listed.account == principal.account and kind in PEOPLE
        if listed.account != resource_account:
            grade = Grade.NONE
        if acl is not None:
            _, given, grant = _ask_guard(acl, principal, action, resource, context, False)
            if given > grade:
                grade, granting, granted, by = given, grant, Why.ACL, acl
    if kind not in PEOPLE:
        if grade:
            return Decision(True, granted, by, granting, tracing)
        return Decision(False, Why.NO_RESOURCE, None, None, tracing)
    trusting = guard_policy is not None and guard_policy.kind in _MUST_ALLOW
    if same and _is_enough(grade, within):
        return Decision(True, granted, by, granting, tracing)
    if not grade and (trusting or not same):
        return Decision(False, Why.NO_RESOURCE, None, None, tracing)
    if identity is None and kind != "root":
        return Decision(False, Why.NO_IDENTITY, None, None, tracing)
    if within is not None:
        assert isinstance(within, Why)
        return Decision(False, within, None, None, tracing)
    if identity is None:
        return Decision(True, Why.ROOT, None, None, tracing)
    return Decision(True, Why.IDENTITY, identity[0], identity[1], tracing)


def _index_of(principal: Principal) -> Index:
    index = index_of(principal.policies)
    object.__setattr__(principal, "index", index)  # a frozen principal's derived field, the same whoever sets it
    return index


def _is_enough(grade: Grade, within: object) -> bool:
    """Whether a resource's policy by itself allows a caller of its own account. A session limits what is granted to its role,
    but not what is granted to the session itself; a boundary does not limit what is granted to a user."""
    return grade is Grade.DIRECT or (grade is Grade.ROLE and within is None)


def _limits(
    principal: Principal, action: str, resource: str, context: Mapping[str, Any]
) -> Why | tuple[Why, Found] | None:
    """Ask boundary and session policies: None where they allow, a Why where one fails to, or an explicit deny."""
    missing: Why | None = None
    if principal.boundary is not None:
        denied, allowed = _ask((principal.boundary,), action, resource, context)
        if denied is not None:
            return Why.DENIED_BY_BOUNDARY, denied
        if not allowed:
            missing = Why.NO_BOUNDARY
    if principal.session is not None:
        denied, allowed = _ask(principal.session, action, resource, context)
        if denied is not None:
            return Why.DENIED_BY_SESSION, denied
        if not allowed and missing is None:
            missing = Why.NO_SESSION
    return missing


def _ask(
    policies: tuple[Policy, ...], action: str, resource: str, context: Mapping[str, Any]
) -> tuple[Found | None, bool]:
    """A statement of some policies that denies, and whether any allows."""
    if not policies:
        return None, False
    denies, allows = index_of(policies).about(action)
    denied = denies.find(resource, context) if denies is not None else None
    if denied is not None:
        return denied, False
    return None, allows is not None and allows.find(resource, context) is not None


def _ask_guard(
    policy: Policy, principal: Principal, action: str, resource: str, context: Mapping[str, Any], spared: bool
) -> tuple[Statement | None, Grade, Statement | None]:
    """A resource's policy: the statement that denies, how directly it grants, and the statement that grants so."""
    denies, allows = policy.about(action)
    if not spared:
        for statement in denies:
            if statement.reach(principal) and statement.covers(resource, context):
                return statement, Grade.NONE, None
    best, granting = Grade.NONE, None
    for statement in allows:
        grade = statement.reach(principal)
        if grade > best and statement.covers(resource, context):
            best, granting = grade, statement
    return None, best, granting
