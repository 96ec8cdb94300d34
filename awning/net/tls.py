"""TLS without I/O: received bytes in, plain bytes out, and back. The connection moves both over its plain transport.

So one port serves HTTP and HTTPS without losing a byte, for less memory than a TLS transport takes (docs/decisions/0003).
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass

_RECORD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """How a listener speaks TLS: a server context, with certificates or a callback that finds them by name."""

    context: ssl.SSLContext


def server_context() -> ssl.SSLContext:
    """Return a server's context without certificates: TLS 1.2 or newer, HTTP/1.1 by ALPN, no renegotiation."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsStream:
    """One connection's TLS, server side. Every method raises ssl.SSLError where the peer breaks the protocol."""

    __slots__ = ("_incoming", "_object", "_outgoing", "closed", "established")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False
        self.closed = False
        """The peer has said that it sends no more."""

    @property
    def version(self) -> str | None:
        """The protocol's version, such as "TLSv1.3"."""
        return self._object.version()

    def decrypt(self, data: bytes) -> bytes:
        """Take received bytes, a handshake's too; return what they say. Then send what to_send() returns."""
        self._incoming.write(data)
        if not self.established:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.established = True
        parts: list[bytes] = []
        while not self.closed and (self._incoming.pending or self._object.pending()):
            try:
                part = self._object.read(_RECORD)
            except ssl.SSLWantReadError:
                break
            if part:
                parts.append(part)
            else:
                self.closed = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        """Return what to send so that the peer reads `data`."""
        self._object.write(data)
        return self._outgoing.read()

    def to_send(self) -> bytes:
        """Return what TLS itself has to say: handshakes, alerts, new keys."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def goodbye(self) -> bytes:
        """Return the closing alert; nothing may be encrypted after it."""
        if self.established:
            # The alert is written all the same; the peer's own isn't waited for.
            with contextlib.suppress(ssl.SSLError):
                self._object.unwrap()
        return self.to_send()
