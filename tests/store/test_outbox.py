"""The outbox keeps order within a group, holds nobody else up, and with the inbox delivers exactly once."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awning.store.database import Database
from awning.store.outbox import Encoded, Letter, Outbox, Patience
from awning.store.schema import Schema

Note = tuple[str, str, str]
"""ARN, group, text."""


def encode(note: Note) -> Encoded:
    return "note", note[0], note[1], note[2].encode()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = Database(tmp_path / "a.db", Schema(("CREATE TABLE got (text TEXT)",)))
    yield database.writer
    database.close()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox("sender", encode, Patience(first=1, longest=8, tries=5, age=1000))


def texts(letters: list[Letter]) -> list[str]:
    return [letter.payload.decode() for letter in letters]


def test_a_group_goes_one_at_a_time_and_the_rest_at_once(db: sqlite3.Connection, outbox: Outbox) -> None:
    for note in (("q", "g", "g1"), ("q", "", "free1"), ("q", "g", "g2"), ("q", "", "free2"), ("r", "g", "other")):
        outbox.put(db, note, now=10)
    letters = outbox.due(db, now=10, limit=10)
    assert sorted(texts(letters)) == ["free1", "free2", "g1", "other"]
    first = next(letter for letter in letters if letter.payload == b"g1")
    assert (first.kind, first.arn, first.group, first.created, first.attempts) == ("note", "q", "g", 10, 0)
    outbox.delivered(db, first.seq)
    assert "g2" in texts(outbox.due(db, now=10, limit=10))
    assert outbox.waiting(db) == 4


def test_a_failing_head_holds_its_group_and_nobody_else(db: sqlite3.Connection, outbox: Outbox) -> None:
    head = outbox.put(db, ("q", "g", "g1"), now=0)
    outbox.put(db, ("q", "g", "g2"), now=0)
    assert outbox.failed(db, head, now=0, error="refused", jitter=0.0) is None
    outbox.put(db, ("q", "g", "g3"), now=0.1)
    outbox.put(db, ("q", "h", "h1"), now=0.1)
    assert texts(outbox.due(db, now=0.4, limit=10)) == ["h1"]
    assert outbox.next_due(db) == 0.1
    again = outbox.due(db, now=0.5, limit=10)
    assert texts(again) == ["h1", "g1"]
    assert (again[1].attempts, again[1].error) == (1, "refused")


def test_waits_double_up_to_the_longest_and_jitter_spreads_them() -> None:
    patience = Patience(first=1, longest=8)
    assert [patience.wait(attempts, 0.0) for attempts in (1, 2, 3, 4, 5, 5000)] == [0.5, 1, 2, 4, 4, 4]
    assert patience.wait(3, 0.5) == 3


def test_patience_ends_by_tries_and_by_age(db: sqlite3.Connection, outbox: Outbox) -> None:
    tried = outbox.put(db, ("q", "g", "tried"), now=0)
    outbox.put(db, ("q", "g", "next"), now=0)
    for _ in range(4):
        assert outbox.failed(db, tried, now=1, error="no") is None
    dead = outbox.failed(db, tried, now=1, error="no")
    assert dead is not None
    assert (dead.payload, dead.attempts, dead.error) == (b"tried", 5, "no")
    assert texts(outbox.due(db, now=1, limit=10)) == ["next"]
    old = outbox.put(db, ("q", "", "old"), now=0)
    assert outbox.failed(db, old, now=1000, error="no") is not None
    assert outbox.failed(db, old, now=1000, error="no") is None  # gone already


def test_a_sequence_number_never_comes_twice(db: sqlite3.Connection, outbox: Outbox) -> None:
    first = outbox.put(db, ("q", "", "a"), now=0)
    outbox.delivered(db, first)
    assert outbox.put(db, ("q", "", "b"), now=0) > first


def test_a_letter_is_fresh_once_per_sender(db: sqlite3.Connection, outbox: Outbox) -> None:
    def letter(sender: str, seq: int, floor: int) -> Letter:
        return Letter(sender, floor, seq, "note", "q", "", b"", 0, 0, "")

    assert outbox.fresh(db, letter("a", 7, 5))
    assert outbox.fresh(db, letter("a", 6, 5))  # later, but of no group: it still counts
    assert outbox.fresh(db, letter("b", 7, 7))
    assert not outbox.fresh(db, letter("a", 7, 5))
    assert not outbox.fresh(db, letter("a", 6, 6))
    assert outbox.fresh(db, letter("a", 9, 8))
    assert db.execute("SELECT sender, seq FROM _inbox ORDER BY 1, 2").fetchall() == [("a", 9), ("b", 7)]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_exactly_once_and_in_order_however_often_it_crashes(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Between any two of the three transactions of a delivery (put, receive, forget) the process may die."""
    chance = random.Random(seed)
    sending = Database(tmp_path_factory.mktemp("x") / "a.db", Schema())
    receiving = Database(sending.path.with_name("b.db"), Schema(("CREATE TABLE got (grp TEXT, text TEXT)",)))
    outbox = Outbox(sending.identity, encode, Patience(first=0.5, longest=2))
    sent: dict[str, list[str]] = defaultdict(list)
    now, number = 0.0, 0
    while number < 30 or outbox.waiting(sending.writer):
        now += 0.3
        if number < 30:
            group = chance.choice(["", "g", "h"])
            outbox.put(sending.writer, ("q", group, str(number)), now)
            sent[group].append(str(number))
            number += 1
        letters = outbox.due(sending.reader, now, 8)
        chance.shuffle(letters)
        for letter in letters:
            fate = chance.random()
            if fate < 0.2:
                outbox.failed(sending.writer, letter.seq, now, "refused", chance.random())
                continue
            receiving.writer.execute("BEGIN")
            if outbox.fresh(receiving.writer, letter):
                text = letter.payload.decode()
                receiving.writer.execute("INSERT INTO got VALUES (?, ?)", (letter.group, text))
            if fate < 0.3:
                receiving.writer.execute("ROLLBACK")
                break  # died before the receiver's commit
            receiving.writer.execute("COMMIT")
            if fate < 0.5:
                break  # died before the sender's
            outbox.delivered(sending.writer, letter.seq)
    got = defaultdict(list)
    for group, text in receiving.reader.execute("SELECT grp, text FROM got ORDER BY rowid"):
        got[group].append(text)
    assert (got["g"], got["h"], sorted(got[""])) == (sent["g"], sent["h"], sorted(sent[""]))
    sending.close()
    receiving.close()
