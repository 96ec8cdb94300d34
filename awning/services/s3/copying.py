"""Copying: CopyObject, whose bytes never pass through the client.

The source is read as it was when the copy began; the copy becomes visible in one commit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    bucket_tables,
    buckets,
    checksums,
    conditions,
    encryption,
    encryption_headers,
    errors,
    lists,
    locks,
    names,
    objects,
    reading,
    receiving,
    storage_classes,
    tables,
    version_ids,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.checksums import Wanted
from awning.services.s3.conditions import of_write
from awning.services.s3.encryption import Keys
from awning.services.s3.encryption_headers import Customer
from awning.services.s3.objects import Write
from awning.services.s3.tables import Object
from awning.services.s3.version_tables import Marker


class Source(NamedTuple):
    """What a copy reads. `named`: its version was. `keys`: those by which it is encrypted."""

    bucket: str
    key: str
    named: bool
    object: Object
    keys: Keys | None


def source_of(
    call: Call,
    copy_source: str,
    owner: str | None,
    if_match: str | None,
    if_none_match: str | None,
    since: Any,
    unmodified_since: Any,
    customer: Customer | None,
) -> Source:
    """Return a copy's source; `customer`: the client's own key for it. Raises NoSuchKey, NoSuchVersion, PreconditionFailed,
    InvalidObjectState, and what encryption.open_for() raises.

    A source bucket may be in any region.
    """
    bucket, key, version = names.copy_source(copy_source)
    found = bucket_tables.find_bucket(call.db, bucket)
    if found is None:
        raise errors.NoSuchBucket(bucket)
    if owner is not None and owner != found.account:
        raise errors.AccessDenied("Access Denied")
    source = _source(call, found, key, version)
    conditions.check_copy(source.etag, source.modified, if_match, if_none_match, since, unmodified_since)
    storage_classes.check_readable(source.storage_class, source.extras, call.now, copied=True)
    keys = encryption.open_for(call, found, key, source.seal, customer)
    return Source(bucket, key, version is not None, source, keys)


def _source(call: Call, found: Bucket, key: str, version: str | None) -> Object:
    """Return a copy's source; `version` of what is returned is None only in a bucket that never was versioned."""
    if version is None:
        stored = tables.find_object(call.db, found.bucket, names.key_bytes(key))
        if stored is None:
            raise objects.missing(call, found, key, source=True)
        return stored if found.versioning is None else stored._replace(version=stored.version or version_ids.NULL)
    there = objects.version_of(call, found, key, version, "x-amz-copy-source", body=True)
    if isinstance(there, Marker):
        raise errors.InvalidRequest(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        )
    return there


