"""A hundred thousand of everything: listings, receives and starts stay right, and cost what they show, not what there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pytest

from tests.conftest import LiveRegion
from tests.faults import raw
from tests.faults.audit import assert_clean
from tests.faults.conftest import MakeRegion
from tests.faults.figures import processor_seconds

AHEAD = 40


def send_all(live: LiveRegion, requests: Iterable[bytes]) -> None:
    """Send requests on one connection, some ahead of their answers, which must all be good."""
    rest = iter(requests)
    with raw.connect(live) as connection, connection.makefile("rb") as file:
        while ahead := list(islice(rest, AHEAD)):
            connection.sendall(b"".join(ahead))
            for _ in ahead:
                status, body = raw.read_answer(file)
                assert status == 200, body


def keys_of(count: int) -> list[str]:
    """Return keys in 20 folders of 50 folders each."""
    return [f"{chr(97 + number % 20)}/{number // 20 % 50:02}/{number:06}" for number in range(count)]


def cost(live: LiveRegion, call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns, and the least processor seconds that the region took for it in three tries."""
    least = float("inf")
    for _ in range(3):
        before = processor_seconds(live)
        result = call()
        least = min(least, processor_seconds(live) - before)
    return result, least


def listed(s3: Any, **parameters: Any) -> tuple[list[str], list[str]]:
    """Return keys and common prefixes of a whole listing."""
    keys, prefixes = [], []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="many", **parameters):
        keys += [item["Key"] for item in page.get("Contents", [])]
        prefixes += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
    return keys, prefixes


def check_objects(live: LiveRegion, keys: list[str]) -> tuple[float, float]:
    """Compare listings with what they should be. Returns what a page of 1,000 keys and one of 20 folders cost."""
    s3 = live.client("s3")
    assert listed(s3) == (keys, [])
    letters = sorted({key[:2] for key in keys})
    assert listed(s3, Delimiter="/") == ([], letters)
    assert listed(s3, Delimiter="/", PaginationConfig={"PageSize": 7}) == ([], letters)
    assert listed(s3, Prefix="m/", Delimiter="/") == ([], sorted({key[:5] for key in keys if key.startswith("m/")}))
    assert listed(s3, Prefix="m/07/") == ([key for key in keys if key.startswith("m/07/")], [])
    assert listed(s3, Prefix="m/", StartAfter="m/49/") == ([key for key in keys if "m/49/" < key < "m0"], [])
    _, page = cost(live, lambda: s3.list_objects_v2(Bucket="many", MaxKeys=1000))
    _, folders = cost(live, lambda: s3.list_objects_v2(Bucket="many", Delimiter="/"))
    return page, folders


def receive_all(live: LiveRegion, count: int) -> None:
    """Take every message once."""
    sqs = live.client("sqs")
    url = sqs.get_queue_url(QueueName="many")["QueueUrl"]
    found: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    assert sorted(found) == sorted(str(number) for number in range(count))


def batches(live: LiveRegion, url: str, count: int) -> Iterator[bytes]:
    for start in range(0, count, 10):
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(start, start + 10)]
        yield raw.sqs(live, "SendMessageBatch", QueueUrl=url, Entries=entries)


def volume(live: LiveRegion, objects: int, messages: int) -> None:
    live.start()
    live.client("s3").create_bucket(Bucket="many")
    url = live.client("sqs").create_queue(QueueName="many", Attributes={"VisibilityTimeout": "43200"})["QueueUrl"]
    keys = keys_of(objects)
    begun = time.monotonic()
    send_all(live, (raw.sign(live, "PUT", f"/many/{key}", length=10).head + bytes(10) for key in keys))
    send_all(live, batches(live, url, messages))
    written = time.monotonic() - begun
    keys.sort()
    check_objects(live, keys)
    live.kill()
    begun = time.monotonic()
    live.start()
    started = time.monotonic() - begun
    cpu = processor_seconds(live)
    page, folders = check_objects(live, keys)
    sqs = live.client("sqs")
    names = ["ApproximateNumberOfMessages"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] == {names[0]: str(messages)}
    print(
        f"{objects} objects and {messages} messages: written in {written:.1f} s; start after a kill {started:.2f} s "
        f"({cpu:.2f} s of processor time); a page of 1,000 keys {page * 1e3:.1f} ms, of 20 folders {folders * 1e3:.1f} ms"
    )
    assert folders < page
    receive_all(live, messages)
    sqs.purge_queue(QueueUrl=url)
    assert_clean(live.data)


@pytest.mark.slow
def test_some_thousands(make_region: MakeRegion) -> None:
    volume(make_region("--log-level", "error"), 4_000, 3_000)


@pytest.mark.soak
def test_a_hundred_thousand(make_region: MakeRegion) -> None:
    volume(make_region("--log-level", "error"), 100_000, 100_000)
