"""AssumeRole: temporary credentials with a role's permissions, narrowed by session policies."""

from __future__ import annotations

from typing import Any

from awning.contracts import FindRole, RoleFacts
from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.sts import mfa, trust
from awning.services.sts.errors import ValidationError
from awning.services.sts.narrowing import (
    NAME,
    Narrowing,
    check_duration,
    check_policies,
    check_source_identity,
    check_tags,
)
from awning.services.sts.sessions import begin_role


def _role_arn(call: Call, params: Params) -> str:
    """The role, unless it is root who asks. Raises AccessDenied, ValidationError."""
    arn = trust.role_arn(call, params)
    caller = call.principal
    if caller.kind == "root" and not caller.well_known:
        raise AccessDenied("Roles may not be assumed by root accounts.")
    return arn


@operation(
    Needs("sts:AssumeRole", _role_arn),
    Needs("sts:TagSession", trust.tagged_role_arn),
    Needs("sts:SetSourceIdentity", trust.identified_role_arn),
    honours={"policy_arns": ALL, "tags": ALL},
    context=trust.conditions,
    tags=trust.request_tags,
)
def assume_role(
    call: Call,
    role_arn: str,
    role_session_name: str,
    policy_arns: list[dict[str, str]] | None = None,
    policy: str | None = None,
    duration_seconds: int = 3600,
    tags: list[dict[str, str]] | None = None,
    transitive_tag_keys: list[str] | None = None,
    external_id: str | None = None,
    source_identity: str | None = None,
    serial_number: str | None = None,
    token_code: str | None = None,
) -> dict[str, Any]:
    """Begin a session of a role, whose trust policy has been asked before. The external id is its condition only.

    Raises AccessDenied, ValidationError, InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    caller = call.principal
    role: RoleFacts | None = call.ask(FindRole(role_arn))
    if role is None:
        raise AccessDenied(
            f"User: {caller.caller_arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        )
    if not NAME.fullmatch(role_session_name):
        raise ValidationError(
            f"1 validation error detected: Value '{role_session_name}' at 'roleSessionName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )
    check_duration(duration_seconds, role, chained=caller.kind == "role")
    arns = check_policies(call, role.account, policy, policy_arns or ())
    mfa.use(call, serial_number, token_code)
    inherited = {key: value for key, value in caller.tags.items() if key in caller.transitive_tags}
    given = [(tag["Key"], tag["Value"]) for tag in tags or ()]
    session_tags, transitive = check_tags(given, transitive_tag_keys or (), inherited)
    return begin_role(
        call,
        role,
        role_session_name,
        duration_seconds,
        Narrowing(policy, arns, session_tags, transitive),
        check_source_identity(call, source_identity),
    )
