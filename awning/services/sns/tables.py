"""All state of SNS: topics and subscriptions of all accounts and regions, and their queries.

Times are milliseconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from awning.store.schema import Schema

SCHEMA = Schema(
    migrations=(
        """
        CREATE TABLE topics (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            attributes TEXT NOT NULL,          -- JSON: what a client has set, by AWS's names, as text
            tags TEXT NOT NULL,                -- JSON
            created INTEGER NOT NULL,
            ended INTEGER NOT NULL,            -- subscriptions that there have been
            sequence INTEGER NOT NULL,         -- of the last message of a FIFO topic
            UNIQUE (account, region, name)
        );
        CREATE TABLE subscriptions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            topic INTEGER NOT NULL,
            arn TEXT NOT NULL UNIQUE,
            region TEXT NOT NULL,
            owner TEXT NOT NULL,
            principal TEXT NOT NULL,           -- ARN of who subscribed
            protocol TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            attributes TEXT NOT NULL,          -- JSON
            pending INTEGER NOT NULL,
            token TEXT NOT NULL,
            asked INTEGER NOT NULL,            -- when the token was given out
            authenticated INTEGER NOT NULL,    -- the confirmation was signed
            locked INTEGER NOT NULL,           -- AuthenticateOnUnsubscribe
            UNIQUE (topic, protocol, endpoint)
        );
        CREATE INDEX subscriptions_owner ON subscriptions (owner, region, id);
        CREATE INDEX subscriptions_topic ON subscriptions (topic, id);
        CREATE TABLE duplicates (              -- what a FIFO topic was sent in the last minutes
            topic INTEGER NOT NULL,
            grp TEXT NOT NULL,                 -- '' where duplicates count across the whole topic
            deduplication TEXT NOT NULL,
            message TEXT NOT NULL,             -- its id
            sequence INTEGER NOT NULL,
            sent INTEGER NOT NULL,
            PRIMARY KEY (topic, grp, deduplication)
        ) WITHOUT ROWID;
        CREATE INDEX duplicates_sent ON duplicates (sent);
        """,
        """
        CREATE TABLE phone_settings (
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            attributes TEXT NOT NULL,          -- JSON
            PRIMARY KEY (account, region)
        ) WITHOUT ROWID;
        CREATE TABLE sandbox (                 -- telephone numbers to be verified
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            number TEXT NOT NULL,
            password TEXT NOT NULL,            -- good once
            status TEXT NOT NULL,
            UNIQUE (account, region, number)
        );
        CREATE TABLE applications (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            arn TEXT NOT NULL UNIQUE,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            attributes TEXT NOT NULL,          -- JSON, without
            credentials BLOB NOT NULL          -- these: JSON, sealed
        );
        CREATE TABLE endpoints (               -- of applications
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            arn TEXT NOT NULL UNIQUE,
            application INTEGER NOT NULL,
            token TEXT NOT NULL,
            attributes TEXT NOT NULL,          -- JSON
            UNIQUE (application, token)
        );
        CREATE TABLE outgoing (                -- a log of texts and pushes; nothing else becomes of them
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            kind TEXT NOT NULL,
            target TEXT NOT NULL,
            topic TEXT NOT NULL,
            message TEXT NOT NULL,             -- its id
            about TEXT NOT NULL,
            body TEXT NOT NULL
        );
        """,
        """
        ALTER TABLE topics ADD COLUMN policy_ids TEXT NOT NULL DEFAULT '{}';  -- JSON: whom the names in the policy stand for
        """,
        """
        ALTER TABLE subscriptions ADD COLUMN replay TEXT NOT NULL DEFAULT '';   -- JSON, '' for none
        CREATE TABLE archives (                -- of FIFO topics; one that has ended is swept
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            topic INTEGER NOT NULL,
            since INTEGER NOT NULL,
            ended INTEGER NOT NULL
        );
        CREATE INDEX archives_topic ON archives (topic, ended);
        CREATE INDEX archives_ended ON archives (ended) WHERE ended;
        CREATE TABLE archived (
            archive INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            at INTEGER NOT NULL,
            message BLOB NOT NULL,             -- JSON
            PRIMARY KEY (archive, sequence)
        );
        CREATE INDEX archived_at ON archived (archive, at);
        CREATE TABLE ended (                   -- subscriptions that a token restores
            arn TEXT PRIMARY KEY,
            topic INTEGER NOT NULL,
            token TEXT NOT NULL,
            at INTEGER NOT NULL,
            subscription BLOB NOT NULL         -- JSON
        ) WITHOUT ROWID;
        CREATE INDEX ended_at ON ended (at);
        CREATE INDEX ended_token ON ended (topic, token);
        """,
        """
        CREATE INDEX subscriptions_token ON subscriptions (token) WHERE token <> '';
        DROP INDEX ended_token;
        CREATE INDEX ended_token ON ended (token);
        """,
    )
)

_TOPIC = "id, account, region, name, attributes, tags, created, ended, sequence, policy_ids"
_SUBSCRIPTION = (
    "id, topic, arn, region, owner, principal, protocol, endpoint, attributes, "
    "pending, token, asked, authenticated, locked, replay"
)


class TopicRow(NamedTuple):
    """A topic as it is stored."""

    id: int
    account: str
    region: str
    name: str
    attributes: dict[str, str]
    tags: dict[str, str]
    created: int
    ended: int
    sequence: int
    policy_ids: dict[str, str]


class SubscriptionRow(NamedTuple):
    """A subscription as it is stored."""

    id: int
    topic: int
    arn: str
    region: str
    owner: str
    principal: str
    protocol: str
    endpoint: str
    attributes: dict[str, str]
    pending: bool
    token: str
    asked: int
    authenticated: bool
    locked: bool
    replay: str = ""


class SandboxRow(NamedTuple):
    """A telephone number that is to be verified, or is."""

    id: int
    number: str
    password: str
    status: str


class ApplicationRow(NamedTuple):
    """A platform application; `credentials` are sealed."""

    id: int
    arn: str
    attributes: dict[str, str]
    credentials: bytes


class EndpointRow(NamedTuple):
    """A device of a platform application."""

    id: int
    arn: str
    application: int
    attributes: dict[str, str]


class OutgoingRow(NamedTuple):
    """An entry of the log of texts and pushes."""

    at: int
    account: str
    region: str
    kind: str
    target: str
    topic: str
    message: str
    about: str
    body: str


def _topic(row: Any) -> TopicRow:
    fields = list(row)
    fields[4:6] = orjson.loads(row[4]), orjson.loads(row[5])
    fields[-1] = orjson.loads(row[-1])
    return TopicRow._make(fields)


def _subscription(row: Any) -> SubscriptionRow:
    fields = list(row)
    fields[8] = orjson.loads(row[8])
    for at in (9, 12, 13):
        fields[at] = bool(row[at])
    return SubscriptionRow._make(fields)


def _text(value: Mapping[str, str]) -> str:
    return orjson.dumps(value).decode()


# Topics


def find_topic(db: sqlite3.Connection, arn: str) -> TopicRow | None:
    region, account, name = arn.split(":", 5)[3:]
    row = db.execute(
        f"SELECT {_TOPIC} FROM topics WHERE account = ? AND region = ? AND name = ?", (account, region, name)
    ).fetchone()
    return _topic(row) if row else None


def all_topics(db: sqlite3.Connection) -> Iterator[TopicRow]:
    return map(_topic, db.execute(f"SELECT {_TOPIC} FROM topics ORDER BY id"))


def list_topics(db: sqlite3.Connection, account: str, region: str, after: int, limit: int) -> list[tuple[int, str]]:
    """Up to `limit` topics of an account in a region after one: ids and names."""
    return db.execute(
        "SELECT id, name FROM topics WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        (account, region, after, limit),
    ).fetchall()


def insert_topic(
    db: sqlite3.Connection,
    account: str,
    region: str,
    name: str,
    attributes: dict[str, str],
    tags: dict[str, str],
    policy_ids: dict[str, str],
    now: int,
) -> None:
    db.execute(
        "INSERT INTO topics (account, region, name, attributes, tags, created, ended, sequence, policy_ids)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?)",
        (account, region, name, _text(attributes), _text(tags), now, _text(policy_ids)),
    )


def update_topic(
    db: sqlite3.Connection, topic: int, attributes: Mapping[str, str], policy_ids: Mapping[str, str]
) -> None:
    db.execute(
        "UPDATE topics SET attributes = ?, policy_ids = ? WHERE id = ?", (_text(attributes), _text(policy_ids), topic)
    )


def update_tags(db: sqlite3.Connection, topic: int, tags: dict[str, str]) -> None:
    db.execute("UPDATE topics SET tags = ? WHERE id = ?", (_text(tags), topic))


def delete_topic(db: sqlite3.Connection, topic: int) -> None:
    """Delete a topic and its subscriptions."""
    db.execute("DELETE FROM subscriptions WHERE topic = ?", (topic,))
    db.execute("DELETE FROM topics WHERE id = ?", (topic,))


def next_sequence(db: sqlite3.Connection, topic: int) -> int:
    """Count one more message of a FIFO topic; return its number."""
    (sequence,) = db.execute(
        "UPDATE topics SET sequence = sequence + 1 WHERE id = ? RETURNING sequence", (topic,)
    ).fetchone()
    return int(sequence)


def find_duplicate(
    db: sqlite3.Connection, topic: int, group: str, deduplication: str, since: int
) -> tuple[str, int] | None:
    """The id and sequence of the message that was sent with a deduplication id after a time."""
    row = db.execute(
        "SELECT message, sequence FROM duplicates WHERE topic = ? AND grp = ? AND deduplication = ? AND sent > ?",
        (topic, group, deduplication, since),
    ).fetchone()
    return (row[0], row[1]) if row else None


def keep_duplicate(
    db: sqlite3.Connection, topic: int, group: str, deduplication: str, message: str, sequence: int, now: int
) -> None:
    db.execute(
        "INSERT OR REPLACE INTO duplicates VALUES (?, ?, ?, ?, ?, ?)",
        (topic, group, deduplication, message, sequence, now),
    )


def forget_duplicates(db: sqlite3.Connection, until: int, limit: int) -> bool:
    """Forget up to `limit` of the duplicates' marks that are as old as that; return whether there may be more."""
    found = db.execute(
        "DELETE FROM duplicates WHERE (topic, grp, deduplication) IN"
        " (SELECT topic, grp, deduplication FROM duplicates WHERE sent <= ? ORDER BY sent LIMIT ?)",
        (until, limit),
    )
    return found.rowcount == limit


