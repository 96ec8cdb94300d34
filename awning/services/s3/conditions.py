"""Conditions: preconditions of reads, copies and writes, byte ranges, and the condition keys that policies see.

Rules (RFC 9110, sections 13 and 14; S3 user guide, "Conditional requests").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import orjson

from awning.protocols.times import to_iso8601_millis
from awning.services.s3 import bucket_tags, errors, names, point_tables, tables, version_tables

if TYPE_CHECKING:
    from awning.kit.call import Call

When = datetime | float | int | None
"""A time as a protocol hands it over: a datetime, or seconds since the epoch."""


def seconds(when: datetime | float | int) -> float:
    """Return a time in seconds since the epoch."""
    return when.timestamp() if isinstance(when, datetime) else float(when)


def matches(header: str, etag: str) -> bool:
    """Say whether an If-Match or If-None-Match list names an entity tag (with its quotes), or is `*`.

    S3 takes a tag without quotes for one with; a weak tag stands for the strong one.
    """
    if header.strip() == "*":
        return True
    bare = etag.strip('"')
    return any(part.strip().removeprefix("W/").strip('"') == bare for part in header.split(","))


def check_read(
    etag: str, modified: int, if_match: str | None, if_none_match: str | None, since: When, unmodified_since: When
) -> bool:
    """Return whether a read is answered with 304. Raises PreconditionFailed.

    If-Match wins over If-Unmodified-Since, If-None-Match over If-Modified-Since.
    """
    if if_match is not None:
        if not matches(if_match, etag):
            raise errors.PreconditionFailed("If-Match")
    elif unmodified_since is not None and modified > seconds(unmodified_since):
        raise errors.PreconditionFailed("If-Unmodified-Since")
    if if_none_match is not None:
        return matches(if_none_match, etag)
    return since is not None and modified <= seconds(since)


def check_copy(
    etag: str, modified: int, if_match: str | None, if_none_match: str | None, since: When, unmodified_since: When
) -> None:
    """As check_read for a copy's source, where each failure is 412. Raises PreconditionFailed."""
    if check_read(etag, modified, if_match, if_none_match, since, unmodified_since):
        name = "if-none-match" if if_none_match is not None else "if-modified-since"
        raise errors.PreconditionFailed(f"x-amz-copy-source-{name}")


