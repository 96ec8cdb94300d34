"""Schema: a room's tables as a list of migrations, applied in order at start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """`migrations[n]` is the SQL script that takes a database from version n to n + 1. Only ever append.

    A room with no tables of its own has an empty schema; the store's own tables (names with a leading underscore) come
    with every database.
    """

    migrations: tuple[str, ...] = ()
