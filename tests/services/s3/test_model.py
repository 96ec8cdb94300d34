"""The declarations fit the model, and what this room does not do is refused by name."""

from __future__ import annotations

import pytest

from awning.protocols.registry import Registry
from awning.services.s3 import SERVICE


def test_every_declaration_fits_the_model() -> None:
    model = Registry(None).model(SERVICE.model, SERVICE.protocols)
    known = {operation.function_name: operation for operation in model.operations.values()}
    for name, declared in SERVICE.operations().items():
        known[name].bind(declared.parameters, declared.honours, declared.defaults)


@pytest.mark.parametrize("name", sorted(SERVICE.operations()))
def test_every_operation_asks_for_a_permission(name: str) -> None:
    declared = SERVICE.operations()[name]
    # DeleteObjects asks for each of its keys, while it runs.
    assert declared.needs or name == "delete_objects"
    assert declared.context is not None
