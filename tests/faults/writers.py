"""Writers that remember what was acknowledged to them, so that after a crash it can be held against what is there.

Each writer has resources of its own. An operation under way when the region dies may have happened or not; an acknowledged
one must have.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PART = 5 * 1024 * 1024
OPTIONS = {"config": Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)}

Make = Callable[..., Any]


class Writer(threading.Thread):
    """Runs `step()` until the region goes away. `faults` are answers that should not have come."""

    def __init__(self, name: str, make: Make, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.make = make
        self.random = random.Random(f"{name}-{seed}")
        self.faults: list[str] = []
        self.done = 0
        self.halt = threading.Event()

    def prepare(self) -> None:
        """Create what the writer writes to; the region runs."""

    def step(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """After the restart: raise AssertionError where what was acknowledged does not hold."""
        raise NotImplementedError

    def run(self) -> None:
        while not self.halt.is_set():
            try:
                self.step()
            except ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode", 0) < 500:
                    self.faults.append(f"{self.name}: {error}")
                return
            except BotoCoreError:
                return
            self.done += 1


class Objects(Writer):
    """Puts, overwrites and deletes, small (inline) and larger (a file)."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.s3.create_bucket(Bucket=self.name)
        self.known: dict[str, str | None] = {}
        self.open: tuple[str, str | None] | None = None

    def step(self) -> None:
        key = f"folder/{self.random.randrange(40)}"
        if self.random.random() < 0.25:
            self.open = (key, None)
            self.s3.delete_object(Bucket=self.name, Key=key)
        else:
            size = self.random.choice((0, 10, 1000, 60_000, 70_000, 400_000))
            content = self.random.randbytes(size)
            self.open = (key, digest(content))
            self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        self.known[key] = self.open[1]
        self.open = None

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)
        listed = {
            item["Key"]: item
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
            for item in page.get("Contents", [])
        }
        for key, expected in self.known.items():
            allowed = {expected} | ({self.open[1]} if self.open and self.open[0] == key else set())
            found = None
            if key in listed:
                answer = s3.get_object(Bucket=self.name, Key=key)
                content = answer["Body"].read()
                assert len(content) == answer["ContentLength"] == listed[key]["Size"]
                assert answer["ETag"] == listed[key]["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
                found = digest(content)
            assert found in allowed, f"{self.name}/{key}: {found} is none of {allowed}"
        surprises = set(listed) - set(self.known) - ({self.open[0]} if self.open else set())
        assert not surprises


class Uploads(Writer):
    """Multipart uploads, completed; the object is whole or not there."""

    def prepare(self) -> None:
        self.s3 = self.make("s3", **OPTIONS)
        self.s3.create_bucket(Bucket=self.name)
        self.known: dict[str, str] = {}
        self.open: tuple[str, str] | None = None

    def step(self) -> None:
        key = f"upload-{self.done}"
        parts = [self.random.randbytes(PART), self.random.randbytes(1000)]
        upload = self.s3.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
        tags = [
            self.s3.upload_part(Bucket=self.name, Key=key, UploadId=upload, PartNumber=number, Body=part)["ETag"]
            for number, part in enumerate(parts, 1)
        ]
        self.open = (key, digest(b"".join(parts)))
        self.s3.complete_multipart_upload(
            Bucket=self.name,
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]},
        )
        self.known[key] = self.open[1]
        self.open = None

    def check(self) -> None:
        s3 = self.make("s3", **OPTIONS)
        allowed = dict(self.known)
        if self.open:
            allowed[self.open[0]] = self.open[1]
        listed = [item["Key"] for item in s3.list_objects_v2(Bucket=self.name).get("Contents", [])]
        assert set(self.known) <= set(listed) <= set(allowed)
        for key in listed:
            assert digest(s3.get_object(Bucket=self.name, Key=key)["Body"].read()) == allowed[key]


class Messages(Writer):
    """Sends, receives and deletes on a queue: an acknowledged message is there unless its delete was called."""

    def prepare(self) -> None:
        self.sqs = self.make("sqs", **OPTIONS)
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        self.sent: set[str] = set()
        self.deleting: set[str] = set()
        self.deleted: set[str] = set()
        self.open: str | None = None

    def step(self) -> None:
        if self.random.random() < 0.6:
            self.open = f"{self.name}-{self.done}"
            self.sqs.send_message(QueueUrl=self.url, MessageBody=self.open)
            self.sent.add(self.open)
            self.open = None
            return
        for message in self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=3).get("Messages", []):
            assert message["Body"] not in self.deleted, "a deleted message came back"
            self.deleting.add(message["Body"])
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            self.deleted.add(message["Body"])

    def check(self) -> None:
        sqs = self.make("sqs", **OPTIONS)
        url = sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        found: set[str] = set()
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
            found |= {message["Body"] for message in batch}
        assert self.sent - self.deleting <= found, f"lost: {sorted(self.sent - self.deleting - found)[:5]}"
        assert not found & self.deleted, f"came back: {sorted(found & self.deleted)[:5]}"
        assert found <= self.sent | ({self.open} if self.open else set())


class Policies(Writer):
    """Users' policies, changed again and again: what was acknowledged is in force."""

    def prepare(self) -> None:
        self.iam = self.make("iam", **OPTIONS)
        self.iam.create_user(UserName=self.name)
        self.known = -1
        self.open = -1

    def step(self) -> None:
        self.open = self.done
        self.iam.put_user_policy(UserName=self.name, PolicyName="changing", PolicyDocument=statement(self.open))
        self.known = self.open

    def check(self) -> None:
        iam = self.make("iam", **OPTIONS)
        if self.known < 0:
            return
        found = iam.get_user_policy(UserName=self.name, PolicyName="changing")["PolicyDocument"]
        assert found["Statement"][0]["Sid"] in {f"Version{self.known}", f"Version{self.open}"}


def statement(number: int) -> str:
    allowed = {"Sid": f"Version{number}", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
