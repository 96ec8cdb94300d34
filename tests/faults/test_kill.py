"""Rounds of concurrent writers and `kill -9` at a random moment: what was acknowledged holds, nothing is half there."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from awning.cli.control import ask
from tests.conftest import ROOT, LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
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


@pytest.mark.slow
def test_a_snapshot_taken_amid_writes_is_whole(make_region: MakeRegion, tmp_path: Path) -> None:
    live = make_region("--log-level", "error").start()
    writers = make_writers(live, 0)
    for writer in writers:
        writer.start()
    files = [tmp_path / f"{number}.tar" for number in range(3)]
    for file in files:
        time.sleep(0.3)
        ask(live.data, "snapshot", file=str(file), passphrase="p")
    for writer in writers:
        writer.halt.set()
        writer.join(60)
        assert writer.faults == []
        writer.check()
    assert_clean(live.data)
    for file in files:
        loaded = file.with_suffix("")
        command = [sys.executable, "-m", "awning", "snapshot", "load", str(file), "--data", str(loaded)]
        words = {**os.environ, "AWNING_SNAPSHOT_PASSPHRASE": "p"}
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=words)
        copy = make_region(data=loaded).start()
        assert_clean(copy.data)
        assert read_all(copy) > 0
        assert copy.stop() == 0


def read_all(live: LiveRegion) -> int:
    """Read every object, and compare it with its entity tag. Returns how many there are."""
    s3 = live.client("s3")
    count = 0
    for bucket in s3.list_buckets()["Buckets"]:
        for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            content = s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()
            assert len(content) == item["Size"]
            if "-" not in item["ETag"]:
                assert item["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
            count += 1
    return count


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
