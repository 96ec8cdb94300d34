"""Emptying: a database as it was when it was new, in one transaction. Its identity stays, and so do its sequence numbers."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from awning.store.database import STORE
from awning.store.schema import Schema


class Emptying:
    """Empties one room's database. What its migrations put into tables when they were new is put there again."""

    def __init__(self, schema: Schema) -> None:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
            for script in (*STORE.migrations, *schema.migrations):
                fresh.executescript(script)
            self._rows = {
                name: fresh.execute(f'SELECT * FROM "{name}"').fetchall() for name in _tables(fresh) if name != "_meta"
            }

    def run(self, db: sqlite3.Connection) -> None:
        """Do it, on a write connection outside any transaction; returns after the fsync. Raises sqlite3.Error, with nothing
        changed. Blocks: for worker threads, while the writer is held."""
        db.execute("PRAGMA foreign_keys = OFF")
        try:
            db.execute("BEGIN IMMEDIATE")
            for name, rows in self._rows.items():
                db.execute(f'DELETE FROM "{name}"')
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    db.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        finally:
            db.execute("PRAGMA foreign_keys = ON")


def _tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [str(row[0]) for row in rows]
