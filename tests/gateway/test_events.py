"""A stream of events over a live listener: boto3 reads events while the server makes them, and may go away at any time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.kit.service import Service
from awning.protocols.errors import NamedError
from tests.gateway.house import House as MadeUp
from tests.gateway.house import room


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
    if name == "kinesis":

        @operation(Needs("kinesis:SubscribeToShard", "*"), reads=True, honours={"starting_position": ALL})
        def subscribe_to_shard(call: Call, consumer_arn: str, shard_id: str, starting_position: Any) -> Any:
            return {"EventStream": tap.run()}

        return room("kinesis", ("json",), subscribe_to_shard)

    @operation(Needs("lambda:InvokeFunction", "*"), reads=True)
    def invoke_with_response_stream(call: Call, function_name: str) -> Any:
        return {"StatusCode": 200, "ExecutedVersion": "7", "EventStream": tap.run()}

    return room("lambda", ("rest-json",), invoke_with_response_stream)


class House(MadeUp):
    """A region with the made-up rooms."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(data, monkeypatch, self._rooms)
        self.tap: Tap

    def _rooms(self) -> list[Service]:
        self.tap = Tap(asyncio.get_running_loop())
        return [made_up_room(name, self.tap) for name in ("kinesis", "lambda")]

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
    assert house.tap.closed.wait(10)
    house.close()  # the log is written by a thread of its own
    assert ("by zero" in house.log.getvalue()) == isinstance(error, ZeroDivisionError)


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
