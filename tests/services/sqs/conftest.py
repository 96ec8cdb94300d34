"""A bench with the room's core on it, a client, and a queue called jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.sqs.support import Bench, Client, OneQueue


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "sqs.db")
    yield bench
    bench.close()


@pytest.fixture
def client(bench: Bench) -> Client:
    return Client(bench)


@pytest.fixture
def queue(client: Client) -> OneQueue:
    return OneQueue(client)
