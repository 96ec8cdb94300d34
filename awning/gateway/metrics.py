"""What the gateway counts, and how it is written for Prometheus (text format 0.0.4).

The hot path adds to plain lists; names and labels are only built when somebody scrapes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
"""Upper bounds of the latency buckets, in seconds."""


class Series:
    """Requests of one operation with one status: a count, their seconds, and a bucket per bound and one beyond."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1


class Requests:
    """All requests by service, operation and status."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, int], Series] = {}

    def add(self, service: str, operation: str, status: int, seconds: float) -> None:
        key = (service, operation, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series()
        series.add(seconds)

    def lines(self) -> Iterable[str]:
        """Yield the exposition's lines."""
        yield from header("awning_requests_total", "counter", "Requests answered.")
        for (service, operation, status), series in self._series.items():
            labels = f'service="{service}",operation="{operation}",status="{status}"'
            yield f"awning_requests_total{{{labels}}} {series.count}"
        yield from header("awning_request_seconds", "histogram", "Time from a request's head to its reply's.")
        for (service, operation, status), series in self._series.items():
            labels = f'service="{service}",operation="{operation}",status="{status}"'
            yield from histogram("awning_request_seconds", labels, BOUNDS, series.buckets, series.seconds)


def header(name: str, kind: str, text: str) -> tuple[str, str]:
    """Return a metric's HELP and TYPE lines."""
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def histogram(name: str, labels: str, bounds: Iterable[float], buckets: Iterable[int], total: float) -> Iterable[str]:
    """Yield a histogram's lines; `buckets` has one entry per bound and one beyond, not cumulated."""
    bounds = list(bounds)
    seen = 0
    comma = "," if labels else ""
    for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
        seen += count
        yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {seen}'
    yield f"{name}_sum{{{labels}}} {total:.6f}"
    yield f"{name}_count{{{labels}}} {seen}"


def escape(value: str) -> str:
    """Write a label's value."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
