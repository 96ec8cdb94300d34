"""Multipart uploads: create, upload parts, copy parts, complete, abort.

Parts are kept where they arrived; completing makes them one object by a layout, without copying a byte.
"""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.services.s3 import (
    buckets,
    checksums,
    conditions,
    copying,
    encryption,
    encryption_headers,
    errors,
    history,
    lifecycle,
    lifecycle_tables,
    lists,
    locks,
    names,
    notifications,
    objects,
    owners,
    part_ciphers,
    reading,
    receiving,
    replication,
    storage_classes,
    tables,
    upload_tables,
)
from awning.services.s3.checksums import BY_NAME, Algorithm, Wanted
from awning.services.s3.conditions import of_request, of_write
from awning.services.s3.encryption_headers import Customer
from awning.services.s3.receiving import Received
from awning.services.s3.replication_rules import Rule
from awning.services.s3.upload_tables import Part, Upload

MOST_PARTS = 10_000
SMALLEST_PART = 5 * 1024**2
SLICE = 1000
"""Parts looked at without giving way to others."""
TRIES = 3


def find_upload(call: Call, bucket: str, owner: str | None, key: str, upload_id: str) -> Upload:
    """Return an upload, completed ones too. Raises NoSuchUpload."""
    found = buckets.find(call, bucket, owner)
    upload = upload_tables.find_upload(call.db, found.bucket, names.key_bytes(key), upload_id)
    if upload is None:
        raise errors.NoSuchUpload(upload_id)
    return upload


def open_upload(call: Call, bucket: str, owner: str | None, key: str, upload_id: str) -> Upload:
    """Return an upload that still takes parts. Raises NoSuchUpload."""
    upload = find_upload(call, bucket, owner, key, upload_id)
    if upload.content is None:
        raise errors.NoSuchUpload(upload_id)
    return upload


def _kind(algorithm: str | None, type_: str | None) -> int:
    """Return what a new upload's object will be checked by. Raises InvalidRequest for a pair that does not exist."""
    chosen = BY_NAME[algorithm] if algorithm else checksums.DEFAULT
    if type_ is not None and algorithm is None:
        raise errors.InvalidRequest(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        )
    if type_ is not None and type_ not in chosen.types:
        raise errors.InvalidRequest(
            f"The {type_} checksum type cannot be used with the {chosen.name.lower()} checksum algorithm."
        )
    return checksums.kind_of(chosen, type_ or chosen.types[0])


