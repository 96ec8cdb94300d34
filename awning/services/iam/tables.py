"""All of IAM's state: row types and their queries.

Names are kept as given and found in lower case ("names are not distinguished by case"); every look-up goes by an index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

import orjson

from awning.services.iam import provider_tables, resource_tables
from awning.store.schema import Schema

Kind = Literal["user", "role", "group"]
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({"user": "user", "role": "role", "group": "group"})

SCHEMA: Final = Schema(
    migrations=(
        """
        CREATE TABLE entities (
            row INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            kind TEXT NOT NULL,
            folded TEXT NOT NULL,
            name TEXT NOT NULL,
            path TEXT NOT NULL,
            id TEXT NOT NULL UNIQUE,
            created REAL NOT NULL,
            boundary TEXT,
            tags TEXT NOT NULL DEFAULT '{}',
            trust TEXT,
            description TEXT,
            max_session INTEGER,
            UNIQUE (account, kind, folded)
        );
        CREATE INDEX entities_boundary ON entities (account, boundary) WHERE boundary IS NOT NULL;
        CREATE TABLE access_keys (
            id TEXT PRIMARY KEY,
            account TEXT NOT NULL,
            owner INTEGER,
            secret BLOB NOT NULL,
            status TEXT NOT NULL,
            created REAL NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX access_keys_owner ON access_keys (account, owner);
        CREATE TABLE memberships (
            user INTEGER NOT NULL,
            group_ INTEGER NOT NULL,
            PRIMARY KEY (user, group_)
        ) WITHOUT ROWID;
        CREATE INDEX memberships_group ON memberships (group_);
        CREATE TABLE inline_policies (
            entity INTEGER NOT NULL,
            folded TEXT NOT NULL,
            name TEXT NOT NULL,
            document TEXT NOT NULL,
            PRIMARY KEY (entity, folded)
        ) WITHOUT ROWID;
        CREATE TABLE policies (
            row INTEGER PRIMARY KEY,
            account TEXT NOT NULL,
            folded TEXT NOT NULL,
            name TEXT NOT NULL,
            path TEXT NOT NULL,
            id TEXT NOT NULL UNIQUE,
            arn TEXT NOT NULL UNIQUE,
            description TEXT,
            tags TEXT NOT NULL DEFAULT '{}',
            created REAL NOT NULL,
            updated REAL NOT NULL,
            default_version INTEGER NOT NULL,
            last_version INTEGER NOT NULL,
            UNIQUE (account, folded)
        );
        CREATE TABLE policy_versions (
            policy INTEGER NOT NULL,
            version INTEGER NOT NULL,
            document TEXT NOT NULL,
            created REAL NOT NULL,
            PRIMARY KEY (policy, version)
        ) WITHOUT ROWID;
        CREATE TABLE attachments (
            entity INTEGER NOT NULL,
            policy TEXT NOT NULL,
            account TEXT NOT NULL,
            PRIMARY KEY (entity, policy)
        ) WITHOUT ROWID;
        CREATE INDEX attachments_policy ON attachments (account, policy);
        """,
        "ALTER TABLE entities ADD COLUMN trust_ids TEXT NOT NULL DEFAULT '{}'",
        resource_tables.MIGRATION,
        provider_tables.MIGRATION,
    )
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A user, role or group. `created` in seconds since the epoch; `boundary` is a policy's ARN; the last four members
    are a role's; `trust_ids` are the unique ids of those whom its trust policy names."""

    row: int
    account: str
    kind: Kind
    name: str
    path: str
    id: str
    created: float
    boundary: str | None
    tags: Mapping[str, str]
    trust: str | None = None
    description: str | None = None
    max_session: int | None = None
    trust_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.kind, self.path, self.name)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """`owner` is the user's row, None for a key of the account's root."""

    id: str
    account: str
    owner: int | None
    secret: bytes = field(repr=False)
    """Sealed by the room's key, with the id as context: signatures are verified with the secret itself, a hash would not do."""
    status: str
    created: float


@dataclass(frozen=True, slots=True)
class Policy:
    """A managed policy; `account` is "aws" for those of AWS's own. `attached` and `bounding` count its uses in one
    account."""

    row: int
    account: str
    name: str
    path: str
    id: str
    arn: str
    description: str | None
    tags: Mapping[str, str]
    created: float
    updated: float
    default_version: int
    last_version: int
    attached: int = 0
    bounding: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    document: str
    created: float


