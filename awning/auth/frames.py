"""Signed frames of event streams: each frame's signature covers its date, its payload and the signature before it. Pure.

Source: "Event stream encoding" and "Setting up a streaming request" of the Amazon Transcribe developer guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from awning.auth.payload import Mac
from awning.auth.refused import Reason, Refused
from awning.auth.signature import SKEW

_DATE: Final = b"\x05:date\x08"
_HEADERS: Final = frozenset({":date", ":chunk-signature"})


class FrameVerifier:
    """Proves the frames of one stream, in their order.

    mac_of: the signing key of a day (YYYYMMDD), as a stream may go on past midnight. seed: the signature of the request's
    head, in hex. region, service: of its scope. The last frame is empty; no other may follow it.
    """

    def __init__(self, mac_of: Callable[[str], Mac], seed: str, region: str, service: str) -> None:
        self._mac_of = mac_of
        self._previous = seed
        self._place = f"{region}/{service}/aws4_request"
        self._day = ""
        self._mac: Mac | None = None
        self.ended = False

    def open(self, headers: Mapping[str, Any], payload: bytes, now: float) -> bytes:
        """Return the frame within a signed frame; b"" is the end. Raises Refused: BAD_CHUNK, SKEWED, MISMATCH."""
        date, signature = headers.get(":date"), headers.get(":chunk-signature")
        if headers.keys() != _HEADERS or not isinstance(date, datetime) or not isinstance(signature, bytes):
            raise Refused(Reason.BAD_CHUNK, "A signed frame has the headers :date and :chunk-signature, and no others.")
        if self.ended:
            raise Refused(Reason.BAD_CHUNK, "A frame follows the last one.")
        if abs(date.timestamp() - now) > SKEW:
            raise Refused(Reason.SKEWED, "A frame's date is too far from the current time.")
        date = date.astimezone(UTC)
        to_sign = self._string_to_sign(date, payload)
        computed = self._key(f"{date:%Y%m%d}").sign(to_sign.encode("ascii"))
        if not compare_digest(bytes.fromhex(computed), signature):
            raise Refused(Reason.MISMATCH, "", {"signature_provided": signature.hex(), "string_to_sign": to_sign})
        self._previous = computed
        self.ended = not payload
        return payload

    def finish(self) -> None:
        """The stream has ended. Raises Refused(INCOMPLETE_BODY) where its last frame has not come."""
        if not self.ended:
            raise Refused(Reason.INCOMPLETE_BODY, "The stream ends before its last, empty frame.")

    def _string_to_sign(self, date: datetime, payload: bytes) -> str:
        header = _DATE + round(date.timestamp() * 1000).to_bytes(8, "big", signed=True)
        return "\n".join(
            (
                "AWS4-HMAC-SHA256-PAYLOAD",
                f"{date:%Y%m%dT%H%M%SZ}",
                f"{date:%Y%m%d}/{self._place}",
                self._previous,
                sha256(header).hexdigest(),
                sha256(payload).hexdigest(),
            )
        )

    def _key(self, day: str) -> Mac:
        if self._mac is None or day != self._day:
            self._day, self._mac = day, self._mac_of(day)
        return self._mac
