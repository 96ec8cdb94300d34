"""Valid streams split anywhere mean the same; mutated ones never crash, and never smuggle. h11 is the second opinion."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.net.limits import Limits
from tests.net.harness import LAST, Conversation, Seen, Wire, converse, talk

TOKEN = st.text("abcXYZ019-_.!~", min_size=1, max_size=8).map(str.encode)
VALUE = st.text("ab 9,;=\"'()\t\u00e9", max_size=12).map(lambda text: text.strip(" \t").encode("latin-1"))
PATH = st.text("ab/%2F.~|{}", max_size=10).map(lambda text: b"/" + text.encode())
OWN = {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade", b"te", b"trailer"}
BODY = st.binary(max_size=40)
LIMITS = Limits(payload_bytes=20, queue_bytes=30, drain_bytes=100)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, Seen]:
    """A valid request: its bytes, and what a handler shall see."""
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH"]))
    target = draw(PATH) + draw(st.sampled_from([b"", b"?", b"?a=b"]))
    pairs = [pair for pair in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=4)) if pair[0].lower() not in OWN]
    headers: dict[bytes, bytes] = {b"host": b"h"}
    for name, value in pairs:
        lower = name.lower()
        headers[lower] = headers[lower] + b"," + value if lower in headers else value
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: h"]
    space = draw(st.sampled_from([b"", b" ", b" \t "]))
    lines += [name + b":" + space + value for name, value in pairs]
    trailers: dict[bytes, bytes] = {}
    blocks = draw(st.lists(BODY.filter(bool), max_size=4))
    body = b"".join(blocks)
    if draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        headers[b"transfer-encoding"] = b"chunked"
        extension = draw(st.sampled_from([b"", b";a", b';a="b c"']))
        raw = b"".join(b"%x%b\r\n%b\r\n" % (len(block), extension, block) for block in blocks) + b"0\r\n"
        if draw(st.booleans()):
            trailers = {b"x-sum": b"1"}
            raw += b"X-Sum: 1\r\n"
        raw += b"\r\n"
    else:
        lines.append(b"Content-Length: %d" % len(body))
        headers[b"content-length"] = b"%d" % len(body)
        raw = body
    return b"\r\n".join(lines) + b"\r\n\r\n" + raw, Seen(method.decode(), target, headers, body, trailers)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted({point % (len(data) + 1) for point in points}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


POINTS = st.lists(st.integers(0, 10**6), max_size=12)
STREAMS = st.lists(requests(), min_size=1, max_size=5)


def splits_alike(sent: list[tuple[bytes, Seen]], points: list[int]) -> None:
    stream = b"".join(raw for raw, _ in sent)
    conversation = talk(*cut(stream, points), limits=LIMITS)
    assert conversation.seen == [seen for _, seen in sent]
    assert conversation.statuses == [200] * len(sent)
    assert not conversation.errors


@settings(max_examples=150, deadline=None)
@given(STREAMS, POINTS)
def test_a_stream_means_the_same_wherever_it_is_split(sent: list[tuple[bytes, Seen]], points: list[int]) -> None:
    splits_alike(sent, points)


@pytest.mark.soak
@settings(max_examples=5000, deadline=None)
@given(STREAMS, POINTS)
def test_many_streams_mean_the_same_wherever_they_are_split(sent: list[tuple[bytes, Seen]], points: list[int]) -> None:
    splits_alike(sent, points)


MUTANTS = st.one_of(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"1", b"f", b"-", b"+", b"\x80"]),
    st.sampled_from([b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil\r\n", b"Connection: close\r\n"]),
    st.sampled_from([b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.0", b"chunked", b"\r\n\r\n"]),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = b"".join(raw for raw, _ in draw(st.lists(requests(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        width = draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20]))
        data = (
            data[:at] + draw(st.one_of(MUTANTS, st.just(b""), st.just(data[at : at + width] * 2))) + data[at + width :]
        )
    return data


def second_opinion(stream: bytes) -> list[tuple[str, bytes, bytes]]:
    """What h11 reads from a stream: method, target and body of each complete request."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    peer.receive_data(stream)
    found: list[tuple[str, bytes, bytes]] = []
    head: h11.Request | None = None
    body = b""
    try:
        while True:
            event = peer.next_event()
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                found.append((head.method.decode(), head.target, body))
                if peer.their_state is h11.MUST_CLOSE:
                    return found
                peer.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                peer.send(h11.EndOfMessage())
                peer.start_next_cycle()
            elif event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return found
    except h11.RemoteProtocolError:
        return found


async def whole_and_split(stream: bytes, points: list[int]) -> tuple[Conversation, Conversation]:
    """Feed a stream both ways; the server answers a good request afterwards all the same."""
    wire = Wire(limits=LIMITS)
    await wire.feed(stream)
    await wire.eof()
    another = Wire(server=wire.server)
    await another.feed(LAST)
    assert another.result().statuses == [200]
    wire.conversation.seen.pop()
    await wire.drop()
    return wire.result(), await converse(cut(stream, points), limits=LIMITS)


def agrees(stream: bytes, points: list[int]) -> None:
    whole, split = asyncio.run(whole_and_split(stream, points))
    assert not whole.errors
    assert not split.errors
    assert split.seen == whole.seen
    assert split.statuses == whole.statuses
    ours = [(seen.method, seen.target, seen.body) for seen in whole.seen]
    if b"HTTP/1.0" not in stream and b"xpect" not in stream:
        assert ours == second_opinion(stream)[: len(ours)]


@settings(max_examples=300, deadline=None)
@given(mutated(), POINTS)
def test_a_mutated_stream_is_read_as_h11_reads_it_or_refused(stream: bytes, points: list[int]) -> None:
    agrees(stream, points)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(mutated(), POINTS)
def test_many_mutated_streams_are_read_as_h11_reads_them_or_refused(stream: bytes, points: list[int]) -> None:
    agrees(stream, points)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 10**6), max_size=6))
def test_noise_is_never_a_request(noise: bytes, points: list[int]) -> None:
    conversation = talk(*cut(noise, points), limits=LIMITS)
    assert conversation.seen == []
    assert not conversation.errors
