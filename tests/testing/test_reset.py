"""A reset: all is gone, durably, nothing that was under way comes back, and the region goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from awning.cli.control import ask
from awning.testing import Region
from tests.conftest import LiveRegion

ONCE = Config(retries={"total_max_attempts": 1}, signature_version="s3v4")


def fill(region: Any) -> None:
    s3, sqs, iam = region.client("s3"), region.client("sqs"), region.client("iam")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=b"small")
    s3.put_object(Bucket="bucket", Key="large", Body=bytes(300_000))
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=bytes(300_000))
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=60)
    iam.create_user(UserName="user")


def assert_empty(region: Any) -> None:
    assert region.client("s3").list_buckets()["Buckets"] == []
    assert "QueueUrls" not in region.client("sqs").list_queues()
    assert region.client("iam").list_users()["Users"] == []


def blobs(data: Path) -> list[Path]:
    return list((data / "blobs" / "s3").glob("??/*"))


def test_all_is_gone_and_all_can_be_made_again(region: Region) -> None:
    for _ in range(3):
        fill(region)
        region.reset()
        assert_empty(region)
    fill(region)
    messages = region.client("sqs").receive_message(QueueUrl=f"{region.endpoint}/000000000000/queue")["Messages"]
    assert [message["Body"] for message in messages] == ["old"]
    assert region.client("s3").get_object(Bucket="bucket", Key="large")["Body"].read() == bytes(300_000)


def test_the_blobs_of_before_are_removed(region: Region) -> None:
    fill(region)
    assert blobs(region.data)
    region.reset()
    deadline = time.monotonic() + 20
    while blobs(region.data) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert blobs(region.data) == []


def test_nothing_comes_back_after_a_kill(own_region: LiveRegion) -> None:
    own_region.start()
    fill(own_region)
    ask(own_region.data, "reset")
    own_region.kill()
    own_region.start()
    assert_empty(own_region)
    fill(own_region)


def test_a_reset_that_a_crash_cut_short_is_finished_by_the_next_start(own_region: LiveRegion) -> None:
    own_region.start()
    fill(own_region)
    root = own_region.ca.read_text()
    own_region.kill()
    (own_region.data / "emptying").write_bytes(b"")
    own_region.start()
    assert_empty(own_region)
    assert blobs(own_region.data) == []
    assert own_region.ca.read_text() == root
    assert not (own_region.data / "emptying").exists()


def test_who_waits_is_told(region: Region) -> None:
    sqs = region.client("sqs", config=ONCE)
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    errors: list[ClientError] = []

    def wait() -> None:
        try:
            sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        except ClientError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while 'awning_waiting_calls{room="sqs"} 1' not in metrics(region):
        time.sleep(0.01)
    region.reset()
    waiting.join(10)
    assert [error.response["Error"]["Code"] for error in errors] == ["RegionReset"]


def metrics(region: Region) -> str:
    with urllib.request.urlopen(f"{region.endpoint}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_request_that_came_before_changes_nothing_after(region: Region) -> None:
    """Its body comes in two halves, and the region is emptied between them; the same bucket is there again by then."""
    s3 = region.client("s3", config=ONCE)
    s3.create_bucket(Bucket="bucket")
    began, go_on = threading.Event(), threading.Event()
    outcomes: list[str] = []

    class Halves:
        """A body that stops half-way."""

        left = 2

        def read(self, size: int = -1) -> bytes:
            if self.left == 1:
                began.set()
                go_on.wait(20)
            self.left -= 1
            return bytes(500_000) if self.left >= 0 else b""

    def put() -> None:
        url = s3.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "old"})
        request = urllib.request.Request(url, Halves(), {"Content-Length": "1000000"}, method="PUT")
        try:
            urllib.request.urlopen(request, timeout=20)
            outcomes.append("done")
        except urllib.request.HTTPError as error:  # type: ignore[attr-defined]
            outcomes.append(error.read().decode())

    putting = threading.Thread(target=put)
    putting.start()
    assert began.wait(10)
    region.reset()
    s3.create_bucket(Bucket="bucket")
    go_on.set()
    putting.join(20)
    assert "<Code>RegionReset</Code>" in outcomes[0]
    assert "Contents" not in s3.list_objects_v2(Bucket="bucket")


def test_a_crowd_of_writers_leaves_nothing_behind(region: Region) -> None:
    """Requests go on all the while; once they have ended, one more reset leaves nothing, and no answer was a fault of ours."""
    stop = threading.Event()
    codes: set[str] = set()

    def work(number: int) -> None:
        s3, sqs = region.client("s3", config=ONCE), region.client("sqs", config=ONCE)
        while not stop.is_set():
            try:
                s3.create_bucket(Bucket=f"bucket-{number}")
                s3.put_object(Bucket=f"bucket-{number}", Key="key", Body=bytes(100_000 if number % 2 else 10))
                url = sqs.create_queue(QueueName=f"queue-{number}")["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody="x")
                sqs.receive_message(QueueUrl=url)
                s3.get_object(Bucket=f"bucket-{number}", Key="key")["Body"].read()
            except ClientError as error:
                codes.add(error.response["Error"]["Code"])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(15):
        time.sleep(0.03)
        region.reset()
    stop.set()
    for worker in workers:
        worker.join(20)
    expected = {
        "RegionReset",
        "NoSuchBucket",
        "NoSuchKey",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
    assert codes <= expected | {"BucketAlreadyOwnedByYou"}
    region.reset()
    assert_empty(region)


def test_awning_reset_empties_a_region_that_runs(own_region: LiveRegion) -> None:
    own_region.start()
    fill(own_region)
    command = [sys.executable, "-m", "awning", "reset", "--yes", "--data", str(own_region.data)]
    assert "it goes on, empty" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert_empty(own_region)


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_the_known_page_resets_for_this_machine_and_for_no_web_page(region: Region, headers: dict[str, str]) -> None:
    fill(region)
    page = f"{region.endpoint}/_localstack/state/reset"
    request = urllib.request.Request(page, method="POST", headers=headers)
    if headers:
        with pytest.raises(urllib.request.HTTPError, match="403"):  # type: ignore[attr-defined]
            urllib.request.urlopen(request, timeout=10)
        assert len(region.client("s3").list_buckets()["Buckets"]) == 1
    else:
        urllib.request.urlopen(request, timeout=10)
        assert_empty(region)


def test_a_killed_region_leaves_its_folder_for_the_next(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(short_folder))
    killed = Region().start()
    os.kill(killed.pid, signal.SIGKILL)
    killed.kill()
    folder = killed.data.parent
    assert folder.exists()
    os.utime(folder, (1, 1))
    with Region():
        assert not folder.exists()
    assert list(short_folder.iterdir()) == []
