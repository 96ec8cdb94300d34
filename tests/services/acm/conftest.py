"""A bench with the room's core on it, and clients of two accounts and of another region."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.acm.support import OTHER, Bench, Client


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def client(bench: Bench) -> Client:
    return Client(bench)


@pytest.fixture
def other(bench: Bench) -> Client:
    return Client(bench, OTHER)


@pytest.fixture
def west(bench: Bench) -> Client:
    return Client(bench, region="us-west-2")