@operation(
    Needs("s3:PutObject", names.of_object),
    Needs("s3:PutObjectTagging", names.of_tagged_object),
    Needs("s3:PutObjectAcl", names.of_acl_object),
    Needs("s3:PutObjectRetention", names.of_retained_object),
    Needs("s3:PutObjectLegalHold", names.of_held_object),
    honours={
        "acl": ALL,
        "checksum_algorithm": ALL,
        "checksum_type": ALL,
        "metadata": ALL,
        "object_lock_legal_hold_status": ALL,
        "object_lock_mode": ALL,
        "server_side_encryption": set(encryption_headers.ALGORITHMS),
        "storage_class": ALL,
    },
    anonymous=True,
    context=of_write,
)
def create_multipart_upload(
    call: Call,
    bucket: str,
    key: str,
    acl: str | None = None,
    cache_control: str | None = None,
    content_disposition: str | None = None,
    content_encoding: str | None = None,
    content_language: str | None = None,
    content_type: str | None = None,
    expires: Any = None,
    grant_full_control: str | None = None,
    grant_read: str | None = None,
    grant_read_acp: str | None = None,
    grant_write_acp: str | None = None,
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
    checksum_algorithm: str | None = None,
    checksum_type: str | None = None,
) -> dict[str, Any]:
    """Open an upload; what the object will be like is said now."""
    wanted_acl = lists.asked(acl, (grant_full_control, grant_read, grant_read_acp, None, grant_write_acp))
    storage_classes.check(storage_class)
    kind = _kind(checksum_algorithm, checksum_type)
    kept = (content_type, cache_control, content_disposition, content_encoding, content_language, expires, metadata)
    headers = objects.headers_of(*kept, website_redirect_location)
    by_kms = (ssekms_key_id, ssekms_encryption_context, bucket_key_enabled)
    own_key = (sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    asked = encryption_headers.asked(call, server_side_encryption, *by_kms, *own_key)
    found = buckets.find(call, bucket, expected_bucket_owner)
    lock = locks.asked(call, object_lock_mode, object_lock_retain_until_date, object_lock_legal_hold_status)
    locks.check_write(call, found, lock)
    raw_key = names.key_bytes(key)
    sealing = encryption.choose(call, found, key, raw_key, asked)
    # Ids grow with time: uploads of one key are listed in the order in which they were opened.
    upload_id = f"{int(call.now * 1000):011x}{call.new_token(48)}"
    initiator = orjson.dumps({"ID": _initiator(call)})
    upload = Upload(
        0,
        None,
        upload_id,
        int(call.now),
        initiator,
        kind,
        int(checksum_algorithm is not None),
        storage_class or "STANDARD",
        0,
        None,
        None,
        sealing.seal,
    )
    extras = owners.merged(None, owners.of_new(call, found, key, wanted_acl))
    tags = objects.tags_of(tagging)
    if lock is not None:
        extras = locks.with_lock(extras, lock)
    upload_tables.insert_upload(call.db, found.bucket, raw_key, upload, headers, tags, extras)
    result = {"Bucket": bucket, "Key": key, "UploadId": upload_id, **sealing.shown}
    result.update(lifecycle.abortion(call, found, raw_key, upload.initiated))
    if checksum_algorithm is not None:
        result["ChecksumAlgorithm"] = checksum_algorithm
        result["ChecksumType"] = checksums.type_of(kind)
    return result


def _initiator(call: Call) -> str:
    principal = call.principal
    if principal.kind == "anonymous":
        return lists.ANONYMOUS
    return names.owner_id(call.account) if principal.kind == "root" else principal.caller_arn


def _for_part(upload: Upload, wanted: Wanted) -> tuple[Wanted, Algorithm | None]:
    """Return what to compute over a part, and which further algorithm the client asked to have checked.

    An upload whose creator named no algorithm takes parts with any, and keeps the default one of its own.
    """
    own = checksums.algorithm_of(upload.kind)
    if wanted.asked and wanted.algorithm is own:
        return wanted, None
    if not upload.chosen:
        return wanted if wanted.asked else Wanted(own), (own if wanted.asked else None)
    if wanted.asked or upload.kind & 1:
        actual = wanted.algorithm.name.lower() if wanted.asked else "null"
        raise errors.InvalidRequest(
            f"Checksum Type mismatch occurred, expected checksum Type: {own.name.lower()}, actual checksum Type: {actual}"
        )
    return Wanted(own), None


def _check_unverified(call: Call, bucket: str, owner: str | None, upload: Upload) -> None:
    """Refuse a part without a digest where the object will be locked. Raises InvalidRequest."""
    assert upload.content is not None
    lock = locks.of_extras(tables.extras_of_content(call.db, upload.content))
    found = buckets.find(call, bucket, owner)
    locks.check_write(call, found, None if lock == locks.Lock() else lock, verified=False, part=True)


def publish_part(
    call: Call, bucket: str, owner: str | None, key: str, upload_id: str, number: int, received: Received, salt: bytes
) -> int:
    """Make a received body a part of its upload; return when, in seconds. Runs in a batch. `salt`: of its encryption."""
    upload = open_upload(call, bucket, owner, key, upload_id)
    now = int(call.now)
    part = Part(number, received.size, now, received.md5, received.checksum)
    upload_tables.put_part(call.db, call.blobs, upload, part, received.stored, salt)
    return now


@operation(
    Needs("s3:PutObject", names.of_object), honours={"checksum_algorithm": ALL}, anonymous=True, context=of_write
)
async def upload_part(
    call: Call,
    bucket: str,
    key: str,
    part_number: int,
    upload_id: str,
    content_length: int | None = None,
    content_md5: str | None = None,
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
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Store one part; a part of the same number is replaced."""
    given = (checksum_crc64_nvme, checksum_crc32, checksum_crc32_c, checksum_sha1, checksum_sha256, checksum_sha512)
    wanted = checksums.wanted(
        call, checksum_algorithm, (*given, checksum_md5, checksum_xxhash64, checksum_xxhash3, checksum_xxhash128)
    )
    md5 = checksums.content_md5(content_md5)
    names.check_part_number(part_number)
    encryption_headers.refuse_on_read(call.facts.headers)
    customer = encryption_headers.customer(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    upload = open_upload(call, bucket, expected_bucket_owner, key, upload_id)
    if call.body is not None:
        receiving.check_length(call.body)
    if md5 is None and not wanted.asked:
        _check_unverified(call, bucket, expected_bucket_owner, upload)
    computed, further = _for_part(upload, wanted)
    part = part_ciphers.of_part(call, bucket, expected_bucket_owner, key, upload, part_number, customer)
    received = part.tagged(call, await receiving.receive(call, computed, md5, further=further, cipher=part.cipher))
    shown = checksums.shown(checksums.kind_of(computed.algorithm, checksums.FULL_OBJECT), received.checksum)
    shown.pop("ChecksumType", None)
    if received.further is not None:
        received = received._replace(checksum=received.further, further=None)
    place = (bucket, expected_bucket_owner, key, upload_id, part_number)
    await receiving.commit(call, received.stored, publish_part, *place, received, part.salt)
    return {"ETag": f'"{received.md5.hex()}"', **part.shown, **(shown if wanted.asked or upload.chosen else {})}


@operation(
    Needs("s3:PutObject", names.of_object),
    Needs("s3:GetObject", names.of_source),
    Needs("s3:GetObjectVersion", names.of_source_version),
    anonymous=True,
    context=of_write,
)
async def upload_part_copy(
    call: Call,
    bucket: str,
    key: str,
    copy_source: str,
    part_number: int,
    upload_id: str,
    copy_source_if_match: str | None = None,
    copy_source_if_modified_since: Any = None,
    copy_source_if_none_match: str | None = None,
    copy_source_if_unmodified_since: Any = None,
    copy_source_range: str | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    copy_source_sse_customer_algorithm: str | None = None,
    copy_source_sse_customer_key: str | None = None,
    copy_source_sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
    expected_source_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Store bytes of an existing object as a part."""
    names.check_part_number(part_number)
    encryption_headers.refuse_on_read(call.facts.headers)
    customer = encryption_headers.customer(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    sources = encryption_headers.customer(
        call, copy_source_sse_customer_algorithm, copy_source_sse_customer_key, copy_source_sse_customer_key_md5
    )
    upload = open_upload(call, bucket, expected_bucket_owner, key, upload_id)
    matching = (copy_source_if_match, copy_source_if_none_match)
    dates = (copy_source_if_modified_since, copy_source_if_unmodified_since)
    read = copying.source_of(call, copy_source, expected_source_bucket_owner, *matching, *dates, sources)
    source = read.object
    first, end = conditions.copy_range(copy_source_range, source.size) if copy_source_range else (0, source.size)
    copying.check_size(end - first)
    wanted = Wanted(checksums.algorithm_of(upload.kind))
    part = part_ciphers.of_part(call, bucket, expected_bucket_owner, key, upload, part_number, customer)
    blocks = reading.blocks_of(call, source, first, end, read.keys)
    received = part.tagged(call, await receiving.receive(call, wanted, None, blocks, cipher=part.cipher))
    place = (bucket, expected_bucket_owner, key, upload_id, part_number)
    modified = await receiving.commit(call, received.stored, publish_part, *place, received, part.salt)
    shown = {wanted.algorithm.member: checksums.encode(received.checksum)} if upload.chosen else {}
    result = {"CopyPartResult": {"ETag": f'"{received.md5.hex()}"', "LastModified": modified, **shown}, **part.shown}
    return result if source.version is None else {**result, "CopySourceVersionId": source.version}


@operation(Needs("s3:AbortMultipartUpload", names.of_object), anonymous=True, context=of_request)
def abort_multipart_upload(
    call: Call, bucket: str, key: str, upload_id: str, expected_bucket_owner: str | None = None
) -> dict[str, Any]:
    """Give an upload and its parts up."""
    upload = open_upload(call, bucket, expected_bucket_owner, key, upload_id)
    assert upload.content is not None
    upload_tables.abort_upload(call.db, upload.id, upload.content)
    return {}


# Completing ----------------------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """What completing an upload comes to, worked out before the commit; good while `changes` is the upload's."""

    changes: int
    size: int
    etag: str
    checksum: bytes
    layout: bytes
    unused: list[int]
    asked: str


async def _plan(call: Call, upload: Upload, asked: list[dict[str, Any]], digest: str) -> Plan:
    """Compare the parts that are asked for with those that are there. Raises InvalidPart, EntityTooSmall.

    Works in slices on committed state: an upload may have 10,000 parts.
    """
    assert upload.content is not None
    wanted = {int(part["PartNumber"]): part for part in asked}
    member = checksums.algorithm_of(upload.kind).member
    used: list[Part] = []
    unused: list[int] = []
    after = 0
    while page := upload_tables.parts_after(call.db, upload.content, after, SLICE):
        for part in page:
            if part.number not in wanted:
                unused.append(part.number)
                continue
            _check_part(upload, part, wanted.pop(part.number), member)
            used.append(part)
        after = page[-1].number
        await breathe()
    for number, given in wanted.items():
        raise errors.InvalidPart(upload.upload, number, str(given["ETag"]).strip('"'))
    for part in used[:-1]:
        if part.size < SMALLEST_PART:
            raise errors.EntityTooSmall(part.size, SMALLEST_PART, part.number, part.md5.hex())
    layout = array("Q")
    size = 0
    for part in used:
        size += part.size
        layout.extend((part.number, size))
    md5 = hashlib.md5(b"".join(part.md5 for part in used), usedforsecurity=False).hexdigest()
    checksum = checksums.of_parts(upload.kind, ((part.checksum, part.size) for part in used))
    return Plan(upload.changes, size, f'"{md5}-{len(used)}"', checksum, layout.tobytes(), unused, digest)


def _check_part(upload: Upload, part: Part, given: dict[str, Any], member: str) -> None:
    """Compare a part with what the completion says of it. Raises InvalidPart, InvalidRequest, BadDigest."""
    etag = str(given.get("ETag", "")).strip('"')
    text = given.get(member)
    others = [name for name in given if name.startswith("Checksum") and name != member]
    if etag != part.md5.hex() or (others and not upload.chosen):
        raise errors.InvalidPart(upload.upload, part.number, etag)
    if text is not None:
        if text != checksums.encode(part.checksum):
            raise errors.InvalidPart(upload.upload, part.number, etag)
    elif upload.chosen and upload.kind & 1:
        if others:
            other = others[0].removeprefix("Checksum").lower()
            raise errors.BadDigest(f"The {other} you specified for part {part.number} did not match what we received.")
        name = checksums.algorithm_of(upload.kind).name.lower()
        raise errors.InvalidRequest(
            f"The upload was created using a {name} checksum. The complete request must include the checksum for each "
            f"part. It was missing for part {part.number} in the request."
        )


async def breathe() -> None:
    """Let the loop turn once."""
    loop = asyncio.get_running_loop()
    turned: asyncio.Future[None] = loop.create_future()
    loop.call_soon(turned.set_result, None)
    await turned


def _asked_parts(upload_id: str, multipart_upload: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the completed parts of a request. Raises InvalidRequest, MalformedXML, InvalidArgument, InvalidPartOrder."""
    if multipart_upload is None:
        raise errors.InvalidRequest("You must specify at least one part")
    parts: list[dict[str, Any]] = multipart_upload.get("Parts") or []
    if not parts or len(parts) > MOST_PARTS or any("PartNumber" not in part or "ETag" not in part for part in parts):
        raise errors.MalformedXML
    numbers = [int(part["PartNumber"]) for part in parts]
    if min(numbers) < 1:
        raise errors.InvalidArgument("PartNumber must be >= 1", "PartNumber", min(numbers))
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise errors.InvalidPartOrder(upload_id)
    return parts


def _check_whole(upload: Upload, plan: Plan, wanted: Wanted, type_: str | None, size: int | None) -> None:
    """Compare what a completion says of the whole object. Raises BadDigest, InvalidRequest."""
    if type_ is not None and type_ != checksums.type_of(upload.kind):
        raise errors.InvalidRequest(
            f"The upload was created using the {checksums.type_of(upload.kind) if upload.chosen else 'null'} checksum mode. "
            "The complete request must use the same checksum mode."
        )
    if size is not None and size < 0:
        raise errors.InvalidRequest(f"Value for x-amz-mp-object-size header is less than zero: '{size}'")
    if size is not None and size != plan.size:
        raise errors.InvalidRequest(
            f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {plan.size}"
        )
    if wanted.expected is not None:
        own = checksums.algorithm_of(upload.kind)
        if wanted.algorithm is not own or wanted.expected != plan.checksum:
            named = wanted.algorithm.name.lower()
            raise errors.BadDigest(f"The {named} you specified did not match the calculated checksum.")


def publish_upload(
    call: Call,
    bucket: str,
    owner: str | None,
    key: str,
    upload_id: str,
    plan: Plan,
    if_match: str | None,
    if_none_match: str | None,
) -> dict[str, Any] | None:
    """Make an upload's parts the key's object; return what is kept of the answer. Runs in a batch.

    None: nothing was done, for the upload changed since the plan, or another request completed it.
    """
    db = call.db
    found = buckets.find(call, bucket, owner)
    raw_key = names.key_bytes(key)
    upload = find_upload(call, bucket, owner, key, upload_id)
    if upload.content is None or upload.changes != plan.changes:
        return None
    old = tables.etag_and_content(db, found.bucket, raw_key)
    conditions.check_write(key, old[0] if old else None, if_match, if_none_match)
    upload_tables.drop_parts(db, call.blobs, upload.content, plan.unused)
    now = int(call.now)
    tags: bytes | None = None
    rules: Sequence[Rule] = ()
    if found.settings is not None:
        tags, extras = lifecycle_tables.tags_and_extras(db, upload.content)
        extras = locks.on_new(call, found, locks.of_extras(extras), extras)
        rules = replication.rules_for(call, found, raw_key, tags, upload.seal, upload.storage_class)
        tables.set_extras(db, upload.content, replication.pending(extras, rules))
    row = (plan.size, now, plan.etag, upload.kind, upload.storage_class, upload.content)
    version = None
    if found.versioning is None:
        tables.put_object(db, call.blobs, found.bucket, raw_key, row, old)
    else:
        version = history.put(call, found, raw_key, row, old is not None)
    if rules:
        replication.send(call, found, raw_key, version, rules, "OBJECT_PUT")
    answer = {
        "asked": plan.asked,
        "etag": plan.etag,
        "checksum": plan.checksum.hex(),
        "version": version,
        "shown": encryption.shown(upload.seal),
    }
    answer.update(lifecycle.expiration(call, found, raw_key, plan.size, now, tags))
    upload_tables.complete_upload(db, upload, plan.checksum, plan.layout, now, answer)
    if found.notification is not None:
        event = "ObjectCreated:CompleteMultipartUpload"
        notifications.notify(call, found, event, key, plan.size, plan.etag, version)
    return answer


@operation(
    Needs("s3:PutObject", names.of_object),
    honours={"multipart_upload": ALL, "checksum_type": ALL},
    anonymous=True,
    context=of_write,
)
async def complete_multipart_upload(
    call: Call,
    bucket: str,
    key: str,
    upload_id: str,
    multipart_upload: dict[str, Any] | None = None,
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
    checksum_type: str | None = None,
    mpu_object_size: int | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
) -> dict[str, Any]:
    """Make the parts an object. The same request again gets the same answer."""
    given = (checksum_crc64_nvme, checksum_crc32, checksum_crc32_c, checksum_sha1, checksum_sha256, checksum_sha512)
    values = (*given, checksum_md5, checksum_xxhash64, checksum_xxhash3, checksum_xxhash128)
    customer = encryption_headers.customer(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    upload = find_upload(call, bucket, expected_bucket_owner, key, upload_id)
    _check_encryption(call, bucket, expected_bucket_owner, key, upload, customer)
    asked = _asked_parts(upload_id, multipart_upload)
    digest = hashlib.sha256(orjson.dumps([(p["PartNumber"], p["ETag"].strip('"')) for p in asked])).hexdigest()
    for _ in range(TRIES):
        if upload.content is None:
            answer = orjson.loads(upload.answer or b"{}")
            if answer.get("asked") != digest:
                raise errors.NoSuchUpload(upload_id)
            return _answer(call, bucket, key, answer, upload, len(asked))
        wanted = checksums.whole(values, upload.kind, len(asked))
        plan = await _plan(call, upload, asked, digest)
        _check_whole(upload, plan, wanted, checksum_type, mpu_object_size)
        done = await call.commit(
            publish_upload, bucket, expected_bucket_owner, key, upload_id, plan, if_match, if_none_match
        )
        if done is not None:
            return _answer(call, bucket, key, done, upload, len(asked))
        upload = find_upload(call, bucket, expected_bucket_owner, key, upload_id)
    raise errors.OperationAborted


def _check_encryption(
    call: Call, bucket: str, owner: str | None, key: str, upload: Upload, customer: Customer | None
) -> None:
    """A completion that has checksums to show must come from who may read them (S3 API reference, CompleteMultipartUpload).

    Raises as encryption.open_upload() does.
    """
    if upload.content is None or (customer is None and not upload.chosen):
        return
    if customer is not None or encryption.is_of_kms(upload.seal):
        encryption.open_upload(call, buckets.find(call, bucket, owner), key, upload.seal, customer)
    elif encryption.is_customers(upload.seal):
        raise encryption_headers.no_algorithm()


def _answer(call: Call, bucket: str, key: str, kept: dict[str, Any], upload: Upload, parts: int) -> dict[str, Any]:
    """Return a completion's reply from what publish_upload() kept of it."""
    result = {
        "Location": buckets.location(call, bucket, key),
        "Bucket": bucket,
        "Key": key,
        "ETag": kept["etag"],
        **checksums.shown(upload.kind, bytes.fromhex(kept["checksum"]), parts),
        **kept.get("shown", {}),
    }
    if "Expiration" in kept:
        result["Expiration"] = kept["Expiration"]
    return result if kept.get("version") is None else {**result, "VersionId": kept["version"]}
