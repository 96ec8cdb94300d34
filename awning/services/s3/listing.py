"""Listing: ListObjects and ListObjectsV2 in the byte order of keys.

With a delimiter the listing skips from prefix to prefix; it never reads what it rolls up.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    checksums,
    errors,
    lifecycle_tables,
    names,
    owners,
    storage_classes,
    tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_listing

MOST_KEYS = 1000
FEW = 8
"""Rows read after a skip: the next key is likely to begin another prefix."""

_PLAIN = re.compile(rb"[A-Za-z0-9_.~/-]*").fullmatch
"""Keys that URL encoding leaves as they are."""

Row = tuple[bytes, int, int, str, int, str]


class Page(NamedTuple):
    """One page: rows and prefixes, each in order; `last` is its last key or prefix where more follows."""

    rows: list[Row]
    prefixes: list[bytes]
    last: bytes | None


def successor(prefix: bytes) -> bytes | None:
    """Return the least byte string that is greater than everything with this prefix; None where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


def page_of(call: Call, bucket: int, prefix: bytes, delimiter: bytes, after: bytes, limit: int) -> Page:
    """Return the first `limit` keys and common prefixes beyond `after`.

    A common prefix counts as one entry, ordered by itself: what lies at or before `after` does not come again, keys
    below a prefix that `after` lies in included.
    """
    if limit == 0:
        return Page([], [], None)
    start: bytes | None = max(prefix, after + b"\0") if after else prefix
    end = successor(prefix) if prefix else None
    if after and delimiter and after.startswith(prefix):
        found = after.find(delimiter, len(prefix))
        if found >= 0:
            start = successor(after[: found + len(delimiter)])
    if not delimiter:
        rows = _rows(call, bucket, start, end, limit + 1)
        more = len(rows) > limit
        return Page(rows[:limit], [], rows[limit - 1][0] if more else None)
    return _rolled_up(call, bucket, prefix, delimiter, start, end, limit)


def _rows(call: Call, bucket: int, start: bytes | None, end: bytes | None, limit: int) -> list[Row]:
    if start is None or (end is not None and start >= end):
        return []
    return tables.keys_from(call.db, bucket, start, end, limit)


def _rolled_up(
    call: Call, bucket: int, prefix: bytes, delimiter: bytes, start: bytes | None, end: bytes | None, limit: int
) -> Page:
    rows: list[Row] = []
    prefixes: list[bytes] = []
    last = b""
    chunk = FEW
    while start is not None:
        found = _rows(call, bucket, start, end, chunk)
        start = found[-1][0] + b"\0" if len(found) == chunk else None
        chunk = min(chunk * 4, MOST_KEYS + 1)
        skip: bytes | None = None
        for row in found:
            key = row[0]
            if skip is not None and key < skip:
                continue
            if len(rows) + len(prefixes) == limit:
                return Page(rows, prefixes, last)
            at = key.find(delimiter, len(prefix))
            if at < 0:
                rows.append(row)
                last = key
                continue
            last = key[: at + len(delimiter)]
            prefixes.append(last)
            skip = successor(last)
            if skip is None:
                return Page(rows, prefixes, None)
        if start is not None and skip is not None and start < skip:
            start, chunk = skip, FEW
    return Page(rows, prefixes, None)


_KINDS = [
    ([algorithm.name], type_)
    for algorithm in checksums.ALGORITHMS
    for type_ in (checksums.FULL_OBJECT, checksums.COMPOSITE)
]


def contents(
    page: Page, url: bool, owner: dict[str, str] | None, others: Mapping[bytes, dict[str, str]]
) -> list[dict[str, Any]]:
    """Return a page's rows as replies write them. `others`: by key, the owners that are not the bucket's."""
    result = []
    for key, size, modified, etag, kind, storage_class in page.rows:
        algorithm, type_ = _KINDS[kind]
        entry: dict[str, Any] = {
            "Key": text_of(key, url),
            "LastModified": modified,
            "ETag": etag,
            "ChecksumAlgorithm": algorithm,
            "ChecksumType": type_,
            "Size": size,
            "StorageClass": storage_class,
        }
        if owner is not None:
            entry["Owner"] = others.get(key, owner) if others else owner
        result.append(entry)
    return result


def _owners(call: Call, bucket: Bucket, page: Page) -> tuple[dict[str, str], Mapping[bytes, dict[str, str]]]:
    """Return the bucket's owner, and those of the objects that are another's."""
    return {"ID": names.owner_id(bucket.account)}, owners.of_keys(call, bucket, (row[0] for row in page.rows))


def asks_for_restores(attributes: list[str] | None) -> bool:
    """Say whether a listing is to show restores, the one optional attribute there is. Raises InvalidArgument for another."""
    for name in attributes or ():
        if name != "RestoreStatus":
            raise errors.InvalidArgument("Invalid attribute name specified.", "x-amz-optional-object-attributes", name)
    return bool(attributes)


