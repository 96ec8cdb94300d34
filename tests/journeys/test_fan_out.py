"""From a topic to queues: across regions and accounts, where policies let it, and in order.

Each step is what a user does, by the client that users have.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

THEIRS = "111122223333"


def receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Receive up to ten messages, and delete them."""
    messages = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )
    for message in messages.get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return list(messages.get("Messages", []))


def open_queue(sqs: Any, topic: str | None, name: str, **attributes: str) -> tuple[str, str]:
    """Create a queue that a topic may write to; return its URL and ARN."""
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if topic is not None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


@pytest.fixture
def name() -> str:
    return f"fan-{uuid.uuid4().hex[:10]}"


def test_only_queues_whose_policies_allow_it_get_the_message(region: Any, name: str) -> None:
    sns, sqs = region.client("sns"), region.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    dead_url, dead = open_queue(sqs, topic, f"{name}-dead")
    queues = [open_queue(sqs, topic, f"{name}-{number}") for number in range(3)]
    shut_url, shut = open_queue(sqs, None, f"{name}-shut")
    for _, arn in queues:
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    redrive = json.dumps({"deadLetterTargetArn": dead})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=shut, Attributes={"RedrivePolicy": redrive})
    said = sns.publish(TopicArn=topic, Message="hello", Subject="Hi")
    for url, _ in queues:
        (message,) = receive(sqs, url)
        told = json.loads(message["Body"])
        assert (told["MessageId"], told["Message"], told["Subject"]) == (said["MessageId"], "hello", "Hi")
    (message,) = receive(sqs, dead_url)
    assert json.loads(message["Body"])["Message"] == "hello"
    assert "MessageAttributes" not in message
    assert sqs.receive_message(QueueUrl=shut_url).get("Messages", []) == []


def test_raw_messages_keep_their_attributes(region: Any, name: str) -> None:
    sns, sqs = region.client("sns"), region.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url, arn = open_queue(sqs, topic, name)
    policy = {"RawMessageDelivery": "true", "FilterPolicy": '{"kind": [{"prefix": "a"}]}'}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=policy)
    for kind in ("b", "apple"):
        attributes = {
            "kind": {"DataType": "String", "StringValue": kind},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        }
        sns.publish(TopicArn=topic, Message=f"a {kind}", MessageAttributes=attributes)
    (message,) = receive(sqs, url)
    assert message["Body"] == "a apple"
    assert message["MessageAttributes"]["bytes"]["BinaryValue"] == b"\x00\xff"


def test_a_topic_reaches_a_queue_in_another_region(region: Any, name: str) -> None:
    sns, sqs = region.client("sns"), region.client("sqs", region_name="eu-west-1")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url, arn = open_queue(sqs, topic, name)
    assert ":eu-west-1:" in arn
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="across the sea")
    assert [message["Body"] for message in receive(sqs, url)] == ["across the sea"]


def test_an_account_subscribes_its_queue_to_the_topic_of_another(region: Any, name: str) -> None:
    sns, theirs = region.client("sns"), region.client("sns", key=THEIRS)
    sqs = region.client("sqs", key=THEIRS)
    topic = sns.create_topic(Name=name)["TopicArn"]
    url, arn = open_queue(sqs, topic, name)
    with pytest.raises(theirs.exceptions.AuthorizationErrorException):
        theirs.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.add_permission(TopicArn=topic, Label="them", AWSAccountId=[THEIRS], ActionName=["Subscribe"])
    subscription = theirs.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    assert theirs.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["Owner"] == THEIRS
    sns.publish(TopicArn=topic, Message="over the fence")
    assert [json.loads(message["Body"])["Message"] for message in receive(sqs, url)] == ["over the fence"]
    with pytest.raises(theirs.exceptions.AuthorizationErrorException):
        theirs.publish(TopicArn=topic, Message="no")


def test_a_queue_of_another_account_is_asked_by_message(region: Any, name: str) -> None:
    sns, sqs = region.client("sns"), region.client("sqs", key=THEIRS)
    topic = sns.create_topic(Name=name)["TopicArn"]
    url, arn = open_queue(sqs, topic, name)
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"] == "pending confirmation"
    (message,) = receive(sqs, url)
    told = json.loads(message["Body"])
    assert told["Type"] == "SubscriptionConfirmation"
    region.client("sns", key=THEIRS).confirm_subscription(TopicArn=topic, Token=told["Token"])
    sns.publish(TopicArn=topic, Message="welcome")
    assert [json.loads(message["Body"])["Message"] for message in receive(sqs, url)] == ["welcome"]


def test_a_fifo_topic_keeps_the_order_of_each_group(region: Any, name: str) -> None:
    sns, sqs = region.client("sns"), region.client("sqs")
    topic = sns.create_topic(
        Name=f"{name}.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    )["TopicArn"]
    url, arn = open_queue(sqs, topic, f"{name}.fifo", FifoQueue="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    for number in range(30):
        for _ in range(2):
            sns.publish(TopicArn=topic, Message=f"{number % 3} {number}", MessageGroupId=f"g{number % 3}")
    found: list[str] = []
    while len(found) < 30:
        messages = receive(sqs, url)
        assert messages
        found += [message["Body"] for message in messages]
    for group in "012":
        numbers = [int(body[2:]) for body in found if body[0] == group]
        assert numbers == sorted(numbers)
        assert len(numbers) == 10
