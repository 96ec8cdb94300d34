"""S3's old signatures (Signature Version 2) in pre-signed URLs, which boto3 still makes by default, and in POST forms.

Source: "Signing and Authenticating REST Requests (Signature Version 2)" of the S3 user guide. Only S3 takes them.
"""

from __future__ import annotations

import base64
import hmac
from hmac import compare_digest
from urllib.parse import unquote_to_bytes

from awning.auth.canonical import s3_path
from awning.auth.claims import Claims, stamp_of
from awning.auth.payload import UNSIGNED_RULE, Exact, PayloadRule, is_hash
from awning.auth.refused import Reason, Refused
from awning.net.messages import Request

_SIGNED_PARAMETERS = frozenset(
    b"accelerate acl analytics cors defaultObjectAcl delete encryption intelligent-tiering inventory legal-hold lifecycle "
    b"location logging metrics notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock "
    b"replication requestPayment restore retention select select-type storageClass tagging torrent uploadId uploads "
    b"versionId versioning versions website response-cache-control response-content-disposition response-content-encoding "
    b"response-content-language response-content-type response-expires attributes append".split()
)
"""Query parameters that choose what is done, or what is answered, and so are part of the signature."""


def sign(secret: str, text: bytes) -> str:
    """Return the Base64 HMAC-SHA1 of a text."""
    return base64.b64encode(hmac.digest(secret.encode("utf-8"), text, "sha1")).decode("ascii")


def verify_query(found: Claims, request: Request, secret: str, now: float, bucket: str | None) -> PayloadRule:
    """Prove a pre-signed URL with AWSAccessKeyId, Signature and Expires. Raises Refused: EXPIRED, MISMATCH.

    bucket: the one that the Host header named; it is part of what is signed.
    """
    assert found.expires is not None
    if now >= found.expires:
        facts = {"expires": stamp_of(found.expires), "server_time": stamp_of(now)}
        raise Refused(Reason.EXPIRED, "Request has expired", facts)
    path = (b"/" + bucket.encode("utf-8") if bucket else b"") + request.path
    to_sign = _string_to_sign(found, request, path)
    if not _equal(sign(secret, to_sign), found.signature):
        others = {s3_path(path)} - {path}
        if path.count(b"/") == 1 and path != b"/":
            # botocore signs a bucket as it would be in the Host, with a slash behind it, even where the path names it.
            others.add(path + b"/")
        texts = [_string_to_sign(found, request, other) for other in others]
        if not any(_equal(sign(secret, text), found.signature) for text in texts):
            facts = {
                "access_key_id": found.access_key_id,
                "signature_provided": found.signature,
                "string_to_sign": to_sign.decode("utf-8", "replace"),
                "string_to_sign_bytes": to_sign.hex(" "),
            }
            raise Refused(Reason.MISMATCH, "", facts)
    declared = found.payload
    if declared is not None and is_hash(declared):
        return Exact(declared.decode("ascii"))
    return UNSIGNED_RULE


def _equal(computed: str, given: str) -> bool:
    return compare_digest(computed.encode("ascii"), given.encode("utf-8"))


def _string_to_sign(found: Claims, request: Request, path: bytes) -> bytes:
    """The text that an old pre-signed URL signs. Clients put the x-amz- headers, Content-Type and Content-MD5 that they
    signed into the query, so each is taken from either place; where both name it, they must agree."""
    signed: list[tuple[bytes, bytes]] = []
    fields: dict[bytes, bytes] = {}
    for part in request.query.split(b"&"):
        key, equals, value = part.partition(b"=")
        name = unquote_to_bytes(key)
        lower = name.lower()
        if name in _SIGNED_PARAMETERS:
            signed.append((name, name + equals + unquote_to_bytes(value)))
        elif lower.startswith(b"x-amz-") or lower in (b"content-type", b"content-md5"):
            fields[lower] = unquote_to_bytes(value).strip()
    for name, value in request.headers.items():
        if name.startswith(b"x-amz-") or name in (b"content-type", b"content-md5"):
            if fields.get(name, value) != value:
                raise Refused(
                    Reason.MISMATCH,
                    f"The header {name.decode('latin-1')} differs from the query parameter of that name.",
                    {"access_key_id": found.access_key_id, "signature_provided": found.signature},
                )
            fields[name] = value
    lines = [
        request.method.encode("ascii"),
        fields.pop(b"content-md5", b""),
        fields.pop(b"content-type", b""),
        found.stamp,
        *[name + b":" + value for name, value in sorted(fields.items())],
        path + (b"?" + b"&".join([text for _, text in sorted(signed)]) if signed else b""),
    ]
    return b"\n".join(lines)
