"""Says what a backlog costs: `python -m bench.backlog`. Five million messages of 100 bytes wait in one queue, none in another.

Three claims are held: sends and receives cost at most a fifth more than on the empty queue, a waiting message takes less than 100
bytes of memory, and after a start the first message is served within ten seconds. It ends with 1 where one does not hold.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import cpu
from bench.generator import Request, replay, write_requests
from bench.recorder import Recorder, make_client
from bench.servers import ROOT, SERVERS, Running, running

_DIFFERENT = 1000
_BODY = 100
_MOST_BYTES = 100
_MOST_RATIO = 1.2
_MOST_SECONDS = 10.0


class Desk:
    """A running region, and the requests that are put to it."""

    def __init__(self, up: Running, folder: Path) -> None:
        self.up = up
        self._folder = folder
        self._recorder = Recorder(up.endpoint, "test", "test")
        self.sqs = make_client("sqs", up.endpoint)

    def url(self, name: str) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "43200"})["QueueUrl"])

    def requests(self, method: str, count: int = _DIFFERENT, **params: Any) -> list[Request]:
        return [self._recorder.record("sqs", method, **params) for _ in range(count)]

    def run(self, requests: list[Request], seconds: float, limit: int | None = None) -> float:
        """Put requests over and over; return the server's processor time for one, in µs."""
        path = self._folder / "backlog.requests"
        write_requests(path, requests)
        before = cpu.seconds(self.up.pid)
        done = replay(path, self.up.port, seconds=seconds, limit=limit)
        if done.failed or done.broken:
            sys.exit(f"{done.failed} requests failed: {done.first_error}")
        return (cpu.seconds(self.up.pid) - before) * 1e6 / done.requests


def costs(desk: Desk, url: str, seconds: float) -> tuple[float, float]:
    """µs of a send and of a receive of one message (the messages that the sends left are there to be received)."""
    sends = desk.requests("send_message", QueueUrl=url, MessageBody="x" * _BODY)
    receives = desk.requests("receive_message", QueueUrl=url, MaxNumberOfMessages=1)
    desk.run(sends, 0.5)
    return desk.run(sends, seconds), desk.run(receives, seconds, limit=10_000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ROOT / "build", prefix="backlog-"))
    try:
        return measure(folder, options.messages, options.seconds)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, messages: int, seconds: float) -> int:
    """Fill, compare, start again; print the figures. Returns 1 where a claim does not hold."""
    server = SERVERS["awning"]
    with running(server, folder) as up:
        desk = Desk(up, folder)
        empty, full = desk.url("empty"), desk.url("full")
        costs(desk, desk.url("warm"), 0.5)
        begun, resident = time.perf_counter(), cpu.resident_mib(up.pid)
        entries = [{"Id": str(number), "MessageBody": "x" * _BODY} for number in range(10)]
        batches = desk.requests("send_message_batch", QueueUrl=full, Entries=entries)
        done = 0
        while done < messages:  # in pieces, because a signature is good for fifteen minutes, and to show how far it is
            piece = min(messages - done, 500_000)
            desk.run(batches, 600, limit=piece // 10)
            done += piece
            print(f"\r{done:,} messages", end="", file=sys.stderr, flush=True)
        each = (cpu.resident_mib(up.pid) - resident) * 2**20 / messages
        print(f"\nfilled in {time.perf_counter() - begun:.0f} s; {each:.0f} bytes of memory for a waiting message")
        ratios = []
        with_backlog, without = costs(desk, full, seconds), costs(desk, empty, seconds)
        for what, one, other in zip(("send", "receive"), with_backlog, without, strict=True):
            ratios.append(one / other)
            print(f"{what}: {one:.1f} µs with the backlog, {other:.1f} µs without: {one / other:.2f} times")
    with running(server, folder) as up:
        desk = Desk(up, folder)
        begun = time.perf_counter()
        found = desk.sqs.receive_message(QueueUrl=desk.url("full"))["Messages"]
        served = up.start_seconds + time.perf_counter() - begun
        print(f"ready {up.start_seconds:.2f} s after the start, first message after {served:.2f} s")
    kept = len(found) == 1 and each < _MOST_BYTES and max(ratios) <= _MOST_RATIO and served <= _MOST_SECONDS
    print("all three hold" if kept else "NOT all three hold")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
