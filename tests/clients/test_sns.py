"""Topics and subscriptions as boto3 and the AWS command line see them: lists, attributes, errors by their modelled classes."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


def test_a_topic_by_boto3(region: Any, name: str, tls: bool) -> None:
    sns = region.client("sns", tls=tls)
    topic = sns.create_topic(Name=name, Tags=[{"Key": "team", "Value": "a & b"}])["TopicArn"]
    assert topic == f"arn:aws:sns:us-east-1:000000000000:{name}"
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "team", "Value": "a & b"}]
    listed = [one["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for one in page["Topics"]]
    assert topic in listed
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="<News>")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "<News>"
    sns.delete_topic(TopicArn=topic)
    with pytest.raises(sns.exceptions.NotFoundException, match="Topic does not exist"):
        sns.publish(TopicArn=topic, Message="m")


def test_errors_have_the_classes_of_the_model(region: Any, name: str) -> None:
    sns = region.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    with pytest.raises(sns.exceptions.InvalidParameterException, match="Topic Name"):
        sns.create_topic(Name="a b")
    with pytest.raises(sns.exceptions.EmptyBatchRequestException):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[])
    with pytest.raises(sns.exceptions.ResourceNotFoundException):
        sns.list_tags_for_resource(ResourceArn=f"{topic}x")
    with pytest.raises(ClientError, match="ParameterValueInvalid"):
        sns.publish(TopicArn=topic, Message="m", MessageAttributes={"a": {"DataType": "Text", "StringValue": "x"}})
    with pytest.raises(ClientError, match="NotImplemented"):
        sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy="{}")
    stranger = region.client("sns", key="111122223333")
    with pytest.raises(stranger.exceptions.AuthorizationErrorException):
        stranger.publish(TopicArn=topic, Message="m")


def test_the_link_in_a_message_ends_the_subscription(region: Any, name: str) -> None:
    sns = region.client("sns", region_name="eu-west-1")
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = f"arn:aws:sqs:eu-west-1:000000000000:{name}"
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    link = f"{region.endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription}"
    with urllib.request.urlopen(link) as answer:
        assert b"UnsubscribeResponse" in answer.read()
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_a_topic_by_the_command_line(aws: Callable[..., Any], name: str) -> None:
    topic = aws("sns", "create-topic", "--name", name)["TopicArn"]
    assert aws("sns", "get-topic-attributes", "--topic-arn", topic)["Attributes"]["TopicArn"] == topic
    said = aws("sns", "publish", "--topic-arn", topic, "--message", "hello", "--subject", "Hi")
    assert len(said["MessageId"]) == 36
    assert aws("sns", "publish", "--phone-number", "+15555550100", "--message", "hello")["MessageId"]
    aws("sns", "publish", "--topic-arn", f"{topic}x", "--message", "hello", fails="Topic does not exist")


def test_an_attribute_without_a_type_breaks_the_model(region: Any, name: str) -> None:
    sns = region.client("sns", config=Config(parameter_validation=False))
    topic = sns.create_topic(Name=name)["TopicArn"]
    attributes = {"a": {"StringValue": "x"}}
    with pytest.raises(ClientError) as one:
        sns.publish(TopicArn=topic, Message="m", MessageAttributes=attributes)
    entry = {"Id": "1", "Message": "m", "MessageAttributes": attributes}
    with pytest.raises(ClientError) as batch:
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[entry])
    place = "messageAttributes.a.member.dataType"
    for caught, where in ((one, place), (batch, f"publishBatchRequestEntries.1.member.{place}")):
        assert caught.value.response["Error"]["Code"] == "ValidationError"
        assert caught.value.response["Error"]["Message"] == (
            f"1 validation error detected: Value null at '{where}' failed to satisfy constraint: Member must not be null"
        )
