"""No request leaves anything for the garbage collector, however it ends.

What is freed late holds megabytes: the blocks of an upload that broke off, the TLS of a closed connection.
"""

from __future__ import annotations

import asyncio
import gc
import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from awning.gateway.journal import Journal
from awning.region import Options, Region
from tests.conftest import LiveRegion
from tests.faults import raw

TURNS = 20
Client = Callable[[LiveRegion], None]


@contextmanager
def collected() -> Iterator[Counter[str]]:
    """Count, by their types, the objects of ours that only the collector would have freed."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        found.update(name for each in gc.garbage if (name := ours(each)))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def ours(thing: object) -> str | None:
    code = getattr(thing, "f_code", None)
    if code is not None:
        return f"frame of {code.co_name}" if "/awning/" in code.co_filename else None
    kind = type(thing)
    return kind.__name__ if kind.__module__.startswith(("awning.", "ssl", "_ssl")) else None


def put(live: LiveRegion, size: int) -> bytes:
    return raw.sign(live, "PUT", "/garbage/key", length=size).head + bytes(size)


def keep(live: LiveRegion, *requests: bytes, tls: bool = False) -> None:
    with raw.connect(live, tls) as connection:
        for request in requests:
            connection.sendall(request)
            raw.answer(connection)


def break_off(live: LiveRegion, request: bytes, how: str = "reset", tls: bool = False) -> None:
    with raw.connect(live, tls) as connection:
        connection.sendall(request)
        raw.tear(connection, how)


CLIENTS: dict[str, Client] = {
    "put": lambda live: keep(live, put(live, 1000), put(live, 100_000), put(live, 2_500_000)),
    "get": lambda live: keep(live, *(raw.sign(live, "GET", f"/garbage/{key}").head for key in ("key", "none"))),
    "get by TLS": lambda live: keep(live, raw.sign(live, "GET", "/garbage/key", tls=True).head, tls=True),
    "list": lambda live: keep(live, raw.sign(live, "GET", "/garbage?list-type=2").head),
    "delete": lambda live: keep(live, put(live, 100_000), raw.sign(live, "DELETE", "/garbage/key").head),
    "refused": lambda live: keep(live, raw.sign(live, "GET", "/garbage", secret="no").head, b"GET /\r\n"),
    "put refused": lambda live: keep(
        live,
        *(raw.sign(live, "PUT", "/nowhere-at-all/key", length=size).head + bytes(size) for size in (10, 100_000)),
        *(
            raw.sign(live, "PUT", "/garbage/large", length=size, headers={"If-None-Match": "*"}).head + bytes(size)
            for size in (10, 100_000)
        ),
    ),
    "altered": lambda live: keep(
        live,
        *(
            raw.sign(live, "PUT", "/garbage/key", length=size, declared="0" * 64).head + bytes(size)
            for size in (10, 100_000, 2_500_000)
        ),
    ),
    "queue": lambda live: keep(
        live,
        raw.sqs(live, "SendMessage", QueueUrl="/000000000000/garbage", MessageBody="x"),
        raw.sqs(live, "ReceiveMessage", QueueUrl="/000000000000/garbage"),
        raw.sqs(live, "ReceiveMessage", QueueUrl="/000000000000/none"),
    ),
    "torn upload": lambda live: break_off(live, put(live, 3_000_000)[:-1000]),
    "torn upload by TLS": lambda live: break_off(live, put(live, 3_000_000)[:-1000], "close", tls=True),
    "torn download": lambda live: break_off(live, raw.sign(live, "GET", "/garbage/large").head),
    "torn waiting": lambda live: break_off(
        live, raw.sqs(live, "ReceiveMessage", QueueUrl="/000000000000/empty", WaitTimeSeconds=20), "close"
    ),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_no_request_leaves_garbage(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        region = Region(Options(data=tmp_path / "data", port=0), Journal(io.StringIO(), level="off"))
        await region.start()
        assert region.listener is not None
        live = LiveRegion(tmp_path / "data")
        live.port = region.listener.port
        try:
            await asyncio.to_thread(prepare, live)
            await asyncio.to_thread(CLIENTS[name], live)
            with collected() as found:
                for _ in range(TURNS):
                    await asyncio.to_thread(CLIENTS[name], live)
                while region.server.connections or region.server.orphans:
                    await asyncio.sleep(0.01)
            assert found == {}
        finally:
            await region.stop(1.0)

    uvloop.run(main())


def prepare(live: LiveRegion) -> None:
    keep(live, raw.sign(live, "PUT", "/garbage", length=0).head)
    keep(live, raw.sign(live, "PUT", "/garbage/large", length=4_000_000).head + bytes(4_000_000))
    for queue in ("garbage", "empty"):
        keep(live, raw.sqs(live, "CreateQueue", QueueName=queue))
