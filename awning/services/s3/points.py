"""Access points on the way of a request: by which one it comes, to which bucket that leads, and what must allow it then.

A request through a point is put on its bucket before anything is decided; from there on only its permissions know of the point.
S3 user guide, "Managing access to shared datasets with access points", "Access point compatibility".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from awning.kit.call import Call
from awning.kit.service import Beneath, Guard
from awning.services.s3 import bucket_tables, conditions, errors, names, owners, point_tables
from awning.services.s3.bucket_tables import IGNORE_PUBLIC_ACLS, RESTRICT_PUBLIC_BUCKETS, Bucket
from awning.services.s3.point_tables import Point

POLICY_ID: Final = "the access point policy"
"""What a denial's explanation calls it."""

ALIAS: Final = "-s3alias"
_OTHERS: Final = {
    "--ol-s3": "Object Lambda access points",
    ".mrap": "Multi-Region access points",
    "--x-s3": "Directory buckets",
    "--xa-s3": "Access points of directory buckets",
}
_SUFFIXES: Final = (ALIAS, *_OTHERS)
_SERVICES: Final = {
    "s3-object-lambda": "Object Lambda access points",
    "s3-outposts": "S3 on Outposts",
    "s3express": "Directory buckets",
}
_ARN: Final = re.compile(r"arn:aws[a-z-]*:s3:([a-z0-9-]*):(\d{12}):accesspoint[/:]([^/:]+)").fullmatch
_SOURCE: Final = re.compile(r"(arn:aws[a-z-]*:[^:]*:[^:]*:\d{12}:accesspoint[/:][^/:]+)[/:]object[/:](.+)", re.DOTALL)
_HOST: Final = re.compile(r"([a-z0-9-]{3,50})-(\d{12})").fullmatch

THROUGH: Final = frozenset(
    {
        "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateMultipartUpload", "DeleteObject",
        "DeleteObjects", "DeleteObjectTagging", "GetBucketAcl", "GetBucketCors", "GetBucketLocation",
        "GetBucketNotificationConfiguration", "GetBucketPolicy", "GetObject", "GetObjectAcl", "GetObjectAttributes",
        "GetObjectLegalHold", "GetObjectRetention", "GetObjectTagging", "HeadBucket", "HeadObject", "ListMultipartUploads",
        "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListParts", "PutObject", "PutObjectAcl", "PutObjectLegalHold",
        "PutObjectRetention", "PutObjectTagging", "RestoreObject", "UploadPart", "UploadPartCopy",
    }
)  # fmt: skip
"""The operations that access points are there for ("Access point compatibility")."""


class Ways(NamedTuple):
    """By which points a request comes: to its bucket, and to the source of a copy. `alias`: the first was named by its alias."""

    point: Point | None
    source: Point | None
    alias: bool = False

    @property
    def arn(self) -> str | None:
        """The ARN of the point to its bucket."""
        return None if self.point is None else self.point.arn


# Finding the way -----------------------------------------------------------------------------------------------------


def readdress(call: Call, params: dict[str, Any]) -> None:
    """For Service.readdress: put a request that comes through an access point on the point's bucket.

    Raises NoSuchAccessPoint, InvalidAccessPointAliasError, NoSuchBucket; MethodNotAllowed for what no point is there for.
    """
    bucket: str | None = params.get("bucket")
    if bucket is None:
        return
    point = None
    if bucket.endswith(_SUFFIXES) or bucket[:4] == "arn:" or (call.facts.virtual_host and bucket[-12:].isdigit()):
        point = _named(call, bucket)
    source = _source(call, params) if "copy_source" in params else None
    if point is None and source is None:
        return
    if (call.facts.signed or "").startswith("v2"):
        raise errors.InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    call.through = Ways(point, source, bucket.endswith(ALIAS))
    if point is not None:
        if call.facts.operation not in THROUGH:
            raise errors.MethodNotAllowed("The specified method is not allowed against this resource.")
        params["bucket"] = _behind(call, point).name


def _named(call: Call, text: str) -> Point | None:
    """Return the point that a bucket parameter names: by alias, by ARN, or, where the host may mean a bucket as well and there is
    none of the name, as `name-account`."""
    if call.facts.operation == "CreateBucket":
        return None
    if text[:4] == "arn:":
        return _of_arn(call, text)
    if text.endswith(ALIAS):
        found = point_tables.point_called(call.db, text)
        if found is None:
            raise errors.InvalidAccessPointAliasError
        return found
    for suffix, what in _OTHERS.items():
        if text.endswith(suffix):
            raise errors.NotImplementedHere(f"{what} are not supported by awning yet ({text[:100]}).")
    named = _HOST(text)
    if named is None or bucket_tables.find_bucket(call.db, text) is not None:
        return None
    return point_tables.find_point(call.db, named[2], call.region, named[1])


