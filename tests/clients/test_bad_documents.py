"""Documents that are none, sent to every operation of S3 that takes one: each is refused in S3's words, and changes nothing."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BOMB = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">',
        *(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(8)),
        b"]><ROOT>&i;</ROOT>",
    ]
)
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ROOT>&a;</ROOT>'
DOCUMENTS = {
    "nothing but text": b"no document",
    "a bomb of entities": BOMB,
    "an entity from outside": OUTSIDE,
    "no end": b"<ROOT>",
    "two roots": b"<ROOT/><ROOT/>",
    "another root": b"<Another/>",
    "bytes that are no text": b"<ROOT>\xff\xfe</ROOT>",
    "a null": b"<ROOT>\x00</ROOT>",
    "a depth of thousands": b"<ROOT>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</ROOT>",
    "another encoding's name": b'<?xml version="1.0" encoding="no-such"?><ROOT/>',
}
PLACES = {
    "Tagging": ("PUT", "?tagging"),
    "VersioningConfiguration": ("PUT", "?versioning"),
    "ObjectLockConfiguration": ("PUT", "?object-lock"),
    "Retention": ("PUT", "/key?retention"),
    "LegalHold": ("PUT", "/key?legal-hold"),
    "Delete": ("POST", "?delete"),
    "CompleteMultipartUpload": ("POST", "/key?uploadId={upload}"),
    "OwnershipControls": ("PUT", "?ownershipControls"),
    "PublicAccessBlockConfiguration": ("PUT", "?publicAccessBlock"),
    "NotificationConfiguration": ("PUT", "?notification"),
    "CORSConfiguration": ("PUT", "?cors"),
}


def send(region: Any, method: str, path: str, body: bytes) -> tuple[int, str]:
    """Send a signed request with these bytes; return the status and the error's code."""
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    request = AWSRequest(
        method=method, url=f"http://127.0.0.1:{region.port}{path}", data=body, headers={"Content-MD5": digest}
    )
    S3SigV4Auth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", region.port)
    connection.request(method, path, body=body, headers=dict(request.headers.items()))
    reply = connection.getresponse()
    code = re.search(rb"<Code>(\w+)</Code>", reply.read())
    connection.close()
    return reply.status, code[1].decode() if code is not None else ""


@pytest.fixture(scope="module")
def bucket(region: Any) -> tuple[Any, str, str]:
    """A client, its bucket with object lock and a key, and an upload."""
    s3, name = region.client("s3"), "bad-documents"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=name, Key="key", Body=b"x")
    return s3, name, s3.create_multipart_upload(Bucket=name, Key="key")["UploadId"]


def seen(s3: Any, name: str, upload: str) -> dict[str, Any]:
    """What a refused document could have changed."""
    return {
        "versions": s3.list_object_versions(Bucket=name)["Versions"],
        "versioning": s3.get_bucket_versioning(Bucket=name)["Status"],
        "lock": s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"],
        "head": s3.head_object(Bucket=name, Key="key").get("ObjectLockMode"),
        "block": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        "ownership": s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
        "parts": s3.list_parts(Bucket=name, Key="key", UploadId=upload).get("Parts"),
    }


@pytest.mark.parametrize("root", PLACES)
def test_what_is_no_document_is_refused(region: Any, bucket: tuple[Any, str, str], root: str) -> None:
    _, name, upload = bucket
    method, place = PLACES[root]
    before = seen(*bucket)
    for what, document in DOCUMENTS.items():
        body = document.replace(b"ROOT", root.encode())
        answer = send(region, method, f"/{name}{place.format(upload=upload)}", body)
        assert answer == (400, "MalformedXML"), what
    assert seen(*bucket) == before


def test_a_document_that_is_too_large_is_refused(region: Any, bucket: tuple[Any, str, str]) -> None:
    body = b"<Delete>" + b"<Object><Key>key</Key></Object>" * 1001 + b"</Delete>"
    assert send(region, "POST", f"/{bucket[1]}?delete", body) == (400, "MalformedXML")
    huge = b"<Delete>" + b" " * 12_000_000 + b"</Delete>"
    status, code = send(region, "POST", f"/{bucket[1]}?delete", huge)
    assert (status, code) in ((400, "MaxMessageLengthExceeded"), (400, "EntityTooLarge"), (413, "EntityTooLarge"))
    assert len(bucket[0].list_object_versions(Bucket=bucket[1])["Versions"]) == 1
