"""Multipart uploads: the whole way, its refusals, checksums of wholes from parts, and a model over random uploads."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning.services.s3 import checksums, errors, multipart
from tests.services.s3.support import S3, Payload

MIB = 1024**2
DATA = bytes(range(251)) * 70_000


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts may be of any size, so that a test need not move megabytes."""
    monkeypatch.setattr(multipart, "SMALLEST_PART", 1)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def begin(s3: S3, key: str = "k", **params: Any) -> str:
    upload: str = s3.create_multipart_upload(bucket="box", key=key, **params)["UploadId"]
    return upload


def part(s3: S3, upload: str, number: int, data: bytes, key: str = "k", **params: Any) -> dict[str, Any]:
    put = s3.upload_part(bucket="box", key=key, upload_id=upload, part_number=number, body=data, **params)
    return {"PartNumber": number, "ETag": put["ETag"], **{k: v for k, v in put.items() if k.startswith("Checksum")}}


def complete(s3: S3, upload: str, parts: list[dict[str, Any]], key: str = "k", **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = s3.complete_multipart_upload(
        bucket="box", key=key, upload_id=upload, multipart_upload={"Parts": parts}, **params
    )
    return answer


def test_the_whole_way(s3: S3) -> None:
    upload = begin(s3, content_type="text/x", metadata={"m": "1"}, tagging="t=1", storage_class="STANDARD_IA")
    pieces = [DATA[: 5 * MIB], DATA[5 * MIB : 10 * MIB + 3], b"the end"]
    parts = [part(s3, upload, number, data) for number, data in zip((2, 3, 9), pieces, strict=True)]
    with pytest.raises(errors.NoSuchKey):
        s3.get_object(bucket="box", key="k")
    done = complete(s3, upload, parts)
    whole = b"".join(pieces)
    md5s = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert done["ChecksumCRC64NVME"] == b64(checksums.DEFAULT.of(whole))
    assert done["ChecksumType"] == "FULL_OBJECT"
    assert done["Location"] == "http://localhost:4566/box/k"
    got = s3.get_object(bucket="box", key="k", checksum_mode="ENABLED")
    assert s3.read(got) == whole
    assert (got["ETag"], got["ContentType"], got["Metadata"], got["TagCount"]) == (
        done["ETag"],
        "text/x",
        {"m": "1"},
        1,
    )
    assert (got["StorageClass"], got["ContentLength"]) == ("STANDARD_IA", len(whole))
    assert "PartsCount" not in got
    for first, last in ((0, 0), (5 * MIB - 1, 5 * MIB), (5 * MIB, 10 * MIB + 5), (len(whole) - 4, len(whole) - 1)):
        assert s3.get("box", "k", range=f"bytes={first}-{last}") == whole[first : last + 1]
    second = s3.get_object(bucket="box", key="k", part_number=2)
    assert (second["PartsCount"], second["@status"]) == (3, 206)
    assert second["ContentRange"] == f"bytes {5 * MIB}-{10 * MIB + 2}/{len(whole)}"
    assert s3.read(second) == pieces[1]
    with pytest.raises(errors.InvalidPartNumber):
        s3.head_object(bucket="box", key="k", part_number=4)
    s3.copy_object(bucket="box", key="c", copy_source="box/k")
    assert s3.get("box", "c") == whole
    assert s3.head_object(bucket="box", key="c")["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    for key in ("k", "c"):
        s3.delete_object(bucket="box", key=key)
    s3.work()
    assert s3.files() == []
    assert (s3.rows("contents"), s3.rows("parts")) == (0, 0)


def test_the_same_completion_again_gets_the_same_answer(s3: S3) -> None:
    upload = begin(s3)
    parts = [part(s3, upload, 1, b"abc")]
    done = complete(s3, upload, parts)
    assert complete(s3, upload, parts) == done
    s3.put_object(bucket="box", key="k", body=b"later")
    s3.work()
    assert complete(s3, upload, parts) == done
    assert s3.get("box", "k") == b"later"
    with pytest.raises(errors.NoSuchUpload):
        complete(s3, upload, [{"PartNumber": 1, "ETag": '"other"'}])
    with pytest.raises(errors.NoSuchUpload):
        part(s3, upload, 2, b"more")
    with pytest.raises(errors.NoSuchUpload):
        s3.abort_multipart_upload(bucket="box", key="k", upload_id=upload)
    assert s3.list_multipart_uploads(bucket="box")["Uploads"] == []
    s3.clock.time += 8 * 86400
    s3.work()
    with pytest.raises(errors.NoSuchUpload):
        complete(s3, upload, parts)


def test_a_content_id_is_never_taken_twice(s3: S3) -> None:
    """A completed upload is remembered longer than its content: another content may get its number."""
    for _ in range(3):
        upload = begin(s3)
        parts = [part(s3, upload, 1, b"abc")]
        complete(s3, upload, parts)
        s3.delete_object(bucket="box", key="k")
        s3.work()
    assert s3.rows("uploads") == 3


@pytest.mark.parametrize("number", [0, 10_001, -1])
def test_part_numbers_go_from_1_to_10000(s3: S3, number: int) -> None:
    with pytest.raises(errors.InvalidArgument):
        part(s3, begin(s3), number, b"x")


def test_refused_completions(s3: S3) -> None:
    upload = begin(s3)
    one, two = part(s3, upload, 1, b"small"), part(s3, upload, 2, b"last")
    with pytest.raises(errors.EntityTooSmall) as small:
        complete(s3, upload, [one, two])
    assert small.value.members["PartNumber"] == "1"
    with pytest.raises(errors.InvalidPartOrder):
        complete(s3, upload, [two, one])
    with pytest.raises(errors.InvalidPartOrder):
        complete(s3, upload, [one, one])
    with pytest.raises(errors.InvalidPart):
        complete(s3, upload, [one, {"PartNumber": 3, "ETag": '"x"'}])
    with pytest.raises(errors.InvalidPart):
        complete(s3, upload, [{"PartNumber": 1, "ETag": two["ETag"]}])
    with pytest.raises(errors.InvalidPart):
        complete(s3, upload, [{**one, "ChecksumCRC64NVME": b64(bytes(8))}])
    for malformed in ([], [{"PartNumber": 1}], [{"ETag": "x"}]):
        with pytest.raises(errors.MalformedXML):
            complete(s3, upload, malformed)
    with pytest.raises(errors.NoSuchUpload):
        complete(s3, "none", [one])
    with pytest.raises(errors.NoSuchUpload):
        complete(s3, upload, [one], key="another")
    with pytest.raises(errors.InvalidRequest, match="header value 99 does not match what was computed: 5"):
        complete(s3, upload, [one], mpu_object_size=99)
    with pytest.raises(errors.BadDigest):
        complete(s3, upload, [one], checksum_crc64_nvme=b64(bytes(8)))
    with pytest.raises(errors.InvalidRequest, match="created using the null checksum mode"):
        complete(s3, upload, [one], checksum_type="COMPOSITE")
    complete(s3, upload, [{**one, "ETag": one["ETag"].strip('"')}], mpu_object_size=5)
    assert s3.get("box", "k") == b"small"
    assert s3.rows("parts") == 1


def test_conditional_completion(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"there")
    upload = begin(s3)
    parts = [part(s3, upload, 1, b"new")]
    with pytest.raises(errors.PreconditionFailed):
        complete(s3, upload, parts, if_none_match="*")
    with pytest.raises(errors.PreconditionFailed):
        complete(s3, upload, parts, if_match='"no"')
    etag = s3.head_object(bucket="box", key="k")["ETag"]
    complete(s3, upload, parts, if_match=etag)
    assert s3.get("box", "k") == b"new"


COMBINATIONS = [(algorithm, type_) for algorithm in checksums.ALGORITHMS for type_ in algorithm.types]


@pytest.mark.parametrize(("algorithm", "type_"), COMBINATIONS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_checksums_of_the_whole(s3: S3, small_parts: None, algorithm: checksums.Algorithm, type_: str) -> None:
    opened = s3.create_multipart_upload(bucket="box", key="k", checksum_algorithm=algorithm.name, checksum_type=type_)
    assert (opened["ChecksumAlgorithm"], opened["ChecksumType"]) == (algorithm.name, type_)
    upload = opened["UploadId"]
    pieces = [b"a" * 100, b"bc" * 50_000, b""]
    name = {"CRC32C": "checksum_crc32_c", "CRC64NVME": "checksum_crc64_nvme"}.get(
        algorithm.name, f"checksum_{algorithm.name.lower()}"
    )
    parts = [part(s3, upload, n, data, **{name: b64(algorithm.of(data))}) for n, data in enumerate(pieces, 1)]
    listed = s3.list_parts(bucket="box", key="k", upload_id=upload)
    assert [p[algorithm.member] for p in listed["Parts"]] == [b64(algorithm.of(data)) for data in pieces]
    done = complete(s3, upload, parts)
    if type_ == "FULL_OBJECT":
        expected = b64(algorithm.of(b"".join(pieces)))
    else:
        expected = b64(algorithm.of(b"".join(algorithm.of(data) for data in pieces))) + "-3"
    assert done[algorithm.member] == expected
    head = s3.head_object(bucket="box", key="k", checksum_mode="ENABLED")
    assert (head[algorithm.member], head["ChecksumType"]) == (expected, type_)
    attributes = s3.get_object_attributes(bucket="box", key="k", object_attributes=["Checksum", "ObjectParts"])
    assert attributes["Checksum"] == {algorithm.member: expected.removesuffix("-3"), "ChecksumType": type_}
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    assert len(attributes["ObjectParts"].get("Parts", [])) == (3 if type_ == "COMPOSITE" else 0)
    second = s3.get_object(bucket="box", key="k", part_number=2, checksum_mode="ENABLED")
    of_part = {algorithm.member: b64(algorithm.of(pieces[1])), "ChecksumType": type_} if type_ == "COMPOSITE" else {}
    assert {name: value for name, value in second.items() if name.startswith("Checksum")} == of_part
    again = begin(s3, checksum_algorithm=algorithm.name, checksum_type=type_)
    parts = [part(s3, again, n, data, **{name: b64(algorithm.of(data))}) for n, data in enumerate(pieces, 1)]
    with pytest.raises(errors.BadDigest):
        complete(s3, again, parts, **{name: b64(bytes(algorithm.size))})
    complete(s3, again, parts, **{name: expected})


def test_pairs_of_algorithm_and_type_that_do_not_exist(s3: S3) -> None:
    for algorithm, type_ in (("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), (None, "COMPOSITE")):
        with pytest.raises(errors.InvalidRequest):
            s3.create_multipart_upload(bucket="box", key="k", checksum_algorithm=algorithm, checksum_type=type_)


def test_a_part_keeps_to_its_uploads_algorithm(s3: S3, small_parts: None) -> None:
    crc = b64(zlib.crc32(b"x").to_bytes(4, "big"))
    sha = begin(s3, checksum_algorithm="SHA256")
    with pytest.raises(errors.InvalidRequest, match="expected checksum Type: sha256, actual checksum Type: crc32"):
        part(s3, sha, 1, b"x", checksum_crc32=crc)
    with pytest.raises(errors.InvalidRequest, match="expected checksum Type: sha256, actual checksum Type: null"):
        part(s3, sha, 1, b"x")
    one = part(s3, sha, 1, b"x", checksum_sha256=b64(hashlib.sha256(b"x").digest()))
    with pytest.raises(errors.InvalidRequest, match="must include the checksum for each part"):
        complete(s3, sha, [{"PartNumber": 1, "ETag": one["ETag"]}])
    with pytest.raises(errors.BadDigest, match="The crc32 you specified for part 1 did not match what we received"):
        complete(s3, sha, [{"PartNumber": 1, "ETag": one["ETag"], "ChecksumCRC32": crc}])
    full = begin(s3, checksum_algorithm="CRC32", checksum_type="FULL_OBJECT")
    assert part(s3, full, 1, b"x")["ChecksumCRC32"] == crc
    free = begin(s3)
    assert part(s3, free, 1, b"x", checksum_crc32=crc)["ChecksumCRC32"] == crc
    with pytest.raises(errors.BadDigest):
        part(s3, free, 2, b"y", checksum_crc32=crc)
    large = b"x" * 100_000
    sent = part(s3, free, 1, large, checksum_crc32=b64(zlib.crc32(large).to_bytes(4, "big")))
    with pytest.raises(errors.InvalidPart):
        complete(s3, free, [sent])
    done = complete(s3, free, [{"PartNumber": 1, "ETag": sent["ETag"]}])
    assert done["ChecksumCRC64NVME"] == b64(checksums.DEFAULT.of(b"x" * 100_000))


def test_aborting_leaves_nothing(s3: S3) -> None:
    upload = begin(s3)
    part(s3, upload, 1, DATA[:100_000])
    part(s3, upload, 1, DATA[:200_000])
    part(s3, upload, 2, b"small")
    s3.abort_multipart_upload(bucket="box", key="k", upload_id=upload)
    with pytest.raises(errors.NoSuchUpload):
        s3.abort_multipart_upload(bucket="box", key="k", upload_id=upload)
    with pytest.raises(errors.NoSuchUpload):
        part(s3, upload, 1, b"x")
    with pytest.raises(errors.NoSuchUpload):
        s3.list_parts(bucket="box", key="k", upload_id=upload)
    torn = Payload(DATA[:2_000_000], {}, fails=errors.IncompleteBody("The body ended early."))
    with pytest.raises(errors.IncompleteBody):
        s3.upload_part(bucket="box", key="k", upload_id=begin(s3), part_number=1, body=torn)
    s3.work()
    assert s3.files() == []
    assert s3.rows("contents") == 1


def test_a_part_that_arrives_during_completion_is_not_lost_silently(s3: S3) -> None:
    upload = begin(s3)
    parts = [part(s3, upload, 1, b"one")]

    async def race() -> list[Any]:
        call = s3.call()
        call.body = Payload(b"changed", {})
        late = s3.run("upload_part", call, {"bucket": "box", "key": "k", "upload_id": upload, "part_number": 1})
        params = {"bucket": "box", "key": "k", "upload_id": upload, "multipart_upload": {"Parts": parts}}
        return await asyncio.gather(
            s3.run("complete_multipart_upload", s3.call(), params), late, return_exceptions=True
        )

    completed, late = s3.loop.run_until_complete(race())
    if isinstance(completed, dict):
        assert isinstance(late, errors.NoSuchUpload)
        assert s3.get("box", "k") == b"one"
    else:
        assert isinstance(completed, errors.InvalidPart)
        assert isinstance(late, dict)


def test_parts_copied_from_objects(s3: S3) -> None:
    s3.put_object(bucket="box", key="source", body=DATA)
    upload = begin(s3)
    copy = {"bucket": "box", "key": "k", "upload_id": upload, "copy_source": "box/source"}
    one = s3.upload_part_copy(part_number=1, copy_source_range=f"bytes=10-{6 * MIB}", **copy)["CopyPartResult"]
    two = s3.upload_part_copy(part_number=2, copy_source_range="bytes=0-99", **copy)["CopyPartResult"]
    complete(s3, upload, [{"PartNumber": 1, "ETag": one["ETag"]}, {"PartNumber": 2, "ETag": two["ETag"]}])
    expected = DATA[10 : 6 * MIB + 1] + DATA[:100]
    assert s3.get("box", "k") == expected
    upload = begin(s3)
    copy |= {"upload_id": upload, "copy_source": "box/k"}
    three = s3.upload_part_copy(part_number=1, copy_source_range=f"bytes={6 * MIB - 20}-{len(expected) - 1}", **copy)
    complete(s3, upload, [{"PartNumber": 1, "ETag": three["CopyPartResult"]["ETag"]}])
    assert s3.get("box", "k") == expected[6 * MIB - 20 :]
    for bad in ("bytes=0-", "bytes=-5", "0-5", "bytes=5-1", f"bytes=0-{len(DATA)}"):
        with pytest.raises(errors.InvalidArgument):
            s3.upload_part_copy(
                bucket="box",
                key="k",
                upload_id=begin(s3),
                copy_source="box/source",
                part_number=1,
                copy_source_range=bad,
            )


def test_lists_of_parts_and_uploads(s3: S3) -> None:
    first = begin(s3, "b")
    s3.clock.time += 1
    second = begin(s3, "b")
    third = begin(s3, "a/1")
    begin(s3, "a/2")
    for number in (3, 1, 7):
        part(s3, first, number, b"x" * number, key="b")
    page = s3.list_parts(bucket="box", key="b", upload_id=first, max_parts=2)
    assert [(p["PartNumber"], p["Size"]) for p in page["Parts"]] == [(1, 1), (3, 3)]
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 3)
    page = s3.list_parts(bucket="box", key="b", upload_id=first, part_number_marker=3)
    assert [p["PartNumber"] for p in page["Parts"]] == [7]
    uploads = s3.list_multipart_uploads(bucket="box")
    assert [u["Key"] for u in uploads["Uploads"]] == ["a/1", "a/2", "b", "b"]
    assert [u["UploadId"] for u in uploads["Uploads"]][2:] == [first, second]
    seen = []
    page = s3.list_multipart_uploads(bucket="box", max_uploads=1)
    while True:
        seen += [u["UploadId"] for u in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        marks = {"key_marker": page["NextKeyMarker"], "upload_id_marker": page["NextUploadIdMarker"]}
        page = s3.list_multipart_uploads(bucket="box", max_uploads=1, **marks)
    assert seen == [u["UploadId"] for u in uploads["Uploads"]]
    rolled = s3.list_multipart_uploads(bucket="box", delimiter="/", max_uploads=1)
    assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert rolled["NextKeyMarker"] == "a/"
    rest = s3.list_multipart_uploads(bucket="box", delimiter="/", key_marker="a/")
    assert [u["UploadId"] for u in rest["Uploads"]] == [first, second]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(bucket="box", prefix="a/1")["Uploads"]] == [third]
    assert s3.list_multipart_uploads(bucket="box", key_marker="b")["Uploads"] == []


def test_parts_outlive_the_object_while_they_are_read(s3: S3, small_parts: None) -> None:
    upload = begin(s3)
    complete(s3, upload, [part(s3, upload, 1, DATA[:100_000]), part(s3, upload, 2, DATA[:90_000])])
    got = s3.get_object(bucket="box", key="k")
    s3.delete_object(bucket="box", key="k")
    s3.work()
    assert s3.read(got) == DATA[:100_000] + DATA[:90_000]
    del got
    gc.collect()
    s3.work()
    assert s3.files() == []


def test_an_upload_of_ten_thousand_parts(s3: S3, small_parts: None) -> None:
    upload = begin(s3)

    async def parts() -> list[dict[str, Any]]:
        done = []
        for start in range(1, 10_001, 500):
            calls = []
            for number in range(start, start + 500):
                call = s3.call()
                call.body = Payload(b"%05d" % number, {})
                calls.append(
                    s3.run(
                        "upload_part", call, {"bucket": "box", "key": "k", "upload_id": upload, "part_number": number}
                    )
                )
            done += await asyncio.gather(*calls)
        return done

    answers = s3.loop.run_until_complete(parts())
    done = complete(s3, upload, [{"PartNumber": n, "ETag": a["ETag"]} for n, a in enumerate(answers, 1)])
    assert done["ETag"].endswith('-10000"')
    whole = b"".join(b"%05d" % number for number in range(1, 10_001))
    assert s3.get("box", "k", range="bytes=24997-25012") == whole[24_997:25_013]
    assert s3.get("box", "k", part_number=10_000) == b"10000"
    s3.delete_object(bucket="box", key="k")
    s3.work()
    assert s3.rows("parts") == 0


SIZES = st.sampled_from([0, 1, 700, 65_536, 65_537, 120_000])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(st.tuples(st.integers(1, 6), SIZES), min_size=1, max_size=8),
    left_out=st.sets(st.integers(1, 6), max_size=3),
    cuts=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 400_000)), min_size=1, max_size=4),
)
def test_random_uploads_against_the_model(
    s3: S3, small_parts: None, sent: list[tuple[int, int]], left_out: set[int], cuts: list[tuple[int, int]]
) -> None:
    upload = begin(s3)
    expected: dict[int, tuple[bytes, dict[str, Any]]] = {}
    for seed, (number, size) in enumerate(sent):
        data = DATA[seed : seed + size]
        expected[number] = data, part(s3, upload, number, data)
    used = [number for number in sorted(expected) if number not in left_out]
    if not used:
        s3.abort_multipart_upload(bucket="box", key="k", upload_id=upload)
        return
    whole = b"".join(expected[number][0] for number in used)
    empty_inside = any(not expected[number][0] for number in used[:-1])
    if empty_inside:
        with pytest.raises(errors.EntityTooSmall):
            complete(s3, upload, [expected[number][1] for number in used])
        s3.abort_multipart_upload(bucket="box", key="k", upload_id=upload)
        return
    complete(s3, upload, [expected[number][1] for number in used])
    assert s3.get("box", "k") == whole
    for a, b in cuts:
        first, last = min(a, b), max(a, b)
        if first < len(whole):
            assert s3.get("box", "k", range=f"bytes={first}-{last}") == whole[first : last + 1]
    s3.delete_object(bucket="box", key="k")
    gc.collect()
    s3.work()
    assert s3.files() == []
    assert (s3.rows("parts"), s3.rows("doomed_contents")) == (0, 0)
