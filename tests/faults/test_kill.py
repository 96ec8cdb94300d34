"""Rounds of concurrent writers and `kill -9` at a random moment: what was acknowledged holds, nothing is half there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.writers import KINDS, make_writers, write_until_killed


def one_round(live: LiveRegion, number: int, chance: random.Random) -> int:
    """Write, kill, restart, check. Returns how many operations were acknowledged."""
    writers = make_writers(live, number)
    write_until_killed(live, writers, chance.uniform(0.3, 1.5))
    live.start()
    for writer in writers:
        assert writer.faults == []
        writer.check()
    assert_clean(live.data)
    return sum(writer.done for writer in writers)


def rounds(tmp_path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    live = LiveRegion(tmp_path / "data", "--log-level", "error").start()
    try:
        done = [one_round(live, number, chance) for number in range(count)]
    finally:
        if live.process is not None and live.process.poll() is None:
            live.kill()
    assert sum(done) > count * len(KINDS), "the writers got too little done for this to mean anything"


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    rounds(tmp_path, 4, seed=20)


@pytest.mark.soak
def test_what_was_acknowledged_survives_two_hundred_kills(tmp_path: Path) -> None:
    rounds(tmp_path, 200, seed=2000)
