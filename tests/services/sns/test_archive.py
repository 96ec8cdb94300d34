"""Archives of FIFO topics: what they keep, for how long, and its replay to subscriptions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from awning.services.sns import archive
from awning.services.sns.errors import InvalidParameterException, InvalidStateException
from tests.services.sns.support import START, Bench, Client, document, queue_arn

DAY = 86_400.0
POLICY = json.dumps({"MessageRetentionPeriod": "30"})


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def point(start: float, end: float | None = None) -> str:
    policy = {"PointType": "Timestamp", "StartingPoint": moment(start)}
    return json.dumps(policy if end is None else {**policy, "EndingPoint": moment(end)})


def publish(client: Client, topic: str, *messages: str, **given: Any) -> None:
    for message in messages:
        client.publish(
            topic_arn=topic,
            message=message,
            message_group_id="g",
            message_deduplication_id=message.replace(" ", "-"),
            **given,
        )


def replayed(bench: Bench) -> list[str]:
    """Run the pass to its end; return what it sent."""
    while bench.run(bench.make_call(), archive.replay):
        pass
    return [document(letter)["Message"] for letter in bench.sent()]


def ordered(client: Client, topic: str, name: str = "q.fifo", **attributes: str) -> str:
    return client.queue(topic, name, **attributes)


def test_a_topic_shows_its_archive_and_when_it_begins(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    found = client.attributes(topic)
    assert json.loads(found["ArchivePolicy"]) == {"MessageRetentionPeriod": "30"}
    assert found["BeginningArchiveTime"] == moment(START)
    bench.now += 40 * DAY
    assert client.attributes(topic)["BeginningArchiveTime"] == moment(START + 10 * DAY)


@pytest.mark.parametrize("days", ["0", "366", "x", 1.5, None, True])
def test_an_archive_is_kept_for_1_to_365_days(client: Client, days: Any) -> None:
    with pytest.raises(InvalidParameterException, match="MessageRetentionPeriod"):
        client.fifo(ArchivePolicy=json.dumps({"MessageRetentionPeriod": days}))


def test_only_fifo_topics_have_archives(client: Client) -> None:
    with pytest.raises(InvalidParameterException, match="ArchivePolicy"):
        client.topic(ArchivePolicy=POLICY)


def test_a_topic_with_an_archive_is_not_deleted(client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    with pytest.raises(InvalidStateException):
        client.delete_topic(topic_arn=topic)
    client.set_topic_attributes(topic_arn=topic, attribute_name="ArchivePolicy", attribute_value="{}")
    assert "ArchivePolicy" not in client.attributes(topic)
    client.delete_topic(topic_arn=topic)


def test_a_new_subscription_gets_what_was_published_before_and_then_what_is_published(
    bench: Bench, client: Client
) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    messages = [str(number) for number in range(25)]
    publish(client, topic, *messages)
    arn = ordered(client, topic, ReplayPolicy=point(START - 1))
    assert client.attributes(arn)["ReplayStatus"] == "Pending"
    publish(client, topic, "meanwhile")  # it comes in its turn, from the archive
    assert bench.sent() == []
    bench.run(bench.make_call(), archive.replay)
    assert client.attributes(arn)["ReplayStatus"] == "In progress"
    bench.restart()
    assert replayed(bench) == [*messages, "meanwhile"]
    assert client.attributes(arn)["ReplayStatus"] == "Completed"
    publish(client, topic, "new")
    (letter,) = bench.sent()
    assert "Replayed" not in document(letter)
    assert replayed(bench) == []


def test_a_replayed_message_is_as_it_was_and_says_that_it_is_one(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    ordered(client, topic, "live.fifo")
    publish(client, topic, "m", subject="S", message_attributes={"a": {"DataType": "Number", "StringValue": "1"}})
    live = document(bench.sent()[0])
    bench.now += DAY
    ordered(client, topic, "late.fifo", ReplayPolicy=point(START - 1))
    ordered(client, topic, "raw.fifo", ReplayPolicy=point(START - 1), RawMessageDelivery="true")
    bench.run(bench.make_call(), archive.replay)
    late, raw = bench.sent()
    again = document(late)
    assert again.pop("Replayed") is True
    assert {**again, "UnsubscribeURL": ""} == {**live, "UnsubscribeURL": ""}
    assert (late.message_group, raw.body, raw.attributes["Replayed"]["StringValue"]) == ("g", "m", "true")
    assert late.deduplication != "m"  # a queue may have had it within minutes


def test_a_filter_policy_chooses_of_the_archive(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    for value in ("yes", "no", "yes"):
        attributes = {"a": {"DataType": "String", "StringValue": value}}
        publish(client, topic, f"{value} {bench.now}", message_attributes=attributes)
        bench.now += 1
    ordered(client, topic, ReplayPolicy=point(START - 1), FilterPolicy=json.dumps({"a": ["yes"]}))
    assert replayed(bench) == [f"yes {START}", f"yes {START + 2}"]


def test_a_replay_to_an_ending_point_pauses_the_subscription(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    arn = ordered(client, topic)
    for number in range(4):
        publish(client, topic, str(number))
        bench.now += 10
    bench.sent()
    client.set_subscription_attributes(
        subscription_arn=arn, attribute_name="ReplayPolicy", attribute_value=point(START + 5, START + 25)
    )
    assert replayed(bench) == ["1", "2"]
    assert client.attributes(arn)["ReplayStatus"] == "Completed"
    publish(client, topic, "unheard")
    bench.restart()
    publish(client, topic, "unheard too")
    assert bench.sent() == []
    client.set_subscription_attributes(
        subscription_arn=arn, attribute_name="ReplayPolicy", attribute_value=point(START + 25)
    )
    assert replayed(bench) == ["3", "unheard", "unheard too"]
    publish(client, topic, "heard")
    assert len(bench.sent()) == 1


def test_an_ending_point_to_come_is_waited_for(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    arn = ordered(client, topic, ReplayPolicy=point(START, START + 60))
    publish(client, topic, "a")
    assert replayed(bench) == ["a"]
    bench.now += 30
    publish(client, topic, "b")
    assert replayed(bench) == ["b"]
    assert client.attributes(arn)["ReplayStatus"] == "In progress"
    bench.now += 31
    assert replayed(bench) == []
    assert client.attributes(arn)["ReplayStatus"] == "Completed"


def test_a_replay_of_an_archive_that_ends_fails(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    publish(client, topic, "a")
    arn = ordered(client, topic, ReplayPolicy=point(START))
    client.set_topic_attributes(topic_arn=topic, attribute_name="ArchivePolicy", attribute_value="")
    assert replayed(bench) == []
    assert client.attributes(arn)["ReplayStatus"] == "Failed"
    client.set_topic_attributes(topic_arn=topic, attribute_name="ArchivePolicy", attribute_value=POLICY)
    client.set_subscription_attributes(
        subscription_arn=arn, attribute_name="ReplayPolicy", attribute_value=point(START)
    )
    assert replayed(bench) == []  # to end an archive is to delete it


def test_archived_messages_are_forgotten_in_their_time(bench: Bench, client: Client) -> None:
    topic = client.fifo(ArchivePolicy=json.dumps({"MessageRetentionPeriod": 1}))
    publish(client, topic, "old")
    bench.now += DAY - 1
    publish(client, topic, "young")
    bench.now += 2
    ordered(client, topic, ReplayPolicy=point(START - 1))
    assert replayed(bench) == ["young"]
    assert bench.run(bench.make_call(), archive.forget) is False
    assert bench.writer.execute("SELECT count(*) FROM archived").fetchone() == (1,)
    client.set_topic_attributes(topic_arn=topic, attribute_name="ArchivePolicy", attribute_value="{}")
    while bench.run(bench.make_call(), archive.forget):
        pass
    assert bench.writer.execute("SELECT (SELECT count(*) FROM archived), count(*) FROM archives").fetchone() == (0, 0)


@pytest.mark.parametrize(
    "policy",
    [
        {"PointType": "Timestamp"},
        {"PointType": "Offset", "StartingPoint": "2023-10-01T00:00:00Z"},
        {"PointType": "Timestamp", "StartingPoint": "yesterday"},
        {"PointType": "Timestamp", "StartingPoint": "2023-13-01T00:00:00Z"},
        {"PointType": "Timestamp", "StartingPoint": "2023-10-02T00:00:00Z", "EndingPoint": "2023-10-01T00:00:00Z"},
        {"PointType": "Timestamp", "StartingPoint": "2023-10-01T00:00:00Z", "EndingPoint": None},
        {"PointType": "Timestamp", "StartingPoint": "2023-10-01T00:00:00Z", "Other": 1},
    ],
)
def test_replay_policies_that_are_refused(client: Client, policy: dict[str, Any]) -> None:
    topic = client.fifo(ArchivePolicy=POLICY)
    with pytest.raises(InvalidParameterException, match="ReplayPolicy"):
        ordered(client, topic, ReplayPolicy=json.dumps(policy))


def test_there_is_no_replay_without_an_archive(client: Client) -> None:
    with pytest.raises(InvalidParameterException, match="ReplayPolicy"):
        ordered(client, client.fifo(), ReplayPolicy=point(START))


def test_notifications_of_fifo_topics_have_no_signature(bench: Bench, client: Client) -> None:
    topic = client.fifo(SignatureVersion="2")
    ordered(client, topic)
    client.queue(topic, "standard")
    publish(client, topic, "m")
    first, second = bench.sent()
    assert list(document(first)) == [
        *("Type", "MessageId", "SequenceNumber", "TopicArn", "Message", "Timestamp", "UnsubscribeURL")
    ]
    assert (first.arn, first.message_group) == (queue_arn("q.fifo"), "g")
    assert (second.arn, second.message_group) == (queue_arn("standard"), None)
