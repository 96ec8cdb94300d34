"""What the recorder writes down is what boto3 really sends, byte for byte."""

from __future__ import annotations

import re
import socket
import threading
from typing import Any

import pytest

from bench.recorder import Recorder, make_client

ANSWERS = {
    "put_object": b"",
    "get_object": b"data",
    "list_objects_v2": b"<ListBucketResult/>",
    "send_message": b'{"MessageId": "1", "MD5OfMessageBody": "9dd4e461268c8034f5c8564e155c67a6"}',
    "get_caller_identity": b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>",
}

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "put_object", {"Bucket": "bench-objects", "Key": "a key/ä", "Body": b"x" * 1024}),
    ("s3", "get_object", {"Bucket": "bench-objects", "Key": "k"}),
    ("s3", "list_objects_v2", {"Bucket": "bench-objects", "Prefix": "a/b c"}),
    ("sqs", "send_message", {"QueueUrl": "http://127.0.0.1/000000000000/q", "MessageBody": "x"}),
    ("sts", "get_caller_identity", {}),
]


def masked(data: bytes) -> bytes:
    """Without what differs from one call to the next: dates, signatures and invocation ids."""
    data = re.sub(rb"\d{8}T\d{6}Z", b"DATE", data)
    data = re.sub(rb"Signature=[0-9a-f]{64}", b"Signature=S", data)
    return re.sub(rb"amz-sdk-invocation-id: [0-9a-f-]{36}", b"amz-sdk-invocation-id: ID", data)


def receive(listener: socket.socket, answer: bytes, seen: list[bytes]) -> None:
    """Takes one request as a server does, 100 Continue included."""
    peer = listener.accept()[0]
    with peer:
        data = b""
        while b"\r\n\r\n" not in data:
            data += peer.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        if b"100-continue" in head:
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        while length and len(body) < int(length[1]):
            body += peer.recv(65536)
        seen.append(head + b"\r\n\r\n" + body)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(answer) + answer)


@pytest.mark.parametrize(("service", "method", "params"), CALLS, ids=[method for _, method, _ in CALLS])
def test_recorded_bytes_are_the_sent_ones(service: str, method: str, params: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        seen: list[bytes] = []
        thread = threading.Thread(target=receive, args=(listener, ANSWERS[method], seen), daemon=True)
        thread.start()
        getattr(make_client(service, endpoint), method)(**params)
        thread.join(5)
        recorded = Recorder(endpoint, "test", "test").record(service, method, **params)
    assert masked(recorded.head + recorded.body) == masked(seen[0])


def test_put_object_waits_for_100_continue() -> None:
    recorder = Recorder("http://127.0.0.1:1", "test", "test")
    assert recorder.record("s3", "put_object", Bucket="b", Key="k", Body=b"x").waits_for_continue
    assert not recorder.record("s3", "get_object", Bucket="b", Key="k").waits_for_continue


def test_the_query_protocol_is_that_of_older_sdks() -> None:
    recorder = Recorder("http://127.0.0.1:1", "test", "test")
    url = "http://127.0.0.1:1/000000000000/q"
    recorded = recorder.record("sqs", "send_message", query_protocol=True, QueueUrl=url, MessageBody="hello")
    assert b"Action=SendMessage&Version=2012-11-05" in recorded.body
    assert b"X-Amz-Target" not in recorded.head
    assert (
        b"X-Amz-Target: AmazonSQS.SendMessage"
        in recorder.record("sqs", "send_message", QueueUrl=url, MessageBody="hello").head
    )
