"""Background passes, each a bounded step: validations are looked at, renewals begun, old tokens forgotten."""

from __future__ import annotations

from typing import Final

from awning.kit.call import Call
from awning.services.acm import tables
from awning.services.acm.validation import begin_renewal, look

_SLICE: Final = 20
_TOKENS: Final = 1000


def look_at_validations(call: Call) -> bool:
    """See whether what waits has been proven, or has waited too long; return whether more is due."""
    rows = tables.to_check(call.db, call.now, _SLICE)
    for row in rows:
        look(call, row)
    return len(rows) == _SLICE


def renew_due(call: Call) -> bool:
    """Begin the renewal of what is soon to expire, in use or exported; return whether more is due."""
    rows = tables.to_renew(call.db, call.now, _SLICE)
    for row in rows:
        if row.next_check is None:
            begin_renewal(call, row)
        else:
            # Its validation method is being changed: when that is done, or has failed, it is renewed.
            tables.update(call.db, row.id, renew_at=row.deadline)
    return len(rows) == _SLICE


def forget_tokens(call: Call) -> bool:
    """Forget idempotency tokens whose hour is over; return whether more are left."""
    return tables.forget_tokens(call.db, call.now, _TOKENS) == _TOKENS
