"""Small rules of the S3 API that clients notice, each as AWS's documentation or its own replies state it; over the wire."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from awning.services.s3 import checksums, errors, names
from tests.conftest import LiveRegion

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def s3(region: LiveRegion) -> Any:
    return region.client("s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    name = f"rules-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    return name


def send(region: LiveRegion, method: str, target: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """One request as it is written here; returns status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", region.port)
    connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode()


def presigned(s3: Any, operation: str, **params: Any) -> str:
    parts = urlsplit(s3.generate_presigned_url(operation, Params=params))
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("AWS4-HMAC-SHA256 Credential=nobody", "AuthorizationHeaderMalformed"),
        ("AWS4-ECDSA-P256-SHA256 Credential=nobody", "InvalidRequest"),
        ("Basic dXNlcg==", "InvalidArgument"),
    ],
)
def test_a_signature_that_names_no_service_is_refused_in_the_form_of_s3(
    region: LiveRegion, authorization: str, code: str
) -> None:
    """S3 API reference, "Error responses": <Error> with Code, Resource, RequestId and HostId."""
    status, _, body = send(region, "GET", "/a-bucket/a-key", Authorization=authorization)
    assert status == 400
    assert "<ErrorResponse" not in body
    assert f"<Error><Code>{code}</Code>" in body
    assert "<Resource>/a-bucket/a-key</Resource>" in body
    assert send(region, "GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=x")[2].count(
        "<Code>AuthorizationQueryParametersError</Code>"
    )


def test_a_wrong_signature_is_told_with_the_bytes_that_were_signed(region: LiveRegion) -> None:
    """S3 user guide, "Troubleshooting Signature Version 4": compare StringToSignBytes and CanonicalRequestBytes."""
    with pytest.raises(ClientError) as failure:
        region.client("s3", secret="wrong").list_buckets()
    told = failure.value.response["Error"]
    assert bytes.fromhex(told["StringToSignBytes"]).decode() == told["StringToSign"]
    assert bytes.fromhex(told["CanonicalRequestBytes"]).decode() == told["CanonicalRequest"]


@pytest.mark.parametrize("text", ["0", "-1", "Thu, 01 Dec 2024 16:00:00 GMT"])
def test_expires_comes_back_as_it_was_sent(region: LiveRegion, s3: Any, bucket: str, text: str) -> None:
    """S3 API reference, PutObject: Expires is kept for the readers of the object; its form is theirs to judge."""
    assert send(region, "PUT", presigned(s3, "put_object", Bucket=bucket, Key="dated"), Expires=text)[0] == 200
    assert send(region, "GET", presigned(s3, "get_object", Bucket=bucket, Key="dated"))[1]["expires"] == text
    assert s3.head_object(Bucket=bucket, Key="dated")["ResponseMetadata"]["HTTPHeaders"]["expires"] == text
    etag = s3.head_object(Bucket=bucket, Key="dated")["ETag"]
    url = presigned(s3, "get_object", Bucket=bucket, Key="dated")
    status, headers, _ = send(region, "GET", url, If_None_Match=etag)
    assert (status, headers["expires"]) == (304, text)


def test_the_end_of_an_empty_object_is_the_whole_of_it(s3: Any, bucket: str) -> None:
    """RFC 9110, 14.1.2: a suffix longer than the representation is all of it; other ranges of nothing cannot be met."""
    s3.put_object(Bucket=bucket, Key="empty")
    got = s3.get_object(Bucket=bucket, Key="empty", Range="bytes=-1")
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentLength"]) == (200, 0)
    for wanted in ("bytes=0-0", "bytes=0-", "bytes=-0"):
        with pytest.raises(ClientError, match="InvalidRange"):
            s3.get_object(Bucket=bucket, Key="empty", Range=wanted)


def test_what_is_no_part_number_is_refused_before_the_object_is_looked_for(s3: Any, bucket: str) -> None:
    """S3 API reference, GetObject: partNumber is "a positive integer between 1 and 10,000"."""
    for number in (0, 10_001):
        with pytest.raises(ClientError, match=r"InvalidArgument.*between 1 and 10000, inclusive"):
            s3.get_object(Bucket=bucket, Key="none", PartNumber=number)
        with pytest.raises(ClientError, match="400"):
            s3.head_object(Bucket=bucket, Key="none", PartNumber=number)


def test_tags_and_policies_of_a_bucket_are_put_with_204(s3: Any, bucket: str) -> None:
    """S3 API reference, PutBucketTagging and PutBucketPolicy, sample responses: 204 No Content."""
    done = s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    policy = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{bucket}/never"}}}}'
    )
    assert s3.put_bucket_policy(Bucket=bucket, Policy=policy)["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_names_of_checksum_algorithms_are_taken_in_any_case(s3: Any, bucket: str) -> None:
    """The header's values as SDKs of other languages write them."""
    opened = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="crc32", ChecksumType="Full_Object")
    assert (opened["ChecksumAlgorithm"], opened["ChecksumType"]) == ("CRC32", "FULL_OBJECT")
    s3.put_object(Bucket=bucket, Key="cased", Body=b"x", ChecksumAlgorithm="sha256")


