"""All state of KMS: keys and their materials, aliases and grants of all accounts and regions, and their queries.

Times are seconds since the epoch. Key material is stored sealed only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from awning.store.rows import insert_row, update_row
from awning.store.schema import Schema

SCHEMA = Schema(
    migrations=(
        """
        CREATE TABLE keys (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            key_id TEXT NOT NULL,              -- a UUID, or mrk- and 32 digits: then of every region that has the key
            spec TEXT NOT NULL,
            usage TEXT NOT NULL,
            origin TEXT NOT NULL,
            manager TEXT NOT NULL,             -- CUSTOMER or AWS
            state TEXT NOT NULL,
            description TEXT NOT NULL,
            policy TEXT NOT NULL,
            policy_ids TEXT NOT NULL,          -- JSON: whom the policy's names stand for
            tags TEXT NOT NULL,                -- JSON
            created REAL NOT NULL,
            deletion REAL,                     -- when it is to be deleted
            pending_days INTEGER,              -- the window before that
            multi TEXT NOT NULL,               -- PRIMARY, REPLICA, or ''
            rotation_days INTEGER,             -- where rotation is on
            rotation_next REAL,
            expires REAL,                      -- when the first of its imported materials expires
            UNIQUE (account, region, key_id)
        );
        CREATE INDEX keys_key_id ON keys (key_id);
        CREATE INDEX keys_deletion ON keys (deletion) WHERE deletion IS NOT NULL;
        CREATE INDEX keys_rotation ON keys (rotation_next) WHERE rotation_next IS NOT NULL;
        CREATE INDEX keys_expires ON keys (expires) WHERE expires IS NOT NULL;
        CREATE TABLE materials (
            key INTEGER NOT NULL,
            number INTEGER NOT NULL,           -- from 1, in the order in which they came
            material_id TEXT NOT NULL,         -- 64 hexadecimal digits
            state TEXT NOT NULL,               -- CURRENT, NON_CURRENT or PENDING_ROTATION
            sealed BLOB,                       -- NULL: imported, and expired or deleted since
            public BLOB,                       -- DER, of key pairs
            description TEXT,
            model TEXT,                        -- ExpirationModel, of what was imported
            expires REAL,
            rotated REAL,                      -- when it became current by a rotation
            rotation TEXT,                     -- AUTOMATIC or ON_DEMAND
            PRIMARY KEY (key, number)
        ) WITHOUT ROWID;
        CREATE TABLE aliases (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,                -- with alias/ before it
            key INTEGER NOT NULL,
            created REAL NOT NULL,
            updated REAL NOT NULL,
            UNIQUE (account, region, name)
        );
        CREATE INDEX aliases_key ON aliases (key);
        CREATE TABLE grants (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            grant_id TEXT NOT NULL UNIQUE,
            key INTEGER NOT NULL,
            name TEXT,
            issuer TEXT NOT NULL,              -- the account that made it
            grantee TEXT NOT NULL,
            grantee_service INTEGER NOT NULL,  -- the grantee is a service
            retiring TEXT,
            retiring_service INTEGER NOT NULL,
            operations TEXT NOT NULL,          -- JSON
            constraints TEXT NOT NULL,         -- JSON
            ids TEXT NOT NULL,                 -- JSON: whom these names stand for
            created REAL NOT NULL
        );
        CREATE INDEX grants_key ON grants (key, id);
        CREATE INDEX grants_retiring ON grants (retiring, id);
        """,
        """
        CREATE INDEX grants_grantee ON grants (key, grantee, id);
        CREATE INDEX grants_retired ON grants (key, retiring, id) WHERE retiring IS NOT NULL;
        CREATE INDEX grants_name ON grants (key, name, id) WHERE name IS NOT NULL;
        """,
        """
        ALTER TABLE grants ADD COLUMN grantee_id TEXT;   -- the unique ids of whom it names, who keep them under another name
        ALTER TABLE grants ADD COLUMN retiring_id TEXT;
        UPDATE grants SET
            grantee_id = (SELECT value FROM json_each(ids) WHERE json_each.key = grantee),
            retiring_id = (SELECT value FROM json_each(ids) WHERE json_each.key = retiring)
            WHERE ids != '{}';
        CREATE INDEX grants_grantee_id ON grants (key, grantee_id, id) WHERE grantee_id IS NOT NULL;
        CREATE INDEX grants_retiring_id ON grants (key, retiring_id, id) WHERE retiring_id IS NOT NULL;
        """,
        """
        ALTER TABLE grants ADD COLUMN pair TEXT;         -- the first pair of an encryption context that it is constrained to
        UPDATE grants SET pair = (
            SELECT length(one.key) || ':' || one.key || one.value
            FROM json_each(coalesce(
                json_extract(constraints, '$.EncryptionContextEquals'),
                json_extract(constraints, '$.EncryptionContextSubset')
            )) AS one ORDER BY one.key LIMIT 1
        ) WHERE constraints != '{}';
        CREATE INDEX grants_pair ON grants (key, grantee, pair);
        CREATE INDEX grants_pair_id ON grants (key, grantee_id, pair) WHERE grantee_id IS NOT NULL;
        """,
    )
)

_KEY = (
    "id, account, region, key_id, spec, usage, origin, manager, state, description, policy, policy_ids, tags, created, "
    "deletion, pending_days, multi, rotation_days, rotation_next, expires"
)
_MATERIAL = "key, number, material_id, state, sealed, public, description, model, expires, rotated, rotation"
_GRANT = (
    "id, grant_id, key, name, issuer, grantee, grantee_service, retiring, retiring_service, operations, constraints, "
    "ids, created"
)


class KeyRow(NamedTuple):
    """A key as it is stored. `id` is 0 for a service's key that nobody has used yet."""

    id: int
    account: str
    region: str
    key_id: str
    spec: str
    usage: str
    origin: str
    manager: str
    state: str
    description: str
    policy: str
    policy_ids: dict[str, str]
    tags: dict[str, str]
    created: float
    deletion: float | None = None
    pending_days: int | None = None
    multi: str = ""
    rotation_days: int | None = None
    rotation_next: float | None = None
    expires: float | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{self.region}:{self.account}:key/{self.key_id}"


