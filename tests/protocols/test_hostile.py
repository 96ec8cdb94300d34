"""Whatever comes, the answer is a ServiceError of the client's own doing (4xx) or 501: never another exception."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.protocols.errors import ServiceError
from awning.protocols.model import BoundOperation, Model
from awning.protocols.registry import Registry
from awning.protocols.reply import write_error
from awning.protocols.wire import Wire
from tests.protocols.peer import CONVERSATIONS, SERVED, Peer, everything
from tests.protocols.support import form_wire, json_wire, refused, s3_wire
from tests.protocols.values import Values

REGISTRY = Registry(None)
MODELS = {service: REGISTRY.model(service, protocols) for service, protocols in SERVED}
BOUND: dict[tuple[str, str], BoundOperation] = {}


def survive(model: Model, wire: Wire) -> None:
    """Match and parse; what refuses it must be writable and blame the client."""
    error = attempt(model, wire)
    if error is not None:
        assert 400 <= error.status < 500 or error.status == 501, error
        reply = write_error(model, model.protocol(wire), error, "r")
        assert all(b"\r" not in value and b"\n" not in value for _, value in reply.headers)


def attempt(model: Model, wire: Wire) -> ServiceError | None:
    try:
        match = model.match(wire)
        key = (model.name, match.operation.name)
        bound = BOUND.get(key)
        if bound is None:
            bound = BOUND[key] = everything(match.operation)
        bound.parse(match, wire)
    except ServiceError as error:
        return error
    return None


BOMB = b"""<!DOCTYPE Delete [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Delete><Object><Key>&b;</Key></Object></Delete>"""
XML = [
    BOMB,
    b'<!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete/>',
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
    BOMB.decode().encode("utf-16"),
    '<?xml version="1.0" encoding="utf-16"?><Delete/>'.encode("utf-16-le"),
    b'<?xml version="1.0" encoding="utf-7"?><Delete/>',
    b'<?xml version="1.0" encoding="iso-8859-1"?><Delete/>',
    b"<Delete><Object><Key>&undefined;</Key></Object></Delete>",
    b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
    b"<Delete><Object><Key>\0</Key></Object></Delete>",
    b"<Delete><Object><Key>&#0;</Key></Object></Delete>",
    b"<a>" * 50_000,
    b"<Delete>" + b"<Object/>" * 210_000 + b"</Delete>",
    b"<Delete>" + b"<Object>" * 50_000 + b"</Object>" * 50_000 + b"</Delete>",
    b"<Delete><Object><Key>" + b"<x>" * 1_000 + b"</x>" * 1_000 + b"</Key></Object></Delete>",
    b"<Delete><Object><Key><b>x</b></Key></Object></Delete>",
    b"<Delete " + b" ".join(b"a%d='x'" % n for n in range(2_000)) + b"/>",
    b"",
    b" ",
    b"<",
    b"{}",
]


@pytest.mark.parametrize("body", XML, ids=range(len(XML)))
def test_xml_that_no_client_sends_is_malformed(models: dict[str, Model], body: bytes) -> None:
    error = refused(models["s3"], s3_wire("POST", "/b?delete", body))
    assert error.code == "MalformedXML" if body else "MissingRequestBodyError"
    assert error.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"QueueUrl":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"Entries":' + b'[{"MessageAttributes":' * 60 + b"1" + b"}]" * 60 + b"}",
        b'{"QueueUrl":"\xff"}',
        b'{"QueueUrl":"\\ud800"}',
        b'{"QueueUrl":"a","QueueUrl":{}}',
        b'{"QueueUrl":"u","MessageBody":"b","DelaySeconds":1e400}',
        b'{"QueueUrl":"u","MessageBody":"b","DelaySeconds":' + b"9" * 5_000 + b"}",
        b'{"QueueUrl":NaN}',
        b"\xef\xbb\xbf{}",
        b"null",
        b'""',
    ],
)
def test_json_that_no_client_sends_is_refused(models: dict[str, Model], body: bytes) -> None:
    error = refused(models["sqs"], json_wire("SendMessage", body))
    assert error.code == "SerializationException"
    assert error.status == 400


def test_indices_do_not_allocate(models: dict[str, Model]) -> None:
    error = refused(models["sqs"], form_wire("sqs", "UntagQueue", QueueUrl="u", **{"TagKey." + "9" * 1_000: "a"}))
    assert error.code == "MalformedQueryString"
    wire = form_wire("sqs", "UntagQueue", QueueUrl="u", **{"TagKey.999999999": "a"})
    assert everything(models["sqs"].operations["UntagQueue"]).parse(models["sqs"].match(wire), wire)["tag_keys"] == [
        "a"
    ]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SQS_MEMBERS = sorted({name for o in MODELS["sqs"].operations.values() if o.input for name in o.input.members})


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(MODELS["sqs"].operations)), st.dictionaries(st.sampled_from(SQS_MEMBERS), JSON, max_size=4)
)
def test_any_json_is_parsed_or_refused(operation: str, body: dict[str, Any]) -> None:
    survive(MODELS["sqs"], json_wire(operation, body))


WORDS = ["Tags", "member", "1", "2", "Key", "Value", "entry", "UserName", "Path", "x", "", "TagKeys", "MaxItems", "-1"]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["TagUser", "CreateUser", "ListUsers", "SimulateCustomPolicy", "UntagUser", "CreateRole"]),
    st.lists(st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.text(max_size=5)), max_size=6),
)
def test_any_form_is_parsed_or_refused(operation: str, pairs: list[tuple[list[str], str]]) -> None:
    survive(MODELS["iam"], form_wire("iam", operation, **{".".join(name): value for name, value in pairs}))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", ""]),
    st.binary(max_size=20),
    st.binary(max_size=30),
    st.dictionaries(
        st.sampled_from(
            [
                b"x-amz-copy-source",
                b"x-amz-acl",
                b"content-length",
                b"if-modified-since",
                b"x-amz-meta-a",
                b"x-amz-object-attributes",
            ]
        ),
        st.binary(max_size=10),
        max_size=3,
    ),
    st.binary(max_size=20),
)
def test_any_rest_request_is_parsed_or_refused(
    method: str, path: bytes, query: bytes, headers: dict[bytes, bytes], body: bytes
) -> None:
    survive(MODELS["s3"], Wire(method, b"/" + path, query, headers, body))


@pytest.mark.parametrize(("service", "protocol"), CONVERSATIONS)
def test_mutations_of_real_requests_are_parsed_or_refused(
    service: str, protocol: str, peers: dict[tuple[str, str], Peer]
) -> None:
    model, peer, chance = MODELS[service], peers[service, protocol], random.Random(service + protocol)
    operations = [o for o in model.operations.values() if o.input is not None and not o.has_streaming_input]
    for operation in operations:
        assert operation.input is not None
        sent = Values(7, full=True).of(operation.input)
        if service == "s3":
            sent.update({name: "a" for name in ("Bucket", "Key") if name in sent})
        wire = peer.request(operation.name, sent)
        for _ in range(6):
            survive(model, mutated(wire, chance))


def mutated(wire: Wire, chance: random.Random) -> Wire:
    """The request with a few bytes of its body, query or a header changed, cut or repeated."""
    fields = {"body": wire.body, "query": wire.query}
    name = chance.choice([name for name, value in fields.items() if value] or ["body"])
    raw = bytearray(fields[name] or b"<a>1</a>")
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(raw) or 1)
        kind = chance.randrange(4)
        if kind == 0:
            raw[at : at + 1] = chance.randbytes(1)
        elif kind == 1:
            del raw[at : at + chance.randint(1, 9)]
        elif kind == 2:
            raw[at:at] = raw[at : at + 20]
        else:
            raw[at:at] = chance.choice([b"<", b"&", b"%", b'"', b"{", b"}", b"[", b".", b"=", b"null", b"\xff", b"-"])
    fields[name] = bytes(raw)
    headers = {key: value[:-1] if chance.random() < 0.1 else value for key, value in wire.headers.items()}
    return Wire(wire.method, wire.path, fields["query"], headers, fields["body"])
