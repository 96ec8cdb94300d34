"""A reply's length is said once, by the connection: the gateway hands on none for a body that is at hand."""

from __future__ import annotations

from tests.conftest import LiveRegion


def test_the_length_of_an_object_is_right_for_get_head_and_ranges(region: LiveRegion) -> None:
    s3 = region.client("s3")
    s3.create_bucket(Bucket="lengths")
    for size in (0, 1024, 200_000):
        s3.put_object(Bucket="lengths", Key=str(size), Body=b"x" * size)
        assert s3.head_object(Bucket="lengths", Key=str(size))["ContentLength"] == size
        answer = s3.get_object(Bucket="lengths", Key=str(size))
        assert answer["ContentLength"] == len(answer["Body"].read()) == size
        assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == str(size)
    answer = s3.get_object(Bucket="lengths", Key="1024", Range="bytes=10-19")
    assert answer["ContentLength"] == len(answer["Body"].read()) == 10
