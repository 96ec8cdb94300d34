"""botocore writes, we read; we write, botocore reads: every operation of every model, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name

from awning.protocols.facts import UNROUTED
from awning.protocols.model import Model
from tests.protocols.peer import CONVERSATIONS, Peer, everything
from tests.protocols.values import Values, as_got, plain

SEEDS = 4


@pytest.mark.parametrize(("service", "protocol"), CONVERSATIONS)
def test_what_botocore_sends_is_what_an_operation_gets(
    service: str, protocol: str, models: dict[str, Model], peers: dict[tuple[str, str], Peer]
) -> None:
    model, peer = models[service], peers[service, protocol]
    for operation in model.operations.values():
        if operation.deprecated or operation.name in UNROUTED.get(service, ()):
            continue
        bound = everything(operation)
        streamed = operation.payload if operation.has_streaming_input else None
        for seed in range(SEEDS):
            shape = operation.input
            sent = {} if shape is None else Values(seed, full=seed == 0).of(shape)
            fixed = {"Bucket": "my-bucket", "Key": "a folder/ä+b%?.txt"} if service == "s3" else {}
            sent.update({name: value for name, value in fixed.items() if shape and name in shape.members})
            wire = peer.request(operation.name, sent)
            match = model.match(wire)
            assert match.operation is operation, wire
            assert match.protocol == protocol
            expected = {xform_name(name): as_got(name, value) for name, value in sent.items() if name != streamed}
            assert bound.parse(match, wire) == expected, wire


@pytest.mark.parametrize(("service", "protocol"), CONVERSATIONS)
def test_what_an_operation_returns_is_what_botocore_reads(
    service: str, protocol: str, models: dict[str, Model], peers: dict[tuple[str, str], Peer]
) -> None:
    model, peer = models[service], peers[service, protocol]
    for operation in model.operations.values():
        if operation.deprecated or operation.name in ("SelectObjectContent", "GetBucketLocation"):
            continue  # events, which test_events.py has, and a form that botocore reads outside its parser
        for seed in range(SEEDS):
            shape = operation.output
            result = {} if shape is None else Values(seed, full=seed == 0).of(shape)
            expected = dict(result)
            if operation.has_streaming_output:
                assert operation.output_payload is not None
                result[operation.output_payload] = b"streamed"
                expected[operation.output_payload] = "streamed"
            reply = operation.write(result, "request-1", protocol)
            got = peer.reply(operation.name, reply)
            assert got.pop("ResponseMetadata")["RequestId"] == "request-1"
            assert plain(present(got)) == plain(present(expected)), reply


def present(value: Any) -> Any:
    """botocore gives an empty map where no header has the prefix, and "" for a payload that is not there."""
    if isinstance(value, dict):
        return {name: present(item) for name, item in value.items() if item not in ({}, "")}
    return [present(item) for item in value] if isinstance(value, list) else value
