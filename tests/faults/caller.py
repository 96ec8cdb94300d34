"""A client as cheap as can be, so that a region has more to do than what asks it: one kept connection, signatures by hand.

Speaks the queue service's JSON protocol and the notification service's query protocol; signs after AWS's description.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from typing import Any
from urllib.parse import urlencode

from tests.conftest import LiveRegion

_PATIENCE = 60.0
"""Seconds after which a call has no answer: more than any call may wait."""


class Gone(Exception):
    """The connection broke: whether the region did what was asked is not known."""


class Refused(Exception):
    """The region answered with an error."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(f"{status}: {answer[:300]}")
        self.status = status


class Caller:
    """Calls one region as its root. After Gone, the next call makes a connection anew."""

    def __init__(self, live: LiveRegion) -> None:
        self.live = live
        self._socket: socket.socket | None = None
        self._file: Any = None
        self._keys: dict[tuple[str, str], bytes] = {}

    def sqs(self, operation: str, **parameters: Any) -> Any:
        """Raises Gone, Refused."""
        content = json.dumps(parameters).encode()
        extra = {"x-amz-target": f"AmazonSQS.{operation}"}
        answer = self._call("sqs", "application/x-amz-json-1.0", extra, content)
        return json.loads(answer) if answer else {}

    def sns(self, action: str, **parameters: Any) -> str:
        """Return the answer's XML. Raises Gone, Refused."""
        content = urlencode({"Action": action, "Version": "2010-03-31", **parameters}).encode()
        return self._call("sns", "application/x-www-form-urlencoded", {}, content).decode()

    def close(self) -> None:
        if self._socket is not None:
            self._file.close()
            self._socket.close()
            self._socket = None

    def _call(self, service: str, kind: str, extra: dict[str, str], content: bytes) -> bytes:
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self.live.port), timeout=_PATIENCE)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._file = self._socket.makefile("rb")
            self._socket.sendall(self._request(service, kind, extra, content))
            status, answer = self._answer()
        except OSError as error:
            self.close()
            raise Gone(f"{type(error).__name__}: {error}") from error
        if status >= 400:
            raise Refused(status, answer.decode(errors="replace"))
        return answer

    def _answer(self) -> tuple[int, bytes]:
        words = self._file.readline().split()
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = self._file.read(length)
        if len(words) < 2 or not line or len(answer) < length:
            raise ConnectionError("the answer broke off")
        return int(words[1]), answer

    def _request(self, service: str, kind: str, extra: dict[str, str], content: bytes) -> bytes:
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = {"host": f"127.0.0.1:{self.live.port}", "x-amz-date": date, **extra}
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(content).hexdigest()}"
        scope = f"{date[:8]}/us-east-1/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self._key(date[:8], service), text.encode(), "sha256").hexdigest()
        head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        return (
            f"POST / HTTP/1.1\r\n{head}Content-Type: {kind}\r\nContent-Length: {len(content)}\r\nAuthorization: "
            f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n"
        ).encode() + content

    def _key(self, day: str, service: str) -> bytes:
        key = self._keys.get((day, service))
        if key is None:
            key = b"AWS4test"
            for part in (day, "us-east-1", service, "aws4_request"):
                key = hmac.new(key, part.encode(), "sha256").digest()
            self._keys[day, service] = key
        return key
