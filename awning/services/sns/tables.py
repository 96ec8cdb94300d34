"""All state of SNS: topics and subscriptions of all accounts and regions, and their queries.

Times are milliseconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
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
    )
)

_TOPIC = "id, account, region, name, attributes, tags, created, ended, sequence"
_SUBSCRIPTION = (
    "id, topic, arn, region, owner, principal, protocol, endpoint, attributes, "
    "pending, token, asked, authenticated, locked"
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


def _topic(row: Any) -> TopicRow:
    fields = list(row)
    fields[4:6] = orjson.loads(row[4]), orjson.loads(row[5])
    return TopicRow._make(fields)


def _subscription(row: Any) -> SubscriptionRow:
    fields = list(row)
    fields[8] = orjson.loads(row[8])
    for at in (9, 12, 13):
        fields[at] = bool(row[at])
    return SubscriptionRow._make(fields)


def _text(value: dict[str, str]) -> str:
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
    now: int,
) -> None:
    db.execute(
        "INSERT INTO topics (account, region, name, attributes, tags, created, ended, sequence)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
        (account, region, name, _text(attributes), _text(tags), now),
    )


def update_topic(db: sqlite3.Connection, topic: int, attributes: dict[str, str]) -> None:
    db.execute("UPDATE topics SET attributes = ? WHERE id = ?", (_text(attributes), topic))


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
        f"INSERT INTO subscriptions ({_SUBSCRIPTION.partition(', ')[2]}) VALUES ({', '.join('?' * 13)})",
        (*row[1:8], _text(row.attributes), *row[9:]),
    ).lastrowid
    assert number is not None
    return row._replace(id=number)


def find_subscription(db: sqlite3.Connection, arn: str) -> SubscriptionRow | None:
    row = db.execute(f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE arn = ?", (arn,)).fetchone()
    return _subscription(row) if row else None


def same_subscription(db: sqlite3.Connection, topic: int, protocol: str, endpoint: str) -> SubscriptionRow | None:
    """The subscription of this endpoint to this topic."""
    row = db.execute(
        f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE topic = ? AND protocol = ? AND endpoint = ?",
        (topic, protocol, endpoint),
    ).fetchone()
    return _subscription(row) if row else None


def find_token(db: sqlite3.Connection, topic: int, token: str) -> SubscriptionRow | None:
    """The subscription to a topic that a token confirms."""
    row = db.execute(
        f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE topic = ? AND token = ? AND token <> ''", (topic, token)
    ).fetchone()
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
        "UPDATE subscriptions SET attributes = ?, pending = ?, token = ?, asked = ?, authenticated = ?, locked = ?"
        " WHERE id = ?",
        (_text(row.attributes), *row[9:], row.id),
    )


def delete_subscription(db: sqlite3.Connection, row: SubscriptionRow) -> None:
    """Delete a subscription; its topic counts it among those that there have been."""
    db.execute("DELETE FROM subscriptions WHERE id = ?", (row.id,))
    db.execute("UPDATE topics SET ended = ended + 1 WHERE id = ?", (row.topic,))
