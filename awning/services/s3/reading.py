"""Reading: GetObject, HeadObject, GetObjectAttributes, and where an object's bytes are taken from.

A body is bytes where it lies inline, a slice of a file where it lies in one blob, else blocks of one part after another.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from email.utils import formatdate
from functools import partial
from typing import Any, NamedTuple

import orjson

from awning.kit.call import Call
from awning.kit.operation import ALL, Needs, operation
from awning.net.messages import FileSlice
from awning.services.s3 import (
    checksums,
    conditions,
    encryption,
    encryption_headers,
    errors,
    lifecycle,
    locks,
    names,
    objects,
    replication,
    storage_classes,
    upload_tables,
)
from awning.services.s3.conditions import of_request
from awning.services.s3.encryption import Keys
from awning.services.s3.tables import Object
from awning.store.completion import Completion
from awning.store.segments import SEGMENT, Run, Segments
from awning.store.threads import in_thread

BLOCK = 1024 * 1024
PARTS = 100
AT_ONCE = 4 * SEGMENT
"""Bytes of an encrypted file that are read and decrypted without a thread: some 20 µs."""


class Layout(NamedTuple):
    """The parts of an object: their numbers, and where in the object each ends."""

    numbers: memoryview
    ends: memoryview

    @classmethod
    def read(cls, layout: bytes) -> Layout:
        pairs = memoryview(layout).cast("Q")
        return cls(pairs[::2], pairs[1::2])

    def span(self, index: int) -> tuple[int, int]:
        """Return (first, end) of the part at an index, counted from 0."""
        return (self.ends[index - 1] if index else 0), self.ends[index]

    def index_at(self, offset: int) -> int:
        """Return the index of the part that holds the byte at an offset."""
        return bisect_right(self.ends, offset)


def body_of(
    call: Call, found: Object, first: int, end: int, keys: Keys | None
) -> bytes | FileSlice | AsyncIterator[bytes]:
    """Return the bytes first..end of an object. `keys`: what encryption.open_for() gave for it."""
    if found.layout is not None:
        return _body_of_parts(call, found, first, end, keys)
    if found.blob is not None:
        if keys is None:
            return FileSlice(call.blobs.open(found.blob), first, end - first)
        return unsealed(call, call.blobs.open(found.blob), keys.whole(), first, end, found.size)
    data = found.body
    if data is None:
        return b""
    if keys is not None:
        data = keys.whole().open(data)
    return data if end - first == len(data) else data[first:end]


def _body_of_parts(
    call: Call, found: Object, first: int, end: int, keys: Keys | None
) -> bytes | FileSlice | AsyncIterator[bytes]:
    assert found.layout is not None
    if first >= end:
        return b""
    layout = Layout.read(found.layout)
    low, high = layout.index_at(first), layout.index_at(end - 1)
    if low != high:
        return Pieces(call, found.content, layout, first, end, keys)
    ((number, blob, salt),) = upload_tables.parts_of(call.db, found.content, layout.numbers[low], layout.numbers[low])
    start, stop = layout.span(low)
    cipher = None if keys is None else keys.part(number, salt)
    if blob is None:
        body = upload_tables.part_body(call.db, found.content, number)
        return (body if cipher is None else cipher.open(body))[first - start : end - start]
    if cipher is None:
        return FileSlice(call.blobs.open(blob), first - start, end - first)
    return unsealed(call, call.blobs.open(blob), cipher, first - start, end - start, stop - start)


class Pieces:
    """The blocks of several parts. Until it has ended, or is gone, its content's parts are not swept (Memory.reading)."""

    __slots__ = ("__weakref__", "_blocks", "_readers", "content")

    def __init__(self, call: Call, content: int, layout: Layout, first: int, end: int, keys: Keys | None) -> None:
        self.content = content
        self._blocks = _read_parts(call, content, layout, first, end, keys)
        self._readers = call.memory.readers
        self._readers.add(self)

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._blocks.__anext__()
        except StopAsyncIteration:
            self._readers.discard(self)
            raise

    async def aclose(self) -> None:
        self._readers.discard(self)
        await self._blocks.aclose()


