"""Who a caller, or the owner of a key, is."""

from __future__ import annotations

from typing import Any

from awning.contracts import FindCredential
from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.sts import tables
from awning.services.sts.errors import ValidationError


@operation(reads=True)
def get_caller_identity(call: Call) -> dict[str, Any]:
    """Say who signed the request. Nobody needs a permission for it, and none can take it away."""
    caller = call.principal
    return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.caller_arn}


@operation(Needs("sts:GetAccessKeyInfo", "*"), reads=True)
def get_access_key_info(call: Call, access_key_id: str) -> dict[str, Any]:
    """Say to which account an access key belongs, whosever it is and whether or not it still works."""
    session = tables.find_session(call.db, call.seal, access_key_id)
    if session is not None:
        return {"Account": session.account}
    found = call.ask(FindCredential(access_key_id))
    if found is None:
        raise ValidationError(f"The access key {access_key_id} does not exist in this region.")
    return {"Account": found.principal.account}
