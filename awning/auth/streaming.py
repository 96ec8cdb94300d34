"""Decoders of bodies: raw bytes in, payload out, each check made as early as it can be. Pure; one call at a time.

Payload is handed on before its chunk's signature is known: the caller makes nothing visible before finish() has returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Protocol

from awning.auth.payload import (
    EMPTY_HASH,
    Checked,
    Exact,
    PayloadRule,
    SignedBody,
    SignedChunks,
    Unsigned,
    UnsignedChunks,
    check_hash,
    is_aws_chunked,
)
from awning.auth.refused import Reason, Refused

SMALLEST_CHUNK = 8192
"""Bytes that every chunk but the last must have. Source: S3 user guide, "sigv4-streaming"."""

_LONGEST_HEADER = 256
_LONGEST_TRAILER = 8192
_HEX = b"0123456789abcdefABCDEF"


class Decoder(Protocol):
    """Takes a body in pieces of any size."""

    def feed(self, data: bytes, /) -> bytes:
        """Return the payload within these bytes. Raises Refused."""
        ...

    def finish(self, trailers: Mapping[str, str] | None = None, /) -> dict[str, str]:
        """Say that the body has ended; return its trailing headers (lower-case names), `trailers` being those that came
        with the transfer coding. Raises Refused where the body is not what was signed or announced."""
        ...


def decoder_for(rule: PayloadRule, headers: Mapping[bytes, bytes]) -> Decoder:
    """Return the decoder for a request's body, given its headers. Raises Refused where a header that it needs is missing."""
    match rule:
        case SignedChunks() | UnsignedChunks():
            return ChunkDecoder(rule, decoded_length(headers), announced_trailers(headers))
        case Exact(expected):
            if is_aws_chunked(headers):
                raise Refused(
                    Reason.BAD_PAYLOAD_HASH, "An aws-chunked body needs a STREAMING value of x-amz-content-sha256."
                )
            return ExactDecoder(expected)
        case SignedBody():
            return ProvingDecoder(rule)
        case Unsigned() | Checked():
            return UnsignedDecoder()


def decoded_length(headers: Mapping[bytes, bytes]) -> int:
    """Return x-amz-decoded-content-length. Raises Refused(NO_DECODED_LENGTH)."""
    given = headers.get(b"x-amz-decoded-content-length")
    if given is None or len(given) > 18 or not given.isdigit():
        raise Refused(Reason.NO_DECODED_LENGTH, "You must provide the x-amz-decoded-content-length HTTP header.")
    return int(given)


def announced_trailers(headers: Mapping[bytes, bytes]) -> frozenset[str]:
    """Return the lower-case names that x-amz-trailer announces."""
    given = headers.get(b"x-amz-trailer", b"").decode("latin-1").lower()
    return frozenset(name.strip() for name in given.split(",") if name.strip())


