"""The pages that are no AWS API: health, metrics, certificates, what tools of the closed emulator ask for, control calls.

Health is for everyone, and so are the certificates of what services sign. Metrics are for who is on this machine. Control is
for the data folder's own socket only; two calls of it, to stop and to reset, are also for whoever may use the well-known keys,
under the names that those tools know.
"""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import orjson

from awning import __version__
from awning.auth.refused import Refused
from awning.gateway.access import refuse_foreign
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
    finds the certificate that a path names, in PEM. init:
    what is shown of the scripts, of all stages or of one (None: there is no such stage).
    """

    def __init__(
        self,
        health: Callable[[], Mapping[str, str]],
        metrics: Callable[[], str],
        controls: Mapping[str, Control],
        domain: str | None = None,
        certificate: Callable[[str], Awaitable[bytes | None]] | None = None,
        init: Callable[[str | None], dict[str, Any] | None] = lambda stage: None,
        well_known_anywhere: bool = False,
    ) -> None:
        self._init = init
        self._well_known_anywhere = well_known_anywhere
        self._started = monotonic()
        self._session = str(uuid4())
        self._domain = domain
        self._certificate = certificate
        self._health = health
        self._metrics = metrics
        self._controls = controls

    async def find(self, request: Request) -> Response | None:
        """Return the page for a request, or None where it has none and may be an API call (a bucket called metrics)."""
        path = request.path
        if path == b"/_awning/health":
            return self._show_health(request)
        if path.startswith(b"/_localstack/"):
            return await self._find_known(request, path[len(b"/_localstack/") :].decode("latin-1"))
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

    async def _find_known(self, request: Request, name: str) -> Response:
        """The pages that tools of the closed emulator know."""
        action, reading = request.method, request.method in ("GET", "HEAD")
        if name == "health":
            return await self._kill(request) if action == "POST" else self._show_health(request)
        if name == "state/reset" and action == "POST":
            return self._closed(request) or await self._run("reset", {})
        if name == "info" and reading:
            return _json(200, self._info())
        if reading and (name == "init" or name.startswith("init/")):
            shown = self._init(name[5:].upper() or None)
            return _json(404, {"error": f"There is no stage {name[5:]}."}) if shown is None else _json(200, shown)
        return _json(501, {"error": f"awning has no page {action} /_localstack/{name}."})

    def _info(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "edition": "awning",
            "is_license_activated": False,
            "session_id": self._session,
            "machine_id": None,
            "system": platform.system().lower(),
            "is_docker": Path("/.dockerenv").exists(),
            "server_time_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "uptime": int(monotonic() - self._started),
        }

    async def _kill(self, request: Request) -> Response:
        if closed := self._closed(request):
            return closed
        try:
            action = orjson.loads(await request.read(1024) or b"{}")["action"]
        except (ValueError, KeyError, TypeError):
            return _json(400, {"error": 'Send {"action": "kill"}.'})
        if action != "kill":
            return _json(
                501, {"error": f"awning has no action {action}: stop it, and start it again with `awning up`."}
            )
        await self._controls["stop"]({})
        return _json(200, {"status": "ok"})

    def _closed(self, request: Request) -> Response | None:
        """Refuse whoever could not act as root with a well-known key."""
        if not request.endpoint.loopback and not self._well_known_anywhere:
            return _json(403, {"error": "This is accepted on loopback addresses only."})
        try:
            refuse_foreign(request, self._domain)
        except Refused as refused:
            return _json(403, {"error": str(refused)})
        return None

    async def _control(self, request: Request, name: str) -> Response:
        if not request.endpoint.control:
            return _json(403, {"error": "Control calls are accepted on the data folder's socket only."})
        if name not in self._controls or request.method != "POST":
            return _json(404, {"error": f"There is no control call {name}."})
        try:
            given = orjson.loads(await request.read(1024 * 1024) or b"{}")
        except ValueError as error:
            return _json(400, {"error": str(error)})
        return await self._run(name, given)

    async def _run(self, name: str, given: dict[str, Any]) -> Response:
        try:
            return _json(200, await self._controls[name](given))
        except ValueError as error:
            return _json(400, {"error": str(error)})


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(status, list(_JSON), orjson.dumps(content))
