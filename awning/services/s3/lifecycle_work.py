"""The walk that carries lifecycles out: once a day through each bucket that has one, in small steps, each one transaction.

How far it has come stands in its row, so that a walk goes on after a crash; what it does it tells in the same transaction.
"""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from awning.kit.call import Call
from awning.services.s3 import (
    bucket_tables,
    event_records,
    history,
    lifecycle,
    lifecycle_rules,
    lifecycle_tables,
    locks,
    notifications,
    replication_rules,
    tables,
    upload_tables,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.lifecycle_rules import Lifecycle, Thing
from awning.services.s3.lifecycle_tables import Row, Walk
from awning.services.s3.storage_classes import next_midnight

WINDOW: Final = 2000
"""Current objects that a step passes over, where nothing is due to them."""
LOOKED_AT: Final = 300
"""Versions or uploads that a step looks at one by one."""
DONE: Final = 40
"""Deletions and transitions of one step; some milliseconds of statements."""
SECONDS: Final = 0.002
"""A step that takes longer goes no further: what it looks at may have to come from the disk."""

CURRENT, OLDER, UPLOADS = range(3)


class Place(NamedTuple):
    """A bucket that is walked through, and by which rules."""

    bucket: Bucket
    rules: Lifecycle


class Effort:
    """What a step may still do."""

    def __init__(self) -> None:
        self._left = DONE
        self._deadline = time.perf_counter() + SECONDS

    def is_over(self, done: int) -> bool:
        """Note what was done to one more version or upload; say whether the step ends with it."""
        self._left -= done
        return self._left <= 0 or time.perf_counter() >= self._deadline


def walk_lifecycles(call: Call) -> bool:
    """Make one step of a walk that is due; return whether one was."""
    walk = lifecycle_tables.due_walk(call.db, call.now)
    if walk is None:
        return False
    bucket = bucket_tables.bucket_of(call.db, walk.bucket)
    rules = None if bucket is None else lifecycle.of(call, bucket)
    if bucket is None or rules is None:
        lifecycle_tables.end_walks(call.db, walk.bucket)
        return True
    if walk == Walk(walk.bucket, walk.due, walk.begun, CURRENT, b"", None, None, 0):
        walk = walk._replace(begun=int(call.now))
    following = _PHASES[walk.phase](call, Place(bucket, rules), walk)
    if following is None:
        following = Walk(walk.bucket, walk.due, walk.begun, walk.phase + 1, b"", None, None, 0)
    if following.phase == len(_PHASES):
        following = Walk(walk.bucket, next_midnight(walk.begun), walk.begun, CURRENT, b"", None, None, 0)
    lifecycle_tables.save_walk(call.db, following)
    return True


# Current objects -----------------------------------------------------------------------------------------------------


def _walk_current(call: Call, place: Place, walk: Walk) -> Walk | None:
    """Look at some current objects; return where to go on, or None behind the last."""
    number = place.bucket.bucket
    before = lifecycle_rules.oldest_needed(place.rules, call.now)
    start = lifecycle_rules.start_from(place.rules, walk.key)
    if before is None or start is None:
        return None
    end = lifecycle_tables.window_end(call.db, number, start, WINDOW)
    effort = Effort()
    rows = lifecycle_tables.current_between(call.db, number, start, end, before, LOOKED_AT)
    for row in rows:
        if effort.is_over(_treat_current(call, place, row)):
            return walk._replace(key=row.key + b"\0")
    if len(rows) == LOOKED_AT:
        return walk._replace(key=rows[-1].key + b"\0")
    return None if end is None else walk._replace(key=end)


def _treat_current(call: Call, place: Place, row: Row) -> int:
    """Do what is due to a current object; return how much was done."""
    bucket, rules = place
    thing = _thing(call, rules, row, row.modified)
    ends = lifecycle_rules.expiration(rules, row.key, row.size, row.modified, thing.tags)
    expired = ends is not None and ends[0] <= call.now
    if expired and bucket.versioning is None:
        assert row.content is not None
        tables.delete_object(call.db, call.blobs, bucket.bucket, row.key, (row.etag, row.content, row.size))
        _tell(call, bucket, "LifecycleExpiration:Delete", row, gone=True)
        return 1
    target = lifecycle_rules.move_due(rules, thing, call.now)
    if (expired or target is not None) and _is_unfinished(call, row):
        return 0
    done = _move(call, bucket, row, target, current=True)
    if expired:
        marker = history.hide(call, bucket, row.key, current=True)
        told = None if marker.version == version_ids.NULL else marker.version
        made = row._replace(version=told, etag=event_records.NOTHING_MD5)
        _tell(call, bucket, "LifecycleExpiration:DeleteMarkerCreated", made, gone=True, etag=made.etag)
        done += 1
    return done


def _thing(call: Call, rules: Lifecycle, row: Row, since: int) -> Thing:
    tags = lifecycle_rules.NO_TAGS
    if rules.tagged and row.content is not None:
        tags = lifecycle.tags_of(lifecycle_tables.tags_and_extras(call.db, row.content)[0])
    return Thing(row.key, row.size, since, row.storage_class, tags)


def _move(call: Call, bucket: Bucket, row: Row, storage_class: str | None, current: bool) -> int:
    if storage_class is None:
        return 0
    lifecycle_tables.set_class(call.db, bucket.bucket, row, current, storage_class)
    about = {"transitionEventData": {"destinationStorageClass": storage_class}}
    _tell(call, bucket, "LifecycleTransition", row, more={"lifecycleEventData": about})
    return 1


# Versions that are not current, and delete markers -------------------------------------------------------------------


def _walk_older(call: Call, place: Place, walk: Walk) -> Walk | None:
    """Look at some versions that are not current, each with how many of its key were kept before it."""
    number = place.bucket.bucket
    start = lifecycle_rules.start_from(place.rules, walk.key)
    if start is None or place.bucket.versioning is None or not lifecycle_rules.concerns_versions(place.rules):
        return None
    if start != walk.key:
        walk = walk._replace(key=start, age=None, since=None, newer=0)
    rows = lifecycle_tables.versions_behind(call.db, number, walk.key, walk.age, LOOKED_AT)
    effort = Effort()
    for row in rows:
        if walk.age is None or row.key != walk.key:
            walk = walk._replace(since=lifecycle_tables.current_since(call.db, number, row.key), newer=0)
        did, kept = _treat_older(call, place, row, walk)
        walk = walk._replace(key=row.key, age=row.age, since=row.modified, newer=walk.newer + kept)
        if effort.is_over(did):
            return walk
    return walk if len(rows) == LOOKED_AT else None


def _treat_older(call: Call, place: Place, row: Row, walk: Walk) -> tuple[int, int]:
    """Do what is due to a version that is not current, or to a delete marker; return how much was done, and how many such
    versions were kept."""
    bucket, rules = place
    if walk.since is None:
        # The newest of its key, which has no current object: a delete marker.
        return _treat_marker(call, place, row), 0
    thing = _thing(call, rules, row, walk.since)
    gone = lifecycle_rules.stale_gone(rules, thing, walk.newer, call.now)
    target = None if row.content is None else lifecycle_rules.stale_move_due(rules, thing, walk.newer, call.now)
    if (gone or target is not None) and _is_unfinished(call, row):
        return 0, 1
    if gone and not _protected(call, row):
        version_tables.remove(call.db, bucket.bucket, row.key, row.age)
        if row.content is not None:
            tables.drop_content(call.db, call.blobs, row.content)
        bucket_tables.tally(call.db, bucket.bucket, -1, -row.size)
        _tell(call, bucket, "LifecycleExpiration:Delete", row, gone=True)
        return 1 + _treat_left_over(call, place, row.key), 0
    if row.content is None:
        return 0, 1
    return _move(call, bucket, row, target, False), 1


def _treat_left_over(call: Call, place: Place, key: bytes) -> int:
    """After a version is gone: the delete marker that was before it may hide nothing any more."""
    rows = lifecycle_tables.versions_behind(call.db, place.bucket.bucket, key, version_tables.FIRST, 1)
    if not rows or rows[0].key != key or rows[0].content is not None:
        return 0
    if lifecycle_tables.current_since(call.db, place.bucket.bucket, key) is not None:
        return 0
    return _treat_marker(call, place, rows[0])


def _treat_marker(call: Call, place: Place, row: Row) -> int:
    """Remove the delete marker that is a key's newest version, if it is the only one and its time has come."""
    number = place.bucket.bucket
    if not lifecycle_rules.marker_gone(place.rules, row.key, row.modified, call.now):
        return 0
    if not lifecycle_tables.is_only(call.db, number, row.key):
        return 0
    version_tables.remove(call.db, number, row.key, row.age)
    bucket_tables.tally(call.db, number, -1, 0)
    _tell(call, place.bucket, "LifecycleExpiration:Delete", row, gone=True)
    return 1


def _is_unfinished(call: Call, row: Row) -> bool:
    """Say whether a version still is to be replicated (S3 user guide, "Getting replication status information")."""
    return row.content is not None and replication_rules.unfinished(
        lifecycle_tables.tags_and_extras(call.db, row.content)[1]
    )


def _protected(call: Call, row: Row) -> bool:
    """Say whether an object lock keeps a version (S3 user guide, "Managing object locks: S3 Lifecycle")."""
    if row.content is None:
        return False
    extras = lifecycle_tables.tags_and_extras(call.db, row.content)[1]
    return extras is not None and locks.of_extras(extras).holds(call.now, bypass=False)


# Uploads -------------------------------------------------------------------------------------------------------------


def _walk_uploads(call: Call, place: Place, walk: Walk) -> Walk | None:
    """Give up some uploads that take too long."""
    start = lifecycle_rules.start_from(place.rules, walk.key)
    if start is None or not lifecycle_rules.concerns_uploads(place.rules):
        return None
    rows = lifecycle_tables.uploads_behind(call.db, place.bucket.bucket, start, walk.age, LOOKED_AT)
    effort = Effort()
    for key, id_, content, initiated in rows:
        walk = walk._replace(key=key, age=id_)
        found = lifecycle_rules.abortion(place.rules, key, initiated)
        done = 0
        if content is not None and found is not None and found[0] <= call.now:
            upload_tables.abort_upload(call.db, id_, content)
            done = 1
        if effort.is_over(done):
            return walk
    return walk if len(rows) == LOOKED_AT else None


_PHASES: Final = (_walk_current, _walk_older, _walk_uploads)


def _tell(
    call: Call,
    bucket: Bucket,
    event: str,
    row: Row,
    gone: bool = False,
    etag: str | None = None,
    more: dict[str, Any] | None = None,
) -> None:
    """Tell an event of a version. gone: its size and ETag are no longer told."""
    if bucket.notification is not None:
        key = row.key.decode("utf-8", "surrogateescape")
        size, etag = (None, etag) if gone else (row.size, row.etag)
        notifications.notify(call, bucket, event, key, size, etag, row.version, more)
