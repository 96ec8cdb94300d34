"""Temporary credentials for the caller itself."""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import operation
from awning.services.sts import mfa, tables
from awning.services.sts.errors import ValidationError
from awning.services.sts.sessions import describe, new_credentials
from awning.services.sts.tables import Session

_SHORTEST: Final = 900
_LONGEST: Final = 129_600
_DEFAULT: Final = 43_200
_LONGEST_OF_ROOT: Final = 3600


@operation()
def get_session_token(
    call: Call,
    duration_seconds: int = _DEFAULT,
    serial_number: str | None = None,
    token_code: str | None = None,
) -> dict[str, Any]:
    """Give a user, or the account's root, credentials that expire: 15 minutes to 36 hours, at most an hour for root.

    Nobody needs a permission for it. Those of a session can't be prolonged that way. Without the code of
    the user's MFA device the credentials may not call iam; of sts they may call AssumeRole and GetCallerIdentity only.
    """
    caller = call.principal
    if caller.issued is not None or caller.kind not in ("user", "root"):
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    if not _SHORTEST <= duration_seconds <= _LONGEST:
        raise ValidationError(f"DurationSeconds must be between {_SHORTEST} and {_LONGEST}; it is {duration_seconds}.")
    if caller.kind == "root":
        duration_seconds = min(duration_seconds, _LONGEST_OF_ROOT)
    with_mfa = mfa.use(call, serial_number, token_code)
    now = float(int(call.now))
    session = Session(
        *new_credentials(call),
        account=caller.account,
        kind="root" if caller.kind == "root" else "user",
        source_arn=caller.arn,
        source_id=caller.user_id,
        name=caller.name,
        created=now,
        expires=now + duration_seconds,
        mfa=now if with_mfa else None,
    )
    tables.add_session(call.db, call.seal, session)
    return {"Credentials": describe(session)}