def check_write(key: str, etag: str | None, if_match: str | None, if_none_match: str | None) -> None:
    """Decide a conditional write on what is there now (`etag`, None: nothing). Raises PreconditionFailed, NoSuchKey."""
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise errors.NotImplementedHere(
                "A header you provided implies functionality that is not implemented", Header="If-None-Match"
            )
        if etag is not None:
            raise errors.PreconditionFailed("If-None-Match")
    if if_match is not None:
        if etag is None:
            raise errors.NoSuchKey(key)
        if not matches(if_match, etag):
            raise errors.PreconditionFailed("If-Match")


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (first, end) of a single byte range, end exclusive; None for the whole: no range, several, or not one,
    and the end of what is empty.

    Raises InvalidRange where it cannot be satisfied. S3 answers a request for several ranges with the whole object.
    """
    if header is None:
        return None
    unit, separator, spec = header.partition("=")
    if not separator or unit.strip().lower() != "bytes" or "," in spec:
        return None
    first_text, dash, last_text = spec.partition("-")
    if not dash or not _digits(first_text) or not _digits(last_text) or not (first_text or last_text):
        return None
    if not first_text:
        suffix = int(last_text)
        if suffix == 0:
            raise errors.InvalidRange(header, size)
        if size == 0:
            return None
        return max(0, size - suffix), size
    first = int(first_text)
    last = int(last_text) if last_text else size - 1
    if last_text and last < first:
        return None
    if first >= size:
        raise errors.InvalidRange(header, size)
    return first, min(last + 1, size)


def copy_range(header: str, size: int) -> tuple[int, int]:
    """Return (first, end) of x-amz-copy-source-range, which must be bytes=first-last within the source.

    Raises InvalidArgument, InvalidRange.
    """
    first_text, dash, last_text = header.removeprefix("bytes=").partition("-")
    if not header.startswith("bytes=") or not dash or not (first_text and last_text):
        raise _bad_copy_range(header)
    if not _digits(first_text) or not _digits(last_text) or int(last_text) < int(first_text):
        raise _bad_copy_range(header)
    if int(last_text) >= size:
        raise errors.InvalidArgument(
            f"Range specified is not valid for source object of size: {size}", "x-amz-copy-source-range", header
        )
    return int(first_text), int(last_text) + 1


def _bad_copy_range(header: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
        "zero-based offsets of the first and last bytes to copy",
        "x-amz-copy-source-range",
        header,
    )


def _digits(text: str) -> bool:
    return len(text) <= 18 and (not text or (text.isascii() and text.isdigit()))


# What policies see ---------------------------------------------------------------------------------------------------


KEYS = (
    "s3:accesspointnetworkorigin", "s3:accesspointtag/", "s3:authtype", "s3:buckettag/", "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn", "s3:delimiter", "s3:existingobjecttag/", "s3:if-match", "s3:if-none-match",
    "s3:locationconstraint", "s3:max-keys", "s3:object-lock-legal-hold", "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days", "s3:object-lock-retain-until-date", "s3:prefix",
    "s3:objectcreationoperation", "s3:requestobjecttag/", "s3:requestobjecttagkeys", "s3:signatureage", "s3:signatureversion",
    "s3:versionid", "s3:x-amz-acl",
    "s3:x-amz-content-sha256", "s3:x-amz-copy-source", "s3:x-amz-grant-full-control", "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp", "s3:x-amz-grant-write", "s3:x-amz-grant-write-acp", "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership", "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-storage-class", "s3:x-amz-website-redirect-location",
)  # fmt: skip
"""The room's own keys; s3:resourceaccount and s3:tlsversion are the gateway's."""

_CREATES = {
    **dict.fromkeys(("PutObject", "CopyObject", "CompleteMultipartUpload"), "true"),
    **dict.fromkeys(("CreateMultipartUpload", "UploadPart", "UploadPartCopy"), "false"),
}
"""What s3:PutObject allows, and whether it makes an object (user guide, "Enforce conditional writes on Amazon S3 buckets")."""

_PLACES = {"header": "REST-HEADER", "query": "REST-QUERY-STRING"}


def of_request(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """The condition keys that every request has (Service Authorization Reference, "Condition keys for Amazon S3")."""
    headers = call.facts.headers
    context: dict[str, Any] = {}
    signature, _, place = (call.facts.signed or "").partition("-")
    if signature:
        context["s3:authType"] = _PLACES.get(place, "POST")
        context["s3:signatureversion"] = "AWS4-HMAC-SHA256" if signature == "v4" else "AWS"
        if signature == "v4" and call.facts.signed_at is not None:
            now = call.room.clock.for_lifetime(call.now, call.facts.signed_at)
            context["s3:signatureAge"] = str(max(0, int((now - call.facts.signed_at) * 1000)))
    if "bucket" in params or "resource_arn" in params:
        context["s3:BucketTag/"] = partial(_bucket_tags, call)
    version = params.get("version_id")
    if version is not None:
        context.update(of_version(call, version))
    elif "key" in params or "delete" in params:
        context["s3:ExistingObjectTag/"] = partial(_existing_tags, call)
    creates = _CREATES.get(call.facts.operation)
    if creates is not None:
        context["s3:ObjectCreationOperation"] = creates
    digest = headers.get(b"x-amz-content-sha256")
    if digest is not None:
        context["s3:x-amz-content-sha256"] = digest.decode("latin-1")
    return context


def of_version(call: Call, version: str) -> dict[str, Any]:
    """Those of what is done to a version."""
    return {"s3:VersionId": version, "s3:ExistingObjectTag/": partial(_existing_tags, call, version=version)}


def _bucket_tags(call: Call, arn: str) -> dict[str, str]:
    straight = names.straight(call, arn)
    if not names.bucket_of_arn(straight):
        return {}
    return {name.lower(): value for name, value in bucket_tags.of_arn(call, straight).items()}


def keys_of_point(call: Call, arn: str) -> dict[str, Any]:
    """Those of what comes through an access point, or is done to it."""
    return {
        "s3:DataAccessPointArn": arn,
        "s3:DataAccessPointAccount": arn.split(":")[4],
        "s3:AccessPointNetworkOrigin": "Internet",
        "s3:AccessPointTag/": lambda _: {name.lower(): value for name, value in bucket_tags.of_arn(call, arn).items()},
    }


def of_point(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of what is done to an access point."""
    arn = point_tables.point_arn(call.region, params["account_id"], params["name"])
    return {**of_request(call, {}), **keys_of_point(call, arn)}


