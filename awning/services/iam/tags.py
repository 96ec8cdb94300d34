"""Tags of users, roles and managed policies: for attribute-based permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup, tables
from awning.services.iam.errors import ValidationError
from awning.services.iam.names import drop_tags, merge_tags, read_tags, write_tags
from awning.services.iam.pages import page_of
from awning.services.iam.tables import Kind, Policy


@operation(Needs("iam:TagUser", lookup.arn("user")), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_user(call: Call, user_name: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a user, or give them new values."""
    _tag(call, "user", user_name, tags)


@operation(Needs("iam:UntagUser", lookup.arn("user")), context=lookup.conditions, tag_keys="tag_keys")
def untag_user(call: Call, user_name: str, tag_keys: list[str]) -> None:
    """Remove tags from a user."""
    _untag(call, "user", user_name, tag_keys)


@operation(Needs("iam:ListUserTags", lookup.arn("user")), reads=True, context=lookup.conditions)
def list_user_tags(
    call: Call, user_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a user's tags by key."""
    return _list(lookup.entity(call, "user", user_name).tags, marker, max_items)


@operation(Needs("iam:TagRole", lookup.arn("role")), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_role(call: Call, role_name: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a role, or give them new values."""
    _tag(call, "role", role_name, tags)


@operation(Needs("iam:UntagRole", lookup.arn("role")), context=lookup.conditions, tag_keys="tag_keys")
def untag_role(call: Call, role_name: str, tag_keys: list[str]) -> None:
    """Remove tags from a role."""
    _untag(call, "role", role_name, tag_keys)


@operation(Needs("iam:ListRoleTags", lookup.arn("role")), reads=True, context=lookup.conditions)
def list_role_tags(
    call: Call, role_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a role's tags by key."""
    return _list(lookup.entity(call, "role", role_name).tags, marker, max_items)


@operation(Needs("iam:TagPolicy", lookup.policy_arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_policy(call: Call, policy_arn: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a managed policy, or give them new values."""
    policy = _own(call, policy_arn)
    tables.set_policy_tags(call.db, policy.row, merge_tags(policy.tags, read_tags(tags, folded=False), folded=False))


@operation(Needs("iam:UntagPolicy", lookup.policy_arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_policy(call: Call, policy_arn: str, tag_keys: list[str]) -> None:
    """Remove tags from a managed policy."""
    policy = _own(call, policy_arn)
    tables.set_policy_tags(call.db, policy.row, drop_tags(policy.tags, tag_keys, folded=False))


@operation(Needs("iam:ListPolicyTags", lookup.policy_arn), reads=True, context=lookup.conditions)
def list_policy_tags(
    call: Call, policy_arn: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a managed policy's tags by key."""
    return _list(lookup.policy(call, policy_arn).tags, marker, max_items)


def _tag(call: Call, kind: Kind, name: str, tags: list[dict[str, str]]) -> None:
    entity = lookup.entity(call, kind, name)
    tables.set_entity_tags(call.db, entity.row, merge_tags(entity.tags, read_tags(tags)))


def _untag(call: Call, kind: Kind, name: str, keys: list[str]) -> None:
    entity = lookup.entity(call, kind, name)
    tables.set_entity_tags(call.db, entity.row, drop_tags(entity.tags, keys))


def _list(tags: Mapping[str, str], marker: str | None, max_items: int | None) -> dict[str, Any]:
    found, more = page_of(sorted(tags), marker, max_items, str)
    return {"Tags": write_tags({key: tags[key] for key in found}), **more}


def _own(call: Call, arn: str) -> Policy:
    policy = lookup.policy(call, arn)
    if policy.account == "aws":
        raise ValidationError(f"Policy {arn} is managed by AWS and cannot be tagged.")
    return policy
