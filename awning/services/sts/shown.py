"""What a token or an assertion proved, once it is verified: for the decision about the role, and for the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awning.contracts import FindRole, RoleFacts
from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import Params
from awning.services.sts import trust
from awning.services.sts.narrowing import Narrowing, check_duration, check_policies, check_source_identity, check_tags
from awning.services.sts.sessions import begin_role


@dataclass(frozen=True, slots=True)
class Proof:
    """`reply` is what the operation's reply says of it. `name` and `seconds` are those of the session, where an assertion
    has them."""

    reply: Mapping[str, str]
    tags: Sequence[tuple[str, str]] = ()
    transitive: Sequence[str] = ()
    source_identity: str | None = None
    name: str = ""
    seconds: int | None = None


def proof_of(call: Call) -> Proof:
    """What was verified before this call was decided upon."""
    proof = call.shown
    assert isinstance(proof, Proof)
    return proof


def tagged_role(call: Call, params: Params) -> str | None:
    """The role, where the session will have tags."""
    return trust.role_arn(call, params) if proof_of(call).tags else None


def identified_role(call: Call, params: Params) -> str | None:
    """The role, where the session will have a source identity."""
    return trust.role_arn(call, params) if proof_of(call).source_identity else None


def request_tags(call: Call, params: Params) -> dict[str, str]:
    """The tags that the session will have."""
    return dict(proof_of(call).tags)


def begin(
    call: Call,
    action: str,
    role_arn: str,
    name: str,
    seconds: int,
    policy: str | None,
    policy_arns: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Begin a session of a role for the bearer of what was verified, and describe it as the operation's reply does.

    Raises AccessDenied, ValidationError, InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    proof = proof_of(call)
    role: RoleFacts | None = call.ask(FindRole(role_arn))
    if role is None:
        raise AccessDenied(f"Not authorized to perform {action}")
    check_duration(seconds, role)
    arns = check_policies(call, role.account, policy, policy_arns)
    tags, transitive = check_tags(proof.tags, proof.transitive)
    made = begin_role(
        call,
        role,
        name,
        seconds,
        Narrowing(policy, arns, tags, transitive),
        check_source_identity(call, proof.source_identity),
        call.principal.provider,
        call.principal.provider_facts,
    )
    return made | dict(proof.reply)


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of what is asked with a proof, in lower case; those of the proof itself are its principal's."""
    proof = proof_of(call)
    result: dict[str, Any] = {"sts:rolesessionname": params.get("role_session_name", proof.name)}
    if proof.source_identity:
        result["sts:sourceidentity"] = proof.source_identity
    if proof.transitive:
        result["sts:transitivetagkeys"] = list(proof.transitive)
    return result
