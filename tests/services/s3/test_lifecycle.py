"""Lifecycle configurations and the headers that tell of them.

PutBucketLifecycleConfiguration (S3 API reference), "Lifecycle configuration elements" (S3 user guide); codes and messages as S3's
own answers are recorded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from awning.services.s3 import errors
from tests.services.s3.support import S3

IA, GLACIER = "STANDARD_IA", "GLACIER"
MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)


def rule(**members: Any) -> dict[str, Any]:
    given = {"ID": "one", "Status": "Enabled", **members}
    if "Prefix" not in members:
        given.setdefault("Filter", {"Prefix": ""})
    if (
        not {"Expiration", "Transitions", "NoncurrentVersionExpiration", "NoncurrentVersionTransitions"}
        & members.keys()
    ):
        given.setdefault("Expiration", {"Days": 1})
    return {name: value for name, value in given.items() if value is not None}


def put(s3: S3, *rules: dict[str, Any], **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = s3.put_bucket_lifecycle_configuration(
        bucket="box", lifecycle_configuration={"Rules": list(rules)}, **params
    )
    return result


def rules_of(s3: S3) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = s3.get_bucket_lifecycle_configuration(bucket="box")["Rules"]
    return result


GOOD = [
    rule(),
    rule(Filter={}),
    rule(Prefix="logs/", Filter=None),
    rule(Filter={"Tag": {"Key": "k", "Value": ""}}),
    rule(Filter={"ObjectSizeGreaterThan": 0}),
    rule(Filter={"And": {"Prefix": "", "ObjectSizeLessThan": 5}}),
    rule(Filter={"And": {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}}),
    rule(Status="Disabled"),
    rule(Expiration={"ExpiredObjectDeleteMarker": True}),
    rule(Expiration={"ExpiredObjectDeleteMarker": False}),
    rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 500}),
    rule(Transitions=[{"Days": 0, "StorageClass": "GLACIER_IR"}]),
    rule(
        Transitions=[{"Days": 30, "StorageClass": IA}, {"Days": 60, "StorageClass": GLACIER}], Expiration={"Days": 61}
    ),
    rule(
        NoncurrentVersionTransitions=[
            {"NoncurrentDays": 30, "StorageClass": IA},
            {"NoncurrentDays": 60, "StorageClass": GLACIER, "NewerNoncurrentVersions": 2},
        ]
    ),
    rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2}, Expiration=None),
]


@pytest.mark.parametrize("given", GOOD)
def test_a_rule_is_shown_as_it_was_put(s3: S3, given: dict[str, Any]) -> None:
    assert put(s3, given) == {"TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}
    assert rules_of(s3) == [given]


def test_dates_are_kept(s3: S3) -> None:
    put(s3, rule(Expiration={"Date": LATER}, Transitions=[{"Date": MIDNIGHT, "StorageClass": GLACIER}]))
    (kept,) = rules_of(s3)
    assert kept["Expiration"] == {"Date": LATER.timestamp()}
    assert kept["Transitions"] == [{"Date": MIDNIGHT.timestamp(), "StorageClass": GLACIER}]


def moves(*pairs: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"Days": days, "StorageClass": storage_class} for days, storage_class in pairs]


BAD: list[tuple[type[errors.ServiceError], str, list[dict[str, Any]]]] = [
    (errors.MalformedXML, "", []),
    (errors.InvalidRequest, "1000 rules", [rule(ID=str(at)) for at in range(1001)]),
    (errors.MalformedXML, "", [rule(Status="enabled")]),
    (errors.MalformedXML, "", [rule(Status=None)]),
    (errors.MalformedXML, "", [rule(Filter=None)]),
    (errors.MalformedXML, "", [rule(Filter={}, Prefix="")]),
    (errors.InvalidArgument, "ID length should not exceed allowed limit of 255", [rule(ID="x" * 256)]),
    (errors.InvalidArgument, "Rule ID must be unique. Found same ID for more than one rule", [rule(), rule()]),
    (errors.InvalidRequest, "At least one action needs to be specified in a rule", [rule(Expiration=None)]),
    (errors.MalformedXML, "", [rule(Expiration={})]),
    (errors.MalformedXML, "", [rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": False})]),
    (errors.MalformedXML, "", [rule(Expiration={"Days": 1, "Date": MIDNIGHT})]),
    (errors.InvalidArgument, "'Days' for Expiration action must be a positive integer", [rule(Expiration={"Days": 0})]),
    (
        errors.InvalidArgument,
        "'Date' must be at midnight GMT",
        [rule(Expiration={"Date": datetime(2030, 1, 1, 1, tzinfo=UTC)})],
    ),
    (errors.MalformedXML, "", [rule(Filter={"Prefix": "a", "Tag": {"Key": "k", "Value": "v"}})]),
    (errors.MalformedXML, "", [rule(Filter={"And": {"Prefix": "a"}})]),
    (errors.MalformedXML, "", [rule(Filter={"Prefix": "", "And": {"Prefix": "a", "ObjectSizeLessThan": 5}})]),
    (
        errors.InvalidRequest,
        "Duplicate Tag Keys are not allowed.",
        [rule(Filter={"And": {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}})],
    ),
    (errors.InvalidRequest, "'ObjectSizeLessThan' should be between", [rule(Filter={"ObjectSizeLessThan": 0})]),
    (
        errors.InvalidRequest,
        "has to be a value greater than",
        [rule(Filter={"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}})],
    ),
    (
        errors.InvalidRequest,
        "ExpiredObjectDeleteMarker cannot be specified with Object Size.",
        [rule(Expiration={"ExpiredObjectDeleteMarker": False}, Filter={"ObjectSizeLessThan": 5})],
    ),
    (
        errors.InvalidRequest,
        "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}, Filter={"Tag": {"Key": "k", "Value": "v"}})],
    ),
    (errors.InvalidArgument, "must be a positive", [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})]),
    (errors.MalformedXML, "", [rule(AbortIncompleteMultipartUpload={})]),
    (errors.MalformedXML, "", [rule(NoncurrentVersionExpiration={})]),
    (errors.MalformedXML, "", [rule(NoncurrentVersionExpiration={"NewerNoncurrentVersions": 1})]),
    (errors.InvalidArgument, "'NoncurrentDays' for", [rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})]),
    (
        errors.InvalidRequest,
        "NewerNoncurrentVersions element can only be used in Lifecycle V2.",
        [rule(Prefix="", NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 1})],
    ),
    (errors.InvalidRequest, "Filter element can only be used", [rule(Prefix=""), rule(ID="two")]),
    (errors.InvalidRequest, "Base level prefix cannot be used", [rule(), rule(ID="two", Prefix="")]),
    (
        errors.InvalidRequest,
        "Found overlapping prefixes '' and 'a' for same action type 'Expiration'",
        [rule(Prefix="a"), rule(ID="two", Prefix="")],
    ),
    (errors.MalformedXML, "", [rule(Transitions=[{"Days": 30}])]),
    (errors.MalformedXML, "", [rule(Transitions=moves((30, "STANDARD")))]),
    (errors.MalformedXML, "", [rule(NoncurrentVersionTransitions=[{"StorageClass": GLACIER}])]),
    (
        errors.InvalidArgument,
        "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
        [rule(Transitions=moves((29, IA)))],
    ),
    (
        errors.InvalidRequest,
        r"'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '\(prefix=\)'",
        [rule(Transitions=moves((1, GLACIER), (2, GLACIER)))],
    ),
    (errors.InvalidArgument, "must be greater than", [rule(Transitions=moves((40, GLACIER), (30, "DEEP_ARCHIVE")))]),
    (errors.InvalidArgument, "must be 30 days more than", [rule(Transitions=moves((30, IA), (59, GLACIER)))]),
    (
        errors.InvalidRequest,
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions",
        [rule(Expiration={"Date": MIDNIGHT}, Transitions=moves((30, IA)))],
    ),
    (
        errors.InvalidArgument,
        r"'Days' in the Expiration action for filter '\(prefix=\)' must be greater than 'Days' in the Transition action",
        [rule(Expiration={"Days": 30}, Transitions=moves((30, IA)))],
    ),
]


@pytest.mark.parametrize(("error", "message", "rules"), BAD)
def test_what_is_wrong_is_said_and_changes_nothing(
    s3: S3, error: type[errors.ServiceError], message: str, rules: list[dict[str, Any]]
) -> None:
    put(s3, rule(ID="kept"))
    with pytest.raises(error, match=message or None):
        put(s3, *rules)
    assert [each["ID"] for each in rules_of(s3)] == ["kept"]


def test_a_rule_without_an_id_gets_one(s3: S3) -> None:
    put(s3, rule(ID=None), rule(ID=None, Filter={"Prefix": "b"}))
    ids = [each["ID"] for each in rules_of(s3)]
    assert [len(id_) for id_ in ids] == [48, 48]
    assert ids[0] != ids[1]


def test_there_may_be_a_thousand_rules(s3: S3) -> None:
    put(s3, *(rule(ID=str(at), Filter={"Prefix": f"{at}/"}) for at in range(1000)))
    assert len(rules_of(s3)) == 1000


def test_the_default_minimum_size_is_told(s3: S3) -> None:
    chosen = {"transition_default_minimum_object_size": "varies_by_storage_class"}
    assert put(s3, rule(), **chosen) == {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}
    shown = s3.get_bucket_lifecycle_configuration(bucket="box")
    assert shown["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    with pytest.raises(errors.InvalidRequest, match="Invalid TransitionDefaultMinimumObjectSize found: none"):
        put(s3, rule(), transition_default_minimum_object_size="none")


def test_a_lifecycle_is_deleted_there_or_not(s3: S3) -> None:
    with pytest.raises(errors.NoSuchLifecycleConfiguration):
        rules_of(s3)
    s3.delete_bucket_lifecycle(bucket="box")
    put(s3, rule())
    s3.delete_bucket_lifecycle(bucket="box")
    with pytest.raises(errors.NoSuchLifecycleConfiguration):
        rules_of(s3)
    put(s3, rule())
    s3.delete_bucket(bucket="box")
    s3.create_bucket(bucket="box")
    with pytest.raises(errors.NoSuchLifecycleConfiguration):
        rules_of(s3)
    assert s3.rows("walks") == 0


def test_replies_tell_when_a_current_version_expires(s3: S3) -> None:
    """ "…adding the number of days specified in the rule to the object creation time and rounding up the resulting time to the
    next day at midnight UTC": written on 14 November 2023, 22:13."""
    expected = 'expiry-date="Sat, 18 Nov 2023 00:00:00 GMT", rule-id="one"'
    put(s3, rule(Expiration={"Days": 3}), rule(ID="longer", Expiration={"Days": 9}))
    assert s3.put_object(bucket="box", key="k", body=b"x")["Expiration"] == expected
    assert s3.get_object(bucket="box", key="k")["Expiration"] == expected
    assert s3.head_object(bucket="box", key="k")["Expiration"] == expected
    assert s3.copy_object(bucket="box", key="c", copy_source="box/k")["Expiration"] == expected
    upload = s3.create_multipart_upload(bucket="box", key="m")["UploadId"]
    etag = s3.upload_part(bucket="box", key="m", upload_id=upload, part_number=1, body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    for _ in range(2):
        done = s3.complete_multipart_upload(bucket="box", key="m", upload_id=upload, multipart_upload=parts)
        assert done["Expiration"] == expected


def test_only_a_rule_that_fits_is_told_of(s3: S3) -> None:
    tag = {"Key": "a", "Value": "1"}
    put(
        s3,
        rule(Filter={"And": {"Prefix": "p/", "Tags": [tag, {"Key": "b", "Value": "2"}]}}),
        rule(ID="size", Filter={"And": {"ObjectSizeGreaterThan": 2, "ObjectSizeLessThan": 5}}, Expiration={"Days": 2}),
        rule(ID="off", Status="Disabled"),
        rule(ID="markers", Expiration={"ExpiredObjectDeleteMarker": True}),
    )

    def told(key: str, body: bytes = b"", tagging: str | None = None) -> str | None:
        shown: str | None = s3.put_object(bucket="box", key=key, body=body, tagging=tagging).get("Expiration")
        return shown

    assert told("p/k") is None
    assert told("p/k", tagging="a=1") is None
    assert 'rule-id="one"' in (told("p/k", tagging="a=1&b=2&c=3") or "")
    assert told("q/k", tagging="a=1&b=2") is None
    assert [told("s", b"x" * size) is not None for size in (2, 3, 4, 5)] == [False, True, True, False]


def test_a_date_is_told_as_it_is(s3: S3) -> None:
    put(s3, rule(Expiration={"Date": MIDNIGHT}))
    assert "Tue, 01 Jan 2030 00:00:00 GMT" in s3.put_object(bucket="box", key="k", body=b"x")["Expiration"]


def test_a_version_that_is_named_expires_by_no_header(s3: S3) -> None:
    """Recorded of S3: HEAD with a version id has no x-amz-expiration, not even for the current version."""
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Enabled"})
    put(s3, rule())
    version = s3.put_object(bucket="box", key="k", body=b"x")["VersionId"]
    assert "Expiration" in s3.head_object(bucket="box", key="k")
    assert "Expiration" not in s3.head_object(bucket="box", key="k", version_id=version)
    assert "Expiration" not in s3.get_object(bucket="box", key="k", version_id=version)


def test_replies_tell_when_an_upload_is_given_up(s3: S3) -> None:
    put(s3, rule(ID="gone", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}, Filter={"Prefix": "p/"}))
    begun = s3.create_multipart_upload(bucket="box", key="p/k")
    about = {"AbortDate": 1_700_611_200, "AbortRuleId": "gone"}
    assert {name: begun[name] for name in about} == about
    listed = s3.list_parts(bucket="box", key="p/k", upload_id=begun["UploadId"])
    assert {name: listed[name] for name in about} == about
    assert "AbortDate" not in s3.create_multipart_upload(bucket="box", key="q/k")
