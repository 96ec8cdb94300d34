"""The pages that are no AWS API: health, metrics, certificates, and the control calls of the command line.

Health is for everyone, and so are the certificates of what services sign. Metrics are for who is on this machine. Control
is for the data folder's own socket only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from awning import __version__
from awning.gateway.address import read_host
from awning.net.messages import Request, Response

_JSON = [(b"Content-Type", b"application/json")]
_PEM = [(b"Content-Type", b"application/x-pem-file")]
_TEXT = [(b"Content-Type", b"text/plain; version=0.0.4; charset=utf-8")]

CERTIFICATES = b"/SimpleNotificationService-"
"""What begins the paths of certificates; no bucket's name has capital letters."""

Control = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Pages:
    """Answers the region's own pages.

    health: service names to their state ("running", "broken"). metrics: writes the exposition. controls: command names to
    coroutine functions that take and return JSON objects; what they raise as ValueError is shown to the user. certificate:
    finds the certificate that a path names, in PEM.
    """

    def __init__(
        self,
        health: Callable[[], Mapping[str, str]],
        metrics: Callable[[], str],
        controls: Mapping[str, Control],
        domain: str | None = None,
        certificate: Callable[[str], Awaitable[bytes | None]] | None = None,
    ) -> None:
        self._domain = domain
        self._certificate = certificate
        self._health = health
        self._metrics = metrics
        self._controls = controls

    async def find(self, request: Request) -> Response | None:
        """Return the page for a request, or None where it has none and may be an API call (a bucket called metrics)."""
        path = request.path
        if path in (b"/_awning/health", b"/_localstack/health"):
            return self._show_health(request)
        if path in (b"/_localstack/init", b"/_localstack/info", b"/_localstack/diagnose"):
            return _json(501, {"error": f"awning has no page {path.decode()}."})
        if path.startswith(CERTIFICATES):
            return await self._show_certificate(request, path.decode("latin-1"))
        if path == b"/metrics":
            if b"authorization" in request.headers or request.query or request.method != "GET":
                return None
            host = request.headers.get(b"host", b"").decode("latin-1")
            if not request.endpoint.loopback or not read_host(host, self._domain).known:
                return _json(
                    403, {"error": "Metrics are shown on loopback addresses, to hosts that awning knows, only."}
                )
            return Response(200, list(_TEXT), self._metrics().encode())
        if path.startswith(b"/_awning/control/"):
            return await self._control(request, path[len(b"/_awning/control/") :].decode("latin-1"))
        return _json(404, {"error": "There is no such page. Try /_awning/health or /metrics."})

    async def _show_certificate(self, request: Request, path: str) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"error": "Certificates are read by GET."})
        found = await self._certificate(path) if self._certificate is not None else None
        if found is None:
            return _json(404, {"error": "There is no such certificate."})
        return Response(200, list(_PEM), found)

    def _show_health(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"error": "Health is read by GET."})
        services = dict(self._health())
        broken = any(state != "running" for state in services.values())
        return _json(503 if broken else 200, {"services": services, "edition": "awning", "version": __version__})

    async def _control(self, request: Request, name: str) -> Response:
        if not request.endpoint.control:
            return _json(403, {"error": "Control calls are accepted on the data folder's socket only."})
        control = self._controls.get(name)
        if control is None or request.method != "POST":
            return _json(404, {"error": f"There is no control call {name}."})
        try:
            given = orjson.loads(await request.read(1024 * 1024) or b"{}")
            return _json(200, await control(given))
        except ValueError as error:
            return _json(400, {"error": str(error)})


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(status, list(_JSON), orjson.dumps(content))
