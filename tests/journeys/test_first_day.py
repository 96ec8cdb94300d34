"""A first day's work on real input: thousands of files there and back, a large upload, and a busy queue.

Each step is what a user does, by the clients that users have.
"""

from __future__ import annotations

import filecmp
import os
import random
import subprocess
import sys
import sysconfig
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

MESSAGES = 10_000
SENDERS = 3
CONSUMERS = 4


def aws(region: Any, *arguments: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("aws")), *arguments],
        capture_output=True,
        text=True,
        env=region.env(),
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def standard_library(target: Path) -> int:
    """Links the standard library's files into a folder, without what Python writes there while tests run; how many."""
    source = Path(sysconfig.get_path("stdlib"))
    count = 0
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in ("__pycache__", "site-packages", "dist-packages")]
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True)
        for name in files:
            if (Path(folder) / name).is_file():
                (there / name).symlink_to(Path(folder) / name)
                count += 1
    return count


def assert_same(left: Path, right: Path) -> None:
    """Every file is on both sides, with the same bytes."""
    files = {path.relative_to(left) for path in left.rglob("*") if path.is_file()}
    assert files == {path.relative_to(right) for path in right.rglob("*") if path.is_file()}
    _, different, unreadable = filecmp.cmpfiles(left, right, [str(path) for path in files], shallow=False)
    assert (different, unreadable) == ([], [])


def test_the_standard_library_goes_up_and_comes_down_again(region: Any, tmp_path: Path) -> None:
    bucket = f"s3://library-{uuid.uuid4().hex[:12]}"
    up, down = tmp_path / "up", tmp_path / "down"
    count = standard_library(up)
    assert count > 500
    aws(region, "s3", "mb", bucket)
    aws(region, "s3", "sync", "--only-show-errors", str(up), bucket)
    aws(region, "s3", "sync", "--only-show-errors", bucket, str(down))
    assert_same(up, down)
    assert aws(region, "s3", "sync", bucket, str(down)) == ""
    assert f"Total Objects: {count}" in aws(region, "s3", "ls", "--recursive", "--summarize", f"{bucket}/")


def test_200_megabytes_go_up_in_parts(region: Any, tmp_path: Path) -> None:
    bucket = f"s3://upload-{uuid.uuid4().hex[:12]}"
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(random.Random(7).randbytes(200_000_000))
    aws(region, "s3", "mb", bucket)
    aws(region, "s3", "cp", "--only-show-errors", str(source), f"{bucket}/large")
    etag = region.client("s3").head_object(Bucket=bucket.removeprefix("s3://"), Key="large")["ETag"]
    assert etag.endswith('-24"')  # 8 MiB each
    aws(region, "s3", "cp", "--only-show-errors", f"{bucket}/large", str(back))
    assert filecmp.cmp(source, back, shallow=False)


def test_each_of_10_000_messages_is_seen(region: Any) -> None:
    url = region.client("sqs").create_queue(
        QueueName=f"busy-{uuid.uuid4().hex[:12]}", Attributes={"VisibilityTimeout": "600"}
    )["QueueUrl"]
    seen: Counter[str] = Counter()
    lock = threading.Lock()
    failures: list[BaseException] = []

    def send(numbers: range) -> None:
        sqs = region.client("sqs")
        for start in range(0, len(numbers), 10):
            entries = [{"Id": str(i), "MessageBody": f"message {i}"} for i in numbers[start : start + 10]]
            assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == len(entries)

    def consume() -> None:
        sqs = region.client("sqs")
        while sum(seen.values()) < MESSAGES:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
            messages = answer.get("Messages", [])
            if not messages and not any(sender.is_alive() for sender in senders):
                return
            if messages:
                handles = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
                gone = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
                assert len(gone["Successful"]) == len(messages)
            with lock:
                seen.update(message["Body"] for message in messages)

    def guarded(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(error)

    senders = [
        threading.Thread(target=guarded, args=(send, range(MESSAGES)[number::SENDERS])) for number in range(SENDERS)
    ]
    consumers = [threading.Thread(target=guarded, args=(consume,)) for _ in range(CONSUMERS)]
    for thread in [*senders, *consumers]:
        thread.start()
    for thread in [*senders, *consumers]:
        thread.join(300)
    assert failures == []
    assert set(seen) == {f"message {i}" for i in range(MESSAGES)}
    assert max(seen.values()) == 1  # nothing became visible again: none was received twice
    attributes = region.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
