"""Helpers' assertions explain themselves as those of tests do; regions of a test's own do not outlive it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.faults.audit", "tests.faults.writers")

from tests.conftest import LiveRegion  # noqa: E402

MakeRegion = Callable[..., LiveRegion]


@pytest.fixture
def make_region(tmp_path: Path) -> Iterator[MakeRegion]:
    """Make regions, not yet started: `make_region(*arguments, data=…, environment=…)`."""
    made: list[LiveRegion] = []

    def make(*arguments: str, data: Path | None = None, **options: Any) -> LiveRegion:
        made.append(LiveRegion(data or tmp_path / "data", *arguments, **options))
        return made[-1]

    yield make
    for live in made:
        if live.process is not None and live.process.poll() is None:
            live.kill()
