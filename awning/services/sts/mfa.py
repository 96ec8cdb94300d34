"""The second factor of who asks for credentials: a code of the caller's own device, good for one session only."""

from __future__ import annotations

from awning.contracts import FindMfaStep, LastSessionStep
from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.services.sts import tables
from awning.services.sts.memory import Memory


def is_shown(call: Call, serial_number: str | None, token_code: str | None) -> bool:
    """Whether a request's code proves its caller's device. Raises nothing: a decision goes on without it."""
    return serial_number is not None and token_code is not None and _step(call, serial_number, token_code) is not None


def use(call: Call, serial_number: str | None, token_code: str | None) -> bool:
    """Take the code that a request shows, which nobody can show again; False where it shows none. Raises AccessDenied."""
    if serial_number is None and token_code is None:
        return False
    if serial_number is None or token_code is None:
        raise AccessDenied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        )
    memory: Memory = call.memory
    if memory.attempts.are_too_many(call.principal.user_id, call.now):
        raise AccessDenied("MultiFactorAuthentication failed: too many wrong codes were shown. Wait for five minutes.")
    step = _step(call, serial_number, token_code)
    if step is None:
        raise AccessDenied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
    memory.attempts.forget(call.principal.user_id)
    tables.use_step(call.db, serial_number, step)
    return True


def last_step(call: Call, question: LastSessionStep) -> int:
    """The half minute of the last code that was taken here; -1 where none was."""
    return tables.last_step(call.db, question.serial_number)


def _step(call: Call, serial_number: str, token_code: str) -> int | None:
    if call.principal.kind not in ("user", "root") or call.principal.issued is not None:
        return None
    memory: Memory = call.memory
    user = call.principal.user_id
    if memory.attempts.are_too_many(user, call.now):
        return None
    step: int | None = call.ask(FindMfaStep(user, serial_number, token_code))
    if step is None:
        memory.attempts.note(user, token_code, call.now)
    return step if step is not None and step > tables.last_step(call.db, serial_number) else None