class MaterialRow(NamedTuple):
    """One version of a key's material."""

    key: int
    number: int
    material_id: str
    state: str
    sealed: bytes | None
    public: bytes | None = None
    description: str | None = None
    model: str | None = None
    expires: float | None = None
    rotated: float | None = None
    rotation: str | None = None

    def __repr__(self) -> str:
        return f"MaterialRow({self.key}, {self.number}, {self.state})"


class AliasRow(NamedTuple):
    """An alias. `key_id` is its key's."""

    id: int
    account: str
    region: str
    name: str
    key: int
    created: float
    updated: float
    key_id: str

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{self.region}:{self.account}:{self.name}"


class GrantRow(NamedTuple):
    """A grant as it is stored."""

    id: int
    grant_id: str
    key: int
    name: str | None
    issuer: str
    grantee: str
    grantee_service: bool
    retiring: str | None
    retiring_service: bool
    operations: list[str]
    constraints: dict[str, Any]
    ids: dict[str, str]
    created: float


def _key(row: Any) -> KeyRow:
    fields = list(row)
    fields[11:13] = orjson.loads(row[11]), orjson.loads(row[12])
    return KeyRow._make(fields)


def _grant(row: Any) -> GrantRow:
    fields = list(row)
    fields[6], fields[8] = bool(row[6]), bool(row[8])
    fields[9:12] = (orjson.loads(one) for one in row[9:12])
    return GrantRow._make(fields)


def insert_key(db: sqlite3.Connection, row: KeyRow) -> int:
    """Store a new key, its `id` aside, and return that."""
    return insert_row(db, "keys", _KEY.partition(", ")[2], row[1:])


def update_key(db: sqlite3.Connection, key: int, **changes: Any) -> None:
    """Change columns of a key."""
    update_row(db, "keys", key, changes)


def find_key(db: sqlite3.Connection, account: str, region: str, key_id: str) -> KeyRow | None:
    row = db.execute(
        f"SELECT {_KEY} FROM keys WHERE account = ? AND region = ? AND key_id = ?", (account, region, key_id)
    ).fetchone()
    return None if row is None else _key(row)


def key_of(db: sqlite3.Connection, key: int) -> KeyRow:
    return _key(db.execute(f"SELECT {_KEY} FROM keys WHERE id = ?", (key,)).fetchone())


def keys_of_id(db: sqlite3.Connection, account: str, key_id: str) -> list[KeyRow]:
    """A key in all regions that have it, in the order in which they got it."""
    rows = db.execute(f"SELECT {_KEY} FROM keys WHERE key_id = ? AND account = ? ORDER BY id", (key_id, account))
    return [_key(row) for row in rows]


def list_keys(db: sqlite3.Connection, account: str, region: str, after: int, limit: int) -> list[tuple[int, str]]:
    rows = db.execute(
        "SELECT id, key_id FROM keys WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        (account, region, after, limit),
    )
    return rows.fetchall()


