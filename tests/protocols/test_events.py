"""Streams of events, both ways: what we write botocore's own parser reads, and what its serializers say we read."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import EventStreamError
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as some

from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.eventframes import Decoder, Message, encode
from awning.protocols.events import EventBody, EventReader, read_events
from awning.protocols.honours import ALL, needs_entry
from awning.protocols.model import BoundOperation, Model, ModelOperation
from awning.protocols.registry import build, read_botocore, strip
from awning.protocols.shapes import Shape
from awning.protocols.wire import Reply
from tests.protocols.fleet import EVENT_STREAMS, FLEET
from tests.protocols.test_fleet import Anything, said
from tests.protocols.values import plain

BEYOND = {
    "bedrock-agent-runtime": ("rest-json",),
    "bedrock-runtime": ("rest-json",),
    "connecthealth": ("rest-json",),
    "devops-agent": ("rest-json",),
    "healthlake": ("json",),
    "iotsitewise": ("rest-json",),
    "lexv2-runtime": ("rest-json",),
    "polly": ("rest-json",),
    "qbusiness": ("rest-json",),
    "sagemaker-runtime": ("rest-json",),
}
"""Services that no room is planned for: they have what the fleet's streams lack, above all streams from clients."""

SERVICES = {**{service: FLEET[service] for service in EVENT_STREAMS}, **BEYOND}
STREAMED = {"eventstream": True, "type": "structure"}


def made_up(protocol: str) -> dict[str, Any]:
    """A service such as Transcribe's streaming one, which botocore leaves out: members in headers, payloads of each kind."""
    text, event = {"shape": "String"}, {"type": "structure", "event": True}
    header, payload = {"eventheader": True}, {"eventpayload": True}
    scalars = {
        "Yes": "Boolean",
        "Number": "Integer",
        "Long": "Long",
        "Bytes": "Blob",
        "Text": "String",
        "At": "Timestamp",
    }
    marked = {name: {"shape": shape, **header} for name, shape in scalars.items()}
    kinds = {
        "Marked": {**event, "members": {**marked, "Body": text}},
        "Bare": {**event, "members": marked},
        "Audio": {**event, "members": {"Chunk": {"shape": "Blob", **payload}, "Text": {**text, **header}}},
        "Said": {**event, "members": {"Words": {**text, **payload}}},
        "Nested": {
            **event,
            "members": {"Inner": {"shape": "Inner", **payload}, "Number": {"shape": "Integer", **header}},
        },
        "Nothing": {**event, "members": {}},
        "Gone": {"type": "structure", "exception": True, "members": {"message": text, "Where": text}},
    }
    stream = {**STREAMED, "members": {f"{name}Event": {"shape": name} for name in kinds}}
    place = {"payload": "Stream"} if protocol.startswith("rest-") else {}
    session = {"shape": "String", **({"location": "header", "locationName": "x-session"} if place else {})}
    both = {"type": "structure", "members": {"Stream": {"shape": "Stream"}, "Session": session}, **place}
    shapes: dict[str, Any] = {name: {"type": name.lower()} for name in scalars.values()}
    shapes["Inner"] = {"type": "structure", "members": {"Items": {"shape": "Texts"}}}
    shapes["Texts"] = {"type": "list", "member": text}
    shapes |= {**kinds, "Stream": stream, "In": both, "Out": both}
    http = {"method": "POST", "requestUri": "/talk" if place else "/"}
    metadata = {"protocol": protocol, "targetPrefix": "Talk", "jsonVersion": "1.1", "endpointPrefix": "talk"}
    metadata |= {"serviceId": "Talk", "apiVersion": "2020-01-01", "protocols": [protocol]}
    operation = {"name": "Talk", "http": http, "input": {"shape": "In"}, "output": {"shape": "Out"}}
    return {"metadata": metadata, "operations": {"Talk": operation}, "shapes": shapes}


