"""DecodeAuthorizationMessage: what a service's encoded denial says, for who may know it."""

from __future__ import annotations

from typing import Any

from awning.kit.authorization_messages import PURPOSE, Undecodable, decode
from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.sts.errors import InvalidAuthorizationMessageException


@operation(Needs("sts:DecodeAuthorizationMessage", "*"), reads=True)
def decode_authorization_message(call: Call, encoded_message: str) -> dict[str, Any]:
    """Decode a denial of this account, of the last day. Raises InvalidAuthorizationMessageException."""
    try:
        decoded = decode(call.room.vault.key(PURPOSE), encoded_message, call.account, call.now)
    except Undecodable as error:
        raise InvalidAuthorizationMessageException(str(error)) from error
    return {"DecodedMessage": decoded}
