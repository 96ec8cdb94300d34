"""What a region's process costs, as the kernel counts it: processor time and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.conftest import LiveRegion


def processor_seconds(live: LiveRegion) -> float:
    """Return the processor time that the region's threads have used so far."""
    assert live.process is not None
    tasks = Path(f"/proc/{live.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def share(live: LiveRegion, seconds: float) -> float:
    """Return how much of a processor the region uses while nothing is asked of it."""
    before, begun = processor_seconds(live), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds(live) - before) / (time.monotonic() - begun)


def resident(live: LiveRegion) -> int:
    """Return the region's resident bytes."""
    assert live.process is not None
    pages = Path(f"/proc/{live.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
