"""Deleting: DeleteObject and DeleteObjects.

What is not there counts as deleted; a large deletion is committed in slices, each key on its own permission.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, conditions, errors, names, notifications, receiving, tables
from awning.services.s3.conditions import of_request
from awning.services.s3.tables import Bucket

MOST_KEYS = 1000
SLICE = 200
"""Keys deleted in one batch: a few milliseconds of statements."""
SLICE_TOLD = 50
"""As many, where each is told to somebody."""


@operation(
    Needs("s3:DeleteObject", names.of_current),
    Needs("s3:DeleteObjectVersion", names.of_version),
    anonymous=True,
    context=of_request,
)
def delete_object(
    call: Call,
    bucket: str,
    key: str,
    version_id: str | None = None,
    if_match: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Delete an object; with If-Match only if it is there and has this ETag."""
    names.check_version(version_id)
    found = buckets.find(call, bucket, expected_bucket_owner)
    _delete(call, found, key, if_match)
    return {}


def _delete(call: Call, bucket: Bucket, key: str, if_match: str | None, told: bool = False) -> None:
    """Delete what is there under a key. `told`: that it is gone is told even where nothing was there."""
    raw_key = names.key_bytes(key)
    old = tables.etag_and_content(call.db, bucket.bucket, raw_key)
    if if_match is not None:
        conditions.check_write(key, old[0] if old else None, if_match, None)
    if old is not None:
        tables.delete_object(call.db, call.blobs, bucket.bucket, raw_key, old)
    if bucket.notification is not None and (told or old is not None):
        notifications.notify(call, bucket, "ObjectRemoved:Delete", key)


@operation(
    honours={
        "delete": {"Objects": {"Key": ALL, "ETag": ALL, "VersionId": ALL}, "Quiet": ALL},
        "checksum_algorithm": ALL,
    },
    anonymous=True,
    context=of_request,
)
async def delete_objects(
    call: Call,
    bucket: str,
    delete: dict[str, Any],
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Delete up to 1,000 objects; each is allowed, and may fail, on its own."""
    receiving.check_document(call, checksum_algorithm, required=True)
    step = SLICE if buckets.find(call, bucket, expected_bucket_owner).notification is None else SLICE_TOLD
    asked = delete.get("Objects", [])
    if not 1 <= len(asked) <= MOST_KEYS:
        raise errors.MalformedXML
    quiet = bool(delete.get("Quiet"))
    deleted: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for start in range(0, len(asked), step):
        wanted = []
        for entry in asked[start : start + step]:
            version = entry.get("VersionId")
            action = "s3:DeleteObject" if version is None else "s3:DeleteObjectVersion"
            context = None if version is None else {"s3:VersionId": version}
            if call.allowed(action, names.object_arn(bucket, entry["Key"]), context).allowed:
                wanted.append(entry)
            else:
                failed.append({**_named(entry), "Code": "AccessDenied", "Message": "Access Denied"})
        refused = await call.commit(_delete_slice, bucket, expected_bucket_owner, wanted) if wanted else {}
        for index, entry in enumerate(wanted):
            if index in refused:
                failed.append({**_named(entry), **refused[index]})
            elif not quiet:
                deleted.append(_named(entry))
    return {"Deleted": deleted, "Errors": failed}


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    """What a reply repeats of an entry."""
    return {name: entry[name] for name in ("Key", "VersionId") if entry.get(name) is not None}


def _delete_slice(
    call: Call, bucket: str, owner: str | None, entries: list[dict[str, Any]]
) -> dict[int, dict[str, str]]:
    """Delete in one batch; return the code and message of each entry that is refused, by its index."""
    found = buckets.find(call, bucket, owner)
    refused: dict[int, dict[str, str]] = {}
    for index, entry in enumerate(entries):
        try:
            names.check_version(entry.get("VersionId"))
            # S3 tells of each key of a DeleteObjects, there or not.
            _delete(call, found, entry["Key"], entry.get("ETag"), told=True)
        except errors.ServiceError as error:
            refused[index] = {"Code": error.code, "Message": error.message}
    return refused