@lru_cache(maxsize=32)
def described(service: str, protocol: str) -> tuple[Model, ServiceModel]:
    """A service for us, without constraints, and for botocore."""
    found = made_up(protocol) if service == "talk" else read_botocore(service)
    stripped = strip(found)
    for shape in stripped["shapes"].values():
        for trait in ("min", "max", "pattern"):
            shape.pop(trait, None)
        placed = {name for name, member in shape.get("members", {}).items() if "location" in member}
        shape["required"] = [name for name in shape.get("required", ()) if name in placed]
    return build(service, (protocol,), stripped), ServiceModel(found, service)


def streams(side: int) -> Iterator[tuple[str, str, str]]:
    """Every service, format and operation with events from the client (0), or to it (1)."""
    names = [(service, protocol) for service, protocols in SERVICES.items() for protocol in protocols]
    names += [("talk", protocol) for protocol in ("json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor")]
    for service, protocol in names:
        for operation in described(service, protocol)[0].operations.values():
            if operation.events[side] is not None:
                yield service, protocol, operation.name


class Some(Anything):
    """Values of shapes that contain themselves, too."""

    def _list(self, shape: Shape, depth: int) -> list[Any]:
        return [] if depth > 9 else super()._list(shape, depth)


def words(protocol: str) -> str:
    """As which format botocore reads a body: its JSON has words for numbers that are none."""
    return "json" if protocol == "rest-json" else protocol


class Raw:
    """A reply's body as botocore reads it, in pieces of one size."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]

    def stream(self) -> Iterator[bytes]:
        yield from self._pieces

    def close(self) -> None:
        self._pieces = []


async def sent(reply: Reply) -> bytes:
    body = reply.body
    assert isinstance(body, EventBody)
    return b"".join([block async for block in body])


async def given_events(events: list[Any]) -> AsyncIterator[Any]:
    for event in events:
        if isinstance(event, Exception):
            raise event
        yield event


def replied(
    operation: ModelOperation, protocol: str, events: list[Any], others: Mapping[str, Any]
) -> tuple[Reply, bytes]:
    """An operation's reply, and its whole body."""
    name = operation.events[1]
    assert name is not None
    reply = operation.write({**others, name: given_events(events)}, "request-1", protocol)
    return reply, asyncio.run(sent(reply))


def parsed(
    peer: ServiceModel, operation: str, protocol: str, reply: Reply, body: bytes, size: int = 7
) -> dict[str, Any]:
    headers = AWSRequest(headers={key.decode(): value.decode() for key, value in reply.headers}).headers
    found = {"status_code": reply.status, "headers": headers, "body": Raw(body, size)}
    found["context"] = {"operation_name": operation}
    made: dict[str, Any] = create_parser(protocol).parse(found, peer.operation_model(operation).output_shape)
    return made


@pytest.mark.parametrize(("service", "protocol", "name"), list(streams(1)))
def test_what_we_write_is_what_botocore_reads(service: str, protocol: str, name: str) -> None:
    model, peer = described(service, protocol)
    operation = model.operations[name]
    assert operation.output is not None
    stream = operation.output.members[operation.events[1] or ""]
    for seed in range(3):
        values = Some(seed, full=seed == 0)
        kinds = {kind: shape for kind, shape in stream.members.items() if not shape.traits.get("exception")}
        events = [{kind: values.of(shape)} for kind, shape in kinds.items()]
        others = {n: values.of(s) for n, s in operation.output.members.items() if n != operation.events[1]}
        for member, shape in operation.output.members.items():
            if shape.location == "statusCode":
                others[member] = 202
        reply, body = replied(operation, protocol, events, others)
        got = parsed(peer, name, protocol, reply, body)
        found = [plain(event) for event in got.pop(operation.events[1] or "")]
        expected = [
            {kind: said(event[kind], kinds[kind], words(protocol), reply=True)} for event in events for kind in event
        ]
        assert found == [_without_nothing(event, kinds, protocol) for event in expected]
        assert got.pop("ResponseMetadata", {"RequestId": "request-1"})["RequestId"] == "request-1"
        assert plain(got) == {n: said(v, operation.output.members[n], protocol, reply=True) for n, v in others.items()}


