"""`kill -9` between a publish and its deliveries: what a publisher was told is delivered holds after the next start."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests.faults.conftest import MakeRegion

pytestmark = pytest.mark.slow

ROUNDS = 3


def test_no_acknowledged_message_is_lost(make_region: MakeRegion) -> None:
    live = make_region("--log-level", "error").start()
    sns, sqs = live.client("sns"), live.client("sqs")
    topic = sns.create_topic(Name="news")["TopicArn"]
    names = ("a", "b", "c")
    for name in names:
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.create_queue(QueueName=name, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    told: list[str] = []
    for number in range(ROUNDS):
        publishing = live.client("sns", config=quick())

        def publish(number: int = number, client: object = publishing) -> None:
            for count in range(100_000):
                try:
                    client.publish(TopicArn=topic, Message=f"{number} {count}")  # type: ignore[attr-defined]
                except Exception:
                    return  # the region is gone, as it is meant to be
                told.append(f"{number} {count}")

        thread = threading.Thread(target=publish)
        thread.start()
        time.sleep(0.5)
        live.kill()
        thread.join(30)
        live.start(live.port)
    assert len(told) > ROUNDS
    sqs = live.client("sqs")
    for name in names:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        missing, idle = set(told), 0
        while missing and idle < 5:
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
            idle = 0 if found else idle + 1
            missing -= {message["Body"] for message in found}
        assert not missing


def quick() -> object:
    """A client's configuration that does not try again."""
    from botocore.config import Config

    return Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=5)
