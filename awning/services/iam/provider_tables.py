"""The metadata documents of SAML providers, apart from the rows that lists read: one may have ten million characters."""

from __future__ import annotations

import sqlite3
from typing import Final

MIGRATION: Final = """
    CREATE TABLE saml_metadata (
        provider INTEGER PRIMARY KEY,
        document TEXT NOT NULL
    );
"""


def metadata_of(db: sqlite3.Connection, provider: int) -> str:
    """The document of a provider, by its row; empty where it has gone meanwhile."""
    row = db.execute("SELECT document FROM saml_metadata WHERE provider = ?", (provider,)).fetchone()
    return row[0] if row else ""


def put_metadata(db: sqlite3.Connection, provider: int, document: str) -> None:
    db.execute("INSERT OR REPLACE INTO saml_metadata VALUES (?, ?)", (provider, document))


def remove_metadata(db: sqlite3.Connection, provider: int) -> None:
    db.execute("DELETE FROM saml_metadata WHERE provider = ?", (provider,))
