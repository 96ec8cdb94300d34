"""Finding what a request names: the entity or policy itself, its ARN for the permission, its condition keys.

What is not there is NoSuchEntity here, and an ARN in the root path where a permission is decided first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.compiled import Compiled
from awning.kit.operation import Params
from awning.kit.service import Guard
from awning.services.iam import linked_services, managed, password_policy, resource_tables, tables
from awning.services.iam.errors import InvalidInput, NoSuchEntity, UnmodifiableEntity, ValidationError
from awning.services.iam.tables import Entity, Kind, Policy

_OWN_PASSWORD: Final = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "iam:ChangePassword",'
    ' "Resource": "%s", "Condition": {"ArnEquals": {"aws:PrincipalArn": "%s"}}}}'
)
_POLICY_ARN: Final = re.compile(r"arn:aws:iam::(\d{12}|aws):policy/[\x21-\x7e]+")


def entity(call: Call, kind: Kind, name: str) -> Entity:
    """The user, role or group of this name in the call's account. Raises NoSuchEntity."""
    found = tables.find_entity(call.db, call.account, kind, name)
    if found is None:
        raise NoSuchEntity(f"The {kind} with name {name} cannot be found.")
    return found


def changeable(call: Call, kind: Kind, name: str) -> Entity:
    """As entity(). Raises UnmodifiableEntity for a role that only its service changes."""
    found = entity(call, kind, name)
    if kind == "role" and found.path.startswith(linked_services.PATH):
        raise UnmodifiableEntity(
            f"Cannot perform the operation on the protected role '{found.name}' - this role is only modifiable by AWS"
        )
    return found


def policy(call: Call, arn: str, missing: str | None = None) -> Policy:
    """A managed policy that this account may use, with its uses there. Raises ValidationError, InvalidInput, NoSuchEntity."""
    if not arn.startswith("arn:"):
        raise ValidationError(f"ARN {arn} is not valid.")
    if not _POLICY_ARN.fullmatch(arn):
        raise InvalidInput(f"ARN {arn} is not valid.")
    found: Policy | None
    if arn.startswith(managed.PREFIX):
        own = managed.find(arn)
        found = counted(call, own[0]) if own else None
    else:
        found = tables.find_policy(call.db, arn)
    if found is None or found.account not in ("aws", call.account):
        raise NoSuchEntity(missing or f"Policy {arn} was not found.")
    return found


def document(call: Call, found: Policy) -> str:
    """The document of a managed policy's default version."""
    own = managed.find(found.arn)
    version = own[1] if own else tables.find_version(call.db, found.row, found.default_version)
    if version is None:
        raise LookupError(f"The policy {found.arn} has no document.")
    return version.document


def counted(call: Call, of_aws: Policy) -> Policy:
    """One of AWS's own policies with its uses in the call's account."""
    attached, bounding = tables.uses_of(call.db, call.account, of_aws.arn)
    return Policy(
        of_aws.row, of_aws.account, of_aws.name, of_aws.path, of_aws.id, of_aws.arn, of_aws.description, of_aws.tags,
        of_aws.created, of_aws.updated, of_aws.default_version, of_aws.last_version, attached, bounding,
    )  # fmt: skip


def check_boundary(call: Call, arn: str) -> None:
    """Raise InvalidInput or NoSuchEntity where this policy can't be a permissions boundary."""
    policy(call, arn, f"Scope ARN: {arn} does not exist or is not attachable.")


def own_name(call: Call, user_name: str | None) -> str | None:
    """The user meant where a request may leave out the name: the caller itself; None is the account's root.

    Raises ValidationError for a caller that is no user.
    """
    if user_name is not None:
        return user_name
    caller = call.principal
    if caller.kind == "root":
        return None
    if caller.kind != "user":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return caller.name


def owner(call: Call, user_name: str | None) -> tuple[int, str]:
    """The row and name of the user meant where a request may leave out the name; the account's root is resource_tables.ROOT."""
    name = own_name(call, user_name)
    if name is None:
        return resource_tables.ROOT, "root"
    user = entity(call, "user", name)
    return user.row, user.name


# What permissions are asked for


def arn(kind: Kind) -> Callable[[Call, Params], str]:
    """The ARN of the existing user, role or group that a request names."""
    parameter = f"{kind}_name"

    def resource(call: Call, params: Params) -> str:
        return _arn(call, kind, params[parameter])

    return resource


def own_arn(call: Call, params: Params) -> str:
    """The ARN of the user that a request names, else the caller's own."""
    name = params.get("user_name")
    return _arn(call, "user", name) if name is not None else call.principal.arn