@operation(
    Needs("s3:PutObject", names.of_object),
    Needs("s3:GetObject", names.of_source),
    Needs("s3:GetObjectVersion", names.of_source_version),
    Needs("s3:PutObjectTagging", names.of_tagged_object),
    Needs("s3:PutObjectAcl", names.of_acl_object),
    Needs("s3:PutObjectRetention", names.of_retained_object),
    Needs("s3:PutObjectLegalHold", names.of_held_object),
    honours={
        "acl": ALL,
        "checksum_algorithm": ALL,
        "metadata": ALL,
        "metadata_directive": ALL,
        "object_lock_legal_hold_status": ALL,
        "object_lock_mode": ALL,
        "server_side_encryption": set(encryption_headers.ALGORITHMS),
        "storage_class": ALL,
        "tagging_directive": ALL,
    },
    anonymous=True,
    context=of_write,
)
async def copy_object(
    call: Call,
    bucket: str,
    key: str,
    copy_source: str,
    acl: str | None = None,
    cache_control: str | None = None,
    checksum_algorithm: str | None = None,
    content_disposition: str | None = None,
    content_encoding: str | None = None,
    content_language: str | None = None,
    content_type: str | None = None,
    copy_source_if_match: str | None = None,
    copy_source_if_modified_since: Any = None,
    copy_source_if_none_match: str | None = None,
    copy_source_if_unmodified_since: Any = None,
    expires: Any = None,
    grant_full_control: str | None = None,
    grant_read: str | None = None,
    grant_read_acp: str | None = None,
    grant_write_acp: str | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    metadata: dict[str, str] | None = None,
    metadata_directive: str | None = None,
    object_lock_legal_hold_status: str | None = None,
    object_lock_mode: str | None = None,
    object_lock_retain_until_date: Any = None,
    tagging_directive: str | None = None,
    server_side_encryption: str | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    ssekms_key_id: str | None = None,
    ssekms_encryption_context: str | None = None,
    bucket_key_enabled: bool | None = None,
    copy_source_sse_customer_algorithm: str | None = None,
    copy_source_sse_customer_key: str | None = None,
    copy_source_sse_customer_key_md5: str | None = None,
    storage_class: str | None = None,
    tagging: str | None = None,
    website_redirect_location: str | None = None,
    expected_bucket_owner: str | None = None,
    expected_source_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Copy an object of at most 5 GB, with its metadata and tags, or with new ones; its lock is not copied."""
    wanted_acl = lists.asked(acl, (grant_full_control, grant_read, grant_read_acp, None, grant_write_acp))
    storage_classes.check(storage_class)
    kept = (content_type, cache_control, content_disposition, content_encoding, content_language, expires, metadata)
    headers = objects.headers_of(*kept, website_redirect_location)
    tags = objects.tags_of(tagging)
    by_kms = (ssekms_key_id, ssekms_encryption_context, bucket_key_enabled)
    own_key = (sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    asked = encryption_headers.asked(call, server_side_encryption, *by_kms, *own_key)
    customer = encryption_headers.customer(
        call, copy_source_sse_customer_algorithm, copy_source_sse_customer_key, copy_source_sse_customer_key_md5
    )
    begun = buckets.begun(call, bucket)
    lock = locks.asked(call, object_lock_mode, object_lock_retain_until_date, object_lock_legal_hold_status)
    raw_key = names.key_bytes(key)
    write = Write(bucket, begun.bucket, expected_bucket_owner, key, raw_key, if_match, if_none_match, wanted_acl, lock)
    objects.early_checks(call, write)
    matching = (copy_source_if_match, copy_source_if_none_match)
    dates = (copy_source_if_modified_since, copy_source_if_unmodified_since)
    read = source_of(call, copy_source, expected_source_bucket_owner, *matching, *dates, customer)
    source = read.object
    changes = website_redirect_location is not None or asked is not None or encryption.is_configured(call, begun)
    if (read.bucket, read.key, read.named) == (bucket, key, False) and not changes:
        _check_itself(metadata_directive, storage_class, source)
    check_size(source.size)
    if metadata_directive != "REPLACE":
        headers = _copied_headers(source, website_redirect_location)
    if tagging_directive != "REPLACE":
        tags = _copied_tags(call, read, names.place(call, bucket, key))
    wanted = Wanted(
        checksums.BY_NAME[checksum_algorithm] if checksum_algorithm else checksums.algorithm_of(source.kind)
    )
    sealing = encryption.choose(call, begun, key, write.raw_key, asked)
    cipher = None if sealing.keys is None else sealing.keys.whole()
    blocks = reading.blocks_of(call, source, 0, source.size, read.keys)
    received = await receiving.receive(call, wanted, None, blocks, cipher=cipher)
    if not sealing.md5:
        received = received._replace(md5=call.random(16))
    kind = checksums.kind_of(wanted.algorithm, checksums.FULL_OBJECT)
    content = objects.new_content(received, kind, headers, tags, storage_class, sealing.seal)
    done = await receiving.commit(call, content.stored, objects.publish, write, content, "ObjectCreated:Copy")
    shown = {"ETag": content.etag, "LastModified": done.modified, **checksums.shown(kind, content.checksum)}
    versions = {"VersionId": done.version, "CopySourceVersionId": source.version}
    about = {name: value for name, value in versions.items() if value is not None}
    return {"CopyObjectResult": shown, **about, **sealing.shown, **done.lifecycle}


def _check_itself(directive: str | None, storage_class: str | None, source: Object) -> None:
    """A copy onto itself must change something (S3 API reference, CopyObject)."""
    if directive != "REPLACE" and (storage_class or "STANDARD") == source.storage_class:
        raise errors.InvalidRequest(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
            "metadata, storage class, website redirect location or encryption attributes."
        )


def _copied_headers(source: Object, redirect: str | None) -> bytes:
    """Return the source's headers; where its website redirects to is never copied, only said anew."""
    if redirect is None and b'"WebsiteRedirectLocation"' not in source.headers:
        return source.headers
    headers = orjson.loads(source.headers)
    headers.pop("WebsiteRedirectLocation", None)
    return orjson.dumps(headers if redirect is None else {**headers, "WebsiteRedirectLocation": redirect})


def check_size(size: int) -> None:
    """Raises InvalidRequest for more than may be copied at once."""
    if size > receiving.LARGEST_PUT:
        raise errors.InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: "
            f"{receiving.LARGEST_PUT}"
        )


def _copied_tags(call: Call, source: Source, target: str) -> bytes | None:
    """Return the source's tags; who copies them must be allowed to read and to write them."""
    if source.object.tags is None or not orjson.loads(source.object.tags):
        return None
    if call.authorise is not None:
        action = "s3:GetObjectVersionTagging" if source.named else "s3:GetObjectTagging"
        reads = call.allowed(action, names.place(call, source.bucket, source.key, source=True))
        if not reads.allowed or not call.allowed("s3:PutObjectTagging", target).allowed:
            raise errors.AccessDenied("Access Denied")
    return source.object.tags
