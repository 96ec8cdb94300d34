"""History: what a write or a deletion does to a key's versions in a bucket that is versioned, or was.

Each runs in a batch. S3 user guide, "Retaining multiple versions of objects with S3 Versioning", and its pages on deleting, on
restoring previous versions, and on versioning-suspended buckets.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from awning.kit.call import Call
from awning.services.s3 import (
    bucket_tables,
    conditions,
    errors,
    event_records,
    locks,
    tables,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket

ENABLED: Final = "Enabled"
SUSPENDED: Final = "Suspended"


class Removed(NamedTuple):
    """What a deletion did. `version`: of the marker that was made, or of what was deleted. `marker`: that is a delete marker."""

    version: str
    marker: bool


def put(call: Call, bucket: Bucket, key: bytes, row: tuple[int, int, str, int, str, int], current: bool) -> str | None:
    """Make (size, modified, etag, kind, class, content) the key's newest version; return its id, None for the null version.

    current: there is one already. What is overwritten stays, save by one null version another.
    """
    age, version = _shelve(call, bucket, key, current)
    version_tables.put_current(call.db, bucket.bucket, key, age, version, row)
    bucket_tables.tally(call.db, bucket.bucket, 1, row[0])
    return version


def hide(call: Call, bucket: Bucket, key: bytes, current: bool) -> Removed:
    """Put a delete marker before all versions of a key. current: it has a current object.

    While versioning is suspended the marker is the null version, and takes the place of that.
    """
    age, version = _shelve(call, bucket, key, current)
    version_tables.remove_current(call.db, bucket.bucket, key)
    version_tables.insert_marker(call.db, bucket.bucket, key, age, version, int(call.now))
    bucket_tables.tally(call.db, bucket.bucket, 1, 0)
    return Removed(version or version_ids.NULL, True)


def remove(
    call: Call, bucket: Bucket, key: bytes, version: str, if_match: str | None, bypass: bool = False
) -> Removed | None:
    """Delete one version for good; None where it is gone already. What is the newest then is current again.

    bypass: governance does not protect it. Raises InvalidArgument for an id that never was, PreconditionFailed, NoSuchKey;
    AccessDenied where it is locked.
    """
    db, number = call.db, bucket.bucket
    place = version_tables.place_of(db, number, key, *wanted(version))
    if if_match is not None:
        etag = None if place is None or place.content is None else place.etag
        conditions.check_write(key.decode("utf-8", "surrogateescape"), etag, if_match, None)
    if place is None:
        return None
    if place.content is not None:
        locks.check_removal(call, bucket, place.content, bypass)
    if place.current:
        version_tables.remove_current(db, number, key)
        version_tables.promote(db, number, key)
    else:
        newest = version_tables.is_latest(db, number, key, place.age)
        version_tables.remove(db, number, key, place.age)
        if newest:
            version_tables.promote(db, number, key)
    if place.content is not None:
        tables.drop_content(db, call.blobs, place.content)
    bucket_tables.tally(db, number, -1, -place.size)
    return Removed(version, place.content is None)


def receive(
    call: Call,
    bucket: Bucket,
    key: bytes,
    place: tuple[str | None, int],
    row: tuple[int, int, str, int, str, int] | int,
) -> bool:
    """Put a version of another bucket (size, modified, etag, kind, class, content), or a delete marker (when it came), where its
    (id, age) has its place among the key's; False where another version stands there. It is not there yet."""
    db, number = call.db, bucket.bucket
    version, age = place
    newer = version_tables.versions_of(db, number, key, age - 1, 1)
    if newer and newer[0].age == age:
        return False
    bucket_tables.next_sequence(db, number, -age)
    newest = not _has_newer(call, number, key, age)
    current = tables.etag_and_content(db, number, key) is not None
    if newest and current:
        version_tables.shelve(db, number, key)
    if isinstance(row, int):
        if newest:
            version_tables.remove_current(db, number, key)
        version_tables.insert_marker(db, number, key, age, version, row)
    elif newest:
        version_tables.put_current(db, number, key, age, version, row)
    else:
        version_tables.insert_older(db, number, key, age, version, row)
    bucket_tables.tally(db, number, 1, 0 if isinstance(row, int) else row[0])
    return True


def _has_newer(call: Call, bucket: int, key: bytes, age: int) -> bool:
    """Whether any version of a key is newer than an age."""
    newest = version_tables.versions_of(call.db, bucket, key, version_tables.FIRST, 1)
    return bool(newest) and newest[0].age < age


def wanted(version: str, name: str = "versionId") -> tuple[str | None, int | None]:
    """Return the id and the age of a version that a request names, both None for the null version. `name`: of the argument.

    Raises InvalidArgument for an id that was never given out.
    """
    if version == version_ids.NULL:
        return None, None
    if not version:
        raise errors.InvalidArgument("Version id cannot be the empty string", name, version)
    number = version_ids.number_of(version)
    if number is None:
        raise errors.InvalidArgument("Invalid version id specified", name, version)
    return version, -number


def _shelve(call: Call, bucket: Bucket, key: bytes, current: bool) -> tuple[int, str | None]:
    """Make room before a key's versions; return the age and the version id of what is to come.

    While versioning is suspended that is the null version, and the one there was is gone.
    """
    db, number = call.db, bucket.bucket
    came = bucket_tables.next_sequence(db, number, event_records.least_number(call.now))
    version = None
    if bucket.versioning == ENABLED:
        version = version_ids.make(came, call.random(version_ids.NONCE))
    elif _drop_null(call, bucket, key):
        current = False
    if current:
        version_tables.shelve(db, number, key)
    return -came, version


def _drop_null(call: Call, bucket: Bucket, key: bytes) -> bool:
    """Delete a key's null version, if it has one; say whether it was the current one, and nothing is current now."""
    db, number = call.db, bucket.bucket
    place = version_tables.place_of(db, number, key, None, None)
    if place is None:
        return False
    if place.content is not None:
        locks.check_removal(call, bucket, place.content, bypass=False)
    if place.current:
        version_tables.remove_current(db, number, key)
    else:
        version_tables.remove(db, number, key, place.age)
    if place.content is not None:
        tables.drop_content(db, call.blobs, place.content)
    bucket_tables.tally(db, number, -1, -place.size)
    return place.current
