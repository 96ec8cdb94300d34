"""Versions: whether a bucket keeps them, and ListObjectVersions.

A page goes on behind a key and one of its versions; that version need not be there any more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.protocols.results import Among
from awning.services.s3 import (
    bucket_tables,
    buckets,
    checksums,
    errors,
    history,
    lifecycle_tables,
    listing,
    locks,
    mfa_delete,
    names,
    owners,
    receiving,
    settings,
    storage_classes,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_listing, of_request
from awning.services.s3.version_tables import Listed

_STATES = (history.ENABLED, history.SUSPENDED)


@operation(
    Needs("s3:PutBucketVersioning", names.of_bucket),
    honours={"versioning_configuration": {"Status": ALL, "MFADelete": ALL}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_request,
)
def put_bucket_versioning(
    call: Call,
    bucket: str,
    versioning_configuration: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    mfa: str | None = None,
    expected_bucket_owner: str | None = None,
) -> None:
    """Let a bucket keep versions, or keep no further ones; what it has stays. And turn MFA delete on or off, which then takes a
    code for this as well."""
    receiving.check_document(call, checksum_algorithm)
    found = buckets.find(call, bucket, expected_bucket_owner)
    status = versioning_configuration.get("Status")
    if not status:
        raise errors.IllegalVersioningConfigurationException
    wanted = versioning_configuration.get("MFADelete")
    if status not in _STATES or wanted not in (None, *mfa_delete.STATES):
        raise errors.MalformedXML
    mfa_delete.prove(call, found, mfa, wanted == mfa_delete.ENABLED or mfa_delete.is_enabled(call, found))
    if status != history.ENABLED and locks.of_bucket(call, found) is not None:
        raise errors.InvalidBucketState(
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        )
    if status != history.ENABLED and "replication" in settings.of(call, found):
        raise errors.InvalidBucketState(
            "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the "
            "versioning state, first delete the replication configuration."
        )
    if wanted is not None:
        mfa_delete.switch(call, found, wanted)
    bucket_tables.set_versioning(call.db, found.bucket, status)
    call.after(call.memory.known.clear)


@operation(Needs("s3:GetBucketVersioning", names.of_bucket), reads=True, anonymous=True, context=of_request)
def get_bucket_versioning(call: Call, bucket: str, expected_bucket_owner: str | None = None) -> dict[str, Any]:
    """Return whether a bucket keeps versions, and has MFA delete; one that never was versioned answers without a status."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    mfa = mfa_delete.of(call, found)
    return ({} if found.versioning is None else {"Status": found.versioning}) | (
        {} if mfa is None else {"MFADelete": mfa}
    )


# Listing -------------------------------------------------------------------------------------------------------------


class Page(NamedTuple):
    """One page: versions and prefixes, each in order; `last` is its last key and version id, or its last prefix and None,
    where more follows."""

    rows: list[Listed]
    prefixes: list[bytes]
    last: tuple[bytes, str | None] | None


class Spot(NamedTuple):
    """Where to read on: at a key, of its versions behind an age; None: with its first."""

    key: bytes
    age: int | None


def _page_of(call: Call, bucket: int, prefix: bytes, delimiter: bytes, spot: Spot | None, limit: int) -> Page:
    """Return the first `limit` versions and common prefixes from a spot on. A common prefix counts as one entry."""
    rows: list[Listed] = []
    prefixes: list[bytes] = []
    last: tuple[bytes, str | None] = (b"", None)
    end = listing.successor(prefix) if prefix else None
    chunk = listing.FEW if delimiter else limit + 1
    while spot is not None and limit:
        found = _rows(call, bucket, spot, end, chunk)
        full = len(found) == chunk
        spot = Spot(found[-1].key, found[-1].age) if full else None
        chunk = min(chunk * 4, listing.MOST_KEYS + 1)
        skip: bytes | None = None
        for row in found:
            if skip is not None and row.key < skip:
                continue
            if len(rows) + len(prefixes) == limit:
                return Page(rows, prefixes, last)
            at = row.key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                rows.append(row)
                last = (row.key, row.version or version_ids.NULL)
                continue
            last = (row.key[: at + len(delimiter)], None)
            prefixes.append(last[0])
            skip = listing.successor(last[0])
            if skip is None:
                return Page(rows, prefixes, None)
        if spot is not None and skip is not None and spot.key < skip:
            spot, chunk = Spot(skip, None), listing.FEW
    return Page(rows, prefixes, None)


def _rows(call: Call, bucket: int, spot: Spot, end: bytes | None, limit: int) -> list[Listed]:
    """Read at most `limit` versions: the rest of the spot's key, then the keys behind it."""
    start = spot.key
    rows: list[Listed] = []
    if spot.age is not None:
        rows = version_tables.versions_of(call.db, bucket, spot.key, spot.age, limit)
        start += b"\0"
    if len(rows) < limit and (end is None or start < end):
        rows += version_tables.versions_from(call.db, bucket, start, end, limit - len(rows))
    return rows


