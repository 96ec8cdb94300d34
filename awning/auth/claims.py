"""What a request claims about itself: which key signed it, when, for what, and with which signature. Nothing is proven here.

Sources: "Authenticating Requests: Using the Authorization Header" and "Using Query Parameters" of the S3 API reference.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from awning.auth.canonical import Lines, split_query
from awning.auth.payload import Mac
from awning.auth.refused import Reason, Refused
from awning.net.messages import Request

Scheme = Literal["v4-header", "v4-query", "v2-query", "v4-post", "v2-post"]

ALGORITHM = b"AWS4-HMAC-SHA256"
WEEK = 604_800
_S3_NAMES = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
_DIGITS = b"0123456789"
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A region becomes a part of ARNs, so it must have neither colons nor wildcards."""


class Scope:
    """The part of a claim that repeats from request to request: credential scope and names of signed headers.

    `line` is DATE/REGION/SERVICE/aws4_request; `midnight` the date's first second since the epoch; `kept`
    says that this object is remembered, as it was proven once.
    """

    __slots__ = (
        "access_key_id",
        "date",
        "day",
        "is_s3",
        "kept",
        "line",
        "lines",
        "mac",
        "midnight",
        "names",
        "names_line",
        "region",
        "secret",
        "service",
        "signed",
    )

    def __init__(self, credential: bytes, names_line: bytes, malformed: Reason) -> None:
        parts = _text(credential, malformed).rsplit("/", 4)
        if len(parts) != 5 or parts[4] != "aws4_request" or not all(parts) or not _REGION.fullmatch(parts[2]):
            raise Refused(
                malformed,
                "The credential is malformed; expecting "
                f'"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request", got "{_text(credential, malformed)}".',
            )
        self.access_key_id, self.date, self.region, self.service = parts[:4]
        self.line = "/".join(parts[1:]).encode("ascii")
        self.day = self.date.encode("ascii")
        self.midnight = _midnight(self.date, malformed)
        self.is_s3 = self.service in _S3_NAMES
        self.names_line = names_line
        self.names = tuple(names_line.lower().split(b";"))
        self.signed = frozenset(self.names)
        self.lines = Lines(self.names)
        self.secret: str | None = None
        self.mac: Mac | None = None
        self.kept = False
        if b"host" not in self.signed and b":authority" not in self.signed:
            raise Refused(
                Reason.UNSIGNED_HEADER,
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
                {"headers_not_signed": "host"},
            )


class Claims(NamedTuple):
    """Who says to have signed a request, and how.

    scheme: where the signature stands. date: YYYYMMDD of the credential scope; empty for v2-query, as are region and service
    ("s3"). signed_headers: lower-case names. timestamp: seconds since the epoch when it was signed. expires: seconds that a
    pre-signed URL lives, from timestamp; for v2-query the end itself, in seconds since the epoch. payload: the value of
    x-amz-content-sha256, None where it was not sent. stamp: the timestamp as it was sent.
    """

    scheme: Scheme
    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[bytes, ...]
    signature: str
    token: str | None
    timestamp: float
    expires: int | None
    payload: bytes | None
    stamp: bytes
    scope: Scope | None


def stamp_of(seconds: float) -> str:
    """Write seconds since the epoch as YYYYMMDDTHHMMSSZ."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y%m%dT%H%M%SZ")


def read_stamp(stamp: bytes, scope: Scope, malformed: Reason) -> float:
    """Return a stamp YYYYMMDDTHHMMSSZ of the scope's day as seconds since the epoch. Raises Refused."""
    if len(stamp) == 16 and stamp[8:9] == b"T" and stamp[15:] == b"Z":
        time = stamp[9:15]
        if time.isdigit():
            if not stamp.startswith(scope.day):
                raise _wrong_day(stamp, scope)
            hour, minute, second = int(time[:2]), int(time[2:4]), int(time[4:])
            if hour < 24 and minute < 60 and second < 60:
                return scope.midnight + hour * 3600 + minute * 60 + second
    raise Refused(malformed, f"The date must be in ISO8601 basic form (YYYYMMDDTHHMMSSZ), got '{_show(stamp)}'.")


def claims_of(request: Request, known: Mapping[bytes, Scope] | None = None) -> Claims | None:
    """Return what a request claims, or None where it shows no signature. Raises Refused where it can't be read.

    `known` maps Authorization texts, up to and with `Signature=`, to what they say.
    """
    authorization = request.headers.get(b"authorization")
    query = request.query
    if authorization is None:
        if not query:
            return None
        if _has(query, b"X-Amz-Algorithm") or _has(query, b"X-Amz-Signature"):
            return _query_claims(request)
        if _has(query, b"AWSAccessKeyId"):
            return _old_query_claims(request)
        return None
    if query and (_has(query, b"X-Amz-Algorithm") or (_has(query, b"AWSAccessKeyId") and _has(query, b"Signature"))):
        raise Refused(
            Reason.TWO_MECHANISMS,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
            "the Authorization header should be specified",
        )
    return _header_claims(authorization, request.headers, known)


