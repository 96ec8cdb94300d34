"""Many clients that do little or nothing do not slow the others: idle connections, one byte a second, waiting receivers.

Judged by the region's own processor time, set in relation; never by the clock on the wall.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveRegion
from tests.faults import raw
from tests.faults.figures import processor_seconds, share

HEALTH = b"GET /_awning/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
REQUESTS = 600


class Work:
    """What the others are not to slow: messages sent one after the other, and an object read in between."""

    def __init__(self, live: LiveRegion) -> None:
        self.live = live
        url = live.client("sqs").create_queue(QueueName="crowded")["QueueUrl"]
        s3 = live.client("s3")
        s3.create_bucket(Bucket="crowd")
        s3.put_object(Bucket="crowd", Key="key", Body=bytes(1000))
        self.requests = (
            raw.sqs(live, "SendMessage", QueueUrl=url, MessageBody="m" * 200),
            raw.sign(live, "GET", "/crowd/key").head,
        )

    def cost(self) -> float:
        """Return the processor seconds of a request, the least of three tries."""
        return min(self._try() for _ in range(3))

    def _try(self) -> float:
        with raw.connect(self.live) as connection:
            before = processor_seconds(self.live)
            for number in range(REQUESTS):
                connection.sendall(self.requests[number % 2])
                assert raw.answer(connection)[0] == 200
            return (processor_seconds(self.live) - before) / REQUESTS


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveRegion]:
    region = LiveRegion(tmp_path / "data", "--log-level", "error").start()
    yield region
    region.kill()


def room_for(count: int) -> None:
    """Let this process have so many connections, or skip."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip(f"the system allows {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))


@contextlib.contextmanager
def idle(live: LiveRegion, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that have had a request answered, and stay."""
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(count):
            held.append(stack.enter_context(raw.connect(live)))
            held[-1].sendall(HEALTH)
            assert raw.answer(held[-1])[0] == 200
        yield held


class Trickle(threading.Thread):
    """Clients that send a request's head, or its body, a byte a second."""

    def __init__(self, live: LiveRegion, count: int) -> None:
        super().__init__(daemon=True)
        request = raw.sign(live, "PUT", "/crowd/slow", length=1_000_000).head
        self.clients = [(raw.connect(live), b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") for _ in range(count)]
        for connection, _ in self.clients[::2]:
            connection.sendall(request)
        self.halt = threading.Event()

    def run(self) -> None:
        at = 0
        while not self.halt.wait(1.0):
            for connection, head in self.clients:
                with contextlib.suppress(OSError):
                    connection.sendall(head[at : at + 1] or b"x")
            at += 1

    def refused(self) -> int:
        """Return how many of them have been answered or closed."""
        gone = 0
        for connection, _ in self.clients:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                connection.recv(1, socket.MSG_PEEK)
                gone += 1
        return gone

    def answer(self, number: int) -> tuple[int, bool]:
        """Return the status that a client was refused with, and whether the code is S3's."""
        connection = self.clients[number][0]
        connection.settimeout(30)
        status, body = raw.answer(connection)
        return status, b"<Code>RequestTimeout</Code>" in body

    def stop(self) -> None:
        self.halt.set()
        self.join()
        for connection, _ in self.clients:
            connection.close()


def crowd(live: LiveRegion, count: int, slow: int) -> tuple[float, float, float]:
    """Return the cost of a request alone and in the crowd (seconds), and the crowd's own share of a processor."""
    room_for(count + slow)
    work = Work(live)
    work.cost()
    alone = work.cost()
    with idle(live, count) as held:
        trickle = Trickle(live, slow)
        trickle.start()
        crowded = work.cost()
        own = share(live, 3.0)
        trickle.stop()
        for connection in held[:: max(1, count // 50)]:
            connection.sendall(HEALTH)
            assert raw.answer(connection)[0] == 200
    return alone, crowded, own


@pytest.mark.slow
def test_five_hundred_idle_connections_and_slow_clients_slow_nobody(live: LiveRegion) -> None:
    alone, crowded, own = crowd(live, 500, 50)
    assert crowded < 1.5 * alone
    assert own < 0.1


@pytest.mark.soak
def test_ten_thousand_idle_connections_slow_nobody(live: LiveRegion) -> None:
    alone, crowded, own = crowd(live, 10_000, 200)
    print(f"{alone * 1e6:.0f} us a request alone, {crowded * 1e6:.0f} in the crowd, which itself takes {own:.1%}")
    assert crowded < 1.5 * alone
    assert own < 0.1


@pytest.mark.soak
def test_clients_that_send_a_byte_a_second_are_told_to_hurry(live: LiveRegion) -> None:
    Work(live)
    trickle = Trickle(live, 20)
    trickle.start()
    deadline = time.monotonic() + 120
    while trickle.refused() < 20 and time.monotonic() < deadline:
        time.sleep(1)
    assert trickle.refused() == 20
    assert {trickle.answer(number) for number in range(20)} == {(400, True), (408, False)}
    trickle.stop()
    assert "Contents" not in live.client("s3").list_objects_v2(Bucket="crowd", Prefix="slow")


def pollers(live: LiveRegion, count: int, seconds: float, wait: int) -> float:
    """Let receivers wait, and return the share of a processor that they cost meanwhile; then wake one, and only one."""
    room_for(count)
    sqs = live.client("sqs")
    url = sqs.create_queue(QueueName="waited-for")["QueueUrl"]
    quiet = share(live, seconds)
    with contextlib.ExitStack() as stack:
        receivers = [stack.enter_context(raw.connect(live)) for _ in range(count)]
        request = raw.sqs(live, "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=wait)
        for receiver in receivers:
            receiver.sendall(request)
        while waiting(live) < count:
            time.sleep(0.05)
        busy = share(live, seconds)
        sqs.send_message(QueueUrl=url, MessageBody="for the oldest")
        assert b"for the oldest" in raw.answer(receivers[0])[1]
        assert waiting(live) == count - 1
    while waiting(live):
        time.sleep(0.05)
    return busy - quiet


def waiting(live: LiveRegion) -> int:
    """Return how many calls wait, by the region's own account."""
    with raw.connect(live) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        text = raw.answer(connection)[1].decode()
    return int(text.partition('awning_waiting_calls{room="sqs"} ')[2].split()[0])


@pytest.mark.slow
def test_waiting_receivers_cost_nothing(live: LiveRegion) -> None:
    assert pollers(live, 400, 3.0, 7) < 0.03


@pytest.mark.soak
def test_thousands_of_waiting_receivers_cost_nothing(live: LiveRegion) -> None:
    cost = pollers(live, 5000, 8.0, 20)
    print(f"5,000 waiting receivers cost {cost:.2%} of a processor")
    assert cost < 0.05
