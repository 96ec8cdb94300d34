"""Roles: an identity that others assume, and the trust policy that says who."""

from __future__ import annotations

from functools import partial
from typing import Any

from awning.contracts import FindLastUse, LastUse
from awning.kit.call import Call
from awning.kit.named import Find, as_it_stands, ids_of
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup, resource_tables, tables
from awning.services.iam.create import check_new, refuse_delete
from awning.services.iam.documents import check_trust, encode
from awning.services.iam.errors import ValidationError
from awning.services.iam.names import new_id, read_tags, write_tags
from awning.services.iam.offers import find_principal_ids
from awning.services.iam.pages import page
from awning.services.iam.tables import Entity

_SHORTEST_SESSION = 3600
_LONGEST_SESSION = 43200


def describe_briefly(call: Call, role: Entity) -> dict[str, Any]:
    """A Role as it stands within other things' replies."""
    result: dict[str, Any] = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": encode(as_it_stands(_find(call), role.trust or "", role.trust_ids)),
    }
    if role.description is not None:
        result["Description"] = role.description
    return result


def describe(call: Call, role: Entity, whole: bool = True) -> dict[str, Any]:
    """A Role as replies have it; lists leave out its boundary, its tags and when it was last used."""
    result = describe_briefly(call, role) | {"MaxSessionDuration": role.max_session}
    if whole:
        result["RoleLastUsed"] = last_used(call, role)
    if whole and role.boundary is not None:
        result["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": role.boundary}
    if whole and role.tags:
        result["Tags"] = write_tags(role.tags)
    return result


def last_used(call: Call, role: Entity) -> dict[str, Any]:
    """When, and in which region, a session of the role last signed a request; empty where none was seen to."""
    use: LastUse | None = call.ask(FindLastUse(role.id))
    return {} if use is None else {"LastUsedDate": use.at, "Region": use.region}


@operation(
    Needs("iam:CreateRole", lookup.new_arn("role")),
    Needs("iam:TagRole", lambda call, params: lookup.new_arn("role")(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
def create_role(
    call: Call,
    role_name: str,
    assume_role_policy_document: str,
    path: str = "/",
    description: str | None = None,
    max_session_duration: int = _SHORTEST_SESSION,
    permissions_boundary: str | None = None,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Create a role that the principals of its trust policy may assume."""
    check_new(call, "role", role_name, path)
    check_trust(call, assume_role_policy_document)
    _check_session(max_session_duration)
    if permissions_boundary is not None:
        lookup.check_boundary(call, permissions_boundary)
    role = Entity(
        0, call.account, "role", role_name, path, new_id(call, "role"), call.now, permissions_boundary, read_tags(tags),
        assume_role_policy_document, description, max_session_duration,
        ids_of(_find(call), assume_role_policy_document),
    )  # fmt: skip
    tables.add_entity(call.db, role)
    made = describe(call, role)
    # What every new role has, AWS does not say; nor what it is for.
    usual = {"RoleLastUsed", "Description"} | (
        {"MaxSessionDuration"} if max_session_duration == _SHORTEST_SESSION else set()
    )
    return {"Role": {name: value for name, value in made.items() if name not in usual}}


@operation(Needs("iam:GetRole", lookup.arn("role")), reads=True, context=lookup.conditions)
def get_role(call: Call, role_name: str) -> dict[str, Any]:
    """Describe a role."""
    return {"Role": describe(call, lookup.entity(call, "role", role_name))}


@operation(Needs("iam:ListRoles", lookup.path_arn("role")), reads=True)
def list_roles(
    call: Call, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List roles by name, those below a path."""
    found, more = page(
        marker,
        max_items,
        lambda role: role.name.lower(),
        lambda after, limit: tables.list_entities(call.db, call.account, "role", path_prefix, after, limit),
    )
    return {"Roles": [describe(call, role, whole=False) for role in found], **more}


@operation(Needs("iam:UpdateRole", lookup.arn("role")), context=lookup.conditions)
def update_role(
    call: Call, role_name: str, description: str | None = None, max_session_duration: int | None = None
) -> dict[str, Any]:
    """Change a role's description or longest session; what is not given stays."""
    # Of a service's role the description may be changed, nothing else.
    find = lookup.entity if max_session_duration is None else lookup.changeable
    role = find(call, "role", role_name)
    if max_session_duration is not None:
        _check_session(max_session_duration)
    tables.set_role(
        call.db,
        role.row,
        role.description if description is None else description,
        role.max_session if max_session_duration is None else max_session_duration,
    )
    return {}


@operation(Needs("iam:UpdateRoleDescription", lookup.arn("role")), context=lookup.conditions)
def update_role_description(call: Call, role_name: str, description: str) -> dict[str, Any]:
    """Change a role's description."""
    role = lookup.entity(call, "role", role_name)
    tables.set_role(call.db, role.row, description, role.max_session)
    return {"Role": describe_briefly(call, lookup.entity(call, "role", role_name))}


@operation(Needs("iam:UpdateAssumeRolePolicy", lookup.arn("role")), context=lookup.conditions)
def update_assume_role_policy(call: Call, role_name: str, policy_document: str) -> None:
    """Replace a role's trust policy. Sessions that run already go on."""
    role = lookup.changeable(call, "role", role_name)
    check_trust(call, policy_document)
    tables.set_trust(call.db, role.row, policy_document, ids_of(_find(call), policy_document))


@operation(Needs("iam:DeleteRole", lookup.arn("role")), context=lookup.conditions)
def delete_role(call: Call, role_name: str) -> None:
    """Delete a role that has no policies left; its sessions end with it."""
    role = lookup.changeable(call, "role", role_name)
    refuse_delete("roles from instance profile", "remove", resource_tables.owned(call.db, role.row, "instance-profile"))
    refuse_delete("policies", "delete", tables.inline_policies(call.db, role.row))
    refuse_delete("all policies", "detach", tables.attached_policies(call.db, role.row))
    tables.remove_entity(call.db, role.row)


def _find(call: Call) -> Find:
    """Asks this room's own tables, as the running batch sees them."""
    return partial(find_principal_ids, call)


def _check_session(seconds: int) -> None:
    if not _SHORTEST_SESSION <= seconds <= _LONGEST_SESSION:
        raise ValidationError(
            f"1 validation error detected: Value at 'maxSessionDuration' failed to satisfy constraint: "
            f"Member must have value between {_SHORTEST_SESSION} and {_LONGEST_SESSION}"
        )