def _without_nothing(event: dict[str, Any], kinds: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    """botocore makes a payload of nothing where an event says none."""
    ((kind, value),) = event.items()
    for name, shape in kinds[kind].members.items():
        if shape.traits.get("eventpayload") and name not in value:
            value = {**value, name: {"blob": b"", "string": "", "structure": {}}[shape.kind]}
    return {kind: value}


@pytest.mark.parametrize(("service", "protocol", "name"), list(streams(1)))
def test_errors_end_a_stream_by_their_names(service: str, protocol: str, name: str) -> None:
    model, peer = described(service, protocol)
    operation = model.operations[name]
    assert operation.output is not None
    stream = operation.output.members[operation.events[1] or ""]
    modelled = [(kind, shape) for kind, shape in stream.members.items() if shape.traits.get("exception")]
    for kind, shape in modelled:
        error = NamedError(shape.name, "It <was> so.")
        reply, body = replied(operation, protocol, [error, "never"], {})
        with pytest.raises(
            EventStreamError, match="It <was> so." if "essage" in str(shape.members) else kind
        ) as caught:
            list(parsed(peer, name, protocol, reply, body)[operation.events[1] or ""])
        assert caught.value.response["Error"]["Code"] == kind
    reply, body = replied(operation, protocol, [NamedError("Unheard", "Of.")], {})
    with pytest.raises(EventStreamError, match=r"\(Unheard\).*Of\."):
        list(parsed(peer, name, protocol, reply, body)[operation.events[1] or ""])


# What clients send, written after the documentation.


def header_bytes(name: str, value: Any) -> bytes:
    raw = bytes([len(name)]) + name.encode()
    if isinstance(value, bool):
        return raw + (b"\x00" if value else b"\x01")
    if isinstance(value, str | bytes):
        text = value.encode() if isinstance(value, str) else value
        return raw + (b"\x07" if isinstance(value, str) else b"\x06") + struct.pack(">H", len(text)) + text
    if isinstance(value, int):
        return raw + (struct.pack(">Bi", 4, value) if abs(value) < 1 << 31 else struct.pack(">Bq", 5, value))
    return raw + struct.pack(">Bq", 8, round(value.timestamp() * 1000))


def frame(headers: Mapping[str, Any], payload: bytes) -> bytes:
    block = b"".join(header_bytes(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    front = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return front + struct.pack(">I", crc32(front))


def said_by_botocore(peer: ServiceModel, operation: str, protocol: str, member: str, event: Mapping[str, Any]) -> bytes:
    """One event's frame, its body in the words of botocore's serializer."""
    ((kind, value),) = event.items()
    shape = peer.operation_model(operation).input_shape.members[member].members[kind]
    marks = {name: one.serialization for name, one in shape.members.items()}
    headers: dict[str, Any] = {":message-type": "event", ":event-type": kind}
    headers |= {name: item for name, item in value.items() if marks[name].get("eventheader")}
    held = next((name for name in marks if marks[name].get("eventpayload")), None)
    if held is not None:
        body, shape = value.get(held, b""), shape.members[held]
        if shape.type_name in ("blob", "string"):
            return frame(headers, body.encode() if isinstance(body, str) else body)
        body = body or {}
    else:
        body = {name: item for name, item in value.items() if not marks[name].get("eventheader")}
        if not body and marks and all(mark.get("eventheader") for mark in marks.values()):
            return frame(headers, b"")
    return frame(headers, body_bytes(protocol, shape, body))


def body_bytes(protocol: str, shape: Any, value: Any) -> bytes:
    serializer = create_serializer(protocol, include_validation=False)
    if protocol == "smithy-rpc-v2-cbor":
        raw = bytearray()
        serializer._serialize_data_item(raw, value, shape)
        return bytes(raw)
    made: dict[str, Any] = {}
    serializer._serialize(made, value, shape)
    return json.dumps(made).encode()


def bound_with_events(operation: ModelOperation, honours: Any = ALL) -> BoundOperation:
    given = {name: ALL for name, (_, shape) in operation.members.items() if needs_entry(shape)}
    streamed = next(name for name, (modelled, _) in operation.members.items() if modelled == operation.events[0])
    return operation.bind(tuple(operation.members), {**given, streamed: honours}, {})


def in_pieces(reader: EventReader, raw: bytes, size: int) -> list[Any]:
    async def blocks() -> AsyncIterator[bytes]:
        for at in range(0, len(raw), size):
            yield raw[at : at + size]

    async def run() -> list[Any]:
        return [event async for event in read_events(blocks(), reader)]

    return asyncio.run(run())


@pytest.mark.parametrize(("service", "protocol", "name"), [given_ for given_ in streams(0) if given_[1] != "rest-xml"])
def test_what_clients_send_is_what_an_operation_gets(service: str, protocol: str, name: str) -> None:
    model, peer = described(service, protocol)
    operation = model.operations[name]
    assert operation.input is not None
    member = operation.events[0] or ""
    stream = operation.input.members[member]
    bound = bound_with_events(operation)
    for seed in range(3):
        values = Some(seed, full=seed == 0)
        kinds = {kind: shape for kind, shape in stream.members.items() if not shape.traits.get("exception")}
        events = [{kind: values.of(shape)} for kind, shape in kinds.items()]
        raw = b"".join(said_by_botocore(peer, name, protocol, member, event) for event in events)
        reader = bound.read_events(protocol)
        if protocol in ("json", "smithy-rpc-v2-cbor"):
            first = b'{"Session":"s"}' if protocol == "json" else b"\xa1\x67Session\x61s"
            raw = frame({":message-type": "event", ":event-type": "initial-request"}, first) + raw
        got = in_pieces(reader, raw, (1, 7, 10_000)[seed])
        expected = [{kind: said(event[kind], kinds[kind], protocol, reply=False)} for event in events for kind in event]
        assert got == [_with_empty(event, kinds) for event in expected]


def _with_empty(event: dict[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """A blob or a text as the payload is there even where it is empty."""
    ((kind, value),) = event.items()
    for name, shape in kinds[kind].members.items():
        if shape.traits.get("eventpayload") and name not in value:
            value = {**value, name: {"blob": b"", "string": "", "structure": {}}[shape.kind]}
    return {kind: value}


def test_the_other_members_come_with_the_first_frame() -> None:
    bound = bound_with_events(described("talk", "json")[0].operations["Talk"])
    reader = bound.read_events("json")
    assert reader.feed(frame({":message-type": "event", ":event-type": "initial-request"}, b'{"Session": "s"}')) == []
    assert reader.initial == b'{"Session": "s"}'
    late = bound.read_events("json")
    with pytest.raises(ServiceError, match="first frame is no initial-request"):
        late.feed(frame({":message-type": "event", ":event-type": "NothingEvent"}, b"{}"))


def talking(honours: Any = ALL) -> EventReader:
    return bound_with_events(described("talk", "rest-json")[0].operations["Talk"], honours).read_events("rest-json")


def named(kind: str, payload: bytes = b"{}", **headers: Any) -> bytes:
    return frame({":message-type": "event", ":event-type": kind, **headers}, payload)


@pytest.mark.parametrize(
    ("raw", "text", "status"),
    [
        (b"\xff" * 64, "malformed", 400),
        (named("NothingEvent")[:-1] + b"\x00", "checksum", 400),
        (frame({":message-type": "exception", ":exception-type": "Gone"}, b"{}"), "no event", 400),
        (frame({":message-type": "event", ":event-type": 7}, b"{}"), "no event", 400),
        (frame({}, b""), "no event", 400),
        (named("StrangerEvent"), "Talk: Stream.StrangerEvent is not supported", 501),
        (named("MarkedEvent", b"{"), "well-formed", 400),
        (named("MarkedEvent", b'{"Body": 7}'), "can not be converted", 400),
        (named("MarkedEvent", b'{"Stranger": 7}'), "Stream.MarkedEvent.Stranger is not supported", 501),
        (named("MarkedEvent", Number="7"), "Number of an event is not of the type integer", 400),
        (named("MarkedEvent", Yes=1), "Yes of an event is not of the type boolean", 400),
        (named("MarkedEvent", Number=True), "Number of an event is not of the type integer", 400),
        (named("SaidEvent", b"\xff"), "not UTF-8", 400),
        (named("BareEvent", b"x"), "has no payload", 400),
        (named("NothingEvent", b"{" * 100), "well-formed", 400),
        (named("NestedEvent", b'{"Items":' + b"[" * 90 + b"]" * 90 + b"}"), "nested", 400),
    ],
)
def test_hostile_frames_are_refused_by_what_is_wrong(raw: bytes, text: str, status: int) -> None:
    with pytest.raises(ServiceError, match=text) as caught:
        talking().feed(raw)
    assert caught.value.status == status


def test_a_stream_that_is_cut_off_is_no_stream() -> None:
    reader = talking()
    assert reader.feed(named("NothingEvent") + b"\x00") == [{"NothingEvent": {}}]
    with pytest.raises(ServiceError, match="ends inside a frame"):
        reader.finish()


@given(some.binary(max_size=200), some.integers(0, 200))
def test_any_bytes_are_read_or_refused(junk: bytes, cut: int) -> None:
    raw = named("MarkedEvent", b'{"Body": "x"}', Number=3)
    for mixed in (junk, raw[:cut] + junk + raw[cut:], encode(Message({":event-type": "MarkedEvent"}, junk))):
        assert _status(mixed) in (200, 400, 501)


def _status(raw: bytes) -> int:
    try:
        talking().feed(raw)
    except ServiceError as error:
        return error.status
    return 200


def test_only_what_is_honoured_is_taken() -> None:
    honours = {"MarkedEvent": {"Number": ALL}, "AudioEvent": {"Text": ALL}}
    assert talking(honours).feed(named("MarkedEvent", Number=3)) == [{"MarkedEvent": {"Number": 3}}]
    for raw, what in [
        (named("SaidEvent", b""), "Stream.SaidEvent"),
        (named("MarkedEvent", b'{"Body": "x"}'), "Stream.MarkedEvent.Body"),
        (named("MarkedEvent", Text="x"), "Stream.MarkedEvent.Text"),
        (named("AudioEvent", b"x"), "Stream.AudioEvent.Chunk"),
    ]:
        with pytest.raises(ServiceError, match=f"Talk: {what} is not supported") as caught:
            talking(honours).feed(raw)
        assert caught.value.status == 501


def test_constraints_hold_for_events_too() -> None:
    model = build("talk", ("rest-json",), strip(_bounded()))
    reader = bound_with_events(model.operations["Talk"]).read_events("rest-json")
    assert reader.feed(named("SaidEvent", b"four")) == [{"SaidEvent": {"Words": "four"}}]
    with pytest.raises(ServiceError, match="length less than or equal to 4"):
        reader.feed(named("SaidEvent", b"fives"))


def _bounded() -> dict[str, Any]:
    found = made_up("rest-json")
    found["shapes"]["Short"] = {"type": "string", "max": 4}
    found["shapes"]["Said"]["members"]["Words"]["shape"] = "Short"
    return found


# What an operation gives us.


class Produced:
    """An operation's events, watched."""

    def __init__(self, *events: Any) -> None:
        self.events = list(events)
        self.closed = 0

    def __aiter__(self) -> Produced:
        return self

    async def __anext__(self) -> Any:
        if not self.events:
            raise StopAsyncIteration
        event = self.events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    async def aclose(self) -> None:
        self.closed += 1


def body_of(events: Produced, protocol: str = "rest-json") -> EventBody:
    operation = described("talk", protocol)[0].operations["Talk"]
    body = operation.write({"Stream": events}, "r", protocol).body
    assert isinstance(body, EventBody)
    return body


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())


def test_closing_the_body_closes_the_operations_iterator_begun_or_not() -> None:
    async def work() -> None:
        unread = Produced({"NothingEvent": {}})
        await body_of(unread).aclose()
        assert unread.closed == 1
        read = Produced({"NothingEvent": {}}, {"NothingEvent": {}})
        body = body_of(read)
        assert await anext(body) == b""
        assert await anext(body)
        await body.aclose()
        assert read.closed == 1
        assert [block async for block in body] == []

    run(work)


def test_a_fault_of_ours_is_raised_or_explained() -> None:
    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            [block async for block in body_of(Produced(ZeroDivisionError()))]
        body = body_of(Produced(ZeroDivisionError(), {"NothingEvent": {}}))
        body.explain = lambda error: NamedError("InternalFailure", type(error).__name__, 500)
        *_, last = [block async for block in body]
        (message,) = Decoder().feed(last)
        assert message.headers[":message-type"] == "error"
        assert message.headers[":error-code"] == "InternalFailure"
        assert message.headers[":error-message"] == "ZeroDivisionError"

    run(work)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"NothingEvent": {}, "SaidEvent": {}},
        {"StrangerEvent": {}},
        {"MarkedEvent": {"Stranger": 1}},
        {"NothingEvent": {"Stranger": 1}},
        {"AudioEvent": {"Stranger": 1}},
    ],
)
def test_an_event_that_the_model_does_not_have_is_our_own_fault(event: Any) -> None:
    async def work() -> None:
        with pytest.raises(TypeError):
            [block async for block in body_of(Produced(event))]

    run(work)


def test_a_reply_without_its_events_is_our_own_fault() -> None:
    with pytest.raises(TypeError, match="needs its events as Stream"):
        described("talk", "json")[0].operations["Talk"].write({"Session": "s"}, "r", "json")


def test_frames_are_as_s3_documents_them() -> None:
    operation = described("s3", "rest-xml")[0].operations["SelectObjectContent"]
    events = [
        {"Records": {"Payload": b"a,b\n"}},
        {"Cont": {}},
        {"Stats": {"Details": {"BytesScanned": 512}}},
        {"End": {}},
    ]
    reply, body = replied(operation, "rest-xml", events, {})
    assert (b"content-type", b"application/vnd.amazon.eventstream") in reply.headers
    records, more, stats, end = Decoder().feed(body)
    kind = {":message-type": "event"}
    assert records == Message({**kind, ":event-type": "Records", ":content-type": "application/octet-stream"}, b"a,b\n")
    assert more == Message({**kind, ":event-type": "Cont"}, b"")
    assert end == Message({**kind, ":event-type": "End"}, b"")
    assert stats.headers == {**kind, ":event-type": "Stats", ":content-type": "text/xml"}
    assert stats.payload.replace(b"\n", b"") == (
        b'<?xml version="1.0" encoding="UTF-8"?><Stats><BytesScanned>512</BytesScanned></Stats>'
    )


def test_signed_frames_are_proven_and_opened() -> None:
    seen: list[tuple[dict[str, Any], bytes]] = []

    def unwrap(headers: Mapping[str, Any], payload: bytes) -> bytes:
        seen.append((dict(headers), payload))
        return payload

    bound = bound_with_events(described("talk", "rest-json")[0].operations["Talk"])
    inner = named("AudioEvent", b"sound")
    whole = frame({":chunk-signature": b"\1"}, inner) + frame({":chunk-signature": b"\2"}, b"")
    for size in (1, 5, 1000):
        seen.clear()
        assert in_pieces(bound.read_events("rest-json", unwrap), whole, size) == [{"AudioEvent": {"Chunk": b"sound"}}]
        assert seen == [({":chunk-signature": b"\1"}, inner), ({":chunk-signature": b"\2"}, b"")]
    for wrong, text in [
        (frame({}, inner), "without its last"),
        (frame({}, b"") + frame({}, b""), "follows the last"),
        (frame({}, inner + inner), "more than one"),
        (frame({}, inner[:-1]), "inside a frame"),
        (frame({}, b"sound and noise, long enough"), "malformed"),
    ]:
        with pytest.raises(ServiceError, match=text):
            in_pieces(bound.read_events("rest-json", unwrap), wrong, 1000)
