"""RenameObject. S3 API reference, RenameObject: atomically, without moving bytes, with conditions and a token."""

from __future__ import annotations

from typing import Any

import pytest

from awning.kit.call import Call
from awning.services.s3 import errors, tables
from tests.services.s3.support import S3


def keys(s3: S3) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(bucket="box")["Contents"]]


def rename(s3: S3, to: str, source: str, **params: Any) -> None:
    assert (
        s3.rename_object(bucket="box", key=to, rename_source=source if "/" in source else f"box/{source}", **params)
        == {}
    )


@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize("source", ["box/a%20%C3%BC", "/box/a%20%C3%BC"])
def test_an_object_gets_another_key(s3: S3, size: int, source: str) -> None:
    s3.put_object(bucket="box", key="a ü", body=bytes(size), metadata={"m": "1"}, tagging="t=1")
    s3.put_object(bucket="box", key="b", body=bytes(70_000))
    before = s3.head_object(bucket="box", key="a ü")
    rename(s3, "b", source)
    assert keys(s3) == ["b"]
    assert s3.get("box", "b") == bytes(size)
    assert s3.head_object(bucket="box", key="b") == before
    s3.work()
    assert len(s3.files()) == (1 if size > 65_536 else 0)
    assert s3.rows("contents") == 1


def test_an_object_of_parts_keeps_them(s3: S3) -> None:
    named = {"bucket": "box", "key": "k"}
    upload = s3.create_multipart_upload(**named)["UploadId"]
    etag = s3.upload_part(**named, upload_id=upload, part_number=3, body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 3, "ETag": etag}]}
    s3.complete_multipart_upload(**named, upload_id=upload, multipart_upload=parts)
    before = s3.head_object(**named, part_number=1)
    rename(s3, "to", "k")
    assert s3.get("box", "to") == b"part"
    assert s3.head_object(bucket="box", key="to", part_number=1) == before


def test_conditions_are_on_both_keys(s3: S3) -> None:
    one = s3.put_object(bucket="box", key="a", body=b"1")["ETag"]
    two = s3.put_object(bucket="box", key="b", body=b"2")["ETag"]
    now = s3.clock.time
    for refused in (
        {"destination_if_none_match": "*"},
        {"destination_if_match": one},
        {"destination_if_modified_since": now},
        {"destination_if_unmodified_since": now - 10},
        {"source_if_match": two},
        {"source_if_none_match": one},
        {"source_if_none_match": "*"},
        {"source_if_modified_since": now},
        {"source_if_unmodified_since": now - 10},
    ):
        with pytest.raises(errors.PreconditionFailed):
            rename(s3, "b", "a", **refused)
        assert (s3.get("box", "a"), s3.get("box", "b")) == (b"1", b"2")
    with pytest.raises(errors.PreconditionFailed):
        rename(s3, "none", "a", destination_if_modified_since=now - 10)
    rename(s3, "b", "a", destination_if_match=two, source_if_match=one, destination_if_modified_since=now - 10)
    assert keys(s3) == ["b"]


def test_the_same_request_again_changes_nothing(s3: S3) -> None:
    s3.put_object(bucket="box", key="a", body=b"1")
    rename(s3, "b", "a", client_token="token")
    s3.put_object(bucket="box", key="a", body=b"another")
    rename(s3, "b", "a", client_token="token")
    assert keys(s3) == ["a", "b"]
    with pytest.raises(errors.IdempotencyParameterMismatch):
        rename(s3, "c", "a", client_token="token")
    s3.clock.time += 8 * 86_400
    s3.work()
    rename(s3, "c", "a", client_token="token")


def test_renames_are_forgotten_some_at_a_time(s3: S3) -> None:
    def remember(call: Call) -> None:
        for at in range(5):
            tables.keep_rename(call.db, 1, f"{at}", b"", at)

    s3.loop.run_until_complete(s3.room.write(s3.call(), remember))
    seen: list[str] = []

    def forget(call: Call) -> list[bool]:
        call.db.set_trace_callback(seen.append)
        more = [tables.forget_renames(call.db, 3, 2) for _ in range(2)]
        call.db.set_trace_callback(None)
        return more

    assert s3.loop.run_until_complete(s3.room.write(s3.call(), forget)) == [True, False]
    assert s3.rows("renames") == 2
    plan = [row[3] for row in s3.room.database.reader.execute(f"EXPLAIN QUERY PLAN {seen[0]}")]
    assert not [line for line in plan if line.startswith("SCAN")]


def test_what_cannot_be_renamed(s3: S3) -> None:
    with pytest.raises(errors.NoSuchKey):
        rename(s3, "b", "a")
    s3.put_object(bucket="box", key="a", body=b"1")
    for source in ("a", "other/a"):
        with pytest.raises(errors.InvalidRequest):
            rename(s3, "a", source)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": status})
        with pytest.raises(errors.NotImplementedHere):
            rename(s3, "b", "a")
    assert keys(s3) == ["a"]
