"""The fixture of sts's tests."""

from __future__ import annotations

import pytest

from tests.services.iam.support import House


@pytest.fixture
def house() -> House:
    return House()
