"""Access keys of users, and of the account's root: two each, the secret shown once."""

from __future__ import annotations

import base64
from typing import Any

from awning.contracts import FindLastUse, LastUse
from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import Needs, Params, operation
from awning.services.iam import lookup, tables
from awning.services.iam.errors import LimitExceeded, NoSuchEntity
from awning.services.iam.pages import page_of
from awning.services.iam.quotas import ACCESS_KEYS_PER_USER
from awning.services.iam.tables import AccessKey


@operation(Needs("iam:CreateAccessKey", lookup.own_arn), context=lookup.own_conditions)
def create_access_key(call: Call, user_name: str | None = None) -> dict[str, Any]:
    """Create an active key for a user; without a name, for the caller."""
    owner, name = _owner(call, user_name)
    if len(tables.keys_of(call.db, call.account, owner)) >= ACCESS_KEYS_PER_USER:
        raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {ACCESS_KEYS_PER_USER}")
    secret = base64.b64encode(call.random(30)).decode()
    key_id = "AKIA" + call.new_token(16)
    sealed = call.seal.seal(secret.encode(), key_id.encode())
    key = AccessKey(key_id, call.account, owner, sealed, "Active", call.now)
    tables.add_key(call.db, key)
    return {"AccessKey": {**_describe(key, name), "SecretAccessKey": secret}}


@operation(Needs("iam:ListAccessKeys", lookup.own_arn), reads=True, context=lookup.own_conditions)
def list_access_keys(
    call: Call, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
) -> dict[str, Any]:
    """List a user's keys, without their secrets."""
    owner, name = _owner(call, user_name)
    keys = tables.keys_of(call.db, call.account, owner)
    found, more = page_of(keys, marker, max_items, lambda key: f"{key.created:020.6f} {key.id}")
    return {"AccessKeyMetadata": [_describe(key, name) for key in found], **more}


@operation(
    Needs("iam:UpdateAccessKey", lookup.own_arn),
    honours={"status": {"Active", "Inactive"}},
    context=lookup.own_conditions,
)
def update_access_key(call: Call, access_key_id: str, status: str, user_name: str | None = None) -> None:
    """Make a key active, or refuse it from now on."""
    tables.set_key_status(call.db, _find(call, access_key_id, user_name).id, status)


@operation(Needs("iam:DeleteAccessKey", lookup.own_arn), context=lookup.own_conditions)
def delete_access_key(call: Call, access_key_id: str, user_name: str | None = None) -> None:
    """Delete a key."""
    tables.remove_key(call.db, _find(call, access_key_id, user_name).id)


def _owners_arn(call: Call, params: Params) -> str | None:
    """The ARN of whose key a request names; None for one that is not the account's, which the operation then refuses."""
    key = tables.find_key(call.db, params["access_key_id"])
    if key is None or key.account != call.account:
        return None
    user = tables.entity_of_row(call.db, key.owner) if key.owner is not None else None
    return user.arn if user is not None else f"arn:aws:iam::{key.account}:root"


@operation(Needs("iam:GetAccessKeyLastUsed", _owners_arn), reads=True)
def get_access_key_last_used(call: Call, access_key_id: str) -> dict[str, Any]:
    """Say whose a key is, and when, for which service and in which region it last signed a request."""
    key = tables.find_key(call.db, access_key_id)
    if key is None or key.account != call.account:
        raise AccessDenied(
            f"User: {call.principal.caller_arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: "
            f"access key {access_key_id}"
        )
    use: LastUse | None = call.ask(FindLastUse(access_key_id))
    user = tables.entity_of_row(call.db, key.owner) if key.owner is not None else None
    used: dict[str, Any] = {"ServiceName": "N/A", "Region": "N/A"}
    if use is not None:
        used = {"LastUsedDate": use.at, "ServiceName": use.service, "Region": use.region}
    return {"UserName": user.name if user is not None else "root", "AccessKeyLastUsed": used}


def _owner(call: Call, user_name: str | None) -> tuple[int | None, str | None]:
    """The row and name of the user meant; None for both is the account's root."""
    name = lookup.own_name(call, user_name)
    if name is None:
        return None, None
    user = lookup.entity(call, "user", name)
    return user.row, user.name


def _find(call: Call, access_key_id: str, user_name: str | None) -> AccessKey:
    owner, _ = _owner(call, user_name)
    key = tables.find_key(call.db, access_key_id)
    if key is None or key.account != call.account or key.owner != owner:
        raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")
    return key


def _describe(key: AccessKey, name: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {"AccessKeyId": key.id, "Status": key.status, "CreateDate": key.created}
    if name is not None:
        result["UserName"] = name
    return result
