"""Which service a request is for: the table against botocore's own metadata, and what tells services of one name apart."""

from __future__ import annotations

from typing import Any

import pytest

from awning.gateway import services
from awning.gateway.address import read_host
from awning.protocols.registry import read_botocore, spoken
from tests.protocols.fleet import FLEET
from tests.protocols.peer import Peer


def test_the_table_has_the_whole_fleet_once() -> None:
    assert sorted(known.name for known in services.SERVICES) == sorted(FLEET)


@pytest.mark.parametrize("service", FLEET)
def test_the_table_says_what_botocore_says(service: str) -> None:
    metadata: dict[str, Any] = read_botocore(service)["metadata"]
    known = services.BY_NAME[service]
    assert known.signing == metadata.get("signingName", metadata["endpointPrefix"])
    assert known.target == metadata.get("targetPrefix", "")
    forms = {"query", "ec2"} & {*spoken(metadata), *FLEET[service]}
    assert known.version == (metadata["apiVersion"] if forms else "")
    assert services.format_of(service) == ("" if known.target else metadata["protocol"])
    host = read_host(f"{metadata['endpointPrefix']}.eu-west-1.amazonaws.com", None)
    assert host.service is not None
    assert services.is_label(host.service)
    assert host.region == "eu-west-1"


@pytest.mark.parametrize("service", FLEET)
@pytest.mark.parametrize("by", ["signature", "host"])
def test_every_operation_reaches_its_service(service: str, by: str) -> None:
    metadata = read_botocore(service)["metadata"]
    label = services.signing_name(service)
    if by == "host":
        label = read_host(f"{metadata['endpointPrefix']}.eu-west-1.amazonaws.com", None).service or ""
    for protocol in FLEET[service]:
        peer = Peer(service, protocol)
        for name in peer.model.operation_names:
            if name == "CreateBucket" and service == "s3control" and by == "signature":
                continue  # it makes buckets on Outposts, and says no account: the host alone tells it
            shape = peer.operation(name).input_shape
            labels: dict[str, Any] = {}
            for member, about in shape.members.items() if shape is not None else ():
                if about.serialization.get("location") == "uri" or about.serialization.get("hostLabel"):
                    labels[member] = 1 if about.type_name in ("integer", "long") else "x"
            wire = peer.request(name, labels)
            found = services.find(label, wire.path, wire.headers, wire.query, wire.body)
            assert found == service, (name, wire)


def test_a_form_that_is_not_there_yet_is_for_the_newer_service() -> None:
    assert services.find("elasticloadbalancing", b"/", {}, b"", b"") == "elbv2"
    assert services.find("elasticloadbalancing", b"/", {}, b"", b"Action=X&Version=2012-06-01") == "elb"
    assert services.find("elasticloadbalancing", b"/", {}, b"Version=2012-06-01&Action=X", b"") == "elb"


def test_a_bucket_may_be_called_like_a_path_of_s3_control() -> None:
    assert services.find("s3", b"/v20180820/key", {}, b"", b"") == "s3"
    assert services.find("s3", b"/v20180820/key", {b"x-amz-account-id": b"1"}, b"", b"") == "s3control"


def test_a_name_that_nobody_has_is_told_as_it_is() -> None:
    assert services.find("dynamodb", b"/", {}, b"", b"") == "dynamodb"
    assert services.signing_name("dynamodb") == "dynamodb"
    assert not services.is_label("123456789012")


def test_unsigned_requests_are_told_by_target_path_or_version() -> None:
    assert services.named_by_target(b"/", {b"x-amz-target": b"AmazonSSM.GetParameter"}) == "ssm"
    assert services.named_by_target(b"/", {b"x-amz-target": b"nonsense"}) is None
    path = b"/service/GraniteServiceVersion20100801/operation/PutMetricData"
    assert services.named_by_target(path, {b"smithy-protocol": b"rpc-v2-cbor"}) == "cloudwatch"
    assert services.named_by_target(path, {}) is None
    assert services.named_by_form(b"", b"Action=Publish&Version=2010-03-31") == "sns"
    assert services.named_by_form(b"Action=Publish", b"") is None
    assert services.named_by_form(b"Action=ConfirmSubscription&TopicArn=a&Token=b", b"") == "sns"