def due(db: sqlite3.Connection, column: str, now: float, limit: int) -> list[KeyRow]:
    """Keys for which the time in a column ("deletion", "rotation_next", "expires") has come; only what can be used is rotated."""
    only = {"deletion": "", "rotation_next": "AND state = 'Enabled'", "expires": ""}[column]
    rows = db.execute(f"SELECT {_KEY} FROM keys WHERE {column} <= ? {only} ORDER BY {column} LIMIT ?", (now, limit))
    return [_key(row) for row in rows]


def delete_key(db: sqlite3.Connection, key: int) -> None:
    """Delete a key with all that belongs to it."""
    for table in ("materials", "aliases", "grants"):
        db.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
    db.execute("DELETE FROM keys WHERE id = ?", (key,))


def put_material(db: sqlite3.Connection, row: MaterialRow) -> None:
    db.execute(f"INSERT OR REPLACE INTO materials ({_MATERIAL}) VALUES ({', '.join('?' * len(row))})", row)


def materials(db: sqlite3.Connection, key: int) -> list[MaterialRow]:
    rows = db.execute(f"SELECT {_MATERIAL} FROM materials WHERE key = ? ORDER BY number", (key,))
    return [MaterialRow._make(row) for row in rows]


def current_material(db: sqlite3.Connection, key: int) -> MaterialRow | None:
    row = db.execute(f"SELECT {_MATERIAL} FROM materials WHERE key = ? AND state = 'CURRENT'", (key,)).fetchone()
    return None if row is None else MaterialRow._make(row)


def delete_material(db: sqlite3.Connection, key: int, number: int) -> None:
    db.execute("DELETE FROM materials WHERE key = ? AND number = ?", (key, number))


def count_rotations(db: sqlite3.Connection, key: int, kind: str) -> int:
    row = db.execute("SELECT count(*) FROM materials WHERE key = ? AND rotation = ?", (key, kind)).fetchone()
    return int(row[0])


_ALIASES = (
    "SELECT aliases.id, aliases.account, aliases.region, name, key, aliases.created, updated, key_id "
    "FROM aliases JOIN keys ON keys.id = aliases.key WHERE "
)


def find_alias(db: sqlite3.Connection, account: str, region: str, name: str) -> AliasRow | None:
    row = db.execute(
        f"{_ALIASES} aliases.account = ? AND aliases.region = ? AND name = ?", (account, region, name)
    ).fetchone()
    return None if row is None else AliasRow._make(row)


def aliases_of(db: sqlite3.Connection, key: int) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM aliases WHERE key = ? ORDER BY name", (key,))]


def list_aliases(
    db: sqlite3.Connection, account: str, region: str, key: int | None, after: int, limit: int
) -> list[AliasRow]:
    """Aliases by their ids, of one key or of all."""
    rows = db.execute(
        f"{_ALIASES} aliases.account = ? AND aliases.region = ? AND (? IS NULL OR key = ?) AND aliases.id > ? "
        "ORDER BY aliases.id LIMIT ?",
        (account, region, key, key, after, limit),
    )
    return [AliasRow._make(row) for row in rows]


def insert_alias(db: sqlite3.Connection, account: str, region: str, name: str, key: int, now: float) -> None:
    db.execute(
        "INSERT INTO aliases (account, region, name, key, created, updated) VALUES (?, ?, ?, ?, ?, ?)",
        (account, region, name, key, now, now),
    )


def update_alias(db: sqlite3.Connection, alias: int, key: int, now: float) -> None:
    db.execute("UPDATE aliases SET key = ?, updated = ? WHERE id = ?", (key, now, alias))


def delete_alias(db: sqlite3.Connection, alias: int) -> None:
    db.execute("DELETE FROM aliases WHERE id = ?", (alias,))


def insert_grant(db: sqlite3.Connection, row: GrantRow) -> None:
    """Store a new grant, its `id` aside."""
    columns = _GRANT.partition(", ")[2] + ", grantee_id, retiring_id, pair"
    context = row.constraints.get("EncryptionContextEquals") or row.constraints.get("EncryptionContextSubset")
    pair = _pair(*min(context.items())) if context else None
    insert_row(db, "grants", columns, (*row[1:], row.ids.get(row.grantee), row.ids.get(row.retiring or ""), pair))


def find_grant(db: sqlite3.Connection, grant_id: str) -> GrantRow | None:
    row = db.execute(f"SELECT {_GRANT} FROM grants WHERE grant_id = ?", (grant_id,)).fetchone()
    return None if row is None else _grant(row)


