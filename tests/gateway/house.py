"""A region in a thread of the test's, with rooms that the test makes up: what no real room does can be seen by a real client."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import boto3
import pytest
import uvloop
from botocore.config import Config

from awning import region as regions
from awning.gateway.journal import Journal
from awning.kit.service import Service
from awning.region import Options, Region
from awning.store.schema import Schema


def room(name: str, protocols: tuple[str, ...], *functions: Callable[..., Any]) -> Service:
    """A room of these operations, without state."""
    module = ModuleType(f"made_up_{name}")
    module.__file__ = __file__
    for function in functions:
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    return Service(name=name, model=name, protocols=protocols, modules=(module,), schema=Schema(()))


class House:
    """A region with made-up rooms. `make` is called in the region's thread, and returns them."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Sequence[Service]]) -> None:
        self.log = io.StringIO()
        self._data = data
        self._patch = monkeypatch
        self._make = make
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready = threading.Event()
        self._worker = ThreadPoolExecutor(1)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        rooms = [room for room in regions.ROOMS if room.name in ("iam", "sts")]
        self._patch.setattr(regions, "ROOMS", (*rooms, *self._make()))
        self._stop = asyncio.Event()
        journal = Journal(self.log)
        region = Region(Options(self._data, port=0), journal)
        await region.start()
        assert region.listener is not None
        self.port = region.listener.port
        self._ready.set()
        await self._stop.wait()
        await region.stop(grace=1.0)
        await asyncio.to_thread(journal.close, 10.0)

    def __enter__(self) -> Self:
        def work() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())

        self._done = self._worker.submit(work)
        while not self._ready.wait(0.05):
            assert not self._done.done(), self._done.exception()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the region, and have its log whole. May be called again."""
        if not self._done.done():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._done.result(30)
        self._worker.shutdown()

    def client(self, name: str) -> Any:
        return boto3.client(
            name,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )
