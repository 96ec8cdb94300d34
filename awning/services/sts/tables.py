"""All of STS's state: the sessions that have not been swept yet.

A session refers to its role or user by id, so it ends when that is deleted, though another takes its name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from awning.store.schema import Schema
from awning.store.vault import Seal

Kind = Literal["role", "user", "root", "federated-user"]

SCHEMA: Final = Schema(
    migrations=(
        """
        CREATE TABLE sessions (
            access_key_id TEXT PRIMARY KEY,
            secret BLOB NOT NULL,
            token BLOB NOT NULL,
            account TEXT NOT NULL,
            kind TEXT NOT NULL,
            source_arn TEXT NOT NULL,
            source_id TEXT NOT NULL,
            name TEXT NOT NULL,
            created REAL NOT NULL,
            expires REAL NOT NULL,
            policy TEXT,
            policy_arns TEXT NOT NULL,
            tags TEXT NOT NULL,
            transitive_tags TEXT NOT NULL,
            source_identity TEXT
        ) WITHOUT ROWID;
        CREATE INDEX sessions_expires ON sessions (expires);
        """,
        """
        ALTER TABLE sessions ADD COLUMN mfa REAL;
        CREATE TABLE mfa_steps (
            serial_number TEXT PRIMARY KEY,
            step INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
        """
        ALTER TABLE sessions ADD COLUMN provider TEXT;
        ALTER TABLE sessions ADD COLUMN provider_facts TEXT NOT NULL DEFAULT '{}';
        """,
    )
)


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials. `source_*` is the role, or the user or root who asked; `name` a role session's name; times are
    seconds since the epoch, `mfa` when its owner showed a second factor; `policy` and `policy_arns` are the session policies;
    `transitive_tags` are keys. A federated user's `source_id` is the user's who asked, empty where it was the root. `provider`
    and `provider_facts` (condition keys in lower case) are those of an identity provider by whose word it began."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    account: str
    kind: Kind
    source_arn: str
    source_id: str
    name: str
    created: float
    expires: float
    policy: str | None = None
    policy_arns: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tags: Sequence[str] = ()
    source_identity: str | None = None
    mfa: float | None = None
    provider: str | None = None
    provider_facts: Mapping[str, Any] = field(default_factory=dict)


_COLUMNS: Final = (
    "access_key_id, secret, token, account, kind, source_arn, source_id, name, created, expires, policy, policy_arns,"
    " tags, transitive_tags, source_identity, mfa, provider, provider_facts"
)


def find_session(db: sqlite3.Connection, seal: Seal, access_key_id: str) -> Session | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM sessions WHERE access_key_id = ?", (access_key_id,)).fetchone()
    if row is None:
        return None
    values = list(row)
    values[1:3] = (seal.open(sealed, access_key_id.encode()).decode() for sealed in values[1:3])
    values[11:14] = map(orjson.loads, values[11:14])
    values[17] = orjson.loads(values[17])
    return Session(*values)


def add_session(db: sqlite3.Connection, seal: Seal, session: Session) -> None:
    """Store a session, its secret and token sealed with the key's id as context."""
    context = session.access_key_id.encode()
    db.execute(
        f"INSERT INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session.access_key_id,
            seal.seal(session.secret.encode(), context),
            seal.seal(session.token.encode(), context),
            session.account,
            session.kind,
            session.source_arn,
            session.source_id,
            session.name,
            session.created,
            session.expires,
            session.policy,
            orjson.dumps(list(session.policy_arns)).decode(),
            orjson.dumps(dict(session.tags)).decode(),
            orjson.dumps(list(session.transitive_tags)).decode(),
            session.source_identity,
            session.mfa,
            session.provider,
            orjson.dumps(dict(session.provider_facts)).decode(),
        ),
    )


def last_step(db: sqlite3.Connection, serial_number: str) -> int:
    """The half minute since the epoch of the last code of a device that was taken; -1 where none was."""
    row = db.execute("SELECT step FROM mfa_steps WHERE serial_number = ?", (serial_number,)).fetchone()
    return row[0] if row else -1


def use_step(db: sqlite3.Connection, serial_number: str, step: int) -> None:
    db.execute("INSERT OR REPLACE INTO mfa_steps VALUES (?, ?)", (serial_number, step))


def remove_expired(db: sqlite3.Connection, before: float, most: int) -> int:
    """Delete up to `most` sessions that expired before a time; return how many went."""
    return db.execute(
        "DELETE FROM sessions WHERE access_key_id IN"
        " (SELECT access_key_id FROM sessions WHERE expires < ? ORDER BY expires LIMIT ?)",
        (before, most),
    ).rowcount
