"""Replies as transcripts: what is read of them, what is refused, and that the split of the bytes never matters."""

from __future__ import annotations

from dataclasses import dataclass

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awning.net.incoming_reply import Malformed, Reply, ReplyReader
from awning.net.limits import Limits

LIMITS = Limits(target_bytes=128, header_bytes=1024, header_count=8)
MOST = 64


@dataclass
class Outcome:
    reply: Reply | None
    reusable: bool
    fault: str | None


def read(*pieces: bytes, bodiless: bool = False, ends: bool = True) -> Outcome:
    reader = ReplyReader(LIMITS, MOST, bodiless)
    fault = None
    try:
        for piece in filter(None, pieces):
            reader.feed(piece)
        reusable = reader.reusable
        if ends and reader.reply is None:
            reader.end()
    except Malformed as error:
        return Outcome(None, False, str(error))
    return Outcome(reader.reply, reusable, fault)


def test_a_reply_of_known_length_leaves_the_connection_for_the_next() -> None:
    found = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a:  2 \r\n\r\nok", ends=False)
    assert found == Outcome(Reply(200, {b"content-length": b"2", b"x-a": b"1,2"}, b"ok"), True, None)


@pytest.mark.parametrize(
    ("reply", "status", "body", "reusable"),
    [
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, b"a", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\na", 200, b"a", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", 200, b"a", True),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end", False),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: v\r\n\r\n",
            200,
            b"abc",
            True,
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n",
            201,
            b"",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n", 200, b"a", False),
    ],
)
def test_what_is_read(reply: bytes, status: int, body: bytes, reusable: bool) -> None:
    found = read(reply)
    assert found.reply is not None, found.fault
    assert (found.reply.status, found.reply.body, found.reusable) == (status, body, reusable)


def test_a_reply_to_head_has_no_body() -> None:
    found = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", bodiless=True, ends=False)
    assert found.reply is not None
    assert (found.reply.body, found.reusable) == (b"", True)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (b"", "no reply"),
        (b"SSH-2.0-OpenSSH\r\n", "this is not HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "this is not HTTP/1"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "a malformed head"),
        (b"HTTP/1.1 700 OK\r\n\r\n", "a malformed head"),
        (b"HTTP/1.1 200 OK\n\n", "a malformed head"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "a malformed head"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "a malformed head"),
        (b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "a malformed head"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9 + b"\r\n", "too many header fields"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2000, "the head is too large"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2000 + b"\r\n\r\n", "the head is too large"),
        (b"HTTP/1.1 101 S\r\n\r\n", "a change of protocols that nobody asked for"),
        (b"HTTP/1.1 100 C\r\n\r\n" * 17, "too many interim replies"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "a malformed Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "a malformed Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n", "the body is too large"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65, "the body is too large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "the connection closed before the reply was complete"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "an unknown or contradictory Transfer-Encoding"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "an unknown or contradictory Transfer-Encoding",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a malformed body: malformed chunk size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n" + b"x" * 65, "the body is too large"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "the connection closed before the reply was complete",
        ),
    ],
)
def test_what_is_refused(reply: bytes, fault: str) -> None:
    assert read(reply) == Outcome(None, False, fault)
    pieces = [reply[index : index + 1] for index in range(len(reply))]
    assert read(*pieces) == Outcome(None, False, fault)


bodies = st.binary(max_size=MOST)


@given(bodies, st.sampled_from(["length", "chunked", "end"]), st.integers(0, 3), st.data())
def test_what_h11_writes_is_read_however_it_is_split(
    body: bytes, framing: str, interim: int, data: st.DataObject
) -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert isinstance(server.next_event(), h11.Request)
    headers = {
        "length": [("Content-Length", str(len(body)))],
        "chunked": [("Transfer-Encoding", "chunked")],
        "end": [("Connection", "close")],
    }[framing]
    if framing == "end":
        wire = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    else:
        events = [h11.InformationalResponse(status_code=103, headers=[]) for _ in range(interim)]
        written = [server.send(event) for event in events]
        written.append(server.send(h11.Response(status_code=200, headers=headers)))
        written.append(server.send(h11.Data(data=body)))
        written.append(server.send(h11.EndOfMessage()))
        wire = b"".join(piece for piece in written if piece)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found = read(*pieces)
    assert found.reply is not None, found.fault
    assert (found.reply.status, found.reply.body, found.reusable) == (200, body, framing != "end")


@given(st.binary(max_size=200), st.data())
def test_garbage_is_judged_alike_however_it_is_split(tail: bytes, data: st.DataObject) -> None:
    beginning = data.draw(
        st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
    )
    wire = beginning + tail
    whole = read(wire)
    cut = data.draw(st.integers(0, len(wire)))
    split = read(wire[:cut], wire[cut:])
    assert (whole.reply, whole.reusable) == (split.reply, split.reusable)
