"""The attributes of FIFO queues: names, values, and what standard queues say to them."""

from __future__ import annotations

import pytest

from awning.services.sqs.errors import (
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValue,
    QueueNameExists,
)
from tests.services.sqs.support import Client, OneQueue

FIFO = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")


def test_what_a_fifo_queue_says_of_itself(client: Client) -> None:
    queue = OneQueue(client, "jobs.fifo", FifoQueue="true")
    assert queue.attributes(*FIFO) == dict(zip(FIFO, ("true", "false", "queue", "perQueue"), strict=True))
    assert queue.attributes().items() >= queue.attributes(*FIFO).items()
    queue.set(
        DeduplicationScope="messageGroup",
        FifoThroughputLimit="perMessageGroupId",
        ContentBasedDeduplication="true",
        FifoQueue="true",
    )
    assert queue.attributes(*FIFO) == dict(
        zip(FIFO, ("true", "true", "messageGroup", "perMessageGroupId"), strict=True)
    )
    with pytest.raises(InvalidAttributeValue, match="Modifying queue type is not supported"):
        queue.set(FifoQueue="false")


def test_the_name_and_the_attribute_go_together(client: Client) -> None:
    with pytest.raises(InvalidParameterValue, match=r"must end with \.fifo suffix"):
        OneQueue(client, "jobs", FifoQueue="true")
    with pytest.raises(InvalidParameterValue, match="Can only include alphanumeric"):
        OneQueue(client, "jobs.fifo")
    for wrong in (".fifo", "a.b.fifo", "x" * 76 + ".fifo"):
        with pytest.raises(InvalidParameterValue, match=r"must end with \.fifo suffix"):
            OneQueue(client, wrong, FifoQueue="true")
    OneQueue(client, "x" * 75 + ".fifo", FifoQueue="true")
    with pytest.raises(InvalidAttributeName, match=r"Unknown Attribute FifoQueue\."):
        OneQueue(client, "jobs", FifoQueue="false")


@pytest.mark.parametrize("name", FIFO)
def test_a_standard_queue_does_not_know_them(client: Client, queue: OneQueue, name: str) -> None:
    high_throughput = name in ("DeduplicationScope", "FifoThroughputLimit")
    only_fifo = rf"You can specify the {name} only when FifoQueue is set to true\."
    unknown = only_fifo if high_throughput else rf"Unknown Attribute {name}\."
    with pytest.raises(InvalidAttributeName, match=unknown):
        queue.set(**{name: "true"})
    with pytest.raises(InvalidAttributeName, match=rf"Unknown Attribute {name}\."):
        queue.attributes(name)
    if name != "FifoQueue":
        with pytest.raises(InvalidAttributeName, match=unknown):
            OneQueue(client, "other", **{name: "true"})


def test_a_boolean_may_be_said_in_any_case(client: Client) -> None:
    queue = OneQueue(client, "jobs.fifo", FifoQueue="True", ContentBasedDeduplication="TRUE")
    assert queue.attributes("FifoQueue", "ContentBasedDeduplication") == {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "true",
    }
    queue.set(ContentBasedDeduplication="False", FifoQueue="True")
    assert queue.attributes("ContentBasedDeduplication") == {"ContentBasedDeduplication": "false"}


def test_values_and_which_go_together(client: Client) -> None:
    queue = OneQueue(client, "jobs.fifo", FifoQueue="true")
    for name in FIFO:
        with pytest.raises(InvalidAttributeValue, match=f"Invalid value for the parameter {name}"):
            queue.set(**{name: "maybe"})
    with pytest.raises(InvalidAttributeValue, match="The perMessageGroupId value is allowed only when"):
        queue.set(FifoThroughputLimit="perMessageGroupId")
    with pytest.raises(InvalidAttributeValue, match="The perMessageGroupId value is allowed only when"):
        OneQueue(client, "other.fifo", FifoQueue="true", FifoThroughputLimit="perMessageGroupId")
    queue.set(DeduplicationScope="messageGroup")
    queue.set(FifoThroughputLimit="perMessageGroupId")
    with pytest.raises(InvalidAttributeValue, match="The perMessageGroupId value is allowed only when"):
        queue.set(DeduplicationScope="queue")


def test_a_queue_is_created_again_only_with_the_same_values(client: Client) -> None:
    queue = OneQueue(client, "jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    assert OneQueue(client, "jobs.fifo", FifoQueue="true").url == queue.url
    with pytest.raises(QueueNameExists, match="ContentBasedDeduplication"):
        OneQueue(client, "jobs.fifo", FifoQueue="true", ContentBasedDeduplication="false")
