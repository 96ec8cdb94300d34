"""The four models, loaded once, and botocore's side for each of their wire formats."""

from __future__ import annotations

import pytest

from awning.protocols.model import Model
from awning.protocols.registry import Registry
from tests.protocols.peer import CONVERSATIONS, SERVED, Peer


@pytest.fixture(scope="session")
def models() -> dict[str, Model]:
    registry = Registry(None)
    return {service: registry.model(service, protocols) for service, protocols in SERVED}


@pytest.fixture(scope="session")
def peers() -> dict[tuple[str, str], Peer]:
    return {(service, protocol): Peer(service, protocol) for service, protocol in CONVERSATIONS}