def _start(
    call: Call,
    bucket: int,
    prefix: bytes,
    delimiter: bytes,
    marker: bytes,
    version: tuple[str | None, int | None] | None,
) -> Spot | None:
    """Return where a page begins; None where nothing can follow its markers."""
    if not marker or marker < prefix:
        return Spot(prefix, None)
    if delimiter and marker.startswith(prefix):
        at = marker.find(delimiter, len(prefix))
        if at >= 0:
            behind = listing.successor(marker[: at + len(delimiter)])
            return None if behind is None else Spot(behind, None)
    if version is None:
        return Spot(marker + b"\0", None)
    named, age = version
    if age is None:
        # Where the null version was is not known once it is gone: its key begins again.
        place = version_tables.place_of(call.db, bucket, marker, named, age)
        return Spot(marker, None if place is None else place.age)
    return Spot(marker, age)


@operation(
    Needs("s3:ListBucketVersions", names.of_bucket),
    reads=True,
    honours={"encoding_type": ALL, "optional_object_attributes": ALL},
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
    optional_object_attributes: list[str] | None = None,
) -> dict[str, Any]:
    """List versions and delete markers: keys in byte order, of each the newest first."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    url = listing.is_url(encoding_type)
    limit = listing.limit_of(max_keys)
    behind = _check_marker(key_marker, version_id_marker)
    raw_prefix, raw_delimiter, marker = (listing.raw_of(text) for text in (prefix, delimiter, key_marker))
    start = _start(call, found.bucket, raw_prefix, raw_delimiter, marker, behind)
    page = _page_of(call, found.bucket, raw_prefix, raw_delimiter, start, limit)
    shown = _shown(call, found, page, start, url)
    if listing.asks_for_restores(optional_object_attributes):
        _add_restores(call, page, shown)
    result: dict[str, Any] = {
        "Name": bucket,
        "Prefix": listing.text_of(raw_prefix, url),
        "KeyMarker": listing.text_of(marker, url),
        "VersionIdMarker": version_id_marker or "",
        "MaxKeys": limit,
        "IsTruncated": page.last is not None,
        "Versions": [entry for entry in shown if "ETag" in entry],
        "DeleteMarkers": Among.of(shown, lambda entry: "ETag" not in entry),
        "CommonPrefixes": [{"Prefix": listing.text_of(p, url)} for p in page.prefixes],
    }
    if delimiter:
        result["Delimiter"] = listing.text_of(raw_delimiter, url)
    if page.last is not None:
        result["NextKeyMarker"] = listing.text_of(page.last[0], url)
        if page.last[1] is not None:
            result["NextVersionIdMarker"] = page.last[1]
    if url:
        result["EncodingType"] = "url"
    return result


def _shown(call: Call, bucket: Bucket, page: Page, start: Spot | None, url: bool) -> list[dict[str, Any]]:
    """Return a page's versions and delete markers as replies write them."""
    owner = {"ID": names.owner_id(bucket.account)}
    others = owners.of_contents(call, bucket, (row.content for row in page.rows if row.content is not None))
    result: list[dict[str, Any]] = []
    before: bytes | None = None
    for row in page.rows:
        latest = row.key != before
        if latest and start is not None and start.age is not None and row.key == start.key:
            latest = version_tables.is_latest(call.db, bucket.bucket, row.key, row.age)
        before = row.key
        entry: dict[str, Any] = {
            "Key": listing.text_of(row.key, url),
            "VersionId": row.version or version_ids.NULL,
            "IsLatest": latest,
            "LastModified": row.modified,
            "Owner": owner if row.content is None else others.get(row.content, owner),
        }
        if row.content is not None:
            entry["ETag"] = row.etag
            entry["ChecksumAlgorithm"] = [checksums.algorithm_of(row.kind).name]
            entry["ChecksumType"] = checksums.type_of(row.kind)
            entry["Size"] = row.size
            entry["StorageClass"] = row.storage_class
        result.append(entry)
    return result


def _add_restores(call: Call, page: Page, shown: list[dict[str, Any]]) -> None:
    """Add to a page's entries what there is to be said of those that are restored."""
    for row, entry in zip(page.rows, shown, strict=True):
        if row.content is not None and row.storage_class in storage_classes.ARCHIVES:
            restore = storage_classes.restore_of(lifecycle_tables.tags_and_extras(call.db, row.content)[1])
            status = storage_classes.status(restore, call.now)
            if status is not None:
                entry["RestoreStatus"] = status


def _check_marker(key_marker: str | None, version_id_marker: str | None) -> tuple[str | None, int | None] | None:
    """Return the version that a page goes on behind, as history.wanted() does; None for all of the key's.

    Raises InvalidArgument for a version marker without a key, or of a version that can't be.
    """
    name = "version-id-marker"
    if version_id_marker is None:
        return None
    if not key_marker:
        raise errors.InvalidArgument(
            "A version-id marker cannot be specified without a key marker.", name, version_id_marker
        )
    if not version_id_marker:
        raise errors.InvalidArgument("A version-id marker cannot be empty.", name, version_id_marker)
    return history.wanted(version_id_marker, name)
