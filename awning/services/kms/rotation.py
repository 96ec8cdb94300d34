"""Rotation: new material for a key, by the calendar or at once. The old is kept, and decrypts what it encrypted.

Source: the developer guide's "Rotate AWS KMS keys" and the API reference of each action.
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.kms import tables
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import (
    KMSInvalidStateException,
    LimitExceededException,
    UnsupportedOperationException,
    wrong_origin,
)
from awning.services.kms.lookup import (
    arn_of_key,
    check_not_deleted,
    check_usable,
    find_any_account,
    find_own,
    find_to_change,
)
from awning.services.kms.material import add_material, forget_later
from awning.services.kms.pages import page, read_marker
from awning.services.kms.specs import SPECS, SYMMETRIC
from awning.services.kms.tables import KeyRow, MaterialRow

DAY: Final = 86_400.0
_USUAL_DAYS: Final = 365
_MOST_ON_DEMAND: Final = 25
_PAGE: Final = 100


def _rotatable(key: KeyRow) -> KeyRow:
    """Raises UnsupportedOperationException for keys of which the calendar cannot change the material."""
    if key.spec != SYMMETRIC:
        raise UnsupportedOperationException(f"{key.arn} key spec is {key.spec} which is not valid for this operation.")
    if key.origin != "AWS_KMS":
        raise wrong_origin(key.arn, key.origin)
    if key.multi == "REPLICA":
        raise UnsupportedOperationException(f"{key.arn} is a replica key; its primary key is rotated.")
    return key


@operation(Needs("kms:EnableKeyRotation", arn_of_key()), context=conditions)
def enable_key_rotation(call: Call, key_id: str, rotation_period_in_days: int = _USUAL_DAYS) -> None:
    """Give a key new material every year, or every 90 to 2,560 days."""
    key = find_to_change(call, key_id)
    check_usable(key, call.now)
    _rotatable(key)
    began = call.now if key.rotation_days is None else (key.rotation_next or call.now) - key.rotation_days * DAY
    due = began + rotation_period_in_days * DAY
    tables.update_key(call.db, key.id, rotation_days=rotation_period_in_days, rotation_next=due)


@operation(Needs("kms:DisableKeyRotation", arn_of_key()), context=conditions)
def disable_key_rotation(call: Call, key_id: str) -> None:
    """Let the calendar no longer give a key new material."""
    key = find_to_change(call, key_id)
    check_usable(key, call.now)
    _rotatable(key)
    tables.update_key(call.db, key.id, rotation_days=None, rotation_next=None)


@operation(Needs("kms:GetKeyRotationStatus", arn_of_key()), reads=True, context=conditions)
def get_key_rotation_status(call: Call, key_id: str) -> dict[str, Any]:
    """Return whether a key is rotated by the calendar, and when next. A replica goes by its primary key."""
    key = find_any_account(call, key_id)
    check_not_deleted(key)
    if key.multi == "REPLICA":
        related = tables.keys_of_id(call.db, key.account, key.key_id)
        leader = next((one for one in related if one.multi == "PRIMARY"), key)
    else:
        leader = key
    found: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": leader.rotation_days is not None}
    if leader.rotation_days is not None:
        found |= {"RotationPeriodInDays": leader.rotation_days, "NextRotationDate": leader.rotation_next}
    return found


@operation(Needs("kms:RotateKeyOnDemand", arn_of_key()), context=conditions)
def rotate_key_on_demand(call: Call, key_id: str) -> dict[str, Any]:
    """Give a key new material now: made here, or what was imported for it. The calendar goes on as it was."""
    key = find_to_change(call, key_id)
    check_usable(key, call.now)
    if key.origin == "EXTERNAL" and key.spec == SYMMETRIC:
        pending = next((one for one in tables.materials(call.db, key.id) if one.state == "PENDING_ROTATION"), None)
        if pending is None:
            raise KMSInvalidStateException(f"{key.arn} has no key material that is pending rotation.")
        _check_limit(call, key)
        _retire_current(call, key)
        tables.put_material(call.db, pending._replace(state="CURRENT", rotated=call.now, rotation="ON_DEMAND"))
        forget_later(call, key)
        return {"KeyId": key.arn}
    _rotatable(key)
    _check_limit(call, key)
    rotate(call, key, "ON_DEMAND")
    return {"KeyId": key.arn}


def _check_limit(call: Call, key: KeyRow) -> None:
    if tables.count_rotations(call.db, key.id, "ON_DEMAND") >= _MOST_ON_DEMAND:
        raise LimitExceededException(
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be "
            f"performed for this key: {key.arn}"
        )


def rotate(call: Call, key: KeyRow, kind: str) -> None:
    """Give a key new material, and its replicas the same."""
    raw = call.random(SPECS[key.spec].size)
    related = tables.keys_of_id(call.db, key.account, key.key_id) if key.multi else [key]
    for one in related:
        number = _retire_current(call, one) + 1
        add_material(call, one, raw, number=number, rotated=call.now, rotation=kind)


def _retire_current(call: Call, key: KeyRow) -> int:
    """Let a key have no current material for now; return the number of its last."""
    rows = tables.materials(call.db, key.id)
    for row in rows:
        if row.state == "CURRENT":
            tables.put_material(call.db, row._replace(state="NON_CURRENT"))
    return rows[-1].number


@operation(
    Needs("kms:ListKeyRotations", arn_of_key()), reads=True, honours={"include_key_material": ALL}, context=conditions
)
def list_key_rotations(
    call: Call,
    key_id: str,
    include_key_material: str = "ROTATIONS_ONLY",
    limit: int | None = None,
    marker: str | None = None,
) -> dict[str, Any]:
    """List a key's rotations, or with ALL_KEY_MATERIAL its first material and what waits for a rotation too."""
    key = find_own(call, key_id)
    if key.spec != SYMMETRIC:
        raise UnsupportedOperationException(f"{key.arn} key spec is {key.spec} which is not valid for this operation.")
    size, after = limit or _PAGE, read_marker(marker)
    rows = [
        row
        for row in tables.materials(call.db, key.id)
        if row.number > after and (include_key_material == "ALL_KEY_MATERIAL" or row.rotation is not None)
    ]
    return page("Rotations", rows, size, lambda row: _show(key, row), lambda row: row.number)


def _show(key: KeyRow, row: MaterialRow) -> dict[str, Any]:
    imported = key.origin == "EXTERNAL"
    return {
        "KeyId": key.key_id,
        "KeyMaterialId": row.material_id,
        "KeyMaterialDescription": row.description,
        "ImportState": ("IMPORTED" if row.sealed is not None else "PENDING_IMPORT") if imported else None,
        "KeyMaterialState": row.state,
        "ExpirationModel": row.model,
        "ValidTo": row.expires,
        "RotationDate": row.rotated,
        "RotationType": row.rotation,
    }
