"""Clients that go away at any stage of a request: nothing half-visible, nothing left open or lying about, no message lost."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LiveRegion
from tests.faults import raw
from tests.faults.audit import assert_clean

HOWS = ("close", "reset", "half")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegion]:
    region = LiveRegion(tmp_path_factory.mktemp("torn") / "data").start()
    yield region
    assert region.stop() == 0


@pytest.fixture(autouse=True)
def _leaves_nothing(live: LiveRegion) -> Iterator[None]:
    before = live.log.read_text()
    yield
    assert_clean(live.data)
    for _ in range(200):
        # The listener, the control socket and the loop's own pair stay.
        blobs = [name for name in raw.descriptors(live) if "/blobs/" in name]
        if not blobs and connections(live) == 0:
            break
        time.sleep(0.05)
    assert (blobs, connections(live)) == ([], 0)
    said = live.log.read_text()[len(before) :]
    assert "Traceback" not in said
    assert " 500 " not in said


def connections(live: LiveRegion) -> int:
    """Return how many TCP connections the region holds, in any state."""
    assert live.process is not None
    own = set(raw.descriptors(live))
    port = f":{live.port:04X}"
    rows = [line.split() for line in Path(f"/proc/{live.process.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] != "0A" and f"socket:[{row[9]}]" in own for row in rows)


@pytest.fixture
def s3(live: LiveRegion) -> Iterator[Any]:
    client = live.client("s3")
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = f"torn-{abs(hash(request.node.name))}"
    s3.create_bucket(Bucket=name)
    return name


def put(live: LiveRegion, bucket: str, kind: str, size: int, tls: bool) -> tuple[bytes, bytes]:
    """Return head and body of a PutObject."""
    content = random.Random(size).randbytes(size)
    target = f"/{bucket}/key"
    if kind == "plain":
        head = raw.sign(live, "PUT", target, length=size, tls=tls)
        return head.head, content
    chunks = raw.Chunks([content[at : at + 65536] for at in range(0, size, 65536)])
    if kind == "unsigned":
        chunks = raw.Chunks(chunks.parts, signed=False, trailers={"x-amz-checksum-crc32": raw.crc32(content)})
    head = raw.sign(
        live, "PUT", target, length=chunks.length, headers=chunks.headers, declared=chunks.declared, tls=tls
    )
    return head.head, chunks.body(head)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("kind", ["plain", "signed", "unsigned"])
def test_an_upload_that_breaks_off_is_not_there(live: LiveRegion, s3: Any, bucket: str, kind: str, tls: bool) -> None:
    for size in (1_000, 150_000, 2_500_000):
        head, body = put(live, bucket, kind, size, tls)
        for at in (1, len(head) // 2, len(head) - 1):
            for how in HOWS[: 1 if tls else 3]:
                with raw.connect(live, tls) as connection:
                    connection.sendall(head[:at])
                    raw.tear(connection, how)
        for at in (0, 1, 100, len(body) // 2, len(body) - 1):
            for how in HOWS[: 2 if tls else 3]:
                with raw.connect(live, tls) as connection:
                    connection.sendall(head)
                    connection.sendall(body[:at])
                    raw.tear(connection, how)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    head, body = put(live, bucket, kind, 150_000, tls)
    assert raw.exchange(live, head, body, tls=tls)[0] == 200
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 150_000


@pytest.mark.parametrize("how", HOWS)
def test_a_client_that_goes_once_it_may_continue(live: LiveRegion, s3: Any, bucket: str, how: str) -> None:
    for size in (10, 100_000, 2_500_000):
        head = raw.sign(live, "PUT", f"/{bucket}/key", length=size, headers={"Expect": "100-continue"}).head
        for sent in (0, size // 2):
            with raw.connect(live) as connection:
                connection.sendall(head)
                assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
                connection.sendall(bytes(sent))
                raw.tear(connection, how)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("how", HOWS)
def test_a_part_that_breaks_off_is_no_part(live: LiveRegion, s3: Any, bucket: str, how: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    for size in (1000, 2_500_000):
        target = f"/{bucket}/key?partNumber=1&uploadId={upload}"
        with raw.connect(live) as connection:
            connection.sendall(raw.sign(live, "PUT", target, length=size).head + bytes(size - 1))
            raw.tear(connection, how)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_reader_that_goes_in_the_middle(live: LiveRegion, s3: Any, bucket: str, how: str, tls: bool) -> None:
    content = random.Random(1).randbytes(8 << 20)
    s3.put_object(Bucket=bucket, Key="file", Body=content)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    tags = [
        s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=content)["ETag"]
        for number in (1, 2)
    ]
    parts = {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    for key in ("file", "parts"):
        for taken in (0, 1, 1000, 3 << 20):
            with raw.connect(live, tls) as connection:
                connection.sendall(raw.sign(live, "GET", f"/{bucket}/{key}", tls=tls).head)
                left = taken
                while left:
                    left -= len(connection.recv(min(left, 65536)))
                raw.tear(connection, how)
    assert s3.get_object(Bucket=bucket, Key="file")["Body"].read() == content


def test_an_object_that_is_replaced_and_swept_while_it_is_read_is_read_to_its_end(
    live: LiveRegion, s3: Any, bucket: str
) -> None:
    content = random.Random(2).randbytes(8 << 20)
    s3.put_object(Bucket=bucket, Key="key", Body=content)
    with raw.connect(live) as connection:
        connection.sendall(raw.sign(live, "GET", f"/{bucket}/key").head)
        time.sleep(0.2)
        s3.put_object(Bucket=bucket, Key="key", Body=b"new")
        assert_clean(live.data)
        assert raw.answer(connection) == (200, content)


def test_pipelined_requests_whose_client_goes_are_done_or_not_but_never_half(
    live: LiveRegion, s3: Any, bucket: str
) -> None:
    for turn in range(10):
        with raw.connect(live) as connection:
            for number in range(20):
                target = f"/{bucket}/{turn}-{number}"
                connection.sendall(raw.sign(live, "PUT", target, length=5000).head + bytes(5000))
            raw.tear(connection, HOWS[turn % 3])
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        assert s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() == bytes(5000)


def test_a_client_that_only_ends_its_sending_is_told_of_its_commit(live: LiveRegion, bucket: str) -> None:
    for number in range(10):
        with raw.connect(live) as connection:
            head = raw.sign(live, "PUT", f"/{bucket}/{number}", length=100).head
            connection.sendall(head + bytes(100))
            connection.shutdown(socket.SHUT_WR)
            assert raw.answer(connection)[0] == 200


class Receiver:
    """A receiver that waits 20 seconds for a message, on a connection of its own."""

    def __init__(self, live: LiveRegion, url: str, tls: bool = False) -> None:
        self.connection = raw.connect(live, tls)
        self.connection.sendall(raw.sqs(live, "ReceiveMessage", tls, QueueUrl=url, WaitTimeSeconds=20))

    def assert_waits(self) -> None:
        """No reply comes for a while."""
        self.connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            self.connection.recv(1)
        self.connection.settimeout(30)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("how", HOWS)
def test_a_receiver_that_went_while_it_waited_was_never_handed_a_message(live: LiveRegion, how: str, tls: bool) -> None:
    if tls and how == "half":
        pytest.skip("TLS has no half-closing of its own")
    with contextlib.closing(live.client("sqs")) as sqs:
        url = sqs.create_queue(QueueName=f"torn-{how}-{tls}", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        waiting = [Receiver(live, url, tls) for _ in range(5)]
        for receiver in waiting:
            receiver.assert_waits()
        stays = Receiver(live, url, tls)
        stays.assert_waits()
        for receiver in waiting:
            raw.tear(receiver.connection, how)
        while connections(live) > 2:  # ours of boto3, and the one that stays
            time.sleep(0.01)
        sqs.send_message(QueueUrl=url, MessageBody="first")
        assert b'"Body":"first"' in raw.answer(stays.connection)[1]
        stays.connection.close()
        for number in range(5):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))
        names = ["ApproximateReceiveCount"]
        found = [
            message
            for _ in range(5)
            for message in sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=names).get("Messages", [])
        ]
        assert [message["Body"] for message in found] == ["0", "1", "2", "3", "4"]
        assert {message["Attributes"]["ApproximateReceiveCount"] for message in found} == {"1"}


def test_a_message_sent_just_as_its_receiver_goes_is_not_lost(live: LiveRegion) -> None:
    with contextlib.closing(live.client("sqs")) as sqs:
        url = sqs.create_queue(QueueName="torn-race", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
        chance = random.Random(4)
        for number in range(20):
            receiver = Receiver(live, url)
            time.sleep(0.01)
            delay = chance.uniform(0, 0.004)
            sender = threading.Thread(target=lambda n=number: sqs.send_message(QueueUrl=url, MessageBody=str(n)))
            sender.start()
            time.sleep(delay)
            raw.tear(receiver.connection, HOWS[number % 2])
            sender.join()
        found: set[str] = set()
        deadline = time.monotonic() + 30
        while len(found) < 20 and time.monotonic() < deadline:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get(
                "Messages", []
            ):
                found.add(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert found == {str(number) for number in range(20)}
