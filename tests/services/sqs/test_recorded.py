"""What AWS was seen to do where its documentation is silent, or says otherwise: facts from recordings of the real service."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from awning.kit.errors import ServiceError
from awning.services.sqs.receiving import receive_message
from awning.services.sqs.sending import send_message, send_message_batch
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue
from tests.services.sqs.test_fifo import FifoQueue

TRACE = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"


def refused(function: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        function(**params)
    return raised.value.code, raised.value.message


def test_a_batch_for_a_fifo_queue_fails_as_a_whole_where_an_id_is_missing(client: Client) -> None:
    queue = OneQueue(client, "jobs.fifo", FifoQueue="true")
    whole = {"Id": "1", "MessageBody": "a", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    for missing, message in (
        ("MessageGroupId", "The request must contain the parameter MessageGroupId."),
        (
            "MessageDeduplicationId",
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ),
    ):
        entries = [whole, {**{name: value for name, value in whole.items() if name != missing}, "Id": "2"}]
        assert refused(client.send_message_batch, queue_url=queue.url, entries=entries) == (
            "InvalidParameterValue",
            message,
        )
    assert queue.counts() == (0, 0, 0)


def test_what_a_batch_says_of_a_message_that_is_too_long(client: Client) -> None:
    queue = OneQueue(client, MaximumMessageSize="1024")
    entries = [{"Id": str(size), "MessageBody": "x" * size} for size in (1024, 1025)]
    result = client.send_message_batch(queue_url=queue.url, entries=entries)
    assert [entry["Id"] for entry in result["Successful"]] == ["1024"]
    (failed,) = result["Failed"]
    assert (failed["Code"], failed["Message"]) == (
        "InvalidParameterValue",
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
    )


def test_the_trace_of_the_request_is_that_of_its_messages_unless_they_have_their_own(
    bench: Bench, queue: OneQueue
) -> None:
    def traced(function: Any, **params: Any) -> Any:
        call = bench.make_call()
        call.facts.headers[b"x-amzn-trace-id"] = TRACE.encode()
        return bench.run(call, function, queue_url=queue.url, **params)

    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-own"}}
    assert "MD5OfMessageSystemAttributes" not in traced(send_message, message_body="a")
    traced(send_message, message_body="b", message_system_attributes=own)
    entries = [{"Id": "c", "MessageBody": "c"}, {"Id": "d", "MessageBody": "d", "MessageSystemAttributes": own}]
    traced(send_message_batch, entries=entries)
    messages = queue.receive(10, attribute_names=["AWSTraceHeader"])
    traces = [message["Attributes"]["AWSTraceHeader"] for message in messages]
    assert traces == [TRACE, "Root=1-own", TRACE, "Root=1-own"]


@pytest.mark.parametrize(("protocol", "several"), [("json", True), ("query", False)])
def test_the_query_protocol_heeds_the_old_parameter_alone(
    bench: Bench, queue: OneQueue, protocol: str, several: bool
) -> None:
    queue.send()

    def names(**params: Any) -> set[str]:
        call = bench.make_call()
        call.facts.protocol = protocol
        result = bench.run(call, receive_message, queue_url=queue.url, visibility_timeout=0, **params)
        return set(result["Messages"][0]["Attributes"])

    assert (len(names(message_system_attribute_names=["All"], attribute_names=["SenderId"])) > 1) is several
    assert names(message_system_attribute_names=["SentTimestamp"]) == {"SentTimestamp"}


def test_the_names_of_message_attributes(queue: OneQueue) -> None:
    attribute = {"DataType": "String", "StringValue": "v"}
    queue.send(message_attributes={"attr.1øßä": attribute, "other": attribute})
    for everything in ("All", "*", ".*"):
        (message,) = queue.receive(message_attribute_names=[everything], visibility_timeout=0)
        assert set(message["MessageAttributes"]) == {"attr.1øßä", "other"}
    (message,) = queue.receive(message_attribute_names=["attr.*", "..foo", "AWS."], visibility_timeout=0)
    assert set(message["MessageAttributes"]) == {"attr.1øßä"}
    for wrong in ("a!b", 'a"b', "a§b", "a(b", "a?b", "aWs.x", "AMAZON.x", ".x", "x."):
        assert refused(queue.send, message_attributes={wrong: attribute})[0] == "InvalidParameterValue"
    empty = {"ErrorDetails": {"DataType": "String", "StringValue": ""}}
    assert refused(queue.send, message_attributes=empty) == (
        "InvalidParameterValue",
        "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
    )


def test_a_changed_scope_of_deduplication_counts_a_minute_later(bench: Bench, client: Client) -> None:
    fifo = FifoQueue(client)

    def new(group: str, id: str) -> bool:
        before = sum(fifo.counts())
        fifo.send(f"{group}-{id}", message_group_id=group, message_deduplication_id=id)
        return sum(fifo.counts()) > before

    assert new("a", "1")
    fifo.set(DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    assert fifo.attributes("DeduplicationScope") == {"DeduplicationScope": "messageGroup"}
    assert not new("b", "1")
    assert new("b", "2")
    assert not new("c", "2")
    bench.now += 59
    bench.restart()
    assert not new("d", "1")
    bench.now += 1
    assert new("d", "1")
    assert not new("d", "1")
    fifo.set(DeduplicationScope="queue", FifoThroughputLimit="perQueue")
    assert new("e", "1")
    bench.now += 30
    fifo.set(DeduplicationScope="messageGroup")
    bench.now += 31
    assert new("f", "1")
    with bench.batch(fails=True):
        fifo.set(DeduplicationScope="queue")
    bench.now += 60
    assert new("g", "1")


def test_a_move_task_of_a_queue_that_is_not_there_cannot_be_cancelled(client: Client) -> None:
    task = {"taskId": "10f57157-fc38-4da9-a113-4de7e12d05dd", "sourceArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:none"}
    handle = b64encode(json.dumps(task).encode()).decode()
    assert refused(client.cancel_message_move_task, task_handle=handle) == (
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    )
    OneQueue(client, "none")
    assert refused(client.cancel_message_move_task, task_handle=handle) == (
        "ResourceNotFoundException",
        "Task does not exist.",
    )


def test_what_is_said_of_a_label_that_is_not_there(client: Client, queue: OneQueue) -> None:
    def remove() -> str:
        return refused(client.remove_permission, queue_url=queue.url, label="none")[1]

    assert remove() == "Value none for parameter Label is invalid. Reason: can't find label."
    client.add_permission(queue_url=queue.url, label="in", aws_account_ids=[ACCOUNT], actions=["SendMessage"])
    assert remove() == "Value none for parameter Label is invalid. Reason: can't find label on existing policy."


def test_a_policy_may_name_what_is_no_resource_and_has_an_end(queue: OneQueue) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:SendMessage", "Resource": "'$queue_arn'"}
    condition = {"ArnEquals": {"aws:SourceArn": "'$topic_arn'"}}

    def policy(count: int, **further: Any) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **further}] * count})

    queue.set(Policy=policy(1, Condition=condition))
    queue.set(Policy=policy(20))
    for wrong in (policy(21), policy(5_000), policy(20, Sid="x" * 400)):
        assert refused(queue.set, Policy=wrong)[0] == "OverLimit"
    assert queue.attributes("Policy") == {"Policy": policy(20)}


def test_the_query_protocol_has_its_own_words_for_a_queue_that_is_not_there(bench: Bench) -> None:
    call = bench.make_call()
    call.facts.protocol = "query"
    url = f"http://localhost/{ACCOUNT}/none"
    with pytest.raises(ServiceError, match=r"^The specified queue does not exist for this wsdl version\.$"):
        bench.run(call, receive_message, queue_url=url)
    call.facts.protocol = "json"
    with pytest.raises(ServiceError, match=r"^The specified queue does not exist\.$"):
        bench.run(call, receive_message, queue_url=url)


def test_a_queue_may_be_its_own_dead_letter_queue(queue: OneQueue) -> None:
    arn = queue.attributes("QueueArn")["QueueArn"]
    queue.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"}))
    queue.send()
    assert len(queue.receive(visibility_timeout=0)) == 1
    (message,) = queue.receive(visibility_timeout=0, attribute_names=["All"])
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn
