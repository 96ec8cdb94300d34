"""Outbox: what a room sends, kept in its own database until it has been delivered; and what a room has received.

A delivery and what caused it are one transaction; so are its receipt and its record: between rooms it arrives exactly once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Encoded = tuple[str, str, str, bytes]
"""Kind, ARN, group ("" where order does not matter), payload."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery as the outbox keeps it.

    `seq` never comes twice from one `sender` (the identity of its database); every one of the sender's below `floor` has been
    delivered or given up. `created` in seconds since the epoch; `attempts` and `error` tell of tries that failed.
    """

    sender: str
    floor: int
    seq: int
    kind: str
    arn: str
    group: str
    payload: bytes
    created: float
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long deliveries are tried: the wait doubles from `first` to `longest` seconds; given up after `tries`, or once they
    are older than `age` seconds."""

    first: float = 1.0
    longest: float = 600.0
    tries: int = 1000
    age: float = 14 * 86_400.0

    def wait(self, attempts: int, jitter: float) -> float:
        """Return the seconds until the next try after `attempts` failures; `jitter` in [0, 1) spreads it over its second half."""
        whole = min(self.longest, self.first * 2.0 ** min(attempts - 1, 60))
        return whole * (0.5 + 0.5 * jitter)


class Outbox:
    """One room's outbox and inbox. `encode` writes a delivery as kind, ARN, group and payload."""

    def __init__(self, sender: str, encode: Callable[[Any], Encoded], patience: Patience = Patience()) -> None:
        self.sender = sender
        self.patience = patience
        self._encode = encode

    def put(self, db: sqlite3.Connection, delivery: Any, now: float) -> int:
        """Add a delivery in the caller's transaction; return its sequence number.

        Deliveries of one group to one ARN wait for each other; those without a group do not.
        """
        kind, arn, group, payload = self._encode(delivery)
        due: float | None = now
        if group and _next_of(db, arn, group) is not None:
            due = None
        cursor = db.execute(
            "INSERT INTO _outbox (kind, arn, grp, payload, created, due) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, arn, group, payload, now, due),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def due(self, db: sqlite3.Connection, now: float, limit: int) -> list[Letter]:
        """Return what is to be delivered, the longest due first; of a group only its first.

        All that is returned may be delivered at the same time.
        """
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM _outbox WHERE due <= ? ORDER BY due LIMIT ?", (now, limit)
        ).fetchall()
        if not rows:
            return []
        (floor,) = db.execute("SELECT min(seq) FROM _outbox").fetchone()
        return [Letter(self.sender, floor, *row) for row in rows]

    def delivered(self, db: sqlite3.Connection, seq: int) -> None:
        """Forget a letter that has been delivered; the next of its group takes its turn."""
        row = db.execute("DELETE FROM _outbox WHERE seq = ? RETURNING arn, grp", (seq,)).fetchone()
        if row is not None and row[1]:
            following = _next_of(db, *row)
            if following is not None:
                db.execute("UPDATE _outbox SET due = created WHERE seq = ?", (following,))

    def failed(
        self,
        db: sqlite3.Connection,
        seq: int,
        now: float,
        error: str,
        jitter: float = 0.5,
        hopeless: bool = False,
        wait: float | None = None,
    ) -> Letter | None:
        """Try a letter again later, in `wait` seconds where the room knows better. Returns it where patience is at its end or
        it is `hopeless`: it has been removed, and is the caller's to put wherever dead letters go, in this transaction."""
        row = db.execute(
            f"UPDATE _outbox SET attempts = attempts + 1, error = ? WHERE seq = ? RETURNING {_COLUMNS}", (error, seq)
        ).fetchone()
        if row is None:
            return None
        letter = Letter(self.sender, 0, *row)
        patience = self.patience
        if hopeless or letter.attempts >= patience.tries or now - letter.created >= patience.age:
            self.delivered(db, seq)
            return letter
        if wait is None:
            wait = patience.wait(letter.attempts, jitter)
        db.execute("UPDATE _outbox SET due = ? WHERE seq = ?", (now + wait, seq))
        return None

    def fresh(self, db: sqlite3.Connection, letter: Letter) -> bool:
        """Record, in the receiver's transaction, that a letter has come; False where it had come before.

        What is below the letter's floor cannot come again and is forgotten.
        """
        db.execute("DELETE FROM _inbox WHERE sender = ? AND seq < ?", (letter.sender, letter.floor))
        return db.execute("INSERT OR IGNORE INTO _inbox VALUES (?, ?)", (letter.sender, letter.seq)).rowcount == 1

    def waiting(self, db: sqlite3.Connection) -> int:
        """Return how many letters have not been delivered."""
        (count,) = db.execute("SELECT count(*) FROM _outbox").fetchone()
        return int(count)

    def next_due(self, db: sqlite3.Connection) -> float | None:
        """Return when the next letter is due, None where there is none."""
        (due,) = db.execute("SELECT min(due) FROM _outbox WHERE due IS NOT NULL").fetchone()
        return None if due is None else float(due)


_COLUMNS = "seq, kind, arn, grp, payload, created, attempts, error"


def _next_of(db: sqlite3.Connection, arn: str, group: str) -> int | None:
    row = db.execute("SELECT min(seq) FROM _outbox WHERE arn = ? AND grp = ? AND grp <> ''", (arn, group)).fetchone()
    return row[0]  # type: ignore[no-any-return]
