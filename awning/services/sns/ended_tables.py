"""Subscriptions that have ended and may be had back by a token: the queries of their table, which stands in tables.py.

Times are milliseconds since the epoch.
"""

from __future__ import annotations

import sqlite3

import orjson

from awning.services.sns.tables import SubscriptionRow


def keep(db: sqlite3.Connection, row: SubscriptionRow, token: str, now: int) -> None:
    """Keep what a subscription was, and the token that restores it."""
    db.execute(
        "INSERT OR REPLACE INTO ended VALUES (?, ?, ?, ?, ?)",
        (row.arn, row.topic, token, now, orjson.dumps(row._asdict())),
    )


def find(db: sqlite3.Connection, arn: str) -> SubscriptionRow | None:
    """What the subscription of an ARN was."""
    return _row(db.execute("SELECT subscription FROM ended WHERE arn = ?", (arn,)).fetchone())


def find_token(db: sqlite3.Connection, token: str, since: int) -> SubscriptionRow | None:
    """What the subscription was that a token restores, if it ended after a time."""
    found = db.execute("SELECT subscription FROM ended WHERE token = ? AND at > ?", (token, since))
    return _row(found.fetchone())


def forget(db: sqlite3.Connection, until: int, limit: int) -> bool:
    """Forget up to `limit` that ended so long ago; return whether there may be more."""
    found = db.execute("DELETE FROM ended WHERE arn IN (SELECT arn FROM ended WHERE at <= ? LIMIT ?)", (until, limit))
    return found.rowcount == limit


def drop(db: sqlite3.Connection, arn: str) -> None:
    db.execute("DELETE FROM ended WHERE arn = ?", (arn,))


def _row(found: tuple[bytes] | None) -> SubscriptionRow | None:
    return SubscriptionRow(**orjson.loads(found[0])) if found else None
