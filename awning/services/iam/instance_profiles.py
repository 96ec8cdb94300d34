"""Instance profiles: a container for at most one role, which hands the role to an instance."""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.iam import lookup, resource_tables, tables
from awning.services.iam.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from awning.services.iam.names import check_name, check_path, new_id, read_tags, write_tags
from awning.services.iam.pages import page, page_of
from awning.services.iam.quotas import INSTANCE_PROFILES
from awning.services.iam.resource_tables import Resource
from awning.services.iam.roles import describe_briefly
from awning.services.iam.tagging import tag, tags_page, untag

_arn = lookup.resource_arn("instance-profile", "instance_profile_name")
_new_arn = lookup.new_arn("instance-profile", "instance_profile_name")


def describe(call: Call, profile: Resource, tags: bool = False) -> dict[str, Any]:
    """An InstanceProfile as replies have it; lists leave out its tags."""
    role = tables.entity_of_row(call.db, profile.owner) if profile.owner is not None else None
    result: dict[str, Any] = {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created,
        "Roles": [describe_briefly(call, role)] if role is not None else [],
    }
    if tags:
        result["Tags"] = write_tags(profile.tags)
    return result


@operation(
    Needs("iam:CreateInstanceProfile", _new_arn),
    Needs("iam:TagInstanceProfile", lambda call, params: _new_arn(call, params) if params.get("tags") else None),
    honours={"tags": ALL},
    tags="tags",
    context=lookup.conditions,
)
def create_instance_profile(
    call: Call, instance_profile_name: str, path: str = "/", tags: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """Create an instance profile without a role."""
    check_path("instance-profile", path)
    check_name("instance-profile", instance_profile_name, "instanceProfileName")
    if resource_tables.find(call.db, call.account, "instance-profile", instance_profile_name) is not None:
        raise EntityAlreadyExists(f"Instance Profile {instance_profile_name} already exists.")
    if resource_tables.count(call.db, call.account, "instance-profile") >= INSTANCE_PROFILES:
        raise LimitExceeded(f"Cannot exceed quota for InstanceProfilesPerAccount: {INSTANCE_PROFILES}")
    profile = Resource(
        0, call.account, "instance-profile", instance_profile_name, path, new_id(call, "instance-profile"), call.now,
        read_tags(tags, folded=False),
    )  # fmt: skip
    resource_tables.add(call.db, profile)
    return {"InstanceProfile": describe(call, profile, tags=bool(tags))}


@operation(Needs("iam:GetInstanceProfile", _arn), reads=True, context=lookup.conditions)
def get_instance_profile(call: Call, instance_profile_name: str) -> dict[str, Any]:
    """Describe an instance profile and its role."""
    return {"InstanceProfile": describe(call, _find(call, instance_profile_name), tags=True)}


@operation(Needs("iam:ListInstanceProfiles", lookup.path_arn("instance-profile")), reads=True)
def list_instance_profiles(
    call: Call, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List instance profiles by name, those below a path."""
    found, more = page(
        marker,
        max_items,
        lambda profile: profile.name.lower(),
        lambda after, limit: resource_tables.listed(
            call.db, call.account, "instance-profile", path_prefix, after, limit
        ),
    )
    return {"InstanceProfiles": [describe(call, profile) for profile in found], **more}


@operation(Needs("iam:ListInstanceProfilesForRole", lookup.arn("role")), reads=True, context=lookup.conditions)
def list_instance_profiles_for_role(
    call: Call, role_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List the instance profiles that have a role."""
    role = lookup.entity(call, "role", role_name)
    profiles = resource_tables.owned(call.db, role.row, "instance-profile")
    found, more = page_of(profiles, marker, max_items, lambda profile: profile.name.lower())
    return {"InstanceProfiles": [describe(call, profile) for profile in found], **more}


@operation(Needs("iam:DeleteInstanceProfile", _arn), context=lookup.conditions)
def delete_instance_profile(call: Call, instance_profile_name: str) -> None:
    """Delete an instance profile that has no role left."""
    profile = _find(call, instance_profile_name)
    if profile.owner is not None:
        raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
    resource_tables.remove(call.db, profile.row)


@operation(
    Needs("iam:AddRoleToInstanceProfile", _arn),
    Needs("iam:PassRole", lookup.arn("role")),
    context=lookup.passing_conditions("ec2.amazonaws.com"),
)
def add_role_to_instance_profile(call: Call, instance_profile_name: str, role_name: str) -> None:
    """Put a role into an instance profile, which must have none."""
    profile = _find(call, instance_profile_name)
    role = lookup.changeable(call, "role", role_name)
    if profile.owner is not None:
        raise LimitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    resource_tables.set_owner(call.db, profile.row, role.row)


@operation(Needs("iam:RemoveRoleFromInstanceProfile", _arn), context=lookup.conditions)
def remove_role_from_instance_profile(call: Call, instance_profile_name: str, role_name: str) -> None:
    """Take the role out of an instance profile."""
    profile = _find(call, instance_profile_name)
    role = lookup.changeable(call, "role", role_name)
    if profile.owner != role.row:
        raise NoSuchEntity(f"Role {role_name} in Instance Profile {instance_profile_name} cannot be found.")
    resource_tables.set_owner(call.db, profile.row, None)


@operation(Needs("iam:TagInstanceProfile", _arn), honours={"tags": ALL}, context=lookup.conditions, tags="tags")
def tag_instance_profile(call: Call, instance_profile_name: str, tags: list[dict[str, str]]) -> None:
    """Add tags to an instance profile, or give them new values."""
    tag(call, _find(call, instance_profile_name), tags)


@operation(Needs("iam:UntagInstanceProfile", _arn), context=lookup.conditions, tag_keys="tag_keys")
def untag_instance_profile(call: Call, instance_profile_name: str, tag_keys: list[str]) -> None:
    """Remove tags from an instance profile."""
    untag(call, _find(call, instance_profile_name), tag_keys)


@operation(Needs("iam:ListInstanceProfileTags", _arn), reads=True, context=lookup.conditions)
def list_instance_profile_tags(
    call: Call, instance_profile_name: str, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List an instance profile's tags by key."""
    return tags_page(_find(call, instance_profile_name), marker, max_items)


def _find(call: Call, name: str) -> Resource:
    found = resource_tables.find(call.db, call.account, "instance-profile", name)
    if found is None:
        raise NoSuchEntity(f"Instance Profile {name} cannot be found.")
    return found
