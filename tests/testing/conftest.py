"""One region of awning.testing for these tests, emptied before each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from awning.testing import Region


@pytest.fixture(scope="session")
def shared() -> Iterator[Region]:
    with Region() as region:
        yield region


@pytest.fixture
def region(shared: Region) -> Region:
    shared.reset()
    return shared


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short: that of a control socket in it must fit a socket's address."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as name:
        yield Path(name)
