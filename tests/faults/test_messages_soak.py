"""Every message is accounted for: senders, receivers, topics, dead letters, move tasks and web hooks, `kill -9` and restarts.

AWNING_SOAK_MINUTES (30) says how long the soak lasts, AWNING_SOAK_SCENES which scenes it has (all); the same in short is a
slow test of about 40 s.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from tests.conftest import LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.messengers import House
from tests.faults.scenes import SCENES, Scene

PATIENCE = 90.0
"""Seconds that the workers get, after the last restart, to take in what is left."""

WRONG = ("faults", "lost", "twice", "came back", "too early", "out of order", "forgotten", "overlooked")


def end_and_start(house: House, chance: random.Random) -> str:
    """End the region, mostly as a crash does, and start it again. Returns how."""
    house.life += 1
    how = "kill" if chance.random() < 0.8 else "stop"
    if how == "kill":
        house.live.kill()
    else:
        assert house.live.stop() == 0
    time.sleep(chance.choice((0.0, 0.0, 0.5)))
    house.live.start(house.live.port)
    house.life += 1
    return how


def soak(live: LiveRegion, seconds: float, seed: int, longest: float) -> tuple[list[Scene], Counter[str]]:
    """Let all scenes run for so long while the region dies again and again; return them, settled, and how often it did.

    A life of the region is up to `longest` seconds long."""
    chance = random.Random(seed)
    chosen = os.environ.get("AWNING_SOAK_SCENES", "").split()
    house = House(live.start())
    scenes = [kind(house) for kind in SCENES if not chosen or kind.__name__ in chosen]
    workers = [worker for scene in scenes for worker in scene.workers]
    for worker in workers:
        worker.start()
    ends: Counter[str] = Counter()
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        time.sleep(chance.uniform(0.2, longest))
        ends[end_and_start(house, chance)] += 1
    house.closing.set()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not all(scene.settled() for scene in scenes):
        time.sleep(0.2)
    house.halt.set()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive(), f"{worker.name} hangs"
    for scene in scenes:
        scene.close()
    ends["calls"] = sum(worker.calls for worker in workers)
    return scenes, ends


def check(live: LiveRegion, seconds: float, seed: int, longest: float) -> None:
    scenes, ends = soak(live, seconds, seed, longest)
    faults: list[str] = []
    total: Counter[str] = Counter()
    print(f"\n{seconds:.0f} s: {ends['kill']} kills, {ends['stop']} stops, {ends['calls']} calls")
    for ledger in (ledger for scene in scenes for ledger in scene.ledgers):
        print(f"  {ledger.name}: " + ", ".join(f"{count} {what}" for what, count in sorted(ledger.counts.items())))
        faults += ledger.faults
        total += ledger.counts
    print(f"  all: {total['told']} told, {total['again']} came again as they may, {total['lost']} lost")
    assert faults == [], {what: total[what] for what in WRONG if total[what]}
    for ledger in (ledger for scene in scenes for ledger in scene.ledgers):
        assert ledger.counts["told"] > ends["kill"], f"{ledger.name}: too little for this to mean anything"
    assert_clean(live.data)
    assert live.stop() == 0


@pytest.mark.slow
def test_every_message_is_accounted_for(make_region: MakeRegion) -> None:
    check(make_region("--log-level", "error"), 15, seed=4, longest=2.0)


@pytest.mark.soak
def test_every_message_of_half_an_hour_is_accounted_for(make_region: MakeRegion) -> None:
    minutes = float(os.environ.get("AWNING_SOAK_MINUTES", "30"))
    check(make_region("--log-level", "error"), 60 * minutes, random.randrange(1 << 32), longest=8.0)
