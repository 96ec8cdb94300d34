"""Names: buckets, keys, ARNs, copy sources, tags, metadata, and the ids of owners.

Rules; all that is looked up here is whether a bucket exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from awning.auth.members import canonical_user
from awning.services.s3 import bucket_tables, errors, settings

if TYPE_CHECKING:
    from awning.kit.call import Call
    from awning.services.s3.point_tables import Point

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")
_TAG = re.compile(r"[\w\s+\-=.:/@]*")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

GRANTS = ("grant_full_control", "grant_read", "grant_read_acp", "grant_write", "grant_write_acp")
"""The parameters that have x-amz-grant-* headers, in the order of lists.PERMISSIONS."""

_ACL = frozenset({"acl", *GRANTS})

MAX_KEY = 1024
MAX_METADATA = 2048


def check_bucket(name: str) -> str:
    """Return the name of a new bucket if it may be one (S3 user guide, "Bucket naming rules"). Raises InvalidBucketName."""
    if (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or _ADDRESS.fullmatch(name)
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise errors.InvalidBucketName(name)
    return name


def key_bytes(key: str) -> bytes:
    """Return a key as it is stored and ordered: its UTF-8. Raises KeyTooLongError."""
    raw = key.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_KEY:
        raise errors.KeyTooLongError(len(raw))
    return raw


def check_part_number(number: int | None) -> None:
    if number is not None and not 1 <= number <= 10_000:
        raise errors.InvalidArgument(
            "Part number must be an integer between 1 and 10000, inclusive", "partNumber", number
        )


def is_region(name: str) -> bool:
    """Say whether a text has the form of a region's name."""
    return _REGION.fullmatch(name) is not None


def bucket_arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def bucket_of_arn(arn: str) -> str:
    """Return the bucket's name in a bucket's or an object's ARN ("" where it names none)."""
    return arn[13:].partition("/")[0] if arn.startswith("arn:aws:s3:::") else ""


