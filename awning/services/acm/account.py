"""An account's settings.

Source: the API reference of GetAccountConfiguration and PutAccountConfiguration.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.acm import tables
from awning.services.acm.errors import ValidationException

_DEFAULT: Final = 45
_HOUR: Final = 3600.0


@operation(Needs("acm:GetAccountConfiguration", "*"), reads=True)
def get_account_configuration(call: Call) -> dict[str, Any]:
    """Return how many days before a certificate expires events are to begin."""
    days = tables.days_before_expiry(call.db, call.account, call.region)
    return {"ExpiryEvents": {"DaysBeforeExpiry": _DEFAULT if days is None else days}}


@operation(Needs("acm:PutAccountConfiguration", "*"), honours={"expiry_events": ALL})
def put_account_configuration(call: Call, idempotency_token: str, expiry_events: dict[str, int] | None = None) -> None:
    """Say how many days before a certificate expires events are to begin. A token's second request changes nothing."""
    if tables.find_token(call.db, call.account, call.region, "configure", idempotency_token, call.now) is not None:
        return
    days = (expiry_events or {}).get("DaysBeforeExpiry")
    if days is None:
        raise ValidationException("ExpiryEvents must have DaysBeforeExpiry.")
    tables.put_days_before_expiry(call.db, call.account, call.region, days)
    tables.put_token(
        call.db,
        call.account,
        call.region,
        "configure",
        idempotency_token,
        digest=sha256(orjson.dumps(expiry_events)).hexdigest(),
        result="",
        expires=call.now + _HOUR,
    )
