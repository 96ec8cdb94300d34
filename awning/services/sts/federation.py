"""GetFederationToken: credentials for someone who has no identity here, with what a user may and a session policy allows."""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.sts import tables
from awning.services.sts.narrowing import Narrowing, check_policies, check_tags
from awning.services.sts.sessions import describe, new_credentials
from awning.services.sts.tables import Session

_DEFAULT: Final = 43_200
_LONGEST_OF_ROOT: Final = 3600


def _arn(call: Call, params: Params) -> str:
    return f"arn:aws:sts::{call.account}:federated-user/{params['name']}"


@operation(
    Needs("sts:GetFederationToken", _arn),
    Needs("sts:TagSession", lambda call, params: _arn(call, params) if params.get("tags") else None),
    honours={"policy_arns": ALL, "tags": ALL},
    tags="tags",
)
def get_federation_token(
    call: Call,
    name: str,
    policy: str | None = None,
    policy_arns: list[dict[str, str]] | None = None,
    duration_seconds: int = _DEFAULT,
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Begin a federated user's session: 15 minutes to 36 hours, at most an hour where the account's root asks.

    It may what both the user who asks and the session policies allow; without these only what resources' policies grant to the
    federated user itself. It may call neither iam nor, but for GetCallerIdentity, sts. Raises AccessDenied, ValidationError,
    InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    caller = call.principal
    if caller.issued is not None or caller.kind not in ("user", "root"):
        raise AccessDenied("Cannot call GetFederationToken with session credentials")
    if caller.kind == "root":
        duration_seconds = min(duration_seconds, _LONGEST_OF_ROOT)
    arns = check_policies(call, caller.account, policy, policy_arns or ())
    session_tags, _ = check_tags([(tag["Key"], tag["Value"]) for tag in tags or ()], ())
    now = float(int(call.now))
    session = Session(
        *new_credentials(call),
        account=caller.account,
        kind="federated-user",
        source_arn=caller.arn,
        source_id=caller.user_id if caller.kind == "user" else "",
        name=name,
        created=now,
        expires=now + duration_seconds,
        policy=policy,
        policy_arns=arns,
        tags=session_tags,
    )
    tables.add_session(call.db, call.seal, session)
    return {
        "Credentials": describe(session),
        "FederatedUser": {"FederatedUserId": f"{caller.account}:{name}", "Arn": _arn(call, {"name": name})},
        "PackedPolicySize": Narrowing(policy, arns, session_tags).packed,
    }
