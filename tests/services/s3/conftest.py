"""A room of S3 for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.s3.support import S3


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def s3(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[S3]:
    """A room with one bucket, `box`."""
    room = S3(loop, tmp_path / "data")
    room.create_bucket(bucket="box")
    yield room
    room.close()