class UnsignedDecoder:
    """A body that the signature does not cover, or that has been checked."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self, trailers: Mapping[str, str] | None = None) -> dict[str, str]:
        return dict(trailers or {})


class ExactDecoder:
    """A body whose SHA-256 was announced."""

    __slots__ = ("_expected", "_hash")

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._hash = sha256()

    def feed(self, data: bytes) -> bytes:
        self._hash.update(data)
        return data

    def finish(self, trailers: Mapping[str, str] | None = None) -> dict[str, str]:
        check_hash(self._expected, self._hash.hexdigest())
        return dict(trailers or {})


class ProvingDecoder:
    """A body whose hash is part of a signature that is not proven before it ends."""

    __slots__ = ("_hash", "_rule")

    def __init__(self, rule: SignedBody) -> None:
        self._rule = rule
        self._hash = sha256()

    def feed(self, data: bytes) -> bytes:
        self._hash.update(data)
        return data

    def finish(self, trailers: Mapping[str, str] | None = None) -> dict[str, str]:
        self._rule.prove(self._hash.hexdigest())
        return dict(trailers or {})


class ChunkDecoder:
    """An aws-chunked body: `SIZE;chunk-signature=HEX CRLF data CRLF`, a chunk of size 0, then trailing headers.

    length: the payload's bytes, as announced. trailers: the announced names; all of them must come, and no others.
    Source: "Signature calculations for the Authorization header: transferring payload in multiple chunks", and the same
    "including trailing headers", of the S3 API reference.
    """

    __slots__ = (
        "_announced",
        "_buffer",
        "_hash",
        "_last",
        "_left",
        "_length",
        "_previous",
        "_rule",
        "_seen",
        "_signature",
        "_state",
    )

    def __init__(
        self, rule: SignedChunks | UnsignedChunks, length: int, trailers: frozenset[str] = frozenset()
    ) -> None:
        self._rule = rule if isinstance(rule, SignedChunks) else None
        with_trailer = self._rule is None or self._rule.with_trailer
        if trailers and not with_trailer:
            raise Refused(
                Reason.BAD_TRAILER, "x-amz-trailer needs a value of x-amz-content-sha256 that ends in -TRAILER."
            )
        self._length = length
        self._announced = trailers
        self._previous = rule.seed if isinstance(rule, SignedChunks) else ""
        self._signature = ""
        self._buffer = b""
        self._state = "header"
        self._left = 0
        self._seen = 0
        self._last = SMALLEST_CHUNK
        self._hash = sha256()

    def feed(self, data: bytes) -> bytes:
        """Return the payload within these bytes. Raises Refused: BAD_CHUNK, SMALL_CHUNK, MISMATCH, INCOMPLETE_BODY."""
        if self._state == "data" and len(data) < self._left:
            return self._take(data, 0, len(data))
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        parts: list[bytes] = []
        at = 0
        while at < len(data):
            if self._state == "data":
                end = min(at + self._left, len(data))
                parts.append(self._take(data, at, end))
                at = end
                if self._left == 0:
                    self._state = "line end"
                continue
            if self._state == "trailer":
                self._buffer = data[at:]
                if len(self._buffer) > _LONGEST_TRAILER:
                    raise Refused(Reason.BAD_TRAILER)
                break
            end = self._step(data, at)
            if end < 0:
                self._buffer = data[at:]
                break
            at = end
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def finish(self, trailers: Mapping[str, str] | None = None) -> dict[str, str]:
        """Check that the body was whole and return its trailing headers. Raises Refused: INCOMPLETE_BODY, BAD_TRAILER,
        MISMATCH."""
        if self._state != "trailer" or self._seen != self._length:
            raise Refused(Reason.INCOMPLETE_BODY, "", {"expected": str(self._length), "received": str(self._seen)})
        found, signature = self._read_trailers()
        if found.keys() != self._announced:
            raise Refused(Reason.BAD_TRAILER)
        if self._rule is not None and self._rule.with_trailer:
            self._check_trailers(self._rule, found, signature)
        elif signature is not None:
            raise Refused(Reason.BAD_TRAILER)
        return {**(trailers or {}), **found}

    def _take(self, data: bytes, start: int, end: int) -> bytes:
        """Hand on a part of a chunk's data."""
        piece = data[start:end]
        if self._rule is not None:
            self._hash.update(piece)
        self._left -= end - start
        return piece

    def _step(self, data: bytes, at: int) -> int:
        """Read a chunk's header, or the line end behind its data; return where it ends, or -1 where it is not whole."""
        if self._state == "line end":
            if len(data) - at < 2:
                return -1
            if data[at : at + 2] != b"\r\n":
                raise _bad_chunk("A chunk's data must end with CRLF.")
            self._end_chunk()
            self._state = "header"
            return at + 2
        end = data.find(b"\r\n", at, at + _LONGEST_HEADER)
        if end < 0:
            if len(data) - at >= _LONGEST_HEADER:
                raise _bad_chunk("A chunk's header is too long.")
            return -1
        self._begin_chunk(data[at:end])
        return end + 2

    def _begin_chunk(self, header: bytes) -> None:
        digits, semicolon, extension = header.partition(b";")
        if not 0 < len(digits) <= 16 or digits.translate(None, _HEX):
            raise _bad_chunk("A chunk's size must be a hexadecimal number.")
        size = int(digits, 16)
        if self._rule is not None:
            name, _, value = extension.partition(b"=")
            if name.strip() != b"chunk-signature" or not value:
                raise _bad_chunk("A chunk has no chunk-signature.")
            self._signature = value.decode("latin-1")
        elif semicolon:
            raise _bad_chunk("A chunk without a signature must not have extensions.")
        if size and self._last < SMALLEST_CHUNK:
            raise Refused(
                Reason.SMALL_CHUNK,
                "Only the last chunk is allowed to have a size less than 8192 bytes",
                {"bad_chunk_size": str(self._last)},
            )
        if self._seen + size > self._length:
            raise Refused(
                Reason.INCOMPLETE_BODY,
                "The request's body is longer than x-amz-decoded-content-length.",
                {"expected": str(self._length), "received": str(self._seen + size)},
            )
        if size == 0:
            self._end_chunk()
            self._state = "trailer"
        else:
            self._last = size
            self._seen += size
            self._left = size
            self._state = "data"

    def _end_chunk(self) -> None:
        """Compare a chunk's signature with the one computed."""
        rule = self._rule
        if rule is None:
            return
        lines = ("AWS4-HMAC-SHA256-PAYLOAD", rule.stamp, rule.scope, self._previous, EMPTY_HASH, self._hash.hexdigest())
        self._check(rule, "\n".join(lines), self._signature)
        self._previous = self._signature
        self._hash = sha256()

    def _check(self, rule: SignedChunks, to_sign: str, signature: str) -> None:
        computed = rule.mac.sign(to_sign.encode("latin-1"))
        if not compare_digest(computed.encode("ascii"), signature.encode("latin-1")):
            raise Refused(Reason.MISMATCH, "", {"signature_provided": signature, "string_to_sign": to_sign})

    def _read_trailers(self) -> tuple[dict[str, str], str | None]:
        """Read `name:value` lines; clients end them with LF or CRLF, and leave empty ones between."""
        found: dict[str, str] = {}
        signature: str | None = None
        if self._buffer and not self._buffer.endswith(b"\n"):
            raise Refused(Reason.INCOMPLETE_BODY)
        for line in self._buffer.split(b"\n"):
            text = line.rstrip(b"\r").decode("latin-1")
            if not text:
                continue
            name, colon, value = text.partition(":")
            name = name.lower()
            if not colon or not name.strip() or signature is not None or name in found or "\r" in text:
                raise Refused(Reason.BAD_TRAILER)
            if name == "x-amz-trailer-signature":
                signature = value.strip()
            else:
                found[name] = value.strip()
        return found, signature

    def _check_trailers(self, rule: SignedChunks, found: Mapping[str, str], signature: str | None) -> None:
        if signature is None:
            raise Refused(Reason.BAD_TRAILER)
        text = "".join([f"{name}:{value}\n" for name, value in sorted(found.items())])
        digest = sha256(text.encode("latin-1")).hexdigest()
        to_sign = "\n".join(("AWS4-HMAC-SHA256-TRAILER", rule.stamp, rule.scope, self._previous, digest))
        self._check(rule, to_sign, signature)


def _bad_chunk(text: str) -> Refused:
    return Refused(Reason.BAD_CHUNK, text)
