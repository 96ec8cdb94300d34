"""Key material at rest and in use: sealed under the vault's key for this room, bound to whose it is.

What was opened is kept in memory for the next use; it is in no row, log or error.
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.services.kms import ciphers, tables
from awning.services.kms.errors import KMSInternalException
from awning.services.kms.memory import Memory
from awning.services.kms.specs import SPECS, Spec
from awning.services.kms.tables import KeyRow, MaterialRow
from awning.store.vault import Unsealable

MAKES_SLOWLY: Final = "rsa"


class Opened:
    """Material that is ready for use: `raw` of secrets, `private` of key pairs."""

    __slots__ = ("material_id", "private", "public", "raw")

    def __init__(self, spec: Spec, row: MaterialRow, raw: bytes) -> None:
        self.material_id = row.material_id
        self.public = row.public
        self.raw = b"" if spec.asymmetric else raw
        self.private: Any = ciphers.load(spec, raw) if spec.asymmetric else None


def _context(key: KeyRow, material_id: str) -> bytes:
    return f"{key.arn} {material_id}".encode()


def material_id_of(call: Call, key_id: str, raw: bytes) -> str:
    """The id of material of a key: of the same material again the same, to nobody a hint at what it is."""
    secret = call.room.vault.derive("kms material ids")
    return ciphers.fingerprint(raw, secret + key_id.encode()[:32])


def add_material(
    call: Call,
    key: KeyRow,
    raw: bytes,
    *,
    number: int,
    state: str = "CURRENT",
    public: bytes | None = None,
    **further: Any,
) -> MaterialRow:
    """Seal material and store it as a version of a key."""
    material_id = material_id_of(call, key.key_id, raw)
    spec = SPECS[key.spec]
    if spec.asymmetric and public is None:
        public = ciphers.public_of(ciphers.load(spec, raw))
    sealed = call.seal.seal(raw, _context(key, material_id))
    row = MaterialRow(key.id, number, material_id, state, sealed, public, **further)
    tables.put_material(call.db, row)
    forget_later(call, key)
    return row


def unseal(call: Call, key: KeyRow, row: MaterialRow) -> bytes:
    """The material of a version that has it. Raises KMSInternalException where it was sealed by another master key."""
    assert row.sealed is not None
    try:
        return call.seal.open(row.sealed, _context(key, row.material_id))
    except Unsealable as error:
        raise KMSInternalException(
            "The key's material cannot be opened: the region's master key is another."
        ) from error


def current(call: Call, key: KeyRow) -> Opened:
    """A usable key's current material, from committed state."""
    memory: Memory = call.memory
    found: Opened | None = memory.opened.get((key.arn, ""))
    if found is None:
        if not key.id:
            found = _derived(call, key)
        else:
            row = tables.current_material(call.db, key.id)
            assert row is not None
            found = Opened(SPECS[key.spec], row, unseal(call, key, row))
        memory.opened.put((key.arn, ""), found)
    return found


def of_id(call: Call, key: KeyRow, material_id: str) -> Opened | None:
    """The material that made a ciphertext; None where the key has no such material (any more)."""
    now = current(call, key)
    if now.material_id == material_id:
        return now
    memory: Memory = call.memory
    found: Opened | None = memory.opened.get((key.arn, material_id))
    if found is None:
        for row in tables.materials(call.db, key.id):
            if row.material_id == material_id and row.sealed is not None:
                found = Opened(SPECS[key.spec], row, unseal(call, key, row))
                memory.opened.put((key.arn, material_id), found)
                break
    return found


def derived_raw(call: Call, key: KeyRow) -> bytes:
    """The first material of a service's own key: derived, so that the key can be used before it is stored."""
    return call.room.vault.derive(f"kms managed {key.arn}")


def _derived(call: Call, key: KeyRow) -> Opened:
    raw = derived_raw(call, key)
    return Opened(SPECS[key.spec], MaterialRow(0, 1, material_id_of(call, key.key_id, raw), "CURRENT", None), raw)


def forget_later(call: Call, *keys: KeyRow) -> None:
    """Once this is committed, forget what memory keeps of these keys: their guards and opened materials."""
    memory: Memory = call.memory
    arns = [key.arn for key in keys]
    call.after(lambda: memory.forget(*arns))
