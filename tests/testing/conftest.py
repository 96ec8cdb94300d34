"""One region of awning.testing for these tests, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

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
