"""The workloads: what each one sends, what it needs beforehand, and how an answer is known to be right.

Each is complete in itself, so that any one of them can be run alone.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.generator import Request, replay, saved_bodies, write_requests
from bench.recorder import make_client
from bench.servers import Running
from bench.tenant import BUCKET, LARGE_BUCKET, LIST_BUCKET, Tenant

DIFFERENT = 1000  # requests per workload
LARGE = 64 << 20  # bytes
LARGE_KEYS = 4
PREPARATION_SECONDS = 6.0  # a server that is slower gets shorter queues


class Refusal(Exception):
    """The server does not do what the workload needs."""


@dataclass(slots=True)
class Stage:
    """A running server, what was made on it, and a folder for request files."""

    running: Running
    tenant: Tenant
    folder: Path
    _queues: int = 0

    def send_once(self, requests: list[Request], *, connections: int = 16, save: Path | None = None) -> int:
        """Sends each request once, unmeasured; the number of successes."""
        path = self.folder / "prepare.requests"
        write_requests(path, requests)
        run = replay(
            path,
            self.running.port,
            seconds=PREPARATION_SECONDS,
            connections=connections,
            limit=len(requests),
            save=save,
        )
        if run.failed == run.requests:
            raise Refusal(f"{self.running.server.name} answered {run.by_status}: {run.first_error}")
        return run.requests - run.failed

    def record(self, service: str, method: str, **params: Any) -> Request:
        return self.tenant.recorder.record(service, method, **params)

    def text(self, length: int) -> str:
        return "".join(self.tenant.random.choices("abcdefghijklmnopqrstuvwxyz 0123456789", k=length))

    def filled_queue(self, messages: int) -> tuple[str, int]:
        """The URL of a new queue, and how many messages of 200 bytes it holds: at most `messages`."""
        self._queues += 1
        sqs = make_client("sqs", self.running.endpoint)
        name = f"bench-filled-{self._queues}"
        url: str = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "43200"})["QueueUrl"]
        batches = []
        for number in range(messages // 10):
            entries = [{"Id": str(i), "MessageBody": f"{number:06d}-{i} {self.text(191)}"} for i in range(10)]
            batches.append(self.record("sqs", "send_message_batch", QueueUrl=url, Entries=entries))
        return url, 10 * self.send_once(batches)

    def received(self, messages: int) -> tuple[str, list[str]]:
        """The URL of a new queue, and the handles of all its messages after they have been received."""
        url, held = self.filled_queue(messages)
        path = self.folder / "received"
        self.send_once(receives(self, url, 10, held // 10), save=path)
        handles = [m["ReceiptHandle"] for _, body in saved_bodies(path) for m in json.loads(body).get("Messages", [])]
        return url, handles


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of one measurement; `once`: none may be repeated; `limit`: no more than so many have a sense."""

    requests: list[Request]
    once: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the table; `right` judges the body of an answer with status 200."""

    name: str
    title: str
    plan: Callable[[Stage], Plan]
    right: Callable[[bytes], bool] = field(default=lambda body: True)
    connections: int = 64
    payload: int = 0  # bytes a request moves, where throughput is the figure
    budget: str = ""  # what awning has set itself, in words


def receives(stage: Stage, url: str, most: int, count: int) -> list[Request]:
    return [stage.record("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=most) for _ in range(count)]


def send_message(stage: Stage) -> Plan:
    url = stage.tenant.queues["bench-send"]
    return Plan(
        [stage.record("sqs", "send_message", QueueUrl=url, MessageBody=stage.text(200)) for _ in range(DIFFERENT)]
    )


def send_message_query(stage: Stage) -> Plan:
    url = stage.tenant.queues["bench-query"]
    make = stage.tenant.recorder.record
    return Plan(
        [
            make("sqs", "send_message", query_protocol=True, QueueUrl=url, MessageBody=stage.text(200))
            for _ in range(DIFFERENT)
        ]
    )


def receive_message(stage: Stage) -> Plan:
    url, held = stage.filled_queue(5000)
    return Plan(receives(stage, url, 1, DIFFERENT), limit=held)


def receive_ten(stage: Stage) -> Plan:
    url, held = stage.filled_queue(10000)
    return Plan(receives(stage, url, 10, DIFFERENT), limit=held // 10)


def delete_message(stage: Stage) -> Plan:
    url, handles = stage.received(3000)
    return Plan([stage.record("sqs", "delete_message", QueueUrl=url, ReceiptHandle=one) for one in handles], once=True)


def delete_ten(stage: Stage) -> Plan:
    url, handles = stage.received(8000)
    groups = [handles[at : at + 10] for at in range(0, len(handles), 10)]
    return Plan(
        [
            stage.record(
                "sqs",
                "delete_message_batch",
                QueueUrl=url,
                Entries=[{"Id": str(i), "ReceiptHandle": one} for i, one in enumerate(group)],
            )
            for group in groups
        ],
        once=True,
    )


def send_fifo(stage: Stage) -> Plan:
    """Ten thousand groups; no message may come twice, or it would be a duplicate that is not stored."""
    sqs = make_client("sqs", stage.running.endpoint)
    attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    url = sqs.create_queue(QueueName="bench-send.fifo", Attributes=attributes)["QueueUrl"]
    return Plan(
        [
            stage.record(
                *("sqs", "send_message"),
                QueueUrl=url,
                MessageBody=stage.text(200),
                MessageGroupId=f"group-{number % 10_000}",
                MessageDeduplicationId=f"message-{number}",
            )
            for number in range(20_000)
        ],
        once=True,
    )


def publish_raw(stage: Stage) -> Plan:
    return _publish(stage, "orders-raw", {"RawMessageDelivery": "true"})


def publish_wide(stage: Stage) -> Plan:
    return _publish(stage, "orders-wide", {"RawMessageDelivery": "true"}, queues=10)


def publish_signed(stage: Stage) -> Plan:
    return _publish(stage, "orders-signed", {})


def _publish(stage: Stage, name: str, attributes: dict[str, str], queues: int = 3) -> Plan:
    sns, sqs = (make_client(service, stage.running.endpoint) for service in ("sns", "sqs"))
    topic = sns.create_topic(Name=name)["TopicArn"]
    for number in range(queues):
        arn = ":".join([*topic.replace(":sns:", ":sqs:").split(":")[:5], f"bench-{name}-{number}"])
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.create_queue(QueueName=arn.rpartition(":")[2], Attributes={"Policy": policy})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return Plan([stage.record("sns", "publish", TopicArn=topic, Message=stage.text(200)) for _ in range(DIFFERENT)])


def _puts(stage: Stage, bucket: str, keys: list[str], size: int) -> list[Request]:
    return [
        stage.record("s3", "put_object", Bucket=bucket, Key=key, Body=stage.tenant.random.randbytes(size))
        for key in keys
    ]


def put_object(stage: Stage) -> Plan:
    return Plan(_puts(stage, BUCKET, [f"written/2026/11/{i:06d}.bin" for i in range(DIFFERENT)], 1024))


def put_told(stage: Stage) -> Plan:
    """As put_object, into a bucket that tells a queue of every object."""
    name = "bench-told"
    s3, sqs = (make_client(service, stage.running.endpoint) for service in ("s3", "sqs"))
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    s3.create_bucket(Bucket=name)
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    return Plan(_puts(stage, name, [f"written/2026/11/{i:06d}.bin" for i in range(DIFFERENT)], 1024))


def put_versioned(stage: Stage) -> Plan:
    """As put_object, into a bucket that keeps versions: every key gets ever more of them."""
    name = "bench-versioned"
    s3 = make_client("s3", stage.running.endpoint)
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Plan(_puts(stage, name, [f"written/2026/11/{i:06d}.bin" for i in range(DIFFERENT)], 1024))


def _bucket_under_kms(stage: Stage) -> str:
    """Make a bucket whose objects are encrypted under a bucket key of S3's own KMS key."""
    name = "bench-kms"
    s3 = make_client("s3", stage.running.endpoint)
    s3.create_bucket(Bucket=name)
    by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [by_default]})
    return name


