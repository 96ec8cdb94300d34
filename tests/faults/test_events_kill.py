"""`kill -9` between an upload and the delivery of its event: each object that is there was told exactly once, to a queue
directly or by a topic."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.conftest import LiveRegion
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.writers import OPTIONS

pytestmark = pytest.mark.slow

ROUNDS = 4
WRITERS = 4
QUEUES = ("direct", "by-topic")


def allow(action: str, arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]}}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Action": action, "Resource": arn}]})


def listen(live: LiveRegion) -> None:
    """A bucket; a queue that hears of its objects under direct/, and one that hears by a topic of those under by-topic/."""
    s3, sqs, sns = (live.client(service) for service in ("s3", "sqs", "sns"))
    queues = {name: f"arn:aws:sqs:us-east-1:000000000000:{name}" for name in QUEUES}
    for name, arn in queues.items():
        attributes = {"Policy": allow("sqs:SendMessage", arn), "VisibilityTimeout": "600"}
        sqs.create_queue(QueueName=name, Attributes=attributes)
    topic = sns.create_topic(Name="events")["TopicArn"]
    policy = allow("sns:Publish", topic)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queues["by-topic"], Attributes=raw)
    s3.create_bucket(Bucket="told")
    direct, by_topic = (
        {"Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": name}]}}}
        for name in QUEUES
    )
    configuration = {
        "QueueConfigurations": [{"QueueArn": queues["direct"], **direct}],
        "TopicConfigurations": [{"TopicArn": topic, **by_topic}],
    }
    s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration=configuration)


def write(s3: Any, prefix: str, acknowledged: list[str], ended: list[Exception]) -> None:
    """Put objects until the region goes away."""
    for number in range(100_000):
        key = f"{prefix}-{number}"
        try:
            s3.put_object(Bucket="told", Key=key, Body=b"x" * (70_000 if number % 10 == 0 else 10))
        except (BotoCoreError, ClientError) as error:
            ended.append(error)
            return
        acknowledged.append(key)


def keys_there(live: LiveRegion) -> set[str]:
    pages = live.client("s3").get_paginator("list_objects_v2").paginate(Bucket="told")
    return {item["Key"] for page in pages for item in page.get("Contents", [])}


def drain(live: LiveRegion, queue: str, expected: int) -> Counter[str]:
    """Receive and delete all messages of a queue: how often each key was told. Ends once nothing more comes for a while."""
    sqs = live.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found: Counter[str] = Counter()
    idle = 0
    while idle < (2 if sum(found.values()) >= expected else 15):
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        idle = 0 if got else idle + 1
        for message in got:
            body = json.loads(message["Body"])
            if "Records" in body:
                found[body["Records"][0]["s3"]["object"]["key"]] += 1
        if got:
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(got)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return found


def test_every_object_that_is_there_was_told_once(make_region: MakeRegion) -> None:
    live = make_region("--log-level", "error").start()
    listen(live)
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        ended: list[Exception] = []
        threads = [
            threading.Thread(
                target=write,
                args=(live.client("s3", **OPTIONS), f"{QUEUES[each % 2]}/{number}-{each}", acknowledged, ended),
                daemon=True,
            )
            for each in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.4 + 0.2 * number)
        assert ended == []
        live.kill()
        for thread in threads:
            thread.join(30)
        live.start(live.port)
    there = keys_there(live)
    assert len(acknowledged) > ROUNDS * WRITERS
    assert set(acknowledged) <= there
    for name in QUEUES:
        expected = Counter(key for key in there if key.startswith(name))
        assert drain(live, name, len(expected)) == expected
    assert_clean(live.data)
