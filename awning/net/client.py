"""An HTTP/1.1 client for what awning itself calls: web hooks, origins. Every request says that it comes from here.

It trusts no server: sizes and times are bounded, redirects are the caller's to follow, and any failure is one of the
errors below.

    ClientError
    ├── Unresolvable   the host's name has no address
    ├── Refused        nobody there: refused, unreachable, or closed before a reply
    ├── TimedOut       connecting, the head or the whole took too long
    ├── Untrusted      the server's certificate was not accepted
    └── BadReply       what came is no reply, or larger than it may be
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from awning.net.incoming_reply import Malformed, Reply, ReplyReader
from awning.net.limits import Limits

OUTGOING = b"X-Awning-Outgoing"
"""The header field that marks each request of this client: whoever shows it is never taken for a root user."""

Headers = Iterable[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")
_OURS = frozenset((b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade", OUTGOING.lower()))
_ATTEMPTS = 2


class ClientError(Exception):
    """A request that got no reply; the text says why."""


class Unresolvable(ClientError):
    """The host's name has no address."""


class Refused(ClientError):
    """Nobody there: the connection was refused, could not be made, or closed before a reply began."""


class TimedOut(ClientError):
    """Connecting, the head of the reply, or the whole took too long."""


class Untrusted(ClientError):
    """The server's certificate was not accepted."""


class BadReply(ClientError):
    """What came is no reply, was cut short, or is larger than it may be."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Sizes in bytes, times in seconds. `idle` connections are kept per origin and in all."""

    connect_seconds: float = 10.0
    head_seconds: float = 60.0
    body_bytes: int = 1024 * 1024
    header_bytes: int = 32 * 1024
    header_count: int = 128
    idle_seconds: float = 15.0
    idle_each: int = 8
    idle_total: int = 256


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads. `unix` is a socket's path, where one is to be used in place of host and port."""

    secure: bool
    host: str
    port: int
    path: bytes
    authority: bytes
    credentials: bytes | None
    unix: str | None = None

    @property
    def origin(self) -> tuple[bool, str, int, str | None]:
        return self.secure, self.host, self.port, self.unix


def read_url(url: str, unix: str | None = None) -> Target:
    """Take an http or https URL apart. Raises ValueError where it is none.

    A user and password in it become Basic credentials; a fragment is left out; what may not stand in a request is escaped.
    """
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        raise ValueError("A URL has no blanks or control characters.")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"Only http and https URLs can be called, not {parts.scheme or 'this'}.")
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode()
    if not _HOST.fullmatch(host):
        raise ValueError("The URL names no host.")
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    port = usual if parts.port is None else parts.port
    authority = f"[{host}]" if ":" in host else host
    if port != usual:
        authority = f"{authority}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'(*),;+=-._~")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'(*),;+=-._~?[]|")
    credentials = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = b"Basic " + base64.b64encode(pair.encode())
    return Target(secure, host, port, path.encode(), authority.encode(), credentials, unix)


