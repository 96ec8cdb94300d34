"""Receiving: a body comes in, is hashed and checked, and becomes inline bytes or a blob; nothing of it is visible yet.

What was received is either committed or given up; what a crash leaves the store collects.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from awning.services.s3 import checksums, errors
from awning.services.s3.checksums import Algorithm, Wanted
from awning.services.s3.tables import Stored
from awning.store.errors import BatchFailed, WritesRefused
from awning.store.segments import Sealer

if TYPE_CHECKING:
    from awning.kit.call import Body, Call
    from awning.store.segments import Segments

INLINE = 64 * 1024
LARGEST_PUT = 5 * 1024**3
BLOCK = 512 * 1024


class Received(NamedTuple):
    """A body that came in whole and is what it claimed to be. `further` is a second checksum, where one was asked for."""

    size: int
    md5: bytes
    checksum: bytes
    stored: Stored
    further: bytes | None = None


def small(
    data: bytes,
    wanted: Wanted,
    md5: bytes | None,
    trailers: dict[str, str],
    further: Algorithm | None = None,
    cipher: Segments | None = None,
) -> Received:
    """Return a body of at most INLINE bytes as received; `cipher`: what is stored goes through it. Raises BadDigest."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    if md5 is not None and md5 != digest:
        raise checksums.bad_md5(md5, digest)
    computed = wanted.algorithm.of(data)
    if wanted.asked:
        wanted.check(computed, trailers)
    stored = Stored(None, data if cipher is None else cipher.seal(data))
    return Received(len(data), digest, computed, stored, further.of(data) if further else None)


def check_document(call: Call, named: str | None, required: bool = False) -> None:
    """Compare a document that was parsed with the digests that its request gives: Content-MD5, x-amz-checksum-*.

    `named` is x-amz-sdk-checksum-algorithm; `required`: without a digest it is not taken (DeleteObjects).
    Raises BadDigest, InvalidDigest, InvalidRequest.
    """
    body = call.body
    if body is None:
        return
    headers = call.facts.headers
    given = [headers.get(algorithm.header.encode()) for algorithm in checksums.ALGORITHMS]
    wanted = checksums.wanted(call, named, [None if value is None else value.decode("latin-1") for value in given])
    text = headers.get(b"content-md5")
    md5 = checksums.content_md5(None if text is None else text.decode("latin-1"))
    if required and md5 is None and not wanted.asked:
        raise errors.InvalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    if md5 is not None or wanted.asked:
        small(body.whole or b"", wanted, md5, body.trailers)


def is_small(body: Body | None) -> bytes | None:
    """Return the body where it is already here and goes inline."""
    if body is None:
        return b""
    whole = body.whole
    return whole if whole is not None and len(whole) <= INLINE else None


def check_length(body: Body, largest: int = LARGEST_PUT) -> None:
    """Raises MissingContentLength, EntityTooLarge."""
    if body.length is None:
        raise errors.MissingContentLength
    if body.length > largest:
        raise errors.EntityTooLarge(body.length, largest)


async def receive(
    call: Call,
    wanted: Wanted,
    md5: bytes | None,
    blocks: AsyncIterator[bytes] | None = None,
    further: Algorithm | None = None,
    cipher: Segments | None = None,
) -> Received:
    """Read a body to its end, or `blocks` in its stead; return it when all that was said of it is true.

    cipher: what is stored goes through it, in the thread that writes; digests and sizes are those of the body.

    Raises BadDigest, and whatever the body raises; then nothing is left behind.
    """
    body = call.body
    source = blocks if blocks is not None or body is None else body.blocks()
    hashers: list[checksums.Hasher] = [hashlib.md5(usedforsecurity=False), wanted.algorithm.new()]
    if further is not None:
        hashers.append(further.new())
    sealer = None if cipher is None else Sealer(cipher)
    waiting: list[bytes] = []
    held = size = 0
    blob = None
    writing = None
    try:
        async for block in source or _nothing():
            waiting.append(block)
            held += len(block)
            size += len(block)
            if held >= BLOCK:
                blob = blob or call.blobs.create()
                if writing is not None:
                    await writing
                writing = blob.write(_join(waiting), hashers, None if sealer is None else sealer.update)
                waiting, held = [], 0
        if blob is None and size <= INLINE:
            trailers = body.trailers if body is not None else {}
            return small(_join(waiting), wanted, md5, trailers, further, cipher)
        blob = blob or call.blobs.create()
        if writing is not None:
            await writing
        if waiting or sealer is not None:
            await blob.write(_join(waiting), hashers, None if sealer is None else sealer.end)
        digest, computed = hashers[0].digest(), hashers[1].digest()
        if md5 is not None and md5 != digest:
            raise checksums.bad_md5(md5, digest)
        wanted.check(computed, body.trailers if body is not None else {})
        name = await blob.publish()
        return Received(size, digest, computed, Stored(name, None), hashers[2].digest() if further else None)
    except BaseException as error:
        if blob is not None:
            aborted = blob.abort()
            if isinstance(error, Exception):
                await aborted
        raise
    finally:
        # What failed keeps its error, whose traceback keeps this frame: it must not keep what failed.
        writing = None


async def commit(call: Call, stored: Stored, function: Callable[..., Any], *args: Any) -> Any:
    """Commit what uses a received body; give its blob up when that is refused, or cannot have been committed.

    Any other failure leaves the blob to the store's collection, since it is not known whether it was committed.
    """
    try:
        return await call.commit(function, *args)
    except errors.ServiceError:
        if stored.blob is not None:
            await call.commit(_discard, stored.blob)
        raise
    except (BatchFailed, WritesRefused) as error:
        if stored.blob is not None and (isinstance(error, WritesRefused) or error.full):
            call.blobs.drop(stored.blob)
        raise


def _discard(call: Call, blob: str) -> None:
    call.blobs.discard(call.db, blob)


def _join(blocks: list[bytes]) -> bytes:
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for block in nothing:
        yield block
