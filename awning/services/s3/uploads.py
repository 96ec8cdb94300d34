"""Uploads in progress: ListMultipartUploads and ListParts."""

from __future__ import annotations

from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    checksums,
    encryption,
    encryption_headers,
    errors,
    lifecycle,
    listing,
    multipart,
    names,
    upload_tables,
)
from awning.services.s3.conditions import of_request

MOST_UPLOADS = 1000
MOST_PARTS_LISTED = 1000

Row = tuple[bytes, str, int, bytes, int, int, str]


def _after(prefix: bytes, delimiter: bytes, key_marker: bytes, upload_marker: str) -> tuple[bytes | None, str]:
    """Return the key to start from, and of this key the upload to start behind."""
    if not key_marker:
        return prefix, ""
    if delimiter and key_marker.startswith(prefix):
        at = key_marker.find(delimiter, len(prefix))
        if at >= 0:
            return listing.successor(key_marker[: at + len(delimiter)]), ""
    if key_marker < prefix:
        return prefix, ""
    return (key_marker, upload_marker) if upload_marker else (key_marker + b"\0", "")


def _page(
    call: Call, bucket: int, prefix: bytes, delimiter: bytes, start: bytes | None, after: str, limit: int
) -> tuple[list[Row], list[bytes], tuple[bytes, str] | None]:
    """Return uploads, common prefixes, and the last entry (key or prefix, upload) where more follows."""
    end = listing.successor(prefix) if prefix else None
    rows: list[Row] = []
    prefixes: list[bytes] = []
    last = (b"", "")
    while start is not None and limit:
        room = limit - len(rows) - len(prefixes) + 1
        found = upload_tables.uploads_from(call.db, bucket, start, end, after, room)
        start = None
        for row in found:
            if len(rows) + len(prefixes) == limit:
                return rows, prefixes, last
            at = row[0].find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                rows.append(row)
                last = (row[0], row[1])
                continue
            rolled = row[0][: at + len(delimiter)]
            prefixes.append(rolled)
            last = (rolled, "")
            start, after = listing.successor(rolled), ""
            break
    return rows, prefixes, None


@operation(
    Needs("s3:ListBucketMultipartUploads", names.of_bucket),
    reads=True,
    honours={"encoding_type": ALL},
    anonymous=True,
    context=of_request,
)
def list_multipart_uploads(
    call: Call,
    bucket: str,
    delimiter: str | None = None,
    encoding_type: str | None = None,
    key_marker: str | None = None,
    max_uploads: int | None = None,
    prefix: str | None = None,
    upload_id_marker: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """List a bucket's unfinished uploads by key, then by when they were opened."""
    found = buckets.find(call, bucket, expected_bucket_owner)
    url = listing.is_url(encoding_type)
    limit = min(listing.limit_of(max_uploads, "max-uploads"), MOST_UPLOADS)
    raw_prefix, raw_delimiter = (prefix or "").encode(), (delimiter or "").encode()
    marker = upload_id_marker if key_marker and upload_id_marker else ""
    start, after = _after(raw_prefix, raw_delimiter, (key_marker or "").encode(), marker)
    rows, prefixes, last = _page(call, found.bucket, raw_prefix, raw_delimiter, start, after, limit)
    owner = {"ID": names.owner_id(found.account)}
    result: dict[str, Any] = {
        "Bucket": bucket,
        "KeyMarker": listing.text_of((key_marker or "").encode(), url),
        "UploadIdMarker": marker,
        "Prefix": listing.text_of(raw_prefix, url),
        "MaxUploads": limit,
        "IsTruncated": last is not None,
        "Uploads": [_upload(row, url, owner) for row in rows],
        "CommonPrefixes": [{"Prefix": listing.text_of(p, url)} for p in prefixes],
    }
    if delimiter:
        result["Delimiter"] = listing.text_of(raw_delimiter, url)
    if last is not None:
        result["NextKeyMarker"] = listing.text_of(last[0], url)
        result["NextUploadIdMarker"] = last[1]
    if url:
        result["EncodingType"] = "url"
    return result


def _upload(row: Row, url: bool, owner: dict[str, str]) -> dict[str, Any]:
    key, upload_id, initiated, initiator, kind, chosen, storage_class = row
    result: dict[str, Any] = {
        "Key": listing.text_of(key, url),
        "UploadId": upload_id,
        "Initiator": orjson.loads(initiator),
        "Owner": owner,
        "StorageClass": storage_class,
        "Initiated": initiated,
    }
    if chosen:
        result["ChecksumAlgorithm"] = checksums.algorithm_of(kind).name
        result["ChecksumType"] = checksums.type_of(kind)
    return result


@operation(Needs("s3:ListMultipartUploadParts", names.of_object), reads=True, anonymous=True, context=of_request)
def list_parts(
    call: Call,
    bucket: str,
    key: str,
    upload_id: str,
    max_parts: int | None = None,
    part_number_marker: int | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """List the parts that an upload has so far. A client's own key needs not be given; one that is must be the upload's."""
    customer = encryption_headers.customer(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    found = buckets.find(call, bucket, expected_bucket_owner)
    upload = multipart.open_upload(call, bucket, expected_bucket_owner, key, upload_id)
    if customer is not None:
        encryption.open_upload(call, buckets.find(call, bucket), key, upload.seal, customer)
    assert upload.content is not None
    if max_parts is not None and max_parts < 0:
        raise errors.InvalidArgument(
            "Argument max-parts must be an integer between 0 and 2147483647", "max-parts", max_parts
        )
    limit = MOST_PARTS_LISTED if max_parts is None else min(max_parts, MOST_PARTS_LISTED)
    marker = part_number_marker or 0
    page = upload_tables.parts_after(call.db, upload.content, marker, limit + 1) if limit else []
    listed = page[:limit]
    member = checksums.algorithm_of(upload.kind).member
    owner = {"ID": names.owner_id(found.account)}
    result: dict[str, Any] = {
        "Bucket": bucket,
        "Key": key,
        "UploadId": upload_id,
        "Initiator": orjson.loads(upload.initiator),
        "Owner": owner,
        "StorageClass": upload.storage_class,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": listed[-1].number if listed else 0,
        "MaxParts": limit,
        "IsTruncated": len(page) > limit,
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": part.modified,
                "ETag": f'"{part.md5.hex()}"',
                "Size": part.size,
                **({member: checksums.encode(part.checksum)} if upload.chosen else {}),
            }
            for part in listed
        ],
        **lifecycle.abortion(call, found, names.key_bytes(key), upload.initiated),
    }
    if upload.chosen:
        result["ChecksumAlgorithm"] = checksums.algorithm_of(upload.kind).name
        result["ChecksumType"] = checksums.type_of(upload.kind)
    return result