def new_arn(kind: str, parameter: str | None = None) -> Callable[[Call, Params], str]:
    """The ARN that what a request creates will have; `parameter` is its name's."""
    parameter = parameter or f"{kind}_name"

    def resource(call: Call, params: Params) -> str:
        return tables.arn_of(call.account, kind, params.get("path") or "/", params[parameter])

    return resource


def resource_arn(kind: str, parameter: str) -> Callable[[Call, Params], str]:
    """The ARN of the existing resource that a request names by a parameter."""

    def resource(call: Call, params: Params) -> str:
        found = resource_tables.find(call.db, call.account, kind, params[parameter])
        return found.arn if found else tables.arn_of(call.account, kind, "/", params[parameter])

    return resource


def renamed_arn(kind: Kind) -> Callable[[Call, Params], str | None]:
    """The ARN that a request's rename leads to; None where it renames nothing."""

    def resource(call: Call, params: Params) -> str | None:
        name, path = params.get(f"new_{kind}_name"), params.get("new_path")
        if name is None and path is None:
            return None
        old = tables.find_entity(call.db, call.account, kind, params[f"{kind}_name"])
        return tables.arn_of(
            call.account,
            kind,
            path or (old.path if old else "/"),
            name or (old.name if old else params[f"{kind}_name"]),
        )

    return resource


def path_arn(kind: str) -> Callable[[Call, Params], str]:
    """What a list of users, roles or groups asks for: everything below its path prefix."""

    def resource(call: Call, params: Params) -> str:
        return f"arn:aws:iam::{call.account}:{kind}{params.get('path_prefix') or '/'}"

    return resource


def policy_arn(call: Call, params: Params) -> str | None:
    """The managed policy that a request names; None for what is no such ARN, which the operation then refuses."""
    value: str = params["policy_arn"]
    return value if _POLICY_ARN.fullmatch(value) else None


def guard(call: Call, arn: str) -> Guard | None:
    """AWS's own policies belong to every account, as far as permissions go; and an account's password policy may let all
    its users change their own passwords."""
    if arn.startswith(managed.PREFIX):
        return Guard(call.account)
    parts = arn.split(":", 5)
    if not parts[-1].startswith("user/") or not password_policy.found(call, parts[4]).get("AllowUsersToChangePassword"):
        return None
    compiled: Compiled = call.memory
    return Guard(parts[4], compiled.get("resource", "the account's password policy", _OWN_PASSWORD % (arn, arn)))


def _arn(call: Call, kind: Kind, name: str) -> str:
    found = tables.find_entity(call.db, call.account, kind, name)
    return found.arn if found else tables.arn_of(call.account, kind, "/", name)


# Condition keys


def own_conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of a request that may leave out the user's name: then those of the caller itself."""
    if params.get("user_name") is None and call.principal.kind == "user":
        params = {**params, "user_name": call.principal.name}
    return conditions(call, params)


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """IAM's own condition keys, for whatever a request names.

    iam:ResourceTag of the user, role or policy that is decided upon; iam:PermissionsBoundary as the request sets it, else as
    it is; iam:PolicyARN where a policy is attached or detached.
    """
    result: dict[str, Any] = {
        "iam:resourcetag/": lambda arn: {key.lower(): value for key, value in tags_of(call, arn).items()}
    }
    target: Entity | None = None
    if "group_name" in params:
        pass
    elif params.get("user_name"):
        target = tables.find_entity(call.db, call.account, "user", params["user_name"])
    elif params.get("role_name"):
        target = tables.find_entity(call.db, call.account, "role", params["role_name"])
    boundary = params.get("permissions_boundary") or (target.boundary if target is not None else None)
    if boundary is not None:
        result["iam:permissionsboundary"] = boundary
    if params.get("policy_arn"):
        result["iam:policyarn"] = params["policy_arn"]
    return result


def passing_conditions(service: str) -> Callable[[Call, Params], dict[str, Any]]:
    """The condition keys of a request that hands a role to a service."""
    return lambda call, params: {**conditions(call, params), "iam:passedtoservice": service}


def linking_conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of a request that makes a service's role."""
    return {**conditions(call, params), "iam:awsservicename": params["aws_service_name"]}


def tags_of(call: Call, arn: str) -> Mapping[str, str]:
    """The tags of what an ARN names; none where there is no such thing."""
    if ":policy/" in arn:
        policy = tables.find_policy(call.db, arn)
        return policy.tags if policy is not None else {}
    found = tables.find_entity_by_arn(call.db, arn) or resource_tables.find_by_arn(call.db, arn)
    return found.tags if found is not None else {}
