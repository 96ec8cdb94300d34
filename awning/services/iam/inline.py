"""Inline policies: documents that belong to one user, role or group and go with it."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.iam import lookup, tables
from awning.services.iam.documents import characters, check_identity, encode
from awning.services.iam.errors import LimitExceeded, NoSuchEntity
from awning.services.iam.names import check_name
from awning.services.iam.pages import page_of
from awning.services.iam.quotas import INLINE_CHARACTERS
from awning.services.iam.tables import Kind


@operation(Needs("iam:PutUserPolicy", lookup.arn("user")), context=lookup.conditions)
def put_user_policy(call: Call, user_name: str, policy_name: str, policy_document: str) -> None:
    """Embed a policy in a user, or replace the one of that name."""
    _put(call, "user", user_name, policy_name, policy_document)


@operation(Needs("iam:GetUserPolicy", lookup.arn("user")), reads=True, context=lookup.conditions)
def get_user_policy(call: Call, user_name: str, policy_name: str) -> dict[str, Any]:
    """Return a policy embedded in a user."""
    return _get(call, "user", user_name, policy_name)


@operation(Needs("iam:ListUserPolicies", lookup.arn("user")), reads=True, context=lookup.conditions)
def list_user_policies(
    call: Call, user_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the names of the policies embedded in a user."""
    return _list(call, "user", user_name, marker, max_items)


@operation(Needs("iam:DeleteUserPolicy", lookup.arn("user")), context=lookup.conditions)
def delete_user_policy(call: Call, user_name: str, policy_name: str) -> None:
    """Delete a policy embedded in a user."""
    _delete(call, "user", user_name, policy_name)


@operation(Needs("iam:PutRolePolicy", lookup.arn("role")), context=lookup.conditions)
def put_role_policy(call: Call, role_name: str, policy_name: str, policy_document: str) -> None:
    """Embed a policy in a role, or replace the one of that name."""
    _put(call, "role", role_name, policy_name, policy_document)


@operation(Needs("iam:GetRolePolicy", lookup.arn("role")), reads=True, context=lookup.conditions)
def get_role_policy(call: Call, role_name: str, policy_name: str) -> dict[str, Any]:
    """Return a policy embedded in a role."""
    return _get(call, "role", role_name, policy_name)


@operation(Needs("iam:ListRolePolicies", lookup.arn("role")), reads=True, context=lookup.conditions)
def list_role_policies(
    call: Call, role_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the names of the policies embedded in a role."""
    return _list(call, "role", role_name, marker, max_items)


@operation(Needs("iam:DeleteRolePolicy", lookup.arn("role")), context=lookup.conditions)
def delete_role_policy(call: Call, role_name: str, policy_name: str) -> None:
    """Delete a policy embedded in a role."""
    _delete(call, "role", role_name, policy_name)


@operation(Needs("iam:PutGroupPolicy", lookup.arn("group")))
def put_group_policy(call: Call, group_name: str, policy_name: str, policy_document: str) -> None:
    """Embed a policy in a group, or replace the one of that name."""
    _put(call, "group", group_name, policy_name, policy_document)


@operation(Needs("iam:GetGroupPolicy", lookup.arn("group")), reads=True)
def get_group_policy(call: Call, group_name: str, policy_name: str) -> dict[str, Any]:
    """Return a policy embedded in a group."""
    return _get(call, "group", group_name, policy_name)


@operation(Needs("iam:ListGroupPolicies", lookup.arn("group")), reads=True)
def list_group_policies(
    call: Call, group_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the names of the policies embedded in a group."""
    return _list(call, "group", group_name, marker, max_items)


@operation(Needs("iam:DeleteGroupPolicy", lookup.arn("group")))
def delete_group_policy(call: Call, group_name: str, policy_name: str) -> None:
    """Delete a policy embedded in a group."""
    _delete(call, "group", group_name, policy_name)


def _put(call: Call, kind: Kind, name: str, policy_name: str, document: str) -> None:
    entity = lookup.changeable(call, kind, name)
    check_name("policy", policy_name, "policyName")
    check_identity(call, document)
    others = sum(
        characters(text)
        for other, text in tables.inline_policies(call.db, entity.row)
        if other.lower() != policy_name.lower()
    )
    most = INLINE_CHARACTERS[kind]
    if others + characters(document) > most:
        raise LimitExceeded(f"Maximum policy size of {most} bytes exceeded for {kind} {entity.name}")
    tables.put_inline(call.db, entity.row, policy_name, document)


def _get(call: Call, kind: Kind, name: str, policy_name: str) -> dict[str, Any]:
    entity = lookup.entity(call, kind, name)
    found = tables.find_inline(call.db, entity.row, policy_name)
    if found is None:
        raise _missing(kind, policy_name)
    return {f"{kind.capitalize()}Name": entity.name, "PolicyName": found[0], "PolicyDocument": encode(found[1])}


def _list(call: Call, kind: Kind, name: str, marker: str | None, max_items: int | None) -> dict[str, Any]:
    entity = lookup.entity(call, kind, name)
    names = [policy for policy, _ in tables.inline_policies(call.db, entity.row)]
    found, more = page_of(names, marker, max_items, str.lower)
    return {"PolicyNames": found, **more}


def _delete(call: Call, kind: Kind, name: str, policy_name: str) -> None:
    entity = lookup.changeable(call, kind, name)
    if tables.find_inline(call.db, entity.row, policy_name) is None:
        raise _missing(kind, policy_name)
    tables.remove_inline(call.db, entity.row, policy_name)


def _missing(kind: Kind, policy_name: str) -> NoSuchEntity:
    return NoSuchEntity(f"The {kind} policy with name {policy_name} cannot be found.")