def test_what_a_completion_must_say(s3: Any, bucket: str) -> None:
    """S3 API reference, CompleteMultipartUpload: parts are numbered from 1, and there is at least one."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    here = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    with pytest.raises(ClientError, match=r"InvalidRequest.*You must specify at least one part"):
        s3.complete_multipart_upload(**here)
    with pytest.raises(ClientError, match=r"InvalidArgument.*PartNumber must be >= 1"):
        s3.complete_multipart_upload(**here, MultipartUpload={"Parts": [{"PartNumber": 0, "ETag": etag}]})
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    with pytest.raises(ClientError, match=r"InvalidRequest.*less than zero: '-1'"):
        s3.complete_multipart_upload(**here, MultipartUpload=parts, MpuObjectSize=-1)


def test_one_completion_sent_many_times_at_once_gets_one_answer(s3: Any, bucket: str) -> None:
    """S3 API reference, CompleteMultipartUpload is idempotent: the same request again succeeds with the same answer."""
    for turn in range(5):
        key = f"raced-{turn}"
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=os.urandom(100_000))["ETag"]
        request = {
            "Bucket": bucket,
            "Key": key,
            "UploadId": upload,
            "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]},
        }
        with ThreadPoolExecutor(6) as pool:
            done = list(pool.map(lambda _, told=request: s3.complete_multipart_upload(**told)["ETag"], range(6)))
        assert len(set(done)) == 1


def test_versions_and_delete_markers_come_in_one_order(region: LiveRegion, s3: Any) -> None:
    """S3 API reference, ListObjectVersions: by key, and of one key the newest first, whatever each entry is."""
    name = f"mixed-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "b"):
        s3.put_object(Bucket=name, Key=key)
        s3.delete_object(Bucket=name, Key=key)
        s3.put_object(Bucket=name, Key=key)
    s3.delete_object(Bucket=name, Key="b")
    body = send(region, "GET", presigned(s3, "list_object_versions", Bucket=name))[2]
    shown = re.findall(r"<(Version|DeleteMarker)>.*?<Key>(.)</Key>", body)
    a = [("Version", "a"), ("DeleteMarker", "a"), ("Version", "a")]
    assert shown == [*a, ("DeleteMarker", "b"), ("Version", "b"), ("DeleteMarker", "b"), ("Version", "b")]


@pytest.mark.parametrize("source", ["bucket/key%2", "bucket/%zz", "%c/key"])
def test_a_copy_source_that_is_not_encoded_is_refused(source: str) -> None:
    """S3 API reference, CopyObject: "The value must be URL-encoded"."""
    with pytest.raises(errors.InvalidArgument, match=r"^Invalid copy source encoding\.$") as caught:
        names.copy_source(source)
    assert caught.value.members == {"ArgumentName": "x-amz-copy-source", "ArgumentValue": source}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("versions", "There is no such thing as the ?versions sub-resource for a key"),
        ("uploads", "Key is not expected for the GET method ?uploads subresource"),
    ],
)
def test_what_only_a_bucket_has_is_not_asked_of_a_key(region: LiveRegion, bucket: str, word: str, text: str) -> None:
    """As S3 answers it: the object is not given in its place."""
    status, _, body = send(region, "GET", f"/{bucket}/a-key?{word}")
    assert status == 400
    assert f"<Code>InvalidRequest</Code><Message>{text}</Message>" in body


def test_a_trailing_checksum_is_told_from_one_ahead_of_the_body() -> None:
    """As S3 words it: a trailer that is no digest is "trailing"; one that does not match is refused like any other."""
    crc = checksums.BY_NAME["CRC32"]
    wanted = checksums.Wanted(crc, None, crc.header, True)
    with pytest.raises(errors.InvalidRequest, match=r"^Value for x-amz-checksum-crc32 trailing header is invalid\.$"):
        wanted.check(bytes(4), {crc.header: "AAAA"})
    with pytest.raises(errors.BadDigest, match=r"^The CRC32 you specified did not match the calculated checksum\.$"):
        wanted.check(bytes(4), {crc.header: "AAAAAQ=="})


def test_a_signature_for_another_service_is_refused_by_s3_where_only_s3_can_be_meant(region: LiveRegion) -> None:
    """As S3 answers it: AuthorizationHeaderMalformed with the service that was named."""
    request = AWSRequest("GET", f"http://127.0.0.1:{region.port}/a-bucket", headers={"x-amz-content-sha256": EMPTY})
    frozen = region.client("s3")._request_signer._credentials.get_frozen_credentials()
    SigV4Auth(frozen, "ec2", "us-east-1").add_auth(request)
    signed = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    status, _, body = send(region, "GET", "/a-bucket", **signed)
    assert status == 400
    assert "<Error><Code>AuthorizationHeaderMalformed</Code>" in body
    assert "incorrect service &quot;ec2&quot;. This endpoint belongs to &quot;s3&quot;." in body
