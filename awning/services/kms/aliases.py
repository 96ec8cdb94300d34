"""Aliases: names for keys in an account and region.

Source: the developer guide's "Aliases in AWS KMS" and the API reference of CreateAlias.
"""

from __future__ import annotations

import re
from typing import Any, Final

from awning.kit.call import Call
from awning.kit.operation import Needs, Params, operation
from awning.services.kms import managed, tables
from awning.services.kms.conditions import conditions
from awning.services.kms.errors import (
    AlreadyExistsException,
    InvalidAliasNameException,
    LimitExceededException,
    NotAuthorizedException,
    NotFoundException,
    ValidationException,
)
from awning.services.kms.lookup import arn_of_key, check_not_deleted, find_own, find_to_change
from awning.services.kms.pages import page, read_marker
from awning.services.kms.tables import AliasRow, KeyRow

_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]+")
_MOST: Final = 50
_PAGE: Final = 50


def _alias_arn(call: Call, params: Params) -> str:
    return f"arn:aws:kms:{call.region}:{call.account}:{params['alias_name']}"


def _check_name(name: str) -> None:
    if not name.startswith("alias/"):
        raise ValidationException(
            'Alias must start with the prefix "alias/". Please see '
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )
    if name.startswith(managed.PREFIX):
        raise NotAuthorizedException("")
    if name == "alias/":
        raise InvalidAliasNameException("An alias has at least one character after alias/.")
    if not _NAME.fullmatch(name):
        raise ValidationException(f"{name} contains invalid characters for an alias")


def _find(call: Call, name: str) -> AliasRow:
    found = tables.find_alias(call.db, call.account, call.region, name)
    if found is None:
        raise NotFoundException(f"Alias arn:aws:kms:{call.region}:{call.account}:{name} is not found.")
    return found


def _target(call: Call, given: str) -> KeyRow:
    """The key that an alias is to name. Raises ValidationException for another alias, and the errors of the key."""
    if given.startswith("alias/") or ":alias/" in given:
        raise ValidationException("Aliases must refer to keys. Not aliases")
    key = find_to_change(call, given)
    check_not_deleted(key)
    return key


@operation(
    Needs("kms:CreateAlias", _alias_arn), Needs("kms:CreateAlias", arn_of_key("target_key_id")), context=conditions
)
def create_alias(call: Call, alias_name: str, target_key_id: str) -> None:
    """Name a key."""
    _check_name(alias_name)
    key = _target(call, target_key_id)
    if tables.find_alias(call.db, call.account, call.region, alias_name) is not None:
        raise AlreadyExistsException(
            f"An alias with the name arn:aws:kms:{call.region}:{call.account}:{alias_name} already exists"
        )
    if len(tables.aliases_of(call.db, key.id)) >= _MOST:
        raise LimitExceededException(f"A key has at most {_MOST} aliases.")
    tables.insert_alias(call.db, call.account, call.region, alias_name, key.id, call.now)


def _old_key(call: Call, params: Params) -> str | None:
    """The key that an alias names before it is changed."""
    alias = tables.find_alias(call.db, call.account, call.region, params["alias_name"])
    return None if alias is None else f"arn:aws:kms:{call.region}:{call.account}:key/{alias.key_id}"


@operation(
    Needs("kms:UpdateAlias", _alias_arn),
    Needs("kms:UpdateAlias", _old_key),
    Needs("kms:UpdateAlias", arn_of_key("target_key_id")),
    context=conditions,
)
def update_alias(call: Call, alias_name: str, target_key_id: str) -> None:
    """Let an alias name another key, of the same kind and usage."""
    _check_name(alias_name)
    alias = _find(call, alias_name)
    key = _target(call, target_key_id)
    before = tables.key_of(call.db, alias.key)
    if before.usage != key.usage or (before.spec == "SYMMETRIC_DEFAULT") != (key.spec == "SYMMETRIC_DEFAULT"):
        raise ValidationException(
            f"Alias {alias.arn} cannot be changed to a KMS key of a different type or with a different key usage."
        )
    tables.update_alias(call.db, alias.id, key.id, call.now)


@operation(Needs("kms:DeleteAlias", _alias_arn), Needs("kms:DeleteAlias", _old_key), context=conditions)
def delete_alias(call: Call, alias_name: str) -> None:
    """Take a name from a key; the key stays."""
    _check_name(alias_name)
    tables.delete_alias(call.db, _find(call, alias_name).id)


@operation(Needs("kms:ListAliases", "*"), reads=True)
def list_aliases(
    call: Call, key_id: str | None = None, limit: int | None = None, marker: str | None = None
) -> dict[str, Any]:
    """List the aliases of the account in the region, or those of one key."""
    key = find_own(call, key_id).id if key_id is not None else None
    size = limit or _PAGE
    rows = tables.list_aliases(call.db, call.account, call.region, key, read_marker(marker), size + 1)
    return page("Aliases", rows, size, _show, lambda row: row.id)


def _show(alias: AliasRow) -> dict[str, Any]:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.created,
        "LastUpdatedDate": alias.updated,
    }
