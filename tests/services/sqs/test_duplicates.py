"""Exactly-once processing: what is a duplicate, for how long, and what its sender is told."""

from __future__ import annotations

from hashlib import md5, sha256

import pytest

from awning.services.sqs.duplicates import forget_duplicates
from awning.services.sqs.errors import InvalidParameterValue, MissingParameter
from tests.services.sqs.support import Bench, Client
from tests.services.sqs.test_fifo import FifoQueue


@pytest.fixture
def fifo(client: Client) -> FifoQueue:
    return FifoQueue(client, ContentBasedDeduplication="false")


def test_a_duplicate_is_accepted_as_its_original_and_not_delivered(fifo: FifoQueue) -> None:
    first = fifo.send("one", message_group_id="a", message_deduplication_id="x")
    second = fifo.send("two", message_group_id="b", message_deduplication_id="x")
    assert (second["MessageId"], second["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert second["MD5OfMessageBody"] == md5(b"two").hexdigest()
    assert fifo.bodies() == ["one"]


def test_it_is_one_for_five_minutes_after_a_crash_and_its_originals_deletion_too(bench: Bench, fifo: FifoQueue) -> None:
    first = fifo.send("one", message_group_id="a", message_deduplication_id="x")
    fifo.delete(fifo.receive()[0])
    bench.now += 299.999
    bench.run(bench.make_call(), forget_duplicates)
    bench.restart()
    assert fifo.send("one", message_group_id="a", message_deduplication_id="x")["MessageId"] == first["MessageId"]
    assert fifo.bodies() == []
    bench.now += 0.001
    third = fifo.send("one", message_group_id="a", message_deduplication_id="x")
    assert third["MessageId"] != first["MessageId"]
    assert int(third["SequenceNumber"]) > int(first["SequenceNumber"])
    bench.run(bench.make_call(), forget_duplicates)
    assert bench.reader.execute("SELECT count(*) FROM deduplications").fetchone() == (1,)
    assert fifo.send("one", message_group_id="a", message_deduplication_id="x")["MessageId"] == third["MessageId"]
    assert fifo.bodies() == ["one"]


def test_the_window_is_cleaned_up_in_slices(bench: Bench, fifo: FifoQueue) -> None:
    for number in range(1_200):
        fifo.send("one", message_group_id="a", message_deduplication_id=str(number))
    (queue,) = bench.memory.queues.values()
    assert len(queue.recent) == 1_200
    bench.now += 300
    assert bench.run(bench.make_call(), forget_duplicates)
    assert len(queue.recent) == 200
    assert not bench.run(bench.make_call(), forget_duplicates)
    assert queue.recent == {}


def test_content_makes_the_id_where_the_queue_says_so(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client)
    id = sha256("ä".encode()).hexdigest()
    first = fifo.send("ä", message_group_id="a")
    attributes = {"kind": {"DataType": "String", "StringValue": "other"}}
    assert fifo.send("ä", message_group_id="a", message_attributes=attributes)["MessageId"] == first["MessageId"]
    assert fifo.send("b", message_group_id="a", message_deduplication_id=id)["MessageId"] == first["MessageId"]
    assert fifo.send("ä", message_group_id="a", message_deduplication_id="own")["MessageId"] != first["MessageId"]
    messages = fifo.receive(10, attribute_names=["MessageDeduplicationId"])
    assert [message["Attributes"]["MessageDeduplicationId"] for message in messages] == [id, "own"]


def test_the_scope_may_be_the_group(client: Client) -> None:
    fifo = FifoQueue(client, DeduplicationScope="messageGroup")
    for group in ("a", "b", "a"):
        fifo.send("one", message_group_id=group)
    messages = fifo.receive(10, attribute_names=["MessageGroupId"])
    assert [message["Attributes"]["MessageGroupId"] for message in messages] == ["a", "b"]


def test_a_purge_forgets_what_was_sent(bench: Bench, fifo: FifoQueue) -> None:
    fifo.send("one", message_group_id="a", message_deduplication_id="x")
    fifo.client.purge_queue(queue_url=fifo.url)
    bench.restart()
    fifo.send("one", message_group_id="a", message_deduplication_id="x")
    assert fifo.bodies() == ["one"]


def test_an_id_is_required(fifo: FifoQueue) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        fifo.send("one", message_group_id="a")
    assert error.value.message == (
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )
    with pytest.raises(MissingParameter, match="The request must contain the parameter MessageGroupId"):
        fifo.send("one", message_deduplication_id="x")
    for wrong in ("", "x" * 129, "a b"):
        with pytest.raises(InvalidParameterValue, match="MessageDeduplicationId can only include alphanumeric"):
            fifo.send("one", message_group_id="a", message_deduplication_id=wrong)
    assert fifo.counts() == (0, 0, 0)


def test_sequence_numbers_have_twenty_digits_and_grow(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client)
    sent = fifo.put("a-1", "b-1", "a-2")
    bench.restart()
    sent += fifo.put("a-3")
    numbers = [result["SequenceNumber"] for result in sent]
    assert sorted(set(numbers)) == numbers
    assert {len(number) for number in numbers} == {20}
    received = {m["Body"]: m["Attributes"]["SequenceNumber"] for m in fifo.receive(10, attribute_names=["All"])}
    assert received == dict(zip(("a-1", "b-1", "a-2", "a-3"), numbers, strict=True))


def test_a_batch_keeps_its_order_and_may_have_duplicates(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client)
    entries = [{"Id": str(n), "MessageBody": body, "MessageGroupId": "a"} for n, body in enumerate("xyxz")]
    sent = client.send_message_batch(queue_url=fifo.url, entries=entries)["Successful"]
    assert [entry["Id"] for entry in sent] == ["0", "1", "2", "3"]
    assert sent[0]["SequenceNumber"] == sent[2]["SequenceNumber"]
    assert sent[0]["MessageId"] == sent[2]["MessageId"]
    assert fifo.bodies() == ["x", "y", "z"]


def test_what_is_not_committed_was_never_sent(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client)
    with bench.batch(fails=True):
        lost = fifo.put("a-1")
    (sent,) = fifo.put("a-1")
    assert sent["MessageId"] != lost[0]["MessageId"]
    assert fifo.bodies() == ["a-1"]
