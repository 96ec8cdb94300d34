"""Versioning, rule by rule. S3 user guide, "Retaining multiple versions of objects with S3 Versioning"; the errors of delete
markers and of bad ids are as recorded from S3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awning.services.s3 import errors, version_ids
from tests.services.s3.support import S3

MADE_UP = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"
GET = {"method": "GET"}


@pytest.fixture
def kept(s3: S3) -> S3:
    """A room whose `box` keeps versions."""
    switch(s3, "Enabled")
    return s3


def switch(s3: S3, status: str) -> None:
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": status})


def put(s3: S3, body: bytes, key: str = "k", **params: Any) -> str:
    """Store an object; return its version's id, or null."""
    version: str = s3.put_object(bucket="box", key=key, body=body, **params).get("VersionId", "null")
    return version


def delete(s3: S3, version: str | None = None, key: str = "k") -> Any:
    return s3.delete_object(bucket="box", key=key, version_id=version)


def versions(s3: S3, **params: Any) -> list[tuple[str, str, bool]]:
    """Return (key, version, is the latest) of all that is listed; delete markers have a key with a cross before it."""
    page = s3.list_object_versions(bucket="box", **params)
    found = [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in page["Versions"]]
    return found + [(f"†{entry['Key']}", entry["VersionId"], entry["IsLatest"]) for entry in page["DeleteMarkers"]]


def current(s3: S3) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(bucket="box")["Contents"]]


# The bucket's state --------------------------------------------------------------------------------------------------