def authorization_start(authorization: bytes) -> bytes:
    """The part of an Authorization header that repeats: all up to and with `Signature=`."""
    return authorization[: authorization.rfind(b"Signature=") + 10]


def _header_claims(
    authorization: bytes, headers: Mapping[bytes, bytes], known: Mapping[bytes, Scope] | None
) -> Claims | None:
    cut = authorization.rfind(b"Signature=") + 10
    scope = known.get(authorization[:cut]) if known is not None else None
    if scope is not None:
        signature = authorization[cut:]
    else:
        scope, signature = _read_authorization(authorization)
    stamp = headers.get(b"x-amz-date")
    if stamp is None:
        stamp = _stamp_of_date(headers.get(b"date"))
    timestamp = read_stamp(stamp, scope, Reason.MALFORMED)
    token = headers.get(b"x-amz-security-token")
    return Claims(
        "v4-header",
        scope.access_key_id,
        scope.date,
        scope.region,
        scope.service,
        scope.names,
        signature.decode("latin-1"),
        None if token is None else token.decode("latin-1"),
        timestamp,
        None,
        headers.get(b"x-amz-content-sha256"),
        stamp,
        scope,
    )


def _read_authorization(authorization: bytes) -> tuple[Scope, bytes]:
    mechanism, _, rest = authorization.partition(b" ")
    if mechanism != ALGORITHM:
        if mechanism.startswith(b"AWS4-"):
            raise Refused(Reason.UNSUPPORTED, f"{_show(mechanism)} is not supported. Please use AWS4-HMAC-SHA256.")
        if mechanism == b"AWS":
            raise Refused(Reason.UNSUPPORTED)
        raise Refused(
            Reason.UNKNOWN_MECHANISM, "", {"argument_name": "Authorization", "argument_value": _show(mechanism)}
        )
    fields: dict[bytes, bytes] = {}
    for part in rest.split(b","):
        name, equals, value = part.strip().partition(b"=")
        if not equals or name in fields:
            raise Refused(
                Reason.MALFORMED, "The authorization header is malformed; it must be a list of KEY=VALUE pairs."
            )
        fields[name] = value
    for name in (b"Credential", b"SignedHeaders", b"Signature"):
        if not fields.get(name):
            raise Refused(
                Reason.MALFORMED,
                f"The authorization header is malformed; Authorization header requires '{_show(name)}' parameter.",
            )
    return Scope(fields[b"Credential"], fields[b"SignedHeaders"], Reason.MALFORMED), fields[b"Signature"]


def _query_claims(request: Request) -> Claims:
    given = _parameters(request.query)
    algorithm = given.get(b"X-Amz-Algorithm")
    if algorithm is not None and algorithm != ALGORITHM:
        raise Refused(Reason.UNSUPPORTED if algorithm.startswith(b"AWS4-") else Reason.MALFORMED_QUERY, _BAD_ALGORITHM)
    try:
        credential, names = given[b"X-Amz-Credential"], given[b"X-Amz-SignedHeaders"]
        signature, stamp = given[b"X-Amz-Signature"], given[b"X-Amz-Date"]
    except KeyError:
        raise Refused(Reason.MALFORMED_QUERY, _INCOMPLETE_QUERY) from None
    scope = Scope(credential, names, Reason.MALFORMED_QUERY)
    expires = _read_expires(given.get(b"X-Amz-Expires"), scope.is_s3)
    if algorithm is None:
        raise Refused(Reason.MALFORMED_QUERY, _INCOMPLETE_QUERY)
    token = given.get(b"X-Amz-Security-Token", request.headers.get(b"x-amz-security-token"))
    payload = given.get(b"X-Amz-Content-Sha256", request.headers.get(b"x-amz-content-sha256"))
    return Claims(
        "v4-query",
        scope.access_key_id,
        scope.date,
        scope.region,
        scope.service,
        scope.names,
        signature.decode("latin-1"),
        None if token is None else token.decode("latin-1"),
        read_stamp(stamp, scope, Reason.MALFORMED_QUERY),
        expires,
        payload,
        stamp,
        scope,
    )


