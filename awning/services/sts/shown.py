"""What a token or an assertion proved, once it is verified: for the decision about the role, and for the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awning.kit.call import Call
from awning.kit.operation import Params
from awning.services.sts import trust
from awning.services.sts.narrowing import check_tags


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

    def checked_tags(self) -> tuple[dict[str, str], list[str]]:
        """The session's tags and transitive keys. Raises InvalidParameterValue, ValidationError."""
        return check_tags(self.tags, self.transitive)


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


def conditions(call: Call, params: Params) -> dict[str, Any]:
    """The condition keys of what is asked with a proof, in lower case; those of the proof itself are its principal's."""
    proof = proof_of(call)
    result: dict[str, Any] = {"sts:rolesessionname": params.get("role_session_name", proof.name)}
    if proof.source_identity:
        result["sts:sourceidentity"] = proof.source_identity
    if proof.transitive:
        result["sts:transitivetagkeys"] = list(proof.transitive)
    return result
