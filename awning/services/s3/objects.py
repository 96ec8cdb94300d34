"""Objects: PutObject, and what every way of making an object shares; object tagging.

An object becomes visible in one commit, after its body is on disk and its checksums were found right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import buckets, checksums, conditions, errors, names, notifications, receiving, tables
from awning.services.s3.conditions import of_request, of_write
from awning.services.s3.receiving import Received
from awning.services.s3.tables import Bucket, NewContent

STORAGE_CLASSES = frozenset(
    {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}
)
"""Classes whose objects are read like any other; they are kept on the object and shown."""


def headers_of(
    content_type: str | None,
    cache_control: str | None,
    content_disposition: str | None,
    content_encoding: str | None,
    content_language: str | None,
    expires: Any,
    metadata: Mapping[str, str] | None,
) -> bytes:
    """Return the headers that an object keeps, as JSON of the model's members. Raises MetadataTooLarge."""
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
        headers["Expires"] = conditions.seconds(expires)
    if metadata:
        names.check_metadata(metadata)
        headers["Metadata"] = metadata
    return orjson.dumps(headers)


def check_acl(acl: str | None) -> None:
    """ACLs are off in every bucket; only the one that changes nothing may be sent. Raises AccessControlListNotSupported."""
    if acl is not None and acl != "bucket-owner-full-control":
        raise errors.AccessControlListNotSupported


def tags_of(tagging: str | None) -> bytes | None:
    """Return an x-amz-tagging header as it is stored."""
    tags = names.tags_of_header(tagging)
    return orjson.dumps(tags) if tags else None


def new_content(
    received: Received, kind: int, headers: bytes, tags: bytes | None, storage_class: str | None
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
    )


def publish(
    call: Call,
    bucket: str,
    begun: int,
    owner: str | None,
    key: str,
    raw_key: bytes,
    content: NewContent,
    if_match: str | None,
    if_none_match: str | None,
    event: str,
) -> int:
    """Make a content the key's object; return when it was modified, in seconds. Runs in a batch.

    begun: the number of the bucket that was there at the beginning; another of its name gets nothing. event: what is told of it
    ("ObjectCreated:Put"). Raises NoSuchBucket.
    """
    db = call.db
    place = tables.find_place(db, bucket, raw_key)
    if place is None:
        raise errors.NoSuchBucket(bucket)
    found, old = place
    if found.bucket != begun:
        raise errors.NoSuchBucket(bucket)
    buckets.check(call, found, owner)
    if if_match is not None or if_none_match is not None:
        conditions.check_write(key, old[0] if old else None, if_match, if_none_match)
    now = int(call.now)
    if old is not None and tables.replace_content(db, old[1], content):
        number = old[1]
    else:
        number = tables.insert_content(db, content)
    row = (content.size, now, content.etag, content.kind, content.storage_class, number)
    tables.put_object(db, call.blobs, found.bucket, raw_key, row, old)
    if found.notification is not None:
        notifications.notify(call, found, event, key, content.size, content.etag)
    return now


@operation(
    Needs("s3:PutObject", names.of_object),
    Needs("s3:PutObjectTagging", names.of_tagged_object),
    Needs("s3:PutObjectAcl", names.of_acl_object),
    honours={"acl": ALL, "checksum_algorithm": ALL, "metadata": ALL, "storage_class": STORAGE_CLASSES},
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
    if_match: str | None = None,
    if_none_match: str | None = None,
    metadata: dict[str, str] | None = None,
    storage_class: str | None = None,
    tagging: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Store an object, whole or not at all; what was there under the key is replaced."""
    given = (checksum_crc64_nvme, checksum_crc32, checksum_crc32_c, checksum_sha1, checksum_sha256, checksum_sha512)
    wanted = checksums.wanted(
        call, checksum_algorithm, (*given, checksum_md5, checksum_xxhash64, checksum_xxhash3, checksum_xxhash128)
    )
    md5 = checksums.content_md5(content_md5)
    check_acl(acl)
    begun = buckets.number_of(call, bucket)
    raw_key = names.key_bytes(key)
    headers = headers_of(
        content_type, cache_control, content_disposition, content_encoding, content_language, expires, metadata
    )
    tags = tags_of(tagging) if tagging else None
    whole = receiving.is_small(call.body)
    if whole is not None:
        received = receiving.small(whole, wanted, md5, call.body.trailers if call.body else {})
    else:
        early_checks(call, bucket, expected_bucket_owner, key, raw_key, if_match, if_none_match)
        received = await receiving.receive(call, wanted, md5)
    kind = checksums.kind_of(wanted.algorithm, checksums.FULL_OBJECT)
    content = new_content(received, kind, headers, tags, storage_class)
    await receiving.commit(
        call,
        content.stored,
        publish,
        bucket,
        begun,
        expected_bucket_owner,
        key,
        raw_key,
        content,
        if_match,
        if_none_match,
        "ObjectCreated:Post" if call.facts.method == "POST" else "ObjectCreated:Put",
    )
    return {"ETag": content.etag, **checksums.shown(kind, content.checksum)}


def early_checks(
    call: Call,
    bucket: str,
    owner: str | None,
    key: str,
    raw_key: bytes,
    if_match: str | None,
    if_none_match: str | None,
) -> Bucket:
    """Refuse what is bound to fail before a large body is read; the commit decides again."""
    found = buckets.find(call, bucket, owner)
    if call.body is not None:
        receiving.check_length(call.body)
    if if_match is not None or if_none_match is not None:
        old = tables.etag_and_content(call.db, found.bucket, raw_key)
        conditions.check_write(key, old[0] if old else None, if_match, if_none_match)
    return found


def missing(call: Call, bucket: str, key: str) -> errors.ServiceError:
    """Return what a caller is told of an object that is not there: only who may list the bucket may know that.

    S3 API reference, GetObject, "Permissions": 404 with s3:ListBucket, 403 without it.
    """
    if call.authorise is not None and not call.allowed("s3:ListBucket", names.bucket_arn(bucket)).allowed:
        return errors.AccessDenied("Access Denied")
    return errors.NoSuchKey(key)


def existing(
    call: Call, bucket: str, owner: str | None, key: str, version: str | None = None, body: bool = False
) -> tables.Object:
    """Return an object. Raises NoSuchVersion; NoSuchKey, or AccessDenied in its stead."""
    return located(call, bucket, owner, key, version, body)[1]


def located(
    call: Call, bucket: str, owner: str | None, key: str, version: str | None = None, body: bool = False
) -> tuple[Bucket, tables.Object]:
    """As existing(), with its bucket."""
    names.check_version(version)
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
        raise missing(call, bucket, key)
    return found, stored


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
    found, stored = located(call, bucket, expected_bucket_owner, key, version_id)
    tables.set_object_tags(call.db, stored.content, orjson.dumps(tags) if tags else None)
    if found.notification is not None:
        notifications.notify(call, found, "ObjectTagging:Put", key, None, stored.etag)
    return {}


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
    stored = existing(call, bucket, expected_bucket_owner, key, version_id)
    tags = orjson.loads(stored.tags) if stored.tags else []
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}


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
    found, stored = located(call, bucket, expected_bucket_owner, key, version_id)
    tables.set_object_tags(call.db, stored.content, None)
    if found.notification is not None:
        notifications.notify(call, found, "ObjectTagging:Delete", key, None, stored.etag)
    return {}
