"""A database is created whole, migrated in order, and left alone where it is not for us."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from awning.store.database import Database
from awning.store.errors import DamagedData, NewerData, UnreadableData
from awning.store.schema import Schema
from tests.store.support import SCHEMA

TWO = Schema((*SCHEMA.migrations, "ALTER TABLE item ADD COLUMN size INTEGER NOT NULL DEFAULT 3"))


def listing(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_new_database_has_both_kinds_of_tables_and_safe_settings(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", SCHEMA)
    tables = {row[0] for row in database.reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert {"item", "_meta", "_outbox", "_inbox", "_garbage"} <= tables
    pragma = {name: database.writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragma == {"journal_mode": "wal", "synchronous": 2}
    assert database.writer.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with pytest.raises(sqlite3.OperationalError):
        database.reader.execute("DELETE FROM item")
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
    assert (tmp_path / "a.db").stat().st_mode & 0o777 == 0o600


def test_identity_stays_with_the_file(tmp_path: Path) -> None:
    identities = []
    for name in ("a.db", "a.db", "b.db"):
        database = Database(tmp_path / name, SCHEMA)
        identities.append(database.identity)
        database.close()
    assert identities[0] == identities[1] != identities[2]


def test_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", SCHEMA)
    database.writer.execute("INSERT INTO item (value) VALUES ('kept')")
    database.close()
    for _ in range(2):
        database = Database(tmp_path / "a.db", TWO)
        assert database.reader.execute("SELECT value, size FROM item").fetchall() == [("kept", 3)]
        assert database.reader.execute("PRAGMA user_version").fetchone() == (2,)
        database.close()


@pytest.mark.parametrize(
    "broken",
    [
        "ALTER TABLE item ADD COLUMN size INTEGER; INSERT INTO nowhere VALUES (1);",
        "CREATE TABLE child (id REFERENCES item (id)); INSERT INTO child VALUES (99);",
    ],
)
def test_a_failing_migration_leaves_the_old_version(tmp_path: Path, broken: str) -> None:
    Database(tmp_path / "a.db", SCHEMA).close()
    with pytest.raises((UnreadableData, DamagedData)):
        Database(tmp_path / "a.db", Schema((*SCHEMA.migrations, broken)))
    database = Database(tmp_path / "a.db", SCHEMA)
    assert [row[1] for row in database.reader.execute("PRAGMA table_info(item)")] == ["id", "value", "part"]
    assert database.reader.execute("SELECT name FROM sqlite_schema WHERE name = 'child'").fetchall() == []
    database.close()


def test_newer_data_is_refused_and_not_touched(tmp_path: Path) -> None:
    Database(tmp_path / "a.db", TWO).close()
    before = listing(tmp_path)
    with pytest.raises(NewerData) as refused:
        Database(tmp_path / "a.db", SCHEMA)
    assert (refused.value.found, refused.value.known) == (2, 1)
    assert listing(tmp_path) == before


def test_a_newer_version_that_is_only_in_the_log_is_refused_too(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from awning.store.database import Database
from tests.store.support import SCHEMA
database = Database(Path(sys.argv[1]), SCHEMA)
database.writer.execute("PRAGMA user_version = 7")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.db")], check=True)
    before = {name: content for name, (content, _) in listing(tmp_path).items() if not name.endswith("-shm")}
    assert before["a.db-wal"]
    with pytest.raises(NewerData):
        Database(tmp_path / "a.db", SCHEMA)
    after = {name: content for name, (content, _) in listing(tmp_path).items() if not name.endswith("-shm")}
    assert after == before


def test_files_that_are_not_ours_are_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("To be or not to be, that is the question. " * 10)
    (tmp_path / "short.db").write_text("x")
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE item (id)")
    other.close()
    (tmp_path / "lost.db-wal").write_bytes(b"x" * 100)
    (tmp_path / "folder.db").mkdir()
    before = {name: (tmp_path / name).read_bytes() for name in ("text.db", "short.db", "other.db", "lost.db-wal")}
    for name in ("text.db", "short.db", "other.db", "lost.db"):
        with pytest.raises(DamagedData):
            Database(tmp_path / name, SCHEMA)
    with pytest.raises(UnreadableData):
        Database(tmp_path / "folder.db", SCHEMA)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not (tmp_path / "lost.db").exists()


def test_a_missing_folder_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData):
        Database(tmp_path / "no" / "a.db", SCHEMA)


def test_what_a_crashed_creation_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    (tmp_path / "a.db.new").write_bytes(b"half")
    (tmp_path / "a.db.new-wal").write_bytes(b"half")
    Database(tmp_path / "a.db", SCHEMA).close()
    assert os.listdir(tmp_path) == ["a.db"]


def test_a_suspect_file_is_checked_at_the_next_start(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", SCHEMA)
    with database.writer:
        for number in range(2000):
            database.writer.execute("INSERT INTO item (value, part) VALUES (?, ?)", ("v" * 50, str(number)))
    database.suspect("EIO")
    database.close()
    Database(tmp_path / "a.db", SCHEMA).close()
    assert os.listdir(tmp_path) == ["a.db"]  # sound: the mark is gone

    content = bytearray((tmp_path / "a.db").read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    (tmp_path / "a.db").write_bytes(content)
    Database(tmp_path / "a.db", SCHEMA).close()  # not suspect: opens quickly, unchecked
    (tmp_path / "a.db.suspect").touch()
    for _ in range(2):
        with pytest.raises(DamagedData):
            Database(tmp_path / "a.db", SCHEMA)
