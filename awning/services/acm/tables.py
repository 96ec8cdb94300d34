"""All state of ACM: certificates with their private keys, what uses them, authorities, tokens and accounts' settings.

Times are seconds since the epoch. Private keys are stored sealed only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from awning.store.rows import insert_row, update_row
from awning.store.schema import Schema

SCHEMA = Schema(
    migrations=(
        """
        CREATE TABLE certificates (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            certificate_id TEXT NOT NULL,      -- a UUID
            type TEXT NOT NULL,                -- AMAZON_ISSUED or IMPORTED
            status TEXT NOT NULL,              -- as stored; what has expired is still ISSUED here
            domain TEXT NOT NULL,
            names TEXT NOT NULL,               -- JSON: all names, the domain first
            algorithm TEXT NOT NULL,
            method TEXT NOT NULL,              -- DNS or EMAIL; '' of what was imported
            domains TEXT NOT NULL,             -- JSON: per name its validation domain, status, and by what it was proven
            transparency TEXT NOT NULL,
            export TEXT NOT NULL,              -- ENABLED or DISABLED
            tags TEXT NOT NULL,                -- JSON; a tag may have no value
            created REAL NOT NULL,
            deadline REAL,                     -- until when it waits for its validation
            next_check REAL,                   -- when a background pass looks at it next
            issued REAL,
            imported REAL,
            revoked REAL,
            revocation_reason TEXT,
            exported INTEGER NOT NULL,         -- since it was issued or last renewed
            ever_exported INTEGER NOT NULL,
            pem TEXT,
            chain TEXT,
            sealed BLOB,                       -- the private key
            generation INTEGER NOT NULL,       -- how often it has got a key
            serial TEXT,                       -- 0a:1b:…
            not_before REAL,
            not_after REAL,
            renew_at REAL,
            facts TEXT NOT NULL,               -- JSON: what the certificate itself says
            renewal TEXT NOT NULL,             -- JSON: status, updated; empty before the first
            migration TEXT NOT NULL,           -- JSON: of the validation method; empty before the first
            UNIQUE (account, region, certificate_id)
        );
        CREATE INDEX certificates_check ON certificates (next_check) WHERE next_check IS NOT NULL;
        CREATE INDEX certificates_renew ON certificates (renew_at) WHERE renew_at IS NOT NULL;
        CREATE TABLE uses (
            certificate INTEGER NOT NULL,
            user TEXT NOT NULL,                -- the ARN of what uses it
            service TEXT NOT NULL,
            PRIMARY KEY (certificate, user)
        ) WITHOUT ROWID;
        CREATE TABLE authorities (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            pem TEXT NOT NULL,
            sealed BLOB NOT NULL,
            not_after REAL NOT NULL
        );
        CREATE TABLE tokens (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            operation TEXT NOT NULL,
            token TEXT NOT NULL,
            digest TEXT NOT NULL,              -- of the request's parameters
            result TEXT NOT NULL,
            expires REAL NOT NULL,
            PRIMARY KEY (account, region, operation, token)
        ) WITHOUT ROWID;
        CREATE INDEX tokens_expires ON tokens (expires);
        CREATE TABLE accounts (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            days_before_expiry INTEGER NOT NULL,
            PRIMARY KEY (account, region)
        ) WITHOUT ROWID;
        """,
    )
)

_COLUMNS = (
    "id, account, region, certificate_id, type, status, domain, names, algorithm, method, domains, transparency, export, tags, "
    "created, deadline, next_check, issued, imported, revoked, revocation_reason, exported, ever_exported, pem, chain, sealed, "
    "generation, serial, not_before, not_after, renew_at, facts, renewal, migration"
)
STATUS = "CASE WHEN status = 'ISSUED' AND not_after <= {now} THEN 'EXPIRED' ELSE status END"
"""A certificate's status in SQL; `{now}` stands for the parameter with the time."""
IN_USE = "EXISTS (SELECT 1 FROM uses WHERE uses.certificate = certificates.id)"


class CertificateRow(NamedTuple):
    """A certificate as it is stored."""

    id: int
    account: str
    region: str
    certificate_id: str
    type: str
    status: str
    domain: str
    names: list[str]
    algorithm: str
    method: str
    domains: list[dict[str, Any]]
    transparency: str
    export: str
    tags: dict[str, str | None]
    created: float
    deadline: float | None = None
    next_check: float | None = None
    issued: float | None = None
    imported: float | None = None
    revoked: float | None = None
    revocation_reason: str | None = None
    exported: bool = False
    ever_exported: bool = False
    pem: str | None = None
    chain: str | None = None
    sealed: bytes | None = None
    generation: int = 0
    serial: str | None = None
    not_before: float | None = None
    not_after: float | None = None
    renew_at: float | None = None
    facts: dict[str, Any] = {}
    renewal: dict[str, Any] = {}
    migration: dict[str, Any] = {}

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, self.certificate_id)

    def __repr__(self) -> str:
        return f"CertificateRow({self.arn}, {self.status})"


class AuthorityRow(NamedTuple):
    """An authority that signs what is issued."""

    id: int
    pem: str
    sealed: bytes
    not_after: float

    def __repr__(self) -> str:
        return f"AuthorityRow({self.id})"


_JSON = tuple(
    CertificateRow._fields.index(name)
    for name in ("names", "domains", "tags", "facts", "renewal", "migration")
)  # fmt: skip


def arn_of(account: str, region: str, certificate_id: str) -> str:
    """The ARN of a certificate; that of all by the id "*"."""
    return f"arn:aws:acm:{region}:{account}:certificate/{certificate_id}"


def _certificate(row: Any) -> CertificateRow:
    fields = list(row)
    for index in _JSON:
        fields[index] = orjson.loads(fields[index])
    return CertificateRow._make(fields)


