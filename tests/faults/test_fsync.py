"""A whole region on a disk that syncs late: no reply of any room precedes the fsync of what it acknowledges."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LiveRegion
from tests.faults.conftest import MakeRegion
from tests.faults.fsync.driver import Event, Faults, Kind
from tests.faults.writers import OPTIONS, statement

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
DELAY = 0.05


class Watched:
    """A region whose disk is slow, and the log of what it did to it."""

    def __init__(self, live: LiveRegion, faults: Faults) -> None:
        self.faults = faults
        self.s3 = live.client("s3", **OPTIONS)
        self.sqs = live.client("sqs", **OPTIONS)
        self.sns = live.client("sns", **OPTIONS)
        self.iam = live.client("iam", **OPTIONS)

    def during(self, call: Callable[[], Any]) -> tuple[Any, list[Event]]:
        """Return what a call returns, and what happened to the disk until its reply."""
        begun = time.monotonic_ns()
        answer = call()
        ended = time.monotonic_ns()
        time.sleep(2 * DELAY)  # what comes after the reply has to be in the log as well, for the tests to see it
        return answer, [event for event in self.faults.events() if begun <= event.nanoseconds <= ended]


@pytest.fixture
def watched(make_region: MakeRegion, tmp_path: Path) -> Watched:
    (tmp_path / "data").mkdir()
    faults = Faults(tmp_path / "faults", tmp_path / "data")
    live = make_region(environment=faults.environment()).start()
    faults.delay_fsync(DELAY)
    faults.record()
    return Watched(live, faults)


def assert_synced(events: list[Event], room: str) -> int:
    """The log of a room was written, and all of it synced, within these events. Returns when the writing began."""
    log = [event for event in events if event.path.endswith(f"{room}.db-wal")]
    written = [event.nanoseconds for event in log if event.kind == Kind.WRITTEN]
    assert written, f"nothing was written to {room}'s log before the reply"
    assert_ended(log, max(written))
    return min(written)


def assert_first_synced(events: list[Event], room: str) -> None:
    """What was written first to the log of a room was synced within these events; of what came later nothing is asked."""
    log = [event for event in events if event.path.endswith(f"{room}.db-wal")]
    assert_ended(log, min(event.nanoseconds for event in log if event.kind == Kind.WRITTEN))


def assert_ended(events: list[Event], after: int) -> int:
    """A sync that began after a moment has ended. Returns when."""
    begun = [event for event in events if event.kind == Kind.SYNC_BEGUN and event.nanoseconds >= after]
    assert begun, "no sync began before the reply"
    ended = [event for event in events if event.kind == Kind.SYNC_ENDED and event.number == begun[0].number]
    assert ended, "the reply came while the sync was under way"
    assert ended[0].error == 0
    assert ended[0].nanoseconds - begun[0].nanoseconds >= DELAY * 1e9
    return ended[0].nanoseconds


def assert_published(events: list[Event]) -> int:
    """Each file that was put in place was synced before, and its folder after. Returns when the last of it was done."""
    renamed = [event for event in events if event.kind == Kind.RENAMED and "/blobs/s3/" in event.other]
    assert renamed
    done = 0
    for event in renamed:
        own = [each for each in events if each.path == event.path and each.nanoseconds <= event.nanoseconds]
        assert (
            assert_ended(own, max(each.nanoseconds for each in own if each.kind == Kind.WRITTEN)) <= event.nanoseconds
        )
        folder = [each for each in events if each.path == event.other.rpartition("/")[0]]
        done = max(done, assert_ended(folder, event.nanoseconds))
    return done


def test_s3_replies_after_the_fsync(watched: Watched) -> None:
    s3 = watched.s3
    _, events = watched.during(lambda: s3.create_bucket(Bucket="held"))
    assert_synced(events, "s3")
    _, events = watched.during(lambda: s3.put_object(Bucket="held", Key="small", Body=b"x" * 1000))
    assert_synced(events, "s3")
    for size in (200_000, 3_000_000):
        _, events = watched.during(lambda size=size: s3.put_object(Bucket="held", Key=f"{size}", Body=b"x" * size))
        assert assert_published(events) <= assert_synced(events, "s3")
    _, events = watched.during(lambda: s3.copy_object(Bucket="held", Key="copy", CopySource="held/200000"))
    assert assert_published(events) <= assert_synced(events, "s3")
    _, events = watched.during(lambda: s3.delete_object(Bucket="held", Key="small"))
    assert_synced(events, "s3")


def test_a_multipart_upload_replies_after_the_fsync(watched: Watched) -> None:
    s3 = watched.s3
    s3.create_bucket(Bucket="held")
    which = {"Bucket": "held", "Key": "whole"}
    made, events = watched.during(lambda: s3.create_multipart_upload(**which))
    assert_synced(events, "s3")
    which["UploadId"] = made["UploadId"]
    part, events = watched.during(lambda: s3.upload_part(**which, PartNumber=1, Body=b"x" * 3_000_000))
    assert assert_published(events) <= assert_synced(events, "s3")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    _, events = watched.during(lambda: s3.complete_multipart_upload(**which, MultipartUpload=parts))
    assert_synced(events, "s3")


def test_sqs_replies_after_the_fsync(watched: Watched) -> None:
    sqs = watched.sqs
    made, events = watched.during(lambda: sqs.create_queue(QueueName="held"))
    assert_synced(events, "sqs")
    url = made["QueueUrl"]
    _, events = watched.during(lambda: sqs.send_message(QueueUrl=url, MessageBody="hello"))
    assert_synced(events, "sqs")
    entries = [{"Id": str(number), "MessageBody": "hello"} for number in range(10)]
    _, events = watched.during(lambda: sqs.send_message_batch(QueueUrl=url, Entries=entries))
    assert_synced(events, "sqs")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    _, events = watched.during(lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]))
    assert_synced(events, "sqs")


def test_a_fifo_queue_hands_out_after_the_fsync_what_a_standard_one_may_forget(watched: Watched) -> None:
    sqs = watched.sqs
    url = sqs.create_queue(QueueName="held.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    which = {"QueueUrl": url, "MessageGroupId": "g"}
    for number in range(3):
        sqs.send_message(**which, MessageBody="hello", MessageDeduplicationId=str(number))
    received, events = watched.during(lambda: sqs.receive_message(QueueUrl=url, VisibilityTimeout=600))
    assert_synced(events, "sqs")
    handle = received["Messages"][0]["ReceiptHandle"]
    change = {"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 900}
    _, events = watched.during(lambda: sqs.change_message_visibility(**change))
    assert_synced(events, "sqs")
    _, events = watched.during(lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=handle))
    assert_synced(events, "sqs")


def test_sns_replies_after_the_fsync(watched: Watched) -> None:
    sns = watched.sns
    made, events = watched.during(lambda: sns.create_topic(Name="held"))
    assert_synced(events, "sns")
    queue = watched.sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = watched.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = made["TopicArn"]
    text = {"TopicArn": topic, "Protocol": "sms", "Endpoint": "+4915112345671"}
    _, events = watched.during(lambda: sns.subscribe(**text))
    assert_synced(events, "sns")
    entries = [{"Id": str(number), "Message": "hello"} for number in range(10)]
    _, events = watched.during(lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries))
    assert_synced(events, "sns")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    # That the letter is forgotten, once it was delivered, may be written before a slow client has read the reply.
    _, events = watched.during(lambda: sns.publish(TopicArn=topic, Message="hello"))
    assert_first_synced(events, "sns")


def test_iam_replies_after_the_fsync(watched: Watched) -> None:
    for call in (
        lambda: watched.iam.create_user(UserName="held"),
        lambda: watched.iam.create_access_key(UserName="held"),
        lambda: watched.iam.put_user_policy(UserName="held", PolicyName="own", PolicyDocument=statement(0)),
    ):
        _, events = watched.during(call)
        assert_synced(events, "iam")


def test_an_error_that_rests_on_what_is_not_yet_synced_waits_for_it(watched: Watched) -> None:
    """A second CreateUser of the same batch is told that the user exists only once that is so for good."""
    import threading

    codes: list[tuple[int, str]] = []

    def create() -> None:
        try:
            watched.iam.create_user(UserName="twice")
        except watched.iam.exceptions.EntityAlreadyExistsException:
            codes.append((time.monotonic_ns(), "exists"))
        else:
            codes.append((time.monotonic_ns(), "made"))

    threads = [threading.Thread(target=create) for _ in range(4)]
    begun = time.monotonic_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(what for _, what in codes) == ["exists"] * 3 + ["made"]
    first = min(when for when, _ in codes)
    assert_synced([event for event in watched.faults.events() if begun <= event.nanoseconds <= first], "iam")
