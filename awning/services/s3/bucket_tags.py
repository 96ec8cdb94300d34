"""Tags for access control (ABAC): whether a bucket's tags count in policies, and tags by the API of S3 Control.

S3 user guide, "Enabling ABAC in general purpose buckets", "Using tags with S3 general purpose buckets".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from awning.kit.call import Call
from awning.services.s3 import bucket_tables, errors, names, point_tables, settings
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.point_tables import Point

MOST: Final = 50
_BUCKET = re.compile(r"arn:aws:s3:::[^/]+").fullmatch
_TAG = re.compile(r"[\w\s+\-=.:/@]*").fullmatch


def count(call: Call, bucket: Bucket) -> bool:
    """Whether a bucket's tags count in policies."""
    return bucket.settings is not None and bool(settings.of(call, bucket).get("abac"))


def of_arn(call: Call, arn: str) -> Mapping[str, str]:
    """The tags of a bucket, or of an object's bucket, where they count, or of an access point: for aws:ResourceTag and
    s3:BucketTag."""
    point = point_tables.point_named(call.db, arn.partition("/object/")[0])
    if point is not None:
        return _tags(call, point)
    bucket = bucket_tables.find_bucket(call.db, names.bucket_of_arn(arn))
    if bucket is None or not count(call, bucket):
        return {}
    return _tags(call, bucket)


def _tags(call: Call, of: Bucket | Point) -> dict[str, str]:
    if isinstance(of, Point):
        return {pair[0]: pair[1] for pair in point_tables.point_tags(call.db, of.point)}
    return {pair[0]: pair[1] for pair in bucket_tables.bucket_tags(call.db, of.bucket) or ()}


def check_way(call: Call, bucket: Bucket) -> None:
    """Tags that count are not handled by PutBucketTagging and DeleteBucketTagging. Raises MethodNotAllowed."""
    if count(call, bucket):
        raise errors.MethodNotAllowed(
            "The specified method is not allowed against this resource: while ABAC is enabled for a bucket, use TagResource "
            "and UntagResource."
        )


def named(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of what a call handles the tags of. Raises NotImplemented for other resources, NoSuchResource."""
    arn: str = params["resource_arn"]
    if _BUCKET(arn) is None and not point_tables.is_point(arn):
        raise errors.NotImplementedHere(
            f"Tags of {arn[:200]} are not supported by awning yet, only those of buckets and access points."
        )
    if _found(call, arn) is None:
        raise errors.NoSuchResource
    return arn


def _found(call: Call, arn: str) -> Bucket | Point | None:
    return bucket_tables.find_bucket(call.db, names.bucket_of_arn(arn)) or point_tables.point_named(call.db, arn)


def owned(call: Call, arn: str, account: str) -> Bucket | Point:
    """Return what belongs to the account of the request. Raises NoSuchResource, AccessDenied."""
    found = _found(call, arn)
    if found is None:
        raise errors.NoSuchResource
    if found.account != account:
        raise errors.AccessDenied("Access Denied")
    return found


def shown(call: Call, of: Bucket | Point) -> list[dict[str, str]]:
    """Return tags as replies write them."""
    return [{"Key": key, "Value": value} for key, value in _tags(call, of).items()]


def change(call: Call, of: Bucket | Point, given: list[dict[str, str]], gone: frozenset[str] = frozenset()) -> None:
    """Give a bucket or a point further tags, or other values, and take some keys away. Runs in a batch. Raises InvalidTag,
    BadRequest."""
    tags = {**_tags(call, of), **dict(checked(given))}
    left = [[key, value] for key, value in tags.items() if key not in gone]
    if len(left) > MOST:
        raise errors.BadRequest(f"Bucket tags cannot be greater than {MOST}")
    stored = orjson.dumps(left) if left else None
    if isinstance(of, Point):
        point_tables.set_point_tags(call.db, of.point, stored)
    else:
        bucket_tables.set_bucket_tags(call.db, of.bucket, stored)


def checked(tags: list[dict[str, str]]) -> list[list[str]]:
    """Return tags as [[key, value]…]. Raises InvalidTag in the words of S3 Control, MalformedXML."""
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key"), tag.get("Value")
        if key is None or value is None:
            raise errors.MalformedXML
        if key.startswith("aws:"):
            raise errors.InvalidTag(
                'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags. Remove "aws:" from '
                "your tag keys and try again."
            )
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG(key) or not _TAG(value):
            raise errors.InvalidTag(
                "This request contains a tag key or value that isn't valid. Valid characters include the following: "
                "[a-zA-Z+-=._:/]. Tag keys can contain up to 128 characters. Tag values can contain up to 256 characters."
            )
        if key in found:
            raise errors.InvalidTag(
                "There are duplicate tag keys in your request. Remove the duplicate tag keys and try again."
            )
        found[key] = value
    if len(found) > MOST:
        raise errors.BadRequest(f"Bucket tags cannot be greater than {MOST}")
    return [[key, value] for key, value in found.items()]
