"""Files and streams on their way out, bodies on their way in: byte for byte, and never more of them in memory than allowed."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from awning.net.certificates import CertificateAuthority
from awning.net.limits import Limits
from awning.net.messages import FileSlice, Request, Response
from tests.net.harness import GOOD, LAST, ask, open_files, serving, until
from tests.net.test_sockets import authority, trusting

__all__ = ["authority"]
Run = Callable[[Any], Any]
SIZE = 3_000_017


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(random.Random(7).randbytes(SIZE))
    return path


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("secure", [False, True])
def test_ranges_of_a_file_arrive_byte_for_byte_and_in_order(
    run: Run, file: Path, authority: CertificateAuthority, secure: bool
) -> None:
    content = file.read_bytes()
    ranges = [(0, SIZE), (0, 0), (SIZE, 0), (1, 1), (SIZE - 1, 1), (1_048_575, 2), (7, 1_048_576), (100, 2_000_000)]

    async def handler(request: Request) -> Response:
        if request.path == b"/last":
            return Response(200)
        offset, length = map(int, request.query.split(b"-"))
        return Response(206, [], FileSlice(os.open(file, os.O_RDONLY), offset, length))

    async def main() -> None:
        async with serving(handler, tls=authority.tls()) as (server, listener):
            options = {"ssl": trusting(authority), "server_hostname": "localhost"} if secure else {}
            await asyncio.get_running_loop().run_in_executor(server.executor, os.getpid)
            before = open_files()
            stream = b"".join(b"GET /?%d-%d HTTP/1.1\r\nHost: h\r\n\r\n" % each for each in ranges)
            answer = await ask(listener.port, stream + LAST, **options)
            for offset, length in ranges:
                head, _, answer = answer.partition(b"\r\n\r\n")
                assert b"Content-Length: %d" % length in head
                assert answer[:length] == content[offset : offset + length]
                answer = answer[length:]
            assert answer.startswith(b"HTTP/1.1 200 OK")
            await until(lambda: open_files() == before)

    run(main())


@pytest.mark.parametrize("secure", [False, True])
def test_a_file_that_turns_out_shorter_breaks_the_connection_off(
    run: Run, file: Path, authority: CertificateAuthority, secure: bool
) -> None:
    errors: list[BaseException] = []

    async def handler(request: Request) -> Response:
        return Response(200, [], FileSlice(os.open(file, os.O_RDONLY), SIZE - 10, 20))

    async def main() -> None:
        async with serving(handler, tls=authority.tls(), errors=errors) as (_, listener):
            options = {"ssl": trusting(authority), "server_hostname": "localhost"} if secure else {}
            try:
                answer = await ask(listener.port, GOOD + LAST, **options)
            except ConnectionError:
                answer = b""
            assert len(answer.partition(b"\r\n\r\n")[2]) <= 10
            assert len(errors) == 1

    run(main())


def test_a_file_is_closed_though_it_is_not_sent(run: Run, file: Path) -> None:
    async def handler(request: Request) -> Response:
        return Response(304 if request.method == "GET" else 200, [], FileSlice(os.open(file, os.O_RDONLY), 0, 9))

    async def main() -> None:
        async with serving(handler) as (server, listener):
            before = open_files()
            answer = await ask(listener.port, GOOD.replace(b"GET", b"HEAD") + LAST)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b"\r\nContent-Length: 9\r\n" in answer
            assert b"HTTP/1.1 304 " in answer
            await until(lambda: not server.connections)
            assert open_files() == before

    run(main())


@pytest.mark.parametrize("kind", ["file", "stream", "bytes"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_slow_reader_costs_little_memory_and_holds_up_nobody(
    run: Run, tmp_path: Path, authority: CertificateAuthority, kind: str, secure: bool
) -> None:
    size = 64 * 1024 * 1024
    path = tmp_path / "huge"
    with path.open("wb") as out:
        out.truncate(size)
    whole = b"\0" * size if kind == "bytes" else b""
    given = 0

    async def blocks() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(size // 65536):
            given += 65536
            yield b"\0" * 65536

    async def handler(request: Request) -> Response:
        if request.path == b"/last":
            return Response(200, [], b"quick")
        if kind == "bytes":
            return Response(200, [], whole, close=True)
        body = FileSlice(os.open(path, os.O_RDONLY), 0, size) if kind == "file" else blocks()
        return Response(200, [], body, close=True)

    def connect(port: int) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port))
        if secure:
            client = trusting(authority).wrap_socket(client, server_hostname="localhost")
        client.sendall(GOOD)
        assert b"200 OK" in client.recv(200)
        return client

    def drain(client: socket.socket) -> int:
        received = 0
        with client:
            while block := client.recv(1 << 20):
                received += len(block)
        return received

    async def main() -> None:
        async with serving(handler, tls=authority.tls()) as (_, listener):
            assert b"quick" in await ask(listener.port, LAST)
            before = resident()
            client = await asyncio.to_thread(connect, listener.port)
            for _ in range(3):
                assert b"quick" in await ask(listener.port, LAST)
            assert given <= 16 * 1024 * 1024
            assert resident() - before < 24 * 1024 * 1024
            assert size <= await asyncio.to_thread(drain, client) + 200

    run(main())


def test_an_upload_waits_for_its_reader(run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        digest: list[int] = []

        async def handler(request: Request) -> Response:
            await gate.wait()
            digest.append(sum([len(block) async for block in request.blocks()]))
            return Response(200)

        async with serving(handler) as (server, listener):
            size = 64 * 1024 * 1024
            client = socket.create_connection(("127.0.0.1", listener.port))
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size
            sending = asyncio.create_task(loop.sock_sendall(client, head + b"x" * size))
            await until(lambda: server.counters.bytes_in > 256 * 1024)
            quiet = -1
            while quiet != server.counters.bytes_in:
                quiet = server.counters.bytes_in
                await asyncio.sleep(0.05)
            assert quiet < 2 * 1024 * 1024
            gate.set()
            await sending
            assert b"200 OK" in await loop.sock_recv(client, 1000)
            assert digest == [size]
            client.close()

    run(main())


def test_pipelined_requests_behind_a_running_one_wait_in_the_socket(run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            await gate.wait()
            return Response(200)

        async with serving(handler) as (server, listener):
            asking = asyncio.create_task(ask(listener.port, GOOD * 200_000 + LAST))
            await until(lambda: server.counters.bytes_in > 64 * 1024)
            await asyncio.sleep(0.05)
            assert server.counters.bytes_in < 1024 * 1024
            assert server.counters.requests == 1
            gate.set()
            assert (await asking).count(b"200 OK") == 200_001

    run(main())


def test_streams_are_chunked_or_counted_or_end_with_the_connection(run: Run) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        for block in (b"ab", b"", b"c"):
            await asyncio.sleep(0)
            yield block

    async def handler(request: Request) -> Response:
        headers = [(b"Content-Length", b"3")] if request.path == b"/counted" else []
        return Response(200, headers, blocks())

    async def main() -> None:
        async with serving(handler) as (server, listener):
            server.date = b""
            server._tick = lambda: None  # type: ignore[method-assign]
            chunked = await ask(listener.port, LAST)
            assert chunked.endswith(
                b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
            )
            counted = await ask(listener.port, LAST.replace(b"last", b"counted"))
            assert counted.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\nabc")
            old = await ask(listener.port, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert old.endswith(b"Connection: close\r\n\r\nabc")
            assert b"Transfer-Encoding" not in old

    run(main())


class Closing:
    """An iterator that fails at a given block, and notes that it was closed."""

    def __init__(self, at: int, closed: list[int]) -> None:
        self.at = at
        self.closed = closed

    def __aiter__(self) -> Closing:
        return self

    async def __anext__(self) -> bytes:
        if self.at == 0:
            raise KeyError("fault")
        self.at -= 1
        return b"block"

    async def aclose(self) -> None:
        self.closed.append(self.at)


def test_a_stream_that_fails_is_a_500_before_its_first_block_and_a_break_after_it(run: Run) -> None:
    errors: list[BaseException] = []
    closed: list[int] = []

    async def handler(request: Request) -> Response:
        at = int(request.path[1:])
        headers = [(b"Content-Length", b"7")] if at == 9 else []
        return Response(200, headers, Closing(at, closed))

    async def main() -> None:
        async with serving(handler, errors=errors, limits=Limits()) as (_, listener):
            path = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
            assert (await ask(listener.port, path % 0)).startswith(b"HTTP/1.1 500 ")
            for at in (1, 9):
                try:
                    broken = await ask(listener.port, path % at)
                except ConnectionError:
                    broken = b""
                assert b"0\r\n\r\n" not in broken
            assert (await ask(listener.port, path.replace(b"GET", b"HEAD") % 5 + LAST.replace(b"last", b"0"))) != b""
            await until(lambda: len(closed) == 5)
            assert [type(error).__name__ for error in errors] == ["KeyError", "KeyError", "WrongLength", "KeyError"]

    run(main())