_ABOUT: Final = (
    ("grantee", "grants_grantee"),
    ("retiring", "grants_retired"),
    ("grantee_id", "grants_grantee_id"),
    ("retiring_id", "grants_retiring_id"),
)
"""Columns that say whom a grant is about, each with its index: left to itself SQLite reads all grants of the key instead."""


def grants_about(
    db: sqlite3.Connection, key: int, names: Sequence[str], ids: Sequence[str], most: int
) -> list[tuple[int, str]]:
    """Return (id, grant id) of a key's grants that name one of these, or one with such a unique id, as their grantee or as who
    may retire them; of each kind as many as `most` at most."""
    found: set[tuple[int, str]] = set()
    for column, index in _ABOUT:
        wanted = ids if column.endswith("_id") else names
        found.update(
            db.execute(
                f"SELECT id, grant_id FROM grants INDEXED BY {index} WHERE key = ? "
                f"AND {column} IN ({', '.join('?' * len(wanted))}) LIMIT ?",
                (key, *wanted, most),
            )
        )
    return sorted(found)


def grants_for(
    db: sqlite3.Connection,
    key: int,
    names: Sequence[str],
    ids: Sequence[str],
    operation: str,
    pairs: Sequence[tuple[str, str]] | None,
) -> list[tuple[int, str]]:
    """Return (id, grant id) of a key's grants to one of these that may permit an operation; of those that say the same, one.

    pairs: of the encryption context; None for an operation that has none. What a grant says of the ARN of a source is for
    services: no grant that says it is returned.
    """
    known = f"(grantee_id IS NULL OR grantee_id IN ({', '.join('?' * len(ids))}))"
    found: set[tuple[int, str]] = set()
    for name in names:
        where = f"grants INDEXED BY grants_pair WHERE key = ? AND grantee = ? AND {known}"
        found.update(_grants_for(db, where, [key, name, *ids], operation, pairs))
    for one in ids:
        # A session's grant is found by its name; the id is its role's.
        where = (
            "grants INDEXED BY grants_pair_id WHERE key = ? AND grantee_id = ? AND grantee NOT LIKE '%:assumed-role/%'"
        )
        found.update(_grants_for(db, where, [key, one], operation, pairs))
    return sorted(found)


def _grants_for(
    db: sqlite3.Connection,
    where: str,
    values: Sequence[Any],
    operation: str,
    pairs: Sequence[tuple[str, str]] | None,
) -> Iterator[tuple[int, str]]:
    """The same, of grants to one grantee: what is the same in `operations` and `constraints` says the same."""
    where += " AND operations LIKE ? AND json_extract(constraints, '$.SourceArn') IS NULL"
    values = [*values, f'%"{operation}"%']
    if pairs is None:
        yield from db.execute(f"SELECT id, grant_id FROM {where} LIMIT 1", values)
        return
    yield from db.execute(f"SELECT min(id), grant_id FROM {where} AND pair IS NULL GROUP BY operations", values)
    for pair in pairs:
        yield from db.execute(
            f"SELECT min(id), grant_id FROM {where} AND pair = ? GROUP BY operations, constraints",
            [*values, _pair(*pair)],
        )


def _pair(name: str, value: str) -> str:
    return f"{len(name)}:{name}{value}"


def grant_at(db: sqlite3.Connection, grant: int) -> GrantRow:
    return _grant(db.execute(f"SELECT {_GRANT} FROM grants WHERE id = ?", (grant,)).fetchone())


def list_grants(
    db: sqlite3.Connection, where: Mapping[str, Any], region: str | None, after: int, limit: int
) -> list[GrantRow]:
    """Grants with these values in their columns; of keys of one region only, where that is given."""
    conditions = "".join(f" AND {name} = ?" for name in where)
    local = "" if region is None else " AND key IN (SELECT id FROM keys WHERE region = ?)"
    values: Sequence[Any] = (after, *where.values(), *(() if region is None else (region,)), limit)
    rows = db.execute(f"SELECT {_GRANT} FROM grants WHERE id > ?{conditions}{local} ORDER BY id LIMIT ?", values)
    return [_grant(row) for row in rows]


def count_grants(db: sqlite3.Connection, key: int) -> int:
    return int(db.execute("SELECT count(*) FROM grants WHERE key = ?", (key,)).fetchone()[0])


def delete_grants(db: sqlite3.Connection, key: int, most: int) -> int:
    """Delete some of a key's grants; return how many."""
    chosen = "SELECT id FROM grants WHERE key = ? LIMIT ?"
    return db.execute(f"DELETE FROM grants WHERE id IN ({chosen})", (key, most)).rowcount


def delete_grant(db: sqlite3.Connection, grant: int) -> None:
    db.execute("DELETE FROM grants WHERE id = ?", (grant,))
