"""When models are loaded: at the first start that sees a room's declarations, and then only with a service's first request."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from awning.gateway.journal import Journal
from awning.region import Options, Region


def test_a_second_start_loads_no_model(tmp_path: Path) -> None:
    async def loaded() -> set[str]:
        options = Options(data=tmp_path / "data", port=0, cache=tmp_path / "cache")
        region = Region(options, Journal(io.StringIO()))
        await region.start()
        found = {name for name, entry in region.gateway.entries.items() if entry._model is not None}
        await region.stop(0.1)
        return found

    assert asyncio.run(loaded()) >= {"iam", "sts", "s3", "sqs"}
    assert asyncio.run(loaded()) == set()
