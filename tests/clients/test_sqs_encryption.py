"""Encryption at rest as a copied disk sees it: all files of a live region, its write-ahead logs too, hold no planted body."""

from __future__ import annotations

import pytest

from tests.conftest import LiveRegion

PLANTED = "planted-8b1f4c"


def files_with(region: LiveRegion, needle: str) -> list[str]:
    return [
        path.name for path in sorted(region.data.rglob("*")) if path.is_file() and needle.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize(("sealed", "found"), [("true", False), ("false", True)])
def test_a_body_is_on_disk_only_where_its_queue_is_not_encrypted(
    own_region: LiveRegion, sealed: str, found: bool
) -> None:
    sqs = own_region.start().client("sqs")
    dead = sqs.create_queue(QueueName="dead", Attributes={"SqsManagedSseEnabled": sealed})["QueueUrl"]
    policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1}'
    attributes = {"SqsManagedSseEnabled": sealed, "RedrivePolicy": policy}
    url = sqs.create_queue(QueueName="jobs", Attributes=attributes)["QueueUrl"]
    marked = {"mark": {"DataType": "Binary", "BinaryValue": PLANTED.encode()}}
    sqs.send_message(QueueUrl=url, MessageBody=PLANTED, MessageAttributes=marked)
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "x", "MessageBody": PLANTED * 1_000}])
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10)
    assert bool(files_with(own_region, PLANTED)) is found
    own_region.kill()
    assert bool(files_with(own_region, PLANTED)) is found
    sqs = own_region.start().client("sqs")
    dead = f"{own_region.endpoint}/000000000000/dead"
    (message,) = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageAttributes"]) == (PLANTED, marked)
    assert own_region.stop() == 0
    assert bool(files_with(own_region, PLANTED)) is found
