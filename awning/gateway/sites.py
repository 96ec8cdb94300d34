"""Sites: host names under which browsers find a room's pages instead of its API (S3's website endpoints).

Whoever visits is nobody in particular, whatever the request shows; what a page is made of is read by the API's own stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awning.kit.sites import Visit
from awning.protocols.errors import ServiceError
from awning.protocols.model import Wire
from awning.protocols.pages import write_page
from awning.protocols.reply import Reply

if TYPE_CHECKING:
    from awning.gateway.exchange import Exchange
    from awning.gateway.pipeline import Gateway

_CARRIED: Final = (b"range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")


async def serve(gateway: Gateway, exchange: Exchange) -> Reply:
    """Answer a visit to a site. Raises what is no ServiceError."""
    request, entry = exchange.request, exchange.entry
    assert entry is not None
    assert exchange.site is not None
    assert exchange.virtual_host is not None

    async def fetch(method: str, path: bytes, carried: bool) -> Reply:
        headers = {name: value for name, value in request.headers.items() if carried and name in _CARRIED}
        exchange.wire = wire = Wire(method, path, b"", headers, b"")
        exchange.match = match = entry.model.match(wire)
        exchange.protocol = match.protocol
        gateway.understand(exchange)
        gateway.authorise(exchange)
        _, bound, call, params = exchange.needs()
        result = await entry.room.run(bound.operation, call, params)
        return bound.wire.write(result if result is not None else {}, exchange.request_id, exchange.protocol)

    scheme = "https" if request.endpoint.secure else "http"
    visit = Visit(
        exchange.virtual_host,
        exchange.site.region,
        request.method,
        request.path,
        request.query,
        f"{scheme}://{exchange.host}",
        exchange.request_id,
    )
    assert entry.room.service.site is not None
    try:
        return await entry.room.service.site(entry.room.call(gateway.facts(exchange)), visit, fetch)
    except ServiceError as error:
        exchange.detail = f"{error.code}: {error.message}"
        return show_error(exchange, error)


def show_error(exchange: Exchange, error: ServiceError) -> Reply:
    """Write an error as a page."""
    exchange.error = error.code
    return write_page(error, exchange.request_id, head=exchange.request.method == "HEAD")
