"""boto3 and S3: by HTTP and HTTPS, in path style and with the bucket in the host's name."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


@pytest.fixture(params=["path", "virtual"])
def s3(request: pytest.FixtureRequest, region: Any, tls: bool, localhost_names: None) -> Any:
    """A client in one of the two styles, by one of the two schemes."""
    scheme = "https" if tls else "http"
    return region.client(
        "s3",
        tls=tls,
        endpoint_url=f"{scheme}://s3.localhost:{region.port}",
        config=Config(s3={"addressing_style": request.param}, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def bucket(region: Any, name: str) -> str:
    region.client("s3").create_bucket(Bucket=name)
    return name


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_objects_come_and_go(s3: Any, bucket: str) -> None:
    put = s3.put_object(
        Bucket=bucket, Key="a/b c+d&e=ü.txt", Body=b"hello", ContentType="text/plain", Metadata={"x": "1"}
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a/b c+d&e=ü.txt")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/plain", {"x": "1"}, put["ETag"])
    assert s3.get_object(Bucket=bucket, Key="a/b c+d&e=ü.txt", Range="bytes=1-3")["Body"].read() == b"ell"
    assert s3.head_object(Bucket=bucket, Key="a/b c+d&e=ü.txt")["ContentLength"] == 5
    s3.delete_object(Bucket=bucket, Key="a/b c+d&e=ü.txt")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="a/b c+d&e=ü.txt")
    assert refusal(error) == "NoSuchKey"


def test_keys_are_listed_in_order_and_in_pages(s3: Any, bucket: str) -> None:
    keys = sorted(["a", "a/1", "a/2", "b/x/1", "b/y/2", "c d", "é"], key=str.encode)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [item["Key"] for page in pages for item in page["Contents"]] == keys
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [item["Prefix"] for item in top["CommonPrefixes"]] == ["a/", "b/"]
    assert [item["Key"] for item in top["Contents"]] == ["a", "c d", "é"]
    old = s3.list_objects(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert [item["Prefix"] for item in old["CommonPrefixes"]] == ["b/x/", "b/y/"]


def test_a_large_file_goes_up_in_parts(s3: Any, bucket: str) -> None:
    data = bytes(range(256)) * (20 << 12)  # 20 MiB: beyond the transfer manager's threshold
    s3.upload_fileobj(io.BytesIO(data), bucket, "large")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back)
    assert back.getvalue() == data


def test_pre_signed_urls_work_until_altered(s3: Any, bucket: str, region: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"for everybody with the link")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    context = None
    if url.startswith("https"):
        import ssl

        context = ssl.create_default_context(cafile=str(region.ca))
    with urllib.request.urlopen(url, context=context) as answer:
        assert answer.read() == b"for everybody with the link"
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url.replace("/k?", "/other?"), context=context)
    assert error.value.code == 403
    assert b"SignatureDoesNotMatch" in error.value.read()


def test_buckets_are_made_and_removed(s3: Any, name: str) -> None:
    s3.create_bucket(Bucket=name)
    s3.get_waiter("bucket_exists").wait(Bucket=name)
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k", Body=b"")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=name)
    assert refusal(error) == "BucketNotEmpty"
    gone = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k"}]})
    assert [item["Key"] for item in gone["Deleted"]] == ["k"]
    s3.delete_bucket(Bucket=name)
    with pytest.raises(ClientError) as error:
        s3.head_bucket(Bucket=name)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_pre_signed_uploads_of_both_signature_versions(region: Any, bucket: str, signature: str) -> None:
    s3 = region.client("s3", config=Config(signature_version=signature, s3={"addressing_style": "path"}))
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    request = urllib.request.Request(url, data=b"uploaded", method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert region.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"uploaded"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_kept_and_given_back(region: Any, bucket: str, algorithm: str) -> None:
    s3 = region.client("s3")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello"
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]


def test_a_wrong_checksum_is_refused(region: Any, bucket: str) -> None:
    s3 = region.client("s3")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumCRC32="AAAAAA==")
    assert refusal(error) == "BadDigest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_stream_without_a_length_goes_up_by_its_trailer(region: Any, bucket: str) -> None:
    """By HTTPS botocore signs no payload and sends the checksum of a stream as a trailer."""
    s3 = region.client("s3", tls=True)

    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"streamed" * 50_000))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"streamed" * 50_000


def test_conditions_guard_writes_and_reads(region: Any, bucket: str) -> None:
    s3 = region.client("s3")
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert refusal(error) == "PreconditionFailed"
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"1"


def test_objects_are_copied(region: Any, bucket: str) -> None:
    s3 = region.client("s3")
    s3.put_object(Bucket=bucket, Key="from ü", Body=b"copied", Metadata={"a": "b"})
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from ü"})
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"]) == (b"copied", {"a": "b"})


def test_what_tools_ask_of_a_new_bucket(region: Any, name: str) -> None:
    client = region.client("s3")
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="a b", Body=b"x")
    rule = {"ObjectOwnership": "BucketOwnerEnforced"}
    client.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": [rule]})
    (grant,) = client.get_bucket_acl(Bucket=name)["Grants"]
    assert (grant["Grantee"]["Type"], grant["Permission"]) == ("CanonicalUser", "FULL_CONTROL")
    assert client.get_object_acl(Bucket=name, Key="a b")["Grants"] == [grant]
    (version,) = client.list_object_versions(Bucket=name)["Versions"]
    assert (version["Key"], version["VersionId"]) == ("a b", "null")
    assert client.get_object(Bucket=name, Key="a b", VersionId="null")["Body"].read() == b"x"
    with pytest.raises(ClientError) as caught:
        client.get_object(Bucket=name, Key="a b", VersionId="1")
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"
    with pytest.raises(ClientError) as caught:
        client.get_bucket_lifecycle_configuration(Bucket=name)
    assert caught.value.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"
    assert client.get_bucket_request_payment(Bucket=name)["Payer"] == "BucketOwner"
    asked = {"Objects": [{"Key": "a b", "VersionId": "null"}]}
    assert client.delete_objects(Bucket=name, Delete=asked)["Deleted"] == [{"Key": "a b", "VersionId": "null"}]
    client.delete_bucket(Bucket=name)
