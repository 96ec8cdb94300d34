"""Notifications: configurations, whom an event is told to, and the words of the message."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from awning.contracts import PublishToTopic, Sender, SendToQueue
from awning.kit.call import Call
from awning.services.s3 import bucket_tables, errors
from tests.services.s3.support import ACCOUNT, OTHER, S3, user

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:topic"
CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


def queue(*events: str, arn: str = QUEUE, **further: Any) -> dict[str, Any]:
    """A configuration of a queue; `prefix` and `suffix` make its filter."""
    rules = [{"Name": name, "Value": further.pop(name)} for name in ("prefix", "suffix") if name in further]
    made = {"QueueArn": arn, "Events": list(events or (CREATED,)), **further}
    return made | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})


def put(s3: S3, *queues: dict[str, Any], topics: tuple[dict[str, Any], ...] = (), **further: Any) -> None:
    """Put a configuration, and forget the test events."""
    configuration: dict[str, Any] = {}
    if queues:
        configuration["QueueConfigurations"] = list(queues)
    if topics:
        configuration["TopicConfigurations"] = list(topics)
    s3.put_bucket_notification_configuration(bucket="box", notification_configuration=configuration, **further)


def listen(s3: S3, *events: str, **further: Any) -> None:
    s3.neighbours.listening[QUEUE] = True
    put(s3, queue(*events, **further))
    s3.outbox()


def records(s3: S3) -> list[dict[str, Any]]:
    """Take what was sent, as the records of the messages."""
    found = []
    for letter in s3.outbox():
        assert isinstance(letter, SendToQueue)
        (record,) = json.loads(letter.body)["Records"]
        found.append(record)
    return found


def told(s3: S3) -> list[tuple[str, str]]:
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in records(s3)]


def refused(s3: S3, *queues: dict[str, Any], **further: Any) -> errors.ServiceError:
    with pytest.raises(errors.ServiceError) as caught:
        put(s3, *queues, **further)
    assert s3.outbox() == []
    assert s3.get_bucket_notification_configuration(bucket="box") == {}
    return caught.value


# Configurations ------------------------------------------------------------------------------------------------------


def test_a_bucket_notifies_nobody_at_first(s3: S3) -> None:
    assert s3.get_bucket_notification_configuration(bucket="box") == {}
    s3.put_object(bucket="box", key="k", body=b"x")
    assert s3.outbox() == []


def test_a_configuration_is_read_as_it_was_put(s3: S3) -> None:
    s3.neighbours.listening = {QUEUE: True, TOPIC: True}
    one = queue(CREATED, "s3:ObjectRemoved:Delete", Id="one", prefix="in/", suffix=".csv")
    topic = {"Id": "two", "TopicArn": TOPIC, "Events": ["s3:ObjectTagging:*"], "Filter": {"Key": {"FilterRules": []}}}
    put(s3, one, topics=(topic,))
    rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".csv"}]
    assert s3.get_bucket_notification_configuration(bucket="box") == {
        "TopicConfigurations": [topic],
        "QueueConfigurations": [one | {"Filter": {"Key": {"FilterRules": rules}}}],
    }
    put(s3)
    assert s3.get_bucket_notification_configuration(bucket="box") == {}
    assert s3.rows("notifications") == 0


def test_ids_are_made_where_there_are_none(s3: S3) -> None:
    s3.neighbours.listening[QUEUE] = True
    put(s3, queue(CREATED), queue(REMOVED))
    first, second = (
        entry["Id"] for entry in s3.get_bucket_notification_configuration(bucket="box")["QueueConfigurations"]
    )
    assert first != second
    assert len(base64.b64decode(first)) == 36


def test_a_configuration_goes_with_its_bucket(s3: S3) -> None:
    listen(s3)
    s3.delete_bucket(bucket="box")
    assert s3.rows("notifications") == 0
    s3.create_bucket(bucket="box")
    assert s3.get_bucket_notification_configuration(bucket="box") == {}


def test_names_of_rules_are_taken_in_any_case(s3: S3) -> None:
    s3.neighbours.listening[QUEUE] = True
    rules = [{"Name": "suffix", "Value": ".txt"}, {"Name": "PREFIX", "Value": "notif-"}]
    put(s3, queue() | {"Filter": {"Key": {"FilterRules": rules}}})
    (kept,) = s3.get_bucket_notification_configuration(bucket="box")["QueueConfigurations"]
    assert [rule["Name"] for rule in kept["Filter"]["Key"]["FilterRules"]] == ["Suffix", "Prefix"]


@pytest.mark.parametrize(
    ("entry", "message", "name"),
    [
        (queue(arn="queue"), "The ARN could not be parsed", "Queue"),
        (queue(arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:topic"), "The ARN is not well formed", "Queue"),
        (queue(arn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:a b"), "The ARN is not well formed", "Queue"),
        (queue(arn="arn:aws:sqs:us-east-1:1:queue"), "The ARN is not well formed", "Queue"),
        (queue(arn=f"{QUEUE}.fifo"), "FIFO SQS queues are not supported.", "Queue"),
        (
            queue(arn=f"arn:aws:sqs:eu-west-1:{ACCOUNT}:queue"),
            "The notification destination service region is not valid for the bucket location constraint",
            "Queue",
        ),
        (queue("s3:Gone"), "The event is not supported for notifications", "Event"),
        (queue("ObjectCreated:Put"), "The event is not supported for notifications", "Event"),
        (queue(CREATED, "s3:ObjectCreated:Put"), "Configurations overlap.", "Event"),
        (queue(Id="x" * 256), "ID length exceeded allowed limit of 255", "Id"),
        (queue(prefix="x" * 1025), "Size of filter rule value cannot exceed 1024 bytes", "FilterRule.Value"),
    ],
)
@pytest.mark.parametrize("skip", [None, True])
def test_what_is_wrong_is_named(s3: S3, entry: dict[str, Any], message: str, name: str, skip: bool | None) -> None:
    s3.neighbours.listening[entry["QueueArn"]] = True
    error = refused(s3, entry, skip_destination_validation=skip)
    assert error.code == "InvalidArgument"
    assert error.message.startswith(message)
    assert error.members["ArgumentName"] == name


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([("Prefix", "a"), ("prefix", "b")], "Cannot specify more than one prefix rule in a filter."),
        ([("suffix", "a"), ("suffix", "a")], "Cannot specify more than one suffix rule in a filter."),
        ([("INVALID", "a")], "filter rule name must be either prefix or suffix"),
    ],
)
def test_a_filter_has_a_prefix_and_a_suffix_at_most(s3: S3, rules: list[tuple[str, str]], message: str) -> None:
    made = [{"Name": name, "Value": value} for name, value in rules]
    error = refused(s3, queue() | {"Filter": {"Key": {"FilterRules": made}}})
    assert (error.code, error.message) == ("InvalidArgument", message)


@pytest.mark.parametrize(
    "entry",
    [
        {"Events": [CREATED]},
        {"QueueArn": QUEUE},
        {"QueueArn": QUEUE, "Events": []},
        queue() | {"Filter": {"Key": {"FilterRules": [{"Name": "prefix"}]}}},
        queue() | {"Filter": {"Key": {"FilterRules": [{"Value": "prefix"}]}}},
    ],
)
def test_what_is_missing_is_malformed(s3: S3, entry: dict[str, Any]) -> None:
    assert refused(s3, entry).code == "MalformedXML"


def test_a_bucket_has_a_hundred_configurations_at_most(s3: S3) -> None:
    s3.neighbours.listening[QUEUE] = True
    error = refused(s3, *(queue(prefix=f"{number:03d}") for number in range(101)))
    assert (error.code, "is 100" in error.message) == ("InvalidRequest", True)
    put(s3, *(queue(prefix=f"{number:03d}") for number in range(100)))


def test_ids_are_unique_over_all_kinds(s3: S3) -> None:
    topic = {"Id": "x", "TopicArn": TOPIC, "Events": [REMOVED]}
    error = refused(s3, queue(Id="x"), topics=(topic,))
    assert error.message == "Same ID used for multiple configurations. IDs must be unique."


@pytest.mark.parametrize(
    ("one", "other", "refusal"),
    [
        (queue(), queue("s3:ObjectCreated:Put"), "Configurations overlap."),
        (queue(), queue(prefix="a"), "Configuration is ambiguously defined."),
        (queue(prefix="img"), queue(prefix="images/"), ""),
        (queue(prefix="im"), queue(prefix="images/"), "Configuration is ambiguously defined."),
        (queue(suffix="jpg"), queue(suffix="pg"), "Configuration is ambiguously defined."),
        (queue(suffix="jpg"), queue(prefix="a"), "Configuration is ambiguously defined."),
        (queue(suffix=".jpg"), queue(suffix=".png"), ""),
        (queue(prefix="images", suffix=".jpg"), queue(prefix="images", suffix=".png"), ""),
        (queue(prefix="a"), queue(REMOVED, prefix="a"), ""),
        (queue("s3:ObjectCreated:Put"), queue("s3:ObjectCreated:Copy"), ""),
    ],
)
def test_no_event_is_told_twice(s3: S3, one: dict[str, Any], other: dict[str, Any], refusal: str) -> None:
    """S3 user guide, "Configuring event notifications using object key name filtering": valid and invalid examples."""
    s3.neighbours.listening = {QUEUE: True, TOPIC: True}
    if refusal:
        error = refused(s3, one, other)
        assert (error.code, error.members["ArgumentName"]) == ("InvalidArgument", "Event")
        assert error.message.startswith(refusal)
        topic = {"TopicArn": TOPIC, **{name: value for name, value in other.items() if name != "QueueArn"}}
        assert refused(s3, one, topics=(topic,)).message == error.message
    else:
        put(s3, one, other)


# Destinations --------------------------------------------------------------------------------------------------------


def test_every_destination_must_be_there_and_listen(s3: S3) -> None:
    shut = f"{QUEUE}-shut"
    s3.neighbours.listening = {QUEUE: True, shut: False, TOPIC: False}
    topic = {"TopicArn": TOPIC, "Events": ["s3:ObjectTagging:*"]}
    gone = queue("s3:ObjectRemoved:Delete", arn=f"{QUEUE}-gone")
    error = refused(s3, queue(), queue("s3:ReducedRedundancyLostObject", arn=shut), gone, topics=(topic,))
    assert error.code == "InvalidArgument"
    assert error.message == "Unable to validate the following destination configurations"
    assert error.members == {
        "ArgumentName1": TOPIC,
        "ArgumentValue1": "Permissions on the destination topic do not allow S3 to publish notifications from this bucket",
        "ArgumentName2": shut,
        "ArgumentValue2": "Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
        "ArgumentName3": f"{QUEUE}-gone",
        "ArgumentValue3": "The destination queue does not exist",
    }
    assert set(s3.neighbours.senders) == {Sender("s3.amazonaws.com", "arn:aws:s3:::box", ACCOUNT)}


def test_a_region_without_queues_says_so(s3: S3) -> None:
    s3.neighbours.alone = True
    error = refused(s3, queue())
    assert (error.code, error.status) == ("NotImplemented", 501)


def test_each_destination_is_told_a_test_event(s3: S3) -> None:
    s3.neighbours.listening = {QUEUE: True, TOPIC: True}
    put(s3, queue(), topics=({"TopicArn": TOPIC, "Events": [REMOVED]},))
    topic, one = s3.outbox()
    assert isinstance(topic, PublishToTopic)
    assert isinstance(one, SendToQueue)
    assert (topic.arn, topic.subject) == (TOPIC, "Amazon S3 Notification")
    assert one == SendToQueue(
        QUEUE,
        service="s3.amazonaws.com",
        source_arn="arn:aws:s3:::box",
        source_account=ACCOUNT,
        body=topic.message,
    )
    assert json.loads(one.body) == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2023-11-14T22:13:20.000Z",
        "Bucket": "box",
        "RequestId": "request",
        "HostId": base64.b64encode(b"request").decode(),
    }


def test_nobody_is_asked_or_told_where_that_is_skipped(s3: S3) -> None:
    put(s3, queue(), skip_destination_validation=True)
    assert s3.outbox() == []
    assert s3.neighbours.senders == []
    s3.put_object(bucket="box", key="k", body=b"x")
    assert told(s3) == [("ObjectCreated:Put", "k")]


def test_the_owner_that_is_expected_is_checked(s3: S3) -> None:
    with pytest.raises(errors.AccessDenied):
        put(s3, expected_bucket_owner=OTHER)
    with pytest.raises(errors.AccessDenied):
        s3.get_bucket_notification_configuration(bucket="box", expected_bucket_owner=OTHER)


# Events --------------------------------------------------------------------------------------------------------------


def test_each_way_of_making_an_object_is_told_by_its_name(s3: S3) -> None:
    listen(s3)
    s3.put_object(bucket="box", key="put", body=b"x" * 100_000)
    s3.put_object(bucket="box", key="post", body=b"x", as_=s3.call(method="POST"))
    s3.copy_object(bucket="box", key="copy", copy_source="box/put")
    upload = s3.create_multipart_upload(bucket="box", key="multi")["UploadId"]
    part = s3.upload_part(bucket="box", key="multi", upload_id=upload, part_number=1, body=b"123456")
    completed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    made = None
    for _ in range(2):
        made = s3.complete_multipart_upload(bucket="box", key="multi", upload_id=upload, multipart_upload=completed)
    s3.put_object_tagging(bucket="box", key="put", tagging={"TagSet": []})
    s3.delete_object(bucket="box", key="put")
    found = records(s3)
    assert [(record["eventName"], record["s3"]["object"]["key"]) for record in found] == [
        ("ObjectCreated:Put", "put"),
        ("ObjectCreated:Post", "post"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "multi"),
    ]
    assert [record["s3"]["object"]["size"] for record in found] == [100_000, 1, 100_000, 6]
    assert made is not None
    assert f'"{found[3]["s3"]["object"]["eTag"]}"' == made["ETag"]


def test_an_upload_that_is_refused_is_not_told(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"x")
    listen(s3)
    with pytest.raises(errors.PreconditionFailed):
        s3.put_object(bucket="box", key="k", body=b"y", if_none_match="*")
    with pytest.raises(errors.BadDigest):
        s3.put_object(bucket="box", key="k", body=b"y", content_md5=base64.b64encode(b"0" * 16).decode())
    assert s3.outbox() == []


def test_each_key_that_is_deleted_is_told(s3: S3) -> None:
    """DeleteObjects tells of keys that are not there, too; DeleteObject does not."""
    listen(s3, REMOVED)
    for key in ("a", "b"):
        s3.put_object(bucket="box", key=key, body=b"x")
    s3.delete_object(bucket="box", key="a")
    s3.delete_object(bucket="box", key="a")
    assert told(s3) == [("ObjectRemoved:Delete", "a")]
    asked = {"Objects": [{"Key": "b"}, {"Key": "nothing"}, {"Key": "secret"}], "Quiet": True}
    s3.delete_objects(bucket="box", delete=asked, deny=lambda action, arn: arn.endswith("secret"))
    (first, second) = records(s3)
    assert [first["s3"]["object"]["key"], second["s3"]["object"]["key"]] == ["b", "nothing"]
    assert set(first["s3"]["object"]) == {"key", "sequencer"}
    assert first["eventVersion"] == "2.1"


def test_every_key_of_a_large_deletion_is_told(s3: S3) -> None:
    listen(s3, REMOVED)
    names = [f"{number:03d}" for number in range(230)]
    asked = {"Objects": [{"Key": name} for name in names]}
    assert len(s3.delete_objects(bucket="box", delete=asked)["Deleted"]) == 230
    assert told(s3) == [("ObjectRemoved:Delete", name) for name in names]


def test_tagging_is_told_without_a_size(s3: S3) -> None:
    listen(s3, "s3:ObjectTagging:*")
    s3.put_object(bucket="box", key="k", body=b"x", tagging="a=b")
    assert s3.outbox() == []
    s3.put_object_tagging(bucket="box", key="k", tagging={"TagSet": [{"Key": "a", "Value": "c"}]})
    s3.delete_object_tagging(bucket="box", key="k")
    first, second = records(s3)
    assert (first["eventName"], second["eventName"]) == ("ObjectTagging:Put", "ObjectTagging:Delete")
    assert first["eventVersion"] == "2.3"
    assert first["s3"]["object"] == {"key": "k", "eTag": "9dd4e461268c8034f5c8564e155c67a6"}


def test_filters_choose_by_the_key(s3: S3) -> None:
    """A value is URL-encoded as keys in messages are: S3 user guide, "… using object key name filtering"."""
    s3.neighbours.listening = {QUEUE: True, TOPIC: True}
    put(s3, queue(prefix="in/", suffix=".csv", Id="csv"), queue(prefix="my+files/%3D", Id="odd"))
    s3.outbox()
    for key in ("in/a.csv", "in/a.txt", "out/a.csv", "my files/=1", "my+files/=1", "in/.csv"):
        s3.put_object(bucket="box", key=key, body=b"x")
    found = [(record["s3"]["configurationId"], record["s3"]["object"]["key"]) for record in records(s3)]
    assert found == [("csv", "in/a.csv"), ("odd", "my+files/%3D1"), ("csv", "in/.csv")]


def test_a_record_says_what_is_documented(s3: S3) -> None:
    """S3 user guide, "Event message structure"."""
    listen(s3, Id="mine")
    s3.clock.time += 0.0625
    call = s3.call(principal=user(), source_ip="10.1.2.3", headers={b"x-amzn-trace-id": b"Root=1-2-3"})
    s3.put_object(bucket="box", key="red flower/ä&=+.jpg", body=b"hello", as_=call)
    (letter,) = s3.outbox()
    assert isinstance(letter, SendToQueue)
    assert letter.trace == "Root=1-2-3"
    assert json.loads(letter.body) == {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2023-11-14T22:13:20.062Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:AIDAUSER"},
                "requestParameters": {"sourceIPAddress": "10.1.2.3"},
                "responseElements": {
                    "x-amz-request-id": "request",
                    "x-amz-id-2": base64.b64encode(b"request").decode(),
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "mine",
                    "bucket": {
                        "name": "box",
                        "ownerIdentity": {"principalId": owner(s3)},
                        "arn": "arn:aws:s3:::box",
                    },
                    "object": {
                        "key": "red+flower/%C3%A4%26%3D%2B.jpg",
                        "size": 5,
                        "eTag": "5d41402abc4b2a76b9719d911017c592",
                        "sequencer": f"{1_700_000_000 * 2**30 + 2**26:018X}",
                    },
                },
            }
        ]
    }


def owner(s3: S3) -> str:
    from awning.services.s3.event_records import customer_id

    assert customer_id(ACCOUNT) != customer_id(OTHER)
    assert len(customer_id(ACCOUNT)) == 14
    return customer_id(ACCOUNT)


def test_a_trace_that_no_queue_would_take_is_left_out(s3: S3) -> None:
    listen(s3)
    for trace in (b"", b"a b", b"\xff", b"x" * 2000):
        s3.put_object(bucket="box", key="k", body=b"x", as_=s3.call(headers={b"x-amzn-trace-id": trace}))
    assert {letter.trace for letter in s3.outbox() if isinstance(letter, SendToQueue)} == {None}


def test_sequencers_grow_even_where_the_clock_runs_back(s3: S3) -> None:
    listen(s3, CREATED, REMOVED)
    for step in (0, 0, -1000, 5, -5, 0.001):
        s3.clock.time += step
        s3.put_object(bucket="box", key="k", body=b"x")
        s3.delete_object(bucket="box", key="k")
    found = [record["s3"]["object"]["sequencer"] for record in records(s3)]
    assert found == sorted(set(found))
    assert len({len(sequencer) for sequencer in found}) == 1


def test_what_is_told_goes_with_what_it_tells_of(s3: S3) -> None:
    """One transaction: where it fails, neither is there."""
    listen(s3)

    def fail(call: Call) -> None:
        from awning.services.s3 import notifications

        bucket = bucket_tables.find_bucket(call.db, "box")
        assert bucket is not None
        notifications.notify(call, bucket, "ObjectCreated:Put", "k", 1, '"x"')
        raise errors.NoSuchKey("k")

    with pytest.raises(errors.NoSuchKey):
        s3.loop.run_until_complete(s3.room.write(s3.call(), fail))
    assert s3.outbox() == []


def test_the_last_configuration_counts_at_once(s3: S3) -> None:
    listen(s3)
    s3.put_object(bucket="box", key="a", body=b"x")
    put(s3, queue(REMOVED))
    s3.put_object(bucket="box", key="b", body=b"x")
    put(s3)
    s3.delete_object(bucket="box", key="a")
    sent = [json.loads(letter.body) for letter in s3.outbox() if isinstance(letter, SendToQueue)]
    assert [message.get("Event") or message["Records"][0]["s3"]["object"]["key"] for message in sent] == [
        "a",
        "s3:TestEvent",
    ]
