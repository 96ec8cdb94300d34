"""Bucket tags for access control (ABAC): whether a bucket's tags count in policies, and the tags by the API of S3 Control.

S3 user guide, "Enabling ABAC in general purpose buckets", "Using tags with S3 general purpose buckets".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.services.s3 import bucket_tables, errors, names, settings
from awning.services.s3.bucket_tables import Bucket

MOST: Final = 50
_BUCKET = re.compile(r"arn:aws:s3:::[^/]+").fullmatch


def count(call: Call, bucket: Bucket) -> bool:
    """Whether a bucket's tags count in policies."""
    return bucket.settings is not None and bool(settings.of(call, bucket).get("abac"))


def of_arn(call: Call, arn: str) -> Mapping[str, str]:
    """The tags of a bucket, or of an object's bucket, where they count: for aws:ResourceTag and s3:BucketTag."""
    bucket = bucket_tables.find_bucket(call.db, names.bucket_of_arn(arn))
    if bucket is None or not count(call, bucket):
        return {}
    return _tags(call, bucket)


def _tags(call: Call, bucket: Bucket) -> dict[str, str]:
    return {pair[0]: pair[1] for pair in bucket_tables.bucket_tags(call.db, bucket.bucket) or ()}


def check_way(call: Call, bucket: Bucket) -> None:
    """Tags that count are not handled by PutBucketTagging and DeleteBucketTagging. Raises MethodNotAllowed."""
    if count(call, bucket):
        raise errors.MethodNotAllowed(
            "The specified method is not allowed against this resource: while ABAC is enabled for a bucket, use TagResource "
            "and UntagResource."
        )


def named(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of the bucket whose tags a call handles. Raises NotImplemented for other resources, NoSuchBucket."""
    arn: str = params["resource_arn"]
    if _BUCKET(arn) is None:
        raise errors.NotImplementedHere(f"Tags of {arn[:200]} are not supported by awning yet, only those of buckets.")
    if call.guarded_by(arn) is None:
        raise errors.NoSuchBucket(names.bucket_of_arn(arn))
    return arn


def owned(call: Call, arn: str, account: str) -> Bucket:
    """Return a bucket that belongs to the account of the request. Raises NoSuchBucket, AccessDenied."""
    bucket = bucket_tables.find_bucket(call.db, names.bucket_of_arn(arn))
    if bucket is None:
        raise errors.NoSuchBucket(names.bucket_of_arn(arn))
    if bucket.account != account:
        raise errors.AccessDenied("Access Denied")
    return bucket


def change(call: Call, bucket: Bucket, given: Mapping[str, str], gone: frozenset[str] = frozenset()) -> None:
    """Give a bucket further tags, or other values, and take some keys away. Runs in a batch. Raises InvalidTag, BadRequest."""
    tags = {key: value for key, value in {**_tags(call, bucket), **given}.items() if key not in gone}
    checked = names.check_tags([{"Key": key, "Value": value} for key, value in tags.items()], MOST)
    bucket_tables.set_bucket_tags(call.db, bucket.bucket, orjson.dumps(checked) if checked else None)
