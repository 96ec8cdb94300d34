"""S3's form: which operation a request asks for, what travels in paths and headers, and the XML of its replies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from awning.protocols.errors import ServiceError
from awning.protocols.model import Model
from tests.protocols.support import bind, parse, refused, s3_wire, tree

COPY = {"x-amz-copy-source": "b/k"}

ROUTES: list[tuple[str, str, dict[str, str], str]] = [
    ("GET", "/", {}, "ListBuckets"),
    ("GET", "/?x-id=ListBuckets", {}, "ListBuckets"),
    ("PUT", "/b", {}, "CreateBucket"),
    ("PUT", "/b/", {}, "CreateBucket"),
    ("HEAD", "/b", {}, "HeadBucket"),
    ("DELETE", "/b", {}, "DeleteBucket"),
    ("GET", "/b", {}, "ListObjects"),
    ("GET", "/b?prefix=a&delimiter=/", {}, "ListObjects"),
    ("GET", "/b?list-type=2", {}, "ListObjectsV2"),
    ("GET", "/b?prefix=&list-type=2&max-keys=1", {}, "ListObjectsV2"),
    ("GET", "/b?list-type=3", {}, "ListObjects"),
    ("GET", "/b?versions", {}, "ListObjectVersions"),
    ("GET", "/b?versions&prefix=a", {}, "ListObjectVersions"),
    ("GET", "/b?versioning", {}, "GetBucketVersioning"),
    ("GET", "/b?uploads", {}, "ListMultipartUploads"),
    ("GET", "/b?location", {}, "GetBucketLocation"),
    ("GET", "/b?location=", {}, "GetBucketLocation"),
    ("GET", "/b?acl", {}, "GetBucketAcl"),
    ("GET", "/b?policy", {}, "GetBucketPolicy"),
    ("GET", "/b?policyStatus", {}, "GetBucketPolicyStatus"),
    ("PUT", "/b?policy", {}, "PutBucketPolicy"),
    ("DELETE", "/b?policy", {}, "DeleteBucketPolicy"),
    ("GET", "/b?analytics", {}, "ListBucketAnalyticsConfigurations"),
    ("GET", "/b?analytics&id=1", {}, "GetBucketAnalyticsConfiguration"),
    ("GET", "/b?lifecycle", {}, "GetBucketLifecycleConfiguration"),
    ("PUT", "/b?lifecycle", {}, "PutBucketLifecycleConfiguration"),
    ("GET", "/b?notification", {}, "GetBucketNotificationConfiguration"),
    ("POST", "/b?delete", {}, "DeleteObjects"),
    ("GET", "/b/k", {}, "GetObject"),
    ("GET", "/b/k?partNumber=1", {}, "GetObject"),
    ("GET", "/b/k?versionId=1", {}, "GetObject"),
    ("GET", "/b/k?colour", {}, "GetObject"),
    ("GET", "/b/k?uploadId=1", {}, "ListParts"),
    ("GET", "/b/k?attributes", {}, "GetObjectAttributes"),
    ("GET", "/b/k?acl&versionId=1", {}, "GetObjectAcl"),
    ("GET", "/b/k?tagging", {}, "GetObjectTagging"),
    ("GET", "/b/acl?torrent", {}, "GetObjectTorrent"),
    ("HEAD", "/b/k", {}, "HeadObject"),
    ("PUT", "/b/k", {}, "PutObject"),
    ("PUT", "/b/k?x-id=PutObject", {}, "PutObject"),
    ("PUT", "/b/k", COPY, "CopyObject"),
    ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart"),
    ("PUT", "/b/k?uploadId=u", {}, "UploadPart"),
    ("PUT", "/b/k?partNumber=1&uploadId=u", COPY, "UploadPartCopy"),
    ("PUT", "/b/k?acl", {}, "PutObjectAcl"),
    ("PUT", "/b/k?retention", {}, "PutObjectRetention"),
    ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
    ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload"),
    ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
    ("POST", "/b/k?restore", {}, "RestoreObject"),
    ("DELETE", "/b/k", {}, "DeleteObject"),
    ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload"),
    ("DELETE", "/b/k?tagging", {}, "DeleteObjectTagging"),
    ("GET", "/WriteGetObjectResponse", {}, "ListObjects"),
]


@pytest.mark.parametrize(("method", "target", "headers", "operation"), ROUTES)
def test_requests_find_their_operation(
    models: dict[str, Model], method: str, target: str, headers: dict[str, str], operation: str
) -> None:
    assert models["s3"].match(s3_wire(method, target, headers=headers)).operation.name == operation


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [("POST", "/", "SERVICE"), ("POST", "/b", "BUCKET"), ("POST", "/b/k", "OBJECT"), ("PATCH", "/b/k", "OBJECT")],
)
def test_other_methods_are_not_allowed(models: dict[str, Model], method: str, target: str, kind: str) -> None:
    error = refused(models["s3"], s3_wire(method, target))
    assert (error.code, error.status) == ("MethodNotAllowed", 405)
    assert error.members == {"Method": method, "ResourceType": kind}


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/b/a/b/c", "a/b/c"),
        ("/b//a", "/a"),
        ("/b/a/", "a/"),
        ("/b//", "/"),
        ("/b/a%2Fb%20c%25", "a/b c%"),
        ("/b/%E6%9D%B1", "東"),
        ("/b/a+b%2B", "a b+"),
        ("/b/..%2f../x", "../../x"),
        ("/b/a%zz%", "a%zz%"),
    ],
)
def test_keys_are_decoded(models: dict[str, Model], target: str, key: str) -> None:
    bound = bind(models["s3"], "GetObject", "bucket", "key")
    assert parse(models["s3"], s3_wire("GET", target), bound) == {"bucket": "b", "key": key}


def test_a_listings_parameters(models: dict[str, Model]) -> None:
    wire = s3_wire("GET", "/b?list-type=2&prefix=a%2Fb+c&delimiter=%2F&max-keys=7&fetch-owner=true&start-after=")
    assert parse(models["s3"], wire) == {
        "bucket": "b",
        "prefix": "a/b c",
        "delimiter": "/",
        "max_keys": 7,
        "fetch_owner": True,
        "start_after": "",
    }


def test_an_objects_headers(models: dict[str, Model]) -> None:
    headers = {
        "Content-Type": "text/plain",
        "Content-Length": "17",
        "x-amz-meta-Colour": "grün".encode(),
        "x-amz-meta-old": "grün".encode("latin-1"),
        "x-amz-server-side-encryption-bucket-key-enabled": "TRUE",
        "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z",
        "if-none-match": "*",
        "amz-sdk-invocation-id": "1",
    }
    assert parse(models["s3"], s3_wire("PUT", "/b/k", headers=headers)) == {
        "bucket": "b",
        "key": "k",
        "content_type": "text/plain",
        "content_length": 17,
        "metadata": {"colour": "grün", "old": "grün"},
        "bucket_key_enabled": True,
        "object_lock_retain_until_date": 1893456000.0,
        "if_none_match": "*",
    }


def test_a_pre_signed_url_carries_headers_in_its_query(models: dict[str, Model]) -> None:
    signed = (
        "X-Amz-Algorithm=a&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=s"
    )
    more = "x-amz-acl=private&x-amz-storage-class=STANDARD&x-amz-meta-a=b&x-amz-checksum-crc32=AAAAAA%3D%3D"
    wire = s3_wire("PUT", f"/b/k?{signed}&{more}", headers={"x-amz-storage-class": "GLACIER"})
    assert parse(models["s3"], wire) == {
        "bucket": "b",
        "key": "k",
        "acl": "private",
        "storage_class": "GLACIER",
        "metadata": {"a": "b"},
    }
    assert parse(models["s3"], s3_wire("PUT", f"/b/k?{more}")) == {"bucket": "b", "key": "k"}


DELETE = {"Objects": [{"Key": "a&b"}, {"Key": " c ", "VersionId": "v"}], "Quiet": True}


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete><Object><Key>a&amp;b</Key></Object><Object><Key> c </Key><VersionId>v</VersionId></Object>"
        b"<Quiet>true</Quiet></Delete>",
        b"<?xml version='1.0' encoding='UTF-8'?>\n<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\n <Object>\n"
        b"  <Key><![CDATA[a&b]]></Key></Object><!-- two --><Object><VersionId>v</VersionId><Key>&#32;c </Key></Object>"
        b"<Quiet> true </Quiet></Delete>\n",
        b"<s:Delete xmlns:s='urn:any'><s:Quiet>true</s:Quiet><s:Object><s:Key>a&amp;b</s:Key></s:Object>"
        b"<s:Object><s:Key> c </s:Key><s:VersionId>v</s:VersionId></s:Object></s:Delete>",
    ],
)
def test_xml_is_read_with_and_without_namespaces(models: dict[str, Model], body: bytes) -> None:
    assert parse(models["s3"], s3_wire("POST", "/b?delete", body)) == {"bucket": "b", "delete": DELETE}


def write(models: dict[str, Model], operation: str, result: dict[str, Any]) -> Any:
    return models["s3"].operations[operation].write(result, "request-1", "rest-xml")


def test_a_listing_in_s3s_form(models: dict[str, Model]) -> None:
    contents = [
        {"Key": "a&b", "LastModified": 1255369850.0, "ETag": '"0f"', "Size": 3, "StorageClass": "STANDARD"},
        {"Key": "c\r\x01", "LastModified": datetime(2009, 10, 12, 17, 50, 30, 7000, UTC), "ETag": '"a"b"', "Size": 0},
    ]
    result = {
        "Name": "b",
        "IsTruncated": False,
        "Contents": contents,
        "CommonPrefixes": [{"Prefix": "d/"}],
        "KeyCount": 3,
    }
    reply = write(models, "ListObjectsV2", result)
    assert reply.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<IsTruncated>false</IsTruncated><Contents><Key>a&amp;b</Key><LastModified>2009-10-12T17:50:50.000Z</LastModified>"
        "<ETag>&quot;0f&quot;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>"
        "<Contents><Key>c&#xD;&#x1;</Key><LastModified>2009-10-12T17:50:30.007Z</LastModified>"
        "<ETag>&quot;a&quot;b&quot;</ETag><Size>0</Size></Contents><Name>b</Name>"
        "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><KeyCount>3</KeyCount></ListBucketResult>"
    )
    assert reply.status == 200
    assert (b"content-type", b"application/xml") in reply.headers


@pytest.mark.parametrize(("region", "inner"), [("eu-west-1", "eu-west-1"), (None, "")])
def test_a_location_is_the_text_of_its_root(models: dict[str, Model], region: str | None, inner: str) -> None:
    root = tree(write(models, "GetBucketLocation", {"LocationConstraint": region}).body)
    assert root.tag == "{http://s3.amazonaws.com/doc/2006-03-01/}LocationConstraint"
    assert (root.text or "") == inner


def test_headers_and_a_stream_of_a_reply(models: dict[str, Model]) -> None:
    body = object()
    result = {
        "Body": body,
        "@status": 206,
        "@headers": [(b"x-own", b"1")],
        "ContentRange": "bytes 0-1/2",
        "ContentLength": 2,
        "LastModified": 1445412480,
        "DeleteMarker": False,
        "Metadata": {"a": "grün"},
        "VersionId": None,
    }
    reply = write(models, "GetObject", result)
    assert reply.body is body
    assert reply.status == 206
    found = dict(reply.headers)
    assert found.pop(b"x-amz-id-2")
    assert found == {
        b"x-amz-request-id": b"request-1",
        b"content-range": b"bytes 0-1/2",
        b"content-length": b"2",
        b"last-modified": b"Wed, 21 Oct 2015 07:28:00 GMT",
        b"x-amz-delete-marker": b"false",
        b"x-amz-meta-a": "grün".encode(),
        b"x-own": b"1",
    }


def test_a_reply_without_a_body(models: dict[str, Model]) -> None:
    reply = write(models, "DeleteObject", {"VersionId": "v"})
    assert (reply.status, reply.body) == (204, b"")
    assert (b"x-amz-version-id", b"v") in reply.headers
    assert write(models, "GetBucketVersioning", {}).body.endswith(b'2006-03-01/"></VersioningConfiguration>')


def test_a_policy_is_its_own_text(models: dict[str, Model]) -> None:
    reply = write(models, "GetBucketPolicy", {"Policy": '{"a": "ä"}'})
    assert reply.body == '{"a": "ä"}'.encode()
    assert (b"content-type", b"application/json") in reply.headers
    assert parse(models["s3"], s3_wire("PUT", "/b?policy", '{"a": "ä"}'.encode()))["policy"] == '{"a": "ä"}'


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0b"])
def test_a_value_cannot_end_its_header(models: dict[str, Model], value: str) -> None:
    for result in ({"ContentDisposition": value}, {"Metadata": {"a": value}}):
        with pytest.raises(ServiceError, match="Header value cannot be represented") as caught:
            write(models, "GetObject", result)
        assert caught.value.status == 400


@pytest.mark.parametrize(
    ("service", "protocol", "operation", "result"),
    [
        ("s3", "rest-xml", "ListObjectsV2", {"Names": "b"}),
        ("s3", "rest-xml", "ListObjectsV2", {"Contents": [{"Kee": "b"}]}),
        ("s3", "rest-xml", "DeleteBucket", {"A": 1}),
        ("sqs", "json", "SendMessage", {"MessageID": "b"}),
        ("sqs", "json", "ReceiveMessage", {"Messages": [{"body": "b"}]}),
        ("sqs", "json", "DeleteMessage", {"A": 1}),
        ("sqs", "query", "SendMessage", {"MessageID": "b"}),
        ("iam", "query", "DeleteUser", {"A": 1}),
    ],
)
def test_a_result_that_the_model_does_not_have_is_our_fault(
    models: dict[str, Model], service: str, protocol: str, operation: str, result: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="the reply has no member"):
        models[service].operations[operation].write(result, "r", protocol)