def of_passing(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a request that passes a role to S3."""
    return {**of_request(call, params), "iam:PassedToService": "s3.amazonaws.com"}


def _existing_tags(call: Call, arn: str, version: str | None = None, of: str = "") -> dict[str, str]:
    """The tags of the object that a decision is about: of a copy it is the source for one, the destination for another.

    version: where one is named; `of`: the ARN that it is a version of, where the call has several.
    """
    arn = names.straight(call, arn)
    bucket, _, key = arn[len(names.bucket_arn("")) :].partition("/")
    raw_key = key.encode("utf-8", "surrogateescape")
    if version is None or of not in ("", arn):
        both = tables.find_named_object(call.db, bucket, raw_key, body=False)
        tags = both[1].tags if both is not None and both[1] is not None else None
    else:
        tags = version_tables.tags_of(call.db, bucket, raw_key, version)
    return {name.lower(): value for name, value in orjson.loads(tags or b"[]")}


def of_listing(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a listing: what it asks for."""
    context = of_request(call, params)
    context["s3:prefix"] = params.get("prefix") or ""
    if params.get("delimiter"):
        context["s3:delimiter"] = params["delimiter"]
    if params.get("max_keys") is not None:
        context["s3:max-keys"] = params["max_keys"]
    return context


_WRITE_KEYS = (
    ("acl", "s3:x-amz-acl"),
    ("grant_full_control", "s3:x-amz-grant-full-control"),
    ("grant_read", "s3:x-amz-grant-read"),
    ("grant_read_acp", "s3:x-amz-grant-read-acp"),
    ("grant_write", "s3:x-amz-grant-write"),
    ("grant_write_acp", "s3:x-amz-grant-write-acp"),
    ("metadata_directive", "s3:x-amz-metadata-directive"),
    ("server_side_encryption", "s3:x-amz-server-side-encryption"),
    ("ssekms_key_id", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
    ("sse_customer_algorithm", "s3:x-amz-server-side-encryption-customer-algorithm"),
    ("storage_class", "s3:x-amz-storage-class"),
    ("if_none_match", "s3:if-none-match"),
    ("if_match", "s3:if-match"),
    ("object_ownership", "s3:x-amz-object-ownership"),
    ("website_redirect_location", "s3:x-amz-website-redirect-location"),
    ("object_lock_mode", "s3:object-lock-mode"),
    ("object_lock_legal_hold_status", "s3:object-lock-legal-hold"),
)
_LOCKS = (("retention", "Mode", "s3:object-lock-mode"), ("legal_hold", "Status", "s3:object-lock-legal-hold"))


def of_write(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a write: the headers that policies demand or forbid, and the tags that it brings."""
    context = of_request(call, params)
    for name, key in _WRITE_KEYS:
        value = params.get(name)
        if value is not None:
            context[key] = value
    if params.get("copy_source"):
        bucket, source, version = names.copy_source(params["copy_source"])
        context["s3:x-amz-copy-source"] = f"{bucket}/{source}"
        if version is not None:
            tags = partial(_existing_tags, call, version=version, of=names.object_arn(bucket, source))
            context["s3:VersionId"], context["s3:ExistingObjectTag/"] = version, tags
    tagging = params.get("tagging")
    if tagging:
        pairs = _tags(tagging)
        context["s3:RequestObjectTagKeys"] = [key for key, _ in pairs]
        for key, value in pairs:
            context[f"s3:RequestObjectTag/{key}"] = value
    until = params.get("object_lock_retain_until_date")
    if until is not None:
        context.update(_of_date(call, until))
    configuration = params.get("create_bucket_configuration")
    if configuration and "LocationConstraint" in configuration:
        context["s3:LocationConstraint"] = configuration["LocationConstraint"]
    return context


def of_lock(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a retention or a legal hold that is put on an object."""
    context = of_request(call, params)
    for name, member, key in _LOCKS:
        context[key] = (params.get(name) or {}).get(member)
    until = (params.get("retention") or {}).get("RetainUntilDate")
    return context if until is None else {**context, **_of_date(call, until)}


def _of_date(call: Call, until: datetime | float) -> dict[str, Any]:
    """Until when something is to be retained (S3 user guide, "Setting limits on retention periods with a bucket policy")."""
    moment = seconds(until)
    return {
        "s3:object-lock-retain-until-date": to_iso8601_millis(moment),
        "s3:object-lock-remaining-retention-days": ceil((moment - call.now) / 86_400),
    }


def new_bucket_tags(call: Call, params: Mapping[str, Any]) -> Any:
    """The tags that CreateBucket brings."""
    return (params.get("create_bucket_configuration") or {}).get("Tags")


def _tags(tagging: Any) -> list[list[str]]:
    if isinstance(tagging, str):
        return names.tags_of_header(tagging) or []
    return names.check_tags(tagging.get("TagSet", []), 10)
