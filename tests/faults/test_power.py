"""The power fails under a whole region: it starts on what a strict disk then holds, and all that was acknowledged is there."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.conftest import LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.fsync.driver import Faults
from tests.faults.fsync.powercut import Disk
from tests.faults.writers import Writer, make_writers, write_until_killed

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def one_cut(make_region: MakeRegion, place: Path, chance: random.Random, torn: bool) -> int:
    """Write from the very first start on, cut, start on the image and check. Returns how many operations were acknowledged."""
    data = place / "data"
    data.mkdir(parents=True)
    disk = Disk(data)
    faults = Faults(place / "faults", data)
    faults.record()
    live = make_region("--log-level", "error", data=data, environment=faults.environment()).start()
    writers = make_writers(live, 0)
    write_until_killed(live, writers, chance.uniform(0.5, 2.0))
    disk.feed(faults.events())
    image = place / "image"
    disk.image(image, chance if torn else None)
    survivor = make_region("--log-level", "error", data=image).start()
    check(survivor, writers)
    survivor.kill()
    shutil.rmtree(place)
    return sum(writer.done for writer in writers)


def check(live: LiveRegion, writers: list[Writer]) -> None:
    for writer in writers:
        assert writer.faults == []
        writer.make = live.client
        writer.check()
    assert_clean(live.data)


def cuts(make_region: MakeRegion, tmp_path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    done = [one_cut(make_region, tmp_path / str(number), chance, torn=bool(number % 2)) for number in range(count)]
    assert sum(done) > 10 * count, "the writers got too little done for this to mean anything"


@pytest.mark.slow
def test_a_power_cut_loses_nothing_acknowledged(make_region: MakeRegion, tmp_path: Path) -> None:
    cuts(make_region, tmp_path, 4, seed=3)


@pytest.mark.soak
def test_fifty_power_cuts(make_region: MakeRegion, tmp_path: Path) -> None:
    cuts(make_region, tmp_path, 50, seed=33)
