"""From a bucket to queues, directly and by a topic: with the policies that it takes, and without them.

Each step is what a user does, by the client that users have.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

THEIRS = "111122223333"
CREATED = ["s3:ObjectCreated:*"]


def allow(arn: str, action: str, service: str, source: str) -> str:
    """A resource's policy: this service may do this, for this source."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": action,
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": source}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_queue(sqs: Any, name: str, service: str = "", source: str = "") -> tuple[str, str]:
    """Create a queue that `source` may write to, where one is named; return its URL and ARN."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if service:
        policy = allow(arn, "sqs:SendMessage", service, source)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def receive(sqs: Any, url: str, count: int) -> list[dict[str, Any]]:
    """Receive and delete `count` messages, or as many as come within ten seconds."""
    found: list[dict[str, Any]] = []
    until = time.monotonic() + 10
    while len(found) < count and time.monotonic() < until:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2, AttributeNames=["All"])
        for message in got.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
    return found


def keys(messages: list[dict[str, Any]]) -> list[str]:
    """The keys of the objects that messages of S3 tell of, in any order."""
    return sorted(json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] for message in messages)


def nothing(sqs: Any, url: str) -> bool:
    return not sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")


def eventually(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def name() -> str:
    return f"events-{uuid.uuid4().hex[:10]}"


def test_a_queue_hears_of_every_object(region: Any, name: str) -> None:
    s3, sqs = region.client("s3"), region.client("sqs")
    s3.create_bucket(Bucket=name)
    url, arn = make_queue(sqs, name, "s3", f"arn:aws:s3:::{name}")
    configuration = {
        "QueueConfigurations": [
            {
                "Id": "all",
                "QueueArn": arn,
                "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
            }
        ]
    }
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    (trial,) = receive(sqs, url, 1)
    assert json.loads(trial["Body"])["Event"] == "s3:TestEvent"
    put = s3.put_object(Bucket=name, Key="in/red flower.jpg", Body=b"hello")
    s3.put_object(Bucket=name, Key="out", Body=b"hello")
    (message,) = receive(sqs, url, 1)
    (record,) = json.loads(message["Body"])["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == name
    assert record["s3"]["object"]["key"] == "in/red+flower.jpg"
    assert f'"{record["s3"]["object"]["eTag"]}"' == put["ETag"]
    assert record["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert record["responseElements"]["x-amz-id-2"] == put["ResponseMetadata"]["HostId"]
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "in/red flower.jpg"}, {"Key": "out"}]})
    (message,) = receive(sqs, url, 1)
    (removed,) = json.loads(message["Body"])["Records"]
    assert removed["eventName"] == "ObjectRemoved:Delete"
    assert removed["s3"]["object"]["sequencer"] > record["s3"]["object"]["sequencer"]
    assert nothing(sqs, url)


def test_a_topic_carries_events_to_several_queues(region: Any, name: str) -> None:
    s3, sns, sqs = region.client("s3"), region.client("sns"), region.client("sqs")
    s3.create_bucket(Bucket=name)
    topic = sns.create_topic(Name=name)["TopicArn"]
    configuration = {"TopicConfigurations": [{"TopicArn": topic, "Events": CREATED}]}
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations"):
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    policy = allow(topic, "sns:Publish", "s3", f"arn:aws:s3:::{name}")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    raw, enveloped, chosen, shut = (
        make_queue(sqs, f"{name}-{kind}", "sns" if kind != "shut" else "", topic)
        for kind in ("raw", "enveloped", "chosen", "shut")
    )
    only = {"Records": {"s3": {"object": {"key": [{"prefix": "a"}]}}}}
    for (_, arn), attributes in (
        (raw, {"RawMessageDelivery": "true"}),
        (enveloped, {}),
        (chosen, {"FilterPolicyScope": "MessageBody", "FilterPolicy": json.dumps(only), "RawMessageDelivery": "true"}),
        (shut, {}),
    ):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    (trial,) = receive(sqs, raw[0], 1)
    assert json.loads(trial["Body"])["Event"] == "s3:TestEvent"
    (trial,) = receive(sqs, enveloped[0], 1)
    assert json.loads(trial["Body"])["Subject"] == "Amazon S3 Notification"
    for key in ("apple", "berry"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    assert keys(receive(sqs, raw[0], 2)) == ["apple", "berry"]
    told = [json.loads(message["Body"]) for message in receive(sqs, enveloped[0], 2)]
    assert {envelope["Subject"] for envelope in told} == {"Amazon S3 Notification"}
    assert keys([{"Body": envelope["Message"]} for envelope in told]) == ["apple", "berry"]
    assert keys(receive(sqs, chosen[0], 1)) == ["apple"]
    assert nothing(sqs, chosen[0])
    assert nothing(sqs, shut[0])


def test_where_a_policy_is_missing_nothing_is_configured(region: Any, name: str) -> None:
    s3, sqs = region.client("s3"), region.client("sqs")
    s3.create_bucket(Bucket=name)
    other = make_queue(sqs, f"{name}-other", "s3", "arn:aws:s3:::another-bucket")
    for arn in (other[1], f"{other[1]}-gone"):
        configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": CREATED}]}
        with pytest.raises(ClientError) as caught:
            s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
        assert caught.value.response["Error"]["Code"] == "InvalidArgument"
        assert caught.value.response["Error"]["ArgumentName1"] == arn
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert nothing(sqs, other[0])


def test_where_a_policy_is_taken_away_the_journal_says_so(region: Any, name: str) -> None:
    s3, sqs = region.client("s3"), region.client("sqs")
    s3.create_bucket(Bucket=name)
    url, arn = make_queue(sqs, name, "s3", f"arn:aws:s3:::{name}")
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": CREATED}]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    assert len(receive(sqs, url, 1)) == 1
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    s3.put_object(Bucket=name, Key="k", Body=b"x")

    def said() -> bool:
        lines = [line for line in region.log.read_text().splitlines() if arn in line and "SendToQueue" in line]
        return any("not authorized to perform: sqs:SendMessage" in line for line in lines)

    assert eventually(said)
    assert nothing(sqs, url)
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": allow(arn, "sqs:SendMessage", "s3", f"arn:aws:s3:::{name}")}
    )
    s3.put_object(Bucket=name, Key="again", Body=b"x")
    assert keys(receive(sqs, url, 1)) == ["again"]


def test_queues_and_topics_may_be_another_accounts(region: Any, name: str) -> None:
    s3, sqs, sns = region.client("s3"), region.client("sqs", key=THEIRS), region.client("sns", key=THEIRS)
    s3.create_bucket(Bucket=name)
    source = f"arn:aws:s3:::{name}"
    url, arn = make_queue(sqs, name, "s3", source)
    topic = sns.create_topic(Name=name)["TopicArn"]
    policy = allow(topic, "sns:Publish", "s3", source)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    second, second_arn = make_queue(sqs, f"{name}-2", "sns", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=second_arn, Attributes={"RawMessageDelivery": "true"})
    configuration = {
        "QueueConfigurations": [{"QueueArn": arn, "Events": CREATED}],
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectRemoved:*"]}],
    }
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.delete_object(Bucket=name, Key="k")
    for where, event in ((url, "ObjectCreated:Put"), (second, "ObjectRemoved:Delete")):
        told = [json.loads(message["Body"]) for message in receive(sqs, where, 2)]
        assert sorted(body.get("Event") or body["Records"][0]["eventName"] for body in told) == [event, "s3:TestEvent"]


def test_a_policy_may_ask_for_the_buckets_account(region: Any, name: str) -> None:
    s3, sqs = region.client("s3"), region.client("sqs")
    s3.create_bucket(Bucket=name)
    url, arn = make_queue(sqs, name)
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": CREATED}]}
    for account, fits in ((THEIRS, False), ("000000000000", True)):
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        if fits:
            s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
            assert len(receive(sqs, url, 1)) == 1
        else:
            with pytest.raises(ClientError, match="Unable to validate"):
                s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)


def test_a_bucket_in_another_region_tells_its_own_regions_queue(region: Any, name: str) -> None:
    s3, sqs = region.client("s3", region_name="eu-west-1"), region.client("sqs", region_name="eu-west-1")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    _, far = make_queue(region.client("sqs"), name, "s3", f"arn:aws:s3:::{name}")
    url, near = make_queue(sqs, name, "s3", f"arn:aws:s3:::{name}")
    with pytest.raises(ClientError, match="region is not valid for the bucket location constraint"):
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": far, "Events": CREATED}]}
        )
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": near, "Events": CREATED}]}
    )
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    records = [json.loads(message["Body"]) for message in receive(sqs, url, 2)]
    assert [body["Records"][0]["awsRegion"] for body in records if "Records" in body] == ["eu-west-1"]
