"""Database: one room's SQLite file, its connections, versions and migrations.

Nothing is changed in a file that is newer than this program or not ours; a new file appears whole or not at all.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from awning.store.errors import DamagedData, NewerData, UnreadableData
from awning.store.files import remove, sync_file, sync_folder, write_whole
from awning.store.schema import Schema

# The store's own tables, versioned apart from the room's. Only ever append.
STORE = Schema(
    (
        """
        CREATE TABLE _meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
        INSERT INTO _meta VALUES ('identity', lower(hex(randomblob(8))));
        CREATE TABLE _outbox (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            arn TEXT NOT NULL,
            grp TEXT NOT NULL,
            payload BLOB NOT NULL,
            created REAL NOT NULL,
            due REAL,
            attempts INTEGER NOT NULL DEFAULT 0,
            error TEXT NOT NULL DEFAULT ''
        );
        CREATE INDEX _outbox_due ON _outbox (due) WHERE due IS NOT NULL;
        CREATE INDEX _outbox_group ON _outbox (arn, grp, seq) WHERE grp <> '';
        CREATE TABLE _inbox (sender TEXT, seq INTEGER, PRIMARY KEY (sender, seq)) WITHOUT ROWID;
        CREATE TABLE _garbage (blob TEXT PRIMARY KEY) WITHOUT ROWID;
        """,
        """
        DROP INDEX _outbox_due;
        CREATE INDEX _outbox_due ON _outbox (arn, due) WHERE due IS NOT NULL AND grp = '';
        ALTER TABLE _inbox RENAME TO _inbox_rows;
        CREATE TABLE _inbox (sender TEXT PRIMARY KEY, seqs TEXT NOT NULL) WITHOUT ROWID;
        INSERT INTO _inbox SELECT sender, json_group_array(seq) FROM _inbox_rows GROUP BY sender;
        DROP TABLE _inbox_rows;
        """,
    )
)

# PRAGMA application_id: these two bytes, then the version of the store's own tables.
_OURS = 0x6177_0000
# The log's index is a file too: it grows with the log, and a full disk stops it with an I/O error of its own.
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_MAGIC = b"SQLite format 3\0"
_HEADER = 72
_WAL_PAGES = 4000
_WAL_KEPT = 32 << 20
_CACHE_KIB = 16 << 10
_READER_CACHE_KIB = 4 << 10
_STATEMENTS = 512


class Database:
    """One room's SQLite file: a write connection, a read connection, both for the loop's thread only.

    The writer's COMMIT alone runs in another thread. `connect()` gives worker threads a read connection of their own.
    `identity` is drawn when the file is created (16 hexadecimal digits): it tells it from others that had its name.
    Raises NewerData, DamagedData or UnreadableData; then nothing was changed.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self._suspect = path.with_name(path.name + ".suspect")
        if _is_fresh(path):
            _create(path, schema)
        else:
            _check(path, schema)
        try:
            self.writer = _connect(path)
            try:
                self._recover(schema)
                self.reader = self.connect()
                row = self.reader.execute("SELECT value FROM _meta WHERE key = 'identity'").fetchone()
                self.identity = str(row[0])
            except BaseException:
                self.writer.close()
                raise
        except sqlite3.Error as error:
            raise _explained(path, error) from error
        except OSError as error:
            raise UnreadableData(path, error.strerror or str(error)) from error

    def connect(self) -> sqlite3.Connection:
        """Return another read-only connection, to be used by one thread at a time and closed by the caller."""
        connection = _open(self.path, "ro")
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def suspect(self, reason: str) -> None:
        """Have the next start check the whole file, because the disk failed under it. Raises OSError."""
        write_whole(self._suspect, reason.encode())

    def close(self) -> None:
        """Close both connections; the log is folded into the file."""
        self.reader.close()
        self.writer.close()

    def _recover(self, schema: Schema) -> None:
        """Check the file where it is suspect, make what the log holds durable, and bring the tables up to date.

        What a crash left in the log may only be in the system's cache: it must be on disk before anyone reads it here.
        """
        if self._suspect.exists():
            problems = [row[0] for row in self.writer.execute("PRAGMA integrity_check(5)")]
            if problems != ["ok"]:
                raise DamagedData(self.path, "; ".join(problems))
        if _wal_size(self.path):
            _fold(self.writer)
        if _migrate(self.writer, schema, self.path):
            _fold(self.writer)
        self.writer.execute("PRAGMA foreign_keys = ON")
        if remove(self._suspect):
            sync_folder(self.path.parent)


