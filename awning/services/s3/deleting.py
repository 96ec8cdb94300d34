"""Deleting: DeleteObject and DeleteObjects.

Where there are versions, a deletion that names none puts a delete marker before them. What is not there counts as
deleted; a large deletion is committed in slices, each key on its own permission.
"""

from __future__ import annotations

from typing import Any

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    conditions,
    errors,
    event_records,
    history,
    locks,
    mfa_delete,
    names,
    notifications,
    receiving,
    replication,
    tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request
from awning.services.s3.history import Removed
from awning.services.s3.version_ids import NULL

MOST_KEYS = 1000
SLICE = 200
"""Keys deleted in one batch: a few milliseconds of statements."""
SLICE_TOLD = 50
"""As many, where each is told to somebody, or leaves versions."""
_OF_DIRECTORIES = ("x-amz-if-match-size", "x-amz-if-match-last-modified-time")


@operation(
    Needs("s3:DeleteObject", names.of_current),
    Needs("s3:DeleteObjectVersion", names.of_version),
    Needs("s3:BypassGovernanceRetention", names.of_bypass),
    anonymous=True,
    context=of_request,
)
def delete_object(
    call: Call,
    bucket: str,
    key: str,
    version_id: str | None = None,
    mfa: str | None = None,
    bypass_governance_retention: bool | None = None,
    if_match: str | None = None,
    if_match_size: int | None = None,
    if_match_last_modified_time: Any = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Delete an object or a version of it; with If-Match only if it is there and has this ETag.

    The conditions on size and date are for directory buckets, and refused as in S3's other buckets: NotImplemented.
    """
    for value, header in zip((if_match_size, if_match_last_modified_time), _OF_DIRECTORIES, strict=True):
        if value is not None:
            raise errors.NotImplementedHere(
                "A header you provided implies functionality that is not implemented", Header=header
            )
    found = buckets.find(call, bucket, expected_bucket_owner)
    locks.check_bypass(call, found, bypass_governance_retention)
    mfa_delete.prove(call, found, mfa, version_id is not None and mfa_delete.is_enabled(call, found))
    removed = _delete(call, found, key, version_id, if_match, bool(bypass_governance_retention))
    if removed is None:
        return {}
    return {"VersionId": removed.version, **({"DeleteMarker": True} if removed.marker else {})}


def _delete(
    call: Call, bucket: Bucket, key: str, version: str | None, if_match: str | None, bypass: bool, told: bool = False
) -> Removed | None:
    """Delete what is there under a key; return None in a bucket that never was versioned.

    bypass: governance does not count. told: that it is gone is told even where nothing was there.
    """
    if bucket.versioning is not None:
        return _delete_versioned(call, bucket, key, version, if_match, bypass)
    if version is not None and history.wanted(version) != (None, None):
        raise errors.InvalidArgument("Invalid version id specified", "versionId", version)
    raw_key = names.key_bytes(key)
    old = tables.etag_and_content(call.db, bucket.bucket, raw_key)
    if if_match is not None:
        conditions.check_write(key, old[0] if old else None, if_match, None)
    if old is not None:
        tables.delete_object(call.db, call.blobs, bucket.bucket, raw_key, old)
    if bucket.notification is not None and (told or old is not None):
        notifications.notify(call, bucket, "ObjectRemoved:Delete", key)
    return None


def _delete_versioned(
    call: Call, bucket: Bucket, key: str, version: str | None, if_match: str | None, bypass: bool
) -> Removed:
    """Delete a version for good, or, where none is named, hide all with a delete marker."""
    raw_key = names.key_bytes(key)
    if version is not None:
        removed = history.remove(call, bucket, raw_key, version, if_match, bypass)
        if removed is not None and bucket.notification is not None:
            notifications.notify(call, bucket, "ObjectRemoved:Delete", key, version=version)
        return removed or Removed(version, False)
    old = tables.etag_and_content(call.db, bucket.bucket, raw_key)
    if if_match is not None:
        conditions.check_write(key, old[0] if old else None, if_match, None)
    marker = history.hide(call, bucket, raw_key, old is not None)
    if bucket.settings is not None:
        replication.on_marker(call, bucket, raw_key, marker.version)
    if bucket.notification is not None:
        told = None if marker.version == NULL else marker.version
        event = "ObjectRemoved:DeleteMarkerCreated"
        notifications.notify(call, bucket, event, key, etag=event_records.NOTHING_MD5, version=told)
    return marker


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
    mfa: str | None = None,
    bypass_governance_retention: bool | None = None,
    checksum_algorithm: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Delete up to 1,000 objects; each is allowed, and may fail, on its own. One MFA code is good for all of them."""
    receiving.check_document(call, checksum_algorithm, required=True)
    begun = buckets.find(call, bucket, expected_bucket_owner)
    step = SLICE if begun.notification is None and begun.versioning is None else SLICE_TOLD
    asked = delete.get("Objects", [])
    if not 1 <= len(asked) <= MOST_KEYS:
        raise errors.MalformedXML
    bypass = bool(bypass_governance_retention)
    if not any(entry.get("VersionId") for entry in asked):
        locks.check_bypass(
            call, begun, bypass_governance_retention
        )  # who empties any bucket by its versions sends it always
    guarded = mfa_delete.is_enabled(call, begun) and any(entry.get("VersionId") is not None for entry in asked)
    if guarded or mfa is not None:
        await call.commit(mfa_delete.prove, begun, mfa, guarded)
    quiet = bool(delete.get("Quiet"))
    deleted: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for start in range(0, len(asked), step):
        wanted = []
        for entry in asked[start : start + step]:
            version = entry.get("VersionId")
            action = "s3:DeleteObject" if version is None else "s3:DeleteObjectVersion"
            context = None if version is None else conditions.of_version(call, version)
            arn = names.place(call, bucket, entry["Key"])
            if call.allowed(action, arn, context).allowed and (
                not bypass or call.allowed("s3:BypassGovernanceRetention", arn, context).allowed
            ):
                wanted.append(entry)
            else:
                failed.append({**_named(entry), "Code": "AccessDenied", "Message": "Access Denied"})
        outcomes = (
            await call.commit(_delete_slice, bucket, expected_bucket_owner, wanted, bypass, mfa) if wanted else []
        )
        for entry, outcome in zip(wanted, outcomes, strict=True):
            if "Code" in outcome:
                failed.append({**_named(entry), **outcome})
            elif not quiet:
                deleted.append({**_named(entry), **outcome})
    return {"Deleted": deleted, "Errors": failed}


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    """What a reply repeats of an entry."""
    return {name: entry[name] for name in ("Key", "VersionId") if entry.get(name) is not None}


def _shown(removed: Removed | None) -> dict[str, Any]:
    if removed is None or not removed.marker:
        return {}
    return {"DeleteMarker": True, "DeleteMarkerVersionId": removed.version}


def _delete_slice(
    call: Call, bucket: str, owner: str | None, entries: list[dict[str, Any]], bypass: bool, mfa: str | None
) -> list[dict[str, Any]]:
    """Delete in one batch; return of each entry the code and message of its refusal, or what its reply adds."""
    found = buckets.find(call, bucket, owner)
    if mfa is None and any(entry.get("VersionId") is not None for entry in entries):
        mfa_delete.prove(call, found, None, mfa_delete.is_enabled(call, found))  # it may have been turned on meanwhile
    outcomes: list[dict[str, Any]] = []
    for entry in entries:
        version = entry.get("VersionId")
        try:
            # S3 tells of each key of a DeleteObjects, there or not.
            removed = _delete(call, found, entry["Key"], version, entry.get("ETag"), bypass, told=True)
        except errors.InvalidArgument:
            gone = errors.NoSuchVersion(entry["Key"], str(version))
            outcomes.append({"Code": gone.code, "Message": gone.message})
        except errors.ServiceError as error:
            outcomes.append({"Code": error.code, "Message": error.message})
        else:
            outcomes.append(_shown(removed))
    return outcomes
