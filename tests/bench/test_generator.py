"""The load generator finds where answers end and counts them rightly: figures that are wrong are worse than none."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.generator import Request, Run, replay, saved_bodies, write_requests

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the generator is compiled by cc")

GET = Request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
PUT = Request(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"hello")


def read_head(peer: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        got = peer.recv(65536)
        if not got:
            return b""
        head += got
    return head


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that hands each connection to `serve`, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(peer: socket.socket) -> None:
        with peer:
            try:
                serve(peer)
            except ConnectionError:
                return

    def accept() -> None:
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=one, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def answering(*answers: bytes) -> Callable[[socket.socket], None]:
    """Answers each request on a kept connection with the next of the answers, and closes after the last."""

    def serve(peer: socket.socket) -> None:
        for answer in answers:
            if not read_head(peer):
                return
            peer.sendall(answer)

    return serve


def run(tmp_path: Path, port: int, requests: list[Request], limit: int, save: bool = False, seconds: float = 5) -> Run:
    path = tmp_path / "requests"
    write_requests(path, requests)
    return replay(path, port, seconds=seconds, connections=1, limit=limit, save=tmp_path / "saved" if save else None)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: 1\r\n\r\n",
            b"hello",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_answers_on_one_kept_connection(tmp_path: Path, answer: bytes, body: bytes) -> None:
    with server(answering(*[answer] * 3)) as port:
        found = run(tmp_path, port, [GET], limit=3, save=True)
    assert (found.requests, found.errors, found.reconnects) == (3, 0, 0)
    assert list(saved_bodies(tmp_path / "saved")) == [(0, body)] * 3


def test_an_answer_in_single_bytes(tmp_path: Path) -> None:
    def serve(peer: socket.socket) -> None:
        while read_head(peer):
            for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
                peer.sendall(bytes([byte]))

    with server(serve) as port:
        found = run(tmp_path, port, [GET], limit=2, save=True)
    assert (found.requests, found.errors) == (2, 0)
    assert list(saved_bodies(tmp_path / "saved")) == [(0, b"hello")] * 2


def test_a_closed_connection_is_opened_again(tmp_path: Path) -> None:
    with server(answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")) as port:
        found = run(tmp_path, port, [GET], limit=3)
    assert (found.requests, found.errors, found.reconnects) == (3, 0, 3)


def test_an_answer_may_end_with_the_connection(tmp_path: Path) -> None:
    with server(answering(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as port:
        found = run(tmp_path, port, [GET], limit=2, save=True)
    assert (found.requests, found.errors) == (2, 0)
    assert list(saved_bodies(tmp_path / "saved")) == [(0, b"all of it")] * 2


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")) as port:
        found = run(tmp_path, port, [GET], limit=2)
    assert (found.requests, found.broken, found.errors) == (0, 2, 2)


def test_a_refusal_is_counted_and_shown(tmp_path: Path) -> None:
    answer = b'HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nno "you"'
    with server(answering(*[answer] * 2)) as port:
        found = run(tmp_path, port, [GET], limit=2)
    assert (found.requests, found.failed, found.by_status) == (2, 2, {"403": 2})
    assert found.first_error == 'no "you"'


def test_a_body_waits_for_100_continue(tmp_path: Path) -> None:
    seen = []

    def serve(peer: socket.socket) -> None:
        while head := read_head(peer):
            seen.append(head.partition(b"\r\n\r\n")[2])  # nothing of the body may be here yet
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            seen.append(peer.recv(100))
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with server(serve) as port:
        found = run(tmp_path, port, [PUT], limit=2)
    assert (found.requests, found.errors) == (2, 0)
    assert seen == [b"", b"hello"] * 2


def test_a_body_is_not_sent_after_a_refusal(tmp_path: Path) -> None:
    with server(answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as port:
        found = run(tmp_path, port, [PUT], limit=2)
    assert (found.requests, found.failed, found.reconnects) == (2, 2, 2)


def test_requests_go_in_order_and_begin_again(tmp_path: Path) -> None:
    seen = []

    def serve(peer: socket.socket) -> None:
        while head := read_head(peer):
            seen.append(head.split()[1])
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    requests = [Request(f"GET /{i} HTTP/1.1\r\n\r\n".encode()) for i in range(3)]
    with server(serve) as port:
        run(tmp_path, port, requests, limit=5)
    assert seen == [b"/0", b"/1", b"/2", b"/0", b"/1"]


def test_the_time_ends_a_run(tmp_path: Path) -> None:
    with server(answering(*[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] * 100_000)) as port:
        found = run(tmp_path, port, [GET], limit=10**9, seconds=0.05)
    assert 0 < found.requests < 10**6
    assert found.errors == 0
