"""A request leaves nothing behind that only the garbage collector could take: that costs a tenth of each request."""

from __future__ import annotations

import asyncio
import gc
import io
from pathlib import Path
from typing import Any

import pytest
import uvloop

from awning.gateway.journal import Journal
from awning.region import Options, Region
from bench.generator import Request
from bench.recorder import Recorder

REPEATED = 50
ROOT = Path(__file__).parent.parent.parent


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> bytes:
    """Sends one request as botocore does; returns the answer's status line."""
    writer.write(request.head)
    if request.waits_for_continue:
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(request.body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b": 0")
    await reader.readexactly(int(length.partition(b":")[2]))
    return head.partition(b"\r\n")[0]


async def garbage_of(data: Path, before: list[tuple[str, str, dict[str, Any]]], measured: tuple[Any, ...]) -> int:
    """How many objects the collector finds after the request has been answered many times on one connection."""
    region = Region(Options(data, port=0, cache=ROOT / ".venv" / "cache"), Journal(io.StringIO(), level="off"))
    await region.start()
    assert region.listener is not None
    try:
        recorder = Recorder(f"http://127.0.0.1:{region.listener.port}", "test", "test")
        reader, writer = await asyncio.open_connection("127.0.0.1", region.listener.port)
        service, method, params = measured
        requests = [recorder.record(*named, **given) for *named, given in before]
        requests += [recorder.record(service, method, **params)] * 3
        for request in requests:
            assert b" 200 " in await exchange(reader, writer, request)
        gc.collect()
        gc.disable()
        for _ in range(REPEATED):
            await exchange(reader, writer, requests[-1])
        found = gc.collect()
        writer.close()
        return found
    finally:
        gc.enable()
        await region.stop()


BUCKET = ("s3", "create_bucket", {"Bucket": "garbage"})
PUT = ("s3", "put_object", {"Bucket": "garbage", "Key": "k", "Body": b"x" * 1024})


@pytest.mark.parametrize(
    ("before", "measured"),
    [
        ([], ("sts", "get_caller_identity", {})),
        ([], ("sqs", "list_queues", {})),
        ([BUCKET], PUT),
        ([BUCKET, PUT], ("s3", "get_object", {"Bucket": "garbage", "Key": "k"})),
    ],
    ids=lambda given: given[1] if isinstance(given, tuple) else "",
)
def test_a_request_leaves_no_cycle(tmp_path: Path, before: list[Any], measured: tuple[Any, ...]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(garbage_of(tmp_path / "data", before, measured))
    assert found < REPEATED
