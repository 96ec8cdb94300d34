"""A changed DelaySeconds of a FIFO queue with many messages: a slice at a time, across a crash, and other queues' left alone."""

from __future__ import annotations

import pytest

from awning.services.sqs import delays
from awning.services.sqs.delays import carry_on
from tests.services.sqs.support import Bench, Client, OneQueue
from tests.services.sqs.test_fifo import FifoQueue


def steps(bench: Bench) -> int:
    """Run the background pass until there is nothing left; return how often it ran."""
    count = 1
    while bench.run(bench.make_call(), carry_on):
        count += 1
    return count


def test_many_messages_are_delayed_in_slices(bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delays, "_SLICE", 10)
    fifo, other = FifoQueue(client), FifoQueue(client, "other.fifo")
    standard = OneQueue(client)
    for number in range(12):
        fifo.put(f"{number % 3}-{number}")
        other.put(f"a-{number}")
        standard.send()
    fifo.set(DelaySeconds="100")
    visible, _, delayed = fifo.counts()
    assert visible + delayed == 12
    assert 0 < delayed < 12
    bench.restart()
    assert steps(bench) == 4
    assert fifo.counts() == (0, 0, 12)
    bench.restart()
    assert fifo.counts() == (0, 0, 12)
    assert other.counts() == standard.counts() == (12, 0, 0)
    bench.now += 100
    assert len(fifo.bodies()) == 10


def test_what_is_too_old_for_any_delay_is_not_looked_at(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delays, "_SLICE", 10)
    fifo = FifoQueue(client)
    for number in range(30):
        fifo.put(f"a-{number}")
    bench.now += 900
    fifo.put("b-1")
    fifo.set(DelaySeconds="900")
    assert fifo.counts() == (30, 0, 1)
    assert steps(bench) == 1


def test_the_last_change_counts_and_a_deleted_queue_is_forgotten(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delays, "_SLICE", 2)
    fifo = FifoQueue(client)
    fifo.put(*(f"a-{number}" for number in range(9)))
    fifo.set(DelaySeconds="100")
    fifo.set(DelaySeconds="5")
    steps(bench)
    assert fifo.counts() == (0, 0, 9)
    bench.now += 5
    assert fifo.counts() == (9, 0, 0)
    fifo.set(DelaySeconds="100")
    client.delete_queue(queue_url=fifo.url)
    assert steps(bench) == 2
    assert bench.reader.execute("SELECT * FROM delays").fetchall() == []


def test_a_change_that_is_not_committed_changes_nothing(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client)
    fifo.put("a-1", "a-2")
    with bench.batch(fails=True):
        fifo.set(DelaySeconds="100")
        assert fifo.bodies() == []
    assert fifo.bodies() == ["a-1", "a-2"]
