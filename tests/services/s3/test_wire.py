"""The room through a live region, as boto3 and bare HTTP see it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import socket
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion

LARGE = bytes(range(256)) * 40_000


@pytest.fixture
def s3(region: LiveRegion) -> Any:
    return region.client("s3")


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    name = f"wire-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    yield name
    page = s3.list_objects_v2(Bucket=name)
    for entry in page.get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def refused(status: int, code: str, call: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    response = raised.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    return dict(response["Error"])


def fetch(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "", **headers})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


KEYS = [
    "plain",
    "a b/ü&<x>'\"",
    "+%2F%00",
    "../up",
    "./here",
    "//double//",
    "trailing/",
    "\t\x7f",
    "é\U0001f600",
    "?q=1#f",
]


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_every_key_comes_back_as_it_was(region: LiveRegion, bucket: str, style: str) -> None:
    options = {"config": Config(s3={"addressing_style": style})}
    if style == "virtual":
        options["endpoint_url"] = f"http://s3.localhost:{region.port}"  # type: ignore[assignment]
        try:
            socket.getaddrinfo(f"{bucket}.s3.localhost", region.port)
        except OSError:
            pytest.skip("this machine's resolver does not know *.localhost")
    s3 = region.client("s3", **options)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(KEYS, key=str.encode)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in KEYS]})
    assert [entry["Key"] for entry in answer["Deleted"]] == KEYS


def test_a_host_that_names_the_bucket(region: LiveRegion, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"hello")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/b"})
    assert fetch(url)[2] == b"hello"
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}}))  # fmt: skip
    for host in (
        f"{bucket}.s3.localhost:{region.port}",
        f"{bucket}.s3.amazonaws.com",
        f"{bucket}.s3.us-east-1.amazonaws.com",
    ):
        connection = http.client.HTTPConnection("127.0.0.1", region.port)
        connection.request("GET", "/a/b", headers={"Host": host})
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (200, b"hello")
        connection.close()


def test_reads_and_their_conditions(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", CacheControl="max-age=3")["ETag"]
    ranged = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert (ranged["ResponseMetadata"]["HTTPStatusCode"], ranged["ContentRange"]) == (206, "bytes 2-4/10")
    assert ranged["Body"].read() == b"234"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    status, headers, body = fetch(url, Range="bytes=10-")
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    assert b"<Code>InvalidRange</Code>" in body
    status, headers, body = fetch(url, **{"If-None-Match": etag})
    assert (status, headers["ETag"], headers["Cache-Control"], body) == (304, etag, "max-age=3", b"")
    refused(412, "PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfMatch='"no"')
    refused(404, "404", s3.head_object, Bucket=bucket, Key="none")
    refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="none")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"]) == (10, etag)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_as_the_sdk_sends_them(region: LiveRegion, bucket: str, algorithm: str) -> None:
    """Over HTTP boto3 sends a header and a signed payload, over HTTPS a trailer on an unsigned one."""
    for tls in (False, True):
        s3 = region.client("s3", tls=tls)
        for data in (b"", b"small", LARGE[:100_000], LARGE):
            put = s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(data), ChecksumAlgorithm=algorithm)
            got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
            assert got["Body"].read() == data
            assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]


def test_transfers_in_parts(s3: Any, bucket: str) -> None:
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(LARGE), bucket, "k", Config=config)
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-2"')
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == LARGE
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=config)
    into = io.BytesIO()
    s3.download_fileobj(bucket, "copy", into, Config=config)
    assert into.getvalue() == LARGE


def test_a_bucket_elsewhere_is_found_by_redirection(region: LiveRegion) -> None:
    name = f"wire-{os.urandom(6).hex()}"
    west = region.client("s3", region_name="us-west-2")
    west.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    east = region.client("s3")
    east.put_object(Bucket=name, Key="k", Body=b"x")
    assert region.client("s3").head_bucket(Bucket=name)["BucketRegion"] == "us-west-2"
    assert region.client("s3").get_bucket_location(Bucket=name)["LocationConstraint"] == "us-west-2"
    assert west.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    west.delete_object(Bucket=name, Key="k")
    west.delete_bucket(Bucket=name)


def test_another_accounts_bucket(region: LiveRegion, s3: Any, bucket: str) -> None:
    other = region.client("s3", key="222222222222")
    refused(409, "BucketAlreadyExists", other.create_bucket, Bucket=bucket)
    refused(403, "AccessDenied", other.list_objects_v2, Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused(403, "AccessDenied", other.get_object, Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*"}}))  # fmt: skip
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    refused(403, "AccessDenied", other.get_object, Bucket=bucket, Key="none")
    answer = other.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert [entry["Code"] for entry in answer["Errors"]] == ["AccessDenied"]


UNSUPPORTED: list[tuple[str, dict[str, Any]]] = [
    ("put_object", {"Key": "k", "ServerSideEncryption": "aws:fsx"}),
    ("put_object", {"Key": "k", "WriteOffsetBytes": 0}),
    ("put_object", {"Key": "k", "ObjectLockEventHold": "ON"}),
]


@pytest.mark.parametrize(("name", "params"), UNSUPPORTED)
def test_what_is_not_done_is_refused_by_name(s3: Any, bucket: str, name: str, params: dict[str, Any]) -> None:
    s3.put_object(Bucket=bucket, Key="there", Body=b"x")
    assert refused(501, "NotImplemented", getattr(s3, name), Bucket=bucket, **params)["Message"]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["there"]


@pytest.mark.parametrize(
    ("condition", "header"),
    [
        ({"IfMatchSize": 1}, "x-amz-if-match-size"),
        ({"IfMatchLastModifiedTime": "2015-01-01T00:00:00Z"}, "x-amz-if-match-last-modified-time"),
    ],
)
def test_conditions_of_directory_buckets(s3: Any, bucket: str, condition: dict[str, Any], header: str) -> None:
    """API reference, DeleteObject; the refusal is as recorded from S3. It comes whether or not the condition holds."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    error = refused(501, "NotImplemented", s3.delete_object, Bucket=bucket, Key="k", **condition)
    assert error["Message"] == "A header you provided implies functionality that is not implemented"
    assert error["Header"] == header
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 1


def test_the_null_version_is_the_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"x"
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": "null"}]})
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_presigned_urls(region: LiveRegion, bucket: str) -> None:
    for version in ("s3", "s3v4"):
        s3 = region.client("s3", config=Config(signature_version=version))
        params = {"Bucket": bucket, "Key": "k"}
        assert fetch(s3.generate_presigned_url("put_object", Params=params), "PUT", b"signed")[0] == 200
        status, headers, body = fetch(
            s3.generate_presigned_url("get_object", Params={**params, "ResponseContentType": "text/x"})
        )
        assert (status, headers["Content-Type"], body) == (200, "text/x", b"signed")
        assert fetch(s3.generate_presigned_url("delete_object", Params=params), "DELETE")[0] == 204
        assert fetch(s3.generate_presigned_url("get_object", Params=params))[0] == 404


def test_a_lying_checksum_or_a_torn_body_stores_nothing(region: LiveRegion, bucket: str) -> None:
    s3 = region.client("s3", config=Config(signature_version="s3v4"))
    crc = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
    refused(400, "BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=LARGE, ChecksumCRC32=crc)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    path = url.split(f":{region.port}", 1)[1]
    with socket.create_connection(("127.0.0.1", region.port)) as torn:
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{region.port}\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        torn.sendall(head.encode() + LARGE[:3_000_000])
    temporary = region.data / "blobs" / "s3" / "tmp"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(temporary.iterdir()):
        time.sleep(0.05)
    assert not any(temporary.iterdir())
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