def arn_of(account: str, kind: str, path: str, name: str) -> str:
    """The ARN of a user, role, group or policy; `path` begins and ends with a slash."""
    return f"arn:aws:iam::{account}:{kind}{path}{name}"


# Users, roles, groups

_ENTITY = "row, account, kind, name, path, id, created, boundary, tags, trust, description, max_session, trust_ids"


def _entity(row: tuple[Any, ...]) -> Entity:
    values = list(row)
    values[8], values[12] = orjson.loads(values[8]), orjson.loads(values[12])
    return Entity(*values)


def find_entity(db: sqlite3.Connection, account: str, kind: Kind, name: str) -> Entity | None:
    row = db.execute(
        f"SELECT {_ENTITY} FROM entities WHERE account = ? AND kind = ? AND folded = ?", (account, kind, name.lower())
    ).fetchone()
    return _entity(row) if row else None


def entity_of_row(db: sqlite3.Connection, row: int) -> Entity | None:
    found = db.execute(f"SELECT {_ENTITY} FROM entities WHERE row = ?", (row,)).fetchone()
    return _entity(found) if found else None


def entity_of_id(db: sqlite3.Connection, identifier: str) -> Entity | None:
    found = db.execute(f"SELECT {_ENTITY} FROM entities WHERE id = ?", (identifier,)).fetchone()
    return _entity(found) if found else None


