"""The models that awning comes with: they are there for every room, and serve where an older botocore is installed."""

from __future__ import annotations

from pathlib import Path

import botocore
import pytest

from awning.protocols.registry import Registry, describe, read_botocore, shipped_version, strip, version
from awning.region import ROOMS
from tools.models import built, faults


def test_every_room_has_one() -> None:
    assert faults(built()) == [], "run python -m tools.models"


def test_a_missing_or_old_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore, "__version__", shipped_version())
    models = built()
    assert faults({**models, "sqs": b"{}", "teleport": b""}) == ["teleport is missing", "sqs is old"]


def test_it_counts_where_botocore_is_older(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(botocore, "__version__", "1.9.200")
    monkeypatch.setattr("awning.protocols.registry.read_botocore", lambda service: pytest.fail(f"botocore's {service}"))
    for registry in (Registry(None), Registry(tmp_path), Registry(tmp_path)):
        for room in ROOMS:
            model = registry.model(room.model, room.protocols)
            for name, declared in room.operations().items():
                model.by_function[name].bind(declared.parameters, declared.honours, declared.defaults)
    assert {file.name.split("-")[1] for file in tmp_path.iterdir()} == {shipped_version()}


def test_a_newer_botocore_counts_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore, "__version__", "999.0.0")
    assert version("sqs") == "999.0.0"
    assert describe("sqs") == strip(read_botocore("sqs"))
    monkeypatch.setattr(botocore, "__version__", "1.0.0")
    assert version("sqs") == shipped_version()
    assert version("acm-pca") == "1.0.0"
