"""A server on real sockets: listeners that come and go, TLS and plain on one port, torn connections, a graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from awning.net.certificates import CertificateAuthority
from awning.net.connection import Connection
from awning.net.limits import Limits
from awning.net.messages import Endpoint, FileSlice, Request, Response
from awning.net.server import Server
from tests.net.harness import GOOD, LAST, ask, open_files, serving, until

Run = Callable[[Any], Any]
OPENING = Path(__file__).read_bytes()[:100]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


def trusting(authority: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.root_pem().decode())


def test_tls_and_plain_share_a_port(run: Run, authority: CertificateAuthority) -> None:
    ends: list[Endpoint] = []

    async def handler(request: Request) -> Response:
        ends.append(request.endpoint)
        return Response(200, [], b"x" * 100_000)

    async def main() -> None:
        async with serving(handler, tls=authority.tls()) as (server, listener):
            plain = await ask(listener.port, GOOD + LAST)
            secure = await ask(listener.port, GOOD + LAST, ssl=trusting(authority), server_hostname="b.s3.localhost")
            assert plain == secure
            assert len(plain) > 200_000
            assert [(end.secure, end.tls_version, end.loopback, end.control) for end in ends] == [
                (False, None, True, False),
                (False, None, True, False),
                (True, "TLSv1.3", True, False),
                (True, "TLSv1.3", True, False),
            ]
            assert {end.local_port for end in ends} == {listener.port}
            assert server.counters.accepted == 2

    run(main())


def test_a_handshake_split_at_every_byte_succeeds(run: Run, authority: CertificateAuthority) -> None:
    async def main() -> None:
        async with serving(tls=authority.tls()) as (_, listener):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = trusting(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")

            async def push() -> None:
                for byte in outgoing.read():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)

            async def call(function: Callable[..., Any], *arguments: Any) -> Any:
                while True:
                    try:
                        result = function(*arguments)
                    except ssl.SSLWantReadError:
                        await push()
                        incoming.write(await reader.read(65536))
                    else:
                        await push()
                        return result

            await call(client.do_handshake)
            await call(client.write, LAST)
            assert (await call(client.read, 65536)).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()

    run(main())


def test_broken_tls_is_refused_and_the_port_serves_on(run: Run, authority: CertificateAuthority) -> None:
    async def main() -> None:
        async with serving(tls=authority.tls()) as (server, listener):
            await ask(listener.port, b"\x16\x03\x01\x00\x05hello" + b"x" * 100)
            assert server.counters.refused == {"TLS": 1}
            assert b"200 OK" in await ask(listener.port, LAST)

    run(main())


def test_a_handshake_that_stops_is_cut_off(run: Run, authority: CertificateAuthority) -> None:
    async def main() -> None:
        async with serving(tls=authority.tls(), limits=Limits(handshake_seconds=0.05)) as (server, listener):
            assert await ask(listener.port, b"\x16\x03\x01") == b""
            assert server.counters.refused == {"TLS time-out": 1}

    run(main())


def test_listeners_come_and_go_while_connections_stay(run: Run) -> None:
    async def main() -> None:
        async with serving() as (server, first):
            second = await server.listen("127.0.0.1", 0)
            assert first.port != second.port
            reader, writer = await asyncio.open_connection("127.0.0.1", second.port)
            writer.write(GOOD)
            assert await reader.readuntil(b"ok")
            await second.close()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", second.port)
            writer.write(LAST)
            assert b"200 OK" in await reader.read()
            assert b"200 OK" in await ask(first.port, LAST)
            writer.close()

    run(main())


def test_localhost_takes_one_port_for_all_its_addresses_and_a_taken_one_is_refused(run: Run) -> None:
    async def main() -> None:
        async with serving() as (server, listener):
            both = await server.listen("localhost", 0)
            assert b"200 OK" in await ask(both.port, LAST)
            files = open_files()
            with pytest.raises(OSError):
                await server.listen("127.0.0.1", listener.port)
            assert open_files() == files

    run(main())


def test_a_socket_file_is_its_owners_only(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "control"
    ends: list[Endpoint] = []

    async def handler(request: Request) -> Response:
        ends.append(request.endpoint)
        fd = os.open(__file__, os.O_RDONLY)
        return Response(200, [], FileSlice(fd, 0, 100))

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        async with serving(handler) as (server, _):
            listener = await server.listen_unix(str(path))
            assert os.stat(path).st_mode & 0o777 == 0o600
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(LAST)
            assert (await reader.read()).endswith(OPENING)
            writer.close()
            await listener.close()
        assert not path.exists()
        assert ends == [Endpoint("", 0, "", 0, loopback=True, control=True)]

    run(main())


def test_stop_closes_idle_connections_and_lets_running_requests_finish(run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            if request.path == b"/slow":
                await gate.wait()
            return Response(200, [], b"done")

        server = Server(handler, on_error=lambda request, error: None)
        listener = await server.listen("127.0.0.1", 0)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", listener.port)
        idle_writer.write(GOOD)
        await idle.readuntil(b"done")
        busy, busy_writer = await asyncio.open_connection("127.0.0.1", listener.port)
        busy_writer.write(GOOD.replace(b"good", b"slow") + GOOD)
        await until(lambda: server.counters.requests == 2)
        stopping = asyncio.create_task(server.stop(30))
        assert await idle.read() == b""
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", listener.port)
        assert not stopping.done()
        gate.set()
        answer = await busy.read()
        assert answer.endswith(b"Connection: close\r\n\r\ndone")
        assert answer.count(b"HTTP/1.1") == 1
        await stopping
        assert not server.connections
        idle_writer.close()
        busy_writer.close()

    run(main())


def test_stop_cancels_what_outlasts_its_grace(run: Run) -> None:
    async def main() -> None:
        cancelled = []

        async def handler(request: Request) -> Response:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise
            return Response(200)

        server = Server(handler, on_error=lambda request, error: None)
        listener = await server.listen("127.0.0.1", 0)
        asking = asyncio.create_task(ask(listener.port, GOOD))
        await until(lambda: server.counters.requests == 1)
        await server.stop(0.05)
        assert cancelled == [True]
        await asyncio.gather(asking, return_exceptions=True)

    run(main())


def test_too_many_connections_are_told_so(run: Run) -> None:
    async def main() -> None:
        async with serving(limits=Limits(connections=2)) as (server, listener):
            kept = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
            await until(lambda: len(server.connections) == 2)
            assert (await ask(listener.port, LAST)).startswith(b"HTTP/1.1 503 ")
            assert server.counters.refused == {"too many connections": 1}
            for _, writer in kept:
                writer.close()
            await until(lambda: not server.connections)
            assert b"200 OK" in await ask(listener.port, LAST)

    run(main())


def test_new_clients_are_accepted_at_once_however_busy_the_loop(run: Run) -> None:
    async def main() -> None:
        async with serving() as (server, listener):
            clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(60)]
            for _ in range(20):
                await asyncio.sleep(0)  # a turn of the loop; with one client a turn there would be 20
            assert server.counters.accepted == 60
            for client in clients:
                client.close()

    run(main())


def test_a_system_without_descriptors_refuses_for_a_while_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = socket.socket.accept
    failures = [OSError(24, "Too many open files")]

    def failing(one: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return accept(one)

    async def main() -> None:
        async with serving() as (server, listener):
            monkeypatch.setattr(socket.socket, "accept", failing)
            answer = await ask(listener.port, GOOD + LAST)
            monkeypatch.undo()
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert server.counters.refused == {"accept: Too many open files": 1}

    run(main())


def test_a_waiting_handler_learns_that_its_client_has_gone(run: Run) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def handler(request: Request) -> Response:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
            return Response(200)

        async with serving(handler) as (server, listener):
            for abrupt in (False, True):
                _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                writer.write(GOOD)
                await until(lambda: server.counters.requests == len(ended) + 1)
                writer.transport.abort() if abrupt else writer.close()
                await until(lambda wanted=abrupt + 1: len(ended) == wanted)
            await until(lambda: not server.connections)

    run(main())


def test_a_half_closed_client_still_gets_its_answers(run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, listener):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(GOOD * 40)
            writer.write_eof()
            assert (await reader.read()).count(b"200 OK") == 40
            writer.close()

    run(main())


def test_a_refusal_reaches_a_client_that_is_still_sending(run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, listener):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 10_000_000)
            assert b"200 OK" in await reader.readuntil(b"ok")
            await writer.drain()
            writer.close()

    run(main())


STAGES = {
    "nothing": b"",
    "part of a head": b"GET / HT",
    "part of a small body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
    "part of a large body": b"POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc",
    "part of a chunk": b"POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "a waiting handler": b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n",
    "a file being sent": b"GET /file HTTP/1.1\r\nHost: h\r\n\r\n",
    "files queued": b"GET /file HTTP/1.1\r\nHost: h\r\n\r\n" * 5,
    "a stream being sent": b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
    "part of a handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("abrupt", [False, True])
def test_connections_torn_at_any_stage_leave_nothing_open(
    run: Run, authority: CertificateAuthority, tmp_path: Path, abrupt: bool
) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 50_000_000)
    streams: list[str] = []

    async def blocks() -> AsyncIterator[bytes]:
        streams.append("begun")
        try:
            while True:
                yield b"x" * 100_000
        finally:
            streams.append("ended")

    async def handler(request: Request) -> Response:
        if request.path == b"/wait":
            await asyncio.sleep(1000)
        if request.path == b"/body":
            await request.read(10**6)
        if request.path == b"/file":
            return Response(200, [], FileSlice(os.open(path, os.O_RDONLY), 0, 50_000_000))
        if request.path == b"/stream":
            return Response(200, [], blocks())
        return Response(200)

    async def tear(port: int, data: bytes, **options: Any) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
        writer.write(data)
        await asyncio.sleep(0.02)
        if b"file" in data or b"stream" in data:
            await reader.read(1000)
        if abrupt:
            writer.transport.abort()
        else:
            writer.close()

    async def main() -> None:
        async with serving(handler, tls=authority.tls()) as (server, listener):
            await ask(listener.port, LAST)
            await asyncio.get_running_loop().run_in_executor(server.executor, os.getpid)
            await until(lambda: not server.connections)
            before = open_files()
            for data in STAGES.values():
                await tear(listener.port, data)
                if data[:1] != b"\x16":
                    await tear(listener.port, data, ssl=trusting(authority), server_hostname="localhost")
            await until(lambda: not server.connections and not server.orphans)
            await until(lambda: open_files() == before)
            assert streams.count("begun") == streams.count("ended") == 2
            assert b"200 OK" in await ask(listener.port, LAST)

    run(main())


def test_idle_and_crawling_clients_hinder_nobody(run: Run) -> None:
    """A bounded sample; the soak holds ten times as many."""

    async def main() -> None:
        async with serving() as (server, listener):
            idle: list[socket.socket] = []
            for hundreds in range(1, 11):
                idle += [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(100)]
                await until(lambda wanted=hundreds * 100: len(server.connections) == wanted)
            for each in idle[::2]:
                each.send(b"GET / HT")
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            for _ in range(200):
                writer.write(GOOD)
                assert await reader.readuntil(b"ok")
            assert len(server.connections) == 1001
            writer.close()
            for each in idle:
                each.close()
            await until(lambda: not server.connections)

    run(main())


@pytest.mark.soak
def test_ten_thousand_idle_clients_and_a_crawling_one() -> None:
    """The server is a process of its own, as each may have so many files open only."""
    with subprocess.Popen([sys.executable, "-m", "tests.net.bare"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with contextlib.ExitStack() as stack:

            def connect() -> socket.socket:
                return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))

            good, crawling = connect(), connect()
            idle: list[socket.socket] = []
            for number in range(10_000):
                idle.append(connect())
                if number % 10 == 0:
                    good.sendall(GOOD)
                    assert b"200 OK" in good.recv(65536)
                    crawling.sendall(b"G" if number == 0 else b"e")
            for _ in range(10_000):
                good.sendall(GOOD)
                assert b"200 OK" in good.recv(65536)
            for each in idle:
                each.setblocking(False)
                with pytest.raises(BlockingIOError):
                    each.recv(1)
        process.send_signal(signal.SIGTERM)
        assert "accepted=10002" in process.stdout.read()
    assert process.returncode == 0


def test_a_closed_connection_is_freed_without_the_garbage_collector(run: Run, authority: CertificateAuthority) -> None:
    """TLS holds memory that the collector doesn't see: cycles of closed connections would pile up between its turns."""

    async def handler(request: Request) -> Response:
        await request.read(10_000_000)
        return Response(200, [], b"x" * 300_000)

    torn = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(100_000)

    async def main() -> None:
        async with serving(handler, tls=authority.tls()) as (server, listener):
            gc.collect()
            gc.disable()
            try:
                for _ in range(3):
                    await ask(listener.port, GOOD + LAST)
                    await ask(listener.port, GOOD + LAST, ssl=trusting(authority), server_hostname="localhost")
                    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                    writer.write(torn)
                    await asyncio.sleep(0.02)
                    writer.transport.abort()
                await until(lambda: not server.connections and not server.orphans)
                await until(lambda: not any(isinstance(each, Connection) for each in gc.get_objects()))
            finally:
                gc.enable()

    run(main())
