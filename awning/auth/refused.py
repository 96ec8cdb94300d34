"""Refused: why a request's signature, date, token or body was not accepted, and what each protocol calls that.

The codes are data. S3 has its own, query services (IAM, STS, SQS's old form) another set, JSON services a third.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

Style = Literal["s3", "query", "json"]


class Reason(StrEnum):
    """Why a request was refused."""

    MISSING = "missing"
    MALFORMED = "malformed"
    MALFORMED_QUERY = "malformed-query"
    UNKNOWN_KEY = "unknown-key"
    INACTIVE_KEY = "inactive-key"
    FOREIGN = "foreign"
    MISMATCH = "mismatch"
    SKEWED = "skewed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    BAD_TOKEN = "bad-token"
    EXPIRED_TOKEN = "expired-token"
    WRONG_SCOPE = "wrong-scope"
    UNSIGNED_HEADER = "unsigned-header"
    UNSUPPORTED = "unsupported"
    UNKNOWN_MECHANISM = "unknown-mechanism"
    TWO_MECHANISMS = "two-mechanisms"
    NO_PAYLOAD_HASH = "no-payload-hash"
    BAD_PAYLOAD_HASH = "bad-payload-hash"
    PAYLOAD_MISMATCH = "payload-mismatch"
    BAD_CHUNK = "bad-chunk"
    SMALL_CHUNK = "small-chunk"
    BAD_TRAILER = "bad-trailer"
    INCOMPLETE_BODY = "incomplete-body"
    NO_DECODED_LENGTH = "no-decoded-length"
    POLICY_MALFORMED = "policy-malformed"
    POLICY_EXPIRED = "policy-expired"
    POLICY_FAILED = "policy-failed"
    TOO_SMALL = "too-small"
    TOO_LARGE = "too-large"
    POST_MALFORMED = "post-malformed"


class Refused(Exception):
    """A request that was not accepted.

    `message` is for the client; empty means the style's usual words (`text_for`). `facts` is what the protocol's error may
    carry: access_key_id, signature_provided, string_to_sign, canonical_request, and for dates and payloads what was compared.
    """

    def __init__(self, reason: Reason, message: str = "", facts: Mapping[str, str] | None = None) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.facts: dict[str, str] = dict(facts or {})

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else str(self.reason)


_SIGNATURE = ("SignatureDoesNotMatch", 403), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400)
_INCOMPLETE = ("IncompleteSignature", 400), ("IncompleteSignatureException", 400)
_S3_ONLY = ("InvalidRequest", 400), ("ValidationException", 400)

_CODES: dict[Reason, tuple[tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    Reason.MISSING: (
        ("AccessDenied", 403),
        ("MissingAuthenticationToken", 403),
        ("MissingAuthenticationTokenException", 400),
    ),
    Reason.MALFORMED: (("AuthorizationHeaderMalformed", 400), *_INCOMPLETE),
    Reason.MALFORMED_QUERY: (("AuthorizationQueryParametersError", 400), *_INCOMPLETE),
    Reason.UNKNOWN_KEY: (
        ("InvalidAccessKeyId", 403),
        ("InvalidClientTokenId", 403),
        ("UnrecognizedClientException", 400),
    ),
    Reason.INACTIVE_KEY: (
        ("InvalidAccessKeyId", 403),
        ("InvalidClientTokenId", 403),
        ("UnrecognizedClientException", 400),
    ),
    Reason.FOREIGN: (("AccessDenied", 403), ("AccessDenied", 403), ("AccessDeniedException", 403)),
    Reason.MISMATCH: _SIGNATURE,
    Reason.SKEWED: (("RequestTimeTooSkewed", 403), *_SIGNATURE[1:]),
    Reason.EXPIRED: (("AccessDenied", 403), *_SIGNATURE[1:]),
    Reason.NOT_YET_VALID: (("AccessDenied", 403), *_SIGNATURE[1:]),
    Reason.BAD_TOKEN: (("InvalidToken", 400), ("InvalidClientTokenId", 403), ("UnrecognizedClientException", 400)),
    Reason.EXPIRED_TOKEN: (("ExpiredToken", 400), ("ExpiredToken", 403), ("ExpiredTokenException", 400)),
    Reason.WRONG_SCOPE: (("AuthorizationHeaderMalformed", 400), *_SIGNATURE[1:]),
    Reason.UNSIGNED_HEADER: (("AccessDenied", 403), *_SIGNATURE[1:]),
    Reason.UNSUPPORTED: (("InvalidRequest", 400), *_INCOMPLETE),
    Reason.UNKNOWN_MECHANISM: (("InvalidArgument", 400), *_INCOMPLETE),
    Reason.TWO_MECHANISMS: (("InvalidArgument", 400), *_INCOMPLETE),
    Reason.NO_PAYLOAD_HASH: (("InvalidRequest", 400), *_INCOMPLETE),
    Reason.BAD_PAYLOAD_HASH: (("InvalidArgument", 400), *_SIGNATURE[1:]),
    Reason.PAYLOAD_MISMATCH: (("XAmzContentSHA256Mismatch", 400), *_SIGNATURE[1:]),
    Reason.BAD_CHUNK: (("IncompleteBody", 400), *_S3_ONLY),
    Reason.SMALL_CHUNK: (("InvalidChunkSizeError", 403), *_S3_ONLY),
    Reason.BAD_TRAILER: (("MalformedTrailerError", 400), *_S3_ONLY),
    Reason.INCOMPLETE_BODY: (("IncompleteBody", 400), *_S3_ONLY),
    Reason.NO_DECODED_LENGTH: (("MissingContentLength", 411), *_S3_ONLY),
    Reason.POLICY_MALFORMED: (("InvalidPolicyDocument", 400), *_S3_ONLY),
    Reason.POLICY_EXPIRED: (("AccessDenied", 403), *_S3_ONLY),
    Reason.POLICY_FAILED: (("AccessDenied", 403), *_S3_ONLY),
    Reason.TOO_SMALL: (("EntityTooSmall", 400), *_S3_ONLY),
    Reason.TOO_LARGE: (("EntityTooLarge", 400), *_S3_ONLY),
    Reason.POST_MALFORMED: (("InvalidArgument", 400), *_S3_ONLY),
}

_INVALID_TOKEN = "The security token included in the request is invalid."
_NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)

_TEXTS: dict[Reason, tuple[str, str]] = {
    Reason.MISSING: ("Access Denied", "Request is missing Authentication Token"),
    Reason.UNKNOWN_KEY: ("The AWS Access Key Id you provided does not exist in our records.", _INVALID_TOKEN),
    Reason.INACTIVE_KEY: ("The AWS Access Key Id you provided does not exist in our records.", _INVALID_TOKEN),
    Reason.MISMATCH: (
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        _NO_MATCH,
    ),
    Reason.BAD_TOKEN: ("The provided token is malformed or otherwise invalid.", _INVALID_TOKEN),
    Reason.EXPIRED_TOKEN: ("The provided token has expired.", "The security token included in the request is expired"),
    Reason.UNSUPPORTED: (
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ),
    Reason.UNKNOWN_MECHANISM: ("Unsupported Authorization Type", "Unsupported Authorization Type"),
    Reason.PAYLOAD_MISMATCH: (
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        _NO_MATCH,
    ),
    Reason.INCOMPLETE_BODY: ("The request body terminated unexpectedly", "The request body terminated unexpectedly"),
    Reason.BAD_TRAILER: (
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        "The request contained trailing data that was not well-formed.",
    ),
}

_COLUMN = {"s3": 0, "query": 1, "json": 2}


def code_for(reason: Reason, style: Style) -> tuple[str, int]:
    """Return a reason's error code and HTTP status in a protocol's own terms ("json": also rest-json and cbor).

    Sources: "Error responses" of the S3 API reference, "Common errors" of the IAM, SQS and DynamoDB API references.
    """
    return _CODES[reason][_COLUMN[style]]


def text_for(refused: Refused, style: Style) -> str:
    """Return the message for the client: the refusal's own, else the style's usual words for its reason."""
    if refused.message:
        return refused.message
    usual = _TEXTS.get(refused.reason)
    if usual is None:
        return f"The request was refused: {refused.reason}."
    return usual[0 if style == "s3" else 1]
