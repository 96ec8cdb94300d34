"""The outbox: what it returns in which order, by which index, and what an older file's rows become."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from awning.store import database
from awning.store.database import Database
from awning.store.outbox import LARGE, Encoded, Inbox, Letter, Outbox, Patience
from awning.store.schema import Schema

Note = tuple[str, str, str]
"""ARN, group, text."""


class Hook(tuple[str, str, str]):
    """A note that is taken singly."""


def encode(note: Note) -> Encoded:
    return type(note).__name__, note[0], note[1], note[2].encode()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = Database(tmp_path / "a.db", Schema())
    yield opened.writer
    opened.close()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(encode, {Hook})


def seqs(letters: list[Letter]) -> list[int]:
    return [letter.seq for letter in letters]


def test_letters_are_read_on_in_the_order_in_which_they_were_put(db: sqlite3.Connection, outbox: Outbox) -> None:
    put = [outbox.put(db, ("q", group, text), now=10) for group, text in (("g", "1"), ("", "2"), ("g", "3"))]
    assert seqs(outbox.page(db, 0, 2)) == put[:2]
    assert outbox.page(db, put[1], 9) == [Letter(put[2], "tuple", "q", "g", 10, None, 0, b"3")]
    assert outbox.page(db, put[2], 9) == []
    outbox.forget(db, put[:2])
    assert seqs(outbox.page(db, 0, 9)) == put[2:]
    assert outbox.kept(db, put) == {put[2]}
    assert outbox.waiting(db) == 1


def test_a_page_leaves_what_is_large_or_not_for_now(db: sqlite3.Connection, outbox: Outbox) -> None:
    large = outbox.put(db, ("q", "", "x" * LARGE), now=10)
    outbox.put(db, Hook(("h", "", "singly")), now=10)
    assert [(letter.due, letter.payload) for letter in outbox.page(db, 0, 9)] == [(None, None), (10, None)]
    payload = outbox.payload(db, large)
    assert payload is not None
    assert len(payload) == LARGE
    assert outbox.payload(db, 99) is None


def test_what_is_due_comes_by_destination_and_time(db: sqlite3.Connection, outbox: Outbox) -> None:
    first, second = (outbox.put(db, Hook(("h", "", "x")), now=now) for now in (10, 11))
    outbox.put(db, Hook(("other", "", "x")), now=5)
    outbox.put(db, ("h", "", "in its turn"), now=5)
    assert seqs(outbox.due(db, "h", 10, 9)) == [first]
    assert outbox.next_due(db, "h", 10) == 11
    outbox.failed(db, first, "refused", due=30)
    assert seqs(outbox.due(db, "h", 40, 9)) == [second, first]
    assert outbox.due(db, "h", 40, 9)[1].attempts == 1
    assert outbox.next_due(db, "h", 30) is None
    assert db.execute("SELECT error FROM _outbox WHERE seq = ?", (first,)).fetchone() == ("refused",)


def test_a_group_comes_in_order_up_to_a_number(db: sqlite3.Connection, outbox: Outbox) -> None:
    put = [outbox.put(db, ("q", group, "x"), now=10) for group in ("g", "h", "g", "", "g")]
    assert seqs(outbox.group(db, "q", "g", put[3], 9)) == [put[0], put[2]]
    assert seqs(outbox.group(db, "q", "g", put[4], 1)) == [put[0]]


@pytest.mark.parametrize("name", ["_PUT", "_PAGE", "_DUE", "_GROUP"])
def test_no_statement_goes_through_the_whole_outbox(db: sqlite3.Connection, name: str) -> None:
    from awning.store import outbox

    statement = getattr(outbox, name)
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))]
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step], plan


def test_a_sequence_number_never_comes_twice(db: sqlite3.Connection, outbox: Outbox) -> None:
    first = outbox.put(db, ("q", "", "a"), now=0)
    outbox.forget(db, [first])
    assert outbox.put(db, ("q", "", "b"), now=0) > first


def test_an_inbox_has_the_last_of_each_sender(db: sqlite3.Connection) -> None:
    inbox = Inbox()
    assert inbox.received(db, "a") == set()
    inbox.record(db, "a", [7, 8])
    inbox.record(db, "b", [7])
    inbox.record(db, "a", [9])
    assert (inbox.received(db, "a"), inbox.received(db, "b")) == ({9}, {7})


def test_waits_double_up_to_the_longest_and_jitter_spreads_them() -> None:
    patience = Patience(first=1, longest=8, tries=5, age=100)
    assert [patience.wait(attempts, 0.0) for attempts in (1, 2, 3, 4, 5, 5000)] == [0.5, 1, 2, 4, 4, 4]
    assert patience.wait(3, 0.5) == 3
    assert [patience.ends(*given) for given in ((4, 99), (5, 0), (0, 100))] == [False, True, True]


def test_letters_and_records_of_an_older_file_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its letters for rooms had a time from the start, those behind another of their group had none."""
    with monkeypatch.context() as older:
        older.setattr(database, "STORE", Schema(database.STORE.migrations[:1]))
        old = Database(tmp_path / "old.db", Schema())
        old.writer.execute(
            "INSERT INTO _outbox (kind, arn, grp, payload, created, due) VALUES"
            " ('n', 'q', '', 'free', 1, 1), ('n', 'q', 'g', 'head', 2, 2), ('n', 'q', 'g', 'next', 3, NULL)"
        )
        old.writer.execute("INSERT INTO _inbox VALUES ('a', 5), ('a', 6), ('b', 1)")
        old.close()
    new = Database(tmp_path / "old.db", Schema())
    outbox, inbox = Outbox(encode), Inbox()
    assert [letter.due for letter in outbox.page(new.reader, 0, 9)] == [1, 2, None]
    assert seqs(outbox.due(new.reader, "q", 5, 9)) == [1]
    assert seqs(outbox.group(new.reader, "q", "g", 9, 9)) == [2, 3]
    assert (inbox.received(new.reader, "a"), inbox.received(new.reader, "b")) == ({5, 6}, {1})
    new.close()
