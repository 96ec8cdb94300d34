"""Encryption under keys of KMS. S3 user guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)"."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from awning.kit.errors import NotImplementedHere, ServiceError
from awning.protocols.errors import NamedError
from awning.services.s3 import errors
from tests.services.s3.sealed import ARN, KINDS, said
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

PLAIN = b"nobody may read this on the disk; " * 8192


def test_kms_is_told_what_its_key_is_for(s3: S3) -> None:
    """S3 user guide, "Using server-side encryption with AWS KMS keys", "Encryption context"."""
    keys = s3.neighbours.keys
    context = base64.b64encode(b'{"team": "blue"}').decode()
    params = {**KINDS["sse-kms"], "ssekms_encryption_context": context}
    put = s3.put_object(bucket="box", key="a/b", body=b"1", **params)
    assert put["SSEKMSEncryptionContext"] == context
    asked = keys.made[-1]
    assert (asked.key, asked.account, asked.region, asked.service) == ("1234", ACCOUNT, "us-east-1", "s3")
    assert asked.context == {"team": "blue", "aws:s3:arn": "arn:aws:s3:::box/a/b"}
    got = s3.get_object(bucket="box", key="a/b")
    assert "SSEKMSEncryptionContext" not in got
    assert keys.opened[-1].context == asked.context
    s3.put_object(bucket="box", key="c", body=b"1", **KINDS["bucket key"])
    assert keys.made[-1].context == {"aws:s3:arn": "arn:aws:s3:::box"}
    assert keys.made[-1].key == "alias/aws/s3"
    opened = len(keys.opened)
    s3.head_object(bucket="box", key="a/b")
    assert len(keys.opened) == opened
    s3.head_object(bucket="box", key="a/b", checksum_mode="ENABLED")
    assert len(keys.opened) == opened + 1


def test_a_bucket_key_saves_questions_for_each_requester_and_a_while(s3: S3) -> None:
    """S3 user guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys": fetched at least once per requester."""
    keys, params = s3.neighbours.keys, KINDS["bucket key"]
    for key in ("a", "b", "c"):
        s3.put_object(bucket="box", key=key, body=key.encode(), **params)
    assert len(keys.made) == 1
    for key in ("a", "b", "c"):
        assert s3.get("box", key) == key.encode()
    assert len(keys.opened) == 1
    for name in ("ann", "bob"):
        s3.put_object(as_=s3.call(principal=user(name)), bucket="box", key="d", body=b"d", **params)
        s3.get_object(as_=s3.call(principal=user(name)), bucket="box", key="a")
    assert (len(keys.made), len(keys.opened)) == (3, 3)
    s3.clock.time += 301
    s3.put_object(bucket="box", key="e", body=b"e", **params)
    assert s3.get("box", "a") == b"a"
    assert (len(keys.made), len(keys.opened)) == (4, 4)


KMS_ERRORS: list[tuple[str, str]] = [
    ("NotFoundException", "KMS.NotFoundException"),
    ("DisabledException", "KMS.DisabledException"),
    ("KMSInvalidStateException", "KMS.KMSInvalidStateException"),
    ("InvalidKeyUsageException", "KMS.InvalidKeyUsageException"),
    ("AccessDenied", "AccessDenied"),
]


@pytest.mark.parametrize(("code", "shown"), KMS_ERRORS)
def test_what_kms_refuses_is_refused_by_its_name(s3: S3, code: str, shown: str) -> None:
    """S3 API reference, "Error responses": the codes that begin with KMS."""
    s3.put_object(bucket="box", key="k", body=PLAIN, **KINDS["sse-kms"])
    refused = s3.neighbours.keys.refused
    refused["1234"] = refused[f"{ARN}/1234"] = NamedError(code, "Why.", 403 if code == "AccessDenied" else 400)
    writes = (
        lambda: s3.put_object(bucket="box", key="new", body=PLAIN, **KINDS["sse-kms"]),
        lambda: s3.create_multipart_upload(bucket="box", key="new", **KINDS["sse-kms"]),
        lambda: s3.copy_object(bucket="box", key="new", copy_source="box/plain", **KINDS["sse-kms"]),
        lambda: s3.get_object(bucket="box", key="k"),
        lambda: s3.copy_object(bucket="box", key="new", copy_source="box/k"),
    )
    s3.put_object(bucket="box", key="plain", body=b"1")
    for do in writes:
        with pytest.raises(ServiceError) as caught:
            do()
        assert (caught.value.code, caught.value.message) == (shown, "Why.")
    assert [one["Key"] for one in s3.list_objects_v2(bucket="box")["Contents"]] == ["k", "plain"]
    s3.work()
    assert len(s3.files()) == 1


WRONG_KMS: list[tuple[dict[str, Any], str]] = [
    ({"ssekms_key_id": "1"}, "requires HTTP header x-amz-server-side-encryption : aws:kms"),
    (
        {"ssekms_key_id": "1", "server_side_encryption": "AES256"},
        "requires HTTP header x-amz-server-side-encryption : aws:kms",
    ),
    ({"ssekms_encryption_context": "e30="}, "requires HTTP header x-amz-server-side-encryption : aws:kms"),
    ({"server_side_encryption": "aes:kms"}, "The encryption method specified is not supported"),
    ({"server_side_encryption": ""}, "The encryption method specified is not supported"),
    ({"server_side_encryption": "aws:kms:dsse", "bucket_key_enabled": True}, "not supported with dual-layer"),
    ({"server_side_encryption": "aws:kms", "ssekms_encryption_context": "{}"}, "shall be Base64-encoded"),
    ({"server_side_encryption": "aws:kms", "ssekms_encryption_context": "WzFd"}, "string-string map"),
    ({"server_side_encryption": "aws:kms", "ssekms_encryption_context": "eyJhIjoxfQ=="}, "string-string map"),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG_KMS)