def _add_restores(
    call: Call, bucket: int, page: Page, shown: list[dict[str, Any]], attributes: list[str] | None
) -> None:
    """Add to a page's entries what there is to be said of those that are restored, where it is to be."""
    if not asks_for_restores(attributes):
        return
    for row, entry in zip(page.rows, shown, strict=True):
        if row[5] in storage_classes.ARCHIVES:
            restore = storage_classes.restore_of(lifecycle_tables.extras_of(call.db, bucket, row[0]))
            status = storage_classes.status(restore, call.now)
            if status is not None:
                entry["RestoreStatus"] = status


def text_of(raw: bytes, url: bool) -> str:
    """Return a key or prefix as a reply writes it."""
    if url and _PLAIN(raw) is None:
        return quote(raw)
    return raw.decode("utf-8", "surrogateescape")


def limit_of(max_keys: int | None, name: str = "maxKeys") -> int:
    """Return how many entries a page has. Raises InvalidArgument for a negative number."""
    if max_keys is None:
        return MOST_KEYS
    if max_keys < 0:
        raise errors.InvalidArgument(f"Argument {name} must be an integer between 0 and 2147483647", name, max_keys)
    return min(max_keys, MOST_KEYS)


def is_url(encoding_type: str | None) -> bool:
    """Raises InvalidArgument for another encoding than `url`."""
    if encoding_type not in (None, "url"):
        raise errors.InvalidArgument("Invalid Encoding Method specified in Request", "encoding-type", encoding_type)
    return encoding_type == "url"


def raw_of(text: str | None) -> bytes:
    """Return a prefix, a delimiter or a marker as keys are stored."""
    return (text or "").encode("utf-8", "surrogateescape")


@operation(
    Needs("s3:ListBucket", names.of_bucket),
    reads=True,
    honours={"encoding_type": ALL, "optional_object_attributes": ALL},
    anonymous=True,
    context=of_listing,
)
def list_objects(
    call: Call,
    bucket: str,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    marker: str | None = None,
    max_keys: int | None = None,
    prefix: str | None = None,
    expected_bucket_owner: str | None = None,
    optional_object_attributes: list[str] | None = None,
) -> dict[str, Any]:
    """List a bucket's objects, the first version of the operation: pages are continued by `marker`."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    url = is_url(encoding_type)
    page = page_of(call, found.bucket, raw_of(prefix), raw_of(delimiter), raw_of(marker), limit_of(max_keys))
    result: dict[str, Any] = {
        "Name": bucket,
        "Prefix": text_of(raw_of(prefix), url),
        "Marker": text_of(raw_of(marker), url),
        "MaxKeys": limit_of(max_keys),
        "IsTruncated": page.last is not None,
        "Contents": contents(page, url, *_owners(call, found, page)),
        "CommonPrefixes": [{"Prefix": text_of(p, url)} for p in page.prefixes],
    }
    _add_restores(call, found.bucket, page, result["Contents"], optional_object_attributes)
    if delimiter:
        result["Delimiter"] = text_of(raw_of(delimiter), url)
        if page.last is not None:
            result["NextMarker"] = text_of(page.last, url)
    if url:
        result["EncodingType"] = "url"
    return result


@operation(
    Needs("s3:ListBucket", names.of_bucket),
    reads=True,
    honours={"encoding_type": ALL, "optional_object_attributes": ALL},
    anonymous=True,
    context=of_listing,
)
def list_objects_v2(
    call: Call,
    bucket: str,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    max_keys: int | None = None,
    prefix: str | None = None,
    continuation_token: str | None = None,
    fetch_owner: bool | None = None,
    start_after: str | None = None,
    expected_bucket_owner: str | None = None,
    optional_object_attributes: list[str] | None = None,
) -> dict[str, Any]:
    """List a bucket's objects; a page is continued by its token, which wins over `start_after`."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    url = is_url(encoding_type)
    after = raw_of(start_after) if continuation_token is None else read_token(continuation_token)
    page = page_of(call, found.bucket, raw_of(prefix), raw_of(delimiter), after, limit_of(max_keys))
    result: dict[str, Any] = {
        "Name": bucket,
        "Prefix": text_of(raw_of(prefix), url),
        "MaxKeys": limit_of(max_keys),
        "KeyCount": len(page.rows) + len(page.prefixes),
        "IsTruncated": page.last is not None,
        "Contents": contents(page, url, *(_owners(call, found, page) if fetch_owner else (None, {}))),
        "CommonPrefixes": [{"Prefix": text_of(p, url)} for p in page.prefixes],
    }
    _add_restores(call, found.bucket, page, result["Contents"], optional_object_attributes)
    if delimiter:
        result["Delimiter"] = text_of(raw_of(delimiter), url)
    if start_after:
        result["StartAfter"] = text_of(raw_of(start_after), url)
    if continuation_token is not None:
        result["ContinuationToken"] = continuation_token
    if page.last is not None:
        result["NextContinuationToken"] = write_token(page.last)
    if url:
        result["EncodingType"] = "url"
    return result


def write_token(last: bytes) -> str:
    """Return the opaque token that continues behind a key or a common prefix."""
    return base64.urlsafe_b64encode(b"\x01" + last).decode()


def read_token(token: str) -> bytes:
    """Raises InvalidArgument for what write_token never wrote."""
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw.startswith(b"\x01"):
        raise errors.InvalidArgument("The continuation token provided is incorrect", "continuation-token", token)
    return raw[1:]
