"""What memory keeps of requests that were answered: records of access logs until they leave, and what is counted of them.

Pure, and lost with the process: neither is a promise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

SECONDS: Final = 5.0
"""The longest that a record waits before it leaves."""
LARGEST: Final = 60 * 1024
"""Bytes of records in one object; so many, and they leave at once."""
MOST_HELD: Final = 16 * 1024 * 1024
"""Bytes of records in memory. Beyond these they are dropped, and counted (s3_access_log_dropped)."""


class Gathered:
    """The records that wait, by source bucket's name: lines with the day of each. `since`: when the oldest came."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[str, str]]] = {}
        self.since: float | None = None
        self.size = 0
        self.dropped = 0

    def add(self, bucket: str, at: float, line: str) -> None:
        """Keep a record of a request that came `at`."""
        if self.size + len(line) > MOST_HELD:
            self.dropped += 1
            return
        if self.since is None:
            self.since = at
        self.size += len(line) + 1
        day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
        self.lines.setdefault(bucket, []).append((day, line))

    def drop(self, bucket: str) -> None:
        """Forget a bucket's records."""
        self.size -= sum(len(line) + 1 for _, line in self.lines.pop(bucket, ()))
        if not self.lines:
            self.since = None

    def due(self, now: float) -> bool:
        """Whether records are to leave."""
        return self.since is not None and (self.size > LARGEST or now - self.since >= SECONDS)

    def take(self, most: int) -> list[tuple[str, str, str]]:
        """Forget some records; return them as at most so many (bucket, day, text) of at most LARGEST bytes each."""
        found: list[tuple[str, str, str]] = []
        while self.lines and len(found) < most:
            bucket, lines = next(iter(self.lines.items()))
            first, size, count = lines[0][0], 0, 0
            for day, line in lines:
                if count and (day != first or size + len(line) >= LARGEST):
                    break
                size += len(line) + 1
                count += 1
            found.append((bucket, first, "".join(f"{line}\n" for _, line in lines[:count])))
            self.size -= size
            del lines[:count]
            if not lines:
                del self.lines[bucket]
        if not self.lines:
            self.since = None
        return found


class Meter:
    """What CloudWatch calls request metrics, by their names there: counts, bytes, and sums of milliseconds.

    Source: S3 user guide, "Metrics and dimensions", "Amazon S3 request metrics in CloudWatch".
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def add(self, kind: str, status: int, received: int, sent: int, first: float, whole: float) -> None:
        """Count a request. kind: "GetRequests" and its like; first, whole: milliseconds."""
        values = self.values
        for name, value in (
            ("AllRequests", 1.0),
            (kind, 1.0),
            ("BytesUploaded", received),
            ("BytesDownloaded", sent),
            ("4xxErrors", float(400 <= status < 500)),
            ("5xxErrors", float(status >= 500)),
            ("FirstByteLatency", first),
            ("TotalRequestLatency", whole),
        ):
            values[name] = values.get(name, 0.0) + value
