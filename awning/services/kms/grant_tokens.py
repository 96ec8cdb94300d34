"""Grant tokens: a grant's id, sealed. Each CreateGrant gives another one; all of a grant's are good alike.

Grants are in force with the reply, so a token adds nothing to a request; but one that is none is refused.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable

from awning.kit.call import Call
from awning.services.kms.errors import InvalidGrantTokenException
from awning.store.vault import Unsealable

_CONTEXT = b"grant token"


def make_token(call: Call, grant_id: str, arn: str) -> str:
    """A new token of a grant on a key."""
    return urlsafe_b64encode(call.seal.seal(json.dumps([grant_id, arn]).encode(), _CONTEXT)).decode().rstrip("=")


def read_token(call: Call, token: str) -> tuple[str, str]:
    """The id of a token's grant, and the ARN of its key. Raises InvalidGrantTokenException."""
    try:
        grant_id, arn = json.loads(call.seal.open(urlsafe_b64decode(token + "=" * (-len(token) % 4)), _CONTEXT))
    except (ValueError, Unsealable):
        raise InvalidGrantTokenException("The grant token is not valid.") from None
    return grant_id, arn


def check_tokens(call: Call, tokens: Iterable[str] | None) -> None:
    """Raises InvalidGrantTokenException where one of a request's grant tokens is none."""
    for token in tokens or ():
        read_token(call, token)
