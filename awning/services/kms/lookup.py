"""From what a client calls a key (its id, its ARN, an alias, an alias's ARN) to the key; and whether its state allows a use.

Source: the developer guide's "Key identifiers (KeyId)" and "Key states of AWS KMS keys".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from awning.kit.call import Call
from awning.kit.errors import AccessDenied
from awning.kit.operation import Params
from awning.services.kms import managed, tables
from awning.services.kms.errors import (
    InvalidArnException,
    InvalidKeyUsageException,
    NotFoundException,
    disabled,
    pending_deletion,
    pending_import,
)
from awning.services.kms.tables import KeyRow

_KEY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):((?:key|alias)/.+)")


class Name(NamedTuple):
    """What a client wrote, taken apart: `key_id` or `alias` is given."""

    account: str
    region: str
    key_id: str
    alias: str

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{self.region}:{self.account}:{f'key/{self.key_id}' if self.key_id else self.alias}"


def read_name(call: Call, given: str) -> Name:
    """Take a key's identifier apart. Raises NotFoundException for what can be none."""
    if given.startswith("alias/"):
        return Name(call.account, call.region, "", given)
    if given.startswith("arn:"):
        found = _ARN.fullmatch(given)
        if found is None:
            raise NotFoundException(f"Invalid arn {given}")
        region, account, rest = found.groups()
        if region != call.region:
            raise NotFoundException(f"Invalid arn {region}")
        if rest.startswith("alias/"):
            return Name(account, region, "", rest)
        key_id = rest.removeprefix("key/")
    else:
        account, region, key_id = call.account, call.region, given
    if not _KEY_ID.fullmatch(key_id):
        raise NotFoundException(f"Invalid keyId '{key_id}'")
    return Name(account, region, key_id, "")


def look_up(call: Call, name: Name) -> KeyRow | None:
    """The key of a name, as the call's connection sees it."""
    account, region = name.account, name.region
    if name.key_id:
        found = tables.find_key(call.db, account, region, name.key_id)
        return found or managed.by_id(call, account, region, name.key_id)
    alias = tables.find_alias(call.db, account, region, name.alias)
    if alias is not None:
        return tables.key_of(call.db, alias.key)
    return managed.by_alias(call, account, region, name.alias)


def find(call: Call, given: str) -> KeyRow:
    """Return the key that any of the four identifiers means. Raises NotFoundException."""
    name = read_name(call, given)
    key = look_up(call, name)
    if key is None:
        raise NotFoundException(
            f"Key '{name.arn}' does not exist" if name.key_id else f"Alias {name.arn} is not found."
        )
    return key


def find_own(call: Call, given: str) -> KeyRow:
    """Return a key of the caller's account, for operations that take no alias and no other's key. Raises NotFoundException."""
    if given.startswith("alias/") or ":alias/" in given:
        raise NotFoundException(f"Invalid keyId {given}")
    key = find(call, given)
    if key.account != call.account:
        raise NotFoundException(f"Key '{key.arn}' does not exist")
    return key


def find_to_change(call: Call, given: str) -> KeyRow:
    """Return a key of the caller's account that is not a service's own. Raises NotFoundException, AccessDenied."""
    key = find_own(call, given)
    if key.manager == "AWS":
        raise AccessDenied(f"{key.arn} is an AWS managed key, which its service alone changes.")
    return key


def find_any_account(call: Call, given: str) -> KeyRow:
    """Return the key of an id or ARN, of whatever account, where an alias does not do."""
    if given.startswith("alias/"):
        raise NotFoundException(f"Invalid keyId {given}")
    if ":alias/" in given:
        raise InvalidArnException(f"Invalid arn {given}")
    return find(call, given)


def arn_of_key(parameter: str = "key_id") -> Callable[[Call, Params], str | None]:
    """For Needs: the ARN of the key that a parameter means, whether or not it exists; None where it is not given."""

    def resource(call: Call, params: Params) -> str | None:
        given = params.get(parameter)
        return None if given is None else arn_of(call, given)

    return resource


def arn_of(call: Call, given: str) -> str:
    """The ARN of the key that an identifier means; an alias that stands for none means itself."""
    name = read_name(call, given)
    if name.key_id:
        return name.arn
    key = look_up(call, name)
    return name.arn if key is None else key.arn


def state_of(key: KeyRow, now: float) -> str:
    """A key's state: material that has expired is as good as gone."""
    if key.expires is not None and key.expires <= now and key.state in ("Enabled", "Disabled"):
        return "PendingImport"
    return key.state


def check_usable(key: KeyRow, now: float) -> None:
    """Raises DisabledException or KMSInvalidStateException where a key cannot be used."""
    match state_of(key, now):
        case "Disabled":
            raise disabled(key.arn)
        case "PendingImport":
            raise pending_import(key.arn)
        case "PendingDeletion" | "PendingReplicaDeletion":
            raise pending_deletion(key.arn)


def check_not_deleted(key: KeyRow) -> None:
    """Raises KMSInvalidStateException for a key that is to be deleted."""
    if key.state in ("PendingDeletion", "PendingReplicaDeletion"):
        raise pending_deletion(key.arn)


def check_usage(key: KeyRow, usage: str, operation: str) -> None:
    """Raises InvalidKeyUsageException for a key that is for something else."""
    if key.usage != usage:
        raise InvalidKeyUsageException(f"{key.arn} key usage is {key.usage} which is not valid for {operation}.")
