"""Default encryption of buckets. S3 user guide, "Setting default server-side encryption behavior for Amazon S3 buckets"."""

from __future__ import annotations

import pytest

from awning.services.s3 import errors
from tests.services.s3.sealed import ARN, KINDS, SHOWN, of_source, own, rule, said
from tests.services.s3.support import S3


def test_every_bucket_has_a_default_encryption(s3: S3) -> None:
    """GetBucketEncryption of a bucket that was never configured, and of one that is so no more."""
    own_rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    default = {"ServerSideEncryptionConfiguration": {"Rules": [own_rule]}}
    assert s3.get_bucket_encryption(bucket="box") == default
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule(bucket_key=True))
    assert s3.get_bucket_encryption(bucket="box")["ServerSideEncryptionConfiguration"] == rule(bucket_key=True)
    for _ in range(2):
        s3.delete_bucket_encryption(bucket="box")
        assert s3.get_bucket_encryption(bucket="box") == default
    for name, params in (
        ("get_bucket_encryption", {}),
        ("delete_bucket_encryption", {}),
        ("put_bucket_encryption", {"server_side_encryption_configuration": {"Rules": []}}),
    ):
        with pytest.raises(errors.NoSuchBucket):
            getattr(s3, name)(bucket="none", **params)


def test_what_a_bucket_prescribes_is_done_unless_a_request_asks_for_something_else(s3: S3) -> None:
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule(bucket_key=True))
    by_default = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"{ARN}/77", "BucketKeyEnabled": True}
    assert said(s3.put_object(bucket="box", key="a", body=b"1")) == by_default
    assert said(s3.copy_object(bucket="box", key="b", copy_source="box/a")) == by_default
    assert said(s3.create_multipart_upload(bucket="box", key="c")) == by_default
    assert said(s3.put_object(bucket="box", key="d", body=b"1", **KINDS["sse-s3"])) == SHOWN["sse-s3"]
    # A request for SSE-KMS without a key means the account's own, under the bucket's setting for bucket keys.
    asked = s3.put_object(bucket="box", key="e", body=b"1", server_side_encryption="aws:kms")
    assert said(asked) == SHOWN["bucket key"]
    without = s3.put_object(bucket="box", key="f", body=b"1", bucket_key_enabled=False)
    assert said(without) == {name: value for name, value in by_default.items() if name != "BucketKeyEnabled"}
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule("AES256", None, True))
    assert said(s3.put_object(bucket="box", key="g", body=b"1")) == SHOWN["sse-s3"]
    for key in "abdefg":
        assert s3.get("box", key) == b"1"


def test_a_default_that_cannot_be(s3: S3) -> None:
    one = rule()["Rules"][0]
    for rules in (
        [],
        [one, one],
        [{"ApplyServerSideEncryptionByDefault": {}}],
        rule("AES256", None, False, "SSE-S3")["Rules"],
    ):
        with pytest.raises(errors.MalformedXML):
            s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration={"Rules": rules})
    with pytest.raises(errors.InvalidArgument, match="a KMSMasterKeyID is not applicable") as caught:
        s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule("AES256"))
    assert caught.value.members == {"ArgumentName": "ApplyServerSideEncryptionByDefault"}


def test_a_bucket_may_take_no_keys_of_its_clients(s3: S3) -> None:
    """S3 user guide, "Blocking or unblocking SSE-C for a general purpose bucket"."""
    s3.put_object(bucket="box", key="old", body=b"1", **own())
    upload = s3.create_multipart_upload(bucket="box", key="m", **own())["UploadId"]
    block = {"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]}
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=block)
    (found,) = s3.get_bucket_encryption(bucket="box")["ServerSideEncryptionConfiguration"]["Rules"]
    assert found == {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BucketKeyEnabled": False,
        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
    }
    writes = (
        lambda: s3.put_object(bucket="box", key="new", body=b"1", **own()),
        lambda: s3.create_multipart_upload(bucket="box", key="new", **own()),
        lambda: s3.copy_object(bucket="box", key="new", copy_source="box/old", **own(), **of_source()),
        lambda: s3.upload_part(bucket="box", key="m", upload_id=upload, part_number=1, body=b"1", **own()),
    )
    for write in writes:
        with pytest.raises(errors.AccessDenied, match="this bucket has blocked upload requests that specify"):
            write()
    assert s3.get("box", "old", **own()) == b"1"
    s3.put_object(bucket="box", key="new", body=b"1")
    # A rule that does not say what is blocked leaves that as it is; NONE unblocks.
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule("AES256", None))
    with pytest.raises(errors.AccessDenied):
        writes[0]()
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule("AES256", None, False, "NONE"))
    writes[0]()
