"""Versions, as boto3, its resources, the AWS command line and a browser's form see them."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError


@pytest.fixture
def kept(region: Any, name: str) -> Any:
    """A client, with a bucket of the test's name that keeps versions."""
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return s3


def refused(call: Callable[..., Any], **params: Any) -> tuple[int, str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    response = raised.value.response
    metadata = response["ResponseMetadata"]
    return metadata["HTTPStatusCode"], response["Error"]["Code"], metadata["HTTPHeaders"]


def test_a_round_by_boto3(kept: Any, name: str) -> None:
    assert kept.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    first = kept.put_object(Bucket=name, Key="k ü", Body=b"1")["VersionId"]
    second = kept.put_object(Bucket=name, Key="k ü", Body=b"22")["VersionId"]
    gone = kept.delete_object(Bucket=name, Key="k ü")
    marker = gone["VersionId"]
    assert gone["DeleteMarker"] is True
    for call, code in ((kept.get_object, "NoSuchKey"), (kept.head_object, "404")):
        status, said, headers = refused(call, Bucket=name, Key="k ü")
        assert (status, said) == (404, code)
        assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", marker)
    for call, code in ((kept.get_object, "MethodNotAllowed"), (kept.head_object, "405")):
        status, said, headers = refused(call, Bucket=name, Key="k ü", VersionId=marker)
        assert (status, said, headers["allow"], headers["x-amz-delete-marker"]) == (405, code, "DELETE", "true")
    listed = kept.list_object_versions(Bucket=name)
    assert [(one["VersionId"], one["IsLatest"]) for one in listed["Versions"]] == [(second, False), (first, False)]
    assert [(one["VersionId"], one["IsLatest"]) for one in listed["DeleteMarkers"]] == [(marker, True)]
    copied = kept.copy_object(Bucket=name, Key="k ü", CopySource={"Bucket": name, "Key": "k ü", "VersionId": first})
    assert copied["CopySourceVersionId"] == first
    got = kept.get_object(Bucket=name, Key="k ü")
    assert (got["Body"].read(), got["VersionId"]) == (b"1", copied["VersionId"])
    assert kept.delete_object(Bucket=name, Key="k ü", VersionId=copied["VersionId"])["VersionId"] == copied["VersionId"]
    answer = kept.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k ü", "VersionId": marker}, {"Key": "x"}]})
    one, other = answer["Deleted"]
    assert one == {"Key": "k ü", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    assert other["DeleteMarker"] is True
    assert kept.get_object(Bucket=name, Key="k ü")["Body"].read() == b"22"
    assert refused(kept.delete_bucket, Bucket=name)[1] == "BucketNotEmpty"


def test_boto3s_resource_empties_a_bucket_page_by_page(region: Any, kept: Any, name: str) -> None:
    """Each page's versions are deleted before the next page is asked for."""
    for number in range(30):
        kept.put_object(Bucket=name, Key=f"k{number % 3}", Body=b"")
    for number in range(3):
        kept.delete_object(Bucket=name, Key=f"k{number}")
    paginator = kept.get_paginator("list_object_versions")
    deleted = 0
    for page in paginator.paginate(Bucket=name, PaginationConfig={"PageSize": 4}):
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        asked = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        deleted += len(kept.delete_objects(Bucket=name, Delete={"Objects": asked})["Deleted"])
    assert deleted == 33
    kept.delete_bucket(Bucket=name)


def test_a_large_upload_is_a_version(kept: Any, name: str) -> None:
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    for content in (b"a" * (6 << 20), b"b" * (6 << 20)):
        kept.upload_fileobj(io.BytesIO(content), name, "k", Config=config)
    newest, oldest = kept.list_object_versions(Bucket=name)["Versions"]
    assert (newest["IsLatest"], oldest["IsLatest"]) == (True, False)
    got = kept.get_object(Bucket=name, Key="k", VersionId=oldest["VersionId"], Range="bytes=5242879-5242880")
    assert got["Body"].read() == b"aa"


def test_suspended_and_enabled_again(kept: Any, name: str) -> None:
    version = kept.put_object(Bucket=name, Key="k", Body=b"1")["VersionId"]
    kept.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    assert "VersionId" not in kept.put_object(Bucket=name, Key="k", Body=b"2")
    assert kept.get_object(Bucket=name, Key="k")["VersionId"] == "null"
    gone = kept.delete_object(Bucket=name, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    assert kept.get_object(Bucket=name, Key="k", VersionId=version)["Body"].read() == b"1"
    status, code, _ = refused(kept.get_object, Bucket=name, Key="k", VersionId="HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD")
    assert (status, code) == (400, "InvalidArgument")
    kept.delete_object(Bucket=name, Key="k", VersionId=version)
    assert refused(kept.get_object, Bucket=name, Key="k", VersionId=version)[:2] == (404, "NoSuchVersion")


def test_a_round_by_the_command_line(aws_http: Callable[..., Any], name: str, tmp_path: Path) -> None:
    def s3api(operation: str, *arguments: str, **options: Any) -> Any:
        return aws_http("s3api", operation, "--bucket", name, *arguments, **options)

    s3api("create-bucket")
    s3api("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")
    assert s3api("get-bucket-versioning") == {"Status": "Enabled"}
    body = tmp_path / "body"
    versions = []
    for text in ("one", "two"):
        body.write_text(text)
        versions.append(s3api("put-object", "--key", "k", "--body", str(body))["VersionId"])
    aws_http("s3", "rm", f"s3://{name}/k")
    assert "k" not in aws_http("s3", "ls", f"s3://{name}/")
    s3api("get-object", "--key", "k", "--version-id", versions[0], str(body))
    assert body.read_text() == "one"
    (marker,) = s3api("list-object-versions", "--query", "DeleteMarkers[].VersionId")
    assert s3api("delete-object", "--key", "k", "--version-id", marker)["DeleteMarker"] is True
    aws_http("s3", "cp", f"s3://{name}/k", str(body))
    assert body.read_text() == "two"
    mfa = ["--versioning-configuration", "Status=Enabled,MFADelete=Enabled", "--mfa", "arn 123456"]
    s3api("put-bucket-versioning", *mfa, fails="AccessDenied")
    aws_http("s3", "rb", f"s3://{name}", fails="BucketNotEmpty")


def test_a_form_makes_a_version(region: Any, kept: Any, name: str) -> None:
    form = kept.generate_presigned_post(Bucket=name, Key="k")
    old = kept.put_object(Bucket=name, Key="k", Body=b"1")["VersionId"]
    edge = "edge"
    fields = "".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in form["fields"].items()
    )
    data = f'{fields}--{edge}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n2\r\n--{edge}--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    with urllib.request.urlopen(urllib.request.Request(form["url"], data.encode(), headers)) as reply:
        version = reply.headers["x-amz-version-id"]
    assert [one["VersionId"] for one in kept.list_object_versions(Bucket=name)["Versions"]] == [version, old]
