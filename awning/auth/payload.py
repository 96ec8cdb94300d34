"""How a verified request's body is to be checked: one small rule object per mode of x-amz-content-sha256.

Nothing here reads a body; `check_whole` takes a small one that is already there, awning.auth.streaming takes the rest.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

from awning.auth.refused import Reason, Refused

EMPTY_HASH = sha256().hexdigest()
UNSIGNED = b"UNSIGNED-PAYLOAD"
STREAMING = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_HEX = b"0123456789abcdef"
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Mac:
    """HMAC-SHA256 with its key taken in once: the two hash states after the padded key (RFC 2104) are copied for each text."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    @classmethod
    def for_signing(cls, secret: str, date: str, region: str, service: str) -> Mac:
        """Return one that holds the signing key of a day (YYYYMMDD), region and service."""
        key = ("AWS4" + secret).encode("utf-8")
        for part in (date, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode("utf-8"), "sha256")
        return cls(key)

    def sign(self, text: bytes) -> str:
        """Return the text's HMAC in lower-case hex."""
        inner = self._inner.copy()
        inner.update(text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class Exact(NamedTuple):
    """The body's SHA-256 must be `sha256` (64 lower-case hex digits)."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Unsigned:
    """The signature does not cover the body."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The body was there when the signature was verified, and was part of it."""


@dataclass(frozen=True, slots=True)
class SignedBody:
    """The signature covers the body, which was not there yet: `prove(sha256 hex)` finishes its verification, or raises.

    Until then nothing of the request is proven.
    """

    prove: Proof


class Proof(Protocol):
    """Finishes a verification that waited for the body's hash. Raises Refused(MISMATCH)."""

    def __call__(self, digest: str, /) -> None: ...


@dataclass(frozen=True, slots=True)
class SignedChunks:
    """An aws-chunked body whose chunks are signed, each signature covering the one before; `seed` is the head's.

    `mac` holds the signing key, `stamp` and `scope` are the lines of every chunk's string to sign.
    """

    mac: Mac
    seed: str
    stamp: str
    scope: str
    with_trailer: bool


@dataclass(frozen=True, slots=True)
class UnsignedChunks:
    """An aws-chunked body without signatures, with trailing headers."""


PayloadRule = Exact | Unsigned | Checked | SignedBody | SignedChunks | UnsignedChunks

UNSIGNED_RULE = Unsigned()
CHECKED_RULE = Checked()
UNSIGNED_CHUNKS_RULE = UnsignedChunks()


def is_hash(value: bytes) -> bool:
    """Whether a value is a SHA-256 in lower-case hex."""
    return len(value) == 64 and not value.translate(None, _HEX)


def anonymous_rule(headers: Mapping[bytes, bytes]) -> PayloadRule:
    """How the body of a request without a signature is to be checked. Raises Refused for signed chunks, which need a key."""
    declared = headers.get(b"x-amz-content-sha256")
    if declared in (STREAMING, STREAMING_TRAILER):
        raise Refused(Reason.BAD_PAYLOAD_HASH, "Signed chunks need a signed request.")
    if declared is not None and is_hash(declared):
        return Exact(declared.decode("ascii"))
    if declared == STREAMING_UNSIGNED or is_aws_chunked(headers):
        return UNSIGNED_CHUNKS_RULE
    return UNSIGNED_RULE


def is_aws_chunked(headers: Mapping[bytes, bytes]) -> bool:
    """Whether Content-Encoding names aws-chunked."""
    encoding = headers.get(b"content-encoding")
    if encoding is None:
        return False
    return b"aws-chunked" in [part.strip().lower() for part in encoding.split(b",")]


def check_whole(rule: PayloadRule, body: bytes) -> None:
    """Check a body that is not aws-chunked. Raises Refused(PAYLOAD_MISMATCH), or MISMATCH for a SignedBody."""
    match rule:
        case Checked() | Unsigned():
            return
        case Exact(expected):
            check_hash(expected, sha256(body).hexdigest())
        case SignedBody(prove):
            prove(sha256(body).hexdigest())
        case _:
            raise Refused(Reason.UNSUPPORTED, "This operation does not take a body in chunks (aws-chunked).")


def check_hash(expected: str, computed: str) -> None:
    """Raise Refused(PAYLOAD_MISMATCH) where the two differ."""
    if not hmac.compare_digest(expected, computed):
        facts = {"client_computed_content_sha256": expected, "s3_computed_content_sha256": computed}
        raise Refused(Reason.PAYLOAD_MISMATCH, "", facts)
