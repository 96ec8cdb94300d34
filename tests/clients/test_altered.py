"""Streaming uploads that were changed on their way are refused, and neither store anything nor touch what was there."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import LiveRegion
from tests.faults import raw

KEPT = b"what was there before"
Alter = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def s3(region: LiveRegion) -> Any:
    client = region.client("s3", tls=True, config=Config(retries={"total_max_attempts": 1}))
    client.create_bucket(Bucket="altered")
    client.put_object(Bucket="altered", Key="kept", Body=KEPT)
    return client


def flip(pattern: bytes, at: int = 0, which: int = 0) -> Alter:
    """Return what changes the byte at `at` behind the n-th match of a pattern."""

    def alter(body: bytes) -> bytes:
        where = [match.end() for match in re.finditer(pattern, body)][which] + at
        changed = b"0" if body[where : where + 1] != b"0" else b"1"
        return body[:where] + changed + body[where + 1 :]

    return alter


def swap_chunks(body: bytes) -> bytes:
    """Exchange the first two chunks, each with its signature."""
    starts = [match.start() for match in re.finditer(rb"10000(;chunk-signature=\w{64})?\r\n", body)]
    first, second, third = starts[:3]
    return body[:first] + body[second:third] + body[first:second] + body[third:]


def repeat_chunk(body: bytes) -> bytes:
    starts = [match.start() for match in re.finditer(rb"10000(;chunk-signature=\w{64})?\r\n", body)]
    return body[: starts[1]] + body[starts[0] : starts[1]] + body[starts[2] :]


def without(pattern: bytes) -> Alter:
    return lambda body: re.sub(pattern, b"", body, count=1)


SIGNATURE = rb"chunk-signature="
ALTERED: dict[str, tuple[str, Alter]] = {
    "a byte of the first chunk": ("signed", flip(rb"^\w+;chunk-signature=\w+\r\n")),
    "a byte of the second chunk": ("signed", flip(rb"\r\n\w+;chunk-signature=\w+\r\n", at=100)),
    "a chunk's signature": ("signed", flip(SIGNATURE, which=1)),
    "the last chunk's signature": ("signed", flip(SIGNATURE, which=-1)),
    "chunks in another order": ("signed", swap_chunks),
    "a chunk twice": ("signed", repeat_chunk),
    "a chunk without signature": ("signed", without(rb";chunk-signature=\w+")),
    "no last chunk": ("signed", lambda body: body[: body.rindex(b"0;chunk-signature=")]),
    "a chunk's size": ("signed", lambda body: body.replace(b"10000;", b"0ffff;", 1)),
    "bytes behind the end": ("signed", lambda body: body + b"more"),
    "a byte under a signed trailer": ("trailer", flip(rb"^\w+;chunk-signature=\w+\r\n")),
    "a signed trailer": ("trailer", flip(rb"x-amz-checksum-crc32:")),
    "a trailer's signature": ("trailer", flip(rb"x-amz-trailer-signature:")),
    "no trailer's signature": ("trailer", without(rb"x-amz-trailer-signature:\w+\r\n")),
    "no signed trailer": ("trailer", without(rb"x-amz-checksum-crc32:[^\r]+\r\n")),
    "a trailer that was not announced": (
        "trailer",
        lambda body: body.replace(b"x-amz-trailer-s", b"x-amz-meta-a:b\r\nx-amz-trailer-s"),
    ),
    "a byte under an unsigned trailer": ("unsigned", flip(rb"^\w+\r\n")),
    "an unsigned trailer": ("unsigned", flip(rb"x-amz-checksum-crc32:")),
    "no unsigned trailer": ("unsigned", without(rb"x-amz-checksum-crc32:[^\r]+\r\n")),
    "unsigned chunks in another order": ("unsigned", swap_chunks),
    "no last unsigned chunk": ("unsigned", lambda body: body[: body.rindex(b"0\r\nx-amz")]),
}
CODES = {
    b"SignatureDoesNotMatch",
    b"BadDigest",
    b"IncompleteBody",
    b"MalformedTrailerError",
    b"InvalidRequest",
    b"InvalidChunkSizeError",
    b"XAmzContentSHA256Mismatch",
}


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def upload(live: LiveRegion, target: str, kind: str, content: bytes, alter: Alter, tls: bool) -> tuple[int, bytes]:
    """Send an upload in chunks of 64 KiB, altered after it was signed; return its answer."""
    parts = [content[at : at + 65536] for at in range(0, len(content), 65536)]
    trailers = {} if kind == "signed" else {"x-amz-checksum-crc32": raw.crc32(content)}
    chunks = raw.Chunks(parts, signed=kind != "unsigned", trailers=trailers)
    signed = raw.sign(live, "PUT", target, headers=chunks.headers, declared=chunks.declared, tls=tls)
    body = alter(chunks.body(signed))
    head = signed.head.removesuffix(b"\r\n") + b"Content-Length: %d\r\n\r\n" % len(body)
    return raw.exchange(live, head, body, tls=tls)


@pytest.mark.parametrize("kind", ["signed", "trailer", "unsigned"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_what_was_not_altered_is_stored(region: LiveRegion, s3: Any, kind: str, tls: bool) -> None:
    for size in (0, 10, 60_000, 200_000, 3_000_000):
        content = noise(size)
        assert upload(region, f"/altered/{kind}-{tls}", kind, content, lambda body: body, tls)[0] == 200
        assert s3.get_object(Bucket="altered", Key=f"{kind}-{tls}")["Body"].read() == content


@pytest.mark.parametrize("size", [197_000, 2_500_000])
@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_stream_is_refused_and_not_stored(region: LiveRegion, s3: Any, what: str, size: int) -> None:
    kind, alter = ALTERED[what]
    for key, tls in (("new", False), ("kept", True)):
        status, answer = upload(region, f"/altered/{key}", kind, noise(size), alter, tls)
        code = re.search(rb"<Code>(\w+)</Code>", answer)
        assert code, answer
        assert status in (400, 403)
        assert code.group(1) in CODES
    assert "Contents" not in s3.list_objects_v2(Bucket="altered", Prefix="new")
    assert s3.get_object(Bucket="altered", Key="kept")["Body"].read() == KEPT


def test_an_altered_part_is_no_part(region: LiveRegion, s3: Any) -> None:
    upload_id = s3.create_multipart_upload(Bucket="altered", Key="parts")["UploadId"]
    target = f"/altered/parts?partNumber=1&uploadId={upload_id}"
    for what in ("a byte of the second chunk", "a signed trailer", "an unsigned trailer", "no last chunk"):
        kind, alter = ALTERED[what]
        assert upload(region, target, kind, bytes(200_000), alter, tls=False)[0] in (400, 403)
    assert "Parts" not in s3.list_parts(Bucket="altered", Key="parts", UploadId=upload_id)


def alter_in_flight(s3: Any, operation: str, alter: Alter) -> list[str]:
    """Have a boto3 client's requests altered after they were signed; return the list of how their payloads were declared."""
    declared: list[str] = []

    def change(request: Any, **_: Any) -> None:
        given = request.headers["X-Amz-Content-SHA256"]
        declared.append(given.decode() if isinstance(given, bytes) else given)
        body = request.body if isinstance(request.body, bytes) else request.body.read()
        request.body = alter(body)
        for name in ("Transfer-Encoding", "Content-Length"):
            if name in request.headers:
                del request.headers[name]
        request.headers["Content-Length"] = str(len(request.body))

    s3.meta.events.register(f"before-send.s3.{operation}", change)
    return declared


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda body: body, None),
        (flip(rb"^\w+\r\n", at=5), "BadDigest"),
        (flip(rb"x-amz-checksum-\w+:"), "BadDigest"),
        (without(rb"x-amz-checksum-[^\r]+\r\n"), "MalformedTrailerError"),
    ],
    ids=["nothing", "a byte", "the trailer", "no trailer"],
)
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME", "SHA256"])
@pytest.mark.parametrize("size", [1000, 300_000])
def test_boto3s_own_trailers_are_checked(
    region: LiveRegion, s3: Any, alter: Alter, code: str | None, algorithm: str, size: int
) -> None:
    client = region.client("s3", tls=True, config=Config(retries={"total_max_attempts": 1}))
    declared = alter_in_flight(client, "PutObject", alter)
    sent = {"Bucket": "altered", "Key": "trailers", "Body": noise(size), "ChecksumAlgorithm": algorithm}
    if code is None:
        client.put_object(**sent)
        s3.delete_object(Bucket="altered", Key="trailers")
    else:
        with pytest.raises(ClientError) as caught:
            client.put_object(**sent)
        assert caught.value.response["Error"]["Code"] == code
    assert declared == [raw.UNSIGNED_TRAILER]
    assert "Contents" not in s3.list_objects_v2(Bucket="altered", Prefix="trailers")
