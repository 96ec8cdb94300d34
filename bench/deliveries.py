"""Says what a delivery between two rooms costs, from put to forgotten: `python -m bench.deliveries`. The receiver does nothing.

One process, databases in a temporary folder of the working directory's disk; 16 callers, each sending to `--fan` queues at once.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import uvloop

from awning.contracts import Deliver, SendToQueue
from awning.kit.call import Call, Facts, service_facts
from awning.kit.clock import Clock
from awning.kit.courier import Courier
from awning.kit.room import Room
from awning.kit.service import Service
from awning.store.folder import DataFolder
from awning.store.schema import Schema

_CALLERS = 16


class Pair:
    """A room that sends, one that receives, and the courier between them."""

    def __init__(self, folder: Path) -> None:
        self.came = 0
        self.folder = DataFolder.open(folder)
        self.sender = self._room("sender")
        self.taker = self._room("taker", accepts={SendToQueue: self._accept})
        self.courier = Courier(self.sender, lambda kind: self.taker, print)

    def _room(self, name: str, **given: Any) -> Room:
        service = Service(name, name, (), (ModuleType("none"),), Schema(), **given)
        return Room(service, self.folder, Clock(), self)

    def _accept(self, call: Call, delivery: Deliver) -> None:
        self.came += 1

    def ask(self, question: Any, facts: Facts) -> Any:
        raise LookupError(type(question).__name__)

    def sent(self, room: Room) -> None:
        self.courier.kick()

    def broken(self, room: Room, error: BaseException) -> None:
        raise error


def publish(call: Call, fan: int, groups: int) -> None:
    """Send one message to each of `fan` queues, as a topic does."""
    group = f"group-{call.random(1)[0] % groups}" if groups else ""
    for number in range(fan):
        arn = f"arn:aws:sqs:us-east-1:000000000000:queue-{number}"
        call.send(
            SendToQueue(
                arn,
                group,
                service="sns.amazonaws.com",
                source_arn="arn:aws:sns:us-east-1:000000000000:topic",
                source_account="000000000000",
                body="x" * 200,
            )
        )


async def measure(folder: Path, letters: int, fan: int, groups: int) -> str:
    """Return a line of figures."""
    pair = Pair(folder)
    sender = pair.sender
    carrying = asyncio.create_task(pair.courier.run())
    calls = letters // fan // _CALLERS
    letters = calls * fan * _CALLERS

    async def call() -> None:
        for _ in range(calls):
            await sender.write(sender.call(service_facts("sns")), publish, (fan, groups))

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call() for _ in range(_CALLERS)))
    published = time.perf_counter() - wall
    while sender.outbox.waiting(sender.database.reader):  # noqa: ASYNC110 (nobody tells when a letter is forgotten)
        await asyncio.sleep(0.002)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if pair.came != letters:
        raise RuntimeError(f"{pair.came} of {letters} came.")
    pair.courier.stop()
    await carrying
    for room in (sender, pair.taker):
        await room.close()
    pair.folder.close()
    return (
        f"{letters} letters to {fan} queues, {groups} groups: {cpu / letters * 1e6:.1f} µs of processor a letter, "
        f"{letters / wall:.0f} letters a second, the last {(wall - published) * 1000:.0f} ms after its publish"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.deliveries", description=__doc__)
    parser.add_argument("--letters", type=int, default=30_000)
    parser.add_argument("--fan", type=int, nargs="*", default=[1, 3, 10])
    options = parser.parse_args()
    for groups in (0, 100):
        for fan in options.fan:
            with tempfile.TemporaryDirectory(dir=".") as folder:
                print(uvloop.run(measure(Path(folder) / "data", options.letters, fan, groups)))


if __name__ == "__main__":
    main()
