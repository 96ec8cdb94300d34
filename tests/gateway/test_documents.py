"""Bodies on their way to a parser, by a live listener: compressed ones and large ones; services that are not there."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from awning.gateway import pipeline
from awning.gateway.body import decompress
from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.kit.service import Service
from awning.protocols import cbor
from awning.protocols.errors import ServiceError
from tests.gateway.house import House, room


def rooms() -> list[Service]:
    @operation(Needs("cloudwatch:PutMetricData", "*"), reads=True, honours={"metric_data": ALL})
    def put_metric_data(call: Call, namespace: str, metric_data: list[dict[str, Any]]) -> dict[str, Any]:
        return {"@headers": [(b"x-seen", f"{call.facts.protocol} {len(metric_data)}".encode())]}

    @operation(Needs("ec2:DescribeInstances", "*"), reads=True)
    def describe_instances(call: Call) -> dict[str, Any]:
        return {"Reservations": []}

    cloudwatch = room("cloudwatch", ("smithy-rpc-v2-cbor", "json", "query"), put_metric_data)
    return [cloudwatch, room("ec2", ("ec2",), describe_instances)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("house") / "data", patch, rooms) as found:
        yield found


METRICS = [{"MetricName": f"latency of {number:>40}", "Value": float(number)} for number in range(500)]


def post(
    house: House, headers: dict[str, str], body: bytes, path: str = "/", method: str = "POST"
) -> tuple[int, str | None, bytes]:
    """A signed request; returns the status, the header X-Seen, and the body."""
    url = f"http://127.0.0.1:{house.port}{path}"
    request = AWSRequest(method, url, headers=headers, data=body)
    SigV4Auth(Credentials("test", "test"), "monitoring", "eu-west-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
    try:
        connection.request(method, path, body, dict(request.headers.items()))
        reply = connection.getresponse()
        return reply.status, reply.headers["x-seen"], reply.read()
    finally:
        connection.close()


CBOR = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
CBOR_PATH = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def form() -> bytes:
    pairs = {"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": "n"}
    for number, metric in enumerate(METRICS, 1):
        pairs |= {f"MetricData.member.{number}.{name}": str(value) for name, value in metric.items()}
    return urlencode(pairs).encode()


BODIES = {
    "smithy-rpc-v2-cbor": (CBOR, CBOR_PATH, cbor.dumps({"Namespace": "n", "MetricData": METRICS})),
    "json": (JSON, "/", json.dumps({"Namespace": "n", "MetricData": METRICS}).encode()),
    "query": (FORM, "/", form()),
}


def test_an_sdk_compresses_what_it_sends_to_cloudwatch(house: House) -> None:
    client = house.client("cloudwatch")
    sent: list[Any] = []
    client.meta.events.register("before-send.cloudwatch.*", lambda request, **_: sent.append(request))
    reply = client.put_metric_data(Namespace="n", MetricData=METRICS)
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-seen"].endswith(" 500")
    assert sent[0].headers["Content-Encoding"] in ("gzip", b"gzip")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("protocol", BODIES)
def test_a_document_may_be_compressed_in_every_format(house: House, protocol: str, compressed: bool) -> None:
    headers, path, body = BODIES[protocol]
    if compressed:
        headers, body = {**headers, "Content-Encoding": "gzip"}, gzip.compress(body, mtime=0)
    assert post(house, headers, body, path)[:2] == (200, f"{protocol} 500")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        gzip.compress(b"{}", mtime=0)[:-1],
        gzip.compress(b"{}", mtime=0) + b"x",
        gzip.compress(b"{}", mtime=0) * 2,
        zlib.compress(b"{}"),
    ],
)
def test_what_is_no_gzip_is_refused(house: House, body: bytes) -> None:
    status, _, said = post(house, {**JSON, "Content-Encoding": "gzip"}, body)
    assert status == 400
    assert b"SerializationException" in said


def test_a_bomb_is_not_unpacked(house: House) -> None:
    bomb = gzip.compress(bytes(pipeline.LARGEST_DOCUMENT + 1))
    assert len(bomb) < 10_000
    status, _, said = post(house, {**JSON, "Content-Encoding": "gzip"}, bomb)
    assert status == 400
    assert b"EntityTooLarge" in said
    assert decompress(gzip.compress(b"x" * 100, mtime=0), 100) == b"x" * 100
    with pytest.raises(ServiceError):
        decompress(gzip.compress(b"x" * 101, mtime=0), 100)


def test_json_is_posted(house: House) -> None:
    headers, path, body = BODIES["json"]
    for method in ("GET", "PUT", "DELETE"):
        status, seen, said = post(house, headers, body, path, method)
        assert (status, seen) == (404, None)
        assert b"UnknownOperationException" in said


@pytest.mark.parametrize(
    ("protocol", "size", "ampersands", "heavy"),
    [
        ("json", 100_000, 0, False),
        ("json", 150_000, 0, True),
        ("rest-xml", 60_000, 0, False),
        ("rest-xml", 70_000, 0, True),
        ("smithy-rpc-v2-cbor", 8_000, 0, False),
        ("smithy-rpc-v2-cbor", 9_000, 0, True),
        ("query", 60_000, 0, False),
        ("query", 60_000, 5_000, True),
        ("ec2", 9_000, 3_000, True),
        ("json", 60_000, 5_000, False),
    ],
)
def test_what_takes_long_to_parse_does_not_hold_the_loop(
    protocol: str, size: int, ampersands: int, heavy: bool
) -> None:
    assert pipeline.is_heavy(protocol, b"&" * ampersands + b"x" * (size - ampersands)) is heavy


def test_ec2_answers_through_the_gateway(house: House) -> None:
    assert house.client("ec2").describe_instances()["Reservations"] == []


ABSENT = {
    "acm-pca": ("list_permissions", {"CertificateAuthorityArn": "arn:aws:acm-pca:eu-west-1:000000000000:x"}),
    "autoscaling": ("describe_auto_scaling_groups", {}),
    "cloudfront": ("list_distributions", {}),
    "efs": ("describe_file_systems", {}),
    "elbv2": ("describe_load_balancers", {}),
    "kms": ("list_keys", {}),
    "lambda": ("list_functions", {}),
    "route53": ("list_hosted_zones", {}),
    "ses": ("list_identities", {}),
    "sesv2": ("list_email_identities", {}),
    "sqs": ("list_queues", {}),
    "dynamodb": ("list_tables", {}),
}


@pytest.mark.parametrize("service", ABSENT)
def test_a_service_that_is_not_there_says_so_in_its_own_format(house: House, service: str) -> None:
    name, given = ABSENT[service]
    with pytest.raises(ClientError) as caught:
        getattr(house.client(service), name)(**given)
    error = caught.value.response["Error"]
    assert error["Code"] == "NotImplemented"
    assert error["Message"] == f"The service {service} is not part of this region."


def test_ec2_too_says_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with House(tmp_path / "data", monkeypatch, list) as bare, pytest.raises(ClientError) as caught:
        bare.client("ec2").describe_instances()
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
