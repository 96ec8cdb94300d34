"""Notifications of a live region, proved with the certificate that they name."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.sns import validator


def subscribed(region: Any, name: str, tls: bool = False, **attributes: str) -> tuple[Any, Any, str, str]:
    """A topic and a queue that is subscribed to it: clients of both, the topic's ARN, the queue's URL."""
    sns, sqs = region.client("sns", tls=tls), region.client("sqs", tls=tls)
    topic = sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return sns, sqs, topic, queue


def fetch(url: str, region: Any) -> bytes:
    context = ssl.create_default_context(cafile=str(region.ca))
    with urllib.request.urlopen(url, context=context if url.startswith("https") else None, timeout=20) as reply:
        return bytes(reply.read())


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_notification_is_proved_by_its_certificate(region: Any, name: str, tls: bool, version: str) -> None:
    sns, sqs, topic, queue = subscribed(region, name, tls, SignatureVersion=version)
    sns.publish(TopicArn=topic, Message="Grüße", Subject="Hello")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    document = json.loads(message["Body"])
    assert document["SignatureVersion"] == version
    assert document["SigningCertURL"].startswith("https://" if tls else "http://")
    certificate = fetch(document["SigningCertURL"], region)
    validator.check(document, certificate, region.ca.read_bytes())


def test_the_link_in_a_notification_ends_the_subscription(region: Any, name: str) -> None:
    sns, sqs, topic, queue = subscribed(region, name)
    sns.publish(TopicArn=topic, Message="x")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    fetch(json.loads(message["Body"])["UnsubscribeURL"], region)
    with pytest.raises(ClientError, match="NotFound"):
        sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])


@pytest.mark.parametrize("version", ["1", "2"])
def test_aws_s_own_validator_takes_a_notification(
    region: Any, name: str, version: str, tmp_path: Path, installed: Callable[[str], Path]
) -> None:
    package = installed("tests/clients/js/node_modules/sns-validator")
    sns, sqs, topic, queue = subscribed(region, name, True, SignatureVersion=version)
    sns.publish(TopicArn=topic, Message="Grüße", Subject="Hello")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    (tmp_path / "message.json").write_text(message["Body"])
    done = subprocess.run(
        ["node", "notification.mjs", str(tmp_path / "message.json")],
        cwd=package.parent.parent,
        capture_output=True,
        text=True,
        env=region.env(tls=True),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "all is well\n"
