"""Bytes in, bytes out: what a connection accepts, refuses and answers, whole and byte by byte."""

from __future__ import annotations

import pytest

from awning.net.limits import Limits
from awning.net.messages import BodyError, Handler, Request, Response
from tests.net.harness import GOOD, LAST, Conversation, bytewise, talk

H = b"Host: h\r\n"

GET = b"GET / HTTP/1.1\r\n" + H
POST = b"POST / HTTP/1.1\r\n" + H
REFUSED = {
    "length and coding": (400, POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding and length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    "length twice": (400, POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "two lengths": (400, POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "lengths by comma": (400, POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    "signed length": (400, POST + b"Content-Length: +3\r\n\r\nabc"),
    "negative length": (400, POST + b"Content-Length: -3\r\n\r\nabc"),
    "huge length": (400, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "long length": (400, POST + b"Content-Length: 0000000000000003\r\n\r\nabc"),
    "hexadecimal length": (400, POST + b"Content-Length: 0x3\r\n\r\nabc"),
    "empty length": (400, POST + b"Content-Length:\r\n\r\n"),
    "length in two words": (400, POST + b"Content-Length: 1 2\r\n\r\nabc"),
    "gzip, chunked": (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n"),
    "xchunked": (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "identity": (400, POST + b"Transfer-Encoding: identity\r\n\r\n"),
    "empty coding": (400, POST + b"Transfer-Encoding:\r\n\r\n"),
    "coding on 1.0": (400, b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\nA: b\r\n\r\n"),
    "host twice": (400, b"GET / HTTP/1.1\r\n" + H + H + b"\r\n"),
    "host twice on 1.0": (400, b"GET / HTTP/1.0\r\n" + H + H + b"\r\n"),
    "host with a space": (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "host with a path": (400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "folded field": (400, GET + b"A: b\r\n c\r\n\r\n"),
    "folded by tab": (400, GET + b"A: b\r\n\tc\r\n\r\n"),
    "folded first field": (400, b"GET / HTTP/1.1\r\n " + H + b"\r\n"),
    "bare LF": (400, b"GET / HTTP/1.1\n" + H + b"\r\n"),
    "bare LF in the fields": (400, GET + b"A: b\nC: d\r\n\r\n"),
    "bare LF at the end": (400, GET + b"\n"),
    "only LF": (400, b"GET / HTTP/1.1\nHost: h\n\n"),
    "bare CR": (400, GET + b"A: b\rC: d\r\n\r\n"),
    "bare CR in the line": (400, b"GET /\r HTTP/1.1\r\n" + H + b"\r\n"),
    "CR CR LF": (400, b"GET / HTTP/1.1\r\r\n" + H + b"\r\n"),
    "NUL in a value": (400, GET + b"A: b\0c\r\n\r\n"),
    "control byte in a value": (400, GET + b"A: b\x1bc\r\n\r\n"),
    "DEL in a value": (400, GET + b"A: b\x7fc\r\n\r\n"),
    "space before the colon": (400, GET + b"Content-Length : 3\r\n\r\nabc"),
    "tab before the colon": (400, GET + b"A\t: b\r\n\r\n"),
    "no colon": (400, GET + b"A\r\n\r\n"),
    "no name": (400, GET + b": b\r\n\r\n"),
    "name that is no token": (400, GET + b"A(b: c\r\n\r\n"),
    "name beyond ASCII": (400, GET + b"A\xe9: c\r\n\r\n"),
    "blank line first": (400, b"\r\nGET / HTTP/1.1\r\n" + H + b"\r\n"),
    "LF first": (400, b"\nGET / HTTP/1.1\r\n" + H + b"\r\n"),
    "space first": (400, b" GET / HTTP/1.1\r\n" + H + b"\r\n"),
    "two spaces before the target": (400, b"GET  / HTTP/1.1\r\n" + H + b"\r\n"),
    "two spaces after the target": (400, b"GET /  HTTP/1.1\r\n" + H + b"\r\n"),
    "space at the end of the line": (400, b"GET / HTTP/1.1 \r\n" + H + b"\r\n"),
    "tab in the line": (400, b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n"),
    "no version": (400, b"GET /\r\n" + H + b"\r\n"),
    "small version": (400, b"GET / http/1.1\r\n" + H + b"\r\n"),
    "version of two digits": (400, b"GET / HTTP/1.10\r\n" + H + b"\r\n"),
    "method that is no token": (400, b"G(T / HTTP/1.1\r\n" + H + b"\r\n"),
    "target beyond ASCII": (400, b"GET /\xc3\xa9 HTTP/1.1\r\n" + H + b"\r\n"),
    "fragment": (400, b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n"),
    "quote in the target": (400, b'GET /"a HTTP/1.1\r\n' + H + b"\r\n"),
    "angle in the target": (400, b"GET /<a> HTTP/1.1\r\n" + H + b"\r\n"),
    "relative target": (400, b"GET a HTTP/1.1\r\n" + H + b"\r\n"),
    "asterisk for GET": (400, b"GET * HTTP/1.1\r\n" + H + b"\r\n"),
    "another host in the target": (400, b"GET http://other/ HTTP/1.1\r\n" + H + b"\r\n"),
    "TLS to a plain port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "long target": (414, b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n" + H + b"\r\n"),
    "endless target": (414, b"GET /" + b"a" * 900),
    "unknown expectation": (417, POST + b"Expect: tea\r\nContent-Length: 3\r\n\r\nabc"),
    "long field": (431, GET + b"A: " + b"b" * 1100 + b"\r\n\r\n"),
    "endless field": (431, GET + b"A: " + b"b" * 1100),
    "many fields": (431, GET + b"A: b\r\n" * 20 + b"\r\n"),
    "unknown method": (501, b"BREW / HTTP/1.1\r\n" + H + b"\r\n"),
    "long method": (501, b"A" * 40 + b" / HTTP/1.1\r\n" + H + b"\r\n"),
    "tunnel": (501, b"CONNECT h:80 HTTP/1.1\r\n" + H + b"\r\n"),
    "HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\n" + H + b"\r\n"),
    "HTTP/0.9": (505, b"GET / HTTP/0.9\r\n" + H + b"\r\n"),
}  # fmt: skip
SMALL = Limits(target_bytes=256, header_bytes=1024, header_count=16)


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_head_is_refused_after_the_good_one_before_it(name: str) -> None:
    status, bad = REFUSED[name]
    whole = talk(GOOD + bad + GOOD, limits=SMALL)
    assert whole.statuses == [200, status]
    assert b"Connection: close" in whole.out
    assert whole.closed
    assert [seen.target for seen in whole.seen] == [b"/good"]
    assert sum(whole.refused.values()) == 1
    single = talk(*bytewise(GOOD + bad + GOOD), limits=SMALL)
    assert single.out == whole.out


BAD_BODIES = {
    "no size": b"\r\n\r\n",
    "size that is no number": b"g\r\nabc\r\n0\r\n\r\n",
    "size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "size after a space": b" 3\r\nabc\r\n0\r\n\r\n",
    "size with an underscore": b"1_0\r\nabc\r\n0\r\n\r\n",
    "size beyond 48 bits": b"1000000000003\r\nabc\r\n0\r\n\r\n",
    "bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "bare CR after the size": b"3\rabc\r\n0\r\n\r\n",
    "bare LF after the data": b"3\r\nabc\n0\r\n\r\n",
    "too much data": b"3\r\nabcd\r\n0\r\n\r\n",
    "too little data": b"3\r\nab\r\n0\r\n\r\n",
    "extension with LF": b"3;a=b\nc\r\nabc\r\n0\r\n\r\n",
    "extension without a name": b"3;\r\nabc\r\n0\r\n\r\n",
    "extension with a control byte": b"3;a=\0\r\nabc\r\n0\r\n\r\n",
    "endless extension": b"3;a=" + b"b" * 400 + b"\r\nabc\r\n0\r\n\r\n",
    "trailing length": b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
    "trailing coding": b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailing host": b"3\r\nabc\r\n0\r\nHost: h\r\n\r\n",
    "trailing authorization": b"3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n",
    "folded trailer": b"3\r\nabc\r\n0\r\nA: b\r\n c\r\n\r\n",
    "trailer with LF": b"3\r\nabc\r\n0\r\nA: b\nC: d\r\n\r\n",
    "trailer without a colon": b"3\r\nabc\r\n0\r\nA\r\n\r\n",
    "endless trailers": b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * 400 + b"\r\n",
    "bare LF at the end": b"3\r\nabc\r\n0\r\n\n",
    "CR CR at the end": b"3\r\nabc\r\n0\r\n\r\r",
}
CHUNKED = b"POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_chunk_is_refused_and_nothing_behind_it_is_read(name: str) -> None:
    limits = Limits(trailer_bytes=1024)
    whole = talk(CHUNKED + BAD_BODIES[name] + GOOD, limits=limits)
    assert whole.statuses == [400]
    assert whole.closed
    assert whole.seen == []
    assert whole.refused == {"malformed body": 1}
    assert talk(*bytewise(CHUNKED + BAD_BODIES[name] + GOOD), limits=limits).out == whole.out


GOOD_BODIES = {
    "empty": (b"0\r\n\r\n", b"", {}),
    "one chunk": (b"3\r\nabc\r\n0\r\n\r\n", b"abc", {}),
    "capital and leading zeros": (b"000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", {}),
    "extensions": (b'3;a;b=c;d="e f"\r\nabc\r\n0;x=y\r\n\r\n', b"abc", {}),
    "line ends in the data": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", {}),
    "trailers": (b"1\r\na\r\n0\r\nX-Sum:  1 \r\nX-B: c\r\nx-b: d\r\n\r\n", b"a", {b"x-sum": b"1", b"x-b": b"c,d"}),
    "many": (b"1\r\na\r\n" * 5000 + b"0\r\n\r\n", b"a" * 5000, {}),
}


@pytest.mark.parametrize("name", GOOD_BODIES)
def test_a_chunked_body_is_read_to_its_end(name: str) -> None:
    raw, body, trailers = GOOD_BODIES[name]
    for pieces in ([CHUNKED + raw + LAST], [*bytewise(CHUNKED + raw[:500]), raw[500:] + LAST]):
        conversation = talk(*pieces)
        assert [(seen.target, seen.body, seen.trailers) for seen in conversation.seen] == [
            (b"/chunked", body, trailers),
            (b"/last", b"", {}),
        ]


ACCEPTED = {
    "lower-case names, stripped values": (
        b"GET / HTTP/1.1\r\nHOST: h\r\nA-b: \t c d \t\r\na-B:e \r\n\r\n",
        {b"host": b"h", b"a-b": b"c d,e"},
    ),
    "repeated fields are joined": (GET + b"A: b\r\na: c\r\n\r\n", {b"host": b"h", b"a": b"b,c"}),
    "empty value": (b"GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB: \r\n\r\n", {b"host": b"h", b"a": b"", b"b": b""}),
    "bytes beyond ASCII": (b"GET / HTTP/1.1\r\nHost: h\r\nA: \xc3\xa9\r\n\r\n", {b"host": b"h", b"a": b"\xc3\xa9"}),
    "an upgrade is passed over": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        {b"host": b"h", b"connection": b"Upgrade", b"upgrade": b"websocket"},
    ),
    "absolute target": (b"GET http://H/a HTTP/1.1\r\nHost: h\r\n\r\n", {b"host": b"h"}),
    "brackets and bars": (b"GET /a|b{c}?d=[e]^`f\\ HTTP/1.1\r\nHost: h\r\n\r\n", {b"host": b"h"}),
    "IPv6 host": (b"GET / HTTP/1.1\r\nHost: [::1]:4566\r\n\r\n", {b"host": b"[::1]:4566"}),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {b"host": b"h"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_head_is_accepted(name: str) -> None:
    raw, headers = ACCEPTED[name]
    for pieces in ([raw + LAST], bytewise(raw + LAST)):
        conversation = talk(*pieces)
        assert conversation.statuses == [200, 200]
        assert conversation.seen[0].headers == headers


def test_the_reply_is_one_write_and_says_no_more_than_it_must() -> None:
    assert talk(GOOD).out == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n/good"


KEPT = {
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n": b"",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n": b"Connection: close\r\n",
    b"GET / HTTP/1.0\r\n\r\n": b"Connection: close\r\n",
    b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n": b"Connection: keep-alive\r\n",
}


@pytest.mark.parametrize("raw", KEPT)
def test_the_connection_is_kept_as_the_client_asks(raw: bytes) -> None:
    conversation = talk(raw, eof=False)
    assert conversation.out == b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + KEPT[raw] + b"\r\n/"
    assert conversation.closed == (KEPT[raw] == b"Connection: close\r\n")


def answering(response: Response) -> object:
    def make(_: Conversation) -> Handler:
        async def handler(request: Request) -> Response:
            return response

        return handler

    return make


BODILESS = [
    (b"HEAD", Response(200, [(b"Content-Length", b"7")]), b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
    (b"HEAD", Response(200, [], b"four"), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
    (b"HEAD", Response(404), b"HTTP/1.1 404 Not Found\r\n\r\n"),
    (b"GET", Response(204, [(b"A", b"b")]), b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"),
    (b"DELETE", Response(204, [], b"lost"), b"HTTP/1.1 204 No Content\r\n\r\n"),
    (b"GET", Response(304, [(b"Content-Length", b"9")]), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    (b"GET", Response(304, [], b"lost"), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    (b"GET", Response(404), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    (b"GET", Response(299, [(b"Date", b"today")], b"x"), b"HTTP/1.1 299 \r\nDate: today\r\nContent-Length: 1\r\n\r\nx"),
]


@pytest.mark.parametrize(("method", "response", "expected"), BODILESS)
def test_a_response_without_a_body_has_none(method: bytes, response: Response, expected: bytes) -> None:
    conversation = talk(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n" * 1, make=answering(response))
    assert conversation.out == expected


UNSAFE = [
    Response(200, [(b"A", b"b\r\nC: d")]),
    Response(200, [(b"A", b"b\nC: d")]),
    Response(200, [(b"A\r\nB", b"c")]),
    Response(200, [(b"A", b"b\0")]),
    Response(200, [(b"A b", b"c")]),
    Response(200, [(b"", b"c")]),
    Response(200, [(b"Transfer-Encoding", b"chunked")]),
    Response(200, [(b"connection", b"close")]),
    Response(199),
    Response(600),
    Response(200, [(b"A", "text")]),  # type: ignore[list-item]
    Response(200, [], "text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("response", UNSAFE)
def test_what_a_handler_must_not_send_becomes_a_500(response: Response) -> None:
    conversation = talk(GOOD + LAST, make=answering(response))
    assert conversation.statuses == [500, 500]
    assert len(conversation.errors) == 2
    assert b"C: d" not in conversation.out


def test_an_exception_is_answered_and_told_and_the_next_request_is_served() -> None:
    def make(conversation: Conversation) -> Handler:
        async def handler(request: Request) -> Response:
            if request.path == b"/good":
                raise KeyError("our fault")
            return Response(200)

        return handler

    conversation = talk(GOOD + LAST, make=make)
    assert conversation.statuses == [500, 200]
    assert b"our fault" not in conversation.out
    assert isinstance(conversation.errors[0], KeyError)


EXPECT = b"POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"


def test_continue_is_said_when_the_body_is_wanted() -> None:
    conversation = talk(EXPECT, b"abc" + LAST)
    assert conversation.out.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert conversation.statuses == [100, 200, 200]
    assert conversation.seen[0].body == b"abc"


def test_continue_is_not_said_when_the_body_is_here() -> None:
    assert talk(EXPECT + b"abc" + LAST).statuses == [200, 200]


def test_continue_is_said_though_there_is_no_body() -> None:
    """botocore's clients up to 2025 misread what follows on a connection whose answer came without it."""
    assert talk(EXPECT.replace(b": 3", b": 0") + LAST).statuses == [100, 200, 200]


def test_without_a_wish_for_the_body_there_is_no_continue_and_the_connection_closes() -> None:
    conversation = talk(EXPECT, b"abc" + LAST, make=answering(Response(403)))
    assert conversation.out == b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_body_that_nobody_read_is_skipped_within_bounds() -> None:
    limits = Limits(payload_bytes=10, drain_bytes=1000)
    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    skipped = talk(post % 1000, b"x" * 600, b"x" * 400 + LAST, make=answering(Response(200)), limits=limits)
    assert skipped.statuses == [200, 200]
    closed = talk(post % 1001, b"x" * 600, b"x" * 401 + LAST, make=answering(Response(200)), limits=limits)
    assert closed.statuses == [200]
    assert b"Connection: close" in closed.out
    endless = talk(
        CHUNKED, *[b"200\r\n" + b"x" * 512 + b"\r\n"] * 4, LAST, make=answering(Response(200)), limits=limits
    )
    assert endless.statuses == [200]
    assert endless.closed


def test_a_truncated_body_never_looks_whole() -> None:
    for raw in (CHUNKED + b"3\r\nab", EXPECT + b"ab", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\nab"):
        conversation = talk(raw)
        assert conversation.seen == []
        assert conversation.statuses in ([400], [100, 400])
    assert talk(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab").out == b""


def test_a_body_over_the_handlers_limit_is_answered_with_413() -> None:
    def make(_: Conversation) -> Handler:
        async def handler(request: Request) -> Response:
            await request.read(2)
            return Response(200)

        return handler

    assert talk(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", make=make).statuses == [413]
    assert talk(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", make=make).statuses == [413]


def test_small_bodies_are_gathered_and_large_ones_are_not() -> None:
    payloads: list[bytes | None] = []

    def make(_: Conversation) -> Handler:
        async def handler(request: Request) -> Response:
            payloads.append(request.payload)
            await request.read(10**6)
            return Response(200)

        return handler

    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    assert talk(post % 65536 + b"a" * 30000, b"a" * 35536 + post % 65537 + b"b" * 65537, make=make).statuses == [
        200,
        200,
    ]
    assert payloads == [b"a" * 65536, None]


def test_hundreds_of_pipelined_requests_are_answered_in_order() -> None:
    stream = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(300))
    conversation = talk(stream, eof=False)
    assert [seen.target for seen in conversation.seen] == [b"/%d" % number for number in range(300)]
    assert conversation.out.count(b"HTTP/1.1 200") == 300
    assert conversation.out.endswith(b"/299")


def test_a_body_error_that_the_handler_answers_itself_is_its_own_affair() -> None:
    def make(_: Conversation) -> Handler:
        async def handler(request: Request) -> Response:
            try:
                await request.read(100)
            except BodyError as error:
                return Response(422, [], error.reason.encode())
            return Response(200)

        return handler

    assert talk(CHUNKED + b"x\r\n", make=make).out.endswith(b"Connection: close\r\n\r\nmalformed")
