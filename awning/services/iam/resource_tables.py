"""What accounts have besides users, roles, groups and policies: instance profiles, devices, providers, certificates, settings.

All are named things with a path and tags; what else a kind knows stands in `facts`, what must not be seen in `sealed`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import orjson

MIGRATION: Final = """
    CREATE TABLE resources (
        row INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        folded TEXT NOT NULL,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        id TEXT NOT NULL,
        created REAL NOT NULL,
        tags TEXT NOT NULL DEFAULT '{}',
        owner INTEGER,
        facts TEXT NOT NULL DEFAULT '{}',
        sealed BLOB,
        UNIQUE (account, kind, folded)
    );
    CREATE INDEX resources_owner ON resources (owner, kind) WHERE owner IS NOT NULL;
    CREATE TABLE aliases (
        alias TEXT PRIMARY KEY,
        account TEXT NOT NULL UNIQUE
    ) WITHOUT ROWID;
    CREATE TABLE settings (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) WITHOUT ROWID;
"""

KINDS: Final = frozenset({"instance-profile", "mfa", "oidc-provider", "saml-provider", "server-certificate"})
"""Those that have an ARN, as it names them. A login profile ("login-profile") is its user's, and has none."""


ROOT: Final = 0
"""The owner of what belongs to the account's root: no user has this row."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One of them. `owner` is the row of the role or user that it belongs to, if any; times are seconds since the epoch."""

    row: int
    account: str
    kind: str
    name: str
    path: str
    id: str
    created: float
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    sealed: bytes | None = field(default=None, repr=False)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:{self.kind}{self.path}{self.name}"


_RESOURCE: Final = "row, account, kind, name, path, id, created, tags, owner, facts, sealed"


def _resource(row: tuple[Any, ...]) -> Resource:
    values = list(row)
    values[7], values[9] = orjson.loads(values[7]), MappingProxyType(orjson.loads(values[9]))
    return Resource(*values)


def find(db: sqlite3.Connection, account: str, kind: str, name: str) -> Resource | None:
    row = db.execute(
        f"SELECT {_RESOURCE} FROM resources WHERE account = ? AND kind = ? AND folded = ?",
        (account, kind, name.lower()),
    ).fetchone()
    return _resource(row) if row else None


def find_by_arn(db: sqlite3.Connection, arn: str) -> Resource | None:
    """The resource of exactly this ARN (path and case too), or None. The name of an OIDC provider has slashes."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[:4] != ["arn", "aws", "iam", ""]:
        return None
    kind, _, rest = parts[5].partition("/")
    if kind not in KINDS:
        return None
    found = find(db, parts[4], kind, rest if kind == "oidc-provider" else rest.rpartition("/")[2])
    return found if found is not None and found.arn == arn else None


def listed(
    db: sqlite3.Connection,
    account: str,
    kind: str,
    prefix: str = "/",
    after: str = "",
    limit: int = -1,
    taken: bool | None = None,
) -> list[Resource]:
    """Up to `limit` whose path begins with `prefix`, by folded name, beginning behind `after`; with `taken` only those that
    belong to somebody, or to nobody."""
    owner = "" if taken is None else f" AND owner IS {'NOT ' if taken else ''}NULL"
    rows = db.execute(
        f"SELECT {_RESOURCE} FROM resources WHERE account = ? AND kind = ? AND folded > ? AND substr(path, 1, ?) = ?"
        f"{owner} ORDER BY folded LIMIT ?",
        (account, kind, after, len(prefix), prefix, limit),
    ).fetchall()
    return [_resource(row) for row in rows]


def owned(db: sqlite3.Connection, owner: int, kind: str) -> list[Resource]:
    """What belongs to a role or user, by name."""
    rows = db.execute(
        f"SELECT {_RESOURCE} FROM resources WHERE owner = ? AND kind = ? ORDER BY folded", (owner, kind)
    ).fetchall()
    return [_resource(row) for row in rows]


def all_owned(db: sqlite3.Connection, owner: int) -> list[Resource]:
    """What belongs to a role or user, of every kind."""
    rows = db.execute(f"SELECT {_RESOURCE} FROM resources WHERE owner = ? ORDER BY kind, folded", (owner,)).fetchall()
    return [_resource(row) for row in rows]


def count(db: sqlite3.Connection, account: str, kind: str) -> int:
    found: int = db.execute(
        "SELECT COUNT(*) FROM resources WHERE account = ? AND kind = ?", (account, kind)
    ).fetchone()[0]
    return found


def count_owned(db: sqlite3.Connection, account: str, kind: str) -> int:
    found: int = db.execute(
        "SELECT COUNT(*) FROM resources WHERE account = ? AND kind = ? AND owner IS NOT NULL", (account, kind)
    ).fetchone()[0]
    return found


def root_has(db: sqlite3.Connection, account: str, kind: str) -> bool:
    """Whether an account's root owns one of a kind."""
    query = "SELECT 1 FROM resources WHERE account = ? AND kind = ? AND owner = ?"
    return db.execute(query, (account, kind, ROOT)).fetchone() is not None


