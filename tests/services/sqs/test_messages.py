"""Messages: what is accepted, what is given back, hiding, deleting, batches. Each rule with a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from awning.kit.call import StillWaiting
from awning.services.sqs import receiving
from awning.services.sqs.errors import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAttributeName,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MissingParameter,
    OverLimit,
    ReceiptHandleIsInvalid,
    TooManyEntriesInBatchRequest,
)
from tests.services.sqs.support import ACCOUNT, START, Bench, Client, OneQueue

MIB = 1_048_576


def text(value: str, kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


def binary(value: bytes) -> dict[str, Any]:
    return {"DataType": "Binary", "BinaryValue": value}


# Send and receive


def test_a_message_comes_back_as_it_was_sent(queue: OneQueue) -> None:
    sent = queue.send("This is a test message")
    # The digest of the API reference's SendMessage sample.
    assert sent["MD5OfMessageBody"] == "fafb00f5732ab283681e124bf8747ed1"
    (message,) = queue.receive()
    assert message.keys() == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["Body"] == "This is a test message"


def test_an_empty_queue_gives_no_messages(client: Client, queue: OneQueue) -> None:
    assert client.receive_message(queue_url=queue.url) == {}


def test_a_receive_takes_one_unless_told_and_at_most_ten(queue: OneQueue) -> None:
    for number in range(12):
        queue.send(str(number))
    assert len(queue.client.receive_message(queue_url=queue.url)["Messages"]) == 1
    assert queue.bodies(10) == [str(number) for number in range(1, 11)]
    assert queue.counts() == (1, 11, 0)
    for wrong in (0, 11):
        with pytest.raises(InvalidParameterValue, match=f"Value {wrong} for parameter MaxNumberOfMessages is invalid"):
            queue.receive(wrong)


def test_a_received_message_is_hidden_for_the_visibility_timeout(bench: Bench, queue: OneQueue) -> None:
    queue.send("hi")
    assert queue.bodies(visibility_timeout=10) == ["hi"]
    bench.now += 9.999
    assert queue.bodies() == []
    bench.now += 0.001
    assert queue.bodies() == ["hi"]
    bench.now += 30
    assert queue.bodies(visibility_timeout=0) == ["hi"]
    assert queue.bodies() == ["hi"]
    for wrong in (-1, 43_201):
        with pytest.raises(InvalidParameterValue, match="VisibilityTimeout"):
            queue.receive(visibility_timeout=wrong)


def test_a_delayed_message_is_invisible_until_its_time(bench: Bench, client: Client) -> None:
    queue = OneQueue(client, DelaySeconds="3")
    queue.send("queue's delay")
    queue.send("own delay", delay_seconds=5)
    queue.send("none", delay_seconds=0)
    assert queue.counts() == (1, 0, 2)
    assert queue.bodies() == ["none"]
    bench.now += 3
    assert queue.bodies() == ["queue's delay"]
    bench.now += 1.999
    assert queue.bodies() == []
    bench.now += 0.001
    assert queue.bodies() == ["own delay"]
    for wrong in (-1, 901):
        with pytest.raises(InvalidParameterValue, match="DelaySeconds must be >= 0 and <= 900"):
            queue.send(delay_seconds=wrong)


def test_a_change_of_the_queues_delay_does_not_reach_messages_that_are_there(bench: Bench, queue: OneQueue) -> None:
    queue.set(DelaySeconds="100")
    queue.send("late")
    queue.set(DelaySeconds="0")
    assert queue.bodies() == []
    bench.restart()
    assert queue.bodies() == []
    bench.now += 100
    assert queue.bodies() == ["late"]


def test_a_message_outlives_a_crash_and_its_receive_does_not(bench: Bench, queue: OneQueue) -> None:
    queue.send("hi")
    (first,) = queue.receive()
    bench.restart()
    (second,) = queue.receive(attribute_names=["ApproximateReceiveCount"])
    assert second["Attributes"] == {"ApproximateReceiveCount": "1"}
    queue.delete(first)
    bench.now += 30
    assert queue.bodies() == []


def test_a_message_is_gone_after_the_retention_period(bench: Bench, client: Client) -> None:
    queue = OneQueue(client, MessageRetentionPeriod="60")
    queue.send("old")
    bench.now += 30
    queue.send("young")
    bench.now += 30
    assert queue.bodies() == ["young"]
    assert queue.counts() == (0, 1, 0)
    queue.set(MessageRetentionPeriod="3600")
    queue.send("kept")
    queue.set(MessageRetentionPeriod="60")
    bench.now += 60
    assert queue.bodies() == []


def test_system_attributes(bench: Bench, queue: OneQueue) -> None:
    trace = {"AWSTraceHeader": text("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")}
    sent = queue.send("hi", message_system_attributes=trace)
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    bench.now += 2
    queue.receive(visibility_timeout=0)
    bench.now += 1
    (message,) = queue.receive(message_system_attribute_names=["All"], visibility_timeout=0)
    assert message["Attributes"] == {
        "SenderId": ACCOUNT,
        "SentTimestamp": str(int(START * 1000)),
        "ApproximateReceiveCount": "2",
        "ApproximateFirstReceiveTimestamp": str(int(START * 1000) + 2000),
        "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
    }
    names = {"attribute_names": ["SentTimestamp"], "message_system_attribute_names": ["SenderId", "SequenceNumber"]}
    (message,) = queue.receive(**names)
    assert message["Attributes"].keys() == {"SentTimestamp", "SenderId"}
    with pytest.raises(InvalidAttributeName, match="Unknown Attribute Colour"):
        queue.receive(attribute_names=["Colour"])
    with pytest.raises(InvalidParameterValue):
        queue.send("hi", message_system_attributes={"AWSTraceHeader": text("1", "Number")})


def test_message_attributes_come_back_as_they_are_asked_for(queue: OneQueue) -> None:
    attributes = {
        "City": text("Any City"),
        "Greeting": binary(b"Hello, World!"),
        "Population": text("1250800", "Number"),
        "trace.one": text("1"),
        "trace.two": text("2", "String.tag"),
    }
    sent = queue.send("hi", message_attributes=attributes)

    def receive(*names: str) -> Any:
        return queue.receive(visibility_timeout=0, message_attribute_names=list(names))[0]

    for names in (("All",), (".*",), ("All", "City")):
        message = receive(*names)
        assert message["MessageAttributes"] == attributes
        assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert receive("City", "absent")["MessageAttributes"].keys() == {"City"}
    assert receive("trace.*")["MessageAttributes"].keys() == {"trace.one", "trace.two"}
    assert "MessageAttributes" not in receive("absent")
    assert "MD5OfMessageAttributes" not in receive()


@pytest.mark.parametrize("body", ["\x00", "a\x0b", "\x1f", "\ufffe", "\uffff", "\ud800", "ok\x08"])
def test_characters_outside_the_allowed_set(queue: OneQueue, body: str) -> None:
    with pytest.raises(InvalidMessageContents):
        queue.send(body)


@pytest.mark.parametrize("body", ["\t\n\r ", "\x7f\x85\xa0", "\ud7ff\ue000\ufffd", "\U00010000\U0010ffff", "日本語 😀"])
def test_characters_inside_the_allowed_set(queue: OneQueue, body: str) -> None:
    queue.send(body)
    assert queue.bodies() == [body]


def test_a_body_must_not_be_empty(queue: OneQueue) -> None:
    with pytest.raises(MissingParameter):
        queue.send("")


def test_the_size_of_a_message_counts_bytes_and_attributes(queue: OneQueue) -> None:
    queue.send("x" * MIB)
    queue.send("x" * (MIB - 3 - 6 - 1), message_attributes={"abc": text("v")})
    queue.set(MaximumMessageSize="1024")
    queue.send("x" * 1024)
    for body, attributes in (("x" * 1025, None), ("é" * 513, None), ("x" * 1015, {"abc": text("v")})):
        with pytest.raises(InvalidParameterValue, match="Message must be shorter than 1024 bytes"):
            queue.send(body, message_attributes=attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        {"": text("v")},
        {"a" * 257: text("v")},
        {".a": text("v")},
        {"a.": text("v")},
        {"a..b": text("v")},
        {"AWS.x": text("v")},
        {"amazon.x": text("v")},
        {"a b": text("v")},
        {"a": text("v", "Text")},
        {"a": text("v", "")},
        {"a": text("v", "String." + "x" * 250)},
        {"a": text("")},
        {"a": {"DataType": "String"}},
        {"a": {"DataType": "Binary", "StringValue": "v"}},
        {"a": {"DataType": "String", "StringValue": "v", "BinaryValue": b"v"}},
        {"a": {"DataType": "String", "StringValue": "v", "StringListValues": ["v"]}},
        {"a": text("\x00")},
        {"a": text("x", "Number")},
        {"a": text("nan", "Number")},
        {"a": text("1" * 39, "Number")},
        {"a": text("1e200", "Number.big")},
        {f"a{number}": text("v") for number in range(11)},
    ],
)
def test_message_attributes_that_are_refused(queue: OneQueue, attributes: Any) -> None:
    with pytest.raises(InvalidParameterValue):
        queue.send(message_attributes=attributes)
    assert queue.counts() == (0, 0, 0)


# Wait


def test_a_long_poll_waits_for_a_message_and_for_the_next_that_is_due(bench: Bench, queue: OneQueue) -> None:
    with pytest.raises(StillWaiting) as caught:
        queue.receive(wait_time_seconds=20)
    assert (caught.value.deadline, caught.value.retry_at) == (START + 20, None)
    queue.send(delay_seconds=3)
    with pytest.raises(StillWaiting) as caught:
        queue.receive(wait_time_seconds=5)
    assert (caught.value.deadline, caught.value.retry_at) == (START + 5, START + 3)
    assert queue.counts() == (0, 0, 1)
    for wrong in (-1, 21):
        with pytest.raises(InvalidParameterValue, match="WaitTimeSeconds"):
            queue.receive(wait_time_seconds=wrong)


def test_a_long_poll_ends_empty_at_its_time(bench: Bench, client: Client, queue: OneQueue) -> None:
    call = bench.make_call()
    params = {"queue_url": queue.url, "wait_time_seconds": 5}
    with pytest.raises(StillWaiting):
        bench.run(call, receiving.receive_message, **params)
    bench.now += 5
    assert bench.run(call, receiving.receive_message, **params) == {}


def test_the_queue_says_how_long_to_wait_unless_the_call_does(queue: OneQueue) -> None:
    queue.set(ReceiveMessageWaitTimeSeconds="7")
    with pytest.raises(StillWaiting) as caught:
        queue.receive()
    assert caught.value.deadline == START + 7
    assert queue.receive(wait_time_seconds=0) == []


def test_who_is_woken(bench: Bench, client: Client, queue: OneQueue) -> None:
    def wakes() -> int:
        count, bench.wakes = len(bench.wakes), []
        return count

    queue.send()
    assert wakes() == 1, "a message is there"
    queue.send(delay_seconds=10)
    assert wakes() == 1, "a waiter must learn when to look again"
    queue.send(delay_seconds=60)
    assert wakes() == 0, "nobody who waits now will see this one"
    queue.send()
    wakes()
    (first,) = queue.receive()
    assert wakes() == 1, "one is left behind for the next"
    queue.receive()
    assert wakes() == 0, "nothing is left, nor will be within 20 seconds"
    queue.hide(first, 0)
    assert wakes() == 1, "it is visible again"
    queue.receive(visibility_timeout=5)
    assert wakes() == 1, "it will be visible while others still wait"


def test_too_many_in_flight(bench: Bench, queue: OneQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("awning.services.sqs.engine.IN_FLIGHT_LIMIT", 2)
    for _ in range(3):
        queue.send()
    first, _ = queue.receive(10)
    with pytest.raises(OverLimit):
        queue.receive()
    with pytest.raises(StillWaiting):
        queue.receive(wait_time_seconds=20)
    bench.wakes.clear()
    queue.delete(first)
    assert len(bench.wakes) == 1
    assert len(queue.receive()) == 1


# Delete and hide


def test_a_deleted_message_is_gone(bench: Bench, queue: OneQueue) -> None:
    queue.send()
    (message,) = queue.receive()
    queue.delete(message)
    queue.delete(message)
    bench.now += 30
    assert queue.bodies() == []
    bench.restart()
    assert queue.bodies() == []


def test_an_old_receipt_handle_still_deletes(bench: Bench, queue: OneQueue) -> None:
    queue.send()
    (first,) = queue.receive()
    bench.now += 30
    (second,) = queue.receive()
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    bench.now += 30
    queue.delete(first)
    assert queue.counts() == (0, 0, 0)
    assert queue.bodies() == []


def test_a_handle_never_deletes_another_message_after_a_restart(bench: Bench, queue: OneQueue) -> None:
    queue.send("first")
    (first,) = queue.receive()
    queue.delete(first)
    bench.restart()
    queue.send("second")
    queue.delete(first)
    assert queue.bodies() == ["second"]


@pytest.mark.parametrize("handle", ["", "x", "AAAA", "ä", "A" * 48, "A" * 47 + "=", " " * 48])
def test_a_handle_that_nobody_gave_out(client: Client, queue: OneQueue, handle: str) -> None:
    with pytest.raises(ReceiptHandleIsInvalid):
        client.delete_message(queue_url=queue.url, receipt_handle=handle)


def test_a_handle_belongs_to_its_queue(client: Client, queue: OneQueue) -> None:
    queue.send()
    (message,) = queue.receive()
    other = OneQueue(client, "other")
    with pytest.raises(ReceiptHandleIsInvalid):
        other.delete(message)
    tampered = message["ReceiptHandle"][:-4] + "AAAA"
    with pytest.raises(ReceiptHandleIsInvalid):
        queue.hide({"ReceiptHandle": tampered}, 0)


def test_hiding_for_another_time_counts_from_now(bench: Bench, queue: OneQueue) -> None:
    queue.send()
    (message,) = queue.receive(visibility_timeout=60)
    bench.now += 15
    queue.hide(message, 10)
    bench.now += 9.999
    assert queue.bodies() == []
    bench.now += 0.001
    assert queue.bodies() == ["hi"]


def test_a_message_that_is_visible_again_is_hidden_by_its_handle(bench: Bench, queue: OneQueue) -> None:
    queue.send("late")
    (message,) = queue.receive()
    queue.send("next")
    bench.now += 30
    queue.hide(message, 0)
    assert queue.counts() == (2, 0, 0)
    queue.hide(message, 10)
    assert queue.counts() == (1, 1, 0)
    assert queue.bodies() == ["next"]
    bench.now += 10
    assert queue.attributes("ApproximateNumberOfMessages") == {"ApproximateNumberOfMessages": "1"}
    (message,) = queue.receive(attribute_names=["All"])
    assert (message["Body"], message["Attributes"]["ApproximateReceiveCount"]) == ("late", "2")
    bench.restart()
    queue.hide(message, 10)
    assert queue.bodies() == ["next"]


def test_hiding_needs_a_message(queue: OneQueue) -> None:
    queue.send()
    (message,) = queue.receive()
    queue.delete(message)
    with pytest.raises(InvalidParameterValue, match="Message does not exist"):
        queue.hide(message, 10)


def test_hiding_ends_twelve_hours_after_the_receive(bench: Bench, queue: OneQueue) -> None:
    queue.send()
    (message,) = queue.receive(visibility_timeout=43_200)
    bench.now += 100
    for wrong in (-1, 43_201, 43_101):
        with pytest.raises(InvalidParameterValue, match="VisibilityTimeout"):
            queue.hide(message, wrong)
    queue.hide(message, 43_100)


# Failed commits


def test_a_failed_commit_takes_everything_back(bench: Bench, queue: OneQueue) -> None:
    queue.send("a")
    queue.send("b")
    (first,) = queue.receive()
    with bench.batch(fails=True):
        queue.send("lost")
        queue.send("lost", delay_seconds=1)
        assert queue.bodies() == ["b", "lost"]
        queue.hide(first, 0)
        queue.delete(first)
    bench.now += 1
    assert queue.counts() == (1, 1, 0)
    assert queue.bodies() == ["b"]
    bench.now += 28.999
    assert queue.bodies() == []
    bench.now += 0.001
    (again,) = queue.receive(attribute_names=["All"])
    assert again["Body"] == "a"
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


# Batches


def entries(*bodies: str, **further: Any) -> list[dict[str, Any]]:
    return [{"Id": f"m{number}", "MessageBody": body, **further} for number, body in enumerate(bodies)]


def test_a_batch_succeeds_and_fails_entry_by_entry(client: Client, queue: OneQueue) -> None:
    batch = entries("a", "\x00", "c")
    batch[2] |= {"DelaySeconds": 901}
    batch += [{"Id": "z", "MessageBody": "z", "MessageAttributes": {"n": text("1", "Number")}}]
    result = client.send_message_batch(queue_url=queue.url, entries=batch)
    assert [entry["Id"] for entry in result["Successful"]] == ["m0", "z"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in result["Failed"]] == [
        ("m1", "InvalidMessageContents", True),
        ("m2", "InvalidParameterValue", True),
    ]
    assert queue.bodies() == ["a", "z"]


def test_batches_of_deletes_and_hidings(client: Client, queue: OneQueue) -> None:
    client.send_message_batch(queue_url=queue.url, entries=entries("a", "b", "c"))
    handles = [message["ReceiptHandle"] for message in queue.receive(10)]
    hidings = [{"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": 0} for n, handle in enumerate(handles)]
    hidings[1]["VisibilityTimeout"] = 43_201
    del hidings[2]["VisibilityTimeout"]
    result = client.change_message_visibility_batch(queue_url=queue.url, entries=hidings)
    assert [entry["Id"] for entry in result["Successful"]] == ["0"]
    assert [entry["Code"] for entry in result["Failed"]] == ["InvalidParameterValue", "MissingParameter"]
    assert queue.bodies(visibility_timeout=0) == ["a"]
    deletes = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate([*handles, "x"])]
    result = client.delete_message_batch(queue_url=queue.url, entries=deletes)
    assert result["Successful"] == [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]
    assert [entry["Code"] for entry in result["Failed"]] == ["ReceiptHandleIsInvalid"]
    assert queue.counts() == (0, 0, 0)


@pytest.mark.parametrize("operation", ["send_message_batch", "delete_message_batch", "change_message_visibility_batch"])
def test_what_makes_a_whole_batch_fail(client: Client, queue: OneQueue, operation: str) -> None:
    def run(*ids: str) -> None:
        batch = [{"Id": id, "MessageBody": "x", "ReceiptHandle": "x", "VisibilityTimeout": 0} for id in ids]
        getattr(client, operation)(queue_url=queue.url, entries=batch)

    with pytest.raises(EmptyBatchRequest):
        run()
    with pytest.raises(TooManyEntriesInBatchRequest, match="You have sent 11"):
        run(*map(str, range(11)))
    with pytest.raises(BatchEntryIdsNotDistinct, match="Id a repeated"):
        run("a", "b", "a")
    for wrong in ("", "a b", "a" * 81):
        with pytest.raises(InvalidBatchEntryId):
            run("a", wrong)
    assert queue.counts() == (0, 0, 0)


def test_a_batch_has_at_most_one_mebibyte(client: Client, queue: OneQueue) -> None:
    half = "x" * (MIB // 2)
    client.send_message_batch(queue_url=queue.url, entries=entries(half, half))
    with pytest.raises(BatchRequestTooLong, match=f"You have sent {MIB + 1} bytes"):
        client.send_message_batch(queue_url=queue.url, entries=entries(half, half, "x"))
    batch = entries("x", "x", MessageAttributes={"a": binary(half.encode())})
    with pytest.raises(BatchRequestTooLong):
        client.send_message_batch(queue_url=queue.url, entries=batch)
    assert queue.counts() == (2, 0, 0)


def test_what_is_sent_after_a_rolled_back_send_and_a_purge_outlives_a_crash(bench: Bench, queue: OneQueue) -> None:
    queue.send("first")
    with bench.batch(fails=True):
        queue.send("rolled back")
        queue.send("rolled back too")
    queue.client.purge_queue(queue_url=queue.url)
    bench.restart()
    queue.send("after the purge")
    bench.restart()
    assert queue.bodies() == ["after the purge"]


def test_ten_attributes_of_25_kilobytes_come_back_with_their_digest(queue: OneQueue) -> None:
    attributes = {f"a{n}": {"DataType": "Binary.blob", "BinaryValue": bytes([n]) * 25_000} for n in range(10)}
    sent = queue.send(message_attributes=attributes)
    (message,) = queue.receive(message_attribute_names=["All"], visibility_timeout=0)
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    (message,) = queue.receive(message_attribute_names=["a3"])
    assert message["MessageAttributes"] == {"a3": attributes["a3"]}
    assert message["MD5OfMessageAttributes"] != sent["MD5OfMessageAttributes"]
