"""A bare server for measuring: `python -m tests.net.bare [PORT] [--tls FOLDER]`, then wrk against it; prints CPU per
request at Ctrl-C.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys

import uvloop

from awning.net.certificates import CertificateAuthority
from awning.net.messages import Request, Response
from awning.net.server import Server

_HEADERS = [
    (b"Content-Type", b"application/x-amz-json-1.0"),
    (b"x-amzn-RequestId", b"5a4d2c5e-0f68-4b1e-9a7e-2c9d4f1d2e3b"),
]


async def _handler(request: Request) -> Response:
    return Response(200, _HEADERS, b"{}" * 50)


async def _main() -> None:
    server = Server(_handler, on_error=lambda request, error: print(request, repr(error)))
    tls = CertificateAuthority(sys.argv[3]).tls() if "--tls" in sys.argv else None
    listener = await server.listen("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0, tls)
    print(listener.port, flush=True)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    before = resource.getrusage(resource.RUSAGE_SELF)
    await stopped.wait()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    await server.stop(1.0)
    print(f"{server.counters} {spent / max(server.counters.requests, 1) * 1e6:.1f} µs a request")


if __name__ == "__main__":
    uvloop.run(_main())