def _read_expires(given: bytes | None, is_s3: bool) -> int | None:
    if given is None:
        if is_s3:
            raise Refused(Reason.MALFORMED_QUERY, _INCOMPLETE_QUERY)
        return None
    digits = given[1:] if given.startswith(b"-") else given
    if not digits or digits.translate(None, _DIGITS) or len(digits) > 18:
        raise Refused(Reason.MALFORMED_QUERY, "X-Amz-Expires should be a number")
    if given.startswith(b"-"):
        raise Refused(Reason.MALFORMED_QUERY, "X-Amz-Expires must be non-negative")
    if int(digits) > WEEK:
        raise Refused(
            Reason.MALFORMED_QUERY,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 "
            "seconds",
        )
    return int(digits)


def _old_query_claims(request: Request) -> Claims:
    given = _parameters(request.query)
    try:
        key, signature, expires = given[b"AWSAccessKeyId"], given[b"Signature"], given[b"Expires"]
    except KeyError:
        raise Refused(
            Reason.MISSING, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        ) from None
    if not expires or expires.translate(None, _DIGITS) or len(expires) > 18:
        raise Refused(
            Reason.MISSING,
            f"Invalid date (should be seconds since epoch): {_show(expires)}",
            {"expires": _show(expires)},
        )
    token = request.headers.get(b"x-amz-security-token", given.get(b"x-amz-security-token"))
    return Claims(
        "v2-query",
        _show(key),
        "",
        "",
        "s3",
        (),
        _show(signature),
        None if token is None else _show(token),
        0.0,
        int(expires),
        request.headers.get(b"x-amz-content-sha256"),
        expires,
        None,
    )


def _has(query: bytes, name: bytes) -> bool:
    return name in query and (query.startswith(name + b"=") or b"&" + name + b"=" in query)


def _parameters(query: bytes) -> dict[bytes, bytes]:
    """The decoded parameters; one that decides about the signature must not come twice. A plus sign stands for itself:
    signatures and tokens are base64."""
    found: dict[bytes, bytes] = {}
    for key, value in split_query(query):
        name = unquote_to_bytes(key)
        if name in found and (name.startswith((b"X-Amz-", b"x-amz-")) or name in _OLD_NAMES):
            raise Refused(Reason.MALFORMED_QUERY, f"The query parameter {_show(name)} was given twice.")
        found[name] = unquote_to_bytes(value)
    return found


def _stamp_of_date(date: bytes | None) -> bytes:
    """A Date header (RFC 9110, 5.6.7, or ISO8601 basic form) as YYYYMMDDTHHMMSSZ. Raises Refused."""
    if date is None:
        raise Refused(Reason.MISSING, "AWS authentication requires a valid Date or x-amz-date header")
    if len(date) == 16 and date[8:9] == b"T" and date[15:] == b"Z":
        return date
    parsed = parsedate_tz(date.decode("latin-1"))
    if parsed is None or (parsed[9] is None and not date.rstrip().endswith(b"GMT")):
        raise Refused(Reason.MISSING, "AWS authentication requires a valid Date or x-amz-date header")
    try:
        return stamp_of(calendar.timegm((*parsed[:6], 0, 1, 0)) - (parsed[9] or 0)).encode("ascii")
    except (ValueError, OverflowError):
        raise Refused(Reason.MISSING, "AWS authentication requires a valid Date or x-amz-date header") from None


def _midnight(date: str, malformed: Reason) -> float:
    if len(date) == 8 and date.isascii() and date.isdigit():
        year, month, day = int(date[:4]), int(date[4:6]), int(date[6:])
        if year >= 1970 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]:
            return float(calendar.timegm((year, month, day, 0, 0, 0, 0, 1, 0)))
    raise Refused(
        malformed,
        f'Invalid credential date "{date}". This date is not the same as X-Amz-Date, or is not in the form YYYYMMDD.',
    )


def _wrong_day(stamp: bytes, scope: Scope) -> Refused:
    if scope.is_s3:
        return Refused(
            Reason.WRONG_SCOPE,
            f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: "{_show(stamp[:8])}".',
        )
    return Refused(
        Reason.WRONG_SCOPE,
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        f"'{scope.date}' != '{_show(stamp[:8])}', from '{_show(stamp)}'.",
    )


def _text(value: bytes, malformed: Reason) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise Refused(malformed, "The credential must be ASCII.") from None


def _show(value: bytes) -> str:
    return value.decode("utf-8", "replace")


_OLD_NAMES = frozenset({b"AWSAccessKeyId", b"Signature", b"Expires"})
_BAD_ALGORITHM = 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"'
_INCOMPLETE_QUERY = (
    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
    "X-Amz-SignedHeaders, and X-Amz-Expires parameters."
)
