"""ReceiveRequestAttemptId: a repeated receive gives the same messages, while nothing has happened to them."""

from __future__ import annotations

from typing import Any

import pytest

from awning.services.sqs.duplicates import forget_duplicates
from awning.services.sqs.errors import InvalidParameterValue
from tests.services.sqs.support import Bench, Client, OneQueue
from tests.services.sqs.test_fifo import FifoQueue


@pytest.fixture
def fifo(client: Client) -> FifoQueue:
    fifo = FifoQueue(client)
    fifo.put("a-1", "a-2", "b-1", "c-1")
    return fifo


def attempt(fifo: FifoQueue, id: str = "x") -> list[Any]:
    return fifo.receive(3, receive_request_attempt_id=id, attribute_names=["All"], visibility_timeout=30)


def test_a_repeated_attempt_gives_the_same_and_hides_it_anew(bench: Bench, fifo: FifoQueue) -> None:
    first = attempt(fifo)
    assert [message["Body"] for message in first] == ["a-1", "a-2", "b-1"]
    bench.now += 20
    bench.restart()
    assert attempt(fifo) == first
    bench.now += 20
    assert fifo.counts() == (1, 3, 0)
    for message in first:
        fifo.delete(message)
    assert fifo.counts() == (1, 0, 0)


def test_it_is_a_new_receive_once_something_has_happened(bench: Bench, fifo: FifoQueue) -> None:
    first = attempt(fifo)
    fifo.hide(first[0], 60)
    assert [message["Body"] for message in attempt(fifo)] == ["c-1"]
    bench.now += 31
    messages = attempt(fifo)
    assert [message["Body"] for message in messages] == ["b-1", "c-1"]
    fifo.delete(messages[0])
    assert attempt(fifo) == []


def test_an_attempt_is_known_for_five_minutes(bench: Bench, fifo: FifoQueue) -> None:
    first = attempt(fifo)
    for message in first:
        fifo.hide(message, 3600)
    assert [message["Body"] for message in attempt(fifo, "y")] == ["c-1"]
    for _ in range(11):
        bench.now += 25
        assert [message["Body"] for message in attempt(fifo, "y")] == ["c-1"]
    bench.now += 25
    assert attempt(fifo, "y") == []
    bench.run(bench.make_call(), forget_duplicates)
    assert bench.reader.execute("SELECT count(*) FROM attempts").fetchone() == (0,)


def test_only_fifo_queues_know_attempts(queue: OneQueue, fifo: FifoQueue) -> None:
    with pytest.raises(InvalidParameterValue, match="parameter that is not valid for this queue type"):
        queue.receive(receive_request_attempt_id="x")
    with pytest.raises(InvalidParameterValue, match="ReceiveRequestAttemptId can only include alphanumeric"):
        fifo.receive(receive_request_attempt_id="a b")
