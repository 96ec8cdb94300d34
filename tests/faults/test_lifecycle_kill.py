"""`kill -9` in the midst of lifecycles' walks: they go on where they were, and what they did they told of, once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.expiring import Lifecycles
from tests.faults.writers import write_until_killed


def rounds(tmp_path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    live = LiveRegion(tmp_path / "data", "--log-level", "error").start()

    def make(service: str, **options: Any) -> Any:
        return live.client(service, **options)

    done = 0
    try:
        for number in range(count):
            writers = [Lifecycles(f"lifecycle-{number}-{at}", make, number) for at in range(3)]
            for writer in writers:
                writer.prepare()
            write_until_killed(live, list(writers), chance.uniform(0.3, 1.5))
            live.start()
            for writer in writers:
                assert writer.faults == []
                writer.check()
                done += writer.done
            assert_clean(live.data)
    finally:
        if live.process is not None and live.process.poll() is None:
            live.kill()
    assert done > 20 * count, "the writers got too little done for this to mean anything"


@pytest.mark.slow
def test_walks_survive_kills(tmp_path: Path) -> None:
    rounds(tmp_path, 3, seed=30)


@pytest.mark.soak
def test_walks_survive_a_hundred_kills(tmp_path: Path) -> None:
    rounds(tmp_path, 100, seed=3000)