def find_entity_by_arn(db: sqlite3.Connection, arn: str) -> Entity | None:
    """The user, role or group of exactly this ARN (path and case too), or None."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[:4] != ["arn", "aws", "iam", ""]:
        return None
    kind = KINDS.get(parts[5].partition("/")[0])
    found = find_entity(db, parts[4], kind, arn.rpartition("/")[2]) if kind is not None else None
    return found if found is not None and found.arn == arn else None


def list_entities(
    db: sqlite3.Connection, account: str, kind: Kind, prefix: str, after: str, limit: int
) -> list[Entity]:
    """Up to `limit` whose path begins with `prefix`, by folded name, beginning behind `after`."""
    rows = db.execute(
        f"SELECT {_ENTITY} FROM entities WHERE account = ? AND kind = ? AND folded > ? AND substr(path, 1, ?) = ?"
        " ORDER BY folded LIMIT ?",
        (account, kind, after, len(prefix), prefix, limit),
    ).fetchall()
    return [_entity(row) for row in rows]


def count_entities(db: sqlite3.Connection, account: str, kind: Kind) -> int:
    return _count(db, "SELECT COUNT(*) FROM entities WHERE account = ? AND kind = ?", account, kind)


def add_entity(db: sqlite3.Connection, entity: Entity) -> None:
    """Insert; `entity.row` is not looked at."""
    db.execute(
        "INSERT INTO entities (account, kind, folded, name, path, id, created, boundary, tags, trust, description,"
        " max_session, trust_ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entity.account,
            entity.kind,
            entity.name.lower(),
            entity.name,
            entity.path,
            entity.id,
            entity.created,
            entity.boundary,
            orjson.dumps(dict(entity.tags)).decode(),
            entity.trust,
            entity.description,
            entity.max_session,
            orjson.dumps(dict(entity.trust_ids)).decode(),
        ),
    )


def rename_entity(db: sqlite3.Connection, row: int, name: str, path: str) -> None:
    db.execute("UPDATE entities SET name = ?, folded = ?, path = ? WHERE row = ?", (name, name.lower(), path, row))


def set_boundary(db: sqlite3.Connection, row: int, boundary: str | None) -> None:
    db.execute("UPDATE entities SET boundary = ? WHERE row = ?", (boundary, row))


def set_entity_tags(db: sqlite3.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE entities SET tags = ? WHERE row = ?", (orjson.dumps(dict(tags)).decode(), row))


def set_trust(db: sqlite3.Connection, row: int, document: str, ids: Mapping[str, str]) -> None:
    db.execute(
        "UPDATE entities SET trust = ?, trust_ids = ? WHERE row = ?", (document, orjson.dumps(dict(ids)).decode(), row)
    )


def set_role(db: sqlite3.Connection, row: int, description: str | None, max_session: int | None) -> None:
    db.execute("UPDATE entities SET description = ?, max_session = ? WHERE row = ?", (description, max_session, row))


def remove_entity(db: sqlite3.Connection, row: int) -> None:
    db.execute("DELETE FROM entities WHERE row = ?", (row,))


# Access keys

_KEY = "id, account, owner, secret, status, created"


def _key(row: tuple[Any, ...]) -> AccessKey:
    return AccessKey(row[0], row[1], row[2], row[3], row[4], row[5])


def find_key(db: sqlite3.Connection, key: str) -> AccessKey | None:
    row = db.execute(f"SELECT {_KEY} FROM access_keys WHERE id = ?", (key,)).fetchone()
    return _key(row) if row else None


def keys_of(db: sqlite3.Connection, account: str, owner: int | None) -> list[AccessKey]:
    """A user's keys, or with None those of the account's root; the oldest first."""
    rows = db.execute(
        f"SELECT {_KEY} FROM access_keys WHERE account = ? AND owner IS ? ORDER BY created, id", (account, owner)
    ).fetchall()
    return [_key(row) for row in rows]


def add_key(db: sqlite3.Connection, key: AccessKey) -> None:
    db.execute(
        f"INSERT INTO access_keys ({_KEY}) VALUES (?, ?, ?, ?, ?, ?)",
        (key.id, key.account, key.owner, key.secret, key.status, key.created),
    )


def set_key_status(db: sqlite3.Connection, key: str, status: str) -> None:
    db.execute("UPDATE access_keys SET status = ? WHERE id = ?", (status, key))


def remove_key(db: sqlite3.Connection, key: str) -> None:
    db.execute("DELETE FROM access_keys WHERE id = ?", (key,))


# Groups' members

_PREFIXED = ", ".join("e." + column for column in _ENTITY.split(", "))


def members_of(db: sqlite3.Connection, group: int, after: str = "", limit: int = -1) -> list[Entity]:
    rows = db.execute(
        f"SELECT {_PREFIXED} FROM memberships m JOIN entities e ON e.row = m.user WHERE m.group_ = ? AND e.folded > ?"
        " ORDER BY e.folded LIMIT ?",
        (group, after, limit),
    ).fetchall()
    return [_entity(row) for row in rows]


def groups_of(db: sqlite3.Connection, user: int) -> list[Entity]:
    rows = db.execute(
        f"SELECT {_PREFIXED} FROM memberships m JOIN entities e ON e.row = m.group_ WHERE m.user = ? ORDER BY e.folded",
        (user,),
    ).fetchall()
    return [_entity(row) for row in rows]


def is_member(db: sqlite3.Connection, user: int, group: int) -> bool:
    return db.execute("SELECT 1 FROM memberships WHERE user = ? AND group_ = ?", (user, group)).fetchone() is not None


def add_member(db: sqlite3.Connection, user: int, group: int) -> None:
    db.execute("INSERT INTO memberships (user, group_) VALUES (?, ?)", (user, group))


def remove_member(db: sqlite3.Connection, user: int, group: int) -> None:
    db.execute("DELETE FROM memberships WHERE user = ? AND group_ = ?", (user, group))


# Inline policies


def inline_policies(db: sqlite3.Connection, entity: int) -> list[tuple[str, str]]:
    """Names and documents, by name."""
    return db.execute(
        "SELECT name, document FROM inline_policies WHERE entity = ? ORDER BY folded", (entity,)
    ).fetchall()


def find_inline(db: sqlite3.Connection, entity: int, name: str) -> tuple[str, str] | None:
    found: tuple[str, str] | None = db.execute(
        "SELECT name, document FROM inline_policies WHERE entity = ? AND folded = ?", (entity, name.lower())
    ).fetchone()
    return found


def put_inline(db: sqlite3.Connection, entity: int, name: str, document: str) -> None:
    db.execute(
        "INSERT INTO inline_policies (entity, folded, name, document) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (entity, folded) DO UPDATE SET document = excluded.document",
        (entity, name.lower(), name, document),
    )


def remove_inline(db: sqlite3.Connection, entity: int, name: str) -> None:
    db.execute("DELETE FROM inline_policies WHERE entity = ? AND folded = ?", (entity, name.lower()))


# Managed policies of an account; AWS's own are data (managed.py)

_POLICY = "row, account, name, path, id, arn, description, tags, created, updated, default_version, last_version"
_USES = (
    "(SELECT COUNT(*) FROM attachments a WHERE a.account = p.account AND a.policy = p.arn),"
    " (SELECT COUNT(*) FROM entities e WHERE e.account = p.account AND e.boundary = p.arn)"
)

_ATTACHED = "EXISTS (SELECT 1 FROM attachments a WHERE a.account = p.account AND a.policy = p.arn)"
_BOUNDING = "EXISTS (SELECT 1 FROM entities e WHERE e.account = p.account AND e.boundary = p.arn)"
_IN_USE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": "",
        "attached": f" AND {_ATTACHED}",
        "bounding": f" AND {_BOUNDING}",
        "used": f" AND ({_ATTACHED} OR {_BOUNDING})",
    }
)


def _policy(row: tuple[Any, ...]) -> Policy:
    values = list(row)
    values[7] = orjson.loads(values[7])
    return Policy(*values)


def find_policy(db: sqlite3.Connection, arn: str) -> Policy | None:
    row = db.execute(f"SELECT {_POLICY}, {_USES} FROM policies p WHERE arn = ?", (arn,)).fetchone()
    return _policy(row) if row else None


def policy_named(db: sqlite3.Connection, account: str, name: str) -> Policy | None:
    row = db.execute(
        f"SELECT {_POLICY}, {_USES} FROM policies p WHERE account = ? AND folded = ?", (account, name.lower())
    ).fetchone()
    return _policy(row) if row else None


def list_policies(
    db: sqlite3.Connection, account: str, after: str, limit: int, prefix: str = "/", use: str = ""
) -> list[Policy]:
    """Up to `limit` of an account's policies whose path begins with `prefix`, by folded name, beginning behind `after`.

    use: only those that are "attached", "bounding", or either ("used").
    """
    rows = db.execute(
        f"SELECT {_POLICY}, {_USES} FROM policies p WHERE account = ? AND folded > ? AND substr(path, 1, ?) = ?"
        f"{_IN_USE[use]} ORDER BY folded LIMIT ?",
        (account, after, len(prefix), prefix, limit),
    ).fetchall()
    return [_policy(row) for row in rows]


def count_policies(db: sqlite3.Connection, account: str) -> int:
    return _count(db, "SELECT COUNT(*) FROM policies WHERE account = ?", account)


def count_versions(db: sqlite3.Connection, account: str) -> int:
    """How many versions all of an account's policies have."""
    query = "SELECT COUNT(*) FROM policies p JOIN policy_versions v ON v.policy = p.row WHERE p.account = ?"
    return _count(db, query, account)