def put_under_kms(stage: Stage) -> Plan:
    name = _bucket_under_kms(stage)
    return Plan(_puts(stage, name, [f"written/2026/11/{i:06d}.bin" for i in range(DIFFERENT)], 1024))


def get_under_kms(stage: Stage) -> Plan:
    name = _bucket_under_kms(stage)
    keys = [f"read/2026/11/{i:06d}.bin" for i in range(DIFFERENT)]
    stage.send_once(_puts(stage, name, keys, 1024))
    return Plan([stage.record("s3", "get_object", Bucket=name, Key=key) for key in keys])


def get_object(stage: Stage) -> Plan:
    keys = [f"read/2026/11/{i:06d}.bin" for i in range(DIFFERENT)]
    stage.send_once(_puts(stage, BUCKET, keys, 1024))
    return Plan([stage.record("s3", "get_object", Bucket=BUCKET, Key=key) for key in keys])


def list_objects(stage: Stage) -> Plan:
    """Twice as many keys as an answer holds, so that each request can start after another key."""
    keys = [f"photos/2026/11/{i:06d}.jpg" for i in range(2 * DIFFERENT)]
    stage.send_once(_puts(stage, LIST_BUCKET, keys, 16))
    return Plan(
        [stage.record("s3", "list_objects_v2", Bucket=LIST_BUCKET, StartAfter=keys[i]) for i in range(DIFFERENT)]
    )


