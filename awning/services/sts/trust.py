"""Who may assume a role: its trust policy guards it, and the request's own condition keys go with the question."""

from __future__ import annotations

from typing import Any

from awning.contracts import FindRole
from awning.kit.call import Call
from awning.kit.compiled import Compiled
from awning.kit.operation import Params
from awning.kit.service import Guard


def guard(call: Call, arn: str) -> Guard | None:
    """A role's trust policy. Without its consent nobody assumes the role, whatever their own policies say."""
    if ":role/" not in arn:
        return None
    role = call.ask(FindRole(arn))
    if role is None:
        return None
    compiled: Compiled = call.memory
    return Guard(role.account, compiled.get("trust", arn, role.trust))


def role_arn(call: Call, params: Params) -> str:
    value: str = params["role_arn"]
    return value


def tagged_role_arn(call: Call, params: Params) -> str | None:
    """The role, where the session will have tags: its own or the caller's transitive ones."""
    return role_arn(call, params) if params.get("tags") or call.principal.transitive_tags else None


def identified_role_arn(call: Call, params: Params) -> str | None:
    """The role, where the session will have a source identity: its own or the caller's."""
    return role_arn(call, params) if params.get("source_identity") or call.principal.source_identity else None


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of AssumeRole, in lower case."""
    result: dict[str, Any] = {"sts:rolesessionname": params["role_session_name"]}
    if params.get("external_id") is not None:
        result["sts:externalid"] = params["external_id"]
    source_identity = params.get("source_identity") or call.principal.source_identity
    if source_identity:
        result["sts:sourceidentity"] = source_identity
    tags = {tag["Key"]: tag["Value"] for tag in params.get("tags") or ()}
    inherited = {key: call.principal.tags[key] for key in call.principal.transitive_tags}
    for key, value in (inherited | tags).items():
        result["aws:requesttag/" + key.lower()] = value
    if tags or inherited:
        result["aws:tagkeys"] = list(inherited | tags)
    transitive = [*call.principal.transitive_tags, *(params.get("transitive_tag_keys") or ())]
    if transitive:
        result["sts:transitivetagkeys"] = transitive
    return result
