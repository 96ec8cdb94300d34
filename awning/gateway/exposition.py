"""The figures of a running region for /metrics and `awning status`, put together only when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from awning.gateway.metrics import Requests, escape, header, histogram
from awning.kit.call import service_facts
from awning.kit.room import Room

_LAG_EVERY = 0.02
"""Seconds. What holds the loop between two looks is seen less this much, so they are not far apart."""


class Exposition:
    """Knows the rooms and the gateway's counts, and measures how late the loop runs its timers."""

    def __init__(
        self, rooms: Mapping[str, Room], requests: Requests, connections: Callable[[], Mapping[str, float]]
    ) -> None:
        self._rooms = rooms
        self._requests = requests
        self._connections = connections
        self.lag = 0.0
        self.worst_lag = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def watch_loop(self) -> None:
        """Measure the loop's lag from now on."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _LAG_EVERY

        def look() -> None:
            self.lag = max(0.0, loop.time() - due)
            self.worst_lag = max(self.worst_lag, self.lag)
            self.watch_loop()

        self._timer = loop.call_at(due, look)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def gauges(self) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
        """Return the rooms' own figures: name, labels, value."""
        found = []
        for room in self._rooms.values():
            if room.service.gauges is not None:
                values = room.service.gauges(room.call(service_facts(room.name)))
                found += [(name, labels, value) for (name, labels), value in values.items()]
        return found

    def text(self) -> str:
        """Return the exposition in Prometheus' text format."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterable[str]:
        yield from self._requests.lines()
        yield from header("awning_loop_lag_seconds", "gauge", "How late the event loop ran its last timer.")
        yield f"awning_loop_lag_seconds {self.lag:.6f}"
        yield from header("awning_loop_lag_worst_seconds", "gauge", "The longest such delay since the start.")
        yield f"awning_loop_lag_worst_seconds {self.worst_lag:.6f}"
        yield from header("awning_connections", "gauge", "The HTTP layer's counters.")
        for name, count in self._connections().items():
            yield f'awning_connections{{what="{escape(name)}"}} {count}'
        yield from self._writers()
        named: dict[str, list[str]] = {}
        for name, labels, value in self.gauges():
            text = ",".join(f'{label}="{escape(content)}"' for label, content in labels)
            named.setdefault(name, []).append(f"awning_{name}{{{text}}} {value:g}")
        for name, lines in named.items():
            yield from header(f"awning_{name}", "gauge", "A figure of a room.")
            yield from lines

    def _writers(self) -> Iterable[str]:
        yield from header("awning_batches_total", "counter", "Batches committed.")
        for name, room in self._rooms.items():
            yield f'awning_batches_total{{room="{name}"}} {room.writer.stats.batches}'
        yield from header("awning_units_total", "counter", "Units of work run in batches.")
        for name, room in self._rooms.items():
            yield f'awning_units_total{{room="{name}"}} {room.writer.stats.units}'
        yield from header("awning_waiting_calls", "gauge", "Calls that wait for something to happen.")
        for name, room in self._rooms.items():
            yield f'awning_waiting_calls{{room="{name}"}} {len(room.waiters)}'
        yield from header("awning_commit_seconds", "histogram", "Time of a COMMIT, fsync included.")
        for name, room in self._rooms.items():
            commits = room.writer.stats.commits
            yield from histogram(
                "awning_commit_seconds", f'room="{name}"', commits.bounds, commits.buckets, commits.total
            )
        yield from header("awning_batch_units", "histogram", "Units of work in a batch.")
        for name, room in self._rooms.items():
            sizes = room.writer.stats.sizes
            yield from histogram("awning_batch_units", f'room="{name}"', sizes.bounds, sizes.buckets, sizes.total)
