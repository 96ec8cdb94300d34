"""A client that speaks HTTP by hand: signed requests as bytes, to be sent in pieces, altered, or broken off.

Signs with botocore's signer; the chunks' signatures are computed here, after AWS's description of streaming uploads.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.conftest import LiveRegion

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class _Signer(botocore.auth.S3SigV4Auth):
    """Signs with a payload hash of the test's choice."""

    declared = "UNSIGNED-PAYLOAD"

    def payload(self, request: Any) -> str:
        return self.declared


@dataclass
class Signed:
    """A signed head; what the chunks' signatures start from."""

    head: bytes
    signature: str
    date: str
    secret: str

    @property
    def scope(self) -> str:
        return f"{self.date[:8]}/us-east-1/s3/aws4_request"


def sign(
    live: LiveRegion,
    method: str,
    target: str,
    *,
    length: int | None = None,
    headers: dict[str, str] | None = None,
    declared: str = "UNSIGNED-PAYLOAD",
    key: str = "test",
    secret: str = "test",
    tls: bool = False,
) -> Signed:
    """Return the head of an S3 request. `length` is its Content-Length, None leaves it out."""
    base = live.tls_endpoint if tls else live.endpoint
    given = {"x-amz-content-sha256": declared, **(headers or {})}
    request = botocore.awsrequest.AWSRequest(method, base + target, headers=given)
    signer = _Signer(botocore.credentials.Credentials(key, secret), "s3", "us-east-1")
    signer.declared = declared
    signer.add_auth(request)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {base.partition('//')[2]}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    signature = request.headers["Authorization"].rpartition("Signature=")[2]
    head = "\r\n".join([*lines, "", ""]).encode()
    return Signed(head, signature, request.headers["X-Amz-Date"], secret)


def sqs(live: LiveRegion, operation: str, tls: bool = False, **parameters: Any) -> bytes:
    """Return a whole request of the queue service, in its JSON protocol."""
    base = live.tls_endpoint if tls else live.endpoint
    body = json.dumps(parameters).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"}
    request = botocore.awsrequest.AWSRequest("POST", f"{base}/", headers=headers, data=body)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("test", "test"), "sqs", "us-east-1").add_auth(request)
    lines = ["POST / HTTP/1.1", f"Host: {base.partition('//')[2]}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Chunks:
    """The chunks of an upload in aws-chunked form. `trailers` come after the last one; `signed`: each chunk is."""

    parts: list[bytes]
    signed: bool = True
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def declared(self) -> str:
        if not self.signed:
            return UNSIGNED_TRAILER
        return SIGNED_TRAILER if self.trailers else SIGNED

    @property
    def headers(self) -> dict[str, str]:
        found = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(sum(map(len, self.parts)))}
        return {**found, "x-amz-trailer": ",".join(self.trailers)} if self.trailers else found

    def body(self, head: Signed) -> bytes:
        """Return the whole body, signed after its head's signature."""
        previous = head.signature
        out = []
        for part in [*self.parts, b""]:
            extension = ""
            if self.signed:
                hashed = f"{hashlib.sha256().hexdigest()}\n{hashlib.sha256(part).hexdigest()}"
                previous = _signature(head, "AWS4-HMAC-SHA256-PAYLOAD", previous, hashed)
                extension = f";chunk-signature={previous}"
            out.append(f"{len(part):x}{extension}\r\n".encode() + part + (b"\r\n" if part else b""))
        lines = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
        if lines:
            out.append(lines.replace("\n", "\r\n").encode())
            if self.signed:
                hashed = hashlib.sha256(lines.encode()).hexdigest()
                previous = _signature(head, "AWS4-HMAC-SHA256-TRAILER", previous, hashed)
                out.append(f"x-amz-trailer-signature:{previous}\r\n".encode())
        return b"".join([*out, b"\r\n"])

    @property
    def length(self) -> int:
        return len(self.body(Signed(b"", "0" * 64, "20000101T000000Z", "")))


def _signature(head: Signed, kind: str, previous: str, hashed: str) -> str:
    key = f"AWS4{head.secret}".encode()
    for part in head.scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    text = "\n".join((kind, head.date, head.scope, previous, hashed))
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def crc32(content: bytes) -> str:
    """Return the checksum as x-amz-checksum-crc32 has it."""
    return base64.b64encode(struct.pack(">I", zlib.crc32(content))).decode()


def connect(live: LiveRegion, tls: bool = False) -> socket.socket:
    """Return a connection to the region."""
    plain = socket.create_connection(("127.0.0.1", live.port), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return plain
    return ssl.create_default_context(cafile=str(live.ca)).wrap_socket(plain, server_hostname="localhost")


def tear(connection: socket.socket, how: str) -> None:
    """End a connection: "close" (FIN), "reset" (RST), or "half" (FIN, but still reading: what comes is read to its end)."""
    if how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "half":
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass
    connection.close()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one response; return its status and body. An interim 100 is passed over."""
    with connection.makefile("rb") as file:
        return read_answer(file)


def read_answer(file: Any) -> tuple[int, bytes]:
    """Read one response from a connection's file, which may have read ahead."""
    while True:
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if status != 100:
            return status, file.read(length)


def exchange(live: LiveRegion, *pieces: bytes, tls: bool = False) -> tuple[int, bytes]:
    """Send bytes and read the response to them."""
    with connect(live, tls) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return answer(connection)


def descriptors(live: LiveRegion) -> list[str]:
    """Return what files and sockets a region's process has open, but for its listeners' clients that keep alive."""
    assert live.process is not None
    return sorted(_open_in(f"/proc/{live.process.pid}/fd"))


def _open_in(folder: str) -> Iterator[str]:
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(f"{folder}/{name}")
            # Rooms may open further connections to their databases; what counts is sockets and blobs.
            if target.startswith("socket:") or "/blobs/" in target:
                yield target
