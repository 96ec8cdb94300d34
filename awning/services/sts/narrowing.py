"""What a request adds to a session: its policies, its tags, its source identity; and how long it may last.

Source: AssumeRole in the STS API reference, and "Pass session tags in AWS STS" of the IAM user guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from awning.auth.policy import MalformedPolicy, compile_policy
from awning.contracts import FindPolicyText, RoleFacts
from awning.kit.call import Call
from awning.kit.errors import AccessDenied, positioned
from awning.services.sts.errors import (
    InvalidParameterValue,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    ValidationError,
)

_SHORTEST: Final = 900
_LONGEST_OF_CHAIN: Final = 3600
_POLICY_CHARACTERS: Final = 2048
"""Of the session policy and the ARNs of managed session policies together."""
_POLICY_ARNS: Final = 10
_TAGS: Final = 50
NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
"""Of sessions and source identities."""
_TAG: Final = re.compile(r"[\w\s.:/=+\-@]*")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a session has of its own. `packed`: the share of the space for it that policies and tags take, in percent."""

    policy: str | None = None
    policy_arns: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: Sequence[str] = ()

    @property
    def packed(self) -> int:
        """A good guess: AWS packs in a way that it does not document."""
        size = len(self.policy or "") + sum(map(len, self.policy_arns))
        size += sum(len(key) + len(value) for key, value in self.tags.items())
        return min(100, -(-100 * size // (2 * _POLICY_CHARACTERS)))


def check_duration(seconds: int, role: RoleFacts, *, chained: bool = False) -> None:
    """Raise ValidationError where a session of the role cannot last that long."""
    if seconds < _SHORTEST:
        raise ValidationError(
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value greater than or equal to {_SHORTEST}"
        )
    if chained and seconds > _LONGEST_OF_CHAIN:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > role.max_session_seconds:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def check_policies(call: Call, account: str, policy: str | None, policy_arns: Sequence[Mapping[str, str]]) -> list[str]:
    """The ARNs of a session's managed policies. Raises ValidationError, MalformedPolicyDocument, PackedPolicyTooLarge."""
    arns = [entry["arn"] for entry in policy_arns]
    if policy is not None:
        try:
            compile_policy(policy, id="session policy", kind="session")
        except MalformedPolicy as error:
            raise positioned(MalformedPolicyDocument(error.message), error.position) from error
    if len(arns) > _POLICY_ARNS:
        raise ValidationError(
            f"A session can have at most {_POLICY_ARNS} managed session policies; these are {len(arns)}."
        )
    for arn in arns:
        if arn.split(":", 5)[4:5] not in ([account], ["aws"]):
            raise ValidationError(f"The policy {arn} does not belong to the account of the role.")
        if call.ask(FindPolicyText(arn)) is None:
            raise ValidationError(f"The policy {arn} does not exist.")
    size = len(policy or "") + sum(map(len, arns))
    if size > _POLICY_CHARACTERS:
        share = -(-100 * size // _POLICY_CHARACTERS)
        raise PackedPolicyTooLarge(f"Packed policy consumes {share}% of allotted space, please use smaller policy.")
    return arns


def check_tags(
    tags: Sequence[tuple[str, str]],
    transitive_keys: Sequence[str],
    inherited: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], list[str]]:
    """A session's tags with those that it inherits, and the keys that it will hand on itself.

    Raises InvalidParameterValue, ValidationError.
    """
    inherited = inherited or {}
    given: dict[str, str] = {}
    folded: dict[str, str] = {}
    for key, value in tags:
        if key.lower() in folded:
            raise InvalidParameterValue("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        if key.lower().startswith("aws:"):
            raise InvalidParameterValue("Tag keys that begin with aws: are reserved for AWS.")
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise ValidationError(
                f"The session tag {key!r} is too long, or has characters other than letters, digits, white space and "
                "_.:/=+-@"
            )
        folded[key.lower()] = key
        given[key] = value
    if any(key.lower() not in folded for key in transitive_keys):
        raise InvalidParameterValue("The specified transitive tag key must be included in the requested tags.")
    if any(key.lower() in folded for key in inherited):
        raise InvalidParameterValue(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
            "the calling session."
        )
    result = dict(inherited) | given
    if len(result) > _TAGS:
        raise ValidationError(f"A session can have at most {_TAGS} tags; these are {len(result)}.")
    return result, sorted({*inherited, *(folded[key.lower()] for key in transitive_keys)})


def check_source_identity(call: Call, wanted: str | None) -> str | None:
    """The source identity, which a chain of roles can set once only. Raises AccessDenied, ValidationError."""
    inherited = call.principal.source_identity
    if inherited is not None and wanted is not None and wanted != inherited:
        raise AccessDenied("The source identity of a session cannot be changed by role chaining.")
    if wanted is not None and not NAME.fullmatch(wanted):
        raise ValidationError("The source identity must have 2 to 64 characters, alphanumeric ones and _+=,.@-")
    return inherited or wanted
