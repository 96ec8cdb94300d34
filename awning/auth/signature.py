"""Proves what a request claims: Signature Version 4 in headers and queries, and S3's old pre-signed URLs.

What is kept between calls is derived from secrets and texts that were proven once, and is bounded.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from hmac import compare_digest
from typing import Generic, TypeVar

from awning.auth import canonical, sigv2
from awning.auth.claims import Claims, Scope, authorization_start, claims_of, stamp_of
from awning.auth.payload import (
    CHECKED_RULE,
    EMPTY_HASH,
    STREAMING,
    STREAMING_TRAILER,
    STREAMING_UNSIGNED,
    UNSIGNED,
    UNSIGNED_CHUNKS_RULE,
    UNSIGNED_RULE,
    Checked,
    Exact,
    Mac,
    PayloadRule,
    SignedBody,
    SignedChunks,
    Unsigned,
    UnsignedChunks,
    anonymous_rule,
    check_whole,
    is_hash,
)
from awning.auth.refused import Reason, Refused
from awning.net.messages import Request

__all__ = [
    "Checked",
    "Claims",
    "Exact",
    "PayloadRule",
    "SignedBody",
    "SignedChunks",
    "Unsigned",
    "UnsignedChunks",
    "Verifier",
    "anonymous_rule",
    "check_credential",
    "check_whole",
    "claims",
]

SKEW = 900
"""Seconds that a signature's time may differ from ours, either way."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(dict[Key, Value], Generic[Key, Value]):
    """A bounded dictionary that forgets, half at a time, what was put in first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def keep(self, key: Key, value: Value) -> None:
        """Put a value in; past the bound the older half goes."""
        if len(self) >= self.most:
            for old in list(self)[: self.most // 2]:
                del self[old]
        self[key] = value


def claims(request: Request) -> Claims | None:
    """Return what a request claims, None for an anonymous one. Raises Refused where it can't be read."""
    return claims_of(request)


def check_credential(
    found: Claims, now: float, *, active: bool = True, token: str | None = None, expires: float | None = None
) -> None:
    """Check what a credential demands besides its secret: that it is active, its session token, the session's end.

    `token` and `expires` are the credential's own. Raises Refused: INACTIVE_KEY, UNKNOWN_KEY, BAD_TOKEN,
    EXPIRED_TOKEN.
    """
    facts = {"access_key_id": found.access_key_id}
    if not active:
        raise Refused(Reason.INACTIVE_KEY, "", facts)
    given = found.token
    if given is None and token is not None:
        # Without its token a temporary key names nobody: S3 says InvalidAccessKeyId.
        raise Refused(Reason.UNKNOWN_KEY, "", facts)
    if given is not None and (token is None or not compare_digest(given.encode("utf-8"), token.encode("utf-8"))):
        raise Refused(Reason.BAD_TOKEN, "", facts)
    if expires is not None and now >= expires:
        raise Refused(Reason.EXPIRED_TOKEN, "", facts)