def add_policy(db: sqlite3.Connection, policy: Policy, document: str) -> None:
    """Insert with its first version; `policy.row` is not looked at."""
    row = db.execute(
        "INSERT INTO policies (account, folded, name, path, id, arn, description, tags, created, updated,"
        " default_version, last_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1)",
        (
            policy.account,
            policy.name.lower(),
            policy.name,
            policy.path,
            policy.id,
            policy.arn,
            policy.description,
            orjson.dumps(dict(policy.tags)).decode(),
            policy.created,
            policy.updated,
        ),
    ).lastrowid
    db.execute("INSERT INTO policy_versions VALUES (?, 1, ?, ?)", (row, document, policy.created))


def set_policy_tags(db: sqlite3.Connection, row: int, tags: Mapping[str, str]) -> None:
    db.execute("UPDATE policies SET tags = ? WHERE row = ?", (orjson.dumps(dict(tags)).decode(), row))


def remove_policy(db: sqlite3.Connection, row: int) -> None:
    db.execute("DELETE FROM policy_versions WHERE policy = ?", (row,))
    db.execute("DELETE FROM policies WHERE row = ?", (row,))


def versions_of(db: sqlite3.Connection, policy: int) -> list[Version]:
    """The newest first."""
    rows = db.execute(
        "SELECT version, document, created FROM policy_versions WHERE policy = ? ORDER BY version DESC", (policy,)
    ).fetchall()
    return [Version(*row) for row in rows]


def find_version(db: sqlite3.Connection, policy: int, number: int) -> Version | None:
    row = db.execute(
        "SELECT version, document, created FROM policy_versions WHERE policy = ? AND version = ?", (policy, number)
    ).fetchone()
    return Version(*row) if row else None


