"""Keys: create, describe, list, enable, disable, delete.

Source: the API reference of each action; the developer guide's "Key states of AWS KMS keys".
"""

from __future__ import annotations

from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.kms import ciphers, managed, tables
from awning.services.kms.conditions import conditions, new_key
from awning.services.kms.errors import KMSInvalidStateException, ValidationException, pending_import
from awning.services.kms.grant_tokens import check_tokens
from awning.services.kms.lookup import arn_of_key, check_not_deleted, find, find_to_change, state_of
from awning.services.kms.material import MAKES_SLOWLY, add_material, derived_raw, forget_later, material_id_of
from awning.services.kms.memory import Memory
from awning.services.kms.pages import page, read_marker
from awning.services.kms.policies import default_policy, with_policy
from awning.services.kms.specs import ALGORITHMS, ENCRYPT, OLDER_SPECS, SPECS, SYMMETRIC
from awning.services.kms.tables import KeyRow
from awning.services.kms.tags import read_tags

_DAY: Final = 86_400.0
_PAGE: Final = 100


def _to_tag(call: Call, params: Params) -> str | None:
    return f"arn:aws:kms:{call.region}:{call.account}:key/*" if params.get("tags") else None


@operation(
    Needs("kms:CreateKey", "*"),
    Needs("kms:TagResource", _to_tag),
    honours={
        "key_usage": ALL,
        "key_spec": frozenset(SPECS),
        "customer_master_key_spec": OLDER_SPECS,
        "origin": {"AWS_KMS", "EXTERNAL"},
        "tags": ALL,
    },
    tags="tags",
    context=new_key,
)
async def create_key(
    call: Call,
    policy: str | None = None,
    description: str = "",
    key_usage: str | None = None,
    customer_master_key_spec: str | None = None,
    key_spec: str | None = None,
    origin: str = "AWS_KMS",
    bypass_policy_lockout_safety_check: bool = False,
    tags: list[dict[str, str]] | None = None,
    multi_region: bool = False,
) -> dict[str, Any]:
    """Create a key, with material unless that is to be imported."""
    spec, usage = _kind(key_spec, customer_master_key_spec, key_usage)
    key = KeyRow(
        id=0,
        account=call.account,
        region=call.region,
        key_id=f"mrk-{call.random(16).hex()}" if multi_region else call.new_id(),
        spec=spec,
        usage=usage,
        origin=origin,
        manager="CUSTOMER",
        state="Enabled" if origin == "AWS_KMS" else "PendingImport",
        description=description,
        policy=default_policy(call.account),
        policy_ids={},
        tags=read_tags(tags),
        created=call.now,
        multi="PRIMARY" if multi_region else "",
    )
    if policy is not None:
        key = with_policy(call, key, policy, bypass=bypass_policy_lockout_safety_check)
    memory: Memory = call.memory
    raw = None
    if origin == "AWS_KMS":
        chosen = SPECS[spec]
        raw = await memory.in_thread(ciphers.make, chosen) if chosen.kind == MAKES_SLOWLY else ciphers.make(chosen)
    return {"KeyMetadata": await call.commit(_store, key, raw)}


def _store(call: Call, key: KeyRow, raw: bytes | None) -> dict[str, Any]:
    key = key._replace(created=call.now)
    key = key._replace(id=tables.insert_key(call.db, key))
    if raw is not None:
        add_material(call, key, raw, number=1)
    forget_later(call, key)
    return metadata(call, key)


def _kind(spec: str | None, older: str | None, usage: str | None) -> tuple[str, str]:
    """A new key's spec and usage. Raises ValidationException."""
    if spec is not None and older is not None and spec != older:
        raise ValidationException(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."
        )
    chosen = spec or older or SYMMETRIC
    if usage is None and chosen != SYMMETRIC:
        raise ValidationException(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
        )
    usage = usage or ENCRYPT
    if usage not in SPECS[chosen].usages:
        raise ValidationException(f"KeyUsage {usage} is not compatible with KeySpec {chosen}")
    return chosen, usage


def metadata(call: Call, key: KeyRow) -> dict[str, Any]:
    """A key as CreateKey, DescribeKey and ReplicateKey show it."""
    state = state_of(key, call.now)
    current = tables.current_material(call.db, key.id) if key.id else None
    found: dict[str, Any] = {
        "AWSAccountId": key.account,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.created,
        "Enabled": state == "Enabled",
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": state,
        "Origin": key.origin,
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        ALGORITHMS[key.usage]: list(SPECS[key.spec].usages[key.usage]),
        "MultiRegion": bool(key.multi),
    }
    if state == "PendingReplicaDeletion":
        found["PendingDeletionWindowInDays"] = key.pending_days
    elif key.deletion is not None:
        found["DeletionDate"] = key.deletion
    if key.origin == "EXTERNAL" and state != "PendingImport" and current is not None and current.sealed is not None:
        found["ExpirationModel"] = current.model
        if current.expires is not None:
            found["ValidTo"] = current.expires
    if key.spec == SYMMETRIC:
        if current is not None and current.sealed is not None:
            found["CurrentKeyMaterialId"] = current.material_id
        elif not key.id:
            found["CurrentKeyMaterialId"] = material_id_of(call, key.key_id, derived_raw(call, key))
    if key.multi:
        found["MultiRegionConfiguration"] = _regions(call, key)
    return found


