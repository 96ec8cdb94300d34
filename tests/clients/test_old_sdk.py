"""boto3 1.26, which speaks to SQS by the query protocol, as every SDK before November 2023 does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("old_sdk.py")


def test_the_query_protocol_carries_a_queues_life(region: Any, name: str, installed: Callable[[str], Path]) -> None:
    python = installed(".venv/clients/boto3-1.26/bin/python")
    done = subprocess.run(
        [str(python), str(SCRIPT), region.endpoint, name],
        capture_output=True,
        text=True,
        env=region.env(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"].startswith("1.26.")
    assert found["bodies"] == ["one", "three", "two ü & <more>"]
    assert found["attribute"] == "blue"
    assert found["visibility"] == "45"
    assert found["left"] == "0"
    assert found["missing"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert found["batch_failures"] == []
    assert found["object"] == "from an old SDK"
    assert found["arn"] == "arn:aws:iam::000000000000:root"