def insert(db: sqlite3.Connection, row: CertificateRow) -> int:
    """Store a new certificate, its `id` aside, and return that."""
    return insert_row(db, "certificates", _COLUMNS.partition(", ")[2], row[1:])


def update(db: sqlite3.Connection, certificate: int, **changes: Any) -> None:
    """Change columns of a certificate."""
    update_row(db, "certificates", certificate, changes)


def find(db: sqlite3.Connection, account: str, region: str, certificate_id: str) -> CertificateRow | None:
    row = db.execute(
        f"SELECT {_COLUMNS} FROM certificates WHERE account = ? AND region = ? AND certificate_id = ?",
        (account, region, certificate_id),
    ).fetchone()
    return None if row is None else _certificate(row)


def find_arn(db: sqlite3.Connection, arn: str) -> CertificateRow | None:
    """The certificate of an ARN, of whatever account and region."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "acm" or not parts[5].startswith("certificate/"):
        return None
    return find(db, parts[4], parts[3], parts[5].removeprefix("certificate/"))


def delete(db: sqlite3.Connection, certificate: int) -> None:
    db.execute("DELETE FROM certificates WHERE id = ?", (certificate,))


def count(db: sqlite3.Connection, account: str, region: str, type: str) -> int:
    """How many certificates of a type an account has in a region."""
    found: int = db.execute(
        "SELECT count(*) FROM certificates WHERE account = ? AND region = ? AND type = ?", (account, region, type)
    ).fetchone()[0]
    return found


def select(
    db: sqlite3.Connection, condition: str, values: dict[str, Any], order: str, limit: int, offset: int = 0
) -> list[tuple[CertificateRow, bool]]:
    """Certificates that meet an SQL condition, each with whether it is in use."""
    rows = db.execute(
        f"SELECT {_COLUMNS}, {IN_USE} FROM certificates WHERE {condition} ORDER BY {order} LIMIT :limit OFFSET :offset",
        {**values, "limit": limit, "offset": offset},
    )
    return [(_certificate(row[:-1]), bool(row[-1])) for row in rows]


def to_check(db: sqlite3.Connection, now: float, limit: int) -> list[CertificateRow]:
    """Certificates whose validation is to be looked at."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM certificates WHERE next_check <= ? ORDER BY next_check LIMIT ?", (now, limit)
    )
    return [_certificate(row) for row in rows]


def to_renew(db: sqlite3.Connection, now: float, limit: int) -> list[CertificateRow]:
    """Certificates that are due for a renewal, and in use or exported."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM certificates WHERE renew_at <= ? AND not_after > ? AND status = 'ISSUED' "
        f"AND (exported OR {IN_USE}) ORDER BY renew_at LIMIT ?",
        (now, now, limit),
    )
    return [_certificate(row) for row in rows]


def waiting(db: sqlite3.Connection, limit: int) -> list[CertificateRow]:
    """Certificates that wait for a validation, the oldest first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM certificates WHERE next_check IS NOT NULL ORDER BY id LIMIT ?", (limit,))
    return [_certificate(row) for row in rows]


def users(db: sqlite3.Connection, certificate: int) -> list[str]:
    """The ARNs of what uses a certificate."""
    rows = db.execute("SELECT user FROM uses WHERE certificate = ? ORDER BY user", (certificate,))
    return [user for (user,) in rows]


def put_use(db: sqlite3.Connection, certificate: int, user: str, service: str) -> None:
    db.execute("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", (certificate, user, service))


def end_use(db: sqlite3.Connection, certificate: int, user: str) -> None:
    db.execute("DELETE FROM uses WHERE certificate = ? AND user = ?", (certificate, user))


def authorities(db: sqlite3.Connection) -> Sequence[AuthorityRow]:
    """All authorities, the newest first."""
    rows = db.execute("SELECT id, pem, sealed, not_after FROM authorities ORDER BY id DESC")
    return [AuthorityRow._make(row) for row in rows]


def insert_authority(db: sqlite3.Connection, pem: str, sealed: bytes, not_after: float) -> None:
    db.execute("INSERT INTO authorities (pem, sealed, not_after) VALUES (?, ?, ?)", (pem, sealed, not_after))


def find_token(
    db: sqlite3.Connection, account: str, region: str, operation: str, token: str, now: float
) -> tuple[str, str] | None:
    """The digest and the result of the request that had this token within the last hour."""
    row = db.execute(
        "SELECT digest, result FROM tokens WHERE account = ? AND region = ? AND operation = ? AND token = ? AND expires > ?",
        (account, region, operation, token, now),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def put_token(
    db: sqlite3.Connection,
    account: str,
    region: str,
    operation: str,
    token: str,
    *,
    digest: str,
    result: str,
    expires: float,
) -> None:
    db.execute(
        "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)",
        (account, region, operation, token, digest, result, expires),
    )


def forget_tokens(db: sqlite3.Connection, now: float, limit: int) -> int:
    """Delete tokens that have expired; return how many."""
    gone = db.execute(
        "DELETE FROM tokens WHERE (account, region, operation, token) IN "
        "(SELECT account, region, operation, token FROM tokens WHERE expires <= ? LIMIT ?)",
        (now, limit),
    )
    return gone.rowcount


def days_before_expiry(db: sqlite3.Connection, account: str, region: str) -> int | None:
    row = db.execute(
        "SELECT days_before_expiry FROM accounts WHERE account = ? AND region = ?", (account, region)
    ).fetchone()
    return None if row is None else int(row[0])


def put_days_before_expiry(db: sqlite3.Connection, account: str, region: str, days: int) -> None:
    db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", (account, region, days))
