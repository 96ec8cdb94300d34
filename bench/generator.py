"""Runs the load generator (load.c): compiles it, writes the requests it replays, reads what it found.

The requests are made before the run, so that the generator spends next to nothing beside the server.
"""

import json
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("load.c")
BUILD = Path(__file__).parent.parent / "build" / "bench"
ENTRY = struct.Struct("<5Q")
WAITS_FOR_CONTINUE = 1


@dataclass(frozen=True, slots=True)
class Request:
    """One request's bytes as they go over the wire."""

    head: bytes
    body: bytes = b""

    @property
    def waits_for_continue(self) -> bool:
        return b"\r\nexpect: 100-continue\r\n" in self.head.lower()


class Unreachable(Exception):
    """The generator could not do its work: most often nothing listens any more."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the generator saw; times in seconds and µs."""

    requests: int
    failed: int
    broken: int
    reconnects: int
    bytes_in: int
    bytes_out: int
    seconds: float
    generator_cpu_seconds: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    by_status: dict[str, int]
    first_error: str

    @property
    def errors(self) -> int:
        return self.failed + self.broken


def binary() -> Path:
    """The compiled generator, built again when its source is newer."""
    target = BUILD / "load"
    if not target.exists() or target.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", str(target), str(SOURCE)], check=True)
    return target


def write_requests(path: Path, requests: Sequence[Request]) -> None:
    """Writes the file that load.c replays; a body that several requests share is written once."""
    offset = 8 + ENTRY.size * len(requests)
    entries = []
    chunks: list[bytes] = []
    bodies: dict[int, int] = {}
    for request in requests:
        head_at = offset
        chunks.append(request.head)
        offset += len(request.head)
        body_at = bodies.get(id(request.body))
        if body_at is None:
            body_at = bodies[id(request.body)] = offset
            chunks.append(request.body)
            offset += len(request.body)
        flags = WAITS_FOR_CONTINUE if request.waits_for_continue else 0
        entries.append(ENTRY.pack(head_at, len(request.head), body_at, len(request.body), flags))
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(requests)))
        file.writelines(entries)
        file.writelines(chunks)


def replay(
    path: Path,
    port: int,
    *,
    seconds: float,
    connections: int = 64,
    limit: int | None = None,
    save: Path | None = None,
) -> Run:
    """Replays the requests in order, over and over, for so many seconds or so many requests, whichever ends first."""
    command = [str(binary()), "-p", str(port), "-c", str(connections), "-d", str(seconds)]
    if limit is not None:
        command += ["-n", str(limit)]
    if save is not None:
        command += ["-s", str(save)]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unreachable(f"The load generator failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return Run(**found)


def saved_bodies(path: Path) -> Iterator[tuple[int, bytes]]:
    """The successful answers of a run with `save`: index of the request and body."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        index, length = struct.unpack_from("<2Q", data, at)
        yield index, data[at + 16 : at + 16 + length]
        at += 16 + length
