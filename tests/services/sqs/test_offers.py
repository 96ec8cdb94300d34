"""What other services may put on a queue: the queue's policy decides, and the message's own rules."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from awning.contracts import MaySend, Sender, SendToQueue
from awning.kit.deliveries import Undeliverable, decode, encode
from awning.services.sqs import SERVICE
from tests.services.sqs.support import ACCOUNT, Bench, Client, OneQueue

TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:news"
ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
DELIVERY = SendToQueue(ARN, "", "sns.amazonaws.com", TOPIC, ACCOUNT, body="hello")


def allow(queue: OneQueue, topic: str = TOPIC) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    queue.set(Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))


def send(bench: Bench, delivery: SendToQueue) -> None:
    """Deliver as the courier does: through the outbox's own form."""
    kind, _, _, payload = encode(delivery)
    bench.run(bench.make_call(), SERVICE.accepts[SendToQueue], delivery=decode(kind, payload))


def may_send(bench: Bench, arn: str, source: str) -> Any:
    return SERVICE.answers[MaySend](bench.make_call(), MaySend(arn, Sender("sns.amazonaws.com", source, ACCOUNT)))


def test_the_queues_policy_decides_who_may_send(bench: Bench, queue: OneQueue) -> None:
    assert may_send(bench, ARN, TOPIC) is False
    assert may_send(bench, ARN + "2", TOPIC) is None
    with pytest.raises(Undeliverable, match="not authorized to perform: sqs:SendMessage"):
        send(bench, DELIVERY)
    allow(queue)
    assert may_send(bench, ARN, TOPIC) is True
    assert may_send(bench, ARN, TOPIC + "2") is False
    with pytest.raises(Undeliverable, match="not authorized"):
        send(bench, replace(DELIVERY, source_arn=TOPIC + "2"))
    with pytest.raises(Undeliverable, match="There is no queue"):
        send(bench, replace(DELIVERY, arn=ARN + "2"))
    assert queue.bodies() == []
    send(bench, DELIVERY)
    assert queue.bodies() == ["hello"]


def test_a_message_of_a_topic_carries_its_attributes_trace_and_sender(bench: Bench, queue: OneQueue) -> None:
    allow(queue)
    attributes = {
        "kind": {"DataType": "String", "StringValue": "x"},
        "raw": {"DataType": "Binary", "BinaryValue": b64encode(b"\x00\xff").decode()},
    }
    send(bench, replace(DELIVERY, attributes=attributes, message_group="tenant", trace="Root=1-2"))
    (message,) = queue.receive(attribute_names=["All"], message_attribute_names=["All"])
    assert message["MessageAttributes"]["raw"] == {"DataType": "Binary", "BinaryValue": b"\x00\xff"}
    assert message["MessageAttributes"]["kind"] == attributes["kind"]
    found = message["Attributes"]
    assert (found["SenderId"], found["AWSTraceHeader"]) == ("AIDAISMY7JYY5F7RTT6AO", "Root=1-2")
    assert found["MessageGroupId"] == "tenant"


def test_what_the_queue_cannot_take_is_undeliverable(bench: Bench, client: Client, queue: OneQueue) -> None:
    allow(queue)
    queue.set(MaximumMessageSize="1024")
    with pytest.raises(Undeliverable, match=r"InvalidParameterValue: .* shorter than 1024"):
        send(bench, replace(DELIVERY, body="x" * 1025))
    with pytest.raises(Undeliverable, match="InvalidMessageContents"):
        send(bench, replace(DELIVERY, body="\x00"))
    with pytest.raises(Undeliverable, match="MessageDeduplicationId is invalid"):
        send(bench, replace(DELIVERY, deduplication="d"))
    assert queue.bodies() == []
    assert bench.memory.last_number == 0
