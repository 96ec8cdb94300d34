"""What no client sends, in the formats of the fleet: the answer is a ServiceError of the client's own doing, or 501."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.protocols import cbor
from awning.protocols.errors import ServiceError
from awning.protocols.model import BoundOperation, Model
from awning.protocols.registry import Registry
from awning.protocols.reply import write_error
from awning.protocols.wire import Wire
from tests.protocols.fleet import FLEET
from tests.protocols.peer import Peer, everything
from tests.protocols.test_fleet import FIXED, Anything
from tests.protocols.test_hostile import mutated

TRIED = ["ec2", "cloudwatch", "eks", "lambda", "kinesisvideo", "route53", "cloudfront", "s3control", "sns", "acm-pca"]
REGISTRY = Registry(None)
MODELS = {service: REGISTRY.model(service, FLEET[service]) for service in TRIED}
BOUND: dict[tuple[str, str], BoundOperation] = {}
CBOR = {b"smithy-protocol": b"rpc-v2-cbor", b"content-type": b"application/cbor"}


def attempt(model: Model, wire: Wire) -> ServiceError | None:
    """Match and parse; what refuses it must be writable and blame the client."""
    error = refusal(model, wire)
    if error is not None:
        assert 400 <= error.status < 500 or error.status == 501, error
        reply = write_error(model, model.protocol(wire), error, "r")
        assert all(b"\r" not in value and b"\n" not in value for _, value in reply.headers)
    return error


def refusal(model: Model, wire: Wire) -> ServiceError | None:
    try:
        match = model.match(wire)
        key = (model.name, match.operation.name)
        if key not in BOUND:
            BOUND[key] = everything(match.operation)
        BOUND[key].parse(match, wire)
    except ServiceError as error:
        return error
    return None


def metric(body: bytes) -> Wire:
    return Wire("POST", b"/service/GraniteServiceVersion20100801/operation/PutMetricData", b"", CBOR, body)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"\xa1",
        b"\xa1\x61a",
        b"\xa1\x01\x01",
        b"\xa2\x61a\x01\x61a\x02",
        b"\xbf\x61a\xff",
        b"\xbf\x61a\x01",
        b"\x9f" * 100_000,
        b"\x81" * 100_000,
        b"\xa1\x61a" * 100_000,
        b"\xc1" * 100_000,
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x62\xff\xfe",
        b"\xa1\x7f\x41a\xff\x01",
        b"\xa1\x7f\x7f\x61a\xff\xff\x01",
        b"\xa1\x7f\x61a",
        b"\xa1\x61a\xc0\x61b",
        b"\xa1\x61a\xc1\x61b",
        b"\xa1\x61a\xc1\xf5",
        b"\xa1\x61a\xf8\x20",
        b"\xa1\x61a\xe0",
        b"\xa1\x61a\x1c",
        b"\xa1\x61a\xf9\x7e",
        b"\xa1\x61a\xff",
        b"\xa0\xa0",
        b"\x80",
        b"\x01",
        b"{}",
        b"\x9f" + b"\x01" * 1_100_000 + b"\xff",
    ],
)
def test_cbor_that_no_client_sends_is_refused(body: bytes) -> None:
    error = attempt(MODELS["cloudwatch"], metric(body))
    assert error is not None
    assert (error.code, error.status) == ("SerializationException", 400)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Namespace", 1),
        ("Namespace", b"bytes"),
        ("MetricData", {}),
        ("MetricData", [None]),
        ("MetricData", [{"Timestamp": 1_700_000_000}]),
        ("MetricData", [{"Timestamp": cbor.Epoch(1e300)}]),
        ("MetricData", [{"Timestamp": cbor.Epoch("nan")}]),
        ("MetricData", [{"Value": "1"}]),
        ("MetricData", [{"Value": True}]),
        ("MetricData", [{"StorageResolution": 1 << 40}]),
        ("MetricData", [{"StorageResolution": 1.5}]),
    ],
)
def test_cbor_of_the_wrong_type_is_refused(member: str, value: Any) -> None:
    error = attempt(MODELS["cloudwatch"], metric(cbor.dumps({member: value})))
    assert error is not None
    assert error.code == "SerializationException"


def test_cbor_as_others_write_it() -> None:
    """Indefinite strings, lists and maps, half floats and undefined are valid (RFC 8949, appendix A)."""
    assert cbor.loads(b"\xbf\x61a\x9f\x01\x02\xff\x61b\x7f\x61x\x61y\xff\xff") == {"a": [1, 2], "b": "xy"}
    assert cbor.loads(b"\x5f\x41a\x41b\xff") == b"ab"
    assert cbor.loads(b"\xf9\x3e\x00") == 1.5
    assert cbor.loads(b"\xfa\x47\xc3\x50\x00") == 100000.0
    assert cbor.loads(b"\xf7") is None
    assert cbor.loads(b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff") == -18446744073709551616
    assert cbor.loads(b"\xc1\xfb\x41\xd4\x52\xd9\xec\x20\x00\x00") == 1363896240.5


PLAIN: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300)
    | st.floats(-1e11, 1e11).map(cbor.Epoch),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=5), inner, max_size=30),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(PLAIN)
def test_cbor_goes_both_ways(value: Any) -> None:
    assert cbor.loads(cbor.dumps(value)) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_cbor_or_malformed(body: bytes) -> None:
    attempt(MODELS["cloudwatch"], metric(body))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["Namespace", "MetricData", "StrictEntityValidation", "x"]), PLAIN, max_size=3))
def test_any_map_is_parsed_or_refused(body: dict[str, Any]) -> None:
    attempt(MODELS["cloudwatch"], metric(cbor.dumps(body)))


WORDS = [
    "Filter",
    "1",
    "2",
    "Value",
    "Name",
    "Tag",
    "TagSpecification",
    "BlockDeviceMapping",
    "Ebs",
    "",
    "x",
    "-1",
    "MaxCount",
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["RunInstances", "DescribeInstances", "CreateTags", "CreateVpc", "Nothing"]),
    st.lists(st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.text(max_size=5)), max_size=6),
)
def test_any_form_of_ec2_is_parsed_or_refused(operation: str, pairs: list[tuple[list[str], str]]) -> None:
    headers = {b"content-type": b"application/x-www-form-urlencoded"}
    form = {".".join(name): value for name, value in pairs}
    body = urlencode({**form, "Action": operation, "Version": "2016-11-15"}).encode()
    attempt(MODELS["ec2"], Wire("POST", b"/", b"", headers, body))


@pytest.mark.parametrize("service", ["eks", "lambda", "kinesisvideo", "route53", "cloudfront", "s3control"])
@settings(max_examples=100, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", ""]),
    parts=st.lists(
        st.sampled_from(
            [
                "clusters",
                "2015-03-31",
                "functions",
                "2013-04-01",
                "hostedzone",
                "tags",
                "%ff",
                "a",
                "",
                "mrap",
                "v20180820",
            ]
        )
        | st.text(max_size=4),
        max_size=6,
    ),
    query=st.binary(max_size=30),
    body=st.binary(max_size=20),
)
def test_any_rest_request_is_parsed_or_refused(
    service: str, method: str, parts: list[str], query: bytes, body: bytes
) -> None:
    path = b"/" + "/".join(parts).encode("utf-8", "surrogatepass")
    attempt(MODELS[service], Wire(method, path, query, {b"x-amz-date": b"\xff", b"content-type": b"x"}, body))


@pytest.mark.parametrize("service", TRIED)
def test_mutations_of_real_requests_are_parsed_or_refused(service: str) -> None:
    model, chance = MODELS[service], random.Random(service)
    for protocol in FLEET[service]:
        peer = Peer(service, protocol)
        operations = [o for o in model.operations.values() if o.input is not None and not o.has_streaming_input]
        for operation in operations[:: 6 if service == "ec2" else 1]:
            assert operation.input is not None
            sent = Anything(7, full=True).of(operation.input)
            sent.update({name: v for name, v in FIXED.get(service, {}).items() if name in operation.input.members})
            wire = peer.request(operation.name, sent)
            for _ in range(4):
                attempt(model, mutated(wire, chance))


def test_a_long_path_and_many_segments_are_looked_at_once() -> None:
    for path in (b"/" + b"/".join([b"tags"] * 100_000), b"/" + b"a" * 1_000_000, b"/" * 100_000):
        attempt(MODELS["s3control"], Wire("GET", path, b"", {}, b""))
        attempt(MODELS["lambda"], Wire("GET", path, b"", {}, b""))


def test_a_repeated_query_parameter_that_is_no_list_is_refused() -> None:
    error = attempt(MODELS["eks"], Wire("GET", b"/clusters", b"maxResults=1&maxResults=2", {}, b""))
    assert error is not None
    assert error.status == 400
