"""A request's body as an operation reads it: chunk framing taken off, payload hash and chunk signatures checked on the way.

Large bodies are hashed in a thread, a mebibyte at a time, so that they do not hold the loop.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping

from awning.auth.payload import PayloadRule
from awning.auth.refused import Refused
from awning.auth.streaming import ChunkDecoder, decoded_length, decoder_for
from awning.net.messages import BodyError, Request
from awning.protocols.errors import NamedError, ServiceError

_BLOCK = 512 * 1024
_INLINE = 128 * 1024
_SMALL = 64 * 1024


class PayloadBody:
    """The streaming body of an operation (see awning.kit.call.Body).

    `translate` turns a Refused into the error that the client's protocol has for it.
    """

    __slots__ = ("_decoder", "_request", "_translate", "length", "trailers", "whole")

    def __init__(self, request: Request, rule: PayloadRule, translate: Callable[[Refused], ServiceError]) -> None:
        self._request = request
        self._decoder = decoder = decoder_for(rule, request.headers)
        self._translate = translate
        chunked = isinstance(decoder, ChunkDecoder)
        self.length: int | None = decoded_length(request.headers) if chunked else request.content_length
        self.trailers: dict[str, str] = {}
        self.whole: bytes | None = None
        if request.payload is not None:
            self._decode(request.payload)

    @property
    def is_small(self) -> bool:
        """Whether it is worth to take a body at once that is not here yet, as the client waits for `100 Continue`."""
        size = self._request.content_length
        return self.whole is None and size is not None and size <= _SMALL

    async def take(self) -> None:
        """Read a small body whole: an operation then needs no streaming for it. Raises ServiceError."""
        try:
            raw = await self._request.read(_SMALL)
        except BodyError as error:
            raise body_error(error) from None
        self._decode(raw)

    def _decode(self, raw: bytes) -> None:
        trailers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._request.trailers.items()}
        try:
            self.whole = self._decoder.feed(raw)
            self.trailers = self._decoder.finish(trailers)
        except Refused as error:
            self.whole = None
            raise self._translate(error) from None

    async def read(self, limit: int) -> bytes:
        """Return the whole payload. Raises ServiceError, also where it has more than `limit` bytes."""
        if self.whole is None:
            parts: list[bytes] = []
            size = 0
            async for block in self.blocks():
                size += len(block)
                if size > limit:
                    raise body_error(BodyError("too large"))
                parts.append(block)
            self.whole = b"".join(parts)
        return self.whole

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the payload in pieces of about 1 MiB. Raises ServiceError where it is not what was signed or announced."""
        if self.whole is not None:
            if self.whole:
                yield self.whole
            return
        try:
            async for raw in gather(self._request.blocks(), _BLOCK):
                if len(raw) > _INLINE:
                    payload = await asyncio.get_running_loop().run_in_executor(None, self._decoder.feed, raw)
                else:
                    payload = self._decoder.feed(raw)
                if payload:
                    yield payload
            trailers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in self._request.trailers.items()
            }
            self.trailers = self._decoder.finish(trailers)
        except Refused as error:
            raise self._translate(error) from None
        except BodyError as error:
            raise body_error(error) from None


def is_compressed(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a document is sent compressed, as SDKs do with PutMetricData (Smithy's requestCompression trait)."""
    return headers.get(b"content-encoding", b"").strip().lower() == b"gzip"


def decompress(body: bytes, limit: int) -> bytes:
    """Return what was compressed with gzip. Raises ServiceError, also where it has more than `limit` bytes."""
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise NamedError("SerializationException", f"The request's body is no well-formed gzip: {error}.") from error
    if len(found) > limit:
        raise body_error(BodyError("too large"))
    if not decoder.eof or decoder.unused_data:
        raise NamedError("SerializationException", "The request's body is no well-formed gzip: its end is not one.")
    return found


def body_error(error: BodyError) -> ServiceError:
    """Name a body that could not be read to its end in S3's words."""
    if error.reason == "too large":
        return NamedError("EntityTooLarge", "The request's body is larger than this operation takes.", 400)
    if error.reason == "stalled":
        return NamedError("RequestTimeout", "The request's body came too slowly; the connection is closed.", 400)
    return NamedError(
        "IncompleteBody", "The request's body ended before the number of bytes that its head announced.", 400
    )


async def gather(blocks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Join small blocks into ones of at least `size` bytes; the last may be smaller."""
    parts: list[bytes] = []
    held = 0
    async for block in blocks:
        parts.append(block)
        held += len(block)
        if held >= size:
            yield b"".join(parts)
            parts, held = [], 0
    if parts:
        yield b"".join(parts)
