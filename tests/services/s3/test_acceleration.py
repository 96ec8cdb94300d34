"""Transfer acceleration (S3 API reference, PutBucketAccelerateConfiguration): a status, and a host name that it opens."""

from __future__ import annotations

import pytest

from awning.services.s3 import errors, names
from tests.services.s3.support import S3


def put(s3: S3, status: str, bucket: str = "box") -> None:
    s3.put_bucket_accelerate_configuration(bucket=bucket, accelerate_configuration={"Status": status})


def test_a_status_is_kept_once_it_was_enabled(s3: S3) -> None:
    assert s3.get_bucket_accelerate_configuration(bucket="box") == {}
    put(s3, "Suspended")
    assert s3.get_bucket_accelerate_configuration(bucket="box") == {}
    for status in ("Enabled", "Suspended"):
        put(s3, status)
        assert s3.get_bucket_accelerate_configuration(bucket="box") == {"Status": status}
    with pytest.raises(errors.MalformedXML):
        put(s3, "enabled")
    s3.create_bucket(bucket="a.box")
    with pytest.raises(errors.InvalidRequest):
        put(s3, "Enabled", "a.box")


def test_the_accelerated_name_is_there_while_it_is_enabled(s3: S3) -> None:
    def ask() -> str:
        return names.of_bucket(s3.call(host="box.s3-accelerate.amazonaws.com"), {"bucket": "box"})

    with pytest.raises(errors.InvalidRequest, match="S3 Transfer Acceleration is not configured on this bucket"):
        ask()
    put(s3, "Enabled")
    assert ask() == "arn:aws:s3:::box"
    put(s3, "Suspended")
    with pytest.raises(errors.InvalidRequest, match="S3 Transfer Acceleration is disabled on this bucket"):
        ask()
