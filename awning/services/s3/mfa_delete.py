"""MFA delete: in a bucket that has it, deleting a version for good and changing what the bucket keeps take a fresh code of an MFA
device of the root whose bucket it is.

S3 user guide, "Configuring MFA delete"; the refusals' texts are as recorded from S3. docs/decisions/0023.
"""

from __future__ import annotations

import re
from typing import Final

from awning.contracts import FindMfaStep, LastDeletionStep
from awning.kit.call import Call
from awning.services.s3 import bucket_tables, encryption_headers, errors, settings
from awning.services.s3.bucket_tables import Bucket

ENABLED: Final = "Enabled"
STATES: Final = (ENABLED, "Disabled")
_SETTING: Final = "mfa"
_HEADER: Final = re.compile(r"(\S+) ([0-9]{6})")


def of(call: Call, bucket: Bucket) -> str | None:
    """Return a bucket's state, one of STATES; None where nobody ever said."""
    state: str | None = settings.of(call, bucket).get(_SETTING)
    return state


def is_enabled(call: Call, bucket: Bucket) -> bool:
    return bucket.settings is not None and of(call, bucket) == ENABLED


def switch(call: Call, bucket: Bucket, state: str) -> None:
    """Turn MFA delete on or off; it is proved by then that the request may. Raises InvalidBucketState beside a lifecycle."""
    if state == ENABLED and settings.of(call, bucket).get("lifecycle") is not None:
        raise errors.InvalidBucketState(
            "Mfa Authentication is not supported on a bucket with lifecycle configuration. Delete lifecycle configuration "
            "before enabling Mfa Authentication."
        )
    settings.put(call, bucket, _SETTING, state)


def check_lifecycle(call: Call, bucket: Bucket) -> None:
    """Raise InvalidBucketState where a bucket can't have a lifecycle: nobody could show a code for what that deletes."""
    if is_enabled(call, bucket):
        raise errors.InvalidBucketState(
            "Lifecycle configuration is not supported on a bucket with Mfa Authentication. Disable Mfa Authentication before "
            "adding lifecycle configuration."
        )


def prove(call: Call, bucket: Bucket, mfa: str | None, needed: bool) -> None:
    """Take the code that a request's x-amz-mfa shows, which nobody can show again; it must be right even where none is needed.

    Runs in a batch. Raises AccessDenied without one that is needed, for a caller who is not the root of the bucket's account, and
    for a code that is wrong or was used; InvalidArgument, InvalidRequest.
    """
    if mfa is None:
        if needed:
            raise errors.AccessDenied("Mfa Authentication must be used for this request")
        return
    caller = call.principal
    if caller.issued is not None:
        raise errors.InvalidRequest("DevPay and Mfa are mutually exclusive authorization methods.")
    shown = _HEADER.fullmatch(mfa)
    if shown is None:
        raise errors.InvalidArgument(
            "Mfa header is invalid -- the header should be formatted as {serialNumber}(space){tokenCode}",
            "x-amz-mfa",
            mfa,
        )
    if not call.facts.secure and not encryption_headers.is_local(call.facts.source_ip):
        raise errors.InvalidRequest("Requests that include x-amz-mfa must use HTTPS.")
    if caller.kind != "root" or caller.account != bucket.account:
        raise errors.AccessDenied("This operation may only be performed by the bucket owner")
    attempts = call.memory.attempts
    if attempts.are_too_many(caller.user_id, call.now):
        raise errors.AccessDenied("Too many wrong Mfa token codes were shown. Wait for five minutes.")
    serial, code = shown.groups()
    step: int | None = call.ask(FindMfaStep(caller.user_id, serial, code))
    if step is None or step <= bucket_tables.last_mfa_step(call.db, serial):
        attempts.note(caller.user_id, code, call.now)
        raise errors.AccessDenied("The Mfa token code is invalid, or was used already.")
    attempts.forget(caller.user_id)
    bucket_tables.use_mfa_step(call.db, serial, step)


def last_step(call: Call, question: LastDeletionStep) -> int:
    """Return the half minute of the last code that was taken here; -1 where none was."""
    return bucket_tables.last_mfa_step(call.db, question.serial_number)