def _is_fresh(path: Path) -> bool:
    try:
        if path.exists() and path.stat().st_size:
            return False
        if _wal_size(path):
            raise DamagedData(path, "it is missing or empty, but its log is there")
    except OSError as error:
        raise UnreadableData(path, error.strerror or str(error)) from error
    return True


def _wal_size(path: Path) -> int:
    try:
        return os.stat(f"{path}-wal").st_size
    except FileNotFoundError:
        return 0


def _create(path: Path, schema: Schema) -> None:
    """Build a new file aside, make it durable, and put it in place."""
    new = path.with_name(path.name + ".new")
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            remove(f"{new}{suffix}")
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        connection = _open(new, "rw")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            _migrate(connection, schema, path)
        finally:
            connection.close()
        sync_file(new)
        os.rename(new, path)
        sync_folder(path.parent)
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    except OSError as error:
        raise UnreadableData(path, error.strerror or str(error)) from error


def _check(path: Path, schema: Schema) -> None:
    """Look at an existing file without changing it."""
    try:
        if not path.is_file():
            raise UnreadableData(path, "it is not a file")
        room, store = check_ours(path)
        if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
            raise UnreadableData(path, "it may not be written")
        _check_versions(path, room, store, schema)
        if _wal_size(path):
            # A newer program may have died before its migration reached the file. Read-only: closing changes nothing.
            connection = _open(path, "ro")
            try:
                _check_versions(path, *_versions(connection), schema)
            finally:
                connection.close()
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    except OSError as error:
        raise UnreadableData(path, error.strerror or str(error)) from error


def check_ours(path: Path) -> tuple[int, int]:
    """Return a file's user_version and application_id, by its header alone. Raises DamagedData, OSError."""
    with open(path, "rb") as file:
        header = file.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise DamagedData(path, "it is not a SQLite database")
    room, store = int.from_bytes(header[60:64], "big"), int.from_bytes(header[68:72], "big")
    if store & 0xFFFF_0000 != _OURS:
        raise DamagedData(path, "it is not one of awning's databases")
    return room, store


def _versions(connection: sqlite3.Connection) -> tuple[int, int]:
    (room,) = connection.execute("PRAGMA user_version").fetchone()
    (store,) = connection.execute("PRAGMA application_id").fetchone()
    return room, store


def _check_versions(path: Path, room: int, store: int, schema: Schema) -> None:
    for found, known in ((store & 0xFFFF, len(STORE.migrations)), (room, len(schema.migrations))):
        if found > known:
            raise NewerData(path, found, known)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        cached_statements=_STATEMENTS,
        check_same_thread=False,
        timeout=5.0,
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Return a write connection. Foreign keys are still off: migrations may rebuild tables."""
    connection = _open(path, "rw")
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {_WAL_PAGES}",
            f"journal_size_limit = {_WAL_KEPT}",
            f"cache_size = -{_CACHE_KIB}",
            "temp_store = MEMORY",
            "secure_delete = OFF",
            "recursive_triggers = ON",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, schema: Schema, path: Path) -> bool:
    """Apply what is missing, a transaction each; True where anything was. Raises NewerData."""
    room, store = _versions(connection)
    if store:
        _check_versions(path, room, store, schema)
    for version in range(store & 0xFFFF, len(STORE.migrations)):
        _apply(connection, STORE.migrations[version], f"application_id = {_OURS | (version + 1)}", path)
    for version in range(room, len(schema.migrations)):
        _apply(connection, schema.migrations[version], f"user_version = {version + 1}", path)
    return (store & 0xFFFF, room) != (len(STORE.migrations), len(schema.migrations))


def _apply(connection: sqlite3.Connection, script: str, version: str, path: Path) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;")
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise DamagedData(path, f"rows would refer to what is not there ({version})")
        connection.execute(f"PRAGMA {version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _fold(connection: sqlite3.Connection) -> None:
    """Move all that the log holds into the file, durably. Raises sqlite3.Error."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("database is locked")


def _explained(path: Path, error: sqlite3.Error) -> Exception:
    """Translate SQLite's error into ours: damaged where the file is at fault, else unreadable."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedData(path, str(error))
    if code in FULL:
        return UnreadableData(path, "the disk is full")
    return UnreadableData(path, str(error))
