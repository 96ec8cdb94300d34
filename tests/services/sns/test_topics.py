"""Topics: names, attributes, tags, permissions, lists."""

from __future__ import annotations

import json

import pytest

from awning.kit.errors import NotImplementedHere
from awning.services.sns.errors import (
    InvalidParameterException,
    NotFoundException,
    ResourceNotFoundException,
    TagLimitExceededException,
)
from tests.services.sns.support import ACCOUNT, Bench, Client

ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:news"


def tags(**given: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in given.items()]


def test_a_new_topic_has_the_attributes_that_aws_gives_it(client: Client) -> None:
    assert client.topic() == ARN
    found = client.attributes(ARN)
    assert found["Owner"] == ACCOUNT
    assert found["TopicArn"] == ARN
    assert found["DisplayName"] == ""
    assert [found[f"Subscriptions{state}"] for state in ("Confirmed", "Pending", "Deleted")] == ["0", "0", "0"]
    policy = json.loads(found["Policy"])
    assert policy["Id"] == "__default_policy_ID"
    assert policy["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}
    assert "FifoTopic" not in found


def test_creating_a_topic_again_returns_it(client: Client) -> None:
    client.topic(DisplayName="News")
    assert client.topic() == ARN
    assert client.topic(DisplayName="News") == ARN
    with pytest.raises(InvalidParameterException, match="Topic already exists with different attributes"):
        client.topic(DisplayName="Olds")


def test_creating_a_topic_again_with_other_tags_is_refused(client: Client) -> None:
    client.create_topic(name="news", tags=tags(a="1"))
    client.create_topic(name="news", tags=tags(a="1"))
    client.create_topic(name="news")
    with pytest.raises(InvalidParameterException, match="Topic already exists with different tags"):
        client.create_topic(name="news", tags=tags(a="2"))


@pytest.mark.parametrize("name", ["", "a b", "a.b", "n" * 257, "news.fifo", "ä"])
def test_a_name_that_no_standard_topic_can_have(client: Client, name: str) -> None:
    with pytest.raises(InvalidParameterException, match="Topic Name"):
        client.topic(name)


@pytest.mark.parametrize("name", ["news", ".fifo", "n" * 252 + ".fifo"])
def test_a_name_that_no_fifo_topic_can_have(client: Client, name: str) -> None:
    with pytest.raises(InvalidParameterException, match="Topic Name"):
        client.fifo(name)


def test_a_fifo_topic_says_that_it_is_one(client: Client) -> None:
    found = client.attributes(client.fifo())
    assert (found["FifoTopic"], found["ContentBasedDeduplication"]) == ("true", "false")
    assert "FifoThroughputScope" not in found


def test_attributes_of_fifo_topics_are_refused_for_others(client: Client) -> None:
    with pytest.raises(InvalidParameterException):
        client.topic(ContentBasedDeduplication="true")
    arn = client.topic()
    with pytest.raises(InvalidParameterException):
        client.set_topic_attributes(topic_arn=arn, attribute_name="ContentBasedDeduplication", attribute_value="true")
    with pytest.raises(InvalidParameterException, match="AttributeName"):
        client.set_topic_attributes(topic_arn=arn, attribute_name="FifoTopic", attribute_value="true")


def test_what_awaits_other_services_is_refused_by_name(client: Client) -> None:
    for name in (
        "KmsMasterKeyId",
        "DataProtectionPolicy",
        "SQSFailureFeedbackRoleArn",
        "HTTPSuccessFeedbackSampleRate",
    ):
        with pytest.raises(NotImplementedHere, match=name):
            client.topic(**{name: "x"})
    with pytest.raises(InvalidParameterException, match="Unknown attribute"):
        client.topic(Nonsense="x")


def test_attributes_are_set_one_by_one(bench: Bench, client: Client) -> None:
    arn = client.topic()
    client.set_topic_attributes(topic_arn=arn, attribute_name="DisplayName", attribute_value="News")
    client.set_topic_attributes(topic_arn=arn, attribute_name="SignatureVersion", attribute_value="2")
    bench.restart()
    assert client.attributes(arn)["DisplayName"] == "News"
    assert bench.memory.topics[arn].settings.signature == "2"
    for name, value in (
        ("SignatureVersion", "3"),
        ("TracingConfig", "x"),
        ("MaximumMessageSize", "1023"),
        ("Policy", "{"),
    ):
        with pytest.raises(InvalidParameterException):
            client.set_topic_attributes(topic_arn=arn, attribute_name=name, attribute_value=value)


def test_a_policy_about_other_services_is_refused(client: Client) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": ARN}
    with pytest.raises(InvalidParameterException, match="out of service scope"):
        client.topic(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_permissions_are_statements_of_the_policy(client: Client) -> None:
    arn = client.topic()
    give = {"topic_arn": arn, "label": "them", "aws_account_id": ["444455556666"], "action_name": ["Publish"]}
    client.add_permission(**give)
    statement = json.loads(client.attributes(arn)["Policy"])["Statement"][-1]
    assert statement == {
        "Sid": "them",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
        "Action": "SNS:Publish",
        "Resource": arn,
    }
    with pytest.raises(InvalidParameterException, match="Statement already exists"):
        client.add_permission(**give)
    with pytest.raises(InvalidParameterException, match="out of service scope"):
        client.add_permission(**{**give, "label": "x", "action_name": ["Fly"]})
    client.remove_permission(topic_arn=arn, label="them")
    assert len(json.loads(client.attributes(arn)["Policy"])["Statement"]) == 1


def test_a_topic_may_be_left_without_any_statement(bench: Bench, client: Client) -> None:
    arn = client.topic()
    client.remove_permission(topic_arn=arn, label="__default_statement_ID")
    assert bench.memory.topics[arn].guard.policy is None


def test_a_deleted_topic_is_gone_with_its_subscriptions(bench: Bench, client: Client) -> None:
    arn = client.topic()
    client.queue(arn)
    client.delete_topic(topic_arn=arn)
    client.delete_topic(topic_arn=arn)
    assert client.list_topics() == {"Topics": []}
    assert client.list_subscriptions() == {"Subscriptions": []}
    with pytest.raises(NotFoundException, match="Topic does not exist"):
        client.attributes(arn)
    client.topic()
    assert client.list_subscriptions_by_topic(topic_arn=arn) == {"Subscriptions": []}


def test_topics_are_listed_a_hundred_at_a_time(client: Client, other: Client) -> None:
    with client.bench.batch():
        arns = [client.topic(f"t{number}") for number in range(205)]
        other.topic("theirs")
    found, token = [], None
    pages = 0
    while pages == 0 or token:
        page = client.list_topics(next_token=token)
        found += [topic["TopicArn"] for topic in page["Topics"]]
        token = page.get("NextToken")
        pages += 1
    assert (found, pages) == (arns, 3)
    with pytest.raises(InvalidParameterException, match="NextToken"):
        client.list_topics(next_token="nonsense")


def test_regions_are_apart(bench: Bench, client: Client) -> None:
    arn = client.topic()
    assert Client(bench, region="eu-west-1").list_topics() == {"Topics": []}
    assert client.topic() == arn


def test_a_failed_commit_takes_everything_back(bench: Bench, client: Client) -> None:
    kept = client.topic("kept")
    subscription = client.queue(kept)
    with bench.batch(fails=True):
        client.topic("lost")
        client.queue(kept, "more")
        client.set_topic_attributes(topic_arn=kept, attribute_name="SignatureVersion", attribute_value="2")
        client.unsubscribe(subscription_arn=subscription)
        client.delete_topic(topic_arn=kept)
    assert list(bench.memory.topics) == [kept]
    assert bench.memory.topics[kept].settings.signature == "1"
    assert [one.arn for one in bench.memory.topics[kept].subscriptions.values()] == [subscription]


def test_tags(client: Client) -> None:
    arn = client.topic()
    client.tag_resource(resource_arn=arn, tags=tags(a="1", b="2"))
    client.tag_resource(resource_arn=arn, tags=tags(a="3"))
    client.untag_resource(resource_arn=arn, tag_keys=["b", "c"])
    assert client.list_tags_for_resource(resource_arn=arn) == {"Tags": tags(a="3")}
    with pytest.raises(InvalidParameterException, match="Duplicated keys"):
        client.tag_resource(resource_arn=arn, tags=tags(a="1") * 2)
    with pytest.raises(TagLimitExceededException):
        client.tag_resource(resource_arn=arn, tags=tags(**{f"t{number}": "" for number in range(50)}))
    with pytest.raises(ResourceNotFoundException):
        client.list_tags_for_resource(resource_arn=arn + "x")


def test_a_delivery_policy_is_shown_with_what_it_leaves_open(client: Client) -> None:
    arn = client.topic(DeliveryPolicy='{"http": {"defaultHealthyRetryPolicy": {"numRetries": 5}}}')
    effective = json.loads(client.attributes(arn)["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]
    assert (effective["numRetries"], effective["minDelayTarget"]) == (5, 20)
    with pytest.raises(InvalidParameterException):
        client.set_topic_attributes(topic_arn=arn, attribute_name="DeliveryPolicy", attribute_value="{")
    client.set_topic_attributes(topic_arn=arn, attribute_name="DeliveryPolicy", attribute_value="")
    assert "DeliveryPolicy" not in client.attributes(arn)
