"""The private authority that signs what is issued: one for the whole region, made when it is first needed, in a thread.

A user trusts one certificate, whatever the account and AWS region; a new authority is made before the old one ends.
"""

from __future__ import annotations

from typing import Final

from awning.contracts import MakeAuthority
from awning.kit.call import Call
from awning.services.acm import tables, x509
from awning.services.acm.memory import Memory
from awning.services.acm.tables import AuthorityRow
from awning.services.acm.x509 import Authority, Made

DAY: Final = 86_400.0
_DAYS: Final = 3650
_LEFT_DAYS: Final = 400
_CONTEXT: Final = b"authority"


def midnight(now: float) -> float:
    """The midnight (UTC) before a time."""
    return now - now % DAY


def new_serial(call: Call) -> int:
    """A serial number: 127 random bits, never zero (RFC 5280, 4.1.2.2)."""
    return int.from_bytes(call.random(16)) >> 1 | 1 << 120


def current(call: Call) -> AuthorityRow | None:
    """The authority that signs now; None where one is to be made first."""
    found = next(iter(tables.authorities(call.db)), None)
    return None if found is None or found.not_after < call.now + _LEFT_DAYS * DAY else found


async def ready(call: Call) -> Authority:
    """The authority, opened; made first where there is none. For coroutines that run as tasks."""
    memory: Memory = call.memory
    async with memory.making:
        row = current(call)
        if row is None:
            begin = midnight(call.now)
            end = begin + _DAYS * DAY - 1
            made = await memory.in_thread(x509.make_authority, new_serial(call), begin - DAY, end)
            row = await call.commit(_store, made, end)
    opened = memory.authorities.get(row.id)
    if opened is None:
        opened = await memory.in_thread(x509.load_authority, row.pem, call.seal.open(row.sealed, _CONTEXT))
        memory.authorities[row.id] = opened
    return opened


def _store(call: Call, made: Made, end: float) -> AuthorityRow:
    known = current(call)
    if known is not None:
        return known
    tables.insert_authority(call.db, made.pem, call.seal.seal(made.key, _CONTEXT), end)
    return tables.authorities(call.db)[0]


async def make(call: Call, delivery: MakeAuthority) -> None:
    """Have the authority ready before anything is issued: somebody wants to trust it."""
    await ready(call)