def add(db: sqlite3.Connection, resource: Resource) -> None:
    """Insert; `resource.row` is not looked at."""
    db.execute(
        "INSERT INTO resources (account, kind, folded, name, path, id, created, tags, owner, facts, sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            resource.account,
            resource.kind,
            resource.name.lower(),
            resource.name,
            resource.path,
            resource.id,
            resource.created,
            orjson.dumps(dict(resource.tags)).decode(),
            resource.owner,
            orjson.dumps(dict(resource.facts)).decode(),
            resource.sealed,
        ),
    )


def set_tags(db: sqlite3.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE resources SET tags = ? WHERE row = ?", (orjson.dumps(dict(tags)).decode(), row))


def set_owner(db: sqlite3.Connection, row: int, owner: int | None) -> None:
    db.execute("UPDATE resources SET owner = ? WHERE row = ?", (owner, row))


def set_facts(db: sqlite3.Connection, row: int, facts: Mapping[str, Any]) -> None:
    db.execute("UPDATE resources SET facts = ? WHERE row = ?", (orjson.dumps(dict(facts)).decode(), row))


def set_sealed(db: sqlite3.Connection, row: int, sealed: bytes) -> None:
    db.execute("UPDATE resources SET sealed = ? WHERE row = ?", (sealed, row))


def rename(db: sqlite3.Connection, row: int, name: str, path: str) -> None:
    db.execute("UPDATE resources SET name = ?, folded = ?, path = ? WHERE row = ?", (name, name.lower(), path, row))


def remove(db: sqlite3.Connection, row: int) -> None:
    db.execute("DELETE FROM resources WHERE row = ?", (row,))


def remove_older(db: sqlite3.Connection, account: str, kind: str, before: float) -> None:
    """Delete an account's of a kind that were created before a time."""
    db.execute("DELETE FROM resources WHERE account = ? AND kind = ? AND created < ?", (account, kind, before))


# Aliases of accounts


def alias_of(db: sqlite3.Connection, account: str) -> str | None:
    row = db.execute("SELECT alias FROM aliases WHERE account = ?", (account,)).fetchone()
    return row[0] if row else None


def account_of(db: sqlite3.Connection, alias: str) -> str | None:
    row = db.execute("SELECT account FROM aliases WHERE alias = ?", (alias,)).fetchone()
    return row[0] if row else None


def set_alias(db: sqlite3.Connection, account: str, alias: str) -> None:
    """Give an account its alias, instead of the one that it had."""
    db.execute("INSERT OR REPLACE INTO aliases (alias, account) VALUES (?, ?)", (alias, account))


def remove_alias(db: sqlite3.Connection, account: str) -> None:
    db.execute("DELETE FROM aliases WHERE account = ?", (account,))


# Settings of accounts


def setting(db: sqlite3.Connection, account: str, name: str) -> Any:
    """A setting's value, None where it was never set."""
    row = db.execute("SELECT value FROM settings WHERE account = ? AND name = ?", (account, name)).fetchone()
    return orjson.loads(row[0]) if row else None


def set_setting(db: sqlite3.Connection, account: str, name: str, value: Any) -> None:
    db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", (account, name, orjson.dumps(value).decode()))


def remove_setting(db: sqlite3.Connection, account: str, name: str) -> None:
    db.execute("DELETE FROM settings WHERE account = ? AND name = ?", (account, name))
