"""Groups and their members. A group has policies and no credentials; it is no principal."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.iam import lookup, tables
from awning.services.iam.create import check_new, check_rename, refuse_delete
from awning.services.iam.errors import LimitExceeded
from awning.services.iam.names import check_path, new_id
from awning.services.iam.pages import page, page_of
from awning.services.iam.quotas import GROUPS_PER_USER
from awning.services.iam.tables import Entity
from awning.services.iam.users import describe as describe_user


def describe(group: Entity) -> dict[str, Any]:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created,
    }


@operation(Needs("iam:CreateGroup", lookup.new_arn("group")))
def create_group(call: Call, group_name: str, path: str = "/") -> dict[str, Any]:
    """Create a group without members or policies."""
    check_new(call, "group", group_name, path)
    group = Entity(0, call.account, "group", group_name, path, new_id(call, "group"), call.now, None, {})
    tables.add_entity(call.db, group)
    return {"Group": describe(group)}


@operation(Needs("iam:GetGroup", lookup.arn("group")), reads=True)
def get_group(call: Call, group_name: str, marker: str | None = None, max_items: int | None = None) -> dict[str, Any]:
    """Describe a group and its members."""
    group = lookup.entity(call, "group", group_name)
    found, more = page(
        marker,
        max_items,
        lambda user: user.name.lower(),
        lambda after, limit: tables.members_of(call.db, group.row, after, limit),
    )
    return {"Group": describe(group), "Users": [describe_user(user, whole=False) for user in found], **more}


@operation(Needs("iam:ListGroups", lookup.path_arn("group")), reads=True)
def list_groups(
    call: Call, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List groups by name, those below a path."""
    found, more = page(
        marker,
        max_items,
        lambda group: group.name.lower(),
        lambda after, limit: tables.list_entities(call.db, call.account, "group", path_prefix, after, limit),
    )
    return {"Groups": [describe(group) for group in found], **more}


@operation(Needs("iam:UpdateGroup", lookup.arn("group")), Needs("iam:UpdateGroup", lookup.renamed_arn("group")))
def update_group(call: Call, group_name: str, new_path: str | None = None, new_group_name: str | None = None) -> None:
    """Change a group's name or path."""
    group = lookup.entity(call, "group", group_name)
    if new_path is not None:
        check_path("group", new_path)
    if new_group_name is not None:
        check_rename(call, "group", new_group_name)
    tables.rename_entity(call.db, group.row, new_group_name or group.name, new_path or group.path)


@operation(Needs("iam:DeleteGroup", lookup.arn("group")))
def delete_group(call: Call, group_name: str) -> None:
    """Delete a group that has no members or policies left."""
    group = lookup.entity(call, "group", group_name)
    refuse_delete("users from group", "remove", tables.members_of(call.db, group.row, limit=1))
    refuse_delete("policies", "delete", tables.inline_policies(call.db, group.row))
    refuse_delete("all policies", "detach", tables.attached_policies(call.db, group.row))
    tables.remove_entity(call.db, group.row)


@operation(Needs("iam:AddUserToGroup", lookup.arn("group")))
def add_user_to_group(call: Call, group_name: str, user_name: str) -> None:
    """Make a user a member; one that is a member already stays one."""
    user = lookup.entity(call, "user", user_name)
    group = lookup.entity(call, "group", group_name)
    if tables.is_member(call.db, user.row, group.row):
        return
    if len(tables.groups_of(call.db, user.row)) >= GROUPS_PER_USER:
        raise LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")
    tables.add_member(call.db, user.row, group.row)


@operation(Needs("iam:RemoveUserFromGroup", lookup.arn("group")))
def remove_user_from_group(call: Call, group_name: str, user_name: str) -> None:
    """End a user's membership; of one that is no member, nothing."""
    user = lookup.entity(call, "user", user_name)
    group = lookup.entity(call, "group", group_name)
    tables.remove_member(call.db, user.row, group.row)


@operation(Needs("iam:ListGroupsForUser", lookup.arn("user")), reads=True, context=lookup.conditions)
def list_groups_for_user(
    call: Call, user_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the groups that a user is a member of."""
    user = lookup.entity(call, "user", user_name)
    found, more = page_of(tables.groups_of(call.db, user.row), marker, max_items, lambda group: group.name.lower())
    return {"Groups": [describe(group) for group in found], **more}