def _of_arn(call: Call, arn: str) -> Point | None:
    """Return the point of an ARN; None for an ARN that is none of a point. Raises NoSuchAccessPoint, NotImplemented."""
    service = arn.split(":", 3)[2] if arn.count(":") > 2 else ""
    if service in _SERVICES:
        raise errors.NotImplementedHere(f"{_SERVICES[service]} are not supported by awning yet ({arn[:200]}).")
    parsed = _ARN(arn)
    if parsed is None:
        return None
    region, account, name = parsed.groups()
    if not region or name.endswith(".mrap"):
        raise errors.NotImplementedHere(f"Multi-Region access points are not supported by awning yet ({arn[:200]}).")
    found = point_tables.find_point(call.db, account, region, name)
    if found is None:
        raise errors.NoSuchAccessPoint(name)
    return found


def _source(call: Call, params: dict[str, Any]) -> Point | None:
    """Return the point to a copy's source, and name the source by its bucket."""
    path, separator, version = params["copy_source"].partition("?versionId=")
    path = unquote(path, errors="surrogateescape")
    if path.startswith("arn:"):
        parsed = _SOURCE.fullmatch(path)
        point = _of_arn(call, parsed[1]) if parsed is not None else None
        if parsed is None or point is None:
            raise errors.InvalidArgument("Invalid copy source object key", "x-amz-copy-source", params["copy_source"])
        key = parsed[2]
    else:
        first, _, key = path.removeprefix("/").partition("/")
        if not first.endswith(_SUFFIXES):
            return None
        point = _named(call, first)
        if point is None or not key:
            return None
    name = _behind(call, point).name
    params["copy_source"] = f"{name}/{quote(key, errors='surrogateescape')}{separator}{version}"
    return point


def _behind(call: Call, point: Point) -> Bucket:
    """Return a point's bucket. Raises NoSuchBucket where it is gone, though there be another of its name."""
    found = bucket_tables.bucket_of(call.db, point.bucket)
    if found is None:
        raise errors.NoSuchBucket(point.bucket_name)
    return found


def bucket_by(call: Call, name: str) -> Bucket | None:
    """Return the bucket that the first part of a path stands for, be it a point's alias or ARN, for what needs no permission."""
    if name[:4] == "arn:":
        point = point_tables.point_named(call.db, name)
    elif name.endswith(ALIAS):
        point = point_tables.point_called(call.db, name)
    else:
        kept: tuple[Bucket, Any] | None = call.memory.known.get(name)
        return kept[0] if kept is not None else bucket_tables.find_bucket(call.db, name)
    return None if point is None else bucket_tables.bucket_of(call.db, point.bucket)


# Deciding ------------------------------------------------------------------------------------------------------------


def guard(call: Call, arn: str, of_bucket: Callable[[Call, str], Guard | None]) -> Guard | None:
    """Answer what a point by which the request comes says, and with it what its bucket says.

    None for every other ARN: who handles a point does not come through it. Raises NoSuchAccessPoint where it went meanwhile.
    """
    ways: Ways | None = call.through
    if ways is None:
        return None
    pinned = next((one for one in ways[:2] if isinstance(one, Point) and _is_of(one, arn)), None)
    if pinned is None:
        return None
    point = point_tables.point_of(call.db, pinned.point)
    if point is None:
        raise errors.NoSuchAccessPoint(pinned.name)
    policy = None if point.policy is None else call.memory.policy(call.db, point.policy, POLICY_ID)
    if policy is None and point.policy is not None:
        return guard(call, arn, of_bucket)  # it was replaced between the two reads
    bucket = _behind(call, point)
    below = names.beneath(point, arn)
    of_it = of_bucket(call, below)
    if of_it is None:
        raise errors.NoSuchBucket(bucket.name)
    blocks = owners.blocks(call, bucket) | point.block | (bucket_tables.account_block(call.db, point.account) or 0)
    restricts = bool(blocks & RESTRICT_PUBLIC_BUCKETS)
    acls = None if of_it.acls is None else partial(owners.listed, bucket, bool(blocks & IGNORE_PUBLIC_ACLS))
    beneath = Beneath(
        below, replace(of_it, block_public=restricts, acls=acls), conditions.keys_of_point(call, point.arn)
    )
    return Guard(point.account, policy, restricts, beneath=beneath)


def _is_of(point: Point, arn: str) -> bool:
    own = point.arn
    return arn == own or arn.startswith(f"{own}/")
