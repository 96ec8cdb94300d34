"""Versions: ListObjectVersions of buckets that never were versioned, where each object is its one null version.

Paging is that of listings; `version-id-marker` only tells that its key itself has been listed, which it has.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, errors, listing, names
from awning.services.s3.conditions import of_listing


@operation(
    Needs("s3:ListBucketVersions", names.of_bucket),
    reads=True,
    honours={"encoding_type": ALL},
    anonymous=True,
    context=of_listing,
)
def list_object_versions(
    call: Call,
    bucket: str,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    key_marker: str | None = None,
    max_keys: int | None = None,
    prefix: str | None = None,
    version_id_marker: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """List every object as its null version, the latest."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    url = listing.is_url(encoding_type)
    _check_marker(key_marker, version_id_marker)
    raw_prefix, raw_delimiter, marker = (listing.raw_of(text) for text in (prefix, delimiter, key_marker))
    page = listing.page_of(call, found.bucket, raw_prefix, raw_delimiter, marker, listing.limit_of(max_keys))
    versions = listing.contents(page, url, {"ID": names.owner_id(found.account)})
    result: dict[str, Any] = {
        "Name": bucket,
        "Prefix": listing.text_of(raw_prefix, url),
        "KeyMarker": listing.text_of(marker, url),
        "VersionIdMarker": version_id_marker or "",
        "MaxKeys": listing.limit_of(max_keys),
        "IsTruncated": page.last is not None,
        "Versions": [{**version, "VersionId": "null", "IsLatest": True} for version in versions],
        "CommonPrefixes": [{"Prefix": listing.text_of(p, url)} for p in page.prefixes],
    }
    if delimiter:
        result["Delimiter"] = listing.text_of(raw_delimiter, url)
    if page.last is not None:
        result["NextKeyMarker"] = listing.text_of(page.last, url)
        if page.rows and page.rows[-1][0] == page.last:
            result["NextVersionIdMarker"] = "null"
    if url:
        result["EncodingType"] = "url"
    return result


def _check_marker(key_marker: str | None, version_id_marker: str | None) -> None:
    """Raises InvalidArgument for a version marker without a key, or of a version that can't be."""
    if version_id_marker is None:
        return
    if not key_marker:
        raise errors.InvalidArgument(
            "A version-id marker cannot be specified without a key marker.", "version-id-marker", version_id_marker
        )
    if version_id_marker != "null":
        raise errors.InvalidArgument("Invalid version id specified", "version-id-marker", version_id_marker)
