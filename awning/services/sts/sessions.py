"""Beginning a session: its key, secret and token, and the reply that carries them."""

from __future__ import annotations

import base64
from typing import Any, Final

from awning.kit.call import Call
from awning.services.sts.tables import Session

_TOKEN_BYTES: Final = 264


def new_credentials(call: Call) -> tuple[str, str, str]:
    """A temporary access key id, its secret of 40 characters, and a session token."""
    secret = base64.b64encode(call.random(30)).decode()
    token = base64.b64encode(call.random(_TOKEN_BYTES)).decode()
    return "ASIA" + call.new_token(16), secret, token


def describe(session: Session) -> dict[str, Any]:
    """Credentials as replies have them."""
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires,
    }