class Verifier:
    """Verifies signatures; keeps what repeats: parsed Authorization texts, and signing keys as keyed hashes.

    Only what was proven is kept, so a stranger can't push it out. Not for use by several threads at once.
    """

    def __init__(self, kept: int = 4096) -> None:
        self._scopes: Recent[bytes, Scope] = Recent(kept)
        self._macs: Recent[tuple[str, bytes], tuple[str, Mac]] = Recent(kept)

    def claims(self, request: Request) -> Claims | None:
        """Return what a request claims, None for an anonymous one. Raises Refused where it can't be read."""
        return claims_of(request, self._scopes)

    def verify(
        self,
        found: Claims,
        request: Request,
        secret: str,
        now: float,
        *,
        service: str | None = None,
        bucket: str | None = None,
    ) -> PayloadRule:
        """Prove a claim with the key's secret; return how the body is to be checked.

        now: seconds since the epoch. service: the one that the claim must be scoped to. bucket: the one that the Host header
        named, for old pre-signed URLs. Where the signature covers a body that is not here yet, the rule is a SignedBody, and
        nothing is proven until it has been checked. Raises Refused.
        """
        scope = found.scope
        if scope is None:
            # An old signature covers no more of the query than what chooses S3's operation: elsewhere it would prove nothing.
            if service not in (None, "s3"):
                raise Refused(Reason.UNSUPPORTED)
            return sigv2.verify_query(found, request, secret, now, bucket)
        if service is not None and service != found.service and not (service == "s3" and scope.is_s3):
            raise _wrong_service(found, service)
        if found.scheme == "v4-query":
            return self._verify_query(found, scope, request, secret, now)
        if not -SKEW <= found.timestamp - now <= SKEW:
            raise _skewed(found, now)
        headers = request.headers
        for name in headers.keys() - scope.signed:
            if name.startswith(b"x-amz-"):
                raise _unsigned(found, headers.keys())
        path = canonical.s3_path(request.path) if scope.is_s3 else canonical.service_path(request.path)
        query = canonical.canonical_query(request.query) if request.query else b""
        head = b"\n".join(
            (
                request.method.encode("ascii"),
                path,
                query,
                scope.lines.write(headers),
                b"",
                scope.names_line,
                b"",
            )
        )
        mac = self._mac(scope, secret)
        declared = found.payload
        if declared is None:
            if scope.is_s3:
                raise Refused(Reason.NO_PAYLOAD_HASH, "Missing required header for this request: x-amz-content-sha256")
            return self._verify_with_body(found, scope, request, mac, head)
        if not _matches(found, scope, mac, head + declared):
            _match_as_sent(found, scope, mac, request, request.query, head, declared)
        if not scope.kept:
            self._remember(request, scope)
        return _rule(found, scope, mac, declared)

    def _mac(self, scope: Scope, secret: str) -> Mac:
        if scope.mac is not None and scope.secret == secret:
            return scope.mac
        key = (scope.access_key_id, scope.line)
        kept = self._macs.get(key)
        if kept is None or kept[0] != secret:
            kept = (secret, Mac.for_signing(secret, scope.date, scope.region, scope.service))
        scope.secret, scope.mac = kept
        return kept[1]

    def _remember(self, request: Request, scope: Scope) -> None:
        authorization = request.headers[b"authorization"]
        start = authorization_start(authorization)
        self._keep_mac(scope)
        if len(authorization) == len(start) + 64:
            scope.kept = True
            self._scopes.keep(start, scope)

    def _keep_mac(self, scope: Scope) -> None:
        key = (scope.access_key_id, scope.line)
        kept = self._macs.get(key)
        if kept is None or kept[0] != scope.secret:
            assert scope.secret is not None
            assert scope.mac is not None
            self._macs.keep(key, (scope.secret, scope.mac))

    def _verify_with_body(self, found: Claims, scope: Scope, request: Request, mac: Mac, head: bytes) -> PayloadRule:
        """Prove a claim of a service other than S3, where the body's own hash is part of what is signed."""
        if request.payload is None:
            return SignedBody(partial(self._prove_body, found, scope, request, mac, head))
        digest = sha256(request.payload).hexdigest() if request.payload else EMPTY_HASH
        self._prove_body(found, scope, request, mac, head, digest)
        return CHECKED_RULE

    def _prove_body(self, found: Claims, scope: Scope, request: Request, mac: Mac, head: bytes, digest: str) -> None:
        payload = digest.encode("ascii")
        if not _matches(found, scope, mac, head + payload):
            raise _mismatch(found, scope, head + payload)
        if found.scheme == "v4-header" and not scope.kept:
            self._remember(request, scope)

    def _verify_query(self, found: Claims, scope: Scope, request: Request, secret: str, now: float) -> PayloadRule:
        _check_lifetime(found, scope, now)
        headers = request.headers
        for name in headers.keys() - scope.signed:
            if name.startswith(b"x-amz-") and name not in (b"x-amz-content-sha256", b"x-amz-security-token"):
                raise _unsigned(found, headers.keys())
        pairs = [
            (key, value)
            for key, value in canonical.split_query(request.query)
            if canonical.decode(key) != b"X-Amz-Signature"
        ]
        path = canonical.s3_path(request.path) if scope.is_s3 else canonical.service_path(request.path)
        method = request.method.encode("ascii")
        lines = scope.lines.write(headers)

        def head_of(path: bytes, query: bytes) -> bytes:
            return b"\n".join((method, path, query, lines, b"", scope.names_line, b""))

        head = head_of(path, canonical.canonical_pairs(pairs))
        mac = self._mac(scope, secret)
        declared = found.payload
        if not scope.is_s3:
            return self._verify_service_query(found, scope, request, mac, head, head_of(path, _without_token(pairs)))
        if declared is None or (b"x-amz-content-sha256" not in scope.signed and not _in_query(pairs)):
            declared = UNSIGNED
        if not _matches(found, scope, mac, head + declared):
            sent = head_of(request.path, canonical.join_pairs(pairs))
            if sent == head or not _matches(found, scope, mac, sent + declared):
                raise _mismatch(found, scope, head + declared)
        self._keep_mac(scope)
        return _rule(found, scope, mac, declared)

    def _verify_service_query(
        self, found: Claims, scope: Scope, request: Request, mac: Mac, head: bytes, without_token: bytes
    ) -> PayloadRule:
        """A pre-signed URL of a service other than S3. Some add the session token after signing; it is checked by itself."""
        declared = found.payload
        if declared is None:
            if request.payload is None:
                return SignedBody(partial(self._prove_body, found, scope, request, mac, head))
            declared = sha256(request.payload).hexdigest().encode("ascii")
            rule: PayloadRule = CHECKED_RULE
        else:
            rule = _rule(found, scope, mac, declared)
        if not _matches(found, scope, mac, head + declared) and (
            found.token is None or not _matches(found, scope, mac, without_token + declared)
        ):
            raise _mismatch(found, scope, head + declared)
        self._keep_mac(scope)
        return rule


