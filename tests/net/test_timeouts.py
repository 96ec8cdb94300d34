"""Time-outs, by a clock that the test moves: who is cut off, with what answer, and who is not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from awning.net.limits import Limits
from awning.net.messages import Handler, Request, Response
from tests.net.harness import GOOD, Conversation, Wire, settle

LIMITS = Limits(
    idle_seconds=75, head_seconds=30, body_seconds=30, body_minimum=4096, payload_bytes=1000, write_seconds=60
)
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


def play(coroutine: Coroutine[Any, Any, Conversation]) -> Conversation:
    return asyncio.run(coroutine)


def test_an_idle_connection_closes_without_a_word() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.feed(GOOD)
        await wire.pass_time(74)
        assert not wire.transport.closed
        await wire.pass_time(2)
        return wire.result()

    conversation = play(main())
    assert conversation.closed
    assert conversation.statuses == [200]


def test_a_connection_that_never_speaks_closes_too() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.pass_time(76)
        return wire.result()

    conversation = play(main())
    assert conversation.closed
    assert conversation.out == b""


def test_a_head_byte_by_byte_is_answered_with_408() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.feed(GOOD)
        await wire.pass_time(50)
        for byte in b"GET /" + b"a" * 100:
            await wire.feed(bytes([byte]))
            await wire.pass_time(1)
        return wire.result()

    conversation = play(main())
    assert conversation.statuses == [200, 408]
    assert conversation.closed


def test_a_small_body_byte_by_byte_is_answered_with_408() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.feed(POST % 500)
        for _ in range(40):
            await wire.feed(b"x")
            await wire.pass_time(1)
        return wire.result()

    conversation = play(main())
    assert conversation.statuses == [408]
    assert conversation.seen == []


def test_a_large_body_byte_by_byte_is_answered_with_408() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.feed(POST % 50000)
        for _ in range(40):
            await wire.feed(b"x")
            await wire.pass_time(1)
        return wire.result()

    conversation = play(main())
    assert conversation.statuses == [408]
    assert b"Connection: close" in conversation.out
    assert conversation.refused["body time-out"] == 2


def test_a_slow_upload_that_moves_is_let_through() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.feed(POST % 50000)
        for _ in range(100):
            await wire.feed(b"x" * 500)
            await wire.pass_time(3)
        return wire.result()

    assert play(main()).statuses == [200]


def test_a_handler_that_takes_its_time_is_not_the_clients_fault() -> None:
    async def main() -> Conversation:
        gate = asyncio.Event()

        def make(conversation: Conversation) -> Handler:
            async def handler(request: Request) -> Response:
                await gate.wait()
                await request.read(10**6)
                return Response(200)

            return handler

        wire = Wire(make, LIMITS)
        await wire.feed(POST % 50000)
        await wire.pass_time(300)
        gate.set()
        await settle()
        await wire.pass_time(20)
        await wire.feed(b"x" * 50000)
        return wire.result()

    assert play(main()).statuses == [200]


def test_a_body_that_nobody_wants_is_not_waited_for() -> None:
    async def main() -> Conversation:
        def make(conversation: Conversation) -> Handler:
            async def handler(request: Request) -> Response:
                return Response(200)

            return handler

        wire = Wire(make, LIMITS)
        await wire.feed(POST % 50000)
        await wire.pass_time(31)
        return wire.result()

    conversation = play(main())
    assert conversation.statuses == [200]
    assert conversation.closed


def test_a_client_that_takes_nothing_is_cut_off_and_its_handler_cancelled() -> None:
    async def main() -> Conversation:
        ended: list[bool] = []

        def make(conversation: Conversation) -> Handler:
            async def blocks() -> Any:
                try:
                    while True:
                        yield b"x" * 1000
                finally:
                    ended.append(True)

            async def handler(request: Request) -> Response:
                wire.connection.pause_writing()
                wire.transport.stuck = 1000
                return Response(200, [], blocks())

            return handler

        wire = Wire(make, LIMITS)
        await wire.feed(GOOD)
        await wire.pass_time(59)
        assert not wire.transport.closed
        wire.transport.stuck = 500
        await wire.pass_time(59)
        assert not wire.transport.closed
        await wire.pass_time(3)
        assert ended == [True]
        return wire.result()

    conversation = play(main())
    assert conversation.closed
    assert conversation.refused == {"write time-out": 1}


def test_a_refused_client_is_listened_to_for_a_while_only() -> None:
    async def main() -> Conversation:
        wire = Wire(limits=LIMITS)
        await wire.feed(b"\r\n")
        assert wire.transport.ended
        await wire.feed(b"x" * 100000)
        await wire.pass_time(9)
        assert not wire.transport.closed
        await wire.pass_time(2)
        assert wire.transport.closed
        return wire.result()

    assert play(main()).statuses == [400]
