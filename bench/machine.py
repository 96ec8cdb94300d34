"""Describes the machine that the figures were taken on; figures without it say nothing."""

import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Size and speed of the machine, as far as they decide the figures."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    filesystem: str
    fsync_p50_us: float
    fsync_p99_us: float
    loop_ms: float  # a million additions in Python: the same machine may be slower on another day
    others: float  # processes that wanted a core in the minute before: figures beside others are too high

    def __str__(self) -> str:
        return (
            f"{self.cores} cores ({self.processor}), {self.memory_gib:.0f} GiB, Linux {self.kernel}, Python "
            f"{self.python}; data on {self.filesystem}, where an fdatasync of 4 KiB takes {self.fsync_p50_us:.0f} µs "
            f"(p99 {self.fsync_p99_us:.0f} µs); a million additions in Python take "
            f"{self.loop_ms:.0f} ms; load before the start {self.others:.1f}"
        )


def describe(folder: Path) -> Machine:
    """The machine, with the filesystem that holds `folder`."""
    p50, p99 = fsync_us(folder)
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        kernel=platform.release(),
        python=sys.version.split()[0],
        filesystem=_filesystem(folder),
        fsync_p50_us=p50,
        fsync_p99_us=p99,
        loop_ms=loop_ms(),
        others=os.getloadavg()[0],
    )


def fsync_us(folder: Path, rounds: int = 200) -> tuple[float, float]:
    """Median and p99, in µs, of appending 4 KiB to a file and syncing it."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(rounds):
            os.write(file.fileno(), b"\0" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - start) * 1e6)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def loop_ms() -> float:
    """Processor time of a million additions in Python, in ms; the best of five."""
    taken = []
    for _ in range(5):
        start = time.process_time()
        total = 0
        for number in range(1_000_000):
            total += number
        taken.append((time.process_time() - start) * 1e3)
    return min(taken)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(folder: Path) -> str:
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[2] == number:
            return fields[fields.index("-") + 1]
    return "unknown"