def of_bucket(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of the bucket that a call names. Raises NoSuchBucket."""
    return _in_existing(call, params["bucket"])


def of_object(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of the object that a call names. Raises NoSuchBucket."""
    return _in_existing(call, params["bucket"], params["key"])


def of_source(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the ARN of the object that a copy reads, where it names no version. Raises NoSuchBucket."""
    bucket, key, version = copy_source(params["copy_source"])
    return _in_existing(call, bucket, key, source=True) if version is None else None


def of_source_version(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the ARN of the object that a copy reads a version of. Raises NoSuchBucket."""
    bucket, key, version = copy_source(params["copy_source"])
    return None if version is None else _in_existing(call, bucket, key, source=True)


def _in_existing(call: Call, bucket: str, key: str | None = None, *, source: bool = False) -> str:
    """That a bucket does not exist is told to everyone, and before any permission is decided: nobody owns it."""
    arn = f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"
    if bucket not in call.memory.known and call.guarded_by(arn) is None:
        raise errors.NoSuchBucket(bucket)
    if ".s3-accelerate." in call.facts.host:
        _check_accelerated(call, bucket)
    return arn if call.through is None else place(call, bucket, key, source=source)


def place(call: Call, bucket: str, key: str | None = None, *, source: bool = False) -> str:
    """Return the ARN on which a permission is decided that is asked of a bucket, or an object: it is the access point's where the
    request comes through one. source: what is meant is what a copy reads."""
    ways = call.through
    point = None if ways is None else ways.source if source else ways.point
    if point is None:
        return bucket_arn(bucket) if key is None else object_arn(bucket, key)
    own: str = point.arn
    return own if key is None else f"{own}/object/{key}"


def beneath(point: Point, arn: str) -> str:
    """Return the ARN of what lies behind an access point, or behind its ARN for an object."""
    within = arn[len(point.arn) :].removeprefix("/object")
    return bucket_arn(point.bucket_name) + within


def straight(call: Call, arn: str) -> str:
    """Return the ARN of a bucket, or an object, in which an access point by which the request comes may be named."""
    for point in () if call.through is None else call.through[:2]:
        if point is not None and (arn == point.arn or arn.startswith(f"{point.arn}/")):
            return beneath(point, arn)
    return arn


def _check_accelerated(call: Call, name: str) -> None:
    """Raises InvalidRequest where the accelerated endpoint is not there for a bucket."""
    bucket = bucket_tables.find_bucket(call.db, name)
    status = settings.of(call, bucket).get("accelerate") if bucket is not None else None
    if status != "Enabled":
        how = "disabled" if status is not None else "not configured"
        raise errors.InvalidRequest(f"S3 Transfer Acceleration is {how} on this bucket")


def of_tagged_object(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where the call also tags it."""
    return of_object(call, params) if params.get("tagging") else None


def of_acl_object(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where the call brings an ACL."""
    return None if _ACL.isdisjoint(params) else of_object(call, params)


def of_current(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where the call names no version."""
    return None if params.get("version_id") is not None else of_object(call, params)


def of_version(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where the call names a version; S3 has permissions of their own for that."""
    return of_object(call, params) if params.get("version_id") is not None else None


def of_bypass(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where governance is to be bypassed."""
    return of_object(call, params) if params.get("bypass_governance_retention") else None


def of_retained_object(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where the call brings a retention."""
    asked = params.get("object_lock_mode") or params.get("object_lock_retain_until_date")
    return of_object(call, params) if asked else None


def of_held_object(call: Call, params: Mapping[str, Any]) -> str | None:
    """For Needs: the object's ARN, where the call brings a legal hold."""
    return of_object(call, params) if params.get("object_lock_legal_hold_status") else None


def copy_source(text: str) -> tuple[str, str, str | None]:
    """Return bucket, key and version id of an x-amz-copy-source value: `/bucket/key?versionId=id`, URL-encoded, its first slash
    optional. Raises InvalidArgument."""
    path, separator, version = text.partition("?versionId=")
    if "%" in path and _BAD_ESCAPE.search(path):
        raise errors.InvalidArgument("Invalid copy source encoding.", "x-amz-copy-source", text)
    path = unquote(path)
    bucket, _, key = path.removeprefix("/").partition("/")
    if not bucket or not key:
        raise errors.InvalidArgument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", text
        )
    return bucket, key, version if separator else None


def rename_source(bucket: str, text: str) -> str:
    """Return the key in an x-amz-rename-source value: `/bucket/key`, URL-encoded, its first slash optional.

    Raises InvalidRequest for another bucket's.
    """
    named, _, key = unquote(text).removeprefix("/").partition("/")
    if named != bucket or not key:
        raise errors.InvalidRequest("The source of a rename must be an object of the same bucket: bucket/key")
    return key


def of_renamed(call: Call, params: Mapping[str, Any]) -> str:
    """For Needs: the ARN of the object that is to have another key. Raises NoSuchBucket."""
    bucket = params["bucket"]
    return _in_existing(call, bucket, rename_source(bucket, params["rename_source"]))


def owner_id(account: str) -> str:
    """Return the canonical user id of an account: 64 hexadecimal digits, always the same for one account."""
    return canonical_user(account)


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Raises MetadataTooLarge beyond 2 KB of names and values in UTF-8 (S3 user guide, "User-defined metadata")."""
    if not metadata:
        return
    size = sum(len(name.encode()) + len(value.encode("utf-8", "surrogateescape")) for name, value in metadata.items())
    if size > MAX_METADATA:
        raise errors.MetadataTooLarge(size)


def check_redirect(location: str) -> str:
    """Return where an object's website is to send its visitors (S3 user guide, "Configuring a webpage redirect").

    Raises InvalidRedirectLocation.
    """
    if not location.startswith(("/", "http://", "https://")):
        raise errors.InvalidRedirectLocation(
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
        )
    if len(location.encode("utf-8", "surrogateescape")) > MAX_METADATA:
        raise errors.InvalidRedirectLocation("The length of website redirect location cannot exceed 2,048 characters.")
    return location


def tags_of_header(text: str | None) -> list[list[str]] | None:
    """Return the tags of an x-amz-tagging header (a query string) as [[key, value]…]. Raises InvalidArgument, InvalidTag."""
    if not text:
        return None
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict")
        if _BAD_ESCAPE.search(text) or len({key for key, _ in pairs}) < len(pairs) or any(not key for key, _ in pairs):
            raise ValueError("not a list of distinct names")
    except ValueError as error:
        raise errors.InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            "x-amz-tagging",
            text,
        ) from error
    return check_tags([{"Key": key, "Value": value} for key, value in pairs], 10)


def check_tags(tags: Sequence[Mapping[str, str]], limit: int) -> list[list[str]]:
    """Return tags as [[key, value]…]. Raises InvalidTag, or BadRequest beyond `limit` of them."""
    if len(tags) > limit:
        noun = "Object" if limit == 10 else "Bucket"
        raise errors.BadRequest(f"{noun} tags cannot be greater than {limit}")
    seen: set[str] = set()
    result = []
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if not 1 <= len(key) <= 128 or not _TAG.fullmatch(key):
            raise errors.InvalidTag("The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256 or not _TAG.fullmatch(value):
            raise errors.InvalidTag("The TagValue you have provided is invalid", TagKey=key, TagValue=value)
        if key.lower().startswith("aws:"):
            raise errors.InvalidTag("System tags cannot be added/updated by requester", TagKey=key)
        if key in seen:
            raise errors.InvalidTag("Cannot provide multiple Tags with the same key", TagKey=key)
        seen.add(key)
        result.append([key, value])
    return result
