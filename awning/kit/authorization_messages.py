"""Encoded authorization messages: why something was denied, sealed, for those who may know it (sts:DecodeAuthorizationMessage).

A service whose denials carry one (EC2) declares it; STS decodes. Source: DecodeAuthorizationMessage in the STS API reference.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from awning.auth.decision import Decision
from awning.auth.principal import Principal
from awning.store.vault import Seal, Unsealable

PURPOSE: Final = "authorization messages"
"""Of the vault's key that seals them."""
LIFETIME: Final = 86_400.0
"""Seconds after which a message is not decoded any more."""
_LONGEST: Final = 10_240
"""Characters that STS takes."""
_MOST: Final = 256 * 1024


class Undecodable(Exception):
    """What is no message of this region, was altered, or is too old; the text says which."""


def encode(
    seal: Seal,
    decision: Decision,
    principal: Principal,
    account: str,
    action: str,
    resource: str,
    context: Mapping[str, Any],
    now: float,
) -> str:
    """Return a denial's message: letters, digits, - and _. `context`: condition keys to values; `account`: of who was denied."""
    matched = [
        {
            "statementId": str(one["statement"]),
            "effect": one["effect"].upper(),
            "policyId": policy["id"],
            "policyType": policy["kind"],
        }
        for policy in decision.explain()["policies"]
        for one in policy["statements"]
        if one["applies"]
    ]
    conditions = [{"key": key, "values": _items([{"value": one} for one in _texts(context[key])])} for key in context]
    document = {
        "allowed": decision.allowed,
        "explicitDeny": decision.explicit_deny,
        "matchedStatements": _items(matched),
        "failures": _items([]),
        "context": {
            "principal": {"id": principal.user_id, "name": principal.name, "arn": principal.caller_arn},
            "action": action,
            "resource": resource,
            "conditions": _items(conditions),
        },
    }
    text = _sealed(seal, document, account, now)
    while len(text) > _LONGEST and (conditions or matched):
        # Conditions look at what a request can make as long as it likes: they go first.
        (conditions or matched).clear()
        text = _sealed(seal, document, account, now)
    return text


def decode(seal: Seal, message: str, account: str, now: float) -> str:
    """Return a message's JSON text, for who asks in the account of who was denied. Raises Undecodable."""
    try:
        sealed = base64.b64decode(message + "=" * (-len(message) % 4), b"-_", validate=True)
        inflater = zlib.decompressobj()
        found = orjson.loads(inflater.decompress(seal.open(sealed, PURPOSE.encode()), _MOST))
    except (binascii.Error, ValueError, Unsealable, zlib.error):
        raise Undecodable("The message is none of this region, or was altered.") from None
    if found["account"] != account:
        raise Undecodable("The message is another account's.")
    if not 0 <= now - found["at"] < LIFETIME:
        raise Undecodable("The message has expired.")
    return orjson.dumps(found["message"]).decode()


def _sealed(seal: Seal, document: Mapping[str, Any], account: str, now: float) -> str:
    plain = orjson.dumps({"account": account, "at": now, "message": document})
    return base64.urlsafe_b64encode(seal.seal(zlib.compress(plain), PURPOSE.encode())).decode().rstrip("=")


def _items(found: list[Any]) -> dict[str, list[Any]]:
    return {"items": found}


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple | set | frozenset) else [str(value)]
