"""Background passes: what has had its time is deleted, in slices."""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.sns import ended_tables, tables
from awning.services.sns.publishing import DUPLICATES_FOR
from awning.services.sns.subscriptions import TOKEN_LIFE

_SLICE = 1_000


def forget_duplicates(call: Call) -> bool:
    """Forget by what FIFO topics know messages again, once five minutes have passed; return whether more are left."""
    return tables.forget_duplicates(call.db, round(call.now * 1000) - DUPLICATES_FOR, _SLICE)


def forget_ended(call: Call) -> bool:
    """Forget subscriptions that no token restores any more; return whether more are left."""
    return ended_tables.forget(call.db, round(call.now * 1000) - TOKEN_LIFE, _SLICE)
