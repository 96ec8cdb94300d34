"""Objects: what is stored comes back; digests, conditions, metadata, tags, deletion, and what a failure leaves."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from awning.services.s3 import checksums, errors
from tests.services.s3.support import ACCOUNT, OTHER, S3, Payload

LARGE = bytes(range(256)) * 12_000


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 65_537, 1_048_576, 3_000_001])
def test_what_is_put_is_got(s3: S3, size: int) -> None:
    data = LARGE[:size]
    put = s3.put_object(bucket="box", key="a/b c", body=data)
    etag = f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ETag"] == etag
    assert put["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object(bucket="box", key="a/b c", checksum_mode="ENABLED")
    assert got["ETag"] == etag
    assert got["ChecksumCRC64NVME"] == put["ChecksumCRC64NVME"]
    assert got["ContentLength"] == size
    assert got["ContentType"] == "binary/octet-stream"
    assert got["LastModified"] == int(s3.clock.time)
    assert got["ServerSideEncryption"] == put["ServerSideEncryption"] == "AES256"
    assert s3.read(got) == data
    assert len(s3.files()) == (size > 65_536)
    head = s3.head_object(bucket="box", key="a/b c")
    assert head == {key: value for key, value in got.items() if not key.startswith(("Body", "Checksum"))}


def test_overwriting_and_deleting_give_the_old_bytes_up(s3: S3) -> None:
    for data in (LARGE, b"small", LARGE[:100_000], LARGE[:200_000]):
        s3.put_object(bucket="box", key="k", body=data)
        assert s3.get("box", "k") == data
    s3.delete_object(bucket="box", key="k")
    s3.delete_object(bucket="box", key="k")
    s3.work()
    assert s3.files() == []
    assert s3.rows("contents") == 0


def test_the_counters_follow(s3: S3) -> None:
    def counted() -> tuple[float, float]:
        found = s3.room.service.gauges(s3.call())  # type: ignore[misc]
        labels = (("bucket", "box"),)
        return found["s3_bucket_objects", labels], found["s3_bucket_bytes", labels]

    s3.put_object(bucket="box", key="a", body=b"12345")
    s3.put_object(bucket="box", key="b", body=LARGE)
    assert counted() == (2, 5 + len(LARGE))
    s3.put_object(bucket="box", key="b", body=b"1")
    assert counted() == (2, 6)
    s3.delete_objects(bucket="box", delete={"Objects": [{"Key": "a"}, {"Key": "b"}, {"Key": "c"}]})
    assert counted() == (0, 0)


def test_headers_and_metadata_are_kept(s3: S3) -> None:
    s3.put_object(
        bucket="box", key="k", body=b"x", content_type="text/plain", cache_control="no-cache", content_disposition="inline",
        content_encoding="aws-chunked,gzip", content_language="de", expires=1_800_000_000.0, metadata={"a": "1", "b": "ü"},
        storage_class="STANDARD_IA",
    )  # fmt: skip
    head = s3.head_object(bucket="box", key="k")
    assert head["Metadata"] == {"a": "1", "b": "ü"}
    assert (head["ContentType"], head["CacheControl"], head["ContentDisposition"]) == (
        "text/plain",
        "no-cache",
        "inline",
    )
    assert (head["ContentEncoding"], head["ContentLanguage"], head["Expires"]) == ("gzip", "de", 1_800_000_000.0)
    assert head["StorageClass"] == "STANDARD_IA"
    s3.put_object(bucket="box", key="k", body=b"x", content_encoding="aws-chunked")
    assert "ContentEncoding" not in s3.head_object(bucket="box", key="k")
    s3.put_object(bucket="box", key="k", body=b"x", metadata={"k": "v" * 2047})
    with pytest.raises(errors.MetadataTooLarge):
        s3.put_object(bucket="box", key="k", body=b"x", metadata={"k": "v" * 2048})


def test_a_key_has_at_most_1024_bytes(s3: S3) -> None:
    s3.put_object(bucket="box", key="ü" * 512, body=b"x")
    assert s3.get("box", "ü" * 512) == b"x"
    with pytest.raises(errors.KeyTooLongError):
        s3.put_object(bucket="box", key="ü" * 512 + "a", body=b"x")


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_a_wrong_md5_stores_nothing(s3: S3, data: bytes) -> None:
    s3.put_object(bucket="box", key="k", body=data, content_md5=b64(hashlib.md5(data).digest()))
    with pytest.raises(errors.BadDigest):
        s3.put_object(bucket="box", key="no", body=data, content_md5=b64(hashlib.md5(b"other").digest()))
    for bad in ("nonsense", b64(b"short")):
        with pytest.raises(errors.InvalidDigest):
            s3.put_object(bucket="box", key="no", body=data, content_md5=bad)
    assert s3.rows("objects") == 1
    assert len(s3.files()) == (len(data) > 65_536)


DIGESTS: dict[str, Any] = {
    "CRC32": lambda d: zlib.crc32(d).to_bytes(4, "big"),
    "SHA1": lambda d: hashlib.sha1(d).digest(),
    "SHA256": lambda d: hashlib.sha256(d).digest(),
    "SHA512": lambda d: hashlib.sha512(d).digest(),
    "MD5": lambda d: hashlib.md5(d).digest(),
}
# Published check values: CRC catalogue ("123456789"), and the reference vectors of XXHash for no input.
CHECKS = {
    "CRC32": (b"123456789", "cbf43926"),
    "CRC32C": (b"123456789", "e3069283"),
    "CRC64NVME": (b"123456789", "ae8b14860a799888"),
    "XXHASH64": (b"", "ef46db3751d8e999"),
    "XXHASH3": (b"", "2d06800538d394c2"),
    "XXHASH128": (b"", "99aa06d3014798d86001c324468d497f"),
}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_algorithms_give_their_published_values(name: str) -> None:
    data, expected = CHECKS[name]
    algorithm = checksums.BY_NAME[name]
    running = algorithm.new()
    for byte in data:
        running.update(bytes((byte,)))
    assert algorithm.of(data).hex() == running.digest().hex() == expected
    assert len(algorithm.of(b"x")) == algorithm.size


def param(algorithm: checksums.Algorithm) -> str:
    return {"CRC32C": "checksum_crc32_c", "CRC64NVME": "checksum_crc64_nvme"}.get(
        algorithm.name, f"checksum_{algorithm.name.lower()}"
    )


@pytest.mark.parametrize("algorithm", checksums.ALGORITHMS, ids=lambda a: a.name)
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_every_algorithm_by_header_and_by_trailer(s3: S3, algorithm: checksums.Algorithm, data: bytes) -> None:
    digest = DIGESTS.get(algorithm.name, algorithm.of)(data)
    put = s3.put_object(
        bucket="box", key="k", body=data, checksum_algorithm=algorithm.name, **{param(algorithm): b64(digest)}
    )
    assert put[algorithm.member] == b64(digest)
    got = s3.get_object(bucket="box", key="k", checksum_mode="ENABLED")
    assert (got[algorithm.member], got["ChecksumType"]) == (b64(digest), "FULL_OBJECT")
    assert s3.read(got) == data
    assert algorithm.member not in s3.head_object(bucket="box", key="k")
    announced = {b"x-amz-trailer": algorithm.header.encode()}
    s3.put_object(
        bucket="box", key="t", body=Payload(data, {algorithm.header: b64(digest)}), as_=s3.call(headers=announced)
    )
    assert s3.get("box", "t") == data
    wrong = b64(bytes(algorithm.size))
    with pytest.raises(errors.BadDigest):
        s3.put_object(bucket="box", key="k", body=data, **{param(algorithm): wrong})
    with pytest.raises(errors.BadDigest):
        s3.put_object(
            bucket="box", key="t", body=Payload(data, {algorithm.header: wrong}), as_=s3.call(headers=announced)
        )
    with pytest.raises(errors.MalformedTrailerError):
        s3.put_object(bucket="box", key="t", body=Payload(data, {}), as_=s3.call(headers=announced))
    assert len(s3.files()) == 2 * (len(data) > 65_536)
    assert s3.get("box", "t") == data


def test_contradictory_checksums_are_refused(s3: S3) -> None:
    crc, sha = b64(DIGESTS["CRC32"](b"x")), b64(DIGESTS["SHA1"](b"x"))
    trailer = {b"x-amz-trailer": b"x-amz-checksum-crc32"}
    for call, params in (
        (s3.call(), {"checksum_crc32": crc, "checksum_sha1": sha}),
        (s3.call(), {"checksum_crc32": crc, "checksum_algorithm": "SHA1"}),
        (s3.call(), {"checksum_algorithm": "SHA1"}),
        (s3.call(), {"checksum_crc32": "AAAA"}),
        (s3.call(), {"checksum_crc32": "no base64"}),
        (s3.call(headers=trailer), {"checksum_sha1": sha}),
        (s3.call(headers={b"x-amz-trailer": b"x-amz-nonsense"}), {}),
    ):
        with pytest.raises(errors.InvalidRequest):
            s3.put_object(bucket="box", key="k", body=b"x", as_=call, **params)
    assert s3.rows("objects") == 0


def test_a_torn_body_leaves_nothing(s3: S3) -> None:
    torn = Payload(LARGE, {}, fails=errors.IncompleteBody("The body ended early."))
    with pytest.raises(errors.IncompleteBody):
        s3.put_object(bucket="box", key="k", body=torn)
    s3.loop.run_until_complete(_turn())
    assert s3.files() == []
    assert s3.rows("contents") == 0


async def _turn() -> None:
    import asyncio

    await asyncio.sleep(0.05)


def test_a_body_too_large_is_refused_before_it_is_read(s3: S3) -> None:
    class Huge(Payload):
        length = 5 * 1024**3 + 1
        whole = None

    with pytest.raises(errors.EntityTooLarge):
        s3.put_object(bucket="box", key="k", body=Huge(b"", {}))

    class Unknown(Payload):
        length = None
        whole = None

    with pytest.raises(errors.MissingContentLength):
        s3.put_object(bucket="box", key="k", body=Unknown(b"", {}))


@pytest.mark.parametrize("data", [b"x", LARGE])
def test_conditional_writes(s3: S3, data: bytes) -> None:
    with pytest.raises(errors.NoSuchKey):
        s3.put_object(bucket="box", key="k", body=data, if_match='"abc"')
    etag = s3.put_object(bucket="box", key="k", body=data, if_none_match="*")["ETag"]
    with pytest.raises(errors.PreconditionFailed):
        s3.put_object(bucket="box", key="k", body=data, if_none_match="*")
    with pytest.raises(errors.NotImplementedHere):
        s3.put_object(bucket="box", key="k", body=data, if_none_match=etag)
    with pytest.raises(errors.PreconditionFailed):
        s3.put_object(bucket="box", key="k", body=data, if_match='"abc"')
    s3.put_object(bucket="box", key="k", body=data, if_match=etag)
    with pytest.raises(errors.PreconditionFailed):
        s3.delete_object(bucket="box", key="k", if_match='"abc"')
    s3.delete_object(bucket="box", key="k", if_match=etag)
    with pytest.raises(errors.NoSuchKey):
        s3.delete_object(bucket="box", key="k", if_match="*")
    s3.work()
    assert s3.files() == []


def test_of_two_conditional_creations_one_wins(s3: S3) -> None:
    async def both() -> list[Any]:
        import asyncio

        calls = []
        for letter in (b"a", b"b"):
            call = s3.call()
            call.body = Payload(letter * 100_000, {})
            calls.append(s3.run("put_object", call, {"bucket": "box", "key": "k", "if_none_match": "*"}))
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = s3.loop.run_until_complete(both())
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["PreconditionFailed", "dict"]
    s3.work()
    assert len(s3.files()) == 1


def test_what_is_missing_is_only_known_to_who_may_list(s3: S3) -> None:
    with pytest.raises(errors.NoSuchKey) as raised:
        s3.get_object(bucket="box", key="k")
    assert raised.value.members == {"Key": "k"}
    with pytest.raises(errors.AccessDenied):
        s3.get_object(
            bucket="box", key="k", deny=lambda action, arn: (action, arn) == ("s3:ListBucket", "arn:aws:s3:::box")
        )
    with pytest.raises(errors.NoSuchBucket):
        s3.get_object(bucket="nowhere", key="k")


def test_deleting_many_asks_for_each(s3: S3) -> None:
    for n in range(450):
        s3.put_object(bucket="box", key=f"k{n}", body=b"x")
    keys = [{"Key": f"k{n}"} for n in range(450)] + [{"Key": "missing"}]
    answer = s3.delete_objects(
        bucket="box", delete={"Objects": keys}, deny=lambda action, arn: arn.endswith(("/k7", "/k300"))
    )
    assert [e["Key"] for e in answer["Errors"]] == ["k7", "k300"]
    assert {e["Code"] for e in answer["Errors"]} == {"AccessDenied"}
    assert len(answer["Deleted"]) == 449
    assert [c["Key"] for c in s3.list_objects_v2(bucket="box")["Contents"]] == ["k300", "k7"]
    quiet = s3.delete_objects(
        bucket="box", delete={"Objects": [{"Key": "k7", "ETag": '"no"'}, {"Key": "k300"}], "Quiet": True}
    )
    assert quiet["Deleted"] == []
    assert [(e["Key"], e["Code"]) for e in quiet["Errors"]] == [("k7", "PreconditionFailed")]
    for bad in ([], [{"Key": "k"}] * 1001):
        with pytest.raises(errors.MalformedXML):
            s3.delete_objects(bucket="box", delete={"Objects": bad})


def test_object_tags(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"x", tagging="a=1&b=two%20words&c=")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}, {"Key": "c", "Value": ""}]
    assert s3.get_object_tagging(bucket="box", key="k") == {"TagSet": tags}
    assert s3.head_object(bucket="box", key="k")["TagCount"] == 3
    s3.put_object_tagging(bucket="box", key="k", tagging={"TagSet": tags[:1]})
    assert s3.get_object_tagging(bucket="box", key="k") == {"TagSet": tags[:1]}
    s3.delete_object_tagging(bucket="box", key="k")
    assert s3.get_object_tagging(bucket="box", key="k") == {"TagSet": []}
    assert "TagCount" not in s3.head_object(bucket="box", key="k")
    for bad in ("a=1&a=2", "=1", "a=%zz", "a=%ff"):
        with pytest.raises(errors.InvalidArgument, match="without tag name duplicates"):
            s3.put_object(bucket="box", key="k", body=b"x", tagging=bad)
    s3.put_object(bucket="box", key="bare", body=b"x", tagging="&a&b=1&")
    assert s3.get_object_tagging(bucket="box", key="bare")["TagSet"] == [
        {"Key": "a", "Value": ""},
        {"Key": "b", "Value": "1"},
    ]
    for bad in ("aws:a=1", f"{'k' * 129}=1", f"k={'v' * 257}"):
        with pytest.raises(errors.InvalidTag):
            s3.put_object(bucket="box", key="k", body=b"x", tagging=bad)
    with pytest.raises(errors.BadRequest):
        s3.put_object(bucket="box", key="k", body=b"x", tagging="&".join(f"k{n}=" for n in range(11)))
    with pytest.raises(errors.NoSuchKey):
        s3.get_object_tagging(bucket="box", key="none")


def test_copies(s3: S3) -> None:
    s3.create_bucket(bucket="else", as_=s3.call(OTHER))
    for data in (b"small", LARGE):
        s3.put_object(bucket="box", key="a b", body=data, content_type="text/x", metadata={"m": "1"}, tagging="t=1")
        s3.clock.time += 5
        copied = s3.copy_object(bucket="else", key="c", copy_source="/box/a%20b", as_=s3.call(OTHER))[
            "CopyObjectResult"
        ]
        assert copied["LastModified"] == int(s3.clock.time)
        got = s3.get_object(bucket="else", key="c", as_=s3.call(OTHER))
        assert s3.read(got) == data
        assert (got["ETag"], got["ContentType"], got["Metadata"], got["TagCount"]) == (
            copied["ETag"],
            "text/x",
            {"m": "1"},
            1,
        )
        s3.copy_object(
            bucket="box", key="r", copy_source="box/a b", metadata_directive="REPLACE", metadata={"n": "2"},
            tagging_directive="REPLACE", checksum_algorithm="SHA256",
        )  # fmt: skip
        head = s3.head_object(bucket="box", key="r", checksum_mode="ENABLED")
        assert (head["Metadata"], head["ContentType"]) == ({"n": "2"}, "binary/octet-stream")
        assert "TagCount" not in head
        assert head["ChecksumSHA256"] == b64(hashlib.sha256(data).digest())
        s3.delete_object(bucket="box", key="a b")
        assert s3.get("else", "c", as_=s3.call(OTHER)) == data


def test_a_copy_onto_itself_must_change_something(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"x", metadata={"a": "1"})
    with pytest.raises(errors.InvalidRequest):
        s3.copy_object(bucket="box", key="k", copy_source="box/k")
    with pytest.raises(errors.InvalidRequest):
        s3.copy_object(bucket="box", key="k", copy_source="box/k", metadata_directive="COPY")
    s3.copy_object(bucket="box", key="k", copy_source="box/k", storage_class="STANDARD_IA")
    s3.copy_object(bucket="box", key="k", copy_source="box/k", metadata_directive="REPLACE", metadata={"b": "2"})
    assert s3.head_object(bucket="box", key="k")["Metadata"] == {"b": "2"}
    assert s3.get("box", "k") == b"x"


def test_a_copy_keeps_to_its_conditions(s3: S3) -> None:
    etag = s3.put_object(bucket="box", key="k", body=b"x")["ETag"]
    before, after = s3.clock.time - 10, s3.clock.time + 10
    for bad in (
        {"copy_source_if_match": '"no"'},
        {"copy_source_if_none_match": etag},
        {"copy_source_if_modified_since": after},
        {"copy_source_if_unmodified_since": before},
        {"copy_source_if_none_match": etag, "copy_source_if_modified_since": before},
    ):
        with pytest.raises(errors.PreconditionFailed):
            s3.copy_object(bucket="box", key="c", copy_source="box/k", **bad)
    for good in (
        {"copy_source_if_match": etag, "copy_source_if_unmodified_since": before},
        {"copy_source_if_none_match": '"no"', "copy_source_if_modified_since": before},
    ):
        s3.copy_object(bucket="box", key="c", copy_source="box/k", **good)
    with pytest.raises(errors.NoSuchKey):
        s3.copy_object(bucket="box", key="c", copy_source="box/none")
    with pytest.raises(errors.NoSuchBucket):
        s3.copy_object(bucket="box", key="c", copy_source="nowhere/k")
    with pytest.raises(errors.InvalidArgument):
        s3.copy_object(bucket="box", key="c", copy_source="justabucket")
    with pytest.raises(errors.InvalidArgument):
        s3.copy_object(bucket="box", key="c", copy_source="box/k?versionId=abc")
    with pytest.raises(errors.AccessDenied):
        s3.copy_object(bucket="box", key="c", copy_source="box/k", expected_source_bucket_owner=OTHER)
    s3.copy_object(bucket="box", key="c", copy_source="box/k?versionId=null", expected_source_bucket_owner=ACCOUNT)


def test_who_copies_tags_must_be_allowed_to(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"x", tagging="a=1")
    for missing in ("s3:GetObjectTagging", "s3:PutObjectTagging"):
        with pytest.raises(errors.AccessDenied):
            s3.copy_object(bucket="box", key="c", copy_source="box/k", deny=lambda action, arn, m=missing: action == m)
    s3.copy_object(
        bucket="box",
        key="c",
        copy_source="box/k",
        tagging_directive="REPLACE",
        deny=lambda a, _: a == "s3:GetObjectTagging",
    )


@pytest.mark.parametrize("size", [3, 500_000])
def test_a_bucket_made_anew_gets_nothing_of_what_was_begun_before(s3: S3, size: int) -> None:
    call = s3.call()

    class Swapped(Payload):
        async def blocks(self) -> AsyncIterator[bytes]:
            await s3.run("delete_bucket", s3.call(), {"bucket": "box"})
            await s3.run("create_bucket", s3.call(OTHER), {"bucket": "box"})
            yield self.data

    with pytest.raises(errors.NoSuchBucket):
        s3.put_object(bucket="box", key="a", body=Swapped(bytes(size), {}, small=False), as_=call)
    assert s3.list_objects_v2(bucket="box", as_=s3.call(OTHER))["Contents"] == []
    s3.work()
    assert s3.files() == []


def test_an_acl_needs_a_permission_of_its_own(s3: S3) -> None:
    for name in ("put_object", "copy_object", "create_multipart_upload"):
        (need,) = (need for need in s3.operations[name].needs if need.action == "s3:PutObjectAcl")
        assert callable(need.resource)
        assert need.resource(s3.call(), {"bucket": "box", "key": "k"}) is None
        given = {"bucket": "box", "key": "k", "acl": "bucket-owner-full-control"}
        assert need.resource(s3.call(), given) == "arn:aws:s3:::box/k"