async def _read_parts(
    call: Call, content: int, layout: Layout, first: int, end: int, keys: Keys | None
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes first..end, looking up PARTS parts at a time: there may be 10,000."""
    index, high = layout.index_at(first), layout.index_at(end - 1)
    while index <= high:
        last = min(index + PARTS - 1, high)
        for number, blob, salt in upload_tables.parts_of(call.db, content, layout.numbers[index], layout.numbers[last]):
            start, stop = layout.span(index)
            low, top = max(first, start) - start, min(end, stop) - start
            index += 1
            cipher = None if keys is None else keys.part(number, salt)
            if blob is None:
                body = upload_tables.part_body(call.db, content, number)
                yield (body if cipher is None else cipher.open(body))[low:top]
                continue
            fd = call.blobs.open(blob)
            blocks = (
                _read_file(call, fd, low, top)
                if cipher is None
                else Unsealing(call, fd, cipher, low, top, stop - start)
            )
            try:
                async for block in blocks:
                    yield block
            finally:
                await blocks.aclose()


async def _read_file(call: Call, fd: int, first: int, end: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes first..end of an open file, then close it."""
    try:
        while first < end:
            block = await in_thread(call.blobs.executor, partial(os.pread, fd, min(BLOCK, end - first), first))
            if not block:
                raise OSError(f"a blob ends at {first}, before {end}")
            first += len(block)
            yield block
    finally:
        os.close(fd)


def unsealed(call: Call, fd: int, cipher: Segments, first: int, end: int, size: int) -> bytes | Unsealing:
    """Return the bytes first..end of an encrypted file of `size` plain bytes; the descriptor is this function's to close.

    A little is read at once, as sendfile() would; more in threads.
    """
    if end - first > AT_ONCE:
        return Unsealing(call, fd, cipher, first, end, size)
    try:
        runs = cipher.runs(first, end, size)
        return b"".join([piece for run in runs for piece in cipher.read(run, os.pread(fd, run.length, run.offset))])
    finally:
        os.close(fd)


class Unsealing:
    """The bytes of an encrypted file, read and decrypted in threads about 1 MiB at once, so much ahead of who takes them."""

    __slots__ = ("_ahead", "_buffer", "_cipher", "_executor", "_fd", "_pieces", "_runs")

    def __init__(self, call: Call, fd: int, cipher: Segments, first: int, end: int, size: int) -> None:
        self._fd = fd
        self._cipher = cipher
        self._executor = call.blobs.executor
        self._runs = iter(cipher.runs(first, end, size))
        self._pieces: list[bytes] = []
        self._buffer = bytearray()
        self._ahead: Completion[list[bytes]] | None = None

    def __aiter__(self) -> Unsealing:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            ahead = self._ahead or self._start()
            if ahead is None:
                await self.aclose()
                raise StopAsyncIteration
            self._pieces = (await ahead)[::-1]
            self._ahead = self._start()
        return self._pieces.pop()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, after what is under way."""
        fd, self._fd = self._fd, -1
        ahead, self._ahead = self._ahead, None
        if fd < 0:
            return
        if ahead is None or ahead.done():
            os.close(fd)
        else:
            ahead.add_done_callback(lambda _: os.close(fd))

    def __del__(self) -> None:
        self.close()  # a reply that was given up before it began

    def _start(self) -> Completion[list[bytes]] | None:
        run = None if self._fd < 0 else next(self._runs, None)
        return None if run is None else in_thread(self._executor, partial(self._read, self._fd, run))

    def _read(self, fd: int, run: Run) -> list[bytes]:
        """Read and decrypt what a run is about, in a thread, one run at a time. Raises Unsealable."""
        if len(self._buffer) < run.length:
            self._buffer = bytearray(run.length)
        sealed = memoryview(self._buffer)[: run.length]
        return self._cipher.read(run, sealed[: os.preadv(fd, [sealed], run.offset)])


async def blocks_of(call: Call, found: Object, first: int, end: int, keys: Keys | None) -> AsyncIterator[bytes]:
    """Yield the bytes first..end of an object in blocks of at most 1 MiB, wherever they lie, in the clear.

    `keys`: what encryption.open_for() gave for it.
    """
    body = body_of(call, found, first, end, keys)
    if isinstance(body, bytes):
        if body:
            yield body
        return
    if not isinstance(body, FileSlice):
        async for block in body:
            yield block
        return
    async for block in _read_file(call, body.fd, body.offset, body.offset + body.length):
        yield block


def _part_range(found: Object, number: int) -> tuple[int, int, int]:
    """Return (first, end) of a part, and how many there are. Raises InvalidPartNumber."""
    if found.layout is None:
        if number != 1:
            raise errors.InvalidPartNumber(number, 1)
        return 0, found.size, 1
    layout = Layout.read(found.layout)
    if not 1 <= number <= len(layout.ends):
        raise errors.InvalidPartNumber(number, len(layout.ends))
    return *layout.span(number - 1), len(layout.ends)


def _http_date(seconds: float) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def _not_modified(found: Object) -> errors.NotModified:
    headers = [(b"etag", found.etag.encode()), (b"last-modified", _http_date(found.modified))]
    if found.version is not None:
        headers.append((b"x-amz-version-id", found.version.encode()))
    kept = orjson.loads(found.headers)
    for member, name in (("CacheControl", b"cache-control"), ("Expires", b"expires")):
        if member in kept:
            text = kept[member]
            headers.append(
                (name, text.encode("utf-8", "surrogateescape") if isinstance(text, str) else _http_date(text))
            )
    return errors.NotModified(headers)


def _checksum(call: Call, found: Object, part_number: int | None) -> dict[str, str]:
    """The checksum of an object, or of one of its parts, which is kept for those that make up a composite one."""
    if found.layout is None or not found.kind & 1:
        return checksums.shown(found.kind, found.checksum)
    layout = Layout.read(found.layout)
    if part_number is None:
        return checksums.shown(found.kind, found.checksum, len(layout.ends))
    (part,) = upload_tables.parts_after(call.db, found.content, layout.numbers[part_number - 1] - 1, 1)
    return checksums.shown(found.kind, part.checksum)


def _describe(
    call: Call, found: Object, range_: str | None, part_number: int | None, checksum_mode: str | None
) -> tuple[dict[str, Any], int, int]:
    """Return what GET and HEAD say of an object now, and the bytes first..end that they are about."""
    headers = orjson.loads(found.headers)
    headers["ETag"] = found.etag
    headers["LastModified"] = found.modified
    headers["AcceptRanges"] = "bytes"
    if found.version is not None:
        headers["VersionId"] = found.version
    if found.storage_class != storage_classes.STANDARD:
        headers["StorageClass"] = found.storage_class
        if found.storage_class in storage_classes.ARCHIVES and found.extras is not None:
            restore = storage_classes.header(storage_classes.restore_of(found.extras), call.now)
            if restore is not None:
                headers["Restore"] = restore
    if found.tags:
        headers["TagCount"] = len(orjson.loads(found.tags))
    first, end, partial = 0, found.size, False
    parts = 0
    if part_number is not None:
        if range_ is not None:
            raise errors.InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        first, end, parts = _part_range(found, part_number)
        if found.layout is not None:
            headers["PartsCount"] = parts
        partial = found.size > 0
    elif range_ is not None:
        asked = conditions.read_range(range_, found.size)
        if asked is not None:
            first, end = asked
            partial = True
    headers["ContentLength"] = end - first
    if partial:
        headers["ContentRange"] = f"bytes {first}-{end - 1}/{found.size}"
        headers["@status"] = 206
    if checksum_mode == "ENABLED" and (end - first == found.size or (part_number is not None and found.kind & 1)):
        headers.update(_checksum(call, found, part_number))
    return headers, first, end


_OVERRIDES = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


def _override(call: Call, headers: dict[str, Any], values: tuple[Any, ...]) -> None:
    """Answer with other headers than the object's own. Only a signed request may ask for that (S3 reference, GetObject)."""
    if values.count(None) == len(values):
        return
    for member, value in zip(_OVERRIDES, values, strict=True):
        if value is None:
            continue
        if call.principal.kind == "anonymous":
            raise errors.InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
        headers[member] = value


_HONOURS: Mapping[str, Any] = {"checksum_mode": ALL}


@operation(
    Needs("s3:GetObject", names.of_current),
    Needs("s3:GetObjectVersion", names.of_version),
    reads=True,
    honours=_HONOURS,
    anonymous=True,
    context=of_request,
)
def get_object(
    call: Call,
    bucket: str,
    key: str,
    if_match: str | None = None,
    if_modified_since: Any = None,
    if_none_match: str | None = None,
    if_unmodified_since: Any = None,
    range: str | None = None,
    response_cache_control: str | None = None,
    response_content_disposition: str | None = None,
    response_content_encoding: str | None = None,
    response_content_language: str | None = None,
    response_content_type: str | None = None,
    response_expires: Any = None,
    part_number: int | None = None,
    version_id: str | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
    checksum_mode: str | None = None,
) -> dict[str, Any]:
    """Return an object, a range or a part of it. Raises InvalidObjectState for one that lies in an archive."""
    names.check_part_number(part_number)
    customer = encryption_headers.for_read(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    place, found = objects.located(call, bucket, expected_bucket_owner, key, version_id, body=True)
    storage_classes.check_readable(found.storage_class, found.extras, call.now)
    keys = encryption.open_for(call, place, key, found.seal, customer)
    if conditions.check_read(
        found.etag, found.modified, if_match, if_none_match, if_modified_since, if_unmodified_since
    ):
        raise _not_modified(found)
    result, first, end = _describe(call, found, range, part_number, checksum_mode)
    if found.extras is not None:
        result.update(locks.shown(call, bucket, key, found.extras))
        result.update(replication.shown(found.extras))
    if place.settings is not None and version_id is None:
        result.update(lifecycle.expiration(call, place, names.key_bytes(key), found.size, found.modified, found.tags))
    disposition = (response_cache_control, response_content_disposition, response_content_encoding)
    _override(call, result, (*disposition, response_content_language, response_content_type, response_expires))
    result["Body"] = body_of(call, found, first, end, keys)
    result.update(encryption.shown(found.seal, customer))
    return result


@operation(
    Needs("s3:GetObject", names.of_current),
    Needs("s3:GetObjectVersion", names.of_version),
    reads=True,
    honours=_HONOURS,
    anonymous=True,
    context=of_request,
)
def head_object(
    call: Call,
    bucket: str,
    key: str,
    if_match: str | None = None,
    if_modified_since: Any = None,
    if_none_match: str | None = None,
    if_unmodified_since: Any = None,
    range: str | None = None,
    response_cache_control: str | None = None,
    response_content_disposition: str | None = None,
    response_content_encoding: str | None = None,
    response_content_language: str | None = None,
    response_content_type: str | None = None,
    response_expires: Any = None,
    part_number: int | None = None,
    version_id: str | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
    checksum_mode: str | None = None,
) -> dict[str, Any]:
    """Return what GetObject would, without the body; also of an object in an archive. KMS is asked where a checksum is shown."""
    names.check_part_number(part_number)
    customer = encryption_headers.for_read(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    place, found = objects.located(call, bucket, expected_bucket_owner, key, version_id)
    if checksum_mode is not None and encryption.is_of_kms(found.seal):
        encryption.open_for(call, place, key, found.seal, customer)
    encryption.check_customer(place, key, found.seal, customer)
    if conditions.check_read(
        found.etag, found.modified, if_match, if_none_match, if_modified_since, if_unmodified_since
    ):
        raise _not_modified(found)
    result, _, _ = _describe(call, found, range, part_number, checksum_mode)
    if found.extras is not None:
        result.update(locks.shown(call, bucket, key, found.extras))
        result.update(replication.shown(found.extras))
    if place.settings is not None and version_id is None:
        result.update(lifecycle.expiration(call, place, names.key_bytes(key), found.size, found.modified, found.tags))
    disposition = (response_cache_control, response_content_disposition, response_content_encoding)
    _override(call, result, (*disposition, response_content_language, response_content_type, response_expires))
    result.update(encryption.shown(found.seal, customer))
    return result


@operation(
    Needs("s3:GetObject", names.of_current),
    Needs("s3:GetObjectVersion", names.of_version),
    Needs("s3:GetObjectAttributes", names.of_current),
    Needs("s3:GetObjectVersionAttributes", names.of_version),
    reads=True,
    honours={"object_attributes": ALL},
    anonymous=True,
    context=of_request,
)
def get_object_attributes(
    call: Call,
    bucket: str,
    key: str,
    object_attributes: list[str],
    max_parts: int | None = None,
    part_number_marker: int | None = None,
    version_id: str | None = None,
    sse_customer_algorithm: str | None = None,
    sse_customer_key: str | None = None,
    sse_customer_key_md5: str | None = None,
    expected_bucket_owner: str | None = None,
) -> dict[str, Any]:
    """Return an object's ETag, checksum, parts, class and size, those that are asked for."""
    customer = encryption_headers.for_read(call, sse_customer_algorithm, sse_customer_key, sse_customer_key_md5)
    holder, found = objects.located(call, bucket, expected_bucket_owner, key, version_id)
    encryption.check_customer(holder, key, found.seal, customer)
    layout = Layout.read(found.layout) if found.layout is not None else None
    result = objects.with_version({"LastModified": found.modified}, found)
    if "ETag" in object_attributes:
        result["ETag"] = found.etag.strip('"')
    if "Checksum" in object_attributes:
        result["Checksum"] = checksums.shown(found.kind, found.checksum)
    if "ObjectParts" in object_attributes and layout is not None:
        result["ObjectParts"] = _parts(call, found, layout, max_parts, part_number_marker or 0)
    if "StorageClass" in object_attributes:
        result["StorageClass"] = found.storage_class
    if "ObjectSize" in object_attributes:
        result["ObjectSize"] = found.size
    return result


def _parts(call: Call, found: Object, layout: Layout, max_parts: int | None, marker: int) -> dict[str, Any]:
    """Return the page of parts beyond `marker`; only parts that carry a composite checksum are listed one by one."""
    result: dict[str, Any] = {"TotalPartsCount": len(layout.ends)}
    if not found.kind & 1:
        return result
    limit = min(1000 if max_parts is None else max_parts, 1000)
    page = upload_tables.parts_after(call.db, found.content, marker, limit + 1)
    listed = [
        {
            "PartNumber": p.number,
            "Size": p.size,
            checksums.algorithm_of(found.kind).member: checksums.encode(p.checksum),
        }
        for p in page[:limit]
    ]
    result.update(
        PartNumberMarker=marker,
        NextPartNumberMarker=page[:limit][-1].number if page[:limit] else 0,
        MaxParts=limit,
        IsTruncated=len(page) > limit,
        Parts=listed,
    )
    return result
