"""Access logs and request metrics of a region that clients use: who asked for what, and how it ended."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from awning.auth.members import canonical_user
from tests.conftest import LiveRegion

ACCOUNT = "000000000000"
FIELD = re.compile(r'\[[^]]*\]|"[^"]*"|\S+')
FIELDS = (
    "owner bucket time ip requester request_id operation key uri status error sent size total turn referer agent version "
    "host_id signed cipher kind host tls ap acl region"
)


def until(look: Callable[[], Any]) -> Any:
    """Return what `look` finds, once it finds something."""
    for _ in range(600):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def s3(region: LiveRegion) -> Any:
    return region.client("s3")


@pytest.fixture
def logged(s3: Any, name: str) -> str:
    """A bucket whose requests are written down in NAME-logs."""
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=f"{name}-logs")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}-logs/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{name}"},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    s3.put_bucket_policy(Bucket=f"{name}-logs", Policy=policy)
    to = {"TargetBucket": f"{name}-logs", "TargetPrefix": "a/"}
    s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": to})
    return name


def records(s3: Any, bucket: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for entry in s3.list_objects_v2(Bucket=f"{bucket}-logs", Prefix="a/").get("Contents", []):
        text = s3.get_object(Bucket=f"{bucket}-logs", Key=entry["Key"])["Body"].read().decode()
        assert text.endswith("\n")
        found += [dict(zip(FIELDS.split(), FIELD.findall(line), strict=True)) for line in text.splitlines()]
    return sorted(found, key=lambda record: record["time"])


def test_every_request_is_written_down(region: LiveRegion, s3: Any, logged: str) -> None:
    s3.put_object(Bucket=logged, Key="a b/ü", Body=b"x" * 300_000)
    s3.get_object(Bucket=logged, Key="a b/ü", Range="bytes=0-9")["Body"].read()
    s3.get_object(Bucket=logged, Key="a b/ü")["Body"].read()
    s3.head_object(Bucket=logged, Key="a b/ü")
    s3.list_objects_v2(Bucket=logged)
    s3.get_bucket_versioning(Bucket=logged)
    with pytest.raises(ClientError):
        s3.get_object(Bucket=logged, Key="none")
    connection = http.client.HTTPConnection("127.0.0.1", region.port)
    connection.request(
        "GET", f"/{logged}/secret?a=%22b", headers={"User-Agent": 'the "best" agent', "Referer": "http://r/"}
    )
    connection.getresponse().read()
    found = until(lambda: (r := records(s3, logged)) and len(r) >= 9 and r)
    by = {(r["operation"], r["status"], r["sent"]): r for r in found}
    put = by["REST.PUT.OBJECT", "200", "-"]
    assert (put["owner"], put["bucket"], put["requester"]) == (canonical_user(ACCOUNT), logged, canonical_user(ACCOUNT))
    assert (put["key"], put["size"], put["signed"], put["kind"], put["error"]) == (
        "a%2520b/%25C3%25BC",
        "300000",
        "SigV4",
        "AuthHeader",
        "-",
    )
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", put["time"])
    assert put["uri"].startswith(f'"PUT /{logged}/a%20b/%C3%BC')
    assert "Boto3" in put["agent"]
    assert (put["region"], put["ip"], put["tls"]) == ("us-east-1", "127.0.0.1", "-")
    assert by["REST.GET.OBJECT", "206", "10"]["size"] == "300000"
    assert by["REST.GET.OBJECT", "200", "300000"]["size"] == "300000"
    assert by["REST.HEAD.OBJECT", "200", "-"]["size"] == "300000"
    assert ("REST.GET.VERSIONING", "200") in {key[:2] for key in by}
    assert ("REST.GET.BUCKET", "200") in {key[:2] for key in by}
    assert next(r for r in found if r["status"] == "404")["error"] == "NoSuchKey"
    stranger = next(r for r in found if r["status"] == "403")
    assert (stranger["requester"], stranger["error"], stranger["signed"], stranger["kind"]) == (
        "-",
        "AccessDenied",
        "-",
        "-",
    )
    assert (stranger["agent"], stranger["referer"]) == ('"the %22best%22 agent"', '"http://r/"')
    assert len({r["request_id"] for r in found}) == len(found)


def test_an_interrupted_download_is_written_down_as_far_as_it_came(region: LiveRegion, s3: Any, logged: str) -> None:
    s3.put_object(Bucket=logged, Key="large", Body=b"x" * 64 * 1024 * 1024)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": logged, "Key": "large"})
    with urllib.request.urlopen(url, timeout=20) as answer:
        answer.read(1000)
    found = until(lambda: [r for r in records(s3, logged) if r["operation"] == "REST.GET.OBJECT"])
    assert 0 < int(found[0]["sent"]) < int(found[0]["size"])


def test_the_last_records_outlast_a_stop(own_region: LiveRegion, name: str) -> None:
    live = own_region.start()
    s3 = live.client("s3")
    for bucket in (name, f"{name}-logs"):
        s3.create_bucket(Bucket=bucket)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}-logs/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    s3.put_bucket_policy(Bucket=f"{name}-logs", Policy=policy)
    to = {"TargetBucket": f"{name}-logs", "TargetPrefix": "a/"}
    s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": to})
    s3.put_object(Bucket=name, Key="last", Body=b"")
    live.stop()
    live.start()
    s3 = live.client("s3")
    found = until(lambda: records(s3, name))
    assert "last" in [record["key"] for record in found]


def metrics(region: LiveRegion, bucket: str) -> dict[tuple[str, str], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{region.port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    line = re.compile(r'awning_s3_request_metrics\{bucket="([^"]*)",filter="([^"]*)",metric="([^"]*)"\} (\S+)')
    return {(f, m): float(value) for b, f, m, value in line.findall(text) if b == bucket}


def test_requests_are_counted_by_filter(region: LiveRegion, s3: Any, name: str) -> None:
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a/before", Body=b"x")
    assert metrics(region, name) == {}
    for id_, filter_ in (
        ("all", None),
        ("a", {"Prefix": "a/"}),
        ("tagged", {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}}),
    ):
        made = {"Id": id_, **({"Filter": filter_} if filter_ else {})}
        s3.put_bucket_metrics_configuration(Bucket=name, Id=id_, MetricsConfiguration=made)
    assert len(s3.list_bucket_metrics_configurations(Bucket=name)["MetricsConfigurationList"]) == 3
    s3.put_object(Bucket=name, Key="a/1", Body=b"x" * 1000, Tagging="k=v")
    s3.put_object(Bucket=name, Key="b/1", Body=b"x" * 10)
    s3.get_object(Bucket=name, Key="a/1")["Body"].read()
    s3.head_object(Bucket=name, Key="a/1")
    s3.list_objects_v2(Bucket=name)
    s3.delete_object(Bucket=name, Key="b/1")
    with pytest.raises(ClientError):
        s3.get_object(Bucket=name, Key="a/none")
    found = metrics(region, name)
    assert found["tagged", "AllRequests"] == 3
    assert found["a", "AllRequests"] == 4
    assert (found["a", "PutRequests"], found["a", "GetRequests"], found["a", "HeadRequests"]) == (1, 2, 1)
    assert (found["a", "4xxErrors"], found["a", "5xxErrors"]) == (1, 0)
    assert found["a", "BytesUploaded"] == 1000
    assert found["tagged", "BytesDownloaded"] == 1000
    assert (found["all", "ListRequests"], found["all", "DeleteRequests"]) == (1, 1)
    assert found["all", "TotalRequestLatency"] >= found["all", "FirstByteLatency"] > 0
