"""Background passes, each a bounded step: validations are looked at, renewals begun, old tokens forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from awning.kit.call import Call
from awning.services.acm import tables
from awning.services.acm.tables import CertificateRow
from awning.services.acm.validation import begin_renewal, look

_SLICE: Final = 20
_NAMES: Final = 40
"""After so many names a pass has done enough: each may be looked up in the hosted zones."""
_TOKENS: Final = 1000


def look_at_validations(call: Call) -> bool:
    """See whether what waits has been proven, or has waited too long; return whether more is due."""
    return _some(tables.to_check(call.db, call.now, _SLICE), partial(look, call))


def renew_due(call: Call) -> bool:
    """Begin the renewal of what is soon to expire, in use or exported; return whether more is due."""
    return _some(tables.to_renew(call.db, call.now, _SLICE), partial(_renew, call))


def _renew(call: Call, row: CertificateRow) -> None:
    if row.next_check is None:
        begin_renewal(call, row)
    else:
        # Its validation method is being changed: when that is done, or has failed, it is renewed.
        tables.update(call.db, row.id, renew_at=row.deadline)


def _some(rows: Sequence[CertificateRow], do: Callable[[CertificateRow], None]) -> bool:
    """Do something to as many rows as a step may, at least one; return whether there may be more."""
    names = 0
    for row in rows:
        if names >= _NAMES:
            return True
        names += len(row.names)
        do(row)
    return len(rows) == _SLICE


def forget_tokens(call: Call) -> bool:
    """Forget idempotency tokens whose hour is over; return whether more are left."""
    return tables.forget_tokens(call.db, call.now, _TOKENS) == _TOKENS