def test_a_bucket_says_whether_it_keeps_versions(s3: S3) -> None:
    assert s3.get_bucket_versioning(bucket="box") == {}
    for status in ("Suspended", "Enabled", "Suspended"):
        switch(s3, status)
        assert s3.get_bucket_versioning(bucket="box") == {"Status": status}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, errors.IllegalVersioningConfigurationException),
        ({"Status": "enabled"}, errors.MalformedXML),
        ({"Status": "Disabled"}, errors.MalformedXML),
    ],
)
def test_versioning_is_enabled_or_suspended(s3: S3, given: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        s3.put_bucket_versioning(bucket="box", versioning_configuration=given)
    with pytest.raises(errors.NoSuchBucket):
        s3.put_bucket_versioning(bucket="none", versioning_configuration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(bucket="box") == {}


def test_a_bucket_goes_only_when_no_version_is_left(kept: S3) -> None:
    version = put(kept, b"1")
    marker = delete(kept)["VersionId"]
    for left in (version, marker):
        with pytest.raises(errors.BucketNotEmpty, match="You must delete all versions in the bucket"):
            kept.delete_bucket(bucket="box")
        delete(kept, left)
    kept.delete_bucket(bucket="box")


# Writing -------------------------------------------------------------------------------------------------------------


def test_each_write_makes_a_version(kept: S3) -> None:
    first, second = put(kept, b"1"), put(kept, b"22")
    assert first != second
    assert len(first) == len(second) == 32
    assert versions(kept) == [("k", second, True), ("k", first, False)]
    assert (kept.get("box", "k"), kept.get("box", "k", version_id=first)) == (b"22", b"1")
    got = kept.head_object(bucket="box", key="k")
    assert (got["VersionId"], got["ContentLength"]) == (second, 2)
    assert kept.head_object(bucket="box", key="k", version_id=first)["VersionId"] == first
    assert current(kept) == ["k"]


def test_what_was_there_before_is_the_null_version(s3: S3) -> None:
    put(s3, b"before")
    assert "VersionId" not in s3.head_object(bucket="box", key="k")
    switch(s3, "Enabled")
    assert s3.head_object(bucket="box", key="k")["VersionId"] == "null"
    version = put(s3, b"after")
    assert versions(s3) == [("k", version, True), ("k", "null", False)]
    assert s3.get("box", "k", version_id="null") == b"before"


def test_suspended_writes_replace_only_the_null_version(kept: S3) -> None:
    version = put(kept, b"1")
    switch(kept, "Suspended")
    for body in (b"a", b"b" * 100_000, b"c"):
        assert put(kept, body) == "null"
        assert versions(kept) == [("k", "null", True), ("k", version, False)]
        assert kept.get("box", "k") == kept.get("box", "k", version_id="null") == body
        assert kept.head_object(bucket="box", key="k")["VersionId"] == "null"
    switch(kept, "Enabled")
    third = put(kept, b"3")
    switch(kept, "Suspended")
    put(kept, b"d")
    assert versions(kept) == [("k", "null", True), ("k", third, False), ("k", version, False)]


def test_conditions_are_about_the_current_version(kept: S3) -> None:
    kept.put_object(bucket="box", key="k", body=b"1", if_none_match="*")
    with pytest.raises(errors.PreconditionFailed):
        kept.put_object(bucket="box", key="k", body=b"2", if_none_match="*")
    etag = kept.head_object(bucket="box", key="k")["ETag"]
    delete(kept)
    with pytest.raises(errors.NoSuchKey):
        kept.put_object(bucket="box", key="k", body=b"2", if_match=etag)
    version = put(kept, b"2", if_none_match="*")
    with pytest.raises(errors.PreconditionFailed):
        kept.delete_object(bucket="box", key="k", if_match=etag)
    with pytest.raises(errors.PreconditionFailed):
        kept.delete_object(bucket="box", key="k", version_id=version, if_match=etag)
    assert kept.head_object(bucket="box", key="k")["VersionId"] == version


def test_a_completed_upload_is_a_version_and_says_so_again(kept: S3) -> None:
    old = put(kept, b"1")
    upload = kept.create_multipart_upload(bucket="box", key="k")["UploadId"]
    etag = kept.upload_part(bucket="box", key="k", upload_id=upload, part_number=1, body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = kept.complete_multipart_upload(bucket="box", key="k", upload_id=upload, multipart_upload=parts)
    assert versions(kept) == [("k", done["VersionId"], True), ("k", old, False)]
    again = kept.complete_multipart_upload(bucket="box", key="k", upload_id=upload, multipart_upload=parts)
    assert again == done
    put(kept, b"2")
    kept.work()
    assert kept.get("box", "k", version_id=done["VersionId"]) == b"part"
    delete(kept, done["VersionId"])
    kept.work()
    assert kept.rows("parts") == 0


# Deleting ------------------------------------------------------------------------------------------------------------


def test_a_delete_marker_hides_the_versions(kept: S3) -> None:
    version = put(kept, b"1")
    marked = delete(kept)
    marker = marked["VersionId"]
    assert marked == {"VersionId": marker, "DeleteMarker": True}
    assert versions(kept) == [("k", version, False), ("†k", marker, True)]
    assert current(kept) == []
    with pytest.raises(errors.NoSuchKey) as hidden:
        kept.get_object(bucket="box", key="k")
    shown = [(b"x-amz-delete-marker", b"true"), (b"x-amz-version-id", marker.encode())]
    assert hidden.value.headers == shown
    assert kept.get("box", "k", version_id=version) == b"1"
    for name in ("get_object", "head_object", "get_object_acl", "get_object_tagging"):
        with pytest.raises(errors.DeleteMarkerInTheWay) as named:
            getattr(kept, name)(bucket="box", key="k", version_id=marker, as_=kept.call(**GET))
        assert (named.value.code, named.value.status) == ("MethodNotAllowed", 405)
        assert named.value.members == {"Method": "GET", "ResourceType": "DeleteMarker"}
        assert named.value.headers == [(b"allow", b"DELETE"), *shown]


def test_a_hidden_key_is_not_there_for_who_may_not_list(kept: S3) -> None:
    put(kept, b"1")
    delete(kept)
    with pytest.raises(errors.AccessDenied) as denied:
        kept.get_object(bucket="box", key="k", deny=lambda action, arn: action == "s3:ListBucket")
    assert not denied.value.headers


def test_a_marker_is_made_for_a_key_that_is_not_there_and_upon_another(kept: S3) -> None:
    markers = [delete(kept)["VersionId"] for _ in range(3)]
    assert versions(kept) == [("†k", markers[2], True), ("†k", markers[1], False), ("†k", markers[0], False)]


def test_deleting_the_marker_brings_the_object_back(kept: S3) -> None:
    version = put(kept, b"1")
    first, second = (delete(kept)["VersionId"] for _ in range(2))
    assert delete(kept, second) == {"VersionId": second, "DeleteMarker": True}
    assert current(kept) == []
    delete(kept, first)
    assert (kept.get("box", "k"), versions(kept)) == (b"1", [("k", version, True)])
    assert put(kept, b"2") == kept.head_object(bucket="box", key="k")["VersionId"]


def test_deleting_the_latest_version_restores_the_one_before(kept: S3) -> None:
    first, second, third = (put(kept, body) for body in (b"1", b"22", b"333"))
    assert delete(kept, third) == {"VersionId": third}
    assert versions(kept) == [("k", second, True), ("k", first, False)]
    assert (kept.get("box", "k"), kept.list_objects_v2(bucket="box")["Contents"][0]["Size"]) == (b"22", 2)
    delete(kept, first)
    assert versions(kept) == [("k", second, True)]
    with pytest.raises(errors.NoSuchVersion) as gone:
        kept.get_object(bucket="box", key="k", version_id=first)
    assert (gone.value.status, gone.value.members) == (404, {"Key": "k", "VersionId": first})


def test_suspended_deletes_put_a_null_marker_in_the_null_versions_place(kept: S3) -> None:
    version = put(kept, b"1")
    switch(kept, "Suspended")
    put(kept, b"null")
    for _ in range(2):
        assert delete(kept) == {"VersionId": "null", "DeleteMarker": True}
        assert versions(kept) == [("k", version, False), ("†k", "null", True)]
    put(kept, b"null again")
    assert versions(kept) == [("k", "null", True), ("k", version, False)]
    delete(kept)
    assert delete(kept, "null") == {"VersionId": "null", "DeleteMarker": True}
    assert versions(kept) == [("k", version, True)]
    assert kept.get("box", "k") == b"1"


def test_ids_that_never_were_and_ids_that_are_gone(kept: S3) -> None:
    version = put(kept, b"1")
    for name in ("get_object", "head_object", "get_object_tagging", "delete_object_tagging", "delete_object"):
        for bad in (MADE_UP, "abc", version[:-1] + ("a" if version[-1] != "a" else "b")):
            with pytest.raises(errors.InvalidArgument, match="Invalid version id specified") as error:
                getattr(kept, name)(bucket="box", key="k", version_id=bad)
            assert error.value.members == {"ArgumentName": "versionId", "ArgumentValue": bad}
        with pytest.raises(errors.InvalidArgument, match="cannot be the empty string"):
            getattr(kept, name)(bucket="box", key="k", version_id="")
    for name in ("get_object", "head_object", "get_object_acl"):
        with pytest.raises(errors.NoSuchVersion):
            getattr(kept, name)(bucket="box", key="other", version_id=version)
    for _ in range(2):
        assert delete(kept, version) == {"VersionId": version}
    assert delete(kept, "null") == {"VersionId": "null"}


def test_many_are_deleted_with_and_without_versions(kept: S3) -> None:
    one, two = put(kept, b"1", "a"), put(kept, b"1", "b")
    headers = {b"content-md5": b"1B2M2Y8AsgTpgAmY7PhCfg=="}

    def many(*asked: dict[str, str]) -> Any:
        return kept.delete_objects(
            bucket="box", delete={"Objects": list(asked)}, body=b"", as_=kept.call(headers=headers)
        )

    result = many({"Key": "a"}, {"Key": "b", "VersionId": two}, {"Key": "c"}, {"Key": "d", "VersionId": MADE_UP})
    marked, gone, other = result["Deleted"]
    assert marked == {"Key": "a", "DeleteMarker": True, "DeleteMarkerVersionId": marked["DeleteMarkerVersionId"]}
    assert gone == {"Key": "b", "VersionId": two}
    assert other["DeleteMarker"] is True
    (error,) = result["Errors"]
    assert (error["Key"], error["Code"], error["VersionId"]) == ("d", "NoSuchVersion", MADE_UP)
    marker = marked["DeleteMarkerVersionId"]
    (back,) = many({"Key": "a", "VersionId": marker})["Deleted"]
    assert back == {"Key": "a", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    assert kept.head_object(bucket="box", key="a")["VersionId"] == one


def test_counters_and_blobs_follow_the_versions(kept: S3) -> None:
    large = bytes(100_000)
    kept_versions = [put(kept, large), put(kept, large + b"1"), delete(kept)["VersionId"]]
    room = kept.room
    gauges = room.service.gauges
    assert gauges is not None

    def figures() -> tuple[float, float]:
        found = gauges(kept.call())
        labels = (("bucket", "box"),)
        return found["s3_bucket_objects", labels], found["s3_bucket_bytes", labels]

    assert figures() == (3, 200_001)
    kept.work()
    assert len(kept.files()) == 2
    for version in kept_versions:
        delete(kept, version)
    kept.work()
    assert (figures(), kept.files(), kept.rows("contents"), kept.rows("versions")) == ((0, 0), [], 0, 0)


# Tags, attributes, copies --------------------------------------------------------------------------------------------


def tags(value: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": "t", "Value": value}]}


def test_each_version_has_its_own_tags(kept: S3) -> None:
    first, second = put(kept, b"1", tagging="t=1"), put(kept, b"2")
    assert kept.put_object_tagging(bucket="box", key="k", tagging=tags("2")) == {"VersionId": second}
    assert kept.get_object_tagging(bucket="box", key="k") == {**tags("2"), "VersionId": second}
    assert kept.get_object_tagging(bucket="box", key="k", version_id=first) == {**tags("1"), "VersionId": first}
    assert kept.delete_object_tagging(bucket="box", key="k", version_id=first) == {"VersionId": first}
    assert kept.get_object_tagging(bucket="box", key="k", version_id=first)["TagSet"] == []
    assert kept.get_object_tagging(bucket="box", key="k")["TagSet"] == tags("2")["TagSet"]


def test_a_hidden_key_has_no_tags_to_speak_of(kept: S3) -> None:
    put(kept, b"1")
    delete(kept)
    for name, given in (("get", {}), ("put", {"tagging": tags("1")}), ("delete", {})):
        with pytest.raises(errors.DeleteMarkerInTheWay):
            getattr(kept, f"{name}_object_tagging")(bucket="box", key="k", **given)
    with pytest.raises(errors.NoSuchKey):
        kept.get_object_tagging(bucket="box", key="none")


def test_attributes_are_those_of_the_version(kept: S3) -> None:
    first, second = put(kept, b"1"), put(kept, b"22")
    for version, size in ((None, 2), (first, 1), (second, 2)):
        got = kept.get_object_attributes(
            bucket="box", key="k", version_id=version, object_attributes=["ObjectSize", "ETag"]
        )
        assert (got["VersionId"], got["ObjectSize"]) == (version or second, size)


def test_copies_of_versions(kept: S3) -> None:
    first, second = put(kept, b"1", tagging="t=1"), put(kept, b"2")
    copied = kept.copy_object(bucket="box", key="to", copy_source="box/k")
    assert copied["CopySourceVersionId"] == second
    assert kept.head_object(bucket="box", key="to")["VersionId"] == copied["VersionId"]
    asked: list[str] = []
    back = kept.copy_object(
        bucket="box",
        key="k",
        copy_source=f"box/k?versionId={first}",
        deny=lambda action, arn: bool(asked.append(action)),  # type: ignore[func-returns-value]
    )
    assert asked == ["s3:GetObjectVersionTagging", "s3:PutObjectTagging"]
    assert back["CopySourceVersionId"] == first
    assert versions(kept, prefix="k") == [("k", back["VersionId"], True), ("k", second, False), ("k", first, False)]
    assert kept.get("box", "k") == b"1"
    assert kept.get_object_tagging(bucket="box", key="k")["TagSet"] == tags("1")["TagSet"]
    upload = kept.create_multipart_upload(bucket="box", key="m")["UploadId"]
    part = kept.upload_part_copy(
        bucket="box", key="m", upload_id=upload, part_number=1, copy_source=f"/box/k?versionId={second}"
    )
    assert part["CopySourceVersionId"] == second


def test_what_cannot_be_copied(kept: S3) -> None:
    put(kept, b"1")
    marker = delete(kept)["VersionId"]
    with pytest.raises(errors.NoSuchKey) as hidden:
        kept.copy_object(bucket="box", key="to", copy_source="box/k")
    assert (b"x-amz-delete-marker", b"true") in hidden.value.headers
    with pytest.raises(errors.InvalidRequest, match="may not specifically refer to a delete marker"):
        kept.copy_object(bucket="box", key="to", copy_source=f"box/k?versionId={marker}")
    for bad in ("abc", "", MADE_UP):
        with pytest.raises(errors.InvalidArgument) as error:
            kept.copy_object(bucket="box", key="to", copy_source=f"box/k?versionId={bad}")
        assert error.value.members == {"ArgumentName": "x-amz-copy-source", "ArgumentValue": bad}
    with pytest.raises(errors.NoSuchVersion):
        kept.copy_object(bucket="box", key="to", copy_source=f"box/other?versionId={marker}")


@pytest.mark.parametrize("name", ["copy_object", "upload_part_copy"])
def test_a_source_version_needs_the_permission_for_versions(kept: S3, name: str) -> None:
    version = put(kept, b"1")
    needs = {need.action: need.resource for need in kept.operations[name].needs}
    whole, one = needs["s3:GetObject"], needs["s3:GetObjectVersion"]
    assert callable(whole)
    assert callable(one)
    for source, asked in (("box/k", (True, False)), (f"box/k?versionId={version}", (False, True))):
        params = {"copy_source": source}
        assert (bool(whole(kept.call(), params)), bool(one(kept.call(), params))) == asked


def test_policies_see_the_versions_own_tags(kept: S3) -> None:
    first = put(kept, b"1", tagging="t=1")
    second = put(kept, b"2", tagging="t=2")
    operation = kept.operations["get_object"]
    assert operation.context is not None
    arn = "arn:aws:s3:::box/k"
    for version, value in ((first, "1"), (second, "2"), (None, "2"), (MADE_UP, None)):
        context = operation.context(kept.call(), {"bucket": "box", "key": "k", "version_id": version})
        assert context["s3:ExistingObjectTag/"](arn).get("t") == value
        assert context.get("s3:VersionId") == version
    copy = kept.operations["copy_object"].context
    assert copy is not None
    context = copy(kept.call(), {"bucket": "box", "key": "to", "copy_source": f"box/k?versionId={first}"})
    assert context["s3:ExistingObjectTag/"](arn) == {"t": "1"}
    assert context["s3:ExistingObjectTag/"]("arn:aws:s3:::box/to") == {}


# Events --------------------------------------------------------------------------------------------------------------


def test_events_name_the_version(kept: S3) -> None:
    queue = {"Id": "q", "QueueArn": "arn:aws:sqs:us-east-1:111111111111:q"}
    queue["Events"] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]  # type: ignore[assignment]
    kept.put_bucket_notification_configuration(
        bucket="box", notification_configuration={"QueueConfigurations": [queue]}, skip_destination_validation=True
    )
    version = put(kept, b"1")
    kept.put_object_tagging(bucket="box", key="k", tagging=tags("1"))
    marker = delete(kept)["VersionId"]
    delete(kept, version)
    delete(kept, version)
    switch(kept, "Suspended")
    put(kept, b"2")
    delete(kept)
    told = [json.loads(letter.body)["Records"][0] for letter in kept.outbox() if "Records" in letter.body]  # type: ignore[attr-defined]
    nothing = "d41d8cd98f00b204e9800998ecf8427e"
    assert [(one["eventName"], one["s3"]["object"].get("versionId")) for one in told] == [
        ("ObjectCreated:Put", version),
        ("ObjectTagging:Put", version),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", version),
        ("ObjectCreated:Put", None),
        ("ObjectRemoved:DeleteMarkerCreated", None),
    ]
    assert (told[2]["s3"]["object"]["eTag"], "size" in told[2]["s3"]["object"]) == (nothing, False)
    numbers = [one["s3"]["object"]["sequencer"] for one in told if "sequencer" in one["s3"]["object"]]
    assert numbers == sorted(set(numbers))


# Ids -----------------------------------------------------------------------------------------------------------------


def test_an_id_tells_its_number_and_a_made_up_one_nothing() -> None:
    for number in (0, 1, 1 << 40, (1 << 63) - 1):
        version = version_ids.make(number, bytes(range(8)))
        assert version_ids.number_of(version) == number
    assert version_ids.number_of(version_ids.make(1 << 63, bytes(8))) is None
    for bad in ("", "null", MADE_UP, "ü" * 32, version_ids.make(1, bytes(8)) + "a"):
        assert version_ids.number_of(bad) is None