def count_subscriptions(db: sqlite3.Connection, topic: int) -> tuple[int, int]:
    """How many subscriptions of a topic are confirmed, and how many pending."""
    confirmed, pending = db.execute(
        "SELECT count(*) FILTER (WHERE NOT pending), count(*) FILTER (WHERE pending) FROM subscriptions WHERE topic = ?",
        (topic,),
    ).fetchone()
    return confirmed, pending


# Subscriptions


def insert_subscription(db: sqlite3.Connection, row: SubscriptionRow) -> SubscriptionRow:
    """Store a new subscription; return it with its id."""
    number = db.execute(
        f"INSERT INTO subscriptions ({_SUBSCRIPTION.partition(', ')[2]}) VALUES ({', '.join('?' * 14)})",
        (*row[1:8], _text(row.attributes), *row[9:]),
    ).lastrowid
    assert number is not None
    return row._replace(id=number)


def find_subscription(db: sqlite3.Connection, arn: str) -> SubscriptionRow | None:
    row = db.execute(f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE arn = ?", (arn,)).fetchone()
    return _subscription(row) if row else None


def subscription(db: sqlite3.Connection, id: int) -> SubscriptionRow:
    """The subscription of an id that is known."""
    return _subscription(db.execute(f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE id = ?", (id,)).fetchone())


def same_subscription(db: sqlite3.Connection, topic: int, protocol: str, endpoint: str) -> SubscriptionRow | None:
    """The subscription of this endpoint to this topic."""
    row = db.execute(
        f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE topic = ? AND protocol = ? AND endpoint = ?",
        (topic, protocol, endpoint),
    ).fetchone()
    return _subscription(row) if row else None


def find_token(db: sqlite3.Connection, token: str) -> SubscriptionRow | None:
    """The subscription that a token confirms."""
    row = db.execute(f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE token = ? AND token <> ''", (token,)).fetchone()
    return _subscription(row) if row else None


def all_subscriptions(db: sqlite3.Connection) -> Iterator[SubscriptionRow]:
    return map(_subscription, db.execute(f"SELECT {_SUBSCRIPTION} FROM subscriptions ORDER BY id"))


def list_subscriptions(
    db: sqlite3.Connection, owner: str, region: str, after: int, limit: int
) -> list[SubscriptionRow]:
    rows = db.execute(
        f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE owner = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        (owner, region, after, limit),
    )
    return list(map(_subscription, rows))


def list_by_topic(db: sqlite3.Connection, topic: int, after: int, limit: int) -> list[SubscriptionRow]:
    rows = db.execute(
        f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE topic = ? AND id > ? ORDER BY id LIMIT ?",
        (topic, after, limit),
    )
    return list(map(_subscription, rows))


def update_subscription(db: sqlite3.Connection, row: SubscriptionRow) -> None:
    db.execute(
        "UPDATE subscriptions SET attributes = ?, pending = ?, token = ?, asked = ?, authenticated = ?, locked = ?, replay = ?"
        " WHERE id = ?",
        (_text(row.attributes), *row[9:], row.id),
    )


def delete_subscription(db: sqlite3.Connection, row: SubscriptionRow) -> None:
    """Delete a subscription; its topic counts it among those that there have been."""
    db.execute("DELETE FROM subscriptions WHERE id = ?", (row.id,))
    db.execute("UPDATE topics SET ended = ended + 1 WHERE id = ?", (row.topic,))


# Texts and pushes


def add_outgoing(db: sqlite3.Connection, entry: tuple[int, str, str, str, str, str, str, str, str]) -> None:
    """Write an entry: OutgoingRow's members in their order."""
    db.execute(
        "INSERT INTO outgoing (at, account, region, kind, target, topic, message, about, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        entry,
    )


def trim_outgoing(db: sqlite3.Connection, keep: int, limit: int) -> bool:
    """Forget up to `limit` entries that are not among the newest; return whether there may be more."""
    found = db.execute(
        "DELETE FROM outgoing WHERE id IN"
        " (SELECT id FROM outgoing WHERE id <= (SELECT max(id) FROM outgoing) - ? ORDER BY id LIMIT ?)",
        (keep, limit),
    )
    return found.rowcount == limit


def list_outgoing(db: sqlite3.Connection, kind: str | None, target: str | None, limit: int) -> list[OutgoingRow]:
    """The newest entries, the newest first."""
    rows = db.execute(
        "SELECT at, account, region, kind, target, topic, message, about, body FROM outgoing"
        " WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR target = ?2) ORDER BY id DESC LIMIT ?3",
        (kind, target, limit),
    )
    return [OutgoingRow._make(row) for row in rows]


def phone_settings(db: sqlite3.Connection, account: str, region: str) -> dict[str, str]:
    row = db.execute(
        "SELECT attributes FROM phone_settings WHERE account = ? AND region = ?", (account, region)
    ).fetchone()
    return dict(orjson.loads(row[0])) if row else {}


def keep_phone_settings(db: sqlite3.Connection, account: str, region: str, attributes: dict[str, str]) -> None:
    db.execute("INSERT OR REPLACE INTO phone_settings VALUES (?, ?, ?)", (account, region, _text(attributes)))


def sandbox_number(db: sqlite3.Connection, account: str, region: str, number: str) -> SandboxRow | None:
    row = db.execute(
        "SELECT id, number, password, status FROM sandbox WHERE account = ? AND region = ? AND number = ?",
        (account, region, number),
    ).fetchone()
    return SandboxRow._make(row) if row else None


def count_sandbox(db: sqlite3.Connection, account: str, region: str) -> int:
    (count,) = db.execute("SELECT count(*) FROM sandbox WHERE account = ? AND region = ?", (account, region)).fetchone()
    return int(count)


def keep_sandbox(db: sqlite3.Connection, account: str, region: str, number: str, password: str, status: str) -> None:
    db.execute(
        "INSERT INTO sandbox (account, region, number, password, status) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET password = excluded.password, status = excluded.status",
        (account, region, number, password, status),
    )


def delete_sandbox(db: sqlite3.Connection, account: str, region: str, number: str) -> bool:
    """Forget a number; return whether it was there."""
    found = db.execute("DELETE FROM sandbox WHERE account = ? AND region = ? AND number = ?", (account, region, number))
    return found.rowcount == 1


def list_sandbox(db: sqlite3.Connection, account: str, region: str, after: int, limit: int) -> list[SandboxRow]:
    rows = db.execute(
        "SELECT id, number, password, status FROM sandbox WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        (account, region, after, limit),
    )
    return [SandboxRow._make(row) for row in rows]


# Platform applications


def _application(row: Any) -> ApplicationRow:
    return ApplicationRow(row[0], row[1], orjson.loads(row[2]), row[3])


def _endpoint(row: Any) -> EndpointRow:
    return EndpointRow(row[0], row[1], row[2], orjson.loads(row[3]))


def find_application(db: sqlite3.Connection, arn: str) -> ApplicationRow | None:
    row = db.execute("SELECT id, arn, attributes, credentials FROM applications WHERE arn = ?", (arn,)).fetchone()
    return _application(row) if row else None


def application_attributes(db: sqlite3.Connection, application: int) -> dict[str, str]:
    (text,) = db.execute("SELECT attributes FROM applications WHERE id = ?", (application,)).fetchone()
    return dict(orjson.loads(text))


def insert_application(
    db: sqlite3.Connection, arn: str, account: str, region: str, attributes: dict[str, str], credentials: bytes
) -> None:
    db.execute(
        "INSERT INTO applications (arn, account, region, attributes, credentials) VALUES (?, ?, ?, ?, ?)",
        (arn, account, region, _text(attributes), credentials),
    )


def update_application(
    db: sqlite3.Connection, application: int, attributes: dict[str, str], credentials: bytes
) -> None:
    db.execute(
        "UPDATE applications SET attributes = ?, credentials = ? WHERE id = ?",
        (_text(attributes), credentials, application),
    )


def list_applications(
    db: sqlite3.Connection, account: str, region: str, after: int, limit: int
) -> list[ApplicationRow]:
    rows = db.execute(
        "SELECT id, arn, attributes, credentials FROM applications WHERE account = ? AND region = ? AND id > ?"
        " ORDER BY id LIMIT ?",
        (account, region, after, limit),
    )
    return list(map(_application, rows))


def delete_application(db: sqlite3.Connection, application: int) -> None:
    """Delete an application and its endpoints."""
    db.execute("DELETE FROM endpoints WHERE application = ?", (application,))
    db.execute("DELETE FROM applications WHERE id = ?", (application,))


def find_endpoint(db: sqlite3.Connection, arn: str) -> EndpointRow | None:
    row = db.execute("SELECT id, arn, application, attributes FROM endpoints WHERE arn = ?", (arn,)).fetchone()
    return _endpoint(row) if row else None


def endpoint_of(db: sqlite3.Connection, application: int, token: str) -> EndpointRow | None:
    """The endpoint of an application that has this token."""
    row = db.execute(
        "SELECT id, arn, application, attributes FROM endpoints WHERE application = ? AND token = ?",
        (application, token),
    ).fetchone()
    return _endpoint(row) if row else None


def insert_endpoint(db: sqlite3.Connection, arn: str, application: int, token: str, attributes: dict[str, str]) -> None:
    db.execute(
        "INSERT INTO endpoints (arn, application, token, attributes) VALUES (?, ?, ?, ?)",
        (arn, application, token, _text(attributes)),
    )


def update_endpoint(db: sqlite3.Connection, endpoint: int, token: str, attributes: dict[str, str]) -> None:
    db.execute("UPDATE endpoints SET token = ?, attributes = ? WHERE id = ?", (token, _text(attributes), endpoint))


def list_endpoints(db: sqlite3.Connection, application: int, after: int, limit: int) -> list[EndpointRow]:
    rows = db.execute(
        "SELECT id, arn, application, attributes FROM endpoints WHERE application = ? AND id > ? ORDER BY id LIMIT ?",
        (application, after, limit),
    )
    return list(map(_endpoint, rows))


def delete_endpoint(db: sqlite3.Connection, endpoint: int) -> None:
    db.execute("DELETE FROM endpoints WHERE id = ?", (endpoint,))
