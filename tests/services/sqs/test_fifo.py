"""FIFO queues: whose turn it is. Each rule with a clock that the test moves.

The orders are those of the developer guide's "FIFO queue delivery logic in Amazon SQS".
"""

from __future__ import annotations

from typing import Any

import pytest

from awning.services.sqs.errors import InvalidParameterValue
from awning.services.sqs.work import survey, sweep
from tests.services.sqs.support import Bench, Client, OneQueue

EXPIRED = r"Value .* for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired\."


class FifoQueue(OneQueue):
    """A FIFO queue; a body's part before the hyphen is its group."""

    def __init__(self, client: Client, name: str = "jobs.fifo", **attributes: str) -> None:
        super().__init__(client, name, **{"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes})

    def put(self, *bodies: str) -> list[Any]:
        return [self.send(body, message_group_id=body.partition("-")[0]) for body in bodies]


def clean_up(bench: Bench) -> None:
    bench.run(bench.make_call(), survey)
    bench.run(bench.make_call(), sweep)


@pytest.fixture
def fifo(client: Client) -> FifoQueue:
    return FifoQueue(client)


def test_a_receive_takes_as_many_as_possible_of_one_group_and_then_of_others(fifo: FifoQueue) -> None:
    fifo.put("a-1", "b-1", "a-2", "a-3", "b-2")
    assert fifo.bodies(4) == ["a-1", "a-2", "a-3", "b-1"]
    assert fifo.counts() == (1, 4, 0)


def test_a_group_waits_while_its_first_message_is_in_flight_and_holds_up_no_other(fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2", "a-3", "b-1", "c-1")
    first = fifo.receive(1)[0]
    assert fifo.bodies(1) == ["b-1"]
    assert fifo.bodies() == ["c-1"]
    assert fifo.bodies() == []
    fifo.put("a-4", "d-1")
    assert fifo.bodies() == ["d-1"]
    fifo.delete(first)
    assert fifo.bodies() == ["a-2", "a-3", "a-4"]


def test_a_group_goes_on_once_all_that_was_given_out_of_it_is_deleted(fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2", "a-3", "b-1")
    one, two = fifo.receive(2)
    fifo.delete(one)
    assert fifo.bodies() == ["b-1"]
    fifo.delete(two)
    assert fifo.bodies() == ["a-3"]


def test_messages_come_back_in_order_after_their_timeout(bench: Bench, fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2", "a-3", "a-4", "b-1", "c-1")
    assert fifo.bodies(2, visibility_timeout=10) == ["a-1", "a-2"]
    assert fifo.bodies(1, visibility_timeout=10) == ["b-1"]
    bench.now += 9.999
    assert fifo.bodies(1, visibility_timeout=0) == ["c-1"]
    bench.now += 0.001
    assert fifo.bodies(visibility_timeout=0) == ["c-1", "a-1", "a-2", "a-3", "a-4", "b-1"]


def test_groups_take_turns(fifo: FifoQueue) -> None:
    fifo.put("a-1", "b-1", "b-2", "c-1", "a-2")
    assert fifo.bodies(3, visibility_timeout=0) == ["a-1", "a-2", "b-1"]
    assert fifo.bodies(visibility_timeout=0) == ["c-1", "a-1", "a-2", "b-1", "b-2"]


def test_a_message_whose_hiding_is_ended_comes_again_before_what_is_in_flight_behind_it(fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2", "a-3", "b-1")
    one, _ = fifo.receive(2)
    fifo.hide(one, 0)
    assert fifo.bodies(3) == ["b-1", "a-1"]


def test_a_message_is_not_given_out_before_an_earlier_one_that_is_in_flight(fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2")
    one, two = fifo.receive(2)
    fifo.hide(two, 0)
    assert fifo.bodies() == []
    fifo.hide(one, 0)
    assert fifo.bodies() == ["a-1", "a-2"]


def test_an_old_receipt_handle_deletes_nothing(bench: Bench, fifo: FifoQueue) -> None:
    fifo.put("a-1")
    (first,) = fifo.receive(visibility_timeout=5)
    bench.now += 5
    with pytest.raises(InvalidParameterValue, match=EXPIRED):
        fifo.delete(first)
    (second,) = fifo.receive(visibility_timeout=5)
    with pytest.raises(InvalidParameterValue, match=EXPIRED):
        fifo.delete(first)
    with pytest.raises(InvalidParameterValue, match=EXPIRED):
        fifo.hide(first, 10)
    result = fifo.client.delete_message_batch(
        queue_url=fifo.url,
        entries=[{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate((first, second))],
    )
    assert [entry["Id"] for entry in result["Successful"]] == ["1"]
    assert [(entry["Id"], entry["Code"]) for entry in result["Failed"]] == [("0", "InvalidParameterValue")]
    assert fifo.counts() == (0, 0, 0)
    fifo.delete(second)  # it is gone already


def test_hiding_longer_and_after_the_end(bench: Bench, fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2")
    (message,) = fifo.receive(1, visibility_timeout=5)
    fifo.hide(message, 100)
    bench.now += 99
    assert fifo.bodies() == []
    fifo.delete(message)
    with pytest.raises(InvalidParameterValue, match="Message does not exist or is not available"):
        fifo.hide(message, 10)
    (message,) = fifo.receive(1, visibility_timeout=5)
    bench.now += 5
    with pytest.raises(InvalidParameterValue, match="The receipt handle has expired"):
        fifo.hide(message, 10)


def test_a_queues_delay_holds_each_message_and_is_changed_for_those_that_are_there(
    bench: Bench, client: Client
) -> None:
    fifo = FifoQueue(client, DelaySeconds="10")
    fifo.put("a-1")
    bench.now += 6
    fifo.put("a-2", "b-1")
    assert fifo.counts() == (0, 0, 3)
    bench.now += 4
    (message,) = fifo.receive()
    assert message["Body"] == "a-1"
    fifo.set(DelaySeconds="20")
    fifo.hide(message, 0)
    bench.now += 6
    assert fifo.bodies(visibility_timeout=0) == ["a-1"]
    bench.restart()
    assert fifo.counts() == (1, 0, 2)
    fifo.set(DelaySeconds="5")
    assert fifo.bodies() == ["a-1", "a-2", "b-1"]


def test_a_message_has_no_delay_of_its_own(bench: Bench, fifo: FifoQueue) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        fifo.send("a", message_group_id="a", delay_seconds=2)
    assert error.value.message == (
        "Value 2 for parameter DelaySeconds is invalid. "
        "Reason: The request include parameter that is not valid for this queue type."
    )
    fifo.set(DelaySeconds="3")
    fifo.send("a", message_group_id="a", message_deduplication_id="a", delay_seconds=0)
    assert fifo.counts() == (0, 0, 1)
    bench.now += 3
    assert fifo.bodies() == ["a"]


def test_all_that_a_receive_changed_is_known_after_a_crash(bench: Bench, fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2", "a-3", "b-1")
    one, two = fifo.receive(2, visibility_timeout=10)
    fifo.hide(two, 100)
    bench.restart()
    assert fifo.counts() == (2, 2, 0)
    assert fifo.bodies(visibility_timeout=0) == ["b-1"]
    fifo.delete(one)
    bench.now += 99
    bench.restart()
    assert fifo.bodies(visibility_timeout=0) == ["b-1"]
    bench.now += 1
    messages = fifo.receive(10, attribute_names=["ApproximateReceiveCount"])
    counts = {message["Body"]: message["Attributes"]["ApproximateReceiveCount"] for message in messages}
    assert counts == {"a-2": "2", "a-3": "1", "b-1": "3"}


def test_purge_takes_what_waits_and_what_is_in_flight(bench: Bench, fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2", "b-1")
    (message,) = fifo.receive(1)
    fifo.client.purge_queue(queue_url=fifo.url)
    assert fifo.counts() == (0, 0, 0)
    fifo.delete(message)
    fifo.put("a-1")
    bench.restart()
    assert fifo.bodies() == ["a-1"]
    clean_up(bench)
    assert bench.reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
    assert bench.reader.execute("SELECT count(*) FROM fifo_receives").fetchone() == (1,)


def test_what_is_past_its_retention_is_gone_and_its_group_goes_on(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client, MessageRetentionPeriod="60")
    fifo.put("a-1")
    fifo.receive(visibility_timeout=600)
    bench.now += 30
    fifo.put("a-2", "b-1")
    bench.now += 30
    clean_up(bench)
    assert fifo.bodies(visibility_timeout=0) == ["b-1", "a-2"]
    bench.now += 30
    assert fifo.bodies() == []
    assert fifo.counts() == (0, 0, 0)
    fifo.put("c-1")
    bench.now += 60
    clean_up(bench)
    assert fifo.counts() == (0, 0, 0)
    assert bench.reader.execute("SELECT count(*) FROM fifo_receives").fetchone() == (0,)


def test_a_full_queue_gives_nothing_and_says_nothing(fifo: FifoQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("awning.services.sqs.fifo.IN_FLIGHT_LIMIT", 2)
    fifo.put("a-1", "b-1", "c-1")
    first, _ = fifo.receive(10)
    assert fifo.bodies() == []
    fifo.delete(first)
    assert fifo.bodies() == ["c-1"]


def test_a_deleted_message_wakes_who_waits_for_its_group(bench: Bench, fifo: FifoQueue) -> None:
    fifo.put("a-1", "a-2")
    (message,) = fifo.receive(1)
    bench.wakes.clear()
    fifo.delete(message)
    assert [key for key, _ in bench.wakes] == [("queue", 1)]
    (message,) = fifo.receive(1)
    bench.wakes.clear()
    fifo.delete(message)
    assert bench.wakes == []


def test_a_dead_letter_queue_gets_messages_with_their_groups(bench: Bench, client: Client) -> None:
    dead = FifoQueue(client, "dead.fifo")
    policy = f'{{"deadLetterTargetArn": "{dead.attributes("QueueArn")["QueueArn"]}", "maxReceiveCount": 1}}'
    fifo = FifoQueue(client, RedrivePolicy=policy)
    sent = fifo.put("a-1", "a-2")
    assert fifo.bodies(1, visibility_timeout=0) == ["a-1"]
    bench.now += 1
    assert fifo.bodies() == ["a-2"]
    bench.restart()
    (message,) = dead.receive(10, attribute_names=["All"])
    attributes = message["Attributes"]
    assert (message["MessageId"], attributes["MessageGroupId"]) == (sent[0]["MessageId"], "a")
    assert attributes["SentTimestamp"] == str(round(bench.now * 1000))  # set anew, as the developer guide says
    assert int(attributes["SequenceNumber"]) > int(sent[1]["SequenceNumber"])
