"""Pages of other origins (CORS): pre-flights, and the headers that let a page read a reply.

A room with rules of its own decides; every other service answers any page, as AWS's do.
Source: Fetch standard, "CORS protocol"; S3 user guide, "Using cross-origin resource sharing (CORS)".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awning.gateway import services
from awning.gateway.address import read_host, under
from awning.gateway.catalogue import Entry
from awning.kit.call import service_facts
from awning.kit.origins import CrossOrigin
from awning.net.messages import Request
from awning.protocols.errors import NamedError, ServiceError
from awning.protocols.reply import Reply, write_error
from awning.protocols.rest import amzn_identity, s3_identity

if TYPE_CHECKING:
    from awning.gateway.exchange import Exchange
    from awning.gateway.pipeline import Gateway

Headers = list[tuple[bytes, bytes]]

_METHODS: Final = b"GET, HEAD, PUT, POST, DELETE, PATCH"
_SHOWN: Final = b"x-amzn-RequestId, x-amzn-ErrorType, x-amzn-ErrorMessage, x-amzn-query-error, Date"
_SECONDS: Final = b"172800"
_WANTS: Final = b"access-control-request-method"
_NAMES: Final = b"access-control-request-headers"


def answer_preflight(gateway: Gateway, exchange: Exchange) -> Reply:
    """Answer an OPTIONS request: it is never signed, and says what another one will be."""
    request = exchange.request
    exchange.entry = entry = entry_of(gateway, request)
    origin = request.headers.get(b"origin")
    if entry is None or entry.room.service.cors is None:
        asked = [(b"Access-Control-Allow-Headers", value) for value in (request.headers.get(_NAMES),) if value]
        methods = [(b"Access-Control-Allow-Methods", _METHODS), (b"Access-Control-Max-Age", _SECONDS)]
        return Reply(200, [*amzn_identity(exchange.request_id), *_open(), *methods, *asked])
    try:
        if origin is None:
            raise NamedError("BadRequest", "Insufficient information. Origin request header needed.", 400)
        headers = _ask(gateway, entry, request, origin.decode("latin-1"), preflight=True)
    except ServiceError as error:
        exchange.error = error.code
        exchange.detail = f"{error.code}: {error.message}"
        return write_error(entry.model, "rest-xml", error, exchange.request_id)
    return Reply(200, [*s3_identity(exchange.request_id), *(headers or ())])


def share(gateway: Gateway, exchange: Exchange, headers: Headers, origin: bytes) -> None:
    """Add to the headers of a reply what lets a page of another origin read it, where it may; errors are no exception."""
    request = exchange.request
    if request.method == "OPTIONS":
        return
    entry = exchange.entry or entry_of(gateway, request)
    if entry is None or entry.room.service.cors is None:
        headers += _open()
    else:
        headers += _ask(gateway, entry, request, origin.decode("latin-1")) or ()


def is_shared(gateway: Gateway, room: str, request: Request) -> bool:
    """Whether a room's own rules take a page's request that is signed with a key that every page knows."""
    entry = gateway.entries[room]
    if entry.room.service.cors is None:
        return False
    origin = request.headers.get(b"origin", b"null").decode("latin-1")
    return _ask(gateway, entry, request, origin, well_known=True) is not None


def entry_of(gateway: Gateway, request: Request) -> Entry | None:
    """The room that a request without a signature is for, told without a model. None: it is no room of this region.

    What an API's pre-flight asks for tells it from S3's, whose signatures by headers always show the body's hash, and whose forms
    name a bucket.
    """
    host = read_host(request.headers.get(b"host", b"localhost").decode("latin-1"), gateway.domain)
    label = host.service if host.point is None else "s3"
    if label is None or not services.is_label(label):
        asked = _asked(request)
        signed = b"authorization" in request.headers or "authorization" in asked
        hashed = b"x-amz-content-sha256" in request.headers or "x-amz-content-sha256" in asked
        if (signed and not hashed) or "x-amz-target" in asked or "smithy-protocol" in asked:
            return None
        if request.path == b"/" and b"POST" in (request.method.encode(), request.headers.get(_WANTS)):
            return None
        label = unsigned_service(request, request.payload or b"")
    return gateway.models.get(services.find(label, request.path, request.headers, request.query, b""))


def unsigned_service(request: Request, payload: bytes) -> str:
    """Which service an unsigned request to a bare host is for: a target or a path names it, or the version of the API in a
    form, which else is for a queue, as an SQS target is; all else is for S3."""
    name = services.named_by_target(request.path, request.headers)
    if name is not None:
        return services.signing_name(name)
    body = b""
    if request.method == "POST" and request.headers.get(b"content-type", b"").startswith(
        b"application/x-www-form-urlencoded"
    ):
        body = payload
    elif b"Action=" not in request.query:
        return "s3"
    return services.signing_name(services.named_by_form(request.query, body) or "sqs")


def _open() -> Headers:
    return [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Expose-Headers", _SHOWN)]


def _asked(request: Request) -> tuple[str, ...]:
    text = request.headers.get(_NAMES, b"").decode("latin-1").lower()
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _ask(
    gateway: Gateway,
    entry: Entry,
    request: Request,
    origin: str,
    *,
    preflight: bool = False,
    well_known: bool = False,
) -> Headers | None:
    """Ask a room. A request that says, as only pre-flights do, what another will be is judged by that, as S3 does."""
    cors = entry.room.service.cors
    assert cors is not None
    host = read_host(request.headers.get(b"host", b"localhost").decode("latin-1"), gateway.domain)
    named = host.named(request.headers, "us-east-1", None)
    path = request.path if named is None else under(named, request.path)
    wanted = request.headers.get(_WANTS) if not well_known else None
    method = wanted.decode("latin-1") if wanted is not None else None if preflight else request.method
    question = CrossOrigin(path, origin, method, _asked(request), preflight, well_known)
    return cors(entry.room.call(service_facts(entry.name)), question)


def is_s3s_alone(request: Request, protocol: str) -> bool:
    """Whether a request that was signed for a service of this protocol can only be S3's: those that speak in forms alone have
    no paths, and their clients send no hash of the payload."""
    return (
        protocol in ("ec2", "query")
        and request.method != "POST"
        and len(request.path) > 1
        and b"x-amz-content-sha256" in request.headers
        and b"Action=" not in request.query
    )
