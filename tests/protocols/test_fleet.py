"""Every operation of every service of the mission, in every format that it speaks, both ways, and all of their errors.

Constraints (lengths, patterns) are taken out of the models: what is tested here is the wire, and values may be anything.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import pytest
from botocore import xform_name

from awning.protocols.errors import NamedError
from awning.protocols.facts import UNROUTED
from awning.protocols.model import Model, ModelOperation
from awning.protocols.registry import build, read_botocore, strip
from awning.protocols.reply import write_error
from awning.protocols.shapes import Shape
from tests.protocols.fleet import EVENT_STREAMS, FLEET, SPOKEN
from tests.protocols.peer import Peer, everything
from tests.protocols.values import Values, as_got, plain

AWKWARD = [
    "",
    " ",
    "a",
    "ü東京🎈",
    "<a href='x'>&amp;</a>",
    "two\nlines",
    "x.y/z+w%20=e&f;g",
    "0",
    "null",
    '#{}[]\\"',
    "a,b",
]
FIXED = {"s3": {"Bucket": "my-bucket", "Key": "a folder/ä+b%?.txt"}, "s3control": {"AccountId": "123456789012"}}
HEADERS = ["a", "a b", "x.y/z+w%20=e&f;g", "0", "null"]


class Anything(Values):
    """Values that no constraint bounds: empty, long, foreign, extreme."""

    def _list(self, shape: Shape, depth: int) -> list[Any]:
        if depth > 1 and not self._full and not shape.flattened and self._random.random() < 0.2:
            return []
        return [self.of(shape.item, depth + 1) for _ in range(self._random.randint(1, 2 if depth < 3 else 1))]

    def _map(self, shape: Shape, depth: int) -> dict[str, Any]:
        if shape.location == "headers":
            return {"key-one": "value", "key2": "v 2"}
        if depth > 1 and not self._full and self._random.random() < 0.2:
            return {}
        return {
            self.of(shape.key, depth + 1) or "k": self.of(shape.value, depth + 1)
            for _ in range(self._random.randint(1, 2))
        }

    def _string(self, shape: Shape, depth: int) -> str:
        if shape.enum:
            return self._random.choice(shape.enum)
        if shape.location == "uri":
            return self._random.choice(["a", "a b+c", "ü/x", "arn:aws:s3:::b/k", "%2F"])
        return self._random.choice(HEADERS if shape.location else AWKWARD)

    def _integer(self, shape: Shape, depth: int) -> int:
        return self._random.choice([0, 1, -1, 23, 24, 255, 256, 65536, (1 << 31) - 1, -(1 << 31)])

    def _long(self, shape: Shape, depth: int) -> int:
        return self._random.choice([0, 1, -1, 1 << 32, (1 << 63) - 1, -(1 << 63)])

    def _float(self, shape: Shape, depth: int) -> float:
        return self._random.choice([0.0, -2.5, 1024.0, math.inf, -math.inf])

    _double = _float

    def _blob(self, shape: Shape, depth: int) -> bytes:
        return self._random.choice([b"", b"\0\xff", bytes(range(256))])


@lru_cache(maxsize=8)
def model_of(service: str) -> Model:
    """The model in all of its formats, without constraints."""
    description = strip(read_botocore(service))
    for shape in description["shapes"].values():
        for trait in ("min", "max", "pattern"):
            shape.pop(trait, None)
        placed = {name for name, member in shape.get("members", {}).items() if "location" in member}
        shape["required"] = [name for name in shape.get("required", ()) if name in placed]
    return build(service, FLEET[service], description)


@lru_cache(maxsize=8)
def peer_of(service: str, protocol: str) -> Peer:
    return Peer(service, protocol)


def operations(service: str) -> list[ModelOperation]:
    left_out = UNROUTED.get(service, frozenset())
    found = [o for o in model_of(service).operations.values() if o.name not in left_out]
    return [o for o in found if not (o.deprecated and o.model.rest)]


def said(value: Any, shape: Shape, protocol: str, *, reply: bool) -> Any:
    """What of a value a format can say at all: forms know no empty map, a flat list of nothing is not there."""
    if shape.kind == "structure":
        kept = {
            name: said(
                as_got(name, item) if not reply and shape.members[name].location else item,
                shape.members[name],
                protocol,
                reply=reply,
            )
            for name, item in value.items()
        }
        return {
            name: item for name, item in kept.items() if not _unsaid(item, shape.members[name], protocol, reply=reply)
        }
    if shape.kind == "list":
        items = [said(item, shape.item, protocol, reply=reply) for item in value]
        return [item for item in items if not _unsaid(item, shape.item, protocol, reply=reply)]
    if shape.kind == "map":
        return {key: said(item, shape.value, protocol, reply=reply) for key, item in value.items()}
    if reply and protocol == "json" and value in (math.inf, -math.inf):
        return "Infinity" if value > 0 else "-Infinity"  # botocore leaves these words as they are
    return plain(value)


def _unsaid(value: Any, shape: Shape, protocol: str, *, reply: bool) -> bool:
    if value not in ([], {}) or shape.kind not in ("structure", "list", "map"):
        return False
    if not reply and protocol in ("query", "ec2"):
        return value == {} or protocol == "ec2"
    return shape.location is not None or (shape.flattened and protocol in ("rest-xml", "query", "ec2"))


def check_requests(service: str, protocol: str, seeds: list[int]) -> None:
    model, peer = model_of(service), peer_of(service, protocol)
    for operation in operations(service):
        bound, shape = everything(operation), operation.input
        streamed = operation.payload if operation.has_streaming_input else None
        for seed in seeds:
            sent = {} if shape is None else Anything(seed, full=seed == 0).of(shape)
            fixed = FIXED.get(service, {}) if shape is not None else {}
            sent.update({name: value for name, value in fixed.items() if shape and name in shape.members})
            wire = peer.request(operation.name, sent)
            match = model.match(wire)
            assert match.operation is operation, wire
            assert match.protocol == protocol
            told = {} if shape is None else said(sent, shape, protocol, reply=False)
            expected = {xform_name(name): value for name, value in told.items() if name != streamed}
            got = bound.parse(match, wire)
            if operation.payload is not None:  # no body, or an empty one, is no payload
                for found in (expected, got):
                    name = xform_name(operation.payload)
                    if name in found and found[name] in (b"", "", {}):
                        del found[name]
            assert got == expected, (operation, wire)


def check_replies(service: str, protocol: str, seeds: list[int]) -> None:
    peer = peer_of(service, protocol)
    for operation in operations(service):
        if operation.name == "GetBucketLocation" and service == "s3":
            continue  # a form that botocore reads outside its parser
        if operation.events[1] is not None:
            continue  # test_events.py has these
        shape, payload = operation.output, operation.output_payload
        for seed in seeds:
            result = {} if shape is None else Anything(seed, full=seed == 0).of(shape)
            expected = {} if shape is None else said(result, shape, protocol, reply=True)
            if shape is not None and payload is not None and shape.members[payload].kind in ("blob", "string"):
                result[payload] = b"streamed"
                expected[payload] = "streamed"
            for name, member in shape.members.items() if shape is not None else ():
                if member.location == "statusCode":
                    expected[name] = result[name] = 202
                elif member.location == "headers":
                    expected.setdefault(name, {})
            reply = operation.write(result, "request-1", protocol)
            got = peer.reply(operation.name, reply)
            metadata = got.pop("ResponseMetadata", {})
            if shape is not None or protocol != "smithy-rpc-v2-cbor":
                assert metadata["RequestId"] == "request-1"
            if payload is not None and payload not in expected:
                got.pop(payload, None)
            assert plain(got) == expected, (operation, reply)


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_what_botocore_sends_is_what_an_operation_gets(service: str, protocol: str) -> None:
    check_requests(service, protocol, [0, 1])


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_what_an_operation_returns_is_what_botocore_reads(service: str, protocol: str) -> None:
    check_replies(service, protocol, [0, 1])


@pytest.mark.slow
@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_many_values_go_both_ways(service: str, protocol: str) -> None:
    check_requests(service, protocol, list(range(2, 9)))
    check_replies(service, protocol, list(range(2, 9)))


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_every_error_is_read_with_its_code_and_members(service: str, protocol: str) -> None:
    model, peer = model_of(service), peer_of(service, protocol)
    for modelled in peer.model.error_shapes:
        shape = model.known_error(NamedError(modelled.name)).shape
        assert shape is not None
        members = Anything(1, full=True).of(shape)
        for name in ("message", "Message", "Code", "Type", "code", "__type"):
            members.pop(name, None)
        error = NamedError(modelled.name, "It <is> & was so.", **members)
        reply = write_error(model, protocol, error, "request-1", "/somewhere")
        found = peer.error(reply, modelled)
        declared = modelled.metadata.get("error", {})
        code = declared.get("code", modelled.name)
        if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor") and "awsQueryCompatible" not in model.metadata(
            protocol
        ):
            code = modelled.name
        elif service == "sqs":
            code = model.known_error(error).query_code
        assert found["Error"]["Code"] == code
        assert found["Error"]["Message"] == "It <is> & was so."
        assert found["ResponseMetadata"]["RequestId"] == "request-1"
        assert reply.status == (declared.get("httpStatusCode") or reply.status)
        assert 400 <= reply.status < 600
        if service == "sqs":
            continue  # its errors have no members
        got = {name: value for name, value in found["modelled"].items() if name in members}
        assert plain(got) == said(members, shape, protocol, reply=True), reply


@pytest.mark.parametrize("service", FLEET)
def test_streams_of_events_are_known_and_none_comes_from_a_client(service: str) -> None:
    streaming = {name: found.events for name, found in model_of(service).operations.items() if any(found.events)}
    assert set(streaming) == EVENT_STREAMS.get(service, set())
    assert all(from_client is None for from_client, _ in streaming.values())


def test_the_fleet_is_as_large_as_the_mission_says() -> None:
    assert len(FLEET) >= 40
    assert sum(len(read_botocore(service)["operations"]) for service in FLEET) > 2_700