def _matches(found: Claims, scope: Scope, mac: Mac, canonical_request: bytes) -> bool:
    computed = mac.sign(_to_sign(found, scope, canonical_request))
    return compare_digest(computed.encode("ascii"), found.signature.encode("latin-1"))


def _to_sign(found: Claims, scope: Scope, canonical_request: bytes) -> bytes:
    digest = sha256(canonical_request).hexdigest().encode("ascii")
    return b"\n".join((b"AWS4-HMAC-SHA256", found.stamp, scope.line, digest))


def _match_as_sent(
    found: Claims, scope: Scope, mac: Mac, request: Request, query: bytes, head: bytes, declared: bytes
) -> None:
    """Try once more with path and query exactly as they were sent: some clients of S3 encode less than they should, and
    sign what they send. It binds the same bytes, so it proves no less. Raises Refused(MISMATCH)."""
    if scope.is_s3:
        method, _, _, rest = head.split(b"\n", 3)
        sent = b"\n".join((method, request.path, canonical.sent_query(query), rest))
        if sent != head and _matches(found, scope, mac, sent + declared):
            return
    raise _mismatch(found, scope, head + declared)


def _rule(found: Claims, scope: Scope, mac: Mac, declared: bytes) -> PayloadRule:
    if is_hash(declared):
        return Exact(declared.decode("ascii"))
    if declared == UNSIGNED:
        return UNSIGNED_RULE
    if scope.is_s3:
        if declared == STREAMING_UNSIGNED:
            return UNSIGNED_CHUNKS_RULE
        if declared in (STREAMING, STREAMING_TRAILER):
            stamp, line = found.stamp.decode("ascii"), scope.line.decode("ascii")
            return SignedChunks(mac, found.signature, stamp, line, declared == STREAMING_TRAILER)
    raise Refused(
        Reason.BAD_PAYLOAD_HASH,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        {"argument_name": "x-amz-content-sha256", "argument_value": declared.decode("utf-8", "replace")},
    )


