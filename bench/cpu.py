"""Processor time and memory of a server: the process it was started as, all its threads and all its children.

Linux only: the kernel's per-process clock counts in nanoseconds, threads that have ended included.
"""

import time
from pathlib import Path

TICK = 1 / 100  # seconds; USER_HZ of every Linux that Python runs on


def tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def seconds(pid: int) -> float:
    """User and system time that the tree has used so far, children that have ended included."""
    total = 0.0
    for one in tree(pid):
        fields = _stat(one)
        if fields is None:
            continue
        try:
            total += time.clock_gettime((~one << 3) | 2)  # CPUCLOCK_SCHED of the whole process: clock_getcpuclockid(3)
        except OSError:  # it has ended since; its parent's sum has it once it is reaped
            continue
        total += (int(fields[13]) + int(fields[14])) * TICK
    return total


def resident_mib(pid: int) -> float:
    """Resident memory of the tree (pages that processes share count once for each)."""
    total = 0
    for one in tree(pid):
        try:
            status = Path(f"/proc/{one}/status").read_text()
        except FileNotFoundError:  # it has just ended
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return total / 1024


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; None when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
