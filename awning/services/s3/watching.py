"""Watching: hearing of requests that were answered, while any bucket's are written down or counted; else nothing is heard."""

from __future__ import annotations

from awning.kit.call import service_facts
from awning.kit.room import Room
from awning.kit.watching import Seen, Watch
from awning.services.s3 import access_logs, bucket_tables, log_records, points, request_metrics


def wanted(room: Room) -> Watch | None:
    """For Service.watch."""
    return see if bucket_tables.is_watched(room.database.reader) else None


def see(room: Room, seen: Seen) -> None:
    """Hear of a request."""
    name, key = log_records.place_of(seen)
    call = room.call(service_facts(room.name))
    bucket = points.bucket_by(call, name if seen.through is None else seen.through)
    if bucket is not None and bucket.settings is not None:
        access_logs.note(call, seen, bucket, key)
        request_metrics.note(call, seen, bucket, key)
