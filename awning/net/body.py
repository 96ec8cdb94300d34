"""A request's body on its way from the connection to the handler: fed with bytes, read in blocks.

The connection feeds it and decides when to read on; nothing here touches a socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from awning.net.chunked import ChunkDecoder
from awning.net.limits import Limits
from awning.net.messages import BodyError

_SMALL_BLOCK = 4096


class Body:
    """The BodyReader of one request. `length` is None for a chunked body.

    `wanted()` is called whenever the handler has taken blocks or waits for one. `complete`: the body's last byte has
    come.
    `fault`: why it never will, as a BodyError's reason. `more`: fed bytes are left to decode. `waiting`: the handler
    waits.
    """

    __slots__ = (
        "_blocks",
        "_decoder",
        "_loop",
        "_remaining",
        "_waiter",
        "_wanted",
        "complete",
        "fault",
        "queued",
        "trailers",
        "unwanted",
    )

    def __init__(
        self, length: int | None, limits: Limits, loop: asyncio.AbstractEventLoop, wanted: Callable[[], None]
    ) -> None:
        self._blocks: deque[bytes] = deque()
        self._decoder = ChunkDecoder(limits) if length is None else None
        self._loop = loop
        self._remaining = length or 0
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = wanted
        self.complete = False
        self.fault: str | None = None
        self.queued = 0
        self.trailers: dict[bytes, bytes] = {}
        self.unwanted = 0
        """Bytes thrown away since discard()."""

    @property
    def waiting(self) -> bool:
        return self._waiter is not None

    @property
    def more(self) -> bool:
        return self._decoder is not None and self._decoder.more

    @property
    def remaining(self) -> int | None:
        """The bytes still to come; None where the client hasn't said."""
        return self._remaining if self._decoder is None else None

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body; return what follows it. After a fault nothing is taken any more."""
        if self.fault is not None:
            return b""
        if self._decoder is not None:
            return self._feed_chunked(self._decoder, data)
        rest = data[self._remaining :]
        if rest:
            data = data[: self._remaining]
        self._remaining -= len(data)
        self.complete = not self._remaining
        if data:
            self._blocks.append(data)
            self.queued += len(data)
        self._wake()
        return rest

    def _feed_chunked(self, decoder: ChunkDecoder, data: bytes) -> bytes:
        blocks = decoder.feed(data)
        self._blocks.extend(blocks)
        self.queued += sum(map(len, blocks))
        if decoder.complete:
            self.complete = True
            self.trailers.update(decoder.trailers)
        elif decoder.fault is not None:
            self.fault = "malformed"
        if blocks or decoder.complete or decoder.fault is not None:
            self._wake()
        return decoder.rest

    def discard(self) -> None:
        """Throw away what is queued; nobody reads this body any more. Its framing is still followed."""
        self.unwanted += self.queued
        self.queued = 0
        self._blocks.clear()

    def fail(self, reason: str) -> None:
        """Let the handler read what has come, and then BodyError(reason)."""
        if not self.complete and self.fault is None:
            self.fault = reason
            self._wake()

    async def next_block(self) -> bytes:
        """Return the next bytes, b"" at the end. Raises BodyError("truncated" | "malformed" | "stalled")."""
        while not self._blocks:
            if self.complete:
                return b""
            if self.fault is not None:
                raise BodyError(self.fault)
            self._waiter = self._loop.create_future()
            self._wanted()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if len(self._blocks) > 1 and self.queued < len(self._blocks) * _SMALL_BLOCK:
            block = b"".join(self._blocks)
            self._blocks.clear()
        else:
            block = self._blocks.popleft()
        self.queued -= len(block)
        self._wanted()
        return block

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
