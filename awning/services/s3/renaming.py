"""Renaming: RenameObject, which gives an object another key without moving a byte.

AWS has it in directory buckets, which never are versioned; here it stands in every bucket that never was versioned.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.operation import Needs, operation
from awning.services.s3 import buckets, conditions, encryption, errors, names, notifications, objects, tables
from awning.services.s3.conditions import of_request
from awning.services.s3.tables import Object


@operation(
    Needs("s3:PutObject", names.of_object),
    Needs("s3:GetObject", names.of_renamed),
    Needs("s3:DeleteObject", names.of_renamed),
    anonymous=True,
    context=of_request,
)
def rename_object(
    call: Call,
    bucket: str,
    key: str,
    rename_source: str,
    destination_if_match: str | None = None,
    destination_if_none_match: str | None = None,
    destination_if_modified_since: Any = None,
    destination_if_unmodified_since: Any = None,
    source_if_match: str | None = None,
    source_if_none_match: str | None = None,
    source_if_modified_since: Any = None,
    source_if_unmodified_since: Any = None,
    client_token: str | None = None,
) -> dict[str, Any]:
    """Give an object another key; what had that is gone. The same request again, by its token, changes nothing.

    Raises PreconditionFailed, NoSuchKey, IdempotencyParameterMismatch; NotImplemented where there are versions.
    """
    found = buckets.find(call, bucket)
    source = names.rename_source(bucket, rename_source)
    raw_source, raw_key = names.key_bytes(source), names.key_bytes(key)
    on_target = (destination_if_match, destination_if_none_match)
    target_dates = (destination_if_modified_since, destination_if_unmodified_since)
    on_source = (source_if_match, source_if_none_match, source_if_modified_since, source_if_unmodified_since)
    asked = hashlib.sha256(orjson.dumps([source, key, *on_target, *target_dates, *on_source])).digest()
    if client_token is not None:
        kept = tables.renamed(call.db, found.bucket, client_token)
        if kept is not None and kept != asked:
            raise errors.IdempotencyParameterMismatch
        if kept is not None:
            return {}
    if found.versioning is not None:
        raise errors.NotImplementedHere("RenameObject in a bucket that is versioned, or was, is not implemented.")
    stored = tables.find_object(call.db, found.bucket, raw_source, body=False)
    if stored is None:
        raise objects.missing(call, found, source)
    if conditions.check_read(stored.etag, stored.modified, *on_source):
        raise errors.PreconditionFailed("x-amz-rename-source-if-none-match")
    if raw_source == raw_key:
        raise errors.InvalidRequest("The source and the destination of a rename are the same.")
    target = tables.find_object(call.db, found.bucket, raw_key, body=False)
    _check_target(key, target, *on_target, *target_dates)
    seal = encryption.moved(call, found, source, key, stored.seal)
    if target is not None:
        old = (target.etag, target.content, target.size)
        tables.delete_object(call.db, call.blobs, found.bucket, raw_key, old)
    tables.move_object(call.db, found.bucket, raw_source, raw_key, stored.content, seal)
    if client_token is not None:
        tables.keep_rename(call.db, found.bucket, client_token, asked, int(call.now))
    if found.notification is not None:
        notifications.notify(call, found, "ObjectCreated:Copy", key, stored.size, stored.etag)
        notifications.notify(call, found, "ObjectRemoved:Delete", source)
    return {}


def _check_target(
    key: str, target: Object | None, if_match: str | None, if_none_match: str | None, since: Any, unmodified_since: Any
) -> None:
    """Decide on what has the new key already. Raises PreconditionFailed, NoSuchKey."""
    conditions.check_write(key, None if target is None else target.etag, if_match, if_none_match)
    if since is not None and (target is None or target.modified <= conditions.seconds(since)):
        raise errors.PreconditionFailed("If-Modified-Since")
    if unmodified_since is not None and target is not None and target.modified > conditions.seconds(unmodified_since):
        raise errors.PreconditionFailed("If-Unmodified-Since")
