"""Users: create, read, rename, delete.

A user's keys, memberships and policies hang on its row, so they follow a rename; all must be gone before it is deleted.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup, resource_tables, tables
from awning.services.iam.create import check_new, check_rename, refuse_delete
from awning.services.iam.names import check_path, new_id, read_tags, write_tags
from awning.services.iam.pages import page
from awning.services.iam.tables import Entity


def describe(user: Entity, whole: bool = True) -> dict[str, Any]:
    """A User as replies have it; lists leave out its boundary and tags. Nobody signs in with a password here, so there is no
    PasswordLastUsed."""
    result: dict[str, Any] = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
    }
    if whole and user.boundary is not None:
        result["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": user.boundary}
    if whole and user.tags:
        result["Tags"] = write_tags(user.tags)
    return result


@operation(
    Needs("iam:CreateUser", lookup.new_arn("user")),
    Needs("iam:TagUser", lambda call, params: lookup.new_arn("user")(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
def create_user(
    call: Call,
    user_name: str,
    path: str = "/",
    permissions_boundary: str | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Create a user without keys or permissions."""
    check_new(call, "user", user_name, path)
    if permissions_boundary is not None:
        lookup.check_boundary(call, permissions_boundary)
    user = Entity(
        0, call.account, "user", user_name, path, new_id(call, "user"), call.now, permissions_boundary, read_tags(tags)
    )
    tables.add_entity(call.db, user)
    return {"User": describe(user)}


@operation(Needs("iam:GetUser", lookup.own_arn), reads=True, context=lookup.own_conditions)
def get_user(call: Call, user_name: str | None = None) -> dict[str, Any]:
    """Describe a user; without a name the caller, who may be the account's root."""
    name = lookup.own_name(call, user_name)
    if name is None:
        # The root has been there since the account began; of the epoch at the latest.
        root = {"Path": "/", "UserId": call.account, "Arn": f"arn:aws:iam::{call.account}:root", "CreateDate": 0.0}
        return {"User": {**root, "UserName": "root"}}
    return {"User": describe(lookup.entity(call, "user", name))}


@operation(Needs("iam:ListUsers", lookup.path_arn("user")), reads=True)
def list_users(
    call: Call, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List users by name, those below a path."""
    found, more = page(
        marker,
        max_items,
        lambda user: user.name.lower(),
        lambda after, limit: tables.list_entities(call.db, call.account, "user", path_prefix, after, limit),
    )
    return {"Users": [describe(user, whole=False) for user in found], **more}


@operation(
    Needs("iam:UpdateUser", lookup.arn("user")),
    Needs("iam:UpdateUser", lookup.renamed_arn("user")),
    context=lookup.conditions,
)
def update_user(call: Call, user_name: str, new_path: str | None = None, new_user_name: str | None = None) -> None:
    """Change a user's name or path, and so its ARN."""
    user = lookup.entity(call, "user", user_name)
    if new_path is not None:
        check_path("user", new_path)
    if new_user_name is not None:
        check_rename(call, "user", new_user_name)
    tables.rename_entity(call.db, user.row, new_user_name or user.name, new_path or user.path)


@operation(Needs("iam:DeleteUser", lookup.arn("user")), context=lookup.conditions)
def delete_user(call: Call, user_name: str) -> None:
    """Delete a user that has no keys, policies or memberships left."""
    user = lookup.entity(call, "user", user_name)
    refuse_delete("login profile", "delete", resource_tables.owned(call.db, user.row, "login-profile"))
    refuse_delete("signing certificates", "delete", resource_tables.owned(call.db, user.row, "signing-certificate"))
    refuse_delete("referenced objects", "remove", resource_tables.owned(call.db, user.row, "ssh-public-key"))
    refuse_delete("referenced objects", "remove", resource_tables.owned(call.db, user.row, "service-credential"))
    refuse_delete("MFA device", "delete", resource_tables.owned(call.db, user.row, "mfa"))
    refuse_delete("access keys", "delete", tables.keys_of(call.db, call.account, user.row))
    refuse_delete("policies", "delete", tables.inline_policies(call.db, user.row))
    refuse_delete("all policies", "detach", tables.attached_policies(call.db, user.row))
    refuse_delete("users from group", "remove", tables.groups_of(call.db, user.row))
    tables.remove_entity(call.db, user.row)