def test_headers_that_do_not_go_together(s3: S3, wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=text):
        s3.put_object(bucket="box", key="k", body=b"1", **wrong)


def test_a_region_without_kms_says_so(s3: S3) -> None:
    def nobody(question: Any) -> Any:
        raise LookupError("No room answers that.")

    s3.neighbours.keys.make = nobody  # type: ignore[method-assign]
    with pytest.raises(NotImplementedHere, match="KMS"):
        s3.put_object(bucket="box", key="k", body=b"1", **KINDS["sse-kms"])


def test_encryption_is_not_chosen_by_who_reads(s3: S3) -> None:
    """S3 API reference, GetObject, "Encryption": such a header is answered with 400."""
    s3.put_object(bucket="box", key="k", body=b"1")
    upload = s3.create_multipart_upload(bucket="box", key="m")["UploadId"]
    headers = {b"x-amz-server-side-encryption": b"AES256"}
    for name, params in (
        ("get_object", {"key": "k"}),
        ("head_object", {"key": "k"}),
        ("upload_part", {"key": "m", "upload_id": upload, "part_number": 1, "body": b"1"}),
    ):
        with pytest.raises(errors.InvalidArgument, match="header is not supported for this operation"):
            getattr(s3, name)(as_=s3.call(headers=headers), bucket="box", **params)


def test_kms_needs_the_newer_signature(s3: S3) -> None:
    """S3 API reference, CopyObject: requests for objects under KMS fail if they are not made using Signature Version 4."""
    s3.put_object(bucket="box", key="k", body=b"1", **KINDS["sse-kms"])
    for signed in ("v2-header", "v2-query", None):
        with pytest.raises(errors.InvalidArgument, match="require AWS Signature Version 4"):
            s3.get_object(as_=s3.call(signed=signed), bucket="box", key="k")
        with pytest.raises(errors.InvalidArgument, match="require AWS Signature Version 4"):
            s3.put_object(as_=s3.call(signed=signed), bucket="box", key="new", body=b"1", **KINDS["sse-kms"])
    assert s3.read(s3.get_object(as_=s3.call(signed="v4-query"), bucket="box", key="k")) == b"1"


def test_keys_belong_to_who_asks(s3: S3) -> None:
    """An id or alias of a key is looked for in the requester's account, as KMS does."""
    s3.put_object(as_=s3.call(OTHER), bucket="box", key="k", body=b"1", **KINDS["sse-kms"])
    assert s3.neighbours.keys.made[-1].account == OTHER


def test_an_object_is_put_under_another_key_where_it_is(s3: S3) -> None:
    """API reference, UpdateObjectEncryption: bytes, entity tag and dates stay; SSE-S3 and SSE-KMS only."""
    parts = s3.create_multipart_upload(bucket="box", key="m")["UploadId"]
    part = s3.upload_part(bucket="box", key="m", upload_id=parts, part_number=1, body=PLAIN)
    done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(bucket="box", key="m", upload_id=parts, multipart_upload=done)
    s3.put_object(bucket="box", key="k", body=PLAIN)
    s3.put_object(bucket="box", key="kms", body=PLAIN, **KINDS["sse-kms"])

    def update(key: str, arn: str = f"{ARN}/new", bucket_key: bool = False, **more: Any) -> None:
        asked = {"SSEKMS": {"KMSKeyArn": arn, "BucketKeyEnabled": bucket_key}}
        s3.update_object_encryption(bucket="box", key=key, object_encryption=asked, **more)

    for key in ("m", "k", "kms"):
        for bucket_key in (False, True, False):
            before = s3.head_object(bucket="box", key=key)
            s3.clock.time += 60
            update(key, bucket_key=bucket_key)
            after = s3.head_object(bucket="box", key=key)
            shown = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"{ARN}/new"}
            assert said(after) == (shown | {"BucketKeyEnabled": True} if bucket_key else shown)
            assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
            assert s3.get("box", key) == PLAIN
    s3.put_object(bucket="box", key="own", body=b"1", **KINDS["sse-c"])
    s3.put_object(bucket="box", key="dsse", body=b"1", **KINDS["dsse-kms"])
    for key in ("own", "dsse"):
        with pytest.raises(errors.InvalidRequest, match="encryption type DSSE-KMS or SSE-C"):
            update(key)
    with pytest.raises(errors.AccessDenied, match="must be owned by the same account as the bucket"):
        update("k", f"arn:aws:kms:us-east-1:{OTHER}:key/1")
    with pytest.raises(errors.AccessDenied, match="kms:Encrypt"):
        update("k", deny=lambda action, arn: action == "kms:Encrypt")
    with pytest.raises(errors.NoSuchKey):
        update("none")
    s3.room.memory.data_keys.by_default = False
    s3.put_object(bucket="box", key="clear", body=b"1")
    with pytest.raises(errors.InvalidRequest, match="unencrypted source objects"):
        update("clear")
