"""Background passes, each a bounded step: what has had its time is deleted, rotated, expired or stored."""

from __future__ import annotations

from typing import Final

from awning.kit.call import Call
from awning.services.kms import managed, tables
from awning.services.kms.importing import expire
from awning.services.kms.keys import store_managed
from awning.services.kms.material import forget_later
from awning.services.kms.memory import Memory
from awning.services.kms.rotation import rotate

_SLICE: Final = 100
_GRANTS: Final = 1000
"""As many grants of keys that are deleted a step deletes at most."""
_DAY: Final = 86_400.0


def delete_due(call: Call) -> bool:
    """Delete keys whose waiting time is over, with their material; return whether more are left.

    A primary key that waited for its replicas begins to wait for itself once the last is gone.
    """
    gone = tables.due(call.db, "deletion", call.now, _SLICE)
    left = _GRANTS
    for key in gone:
        left -= tables.delete_grants(call.db, key.id, left)
        if left <= 0:
            return True
        tables.delete_key(call.db, key.id)
        forget_later(call, key)
        if key.multi != "REPLICA":
            continue
        related = tables.keys_of_id(call.db, key.account, key.key_id)
        if len(related) == 1 and related[0].state == "PendingReplicaDeletion":
            primary = related[0]
            due = (key.deletion or call.now) + (primary.pending_days or 0) * _DAY
            tables.update_key(call.db, primary.id, state="PendingDeletion", deletion=due)
            forget_later(call, primary)
    return len(gone) == _SLICE


def rotate_due(call: Call) -> bool:
    """Give keys new material whose period is over; return whether more are left."""
    keys = tables.due(call.db, "rotation_next", call.now, _SLICE)
    for key in keys:
        rotate(call, key, "AUTOMATIC")
        period = (key.rotation_days or 0) * _DAY
        due = key.rotation_next or call.now
        late = max(0.0, call.now - due) // period if period else 0
        tables.update_key(call.db, key.id, rotation_next=due + period * (late + 1))
    return len(keys) == _SLICE


def expire_material(call: Call) -> bool:
    """Delete imported material whose time is over; return whether more is left."""
    keys = tables.due(call.db, "expires", call.now, _SLICE)
    for key in keys:
        expire(call, key)
    return len(keys) == _SLICE


def store_managed_keys(call: Call) -> bool:
    """Store services' own keys that were used since the last pass."""
    memory: Memory = call.memory
    wanted = sorted(memory.wanted)[:_SLICE]
    for account, region, key_id in wanted:
        key = managed.by_id(call, account, region, key_id)
        if key is not None:
            store_managed(call, key)
    call.after(lambda: memory.wanted.difference_update(wanted))
    return len(memory.wanted) > len(wanted)
