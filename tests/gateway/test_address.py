"""Service, region and bucket from a Host header."""

from __future__ import annotations

import pytest

from awning.gateway.address import HostFacts, read_host


@pytest.mark.parametrize(
    ("host", "service", "region", "bucket"),
    [
        ("localhost:4566", None, None, None),
        ("localhost.localstack.cloud:4566", None, None, None),
        ("127.0.0.1:4566", None, None, None),
        ("[::1]:4566", None, None, None),
        ("s3.localhost:4566", "s3", None, None),
        ("photos.s3.localhost:4566", "s3", None, "photos"),
        ("my.dotted.bucket.s3.localhost", "s3", None, "my.dotted.bucket"),
        ("photos.s3.localhost.localstack.cloud:4566", "s3", None, "photos"),
        ("photos.s3.eu-west-1.localhost.localstack.cloud:4566", "s3", "eu-west-1", "photos"),
        ("photos.s3.amazonaws.com", "s3", None, "photos"),
        ("photos.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1", "photos"),
        ("photos.s3-eu-west-1.amazonaws.com", "s3", "eu-west-1", "photos"),
        ("photos.s3.dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1", "photos"),
        ("s3.s3.amazonaws.com", "s3", None, "s3"),
        ("my.s3.files.s3.us-west-2.amazonaws.com", "s3", "us-west-2", "my.s3.files"),
        ("sqs.us-east-1.amazonaws.com", "sqs", "us-east-1", None),
        ("sqs.us-east-1.localhost.localstack.cloud:4566", "sqs", "us-east-1", None),
        ("eu-west-1.queue.amazonaws.com", "sqs", "eu-west-1", None),
        ("queue.amazonaws.com", "sqs", None, None),
        ("iam.amazonaws.com", "iam", None, None),
        ("sts.eu-central-1.amazonaws.com", "sts", "eu-central-1", None),
        ("PHOTOS.S3.LOCALHOST", "s3", None, "photos"),
        ("photos.s3-accelerate.amazonaws.com", "s3", None, "photos"),
        ("photos.s3-accelerate.dualstack.amazonaws.com", "s3", None, "photos"),
    ],
)
def test_a_host_names_service_region_and_bucket(host: str, service: str, region: str, bucket: str) -> None:
    assert read_host(host, None) == HostFacts(service, region, bucket, known=True)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "s3.evil.example", "amazonaws.com.evil.example"]
)
def test_a_foreign_name_is_not_known(host: str) -> None:
    assert not read_host(host, None).known


def test_a_domain_of_the_users_own_works_like_localhost() -> None:
    assert read_host("photos.s3.cloud.test:4566", "cloud.test") == HostFacts("s3", None, "photos", known=True)
    assert read_host("cloud.test", "cloud.test") == HostFacts(known=True)
    assert not read_host("notcloud.test", "cloud.test").known


def test_a_single_label_is_known_as_no_name_server_can_rebind_it() -> None:
    assert read_host("awning:4566", None).known


@pytest.mark.parametrize(
    ("host", "region", "bucket"),
    [
        ("photos.s3-website-eu-west-1.amazonaws.com", "eu-west-1", "photos"),
        ("photos.s3-website.eu-central-1.amazonaws.com", "eu-central-1", "photos"),
        ("www.example.com.s3-website-us-east-1.localhost:4566", "us-east-1", "www.example.com"),
        ("photos.s3-website.localhost.localstack.cloud:4566", None, "photos"),
        ("photos.s3-website-us-gov-west-1.cloud.test", "us-gov-west-1", "photos"),
    ],
)
def test_a_website_has_host_names_of_its_own(host: str, region: str | None, bucket: str) -> None:
    assert read_host(host, "cloud.test") == HostFacts("s3", region, bucket, known=True, site=True)
