"""Background passes: what has had its time is deleted, in slices."""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.sns import tables
from awning.services.sns.publishing import DUPLICATES_FOR

_SLICE = 1_000


def forget_duplicates(call: Call) -> bool:
    """Forget by what FIFO topics know messages again, once five minutes have passed; return whether more are left."""
    return tables.forget_duplicates(call.db, round(call.now * 1000) - DUPLICATES_FOR, _SLICE)
