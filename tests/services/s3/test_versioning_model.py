"""A bucket whose versioning is switched, against a small obvious model: keys with their versions, the newest first."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning.services.s3 import errors, version_tables
from tests.faults.audit import faults_in
from tests.services.s3.support import S3

COUNT = itertools.count()
KEYS = st.sampled_from(["a", "a/b", "a/c/d", "b", "é/x", "é/y"])
PLACES = st.integers(0, 4)
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS),
    st.tuples(st.just("put_new"), KEYS),
    st.tuples(st.just("large"), KEYS),
    st.tuples(st.just("multipart"), KEYS),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("delete_version"), KEYS, PLACES),
    st.tuples(st.just("delete_version"), KEYS, PLACES),
    st.tuples(st.just("delete_null"), KEYS),
    st.tuples(st.just("copy"), KEYS, KEYS, PLACES),
    st.tuples(st.just("switch"), st.sampled_from(["Enabled", "Enabled", "Suspended"])),
)


@dataclass
class Version:
    """`id`: null, or as S3 answered. `body`: None of a delete marker."""

    id: str
    body: bytes | None


@dataclass
class Model:
    """What a bucket should have. `state` is None until it is versioned."""

    s3: S3
    bucket: str
    state: str | None = None
    keys: dict[str, list[Version]] = field(default_factory=dict)
    bodies: Any = field(default_factory=lambda: itertools.count())

    def body(self, size: int = 0) -> bytes:
        return f"{next(self.bodies)}".encode().ljust(size, b".")

    def current(self, key: str) -> Version | None:
        there = self.keys.get(key)
        return there[0] if there and there[0].body is not None else None

    def add(self, key: str, version: Version) -> None:
        there = self.keys.setdefault(key, [])
        if self.state != "Enabled":
            there[:] = [one for one in there if one.id != "null"]
        there.insert(0, version)

    def made(self, key: str, answer: dict[str, Any], body: bytes) -> None:
        assert ("VersionId" in answer) == (self.state == "Enabled")
        self.add(key, Version(answer.get("VersionId", "null"), body))

    # Steps, by their names in STEPS.

    def put(self, key: str, size: int = 0, **params: Any) -> None:
        body = self.body(size)
        self.made(key, self.s3.put_object(bucket=self.bucket, key=key, body=body, **params), body)

    def large(self, key: str) -> None:
        self.put(key, 70_000)

    def put_new(self, key: str) -> None:
        try:
            answer = self.s3.put_object(bucket=self.bucket, key=key, body=b"new", if_none_match="*")
        except errors.PreconditionFailed:
            assert self.current(key) is not None
        else:
            assert self.current(key) is None
            self.made(key, answer, b"new")

    def multipart(self, key: str) -> None:
        body = self.body()
        named = {"bucket": self.bucket, "key": key}
        upload = self.s3.create_multipart_upload(**named)["UploadId"]
        etag = self.s3.upload_part(**named, upload_id=upload, part_number=1, body=body)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        self.made(key, self.s3.complete_multipart_upload(**named, upload_id=upload, multipart_upload=parts), body)

    def delete(self, key: str) -> None:
        answer = self.s3.delete_object(bucket=self.bucket, key=key)
        if self.state is None:
            assert answer == {}
            self.keys.pop(key, None)
            return
        assert answer["DeleteMarker"] is True
        assert (answer["VersionId"] == "null") == (self.state == "Suspended")
        self.add(key, Version(answer["VersionId"], None))

    def delete_version(self, key: str, place: int) -> None:
        there = self.keys.get(key, [])
        if place < len(there):
            gone = there.pop(place)
            self.s3.delete_object(bucket=self.bucket, key=key, version_id=gone.id)

    def delete_null(self, key: str) -> None:
        self.s3.delete_object(bucket=self.bucket, key=key, version_id="null")
        there = self.keys.get(key, [])
        there[:] = [one for one in there if one.id != "null"]

    def copy(self, key: str, to: str, place: int) -> None:
        there = self.keys.get(key, [])
        if place < len(there) and there[place].body is not None:
            source = there[place]
            assert source.body is not None
            wanted = f"{self.bucket}/{key}?versionId={source.id}"
            answer = self.s3.copy_object(bucket=self.bucket, key=to, copy_source=wanted)
            self.made(to, {name: value for name, value in answer.items() if name == "VersionId"}, source.body)

    def switch(self, state: str) -> None:
        self.s3.put_bucket_versioning(bucket=self.bucket, versioning_configuration={"Status": state})
        self.state = state

    # What is seen.

    def entries(self) -> list[tuple[str, Version, bool]]:
        """All that a listing of versions has, in its order: key, version, whether it is the latest."""
        return [
            (key, version, place == 0)
            for key in sorted(self.keys, key=str.encode)
            for place, version in enumerate(self.keys[key])
        ]

    def check(self) -> None:
        page = self.s3.list_object_versions(bucket=self.bucket)
        assert not page["IsTruncated"]
        for name, marker in (("Versions", False), ("DeleteMarkers", True)):
            seen = [(one["Key"], one["VersionId"], one["IsLatest"]) for one in page[name]]
            assert seen == [(k, v.id, latest) for k, v, latest in self.entries() if (v.body is None) == marker]
        shown = {one["Key"]: one["Size"] for one in self.s3.list_objects_v2(bucket=self.bucket)["Contents"]}
        hidden = {key: self.current(key) for key in self.keys}
        assert shown == {key: len(one.body or b"") for key, one in hidden.items() if one is not None}
        for key, version, latest in self.entries():
            if version.body is not None:
                assert self.s3.get(self.bucket, key, version_id=version.id) == version.body
                if latest:
                    assert self.s3.get(self.bucket, key) == version.body


def played(s3: S3, steps: list[tuple[Any, ...]]) -> Model:
    model = Model(s3, f"model-{next(COUNT)}")
    s3.create_bucket(bucket=model.bucket)
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
    return model


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=25))
def test_versions_against_the_model(s3: S3, steps: list[tuple[Any, ...]]) -> None:
    model = played(s3, [])
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
        model.check()
    s3.work()
    assert [fault for fault in faults_in(s3.folder.path) if "among the rooms" not in fault] == []


def rolled_up(model: Model, prefix: str, delimiter: str) -> list[tuple[str, str | None]]:
    """Return the entries of a listing: keys with their versions, and prefixes with None."""
    found: list[tuple[str, str | None]] = []
    for key, version, _ in model.entries():
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, version.id) if at < 0 else (key[: at + len(delimiter)], None)
        if at < 0 or entry not in found:
            found.append(entry)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(STEPS, min_size=5, max_size=25),
    prefix=st.sampled_from(["", "a", "a/", "é", "z"]),
    delimiter=st.sampled_from(["", "/", "c"]),
    size=st.integers(1, 6),
    forget=st.booleans(),
)
def test_pages_of_versions_against_the_model(
    s3: S3, steps: list[tuple[Any, ...]], prefix: str, delimiter: str, size: int, forget: bool
) -> None:
    """Page after page; `forget`: each version is deleted once it was shown, as a client does that empties a bucket."""
    model = played(s3, [("switch", "Enabled"), *steps])
    expected = rolled_up(model, prefix, delimiter)
    seen: list[tuple[str, str | None]] = []
    markers: dict[str, str] = {}
    while True:
        page = s3.list_object_versions(
            bucket=model.bucket, prefix=prefix, delimiter=delimiter, max_keys=size, **markers
        )
        shown = [(one["Key"], one["VersionId"]) for one in page["Versions"] + page["DeleteMarkers"]]
        rolled = [(one["Prefix"], None) for one in page["CommonPrefixes"]]
        assert len(shown) + len(rolled) <= size
        seen += sorted([*shown, *rolled], key=expected.index)
        for one in page["Versions"] + page["DeleteMarkers"]:
            assert one["IsLatest"] == (model.keys[one["Key"]][0].id == one["VersionId"])
        if forget:
            for key, version in shown:
                s3.delete_object(bucket=model.bucket, key=key, version_id=version)
                model.keys[key] = [one for one in model.keys[key] if one.id != version]
        if not page["IsTruncated"]:
            break
        markers = {"key_marker": page["NextKeyMarker"]}
        if "NextVersionIdMarker" in page:
            markers["version_id_marker"] = page["NextVersionIdMarker"]
    assert seen == expected


def test_a_key_marker_alone_passes_over_its_key(s3: S3) -> None:
    model = played(s3, [("switch", "Enabled"), ("put", "a"), ("put", "a"), ("put", "b")])
    page = s3.list_object_versions(bucket=model.bucket, key_marker="a")
    assert [one["Key"] for one in page["Versions"]] == ["b"]
    encoded = s3.list_object_versions(bucket=model.bucket, prefix="é/", encoding_type="url")
    assert (encoded["Prefix"], encoded["EncodingType"]) == ("%C3%A9/", "url")


def test_pages_go_on_behind_a_null_version(s3: S3) -> None:
    """Where it is gone, its key begins again: nobody knows any more where it was."""
    model = played(s3, [("put", "a"), ("switch", "Enabled"), ("put", "a"), ("switch", "Suspended"), ("put", "a")])
    model.switch("Enabled")
    model.put("a")
    newest, null, oldest = (version.id for _, version, _ in model.entries())
    assert null == "null"
    first = s3.list_object_versions(bucket=model.bucket, max_keys=2)
    markers = {"key_marker": first["NextKeyMarker"], "version_id_marker": first["NextVersionIdMarker"]}
    assert markers == {"key_marker": "a", "version_id_marker": "null"}
    page = s3.list_object_versions(bucket=model.bucket, **markers)
    assert [(one["VersionId"], one["IsLatest"]) for one in page["Versions"]] == [(oldest, False)]
    s3.delete_object(bucket=model.bucket, key="a", version_id="null")
    page = s3.list_object_versions(bucket=model.bucket, **markers)
    assert [(one["VersionId"], one["IsLatest"]) for one in page["Versions"]] == [(newest, True), (oldest, False)]


def test_a_version_marker_is_one_that_was_given_out(s3: S3) -> None:
    for marker, words in (("", "cannot be empty"), ("made up", "Invalid version id specified")):
        with pytest.raises(errors.InvalidArgument, match=words):
            s3.list_object_versions(bucket="box", key_marker="a", version_id_marker=marker)


def test_a_page_reads_no_more_than_it_shows(s3: S3) -> None:
    """However many versions one key has: both tables are read in their order, without sorting."""
    db = s3.room.database.reader
    for query, given_ in (
        (version_tables._FROM, (1, b"", 5)),
        (version_tables._BETWEEN, (1, b"", 5, b"z")),
        (version_tables._OF_KEY, (1, b"a", 5, 0)),
    ):
        plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", given_))
        assert "SCAN" not in plan
        assert "FOR ORDER BY" not in plan, plan
