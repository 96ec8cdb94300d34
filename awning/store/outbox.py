"""Outbox: what a room sends, kept in its own database until it has been delivered; and what a room has received.

A delivery and what caused it are one transaction; so are its receipt and its record: between rooms it arrives exactly once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

Encoded = tuple[str, str, str, bytes]
"""Kind, ARN, group ("" where order does not matter), payload."""

LARGE = 16 * 1024
"""Bytes of a payload from which on a page leaves it where it is."""


class Letter(NamedTuple):
    """A delivery as the outbox keeps it; `seq` never comes twice from one outbox.

    `created` and `due` in seconds since the epoch; `due` is None for what goes in its turn. `attempts` counts tries that
    failed. `payload` is None where it was not read along.
    """

    seq: int
    kind: str
    arn: str
    group: str
    created: float
    due: float | None
    attempts: int
    payload: bytes | None


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

    def ends(self, attempts: int, age: float) -> bool:
        """Whether a delivery that failed `attempts` times and is `age` seconds old is to be given up."""
        return attempts >= self.tries or age >= self.age


class Outbox:
    """One room's outbox.

    `encode` writes a delivery as kind, ARN, group and payload. Deliveries of the types `timed` are indexed by ARN and time
    from the start, for who takes them singly; all others only once they have failed: they go in the order of `seq`.
    """

    def __init__(self, encode: Callable[[Any], Encoded], timed: Collection[type] = ()) -> None:
        self._encode = encode
        self._timed = timed

    def put(self, db: sqlite3.Connection, delivery: Any, now: float) -> int:
        """Add a delivery in the caller's transaction; return its sequence number."""
        kind, arn, group, payload = self._encode(delivery)
        due = now if not group and type(delivery) in self._timed else None
        cursor = db.execute(_PUT, (kind, arn, group, payload, now, due))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def page(self, db: sqlite3.Connection, after: int, limit: int) -> list[Letter]:
        """Return the letters behind a sequence number, in order; payloads only of what has not failed and is not LARGE."""
        return [Letter._make(row) for row in db.execute(_PAGE, (after, limit))]

    def due(self, db: sqlite3.Connection, arn: str, now: float, limit: int) -> list[Letter]:
        """Return the letters to an ARN, of no group, whose time has come; the longest due first."""
        return [Letter._make(row) for row in db.execute(_DUE, (arn, now, limit))]

    def next_due(self, db: sqlite3.Connection, arn: str, now: float) -> float | None:
        """Return when the first letter to an ARN, of no group, will be due after `now`."""
        (due,) = db.execute(
            "SELECT min(due) FROM _outbox WHERE arn = ? AND due > ? AND due IS NOT NULL AND grp = ''", (arn, now)
        ).fetchone()
        return None if due is None else float(due)

    def group(self, db: sqlite3.Connection, arn: str, group: str, upto: int, limit: int) -> list[Letter]:
        """Return the first letters of a group, in order, whether due or not, up to a sequence number."""
        return [Letter._make(row) for row in db.execute(_GROUP, (arn, group, upto, limit))]

    def payload(self, db: sqlite3.Connection, seq: int) -> bytes | None:
        """Return a letter's payload; None where it is gone."""
        row = db.execute("SELECT payload FROM _outbox WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else row[0]

    def forget(self, db: sqlite3.Connection, seqs: Collection[int]) -> None:
        """Drop letters that have been delivered or given up."""
        db.execute(f"DELETE FROM _outbox WHERE seq IN ({_EACH})", (_listed(seqs),))

    def failed(self, db: sqlite3.Connection, seq: int, error: str, due: float) -> None:
        """Note a try that failed; the next is due then."""
        db.execute("UPDATE _outbox SET attempts = attempts + 1, error = ?, due = ? WHERE seq = ?", (error, due, seq))

    def kept(self, db: sqlite3.Connection, seqs: Collection[int]) -> set[int]:
        """Return those of some sequence numbers whose letters are still here."""
        return {seq for (seq,) in db.execute(f"SELECT seq FROM _outbox WHERE seq IN ({_EACH})", (_listed(seqs),))}

    def waiting(self, db: sqlite3.Connection) -> int:
        """Return how many letters have not been delivered."""
        (count,) = db.execute("SELECT count(*) FROM _outbox").fetchone()
        return int(count)


class Inbox:
    """What a room has received from each sender (the identity of its database) and the sender may not have forgotten yet."""

    def received(self, db: sqlite3.Connection, sender: str) -> set[int]:
        """Return the recorded sequence numbers of a sender."""
        return {
            seq for (seq,) in db.execute("SELECT value FROM _inbox, json_each(_inbox.seqs) WHERE sender = ?", (sender,))
        }

    def record(self, db: sqlite3.Connection, sender: str, seqs: Collection[int]) -> None:
        """Replace what is recorded of a sender, in the transaction that takes its letters in."""
        db.execute("INSERT OR REPLACE INTO _inbox VALUES (?, ?)", (sender, _listed(seqs)))


def _listed(seqs: Iterable[int]) -> str:
    return f"[{','.join(map(str, seqs))}]"


_EACH = "SELECT value FROM json_each(?)"
_PUT = "INSERT INTO _outbox (kind, arn, grp, payload, created, due) VALUES (?, ?, ?, ?, ?, ?)"
_HEAD = "SELECT seq, kind, arn, grp, created, due, attempts"
_PAGE = (
    f"{_HEAD}, CASE WHEN due IS NULL AND length(payload) < {LARGE} THEN payload END FROM _outbox"
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)
_DUE = f"{_HEAD}, NULL FROM _outbox WHERE arn = ? AND due <= ? AND due IS NOT NULL AND grp = '' ORDER BY due LIMIT ?"
_GROUP = f"{_HEAD}, NULL FROM _outbox WHERE arn = ? AND grp = ? AND grp <> '' AND seq <= ? ORDER BY seq LIMIT ?"
