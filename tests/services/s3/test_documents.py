"""Requests whose body is a document: its digests are checked too."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from awning.services.s3 import errors
from tests.services.s3.support import S3, Payload

DOCUMENT = b"<the document/>"
DIGESTS = {
    b"content-md5": base64.b64encode(hashlib.md5(DOCUMENT).digest()),
    b"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(DOCUMENT).digest()),
}
WRONG = {name: base64.b64encode(bytes(len(base64.b64decode(value)))) for name, value in DIGESTS.items()}
POLICY = json.dumps(
    {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::box/*"}}
)
TAGS = {"TagSet": [{"Key": "a", "Value": "1"}]}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("delete_objects", {"delete": {"Objects": [{"Key": "k"}]}}),
    ("put_bucket_policy", {"policy": POLICY}),
    ("put_bucket_tagging", {"tagging": TAGS}),
    ("put_object_tagging", {"key": "k", "tagging": TAGS}),
    ("put_public_access_block", {"public_access_block_configuration": {}}),
]


@pytest.mark.parametrize("header", sorted(DIGESTS))
@pytest.mark.parametrize(("name", "params"), CALLS)
def test_a_documents_digest(s3: S3, name: str, params: dict[str, Any], header: bytes) -> None:
    s3.put_object(bucket="box", key="k", body=b"")
    with pytest.raises(errors.BadDigest):
        getattr(s3, name)(
            bucket="box", body=Payload(DOCUMENT, {}), as_=s3.call(headers={header: WRONG[header]}), **params
        )
    assert s3.list_objects_v2(bucket="box")["KeyCount"] == 1
    getattr(s3, name)(
        bucket="box", body=Payload(DOCUMENT, {}), as_=s3.call(headers={header: DIGESTS[header]}), **params
    )


def test_many_deletions_need_a_digest(s3: S3) -> None:
    with pytest.raises(errors.InvalidRequest):
        s3.delete_objects(bucket="box", delete={"Objects": [{"Key": "k"}]}, body=Payload(DOCUMENT, {}))
