"""Who may assume a role: its trust policy guards it, and the request's own condition keys go with the question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.contracts import FindRole
from awning.kit.call import Call
from awning.kit.operation import Params
from awning.kit.service import Guard
from awning.kit.tags import read_tags
from awning.services.sts import mfa
from awning.services.sts.errors import ValidationError
from awning.services.sts.memory import Memory


def guard(call: Call, arn: str) -> Guard | None:
    """A role's trust policy. Without its consent nobody assumes the role, whatever their own policies say."""
    if ":role/" not in arn:
        return None
    role = call.ask(FindRole(arn))
    if role is None:
        return None
    memory: Memory = call.memory
    return Guard(role.account, memory.compiled.get("trust", arn, role.trust, role.trust_ids))


def role_arn(call: Call, params: Params) -> str:
    """The role that a request names. Raises ValidationError for what is no ARN at all."""
    value: str = params["role_arn"]
    parts = value.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        raise ValidationError(f"{value} is invalid")
    return value


def tagged_role_arn(call: Call, params: Params) -> str | None:
    """The role, where the session will have tags: its own or the caller's transitive ones."""
    return role_arn(call, params) if params.get("tags") or call.principal.transitive_tags else None


def identified_role_arn(call: Call, params: Params) -> str | None:
    """The role, where the session will have a source identity: its own or the caller's."""
    return role_arn(call, params) if params.get("source_identity") or call.principal.source_identity else None


def request_tags(call: Call, params: Params) -> dict[str, str]:
    """The tags that the session will have: the transitive ones of the caller's session, and those of the request."""
    inherited = {key: call.principal.tags[key] for key in call.principal.transitive_tags}
    return inherited | read_tags(params.get("tags"))


def tags_of(call: Call, arn: str) -> Mapping[str, str]:
    """The tags of the role of an ARN; none where there is no such role."""
    role = call.ask(FindRole(arn)) if ":role/" in arn else None
    return role.tags if role is not None else {}


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of AssumeRole, in lower case."""
    result: dict[str, Any] = {"sts:rolesessionname": params["role_session_name"]}
    if params.get("external_id") is not None:
        result["sts:externalid"] = params["external_id"]
    if mfa.is_shown(call, params.get("serial_number"), params.get("token_code")):
        result["aws:multifactorauthpresent"] = "true"
    source_identity = params.get("source_identity") or call.principal.source_identity
    if source_identity:
        result["sts:sourceidentity"] = source_identity
    transitive = [*call.principal.transitive_tags, *(params.get("transitive_tag_keys") or ())]
    if transitive:
        result["sts:transitivetagkeys"] = transitive
    return result
