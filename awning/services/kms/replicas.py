"""Multi-Region keys: one key id and one material in several regions; what one encrypts each decrypts.

Source: the developer guide's "Multi-Region keys in AWS KMS" and the API reference of ReplicateKey and UpdatePrimaryRegion.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, Params, operation
from awning.services.kms import tables
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import AlreadyExistsException, NotFoundException, UnsupportedOperationException
from awning.services.kms.keys import metadata
from awning.services.kms.lookup import arn_of, arn_of_key, check_usable, find_to_change
from awning.services.kms.material import add_material, forget_later, unseal
from awning.services.kms.policies import default_policy, with_policy
from awning.services.kms.tables import KeyRow
from awning.services.kms.tags import read_tags


def _primary(call: Call, key_id: str) -> KeyRow:
    key = find_to_change(call, key_id)
    if key.multi != "PRIMARY":
        raise UnsupportedOperationException(f"{key.arn} is not a multi-region primary key.")
    check_usable(key, call.now)
    return key


def _in_region(parameter: str) -> Any:
    def resource(call: Call, params: Params) -> str:
        parts = arn_of(call, params["key_id"]).split(":")
        return ":".join([*parts[:3], params[parameter], *parts[4:]])

    return resource


def _to_tag(call: Call, params: Params) -> str | None:
    return str(_in_region("replica_region")(call, params)) if params.get("tags") else None


@operation(
    Needs("kms:ReplicateKey", arn_of_key()),
    Needs("kms:CreateKey", "*"),
    Needs("kms:TagResource", _to_tag),
    honours={"tags": ALL},
    tags="tags",
    context=conditions,
)
def replicate_key(
    call: Call,
    key_id: str,
    replica_region: str,
    policy: str | None = None,
    bypass_policy_lockout_safety_check: bool = False,
    description: str = "",
    tags: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Make a primary key's replica in another region; with the reply it can be used, imported material aside."""
    key = _primary(call, key_id)
    related = tables.keys_of_id(call.db, key.account, key.key_id)
    if any(one.region == replica_region for one in related):
        raise AlreadyExistsException(f"Unable to replicate key in region {replica_region}, as it already exists there.")
    replica = key._replace(
        id=0,
        region=replica_region,
        state="Enabled" if key.origin == "AWS_KMS" else "PendingImport",
        description=description,
        policy=default_policy(key.account),
        policy_ids={},
        tags=read_tags(tags),
        created=call.now,
        deletion=None,
        pending_days=None,
        multi="REPLICA",
        rotation_days=None,
        rotation_next=None,
        expires=None,
    )
    if policy is not None:
        replica = with_policy(call, replica, policy, bypass=bypass_policy_lockout_safety_check)
    replica = replica._replace(id=tables.insert_key(call.db, replica))
    if key.origin == "AWS_KMS":
        for row in tables.materials(call.db, key.id):
            add_material(
                call,
                replica,
                unseal(call, key, row),
                number=row.number,
                state=row.state,
                public=row.public,
                rotated=row.rotated,
                rotation=row.rotation,
            )
    forget_later(call, replica)
    return {
        "ReplicaKeyMetadata": metadata(call, replica),
        "ReplicaPolicy": replica.policy,
        "ReplicaTags": [{"TagKey": name, "TagValue": value} for name, value in replica.tags.items()],
    }


@operation(
    Needs("kms:UpdatePrimaryRegion", arn_of_key()),
    Needs("kms:UpdatePrimaryRegion", _in_region("primary_region")),
    context=conditions,
)
def update_primary_region(call: Call, key_id: str, primary_region: str) -> None:
    """Make a replica the primary key, and the primary key a replica."""
    key = _primary(call, key_id)
    related = tables.keys_of_id(call.db, key.account, key.key_id)
    chosen = next((one for one in related if one.region == primary_region and one.id != key.id), None)
    if chosen is None:
        raise NotFoundException(f"There is no replica of {key.arn} in {primary_region}.")
    check_usable(chosen, call.now)
    tables.update_key(call.db, key.id, multi="REPLICA", rotation_days=None, rotation_next=None)
    tables.update_key(
        call.db, chosen.id, multi="PRIMARY", rotation_days=key.rotation_days, rotation_next=key.rotation_next
    )
    forget_later(call, key, chosen)
