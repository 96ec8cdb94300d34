"""Permissions boundaries of users and roles: the most that their policies can give them."""

from __future__ import annotations

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.iam import lookup, tables
from awning.services.iam.errors import NoSuchEntity
from awning.services.iam.tables import Kind


@operation(Needs("iam:PutUserPermissionsBoundary", lookup.arn("user")), context=lookup.conditions)
def put_user_permissions_boundary(call: Call, user_name: str, permissions_boundary: str) -> None:
    """Bound a user's permissions by a managed policy."""
    entity = lookup.entity(call, "user", user_name)
    lookup.check_boundary(call, permissions_boundary)
    tables.set_boundary(call.db, entity.row, permissions_boundary)


@operation(Needs("iam:DeleteUserPermissionsBoundary", lookup.arn("user")), context=lookup.conditions)
def delete_user_permissions_boundary(call: Call, user_name: str) -> None:
    """Lift a user's boundary."""
    _lift(call, "user", user_name)


@operation(Needs("iam:PutRolePermissionsBoundary", lookup.arn("role")), context=lookup.conditions)
def put_role_permissions_boundary(call: Call, role_name: str, permissions_boundary: str) -> None:
    """Bound a role's permissions by a managed policy."""
    entity = lookup.changeable(call, "role", role_name)
    lookup.check_boundary(call, permissions_boundary)
    tables.set_boundary(call.db, entity.row, permissions_boundary)


@operation(Needs("iam:DeleteRolePermissionsBoundary", lookup.arn("role")), context=lookup.conditions)
def delete_role_permissions_boundary(call: Call, role_name: str) -> None:
    """Lift a role's boundary."""
    _lift(call, "role", role_name)


def _lift(call: Call, kind: Kind, name: str) -> None:
    entity = lookup.changeable(call, kind, name)
    if entity.boundary is None:
        raise NoSuchEntity(f"The {kind} with name {name} has no permissions boundary.")
    tables.set_boundary(call.db, entity.row, None)
