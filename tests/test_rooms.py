"""What holds for every room: its declarations fit the model, and each operation says what permission it needs."""

from __future__ import annotations

import ast
import inspect
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from awning.kit.operation import Operation
from awning.kit.service import Service
from awning.protocols.registry import Registry
from awning.region import ROOMS
from awning.store.database import Database

# Operations that AWS lets anyone with credentials call, whatever policies say.
# Source: service authorization reference, "Actions defined by AWS STS".
NEED_NOTHING = {"sts.get_caller_identity", "sts.get_session_token"}

# Operations that decide a permission per item of their request, by call.allowed.
DECIDE_PER_ITEM = {"s3.delete_objects", "kms.re_encrypt"}

OPERATIONS = [(room, name, operation) for room in ROOMS for name, operation in room.operations().items()]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_fits_its_model(room: Service) -> None:
    model = Registry(None).model(room.model, room.protocols)
    for name, declared in room.operations().items():
        model.by_function[name].bind(declared.parameters, declared.honours, declared.defaults)


@pytest.mark.parametrize(
    ("room", "name", "operation"), OPERATIONS, ids=[f"{room.name}.{name}" for room, name, _ in OPERATIONS]
)
def test_an_operation_says_which_permission_it_needs(room: Service, name: str, operation: Operation) -> None:
    if f"{room.name}.{name}" in NEED_NOTHING | DECIDE_PER_ITEM:
        assert operation.needs == ()
        return
    assert operation.needs
    for need in operation.needs:
        assert re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z]+", need.action)
        assert need.resource == "*" or callable(need.resource) or need.resource.startswith("arn:")


@pytest.mark.parametrize(
    ("room", "name", "operation"), OPERATIONS, ids=[f"{room.name}.{name}" for room, name, _ in OPERATIONS]
)
def test_an_operation_says_what_it_does(room: Service, name: str, operation: Operation) -> None:
    assert operation.function.__doc__


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_is_named_after_its_folder(room: Service) -> None:
    assert all(module.__name__.startswith(f"awning.services.{room.home}.") for module in room.modules)


def test_no_two_rooms_answer_or_accept_the_same() -> None:
    kinds = [kind for room in ROOMS for kind in (*room.answers, *room.accepts)]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_rooms_tables_may_be_read_from_a_file_that_is_not_trusted(room: Service, tmp_path: Path) -> None:
    """A snapshot's databases are checked so: an index on a function that SQLite holds for unsafe would not load."""
    path = tmp_path / "room.db"
    Database(path, room.schema).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        assert connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("room", "name", "operation"), OPERATIONS, ids=[f"{room.name}.{name}" for room, name, _ in OPERATIONS]
)
def test_an_operation_says_where_its_tags_are(room: Service, name: str, operation: Operation) -> None:
    if "tags" in operation.parameters:
        assert operation.tags
    if "tag_keys" in operation.parameters:
        assert operation.tag_keys
    assert not isinstance(operation.tags, str) or operation.tags in operation.parameters
    assert operation.tag_keys is None or operation.tag_keys in operation.parameters


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_lists_the_condition_keys_that_it_gives(room: Service) -> None:
    modules = {one.context.__module__ for one in room.operations().values() if one.context is not None}
    given = set()
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                given |= {node.value.lower()} if re.fullmatch(rf"{room.home}:[A-Za-z0-9-]+/?", node.value) else set()
    assert given == set(room.condition_keys)
