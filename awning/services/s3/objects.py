"""Objects: PutObject, and what every way of making an object shares; object tagging.

An object becomes visible in one commit, after its body is on disk and its checksums were found right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    checksums,
    conditions,
    encryption,
    encryption_headers,
    errors,
    history,
    lifecycle,
    lists,
    locks,
    names,
    notifications,
    owners,
    receiving,
    replication,
    storage_classes,
    tables,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.conditions import of_request, of_write
from awning.services.s3.lists import Asked
from awning.services.s3.locks import Lock
from awning.services.s3.receiving import Received
from awning.services.s3.replication_rules import Rule
from awning.services.s3.tables import NewContent
from awning.services.s3.version_tables import Marker


def headers_of(
    content_type: str | None,
    cache_control: str | None,
    content_disposition: str | None,
    content_encoding: str | None,
    content_language: str | None,
    expires: Any,
    metadata: Mapping[str, str] | None,
    redirect: str | None = None,
) -> bytes:
    """Return the headers that an object keeps, as JSON of the model's members. redirect: where its website sends who asks for it.

    Raises MetadataTooLarge, InvalidRedirectLocation.
    """
    headers: dict[str, Any] = {"ContentType": content_type or "binary/octet-stream"}
    if cache_control is not None:
        headers["CacheControl"] = cache_control
    if content_disposition is not None:
        headers["ContentDisposition"] = content_disposition
    if content_encoding is not None:
        kept = [part for part in (p.strip() for p in content_encoding.split(",")) if part.lower() != "aws-chunked"]
        if any(kept):
            headers["ContentEncoding"] = ",".join(kept)
    if content_language is not None:
        headers["ContentLanguage"] = content_language
    if expires is not None:
        headers["Expires"] = expires  # as it came: what has no valid date means "expired" to its readers
    if metadata:
        names.check_metadata(metadata)
        headers["Metadata"] = metadata
    if redirect is not None:
        headers["WebsiteRedirectLocation"] = names.check_redirect(redirect)
    return orjson.dumps(headers)


def tags_of(tagging: str | None) -> bytes | None:
    """Return an x-amz-tagging header as it is stored."""
    tags = names.tags_of_header(tagging)
    return orjson.dumps(tags) if tags else None


def new_content(
    received: Received, kind: int, headers: bytes, tags: bytes | None, storage_class: str | None, seal: bytes | None
) -> NewContent:
    return NewContent(
        received.size,
        f'"{received.md5.hex()}"',
        kind,
        received.checksum,
        headers,
        tags,
        storage_class or "STANDARD",
        received.stored,
        seal,
    )


class Write(NamedTuple):
    """What a write is about. `begun`: the number of the bucket that was there at the beginning; another of its name gets nothing.
    `owner`: of the bucket, as the client expects it. `acl`: the list that the client asks for; `lock`: the lock. `verified`: the
    request brings a digest of its body, or has none."""

    bucket: str
    begun: int
    owner: str | None
    key: str
    raw_key: bytes
    if_match: str | None
    if_none_match: str | None
    acl: Asked | None = None
    lock: Lock | None = None
    verified: bool = True


class Published(NamedTuple):
    """What became of a write: when it was (seconds since the epoch), its version's id, and what replies add of its lifecycle."""

    modified: int
    version: str | None
    lifecycle: dict[str, Any]


def publish(call: Call, write: Write, content: NewContent, event: str) -> Published:
    """Make a content the key's object. Runs in a batch.

    event: what is told of it ("ObjectCreated:Put"). Raises NoSuchBucket.
    """
    db = call.db
    bucket, begun, owner, key, raw_key, if_match, if_none_match, acl, lock, verified = write
    place = tables.find_place(db, bucket, raw_key)
    if place is None or place[0].bucket != begun:
        raise errors.NoSuchBucket(bucket)
    found, old = place
    buckets.check(call, found, owner)
    if if_match is not None or if_none_match is not None:
        conditions.check_write(key, old[0] if old else None, if_match, if_none_match)
    if acl is not None or found.settings is not None:
        further = owners.of_new(call, found, key, acl)
        if further:
            content = content._replace(extras=owners.merged(content.extras, further))
    if found.settings is not None or lock is not None:
        locks.check_write(call, found, lock, verified)
        content = content._replace(extras=locks.on_new(call, found, lock, content.extras))
    rules: Sequence[Rule] = ()
    if found.settings is not None:
        rules = replication.rules_for(call, found, raw_key, content.tags, content.seal, content.storage_class)
        content = content._replace(extras=replication.pending(content.extras, rules))
    now = int(call.now)
    if found.versioning is None and old is not None and tables.replace_content(db, old[1], content):
        number = old[1]
    else:
        number = tables.insert_content(db, content)
    row = (content.size, now, content.etag, content.kind, content.storage_class, number)
    version = None
    if found.versioning is None:
        tables.put_object(db, call.blobs, found.bucket, raw_key, row, old)
    else:
        version = history.put(call, found, raw_key, row, old is not None)
    if rules:
        replication.send(call, found, raw_key, version, rules, "OBJECT_PUT")
    if found.notification is not None:
        notifications.notify(call, found, event, key, content.size, content.etag, version)
    expires = lifecycle.expiration(call, found, raw_key, content.size, now, content.tags)
    return Published(now, version, expires)


