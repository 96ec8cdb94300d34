"""Reading: ranges, preconditions, overrides, attributes; each against an obvious model where there is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awning.auth.principal import ANONYMOUS
from awning.services.s3 import conditions, errors
from tests.services.s3.support import S3

DATA = bytes(range(251)) * 600


@pytest.mark.parametrize("size", [1000, len(DATA)])
@pytest.mark.parametrize(
    ("header", "first", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=990-", 990, None), ("bytes=-5", -5, None),
     ("bytes=0-99999999", 0, None), ("bytes=-99999999", 0, None), ("BYTES=1-2", 1, 3)],
)  # fmt: skip
def test_a_range_is_answered_with_206(s3: S3, size: int, header: str, first: int, end: int | None) -> None:
    s3.put_object(bucket="box", key="k", body=DATA[:size])
    first = first if first >= 0 else size + first
    end = size if end is None else end
    got = s3.get_object(bucket="box", key="k", range=header, checksum_mode="ENABLED")
    assert got["@status"] == 206
    assert got["ContentRange"] == f"bytes {first}-{end - 1}/{size}"
    assert got["ContentLength"] == end - first
    assert ("ChecksumCRC64NVME" in got) == (end - first == size)
    assert s3.read(got) == DATA[first:end]


@pytest.mark.parametrize(
    "header", ["bytes=0-1,3-4", "bytes=5-1", "bytes=a-b", "lines=1-2", "bytes", "bytes=-", "bytes=1"]
)
def test_what_is_no_single_range_gets_the_whole(s3: S3, header: str) -> None:
    s3.put_object(bucket="box", key="k", body=b"0123456789")
    got = s3.get_object(bucket="box", key="k", range=header)
    assert "@status" not in got
    assert "ContentRange" not in got
    assert s3.read(got) == b"0123456789"


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(s3: S3, header: str) -> None:
    s3.put_object(bucket="box", key="k", body=b"0123456789")
    with pytest.raises(errors.InvalidRange) as raised:
        s3.get_object(bucket="box", key="k", range=header)
    assert raised.value.status == 416
    assert raised.value.members["ActualObjectSize"] == "10"
    assert raised.value.headers == [(b"content-range", b"bytes */10")]


@given(size=st.integers(0, 30), first=st.none() | st.integers(0, 40), last=st.none() | st.integers(0, 40))
def test_ranges_against_slices(size: int, first: int | None, last: int | None) -> None:
    data = DATA[:size]
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None and last is None:
        expected: bytes | None = data
    elif first is None:
        assert last is not None
        expected = data[-last:] if last else None
    elif last is not None and last < first:
        expected = data
    else:
        expected = data[first : size if last is None else last + 1] or None
    try:
        found = conditions.read_range(header, size)
        got: bytes | None = data if found is None else data[found[0] : found[1]]
    except errors.InvalidRange:
        got = None
    assert got == expected


@given(
    if_match=st.none() | st.booleans(),
    if_none_match=st.none() | st.booleans(),
    modified_since=st.none() | st.booleans(),
    unmodified_since=st.none() | st.booleans(),
)
def test_preconditions_against_rfc_9110(
    if_match: bool | None, if_none_match: bool | None, modified_since: bool | None, unmodified_since: bool | None
) -> None:
    """RFC 9110, 13.2.2, step by step; True: the header names this version, or its date lets the request through."""
    expected = 200
    if (if_match is False) or (if_match is None and unmodified_since is False):
        expected = 412
    elif (if_none_match is True) or (if_none_match is None and modified_since is False):
        expected = 304

    def tag(same: bool | None) -> str | None:
        return None if same is None else '"aa", "bb"' if same else '"cc"'

    modified = 1000
    since = None if modified_since is None else 999.0 if modified_since else 1000.0
    unmodified = None if unmodified_since is None else 1000.0 if unmodified_since else 999.0
    try:
        got = (
            304
            if conditions.check_read('"bb"', modified, tag(if_match), tag(if_none_match), since, unmodified)
            else 200
        )
    except errors.PreconditionFailed:
        got = 412
    assert got == expected


@pytest.mark.parametrize(("header", "same"), [("*", True), ("aa", True), ('W/"aa"', True), ('"a"', False), ("", False)])
def test_forms_of_entity_tags(header: str, same: bool) -> None:
    assert conditions.matches(header, '"aa"') is same


def test_not_modified_carries_the_validators(s3: S3) -> None:
    etag = s3.put_object(bucket="box", key="k", body=b"x", cache_control="max-age=5")["ETag"]
    for read in (s3.get_object, s3.head_object):
        with pytest.raises(errors.NotModified) as raised:
            read(bucket="box", key="k", if_none_match=etag)
        assert raised.value.status == 304
        headers = dict(raised.value.headers)
        assert headers[b"etag"] == etag.encode()
        assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers[b"last-modified"])
        assert headers[b"cache-control"] == b"max-age=5"
        with pytest.raises(errors.PreconditionFailed):
            read(bucket="box", key="k", if_match='"no"')


def test_a_signed_request_may_ask_for_other_headers(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"x", content_type="text/plain")
    got = s3.get_object(
        bucket="box", key="k", response_content_type="a/b", response_cache_control="no", response_expires=5.0,
        response_content_disposition="attachment", response_content_encoding="gzip", response_content_language="fr",
    )  # fmt: skip
    assert (got["ContentType"], got["CacheControl"], got["Expires"]) == ("a/b", "no", 5.0)
    assert (got["ContentDisposition"], got["ContentEncoding"], got["ContentLanguage"]) == ("attachment", "gzip", "fr")
    nobody = s3.call(principal=ANONYMOUS, signed=None)
    with pytest.raises(errors.InvalidRequest):
        s3.get_object(bucket="box", key="k", response_content_type="a/b", as_=nobody)


def test_part_numbers_of_a_whole_object(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=b"0123456789")
    got = s3.get_object(bucket="box", key="k", part_number=1, checksum_mode="ENABLED")
    assert (got["@status"], got["ContentRange"], s3.read(got)) == (206, "bytes 0-9/10", b"0123456789")
    assert "ChecksumCRC64NVME" in got
    with pytest.raises(errors.InvalidPartNumber):
        s3.get_object(bucket="box", key="k", part_number=2)
    with pytest.raises(errors.InvalidRequest):
        s3.get_object(bucket="box", key="k", part_number=1, range="bytes=0-1")


def test_attributes(s3: S3) -> None:
    put = s3.put_object(bucket="box", key="k", body=b"0123456789")
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    got = s3.get_object_attributes(bucket="box", key="k", object_attributes=every)
    assert got == {
        "LastModified": int(s3.clock.time),
        "ETag": put["ETag"].strip('"'),
        "Checksum": {"ChecksumCRC64NVME": put["ChecksumCRC64NVME"], "ChecksumType": "FULL_OBJECT"},
        "StorageClass": "STANDARD",
        "ObjectSize": 10,
    }
    assert s3.get_object_attributes(bucket="box", key="k", object_attributes=["ObjectSize"]) == {
        "LastModified": int(s3.clock.time),
        "ObjectSize": 10,
    }


def test_what_is_being_read_outlives_its_deletion(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=DATA)
    got = s3.get_object(bucket="box", key="k")
    s3.delete_object(bucket="box", key="k")
    s3.work()
    assert s3.files() == []
    assert s3.read(got) == DATA