def write_request(method: str, target: Target, headers: Headers, body: bytes) -> bytes:
    """Return a request's bytes. Raises ValueError for what may not stand in one, or is the client's own to write."""
    name = method.encode()
    if not _TOKEN.fullmatch(name) or method == "CONNECT":
        raise ValueError(f"{method!r} is no method.")
    lines = [b"%b %b HTTP/1.1" % (name, target.path)]
    given = set()
    for field, value in headers:
        lowered = field.lower()
        if not _TOKEN.fullmatch(field) or not _VALUE.fullmatch(value):
            raise ValueError(f"{field!r} is no header field.")
        if lowered in _OURS:
            raise ValueError(f"The client itself writes the field {field.decode()}.")
        given.add(lowered)
        lines.append(b"%b: %b" % (field, value))
    if b"host" not in given:
        lines.insert(1, b"Host: " + target.authority)
    if target.credentials is not None and b"authorization" not in given:
        lines.append(b"Authorization: " + target.credentials)
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    lines.append(OUTGOING + b": 1")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class _Line(asyncio.Protocol):
    """One connection. It serves one request at a time, and tells by `done` when its reply, or its end, has come."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reader: ReplyReader | None = None
        self.head: asyncio.Future[None] | None = None
        self.done: asyncio.Future[Reply] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by type

    def data_received(self, data: bytes) -> None:
        reader = self.reader
        if reader is None:
            self.abort()  # nobody asked
            return
        try:
            reader.feed(bytes(data))
        except Malformed as error:
            self._fail(BadReply(f"The server's reply cannot be read: {error}."))
            return
        if reader.head_seen and self.head is not None and not self.head.done():
            self.head.set_result(None)
        self._finish(reader)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        reader = self.reader
        if reader is None:
            return
        if not reader.began:
            why = "" if error is None else f" ({error})"
            self._fail(Refused(f"The server closed the connection before it replied{why}."))
        elif error is not None and reader.reply is None:
            self._fail(BadReply(f"The connection broke amid the reply: {error}."))
        else:
            try:
                reader.end()
            except Malformed as malformed:
                self._fail(BadReply(f"The server's reply cannot be read: {malformed}."))
                return
            self._finish(reader)

    def send(self, request: bytes, reader: ReplyReader) -> tuple[asyncio.Future[None], asyncio.Future[Reply]]:
        """Send a request; return what will tell of the reply's head and of the whole."""
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        self.reader = reader
        self.head = loop.create_future()
        self.done = loop.create_future()
        self.transport.write(request)
        return self.head, self.done

    def fit(self) -> bool:
        """Whether another request may follow."""
        transport = self.transport
        return not self.lost and transport is not None and not transport.is_closing()

    def abort(self) -> None:
        """Break off."""
        if self.timer is not None:
            self.timer.cancel()
        if self.transport is not None:
            self.transport.abort()

    def _finish(self, reader: ReplyReader) -> None:
        if reader.reply is None:
            return
        for future, value in ((self.head, None), (self.done, reader.reply)):
            if future is not None and not future.done():
                future.set_result(value)  # type: ignore[arg-type]

    def _fail(self, error: ClientError) -> None:
        done, head = self.done, self.head
        if done is not None and not done.done():
            done.set_exception(error)
        if head is not None and not head.done():
            head.set_result(None)
        self.abort()


