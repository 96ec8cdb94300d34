"""AssumeRole: temporary credentials with a role's permissions, narrowed by session policies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from awning.auth.policy import MalformedPolicy, compile_policy
from awning.contracts import FindPolicyText, FindRole, RoleFacts
from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import ALL, Needs, operation
from awning.services.sts import mfa, tables, trust
from awning.services.sts.errors import MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError
from awning.services.sts.sessions import describe, new_credentials
from awning.services.sts.tables import Session

_SHORTEST: Final = 900
_LONGEST_OF_CHAIN: Final = 3600
_POLICY_CHARACTERS: Final = 2048
"""Of the session policy and the ARNs of managed session policies together."""
_POLICY_ARNS: Final = 10
_TAGS: Final = 50
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
_TAG: Final = re.compile(r"[\w\s.:/=+\-@]*")


@operation(
    Needs("sts:AssumeRole", trust.role_arn),
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

    Raises AccessDenied, ValidationError, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    role: RoleFacts | None = call.ask(FindRole(role_arn))
    if role is None:
        raise AccessDenied(
            f"User: {call.principal.caller_arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        )
    if not _SESSION_NAME.fullmatch(role_session_name):
        raise ValidationError(
            f"1 validation error detected: Value '{role_session_name}' at 'roleSessionName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )
    _check_duration(call, role, duration_seconds)
    arns = [entry["arn"] for entry in policy_arns or ()]
    _check_policies(call, role, policy, arns)
    mfa.use(call, serial_number, token_code)
    session_tags, transitive = _tags(call, tags or (), transitive_tag_keys or ())
    now = float(int(call.now))
    session = Session(
        *new_credentials(call),
        account=role.account,
        kind="role",
        source_arn=role.arn,
        source_id=role.role_id,
        name=role_session_name,
        created=now,
        expires=now + duration_seconds,
        policy=policy,
        policy_arns=arns,
        tags=session_tags,
        transitive_tags=transitive,
        source_identity=_source_identity(call, source_identity),
    )
    tables.add_session(call.db, call.seal, session)
    result: dict[str, Any] = {
        "Credentials": describe(session),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.role_id}:{role_session_name}",
            "Arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{role_session_name}",
        },
    }
    packed = len(policy or "") + sum(map(len, arns)) + sum(len(key) + len(value) for key, value in session_tags.items())
    if packed:
        result["PackedPolicySize"] = min(100, -(-100 * packed // (2 * _POLICY_CHARACTERS)))
    if session.source_identity is not None:
        result["SourceIdentity"] = session.source_identity
    return result


def _check_duration(call: Call, role: RoleFacts, seconds: int) -> None:
    if seconds < _SHORTEST:
        raise ValidationError(
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value greater than or equal to {_SHORTEST}"
        )
    if call.principal.kind == "role" and seconds > _LONGEST_OF_CHAIN:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > role.max_session_seconds:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def _check_policies(call: Call, role: RoleFacts, policy: str | None, arns: Sequence[str]) -> None:
    if policy is not None:
        try:
            compile_policy(policy, id="session policy", kind="session")
        except MalformedPolicy as error:
            raise MalformedPolicyDocument(error.message) from error
    if len(arns) > _POLICY_ARNS:
        raise ValidationError(
            f"A session can have at most {_POLICY_ARNS} managed session policies; these are {len(arns)}."
        )
    for arn in arns:
        if arn.split(":", 5)[4:5] not in ([role.account], ["aws"]):
            raise ValidationError(f"The policy {arn} does not belong to the account of the role.")
        if call.ask(FindPolicyText(arn)) is None:
            raise ValidationError(f"The policy {arn} does not exist.")
    size = len(policy or "") + sum(map(len, arns))
    if size > _POLICY_CHARACTERS:
        share = -(-100 * size // _POLICY_CHARACTERS)
        raise PackedPolicyTooLarge(f"Packed policy consumes {share}% of allotted space, please use smaller policy.")


def _tags(
    call: Call, tags: Sequence[Mapping[str, str]], transitive_keys: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """The session's tags with those that the caller's session hands on, and the keys that it will hand on itself."""
    caller = call.principal
    result = {key: value for key, value in caller.tags.items() if key in caller.transitive_tags}
    seen = {key.lower() for key in result}
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if key.lower() in seen:
            raise ValidationError(
                f"The session tag {key} is given twice, or is transitive in the caller's own session."
            )
        if key.lower().startswith("aws:"):
            raise ValidationError("Tag keys that begin with aws: are reserved for AWS.")
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise ValidationError(
                f"The session tag {key!r} is too long, or has characters other than letters, digits, white space and "
                "_.:/=+-@"
            )
        seen.add(key.lower())
        result[key] = value
    if len(result) > _TAGS:
        raise ValidationError(f"A session can have at most {_TAGS} tags; these are {len(result)}.")
    by_fold = {key.lower(): key for key in result}
    unknown = [key for key in transitive_keys if key.lower() not in by_fold]
    if unknown:
        raise ValidationError(f"The transitive tag key {unknown[0]} is not among the session's tags.")
    transitive = {key for key in result if key in caller.transitive_tags} | {
        by_fold[key.lower()] for key in transitive_keys
    }
    return result, sorted(transitive)


def _source_identity(call: Call, wanted: str | None) -> str | None:
    """The source identity, which a chain of roles can set once only."""
    inherited = call.principal.source_identity
    if inherited is not None and wanted is not None and wanted != inherited:
        raise AccessDenied("The source identity of a session cannot be changed by role chaining.")
    if wanted is not None and not _SESSION_NAME.fullmatch(wanted):
        raise ValidationError("The source identity must have 2 to 64 characters, alphanumeric ones and _+=,.@-")
    return inherited or wanted
