"""Bytes that no client of ours sends, on the port of a whole region: it refuses or closes, holds on to nothing, and goes on."""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveRegion
from tests.faults import raw

CLIENT_HELLO = bytes.fromhex("16030100a5010000a1")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegion]:
    region = LiveRegion(tmp_path_factory.mktemp("hostile") / "data").start()
    region.client("s3").create_bucket(Bucket="hostile")
    yield region
    assert region.stop() == 0
    said = region.log.read_text()
    assert "Traceback" not in said
    assert " 500 " not in said


@pytest.fixture(autouse=True)
def _goes_on(live: LiveRegion) -> Iterator[None]:
    yield
    for tls in (False, True):
        with contextlib.closing(live.client("s3", tls=tls)) as s3:
            assert "Contents" not in s3.list_objects_v2(Bucket="hostile")


def spoken(live: LiveRegion, *pieces: bytes) -> bytes:
    """Send bytes, end the sending, and return all that comes back; a reset counts as an end."""
    answer = b""
    with raw.connect(live) as connection, contextlib.suppress(ConnectionError):
        for piece in pieces:
            connection.sendall(piece)
        with contextlib.suppress(OSError):  # a reset may have taken the connection already
            connection.shutdown(socket.SHUT_WR)
        while block := connection.recv(65536):
            answer += block
    return answer


def is_refusal(answer: bytes) -> bool:
    """Whether an answer is nothing, a TLS alert, or responses none of which is a success."""
    heads = re.findall(rb"HTTP/1\.1 (\d)", answer)
    return not answer or answer[:1] == b"\x15" or (bool(heads) and set(heads) <= {b"4", b"5"})


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 1000,
        b"\xff" * 1000,
        b"\r\n" * 5000,
        b"GET",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x05\x01\x00",
        b"EHLO evil.example\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        CLIENT_HELLO,
        CLIENT_HELLO + random.Random(16).randbytes(160),
        b"\x16" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
    ],
    ids=lambda sent: repr(sent[:40]),
)
def test_what_is_no_request(live: LiveRegion, sent: bytes) -> None:
    assert is_refusal(spoken(live, sent))
    assert is_refusal(spoken(live, *(sent[at : at + 1] for at in range(min(len(sent), 300)))))


def test_noise(live: LiveRegion) -> None:
    chance = random.Random(6)
    for _ in range(100):
        assert is_refusal(spoken(live, chance.randbytes(chance.choice((1, 10, 300, 5000)))))


def test_a_signed_request_with_a_byte_changed_stores_nothing(live: LiveRegion) -> None:
    chance = random.Random(7)
    good = raw.sign(live, "PUT", "/hostile/key", length=5, declared=hashlib.sha256(b"hello").hexdigest()).head
    for _ in range(200):
        head = bytearray(good)
        head[chance.randrange(good.index(b"\r\n\r\n"))] = chance.randrange(256)
        changed = bytes(head).replace(b"HTTP/1.0", b"HTTP/1.1")
        if changed.lower().split() != good.lower().split():
            assert not spoken(live, bytes(head) + b"hello").startswith(b"HTTP/1.1 200")


def test_tls_that_turns_to_plain_and_noise_within_tls(live: LiveRegion) -> None:
    with raw.connect(live, tls=True) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.answer(connection)[0] == 403
        plain = connection.detach()
    with socket.socket(fileno=plain) as under:
        under.settimeout(30)
        under.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1" not in under.recv(65536)
    with raw.connect(live, tls=True) as connection:
        connection.sendall(b"\x16\x03\x01 and no request")
        with contextlib.suppress(ConnectionError):
            assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    context = ssl.create_default_context(cafile=str(live.ca))
    with raw.connect(live) as begun:
        begun.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(begun, server_hostname="localhost")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(live: LiveRegion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with raw.connect(live) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)


def test_nothing_stays_open(live: LiveRegion) -> None:
    assert live.process is not None
    fds = Path(f"/proc/{live.process.pid}/fd")
    before = len(list(fds.iterdir()))
    for _ in range(300):
        with contextlib.suppress(OSError):
            raw.tear(raw.connect(live), "reset")
        with raw.connect(live) as connection:
            connection.sendall(CLIENT_HELLO)
    for _ in range(200):
        if len(list(fds.iterdir())) <= before:
            return
        time.sleep(0.05)
    raise AssertionError(f"{before} descriptors before, {len(list(fds.iterdir()))} after")