def _without_token(pairs: canonical.Pairs) -> bytes:
    return canonical.canonical_pairs([pair for pair in pairs if canonical.decode(pair[0]) != b"X-Amz-Security-Token"])


def _in_query(pairs: canonical.Pairs) -> bool:
    return any(canonical.decode(key) == b"X-Amz-Content-Sha256" for key, _ in pairs)


def _check_lifetime(found: Claims, scope: Scope, now: float) -> None:
    lifetime = SKEW if found.expires is None else found.expires
    if found.timestamp - now > SKEW:
        if scope.is_s3:
            raise Refused(Reason.NOT_YET_VALID, "Request is not valid yet", {"server_time": stamp_of(now)})
        raise _skewed(found, now)
    if now >= found.timestamp + lifetime:
        end = found.timestamp + lifetime
        facts = {"expires": stamp_of(end), "server_time": stamp_of(now), "x_amz_expires": str(lifetime)}
        if scope.is_s3:
            raise Refused(Reason.EXPIRED, "Request has expired", facts)
        text = f"Signature expired: {stamp_of(found.timestamp)} is now earlier than {stamp_of(now - lifetime)}"
        raise Refused(Reason.EXPIRED, f"{text} ({stamp_of(now)} - {lifetime // 60} min.)", facts)


def _skewed(found: Claims, now: float) -> Refused:
    stamp = found.stamp.decode("latin-1")
    if found.scope is not None and found.scope.is_s3:
        facts = {"request_time": stamp, "server_time": stamp_of(now), "max_allowed_skew_milliseconds": str(SKEW * 1000)}
        return Refused(
            Reason.SKEWED, "The difference between the request time and the current time is too large.", facts
        )
    if found.timestamp < now:
        text = f"Signature expired: {stamp} is now earlier than {stamp_of(now - SKEW)} ({stamp_of(now)} - 15 min.)"
    else:
        text = (
            f"Signature not yet current: {stamp} is still later than {stamp_of(now + SKEW)} ({stamp_of(now)} + 15 min.)"
        )
    return Refused(Reason.SKEWED, text)


def _wrong_service(found: Claims, service: str) -> Refused:
    if service == "s3":
        text = f'The authorization header is malformed; incorrect service "{found.service}". This endpoint belongs to "s3".'
    else:
        text = f"Credential should be scoped to correct service: '{service}'."
    return Refused(Reason.WRONG_SCOPE, text)


def _unsigned(found: Claims, names: object) -> Refused:
    assert found.scope is not None
    left = sorted(
        name.decode("latin-1")
        for name in names  # type: ignore[attr-defined]
        if name.startswith(b"x-amz-") and name not in found.scope.signed
    )
    return Refused(
        Reason.UNSIGNED_HEADER,
        "There were headers present in the request which were not signed",
        {"headers_not_signed": ", ".join(left)},
    )


def _mismatch(found: Claims, scope: Scope, canonical_request: bytes) -> Refused:
    """The refusal that carries what we computed, as S3's SignatureDoesNotMatch does."""
    to_sign = _to_sign(found, scope, canonical_request)
    facts = {
        "access_key_id": found.access_key_id,
        "signature_provided": found.signature,
        "string_to_sign": to_sign.decode("utf-8", "replace"),
        "string_to_sign_bytes": to_sign.hex(" "),
        "canonical_request": canonical_request.decode("utf-8", "replace"),
        "canonical_request_bytes": canonical_request.hex(" "),
    }
    return Refused(Reason.MISMATCH, "", facts)
