"""Rows whose columns are named by what is at hand: an insert and an update; lists and mappings are stored as JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import orjson


def stored(value: Any) -> Any:
    """A value as its column has it."""
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def insert_row(db: sqlite3.Connection, table: str, columns: str, values: Sequence[Any]) -> int:
    """Insert a row; return its rowid. `columns` as in SQL: "account, region"."""
    marks = ", ".join("?" * len(values))
    cursor = db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [stored(value) for value in values])
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def update_row(db: sqlite3.Connection, table: str, id: int, changes: Mapping[str, Any]) -> None:
    """Change columns of the row that has an id."""
    columns = ", ".join(f"{name} = ?" for name in changes)
    db.execute(f"UPDATE {table} SET {columns} WHERE id = ?", (*map(stored, changes.values()), id))
