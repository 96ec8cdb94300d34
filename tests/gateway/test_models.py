"""When models are loaded: only with a service's first request, whatever the cache is like."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from awning.gateway.journal import Journal
from awning.protocols.registry import Registry
from awning.region import Options, Region


async def loaded(data: Path, cache: Path | None) -> tuple[set[str], set[str]]:
    """The services whose models are loaded once a region has started, and after an unsigned request to S3."""
    region = Region(Options(data=data, port=0, cache=cache), Journal(io.StringIO()))
    await region.start()
    try:
        before = held(region)
        assert region.listener is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", region.listener.port)
        writer.write(b"GET /no-such-bucket HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 404 " in await reader.readline()
        writer.close()
        return before, held(region)
    finally:
        await region.stop(0.1)


def held(region: Region) -> set[str]:
    return {name for name, entry in region.gateway.entries.items() if entry._model is not None}


def damage(cache: Path) -> None:
    for file in cache.iterdir():
        file.write_bytes(b"\xff garbage")


def cut(cache: Path) -> None:
    for file in cache.iterdir():
        file.write_bytes(file.read_bytes()[:-5])


def empty(cache: Path) -> None:
    for file in cache.iterdir():
        file.unlink()


def replace_by_another_versions(cache: Path) -> None:
    for file in list(cache.iterdir()):
        file.rename(file.with_name(file.name.replace("-1.", "-0.")))


@pytest.mark.parametrize("spoil", [lambda cache: None, damage, cut, empty, replace_by_another_versions])
def test_a_model_is_loaded_with_a_services_first_request(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    assert asyncio.run(loaded(data, cache)) == (set(), {"s3"})
    spoil(cache)
    assert asyncio.run(loaded(data, cache)) == (set(), {"s3"})


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for cache in (None, tmp_path / "file" / "cache"):
        assert asyncio.run(loaded(tmp_path / "data", cache)) == (set(), {"s3"})


def test_a_second_start_does_not_look_at_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(loaded(tmp_path / "data", tmp_path / "cache"))
    asked: list[str] = []
    find = Registry.model
    monkeypatch.setattr(Registry, "model", lambda self, name, forms: asked.append(name) or find(self, name, forms))
    asyncio.run(loaded(tmp_path / "data", tmp_path / "cache"))
    assert asked == ["s3"]