@operation(
    Needs("s3:PutObject", names.of_object),
    Needs("s3:PutObjectTagging", names.of_tagged_object),
    Needs("s3:PutObjectAcl", names.of_acl_object),
    Needs("s3:PutObjectRetention", names.of_retained_object),
    Needs("s3:PutObjectLegalHold", names.of_held_object),
    honours={
        "acl": ALL,
        "checksum_algorithm": ALL,
        "metadata": ALL,
        "object_lock_legal_hold_status": ALL,
        "object_lock_mode": ALL,
        "server_side_encryption": set(encryption_headers.ALGORITHMS),
        "storage_class": ALL,
    },
    anonymous=True,
    context=of_write,
)
async def put_object(
    call: Call,
    bucket: str,
    key: str,
    acl: str | None = None,
    cache_control: str | None = None,
    content_disposition: str | None = None,
    content_encoding: str | None = None,
    content_language: str | None = None,
    content_length: int | None = None,
    content_md5: str | None = None,
    content_type: str | None = None,
    checksum_algorithm: str | None = None,
    checksum_crc32: str | None = None,
    checksum_crc32_c: str | None = None,
    checksum_crc64_nvme: str | None = None,
    checksum_sha1: str | None = None,
    checksum_sha256: str | None = None,
    checksum_sha512: str | None = None,
    checksum_md5: str | None = None,
    checksum_xxhash64: str | None = None,
    checksum_xxhash3: str | None = None,
    checksum_xxhash128: str | None = None,
    expires: Any = None,
    grant_full_control: str | None = None,
    grant_read: str | None = None,
    grant_read_acp: str | None = None,
    grant_write_acp: str | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    metadata: dict[str, str] | None = None,
    object_lock_legal_hold_status: str | None = None,
    object_lock_mode: str | None = None,
    object_lock_retain_until_date: Any = None,
    server_side_encryption: str | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    ssekms_key_id: str | None = None,
    ssekms_encryption_context: str | None = None,
    bucket_key_enabled: bool | None = None,
    storage_class: str | None = None,
    tagging: str | None = None,
    website_redirect_location: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Store an object, whole or not at all; what was there under the key is replaced, or kept as an older version."""
    given = (checksum_crc64_nvme, checksum_crc32, checksum_crc32_c, checksum_sha1, checksum_sha256, checksum_sha512)
    wanted = checksums.wanted(
        call, checksum_algorithm, (*given, checksum_md5, checksum_xxhash64, checksum_xxhash3, checksum_xxhash128)
    )
    md5 = checksums.content_md5(content_md5)
    wanted_acl = lists.asked(acl, (grant_full_control, grant_read, grant_read_acp, None, grant_write_acp))
    storage_classes.check(storage_class)
    by_kms = (ssekms_key_id, ssekms_encryption_context, bucket_key_enabled)
    own_key = (sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    asked = encryption_headers.asked(call, server_side_encryption, *by_kms, *own_key)
    begun = buckets.begun(call, bucket)
    lock = locks.asked(call, object_lock_mode, object_lock_retain_until_date, object_lock_legal_hold_status)
    verified = wanted.asked or md5 is not None
    raw_key = names.key_bytes(key)
    write = Write(
        bucket, begun.bucket, expected_bucket_owner, key, raw_key, if_match, if_none_match, wanted_acl, lock, verified
    )
    kept = (content_type, cache_control, content_disposition, content_encoding, content_language, expires, metadata)
    headers = headers_of(*kept, website_redirect_location)
    tags = tags_of(tagging) if tagging else None
    sealing = encryption.choose(call, begun, key, write.raw_key, asked)
    cipher = None if sealing.keys is None else sealing.keys.whole()
    whole = receiving.is_small(call.body)
    if whole is not None:
        received = receiving.small(whole, wanted, md5, call.body.trailers if call.body else {}, cipher=cipher)
    else:
        early_checks(call, write)
        received = await receiving.receive(call, wanted, md5, cipher=cipher)
    if not sealing.md5:
        received = received._replace(md5=call.random(16))
    kind = checksums.kind_of(wanted.algorithm, checksums.FULL_OBJECT)
    content = new_content(received, kind, headers, tags, storage_class, sealing.seal)
    event = "ObjectCreated:Post" if call.facts.method == "POST" else "ObjectCreated:Put"
    done = await receiving.commit(call, content.stored, publish, write, content, event)
    result = {"ETag": content.etag, **checksums.shown(kind, content.checksum), **sealing.shown, **done.lifecycle}
    return result if done.version is None else {**result, "VersionId": done.version}


def early_checks(call: Call, write: Write) -> Bucket:
    """Refuse what is bound to fail before a large body is read; the commit decides again."""
    found = buckets.find(call, write.bucket, write.owner)
    if write.acl is not None:
        owners.of_new(call, found, write.key, write.acl)
    if call.body is not None:
        receiving.check_length(call.body)
    locks.check_write(call, found, write.lock, write.verified)
    if write.if_match is not None or write.if_none_match is not None:
        old = tables.etag_and_content(call.db, found.bucket, write.raw_key)
        conditions.check_write(write.key, old[0] if old else None, write.if_match, write.if_none_match)
    return found


def missing(call: Call, bucket: Bucket, key: str, *, source: bool = False) -> errors.ServiceError:
    """Return what a caller is told of an object that is not there: only who may list the bucket may know that.

    S3 API reference, GetObject, "Permissions": 404 with s3:ListBucket, 403 without it. A delete marker shows in the headers.
    """
    where = names.place(call, bucket.name, source=source)
    if call.authorise is not None and not call.allowed("s3:ListBucket", where).allowed:
        return errors.AccessDenied("Access Denied")
    error = errors.NoSuchKey(key)
    if bucket.versioning is not None:
        marker = version_tables.latest_marker(call.db, bucket.bucket, names.key_bytes(key))
        if marker is not None:
            error.headers = _of_marker(marker)
    return error


def _of_marker(marker: Marker) -> list[tuple[bytes, bytes]]:
    return [(b"x-amz-delete-marker", b"true"), (b"x-amz-version-id", (marker.version or version_ids.NULL).encode())]


def existing(
    call: Call, bucket: str, owner: str | None, key: str, version: str | None = None, body: bool = False
) -> tables.Object:
    """Return an object. Raises NoSuchVersion, MethodNotAllowed; NoSuchKey, or AccessDenied in its stead."""
    return located(call, bucket, owner, key, version, body)[1]


def located(
    call: Call, bucket: str, owner: str | None, key: str, version: str | None = None, body: bool = False
) -> tuple[Bucket, tables.Object]:
    """As existing(), with its bucket. In a bucket that is versioned, or was, `version` of what is returned is never None."""
    if version is not None:
        return _version(call, bucket, owner, key, version, body)
    kept = call.memory.known.get(bucket) if call.sees_committed else None
    if kept is not None:
        found = kept[0]
        stored = tables.find_object(call.db, found.bucket, names.key_bytes(key), body)
    else:
        both = tables.find_named_object(call.db, bucket, names.key_bytes(key), body)
        if both is None:
            raise errors.NoSuchBucket(bucket)
        found, stored = both
    buckets.check(call, found, owner)
    if stored is None:
        raise missing(call, found, key)
    if found.versioning is not None and stored.version is None:
        stored = stored._replace(version=version_ids.NULL)
    return found, stored


def _version(
    call: Call, bucket: str, owner: str | None, key: str, version: str, body: bool
) -> tuple[Bucket, tables.Object]:
    """As located(), for a version that is named. Raises InvalidArgument, NoSuchVersion; MethodNotAllowed for a delete marker."""
    found = buckets.find(call, bucket, owner)
    stored = version_of(call, found, key, version, "versionId", body)
    if not isinstance(stored, Marker):
        return found, stored
    error = errors.DeleteMarkerInTheWay(call.facts.method)
    error.headers = [*error.headers, *_of_marker(stored)]
    raise error


def version_of(call: Call, found: Bucket, key: str, version: str, name: str, body: bool) -> tables.Object | Marker:
    """Return a version, or the delete marker that it is. `name`: the argument that names it.

    Raises InvalidArgument, NoSuchVersion; NoSuchKey, or AccessDenied in its stead, in a bucket that never was versioned.
    """
    raw_key = names.key_bytes(key)
    wanted, age = history.wanted(version, name)
    if found.versioning is None:
        if wanted is not None:
            raise errors.InvalidArgument("Invalid version id specified", name, version)
        stored = tables.find_object(call.db, found.bucket, raw_key, body)
        if stored is None:
            raise missing(call, found, key)
        return stored
    there = version_tables.find(call.db, found.bucket, raw_key, wanted, age, body)
    if there is None:
        raise errors.NoSuchVersion(key, version)
    return there._replace(version=there.version or version_ids.NULL)


def unhidden(call: Call, bucket: str, owner: str | None, key: str, version: str | None) -> tuple[Bucket, tables.Object]:
    """As located(), for tagging and the like, where a delete marker that hides a key is refused and not overlooked.

    Raises MethodNotAllowed.
    """
    try:
        return located(call, bucket, owner, key, version)
    except errors.NoSuchKey as error:
        if error.headers:
            raise errors.DeleteMarkerInTheWay(call.facts.method) from error
        raise


def with_version(result: dict[str, Any], stored: tables.Object) -> dict[str, Any]:
    """Add to a reply which version it is about, where its bucket has versions."""
    if stored.version is not None:
        result["VersionId"] = stored.version
    return result


@operation(
    Needs("s3:PutObjectTagging", names.of_current),
    Needs("s3:PutObjectVersionTagging", names.of_version),
    honours={"tagging": {"TagSet": {"Key": ALL, "Value": ALL}}, "checksum_algorithm": ALL},
    anonymous=True,
    context=of_write,
)
def put_object_tagging(
    call: Call,
    bucket: str,
    key: str,
    tagging: dict[str, Any],
    content_md5: str | None = None,
    checksum_algorithm: str | None = None,
    version_id: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Replace an object's tags (at most 10)."""
    receiving.check_document(call, checksum_algorithm)
    tags = names.check_tags(tagging.get("TagSet", []), 10)
    found, stored = unhidden(call, bucket, expected_bucket_owner, key, version_id)
    tables.set_object_tags(call.db, stored.content, orjson.dumps(tags) if tags else None)
    replication.on_change(call, found, key, stored, "OBJECT_TAGS")
    if found.notification is not None:
        notifications.notify(call, found, "ObjectTagging:Put", key, None, stored.etag, stored.version)
    return with_version({}, stored)


@operation(
    Needs("s3:GetObjectTagging", names.of_current),
    Needs("s3:GetObjectVersionTagging", names.of_version),
    reads=True,
    anonymous=True,
    context=of_request,
)
def get_object_tagging(
    call: Call, bucket: str, key: str, version_id: str | None = None, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Return an object's tags; there may be none."""
    _, stored = unhidden(call, bucket, expected_bucket_owner, key, version_id)
    tags = orjson.loads(stored.tags) if stored.tags else []
    return with_version({"TagSet": [{"Key": key, "Value": value} for key, value in tags]}, stored)


@operation(
    Needs("s3:DeleteObjectTagging", names.of_current),
    Needs("s3:DeleteObjectVersionTagging", names.of_version),
    anonymous=True,
    context=of_request,
)
def delete_object_tagging(
    call: Call, bucket: str, key: str, version_id: str | None = None, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Take all tags off an object."""
    found, stored = unhidden(call, bucket, expected_bucket_owner, key, version_id)
    tables.set_object_tags(call.db, stored.content, None)
    replication.on_change(call, found, key, stored, "OBJECT_TAGS")
    if found.notification is not None:
        notifications.notify(call, found, "ObjectTagging:Delete", key, None, stored.etag, stored.version)
    return with_version({}, stored)
