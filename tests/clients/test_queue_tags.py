"""Permissions by tags: those that a queue has, and those that a request brings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion


def denied(call: Any, **params: Any) -> bool:
    try:
        call(**params)
    except ClientError as error:
        response: Any = error.response
        assert response["Error"]["Code"] == "AccessDenied"
        return True
    return False


@pytest.fixture
def user(region: LiveRegion, name: str) -> Callable[..., Any]:
    """Makes a user who may do all with queues but for one more statement; returns its client of SQS."""

    def make(effect: str, action: str | list[str], condition: dict[str, Any], allowed: str = "sqs:*") -> Any:
        iam = region.client("iam")
        iam.create_user(UserName=name)
        statements = [
            {"Effect": "Allow", "Action": allowed, "Resource": "*"},
            {"Effect": effect, "Action": action, "Resource": "*", "Condition": condition},
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return region.client("sqs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    return make


def test_a_deny_on_a_queues_tag(region: LiveRegion, name: str, user: Callable[..., Any]) -> None:
    owner = region.client("sqs")
    prod = owner.create_queue(QueueName=f"{name}-prod", tags={"Env": "prod"})["QueueUrl"]
    test = owner.create_queue(QueueName=f"{name}-test", tags={"env": "test"})["QueueUrl"]
    bare = owner.create_queue(QueueName=f"{name}-bare")["QueueUrl"]
    sqs = user("Deny", "sqs:*", {"StringEquals": {"aws:ResourceTag/env": "prod"}})
    for url, refused in ((prod, True), (test, False), (bare, False)):
        assert denied(sqs.send_message, QueueUrl=url, MessageBody="x") is refused
        assert denied(sqs.receive_message, QueueUrl=url) is refused
        assert denied(sqs.get_queue_attributes, QueueUrl=url) is refused
        assert denied(sqs.get_queue_url, QueueName=url.rsplit("/", 1)[1]) is refused
        assert denied(sqs.list_queue_tags, QueueUrl=url) is refused
        assert denied(sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "0"}) is refused
    owner.tag_queue(QueueUrl=bare, Tags={"env": "prod"})
    owner.untag_queue(QueueUrl=prod, TagKeys=["Env"])
    assert denied(sqs.delete_queue, QueueUrl=bare)
    assert not denied(sqs.delete_queue, QueueUrl=prod)


def test_only_queues_with_a_tag_may_be_created(name: str, user: Callable[..., Any]) -> None:
    condition = {
        "StringEquals": {"aws:RequestTag/team": "red"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "env"]},
    }
    sqs = user("Allow", ["sqs:CreateQueue", "sqs:TagQueue"], condition, allowed="sqs:ListQueues")
    create = sqs.create_queue
    assert denied(create, QueueName=f"{name}-1")
    assert denied(create, QueueName=f"{name}-1", tags={"team": "blue"})
    assert denied(create, QueueName=f"{name}-1", tags={"team": "red", "other": "x"})
    assert not denied(create, QueueName=f"{name}-1", tags={"team": "red", "env": "x"})


def test_a_queue_with_tags_needs_the_permission_to_tag(name: str, user: Callable[..., Any]) -> None:
    sqs = user("Deny", "sqs:TagQueue", {"Null": {"aws:TagKeys": "false"}})
    assert denied(sqs.create_queue, QueueName=f"{name}-1", tags={"a": "b"})
    assert not denied(sqs.create_queue, QueueName=f"{name}-1")


def test_tags_that_may_not_be_taken_away(region: LiveRegion, name: str, user: Callable[..., Any]) -> None:
    url = region.client("sqs").create_queue(QueueName=name, tags={"keep": "1", "a": "2"})["QueueUrl"]
    sqs = user("Deny", ["sqs:UntagQueue", "sqs:TagQueue"], {"ForAnyValue:StringEquals": {"aws:TagKeys": "keep"}})
    assert denied(sqs.untag_queue, QueueUrl=url, TagKeys=["a", "keep"])
    assert denied(sqs.tag_queue, QueueUrl=url, Tags={"keep": "2"})
    assert not denied(sqs.untag_queue, QueueUrl=url, TagKeys=["a"])
