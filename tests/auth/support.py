"""What the tests of signatures share: botocore as the other side, and requests as the HTTP layer hands them over."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import BaseSigner
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from awning.auth.claims import Claims
from awning.auth.payload import PayloadRule
from awning.auth.signature import Verifier
from awning.net.messages import Endpoint, Request

ENDPOINT = Endpoint("127.0.0.1", 4566, "127.0.0.1", 50000, loopback=True)
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "http://localhost:4566"


def request(
    method: str = "GET", target: str = "/", headers: dict[str, str] | None = None, payload: bytes | None = b""
) -> Request:
    """A request as the HTTP layer makes it: lower-case names, stripped values."""
    raw = target.encode("utf-8")
    path, _, query = raw.partition(b"?")
    found = {name.lower().encode(): value.strip().encode("utf-8") for name, value in (headers or {}).items()}
    length = None if payload is None else len(payload)
    return Request(method, raw, path, query, found, ENDPOINT, length, payload)


def sent(signed: AWSRequest, payload: bytes | None = b"") -> Request:
    """What a server receives when botocore's request is sent."""
    parts = urlsplit(signed.url)
    target = parts.path + ("?" + parts.query if parts.query else "")
    headers = {"host": parts.netloc, **{name: _text(value) for name, value in signed.headers.items()}}
    return request(signed.method, target or "/", headers, payload)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def sign(
    signer: type[BaseSigner],
    method: str = "GET",
    url: str = HOST + "/",
    *,
    headers: dict[str, str] | None = None,
    payload: bytes = b"",
    service: str = "s3",
    token: str | None = None,
    auth_path: str | None = None,
    params: dict[str, str] | None = None,
    context: dict[str, Any] | None = None,
    **options: Any,
) -> Request:
    """Sign with one of botocore's signers, and return what the server receives."""
    data = b"" if "Query" in signer.__name__ else payload
    made = AWSRequest(
        method=method, url=url, headers=headers or {}, data=data, params=params or {}, auth_path=auth_path
    )
    made.context.update(context or {})
    credentials = Credentials(KEY, SECRET, token)
    if "Hmac" in signer.__name__:
        signer(credentials, **options).add_auth(made)  # type: ignore[call-arg]
    else:
        signer(credentials, service, "us-east-1", **options).add_auth(made)  # type: ignore[call-arg]
    return sent(made, payload)


def prove(given: Request, secret: str = SECRET, now: float | None = None, **options: Any) -> tuple[Claims, PayloadRule]:
    """Verify a request with a new verifier; return its claims and the rule for its body."""
    verifier = Verifier()
    claims = verifier.claims(given)
    assert claims is not None
    return claims, verifier.verify(claims, given, secret, time.time() if now is None else now, **options)