def _regions(call: Call, key: KeyRow) -> dict[str, Any]:
    related = tables.keys_of_id(call.db, key.account, key.key_id)
    primary = next((one for one in related if one.multi == "PRIMARY"), key)
    return {
        "MultiRegionKeyType": key.multi,
        "PrimaryKey": {"Arn": primary.arn, "Region": primary.region},
        "ReplicaKeys": [{"Arn": one.arn, "Region": one.region} for one in related if one.multi == "REPLICA"],
    }


@operation(Needs("kms:DescribeKey", arn_of_key()), context=conditions)
async def describe_key(call: Call, key_id: str, grant_tokens: list[str] | None = None) -> dict[str, Any]:
    """Describe a key. One of a service that nobody has used yet is made by this."""
    check_tokens(call, grant_tokens)
    key = find(call, key_id)
    if not key.id:
        key = await call.commit(store_managed, key)
    return {"KeyMetadata": metadata(call, key)}


def store_managed(call: Call, key: KeyRow) -> KeyRow:
    """Store a service's own key, with its alias, as it was first used; one that is stored already is left as it is."""
    known = tables.find_key(call.db, key.account, key.region, key.key_id)
    if known is not None:
        return known
    stored = key._replace(id=tables.insert_key(call.db, key))
    add_material(call, stored, derived_raw(call, key), number=1)
    service = next(
        one for one in managed.SERVICES if managed.derived(call, key.account, key.region, one).key_id == key.key_id
    )
    tables.insert_alias(call.db, key.account, key.region, f"{managed.PREFIX}{service}", stored.id, call.now)
    return stored


@operation(Needs("kms:ListKeys", "*"), reads=True, honours={"resource_owners": {"SELF"}})
def list_keys(
    call: Call, limit: int | None = None, marker: str | None = None, resource_owners: list[str] | None = None
) -> dict[str, Any]:
    """List the account's keys in the region, in the order in which they were created."""
    size = limit or _PAGE
    rows = tables.list_keys(call.db, call.account, call.region, read_marker(marker), size + 1)
    prefix = f"arn:aws:kms:{call.region}:{call.account}:key/"
    return page("Keys", rows, size, lambda row: {"KeyId": row[1], "KeyArn": prefix + row[1]}, lambda row: row[0])


@operation(Needs("kms:EnableKey", arn_of_key()), context=conditions)
def enable_key(call: Call, key_id: str) -> None:
    """Let a disabled key be used again."""
    _switch(call, key_id, "Enabled")


@operation(Needs("kms:DisableKey", arn_of_key()), context=conditions)
def disable_key(call: Call, key_id: str) -> None:
    """Let a key not be used until it is enabled again."""
    _switch(call, key_id, "Disabled")


def _switch(call: Call, key_id: str, state: str) -> None:
    key = find_to_change(call, key_id)
    check_not_deleted(key)
    if state_of(key, call.now) == "PendingImport":
        raise pending_import(key.arn)
    tables.update_key(call.db, key.id, state=state)
    forget_later(call, key)


@operation(Needs("kms:UpdateKeyDescription", arn_of_key()), context=conditions)
def update_key_description(call: Call, key_id: str, description: str) -> None:
    """Give a key another description."""
    key = find_to_change(call, key_id)
    check_not_deleted(key)
    tables.update_key(call.db, key.id, description=description)


@operation(Needs("kms:ScheduleKeyDeletion", arn_of_key()), context=conditions)
def schedule_key_deletion(call: Call, key_id: str, pending_window_in_days: int = 30) -> dict[str, Any]:
    """Have a key deleted in 7 to 30 days; until then nobody can use it. A primary key waits for its replicas."""
    if not 7 <= pending_window_in_days <= 30:
        raise ValidationException("PendingWindowInDays must be between 7 and 30 days (inclusive).")
    key = find_to_change(call, key_id)
    check_not_deleted(key)
    if key.multi == "PRIMARY" and len(tables.keys_of_id(call.db, key.account, key.key_id)) > 1:
        tables.update_key(call.db, key.id, state="PendingReplicaDeletion", pending_days=pending_window_in_days)
        forget_later(call, key)
        return {
            "KeyId": key.arn,
            "KeyState": "PendingReplicaDeletion",
            "PendingWindowInDays": pending_window_in_days,
        }
    deletion = call.now + pending_window_in_days * _DAY
    tables.update_key(call.db, key.id, state="PendingDeletion", pending_days=pending_window_in_days, deletion=deletion)
    forget_later(call, key)
    return {
        "KeyId": key.arn,
        "DeletionDate": deletion,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": pending_window_in_days,
    }


@operation(Needs("kms:CancelKeyDeletion", arn_of_key()), context=conditions)
def cancel_key_deletion(call: Call, key_id: str) -> dict[str, Any]:
    """Keep a key that was to be deleted; it is disabled then, or waits for its material."""
    key = find_to_change(call, key_id)
    if key.state not in ("PendingDeletion", "PendingReplicaDeletion"):
        raise KMSInvalidStateException(f"{key.arn} is not pending deletion.")
    current = tables.current_material(call.db, key.id)
    state = "PendingImport" if current is None or current.sealed is None else "Disabled"
    tables.update_key(call.db, key.id, state=state, deletion=None, pending_days=None)
    forget_later(call, key)
    return {"KeyId": key.arn}
