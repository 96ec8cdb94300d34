"""The client against a bare server that says what a test tells it to, on both loops; against our own server, too."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from awning.net.certificates import CertificateAuthority
from awning.net.client import (
    BadReply,
    Client,
    ClientError,
    ClientLimits,
    Refused,
    TimedOut,
    Unresolvable,
    Untrusted,
    read_url,
    write_request,
)
from awning.net.messages import Request, Response
from tests.net.harness import open_files, serving, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Run = Callable[[Coroutine[Any, Any, Any]], Any]
QUICK = ClientLimits(connect_seconds=5, head_seconds=0.2, body_bytes=1000)


class Bare:
    """A server that answers the requests of each connection with scripted bytes; None closes, "hang" says nothing."""

    def __init__(self, *script: bytes | str | None) -> None:
        self.script = list(script)
        self.connections = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.script:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = next((line[15:] for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), b"0")
                self.bodies.append(await reader.readexactly(int(length)))
                answer = self.script.pop(0)
                if answer == "hang":
                    await reader.read()
                if not isinstance(answer, bytes):
                    return
                writer.write(answer)
                if b"Content-Length" not in answer and b"chunked" not in answer:
                    return
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def bare(*script: bytes | str | None, **options: Any) -> AsyncIterator[tuple[Bare, str]]:
    server = Bare(*script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, **options)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server, f"{'https' if options else 'http'}://127.0.0.1:{port}"


@asynccontextmanager
async def clients(**given: Any) -> AsyncIterator[Client]:
    client = Client(**given)
    yield client
    await client.close()


def test_a_request_says_what_it_was_given_and_that_it_comes_from_here(run: Run) -> None:
    async def scenario() -> None:
        async with bare(OK) as (server, url), clients() as client:
            reply = await client.request("POST", f"{url}/hook?a=b#c", [(b"X-Kind", b"note")], b"hello")
            assert (reply.status, reply.body) == (200, b"ok")
            port = url.rpartition(":")[2].encode()
            assert server.heads == [
                b"POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:%b\r\nX-Kind: note\r\nContent-Length: 5\r\n"
                b"X-Awning-Outgoing: 1\r\n\r\n" % port
            ]
            assert server.bodies == [b"hello"]

    run(scenario())


def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_replaced(run: Run) -> None:
    async def scenario() -> None:
        async with bare(OK, OK, None, OK) as (server, url), clients() as client:
            for _ in range(3):
                assert (await client.request("POST", url, body=b"x")).body == b"ok"
            assert (server.connections, len(server.heads)) == (2, 4)

    run(scenario())


def test_idle_connections_are_bounded_in_number_and_time(run: Run) -> None:
    async def scenario() -> None:
        async with bare(*[OK] * 12) as (_, url), clients(limits=ClientLimits(idle_each=2)) as client:
            await asyncio.gather(*(client.request("GET", url) for _ in range(6)))
            assert 1 <= client._kept <= 2
        async with bare(OK, OK) as (server, url), clients(limits=ClientLimits(idle_seconds=0.02)) as client:
            await client.request("GET", url)
            await until(lambda: client._kept == 0)
            assert client._idle == {}
            await client.request("GET", url)
            assert server.connections == 2

    run(scenario())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ((None,), Refused),
        ((b"SSH-2.0-x\r\n",), BadReply),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nab", None), TimedOut),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",), BadReply),
        ((b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,), BadReply),
        ((b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000,), BadReply),
        ((b"HTTP/1.1 200 OK\r\nA: Content-Length",), TimedOut),
        (("hang",), TimedOut),
        ((b"HTTP/1.1 100 Continue\r\nA: Content-Length\r\n\r\n",), TimedOut),
        ((b"HTTP/1.1 200 OK\r\nA: chunked",), TimedOut),
    ],
)
def test_a_hostile_server_gives_a_clean_error(run: Run, script: tuple[bytes | None, ...], error: type) -> None:
    async def scenario() -> None:
        async with bare(*script) as (_, url), clients(limits=QUICK) as client:
            with pytest.raises(ClientError) as raised:
                await client.request("POST", url, body=b"x", timeout=0.5)
            assert type(raised.value) is error
            assert client._kept == 0

    run(scenario())


def test_a_slow_drip_ends_with_the_time(run: Run) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    async def scenario() -> None:
        listening = await asyncio.start_server(drip, "127.0.0.1", 0)
        async with listening, clients(limits=QUICK) as client:
            with pytest.raises(TimedOut):
                await client.request("GET", f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/", timeout=0.4)

    run(scenario())


def test_a_redirect_is_a_reply_like_any_other(run: Run) -> None:
    async def scenario() -> None:
        moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        async with bare(moved) as (_, url), clients() as client:
            reply = await client.request("GET", url)
            assert (reply.status, reply.headers[b"location"]) == (302, b"http://127.0.0.1:1/")

    run(scenario())


def test_nobody_there(run: Run) -> None:
    async def scenario() -> None:
        listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        listening.close()
        await listening.wait_closed()
        async with clients() as client:
            for host in ("127.0.0.1", "localhost", "hooks.localhost"):
                with pytest.raises(Refused):
                    await client.request("GET", f"http://{host}:{port}/")
            with pytest.raises(Unresolvable):
                await client.request("GET", "http://nobody.invalid/")

    run(scenario())


def test_certificates_are_verified_and_own_authorities_may_be_added(run: Run, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "ca")

    async def handler(request: Request) -> Response:
        return Response(200, [], request.target)

    async def scenario() -> None:
        async with serving(handler, tls=authority.tls()) as (_, listener):
            async with clients(trust=[str(tmp_path / "ca" / "ca.pem")]) as client:
                for host in ("127.0.0.1", "localhost", "sub.localhost"):
                    reply = await client.request("GET", f"https://{host}:{listener.port}/secure")
                    assert reply.body == b"/secure"
            async with clients() as client:
                with pytest.raises(Untrusted):
                    await client.request("GET", f"https://localhost:{listener.port}/")
        async with bare(b"garbage") as (_, url), clients() as client:
            with pytest.raises((BadReply, TimedOut, Refused)):
                await client.request("GET", url.replace("http:", "https:"), timeout=1)

    run(scenario())


def test_a_name_that_a_certificate_does_not_have_is_not_trusted(run: Run, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    chain, key = authority.leaf_pem("example.test")
    file = tmp_path / "leaf.pem"
    file.write_bytes(chain + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)

    async def scenario() -> None:
        async with bare(OK, ssl=context) as (_, url), clients(trust=[str(tmp_path / "ca" / "ca.pem")]) as client:
            other = url.replace("127.0.0.1", "127.0.0.2")
            with pytest.raises((Untrusted, Refused)):
                await client.request("GET", other)
            assert (await client.request("GET", url)).body == b"ok"

    run(scenario())


def test_a_socket_of_the_file_system(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Bare(OK)
        async with await asyncio.start_unix_server(server.serve, str(tmp_path / "s")), clients() as client:
            reply = await client.request("GET", "http://engine/version", unix=str(tmp_path / "s"))
            assert reply.body == b"ok"
            assert b"Host: engine\r\n" in server.heads[0]

    run(scenario())


def test_a_request_that_is_given_up_leaves_no_connection(run: Run) -> None:
    async def scenario() -> None:
        async with bare("hang", "hang") as (server, url), clients() as client:
            before = open_files()
            waiting = asyncio.create_task(client.request("GET", url))
            while not server.heads:
                await asyncio.sleep(0.005)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            for _ in range(100):
                if open_files() <= before:
                    break
                await asyncio.sleep(0.01)
            assert open_files() <= before
            assert client._kept == 0

    run(scenario())


@pytest.mark.parametrize(
    ("url", "path", "authority"),
    [
        ("http://h", b"/", b"h"),
        ("http://H:80/a b".replace(" ", "%20"), b"/a%20b", b"h"),
        ("https://h:443/?x=%2F&y=ü#f", b"/?x=%2F&y=%C3%BC", b"h"),
        ("http://[::1]:8080/{id}", b"/%7Bid%7D", b"[::1]:8080"),
        ("http://bücher.example/", b"/", b"xn--bcher-kva.example"),
    ],
)
def test_urls_are_taken_apart(url: str, path: bytes, authority: bytes) -> None:
    target = read_url(url)
    assert (target.path, target.authority) == (path, authority)


def test_credentials_of_a_url_are_basic_ones() -> None:
    target = read_url("https://user:p%40ss@h/")
    assert b"\r\nAuthorization: Basic dXNlcjpwQHNz\r\n" in write_request("GET", target, [], b"")


@pytest.mark.parametrize(
    "url", ["", "h/x", "ftp://h/", "http://", "http://h:99999/", "http://h/a\r\nX: y", "http://h h/", "http://h/\x00"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError):
        read_url(url)


@pytest.mark.parametrize(
    "field",
    [
        (b"A", b"b\r\nC: d"),
        (b"A b", b"c"),
        (b"Content-Length", b"1"),
        (b"transfer-encoding", b"chunked"),
        (b"x-awning-outgoing", b"0"),
        (b"Connection", b"X-Awning-Outgoing"),
    ],
)
def test_no_header_can_change_the_framing_or_take_the_mark_away(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError):
        write_request("POST", read_url("http://h/"), [field], b"")
