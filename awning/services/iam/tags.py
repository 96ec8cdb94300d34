"""Tags of users, roles and managed policies: for attribute-based permissions."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup
from awning.services.iam.errors import ValidationError
from awning.services.iam.tables import Policy
from awning.services.iam.tagging import tag, tags_page, untag


@operation(Needs("iam:TagUser", lookup.arn("user")), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_user(call: Call, user_name: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a user, or give them new values."""
    tag(call, lookup.entity(call, "user", user_name), tags)


@operation(Needs("iam:UntagUser", lookup.arn("user")), context=lookup.conditions, tag_keys="tag_keys")
def untag_user(call: Call, user_name: str, tag_keys: list[str]) -> None:
    """Remove tags from a user."""
    untag(call, lookup.entity(call, "user", user_name), tag_keys)


@operation(Needs("iam:ListUserTags", lookup.arn("user")), reads=True, context=lookup.conditions)
def list_user_tags(
    call: Call, user_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a user's tags by key."""
    return tags_page(lookup.entity(call, "user", user_name), marker, max_items)


@operation(Needs("iam:TagRole", lookup.arn("role")), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_role(call: Call, role_name: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a role, or give them new values."""
    tag(call, lookup.entity(call, "role", role_name), tags)


@operation(Needs("iam:UntagRole", lookup.arn("role")), context=lookup.conditions, tag_keys="tag_keys")
def untag_role(call: Call, role_name: str, tag_keys: list[str]) -> None:
    """Remove tags from a role."""
    untag(call, lookup.entity(call, "role", role_name), tag_keys)


@operation(Needs("iam:ListRoleTags", lookup.arn("role")), reads=True, context=lookup.conditions)
def list_role_tags(
    call: Call, role_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a role's tags by key."""
    return tags_page(lookup.entity(call, "role", role_name), marker, max_items)


@operation(Needs("iam:TagPolicy", lookup.policy_arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_policy(call: Call, policy_arn: str, tags: list[dict[str, str]]) -> None:
    """Add tags to a managed policy, or give them new values."""
    tag(call, _own(call, policy_arn), tags)


@operation(Needs("iam:UntagPolicy", lookup.policy_arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_policy(call: Call, policy_arn: str, tag_keys: list[str]) -> None:
    """Remove tags from a managed policy."""
    untag(call, _own(call, policy_arn), tag_keys)


@operation(Needs("iam:ListPolicyTags", lookup.policy_arn), reads=True, context=lookup.conditions)
def list_policy_tags(
    call: Call, policy_arn: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a managed policy's tags by key."""
    return tags_page(lookup.policy(call, policy_arn), marker, max_items)


def _own(call: Call, arn: str) -> Policy:
    policy = lookup.policy(call, arn)
    if policy.account == "aws":
        raise ValidationError(f"Policy {arn} is managed by AWS and cannot be tagged.")
    return policy
