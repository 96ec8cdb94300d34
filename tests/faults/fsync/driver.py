"""Steers fault.c: delays and failures of fsync and writes in another process, and the log of what it did to its files.

Works on any process that is started with `environment()`; a region as well as the store alone.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_SOURCE = Path(__file__).with_name("fault.c")
_SIZE = 768
_FIELDS = (
    "fsync_delay_us",
    "fsync_countdown",
    "fsync_errno",
    "fsync_sticky",
    "write_countdown",
    "write_errno",
    "write_sticky",
    "space",
    "record",
    "fsyncs",
    "writes",
)
_PATTERNS = {"fsync": 256, "write": 512}
_EVENT = struct.Struct("<IIiIIIQqQQ")
_MAGIC = 0x4157464C
CREATED, EMPTIED = 1, 2


class Kind(IntEnum):
    """What happened, as fault.c numbers it."""

    OPENED = 1
    WRITTEN = 2
    TRUNCATED = 3
    RENAMED = 4
    UNLINKED = 5
    MADE = 6
    REMOVED = 7
    LINKED = 8
    SYNC_BEGUN = 9
    SYNC_ENDED = 10
    UNKNOWN = 11


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the log. `number` is an offset (WRITTEN), a size (TRUNCATED), CREATED or EMPTIED (OPENED), or what joins
    the two events of a sync; `nanoseconds` are time.monotonic_ns()'s."""

    kind: Kind
    path: str
    other: str
    inode: int
    number: int
    error: int
    data: bytes
    nanoseconds: int


def build(folder: Path) -> Path:
    """Compile fault.c into a folder. Raises CalledProcessError, FileNotFoundError where there is no compiler."""
    library = folder / "fault.so"
    if not library.exists():
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(_SOURCE), "-lpthread"]
        subprocess.run(command, check=True, capture_output=True)
    return library


class Faults:
    """The faults of one process (and its children): `root` is the folder that they concern, `work` ours, outside it."""

    def __init__(self, work: Path, root: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.log = work / "events"
        self.log.touch()
        self._library = build(work)
        self._steering = work / "control"
        self._steering.write_bytes(bytes(_SIZE))
        with open(self._steering, "r+b") as file:
            self._control = mmap.mmap(file.fileno(), _SIZE)
        self._set("space", -1)

    def environment(self) -> dict[str, str]:
        """Return the environment for the process."""
        return {
            **os.environ,
            "LD_PRELOAD": str(self._library),
            "AWNING_FAULT_ROOT": str(self.root),
            "AWNING_FAULT_CONTROL": str(self._steering),
            "AWNING_FAULT_LOG": str(self.log),
        }

    def delay_fsync(self, seconds: float) -> None:
        """Let each fsync take that much longer."""
        self._set("fsync_delay_us", int(seconds * 1e6))

    def fail_fsync(self, error: int, *, nth: int = 1, path: str = "", always: bool = False) -> None:
        """Let the n-th fsync or fdatasync from now on a path that contains `path` fail; `always`: all after it too."""
        self._fail("fsync", error, nth, path, always)

    def fail_write(self, error: int, *, nth: int = 1, path: str = "", always: bool = False) -> None:
        """Let the n-th write from now fail; the log's index (-shm) is spared, as a mapping of it would be."""
        self._fail("write", error, nth, path, always)

    def heal(self) -> None:
        """Take all faults back."""
        for field in ("fsync_delay_us", "fsync_countdown", "write_countdown"):
            self._set(field, 0)
        self._set("space", -1)

    def leave_space(self, length: int) -> None:
        """Let writes fail with ENOSPC once so many bytes have been written; overwriting costs space too, here."""
        self._set("space", length)

    def record(self) -> None:
        """Log from now on."""
        self._set("record", 1)

    @property
    def fsyncs(self) -> int:
        return self._get("fsyncs")

    @property
    def writes(self) -> int:
        return self._get("writes")

    def events(self) -> Iterator[Event]:
        """Yield what was logged; an entry that a kill cut short ends it."""
        with open(self.log, "rb") as file:
            while len(head := file.read(_EVENT.size)) == _EVENT.size:
                magic, kind, error, path, other, _, inode, number, length, when = _EVENT.unpack(head)
                assert magic == _MAGIC, "the log is damaged"
                content = file.read(path + other + length)
                if len(content) < path + other + length:
                    return
                names = content[: path + other]
                yield Event(
                    Kind(kind),
                    os.fsdecode(names[:path]),
                    os.fsdecode(names[path:]),
                    inode,
                    number,
                    error,
                    content[path + other :],
                    when,
                )

    def _fail(self, what: str, error: int, nth: int, path: str, always: bool) -> None:
        at = _PATTERNS[what]
        pattern = os.fsencode(path)
        self._control[at : at + 256] = pattern + bytes(256 - len(pattern))
        self._set(f"{what}_errno", error)
        self._set(f"{what}_sticky", always)
        self._set(f"{what}_countdown", nth)

    def _set(self, field: str, value: int) -> None:
        struct.pack_into("<q", self._control, 8 * _FIELDS.index(field), value)

    def _get(self, field: str) -> int:
        value: int = struct.unpack_from("<q", self._control, 8 * _FIELDS.index(field))[0]
        return value
