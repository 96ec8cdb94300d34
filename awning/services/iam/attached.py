"""Attaching managed policies to users, roles and groups, and what is attached to what."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup, tables
from awning.services.iam.errors import LimitExceeded, NoSuchEntity
from awning.services.iam.pages import page, page_of
from awning.services.iam.quotas import ATTACHED_POLICIES
from awning.services.iam.tables import Entity, Kind


@operation(Needs("iam:AttachUserPolicy", lookup.arn("user")), context=lookup.conditions)
def attach_user_policy(call: Call, user_name: str, policy_arn: str) -> None:
    """Give a user the permissions of a managed policy."""
    _attach(call, "user", user_name, policy_arn)


@operation(Needs("iam:AttachRolePolicy", lookup.arn("role")), context=lookup.conditions)
def attach_role_policy(call: Call, role_name: str, policy_arn: str) -> None:
    """Give a role the permissions of a managed policy."""
    _attach(call, "role", role_name, policy_arn)


@operation(Needs("iam:AttachGroupPolicy", lookup.arn("group")), context=lookup.conditions)
def attach_group_policy(call: Call, group_name: str, policy_arn: str) -> None:
    """Give a group's members the permissions of a managed policy."""
    _attach(call, "group", group_name, policy_arn)


@operation(Needs("iam:DetachUserPolicy", lookup.arn("user")), context=lookup.conditions)
def detach_user_policy(call: Call, user_name: str, policy_arn: str) -> None:
    """Take a managed policy from a user."""
    _detach(call, "user", user_name, policy_arn)


@operation(Needs("iam:DetachRolePolicy", lookup.arn("role")), context=lookup.conditions)
def detach_role_policy(call: Call, role_name: str, policy_arn: str) -> None:
    """Take a managed policy from a role."""
    _detach(call, "role", role_name, policy_arn)


@operation(Needs("iam:DetachGroupPolicy", lookup.arn("group")), context=lookup.conditions)
def detach_group_policy(call: Call, group_name: str, policy_arn: str) -> None:
    """Take a managed policy from a group."""
    _detach(call, "group", group_name, policy_arn)


@operation(Needs("iam:ListAttachedUserPolicies", lookup.arn("user")), reads=True, context=lookup.conditions)
def list_attached_user_policies(
    call: Call, user_name: str, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the managed policies attached to a user; its groups' are not among them."""
    return _list(call, "user", user_name, path_prefix, marker, max_items)


@operation(Needs("iam:ListAttachedRolePolicies", lookup.arn("role")), reads=True, context=lookup.conditions)
def list_attached_role_policies(
    call: Call, role_name: str, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the managed policies attached to a role."""
    return _list(call, "role", role_name, path_prefix, marker, max_items)


@operation(Needs("iam:ListAttachedGroupPolicies", lookup.arn("group")), reads=True)
def list_attached_group_policies(
    call: Call, group_name: str, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the managed policies attached to a group."""
    return _list(call, "group", group_name, path_prefix, marker, max_items)


@operation(
    Needs("iam:ListEntitiesForPolicy", lookup.policy_arn),
    reads=True,
    honours={"entity_filter": ALL, "policy_usage_filter": ALL},
    context=lookup.conditions,
)
def list_entities_for_policy(
    call: Call,
    policy_arn: str,
    entity_filter: str | None = None,
    path_prefix: str = "/",
    policy_usage_filter: str = "PermissionsPolicy",
    marker: str | None = None,
    max_items: int | None = None,
) -> dict[str, Any]:
    """List the users, roles and groups that have a policy attached, or as their permissions boundary."""
    policy = lookup.policy(call, policy_arn, f"Policy {policy_arn} does not exist or is not attachable.")
    boundary = policy_usage_filter == "PermissionsBoundary"
    kind = entity_filter.lower() if entity_filter is not None else None
    found, more = page(
        marker,
        max_items,
        lambda entity: f"{entity.kind}/{entity.name.lower()}",
        lambda after, limit: tables.users_of_policy(
            call.db, call.account, policy.arn, boundary, kind, path_prefix, after, limit
        ),
    )

    def of(kind: Kind) -> list[dict[str, str]]:
        title = kind.capitalize()
        return [{f"{title}Name": entity.name, f"{title}Id": entity.id} for entity in found if entity.kind == kind]

    return {"PolicyGroups": of("group"), "PolicyUsers": of("user"), "PolicyRoles": of("role"), **more}


def _attach(call: Call, kind: Kind, name: str, arn: str) -> None:
    """Attach; what is attached already stays so. Raises NoSuchEntity, InvalidInput, LimitExceeded."""
    entity = lookup.changeable(call, kind, name)
    lookup.policy(call, arn, f"Policy {arn} does not exist or is not attachable.")
    attached = tables.attached_policies(call.db, entity.row)
    quota, most = ATTACHED_POLICIES[kind]
    if arn not in attached and len(attached) >= most:
        raise LimitExceeded(f"Cannot exceed quota for {quota}: {most}")
    tables.attach(call.db, entity, arn)


def _detach(call: Call, kind: Kind, name: str, arn: str) -> None:
    entity: Entity = lookup.changeable(call, kind, name)
    lookup.policy(call, arn)
    if not tables.detach(call.db, entity.row, arn):
        raise NoSuchEntity(f"Policy {arn} was not found.")


def _list(
    call: Call, kind: Kind, name: str, path_prefix: str, marker: str | None, max_items: int | None
) -> dict[str, Any]:
    entity = lookup.entity(call, kind, name)
    policies = [lookup.policy(call, arn) for arn in tables.attached_policies(call.db, entity.row)]
    below = [policy for policy in policies if policy.path.startswith(path_prefix)]
    found, more = page_of(below, marker, max_items, lambda policy: policy.arn)
    return {
        "AttachedPolicies": [{"PolicyName": policy.name, "PolicyArn": policy.arn} for policy in found],
        **more,
    }
