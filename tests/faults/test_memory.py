"""Memory stays level under mixed load: nothing that a request leaves behind adds up.

AWNING_SOAK_MINUTES (10) says how long the soak lasts.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion
from tests.faults import raw
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.figures import resident

ALLOWED = 8 << 20
"""Bytes that memory may grow by from the second quarter to the last; ten minutes are about half a million requests."""


class Load(threading.Thread):
    """One kind of client, until told to stop. `done` counts its requests; `faults` are what should not have happened."""

    def __init__(self, live: LiveRegion, number: int) -> None:
        super().__init__(daemon=True)
        self.live = live
        self.number = number
        self.chance = random.Random(number)
        self.halt = threading.Event()
        self.done = 0
        self.faults: list[BaseException] = []

    def run(self) -> None:
        try:
            self.prepare()
            while not self.halt.is_set():
                self.step()
                self.done += 1
        except BaseException as error:
            self.faults.append(error)

    def prepare(self) -> None:
        pass

    def step(self) -> None:
        raise NotImplementedError


class SmallObjects(Load):
    """Puts, reads, lists and deletes by signed requests on one connection; each signature is another."""

    def prepare(self) -> None:
        self.live.client("s3").create_bucket(Bucket=f"small-{self.number}")
        self.connection = raw.connect(self.live, tls=bool(self.number % 2))

    def step(self) -> None:
        key = f"/small-{self.number}/{self.chance.randrange(500)}?x-id={self.chance.random()}"
        tls = bool(self.number % 2)
        method = self.chance.choice(("PUT", "PUT", "GET", "GET", "HEAD", "DELETE"))
        size = self.chance.randrange(3000) if method == "PUT" else None
        self.connection.sendall(raw.sign(self.live, method, key, length=size, tls=tls).head + bytes(size or 0))
        if method == "HEAD":
            self.connection.close()
            self.connection = raw.connect(self.live, tls)
        else:
            assert raw.answer(self.connection)[0] in (200, 204, 404)


class LargeObjects(Load):
    """Multipart uploads, large objects and what breaks off in their middle."""

    def prepare(self) -> None:
        self.s3 = self.live.client("s3")
        self.s3.create_bucket(Bucket=f"large-{self.number}")

    def step(self) -> None:
        which = {"Bucket": f"large-{self.number}", "Key": f"{self.chance.randrange(5)}"}
        content = bytes(2_000_000)
        self.s3.put_object(**which, Body=content)
        assert len(self.s3.get_object(**which)["Body"].read()) == len(content)
        upload = self.s3.create_multipart_upload(**which)["UploadId"]
        part = self.s3.upload_part(**which, UploadId=upload, PartNumber=1, Body=content)
        if self.chance.random() < 0.5:
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            self.s3.complete_multipart_upload(**which, UploadId=upload, MultipartUpload=parts)
        else:
            self.s3.abort_multipart_upload(**which, UploadId=upload)
        with raw.connect(self.live) as connection:
            target = f"/{which['Bucket']}/broken"
            connection.sendall(raw.sign(self.live, "PUT", target, length=3_000_000).head + content)
            raw.tear(connection, self.chance.choice(("close", "reset")))


class Messages(Load):
    """Sends, receives, deletes, and a receiver that waits and goes away."""

    def prepare(self) -> None:
        self.sqs = self.live.client("sqs")
        self.url = self.sqs.create_queue(QueueName=f"load-{self.number}")["QueueUrl"]

    def step(self) -> None:
        entries = [{"Id": str(number), "MessageBody": "x" * 200} for number in range(10)]
        self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
        found = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)["Messages"]
        handles = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(found)]
        self.sqs.delete_message_batch(QueueUrl=self.url, Entries=handles)
        with raw.connect(self.live) as connection:
            connection.sendall(raw.sqs(self.live, "ReceiveMessage", QueueUrl=self.url, WaitTimeSeconds=20))


class Users(Load):
    """Users with policies and keys that come and go, their calls, and refused ones."""

    def prepare(self) -> None:
        self.iam = self.live.client("iam")

    def step(self) -> None:
        name = f"user-{self.number}-{self.done}"
        self.iam.create_user(UserName=name)
        document = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:ListQueues","Resource":"*"}}'
        self.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        own = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        self.live.client("sqs", **own, config=Config(retries={"total_max_attempts": 1})).list_queues()
        for head in (raw.sign(self.live, "GET", "/", **own).head, raw.sign(self.live, "GET", "/", secret="no").head):
            assert raw.exchange(self.live, head)[0] == 403
        self.iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        self.iam.delete_user_policy(UserName=name, PolicyName="own")
        self.iam.delete_user(UserName=name)
        try:
            self.iam.get_user(UserName=name)
        except ClientError:
            return
        raise AssertionError("a deleted user is there")


def mixed_load(live: LiveRegion, seconds: float) -> tuple[list[int], int]:
    """Return samples of the region's memory under load, and how many steps the clients made."""
    kinds: tuple[Any, ...] = (SmallObjects, SmallObjects, LargeObjects, Messages, Messages, Users)
    loads = [kind(live, number) for number, kind in enumerate(kinds)]
    for load in loads:
        load.start()
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and not any(load.faults for load in loads):
        time.sleep(seconds / 100)
        samples.append(resident(live))
    for load in loads:
        load.halt.set()
    for load in loads:
        load.join(60)
    assert [load.faults for load in loads if load.faults] == []
    return samples, sum(load.done for load in loads)


@pytest.mark.soak
def test_memory_stays_level(make_region: MakeRegion) -> None:
    live = make_region("--log-level", "error").start()
    samples, steps = mixed_load(live, 60 * float(os.environ.get("AWNING_SOAK_MINUTES", "10")))
    quarters = [samples[len(samples) * at // 4 : len(samples) * (at + 1) // 4] for at in range(4)]
    shown = [round(statistics.median(quarter) / 2**20, 1) for quarter in quarters]
    print(f"{steps} steps; resident MiB by quarters of the time: {shown}, at most {max(samples) / 2**20:.1f}")
    assert statistics.median(quarters[3]) < statistics.median(quarters[1]) + ALLOWED
    assert_clean(live.data)