def add_version(db: sqlite3.Connection, policy: Policy, document: str, now: float) -> int:
    """Insert and return the next version; numbers are never used twice."""
    number = policy.last_version + 1
    db.execute("INSERT INTO policy_versions VALUES (?, ?, ?, ?)", (policy.row, number, document, now))
    db.execute("UPDATE policies SET last_version = ?, updated = ? WHERE row = ?", (number, now, policy.row))
    return number


def set_default_version(db: sqlite3.Connection, policy: int, number: int, now: float) -> None:
    db.execute("UPDATE policies SET default_version = ?, updated = ? WHERE row = ?", (number, now, policy))


def remove_version(db: sqlite3.Connection, policy: int, number: int) -> None:
    db.execute("DELETE FROM policy_versions WHERE policy = ? AND version = ?", (policy, number))


# Attachments


def attached_policies(db: sqlite3.Connection, entity: int) -> list[str]:
    """The ARNs of what is attached, in order."""
    return [row[0] for row in db.execute("SELECT policy FROM attachments WHERE entity = ? ORDER BY policy", (entity,))]


def attach(db: sqlite3.Connection, entity: Entity, policy: str) -> None:
    db.execute("INSERT OR IGNORE INTO attachments VALUES (?, ?, ?)", (entity.row, policy, entity.account))


def detach(db: sqlite3.Connection, entity: int, policy: str) -> bool:
    """Return whether it was attached."""
    return db.execute("DELETE FROM attachments WHERE entity = ? AND policy = ?", (entity, policy)).rowcount > 0


def uses_of(db: sqlite3.Connection, account: str, policy: str) -> tuple[int, int]:
    """To how many entities of the account the policy is attached, and of how many it is the boundary."""
    return (
        _count(db, "SELECT COUNT(*) FROM attachments WHERE account = ? AND policy = ?", account, policy),
        _count(db, "SELECT COUNT(*) FROM entities WHERE account = ? AND boundary = ?", account, policy),
    )


def users_of_policy(
    db: sqlite3.Connection,
    account: str,
    policy: str,
    boundary: bool,
    kind: str | None = None,
    prefix: str = "/",
    after: str = "",
    limit: int = -1,
) -> list[Entity]:
    """Up to `limit` of the entities that have the policy attached, or as their boundary, of a kind or of all, whose path begins
    with `prefix`; ordered by kind and name, beginning behind `after` ("kind/name", folded)."""
    if boundary:
        source = "entities e WHERE e.account = ? AND e.boundary = ?"
    else:
        source = "attachments a JOIN entities e ON e.row = a.entity WHERE a.account = ? AND a.policy = ?"
    behind = after.partition("/")
    rows = db.execute(
        f"SELECT {_PREFIXED} FROM {source} AND (e.kind, e.folded) > (?, ?) AND substr(e.path, 1, ?) = ?"
        f"{'' if kind is None else ' AND e.kind = ?'} ORDER BY e.kind, e.folded LIMIT ?",
        (account, policy, behind[0], behind[2], len(prefix), prefix, *(() if kind is None else (kind,)), limit),
    ).fetchall()
    return [_entity(row) for row in rows]


def documents_of(
    db: sqlite3.Connection, entities: list[int]
) -> tuple[list[tuple[str, str]], list[tuple[str, str | None]]]:
    """What decides for these entities: inline policies (name, document), and attached ones (ARN, document).

    An attached policy without a document is one of AWS's own.
    """
    marks = ", ".join("?" * len(entities))
    inline = db.execute(
        f"SELECT name, document FROM inline_policies WHERE entity IN ({marks}) ORDER BY entity, folded", entities
    ).fetchall()
    attached = db.execute(
        "SELECT DISTINCT a.policy, v.document FROM attachments a LEFT JOIN policies p ON p.arn = a.policy"
        " LEFT JOIN policy_versions v ON v.policy = p.row AND v.version = p.default_version"
        f" WHERE a.entity IN ({marks}) ORDER BY a.policy",
        entities,
    ).fetchall()
    return inline, attached


def _count(db: sqlite3.Connection, query: str, *values: object) -> int:
    found: int = db.execute(query, values).fetchone()[0]
    return found
