"""Following a request to the end of its reply, for a room that wants to hear of it (access logs, request metrics)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from awning.gateway.address import read_host, under
from awning.kit.room import Room
from awning.kit.watching import Seen, Watch
from awning.net.messages import FileSlice
from awning.protocols.reply import Reply

if TYPE_CHECKING:
    from awning.gateway.exchange import Exchange
    from awning.gateway.pipeline import Gateway


def follow(gateway: Gateway, exchange: Exchange, room: Room, watch: Watch, reply: Reply) -> None:
    """Have the room told of a request when its reply has been sent, or cannot be."""
    request = exchange.request
    first = monotonic() - request.received
    match = exchange.match
    host = read_host(exchange.host or request.headers.get(b"host", b"").decode("latin-1"), gateway.domain)
    named = host.named(request.headers, exchange.region, exchange.claims)
    path = request.path if named is None else under(named, request.path)
    form = exchange.form
    through = exchange.call.through if exchange.call is not None else None
    if exchange.wire is not None and (form is not None or (exchange.site is not None and reply.status < 300)):
        path = exchange.wire.path  # the object that the form makes, or the page that stands for a folder
    decoded = request.headers.get(b"x-amz-decoded-content-length", b"")
    seen = Seen(
        request,
        exchange.request_id,
        exchange.principal,
        exchange.claims.scheme if exchange.claims is not None else None,
        match.operation.name if match is not None else "",
        path,
        exchange.host,
        exchange.now,
        reply.status,
        exchange.error,
        {name.lower(): value for name, value in reply.headers},
        int(decoded) if decoded.isdigit() and len(decoded) < 19 else request.content_length or 0,
        first,
        exchange.site is not None,
        form is not None,
        through=None if through is None else through.arn,
    )

    def tell(sent: int) -> None:
        seen.sent = sent
        seen.whole = monotonic() - request.received
        watch(room, seen)

    body = reply.body
    if request.method == "HEAD" or isinstance(body, bytes):
        tell(0 if request.method == "HEAD" else len(body))
    elif isinstance(body, FileSlice):
        body.closed = tell
    else:
        reply.body = _Counted(body, tell)


class _Counted:
    """Blocks of a body, counted on their way."""

    def __init__(self, blocks: AsyncIterator[bytes], tell: Any) -> None:
        self._blocks = blocks
        self._tell = tell
        self._count = 0

    def __aiter__(self) -> _Counted:
        return self

    async def __anext__(self) -> bytes:
        block = await self._blocks.__anext__()
        self._count += len(block)
        return block

    async def aclose(self) -> None:
        """Tell how many came; then what an iterator's end needs."""
        tell, self._tell = self._tell, _nobody
        tell(self._count)
        if hasattr(self._blocks, "aclose"):
            await self._blocks.aclose()


def _nobody(_: int) -> None:
    """Stands where it has been told already."""
