"""One HTTP/1.1 connection: bytes in, requests to the handler, responses out, in order.

No task and no timer of its own: coroutines are stepped inline, and the server's sweep() brings its time-outs.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

from awning.net import reply
from awning.net.body import Body
from awning.net.head import Head, read
from awning.net.limits import Refusal
from awning.net.messages import BodyError, Endpoint, FileSlice, Request, Response
from awning.net.outgoing import LARGE, Outgoing
from awning.net.stepper import Stepper, drive
from awning.net.tls import Tls, TlsStream

if TYPE_CHECKING:
    from awning.net.server import Server

_BURST = 16
"""Pipelined requests that one connection may have answered in one turn of the loop."""
_TLS_HANDSHAKE = 0x16
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODY_FAULTS = {
    "malformed": (400, "malformed body"),
    "stalled": (408, "body time-out"),
    "too large": (413, "body too large"),
    "truncated": (400, "truncated body"),
}


# Where a connection is. HEAD without data is idle; RUN is a handler or a response, while a body may still arrive. Plain
# numbers, as they are compared several times per request.
HEAD, GATHER, RUN, DRAIN, LINGER, CLOSING, LOST = range(7)


class Connection(asyncio.Protocol):
    """Serves one transport. The event loop calls it, and the server where that is said."""

    __slots__ = (
        "_advancing", "_body", "_control", "_data", "_endpoint", "_eof", "_filter", "_head", "_keep", "_loop", "_mark",
        "_out", "_paused", "_position", "_received", "_request", "_responding", "_server", "_since", "_state",
        "_stepper", "_tls_settings", "_transport",
    )  # fmt: skip

    def __init__(self, server: Server, tls: Tls | None, control: bool) -> None:
        self._server = server
        self._loop = server.loop
        self._tls_settings = tls
        self._control = control
        self._filter: Any = self._sniff
        self._endpoint: Endpoint | None = None
        self._state = HEAD
        self._data = b""  # received, of this request's head and of the following ones
        self._position = 0
        self._head: Head | None = None
        self._request: Request | None = None
        self._body: Body | None = None
        self._keep = True
        self._responding = False  # the handler is done
        self._eof = False
        self._advancing = False
        self._paused = False
        self._stepper: Stepper | None = None
        self._since = server.now  # when this state, or the current span of a body, began
        self._received = 0  # bytes of bodies
        self._mark = 0  # _received when the current span of a body began

    # The event loop's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._out = Outgoing(self._server, self._transport, self._sent)
        if not self._server.admit(self) and not self._transport.is_closing():
            self._filter = None
            self._refuse(Refusal(503, "too many connections"))

    def data_received(self, data: bytes) -> None:
        self._server.counters.bytes_in += len(data)
        if self._filter is not None:
            data = self._filter(data)
            if not data:
                return
        body = self._body
        if body is not None and not body.complete:
            self._feed_body(body, data)
        elif self._state < LINGER:
            if self._data:
                self._data = self._data[self._position :] + data
                self._position = 0
            else:
                self._data = data
                if self._state == HEAD:
                    self._since = self._server.now
            self._received += len(data)
            if self._state != RUN:
                self._advance()
            if self._state == RUN:
                self._regulate()

    def eof_received(self) -> bool:
        """The client sends no more. It may still read, but what only waits on its behalf is cancelled."""
        self._eof = True
        if self._state == RUN:
            if self._body is not None and not self._body.complete:
                self._body.fail("truncated")
            elif self._stepper is not None and not self._responding:
                self._stepper.cancel()
        elif self._state == HEAD and self._data:
            self._advance()
        else:
            self._close(linger=False)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = LOST
        if self._body is not None:
            self._body.fail("truncated")
        self._out.lost()
        if self._stepper is not None:
            self._stepper.cancel()
        if self._stepper is not None or self._out.busy:
            self._server.orphans.add(self)
        else:
            self._let_go()
        self._data = b""
        self._filter = None
        self._server.release(self)

    def _let_go(self) -> None:
        """Break the cycles that would keep a closed connection and its TLS until the garbage collector comes by."""
        self._body = None
        self._request = None
        self._out.let_go()

    def pause_writing(self) -> None:
        self._out.pause()

    def resume_writing(self) -> None:
        if self._out.resume() and self._state == HEAD:
            self._loop.call_soon(self._advance)

    # The server's calls

    @property
    def idle(self) -> bool:
        """Nothing is under way, not even the beginning of a request."""
        return self._state == HEAD and not self._data

    def shut(self) -> None:
        """Close an idle connection."""
        self._close(linger=False)

    def abort(self) -> None:
        """Cancel what runs, and close without sending what is left."""
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Apply the time-outs. `now` is the loop's time."""
        limits = self._server.limits
        if self._out.stalled(now, closing=self._state >= LINGER):
            self._server.refused("write time-out")
            self._transport.abort()
        elif self._state == HEAD:
            waited = now - self._since
            tls = self._out.tls
            if tls is not None and not tls.established:
                if waited > limits.handshake_seconds:
                    self._server.refused("TLS time-out")
                    self._transport.abort()
            elif not self._data:
                if waited > limits.idle_seconds:
                    self._close(linger=False)
            elif waited > limits.head_seconds and not self._out.paused:
                self._refuse(Refusal(408, "head time-out"))
        elif self._state in (GATHER, RUN, DRAIN):
            self._sweep_body(now)
        elif self._state == LINGER and (self._server.stopping or now - self._since > limits.linger_seconds):
            self._transport.abort()

    def _sweep_body(self, now: float) -> None:
        body = self._body
        if self._state == RUN and (body is None or not body.waiting):
            self._begin_span(now)
        elif now - self._since > self._server.limits.body_seconds:
            if self._received - self._mark >= self._server.limits.body_minimum:
                self._begin_span(now)
            elif self._state == GATHER:
                self._refuse(Refusal(408, "body time-out"))
            elif self._state == DRAIN:
                self._close(linger=False)
            elif body is not None:
                self._server.refused("body time-out")
                body.fail("stalled")

    def _begin_span(self, now: float) -> None:
        self._since = now
        self._mark = self._received

    # From bytes to requests

    def _sniff(self, data: bytes) -> bytes:
        """Tell TLS from plain HTTP by the first byte."""
        self._since = self._server.now
        if self._tls_settings is not None and data[0] == _TLS_HANDSHAKE:
            self._out.tls = TlsStream(self._tls_settings.context)
            self._filter = self._decrypt
            return self._decrypt(data)
        self._filter = None
        self._endpoint = _endpoint(self._transport, self._control, None)
        return data

    def _decrypt(self, data: bytes) -> bytes:
        tls = self._out.tls
        if tls is None or self._state >= LINGER:
            return b""
        try:
            plain = tls.decrypt(data)
        except ssl.SSLError:
            self._server.refused("TLS")
            self._transport.write(tls.to_send())
            self._transport.close()
            self._state = CLOSING
            return b""
        if answer := tls.to_send():
            self._server.counters.bytes_out += len(answer)
            self._transport.write(answer)
        if tls.established and self._endpoint is None:
            self._since = self._server.now
            self._endpoint = _endpoint(self._transport, self._control, tls.version)
        if tls.closed:
            self._loop.call_soon(self._peer_said_goodbye)
        return plain

    def _peer_said_goodbye(self) -> None:
        """A TLS peer has closed; it doesn't read on, as a peer that merely ends its TCP stream may."""
        if self._state == RUN and self._responding:
            self._transport.abort()
        elif self._state < LINGER and not self._eof:
            self.eof_received()

    def _advance(self) -> None:
        """Serve what has been received, one request after the other."""
        if self._advancing:
            return
        self._advancing = True
        try:
            for _ in range(_BURST):
                if not self._serve_next():
                    break
            else:
                self._loop.call_soon(self._advance)
        except Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._advancing = False
        if self._paused:
            self._regulate()

    def _serve_next(self) -> bool:
        """Start the next request if it is here; return whether there may be another one to start."""
        if self._state > GATHER or self._out.paused:
            return False
        head = self._head
        if head is None:
            if self._position >= len(self._data):
                self._data = b""
                self._position = 0
                if self._eof or self._server.stopping:
                    self._close(linger=False)
                return False
            head = read(self._data, self._position, self._server.limits)
            if head is None:
                if self._eof:
                    self._close(linger=False)
                return False
            self._position += head.size
        length = head.content_length
        if length == 0:
            if head.expects_continue:  # botocore's clients lose their place on a connection that answers at once
                head.expects_continue = False
                self._out.write(_CONTINUE)
            self._start(head, b"", None)
        elif length is not None and length <= self._server.limits.payload_bytes and not head.expects_continue:
            end = self._position + length
            if len(self._data) < end:
                self._gather(head)
                return False
            payload = self._data[self._position : end]
            self._position = end
            if end == len(self._data):
                self._data = b""
                self._position = 0
            self._start(head, payload, None)
        else:
            self._start_streaming(head)
        return self._state == HEAD

    def _gather(self, head: Head) -> None:
        if self._eof:
            self._close(linger=False)
        elif self._state == HEAD:
            self._state = GATHER
            self._head = head
            self._begin_span(self._server.now)

    def _start_streaming(self, head: Head) -> None:
        body = Body(head.content_length, self._server.limits, self._loop, self._body_wanted)
        received = self._data[self._position :]
        self._data = b""
        self._position = 0
        self._begin_span(self._server.now)
        self._body = body
        if received:
            self._data = body.feed(received)
            self._decode_more(body)
        if self._eof:
            body.fail("truncated")
        self._start(head, None, body)

    def _start(self, head: Head, payload: bytes | None, body: Body | None) -> None:
        assert self._endpoint is not None
        trailers = body.trailers if body is not None else {}
        request = Request(
            head.method, head.target, head.path, head.query, head.headers, self._endpoint,
            head.content_length, payload, body, trailers, time.monotonic(),
        )  # fmt: skip
        self._state = RUN
        self._head = head
        self._request = request
        self._keep = head.keep
        self._server.counters.requests += 1
        self._responding = False
        try:
            coroutine = cast(Coroutine[Any, Any, Response], self._server.handler(request))
        except Exception as error:
            self._settled(None, error)
            return
        stepper = drive(coroutine, self._settled, self._loop)
        if stepper is not None:
            self._stepper = stepper

    # Bodies

    def _feed_body(self, body: Body, data: bytes) -> None:
        self._received += len(data)
        rest = body.feed(data)
        if rest:
            self._data = rest
        self._decode_more(body)
        if self._state == DRAIN:
            self._drain(body)
        self._regulate()

    def _decode_more(self, body: Body) -> None:
        if body.more:
            self._loop.call_soon(self._decode_on, body)

    def _decode_on(self, body: Body) -> None:
        if body is self._body and not body.complete:
            self._feed_body(body, b"")

    def _drain(self, body: Body) -> None:
        """Throw away what the handler didn't want of its body, so that the next request can be read."""
        body.discard()
        if body.complete:
            self._body = None
            self._state = HEAD
            self._since = self._server.now
            self._loop.call_soon(self._advance)
        elif body.fault is not None or body.unwanted > self._server.limits.drain_bytes:
            self._close(linger=True)

    def _body_wanted(self) -> None:
        body = self._body
        if body is None:
            return
        head = self._head
        if head is not None and head.expects_continue and body.waiting:
            head.expects_continue = False
            self._out.write(_CONTINUE)
        self._regulate()

    def _regulate(self) -> None:
        """Read on, or let the client wait, by how much is queued."""
        body = self._body
        limits = self._server.limits
        if body is not None and not body.complete:
            full = body.queued > limits.queue_bytes or body.more
        else:
            full = self._state in (HEAD, RUN) and len(self._data) - self._position > limits.ahead_bytes
        if full != self._paused and self._state < CLOSING and not self._eof and not self._transport.is_closing():
            self._paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # From responses to bytes

    def _settled(self, response: Any, error: BaseException | None) -> None:
        """The handler is done."""
        self._stepper = None
        self._responding = True
        request = self._request
        assert request is not None
        if error is None and not isinstance(response, Response):
            error = TypeError(f"A handler returns a Response, not {response!r}.")
        if self._state == LOST:
            self._server.settle(self)
            self._let_go()
            if error is None:
                self._close_unsent(response.body)
            elif not isinstance(error, asyncio.CancelledError | BodyError):
                self._server.on_error(request, error)
        elif error is None:
            self._respond(request, response)
        elif isinstance(error, asyncio.CancelledError) and self._eof:
            self._close(linger=False)
        else:
            self._respond(request, self._response_to(request, error))

    def _response_to(self, request: Request, error: BaseException) -> Response:
        if isinstance(error, BodyError):
            status, reason = _BODY_FAULTS.get(error.reason, (400, error.reason))
            self._server.refused(reason)
            return _plain(status, reason)
        self._server.on_error(request, error)
        return _plain(500, "internal error")

    def _respond(self, request: Request, response: Response) -> None:
        """Send a response; one that cannot be sent as it is becomes a 500."""
        self._keep = self._keep and not response.close and not self._server.stopping and self._body_can_be_left()
        body = response.body
        length: int | None = None
        try:
            if request.method == "HEAD" or response.status in (204, 304):
                text = self._head_text(response, reply.framing_without_body(response))
                self._close_unsent(body)
                body = b""
            elif type(body) is bytes:
                text = self._head_text(response, b"Content-Length: %d\r\n" % len(body))
            else:
                length = reply.body_length(response)
                text = self._head_text(response, self._framing(length))
        except (ValueError, TypeError) as error:
            self._server.on_error(request, error)
            self._close_unsent(body)
            self._respond(request, _plain(500, "internal error"))
            return
        if type(body) is not bytes:
            self._out.send_body(text, body, length, b"\r\nTransfer-Encoding: chunked\r\n" in text)
        elif len(body) <= LARGE:
            self._out.write(text + body)
            self._finish()
        else:
            self._out.send_body(text, body, len(body), chunked=False)

    def _framing(self, length: int | None) -> bytes:
        """Return the field that says where a body ends; without one, HTTP/1.0 says it by closing."""
        assert self._head is not None
        if length is not None:
            return b"Content-Length: %d\r\n" % length
        if self._head.minor:
            return b"Transfer-Encoding: chunked\r\n"
        self._keep = False
        return b""

    def _head_text(self, response: Response, framing: bytes) -> bytes:
        assert self._head is not None
        return reply.head(response, framing, self._head.minor, self._keep, self._server.date)

    def _close_unsent(self, body: Any) -> None:
        """Close a body that is not, or no longer, to be sent."""
        if isinstance(body, FileSlice):
            body.close()
        elif not isinstance(body, bytes) and hasattr(body, "aclose"):
            drive(body.aclose(), self._closed_unsent, self._loop)

    def _closed_unsent(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            self._server.on_error(self._request, error)

    def _sent(self, error: BaseException | None) -> None:
        """A body at length has been sent, or cannot be."""
        request = self._request
        assert request is not None
        if error is not None and not isinstance(error, asyncio.CancelledError | ConnectionError):
            self._server.on_error(request, error)
        if self._state == LOST:
            self._server.settle(self)
            self._let_go()
        elif error is None:
            self._finish()
        elif self._out.begun:
            self._transport.abort()
        else:
            self._keep = False
            self._respond(request, _plain(500, "internal error"))

    def _body_can_be_left(self) -> bool:
        """Whether what is unread of the request's body may be skipped, so that another request can follow it."""
        body = self._body
        if body is None or body.complete:
            return True
        head = self._head
        if body.fault is not None or (head is not None and head.expects_continue):
            return False
        return (body.remaining or 0) <= self._server.limits.drain_bytes

    def _finish(self) -> None:
        """The response is written: go on to the next request, or close."""
        body = self._body
        self._request = None
        self._head = None
        if not self._keep:
            unread = body is not None and not body.complete
            self._close(linger=unread or self._position < len(self._data))
            return
        self._since = self._server.now
        if body is not None and not body.complete:
            self._state = DRAIN
            self._begin_span(self._since)
            self._drain(body)
            self._regulate()
            return
        self._body = None
        self._state = HEAD
        if not self._advancing:
            self._advance()

    def _refuse(self, refusal: Refusal) -> None:
        self._server.refused(refusal.reason)
        text = refusal.reason.encode() + b"\n"
        response = _plain(refusal.status, refusal.reason)
        self._out.write(reply.head(response, b"Content-Length: %d\r\n" % len(text), 1, False, self._server.date) + text)
        self._close(linger=True)

    def _close(self, linger: bool) -> None:
        """Close once all is written. With `linger`, read on for a while, so that the client gets what was written."""
        if self._state >= LINGER:
            if not linger:
                self._state = max(self._state, CLOSING)
                self._transport.close()
            return
        if self._out.tls is not None and not self._transport.is_closing():
            self._transport.write(self._out.tls.goodbye())
        self._data = b""
        self._position = 0
        self._body = None
        self._filter = self._deaf
        if linger and not self._eof and not self._transport.is_closing():
            self._regulate()
            self._state = LINGER
            self._since = self._server.now
            self._transport.write_eof()
        else:
            self._state = CLOSING
            self._transport.close()

    @staticmethod
    def _deaf(_: bytes) -> bytes:
        return b""


def _plain(status: int, reason: str) -> Response:
    return Response(status, [(b"Content-Type", b"text/plain")], reason.encode() + b"\n")


def _endpoint(transport: asyncio.Transport, control: bool, tls_version: str | None) -> Endpoint:
    if control:
        return Endpoint("", 0, "", 0, secure=False, loopback=True, control=True)
    local = transport.get_extra_info("sockname")
    peer = transport.get_extra_info("peername") or ("", 0)
    address = ip_address(local[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return Endpoint(
        local_host=local[0],
        local_port=local[1],
        peer_host=peer[0],
        peer_port=peer[1],
        secure=tls_version is not None,
        loopback=(mapped or address).is_loopback,
        tls_version=tls_version,
    )
