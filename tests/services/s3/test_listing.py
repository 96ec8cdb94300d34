"""Listings against an obvious model: every combination of prefix, delimiter, marker and page size."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning.services.s3 import errors, listing
from tests.services.s3.support import ACCOUNT, S3


def model(
    keys: set[str], prefix: str, delimiter: str, after: str, limit: int
) -> tuple[list[str], list[str], str | None]:
    """Roll all keys up, order the entries by their bytes, take the first `limit` beyond `after`."""
    entries: dict[bytes, bool] = {}
    for key in keys:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entries[(key if at < 0 else key[: at + len(delimiter)]).encode()] = at >= 0
    names = [name for name in sorted(entries) if name > after.encode()]
    page = names[:limit]
    return (
        [name.decode() for name in page if not entries[name]],
        [name.decode() for name in page if entries[name]],
        page[-1].decode() if len(names) > limit and page else None,
    )


TEXT = st.text("ab/.é\U0001f600\uffff", max_size=5)
DELIMITERS = st.sampled_from(["", "", "/", "/", "a", "é", "//", "b."])
KEYS = st.sets(TEXT.filter(bool), max_size=25)


def contents(answer: dict[str, Any]) -> tuple[list[str], list[str]]:
    return [c["Key"] for c in answer["Contents"]], [p["Prefix"] for p in answer["CommonPrefixes"]]


def fill(s3: S3, keys: set[str]) -> None:
    present = {c["Key"] for c in s3.list_objects_v2(bucket="box")["Contents"]}
    if present - keys:
        s3.delete_objects(bucket="box", delete={"Objects": [{"Key": key} for key in present - keys], "Quiet": True})

    async def puts() -> None:
        await asyncio.gather(
            *(s3.run("put_object", s3.call(), {"bucket": "box", "key": key}) for key in keys - present)
        )

    s3.loop.run_until_complete(puts())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=KEYS,
    prefix=TEXT,
    delimiter=st.sampled_from(["", "", "/", "/", "a", "é", "//", "b."]),
    after=TEXT,
    size=st.integers(1, 8),
)
def test_listings_against_the_model(s3: S3, keys: set[str], prefix: str, delimiter: str, after: str, size: int) -> None:
    fill(s3, keys)
    params = {"bucket": "box", "prefix": prefix, "delimiter": delimiter}
    expected = model(keys, prefix, delimiter, after, size)
    first = s3.list_objects(**params, marker=after, max_keys=size)
    assert contents(first) == expected[:2]
    assert first["IsTruncated"] == (expected[2] is not None)
    assert first.get("NextMarker") == (expected[2] if delimiter else None)
    second = s3.list_objects_v2(**params, start_after=after, max_keys=size)
    assert contents(second) == expected[:2]
    assert second["KeyCount"] == len(expected[0]) + len(expected[1])

    whole = model(keys, prefix, delimiter, after, 10_000)
    seen: tuple[list[str], list[str]] = ([], [])
    page = second
    while True:
        found = contents(page)
        seen[0].extend(found[0])
        seen[1].extend(found[1])
        assert page["IsTruncated"] == ("NextContinuationToken" in page)
        if not page["IsTruncated"]:
            break
        page = s3.list_objects_v2(
            **params, max_keys=size, continuation_token=page["NextContinuationToken"], start_after=after
        )
    assert seen == whole[:2]


def test_an_entry_says_what_it_is(s3: S3) -> None:
    put = s3.put_object(bucket="box", key="k", body=b"12345", checksum_sha1="jLIjfQZ5yojbZGTqxg2pY0VROWQ=")
    (entry,) = s3.list_objects_v2(bucket="box", fetch_owner=True)["Contents"]
    assert entry == {
        "Key": "k",
        "LastModified": int(s3.clock.time),
        "ETag": put["ETag"],
        "ChecksumAlgorithm": ["SHA1"],
        "ChecksumType": "FULL_OBJECT",
        "Size": 5,
        "StorageClass": "STANDARD",
        "Owner": {"ID": entry["Owner"]["ID"]},
    }
    assert len(entry["Owner"]["ID"]) == 64
    assert "Owner" not in s3.list_objects_v2(bucket="box")["Contents"][0]
    assert s3.list_objects(bucket="box")["Contents"][0] == entry


def test_page_sizes(s3: S3) -> None:
    fill(s3, {f"k{n:04}" for n in range(1003)})
    for lister in (s3.list_objects, s3.list_objects_v2):
        assert len(lister(bucket="box")["Contents"]) == 1000
        assert len(lister(bucket="box", max_keys=5000)["Contents"]) == 1000
        assert lister(bucket="box", max_keys=5000)["MaxKeys"] == 1000
        none = lister(bucket="box", max_keys=0)
        assert (none["Contents"], none["IsTruncated"]) == ([], False)
        with pytest.raises(errors.InvalidArgument):
            lister(bucket="box", max_keys=-1)


def test_url_encoding(s3: S3) -> None:
    odd = "a b/ü&<\x01+%/c"
    fill(s3, {odd, "z"})
    got = s3.list_objects_v2(bucket="box", encoding_type="url", prefix="a b/", start_after="a ")
    assert got["Contents"][0]["Key"] == "a%20b/%C3%BC%26%3C%01%2B%25/c"
    assert unquote(got["Contents"][0]["Key"]) == odd
    assert (got["Prefix"], got["StartAfter"], got["EncodingType"]) == ("a%20b/", "a%20", "url")
    rolled = s3.list_objects(bucket="box", encoding_type="url", delimiter="ü", max_keys=1)
    assert rolled["CommonPrefixes"] == [{"Prefix": "a%20b/%C3%BC"}]
    assert (rolled["Delimiter"], rolled["NextMarker"]) == ("%C3%BC", "a%20b/%C3%BC")
    with pytest.raises(errors.InvalidArgument):
        s3.list_objects(bucket="box", encoding_type="base64")


@pytest.mark.parametrize("token", ["nonsense", "", "bm9uc2Vuc2U="])
def test_a_token_that_was_never_given_out(s3: S3, token: str) -> None:
    with pytest.raises(errors.InvalidArgument):
        s3.list_objects_v2(bucket="box", continuation_token=token)


@given(prefix=st.binary(max_size=4), tail=st.binary(max_size=4))
def test_the_successor_is_the_least_above_all(prefix: bytes, tail: bytes) -> None:
    above = listing.successor(prefix)
    if above is None:
        assert prefix == b"\xff" * len(prefix)
        return
    assert prefix + tail < above
    assert above[:-1] + bytes((above[-1] - 1,)) <= prefix


def test_accounts_have_ids_of_their_own(s3: S3) -> None:
    from awning.services.s3 import names

    assert names.owner_id(ACCOUNT) == names.owner_id(ACCOUNT) != names.owner_id("222222222222")
