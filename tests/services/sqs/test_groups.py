"""Message groups and de-duplication ids: what is allowed on which kind of queue."""

from __future__ import annotations

import pytest

from awning.services.sqs.errors import InvalidParameterValue
from tests.services.sqs.support import OneQueue

PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def test_a_standard_queue_takes_a_group_and_gives_it_back(queue: OneQueue) -> None:
    sent = queue.send("a", message_group_id="tenant" + PUNCTUATION)
    assert "SequenceNumber" not in sent
    (message,) = queue.receive(attribute_names=["All"])
    assert message["Attributes"]["MessageGroupId"] == "tenant" + PUNCTUATION
    assert message["Attributes"].keys().isdisjoint({"SequenceNumber", "MessageDeduplicationId"})


@pytest.mark.parametrize("wrong", ["", "a b", "x" * 129, "ä", "a\n"])
def test_a_group_has_128_letters_digits_and_punctuation(queue: OneQueue, wrong: str) -> None:
    with pytest.raises(InvalidParameterValue, match="MessageGroupId can only include alphanumeric and punctuation"):
        queue.send("a", message_group_id=wrong)


def test_a_standard_queue_refuses_a_deduplication_id(queue: OneQueue) -> None:
    message = (
        "Value d for parameter MessageDeduplicationId is invalid. "
        "Reason: The request include parameter that is not valid for this queue type."
    )
    with pytest.raises(InvalidParameterValue) as error:
        queue.send("a", message_deduplication_id="d")
    assert error.value.message == message
    entries = [
        {"Id": "1", "MessageBody": "a", "MessageDeduplicationId": "d"},
        {"Id": "2", "MessageBody": "b", "MessageGroupId": "g"},
    ]
    result = queue.client.send_message_batch(queue_url=queue.url, entries=entries)
    assert [entry["Id"] for entry in result["Successful"]] == ["2"]
    assert [entry["Code"] for entry in result["Failed"]] == ["InvalidParameterValue"]
