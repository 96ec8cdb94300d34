"""Queues whose policy serves everybody: requests that nobody signed, in both protocols, and what stays closed to them."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from awning.services.sqs import SERVICE
from tests.conftest import LiveRegion

OWNER = "000000000000"
OPEN = {
    "send_message",
    "send_message_batch",
    "receive_message",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
    "get_queue_attributes",
    "get_queue_url",
}


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def unsigned(region: LiveRegion) -> Any:
    return boto3.client(
        "sqs", endpoint_url=region.endpoint, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )


def make_public(client: Any, url: str, action: str = "sqs:*") -> None:
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def query(url: str, host: str | None = None, **params: str) -> tuple[int, str]:
    """Send a form that nobody signed."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({"Host": host} if host else {})
    request = urllib.request.Request(url, urlencode({"Version": "2012-11-05", **params}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_only_what_a_public_queue_shares_may_go_unsigned() -> None:
    assert {name for name, operation in SERVICE.operations().items() if operation.anonymous} == OPEN


def test_everybody_may_use_a_public_queue_by_json(region: LiveRegion, name: str) -> None:
    owner, anybody = region.client("sqs"), unsigned(region)
    url = owner.create_queue(QueueName=name)["QueueUrl"]
    assert refused(anybody.send_message, QueueUrl=url, MessageBody="hi") == ("AccessDenied", 403)
    assert refused(anybody.get_queue_url, QueueName=name) == ("AccessDenied", 403)
    assert refused(anybody.send_message, QueueUrl=url + "-absent", MessageBody="hi") == ("AccessDenied", 403)
    make_public(owner, url)
    assert anybody.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=OWNER)["QueueUrl"] == url
    anybody.send_message(QueueUrl=url, MessageBody="hi")
    anybody.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "ho"}])
    messages = anybody.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == ["hi", "ho"]
    first, second = (message["ReceiptHandle"] for message in messages)
    anybody.change_message_visibility(QueueUrl=url, ReceiptHandle=first, VisibilityTimeout=60)
    entries = [{"Id": "a", "ReceiptHandle": second, "VisibilityTimeout": 60}]
    assert anybody.change_message_visibility_batch(QueueUrl=url, Entries=entries)["Successful"] == [{"Id": "a"}]
    anybody.delete_message(QueueUrl=url, ReceiptHandle=first)
    anybody.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": second}])
    counts = anybody.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_a_policy_for_sending_opens_nothing_else(region: LiveRegion, name: str) -> None:
    owner, anybody = region.client("sqs"), unsigned(region)
    url = owner.create_queue(QueueName=name)["QueueUrl"]
    make_public(owner, url, "sqs:SendMessage")
    anybody.send_message(QueueUrl=url, MessageBody="hi")
    assert refused(anybody.receive_message, QueueUrl=url) == ("AccessDenied", 403)
    assert refused(anybody.get_queue_attributes, QueueUrl=url, AttributeNames=["All"]) == ("AccessDenied", 403)


def test_what_is_the_owners_stays_closed_whatever_the_policy_says(region: LiveRegion, name: str) -> None:
    owner, anybody = region.client("sqs"), unsigned(region)
    url = owner.create_queue(QueueName=name)["QueueUrl"]
    make_public(owner, url)
    closed = ("MissingAuthenticationTokenException", 400)
    for call, params in {
        anybody.create_queue: {"QueueName": f"{name}-2"},
        anybody.list_queues: {},
        anybody.delete_queue: {"QueueUrl": url},
        anybody.purge_queue: {"QueueUrl": url},
        anybody.set_queue_attributes: {"QueueUrl": url, "Attributes": {"Policy": ""}},
        anybody.tag_queue: {"QueueUrl": url, "Tags": {"a": "b"}},
        anybody.add_permission: {
            "QueueUrl": url, "Label": "x", "AWSAccountIds": [OWNER], "Actions": ["SendMessage"],
        },
    }.items():  # fmt: skip
        assert refused(call, **params) == closed
    status, reply = query(f"{region.endpoint}/", Action="CreateQueue", QueueName=f"{name}-2")
    assert (status, "<Code>MissingAuthenticationToken</Code>" in reply) == (403, True)


def test_everybody_may_use_a_public_queue_by_the_query_protocol(region: LiveRegion, name: str) -> None:
    owner = region.client("sqs")
    url = owner.create_queue(QueueName=name)["QueueUrl"]
    status, reply = query(url, Action="SendMessage", MessageBody="hi")
    assert (status, "<Code>AccessDenied</Code>" in reply) == (403, True)
    make_public(owner, url)
    assert query(url, Action="SendMessage", MessageBody="hi")[0] == 200
    with urllib.request.urlopen(f"{url}?Action=ReceiveMessage&Version=2012-11-05", timeout=20) as answer:
        reply = answer.read().decode()
    assert "<Body>hi</Body>" in reply
    (handle,) = re.findall("<ReceiptHandle>(.*)</ReceiptHandle>", reply)
    assert query(f"{region.endpoint}/", QueueUrl=url, Action="DeleteMessage", ReceiptHandle=handle)[0] == 200


def test_an_unsigned_request_acts_in_the_account_and_region_of_its_url(region: LiveRegion, name: str) -> None:
    """Three queues of one name; the URL says which is meant, and its path or else its host says the region."""
    account = "111122223333"
    for key, place in (("test", "us-east-1"), (account, "us-east-1"), (account, "eu-west-1")):
        owner = boto3.client(
            "sqs", endpoint_url=region.endpoint, region_name=place, aws_access_key_id=key, aws_secret_access_key="test"
        )
        url = owner.create_queue(QueueName=name)["QueueUrl"]
        make_public(owner, url)
        owner.send_message(QueueUrl=url, MessageBody=f"{key} {place}")
    send = {"Action": "ReceiveMessage"}
    assert f"<Body>{account} us-east-1</Body>" in query(f"{region.endpoint}/{account}/{name}", **send)[1]
    assert "<Body>test us-east-1</Body>" in query(f"{region.endpoint}/{OWNER}/{name}", **send)[1]
    url = f"{region.endpoint}/queue/eu-west-1/{account}/{name}"
    assert (
        f"<Body>{account} eu-west-1</Body>"
        in query(f"{region.endpoint}/", QueueUrl=url, VisibilityTimeout="0", **send)[1]
    )
    url = f"http://sqs.eu-west-1.localhost/{account}/{name}"
    assert (
        f"<Body>{account} eu-west-1</Body>"
        in query(f"{region.endpoint}/", QueueUrl=url, VisibilityTimeout="0", **send)[1]
    )
    host = "sqs.eu-west-1.localhost"
    reply = query(f"{region.endpoint}/{account}/{name}", host, **send)[1]
    assert f"<Body>{account} eu-west-1</Body>" in reply