def put_large(stage: Stage) -> Plan:
    body = stage.tenant.random.randbytes(LARGE)
    heads = [
        stage.record("s3", "put_object", Bucket=LARGE_BUCKET, Key=f"backup-{i}.tar", Body=body).head
        for i in range(LARGE_KEYS)
    ]
    return Plan([Request(head, body) for head in heads])


def get_large(stage: Stage) -> Plan:
    stage.send_once(put_large(stage).requests, connections=1)
    return Plan(
        [stage.record("s3", "get_object", Bucket=LARGE_BUCKET, Key=f"backup-{i}.tar") for i in range(LARGE_KEYS)]
    )


def caller_identity(stage: Stage) -> Plan:
    return Plan([stage.record("sts", "get_caller_identity") for _ in range(DIFFERENT)])


def _has(pattern: bytes, times: int = 1) -> Callable[[bytes], bool]:
    return lambda body: len(re.findall(pattern, body)) == times


WORKLOADS = {
    workload.name: workload
    for workload in [
        Workload("send", "SQS SendMessage, 200 B", send_message, _has(rb'"MD5OfMessageBody"'), budget="≤ 55 µs"),
        Workload("send-query", "SQS SendMessage, query protocol", send_message_query, _has(rb"<MD5OfMessageBody>")),
        Workload("receive", "SQS ReceiveMessage", receive_message, _has(rb'"ReceiptHandle"')),
        Workload("delete", "SQS DeleteMessage", delete_message),
        Workload("receive-10", "SQS ReceiveMessage of 10", receive_ten, _has(rb'"ReceiptHandle"', 10)),
        Workload("delete-10", "SQS DeleteMessageBatch of 10", delete_ten, _has(rb'"Id"', 10)),
        Workload("send-fifo", "SQS SendMessage, FIFO, 10,000 groups", send_fifo, _has(rb'"SequenceNumber"')),
        Workload("publish", "SNS Publish to 3 queues, raw", publish_raw, _has(rb"<MessageId>"), budget="≤ 150 µs"),
        Workload("publish-signed", "SNS Publish to 3 queues, signed documents", publish_signed, _has(rb"<MessageId>")),
        Workload("publish-10", "SNS Publish to 10 queues, raw", publish_wide, _has(rb"<MessageId>")),
        Workload("put", "S3 PutObject, 1 KiB", put_object, budget="≤ 55 µs"),
        Workload("put-told", "S3 PutObject, 1 KiB, told to a queue", put_told),
        Workload("put-versions", "S3 PutObject, 1 KiB, versions kept", put_versioned),
        Workload("put-kms", "S3 PutObject, 1 KiB, SSE-KMS", put_under_kms),
        Workload("get-kms", "S3 GetObject, 1 KiB, SSE-KMS", get_under_kms, lambda body: len(body) == 1024),
        Workload("get", "S3 GetObject, 1 KiB", get_object, lambda body: len(body) == 1024, budget="≤ 40 µs"),
        Workload("list", "S3 ListObjectsV2, 1,000 keys", list_objects, _has(rb"<Key>", 1000), budget="≤ 3 ms"),
        Workload("identity", "STS GetCallerIdentity", caller_identity, _has(rb"<Arn>")),
        Workload("put-64m", "S3 PutObject, 64 MiB", put_large, connections=4, payload=LARGE, budget="≥ 400 MB/s"),
        Workload(
            "get-64m",
            "S3 GetObject, 64 MiB",
            get_large,
            lambda body: len(body) == LARGE,
            connections=4,
            payload=LARGE,
            budget="≥ 85 % of nginx",
        ),
    ]
}
