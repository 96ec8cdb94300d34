"""A stream of events over a live listener: boto3 reads events while the server makes them, and may go away at any time."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
import uvloop
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from awning import region as regions
from awning.gateway.journal import Journal
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.kit.service import Service
from awning.protocols.errors import NamedError
from awning.region import Options, Region
from awning.store.schema import Schema


@dataclass
class Tap:
    """What the made-up rooms' streams give next, and what has become of the last one."""

    loop: asyncio.AbstractEventLoop
    events: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    closed: threading.Event = field(default_factory=threading.Event)

    def give(self, *events: Any) -> None:
        """From the test's thread: let the stream go on."""
        for event in events:
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)

    async def run(self) -> AsyncIterator[Any]:
        try:
            while (event := await self.events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed.set()


def made_up_room(name: str, tap: Tap) -> Service:
    """A room of one operation: kinesis in an RPC format, lambda in a REST one."""
    module = ModuleType(f"made_up_{name}")
    module.__file__ = __file__

    if name == "kinesis":

        @operation(Needs("kinesis:SubscribeToShard", "*"), reads=True, honours={"starting_position": ALL})
        def subscribe_to_shard(call: Call, consumer_arn: str, shard_id: str, starting_position: Any) -> Any:
            return {"EventStream": tap.run()}

        function: Callable[..., Any] = subscribe_to_shard
    else:

        @operation(Needs("lambda:InvokeFunction", "*"), reads=True)
        def invoke_with_response_stream(call: Call, function_name: str) -> Any:
            return {"StatusCode": 200, "ExecutedVersion": "7", "EventStream": tap.run()}

        function = invoke_with_response_stream
    function.__module__ = module.__name__
    setattr(module, function.__name__, function)
    protocols = ("json",) if name == "kinesis" else ("rest-json",)
    return Service(name=name, model=name, protocols=protocols, modules=(module,), schema=Schema(()))


class House:
    """A region with the made-up rooms, in a thread of its own."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tap: Tap
        self.log = io.StringIO()
        self._data = data
        self._patch = monkeypatch
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._worker = ThreadPoolExecutor(1)

    async def _run(self) -> None:
        self.tap = Tap(asyncio.get_running_loop())
        made_up = [made_up_room(name, self.tap) for name in ("kinesis", "lambda")]
        rooms = [room for room in regions.ROOMS if room.name in ("iam", "sts")]
        self._patch.setattr(regions, "ROOMS", (*rooms, *made_up))
        self._stop = asyncio.Event()
        region = Region(Options(self._data, port=0), Journal(self.log))
        await region.start()
        assert region.listener is not None
        self.port = region.listener.port
        self._ready.set()
        await self._stop.wait()
        await region.stop(grace=1.0)

    def __enter__(self) -> House:
        def work() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())

        self._done = self._worker.submit(work)
        while not self._ready.wait(0.05):
            assert not self._done.done(), self._done.exception()
        return self

    def __exit__(self, *_: object) -> None:
        self.tap.loop.call_soon_threadsafe(self._stop.set)
        self._done.result(30)
        self._worker.shutdown()

    def client(self, name: str) -> Any:
        return boto3.client(
            name,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )

    def subscribe(self) -> Any:
        return self.client("kinesis").subscribe_to_shard(
            ConsumerARN="arn:aws:kinesis:eu-west-1:000000000000:stream/s/consumer/c:1",
            ShardId="shardId-000000000000",
            StartingPosition={"Type": "LATEST"},
        )["EventStream"]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with House(tmp_path / "data", monkeypatch) as found:
        yield found


def shard_event(number: int) -> dict[str, Any]:
    return {
        "SubscribeToShardEvent": {
            "Records": [{"SequenceNumber": str(number), "Data": b"\0\xff" * number, "PartitionKey": "k"}],
            "ContinuationSequenceNumber": str(number),
            "MillisBehindLatest": 0,
        }
    }


def test_events_come_while_the_server_still_makes_them(house: House) -> None:
    stream = house.subscribe()  # there before any event
    events = iter(stream)
    for number in range(1, 5):
        house.tap.give(shard_event(number))
        assert next(events) == shard_event(number)
        assert not house.tap.closed.is_set()
    house.tap.give(None)
    assert list(events) == []
    assert house.tap.closed.wait(10)


def test_rest_headers_come_before_the_first_event(house: House) -> None:
    reply = house.client("lambda").invoke_with_response_stream(FunctionName="resize")
    assert (reply["StatusCode"], reply["ExecutedVersion"]) == (200, "7")
    chunks = [{"PayloadChunk": {"Payload": b"x" * size}} for size in (1, 100_000, 3_000_000)]
    house.tap.give(*chunks, {"InvokeComplete": {"LogResult": "done"}}, None)
    assert list(reply["EventStream"]) == [*chunks, {"InvokeComplete": {"LogResult": "done"}}]


def test_a_client_that_goes_away_closes_the_operations_iterator(house: House) -> None:
    stream = house.subscribe()
    house.tap.give(shard_event(1))
    assert next(iter(stream)) == shard_event(1)
    stream.close()
    for number in range(2, 200):
        house.tap.give(shard_event(number))
        if house.tap.closed.wait(0.05):
            break
    assert house.tap.closed.is_set()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NamedError("ResourceInUseException", "Another subscribes."), "ResourceInUseException", "Another subscribes."),
        (NamedError("ThrottlingException", "Too fast."), "ThrottlingException", "Too fast."),
        (ZeroDivisionError("by zero"), "InternalFailureException", "the log has it"),
    ],
)
def test_an_error_inside_a_stream_ends_it_and_the_connection_goes_on(
    house: House, error: Exception, code: str, text: str
) -> None:
    stream = house.subscribe()
    house.tap.give(shard_event(1), error)
    events = iter(stream)
    assert next(events) == shard_event(1)
    with pytest.raises(EventStreamError, match=text) as caught:
        next(events)
    assert caught.value.response["Error"]["Code"] == code
    assert ("by zero" in house.log.getvalue()) == isinstance(error, ZeroDivisionError)
    assert house.tap.closed.wait(10)


def test_a_fault_before_the_reply_is_a_plain_error(house: House) -> None:
    with pytest.raises(ClientError) as caught:
        house.client("kinesis").subscribe_to_shard(
            ConsumerARN="x" * 3000, ShardId="shardId-0", StartingPosition={"Type": "LATEST"}
        )
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_region_stops_while_a_stream_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with House(tmp_path / "data", monkeypatch) as house:
        house.subscribe()
    assert house.tap.closed.is_set()