class Client:
    """Makes requests, and keeps connections for the next ones. `trust`: files of further certificate authorities (PEM).

    For coroutines that run as tasks. close() when it is no longer needed.
    """

    def __init__(self, trust: Sequence[str] = (), limits: ClientLimits = ClientLimits()) -> None:
        self.limits = limits
        self._trust = tuple(trust)
        self._context: ssl.SSLContext | None = None
        self._idle: dict[tuple[bool, str, int, str | None], list[_Line]] = {}
        self._kept = 0
        self._closed = False
        self._reading = Limits(header_bytes=limits.header_bytes, header_count=limits.header_count)

    async def request(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        body: bytes = b"",
        timeout: float = 15.0,  # noqa: ASYNC109 (it ends in an error of ours)
        *,
        unix: str | None = None,
    ) -> Reply:
        """Make a request and return the reply, whatever its status; `timeout` in seconds is for all of it.

        `unix` is the path of a socket to use in place of the URL's host. A kept connection that the server closes before it
        replies is replaced once, so a request may arrive twice. Raises ClientError; ValueError for a URL or header that is none.
        """
        target = read_url(url, unix)
        request = write_request(method, target, headers, body)
        try:
            async with asyncio.timeout(timeout):
                for attempt in range(_ATTEMPTS):
                    line = self._take(target)
                    kept = line is not None
                    try:
                        return await self._exchange(line or await self._connect(target), target, request, method)
                    except Refused:
                        if not kept or attempt:
                            raise
        except TimeoutError:
            raise TimedOut(f"The server took longer than {timeout:g} s.") from None
        raise AssertionError("every attempt returns or raises")

    async def close(self) -> None:
        """Close all idle connections, and keep none from now on."""
        self._closed = True
        for lines in self._idle.values():
            for line in lines:
                line.abort()
        self._idle.clear()
        self._kept = 0

    async def _exchange(self, line: _Line, target: Target, request: bytes, method: str) -> Reply:
        """One request and its reply on a connection, which is kept afterwards where it may be."""
        limits = self.limits
        reader = ReplyReader(self._reading, limits.body_bytes, method == "HEAD")
        whole = False
        try:
            head, done = line.send(request, reader)
            try:
                async with asyncio.timeout(limits.head_seconds):
                    await head
            except TimeoutError:
                raise TimedOut(f"The server sent no head within {limits.head_seconds:g} s.") from None
            reply = await done
            whole = True
            return reply
        finally:
            transport = line.transport
            sent = transport is not None and not transport.get_write_buffer_size()
            if whole and sent and reader.reusable and line.fit():
                self._keep(target, line)
            else:
                line.abort()
            if line.done is not None and line.done.done() and not line.done.cancelled():
                line.done.exception()  # seen: a failure that nobody waits for any more is none of the loop's

    async def _connect(self, target: Target) -> _Line:
        """Connect, trying each address in turn."""
        limits = self.limits
        try:
            async with asyncio.timeout(limits.connect_seconds):
                addresses = [""] if target.unix is not None else await _resolve(target.host, target.port)
                for index, address in enumerate(addresses):
                    try:
                        return await self._connect_to(target, address)
                    except OSError as error:
                        if isinstance(error, ssl.SSLError) or index + 1 == len(addresses):
                            raise
        except TimeoutError:
            raise TimedOut(f"No connection within {limits.connect_seconds:g} s.") from None
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"The server's certificate was not accepted: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise BadReply(f"The server speaks no TLS that we know: {error.reason or error}.") from error
        except OSError as error:
            raise Refused(f"No connection to {target.authority.decode()}: {error.strerror or error}.") from error
        raise Unresolvable(f"{target.host} has no address.")

    async def _connect_to(self, target: Target, address: str) -> _Line:
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if target.secure:
            options = {"ssl": self._tls(), "server_hostname": target.host}
        if target.unix is not None:
            _, line = await loop.create_unix_connection(_Line, target.unix, **options)
        else:
            _, line = await loop.create_connection(_Line, address, target.port, **options)
        return line

    def _tls(self) -> ssl.SSLContext:
        """The context for all connections; made when the first needs it, as it reads the system's authorities."""
        if self._context is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            for file in self._trust:
                context.load_verify_locations(file)
            self._context = context
        return self._context

    def _take(self, target: Target) -> _Line | None:
        lines = self._idle.get(target.origin)
        while lines:
            line = lines.pop()
            self._kept -= 1
            if line.timer is not None:
                line.timer.cancel()
            if not lines:
                del self._idle[target.origin]
            if line.fit():
                return line
        return None

    def _keep(self, target: Target, line: _Line) -> None:
        lines = self._idle.setdefault(target.origin, [])
        if self._closed or len(lines) >= self.limits.idle_each or self._kept >= self.limits.idle_total:
            if not lines:
                del self._idle[target.origin]
            line.abort()
            return
        line.reader = line.head = line.done = None
        lines.append(line)
        self._kept += 1
        line.timer = asyncio.get_running_loop().call_later(self.limits.idle_seconds, self._drop, target, line)

    def _drop(self, target: Target, line: _Line) -> None:
        lines = self._idle.get(target.origin, [])
        if line in lines:
            lines.remove(line)
            self._kept -= 1
            if not lines:
                del self._idle[target.origin]
        line.abort()


async def _resolve(host: str, port: int) -> list[str]:
    """Return a host's addresses. Names under localhost are this machine's (RFC 6761), whatever the system's resolver says."""
    if host == "localhost" or host.endswith(".localhost"):
        return ["127.0.0.1", "::1"]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unresolvable(f"The name {host} cannot be resolved: {error}.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
