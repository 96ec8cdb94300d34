"""Publish: what is accepted, what each subscriber is sent, FIFO topics, dead letters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awning.contracts import MayPublish, PublishToTopic, Sender
from awning.kit.deliveries import Undeliverable
from awning.services.sns import fanout, offers
from awning.services.sns.errors import (
    BatchEntryIdsNotDistinctException,
    BatchRequestTooLongException,
    EmptyBatchRequestException,
    FilterPolicyLimitExceededException,
    InvalidBatchEntryIdException,
    InvalidParameterException,
    InvalidParameterValueException,
    NotFoundException,
    TooManyEntriesInBatchRequestException,
)
from awning.services.sns.work import forget_duplicates
from tests.services.sns.support import ACCOUNT, Bench, Client, document, queue_arn

TEXT = {"kind": {"DataType": "String", "StringValue": "a"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}


def test_each_subscriber_is_sent_the_message(bench: Bench, client: Client) -> None:
    topic = client.topic()
    for name in ("a", "b", "c"):
        client.queue(topic, name)
    published = client.publish(topic_arn=topic, message="hello", subject="Hi", message_attributes=TEXT)
    letters = bench.sent()
    assert [letter.arn for letter in letters] == [queue_arn("a"), queue_arn("b"), queue_arn("c")]
    assert {(one.service, one.source_arn, one.source_account) for one in letters} == {
        ("sns.amazonaws.com", topic, ACCOUNT)
    }
    told = document(letters[0])
    assert told["Type"] == "Notification"
    assert told["MessageId"] == published["MessageId"]
    assert (told["TopicArn"], told["Subject"], told["Message"]) == (topic, "Hi", "hello")
    assert told["Timestamp"] == "2023-11-14T22:13:20.000Z"
    assert told["MessageAttributes"] == {
        "kind": {"Type": "String", "Value": "a"},
        "raw": {"Type": "Binary", "Value": "AAE="},
    }
    assert letters[0].attributes == {}


def test_raw_delivery_passes_the_message_on(bench: Bench, client: Client) -> None:
    topic = client.topic()
    client.queue(topic, RawMessageDelivery="true")
    client.publish(topic_arn=topic, message="hello", subject="Hi", message_attributes=TEXT)
    (letter,) = bench.sent()
    assert letter.body == "hello"
    assert letter.attributes == {
        "kind": {"DataType": "String", "StringValue": "a"},
        "raw": {"DataType": "Binary", "BinaryValue": "AAE="},
    }


def test_a_message_may_differ_by_protocol(bench: Bench, client: Client) -> None:
    topic = client.topic()
    client.queue(topic)
    body = json.dumps({"default": "all", "sqs": "queues", "email": 3})
    client.publish(topic_arn=topic, message=body, message_structure="json")
    assert document(bench.sent()[0])["Message"] == "queues"
    for wrong, said in (("{", "failed to parse"), ("[]", "failed to parse"), ('{"sqs": "x"}', "No default entry")):
        with pytest.raises(InvalidParameterException, match=said):
            client.publish(topic_arn=topic, message=wrong, message_structure="json")


@pytest.mark.parametrize("subject", ["", "a\nb", "x" * 101])
def test_a_subject_that_is_refused(client: Client, subject: str) -> None:
    with pytest.raises(InvalidParameterException, match="Subject"):
        client.publish(topic_arn=client.topic(), message="m", subject=subject)


def test_a_message_and_its_attributes_are_at_most_256_kib(client: Client) -> None:
    topic = client.topic()
    client.publish(topic_arn=topic, message="x" * 262_144)
    with pytest.raises(InvalidParameterException, match="Message too long"):
        client.publish(topic_arn=topic, message="x" * 262_145)
    with pytest.raises(InvalidParameterException, match="Message too long"):
        client.publish(topic_arn=topic, message="x" * 262_140, message_attributes=TEXT)
    with pytest.raises(InvalidParameterException, match="Empty message"):
        client.publish(topic_arn=topic, message="")
    client.set_topic_attributes(topic_arn=topic, attribute_name="MaximumMessageSize", attribute_value="1048576")
    client.publish(topic_arn=topic, message="x" * 1_048_576)


@pytest.mark.parametrize(
    ("name", "attribute", "said"),
    [
        (".a", {"DataType": "String", "StringValue": "x"}, "starting with"),
        ("a.", {"DataType": "String", "StringValue": "x"}, "ending with"),
        ("a..b", {"DataType": "String", "StringValue": "x"}, "successive"),
        ("a!", {"DataType": "String", "StringValue": "x"}, "#x21"),
        ("a", {"DataType": "Text", "StringValue": "x"}, "invalid message attribute type"),
        ("a", {"DataType": "String", "StringValue": ""}, "non-empty"),
        ("a", {"DataType": "String", "BinaryValue": b"x"}, "must use field 'String'"),
        ("a", {"DataType": "Number", "StringValue": "x"}, "number"),
    ],
)
def test_attributes_that_are_refused(client: Client, name: str, attribute: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameterValueException, match=said):
        client.publish(topic_arn=client.topic(), message="m", message_attributes={name: attribute})


def test_there_must_be_a_topic(client: Client) -> None:
    arn = client.topic()
    with pytest.raises(NotFoundException):
        client.publish(topic_arn=arn + "x", message="m")
    with pytest.raises(InvalidParameterException):
        client.publish(message="m")
    with pytest.raises(InvalidParameterException):
        client.publish(topic_arn=arn, target_arn=arn, message="m")
    client.publish(target_arn=arn, message="m")


def test_a_batch(bench: Bench, client: Client) -> None:
    topic = client.topic()
    client.queue(topic)
    entries = [{"Id": str(number), "Message": f"m{number}"} for number in range(10)]
    result = client.publish_batch(topic_arn=topic, publish_batch_request_entries=entries)
    assert [one["Id"] for one in result["Successful"]] == [str(number) for number in range(10)]
    assert result["Failed"] == []
    assert [document(letter)["Message"] for letter in bench.sent()] == [f"m{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([], EmptyBatchRequestException),
        ([{"Id": str(number), "Message": "m"} for number in range(11)], TooManyEntriesInBatchRequestException),
        ([{"Id": "a", "Message": "m"}] * 2, BatchEntryIdsNotDistinctException),
        ([{"Id": "a b", "Message": "m"}], InvalidBatchEntryIdException),
        ([{"Id": name, "Message": "m" * 140_000} for name in "ab"], BatchRequestTooLongException),
    ],
)
def test_batches_that_are_refused(client: Client, entries: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        client.publish_batch(topic_arn=client.topic(), publish_batch_request_entries=entries)


# Filter policies


def test_a_filter_policy_chooses_by_attributes(bench: Bench, client: Client) -> None:
    topic = client.topic()
    client.queue(topic, "a", FilterPolicy='{"kind": ["a"]}')
    client.queue(topic, "b", FilterPolicy='{"kind": ["b"]}')
    client.publish(topic_arn=topic, message="m", message_attributes=TEXT)
    client.publish(topic_arn=topic, message="m")
    assert [letter.arn for letter in bench.sent()] == [queue_arn("a")]


def test_a_filter_policy_chooses_by_the_body(bench: Bench, client: Client) -> None:
    topic = client.topic()
    arn = client.queue(topic, FilterPolicy='{"kind": {"of": ["a"]}}', FilterPolicyScope="MessageBody")
    bench.restart()
    for body in ('{"kind": {"of": "a"}}', '{"kind": {"of": "b"}}', "no JSON"):
        client.publish(topic_arn=topic, message=body)
    assert len(bench.sent()) == 1
    client.set_subscription_attributes(subscription_arn=arn, attribute_name="FilterPolicy", attribute_value="")
    client.publish(topic_arn=topic, message="no JSON")
    assert len(bench.sent()) == 1
    assert "FilterPolicyScope" not in client.attributes(arn)


def test_filter_policies_that_are_refused(client: Client) -> None:
    topic = client.topic()
    with pytest.raises(InvalidParameterException, match="Invalid parameter: Attributes Reason: FilterPolicy"):
        client.queue(topic, FilterPolicy="{")
    with pytest.raises(InvalidParameterException, match="FilterPolicyScope: Invalid value"):
        client.queue(topic, FilterPolicyScope="Moon")
    arn = client.queue(topic, FilterPolicy='{"a": {"b": ["c"]}}', FilterPolicyScope="MessageBody")
    with pytest.raises(InvalidParameterException, match="nested"):
        client.set_subscription_attributes(
            subscription_arn=arn, attribute_name="FilterPolicyScope", attribute_value="MessageAttributes"
        )


def test_a_topic_has_at_most_200_filter_policies(bench: Bench, client: Client) -> None:
    topic = client.topic()
    with bench.batch():
        for number in range(200):
            client.queue(topic, f"q{number}", FilterPolicy='{"a": ["b"]}')
    with pytest.raises(FilterPolicyLimitExceededException):
        client.queue(topic, FilterPolicy='{"a": ["b"]}')
    arn = client.queue(topic)
    with pytest.raises(FilterPolicyLimitExceededException):
        client.set_subscription_attributes(
            subscription_arn=arn, attribute_name="FilterPolicy", attribute_value='{"a": ["b"]}'
        )


# FIFO topics


def test_a_fifo_topic_asks_for_a_group_and_a_deduplication_id(client: Client) -> None:
    topic = client.fifo()
    with pytest.raises(InvalidParameterException, match="MessageGroupId parameter is required"):
        client.publish(topic_arn=topic, message="m")
    with pytest.raises(InvalidParameterException, match="ContentBasedDeduplication enabled or"):
        client.publish(topic_arn=topic, message="m", message_group_id="g")
    with pytest.raises(InvalidParameterException, match="not valid for this topic type"):
        client.publish(topic_arn=client.topic(), message="m", message_deduplication_id="d")


def test_order_and_duplicates_go_to_fifo_queues_only(bench: Bench, client: Client) -> None:
    topic = client.fifo()
    client.queue(topic, "jobs.fifo")
    client.queue(topic, "jobs")
    said = client.publish(topic_arn=topic, message="m", message_group_id="g", message_deduplication_id="d")
    ordered, loose = bench.sent()
    assert (ordered.group, ordered.message_group, ordered.deduplication) == ("g", "g", "d")
    assert (loose.group, loose.deduplication) == ("", None)
    assert document(ordered)["SequenceNumber"] == said["SequenceNumber"]
    assert len(said["SequenceNumber"]) == 20


def test_sequence_numbers_grow_over_a_restart(bench: Bench, client: Client) -> None:
    topic = client.fifo(ContentBasedDeduplication="true")
    numbers = []
    for number in range(3):
        said = client.publish(topic_arn=topic, message=str(number), message_group_id="g")
        numbers.append(int(said["SequenceNumber"]))
        bench.restart()
    assert numbers == sorted(set(numbers))


def test_a_duplicate_is_accepted_and_not_delivered_for_five_minutes(bench: Bench, client: Client) -> None:
    topic = client.fifo(ContentBasedDeduplication="true")
    client.queue(topic, "jobs.fifo")
    first = client.publish(topic_arn=topic, message="m", message_group_id="g")
    bench.restart()
    bench.now += 299
    assert client.publish(topic_arn=topic, message="m", message_group_id="other") == first
    assert len(bench.sent()) == 1
    bench.now += 1
    assert client.publish(topic_arn=topic, message="m", message_group_id="g") != first
    assert len(bench.sent()) == 1


def test_duplicates_may_be_those_of_a_group(bench: Bench, client: Client) -> None:
    topic = client.fifo(ContentBasedDeduplication="true", FifoThroughputScope="MessageGroup")
    client.queue(topic, "jobs.fifo")
    for group in ("a", "b", "a"):
        client.publish(topic_arn=topic, message="m", message_group_id=group)
    assert [letter.group for letter in bench.sent()] == ["a", "b"]


def test_marks_of_duplicates_are_forgotten(bench: Bench, client: Client) -> None:
    topic = client.fifo()
    for number in range(1_500):
        client.publish(topic_arn=topic, message="m", message_group_id="g", message_deduplication_id=str(number))
    assert bench.run(bench.make_call(), forget_duplicates) is False
    bench.now += 300
    assert bench.run(bench.make_call(), forget_duplicates) is True
    assert bench.run(bench.make_call(), forget_duplicates) is False
    assert bench.reader.execute("SELECT count(*) FROM duplicates").fetchone() == (0,)


# Dead letters


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(bench: Bench, client: Client) -> None:
    topic = client.topic()
    policy = json.dumps({"deadLetterTargetArn": queue_arn("dead")})
    client.queue(topic, RedrivePolicy=policy, RawMessageDelivery="true")
    client.publish(topic_arn=topic, message="m", message_attributes=TEXT)
    (letter,) = bench.sent()
    bench.run(bench.make_call(), fanout.given_up, letter, "Undeliverable: no such queue")
    (dead,) = bench.sent()
    assert (dead.arn, dead.body) == (queue_arn("dead"), "m")
    assert dead.attributes == letter.attributes
    bench.run(bench.make_call(), fanout.given_up, dead, "Undeliverable: no such queue")
    assert bench.sent() == []


def test_without_a_dead_letter_queue_it_is_lost(bench: Bench, client: Client) -> None:
    topic = client.topic()
    arn = client.queue(topic)
    client.publish(topic_arn=topic, message="m")
    (letter,) = bench.sent()
    bench.run(bench.make_call(), fanout.given_up, letter, "Undeliverable: no such queue")
    client.unsubscribe(subscription_arn=arn)
    bench.run(bench.make_call(), fanout.given_up, letter, "Undeliverable: no such queue")
    client.delete_topic(topic_arn=topic)
    bench.run(bench.make_call(), fanout.given_up, letter, "Undeliverable: no such queue")
    assert bench.sent() == []


# What other services publish


def test_a_service_publishes_where_the_policy_lets_it(bench: Bench, client: Client) -> None:
    bucket = Sender("s3.amazonaws.com", "arn:aws:s3:::photos", ACCOUNT)
    delivery = PublishToTopic("", "", bucket.service, bucket.arn, bucket.account, "event", "Amazon S3 Notification")
    topic = client.topic()
    client.queue(topic)
    call = bench.make_call()
    assert offers.may_publish(call, MayPublish(topic + "x", bucket)) is None
    assert offers.may_publish(call, MayPublish(topic, bucket)) is False
    with pytest.raises(Undeliverable, match="not authorized"):
        bench.run(call, offers.publish_to_topic, PublishToTopic(topic, *_rest(delivery)))
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"ArnLike": {"aws:SourceArn": bucket.arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.set_topic_attributes(topic_arn=topic, attribute_name="Policy", attribute_value=policy)
    assert offers.may_publish(call, MayPublish(topic, bucket)) is True
    bench.run(bench.make_call(), offers.publish_to_topic, PublishToTopic(topic, *_rest(delivery)))
    (taken,) = bench.sent()
    for _ in range(2):  # the second time it is known
        bench.wait(offers.publish_signed(bench.make_call(), taken))
    (letter,) = bench.sent()
    assert document(letter)["Subject"] == "Amazon S3 Notification"
    assert document(letter)["MessageId"] == taken.id


def test_a_service_of_the_owner_may_publish_by_the_default_policy(bench: Bench, client: Client) -> None:
    topic = client.topic()
    alarm = Sender("cloudwatch.amazonaws.com", "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a", ACCOUNT)
    assert offers.may_publish(bench.make_call(), MayPublish(topic, alarm)) is True
    stranger = Sender("cloudwatch.amazonaws.com", alarm.arn, "999999999999")
    assert offers.may_publish(bench.make_call(), MayPublish(topic, stranger)) is False


def _rest(delivery: PublishToTopic) -> tuple[Any, ...]:
    return (
        delivery.group,
        delivery.service,
        delivery.source_arn,
        delivery.source_account,
        delivery.message,
        delivery.subject,
    )


def test_a_batch_to_many_subscriptions_is_parted_and_stays_in_order(bench: Bench, client: Client) -> None:
    topic = client.fifo()
    for number in range(100):
        client.queue(topic, f"jobs{number}.fifo")
    batches: list[str] = []
    bench.writer.set_trace_callback(batches.append)
    entries = [
        {"Id": f"e{number}", "Message": f"m{number}", "MessageGroupId": "g", "MessageDeduplicationId": f"d{number}"}
        for number in range(7)
    ]
    done = client.publish_batch(topic_arn=topic, publish_batch_request_entries=entries)
    bench.writer.set_trace_callback(None)
    assert sum(statement == "SAVEPOINT unit" for statement in batches) == 4  # two messages, 200 letters, in each
    assert [each["Id"] for each in done["Successful"]] == [entry["Id"] for entry in entries]
    letters = [document(letter)["Message"] for letter in bench.sent() if letter.arn.endswith(":jobs7.fifo")]
    assert letters == [entry["Message"] for entry in entries]
    entries[6]["MessageGroupId"] = "not a group"
    with pytest.raises(InvalidParameterException):
        client.publish_batch(topic_arn=topic, publish_batch_request_entries=entries)
    assert bench.sent() == []
